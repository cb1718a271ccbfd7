//! What every store promises. A property is a function; the macro at the end runs each on every store.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use wellspring::lifecycle::spawn;
use wellspring::store::archive::{Piece, Reader};
use wellspring::store::{Admission, Change, Health, Lease, Retention, StoreError};
use wellspring_core::snapshot::{Attempts, Digest};

use crate::store_kit::{Kind, Subject, TTL, archived, at, attempts, check, key, lease, put, renewal, snapshot, taken_over, wall};

async fn what_is_put_comes_back(kind: Kind) {
    let subject = Subject::new(kind);
    let (cinema, trend) = (key("cinema"), key("google_trend?geo=ID"));
    assert_eq!(subject.store.get(&cinema).await, Ok(None));
    put(&*subject.store, &cinema, 1).await;
    put(&*subject.store, &cinema, 2).await;
    put(&*subject.store, &trend, 7).await;
    let subject = subject.reopened().await;
    let entry = check(&*subject.store, &cinema, Some(2), &[2, 1]).await.unwrap();
    let latest = entry.latest.unwrap();
    assert_eq!((latest.snapshot, latest.renewal), (snapshot(&cinema, 2, 0), renewal(2)));
    check(&*subject.store, &trend, Some(7), &[7]).await;
    assert_eq!(subject.store.list().await.unwrap().len(), 2);
    assert_eq!(subject.store.health(), Health::Ok);
}

async fn a_lease_is_exclusive(kind: Kind) {
    let Subject { store, .. } = &Subject::new(kind);
    let (cinema, events) = (key("cinema"), key("events"));
    let held = lease(&**store, &cinema).await;
    assert_eq!(store.acquire(&cinema, 0, TTL, at(59)).await, Ok(None));
    lease(&**store, &events).await;
    let stranger = Lease { owner: held.owner ^ 1, ..held.clone() };
    store.release(&stranger).await.unwrap();
    assert_eq!(store.acquire(&cinema, 0, TTL, at(59)).await, Ok(None), "a stranger's release changes nothing");
    store.release(&held).await.unwrap();
    assert!(store.acquire(&cinema, 0, TTL, at(59)).await.unwrap().is_some());
}

async fn a_lease_ends_with_its_time(kind: Kind) {
    let Subject { store, .. } = &Subject::new(kind);
    let cinema = key("cinema");
    let first = lease(&**store, &cinema).await;
    store.extend(&first, TTL, at(50)).await.unwrap();
    assert_eq!(store.acquire(&cinema, 0, TTL, at(100)).await, Ok(None), "it was prolonged");
    let second = store.acquire(&cinema, 0, TTL, at(110)).await.unwrap().expect("its time has run out");
    assert!(second.fence > first.fence);
    let lost = Err(StoreError::LeaseLost(cinema.clone()));
    assert_eq!(store.extend(&first, TTL, at(111)).await, lost);
    assert_eq!(store.put_if(&first, &snapshot(&cinema, 1, 0), &renewal(1), &Attempts::default()).await, lost);
    assert_eq!(store.touch_if(&first, &renewal(1), &Attempts::default()).await, lost);
    store.release(&first).await.unwrap();
    assert_eq!(store.acquire(&cinema, 0, TTL, at(112)).await, Ok(None), "the second holder keeps it");
    assert_eq!(store.extend(&second, TTL, at(170)).await, lost, "too late");
    check(&**store, &cinema, None, &[]).await;
}

async fn fences_rise(kind: Kind) {
    let mut subject = Subject::new(kind);
    let cinema = key("cinema");
    let mut highest = 0;
    for revision in 1..=5 {
        let seen = if revision == 3 { 1_000 } else { 0 };
        let lease = subject.store.acquire(&cinema, seen, TTL, at(0)).await.unwrap().unwrap();
        assert!(lease.fence > highest.max(seen), "{} after {highest}, seen {seen}", lease.fence);
        highest = lease.fence;
        let store = &*subject.store;
        if revision == 4 {
            store.touch_if(&lease, &renewal(9), &Attempts::default()).await.unwrap();
        } else {
            store.put_if(&lease, &snapshot(&cinema, revision, 0), &renewal(1), &Attempts::default()).await.unwrap();
        }
        assert_eq!(store.get(&cinema).await.unwrap().unwrap().latest.unwrap().fence, highest);
        subject = subject.reopened().await;
    }
}

