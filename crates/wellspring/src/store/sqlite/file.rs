//! The database as a file among files: its folder, its lock, whether it is still the one we opened.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, chown, lchown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::schema::Fault;
use crate::store::StoreError;

/// How often a lock that is held is tried again, and after which pause. A process that was just killed may still be ending, and a child
/// that it had begun to start holds the lock until it is another program; a supervisor starts the next one at once.
const TRIES: u32 = 25;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// The path of the database, claimed for this process.
#[derive(Debug)]
pub(super) struct DataFile {
    path: PathBuf,
    /// Held for as long as this lives.
    lock: File,
}

/// Which files lay at the path: device and inode of the database and of its write-ahead log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    main: Inode,
    log: Option<Inode>,
}

type Inode = (u64, u64);

impl DataFile {
    /// Makes the folder where needed and takes the lock.
    pub(super) fn claim(path: &Path) -> Result<Self, StoreError> {
        if path.is_dir() {
            let path = path.display();
            return Err(StoreError::Unusable(format!("the store `{path}` is a folder; name a file in it, such as `{path}/wellspring.db`")));
        }
        // Beside the file itself where the path is a link: there SQLite keeps its log, and there another path leads to the same lock.
        let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
        make_folder(path).and_then(|()| lock(path)).map(|lock| Self { path: path.to_owned(), lock }).map_err(StoreError::Unusable)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Claims it again where its folder or its lock file is gone.
    pub(super) fn reclaim(&mut self) -> Result<(), Fault> {
        let held = self.lock.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
        if inode(&beside(&self.path, ".lock")) != held {
            self.lock = make_folder(&self.path).and_then(|()| lock(&self.path)).map_err(Fault::Io)?;
        }
        Ok(())
    }

    /// What lies at the path now; `None` where nothing does.
    pub(super) fn identity(&self) -> Option<Identity> {
        Some(Identity { main: inode(&self.path)?, log: inode(&beside(&self.path, "-wal")) })
    }

    /// Whether the database that was opened still lies at the path.
    pub(super) fn is_still(&self, opened: Option<Identity>) -> bool {
        opened.is_some_and(|opened| inode(&self.path) == Some(opened.main))
    }

    /// Removes the log of a database that is no longer at the path: SQLite would apply it to whatever is there now.
    pub(super) fn drop_stale_log(&self, opened: Identity) {
        let log = beside(&self.path, "-wal");
        if opened.log.is_some() && inode(&log) == opened.log {
            let _ = fs::remove_file(log);
        }
    }

    /// Whether a database lies there with nothing in its log, in a folder that has no room for one more file.
    pub(super) fn is_closed_on_a_full_disk(&self) -> bool {
        let probe = beside(&self.path, ".probe");
        let full = matches!(File::create(&probe), Err(error) if error.kind() == io::ErrorKind::StorageFull);
        let _ = fs::remove_file(probe);
        full && self.path.exists() && fs::metadata(beside(&self.path, "-wal")).map_or(0, |meta| meta.len()) == 0
    }

    /// Gives what root made beside the lock to whoever the folder belongs to: an import or an eviction by an administrator must not
    /// shut out the server, which runs as nobody in particular. A link is not followed, and what has a second name is left alone: the
    /// folder's owner may have put them there.
    pub(super) fn hand_over(&self) {
        let Ok(owner) = fs::metadata(folder(&self.path)) else { return };
        if owner.uid() == 0 {
            return;
        }
        for path in [self.path.clone(), beside(&self.path, "-wal"), beside(&self.path, ".lock")] {
            if fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file() && meta.uid() == 0 && meta.nlink() == 1) {
                // Only root may, and only root need.
                let _ = lchown(path, Some(owner.uid()), Some(owner.gid()));
            }
        }
    }

    /// Brings the names in its folder to the disk: a file is there after a power failure only once its folder says so.
    pub(super) fn sync_folder(&self) -> io::Result<()> {
        sync_folder(folder(&self.path))
    }

    /// Writes a log that may not be on the disk anew. After a sync that failed the kernel takes its pages for written: no later
    /// sync would bring them, and a log that is not on the disk must not be worked into the database.
    pub(super) fn renew_log(&self) -> io::Result<()> {
        let log = beside(&self.path, "-wal");
        if fs::metadata(&log).map_or(0, |meta| meta.len()) == 0 {
            return Ok(());
        }
        let new = beside(&self.path, "-wal.new");
        if let Err(error) = copy(&log, &new).and_then(|()| take_after(&log, &new)) {
            // What stays of it takes room that the disk may lack.
            let _ = fs::remove_file(new);
            return Err(error);
        }
        fs::rename(new, log)?;
        self.sync_folder()
    }
}

/// Gives a file the rights of the one whose place it takes, and its owner where we may: a server that once ran as root must not
/// shut out the one that follows.
pub(super) fn take_after(from: &Path, to: &Path) -> io::Result<()> {
    let meta = fs::metadata(from)?;
    let _ = chown(to, Some(meta.uid()), Some(meta.gid()));
    fs::set_permissions(to, meta.permissions())
}

/// Byte by byte, down to the disk.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    let mut block = vec![0; 1 << 20];
    loop {
        let read = from.read(&mut block)?;
        if read == 0 {
            return to.sync_all();
        }
        to.write_all(block.get(..read).unwrap_or_default())?;
    }
}

fn make_folder(path: &Path) -> Result<(), String> {
    let made = folder(path);
    let missing: Vec<&Path> = made.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    // A new folder is a name in the one above it, and goes with the power as any name does.
    let done = fs::create_dir_all(made).and_then(|()| missing.iter().try_for_each(|new| sync_folder(folder(new))));
    done.map_err(|error| format!("the folder `{}` for the store cannot be made ({error}); choose another with --data", made.display()))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems know of no such thing.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

fn lock(path: &Path) -> Result<File, String> {
    let lock = beside(path, ".lock");
    let open = File::options().create(true).truncate(false).write(true).open(&lock);
    let file = open.map_err(|error| {
        let folder = folder(path).display();
        format!("the folder `{folder}` for the store cannot be written ({error}); allow it to this user, or choose another with --data")
    })?;
    let mut tried = file.try_lock();
    for _ in 0..TRIES {
        if !matches!(tried, Err(TryLockError::WouldBlock)) {
            break;
        }
        thread::sleep(BETWEEN_TRIES);
        tried = file.try_lock();
    }
    match tried {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(format!(
            "the store `{}` is in use by another running server; stop that one, or choose another folder with --data",
            path.display()
        )),
        Err(TryLockError::Error(error)) => {
            Err(format!("`{}` cannot be locked ({error}); choose a local folder with --data", lock.display()))
        }
    }
}

/// Whether a running server holds the store at this path. Nothing is made.
pub(super) fn is_held(path: &Path) -> bool {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let lock = File::options().write(true).open(beside(&path, ".lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

/// What the store at this path is called by whoever holds it and whoever finds it held: both see the same lock. Its device and inode.
pub(super) fn identity(path: &Path) -> Option<String> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    inode(&beside(&path, ".lock")).map(|(device, inode)| format!("{device:x}-{inode:x}"))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn inode(path: &Path) -> Option<Inode> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}
