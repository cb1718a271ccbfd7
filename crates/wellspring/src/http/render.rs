//! Snapshots to bodies: what stands before the items, and the tails that say what they are.

use std::fmt::Debug;
use std::time::Duration;

use http::HeaderValue;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use wellspring_core::failure::Failure;
use wellspring_core::freshness::Freshness;
use wellspring_core::snapshot::Digest;
use wellspring_core::source::SourceSpec;

use crate::engine::hot::{Around, Content, Facts, Tail};

/// Encodes bodies in the server's time zone.
#[derive(Debug)]
pub struct Renderer {
    zone: TimeZone,
}

/// How an answer came about, where that is more than a hit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// It waited for the refresh that made it.
    pub waited: bool,
    /// It was forced.
    pub forced: bool,
}

/// The metadata of a body, in the order in which it is written.
#[derive(Serialize)]
struct Metadata<'a> {
    from_cache: bool,
    cache_valid: bool,
    cache_date: String,
    fetched_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_age_hours: Option<f64>,
    refreshing_in_background: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    force_refreshed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expired: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded: Option<Degraded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
}

#[derive(Serialize)]
struct Degraded<'a> {
    code: &'static str,
    message: &'a str,
}

impl Renderer {
    /// Dates are told in `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Self { zone }
    }

    /// One tail: `,"from_cache":…}`.
    pub fn tail(
        &self,
        spec: &SourceSpec,
        content: &Content,
        facts: &Facts,
        freshness: Freshness,
        age: Duration,
        how: Circumstances,
    ) -> Tail {
        // A stale answer starts a refresh unless one failed lately; so it says, whoever comes first.
        let refreshing = facts.refreshing || (freshness.wants_refresh() && !facts.held_back && !how.waited);
        let metadata = Metadata {
            from_cache: !how.waited,
            cache_valid: freshness == Freshness::Fresh,
            cache_date: self.date(facts.checked_at),
            fetched_at: self.moment(facts.checked_at),
            cache_age_hours: spec.report_age.then(|| (age.as_secs_f64() / 36.0).round() / 100.0),
            refreshing_in_background: refreshing,
            force_refreshed: how.forced.then_some(true),
            expired: (freshness == Freshness::Expired).then_some(true),
            degraded: facts.degraded.as_ref().map(|f| Degraded { code: f.code.as_str(), message: &f.message }),
            revision: None,
            as_of: None,
        };
        encode(&spec.items_key, content, &metadata, facts.checked_at)
    }

    /// The tail of a revision that was the latest at `as_of`: its own moment is all that is known of it.
    pub fn past(&self, spec: &SourceSpec, content: &Content, as_of: Timestamp) -> Tail {
        let metadata = Metadata {
            from_cache: true,
            cache_valid: false,
            cache_date: self.date(content.made_at),
            fetched_at: self.moment(content.made_at),
            cache_age_hours: None,
            refreshing_in_background: false,
            force_refreshed: None,
            expired: None,
            degraded: None,
            revision: Some(content.revision),
            as_of: Some(self.moment(as_of)),
        };
        encode(&spec.items_key, content, &metadata, content.made_at)
    }

    /// The zone that dates are told in.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// A moment with its offset, `2025-11-28T10:30:00+07:00`.
    pub fn moment(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// `2025-11-28 10:30:00`.
    fn date(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

/// A tail of this metadata: `,"from_cache":…}`.
fn encode(items_key: &str, content: &Content, metadata: &Metadata<'_>, modified: Timestamp) -> Tail {
    // A struct of plain fields cannot fail to encode.
    let mut json = serde_json::to_vec(metadata).unwrap_or_else(|_| b"{}".to_vec());
    json[0] = b',';
    let etag = format!("\"{}-{}\"", content.revision, &Digest::of(&[items_key.as_bytes(), &*json].concat()).to_string()[..16]);
    // Names of lists are words, but a word is quoted by who knows how.
    let head = format!("{{{}:", serde_json::to_string(items_key).unwrap_or_default());
    let length = (head.len() + content.items.len() + json.len()).to_string();
    Tail::new(Around {
        head: head.as_bytes(),
        bytes: &json,
        etag: etag.as_bytes(),
        last_modified: http_date(modified).as_bytes(),
        length: length.as_bytes(),
    })
}

/// What a failure adds to facts, for the one answer that tells it.
pub fn with_failure(facts: &Facts, failure: Failure) -> Facts {
    Facts { degraded: Some(Box::new(failure)), ..facts.clone() }
}

/// IMF-fixdate (RFC 9110 §5.6.7).
pub(super) fn http_date(at: Timestamp) -> HeaderValue {
    let text = at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}
