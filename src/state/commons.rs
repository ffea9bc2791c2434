//! What the endpoints of each target share. It survives reloads; a target that is not configured
//! any more takes up nothing but its name.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;

use crate::engine::cardinality::Share;
use crate::engine::guard::{Collapsed, Commons, Learned, Need, Release, Report};
use crate::engine::policy::Manner;

/// By target.
#[derive(Debug, Default)]
pub struct AllCommons {
    by_target: DashMap<String, Arc<TargetCommons>>,
}

#[derive(Debug, Default)]
pub struct TargetCommons {
    all: Arc<Share>,
    families: DashMap<String, Arc<Share>>,
    lore: Mutex<Lore>,
    tidings: Mutex<Tidings>,
    values: Mutex<Everywhere>,
}

/// How many values labels have over all endpoints and guards, as the store that they share says.
#[derive(Debug, Default)]
struct Everywhere {
    asked: Option<Instant>,
    counts: Arc<ValueCounts>,
}

/// By metric and label.
pub type ValueCounts = HashMap<(String, String), u64>;

/// Whether it is time to ask for something again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Now,
    Later,
}

/// What goes to and fro between guards.
#[derive(Debug, Default)]
struct Tidings {
    to_tell: Vec<Word>,
    /// Words of others that were heard.
    heard: u64,
}

/// Something that one guard tells the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Learned(Learned),
    Released(Release),
}

#[derive(Debug, Default)]
struct Lore {
    learned: Arc<[Learned]>,
    /// What only doubles have folded away.
    lessons: Arc<[Learned]>,
    releases: Arc<[Release]>,
    events: VecDeque<Event>,
}

/// A label was folded away, or is there again.
#[derive(Clone, Debug)]
pub struct Event {
    pub wall_seconds: f64,
    pub learned: Learned,
    pub what: Happening,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    Collapsed,
    Released,
}

/// Whether this is the first the target hears of it.
pub struct News(pub Vec<Learned>);

/// Labels one target may have folded away: beyond it endpoints decide for themselves.
const MOST_LEARNED: usize = 1000;
const MOST_RELEASES: usize = 100;
const MOST_EVENTS: usize = 200;

impl AllCommons {
    pub fn of(&self, target: &str) -> Arc<TargetCommons> {
        if let Some(known) = self.by_target.get(target) {
            return known.clone();
        }
        self.by_target.entry(target.to_owned()).or_default().clone()
    }
}

impl TargetCommons {
    /// A scrape of one endpoint was committed: what it folds away holds for all. Says what is new.
    pub fn learn(&self, report: &Report, wall_seconds: f64) -> News {
        let mut lore = self.lock();
        if !report.ended.is_empty() {
            lore.unlearn(|l| report.ended.contains(l), wall_seconds);
        }
        let Lore { learned, lessons, releases, events } = &mut *lore;
        let since = |learned: &Learned| {
            let ended = releases.iter().rev().find(|r| r.metric.as_ref().is_none_or(|m| *m == learned.metric));
            ended.is_none_or(|release| report.released >= release.number)
        };
        let is_news = |l: &Learned| since(l) && !learned.iter().any(|known| known == l);
        let is_lesson = |l: &&Learned| since(l) && !lessons.contains(l);
        let more: Vec<Learned> = report.lessons.iter().filter(is_lesson).cloned().collect();
        if !more.is_empty() {
            *lessons = lessons.iter().cloned().chain(more).take(MOST_LEARNED).collect();
        }
        let is_fresh = |c: &&Collapsed| c.need == Need::Lasting && is_news(&c.learned);
        let fresh: Vec<_> = report.collapsed.iter().filter(is_fresh).collect();
        let news: Vec<Learned> = fresh.iter().map(|c| c.learned.clone()).collect();
        let room = MOST_LEARNED.saturating_sub(learned.len());
        if !news.is_empty() && room > 0 {
            *learned = learned.iter().chain(news.iter().take(room)).cloned().collect();
            for collapsed in fresh {
                // What was kept over a restart began before this process did.
                let wall_seconds = wall_seconds - collapsed.age_seconds;
                note(events, Event { wall_seconds, learned: collapsed.learned.clone(), what: Happening::Collapsed });
            }
        }
        locked(&self.tidings).tell(news.iter().cloned().map(Word::Learned));
        News(news)
    }

    /// What another guard tells, now or long ago: endpoints know which releases they have taken up.
    pub fn hear(&self, word: Word, wall_seconds: f64) {
        match word {
            Word::Learned(learned) => {
                let mut lore = self.lock();
                if lore.learned.len() < MOST_LEARNED && !lore.learned.contains(&learned) {
                    lore.learned = lore.learned.iter().chain([&learned]).cloned().collect();
                    note(&mut lore.events, Event { wall_seconds, learned, what: Happening::Collapsed });
                }
            }
            Word::Released(release) => drop(self.lock().end(release, wall_seconds)),
        }
    }

