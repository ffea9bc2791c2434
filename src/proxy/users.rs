//! Who may ask: `basic_auth_users`. A password is put through bcrypt once; after that a scrape pays
//! for two keyed hashes.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use tokio::sync::Semaphore;

use crate::settings::Users;

/// Outcomes that are remembered, of each sort; wrong passwords are without number.
const REMEMBERED: usize = 1024;

/// Passwords that wait for bcrypt; each takes a core for tens of milliseconds.
const WAITING: usize = 64;

/// Checks passwords and remembers what came of it.
pub struct Doorkeeper {
    known: Mutex<Known>,
    /// Another key for every process: nobody else can make a pair that is taken for another.
    keys: [RandomState; 2],
    /// One at a time: guessing passwords must not take the cores from the scrapes.
    bcrypt: Semaphore,
    waiting: Semaphore,
}

#[derive(Default)]
struct Known {
    right: HashSet<u128>,
    wrong: HashSet<u128>,
}

/// A user and a password as somebody showed them.
#[derive(Clone)]
pub struct Shown {
    pub user: String,
    password: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Known,
    Unknown,
    /// Too many passwords wait to be checked.
    Crowded,
}

impl Shown {
    /// Reads `Basic ...`.
    pub fn read(value: &HeaderValue) -> Option<Shown> {
        let (word, code) = value.to_str().ok()?.split_once(' ')?;
        if !word.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(code.trim()).ok()?).ok()?;
        let (user, password) = text.split_once(':').unwrap_or((&text, ""));
        Some(Shown { user: user.to_owned(), password: password.to_owned() })
    }
}

impl Default for Doorkeeper {
    fn default() -> Doorkeeper {
        Doorkeeper {
            known: Mutex::default(),
            keys: [RandomState::new(), RandomState::new()],
            bcrypt: Semaphore::new(1),
            waiting: Semaphore::new(WAITING),
        }
    }
}

impl Doorkeeper {
    pub async fn check(&self, users: &Users, shown: Option<&Shown>) -> Verdict {
        let (Some(shown), Some(any)) = (shown, users.any_hash()) else { return Verdict::Unknown };
        // Who does not exist is checked like the others: how long it takes tells nobody who does.
        let hash = users.hash(&shown.user);
        let compared = hash.unwrap_or(any).0.clone();
        let tag = self.tag(shown, &compared);
        if let Some(verdict) = self.remembered(tag) {
            return verdict;
        }
        let Ok(_waiting) = self.waiting.try_acquire() else { return Verdict::Crowded };
        let Ok(_turn) = self.bcrypt.acquire().await else { return Verdict::Unknown };
        // Somebody may have asked the same meanwhile.
        if let Some(verdict) = self.remembered(tag) {
            return verdict;
        }
        let password = shown.password.clone();
        let matches = tokio::task::spawn_blocking(move || bcrypt::verify(password, &compared));
        let verdict = match matches.await {
            Ok(Ok(true)) if hash.is_some() => Verdict::Known,
            _ => Verdict::Unknown,
        };
        self.remember(tag, verdict);
        verdict
    }

