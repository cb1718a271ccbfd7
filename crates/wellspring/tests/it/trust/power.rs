//! The power fails: what was answered as durable is there, whatever the disk kept of what it was not yet told to keep.
//!
//! A child works with a real store on a disk that records it; then the record is cut somewhere, a state is made up that the
//! disk may be in at that moment, and the store is opened on it.

mod image;
mod story;
mod workload;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use wellspring::store::Store as _;
use wellspring_core::key::Key;
use wellspring_core::snapshot::Snapshot;

use self::image::{Dice, Image, Platter};
use self::story::{File, Story};
use super::{judge, long};
use crate::store_kit::{open, snapshot};
use crate::support::disk::{Disk, Record, in_memory};

/// What a revision holds: a few bytes, or many pages.
fn payload(key: &Key, revision: u64) -> Snapshot {
    let most = if revision % 16 == 5 { 60_000 } else { 5_000 };
    snapshot(key, revision, usize::try_from(revision * 977 % most).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a child of `what_was_answered_as_durable_is_there_after_a_power_failure`"]
async fn child_works() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let [folder, acks, seed, turns] = words[..] else { return };
    workload::run(Path::new(folder), Path::new(acks), seed.parse().unwrap(), turns.parse().unwrap()).await;
}

/// What a child did, in order.
fn record(disk: &Disk, seed: u64, turns: usize) -> Vec<Record> {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "trust::power::child_works", "--ignored", "--nocapture"]);
    let mut child = disk.recorded(&mut child).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let words = format!("{} {} {seed} {turns}\n", disk.folder().display(), disk.acks().display());
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), words.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{}\n{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    disk.records()
}

/// What crashes came to.
#[derive(Default)]
struct Toll {
    images: usize,
    /// Acknowledgements before the crashes, added up.
    acknowledged: usize,
    /// Of each image that was not as promised, where it was cut and what is wrong.
    wrong: Vec<String>,
}

/// Cuts the record at so many points and judges what is left there.
async fn crashes(disk: &Disk, records: &[Record], seed: u64, images: usize) -> Toll {
    let mut dice = Dice(seed);
    let mut cuts: Vec<usize> = (0..images).map(|_| dice.below(records.len() + 1)).collect();
    cuts.sort_unstable();
    let (mut platter, mut story, mut toll) = (Platter::default(), Story::default(), Toll::default());
    let mut done = 0;
    for cut in cuts {
        for record in &records[done..cut] {
            platter.take(record);
            if let Record::Said(words) = record {
                story.listen(words);
            }
        }
        done = cut;
        let wrong = examine(&disk.folder(), &platter.crash(&mut dice), &story).await;
        toll.images += 1;
        toll.acknowledged += story.acknowledged;
        if !wrong.is_empty() {
            toll.wrong.push(format!("seed {seed}, cut at {cut} of {} ({:?}): {}", records.len(), story.file, wrong.join("; ")));
        }
    }
    toll
}

/// What is wrong with an image.
async fn examine(recorded: &Path, image: &Image, story: &Story) -> Vec<String> {
    let folder = in_memory();
    image.lay(recorded, folder.path());
    let path = folder.path().join("data/wellspring.db");
    let before = names(&folder.path().join("data"));
    let store = match open(&path) {
        Ok(store) => store,
        Err(error) => return vec![format!("it does not open: {error}")],
    };
    let mut wrong = story.judge(&store).await;
    store.close().await;
    // After the close, for the file is looked through once it is open.
    let new = names(&folder.path().join("data"));
    let aside = new.difference(&before).any(|name| name.to_string_lossy().contains(".corrupt-"));
    if aside && story.file == File::Whole {
        wrong.push("it was found corrupt".to_owned());
    }
    let verdict: String = Connection::open(&path).unwrap().query_row("PRAGMA quick_check", [], |row| row.get(0)).unwrap();
    if verdict != "ok" {
        wrong.push(format!("quick_check says {verdict}"));
    }
    wrong
}

fn names(folder: &Path) -> BTreeSet<OsString> {
    std::fs::read_dir(folder).map(|entries| entries.map(|entry| entry.unwrap().file_name()).collect()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_as_durable_is_there_after_a_power_failure() {
    let (rounds, turns, images) = if long() { (10, 120, 500) } else { (1, 60, 300) };
    let mut all = Toll::default();
    let mut acts = 0;
    for seed in 1..=rounds {
        let Some(disk) = Disk::new() else { return };
        let records = record(&disk, seed, turns);
        acts += records.len();
        let toll = crashes(&disk, &records, seed, images).await;
        all.images += toll.images;
        all.acknowledged += toll.acknowledged;
        all.wrong.extend(toll.wrong);
    }
    all.wrong.iter().take(20).for_each(|wrong| println!("{wrong}"));
    let figure = format!("{} of {} in {acts} acts, {} acknowledged before them", all.wrong.len(), all.images, all.acknowledged);
    judge("T2", "crash images in which something is lost, torn or not to be opened", &figure, "0", all.wrong.is_empty());
}

/// The control: on a disk that says it has synced and has not, the same judge has to find what is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_lies_is_found_out() {
    let Some(disk) = Disk::new() else { return };
    let records: Vec<Record> = record(&disk, 1, 20).into_iter().map(lie).collect();
    let toll = crashes(&disk, &records, 1, 60).await;
    let figure = format!("{} of {}", toll.wrong.len(), toll.images);
    judge("T2", "control: the same where fsync lies", &figure, "most of them", toll.wrong.len() > toll.images / 2);
}

/// What a disk does that swallows every sync.
fn lie(record: Record) -> Record {
    use crate::support::disk::Synced::Swallowed;
    match record {
        Record::Sync { inode, .. } => Record::Sync { inode, outcome: Swallowed },
        Record::SyncFolder { path, .. } => Record::SyncFolder { path, outcome: Swallowed },
        other => other,
    }
}
