//! Which keys there are: the names of all sources, and of each source a line a key. Lines and names that somebody removed are put back
//! by whoever meets what they stood for.

use std::collections::HashSet;
use std::sync::{MutexGuard, PoisonError};

use redis::cmd;
use wellspring_core::key::Key;

use super::fault::{Fault, Reply};
use super::scripts::{Call, LIST};
use super::{Shared, names, rows};
use crate::store::{Entry, Latest, StoreError};

/// How many names are put back at most that others gave.
const NAMED: usize = 10_000;

impl Shared {
    /// Runs a script that writes the line of a key, whose source must be found again.
    pub(super) async fn write(&self, call: &Call, key: &Key, offered: u64) -> Result<Reply, StoreError> {
        let source = key.source();
        if !self.names(source) {
            self.name(source).await?;
        }
        let reply = self.run(call, key, offered).await?;
        // Somebody emptied it meanwhile.
        if reply.text(1) == "first" {
            self.name(source).await?;
        }
        Ok(reply)
    }

    /// True where we know of a source that it is named.
    pub(super) fn names(&self, source: &str) -> bool {
        self.named().contains(source)
    }

    /// Puts back what is missing of an entry that was found: its line, the name of its source. A read does not fail for want of it.
    pub(super) async fn list_again(&self, entry: &Entry, is_listed: bool) {
        let key = &entry.key;
        if self.link.fault().is_some() {
            return;
        }
        let mut listed = self.name_anew(key.source()).await;
        if !is_listed && listed.is_ok() {
            let line = entry.latest.as_ref().map(|Latest { renewal, fence, .. }| rows::line(renewal, *fence));
            let mut call = self.call(&LIST, key);
            call.arg(line.as_deref().unwrap_or("-"));
            listed = self.write(&call, key, 0).await.map(|reply| {
                if reply.text(1) != "none" {
                    tracing::info!(%key, "its line was gone from Redis, and is put back");
                }
            });
        }
        if let Err(error) = listed {
            tracing::debug!(%key, %error, "it is not listed in Redis");
        }
    }

    async fn name_anew(&self, source: &str) -> Result<(), StoreError> {
        if self.names(source) { Ok(()) } else { self.name(source).await }
    }

    /// All sources; those that were named and no longer are, are named again.
    pub(super) async fn sources(&self) -> Result<Vec<String>, Fault> {
        let found: Vec<Vec<u8>> = self.link.look(cmd("SMEMBERS").arg(names::SOURCES), 1 << 20).await?;
        // What is no text was put there by somebody else.
        let found: HashSet<String> = found.into_iter().filter_map(|name| String::from_utf8(name).ok()).collect();
        let mut all: Vec<String> = self.named().difference(&found).cloned().collect();
        if !all.is_empty() {
            match self.link.change(cmd("SADD").arg(names::SOURCES).arg(&all)).await {
                Ok(()) => tracing::info!(sources = all.join(" "), "their names were gone from Redis, and are put back"),
                Err(fault) => tracing::debug!(why = fault.why(), "sources are not named in Redis"),
            }
        }
        let room = NAMED.saturating_sub(self.named().len());
        self.named().extend(found.iter().take(room).cloned());
        all.extend(found);
        all.sort_unstable();
        Ok(all)
    }

    async fn name(&self, source: &str) -> Result<(), StoreError> {
        self.link.change(cmd("SADD").arg(names::SOURCES).arg(source)).await?;
        self.named().insert(source.to_owned());
        Ok(())
    }

    fn named(&self) -> MutexGuard<'_, HashSet<String>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
