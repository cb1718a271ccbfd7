//! Broken surroundings: folders, locks, disks that fill up, files that vanish, and a process that is killed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;
use wellspring::clock::{Clock as _, SystemClock};
use wellspring::lifecycle::spawn;
use wellspring::store::memory::MemoryStore;
use wellspring::store::{Health, Retention, Store};
use wellspring_core::snapshot::Attempts;

use crate::store_kit::{Kind, Subject, check, key, lease, open, put, renewal, snapshot, until, wall};

/// The message of a refusal, with the folder's name out of it.
fn check_refused(path: &Path, folder: &TempDir) -> String {
    let refused = open(path).unwrap_err().to_string();
    refused.replace(&folder.path().display().to_string(), "…")
}

#[tokio::test]
async fn a_store_in_use_is_refused() {
    let subject = Subject::new(Kind::Sqlite);
    let path = subject.path();
    let refused = open(&path).unwrap_err().to_string().replace(&path.display().to_string(), "…");
    insta::assert_snapshot!(refused, @"the store `…` is in use by another running server; stop that one, or choose another folder with --data");
    put(&*subject.store, &key("cinema"), 1).await;
    let subject = subject.reopened().await;
    check(&*subject.store, &key("cinema"), Some(1), &[1]).await;
}

#[tokio::test]
async fn a_path_that_cannot_be_is_refused() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let refused = check_refused(folder.path(), &folder);
    insta::assert_snapshot!(refused, @"the store `…` is a folder; name a file in it, such as `…/wellspring.db`");
    let refused = check_refused(&folder.path().join("file/wellspring.db"), &folder);
    insta::assert_snapshot!(refused, @"the folder `…/file` for the store cannot be made (File exists (os error 17)); choose another with --data");
    let refused = check_refused(&folder.path().join("file/data/wellspring.db"), &folder);
    insta::assert_snapshot!(refused, @"the folder `…/file/data` for the store cannot be made (Not a directory (os error 20)); choose another with --data");
    fs::create_dir(folder.path().join("wellspring.db.lock")).unwrap();
    let refused = check_refused(&folder.path().join("wellspring.db"), &folder);
    insta::assert_snapshot!(refused, @"the folder `…` for the store cannot be written (Is a directory (os error 21)); allow it to this user, or choose another with --data");
}

#[tokio::test]
async fn a_folder_without_permission_is_refused() {
    if rustix::process::geteuid().is_root() {
        println!("skipped: permissions do not hold root back");
        return;
    }
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let refused = check_refused(&folder.path().join("wellspring.db"), &folder);
    insta::assert_snapshot!(refused, @"the folder `…` for the store cannot be written (Permission denied (os error 13)); allow it to this user, or choose another with --data");
}

#[tokio::test]
async fn a_missing_folder_is_made() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder.path().join("a/b/wellspring.db")).unwrap();
    put(&store, &key("cinema"), 1).await;
    store.close().await;
    let after = store.record(&key("cinema"), &Attempts::default()).await.unwrap_err();
    insta::assert_snapshot!(after, @"the store is closed");
    store.close().await;
}

