//! What is said about caching and sharing, as values that are rendered in one place.

use std::io::Write as _;

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    IF_NONE_MATCH, ORIGIN, VARY,
};
use wellspring_core::moment::Mono;

use super::coding::{Accepts, Coding};
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
    let how = if hit { "hit" } else { "fwd=miss; stored" };
    // On the stack: a value made of a text keeps the text's spare room and pays for counting who holds it.
    let mut text = [0; 64];
    let mut rest = &mut text[..];
    let _fits = write!(rest, "wellspring; {how}; ttl={}", ahead - behind);
    let spare = rest.len();
    HeaderValue::from_bytes(&text[..text.len() - spare]).unwrap_or_else(|_| HeaderValue::from_static("wellspring"))
}

/// True where `If-None-Match` names this entity, in whatever coding the client takes.
pub fn matches(request: &HeaderMap, etag: &HeaderValue) -> bool {
    held(request, etag, Accepts::of(request)).is_some()
}

/// In which coding the client holds the entity with this uncoded tag, by `If-None-Match` (RFC 9110 §13.1.2, weak comparison).
///
/// Which of the acceptable representations is selected is the server's choice (§12.1), and the best is one that the client has:
/// so a tag of any coding that it takes is a match, and the 304 names that tag. A coding that it does not take is none of its
/// representations, for a cache in between would serve a 304's stored answer to a client that cannot read it.
pub fn held(request: &HeaderMap, etag: &HeaderValue, accepts: Accepts) -> Option<Option<Coding>> {
    let lines = request.get_all(IF_NONE_MATCH).iter();
    let etag = weakened(etag.as_bytes());
    let open = etag.strip_suffix(b"\"").unwrap_or(etag);
    lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii).find_map(|tag| {
        if tag == b"*" {
            return Some(accepts.preferred());
        }
        let rest = weakened(tag).strip_prefix(open)?.strip_suffix(b"\"")?;
        let coding = match rest {
            b"" => None,
            _ => Some(Coding::ALL.into_iter().find(|c| rest.strip_prefix(b"-") == Some(c.name().as_bytes()))?),
        };
        accepts.takes(coding).then_some(coding)
    })
}

fn weakened(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}
