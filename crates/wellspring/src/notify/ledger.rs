//! What was told of which key to whom, and what is still to be told: in memory, and in the store's notes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wellspring_core::key::Key;
use wellspring_core::moment::Mono;
use wellspring_core::telling::{Change, Told};

use super::message::Message;

/// What the names of our notes begin with.
const PREFIX: &str = "notify/";
/// How many messages wait for one receiver of one key. A key that changes its mind every minute while its receiver is away must not
/// fill memory and store.
const MOST_WAITING: usize = 16;

/// Whose a note is: a hook's name and a key.
pub(super) type Name = (String, Key);

/// All notes.
#[derive(Debug, Default)]
pub(super) struct Ledger(pub(super) BTreeMap<Name, Note>);

/// What was told of one key to one hook, and what is to be.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) told: Told,
    /// Oldest first; the next goes out when this one has arrived or is given up.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(super) pending: VecDeque<Message>,
    /// How often the first of them was tried.
    #[serde(skip)]
    pub(super) tries: u32,
    /// When it may be tried again.
    #[serde(skip)]
    pub(super) due: Option<Mono>,
}

/// What a courier finds.
#[derive(Debug)]
pub(super) enum Next {
    /// Send this.
    Send(Name, Box<Message>),
    /// Nothing before then, unless something changes.
    Wait(Duration),
}

impl Note {
    /// As it is stored; `None` where there is nothing to remember.
    pub(super) fn text(&self) -> Option<String> {
        if self.told.is_empty() && self.pending.is_empty() { None } else { serde_json::to_string(self).ok() }
    }

    /// Adds what is to be sent. Where too much waits already, the oldest is left out but for the first, which may be on its way;
    /// the end of a trouble goes with its beginning.
    pub(super) fn add(&mut self, messages: impl IntoIterator<Item = Message>) {
        self.pending.extend(messages);
        while self.pending.len() > MOST_WAITING {
            let left_out = self.pending.remove(1);
            let is_over = |next: &Message| next.state == Change::Recovered.as_str();
            if left_out.is_some_and(|message| message.state == Change::Degraded.as_str()) && self.pending.get(1).is_some_and(is_over) {
                self.pending.remove(1);
            }
        }
    }
}

impl Ledger {
    /// From the notes of a store. Those that are not ours or make no sense are left alone.
    pub(super) fn read(notes: Vec<(String, String)>) -> Self {
        let read = |(name, text): (String, String)| {
            let (hook, key) = name.strip_prefix(PREFIX)?.split_once('/')?;
            Some(((hook.to_owned(), Key::parse(key).ok()?), serde_json::from_str(&text).ok()?))
        };
        Self(notes.into_iter().filter_map(read).collect())
    }

    /// What a hook is to be sent next.
    pub(super) fn next(&self, hook: &str, now: Mono, longest: Duration) -> Next {
        let waiting = self.0.iter().filter(|((name, _), note)| name == hook && !note.pending.is_empty());
        let Some((name, note)) = waiting.min_by_key(|(_, note)| note.due) else { return Next::Wait(longest) };
        match (note.due.filter(|due| *due > now), note.pending.front()) {
            (None, Some(message)) => Next::Send(name.clone(), Box::new(message.clone())),
            (Some(due), _) => Next::Wait(now.until(due).min(longest)),
            (None, None) => Next::Wait(longest),
        }
    }
}

/// The name of a note in the store.
pub(super) fn stored_name((hook, key): &Name) -> String {
    format!("{PREFIX}{hook}/{key}")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_receiver_that_is_away_is_left_what_is_latest() {
        let message = |n: usize| {
            let state = if n.is_multiple_of(2) { Change::Degraded } else { Change::Recovered };
            Message { state: state.as_str().to_owned(), id: n.to_string(), ..Message::test("hook", Timestamp::UNIX_EPOCH, "") }
        };
        let mut note = Note::default();
        for n in 0..1_001 {
            note.add([message(n)]);
            assert!(note.pending.len() <= MOST_WAITING);
        }
        let left: Vec<(&str, &str)> = note.pending.iter().map(|message| (&*message.id, &*message.state)).collect();
        // The first is on its way; then each beginning is followed by its end.
        assert_eq!((left[0], left[left.len() - 1]), (("0", "degraded"), ("1000", "degraded")));
        assert!(left[1..].chunks(2).all(|pair| pair[0].1 == "degraded" && pair.get(1).is_none_or(|end| end.1 == "recovered")), "{left:?}");
    }
}
