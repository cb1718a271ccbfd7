//! Reading: the latest of every key at the start, the history of one key later. Bad rows are skipped and said.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use wellspring_core::key::Key;
use wellspring_core::snapshot::Snapshot;

use super::file::DataFile;
use super::row::{self, Bad, HEAD, Meta};
use super::schema::{self, Fault};
use crate::store::{Entry, Revision, StoreError};

/// What a file holds.
pub(super) struct First {
    /// Or why there is none: the file is corrupt and to be set aside, or cannot be written today.
    pub(super) conn: Result<Connection, Fault>,
    /// The latest of every key.
    pub(super) entries: Vec<Entry>,
    pub(super) notes: BTreeMap<String, String>,
}

/// Opens the file and reads the latest of every key. Where it is corrupt there is no connection: what could be read of it is
/// to be written into a new one.
pub(super) fn first(file: &DataFile) -> Result<First, StoreError> {
    let refused = |fault| match fault {
        Fault::Unusable(why) => StoreError::Unusable(why),
        Fault::Corrupt(why) | Fault::Io(why) => {
            let path = file.path().display();
            StoreError::Unusable(format!(
                "the store `{path}` cannot be opened ({why}); free the file or the disk, or choose another folder with --data"
            ))
        }
    };
    let (mut damage, mut full) = (Damage(None), None);
    let conn = match schema::open(file.path()) {
        // What was closed well needs a log of its own before it can be read as ever, and there may be no room for one.
        Err(Fault::Io(why)) if file.is_closed_on_a_full_disk() => {
            full = Some(Fault::Io(why));
            schema::open_unchanged(file.path())
        }
        Err(Fault::Corrupt(why)) => {
            damage.0 = Some(why);
            schema::open_corrupt(file.path())
        }
        opened => opened,
    };
    let conn = conn.map_err(refused)?;
    file.hand_over();
    let entries = latest(&conn, &mut damage).map_err(refused)?;
    let notes = notes(&conn);
    let Some(fault) = damage.0.map(Fault::Corrupt).or(full) else { return Ok(First { conn: Ok(conn), entries, notes }) };
    schema::abandon(conn);
    Ok(First { conn: Err(fault), entries, notes })
}

/// The notes, as far as they can be read: none is worth a file that is set aside.
fn notes(conn: &Connection) -> BTreeMap<String, String> {
    let read = || -> rusqlite::Result<BTreeMap<String, String>> {
        let mut all = conn.prepare("SELECT name, text FROM note")?;
        let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    };
    read().unwrap_or_else(|error| {
        tracing::warn!(%error, "the store's notes cannot be read; what was told of before may be told again");
        BTreeMap::new()
    })
}