    fn remembered(&self, tag: u128) -> Option<Verdict> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match (known.right.contains(&tag), known.wrong.contains(&tag)) {
            (true, _) => Some(Verdict::Known),
            (_, true) => Some(Verdict::Unknown),
            _ => None,
        }
    }

    fn remember(&self, tag: u128, verdict: Verdict) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Apart, so that guesses do not push out those who know.
        let known = if verdict == Verdict::Known { &mut known.right } else { &mut known.wrong };
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(tag);
    }

    /// Stands for user, password and the hash they were compared with; a reload that changes the
    /// hash makes another one.
    fn tag(&self, shown: &Shown, hash: &str) -> u128 {
        let half = |key: &RandomState| {
            let mut hasher = key.build_hasher();
            for part in [&shown.user, &shown.password, hash] {
                hasher.write_usize(part.len());
                hasher.write(part.as_bytes());
            }
            u128::from(hasher.finish())
        };
        half(&self.keys[0]) << 64 | half(&self.keys[1])
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::settings::Secret;

    fn shown(text: &str) -> Option<Shown> {
        Shown::read(&format!("Basic {}", STANDARD.encode(text)).parse().unwrap())
    }

    #[test]
    fn reads_user_and_password() {
        let told = |text: &str| shown(text).map(|shown| (shown.user, shown.password));
        assert_eq!(told("a:b:c"), Some(("a".into(), "b:c".into())));
        assert_eq!(told("a"), Some(("a".into(), String::new())));
        for other in ["Bearer YTpi", "Basic ?", "Basic", ""] {
            assert!(Shown::read(&other.parse().unwrap()).is_none(), "{other}");
        }
    }

    #[test]
    fn a_tag_is_of_all_three_and_of_this_process() {
        let (one, other) = (Doorkeeper::default(), Doorkeeper::default());
        let tag = |keeper: &Doorkeeper, text, hash| keeper.tag(&shown(text).unwrap(), hash);
        let tags: HashSet<u128> = [
            tag(&one, "a:bc", "h"),
            tag(&one, "ab:c", "h"),
            tag(&one, "a:bc", "i"),
            tag(&one, "a:b", "ch"),
            tag(&other, "a:bc", "h"),
        ]
        .into();
        assert_eq!(tags.len(), 5);
        assert_eq!(tag(&one, "a:bc", "h"), tag(&one, "a:bc", "h"));
    }

    /// bcrypt takes its time on purpose; a scrape must not pay it each time.
    #[tokio::test]
    async fn a_password_is_put_through_bcrypt_once() {
        let hash = |password: &str| Secret(bcrypt::hash(password, 4).unwrap());
        let users: Users = [("a".to_owned(), hash("x")), ("b".to_owned(), hash("y"))].into_iter().collect();
        let keeper = Doorkeeper::default();
        let asked = [("a:x", Verdict::Known), ("b:x", Verdict::Unknown), ("c:x", Verdict::Unknown)];
        for (pair, verdict) in asked {
            assert_eq!(keeper.check(&users, shown(pair).as_ref()).await, verdict, "{pair}");
        }
        // With nobody else's turn to come, only what is remembered is answered.
        let _turn = keeper.bcrypt.acquire().await.unwrap();
        for (pair, verdict) in asked {
            let again = once(pin!(keeper.check(&users, shown(pair).as_ref())));
            assert_eq!(again, Poll::Ready(verdict), "{pair}");
        }
        assert!(once(pin!(keeper.check(&users, shown("a:y").as_ref()))).is_pending());
    }

    #[tokio::test]
    async fn a_crowd_of_guesses_is_sent_away() {
        let users: Users = [("a".to_owned(), Secret(bcrypt::hash("x", 4).unwrap()))].into_iter().collect();
        let keeper = Doorkeeper::default();
        let turn = keeper.bcrypt.acquire().await.unwrap();
        let guesses: Vec<_> = (0..WAITING).map(|i| shown(&format!("a:{i}"))).collect();
        let mut waiting: Vec<_> = guesses.iter().map(|g| Box::pin(keeper.check(&users, g.as_ref()))).collect();
        assert!(waiting.iter_mut().all(|check| once(check.as_mut()).is_pending()));
        assert_eq!(keeper.check(&users, shown("a:x").as_ref()).await, Verdict::Crowded);
        drop(waiting);
        drop(turn);
        assert_eq!(keeper.check(&users, shown("a:x").as_ref()).await, Verdict::Known);
    }

    fn once<T>(check: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        check.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn guesses_do_not_push_out_those_who_know() {
        let keeper = Doorkeeper::default();
        keeper.remember(0, Verdict::Known);
        (1..=5000).for_each(|tag| keeper.remember(tag, Verdict::Unknown));
        assert_eq!(keeper.remembered(0), Some(Verdict::Known));
        assert!(keeper.known.lock().unwrap().wrong.len() <= REMEMBERED);
    }
}
