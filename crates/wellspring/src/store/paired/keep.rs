//! What is shared is kept here as well.

use tracing::warn;
use wellspring_core::key::Key;

use super::Pair;
use super::verdict::{Verdict, judge};
use crate::store::{Entry, Latest, copy};

impl Pair {
    /// Notes what the shared store was seen to hold of a key, where that is not what is here.
    /// `ours` was read before: else what we write between the two looks as if the shared one had fallen behind.
    pub(super) async fn compare(&self, key: &Key, shared: Option<&Entry>, ours: Option<&Entry>) {
        let is_waiting = self.books().waiting.contains_key(key);
        let Some(shared) = shared.filter(|_| !is_waiting) else { return };
        match judge(Some(shared), ours, false, None, false) {
            Verdict::Same => {}
            Verdict::Adopt => self.keep(shared).await,
            // The shared one has fallen behind.
            Verdict::Put(_) | Verdict::Touch(_) => self.wait(key, None).await,
        }
    }

    /// Keeps a copy. It failing is no reason to fail what it is a copy of.
    pub(super) async fn keep(&self, entry: &Entry) {
        if let Err(error) = self.local.adopt(entry).await {
            warn!(key = %entry.key, %error, "what is shared could not be kept here as well");
        }
    }

    pub(super) async fn keep_all(&self, entries: &[Entry]) {
        for some in entries.chunks(64) {
            let keeping = |entry| async move {
                self.keep(entry).await;
                Ok(())
            };
            let _all_ok = copy::together(some.iter().map(|entry| Box::pin(keeping(entry)) as copy::Working<'_>).collect()).await;
        }
    }
}

/// The better of two copies to begin with: of the higher revision, confirmed later.
pub(super) fn better(one: &Entry, other: &Entry) -> bool {
    let rank =
        |entry: &Entry| entry.latest.as_ref().map(|Latest { snapshot, renewal, fence }| (snapshot.revision, renewal.checked_at, *fence));
    rank(one) > rank(other)
}
