//! The archive: what a store holds as lines of JSON, to be kept elsewhere and taken over by any store.
//!
//! A header; of each key a line with its renewal and attempts, and a line for each of its revisions, the latest last; at the end
//! the counts and a digest of all lines before. Keys stand in order, revisions rise, so what is written twice is seen without
//! remembering what was written. Nothing here holds more than a line, or a key's past within its retention, in memory.

use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use wellspring_core::key::Key;
use wellspring_core::moment::believed;
use wellspring_core::snapshot::{Attempts, Digest, How, Renewal};

use super::StoreError;

mod check;
mod items;
mod lines;
mod read;
mod take;
mod write;

pub use self::check::{Checker, Head, Piece};
pub use self::lines::Lines;
pub use self::read::Reader;
pub use self::take::{Outcome, TakeError, Taken, take};
pub use self::write::{Sink, write};

/// The format that this version writes, and the newest that it reads.
pub const FORMAT: u64 = 1;

/// The longest line of a revision, in bytes: what one extraction may hand over fits.
const LONGEST: usize = 97 << 20;
/// The longest line of anything else, in bytes.
const LONGEST_HEAD: usize = 8 << 20;
/// The highest revision and fence that are believed: half of what JSON numbers carry everywhere, and no counter ever reaches. What a
/// store counts on from there is not taken at its word either: [`write`] numbers it anew.
const HIGHEST: u64 = 1 << 52;

/// How an archive's revision lines begin, which may be long.
const REVISION: &[u8] = b"{\"revision\":";
const KEY: &[u8] = b"{\"key\":";
const END: &[u8] = b"{\"end\":";

/// What an archive holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Keys.
    pub keys: u64,
    /// Revisions, past ones included.
    pub revisions: u64,
    /// Bytes, uncompressed, the last line left out.
    pub bytes: u64,
}

/// Which keys are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// These, in order.
    Keys(Vec<Key>),
    /// A source that there is not.
    Unknown {
        /// Its name.
        name: String,
        /// The sources of which something is.
        stored: Vec<String>,
    },
}

/// The keys of some sources, or all of them. A source of which nothing is stored yet is a mistake unless it is `known`.
pub fn choose(mut keys: Vec<Key>, sources: Option<&[String]>, known: &dyn Fn(&str) -> bool) -> Chosen {
    let Some(sources) = sources else { return Chosen::Keys(keys) };
    let mut stored: Vec<String> = keys.iter().map(|key| key.source().to_owned()).collect();
    stored.sort_unstable();
    stored.dedup();
    if let Some(name) = sources.iter().find(|name| !stored.contains(name) && !known(name)) {
        return Chosen::Unknown { name: name.clone(), stored };
    }
    keys.retain(|key| sources.iter().any(|name| name == key.source()));
    Chosen::Keys(keys)
}

/// Why no archive was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// What was to be written could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody takes it any more, or it cannot be written.
    #[error(transparent)]
    Sink(io::Error),
}

/// What is wrong with an archive, and in which line, from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Bad {
    /// The line.
    pub line: u64,
    /// What is wrong with it.
    pub what: String,
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The format, which also says what this is.
    #[serde(rename = "wellspring_archive")]
    pub format: u64,
    /// Which version wrote it.
    pub version: String,
    /// When.
    pub made_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyLine {
    key: Key,
    /// The revision that its lines lead up to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    latest: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fence: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renewal: Option<Renewal>,
    attempts: Attempts,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevisionLine<'a> {
    revision: u64,
    #[serde(deserialize_with = "written_at")]
    made_at: Timestamp,
    how: How,
    count: u32,
    digest: Digest,
    /// As stored, byte by byte: the digest speaks of them.
    #[serde(borrow)]
    items: &'a RawValue,
}

fn written_at<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    Timestamp::deserialize(deserializer).map(believed)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndLine {
    end: End,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    keys: u64,
    revisions: u64,
    digest: Digest,
}
