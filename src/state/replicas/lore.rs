//! What guards tell each other about a target, and hear before each scrape.

use std::collections::HashMap;

use md5::{Digest, Md5};

use crate::state::Clock;
use crate::state::commons::{TargetCommons, Word};
use crate::state::store::Trouble;

use super::Replicas;
use super::scripts;
use super::words::{WordRow, Written};

type Heard = (u64, Vec<String>, String, HashMap<String, i64>);

/// How many series there are, by metric.
#[derive(Debug, Default)]
pub struct Counted {
    /// Of one endpoint, as somebody counted them last.
    pub own: HashMap<String, i64>,
    pub all: HashMap<String, i64>,
}

impl Replicas {
    /// Tells and hears what is new about a target; gives the series of one endpoint, and of all.
    pub(super) async fn exchange(
        &self,
        target: &str,
        commons: &TargetCommons,
        endpoint: &str,
    ) -> Result<Counted, Trouble> {
        self.tell(target, commons).await?;
        let keys = Keys::of(target);
        let heard = commons.heard();
        let mut listening = scripts::LISTEN.key(keys.name("lore"));
        listening.key(keys.name("parts")).key(keys.name("totals")).arg(heard).arg(endpoint);
        let (words, news, own, all): Heard = self.link.ask(&listening).await?;
        for written in news.iter().filter_map(|word| serde_json::from_str::<Written>(word).ok()) {
            if written.by != self.guard {
                commons.hear(written.word.into(), Clock::default().wall_seconds());
            }
        }
        commons.has_heard(words);
        Ok(Counted { own: serde_json::from_str(&own).unwrap_or_default(), all })
    }

    /// Tells the others what this guard has learned about a target.
    pub(super) async fn tell(&self, target: &str, commons: &TargetCommons) -> Result<(), Trouble> {
        let words = commons.take_words();
        if words.is_empty() {
            return Ok(());
        }
        let written = |word: &Word| Written { by: self.guard, word: WordRow::from(word) };
        let mut telling = scripts::TELL.key(Keys::of(target).name("lore"));
        for word in &words {
            telling.arg(serde_json::to_string(&written(word)).unwrap_or_default());
        }
        let told = self.link.ask::<i64>(&telling).await;
        if told.is_err() {
            commons.put_back(words);
        }
        told.map(drop)
    }
}

/// Where the store keeps what is known of a target.
pub struct Keys(String);

impl Keys {
    pub fn of(target: &str) -> Keys {
        Keys(Md5::digest(target).iter().map(|b| format!("{b:02x}")).collect())
    }

    pub fn name(&self, what: &str) -> String {
        format!("cardinality-guard:{{target-{}}}:{what}", self.0)
    }
}