#[tokio::test]
async fn a_store_that_is_dropped_lets_go() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("wellspring.db");
    let store = open(&path).unwrap();
    put(&store, &key("cinema"), 1).await;
    drop(store);
    let mut again = None;
    until("the lock is free", async || {
        again = open(&path).ok();
        again.is_some()
    })
    .await;
    check(&again.unwrap(), &key("cinema"), Some(1), &[1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_let_go_a_moment_later_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("wellspring.db");
    open(&path).unwrap().close().await;
    let ending = fs::File::options().write(true).open(folder.path().join("wellspring.db.lock")).unwrap();
    ending.lock().unwrap();
    let held = spawn(async move {
        // As long as a process takes to end.
        crate::trust::dice::pass(Duration::from_millis(100)).await;
        drop(ending);
    });
    open(&path).unwrap().close().await;
    held.await.unwrap();
}

#[tokio::test]
async fn a_deleted_file_is_written_again() {
    let subject = Subject::new(Kind::Sqlite);
    put(&*subject.store, &key("cinema"), 1).await;
    put(&*subject.store, &key("events"), 1).await;
    subject.store.evict(&key("events")).await.unwrap();
    fs::remove_file(subject.path()).unwrap();
    put(&*subject.store, &key("google_trend"), 1).await;
    assert_eq!(subject.store.health(), Health::Ok);
    let subject = subject.reopened().await;
    check(&*subject.store, &key("cinema"), Some(1), &[1]).await;
    check(&*subject.store, &key("google_trend"), Some(1), &[1]).await;
    assert_eq!(subject.store.list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_deleted_folder_is_written_again_unasked() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data/wellspring.db");
    let store = open(&path).unwrap();
    put(&store, &key("cinema"), 1).await;
    fs::remove_dir_all(folder.path().join("data")).unwrap();
    until("the file is back", async || path.exists()).await;
    assert!(open(&path).unwrap_err().to_string().contains("in use"), "the lock was taken again");
    store.close().await;
    let again = open(&path).unwrap();
    check(&again, &key("cinema"), Some(1), &[1]).await;
    again.close().await;
}

#[tokio::test]
async fn a_deleted_log_loses_nothing() {
    let subject = Subject::new(Kind::Sqlite);
    put(&*subject.store, &key("cinema"), 1).await;
    put(&*subject.store, &key("cinema"), 2).await;
    let mut log = subject.path().into_os_string();
    log.push("-wal");
    fs::remove_file(log).unwrap();
    put(&*subject.store, &key("cinema"), 3).await;
    check(&*subject.store, &key("cinema"), Some(3), &[3, 2, 1]).await;
    let subject = subject.reopened().await;
    check(&*subject.store, &key("cinema"), Some(3), &[3, 2, 1]).await;
}

#[tokio::test]
async fn a_replaced_file_takes_what_is_in_memory() {
    let (subject, other) = (Subject::new(Kind::Sqlite), Subject::new(Kind::Sqlite));
    for revision in 1..=9 {
        put(&*other.store, &key("cinema"), revision).await;
    }
    put(&*other.store, &key("events"), 1).await;
    let other = other.closed().await;
    put(&*subject.store, &key("cinema"), 4).await;
    fs::rename(other.path().join("wellspring.db"), subject.path()).unwrap();
    put(&*subject.store, &key("cinema"), 5).await;
    let subject = subject.reopened().await;
    check(&*subject.store, &key("cinema"), Some(5), &[5, 4, 3, 2, 1]).await;
    check(&*subject.store, &key("events"), Some(1), &[1]).await;
}

#[tokio::test]
async fn a_file_broken_while_it_runs_is_replaced_from_memory() {
    let subject = Subject::new(Kind::Sqlite);
    put(&*subject.store, &key("cinema"), 1).await;
    let subject = subject.reopened().await;
    // Over the pages, not over the first one: SQLite meets it when it next reads there.
    let length = fs::metadata(subject.path()).unwrap().len();
    let mut file = fs::File::options().write(true).open(subject.path()).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(4_096)).unwrap();
    file.write_all(&vec![0xA5; usize::try_from(length).unwrap() - 4_096]).unwrap();
    for number in 0..50 {
        put(&*subject.store, &key(&format!("source_{number}")), 1).await;
        let _ = subject.store.revisions(&key(&format!("source_{number}"))).await;
    }
    let subject = subject.reopened().await;
    assert_eq!(subject.store.list().await.unwrap().len(), 51);
    check(&*subject.store, &key("cinema"), Some(1), &[1]).await;
}

/// Ten thousand keys at the start. The time is printed; `cargo xtask deep` judges it.
#[tokio::test]
async fn ten_thousand_snapshots_are_there_at_once() {
    let subject = Subject::new(Kind::Sqlite);
    let memory = MemoryStore::new(Retention::default());
    for number in 0..10_000 {
        let key = key(&format!("source_{number}"));
        let held = lease(&memory, &key).await;
        memory.put_if(&held, &snapshot(&key, 1, 2_000), &renewal(1), &Attempts::default()).await.unwrap();
    }
    let clock = SystemClock;
    let start = clock.mono();
    memory.copy_to(&*subject.store).await.unwrap();
    let copied = clock.mono();
    let folder = subject.closed().await;
    let opening = clock.mono();
    let store = open(&folder.path().join("wellspring.db")).unwrap();
    let entries = store.list().await.unwrap();
    let listed = clock.mono();
    assert_eq!(entries.len(), 10_000);
    println!("10,000 snapshots of 2 KB: copied in {:?}, opened and listed in {:?}", copied.since(start), listed.since(opening));
    store.close().await;
}

/// Starts this binary again, running one of the children below on a folder.
fn child(name: &str, folder: &Path) -> std::process::Child {
    // A write beyond the limit then fails instead of ending the process.
    let script = r#"trap "" XFSZ; exec "$0" "$@""#;
    let mut child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{}", folder.display()).unwrap();
    child
}

/// The folder that the parent names; none where a person runs all ignored tests.
fn folder_from_parent() -> Option<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).ok()?;
    Some(line.trim_end().to_owned()).filter(|line| line.starts_with('/'))
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}").and_then(|()| out.flush()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a child of `trap_a_killed_process_loses_what_it_acknowledged`"]
async fn child_writes_until_killed() {
    let Some(folder) = folder_from_parent() else { return };
    let store: Arc<dyn Store> = Arc::new(open(&Path::new(&folder).join("wellspring.db")).unwrap());
    let writers: Vec<_> = (0..8).map(|number| spawn(write_for_ever(Arc::clone(&store), number))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn write_for_ever(store: Arc<dyn Store>, number: u64) {
    let key = key(&format!("source_{number}"));
    let lease = lease(&*store, &key).await;
    let stored = store.get(&key).await.unwrap().and_then(|entry| entry.latest).map_or(0, |latest| latest.snapshot.revision);
    for revision in stored + 1.. {
        store.put_if(&lease, &payload(&key, revision), &renewal(revision.cast_signed()), &Attempts::default()).await.unwrap();
        tell(&format!("ack {number} {revision}"));
    }
}

fn payload(key: &wellspring_core::key::Key, revision: u64) -> wellspring_core::snapshot::Snapshot {
    snapshot(key, revision, usize::try_from(revision * 977 % 6_000).unwrap())
}

#[tokio::test]
async fn trap_a_killed_process_loses_what_it_acknowledged() {
    let folder = TempDir::new().unwrap();
    let mut acknowledged = BTreeMap::new();
    let mut total = 0;
    for round in 0..20_usize {
        let mut child = child("store_faults::child_writes_until_killed", folder.path());
        let out = BufReader::new(child.stdout.take().unwrap());
        let lives_for = 1 + round * 7_919 % 97;
        let mut seen = 0;
        // After the kill the rest of the pipe still counts: it was said before.
        for line in out.lines().map_while(Result::ok) {
            let Some((number, revision)) = line.strip_prefix("ack ").and_then(|rest| rest.split_once(' ')) else { continue };
            let (Ok(number), Ok(revision)) = (number.parse::<u64>(), revision.parse::<u64>()) else { continue };
            acknowledged.insert(number, revision);
            seen += 1;
            if seen == lives_for {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= lives_for, "round {round}: the child ended by itself after {seen}");
        total += seen;
        let store = open(&folder.path().join("wellspring.db")).unwrap();
        for (number, revision) in &acknowledged {
            let key = key(&format!("source_{number}"));
            let latest = store.get(&key).await.unwrap().and_then(|entry| entry.latest).expect("it was acknowledged");
            assert!(latest.snapshot.revision >= *revision, "round {round}: {key} has {}, not {revision}", latest.snapshot.revision);
            assert_eq!(latest.snapshot, payload(&key, latest.snapshot.revision));
            assert_eq!(latest.renewal, renewal(latest.snapshot.revision.cast_signed()));
        }
        store.close().await;
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "round {round}: nothing was set aside");
    }
    println!("20 kills, {total} acknowledged, none lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a child of `a_full_disk_degrades_and_recovers`"]
async fn child_fills_its_disk() {
    let Some(folder) = folder_from_parent() else { return };
    let store = open(&Path::new(&folder).join("wellspring.db")).unwrap();
    put(&store, &key("cinema"), 1).await;
    put(&store, &key("events"), 1).await;
    let roomy = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: Some(8_192), maximum: roomy.maximum }).unwrap();
    put(&store, &key("cinema"), 2).await;
    assert!(matches!(store.health(), Health::Degraded(why) if why.contains("every second")), "{:?}", store.health());
    put(&store, &key("cinema"), 3).await;
    store.evict(&key("events")).await.unwrap();
    assert_eq!(store.get(&key("cinema")).await.unwrap().unwrap().latest.unwrap().snapshot.revision, 3);
    assert!(store.revisions(&key("cinema")).await.is_err());
    setrlimit(Resource::Fsize, roomy).unwrap();
    until("the store is durable again", async || store.health() == Health::Ok).await;
    tell("durable");
    // Not closed: what is durable needs no closing.
    std::process::abort();
}

#[tokio::test]
async fn a_full_disk_degrades_and_recovers() {
    let folder = TempDir::new().unwrap();
    let child = child("store_faults::child_fills_its_disk", folder.path());
    let out = String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned();
    assert!(out.lines().any(|line| line == "durable"), "{out}");
    let store = open(&folder.path().join("wellspring.db")).unwrap();
    check(&store, &key("cinema"), Some(3), &[3, 1]).await;
    assert_eq!(store.get(&key("events")).await, Ok(None));
    store.close().await;
}

/// Readers of history share the thread that writes; however many there are, a write waits for one of them at most.
#[tokio::test(flavor = "multi_thread")]
async fn readers_of_history_hold_up_no_write() {
    const READERS: usize = 400;
    let folder = TempDir::new().unwrap();
    let store = Arc::new(open(&folder.path().join("wellspring.db")).unwrap());
    let held = lease(&*store, &key("large")).await;
    store.put_if(&held, &snapshot(&key("large"), 1, 1_000_000), &renewal(1), &Attempts::default()).await.unwrap();
    let read = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (store, read) = (Arc::clone(&store), Arc::clone(&read));
            spawn(async move {
                store.as_of(&key("large"), wall(9)).await.unwrap();
                read.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    until("the first was answered", async || read.load(Ordering::Relaxed) > 0).await;
    put(&*store, &key("cinema"), 1).await;
    let before_the_write = read.load(Ordering::Relaxed);
    assert!(before_the_write < READERS / 2, "{before_the_write} of {READERS} reads went first");
    // Those who leave are not read for.
    for reader in readers {
        reader.abort();
    }
    assert!(store.revisions(&key("cinema")).await.is_ok());
    store.close().await;
}
