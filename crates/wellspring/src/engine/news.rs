//! Which keys were refreshed since somebody last asked: a hint to look at them, which carries no data.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use wellspring_core::key::Key;

/// More keys than this are not told one by one.
const MOST: usize = 1_024;

/// Hints for one listener.
#[derive(Debug, Default)]
pub struct News {
    /// False while nobody listens: then nothing is kept.
    wanted: AtomicBool,
    keys: Mutex<BTreeSet<Key>>,
    told: Notify,
}

/// What there was to hear.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// These keys were refreshed.
    Keys(Vec<Key>),
    /// More than were kept: look at all of them.
    Many,
}

impl News {
    /// Starts listening, or ends it.
    pub fn listen(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::Release);
    }

    /// Says that a refresh of this key has ended, or never began.
    pub fn tell(&self, key: &Key) {
        if !self.wanted.load(Ordering::Acquire) {
            return;
        }
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() <= MOST {
            keys.insert(key.clone());
        }
        drop(keys);
        self.told.notify_one();
    }

    /// Waits for the next.
    pub async fn next(&self) -> Heard {
        loop {
            let keys = std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner));
            if keys.len() > MOST {
                return Heard::Many;
            }
            if !keys.is_empty() {
                return Heard::Keys(keys.into_iter().collect());
            }
            self.told.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_heard_of_once_and_too_many_as_many() {
        let key = |n: usize| Key::parse(&format!("a?n={n}")).unwrap();
        let news = News::default();
        news.tell(&key(0));
        news.listen(true);
        for n in [1, 2, 1] {
            news.tell(&key(n));
        }
        assert_eq!(news.next().await, Heard::Keys(vec![key(1), key(2)]));
        (0..2 * MOST).for_each(|n| news.tell(&key(n)));
        assert_eq!(news.next().await, Heard::Many);
        news.tell(&key(7));
        assert_eq!(news.next().await, Heard::Keys(vec![key(7)]));
    }
}
