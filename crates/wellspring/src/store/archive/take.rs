//! Takes an archive over into a store.

use wellspring_core::key::Key;
use wellspring_core::snapshot::Snapshot;

use super::{Bad, Head, Piece, Reader};
use crate::store::copy::{Working, together};
use crate::store::{Entry, Health, Latest, Retention, Store, StoreError};

/// Keys whose restoring may share one commit.
const AT_ONCE: usize = 256;
/// How much they may hold together, in bytes.
const WEIGHT: u64 = 8 << 20;
/// What a head or a snapshot holds beside its texts, about, in bytes.
const BESIDE: u64 = 512;

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the store now.
    TakenOver,
    /// What the store holds of it is newer, and stays.
    Kept,
}

/// What became of an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Keys that are in the store now.
    pub keys: u64,
    /// Their revisions.
    pub revisions: u64,
    /// Revisions of theirs that the retention leaves out.
    pub pruned: u64,
    /// Keys of which the store holds something newer.
    pub kept: u64,
}

/// Why an archive was not taken over, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// It is no longer what it was when it was checked.
    #[error(transparent)]
    Archive(#[from] Bad),
    /// The store does not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key on its way into the store.
struct Coming {
    head: Head,
    /// Newest last; no more than the retention keeps.
    history: Vec<Snapshot>,
    pruned: u64,
}

/// Takes over what `archive`, checked before, holds: of each key what is there stays where it was confirmed later, unless it is to
/// be replaced. `tell` hears of each key.
///
/// # Errors
/// Where the store fails, or the archive has changed since it was checked. What was taken over stays: taking it over again is no harm.
pub async fn take(
    mut archive: Reader<'_>,
    store: &dyn Store,
    retention: Retention,
    replace: bool,
    tell: &mut (dyn FnMut(&Key, Outcome) + Send),
) -> Result<Taken, TakeError> {
    let (mut taken, mut batch, mut weight) = (Taken::default(), Vec::new(), 0);
    let mut coming: Option<Coming> = None;
    while let Some(piece) = archive.next_piece()? {
        match piece {
            Piece::Header(_) | Piece::End(_) => {}
            Piece::Key(head) => coming = Some(Coming { head, history: Vec::new(), pruned: 0 }),
            Piece::Revision(snapshot) => coming.iter_mut().for_each(|coming| coming.add(&snapshot, retention)),
        }
        if !coming.as_ref().is_some_and(Coming::is_whole) {
            continue;
        }
        let Some(whole) = coming.take() else { continue };
        if !replace && is_newer(store.get(&whole.head.key).await?.as_ref(), &whole.head) {
            taken.kept += 1;
            tell(&whole.head.key, Outcome::Kept);
            continue;
        }
        taken.keys += 1;
        taken.revisions += whole.history.len() as u64;
        taken.pruned += whole.pruned;
        tell(&whole.head.key, Outcome::TakenOver);
        weight += whole.weight();
        batch.push(whole.entry());
        if batch.len() >= AT_ONCE || weight >= WEIGHT {
            restore(store, &batch).await?;
            batch.clear();
            weight = 0;
        }
    }
    restore(store, &batch).await?;
    Ok(taken)
}

async fn restore(store: &dyn Store, batch: &[(Entry, Vec<Snapshot>)]) -> Result<(), StoreError> {
    together(batch.iter().map(|(entry, history)| Box::pin(store.restore(entry, history)) as Working<'_>).collect()).await?;
    // What cannot be written now piles up in memory, and is not taken over.
    match store.health() {
        Health::Ok => Ok(()),
        Health::Degraded(why) => Err(StoreError::Unavailable(why)),
    }
}

/// Whether what is stored was confirmed, or where neither ever was, tried later than what is offered.
fn is_newer(stored: Option<&Entry>, offered: &Head) -> bool {
    let Some(stored) = stored else { return false };
    let confirmed = stored.latest.as_ref().map(|latest| latest.renewal.checked_at);
    let offered_confirmed = offered.latest.as_ref().map(|(_, renewal, _)| renewal.checked_at);
    (confirmed, stored.attempts.failed_at) > (offered_confirmed, offered.attempts.failed_at)
        && (confirmed != offered_confirmed || confirmed.is_none())
}

impl Coming {
    fn add(&mut self, snapshot: &Snapshot, retention: Retention) {
        self.history.push(snapshot.clone());
        let kept = retention.kept(self.history.iter().rev().map(size));
        let excess = self.history.len() - kept;
        self.history.drain(..excess);
        self.pruned += excess as u64;
    }

    /// Whether all lines of the key were there.
    fn is_whole(&self) -> bool {
        self.head.latest.as_ref().is_none_or(|(latest, ..)| self.history.last().is_some_and(|last| last.revision == *latest))
    }

    /// What it holds in memory, about, in bytes.
    fn weight(&self) -> u64 {
        let Head { key, latest, attempts } = &self.head;
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let validators = latest.iter().flat_map(|(_, renewal, _)| &renewal.validators);
        let said: usize = validators.map(|(request, one)| request.len() + length(&one.etag) + length(&one.last_modified)).sum();
        let failed = attempts.last_failure.as_ref().map_or(0, |failure| failure.message.len());
        let head = BESIDE + (key.as_str().len() + said + failed) as u64;
        head + self.history.iter().map(|snapshot| BESIDE + size(snapshot)).sum::<u64>()
    }

    fn entry(mut self) -> (Entry, Vec<Snapshot>) {
        let Head { key, latest, attempts } = self.head;
        let snapshot = if latest.is_some() { self.history.pop() } else { None };
        let latest = latest.zip(snapshot).map(|((_, renewal, fence), snapshot)| Latest { snapshot, renewal, fence });
        (Entry { key, latest, attempts }, self.history)
    }
}

fn size(snapshot: &Snapshot) -> u64 {
    snapshot.items.json().len() as u64
}

#[cfg(test)]
mod tests {
    use wellspring_core::rung::Rungs;
    use wellspring_core::snapshot::{Attempts, Digest, Renewal, Validator};

    use super::*;

    /// Hundreds of keys without items are a batch as those with items are.
    #[test]
    fn a_head_weighs_what_it_holds() {
        let key = Key::parse("films").unwrap();
        let validator = Validator { etag: Some("x".repeat(1_000)), last_modified: None };
        let validators = (0..1_000).map(|number| (number.to_string(), validator.clone())).collect();
        let renewal = Renewal {
            checked_at: jiff::Timestamp::UNIX_EPOCH,
            rules: Digest::of(b""),
            validators,
            rungs: Rungs::default(),
            by: None,
            told_late: false,
        };
        let weight = |latest, history| {
            Coming { head: Head { key: key.clone(), latest, attempts: Attempts::default() }, history, pruned: 0 }.weight()
        };
        assert!((BESIDE..2 * BESIDE).contains(&weight(None, Vec::new())));
        assert!((1_000_000..1_100_000).contains(&weight(Some((1, renewal, 1)), Vec::new())));
    }
}
