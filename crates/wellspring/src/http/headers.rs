//! What is said about caching and sharing, as values that are rendered in one place.

use std::fmt::Write as _;

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    IF_NONE_MATCH, ORIGIN, VARY,
};
use wellspring_core::moment::Mono;

use crate::engine::hot::{Tail, View};

/// RFC 9211.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const EXPOSED: HeaderValue = HeaderValue::from_static("ETag, Last-Modified, Age, Cache-Status, Retry-After");
/// The media type of every answer that is no error.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a client may do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Keep it and ask every time: a 304 is cheap, and a badge must not freeze.
    Revalidate,
    /// Keep nothing: it tells of this moment.
    Never,
}

impl Caching {
    /// `Cache-Control`.
    pub fn header(self) -> HeaderValue {
        match self {
            Self::Revalidate => HeaderValue::from_static("no-cache"),
            Self::Never => HeaderValue::from_static("no-store"),
        }
    }
}

/// Which origins a browser lets read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cors {
    /// Any.
    Any,
    /// These, as `scheme://host[:port]`.
    Only(Vec<String>),
}

impl Cors {
    /// Adds what a browser of another origin needs, for reads.
    pub fn apply(&self, request: &HeaderMap, response: &mut HeaderMap) {
        let allowed = match self {
            Self::Any => HeaderValue::from_static("*"),
            Self::Only(origins) => {
                // Answers differ by origin now, allowed or not.
                response.append(VARY, HeaderValue::from_static("Origin"));
                match request.get(ORIGIN) {
                    Some(origin) if origins.iter().any(|o| o.as_bytes() == origin.as_bytes()) => origin.clone(),
                    _ => return,
                }
            }
        };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// The headers of a snapshot's answer that do not depend on its length or coding.
pub fn of_view(view: &View, tail: &Tail, hit: bool, now: Mono) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(http::header::ETAG, tail.etag.clone());
    headers.insert(http::header::LAST_MODIFIED, tail.last_modified.clone());
    headers.insert(CACHE_CONTROL, Caching::Revalidate.header());
    headers.insert(CACHE_STATUS, cache_status(view, hit, now));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers
}

/// `wellspring; hit; ttl=…`: seconds until it turns stale, negative since it has (RFC 9211 §2.5).
fn cache_status(view: &View, hit: bool, now: Mono) -> HeaderValue {
    let stale_at = view.facts.horizon.stale_at;
    let ahead = i64::try_from(now.until(stale_at).as_secs()).unwrap_or(i64::MAX);
    let behind = i64::try_from(now.since(stale_at).as_secs()).unwrap_or(i64::MAX);
    let mut text = String::with_capacity(48);
    let how = if hit { "hit" } else { "fwd=miss; stored" };
    let _infallible = write!(text, "wellspring; {how}; ttl={}", ahead - behind);
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("wellspring"))
}

/// True where `If-None-Match` names this entity (RFC 9110 §13.1.2, weak comparison).
pub fn matches(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let etag = etag.as_bytes();
    request.get_all(IF_NONE_MATCH).iter().any(|given| {
        given
            .as_bytes()
            .split(|b| *b == b',')
            .map(<[u8]>::trim_ascii)
            .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag)
    })
}
