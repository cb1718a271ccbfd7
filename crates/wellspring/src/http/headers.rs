//! What is said about caching and sharing, as values that are rendered in one place.

use std::io::Write as _;
use std::time::Duration;

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_NONE_MATCH, LAST_MODIFIED, VARY,
};
use http::{Response, StatusCode};
use wellspring_core::freshness::Freshness;
use wellspring_core::moment::Mono;
use wellspring_core::policy::HttpCache;

use super::body::{Body, Frames};
use super::coding::{Accepts, Coding};
use crate::engine::hot::{Facts, Tail};

/// RFC 9211.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const EXPOSED: HeaderValue = HeaderValue::from_static("Date, ETag, Last-Modified, Age, Cache-Status, Retry-After");
/// The media type of every answer that is no error.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a client may do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Keep it and ask every time: a 304 is cheap, and a badge must not freeze.
    Revalidate,
    /// Serve it to others for the rest of its period without asking; all in whole seconds from when it was checked.
    Shared {
        /// The whole period: `Age` says how much of it is spent.
        max_age: u64,
        /// How much longer it may be served while a newer one is asked for.
        while_revalidating: u64,
        /// How much longer it may be served while we cannot be reached.
        if_error: u64,
    },
    /// Keep nothing: it tells of this moment.
    Never,
}

/// Past its period, where a source has no `max_stale`, a shared cache may serve it so long while we cannot be reached.
const SERVED_IF_ERROR: Duration = Duration::from_secs(30 * 86_400);

impl Caching {
    /// What the source allows of an answer that is stored. What says that it waited, failed, runs or has expired is true for
    /// this moment only: nobody keeps it for a period.
    pub fn of(mode: HttpCache, facts: &Facts, now: Mono) -> Self {
        let freshness = facts.horizon.freshness(now);
        let passing = facts.degraded.is_some() || freshness == Freshness::Expired || freshness == Freshness::Fresh && facts.refreshing;
        if mode == HttpCache::Revalidate || passing {
            return Self::Revalidate;
        }
        let horizon = &facts.horizon;
        let period = horizon.checked.until(horizon.stale_at);
        let left = horizon.expired_at.map_or(SERVED_IF_ERROR, |expired| horizon.stale_at.until(expired));
        Self::Shared { max_age: period.as_secs(), while_revalidating: period.min(left).as_secs(), if_error: left.as_secs() }
    }

    /// `Cache-Control`.
    pub fn header(self) -> HeaderValue {
        match self {
            Self::Revalidate => HeaderValue::from_static("no-cache"),
            Self::Shared { max_age, while_revalidating, if_error } => {
                let text = format!("public, max-age={max_age}, stale-while-revalidate={while_revalidating}, stale-if-error={if_error}");
                HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("no-cache"))
            }
            Self::Never => HeaderValue::from_static("no-store"),
        }
    }
}

/// Where the header lines of an answer go: a map for hyper, or the wire.
pub trait Told {
    /// Adds a line, whatever others of its name there are.
    fn line(&mut self, name: HeaderName, value: &HeaderValue);

    /// The same with a value that is kept as text. One that no line can hold adds none.
    fn text(&mut self, name: HeaderName, value: &[u8]);
}

impl Told for HeaderMap {
    fn line(&mut self, name: HeaderName, value: &HeaderValue) {
        self.append(name, value.clone());
    }

    fn text(&mut self, name: HeaderName, value: &[u8]) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            self.append(name, value);
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
    /// Adds what a browser needs that asks from this origin, for reads.
    pub fn apply(&self, origin: Option<&[u8]>, response: &mut impl Told) {
        match self {
            Self::Any => response.line(ACCESS_CONTROL_ALLOW_ORIGIN, &HeaderValue::from_static("*")),
            Self::Only(origins) => {
                // Answers differ by origin now, allowed or not.
                response.line(VARY, &HeaderValue::from_static("Origin"));
                let allowed = origin.filter(|origin| origins.iter().any(|o| o.as_bytes() == *origin));
                let Some(Ok(allowed)) = allowed.map(HeaderValue::from_bytes) else { return };
                response.line(ACCESS_CONTROL_ALLOW_ORIGIN, &allowed);
            }
        }
        response.line(ACCESS_CONTROL_EXPOSE_HEADERS, &EXPOSED);
    }
}

/// How an answer came about, as `Cache-Status` tells it (RFC 9211).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// What was stored.
    Hit,
    /// It waited for a refresh.
    Forwarded {
        /// `miss`, `stale` or, where the stored one was fresh, `request`.
        why: &'static str,
        /// The refresh ran already, for somebody else.
        collapsed: bool,
    },
}

