//! What a successful refresh produced. A snapshot is immutable; what changes beside it is its [`Renewal`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;
use crate::key::Key;
use crate::moment::written;
use crate::rung::{Rung, Rungs};

/// The first 16 bytes of a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let full = Sha256::digest(bytes);
        let mut short = [0; 16];
        short.copy_from_slice(&full[..16]);
        Self(short)
    }

    /// The raw bytes, as stores hold them.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// From the raw bytes; `None` unless there are 16.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// The digest of what comes piece by piece.
#[derive(Clone, Debug, Default)]
pub struct Digesting(Sha256);

impl Digesting {
    /// The next piece.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces so far, as [`Digest::of`] gives it of the whole.
    pub fn digest(&self) -> Digest {
        let full = self.0.clone().finalize();
        let mut short = [0; 16];
        short.copy_from_slice(&full[..16]);
        Digest(short)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// A text that is no digest.
#[derive(Debug, thiserror::Error)]
#[error("a digest is 32 hexadecimal digits")]
pub struct BadDigest;

impl TryFrom<String> for Digest {
    type Error = BadDigest;
    fn try_from(text: String) -> Result<Self, BadDigest> {
        if text.len() != 32 || !text.is_ascii() {
            return Err(BadDigest);
        }
        let mut bytes = [0; 16];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| BadDigest)?;
        }
        Ok(Self(bytes))
    }
}

/// The items of a snapshot as the JSON array that is served, encoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Items {
    json: Arc<str>,
    count: u32,
}

impl Items {
    /// Encodes rows.
    pub fn encode(rows: &[serde_json::Value]) -> Self {
        // A `Value` has string keys and finite numbers only, so encoding it cannot fail.
        let json = serde_json::to_string(rows).unwrap_or_else(|_| "[]".to_owned());
        Self { json: json.into(), count: u32::try_from(rows.len()).unwrap_or(u32::MAX) }
    }

    /// Takes an encoded array back from a store that has checked its digest.
    pub fn from_stored(json: impl Into<Arc<str>>, count: u32) -> Self {
        Self { json: json.into(), count }
    }

    /// The JSON array.
    pub fn json(&self) -> &Arc<str> {
        &self.json
    }

    /// How many items there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The digest of the encoded array.
    pub fn digest(&self) -> Digest {
        Digest::of(self.json.as_bytes())
    }
}

/// How a snapshot was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct How {
    /// Which alternative of the source served, from 0.
    pub alternative: u32,
    /// How long the collection took.
    pub took: Duration,
    /// Bytes read from the upstream, decoded.
    pub bytes: u64,
    /// By which means its rows were obtained.
    #[serde(default)]
    pub rung: Rung,
}

/// What a successful refresh produced. Immutable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose it is.
    pub key: Key,
    /// Rises by one whenever the items' digest changes; starts at 1.
    pub revision: u64,
    /// When these items were first seen.
    pub made_at: Timestamp,
    /// How they were made.
    pub how: How,
    /// [`Items::digest`].
    pub digest: Digest,
    /// The items.
    pub items: Items,
}

/// What an upstream said about one response, to ask it later whether that still holds (RFC 9110 §8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validator {
    /// `ETag`, verbatim.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "read_validator")]
    pub etag: Option<String>,
    /// `Last-Modified`, verbatim.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "read_validator")]
    pub last_modified: Option<String>,
}

impl Validator {
    /// True where the upstream said nothing to ask with.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

/// The validators of one refresh: one a request, by the digest of that request.
pub type Validators = std::collections::BTreeMap<String, Validator>;

/// The longest validator that is kept, in bytes: it is held and stored for each request of each key, and sent back each time.
pub const LONGEST_VALIDATOR: usize = 1 << 10;
/// The most that are kept of one refresh, and the longest name of its request, in bytes. None has more requests.
const MOST_VALIDATORS: usize = 1_000;
const LONGEST_REQUEST: usize = 64;

/// What was written down is held to what is kept: without a validator all is asked for.
fn read_validator<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.filter(|text| text.len() <= LONGEST_VALIDATOR))
}

