//! Copying one store into another: many keys at a time, so that a store that commits in groups can.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use wellspring_core::key::Key;

use super::whole::whole;
use super::{Entry, Store, StoreError};

/// Keys on their way at a time: their whole history is in memory meanwhile.
const AT_ONCE: usize = 16;

/// Restores every key with its history into `target`. Returns how many.
pub(super) async fn copy<S: Store + ?Sized>(from: &S, target: &dyn Store) -> Result<u64, StoreError> {
    let keys = from.keys().await?;
    for chunk in keys.chunks(AT_ONCE) {
        together(chunk.iter().map(|key| Box::pin(one(from, key, target)) as Working<'_>).collect()).await?;
    }
    Ok(keys.len() as u64)
}

async fn one<S: Store + ?Sized>(from: &S, key: &Key, target: &dyn Store) -> Result<(), StoreError> {
    let Some(mut whole) = whole(from, key).await? else { return Ok(()) };
    let mut history = Vec::new();
    while let Some(snapshot) = whole.next_past(from).await? {
        history.push(snapshot);
    }
    target.restore(&whole.entry, &history).await
}

/// Puts an entry in the place of the latest, with the history that is there.
pub(super) async fn adopt<S: Store + ?Sized>(store: &S, entry: &Entry) -> Result<(), StoreError> {
    let mut history = Vec::new();
    for line in store.revisions(&entry.key).await? {
        history.extend(store.revision(&entry.key, line.revision).await?);
    }
    store.restore(entry, &history).await
}

/// Something that a store does.
pub(super) type Working<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// Waits for all of them, or for the first that fails.
pub(super) async fn together(mut running: Vec<Working<'_>>) -> Result<(), StoreError> {
    poll_fn(|cx| {
        let mut failed = None;
        running.retain_mut(|working| match working.as_mut().poll(cx) {
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