async fn trap_a_claim_that_is_not_atomic_is_granted_twice(kind: Kind) {
    let subject = Subject::new(kind);
    let together = Arc::new(Barrier::new(32));
    let claims: Vec<_> = (0..32)
        .map(|_| {
            let (store, together) = (Arc::clone(&subject.store), Arc::clone(&together));
            spawn(async move {
                together.wait().await;
                store.acquire(&key("cinema"), 0, TTL, at(0)).await.unwrap().is_some()
            })
        })
        .collect();
    let mut granted = 0;
    for claim in claims {
        granted += u32::from(claim.await.unwrap());
    }
    assert_eq!(granted, 1);
}

async fn a_write_needs_its_lease(kind: Kind) {
    let Subject { store, .. } = &Subject::new(kind);
    let cinema = key("cinema");
    let lost = Err(StoreError::LeaseLost(cinema.clone()));
    let held = lease(&**store, &cinema).await;
    for forged in [Lease { owner: held.owner ^ 1, ..held.clone() }, Lease { fence: held.fence + 1, ..held.clone() }] {
        assert_eq!(store.put_if(&forged, &snapshot(&cinema, 1, 0), &renewal(1), &Attempts::default()).await, lost);
    }
    store.release(&held).await.unwrap();
    assert_eq!(store.put_if(&held, &snapshot(&cinema, 1, 0), &renewal(1), &Attempts::default()).await, lost);
    check(&**store, &cinema, None, &[]).await;
}

async fn the_revision_must_rise(kind: Kind) {
    let Subject { store, .. } = &Subject::new(kind);
    let cinema = key("cinema");
    put(&**store, &cinema, 5).await;
    let lease = lease(&**store, &cinema).await;
    for offered in [4, 5] {
        let answer = store.put_if(&lease, &snapshot(&cinema, offered, 9), &renewal(9), &attempts(1)).await;
        assert_eq!(answer, Err(StoreError::Outdated { key: cinema.clone(), offered, stored: 5 }));
    }
    let entry = check(&**store, &cinema, Some(5), &[5]).await.unwrap();
    assert_eq!(entry.attempts, Attempts::default(), "a refused write changes nothing");
}

async fn a_touch_renews_without_a_revision(kind: Kind) {
    let subject = Subject::new(kind);
    let cinema = key("cinema");
    let held = lease(&*subject.store, &cinema).await;
    let nothing = subject.store.touch_if(&held, &renewal(1), &Attempts::default()).await;
    assert_eq!(nothing, Err(StoreError::Outdated { key: cinema.clone(), offered: 0, stored: 0 }));
    subject.store.put_if(&held, &snapshot(&cinema, 1, 0), &renewal(1), &attempts(3)).await.unwrap();
    subject.store.touch_if(&held, &renewal(500), &Attempts::default()).await.unwrap();
    let subject = subject.reopened().await;
    let entry = check(&*subject.store, &cinema, Some(1), &[1]).await.unwrap();
    assert_eq!((entry.latest.unwrap().renewal, entry.attempts), (renewal(500), Attempts::default()));
}

async fn attempts_are_kept(kind: Kind) {
    let subject = Subject::new(kind);
    let (cinema, events) = (key("cinema"), key("events"));
    put(&*subject.store, &cinema, 1).await;
    subject.store.record(&cinema, &attempts(3)).await.unwrap();
    subject.store.record(&events, &attempts(1)).await.unwrap();
    let subject = subject.reopened().await;
    assert_eq!(check(&*subject.store, &cinema, Some(1), &[1]).await.unwrap().attempts, attempts(3));
    assert_eq!(check(&*subject.store, &events, None, &[]).await.unwrap().attempts, attempts(1));
}

