//! Rows: what a snapshot and a key look like in the database, and whether what comes back is what was written.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};
use wellspring_core::key::Key;
use wellspring_core::snapshot::{Digest, How, Items, Snapshot};

use super::schema::FORMAT;
use crate::store::row::{self, Head, json, parse, parse_key, seal};
pub(super) use crate::store::row::{Bad, Meta};
use crate::store::{Entry, Retention, Revision};

/// The columns of a snapshot's head, without its items, in the order that [`head`] reads them.
pub(super) const HEAD: &str = "key, revision, format, fence, made_at, how, count, bytes, digest, seal";

impl From<rusqlite::Error> for Bad {
    fn from(error: rusqlite::Error) -> Self {
        Self::Column(error.to_string())
    }
}

/// Writes the latest of a key, snapshot and all, and prunes its history.
pub(super) fn put(conn: &Connection, entry: &Entry, retention: Retention) -> rusqlite::Result<()> {
    if let Some(latest) = &entry.latest {
        let key = entry.key.as_str();
        // What lies above can only be a row that failed its check, or another file's: the latest is the highest.
        let revision = latest.snapshot.revision.cast_signed();
        conn.prepare_cached("DELETE FROM snapshot WHERE key = ?1 AND revision >= ?2")?.execute(params![key, revision])?;
        insert(conn, &latest.snapshot, latest.fence)?;
        prune(conn, key, retention)?;
    }
    renew(conn, entry)
}

/// Keeps a note, or forgets it.
pub(super) fn note(conn: &Connection, name: &str, text: Option<&str>) -> rusqlite::Result<()> {
    match text {
        Some(text) => {
            let keep = "INSERT INTO note (name, text) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET text = excluded.text";
            conn.prepare_cached(keep)?.execute(params![name, text])?;
        }
        None => drop(conn.prepare_cached("DELETE FROM note WHERE name = ?1")?.execute([name])?),
    }
    Ok(())
}

/// Writes what is stored of a key beside its snapshots.
pub(super) fn renew(conn: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let latest = entry.latest.as_ref();
    let revision = latest.map(|latest| latest.snapshot.revision.cast_signed());
    let fence = latest.map_or(0, |latest| latest.fence).cast_signed();
    let renewal = latest.map(|latest| json(&latest.renewal));
    let attempts = json(&entry.attempts);
    let seal = meta_seal(entry.key.as_str(), FORMAT, revision, fence, renewal.as_deref(), &attempts);
    conn.prepare_cached(
        "INSERT OR REPLACE INTO entry (key, format, revision, fence, renewal, attempts, seal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![entry.key.as_str(), FORMAT, revision, fence, renewal, attempts, seal.as_bytes()])?;
    Ok(())
}

/// Removes a key.
pub(super) fn evict(conn: &Connection, key: &Key) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM entry WHERE key = ?1")?.execute([key.as_str()])?;
    conn.prepare_cached("DELETE FROM snapshot WHERE key = ?1")?.execute([key.as_str()])?;
    Ok(())
}

/// Replaces a key by another store's; `history` holds the latest too, newest first.
pub(super) fn restore(conn: &Connection, entry: &Entry, history: &[Snapshot], retention: Retention) -> rusqlite::Result<()> {
    evict(conn, &entry.key)?;
    let fence = entry.latest.as_ref().map_or(0, |latest| latest.fence);
    let kept = retention.kept(history.iter().map(|snapshot| snapshot.items.json().len() as u64));
    history.iter().take(kept).try_for_each(|snapshot| insert(conn, snapshot, fence))?;
    renew(conn, entry)
}

/// A line of history and the fence it was written under, from the columns [`HEAD`].
pub(super) fn head(row: &Row<'_>) -> Result<(Key, Revision, How, u64), Bad> {
    let (key, made_at, how): (String, String, String) = (row.get(0)?, row.get(4)?, row.get(5)?);
    let (digest, seal): ([u8; 16], [u8; 16]) = (row.get(8)?, row.get(9)?);
    let head = Head {
        key: &key,
        revision: row.get(1)?,
        format: row.get(2)?,
        fence: row.get(3)?,
        made_at: &made_at,
        how: &how,
        count: row.get(6)?,
        bytes: row.get(7)?,
        digest: Digest::from_slice(&digest).ok_or(Bad::Seal)?,
    };
    head.read(&seal, FORMAT)
}

