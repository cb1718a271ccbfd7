//! Broken files: a bad row is skipped, a broken file is renamed, what is not ours is left alone, and the store opens.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;
use wellspring::store::{Entry, Retention, Store, StoreError};
use wellspring_core::key::Key;
use wellspring_core::snapshot::{Attempts, Digest};

use crate::store_kit::{Kind, Subject, check, key, lease, open, put, renewal, snapshot};

const KEYS: usize = 12;

/// A closed store of some keys with three revisions each; the bytes of its file.
async fn good_file() -> Vec<u8> {
    let subject = Subject::new(Kind::Sqlite);
    for number in 0..KEYS {
        let key = key(&format!("source_{number}"));
        for revision in 1..=3 {
            let held = lease(&*subject.store, &key).await;
            let snapshot = snapshot(&key, revision, number * 700);
            subject.store.put_if(&held, &snapshot, &renewal(1), &Attempts::default()).await.unwrap();
            subject.store.release(&held).await.unwrap();
        }
    }
    fs::read(subject.closed().await.path().join("wellspring.db")).unwrap()
}

/// What the folder holds beside the lock.
fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name != "wellspring.db.lock").collect();
    names.sort();
    names
}

/// Opens a folder with these bytes as its store, writes to it, opens it again. Whatever it lists is what was once put.
async fn survives(bytes: &[u8]) -> (TempDir, BTreeMap<Key, Entry>) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("wellspring.db");
    fs::write(&path, bytes).unwrap();
    let store = open(&path).unwrap();
    let entries = store.list().await.unwrap();
    for entry in &entries {
        let Some(latest) = &entry.latest else { continue };
        let number: usize = entry.key.as_str().trim_start_matches("source_").parse().unwrap();
        assert_eq!(latest.snapshot, snapshot(&entry.key, latest.snapshot.revision, number * 700));
    }
    put(&store, &key("fresh"), 1).await;
    store.close().await;
    let again = open(&path).unwrap();
    check(&again, &key("fresh"), Some(1), &[1]).await;
    let mut kept = again.list().await.unwrap();
    kept.retain(|entry| entry.key != key("fresh"));
    assert_eq!(kept, entries, "what was served at first is there at the next start");
    again.close().await;
    (folder, entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect())
}

fn place(bytes: &[u8], marker: &str) -> usize {
    bytes.windows(marker.len()).position(|window| window == marker.as_bytes()).expect("the marker is in the file")
}

#[tokio::test]
async fn a_file_that_is_no_database_is_renamed() {
    let (folder, entries) = survives(&b"no database ".repeat(1_000)).await;
    assert!(entries.is_empty());
    assert_eq!(files(folder.path()), ["wellspring.db", "wellspring.db.corrupt-1"]);
    fs::write(folder.path().join("wellspring.db"), "again").unwrap();
    open(&folder.path().join("wellspring.db")).unwrap().close().await;
    assert_eq!(files(folder.path()), ["wellspring.db", "wellspring.db.corrupt-1", "wellspring.db.corrupt-2"]);
}

#[tokio::test]
async fn an_empty_file_is_a_new_store() {
    let (folder, entries) = survives(b"").await;
    assert!(entries.is_empty());
    assert_eq!(files(folder.path()), ["wellspring.db"]);
}

#[tokio::test]
async fn a_flipped_byte_in_a_row_costs_that_row() {
    let mut bytes = good_file().await;
    let at = place(&bytes, "source_5 № 3");
    bytes[at] ^= 1;
    let (folder, entries) = survives(&bytes).await;
    assert_eq!(files(folder.path()), ["wellspring.db"], "the store itself is good");
    for (key, entry) in &entries {
        let latest = entry.latest.as_ref().unwrap();
        let hit = key.as_str() == "source_5";
        assert_eq!(latest.snapshot.revision, if hit { 2 } else { 3 }, "{key}: the newest good revision");
        assert_eq!(latest.renewal.rules == Digest::of(b"rules"), !hit, "{key}: an older one in its place is stale at once");
    }
    let store = open(&folder.path().join("wellspring.db")).unwrap();
    put(&store, &key("source_5"), 3).await;
    check(&store, &key("source_5"), Some(3), &[3, 2, 1]).await;
    store.close().await;
}

#[tokio::test]
async fn a_flipped_byte_beside_the_snapshots_costs_the_attempts_alone() {
    let good = good_file().await;
    let marker = b"{\"checked_at\":";
    let mut stale = 0;
    // Some of them stand in rows that were replaced, and cost nothing.
    for at in (0..good.len() - marker.len()).filter(|at| good[*at..].starts_with(marker)) {
        let mut bytes = good.clone();
        bytes[at + 2] ^= 1;
        let (_, entries) = survives(&bytes).await;
        assert_eq!(entries.len(), KEYS);
        let is_stale = |entry: &&Entry| entry.latest.as_ref().is_some_and(|latest| latest.renewal.rules == Digest::of(b""));
        let hit = entries.values().filter(is_stale).count();
        assert!(hit <= 1, "{hit} entries lost what one byte held");
        assert!(entries.values().all(|entry| entry.latest.as_ref().unwrap().snapshot.revision == 3));
        stale += hit;
    }
    assert_eq!(stale, KEYS, "each entry has its own");
}