fn read_validators<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Validators, D::Error> {
    let mut all = Validators::deserialize(deserializer)?;
    all.retain(|request, validator| request.len() <= LONGEST_REQUEST && !validator.is_empty());
    while all.len() > MOST_VALIDATORS {
        all.pop_last();
    }
    Ok(all)
}

/// What a successful refresh renews even where the items stayed equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// The last successful refresh, a 304 or equal content included.
    #[serde(deserialize_with = "written::deserialize")]
    pub checked_at: Timestamp,
    /// The rules it was read by: another digest means the snapshot is stale at once and its validators are void.
    pub rules: Digest,
    /// What the upstream can be asked with next time.
    #[serde(default, deserialize_with = "read_validators")]
    pub validators: Validators,
    /// By which means its pages were obtained.
    #[serde(default, skip_serializing_if = "Rungs::is_empty")]
    pub rungs: Rungs,
    /// Which replica did it, where several share a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
    /// It was told to the store that replicas share when it was over for long: whoever hears of it must not take it for made just now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told_late: bool,
}

/// What is remembered of a key's attempts, so that a restart neither forgets a backoff nor repeats a forced fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// Failures since the last success.
    #[serde(default)]
    pub failures: u32,
    /// The last failure, until the next success.
    #[serde(default)]
    pub last_failure: Option<Failure>,
    /// When that was.
    #[serde(default, deserialize_with = "written::maybe")]
    pub failed_at: Option<Timestamp>,
    /// No attempt before this, but a forced one.
    #[serde(default, deserialize_with = "written::maybe")]
    pub not_before: Option<Timestamp>,
    /// The previous forced fetch.
    #[serde(default, deserialize_with = "written::maybe")]
    pub forced_at: Option<Timestamp>,
    /// The rules that failed: other rules get a new chance at once.
    #[serde(default)]
    pub rules: Option<Digest>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_of_plain_http_is_stored_as_it_was_before_there_were_browsers() {
        let old = r#"{"checked_at":"2025-11-28T03:30:00Z","rules":"00112233445566778899aabbccddeeff","validators":{"a":{"etag":"\"1\""}}}"#;
        let renewal: Renewal = serde_json::from_str(old).unwrap();
        assert!(renewal.rungs.is_empty());
        assert_eq!(serde_json::to_string(&renewal).unwrap(), old);
        let rendered = Renewal { rungs: Rungs::of(Rung::Browser), ..renewal };
        let new = serde_json::to_string(&rendered).unwrap();
        assert_eq!(new, old.replace("}}}", r#"}},"rungs":{"served":"browser"}}"#));
        assert_eq!(serde_json::from_str::<Renewal>(&new).unwrap(), rendered);
    }

    #[test]
    fn what_was_written_down_is_held_to_what_is_kept() {
        let validators: serde_json::Map<_, _> = (0..5_000)
            .map(|number| {
                let etag = if number % 2 == 0 { "x".repeat(5_000) } else { "x".repeat(LONGEST_VALIDATOR) };
                (format!("{number:04}"), serde_json::json!({ "etag": etag }))
            })
            .collect();
        let mut renewal = serde_json::json!({
            "checked_at": "-009999-01-02T12:00:00Z", "rules": "00112233445566778899aabbccddeeff", "validators": validators
        });
        renewal["validators"]["n".repeat(100)] = serde_json::json!({ "etag": "\"1\"" });
        let renewal: Renewal = serde_json::from_value(renewal).unwrap();
        assert_eq!(renewal.checked_at, Timestamp::UNIX_EPOCH);
        assert_eq!(renewal.validators.len(), MOST_VALIDATORS);
        assert!(renewal.validators.iter().all(|(name, one)| name.len() == 4 && one.etag.as_ref().unwrap().len() == LONGEST_VALIDATOR));
        let attempts: Attempts = serde_json::from_str(r#"{"not_before":"-009999-01-02T12:00:00Z","forced_at":null}"#).unwrap();
        assert_eq!((attempts.not_before, attempts.forced_at), (Some(Timestamp::UNIX_EPOCH), None));
    }
}
