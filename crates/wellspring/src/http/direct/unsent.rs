//! What of an answer the system has not taken yet.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::AsyncWrite;

use super::answer::Out;

/// How many parts are told to the system at once.
const PARTS: usize = 16;

/// The parts of it, in order.
#[derive(Debug, Default)]
pub(super) struct Unsent(VecDeque<Bytes>);

impl Unsent {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes what can be written of it; ready with how many bytes were. It is over at an error.
    pub(super) fn poll_write(&mut self, stream: &mut (impl AsyncWrite + Unpin), context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [IoSlice::new(&[]); PARTS];
        let parts = self.0.iter().zip(&mut space).map(|(part, slice)| *slice = IoSlice::new(part)).count();
        let all = ready!(Pin::new(stream).poll_write_vectored(context, &space[..parts]))?;
        let mut written = all;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        while let Some(part) = self.0.front_mut() {
            if written < part.len() {
                part.advance(written);
                break;
            }
            written -= part.len();
            self.0.pop_front();
        }
        Poll::Ready(Ok(all))
    }

    /// Takes what is to be written, as far as the system has not taken it at once. Nothing of it is copied where it has taken all,
    /// as nearly always.
    pub(super) fn send(&mut self, out: &Out, stream: &mut (impl AsyncWrite + Unpin), context: &mut Context<'_>) -> io::Result<()> {
        let mut written = 0;
        if self.0.is_empty() && out.pieces.is_empty() && !out.bytes.is_empty() {
            match Pin::new(stream).poll_write(context, &out.bytes) {
                Poll::Ready(Ok(all)) if all == out.bytes.len() => return Ok(()),
                Poll::Ready(Ok(part)) => written = part,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {}
            }
        }
        let mut own = Bytes::copy_from_slice(&out.bytes[written..]);
        let mut before = written;
        for (at, piece) in &out.pieces {
            self.0.extend([own.split_to(at - before), piece.clone()]);
            before = *at;
        }
        self.0.push_back(own);
        self.0.retain(|part| !part.is_empty());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at a time, every other time none.
    struct Narrow {
        most: usize,
        taken: Vec<u8>,
        shut: bool,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.shut = !self.shut;
            if self.shut {
                return Poll::Pending;
            }
            let part = &bytes[..bytes.len().min(self.most)];
            self.taken.extend_from_slice(part);
            Poll::Ready(Ok(part.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn all_arrives_in_order_however_little_is_taken_at_a_time() {
        let piece = |text: &'static str| Bytes::from_static(text.as_bytes());
        let pieces = vec![(0, piece("<")), (2, piece("----")), (2, piece("====")), (5, piece(">"))];
        for (pieces, whole) in [(Vec::new(), "abcde"), (pieces, "<ab----====cde>")] {
            let mut out = Out::default();
            (out.bytes, out.pieces) = (b"abcde".to_vec(), pieces);
            for (most, shut) in [(1, false), (3, true), (100, false), (100, true)] {
                let mut stream = Narrow { most, taken: Vec::new(), shut };
                let mut unsent = Unsent::default();
                let mut context = Context::from_waker(std::task::Waker::noop());
                unsent.send(&out, &mut stream, &mut context).unwrap();
                while !unsent.is_empty() {
                    if let Poll::Ready(done) = unsent.poll_write(&mut stream, &mut context) {
                        done.unwrap();
                    }
                }
                assert_eq!(String::from_utf8(stream.taken).unwrap(), whole, "{most}");
            }
        }
    }
}
