//! Opening a connection: how SQLite is set, which format the file has, what is wrong with it.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// The format that this version writes, in `user_version` and in each row. Rows of earlier formats are read too.
pub(super) const FORMAT: i64 = 1 + STEPS.len().cast_signed() as i64;

/// Makes a file of one format one of the next: the first of format 1 one of format 2, and so on. A step changes tables; a row is
/// written in the present format when it is next written, or by the step where what it held must change.
type Step = fn(&Connection) -> rusqlite::Result<()>;
const STEPS: &[Step] = &[];

/// One row a key, small and often rewritten; one row a revision, large and never changed. `items` comes last: what stands
/// before it is read without following its overflow pages.
const TABLES: &str = "
CREATE TABLE entry (
    key TEXT NOT NULL PRIMARY KEY, format INTEGER NOT NULL, revision INTEGER, fence INTEGER NOT NULL,
    renewal TEXT, attempts TEXT NOT NULL, seal BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE snapshot (
    key TEXT NOT NULL, revision INTEGER NOT NULL, format INTEGER NOT NULL, fence INTEGER NOT NULL, made_at TEXT NOT NULL,
    how TEXT NOT NULL, count INTEGER NOT NULL, bytes INTEGER NOT NULL, digest BLOB NOT NULL, seal BLOB NOT NULL, items TEXT NOT NULL,
    UNIQUE (key, revision)
);";

/// Came later than format 1, whose readers do not mind it.
const NOTES: &str = "CREATE TABLE IF NOT EXISTS note (name TEXT NOT NULL PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;";

/// What is wrong, by what can be done about it.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file's content is broken: set it aside.
    Corrupt(String),
    /// The file is not ours to touch: a person decides.
    Unusable(String),
    /// The disk, the folder or another program: try again.
    Io(String),
}

impl Fault {
    pub(super) fn why(&self) -> &str {
        let (Self::Corrupt(why) | Self::Unusable(why) | Self::Io(why)) = self;
        why
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        use ErrorCode::{ConstraintViolation, DatabaseCorrupt, NotADatabase, TypeMismatch, Unknown};
        match error.sqlite_error_code() {
            // Our statements are constant and right for our tables: where one does not fit or a value is of no use, the
            // file is not what we wrote.
            Some(DatabaseCorrupt | NotADatabase | ConstraintViolation | TypeMismatch | Unknown) | None => Self::Corrupt(error.to_string()),
            Some(_) => Self::Io(error.to_string()),
        }
    }
}

/// Opens the file, or makes it. A file that is not ours is left as it is.
pub(super) fn open(path: &Path) -> Result<Connection, Fault> {
    let conn = connect(path)?;
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let place = path.display();
    let newer = |format: i64| {
        Fault::Unusable(format!(
            "the store `{place}` was written by a newer version (format {format}, this one knows {FORMAT}); run that version, or choose another folder with --data"
        ))
    };
    if version > FORMAT {
        return Err(newer(version));
    }
    if version > 0
        && let Some(format) = newest_row(&conn)?.filter(|format| *format > FORMAT)
    {
        return Err(newer(format));
    }
    if version < 1 && tables > 0 {
        return Err(Fault::Unusable(format!("`{place}` is the database of another program; choose another file for the store")));
    }
    if conn.is_readonly(rusqlite::MAIN_DB)? {
        return Err(Fault::Unusable(format!(
            "the store `{place}` cannot be written; allow it to this user, or choose another folder with --data"
        )));
    }
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "mmap_size", 0)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "journal_size_limit", 16 << 20)?;
    if version < 1 {
        conn.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} {NOTES} PRAGMA user_version = {FORMAT}; COMMIT"))?;
    }
    if version > 0 {
        upgrade(&conn, version, STEPS)?;
    }
    let has_notes: bool = conn.query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'note'", [], |row| row.get(0))?;
    if !has_notes {
        conn.execute_batch(NOTES)?;
    }
    keep_log_on_close(&conn, false)?;
    Ok(conn)
}

/// The format of the rows that were written last: where a newer version had the file, it left rows that must not be written over.
fn newest_row(conn: &Connection) -> Result<Option<i64>, Fault> {
    let read = || -> rusqlite::Result<Option<i64>> {
        let entry: Option<i64> = conn.query_row("SELECT max(format) FROM entry", [], |row| row.get(0))?;
        let last = "SELECT max(format) FROM snapshot WHERE rowid = (SELECT max(rowid) FROM snapshot)";
        let snapshot: Option<i64> = conn.query_row(last, [], |row| row.get(0))?;
        Ok(entry.max(snapshot))
    };
    match read() {
        // What is no number is a bad row, which is skipped.
        Err(rusqlite::Error::InvalidColumnType(..)) => Ok(None),
        read => Ok(read?),
    }
}