/// A whole snapshot and the fence it was written under, from the columns [`HEAD`] and then `items`.
pub(super) fn snapshot(row: &Row<'_>) -> Result<(Snapshot, u64), Bad> {
    let (key, line, how, fence) = head(row)?;
    let json: Arc<str> = row.get(10)?;
    let items = Items::from_stored(json, line.count);
    if items.digest() != line.digest {
        return Err(Bad::Items);
    }
    Ok((Snapshot { key, revision: line.revision, made_at: line.made_at, how, digest: line.digest, items }, fence))
}

/// What is stored of a key beside its snapshots, from `key, format, revision, fence, renewal, attempts, seal`.
pub(super) fn meta(row: &Row<'_>) -> Result<Meta, Bad> {
    let (key, format): (String, i64) = (row.get(0)?, row.get(1)?);
    let (revision, fence): (Option<i64>, i64) = (row.get(2)?, row.get(3)?);
    let (renewal, attempts): (Option<String>, String) = (row.get(4)?, row.get(5)?);
    let seal: [u8; 16] = row.get(6)?;
    if !(1..=FORMAT).contains(&format) {
        return Err(Bad::Format(format, FORMAT));
    }
    if meta_seal(&key, format, revision, fence, renewal.as_deref(), &attempts).as_bytes() != &seal {
        return Err(Bad::Seal);
    }
    Ok(Meta {
        key: parse_key(&key)?,
        revision: revision.map(i64::cast_unsigned),
        fence: row::fence(fence),
        renewal: renewal.as_deref().map(parse).transpose()?,
        attempts: parse(&attempts)?,
    })
}

fn insert(conn: &Connection, snapshot: &Snapshot, fence: u64) -> rusqlite::Result<()> {
    let Revision { revision, made_at, count, bytes, digest } = Revision::of(snapshot);
    let (revision, bytes, fence) = (revision.cast_signed(), bytes.cast_signed(), fence.cast_signed());
    let (made_at, how) = (made_at.to_string(), json(&snapshot.how));
    let key = snapshot.key.as_str();
    let head = Head { key, revision, format: FORMAT, fence, made_at: &made_at, how: &how, count, bytes, digest };
    let seal = head.seal();
    let into = format!("INSERT INTO snapshot ({HEAD}, items) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
    conn.prepare_cached(&into)?.execute(params![
        key,
        revision,
        FORMAT,
        fence,
        made_at,
        how,
        count,
        bytes,
        digest.as_bytes(),
        seal.as_bytes(),
        &**snapshot.items.json()
    ])?;
    Ok(())
}

/// Removes what the retention does not keep of a key.
pub(super) fn prune(conn: &Connection, key: &str, retention: Retention) -> rusqlite::Result<()> {
    let mut sizes = conn.prepare_cached("SELECT revision, bytes FROM snapshot WHERE key = ?1 ORDER BY revision DESC")?;
    let rows = sizes.query_map([key], |row| Ok((row.get(0)?, row.get::<_, i64>(1).map_or(0, i64::cast_unsigned))))?;
    let rows: Vec<(i64, u64)> = rows.collect::<rusqlite::Result<_>>()?;
    if let Some((first_dropped, _)) = rows.get(retention.kept(rows.iter().map(|(_, bytes)| *bytes))) {
        conn.prepare_cached("DELETE FROM snapshot WHERE key = ?1 AND revision <= ?2")?.execute(params![key, first_dropped])?;
    }
    Ok(())
}

pub(super) fn meta_seal(key: &str, format: i64, revision: Option<i64>, fence: i64, renewal: Option<&str>, attempts: &str) -> Digest {
    seal(&[&key, &format, &revision.map_or_else(String::new, |revision| revision.to_string()), &fence, &renewal.unwrap_or(""), &attempts])
}