async fn trap_a_reload_prolongs_life(kind: Kind) {
    let subject = Subject::new(kind);
    put(&*subject.store, &key("cinema"), 1).await;
    let subject = subject.reopened().await.reopened().await;
    let latest = subject.store.get(&key("cinema")).await.unwrap().unwrap().latest.unwrap();
    assert_eq!(latest.renewal.checked_at, wall(1));
}

async fn trap_an_eviction_races_a_refresh(kind: Kind) {
    let subject = Subject::new(kind);
    let cinema = key("cinema");
    put(&*subject.store, &cinema, 1).await;
    let held = lease(&*subject.store, &cinema).await;
    subject.store.evict(&cinema).await.unwrap();
    let late = subject.store.put_if(&held, &snapshot(&cinema, 2, 0), &renewal(2), &Attempts::default()).await;
    assert_eq!(late, Err(StoreError::LeaseLost(cinema.clone())));
    let subject = subject.reopened().await;
    check(&*subject.store, &cinema, None, &[]).await;
    assert_eq!(subject.store.get(&cinema).await, Ok(None));
    put(&*subject.store, &cinema, 1).await;
}

async fn history_answers_for_a_moment(kind: Kind) {
    let Subject { store, .. } = &Subject::new(kind);
    let cinema = key("cinema");
    for revision in [10, 20, 30] {
        put(&**store, &cinema, revision).await;
    }
    for (second, expected) in [(9, None), (11, Some(10)), (20, Some(10)), (21, Some(20)), (30, Some(20)), (9_999, Some(30))] {
        let found = store.as_of(&cinema, wall(second)).await.unwrap();
        assert_eq!(found.as_ref().map(|snapshot| snapshot.revision), expected, "as of {second}");
        assert!(found.is_none_or(|found| found == snapshot(&cinema, found.revision, 0)));
    }
    assert_eq!(store.as_of(&key("events"), wall(9_999)).await, Ok(None));
    let line = store.revisions(&cinema).await.unwrap().remove(0);
    let newest = snapshot(&cinema, 30, 0);
    assert_eq!((line.made_at, line.count, line.digest), (newest.made_at, 1, newest.digest));
    assert_eq!(line.bytes, newest.items.json().len() as u64);
}

async fn trap_the_clock_steps_backward_and_history_loses_its_order(kind: Kind) {
    let Subject { store, .. } = &Subject::new(kind);
    let cinema = key("cinema");
    put(&**store, &cinema, 1_000).await;
    let mut earlier = snapshot(&cinema, 1_001, 0);
    earlier.made_at = wall(500);
    let held = lease(&**store, &cinema).await;
    store.put_if(&held, &earlier, &renewal(500), &Attempts::default()).await.unwrap();
    assert_eq!(store.as_of(&cinema, wall(5_000)).await.unwrap().unwrap().revision, 1_001);
    assert_eq!(store.as_of(&cinema, wall(600)).await.unwrap().unwrap().revision, 1_001);
    assert_eq!(store.as_of(&cinema, wall(400)).await, Ok(None));
}

async fn retention_limits_revisions(kind: Kind) {
    let subject = Subject::with(kind, Retention { revisions: 3, ..Retention::default() });
    for revision in 1..=6 {
        put(&*subject.store, &key("cinema"), revision).await;
        put(&*subject.store, &key("events"), revision).await;
    }
    let subject = subject.reopened().await;
    check(&*subject.store, &key("cinema"), Some(6), &[6, 5, 4]).await;
    check(&*subject.store, &key("events"), Some(6), &[6, 5, 4]).await;
    let none = Subject::with(kind, Retention { revisions: 0, bytes: 0 });
    put(&*none.store, &key("cinema"), 1).await;
    put(&*none.store, &key("cinema"), 2).await;
    check(&*none.store, &key("cinema"), Some(2), &[2]).await;
}

