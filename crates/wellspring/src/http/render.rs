//! Snapshots to bodies: what stands before the items, and the tails that say what they are.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use wellspring_core::failure::Failure;
use wellspring_core::freshness::Freshness;
use wellspring_core::snapshot::Digest;
use wellspring_core::source::SourceSpec;

use crate::engine::hot::{Content, Facts, Tail};

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
        let checked = facts.checked_at.to_zoned(self.zone.clone());
        // A stale answer starts a refresh unless one failed lately; so it says, whoever comes first.
        let refreshing = facts.refreshing || (freshness.wants_refresh() && !facts.held_back && !how.waited);
        let metadata = Metadata {
            from_cache: !how.waited,
            cache_valid: freshness == Freshness::Fresh,
            cache_date: checked.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            fetched_at: checked.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            cache_age_hours: spec.report_age.then(|| (age.as_secs_f64() / 36.0).round() / 100.0),
            refreshing_in_background: refreshing,
            force_refreshed: how.forced.then_some(true),
            expired: (freshness == Freshness::Expired).then_some(true),
            degraded: facts.degraded.as_ref().map(|f| Degraded { code: f.code.as_str(), message: &f.message }),
        };
        // A struct of plain fields cannot fail to encode.
        let mut json = serde_json::to_vec(&metadata).unwrap_or_else(|_| b"{}".to_vec());
        json[0] = b',';
        // To its size: a tail is kept for each key that was read.
        let bytes = Bytes::from(json.into_boxed_slice());
        let etag = format!("\"{}-{}\"", content.revision, &Digest::of(&[spec.items_key.as_bytes(), &*bytes].concat()).to_string()[..16]);
        Tail {
            head: head(&spec.items_key),
            bytes,
            etag: HeaderValue::try_from(etag).unwrap_or_else(|_| HeaderValue::from_static("\"0\"")),
            last_modified: http_date(facts.checked_at),
        }
    }
}

/// What stands before the items.
fn head(items_key: &str) -> Bytes {
    if items_key == "items" {
        return Bytes::from_static(b"{\"items\":");
    }
    // Names of lists are words, but a word is quoted by who knows how.
    Bytes::from(format!("{{{}:", serde_json::to_string(items_key).unwrap_or_default()))
}

/// What a failure adds to facts, for the one answer that tells it.
pub fn with_failure(facts: &Facts, failure: Failure) -> Facts {
    Facts { degraded: Some(failure), ..facts.clone() }
}

/// IMF-fixdate (RFC 9110 §5.6.7).
fn http_date(at: Timestamp) -> HeaderValue {
    let text = at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}
