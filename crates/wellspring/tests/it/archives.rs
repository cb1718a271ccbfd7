//! Archives that are not what `export` wrote: each is refused, with the line, in bounded memory, before anything is touched.

use std::fmt::Write as _;
use std::io::{self, Read};

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::{Value, json};
use wellspring::store::archive::Reader;
use wellspring::store::{Entry, Latest, Retention};
use wellspring_core::snapshot::{Digest, Items};

use crate::store_kit::{Kind, Subject, archived, archived_with_remarks, attempts, key, lease, put, renewal, snapshot, taken_over};

/// A small one, line by line, without its ends.
async fn lines() -> Vec<String> {
    let subject = Subject::new(Kind::Memory);
    for revision in 1..=3 {
        put(&*subject.store, &key("cinema"), revision).await;
    }
    subject.store.record(&key("dead"), &attempts(1)).await.unwrap();
    put(&*subject.store, &key("trend?geo=ID"), 7).await;
    archived(&*subject.store).await.lines().map(str::to_owned).collect()
}

/// With a last line that is right for what stands before it.
fn sealed(lines: &[String]) -> String {
    let mut text: String = lines.join("\n") + "\n";
    let of = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    let digest = Digest::of(text.as_bytes()).to_string();
    let end = json!({"end": {"keys": of("{\"key\""), "revisions": of("{\"revision\""), "digest": digest}});
    text.push_str(&end.to_string());
    text + "\n"
}

fn refused(text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref();
    Reader::new(text).and_then(Reader::check).map_or_else(|bad| bad.to_string(), |counts| format!("taken: {counts:?}"))
}

/// Changes a line's JSON, without its digest noticing.
fn changed(lines: &[String], line: usize, change: impl FnOnce(&mut Value)) -> String {
    let mut lines = lines[..lines.len() - 1].to_vec();
    let mut value: Value = serde_json::from_str(&lines[line - 1]).unwrap();
    change(&mut value);
    lines[line - 1] = value.to_string();
    sealed(&lines)
}

#[tokio::test]
async fn what_was_written_is_taken_and_nothing_less() {
    let lines = lines().await;
    let whole = lines.join("\n") + "\n";
    assert!(refused(&whole).starts_with("taken"), "{}", refused(&whole));
    assert_eq!(sealed(&lines[..lines.len() - 1]), whole, "the tests seal as the program does");
    assert!(refused(whole.trim_end()).starts_with("taken"), "the end of the last line may be lost");
    let compressed = zstd::encode_all(whole.as_bytes(), 3).unwrap();
    assert!(refused(&compressed).starts_with("taken"));
    for cut in 0..whole.trim_end().len() {
        assert!(refused(&whole.as_bytes()[..cut]).starts_with("line "), "cut after {cut} bytes");
    }
    for cut in 0..compressed.len() {
        assert!(refused(&compressed[..cut]).starts_with("line "), "compressed, cut after {cut} bytes");
    }
    for at in 0..whole.trim_end().len() {
        let mut altered = whole.clone().into_bytes();
        altered[at] ^= 1;
        assert!(refused(&altered).starts_with("line "), "byte {at} altered: {}", refused(&altered));
    }
    for (from, to) in [(2, 3), (5, 6), (3, 5), (2, 7)] {
        let mut fewer = lines.clone();
        fewer.drain(from - 1..to - 1);
        assert!(refused(fewer.join("\n")).starts_with("line "), "without lines {from} to {to}");
    }
}

