//! What was: revisions from the store. Nothing here is a hit, and nothing here causes a fetch.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;
use wellspring_core::key::Key;
use wellspring_core::snapshot::Snapshot;

use super::Engine;
use crate::store::{Revision, StoreError};

/// A disk may hang; who asks for the past is told so.
const STORE_PATIENCE: Duration = Duration::from_secs(5);

impl Engine {
    /// The revisions of a key that are kept, newest first.
    ///
    /// # Errors
    /// Where the store cannot be read now.
    pub async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, StoreError> {
        timeout(STORE_PATIENCE, self.store().revisions(key)).await.unwrap_or_else(|_| Err(late()))
    }

    /// The revision that was the latest at a moment; `None` where the history does not reach that far.
    ///
    /// # Errors
    /// Where the store cannot be read now.
    pub async fn as_of(&self, key: &Key, at: Timestamp) -> Result<Option<Snapshot>, StoreError> {
        timeout(STORE_PATIENCE, self.store().as_of(key, at)).await.unwrap_or_else(|_| Err(late()))
    }
}

fn late() -> StoreError {
    StoreError::Unavailable("the store did not answer in time".to_owned())
}
