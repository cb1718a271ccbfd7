//! How many bytes of answers that are nobody else's wait for their readers: what is stored is shared by all who read it, but a part of
//! it, another format and a past revision are made for one reader, and held until that one has taken them.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body as Made;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};

use super::problem::Problem;

/// The most of them together, in bytes.
const MOST: usize = 128 << 20;
/// Shorter ones, in bytes, are not counted: the system takes them at once.
const SMALL: u64 = 32 << 10;
/// When one may come again for whose answer there was no room.
const AGAIN: Duration = Duration::from_secs(5);

/// Says of an answer that its body need not be counted: it is in memory that others read too, or counted already.
#[derive(Clone, Copy, Debug)]
pub struct Settled;

/// What is held.
#[derive(Debug)]
pub struct Afloat {
    most: usize,
    held: AtomicUsize,
}

/// Bytes that are counted, until the last of whoever has them has let go.
#[derive(Debug)]
struct Counted {
    afloat: Arc<Afloat>,
    bytes: usize,
}

/// A part of a body, with its count.
struct Part(Bytes, #[expect(dead_code, reason = "held for its end")] Arc<Counted>);

/// A body whose parts are counted: it is gone long before they are.
struct Weighed {
    body: Made,
    counted: Arc<Counted>,
}

impl Default for Afloat {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl Afloat {
    /// Room for so many bytes.
    pub fn of(most: usize) -> Self {
        Self { most, held: AtomicUsize::new(0) }
    }

    /// The answer, counted where its body is its own; another one where there is no room for it.
    pub fn weigh(self: &Arc<Self>, mut response: Response) -> Response {
        if response.extensions().get::<Settled>().is_some() {
            return response;
        }
        // What streams has no length, and is not held.
        let Some(length) = response.body().size_hint().exact().filter(|length| *length > SMALL) else { return response };
        let Some(counted) = self.take(usize::try_from(length).unwrap_or(usize::MAX)) else {
            let detail = "clients that are slow to take their answers hold all the memory that there is for answers of their own";
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "crowded", detail).retry_after(AGAIN).into_response();
        };
        response.extensions_mut().insert(Settled);
        response.map(|body| Made::new(Weighed { body, counted: Arc::new(counted) }))
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn take(self: &Arc<Self>, bytes: usize) -> Option<Counted> {
        // One alone may be as large as it is, or it would never be answered.
        let fits = |held: usize| held.checked_add(bytes).filter(|sum| held == 0 || *sum <= self.most);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Counted { afloat: Arc::clone(self), bytes })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.afloat.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Body for Weighed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let counted = Arc::clone(&self.counted);
        let counted = |part| Bytes::from_owner(Part(part, counted));
        Pin::new(&mut self.body).poll_frame(context).map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(counted))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn answer(length: usize) -> Response {
        Response::new(Made::from(vec![b'x'; length]))
    }

    #[tokio::test]
    async fn what_is_held_is_counted_until_its_bytes_are_let_go() {
        let afloat = Arc::new(Afloat::of(100_000));
        let first = afloat.weigh(answer(60_000));
        assert_eq!((first.status(), afloat.held()), (StatusCode::OK, 60_000));
        let mut body = first.into_body();
        let bytes = body.frame().await.unwrap().unwrap().into_data().unwrap();
        drop(body);
        assert_eq!(afloat.held(), 60_000, "written by nobody yet");
        let refused = afloat.weigh(answer(40_001));
        assert_eq!((refused.status(), &refused.headers()["retry-after"]), (StatusCode::SERVICE_UNAVAILABLE, &"5".parse().unwrap()));
        assert_eq!(afloat.weigh(answer(40_000)).status(), StatusCode::OK);
        assert_eq!(bytes.len(), 60_000);
        drop(bytes);
        assert_eq!(afloat.held(), 0);
    }

    #[test]
    fn what_is_small_shared_or_alone_has_room() {
        let afloat = Arc::new(Afloat::of(40_000));
        let alone = afloat.weigh(answer(50_000));
        assert_eq!(alone.status(), StatusCode::OK);
        assert_eq!(afloat.weigh(answer(40_000)).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(afloat.weigh(answer(1_000)).status(), StatusCode::OK);
        let mut shared = answer(90_000);
        shared.extensions_mut().insert(Settled);
        assert_eq!(afloat.weigh(shared).status(), StatusCode::OK);
        assert_eq!(afloat.held(), 50_000);
    }
}
