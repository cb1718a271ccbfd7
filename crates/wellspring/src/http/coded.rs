//! Answers in content codings. Those of hits are made behind the answers, on first demand; all others on their way out.

use std::sync::Arc;
use std::thread::available_parallelism;

use axum::body::Body as Made;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, VARY};
use http::{Method, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use tracing::error;
use wellspring_core::freshness::Freshness;

use super::afloat::Settled;
use super::body::Parts;
use super::coding::{Accepts, Coding, LEAST, encode};
use super::headers;
use super::places::{Places, Undone, Wanted};
use crate::engine::hot::codings::Coded;
use crate::engine::hot::{Tail, View};
use crate::lifecycle;

/// Longer bodies, in bytes, are coded off the async threads.
const LONG: u64 = 16 << 10;
/// Longer ones, in bytes, go as they are; and what streams, which has no length.
const LONGEST: u64 = 256 << 20;

/// Bounds how many hits are coded at once: apart from what readers start, so that those cannot keep hits from becoming small.
#[derive(Debug)]
pub struct Coder {
    places: Arc<Semaphore>,
}

impl Default for Coder {
    /// Half of the cores, and at least one: the other half answers.
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self { places: Arc::new(Semaphore::new((cores / 2).max(1))) }
    }
}

impl Coder {
    /// The body of a view in the coding that its reader likes best. Where that is not made yet it will be, and this reader
    /// gets the body as it is.
    pub fn hit<'a>(&self, view: &Arc<View>, freshness: Freshness, tail: &'a Tail, accepts: Accepts) -> Option<(Coding, &'a Coded)> {
        let coding = accepts.preferred()?;
        if let Some(coded) = tail.coded(coding.place()) {
            return Some((coding, coded));
        }
        if view.length(tail) >= LEAST {
            self.demand(view, freshness, tail, coding);
        }
        None
    }

    fn demand(&self, view: &Arc<View>, freshness: Freshness, tail: &Tail, coding: Coding) {
        // Where all places are taken, a later reader asks again.
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        if !tail.codings().claim(coding.place()) {
            return;
        }
        let view = Arc::clone(view);
        drop(lifecycle::blocking(move || {
            if let Some(tail) = view.made(freshness) {
                tail.codings().keep(coding.place(), coded(&view, tail, coding));
            }
            drop(place);
        }));
    }

    /// Codes any other answer on its way out, where its client likes that and it is worth it.
    pub async fn finish(places: &Places, method: &Method, request: &HeaderMap, mut response: Response) -> Response {
        if response.headers().contains_key(CONTENT_ENCODING) {
            return response;
        }
        let accepts = Accepts::of(request);
        if response.status() == StatusCode::NOT_MODIFIED {
            // The tag of what the client holds, which may be in a coding.
            if let Some(etag) = response.headers().get(ETAG)
                && let Some(Some(coding)) = headers::held(headers::lines(request, IF_NONE_MATCH), etag.as_bytes(), accepts)
            {
                let etag = tag(etag.as_bytes(), coding);
                response.headers_mut().insert(ETAG, etag);
            }
            return response;
        }
        if !response.headers().get(CONTENT_TYPE).is_some_and(is_text) {
            return response;
        }
        vary(response.headers_mut());
        // What answers HEAD has lost its body on the way, but not its length.
        let length = response.headers().get(CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse().ok());
        let is_head = *method == Method::HEAD;
        let length = if is_head { length } else { response.body().size_hint().exact() };
        let (Some(length @ LEAST..=LONGEST), Some(coding)) = (length, accepts.preferred()) else { return response };
        if is_head {
            dress(response.headers_mut(), coding);
            response.headers_mut().remove(CONTENT_LENGTH);
            return response;
        }
        let (mut head, mut body) = response.into_parts();
        // As they are, without a copy: they may be shared, and while this one waits for its place they are all that is held of it.
        let mut parts = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Undone::BrokenOff.problem().into_response() };
            parts.extend(frame.into_data());
        }
        let work = {
            let parts = parts.clone();
            move |_: &Wanted| encode(&parts.iter().map(|part| &**part).collect::<Vec<_>>(), coding)
        };
        match places.work_where(length > LONG, work).await {
            // Better long than late.
            Err(Undone::Busy) => Response::from_parts(head, Made::new(Parts::from(parts))),
            Err(Undone::BrokenOff) => Undone::BrokenOff.problem().into_response(),
            Ok(Ok(made)) => {
                head.extensions.remove::<Settled>();
                dress(&mut head.headers, coding);
                head.headers.insert(CONTENT_LENGTH, HeaderValue::from(made.len()));
                Response::from_parts(head, Made::from(made))
            }
            Ok(Err(error)) => {
                error!(%error, "an answer could not be coded; it goes as it is");
                Response::from_parts(head, Made::new(Parts::from(parts)))
            }
        }
    }
}

/// A view's body in a coding, where that makes it smaller.
fn coded(view: &View, tail: &Tail, coding: Coding) -> Option<Coded> {
    let made = encode(&[tail.head(), &view.content.items, tail.bytes()], coding);
    let made = made.inspect_err(|error| error!(%error, "a body could not be coded; it goes as it is")).ok()?;
    if made.len() as u64 >= view.length(tail) {
        return None;
    }
    // Exactly as long as it is: what is kept for long must not keep room besides.
    let bytes = Bytes::from(made.into_boxed_slice());
    Some(Coded { etag: tag(tail.etag(), coding), length: HeaderValue::from(bytes.len()), bytes })
}

/// The tag of what has this tag uncoded: strong tags differ by coding (RFC 9110 §8.8.3.3), weak ones need not.
pub fn tag(etag: &[u8], coding: Coding) -> HeaderValue {
    let coded = match etag.strip_suffix(b"\"") {
        Some(open) if !etag.starts_with(b"W/") => HeaderValue::try_from([open, b"-", coding.name().as_bytes(), b"\""].concat()).ok(),
        _ => HeaderValue::from_bytes(etag).ok(),
    };
    coded.unwrap_or_else(|| HeaderValue::from_static("\"0\""))
}

fn dress(headers: &mut HeaderMap, coding: Coding) {
    headers.insert(CONTENT_ENCODING, coding.header());
    headers.remove(ACCEPT_RANGES);
    if let Some(etag) = headers.get(ETAG) {
        let etag = tag(etag.as_bytes(), coding);
        headers.insert(ETAG, etag);
    }
}

/// Says that the answer differs by coding, once.
fn vary(headers: &mut HeaderMap) {
    let says =
        |value: &HeaderValue| value.as_bytes().split(|b| *b == b',').any(|n| n.trim_ascii().eq_ignore_ascii_case(b"accept-encoding"));
    if !headers.get_all(VARY).iter().any(says) {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// True of media types whose bodies get smaller, and that do not come bit by bit.
fn is_text(media_type: &HeaderValue) -> bool {
    let essence = media_type.as_bytes().split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    let application = || {
        let ends = |with: &[u8]| essence.ends_with(with);
        essence.starts_with(b"application/") && (ends(b"json") || ends(b"xml") || ends(b"javascript") || ends(b"yaml"))
    };
    (essence.starts_with(b"text/") && essence != b"text/event-stream") || application() || essence == b"image/svg+xml"
}
