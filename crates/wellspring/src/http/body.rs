//! The bodies of responses: prepared frames for hits, whatever a router gives for the rest.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// A response's body.
#[derive(Debug)]
pub enum Body {
    /// Head, items and tail, already encoded, written as they are.
    Frames(Frames),
    /// Made by a handler.
    Made(axum::body::Body),
}

/// Pieces of memory, as many as there are.
#[derive(Debug)]
pub struct Parts(VecDeque<Bytes>);

/// Up to three pieces of shared memory.
#[derive(Debug, Default)]
pub struct Frames([Bytes; 3]);

impl Frames {
    /// What stands before the items, the items, and what is said of them.
    pub fn new(head: Bytes, items: Bytes, tail: Bytes) -> Self {
        Self([head, items, tail])
    }

    /// Their length together.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|b| b.len() as u64).sum()
    }

    /// True where nothing is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn take(&mut self) -> Option<Bytes> {
        self.0.iter_mut().find(|b| !b.is_empty()).map(std::mem::take)
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

impl From<Vec<Bytes>> for Parts {
    fn from(parts: Vec<Bytes>) -> Self {
        Self(parts.into())
    }
}

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|part| part.len() as u64).sum())
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Frames(frames) => Poll::Ready(frames.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Made(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Frames(frames) => frames.is_empty(),
            Self::Made(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Frames(frames) => http_body::Body::size_hint(frames),
            Self::Made(body) => body.size_hint(),
        }
    }
}
