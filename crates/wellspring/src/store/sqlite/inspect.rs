//! Looks at a store's file as `doctor` does: starts nothing, mends nothing, sets nothing aside.

use std::path::Path;

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
    Ok(Inspection::Sound { keys: count("entry")?, snapshots: count("snapshot")? })
}
