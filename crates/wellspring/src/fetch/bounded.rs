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
/// decompressed ones. Holds at most `limit` bytes and one chunk at a time.
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
