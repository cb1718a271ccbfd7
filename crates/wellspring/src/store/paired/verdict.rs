//! Which of two copies of a key is the newer one, and what has to be written so that both stores hold it. Decides; does nothing.

use wellspring_core::snapshot::{Attempts, Renewal, Snapshot};

use crate::store::{Entry, Latest};

/// What makes the shared store and ours hold the same.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// They do.
    Same,
    /// Ours takes what is shared.
    Adopt,
    /// The shared one is given this, which lies above both.
    Put(Box<(Snapshot, Renewal, Attempts)>),
    /// What is shared stands, confirmed by this; ours takes it.
    Touch(Box<(Renewal, Attempts)>),
}

/// Whether we have written on our own since we last knew what is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alone {
    No,
    /// The fence of what was shared then, where it is known.
    Since(Option<u64>),
}

pub(super) fn judge(shared: Option<&Entry>, ours: Option<&Entry>, alone: Alone) -> Verdict {
    let latest = |entry: Option<&Entry>| entry.and_then(|entry| entry.latest.clone());
    let attempts = |entry: Option<&Entry>| entry.map(|entry| entry.attempts.clone()).unwrap_or_default();
    let (theirs, own) = match (latest(shared), latest(ours)) {
        (_, None) if shared.is_none() => return Verdict::Same,
        (_, None) => return Verdict::Adopt,
        (None, Some(own)) => return Verdict::Put(Box::new((own.snapshot, own.renewal, attempts(ours)))),
        (Some(theirs), Some(own)) => (theirs, own),
    };
    let (revision, before) = (theirs.snapshot.revision, own.snapshot.revision);
    // What went its ordinary way since we last looked.
    let follows = alone == Alone::No && theirs.fence >= own.fence;
    let later = |one: &Latest, other: &Latest| {
        (one.renewal.checked_at, one.fence, one.snapshot.digest.as_bytes())
            > (other.renewal.checked_at, other.fence, other.snapshot.digest.as_bytes())
    };
    if theirs.snapshot.digest == own.snapshot.digest {
        let (renewal, attempts) =
            if later(&own, &theirs) { (own.renewal.clone(), attempts(ours)) } else { (theirs.renewal.clone(), attempts(shared)) };
        return if revision < before {
            // Whoever has seen the higher number must not see it fall.
            Verdict::Put(Box::new((own.snapshot, renewal, attempts)))
        } else if follows && theirs == own && shared.map(|e| &e.attempts) == ours.map(|e| &e.attempts) {
            Verdict::Same
        } else if follows {
            Verdict::Adopt
        } else {
            Verdict::Touch(Box::new((renewal, attempts)))
        };
    }
    if follows && revision > before {
        return Verdict::Adopt;
    }
    // What is shared has not moved beyond what ours was made of, or has fallen behind it: ours is its successor.
    let known = match alone {
        Alone::No => Some(own.fence),
        Alone::Since(known) => known,
    };
    let succeeds = known.is_some_and(|known| theirs.fence <= known);
    if succeeds || later(&own, &theirs) {
        let number = if before > revision { before } else { revision + 1 };
        return Verdict::Put(Box::new((Snapshot { revision: number, ..own.snapshot }, own.renewal, attempts(ours))));
    }
    if revision > before {
        return Verdict::Touch(Box::new((theirs.renewal, attempts(shared))));
    }
    Verdict::Put(Box::new((Snapshot { revision: before + 1, ..theirs.snapshot }, theirs.renewal, attempts(shared))))
}