/// Takes a file from its format to the last that these steps lead to, in one transaction: it is of the one or of the other.
fn upgrade(conn: &Connection, from: i64, steps: &[Step]) -> Result<(), Fault> {
    let missing = usize::try_from(from - 1).ok().and_then(|done| steps.get(done..)).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let done = missing.iter().try_for_each(|step| step(conn));
    let to = from + missing.len().cast_signed() as i64;
    match done.and_then(|()| conn.execute_batch(&format!("PRAGMA user_version = {to}; COMMIT"))) {
        Ok(()) => Ok(()),
        Err(error) => {
            // Where that fails too, the connection is let go of, which undoes it.
            let _ = conn.execute_batch("ROLLBACK");
            Err(Fault::Io(format!("it could not be brought from format {from} to {to}: {error}")))
        }
    }
}

/// Opens a file that [`open`] found corrupt, to read what can be read: a truncated one too, which SQLite otherwise refuses
/// as a whole.
pub(super) fn open_corrupt(path: &Path) -> Result<Connection, Fault> {
    let conn = connect(path)?;
    conn.pragma_update(None, "writable_schema", true)?;
    Ok(conn)
}

/// Opens a file that was closed well and that nobody writes, to read it without making another beside it.
pub(super) fn open_unchanged(path: &Path) -> Result<Connection, Fault> {
    let mut address = "file:".to_owned();
    for character in path.to_string_lossy().chars() {
        match character {
            '%' => address.push_str("%25"),
            '?' => address.push_str("%3f"),
            '#' => address.push_str("%23"),
            plain => address.push(plain),
        }
    }
    address.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(address, flags)?;
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == FORMAT { Ok(conn) } else { Err(Fault::Io(format!("it is of format {version}"))) }
}

fn connect(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    // Until all is well: neither a log that a newer version left nor one that failed is worked into the file by our closing.
    keep_log_on_close(&conn, true)?;
    conn.busy_timeout(Duration::from_secs(1))?;
    // The index of the log then lives in our own memory, not in a mapped file that a full disk or a stranger can pull away.
    conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    Ok(conn)
}

/// Reads the whole file and says whether its structure holds.
pub(super) fn check(conn: &Connection) -> Result<(), Fault> {
    let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(Fault::Corrupt(verdict)) }
}

/// Works the whole log into the database and empties it.
pub(super) fn checkpoint(conn: &Connection) -> Result<(), Fault> {
    let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 { Ok(()) } else { Err(Fault::Io("the log is in use by another program".to_owned())) }
}

/// Writes the file anew without its unused pages. Takes as much room again on the disk, for as long as it runs.
pub(super) fn compact(conn: &Connection) -> Result<(), Fault> {
    conn.execute_batch("VACUUM")?;
    checkpoint(conn)
}

/// Lets go of a connection that failed, or whose file is gone, without another write through it.
pub(super) fn abandon(conn: Connection) {
    let _ = keep_log_on_close(&conn, true);
    drop(conn);
}

fn keep_log_on_close(conn: &Connection, keep: bool) -> Result<(), rusqlite::Error> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> [Step; 2] {
        [
            |conn| conn.execute_batch("ALTER TABLE entry ADD COLUMN later TEXT NOT NULL DEFAULT 'x'"),
            |conn| conn.execute_batch("CREATE TABLE further (y); INSERT INTO further SELECT later FROM entry"),
        ]
    }

    fn version(conn: &Connection) -> i64 {
        conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    fn filled() -> Connection {
        let conn = open(Path::new(":memory:")).unwrap();
        conn.execute_batch("INSERT INTO entry VALUES ('a', 1, NULL, 0, NULL, '{}', x'00')").unwrap();
        conn
    }

    #[test]
    fn steps_lead_from_any_format_to_the_last() {
        let conn = filled();
        upgrade(&conn, 1, &[]).unwrap();
        assert_eq!(version(&conn), 1);
        upgrade(&conn, 1, &steps()[..1]).unwrap();
        assert_eq!(version(&conn), 2);
        upgrade(&conn, 2, &steps()).unwrap();
        upgrade(&conn, 3, &steps()).unwrap();
        let held: String = conn.query_row("SELECT y FROM further", [], |row| row.get(0)).unwrap();
        assert_eq!((version(&conn), held.as_str()), (3, "x"));
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let conn = filled();
        let broken: [Step; 2] = [steps()[0], |conn| conn.execute_batch("CREATE TABLE further (y); INSERT INTO nowhere VALUES (1)")];
        let Err(Fault::Io(why)) = upgrade(&conn, 1, &broken) else { panic!("it went through") };
        assert!(why.contains("from format 1 to 3"), "{why}");
        assert_eq!(version(&conn), 1);
        assert!(conn.prepare("SELECT later FROM entry").is_err(), "the first step is undone too");
    }
}