async fn retention_limits_bytes(kind: Kind) {
    let Subject { store, .. } = &Subject::with(kind, Retention { revisions: 20, bytes: 3_000 });
    let cinema = key("cinema");
    for (revision, filler, kept) in [(1, 900, &[1][..]), (2, 900, &[2, 1]), (3, 900, &[3, 2, 1]), (4, 900, &[4, 3, 2]), (5, 5_000, &[5])] {
        let held = lease(&**store, &cinema).await;
        store.put_if(&held, &snapshot(&cinema, revision, filler), &renewal(1), &Attempts::default()).await.unwrap();
        store.release(&held).await.unwrap();
        check(&**store, &cinema, Some(revision), kept).await;
    }
}

async fn changes_are_hinted(kind: Kind) {
    let Subject { store, .. } = &Subject::new(kind);
    let cinema = key("cinema");
    let mut hints = store.watch();
    put(&**store, &cinema, 1).await;
    // Hints may come a moment later.
    while hints.recv().await != Ok(Change::Ended(cinema.clone())) {}
    let held = lease(&**store, &cinema).await;
    store.put_if(&held, &snapshot(&cinema, 2, 0), &renewal(1), &Attempts::default()).await.unwrap();
    store.touch_if(&held, &renewal(2), &Attempts::default()).await.unwrap();
    store.release(&held).await.unwrap();
    store.release(&held).await.unwrap();
    let expected = [
        Change::Started(cinema.clone()),
        Change::Revision(cinema.clone(), 2),
        Change::Touched(cinema.clone()),
        Change::Ended(cinema.clone()),
    ];
    for change in expected {
        assert_eq!(hints.recv().await, Ok(change));
    }
    assert!(hints.is_empty(), "the second release ended nothing");
}

async fn slots_are_limited_by_host(kind: Kind) {
    let Subject { store, .. } = &Subject::new(kind);
    let ask = async |host: &str, at_once, gap, second| match store.slot(host, at_once, gap, TTL, at(second)).await.unwrap() {
        Admission::Taken(slot) => Ok(slot),
        Admission::After(wait) => Err(wait),
    };
    let none = Duration::ZERO;
    let first = ask("a.example", 2, none, 0).await.unwrap();
    let second = ask("a.example", 2, none, 10).await.unwrap();
    assert_ne!(first.owner, second.owner);
    assert!(ask("a.example", 2, none, 59).await.unwrap_err() > none);
    ask("b.example", 2, none, 59).await.expect("another host");
    let third = ask("a.example", 2, none, 60).await.expect("the first has run out");
    store.stay(&second, TTL, at(65)).await.unwrap();
    store.stay(&first, TTL, at(65)).await.unwrap();
    ask("a.example", 2, none, 100).await.expect_err("the second stays, and the third has not run out");
    store.leave(&first).await.unwrap();
    ask("a.example", 2, none, 61).await.expect_err("leaving what has run out frees nothing");
    store.leave(&third).await.unwrap();
    ask("a.example", 2, none, 62).await.unwrap();
    ask("c.example", 0, none, 0).await.unwrap_err();
    let gap = Duration::from_secs(5);
    let spaced = ask("d.example", 2, gap, 0).await.unwrap();
    store.leave(&spaced).await.unwrap();
    let wait = ask("d.example", 2, gap, 3).await.expect_err("it started 3 s ago");
    assert!(wait > Duration::from_millis(1_900) && wait <= Duration::from_secs(2), "{wait:?}");
    ask("d.example", 2, gap, 5).await.unwrap();
}

async fn a_rescan_sees_what_changed(kind: Kind) {
    let Subject { store, .. } = &Subject::new(kind);
    let cinema = key("cinema");
    let head = async || store.heads(at(0)).await.unwrap().into_iter().find(|head| head.key == cinema);
    assert_eq!(head().await, None);
    let mut versions = vec![0];
    let held = store.acquire(&cinema, 0, TTL, at(0)).await.unwrap().unwrap();
    assert_eq!(held.version, 0);
    store.put_if(&held, &snapshot(&cinema, 1, 0), &renewal(1), &Attempts::default()).await.unwrap();
    let seen = head().await.unwrap();
    assert_eq!((seen.latest, seen.refreshing), (Some((held.fence, renewal(1).checked_at)), true));
    versions.push(seen.version);
    store.release(&held).await.unwrap();
    assert!(!head().await.unwrap().refreshing);
    let held = lease(&**store, &cinema).await;
    assert_eq!(held.version, seen.version, "nothing has changed since");
    store.touch_if(&held, &renewal(2), &Attempts::default()).await.unwrap();
    store.release(&held).await.unwrap();
    let seen = head().await.unwrap();
    assert_eq!(seen.latest, Some((held.fence, renewal(2).checked_at)));
    versions.push(seen.version);
    store.record(&cinema, &attempts(1)).await.unwrap();
    versions.push(head().await.unwrap().version);
    assert_eq!(lease(&**store, &cinema).await.version, versions[3]);
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 4, "each change gave another: {versions:?}");
}

