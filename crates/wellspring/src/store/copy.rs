//! Copying one store into another: many keys at a time, so that a store that commits in groups can.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use super::{Entry, Store, StoreError};
use wellspring_core::snapshot::Snapshot;

/// Keys on their way at a time: their whole history is in memory meanwhile.
const AT_ONCE: usize = 16;

/// Restores every entry with its history, as `history` reads it (newest last), into `target`. Returns how many keys.
pub(super) async fn copy<F>(entries: &[Entry], history: impl Fn(Entry) -> F, target: &dyn Store) -> Result<u64, StoreError>
where
    F: Future<Output = Result<Vec<Snapshot>, StoreError>> + Send,
{
    for chunk in entries.chunks(AT_ONCE) {
        let copies = chunk.iter().map(|entry| {
            let history = history(entry.clone());
            Box::pin(async move { target.restore(entry, &history.await?).await }) as Copying<'_>
        });
        all(copies.collect()).await?;
    }
    Ok(entries.len() as u64)
}

type Copying<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// Waits for all of them, or for the first that fails.
async fn all(mut running: Vec<Copying<'_>>) -> Result<(), StoreError> {
    poll_fn(|cx| {
        let mut failed = None;
        running.retain_mut(|copying| match copying.as_mut().poll(cx) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(error)) => {
                failed = Some(error);
                false
            }
        });
        match failed {
            Some(error) => Poll::Ready(Err(error)),
            None if running.is_empty() => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    })
    .await
}