    /// What others have not been told yet.
    pub fn take_words(&self) -> Vec<Word> {
        std::mem::take(&mut locked(&self.tidings).to_tell)
    }

    /// They could not be told.
    pub fn put_back(&self, words: Vec<Word>) {
        let mut tidings = locked(&self.tidings);
        let since = std::mem::replace(&mut tidings.to_tell, words);
        tidings.tell(since);
    }

    pub fn heard(&self) -> u64 {
        locked(&self.tidings).heard
    }

    /// There are so many words now, and all were heard. When there are fewer than there were, they
    /// were lost, and what is known here is told again.
    pub fn has_heard(&self, words: u64) {
        let learned = self.lock().learned.clone();
        let mut tidings = locked(&self.tidings);
        if words < tidings.heard {
            tidings.tell(learned.iter().cloned().map(Word::Learned));
        }
        tidings.heard = words;
    }

    /// Ends the collapses of a metric, or all, at every endpoint. Says which labels are there again.
    pub fn release(&self, metric: Option<&str>, wall_seconds: f64) -> Vec<Learned> {
        let mut lore = self.lock();
        // Later ones have higher numbers, whichever guard and process they come from.
        let after = lore.releases.last().map_or(0, |last| last.number) + 1;
        let release = Release { metric: metric.map(Arc::from), number: after.max((wall_seconds * 1000.0) as u64) };
        locked(&self.tidings).tell([Word::Released(release.clone())]);
        lore.end(release, wall_seconds)
    }

    /// Over all endpoints and guards; nothing where no store is shared.
    pub fn values_everywhere(&self) -> Arc<ValueCounts> {
        locked(&self.values).counts.clone()
    }

    /// Whether to ask for them; whoever is told so asks.
    pub fn values_due(&self, after: Duration) -> Due {
        let mut values = locked(&self.values);
        if values.asked.is_some_and(|asked| asked.elapsed() < after) {
            return Due::Later;
        }
        values.asked = Some(Instant::now());
        Due::Now
    }

    pub fn values_are(&self, counts: ValueCounts) {
        locked(&self.values).counts = Arc::new(counts);
    }

    /// Newest last.
    pub fn events(&self) -> Vec<Event> {
        self.lock().events.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Lore> {
        locked(&self.lore)
    }
}

impl Commons for TargetCommons {
    fn share(&self, metric: Option<&str>, _limit: u64) -> Arc<Share> {
        let Some(metric) = metric else { return self.all.clone() };
        if let Some(known) = self.families.get(metric) {
            return known.clone();
        }
        self.families.entry(metric.to_owned()).or_default().clone()
    }

    fn learned(&self) -> Arc<[Learned]> {
        self.lock().learned.clone()
    }

    fn lessons(&self) -> Arc<[Learned]> {
        self.lock().lessons.clone()
    }

    fn releases(&self) -> Arc<[Release]> {
        self.lock().releases.clone()
    }
}

impl Lore {
    fn end(&mut self, release: Release, wall_seconds: f64) -> Vec<Learned> {
        if self.releases.contains(&release) {
            return Vec::new();
        }
        let ended = self.unlearn(|l| release.metric.as_ref().is_none_or(|metric| *l.metric == **metric), wall_seconds);
        let mut all: Vec<Release> = self.releases.iter().cloned().chain([release]).collect();
        all.sort_by_key(|release| release.number);
        let skipped = all.len().saturating_sub(MOST_RELEASES);
        self.releases = all.split_off(skipped).into();
        ended
    }

    /// Labels that are there again; says which, each once.
    fn unlearn(&mut self, ends: impl Fn(&Learned) -> bool, wall_seconds: f64) -> Vec<Learned> {
        let mut ended: Vec<Learned> = self.learned.iter().filter(|l| ends(l)).cloned().collect();
        for known in [&mut self.learned, &mut self.lessons] {
            *known = known.iter().filter(|l| !ends(l)).cloned().collect();
        }
        // Of one label another plan for the family may have been told, too.
        let label = |l: &Learned| (l.metric.clone(), l.label.clone(), l.policy.clone());
        ended.sort_by_key(label);
        ended.dedup_by_key(|l| label(l));
        for learned in &ended {
            note(&mut self.events, Event { wall_seconds, learned: learned.clone(), what: Happening::Released });
        }
        ended
    }
}

impl News {
    /// Those that really happen.
    pub fn enforced(&self) -> impl Iterator<Item = &Learned> {
        self.0.iter().filter(|learned| learned.manner == Manner::Enforced)
    }
}

impl Tidings {
    /// Without others to tell there is no end to what could be told: the last words are enough.
    fn tell(&mut self, words: impl IntoIterator<Item = Word>) {
        self.to_tell.extend(words);
        let excess = self.to_tell.len().saturating_sub(MOST_LEARNED);
        self.to_tell.drain(..excess);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(events: &mut VecDeque<Event>, event: Event) {
    events.push_back(event);
    if events.len() > MOST_EVENTS {
        events.pop_front();
    }
}