/// The history of a key, newest first.
pub(super) fn revisions(conn: &Connection, key: &Key) -> Result<Vec<Revision>, Fault> {
    let mut lines = conn.prepare_cached(&format!("SELECT {HEAD} FROM snapshot WHERE key = ?1 ORDER BY revision DESC"))?;
    let mut rows = lines.query([key.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        match row::head(row) {
            Ok((_, line, ..)) => found.push(line),
            Err(bad) => skip(key.as_str(), &bad),
        }
    }
    Ok(found)
}

/// The highest revision made no later than `at`.
pub(super) fn as_of(conn: &Connection, key: &Key, at: Timestamp) -> Result<Option<Snapshot>, Fault> {
    for line in revisions(conn, key)?.iter().filter(|line| line.made_at <= at) {
        if let Some(snapshot) = one(conn, key, line.revision)? {
            return Ok(Some(snapshot));
        }
    }
    Ok(None)
}

/// One revision, where it is good.
pub(super) fn one(conn: &Connection, key: &Key, revision: u64) -> Result<Option<Snapshot>, Fault> {
    let mut one = conn.prepare_cached(&format!("SELECT {HEAD}, items FROM snapshot WHERE key = ?1 AND revision = ?2"))?;
    let mut rows = one.query(params![key.as_str(), revision.cast_signed()])?;
    match rows.next()?.map(row::snapshot) {
        Some(Ok((snapshot, _))) => return Ok(Some(snapshot)),
        Some(Err(bad)) => skip(key.as_str(), &bad),
        None => {}
    }
    Ok(None)
}

/// Every good snapshot of a key, newest last.
#[cfg(any(test, fuzzing))]
pub(super) fn history(conn: &Connection, key: &Key) -> Result<Vec<Snapshot>, Fault> {
    let mut all = conn.prepare_cached(&format!("SELECT {HEAD}, items FROM snapshot WHERE key = ?1 ORDER BY revision"))?;
    let mut rows = all.query([key.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        match row::snapshot(row) {
            Ok((snapshot, _)) => found.push(snapshot),
            Err(bad) => skip(key.as_str(), &bad),
        }
    }
    Ok(found)
}

/// The first corruption met while reading on around it.
struct Damage(Option<String>);

impl Damage {
    /// What could be read; other faults than corruption end the reading.
    fn absorb<T>(&mut self, read: Result<T, Fault>) -> Result<Option<T>, Fault> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(Fault::Corrupt(why)) => {
                self.0.get_or_insert(why);
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }
}

/// The latest of every key, where nothing is corrupt.
#[cfg(any(test, fuzzing))]
pub(super) fn every_latest(conn: &Connection) -> Result<Vec<Entry>, Fault> {
    latest(conn, &mut Damage(None))
}

fn latest(conn: &Connection, damage: &mut Damage) -> Result<Vec<Entry>, Fault> {
    let mut metas = BTreeMap::new();
    let read = each_meta(conn, &mut metas);
    damage.absorb(read)?;
    let mut newest = Vec::new();
    let read = each_newest(conn, &mut newest);
    damage.absorb(read)?;
    let mut found: BTreeMap<Key, (Snapshot, u64)> = BTreeMap::new();
    for (key, revision) in newest {
        let read = newest_good(conn, &key, revision);
        if let Some((snapshot, fence)) = damage.absorb(read)?.flatten()
            && found.get(&snapshot.key).is_none_or(|(other, _)| other.revision < snapshot.revision)
        {
            found.insert(snapshot.key.clone(), (snapshot, fence));
        }
    }
    for key in found.keys().filter(|key| !metas.contains_key(key)).cloned().collect::<Vec<_>>() {
        metas.insert(key.clone(), Meta::lost(key));
    }
    Ok(metas.into_iter().map(|(key, meta)| meta.entry(found.remove(&key))).collect())
}

/// One key.
pub(super) fn entry(conn: &Connection, key: &Key) -> Result<Option<Entry>, Fault> {
    let mut one = conn.prepare_cached("SELECT key, format, revision, fence, renewal, attempts, seal FROM entry WHERE key = ?1")?;
    let mut rows = one.query([key.as_str()])?;
    let meta = match rows.next()?.map(row::meta) {
        Some(Ok(meta)) => Some(meta),
        Some(Err(bad)) => {
            skip(key.as_str(), &bad);
            None
        }
        None => None,
    };
    let found = newest_good(conn, key.as_str(), i64::MAX)?;
    if meta.is_none() && found.is_none() {
        return Ok(None);
    }
    Ok(Some(meta.unwrap_or_else(|| Meta::lost(key.clone())).entry(found)))
}

/// Every key that anything can be read of, in order.
pub(super) fn keys(conn: &Connection) -> Result<Vec<Key>, Fault> {
    let mut all = conn.prepare("SELECT key FROM entry UNION SELECT key FROM snapshot")?;
    let mut rows = all.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        // What is no text or no key is of a bad row, which is skipped everywhere.
        found.extend(row.get::<_, String>(0).ok().and_then(|text| Key::parse(&text).ok()));
    }
    found.sort_unstable();
    Ok(found)
}

fn each_meta(conn: &Connection, metas: &mut BTreeMap<Key, Meta>) -> Result<(), Fault> {
    let mut all = conn.prepare("SELECT key, format, revision, fence, renewal, attempts, seal FROM entry")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        match row::meta(row) {
            Ok(meta) => drop(metas.insert(meta.key.clone(), meta)),
            Err(bad) => skip(&row.get::<_, String>(0).unwrap_or_default(), &bad),
        }
    }
    Ok(())
}

/// By the index alone: history is not read.
fn each_newest(conn: &Connection, newest: &mut Vec<(String, i64)>) -> Result<(), Fault> {
    let mut all = conn.prepare("SELECT key, max(revision) FROM snapshot GROUP BY key")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        // What is no text or no number here is a bad entry of the index; its row is unreachable by key.
        if let (Ok(key), Ok(revision)) = (row.get(0), row.get(1)) {
            newest.push((key, revision));
        }
    }
    Ok(())
}

/// Where the latest is bad, the newest good revision takes its place.
fn newest_good(conn: &Connection, key: &str, newest: i64) -> Result<Option<(Snapshot, u64)>, Fault> {
    let mut from_newest =
        conn.prepare_cached(&format!("SELECT {HEAD}, items FROM snapshot WHERE key = ?1 AND revision <= ?2 ORDER BY revision DESC"))?;
    let mut rows = from_newest.query(params![key, newest])?;
    while let Some(row) = rows.next()? {
        match row::snapshot(row) {
            Ok(found) => return Ok(Some(found)),
            Err(bad) => skip(key, &bad),
        }
    }
    Ok(None)
}

fn skip(key: &str, bad: &Bad) {
    tracing::warn!(key, reason = %bad, "a bad row of the store is skipped");
}
