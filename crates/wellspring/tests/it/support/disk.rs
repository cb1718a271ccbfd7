//! The disk for tests, `tests/shim/disk.c`: builds it, loads it into a child, tells it what fails, reads what it recorded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::program::tell;

/// The library, built once; `None`, and said so, where the machine has no C compiler.
pub fn shim() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(build).as_deref()
}

fn build() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests may have built it")]
    if let Some(built) = std::env::var_os("WELLSPRING_DISK_SHIM").filter(|built| !built.is_empty()) {
        return Some(built.into());
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shim/disk.c");
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("disk.so");
    // Under a name of this process until it is whole: another run may build it at the same time.
    let own = built.with_extension(std::process::id().to_string());
    let flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-nonnull-compare", "-shared", "-fPIC", "-o"];
    match Command::new("cc").args(flags).arg(&own).arg(&source).arg("-lpthread").status() {
        Ok(status) => {
            assert!(status.success(), "{} does not compile", source.display());
            fs::rename(own, &built).unwrap();
            Some(built)
        }
        Err(error) => {
            tell(&format!("skipped: there is no C compiler for the disk of the tests ({error})"));
            None
        }
    }
}

/// A folder whose disk is under test, and beside it what the disk is told and tells.
pub struct Disk {
    outer: tempfile::TempDir,
    shim: &'static Path,
}

impl Disk {
    /// `None` where the machine has no C compiler.
    pub fn new() -> Option<Self> {
        let shim = shim()?;
        let outer = in_memory();
        fs::create_dir(outer.path().join("disk")).unwrap();
        Some(Self { outer, shim })
    }

    /// The folder.
    pub fn folder(&self) -> PathBuf {
        // Without links, as the library compares paths.
        self.outer.path().canonicalize().unwrap().join("disk")
    }

    /// Where lines become part of the record.
    pub fn acks(&self) -> PathBuf {
        self.outer.path().canonicalize().unwrap().join("acks")
    }

    fn log(&self) -> PathBuf {
        self.outer.path().join("log")
    }

    /// Lets a command use this disk.
    pub fn under<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("LD_PRELOAD", self.shim).env("DISK_FOLDER", self.folder()).env("DISK_CONTROL", control(&self.folder()))
    }

    /// Has all that it does recorded, too.
    pub fn recorded<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        self.under(command).env("DISK_LOG", self.log()).env("DISK_ACKS", self.acks())
    }

    /// What fails from now on; nothing where there are no words.
    pub fn fails(&self, words: &str) {
        fails(&self.folder(), words);
    }

    /// What was recorded.
    pub fn records(&self) -> Vec<Record> {
        Record::all(&fs::read(self.log()).unwrap())
    }
}

/// A folder in memory where the machine has such: what is judged is the order of calls, not this machine's disk.
pub fn in_memory() -> tempfile::TempDir {
    tempfile::TempDir::new_in("/dev/shm").or_else(|_| tempfile::TempDir::new()).unwrap()
}

fn control(folder: &Path) -> PathBuf {
    folder.with_file_name("control")
}

/// Says what fails on the disk of that folder.
pub fn fails(folder: &Path, words: &str) {
    let control = control(folder);
    let new = control.with_extension("new");
    fs::write(&new, words).unwrap();
    fs::rename(new, control).unwrap();
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Create { path: PathBuf, inode: u64 },
    Write { inode: u64, at: usize, bytes: Vec<u8> },
    Truncate { inode: u64, length: usize },
    Rename { from: PathBuf, to: PathBuf },
    Link { from: PathBuf, to: PathBuf },
    Unlink(PathBuf),
    Folder(PathBuf),
    Sync { inode: u64, outcome: Synced },
    SyncFolder { path: PathBuf, outcome: Synced },
    Said(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synced {
    Done,
    Failed,
    /// The disk said that it was done.
    Swallowed,
}

impl Record {
    fn all(mut log: &[u8]) -> Vec<Self> {
        let mut all = Vec::new();
        while !log.is_empty() {
            all.push(Self::read(&mut log).expect("a whole record"));
        }
        all
    }

    fn read(log: &mut &[u8]) -> Option<Self> {
        let kind = u8::try_from(u32::from_ne_bytes(take(log, 4)?.try_into().ok()?)).ok()?;
        let path_length = u32::from_ne_bytes(take(log, 4)?.try_into().ok()?);
        let mut number = || Some(u64::from_ne_bytes(take(log, 8)?.try_into().ok()?));
        let (inode, offset, length) = (number()?, number()?, number()?);
        let path = String::from_utf8(take(log, usize::try_from(path_length).ok()?)?.to_vec()).ok()?;
        let bytes = take(log, usize::try_from(length).ok()?)?.to_vec();
        let at = usize::try_from(offset).ok()?;
        let outcome = [Synced::Done, Synced::Failed, Synced::Swallowed].get(at).copied();
        let pair = || path.trim_end_matches('\0').split_once('\0').map(|(from, to)| (PathBuf::from(from), PathBuf::from(to)));
        Some(match kind {
            b'C' => Self::Create { path: path.into(), inode },
            b'W' => Self::Write { inode, at, bytes },
            b'T' => Self::Truncate { inode, length: at },
            b'R' => pair().map(|(from, to)| Self::Rename { from, to })?,
            b'L' => pair().map(|(from, to)| Self::Link { from, to })?,
            b'U' => Self::Unlink(path.into()),
            b'M' => Self::Folder(path.into()),
            b'S' => Self::Sync { inode, outcome: outcome? },
            b'D' => Self::SyncFolder { path: path.into(), outcome: outcome? },
            b'A' => Self::Said(String::from_utf8(bytes).ok()?),
            _ => return None,
        })
    }
}

fn take<'b>(log: &mut &'b [u8], count: usize) -> Option<&'b [u8]> {
    let (taken, rest) = log.split_at_checked(count)?;
    *log = rest;
    Some(taken)
}
