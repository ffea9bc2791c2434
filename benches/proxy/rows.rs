//! Rows that take turns, their answers checked, their medians shown.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::client::{Answer, Client};
use crate::fleet::Fleet;
use crate::packed;
use crate::peers::Peer;
use crate::process::{Process, own_cpu};
use crate::upstream::{Coding, Said, Upstream};

const WARM_UP: usize = 3;
const ROUNDS: usize = 15;
/// Latency is a matter of microseconds: many more of them.
const QUICK_ROUNDS: usize = 400;
/// Scrapes of a row in one round, each with a body of its own.
const IN_A_ROW: usize = 3;

/// What an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The body.
    Same,
    /// The body and the annotation.
    Annotated,
    /// One series for each queue, and the annotation.
    Queues,
}

/// What is asked for: 118 bytes a sample, another value in every line each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Page {
    /// 100,000 series in 20 families.
    Twenty,
    /// 100,000 jobs in one family.
    Jobs,
    /// 1,000 series in 20 families.
    Small,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Of the process, for each scrape.
    Cpu,
    /// From the request's first byte to the answer's last.
    Latency,
}

pub struct Row {
    name: &'static str,
    process: Process,
    client: Client,
    asks: &'static str,
    page: Page,
    check: Check,
    beside: Beside,
    figures: Vec<Duration>,
}

/// What is done beside a proxy that does less, and charged to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    Nothing,
    Inflating,
}

impl Page {
    pub fn path(self) -> &'static str {
        match self {
            Page::Twenty => "/twenty",
            Page::Jobs => "/jobs",
            Page::Small => "/small",
        }
    }

    pub fn body(self, tick: usize) -> String {
        let (series, families) = match self {
            Page::Twenty => (100_000, 20),
            Page::Jobs => (100_000, 1),
            Page::Small => (1_000, 20),
        };
        Fleet { series, families }.body(tick, 0)
    }
}

impl Row {
    pub fn guard(name: &'static str, peer: Peer, page: Page, check: Check) -> Row {
        Row::new(name, peer, "/scrape/x", page, check)
    }

    pub fn nginx(name: &'static str, peer: Peer, page: Page, beside: Beside) -> Row {
        Row { beside, ..Row::new(name, peer, page.path(), page, Check::Same) }
    }

    fn new(name: &'static str, peer: Peer, asks: &'static str, page: Page, check: Check) -> Row {
        let (client, beside) = (Client::connect(peer.address), Beside::Nothing);
        Row { name, process: peer.process, client, asks, page, check, beside, figures: Vec::new() }
    }

    /// A few scrapes. The answers are looked at afterwards: what is looked for differs, and between two
    /// scrapes everybody is to find the caches alike.
    pub fn turn(&mut self, upstream: &Upstream, bodies: &[Said], taken: Coding, figure: Figure) -> Duration {
        let before = self.spent(figure);
        let ask = |said: &Said| {
            upstream.put(self.page.path(), said);
            self.client.get(self.asks, taken)
        };
        let answers: Vec<Answer> = bodies.iter().map(ask).collect();
        let spent = self.spent(figure).saturating_sub(before);
        let latencies = answers.iter().map(|answer| answer.took).collect();
        answers.into_iter().zip(bodies).for_each(|(answer, said)| self.check(answer, &said.text));
        let inflate = |said: &Said| assert_eq!(packed::inflate(&said.packed), said.text.len());
        match figure {
            Figure::Cpu => {
                // All at once: of a thread that runs, the kernel takes account a few times in 10 ms.
                let extra = match self.beside {
                    Beside::Inflating => own_cpu(|| bodies.iter().for_each(inflate)),
                    Beside::Nothing => Duration::ZERO,
                };
                (spent + extra) / bodies.len() as u32
            }
            Figure::Latency => median(latencies),
        }
    }

    fn spent(&mut self, figure: Figure) -> Duration {
        match figure {
            Figure::Cpu => self.process.cpu(),
            Figure::Latency => Duration::ZERO,
        }
    }

    fn check(&self, answer: Answer, said: &str) {
        let text = answer.text();
        let samples = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
        let is_annotation = |line: &str| line.contains("cardinality_guard_scrape_");
        let (annotation, rest): (Vec<&str>, Vec<&str>) = match self.check {
            Check::Same => return assert!(text == said, "{}: not what was said", self.name),
            Check::Annotated | Check::Queues => text.lines().partition(|line| is_annotation(line)),
        };
        assert_eq!(annotation.len(), 24, "{}", self.name);
        match self.check {
            Check::Queues => assert_eq!(samples(&rest.join("\n")), 4, "{}", self.name),
            _ => assert!(rest.into_iter().eq(said.lines()), "{}: not what was said", self.name),
        }
    }
}

/// Everybody's turn, round after round; all ratios are to the first row.
pub fn compare(upstream: &Upstream, mut rows: Vec<Row>, coding: Coding, figure: Figure) {
    let rounds = if figure == Figure::Cpu { ROUNDS } else { QUICK_ROUNDS };
    for round in 0..WARM_UP + rounds {
        let mut bodies: BTreeMap<Page, Vec<Said>> = BTreeMap::new();
        for row in &mut rows {
            let say = |n| Said::new(row.page.body(round * IN_A_ROW + n), coding);
            let said = bodies.entry(row.page).or_insert_with(|| (0..IN_A_ROW).map(say).collect());
            let spent = row.turn(upstream, said, coding, figure);
            if round >= WARM_UP {
                row.figures.push(spent);
            }
        }
    }
    let unit = if figure == Figure::Cpu { "CPU a scrape" } else { "latency" };
    println!("  {:<32}{unit:>14}{:>12}{:>14}", "", "x first", "more than it");
    for row in &rows {
        let paired = row.figures.iter().zip(&rows[0].figures);
        let ratios = paired.map(|(figure, first)| figure.as_secs_f64() / first.as_secs_f64()).collect();
        let own = median(row.figures.clone());
        let more = own.saturating_sub(median(rows[0].figures.clone()));
        println!("  {:<32}{:>14}{:>12.2}{:>14}", row.name, micros(own), middle(ratios), micros(more));
    }
}

fn micros(time: Duration) -> String {
    format!("{} us", time.as_micros())
}

pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

pub fn middle(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
