//! What was told of which key to whom, and what is still to be told: in memory, and in the store's notes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wellspring_core::key::Key;
use wellspring_core::moment::Mono;
use wellspring_core::telling::Told;

use super::message::Message;

/// What the names of our notes begin with.
const PREFIX: &str = "notify/";

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