async fn a_copy_is_whole(kind: Kind) {
    for other in [Kind::Memory, Kind::Sqlite, Kind::Redis, Kind::Paired] {
        let (from, to) = (Subject::new(kind), Subject::new(other));
        for number in 0..100 {
            let key = key(&format!("source_{number}"));
            put(&*from.store, &key, 1).await;
            put(&*from.store, &key, 2).await;
            from.store.record(&key, &attempts(number)).await.unwrap();
        }
        from.store.record(&key("empty"), &attempts(1)).await.unwrap();
        put(&*to.store, &key("source_7"), 99).await;
        put(&*to.store, &key("own"), 1).await;
        let fence = |entry: wellspring::store::Entry| entry.latest.map(|latest| latest.fence);
        let before = to.store.get(&key("source_7")).await.unwrap().and_then(fence);
        assert_eq!(from.store.copy_to(&*to.store).await, Ok(101));
        let to = to.reopened().await;
        for mut entry in from.store.list().await.unwrap() {
            let history: &[u64] = if entry.latest.is_some() { &[2, 1] } else { &[] };
            if let Some(latest) = entry.latest.as_mut().filter(|latest| latest.snapshot.key == key("source_7")) {
                latest.fence = latest.fence.max(before.unwrap());
            }
            assert_eq!(check(&*to.store, &entry.key, history.first().copied(), history).await, Some(entry));
        }
        check(&*to.store, &key("own"), Some(1), &[1]).await;
        let highest = from.store.list().await.unwrap().into_iter().filter_map(fence).max().unwrap();
        assert!(lease(&*to.store, &key("own")).await.fence > highest);
    }
}

async fn a_restore_takes_what_it_is_given(kind: Kind) {
    let subject = Subject::with(kind, Retention { revisions: 3, ..Retention::default() });
    let (cinema, donor) = (key("cinema"), Subject::new(kind));
    put(&*donor.store, &cinema, 5).await;
    let entry = donor.store.get(&cinema).await.unwrap().unwrap();
    let held = lease(&*subject.store, &cinema).await;
    let history: Vec<_> = [2, 3, 4, 9].map(|revision| snapshot(&cinema, revision, 0)).into();
    subject.store.restore(&entry, &history).await.unwrap();
    assert!(subject.store.put_if(&held, &snapshot(&cinema, 6, 0), &renewal(1), &Attempts::default()).await.is_err());
    check(&*subject.store, &cinema, Some(5), &[5, 4, 3]).await;
}

async fn an_archive_carries_everything(kind: Kind) {
    let from = Subject::new(kind);
    for number in 0..40 {
        let key = key(&format!("source_{number}?of=%C3%A4%26"));
        for revision in 1..=number % 4 {
            put(&*from.store, &key, revision).await;
        }
        from.store.record(&key, &attempts(u32::try_from(number).unwrap())).await.unwrap();
    }
    let text = archived(&*from.store).await;
    assert_eq!(archived(&*from.store).await, text, "two archives of one state are equal");
    for other in [Kind::Memory, Kind::Sqlite, Kind::Redis, Kind::Paired] {
        let to = Subject::new(other);
        let (taken, over, _) = taken_over(&text, &*to.store, Retention::default(), false).await;
        assert_eq!((taken.keys, taken.revisions, taken.kept, taken.pruned, over.len()), (40, 60, 0, 0, 40));
        let to = to.reopened().await;
        assert_eq!(to.store.list().await.unwrap(), from.store.list().await.unwrap());
        assert_eq!(archived(&*to.store).await, text, "from {kind:?} through {other:?}");
        let highest = to.store.list().await.unwrap().into_iter().filter_map(|entry| Some(entry.latest?.fence)).max().unwrap();
        assert!(lease(&*to.store, &key("source_1?of=%C3%A4%26")).await.fence > highest);
        let few = Subject::new(other);
        let retention = Retention { revisions: 2, ..Retention::default() };
        let (taken, ..) = taken_over(&text, &*few.store, retention, false).await;
        assert_eq!((taken.revisions, taken.pruned), (50, 10));
        check(&*few.store, &key("source_3?of=%C3%A4%26"), Some(3), &[3, 2]).await;
    }
}

