//! The file of a store that no server uses, read key by key: nothing of it is held in memory, nothing is mended or set aside.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rusqlite::Connection;
use wellspring_core::key::Key;
use wellspring_core::snapshot::Snapshot;

use super::file::{self, DataFile, is_held};
use super::load;
use super::schema::{self, Fault};
use crate::store::{Entry, Holdings, Revision, StoreError};

/// The file, claimed for as long as this lives. Its methods block.
#[derive(Debug)]
pub struct Shelf {
    conn: Mutex<Connection>,
    /// After the connection, so that its lock outlives that when both are dropped.
    _file: DataFile,
}

/// Whether somebody uses the store at this path. Nothing is made.
pub fn is_used(path: &Path) -> bool {
    is_held(path)
}

/// What [`Store::identity`](crate::store::Store::identity) says of the store at this path.
pub fn identity(path: &Path) -> Option<String> {
    file::identity(path)
}

impl Shelf {
    /// Claims the file and opens it.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] where there is none, where a server uses it, where it is corrupt or not ours.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let shown = path.display();
        if !path.exists() {
            return Err(StoreError::Unusable(format!("there is no store at `{shown}`; say which with --config, or with --data")));
        }
        let file = DataFile::claim(path)?;
        let conn = schema::open(file.path()).map_err(|fault| match fault {
            Fault::Unusable(why) => StoreError::Unusable(why),
            Fault::Corrupt(why) => StoreError::Unusable(format!(
                "the store `{shown}` is corrupt ({why}); start the server once: it sets the file aside and carries over what can be read"
            )),
            Fault::Io(why) => StoreError::Unusable(format!("the store `{shown}` cannot be opened ({why})")),
        })?;
        Ok(Self { conn: Mutex::new(conn), _file: file })
    }

    fn conn(&self) -> MutexGuard<'_, Connection> {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(fault: &Fault) -> StoreError {
    StoreError::Unavailable(format!("the store cannot be read: {}", fault.why()))
}

#[async_trait]
impl Holdings for Shelf {
    async fn keys(&self) -> Result<Vec<Key>, StoreError> {
        load::keys(&self.conn()).map_err(|fault| unavailable(&fault))
    }

    async fn entry(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        load::entry(&self.conn(), key).map_err(|fault| unavailable(&fault))
    }

    async fn lines(&self, key: &Key) -> Result<Vec<Revision>, StoreError> {
        load::revisions(&self.conn(), key).map_err(|fault| unavailable(&fault))
    }

    async fn one(&self, key: &Key, revision: u64) -> Result<Option<Snapshot>, StoreError> {
        load::one(&self.conn(), key, revision).map_err(|fault| unavailable(&fault))
    }
}
