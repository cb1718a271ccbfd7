//! Which stores there are, as configured.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::store::memory::MemoryStore;
use crate::store::paired::Paired;
use crate::store::redis::RedisStore;
use crate::store::redis::inspect::place;
use crate::store::sqlite::SqliteStore;
use crate::store::{Retention, Store, StoreError};

/// What there is to know where the copy of a server that shares a store cannot be opened.
const OWN: &str = "; it is `own` under [store], the copy that a server has of what is shared: each needs a file of its own";

/// The store that a server serves from, as configured: where it is shared, with the copy that it keeps itself. Blocks where that is
/// a file: it is read.
///
/// # Errors
/// [`StoreError::Unusable`] where it cannot be opened; the message says what to do.
pub async fn store(config: &Config, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
    let own = own_store(config)?;
    match shared_store(config).await {
        None => Ok(own),
        Some(Ok(shared)) => Ok(Arc::new(Paired::open(shared, own, clock).await)),
        Some(Err(error)) => {
            own.close().await;
            Err(error)
        }
    }
}

/// The store that commands work on while no server does: the shared one alone where there is one.
///
/// # Errors
/// [`StoreError::Unusable`] where it cannot be opened; the message says what to do.
pub async fn main_store(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    match shared_store(config).await {
        Some(shared) => shared,
        None => own_store(config),
    }
}

async fn shared_store(config: &Config) -> Option<Result<Arc<dyn Store>, StoreError>> {
    let url = config.store.shared()?;
    let opened = RedisStore::open(url.expose(), retention(config)).await;
    let placed = |error| match error {
        StoreError::Unusable(why) => StoreError::Unusable(format!("`url` under [store], {}: {why}", place(url.expose()))),
        other => other,
    };
    Some(opened.map(|store| Arc::new(store) as Arc<dyn Store>).map_err(placed))
}

fn own_store(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    let retention = retention(config);
    Ok(match config.store.path() {
        Some(path) => Arc::new(SqliteStore::open(path, retention).map_err(|error| match error {
            StoreError::Unusable(why) if config.store.shared().is_some() => StoreError::Unusable(format!("{why}{OWN}")),
            other => other,
        })?),
        None => Arc::new(MemoryStore::new(retention)),
    })
}

/// How much of each key's past is kept, as configured.
pub fn retention(config: &Config) -> Retention {
    Retention { revisions: config.keep.revisions, bytes: config.keep.bytes }
}