async fn an_archive_leaves_what_is_newer(kind: Kind) {
    let (from, to) = (Subject::new(kind), Subject::new(kind));
    let [older, newer, equal, tried, tried_since] = ["older", "newer", "equal", "tried", "tried_since"].map(key);
    for (there, here, key) in [(7, 5, &older), (5, 7, &newer), (5, 5, &equal)] {
        put(&*from.store, key, there).await;
        put(&*to.store, key, here).await;
    }
    let failed = |second| Attempts { failed_at: Some(wall(second)), ..attempts(1) };
    for (there, here, key) in [(7, 5, &tried), (5, 7, &tried_since)] {
        from.store.record(key, &failed(there)).await.unwrap();
        to.store.record(key, &failed(here)).await.unwrap();
    }
    let text = archived(&*from.store).await;
    let fence = |entry: Option<wellspring::store::Entry>| entry.unwrap().latest.unwrap().fence;
    let before = fence(to.store.get(&newer).await.unwrap());
    let (taken, over, kept) = taken_over(&text, &*to.store, Retention::default(), false).await;
    assert_eq!((over, kept), (vec!["equal".into(), "older".into(), "tried".into()], vec!["newer".into(), "tried_since".into()]));
    assert_eq!((taken.keys, taken.kept), (3, 2));
    check(&*to.store, &newer, Some(7), &[7]).await;
    check(&*to.store, &older, Some(7), &[7]).await;
    for _ in 0..10 {
        let held = lease(&*to.store, &newer).await;
        to.store.touch_if(&held, &renewal(7), &Attempts::default()).await.unwrap();
        to.store.release(&held).await.unwrap();
    }
    let high = fence(to.store.get(&newer).await.unwrap());
    assert!(high > before);
    let held = lease(&*to.store, &newer).await;
    let (_, over, _) = taken_over(&text, &*to.store, Retention::default(), true).await;
    assert_eq!(over.len(), 5);
    check(&*to.store, &newer, Some(5), &[5]).await;
    assert_eq!(fence(to.store.get(&newer).await.unwrap()), high, "a fence never falls");
    let late = to.store.put_if(&held, &snapshot(&newer, 9, 0), &renewal(9), &Attempts::default()).await;
    assert_eq!(late, Err(StoreError::LeaseLost(newer.clone())), "a refresh in flight does not write over what was taken over");
    assert!(lease(&*to.reopened().await.store, &newer).await.fence > high);
}

