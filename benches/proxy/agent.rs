//! Beside an agent that scrapes when it likes.

use std::thread::sleep;
use std::time::Duration;

use crate::process::Process;
use crate::rows::{Figure, Page, Row, median, middle};
use crate::upstream::{Coding, Said, Upstream};

/// Where the agent finds the body.
pub const PATH: &str = "/agent";

const WARM_UP: usize = 2;
const ROUNDS: usize = 15;
/// The agent rests once it used less than this...
const REST: Duration = Duration::from_millis(1);
/// ...for as long as this.
const BREATH: Duration = Duration::from_millis(150);

/// The guard scrapes the same body right after the agent has.
pub fn compare(upstream: &Upstream, mut start: impl FnMut() -> Option<Process>, mut guard: Row) {
    let said = |round: usize| [Said::new(Page::Twenty.body(round), Coding::Identity)];
    upstream.put(PATH, &said(0)[0]);
    let Some(mut agent) = start() else { return println!("  skipped: vmagent is not installed") };
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=WARM_UP + ROUNDS {
        let body = said(round);
        upstream.put(PATH, &body[0]);
        let (before, asked) = (agent.cpu_now(), upstream.asked(PATH));
        while upstream.asked(PATH) == asked {
            sleep(Duration::from_millis(5));
        }
        let spent = at_rest(&mut agent) - before;
        let own = guard.turn(upstream, &body, Coding::Identity, Figure::Cpu);
        if round > WARM_UP {
            theirs.push(spent);
            ours.push(own);
        }
    }
    let times = middle(theirs.iter().zip(&ours).map(|(their, own)| their.as_secs_f64() / own.as_secs_f64()).collect());
    println!("  {:<32}{:>14}", "", "CPU a scrape");
    println!("  {:<32}{:>11} us", "guard, untouched", median(ours).as_micros());
    println!("  {:<32}{:>11} us", "vmagent with series_limit", median(theirs).as_micros());
    println!("  {:<32}{:>11.1} x", "  is that many times ours", times);
}

/// CPU time of the agent when it has done its work.
fn at_rest(agent: &mut Process) -> Duration {
    let mut before = agent.cpu_now();
    loop {
        sleep(BREATH);
        let now = agent.cpu_now();
        if now - before < REST {
            return now;
        }
        before = now;
    }
}
