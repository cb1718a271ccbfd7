//! What earlier versions wrote, made by them: `format-1-first.db` by the first program that ran (77e27f4), `format-1-notes.db` by
//! the one that began to keep notes (3722016), each after a few refreshes and a failure; and what a later one may leave.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;
use wellspring::store::archive::Reader;
use wellspring::store::{Entry, Store as _, StoreError};

use crate::store_kit::{Kind, Subject, archived, check, key, lease, open, put, renewal, snapshot};
use crate::support::program::{Program, write_config};

const FIRST: &[u8] = include_bytes!("stores/format-1-first.db");
const NOTES: &[u8] = include_bytes!("stores/format-1-notes.db");

/// A folder with this file as its store.
fn folder(file: &[u8]) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("wellspring.db"), file).unwrap();
    folder
}

#[tokio::test]
async fn what_earlier_versions_wrote_is_read_whole() {
    for (file, first) in [(FIRST, 1), (NOTES, 5)] {
        let folder = folder(file);
        let path = folder.path().join("wellspring.db");
        let store = open(&path).unwrap();
        let films = check(&store, &key("films"), Some(4), &[4, 3, 2, 1]).await.unwrap();
        for revision in 1..=4 {
            let past = store.revision(&key("films"), revision).await.unwrap().unwrap();
            let n = first + revision - 1;
            assert_eq!(&**past.items.json(), format!("[{{\"title\":\"/films {n}\",\"n\":{n}}},{{\"title\":\"Ünï\u{2028}\",\"n\":null}}]"));
        }
        let latest = films.latest.unwrap();
        let validator = latest.renewal.validators.values().next().unwrap();
        assert_eq!((latest.fence, validator.etag.as_deref()), (7, Some(&*format!("\"v{}\"", first + 3))));
        assert!(films.attempts.forced_at.is_some());
        check(&store, &key("day?d=mo"), Some(1), &[1]).await.unwrap();
        check(&store, &key("day?d=tu"), Some(1), &[1]).await.unwrap();
        let broken = check(&store, &key("broken"), None, &[]).await.unwrap();
        assert_eq!((broken.attempts.failures, broken.attempts.last_failure.unwrap().message.as_str()), (1, "127.0.0.1:18999 answered 500"));
        // It goes on from there, and nothing that was there is lost by it.
        assert!(lease(&store, &key("other")).await.fence > 7);
        put(&store, &key("films"), 5).await;
        store.note("hook", Some("told")).await.unwrap();
        store.close().await;
        let store = open(&path).unwrap();
        let revisions = store.revisions(&key("films")).await.unwrap();
        assert_eq!(revisions.iter().map(|line| line.revision).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
        assert_eq!(store.notes().await.unwrap(), [("hook".to_owned(), "told".to_owned())]);
        let copy = Subject::new(Kind::Sqlite);
        store.copy_to(&*copy.store).await.unwrap();
        assert_eq!(archived(&*copy.store).await, archived(&store).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_earlier_versions_wrote_is_served() {
    for (file, n) in [(FIRST, 4), (NOTES, 8)] {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(folder.path().join("data/wellspring.db"), file).unwrap();
        // Nobody is there to ask.
        let source = "url = \"http://127.0.0.1:9/\"\nfresh_for = \"1h\"\nformat = \"json\"\nwarm = false\n";
        write_config(
            folder.path(),
            &format!("[server]\nlisten = \"127.0.0.1:0\"\n[fetch]\nallow_private = true\n[source.films]\n{source}"),
        );
        let program = Program::serve(folder.path());
        let answer = program.get("/api/films").await;
        assert_eq!((answer.status.as_u16(), answer.json()["items"][0]["n"].as_i64()), (200, Some(n)));
        assert_eq!(program.get("/api/films/history").await.json()["revisions"].as_array().unwrap().len(), 4);
        assert!(program.wait_for_log("stored of sources that are not configured").contains("\"keys\":3"));
        program.signal("TERM");
        assert_eq!(program.wait().0, Some(0));
    }
}

/// Every file of a folder, byte by byte.
fn bytes(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let mut files: Vec<_> = files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect();
    files.retain(|(name, _)| name != "wellspring.db.lock");
    files.sort();
    files
}

/// A store that a newer version left, with some of its writes in its log, as `kill -9` leaves it.
fn left_by_newer(sql: &str) -> TempDir {
    let live = folder(NOTES);
    let newer = Connection::open(live.path().join("wellspring.db")).unwrap();
    newer.execute_batch(&format!("PRAGMA journal_mode = WAL; {sql}")).unwrap();
    let left = TempDir::new().unwrap();
    for name in ["wellspring.db", "wellspring.db-wal"] {
        fs::copy(live.path().join(name), left.path().join(name)).unwrap();
    }
    assert!(left.path().join("wellspring.db-wal").metadata().unwrap().len() > 0);
    left
}

#[tokio::test]
async fn what_a_newer_version_wrote_is_refused_without_a_changed_byte() {
    for sql in [
        "ALTER TABLE entry ADD COLUMN more; PRAGMA user_version = 2",
        "UPDATE entry SET format = 2 WHERE key = 'films'",
        "INSERT INTO snapshot SELECT key, 9, 2, fence, made_at, how, count, bytes, digest, seal, items FROM snapshot WHERE revision = 4",
    ] {
        let left = left_by_newer(sql);
        let before = bytes(left.path());
        for _ in 0..2 {
            let Err(StoreError::Unusable(why)) = open(&left.path().join("wellspring.db")) else { panic!("it was opened: {sql}") };
            assert!(why.contains("was written by a newer version (format 2, this one knows 1)"), "{why}");
            assert!(bytes(left.path()) == before, "a byte was changed: {sql}");
        }
    }
    // The control: what this version may read is changed by opening it, were it only that its log is worked in.
    let left = left_by_newer("DELETE FROM entry WHERE key = 'broken'");
    let before = bytes(left.path());
    open(&left.path().join("wellspring.db")).unwrap().close().await;
    assert!(bytes(left.path()) != before);
}

/// An archive of the first format, as every later version has to take it.
#[tokio::test]
async fn the_first_archive_is_still_taken() {
    let text = include_str!("stores/archive-1.jsonl");
    assert_eq!(Reader::new(text.as_bytes()).unwrap().check().map(|counts| (counts.keys, counts.revisions)), Ok((4, 6)));
    let subject = Subject::new(Kind::Sqlite);
    crate::store_kit::taken_over(text, &*subject.store, wellspring::store::Retention::default(), false).await;
    let folder = folder(NOTES);
    let store = open(&folder.path().join("wellspring.db")).unwrap();
    let entries = |mut list: Vec<Entry>| {
        list.sort_by(|a, b| a.key.cmp(&b.key));
        list
    };
    assert_eq!(entries(subject.store.list().await.unwrap()), entries(store.list().await.unwrap()));
}

/// What later programs of one format write has to stay readable for earlier ones: their checks, repeated here in SQL.
#[tokio::test]
async fn what_is_written_keeps_to_the_shape_of_its_format() {
    let subject = Subject::new(Kind::Sqlite);
    let held = lease(&*subject.store, &key("cinema")).await;
    subject.store.put_if(&held, &snapshot(&key("cinema"), 1, 10), &renewal(1), &crate::store_kit::attempts(1)).await.unwrap();
    let folder = subject.closed().await;
    let conn = Connection::open(folder.path().join("wellspring.db")).unwrap();
    let columns = |of: &Connection, table: &str| -> Vec<(String, String, bool)> {
        let mut all = of.prepare(&format!("SELECT name, type, \"notnull\" FROM pragma_table_info('{table}')")).unwrap();
        let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let earlier_folder = self::folder(FIRST);
    let earlier = Connection::open(earlier_folder.path().join("wellspring.db")).unwrap();
    for table in ["entry", "snapshot"] {
        assert_eq!(columns(&conn, table), columns(&earlier, table), "{table}");
    }
    let version = |of: &Connection| of.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(version(&conn), version(&earlier));
    // What the earlier parsers need of each text: they ignore what they do not know, and miss what they do.
    let text = |sql: &str| -> serde_json::Value {
        serde_json::from_str(&conn.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap()).unwrap()
    };
    for (sql, members) in [
        ("SELECT renewal FROM entry", &["checked_at", "rules", "validators"][..]),
        ("SELECT attempts FROM entry", &["failures", "last_failure", "failed_at", "not_before", "forced_at", "rules"]),
        ("SELECT how FROM snapshot", &["alternative", "took", "bytes"]),
    ] {
        let found = text(sql);
        assert!(members.iter().all(|member| found.get(member).is_some()), "{sql}: {found}");
    }
}