/// Offsets spread over the whole file; the header has its own test.
#[tokio::test]
async fn a_flipped_byte_anywhere_costs_little() {
    let good = good_file().await;
    let mut seed = 7_usize;
    let (mut whole, mut renamed) = (0, 0);
    for round in 0..100 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = 100 + (seed >> 16) % (good.len() - 100);
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (round % 8);
        let (folder, entries) = survives(&bytes).await;
        whole += usize::from(
            entries.values().filter(|entry| entry.latest.as_ref().is_some_and(|latest| latest.snapshot.revision == 3)).count() == KEYS,
        );
        renamed += usize::from(files(folder.path()).len() > 1);
    }
    println!("of 100 flipped bytes {whole} cost no latest snapshot, {renamed} a new file");
    assert!(whole > 50, "only {whole}");
}

#[tokio::test]
async fn a_flipped_byte_in_the_header_is_survived_or_said() {
    let good = good_file().await;
    for at in 0..100 {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("wellspring.db");
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        match open(&path) {
            Ok(store) => store.close().await,
            Err(StoreError::Unusable(_)) => assert_eq!(fs::read(&path).unwrap(), bytes, "byte {at}: refused, so untouched"),
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
}

#[tokio::test]
async fn a_truncated_file_gives_what_it_still_holds() {
    let good = good_file().await;
    for part in 1..8 {
        let (folder, entries) = survives(&good[..good.len() * part / 8]).await;
        let kept = entries.values().filter(|entry| entry.latest.is_some()).count();
        println!("{part}/8 of the file: {kept} of {KEYS} keys");
        assert!(files(folder.path()).contains(&"wellspring.db.corrupt-1".to_owned()));
        assert!(part < 7 || kept > 0, "most of the file holds at least something");
    }
}

/// Nothing that is served lies on the broken page, so only the check of the whole file meets it.
#[tokio::test]
async fn a_broken_page_of_history_costs_the_history() {
    let subject = Subject::new(Kind::Sqlite);
    let cinema = key("cinema");
    for (revision, filler) in [(1, 40_000), (2, 0)] {
        let held = lease(&*subject.store, &cinema).await;
        subject.store.put_if(&held, &snapshot(&cinema, revision, filler), &renewal(7), &Attempts::default()).await.unwrap();
        subject.store.release(&held).await.unwrap();
    }
    let folder = subject.closed().await;
    let path = folder.path().join("wellspring.db");
    let mut bytes = fs::read(&path).unwrap();
    // A page that holds nothing but filler begins with the number of the next one.
    let page = bytes.chunks(4_096).position(|page| page[4..].iter().all(|byte| *byte == b'x')).unwrap();
    bytes[page * 4_096..][..4].fill(0xFF);
    fs::write(&path, bytes).unwrap();
    let subject = Subject::within(Kind::Sqlite, Retention::default(), folder);
    let entry = check(&*subject.store, &cinema, Some(2), &[2]).await.unwrap();
    assert_eq!(entry.latest.unwrap().renewal, renewal(7));
    let folder = subject.closed().await;
    assert!(files(folder.path()).contains(&"wellspring.db.corrupt-1".to_owned()));
}

#[tokio::test]
async fn a_garbage_log_is_ignored() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("wellspring.db");
    fs::write(&path, good_file().await).unwrap();
    fs::write(folder.path().join("wellspring.db-wal"), b"garbage ".repeat(10_000)).unwrap();
    fs::write(folder.path().join("wellspring.db-shm"), b"garbage ".repeat(4_096)).unwrap();
    let store = open(&path).unwrap();
    for number in 0..KEYS {
        check(&store, &key(&format!("source_{number}")), Some(3), &[3, 2, 1]).await;
    }
    store.close().await;
}

#[tokio::test]
async fn what_belongs_to_others_is_left_alone() {
    for (sql, message) in [
        (
            "PRAGMA user_version = 99",
            "the store `…` was written by a newer version (format 99, this one knows 1); run that version, or choose another folder with --data",
        ),
        ("CREATE TABLE notes (text)", "`…` is the database of another program; choose another file for the store"),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("wellspring.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let before = fs::read(&path).unwrap();
        let refused = open(&path).unwrap_err().to_string();
        assert_eq!(refused.replace(&path.display().to_string(), "…"), message);
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(files(folder.path()), ["wellspring.db"]);
    }
}

/// A newer version that was killed leaves rows in its log: they are not worked into its file.
#[tokio::test]
async fn the_log_of_a_newer_version_is_left_alone() {
    let (live, copy) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let newer = Connection::open(live.path().join("wellspring.db")).unwrap();
    newer.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE later (x); PRAGMA user_version = 2").unwrap();
    for name in ["wellspring.db", "wellspring.db-wal"] {
        fs::copy(live.path().join(name), copy.path().join(name)).unwrap();
    }
    let path = copy.path().join("wellspring.db");
    let log = fs::read(copy.path().join("wellspring.db-wal")).unwrap();
    assert!(!log.is_empty());
    let before = fs::read(&path).unwrap();
    assert!(matches!(open(&path), Err(StoreError::Unusable(why)) if why.contains("format 2")));
    assert_eq!((fs::read(&path).unwrap(), fs::read(copy.path().join("wellspring.db-wal")).unwrap()), (before, log));
}
