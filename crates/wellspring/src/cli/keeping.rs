//! What the commands for what is kept share: where an archive is written to and read from, and how far they are.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal as _, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use wellspring_core::moment::Mono;

use super::words::size;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::store::archive::Counts;
use crate::store::sqlite::TRIES_AGAIN;

/// What stands for standard input and output.
pub(super) const STANDARD: &str = "-";
/// How hard what is written is compressed: zstd's usual.
const LEVEL: i32 = 3;
/// What takes longer than this tells how far it is, and how often.
const MOMENT: Duration = Duration::from_secs(1);
const OFTEN: Duration = Duration::from_millis(200);

/// A file that takes its name when it is whole; before that it has another, and is gone if this is dropped.
pub(super) struct Target {
    out: Out,
    /// Its name until then, and the name that it will have; none where it is written as it comes.
    names: Option<(PathBuf, PathBuf)>,
}

enum Out {
    Plain(BufWriter<File>),
    Compressed(Box<zstd::stream::write::Encoder<'static, BufWriter<File>>>),
    Standard(io::Stdout),
    Done,
}

impl Target {
    /// Begins. A pipe or a device is written as it is.
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        if path.as_os_str() == STANDARD {
            if is_closed_output() {
                return Err(io::Error::new(io::ErrorKind::BrokenPipe, "it is closed"));
            }
            return Ok(Self { out: Out::Standard(io::stdout()), names: None });
        }
        // Where the name is a link, what it leads to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let special = path.metadata().is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
        if path.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        let (file, names) = if special {
            (OpenOptions::new().write(true).open(&path)?, None)
        } else {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(format!(".part-{}", std::process::id()));
            let part = path.with_file_name(name);
            (OpenOptions::new().write(true).create_new(true).open(&part)?, Some((part, path.clone())))
        };
        let mut target = Self { out: Out::Plain(BufWriter::with_capacity(1 << 16, file)), names };
        if path.extension().is_some_and(|extension| extension == "zst")
            && let Out::Plain(file) = std::mem::replace(&mut target.out, Out::Done)
        {
            let mut encoder = zstd::stream::write::Encoder::new(file, LEVEL)?;
            encoder.include_checksum(true)?;
            target.out = Out::Compressed(Box::new(encoder));
        }
        Ok(target)
    }

    /// Appends.
    pub(super) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match &mut self.out {
            Out::Plain(file) => file.write_all(piece),
            Out::Compressed(encoder) => encoder.write_all(piece),
            Out::Standard(out) => out.write_all(piece),
            Out::Done => Ok(()),
        }
    }

    /// Makes it durable and gives it its name. Its size in bytes, where it has one.
    pub(super) fn finish(mut self) -> io::Result<Option<u64>> {
        let file = match std::mem::replace(&mut self.out, Out::Done) {
            Out::Plain(file) => file.into_inner().map_err(io::IntoInnerError::into_error)?,
            Out::Compressed(encoder) => encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?,
            Out::Standard(mut out) => return out.flush().map(|()| None),
            Out::Done => return Ok(None),
        };
        let Some((part, path)) = &self.names else { return Ok(None) };
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        fs::rename(part, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        self.names = None;
        Ok(Some(bytes))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some((part, _)) = &self.names {
            let _ = fs::remove_file(part);
        }
    }
}

/// Whether standard output was closed when the process began: what takes its place then is the null device, opened to be read too,
/// which whoever writes there on purpose has no use for.
fn is_closed_output() -> bool {
    let out = io::stdout();
    let is_null = || {
        let (there, null) = (rustix::fs::fstat(&out).ok()?, rustix::fs::stat("/dev/null").ok()?);
        Some(there.st_rdev == null.st_rdev && there.st_mode == null.st_mode)
    };
    match rustix::fs::fcntl_getfl(&out) {
        Err(_) => true,
        Ok(flags) => flags.contains(rustix::fs::OFlags::RDWR) && is_null().unwrap_or(false),
    }
}

/// Opens an archive so that it can be read twice; what comes through a pipe is put into a nameless file in `folder` before.
pub(super) fn source(path: &Path, folder: &Path) -> io::Result<File> {
    let is_standard = path.as_os_str() == STANDARD;
    if !is_standard {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if meta.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        if meta.is_file() {
            return Ok(file);
        }
    }
    let spool = folder.join(format!(".wellspring-import-{}", std::process::id()));
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&spool)?;
    fs::remove_file(&spool)?;
    if is_standard {
        io::copy(&mut io::stdin().lock(), &mut file)?;
    } else {
        io::copy(&mut File::open(path)?.take(u64::MAX), &mut file)?;
    }
    file.rewind()?;
    Ok(file)
}

/// Tells on a terminal how far a command is, once it takes longer than a moment.
pub(super) struct Progress {
    is_shown: bool,
    verb: &'static str,
    /// When it tells next.
    next: Option<Mono>,
}

impl Progress {
    pub(super) fn new(verb: &'static str) -> Self {
        let next = io::stderr().is_terminal().then(|| SystemClock.mono().after(MOMENT));
        Self { is_shown: false, verb, next }
    }

    pub(super) fn tell(&mut self, so_far: Counts) {
        let now = SystemClock.mono();
        if self.next.is_some_and(|next| now >= next) {
            self.next = Some(now.after(OFTEN));
            self.is_shown = true;
            eprint!("\r{} {} keys, {}\x1b[K", self.verb, so_far.keys, size(so_far.bytes));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }
}

/// Comes when somebody ends the command: what is half done is then undone as after any failure. From this call on, not from when it
/// is first waited for.
pub(super) fn interrupted() -> impl Future<Output = String> {
    let caught = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        // Where they cannot be caught, they end the process as ever.
        let (Ok(mut interrupt), Ok(mut terminate)) = caught else { return std::future::pending().await };
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        "interrupted".to_owned()
    }
}

/// Why a store could not be written, by a command that gives up.
pub(super) fn given_up(why: &str) -> &str {
    why.strip_suffix(TRIES_AGAIN).unwrap_or(why)
}

/// The same with where that store is, which one that is shared does not say itself.
pub(super) fn at(config: &Config, place: &str, why: &str) -> String {
    if config.store.shared().is_some() { format!("{place}: {why}") } else { why.to_owned() }
}

/// `1 key`, `7 keys`.
pub(super) fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_its_name_when_it_is_whole() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("copy");
        fs::write(&path, "before").unwrap();
        let mut half = Target::begin(&path).unwrap();
        half.write(b"half").unwrap();
        drop(half);
        assert_eq!(fs::read(&path).unwrap(), b"before");
        let mut whole = Target::begin(&path).unwrap();
        whole.write(b"whole").unwrap();
        assert_eq!(whole.finish().unwrap(), Some(5));
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }
}
