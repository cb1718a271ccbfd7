//! The only reader of bodies.

use std::pin::pin;

use bytes::{Buf, Bytes};
use http_body::Body;
use http_body_util::BodyExt;

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError<E> {
    /// It is larger than allowed.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// What was allowed, in bytes.
        limit: u64,
    },
    /// It broke off.
    #[error(transparent)]
    Broken(E),
}

/// Reads a whole body of at most `limit` bytes, counted as they come out of it: a `reqwest::Response` turned into its body gives
/// decompressed ones. Writes at most `limit` bytes to memory, and holds one chunk at a time; a large body reserves more addresses.
///
/// # Errors
/// [`BodyError::TooLarge`] as soon as it is known, be it from the announced length; [`BodyError::Broken`] where the body ends
/// before it is complete.
pub async fn read_body<B: Body>(body: B, limit: u64) -> Result<Bytes, BodyError<B::Error>> {
    let too_large = || BodyError::TooLarge { limit };
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let announced = body.size_hint().lower();
    if announced > limit {
        return Err(too_large());
    }
    let mut body = pin!(body);
    let mut whole: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        // A trailer says nothing that is wanted here.
        let Ok(mut chunk) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
        let needed = whole.len().saturating_add(chunk.remaining());
        if needed > most {
            return Err(too_large());
        }
        if needed > whole.capacity() {
            // Doubles as a vector does, but never past the limit. An announced length is only believed as far as the next doubling:
            // announcing costs nothing.
            let target = whole.capacity().saturating_mul(2).max(usize::try_from(announced).unwrap_or(most).min(FIRST)).clamp(needed, most);
            let target = if target > SMALL { target.max(ALONE) } else { target };
            whole.reserve_exact(target - whole.len());
        }
        while chunk.has_remaining() {
            let part = chunk.chunk();
            whole.extend_from_slice(part);
            let taken = part.len();
            chunk.advance(taken);
        }
    }
    Ok(whole.into())
}

/// How much room an announced length may claim at once, in bytes.
const FIRST: usize = 64 << 10;
/// What a body may take of the heap that is shared with everything else, in bytes.
const SMALL: usize = 256 << 10;
/// What a larger one asks for, in bytes. Past 32 MiB, glibc maps room of its own for it, of which only what is written to is memory,
/// and gives it back whole. Below, what is freed stays with the thread that read it, and the next room of that size comes from there
/// too: a few large bodies left 40 to 60 MiB behind, and the more the more cores there are.
const ALONE: usize = 33 << 20;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body::{Frame, SizeHint};

    use super::*;

    /// A body in chunks, which may announce whatever length it likes.
    struct Chunks {
        left: VecDeque<usize>,
        announced: u64,
    }

    impl Body for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.left.pop_front().map(|size| Ok(Frame::data(vec![b'x'; size].into()))))
        }

        fn size_hint(&self) -> SizeHint {
            let mut hint = SizeHint::new();
            hint.set_lower(self.announced);
            hint
        }
    }

    /// How many bytes come of these chunks, and how much room they take.
    async fn check(chunks: &[usize], announced: u64, limit: u64) -> Option<(usize, usize)> {
        let body = Chunks { left: chunks.iter().copied().collect(), announced };
        let whole = read_body(body, limit).await.ok()?;
        let size = whole.len();
        Some((size, whole.try_into_mut().map_or(size, |room| room.capacity())))
    }

    #[tokio::test]
    async fn a_body_takes_no_more_room_than_the_limit() {
        for (chunks, limit) in
            [(vec![], 0), (vec![10], 10), (vec![7; 100], 700), (vec![7; 100], 1000), (vec![1; 1500], 2000), (vec![0, 5, 0], 5)]
        {
            for announced in [0, limit] {
                let (size, room) = check(&chunks, announced, limit).await.unwrap();
                assert_eq!(size, chunks.iter().sum::<usize>());
                assert!(room as u64 <= limit.max(size as u64), "{room} for {size} of {limit}");
            }
        }
    }

    #[tokio::test]
    async fn an_announced_length_is_no_claim_to_room() {
        let (size, room) = check(&[10], 1 << 30, 1 << 30).await.unwrap();
        assert_eq!(size, 10);
        assert!(room <= FIRST, "{room}");
    }

    #[tokio::test]
    async fn a_large_body_has_room_of_its_own() {
        let (size, room) = check(&[128 << 10; 8], 0, 8 << 20).await.unwrap();
        assert_eq!(size, 1 << 20);
        assert!(room >= ALONE, "{room}");
        assert_eq!(check(&[128 << 10; 8], 0, (1 << 20) - 1).await, None);
        let (_, room) = check(&[64 << 10; 4], 0, 8 << 20).await.unwrap();
        assert!(room <= SMALL, "{room}");
        let (size, _) = check(&[1 << 20; 34], 0, 34 << 20).await.unwrap();
        assert_eq!(size, 34 << 20);
    }

    #[tokio::test]
    async fn one_byte_too_many_is_too_many() {
        assert_eq!(check(&[5, 5, 1], 0, 10).await, None);
        assert_eq!(check(&[1], 0, 0).await, None);
        assert_eq!(check(&[], 11, 10).await, None);
    }
}
