//! Rows, as a torn disk or another program may leave them. The first byte says which seals are right; then a column a line.

use std::cell::RefCell;
use std::path::Path;

use rusqlite::{Connection, params};
use wellspring_core::snapshot::Digest;

use super::row::{self, HEAD};
use super::{load, schema};
use crate::store::row::Head;
use crate::store::{Entry, Retention};

thread_local!(static STORE: RefCell<Connection> = RefCell::new(opened()));

fn opened() -> Connection {
    schema::open(Path::new(":memory:")).unwrap_or_else(|fault| panic!("{}", fault.why()))
}

/// Writes a row of each table as it is told, and reads the store back; what is read is written and read again as itself.
pub(crate) fn rows(bytes: &[u8]) {
    let Some((flags, rest)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let mut lines = text.splitn(13, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (key, revision, format, fence) = (line(), line(), line(), line());
    let (made_at, how, count, size) = (line(), line(), line(), line());
    let (meta_key, renewal, attempts, digest, items) = (line(), line(), line(), line(), line());
    let number = |text: &str| text.parse::<i64>().unwrap_or_default();
    let digest = if flags & 1 == 0 { Digest::of(items.as_bytes()).as_bytes().to_vec() } else { digest.as_bytes().to_vec() };
    let (revision, fence) = (number(revision), number(fence));
    let count_of = u32::try_from(number(count)).unwrap_or_default();
    let head = Digest::from_slice(&digest).filter(|_| flags & 2 == 0);
    let head = head.map(|digest| {
        Head { key, revision, format: number(format), fence, made_at, how, count: count_of, bytes: number(size), digest }.seal()
    });
    let seal = head.map_or_else(|| digest.clone(), |seal| seal.as_bytes().to_vec());
    let renewal = (!renewal.is_empty()).then_some(renewal);
    let meta_revision = (flags & 8 == 0).then_some(revision);
    let meta_seal =
        if flags & 4 == 0 { row::meta_seal(meta_key, number(format), meta_revision, fence, renewal, attempts) } else { Digest::of(b"") };
    STORE.with_borrow(|conn| {
        clear(conn);
        let into = format!("INSERT INTO snapshot ({HEAD}, items) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
        let columns = params![key, revision, format, fence, made_at, how, count, size, digest, seal, items];
        conn.prepare_cached(&into).and_then(|mut insert| insert.execute(columns)).unwrap_or_else(|error| panic!("{error}"));
        let into = "INSERT INTO entry (key, format, revision, fence, renewal, attempts, seal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let columns = params![meta_key, format, meta_revision, fence, renewal, attempts, meta_seal.as_bytes()];
        conn.prepare_cached(into).and_then(|mut insert| insert.execute(columns)).unwrap_or_else(|error| panic!("{error}"));
        let found = read(conn);
        clear(conn);
        for entry in &found {
            row::put(conn, entry, Retention::default()).unwrap_or_else(|error| panic!("{error}"));
        }
        assert_eq!(read(conn), found);
    });
}

fn clear(conn: &Connection) {
    conn.execute_batch("DELETE FROM snapshot; DELETE FROM entry").unwrap_or_else(|error| panic!("{error}"));
}

fn read(conn: &Connection) -> Vec<Entry> {
    let entries = load::every_latest(conn).unwrap_or_else(|fault| panic!("{}", fault.why()));
    for entry in &entries {
        let history = load::history(conn, &entry.key).unwrap_or_else(|fault| panic!("{}", fault.why()));
        let latest = entry.latest.as_ref().map(|latest| &latest.snapshot);
        assert!(latest.is_none_or(|latest| latest.items.digest() == latest.digest && latest.key == entry.key));
        assert!(history.iter().all(|snapshot| snapshot.items.digest() == snapshot.digest));
    }
    entries
}

#[test]
fn a_right_row_is_read_and_a_wrong_one_is_not() {
    let row = |flags: u8| [&[flags][..], include_bytes!("../../../../../fuzz/corpus/codec/row").get(2..).unwrap()].concat();
    let read_of = |flags| {
        rows(&row(flags));
        STORE.with_borrow(read).iter().filter(|entry| entry.latest.is_some()).count()
    };
    assert_eq!((read_of(0), read_of(1), read_of(2)), (1, 0, 0));
}
