//! The corpora, replayed: what fuzzers and people have found stays mended.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::clock::{Clock as _, SystemClock};

/// The longest that one input may take.
const LONGEST: Duration = Duration::from_secs(1);
/// The most that a corpus may hold, in bytes: all are cloned by whoever clones the repository.
const LARGEST: u64 = 60_000;

#[track_caller]
fn check(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "the corpus of {name} is nearly empty");
    let (mut total, mut longest) = (0, Duration::ZERO);
    for file in &files {
        let bytes = fs::read(file).unwrap();
        total += bytes.len() as u64;
        let begun = SystemClock.mono();
        target(&bytes);
        let took = begun.until(SystemClock.mono());
        assert!(took <= LONGEST, "{}: {took:?}", file.display());
        longest = longest.max(took);
    }
    println!("\ntrust T14 | longest of {} inputs of {name}, none of which panics | {longest:.1?} | {LONGEST:?} | held", files.len());
    assert!(total <= LARGEST, "the corpus of {name} has {total} bytes: keep what reaches something new");
}

#[test]
fn corpus_of_sources() {
    check("sources", super::sources);
}

#[test]
fn corpus_of_extraction() {
    check("extraction", super::extraction);
}

#[test]
fn corpus_of_keys() {
    check("keys", super::keys);
}

#[test]
fn corpus_of_codec() {
    check("codec", super::codec);
}

#[test]
fn corpus_of_addresses() {
    check("addresses", super::addresses);
}
