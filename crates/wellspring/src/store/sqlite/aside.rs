//! Setting a corrupt database aside, so that a crash at any moment leaves either the old one with its log or the new one.
//!
//! The new one is written whole under a name of its own. Then, each step on the disk before the next: the old log is moved
//! away (beside the new database SQLite would apply it to that), the old database is renamed, the new one takes its place.
//! [`DataFile::heal`] ends or takes back what was cut short.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::file::{DataFile, beside, take_after};
use super::schema::Fault;

/// A disk that corrupts every new file must not be filled with them.
const MOST_ASIDE: u32 = 100;

/// The new database, until it takes its place.
const NEW: &str = ".new";
/// The log of the database that is being set aside.
const OLD_LOG: &str = ".old-wal";
/// What SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

impl DataFile {
    /// Where the new database is to be written; nothing lies there.
    pub(super) fn successor(&self) -> Result<PathBuf, Fault> {
        let new = self.beside(NEW);
        for suffix in BESIDE.into_iter().chain([""]) {
            gone(fs::remove_file(beside(&new, suffix))).map_err(|error| Fault::Io(error.to_string()))?;
        }
        Ok(new)
    }

    /// Renames the corrupt database and puts the successor, which is whole and closed, into its place.
    pub(super) fn succeed(&self, why: &str) -> Result<(), Fault> {
        let aside = self.free_name()?;
        let refused = |error: io::Error| {
            let path = self.path().display();
            Fault::Unusable(format!("the store `{path}` is corrupt ({why}) and cannot be renamed ({error}); move it away"))
        };
        let step = |from: PathBuf, to: PathBuf| gone(fs::rename(from, to)).and_then(|()| self.sync_folder()).map_err(refused);
        take_after(self.path(), &self.beside(NEW)).map_err(refused)?;
        // The successor's name and that its log is gone come first.
        self.sync_folder().map_err(refused)?;
        step(self.beside("-wal"), self.beside(OLD_LOG))?;
        step(self.path().to_owned(), aside.clone())?;
        step(self.beside(NEW), self.path().to_owned())?;
        step(self.beside(OLD_LOG), beside(&aside, "-wal"))?;
        tracing::warn!(path = %self.path().display(), aside = %aside.display(), why, "the store's file is corrupt: it was renamed, and a new one is started");
        Ok(())
    }

    /// Ends the replacement that a crash cut short where the old database is already renamed, takes it back where it is not.
    pub(super) fn heal(&self) -> io::Result<()> {
        let new = self.beside(NEW);
        let whole = new.exists() && !["-wal", "-journal"].iter().any(|suffix| beside(&new, suffix).exists());
        let old_log = self.beside(OLD_LOG);
        match (self.path().exists(), whole) {
            (false, true) => {
                fs::rename(&new, self.path())?;
                self.sync_folder()?;
            }
            (true, true) if old_log.exists() => {
                fs::rename(&old_log, self.beside("-wal"))?;
                self.sync_folder()?;
            }
            _ => {}
        }
        if old_log.exists() {
            let aside = self.names_aside().take_while(|aside| aside.exists()).last();
            fs::rename(old_log, beside(&aside.unwrap_or_else(|| self.beside(".corrupt-1")), "-wal"))?;
        }
        Ok(())
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        beside(self.path(), suffix)
    }

    fn names_aside(&self) -> impl Iterator<Item = PathBuf> {
        (1..=MOST_ASIDE).map(|n| self.beside(&format!(".corrupt-{n}")))
    }

    fn free_name(&self) -> Result<PathBuf, Fault> {
        let free = |aside: &PathBuf| !aside.exists() && !beside(aside, "-wal").exists();
        self.names_aside().find(free).ok_or_else(|| {
            let path = self.path().display();
            Fault::Unusable(format!(
                "the store `{path}` is corrupt again and {MOST_ASIDE} corrupt ones lie beside it; check the disk, then remove those"
            ))
        })
    }
}

/// What is not there need not be moved or removed.
fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::path::Path;

    use super::*;

    /// What lies in the folder once a replacement that a crash left like this is healed: names, and what was written there.
    fn check(left: &[&str], healed: &[(&str, &str)]) {
        let folder = tempfile::tempdir().unwrap();
        for name in left {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let file = DataFile::claim(&folder.path().join("db")).unwrap();
        file.heal().unwrap();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut there: Vec<(String, String)> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| name(path) != "db.lock")
            .map(|path| (name(&path), fs::read_to_string(&path).unwrap()))
            .collect();
        there.sort();
        let there: Vec<(&str, &str)> = there.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(there, healed, "{left:?}");
    }

    #[test]
    fn a_replacement_that_was_cut_short_is_ended_or_taken_back() {
        check(&["db", "db-wal"], &[("db", "db"), ("db-wal", "db-wal")]);
        check(&["db", "db.new", "db.old-wal"], &[("db", "db"), ("db-wal", "db.old-wal"), ("db.new", "db.new")]);
        check(
            &["db.corrupt-1", "db.new", "db.old-wal"],
            &[("db", "db.new"), ("db.corrupt-1", "db.corrupt-1"), ("db.corrupt-1-wal", "db.old-wal")],
        );
        check(&["db.corrupt-1", "db.new"], &[("db", "db.new"), ("db.corrupt-1", "db.corrupt-1")]);
        check(&["db", "db.corrupt-1", "db.old-wal"], &[("db", "db"), ("db.corrupt-1", "db.corrupt-1"), ("db.corrupt-1-wal", "db.old-wal")]);
    }

    #[test]
    fn who_may_read_the_old_one_may_read_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let file = DataFile::claim(&path).unwrap();
        let kept = fs::Permissions::from_mode(0o600);
        for name in ["db", "db-wal", "db.new"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        for name in ["db", "db-wal"] {
            fs::set_permissions(folder.path().join(name), kept.clone()).unwrap();
        }
        file.renew_log().unwrap();
        assert_eq!(fs::metadata(folder.path().join("db-wal")).unwrap().mode() & 0o777, 0o600);
        file.succeed("it is").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "db.new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn half_a_successor_takes_no_place() {
        check(&["db.new", "db.new-wal"], &[("db.new", "db.new"), ("db.new-wal", "db.new-wal")]);
        check(
            &["db", "db-wal", "db.new", "db.new-wal"],
            &[("db", "db"), ("db-wal", "db-wal"), ("db.new", "db.new"), ("db.new-wal", "db.new-wal")],
        );
    }
}
