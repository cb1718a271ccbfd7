//! Which of two copies of a key is the newer one, and what has to be written so that both stores hold it. Decides; does nothing.

use jiff::Timestamp;
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

/// What was shared, as it was when we last knew it: its fence, and when it was confirmed, for a store that was emptied gives its fences
/// anew.
pub(super) type Base = (u64, Timestamp);

/// `base` is what was shared when we last knew it, where we have written on our own since and it `waits`. `is_past` where ours is a
/// revision in the history of what is shared.
pub(super) fn judge(shared: Option<&Entry>, ours: Option<&Entry>, waits: bool, base: Option<Base>, is_past: bool) -> Verdict {
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
    let follows = !waits && theirs.fence >= own.fence;
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
        } else if theirs == own && shared.map(|e| &e.attempts) == ours.map(|e| &e.attempts) {
            Verdict::Same
        } else if follows || (theirs.fence >= own.fence && !later(&own, &theirs)) {
            // Whether or not it waits: there is nothing to tell.
            Verdict::Adopt
        } else {
            Verdict::Touch(Box::new((renewal, attempts)))
        };
    }
    if follows && revision > before {
        return Verdict::Adopt;
    }
    // What is shared is what ours was made of: ours is its successor. A lower fence says nothing: a store that was emptied and filled by
    // others counts anew, so that both are judged by when they were confirmed.
    let succeeds = base == Some((theirs.fence, theirs.renewal.checked_at));
    if succeeds || (later(&own, &theirs) && !is_past) {
        let number = if before > revision { before } else { revision + 1 };
        return Verdict::Put(Box::new((Snapshot { revision: number, ..own.snapshot }, own.renewal, attempts(ours))));
    }
    if revision > before {
        return Verdict::Touch(Box::new((theirs.renewal, attempts(shared))));
    }
    Verdict::Put(Box::new((Snapshot { revision: before + 1, ..theirs.snapshot }, theirs.renewal, attempts(shared))))
}

#[cfg(test)]
mod tests {
    use wellspring_core::key::Key;
    use wellspring_core::snapshot::{Digest, How, Items};

    use super::*;

    /// `(revision, content, confirmed at, fence)`.
    type Copy = (u64, u8, i64, u64);

    fn entry((revision, content, checked, fence): Copy) -> Entry {
        let key = Key::parse("a").unwrap();
        let items = Items::from_stored(format!("[{content}]"), 1);
        let at = Timestamp::from_second(checked).unwrap();
        let snapshot = Snapshot { key: key.clone(), revision, made_at: at, how: How::default(), digest: items.digest(), items };
        let renewal = Renewal {
            checked_at: at,
            rules: Digest::of(b"rules"),
            validators: std::collections::BTreeMap::default(),
            rungs: wellspring_core::rung::Rungs::default(),
            by: None,
            told_late: false,
        };
        Entry { key, latest: Some(Latest { snapshot, renewal, fence }), attempts: Attempts::default() }
    }

    #[track_caller]
    #[expect(clippy::option_option, reason = "none where nothing waits")]
    fn check(shared: Option<Copy>, ours: Option<Copy>, base: Option<Option<(u64, i64)>>, verdict: &str) {
        let base = base.map(|base| base.map(|(fence, at)| (fence, Timestamp::from_second(at).unwrap())));
        let told = match judge(shared.map(entry).as_ref(), ours.map(entry).as_ref(), base.is_some(), base.flatten(), false) {
            Verdict::Same => "same".to_owned(),
            Verdict::Adopt => "adopt".to_owned(),
            Verdict::Put(new) => format!("put {} {}", new.0.revision, new.0.items.json()),
            Verdict::Touch(new) => format!("touch {}", new.0.checked_at.as_second()),
        };
        assert_eq!(told, verdict);
    }

    #[test]
    fn the_newer_of_two_copies_stands_above_both() {
        check(None, None, None, "same");
        check(Some((3, 1, 10, 5)), None, None, "adopt");
        check(None, Some((3, 1, 10, 5)), None, "put 3 [1]");
        check(Some((3, 1, 10, 5)), Some((3, 1, 10, 5)), None, "same");
        // Its ordinary way.
        check(Some((3, 1, 20, 6)), Some((3, 1, 10, 5)), None, "adopt");
        check(Some((4, 2, 20, 6)), Some((3, 1, 10, 5)), None, "adopt");
        // The same on both sides, though it waits: nothing is written there.
        check(Some((3, 1, 10, 5)), Some((3, 1, 10, 5)), Some(None), "same");
        check(Some((3, 1, 20, 6)), Some((3, 1, 10, 5)), Some(None), "adopt");
        // Refreshed alone, and nobody else has.
        check(Some((3, 1, 10, 5)), Some((4, 2, 5, 6)), Some(Some((5, 10))), "put 4 [2]");
        check(Some((3, 1, 10, 5)), Some((3, 1, 20, 6)), Some(Some((5, 10))), "touch 20");
        // On both sides: confirmed later, by a number that lies above both.
        check(Some((4, 2, 20, 7)), Some((4, 3, 30, 6)), Some(Some((5, 10))), "put 5 [3]");
        check(Some((4, 2, 30, 7)), Some((4, 3, 20, 6)), Some(Some((5, 10))), "put 5 [2]");
        check(Some((6, 2, 30, 7)), Some((4, 3, 20, 6)), Some(Some((5, 10))), "touch 30");
        check(Some((4, 2, 20, 7)), Some((4, 3, 20, 6)), Some(None), "put 5 [2]");
        // From an old backup, and emptied and filled by another.
        check(Some((2, 1, 10, 3)), Some((4, 3, 20, 6)), None, "put 4 [3]");
        check(Some((2, 4, 30, 2)), Some((4, 3, 20, 6)), None, "put 5 [4]");
        check(Some((2, 3, 30, 2)), Some((4, 3, 20, 6)), None, "put 4 [3]");
    }

    /// A clock that is ahead lets nothing stand over what was made of it.
    #[test]
    fn what_is_in_the_history_of_the_other_gives_way_to_it() {
        let (shared, ours) = (entry((4, 2, 20, 6)), entry((3, 1, 90, 5)));
        let told = |is_past| match judge(Some(&shared), Some(&ours), true, None, is_past) {
            Verdict::Put(new) => format!("put {}", new.0.items.json()),
            Verdict::Touch(new) => format!("touch {}", new.0.checked_at.as_second()),
            other => panic!("{other:?}"),
        };
        assert_eq!((told(false), told(true)), ("put [1]".to_owned(), "touch 20".to_owned()));
    }
}