/// The headers of a snapshot's answer that do not depend on its length or coding.
pub fn of_view(mode: HttpCache, facts: &Facts, tail: &Tail, fate: Fate, now: Mono) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(CONTENT_TYPE, JSON);
    headers.text(ETAG, tail.etag());
    tell_view(mode, facts, tail, fate, now, &mut headers);
    headers
}

/// Those of them that do not depend on the entity that is chosen, either.
pub(super) fn tell_view(mode: HttpCache, facts: &Facts, tail: &Tail, fate: Fate, now: Mono, to: &mut impl Told) {
    to.text(LAST_MODIFIED, tail.last_modified());
    to.line(CACHE_STATUS, &cache_status(facts, fate, now));
    to.line(VARY, &HeaderValue::from_static("Accept-Encoding"));
    let caching = if fate == Fate::Hit { Caching::of(mode, facts, now) } else { Caching::Revalidate };
    if mode == HttpCache::Shared {
        to.line(AGE, &HeaderValue::from(facts.horizon.age(now).as_secs()));
    }
    to.line(CACHE_CONTROL, &caching.header());
}

/// The headers of a past revision's answer, which never changes: `period` is the source's.
pub fn of_past(mode: HttpCache, period: Duration, tail: &Tail) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(CONTENT_TYPE, JSON);
    headers.text(ETAG, tail.etag());
    headers.text(LAST_MODIFIED, tail.last_modified());
    headers.insert(CACHE_STATUS, HeaderValue::from_static("wellspring; hit; detail=history"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    let period = period.as_secs();
    let caching = match mode {
        HttpCache::Revalidate => Caching::Revalidate,
        HttpCache::Shared => Caching::Shared { max_age: period, while_revalidating: period, if_error: SERVED_IF_ERROR.as_secs() },
    };
    headers.insert(CACHE_CONTROL, caching.header());
    headers
}

/// `wellspring; hit; ttl=…`: seconds until it turns stale, negative since it has (RFC 9211 §2.5). `detail` is for those whose
/// format has no place for it in the body.
fn cache_status(facts: &Facts, fate: Fate, now: Mono) -> HeaderValue {
    let stale_at = facts.horizon.stale_at;
    let ahead = i64::try_from(now.until(stale_at).as_secs()).unwrap_or(i64::MAX);
    let behind = i64::try_from(now.since(stale_at).as_secs()).unwrap_or(i64::MAX);
    // On the stack: a value made of a text keeps the text's spare room and pays for counting who holds it.
    let mut text = [0; 160];
    let mut rest = &mut text[..];
    let _fits = match fate {
        Fate::Hit => write!(rest, "wellspring; hit"),
        Fate::Forwarded { why, collapsed } => write!(rest, "wellspring; fwd={why}; stored{}", if collapsed { "; collapsed" } else { "" }),
    };
    let _fits = write!(rest, "; ttl={}", ahead - behind);
    if let Some(failure) = &facts.degraded {
        let _fits = write!(rest, "; detail={}", failure.code);
    }
    let spare = rest.len();
    HeaderValue::from_bytes(&text[..text.len() - spare]).unwrap_or_else(|_| HeaderValue::from_static("wellspring"))
}

/// True where `If-None-Match` names this entity, in whatever coding the client takes.
pub fn matches(request: &HeaderMap, etag: &[u8]) -> bool {
    held(lines(request, IF_NONE_MATCH), etag, Accepts::of(request)).is_some()
}

/// The lines of this name.
pub(super) fn lines(request: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    request.get_all(name).into_iter().map(HeaderValue::as_bytes)
}

/// In which coding the client holds the entity with this uncoded tag, by its lines of `If-None-Match` (RFC 9110 §13.1.2, weak comparison).
///
/// Which of the acceptable representations is selected is the server's choice (§12.1), and the best is one that the client has:
/// so a tag of any coding that it takes is a match, and the 304 names that tag. A coding that it does not take is none of its
/// representations, for a cache in between would serve a 304's stored answer to a client that cannot read it.
pub fn held<'a>(lines: impl Iterator<Item = &'a [u8]>, etag: &[u8], accepts: Accepts) -> Option<Option<Coding>> {
    let etag = weakened(etag);
    let open = etag.strip_suffix(b"\"").unwrap_or(etag);
    lines.flat_map(|line| line.split(|b| *b == b',')).map(<[u8]>::trim_ascii).find_map(|tag| {
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

/// The answer with these frames, or a 304 where the request names them already.
pub(super) fn answer(frames: Frames, etag: &[u8], mut headers: HeaderMap, request: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::Frames(Frames::default()));
    if matches(request, etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        headers.remove(CONTENT_TYPE);
    } else {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(frames.len()));
        *response.body_mut() = Body::Frames(frames);
    }
    *response.headers_mut() = headers;
    response
}