#[tokio::test]
async fn what_cannot_be_right_is_refused_though_its_digest_is() {
    let lines = lines().await;
    let check = |text: String, expected: &str| assert_eq!(refused(&text), expected, "{text:.400}");
    let set = |line, name: &'static str, value: Value| changed(&lines, line, move |json| json[name] = value);
    check(String::new(), "line 1: it is empty");
    check("hello\n".into(), "line 1: this is no archive that `wellspring export` wrote");
    check("{\"a\": 1}".into(), "line 1: this is no archive that `wellspring export` wrote");
    check("PK\u{3}\u{4}\0".into(), "line 1: this is no archive that `wellspring export` wrote");
    let newer = "line 1: a newer version wrote this (archive format 2, this one knows 1); import it with that version";
    check("{\"wellspring_archive\": 2, \"unknown\": {}}\nunknown".into(), newer);
    check(set(1, "wellspring_archive", 0.into()), "line 1: this is no archive that `wellspring export` wrote");
    check(set(3, "revision", json!(1_u64 << 63)), "line 3: revision 9223372036854775808 is out of range (1 to 4503599627370496)");
    check(set(2, "latest", json!(1_u64 << 63)), "line 2: revision 9223372036854775808 is out of range (1 to 4503599627370496)");
    check(set(2, "fence", json!(u64::MAX)), "line 2: fence 18446744073709551615 is out of range (0 to 4503599627370496)");
    let room = "line 2: revision 4503599627370497 is out of range (1 to 4503599627370496)";
    check(set(2, "latest", json!((1_u64 << 52) + 1)), room);
    check(set(3, "revision", 0.into()), "line 3: revision 0 is out of range (1 to 4503599627370496)");
    check(set(4, "revision", 1.into()), "line 4: revision 1 of `cinema` stands out of order");
    check(set(5, "revision", 4.into()), "line 5: revision 4 of `cinema` stands out of order");
    check(set(3, "count", 2.into()), "line 3: revision 1 of `cinema` holds 1 items and says 2");
    let altered = "line 3: the items of revision 1 of `cinema` do not match their digest: they were altered";
    check(set(3, "items", json!([{"title": "another"}])), altered);
    check(set(6, "key", "cinema".into()), "line 6: `cinema` stands twice, after `cinema`");
    check(set(6, "key", "a".into()), "line 6: `a` stands out of order, after `cinema`");
    check(set(2, "latest", Value::Null), "line 2: `latest`, `renewal` and `fence` go together");
    let starts = |text: String, expected: &str| assert!(refused(&text).starts_with(expected), "{}", refused(&text));
    for odd in ["stream", "Cinema", "trend?geo=a b", "trend?b=1&a=1", "trend?geo=%69", "../etc", "", "a?b"] {
        starts(set(2, "key", odd.into()), &format!("line 2: it cannot be read (`{odd}` is no source name"));
    }
    for odd in ["99999-01-01T00:00:00Z", "+12026-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "yesterday", ""] {
        starts(set(3, "made_at", odd.into()), "line 3: it cannot be read (");
        starts(changed(&lines, 2, |json| json["renewal"]["checked_at"] = odd.into()), "line 2: it cannot be read (");
    }
    starts(set(3, "made_at", 7.into()), "line 3: it cannot be read (");
    starts(
        set(3, "how", json!({"alternative": 0, "took": {"secs": u64::MAX, "nanos": u32::MAX}, "bytes": 0})),
        "line 3: it cannot be read (",
    );
    starts(set(3, "more", 1.into()), "line 3: it cannot be read (unknown field `more`");
    starts(set(3, "items", json!({})), "line 3: its items are not what they should be (");
    let twice = sealed(&lines[..lines.len() - 1]).replacen("{\"revision\":1,", "{\"revision\":1,\"revision\":1,", 1);
    starts(twice, "line 3: it cannot be read (duplicate field `revision`");
    let deep = |text: String| lines[2].replace(&serde_json::from_str::<Value>(&lines[2]).unwrap()["items"].to_string(), &text);
    for depth in [200, 1_000_000] {
        let mut lines = lines[..lines.len() - 1].to_vec();
        lines[2] = deep(format!("[{}{}]", "[".repeat(depth), "]".repeat(depth)));
        starts(sealed(&lines), "line 3: its items are not what they should be (recursion limit exceeded");
    }
    let mut odd = lines.clone();
    odd.insert(4, "{\"else\":1}".to_owned());
    starts(odd.join("\n"), "line 5: revision 3 of `cinema` should stand here or further down: lines are missing");
    let mut odd = lines.clone();
    odd.insert(5, "{\"else\":1}".to_owned());
    starts(odd.join("\n"), "line 6: it is no line of an archive");
    starts(lines.join("\n") + "\n{}\n", "line 10: it stands after the last line");
    starts(lines[2..].join("\n"), "line 1: this is no archive");
}

#[tokio::test]
async fn what_is_taken_over_is_held_to_what_a_refresh_would_keep() {
    let lines = lines().await;
    let hostile = changed(&lines, 2, |json| {
        json["renewal"]["checked_at"] = "-009999-01-02T12:00:00Z".into();
        let long = json!({ "etag": "x".repeat(5_000) });
        json["renewal"]["validators"] = (0..200).map(|number| (number.to_string(), long.clone())).collect::<serde_json::Map<_, _>>().into();
        json["attempts"]["last_failure"] =
            json!({ "kind": "permanent", "code": "extract_failed", "message": format!("a\r\n\u{1b}[2J{}", "x".repeat(100_000)) });
        json["attempts"]["failed_at"] = "-009999-01-02T12:00:00Z".into();
    });
    let mut hostile: Vec<String> = hostile.lines().map(str::to_owned).collect();
    hostile.pop();
    hostile[4] = hostile[4].replacen("\"made_at\":\"20", "\"made_at\":\"-0000", 1);
    let hostile = sealed(&hostile);
    for kind in [Kind::Memory, Kind::Sqlite] {
        let subject = Subject::new(kind);
        taken_over(&hostile, &*subject.store, Retention::default(), true).await;
        let subject = subject.reopened().await;
        let entry = subject.store.get(&key("cinema")).await.unwrap().unwrap();
        let (latest, failure) = (entry.latest.unwrap(), entry.attempts.last_failure.unwrap());
        assert_eq!([latest.renewal.checked_at, latest.snapshot.made_at], [Timestamp::UNIX_EPOCH; 2]);
        assert!(latest.renewal.validators.is_empty(), "{:?}", latest.renewal.validators.len());
        assert!(failure.message.starts_with("a   [2Jx") && failure.message.len() < 2_100, "{:.20}", failure.message);
    }
}