async fn an_archive_is_whole_while_others_write(kind: Kind) {
    let subject = Subject::with(kind, Retention { revisions: 4, ..Retention::default() });
    let keys: Vec<_> = (0..4).map(|number| key(&format!("source_{number}"))).collect();
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writers: Vec<_> = keys
        .iter()
        .map(|key| {
            let (store, key, over) = (Arc::clone(&subject.store), key.clone(), Arc::clone(&over));
            spawn(async move {
                let mut lives = 0;
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    lives += 1;
                    for revision in 1..=7 {
                        let held = lease(&*store, &key).await;
                        // What is of another life has another size.
                        store.put_if(&held, &snapshot(&key, revision, lives), &renewal(1), &Attempts::default()).await.unwrap();
                        store.release(&held).await.unwrap();
                    }
                    store.evict(&key).await.unwrap();
                }
            })
        })
        .collect();
    let mut seen = 0;
    while seen < 100 {
        let text = archived(&*subject.store).await;
        let mut archive = Reader::new(text.as_bytes()).unwrap();
        let mut life = None;
        while let Some(piece) = archive.next_piece().unwrap() {
            match piece {
                Piece::Key(_) => life = None,
                Piece::Revision(snapshot) => {
                    let filler = snapshot.items.json().matches('x').count();
                    assert_eq!(*life.get_or_insert(filler), filler, "two lives of {}: {text}", snapshot.key);
                    seen += 1;
                }
                Piece::Header(_) | Piece::End(_) => {}
            }
        }
    }
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn many_keys_are_written_at_once(kind: Kind) {
    let subject = Subject::new(kind);
    let writers: Vec<_> = (0..64)
        .map(|number| {
            let store = Arc::clone(&subject.store);
            spawn(async move {
                for revision in 1..=5 {
                    put(&*store, &key(&format!("source_{number}")), revision).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let subject = subject.reopened().await;
    assert_eq!(subject.store.list().await.unwrap().len(), 64);
    for number in 0..64 {
        check(&*subject.store, &key(&format!("source_{number}")), Some(5), &[5, 4, 3, 2, 1]).await;
    }
}

async fn trap_a_caller_that_goes_away_takes_the_write_with_it(kind: Kind) {
    let subject = Subject::new(kind);
    let cinema = key("cinema");
    let held = lease(&*subject.store, &cinema).await;
    {
        let (snapshot, renewal, attempts) = (snapshot(&cinema, 1, 0), renewal(1), Attempts::default());
        let mut write = subject.store.put_if(&held, &snapshot, &renewal, &attempts);
        // Polled once, then dropped.
        let _ = tokio::time::timeout(Duration::ZERO, &mut write).await;
    }
    let subject = subject.reopened().await;
    check(&*subject.store, &cinema, Some(1), &[1]).await;
}

async fn a_large_snapshot_is_kept(kind: Kind) {
    let subject = Subject::new(kind);
    let cinema = key("cinema");
    let large = snapshot(&cinema, 1, 8 << 20);
    let held = lease(&*subject.store, &cinema).await;
    subject.store.put_if(&held, &large, &renewal(1), &Attempts::default()).await.unwrap();
    let subject = subject.reopened().await;
    let latest = subject.store.get(&cinema).await.unwrap().unwrap().latest.unwrap();
    assert_eq!(latest.snapshot.items.digest(), large.digest);
    assert_ne!(latest.renewal.rules, Digest::of(b""));
}

macro_rules! on_every_store {
    ($($property:ident),* $(,)?) => {
        mod memory { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $property() { super::$property(super::Kind::Memory).await; })* }
        mod sqlite { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $property() { super::$property(super::Kind::Sqlite).await; })* }
        mod paired { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $property() { super::$property(super::Kind::Paired).await; })* }
        mod redis { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $property() { super::$property(super::Kind::Redis).await; })* }
    };
}

on_every_store!(
    what_is_put_comes_back,
    a_lease_is_exclusive,
    a_lease_ends_with_its_time,
    fences_rise,
    trap_a_claim_that_is_not_atomic_is_granted_twice,
    a_write_needs_its_lease,
    the_revision_must_rise,
    a_touch_renews_without_a_revision,
    attempts_are_kept,
    trap_a_reload_prolongs_life,
    trap_an_eviction_races_a_refresh,
    history_answers_for_a_moment,
    trap_the_clock_steps_backward_and_history_loses_its_order,
    retention_limits_revisions,
    retention_limits_bytes,
    changes_are_hinted,
    slots_are_limited_by_host,
    a_rescan_sees_what_changed,
    a_copy_is_whole,
    a_restore_takes_what_it_is_given,
    an_archive_carries_everything,
    an_archive_leaves_what_is_newer,
    an_archive_is_whole_while_others_write,
    many_keys_are_written_at_once,
    trap_a_caller_that_goes_away_takes_the_write_with_it,
    a_large_snapshot_is_kept,
);
