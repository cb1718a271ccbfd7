//! Looks at a store's file as `doctor` does: starts nothing, mends nothing, sets nothing aside.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use wellspring_core::key::Key;

use super::file::{DataFile, is_held};
use super::schema::{self, Fault};
use crate::store::StoreError;

/// What lies at a store's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspection {
    /// Nothing yet.
    Absent,
    /// The store of a server that runs.
    InUse,
    /// A store whose structure is broken; a server would set it aside.
    Corrupt(String),
    /// What no server could use; the words say what to do.
    Unusable(String),
    /// A store.
    Sound {
        /// How many keys it holds.
        keys: u64,
        /// How many snapshots, past ones included.
        snapshots: u64,
        /// Of each source, how many keys it has there, and how many bytes of items, past ones included.
        sources: BTreeMap<String, (u64, u64)>,
    },
}

/// Looks at the file. For as long as that takes the store is claimed, so that no server starts on it meanwhile. Blocks.
pub fn inspect(path: &Path) -> Inspection {
    if !path.exists() {
        return Inspection::Absent;
    }
    if is_held(path) {
        return Inspection::InUse;
    }
    match DataFile::claim(path) {
        Err(StoreError::Unusable(why)) => Inspection::Unusable(why),
        Err(error) => Inspection::Unusable(error.to_string()),
        Ok(file) => count(&file).unwrap_or_else(|fault| match fault {
            Fault::Corrupt(why) => Inspection::Corrupt(why),
            Fault::Unusable(why) | Fault::Io(why) => Inspection::Unusable(why),
        }),
    }
}

fn count(file: &DataFile) -> Result<Inspection, Fault> {
    let conn = schema::open(file.path())?;
    schema::check(&conn)?;
    let count = |table: &str| -> Result<u64, Fault> {
        let rows: i64 = conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        Ok(rows.cast_unsigned())
    };
    Ok(Inspection::Sound { keys: count("entry")?, snapshots: count("snapshot")?, sources: sources(&conn)? })
}

fn sources(conn: &Connection) -> Result<BTreeMap<String, (u64, u64)>, Fault> {
    // Those of which nothing but failures is stored have an entry only.
    let sum = "SELECT key, sum(bytes) FROM (SELECT key, 0 AS bytes FROM entry UNION ALL SELECT key, bytes FROM snapshot) GROUP BY key";
    let mut all = conn.prepare(sum)?;
    let mut rows = all.query([])?;
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        // A bad row is not counted: no server reads it.
        let (Ok(key), Ok(bytes)) = (row.get::<_, String>(0), row.get::<_, i64>(1)) else { continue };
        let Ok(key) = Key::parse(&key) else { continue };
        let of = found.entry(key.source().to_owned()).or_default();
        *of = (of.0 + 1, of.1.saturating_add(bytes.cast_unsigned()));
    }
    Ok(found)
}