/// A database that somebody else has written, seals and all.
#[tokio::test]
async fn what_lies_in_a_database_is_held_to_what_a_refresh_would_keep() {
    let subject = Subject::new(Kind::Sqlite);
    put(&*subject.store, &key("cinema"), 1).await;
    let path = subject.path();
    let folder = subject.closed().await;
    let conn = Connection::open(&path).unwrap();
    let seal = |columns: &[&str]| Digest::of(columns.iter().flat_map(|column| [column, "\n"]).collect::<String>().as_bytes());
    let renewal: String = conn.query_row("SELECT renewal FROM entry", [], |row| row.get(0)).unwrap();
    let mut renewal: Value = serde_json::from_str(&renewal).unwrap();
    renewal["checked_at"] = "-009999-01-02T12:00:00Z".into();
    renewal["validators"]["request"]["etag"] = "x".repeat(5_000).into();
    let failure = json!({ "kind": "permanent", "code": "extract_failed", "message": "\u{1b}[2J".repeat(20_000) });
    let (renewal, attempts) = (renewal.to_string(), json!({ "last_failure": failure }).to_string());
    let sealed = seal(&["cinema", "1", "1", "-5", &renewal, &attempts]);
    let set = "UPDATE entry SET format = 1, fence = -5, renewal = ?1, attempts = ?2, seal = ?3";
    conn.execute(set, rusqlite::params![renewal, attempts, sealed.as_bytes()]).unwrap();
    // The same revision, and one that leaves no number for the next.
    let (how, count, bytes, digest): (String, u32, i64, Vec<u8>) = conn
        .query_row("SELECT how, count, bytes, digest FROM snapshot", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap();
    let said = Digest::from_slice(&digest).unwrap().to_string();
    let made_at = "-009999-01-02T12:00:00Z";
    let [one, last] = [1, i64::MAX]
        .map(|revision| seal(&["cinema", &revision.to_string(), "1", "1", made_at, &how, &count.to_string(), &bytes.to_string(), &said]));
    conn.execute("UPDATE snapshot SET format = 1, fence = 1, made_at = ?1, seal = ?2", rusqlite::params![made_at, one.as_bytes()]).unwrap();
    let again = "INSERT INTO snapshot SELECT key, ?1, format, fence, made_at, how, count, bytes, digest, ?2, items FROM snapshot";
    conn.execute(again, rusqlite::params![i64::MAX, last.as_bytes()]).unwrap();
    conn.close().unwrap();
    let subject = Subject::within(Kind::Sqlite, Retention::default(), folder);
    let entry = subject.store.get(&key("cinema")).await.unwrap().unwrap();
    let (latest, failure) = (entry.latest.unwrap(), entry.attempts.last_failure.unwrap());
    assert_eq!(latest.snapshot.revision, 1);
    assert_eq!([latest.renewal.checked_at, latest.snapshot.made_at], [Timestamp::UNIX_EPOCH; 2]);
    assert!(latest.renewal.validators.is_empty());
    assert!(failure.message.starts_with(" [2J [2J") && failure.message.len() < 2_100, "{:.20}", failure.message);
    // There is a number for the next, and its fence is one that an archive may hold.
    put(&*subject.store, &key("cinema"), 2).await;
    let text = archived(&*subject.store).await;
    assert!(refused(&text).starts_with("taken: Counts { keys: 1, revisions: 2"), "{}", refused(&text));
}

/// What a store holds and no archive may ends no export: it is written otherwise, or left out by itself.
#[tokio::test]
async fn no_key_stops_an_export() {
    let subject = Subject::new(Kind::Memory);
    let store = &*subject.store;
    put(store, &key("a"), 1).await;
    let high = [1, (1 << 53) - 1, 1 << 53, (1 << 53) + 1];
    for (at, revision) in high.into_iter().enumerate() {
        let mut snapshot = snapshot(&key("high"), at as u64 + 1, 0);
        snapshot.revision = revision;
        let lease = lease(store, &key("high")).await;
        store.put_if(&lease, &snapshot, &renewal(9), &attempts(1)).await.unwrap();
        store.release(&lease).await.unwrap();
    }
    // As a hand made it: items that are none, within and at the end of a past.
    let odd = |name: &str, bad: &[u64]| {
        let mut all: Vec<_> = (1..=4).map(|revision| snapshot(&key(name), revision, 0)).collect();
        for snapshot in all.iter_mut().filter(|snapshot| bad.contains(&snapshot.revision)) {
            snapshot.items = Items::from_stored("{}", 0);
            snapshot.digest = snapshot.items.digest();
        }
        let latest = Latest { snapshot: all.pop().unwrap(), renewal: renewal(4), fence: u64::MAX };
        (Entry { key: key(name), latest: Some(latest), attempts: attempts(2) }, all)
    };
    for (name, bad) in [("odd_all", &[1, 2, 3, 4][..]), ("odd_last", &[3, 4]), ("odd_past", &[2])] {
        let (entry, history) = odd(name, bad);
        store.restore(&entry, &history).await.unwrap();
    }
    put(store, &key("z"), 1).await;
    let (text, remarks) = archived_with_remarks(store).await;
    let target = Subject::new(Kind::Memory);
    taken_over(&text, &*target.store, Retention::default(), false).await;
    let mut found = String::new();
    for key in target.store.keys().await.unwrap() {
        let entry = target.store.get(&key).await.unwrap().unwrap();
        let latest = entry.latest.map(|latest| (latest.snapshot.revision, latest.fence, latest.renewal == renewal(9)));
        let numbers: Vec<_> = target.store.revisions(&key).await.unwrap().iter().map(|line| line.revision).collect();
        writeln!(found, "{key}: {latest:?} of {numbers:?}, {} failures", entry.attempts.failures).unwrap();
    }
    let remarks = remarks
        .join("\n")
        .replace("its items are not what they should be (invalid type: map, expected an array of items at column 0)", "…");
    insta::assert_snapshot!(found + &remarks, @"
    a: Some((1, 1, false)) of [1], 0 failures
    high: Some((4, 5, true)) of [4, 3, 2, 1], 1 failures
    odd_all: None of [], 2 failures
    odd_last: Some((2, 4503599627370496, false)) of [2, 1], 2 failures
    odd_past: Some((4, 4503599627370496, false)) of [4, 3, 1], 2 failures
    z: Some((1, 6, false)) of [1], 0 failures
    the revisions of `high` are numbered anew: an archive holds none above 4503599627370496
    revision 4 of `odd_all` is left out: …
    revision 3 of `odd_all` is left out: …
    revision 2 of `odd_all` is left out: …
    revision 1 of `odd_all` is left out: …
    revision 4 of `odd_last` is left out: …
    revision 3 of `odd_last` is left out: …
    revision 2 of `odd_past` is left out: …
    ");
}

/// So many bytes of one text, over and over, after a beginning.
fn endless(beginning: &str, over: &str, bytes: u64) -> impl Read {
    let over = over.repeat((1 << 16) / over.len());
    io::Cursor::new(beginning.to_owned()).chain(Over { over: over.into_bytes(), at: 0 }.take(bytes))
}

struct Over {
    over: Vec<u8>,
    at: usize,
}

impl Read for Over {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let some = (self.over.len() - self.at).min(into.len());
        into[..some].copy_from_slice(&self.over[self.at..self.at + some]);
        self.at = (self.at + some) % self.over.len();
        Ok(some)
    }
}

#[tokio::test]
async fn lines_without_end_are_refused_early() {
    let lines = lines().await;
    let head = format!("{}\n{}\n", lines[0], lines[1]);
    let long = "it is longer than any line of an archive: this is none, or it was altered";
    let check = |beginning: &str, over: &str, line: u64| {
        let mut read = 0;
        let counted = Counted(endless(beginning, over, 1 << 30), &mut read);
        let bad = Reader::new(counted).and_then(Reader::check).unwrap_err();
        assert_eq!(bad.to_string(), format!("line {line}: {long}"));
        assert!(read < 100 << 20, "{read} bytes were read");
    };
    check("", "x", 1);
    check(&head, "x", 3);
    check(&head, "{\"key\":", 3);
    check(&format!("{head}{{\"revision\":1,\"items\":["), "\"x\",", 3);
    // A bomb: 1 GiB in a few kilobytes.
    let bomb = zstd::encode_all(endless(&head, " ", 1 << 30), 3).unwrap();
    assert!(bomb.len() < 200_000, "{}", bomb.len());
    assert_eq!(refused(&bomb), format!("line 3: {long}"));
    // A frame that wants a window of 2 GiB.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    assert!(
        refused(frame).starts_with("line 1: it cannot be read from here on (") || refused(frame).starts_with("line 2:"),
        "{}",
        refused(frame)
    );
}

struct Counted<'a, R>(R, &'a mut usize);

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(into)?;
        *self.1 += read;
        Ok(read)
    }
}
