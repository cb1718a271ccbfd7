//! What a store has to hold after a crash, by what was said before it.

use std::collections::{BTreeMap, BTreeSet};

use wellspring::store::Store;

use super::payload;
use crate::store_kit::{key, renewal};

/// What was said so far.
#[derive(Default)]
pub(super) struct Story {
    keys: BTreeMap<String, Told>,
    /// Everything that was acknowledged.
    pub(super) acknowledged: usize,
    pub(super) file: File,
}

/// What may be asked of the file itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum File {
    #[default]
    Whole,
    /// It is broken by our own hand: it may be set aside, and nothing be lost.
    Corrupt,
    /// It was removed by our own hand: what it held is in memory alone, and goes with that.
    Removed,
}

#[derive(Default)]
struct Told {
    /// In the order in which they were begun; before the first there is nothing.
    states: Vec<State>,
    /// How many of them are durable.
    durable: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    revision: Option<u64>,
    renewed: i64,
    history: Vec<u64>,
}

impl Story {
    pub(super) fn listen(&mut self, words: &str) {
        for line in words.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["begin", key, state, revision, renewed, history] => {
                    let told = self.keys.entry(key.to_owned()).or_default();
                    let history = history.split(',').filter_map(|one| one.parse().ok()).collect();
                    told.states.push(State { revision: revision.parse().ok(), renewed: renewed.parse().unwrap(), history });
                    assert_eq!(told.states.len().to_string(), state, "{line}");
                }
                ["ack", key, state] => {
                    let durable: usize = state.parse().unwrap();
                    self.acknowledged += 1;
                    if let Some(told) = self.keys.get_mut(key) {
                        told.durable = told.durable.max(durable);
                    }
                }
                ["corrupt"] => {
                    self.file = File::Corrupt;
                    self.forget_history();
                }
                ["removed"] => {
                    self.file = File::Removed;
                    self.forget_history();
                }
                ["whole"] => self.file = File::Whole,
                _ => panic!("nothing of the kind is said: {line:?}"),
            }
        }
    }

    fn forget_history(&mut self) {
        self.keys.values_mut().flat_map(|told| &mut told.states).for_each(|state| state.history.clear());
    }

    /// What is wrong with a store that was opened on what was left.
    pub(super) async fn judge(&self, store: &dyn Store) -> Vec<String> {
        let mut wrong = Vec::new();
        let listed: BTreeSet<String> = store.list().await.unwrap().iter().map(|entry| entry.key.to_string()).collect();
        wrong.extend(listed.iter().filter(|key| !self.keys.contains_key(*key)).map(|key| format!("{key} was never written")));
        for (name, told) in &self.keys {
            let key = key(name);
            let latest = store.get(&key).await.unwrap().and_then(|entry| entry.latest);
            let durable = if self.file == File::Removed { 0 } else { told.durable };
            let fits = |state: &State| match &latest {
                None => state.revision.is_none(),
                Some(latest) => state.revision == Some(latest.snapshot.revision) && latest.renewal == renewal(state.renewed),
            };
            // What is durable last, or whatever was begun after it.
            let found = told.states.iter().enumerate().skip(durable.saturating_sub(1)).find(|(_, state)| fits(state));
            let Some((n, state)) = found else {
                if latest.is_some() || durable > 0 {
                    let latest = latest.map(|latest| (latest.snapshot.revision, latest.renewal.checked_at));
                    let due = durable.checked_sub(1).and_then(|last| told.states.get(last));
                    wrong.push(format!("{name} holds {latest:?}, not {due:?} or one of {} later", told.states.len() - durable));
                }
                continue;
            };
            if let Some(latest) = &latest
                && latest.snapshot != payload(&key, latest.snapshot.revision)
            {
                wrong.push(format!("{name} {} is not what was written", latest.snapshot.revision));
            }
            // While a file is replaced, what is in memory may come to it before its history does.
            let promised = if self.file == File::Whole || n < durable { &state.history[..] } else { &[] };
            let history = store.revisions(&key).await.unwrap();
            let there: Vec<u64> = history.iter().map(|line| line.revision).collect();
            if let Some(missing) = promised.iter().find(|revision| !there.contains(revision)) {
                wrong.push(format!("{name} lost its revision {missing} of {promised:?}: there are {there:?}"));
            }
            for line in &history {
                let past = payload(&key, line.revision);
                if (line.digest, line.made_at) != (past.digest, past.made_at) {
                    wrong.push(format!("{name} {} of its history is not what was written", line.revision));
                }
            }
        }
        wrong
    }
}
