//! What a snapshot and a key look like where they are stored, and whether what comes back is what was written: the part that is the
//! same in every store.

use std::fmt::{Display, Write as _};

use serde::Serialize;
use serde::de::DeserializeOwned;
use wellspring_core::key::Key;
use wellspring_core::moment::believed;
use wellspring_core::rung::Rungs;
use wellspring_core::snapshot::{Attempts, Digest, How, Renewal, Snapshot};

use super::{Entry, Latest, Revision};

/// The highest revision that is believed of a row: none that counts up from it ever runs out.
const HIGHEST: i64 = i64::MAX / 2;
/// The highest fence that is believed, which an archive holds too; the scripts in Redis know it by itself. Fences there begin with
/// the clock, in microseconds, and come to it in the year 2112.
const HIGHEST_FENCE: u64 = 1 << 52;

/// A fence as it is stored; one that is out of all bounds was given out by nobody, and counts as none.
pub(super) fn fence(stored: i64) -> u64 {
    u64::try_from(stored).map_or(0, sound)
}

/// The same of one that a caller knows.
pub(super) fn sound(fence: u64) -> u64 {
    if fence <= HIGHEST_FENCE { fence } else { 0 }
}

/// Why a row is skipped.
#[derive(Debug, thiserror::Error)]
pub(super) enum Bad {
    #[error("a column cannot be read: {0}")]
    Column(String),
    #[error("its format is {0}, and {1} is the newest that is known")]
    Format(i64, i64),
    #[error("its seal does not match its columns")]
    Seal,
    #[error("its items do not match their digest")]
    Items,
    #[error("`{0}` has no meaning")]
    Meaning(String),
}

/// A snapshot without its items, as it is written.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) key: &'a str,
    pub(super) revision: i64,
    pub(super) format: i64,
    pub(super) fence: i64,
    pub(super) made_at: &'a str,
    pub(super) how: &'a str,
    pub(super) count: u32,
    pub(super) bytes: i64,
    pub(super) digest: Digest,
}

impl Head<'_> {
    /// The digest of all of it.
    pub(super) fn seal(&self) -> Digest {
        let Self { key, revision, format, fence, made_at, how, count, bytes, digest } = self;
        seal(&[key, revision, format, fence, made_at, how, count, bytes, digest])
    }

    /// What it means, where it is of a format up to `newest` and as it was sealed.
    pub(super) fn read(&self, sealed: &[u8], newest: i64) -> Result<(Key, Revision, How, u64), Bad> {
        if !(1..=newest).contains(&self.format) {
            return Err(Bad::Format(self.format, newest));
        }
        if self.seal().as_bytes() != sealed {
            return Err(Bad::Seal);
        }
        if !(1..=HIGHEST).contains(&self.revision) {
            return Err(Bad::Meaning(format!("revision {}", self.revision)));
        }
        let line = Revision {
            revision: self.revision.cast_unsigned(),
            made_at: self.made_at.parse().map(believed).map_err(|_| Bad::Meaning(self.made_at.to_owned()))?,
            count: self.count,
            bytes: self.bytes.cast_unsigned(),
            digest: self.digest,
        };
        Ok((parse_key(self.key)?, line, parse(self.how)?, fence(self.fence)))
    }
}

/// What is stored of a key beside its snapshots.
#[derive(Debug)]
pub(super) struct Meta {
    pub(super) key: Key,
    /// Of which revision `renewal` speaks.
    pub(super) revision: Option<u64>,
    pub(super) fence: u64,
    pub(super) renewal: Option<Renewal>,
    pub(super) attempts: Attempts,
}

impl Meta {
    /// The key with the snapshot that was found for it. Where that is not the one `renewal` speaks of, nothing is known of
    /// when it was confirmed: it gets a renewal of rules that no source has, which makes it stale at once.
    pub(super) fn entry(self, found: Option<(Snapshot, u64)>) -> Entry {
        let latest = found.map(|(mut snapshot, fence)| {
            // One text for both: they were read from two tables.
            snapshot.key = self.key.clone();
            let renewal = self.renewal.filter(|_| self.revision == Some(snapshot.revision));
            let fence = fence.max(self.fence);
            let renewal = renewal.unwrap_or_else(|| unconfirmed(&snapshot));
            Latest { snapshot, renewal, fence }
        });
        Entry { key: self.key, latest, attempts: self.attempts }
    }

    /// Of a key whose own row is bad or missing.
    pub(super) fn lost(key: Key) -> Self {
        Self { key, revision: None, fence: 0, renewal: None, attempts: Attempts::default() }
    }
}

/// Of what nobody knows when it was confirmed.
pub(super) fn unconfirmed(snapshot: &Snapshot) -> Renewal {
    let rungs = Rungs::of(snapshot.how.rung);
    Renewal {
        checked_at: snapshot.made_at,
        rules: Digest::of(b""),
        validators: std::collections::BTreeMap::default(),
        rungs,
        by: None,
        told_late: false,
    }
}

/// The digest of all columns. None contains a line feed: keys are percent-encoded, JSON escapes it.
pub(super) fn seal(columns: &[&dyn Display]) -> Digest {
    let mut text = String::new();
    for column in columns {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{column}");
    }
    Digest::of(text.as_bytes())
}

/// These types have string keys and finite numbers only, so encoding them cannot fail; were it to, the row would be skipped.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Bad> {
    serde_json::from_str(text).map_err(|_| Bad::Meaning(text.to_owned()))
}

pub(super) fn parse_key(text: &str) -> Result<Key, Bad> {
    Key::parse(text).map_err(|_| Bad::Meaning(text.to_owned()))
}
