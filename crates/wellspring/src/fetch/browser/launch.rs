//! Starting the browser: its folder, its flags, and the two pipes by which it is driven.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags, open};
use rustix::process::geteuid;
use tokio::net::unix::pipe;

use super::Options;
use crate::lifecycle::nursery::{Kept, Nursery};

/// The hidden command that becomes the browser: the number of the server's process, the user to be (0: as it is), the limit of
/// memory in bytes, the program and what it is told.
pub const COMMAND: &str = "__exec";
/// The descriptors at which Chromium looks for its two pipes.
pub const READ_FROM: i32 = 3;
/// As [`READ_FROM`].
pub const WRITE_TO: i32 = 4;

/// Whom the browser runs as where the server is root: nobody.
const NOBODY: u32 = 65_534;
/// How the folders of browsers begin; the number of the server's process follows.
const FOLDER: &str = "wellspring-browser-";

/// A started browser, of which nothing is known yet. Dropping it kills it and removes its folder.
#[derive(Debug)]
pub(super) struct Started {
    pub commands: pipe::Sender,
    pub messages: pipe::Receiver,
    pub words: pipe::Receiver,
    pub kept: Kept,
}

/// A folder that is removed when dropped. Held locked: a lock ends with its process, whose number may soon be another's (in a container
/// every server has the same).
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    _lock: File,
}

/// As whom the browser runs, where not as the one who starts it: root never renders a page.
pub fn user() -> Option<u32> {
    geteuid().is_root().then_some(NOBODY)
}

/// Starts the program.
///
/// # Errors
/// Where the system refuses a process, a folder or a pipe.
pub(super) async fn start(options: &Options, program: &Path, nursery: &Nursery) -> io::Result<Started> {
    let user = user();
    let folder = Folder::make(user)?;
    let mut kept = nursery.start(command(options, program, user.unwrap_or(0), &folder.path)).await?;
    kept.leave(folder);
    let child = kept.child()?;
    let piped = || io::Error::other("it has no pipes");
    let commands = OwnedFd::from(child.stdin.take().ok_or_else(piped)?);
    let messages = OwnedFd::from(child.stdout.take().ok_or_else(piped)?);
    let words = OwnedFd::from(child.stderr.take().ok_or_else(piped)?);
    Ok(Started {
        commands: pipe::Sender::from_owned_fd(commands)?,
        messages: pipe::Receiver::from_owned_fd(messages)?,
        words: pipe::Receiver::from_owned_fd(words)?,
        kept,
    })
}

fn command(options: &Options, program: &Path, user: u32, folder: &Path) -> Command {
    let mut command = Command::new(&options.launcher);
    command
        .args([COMMAND, &std::process::id().to_string(), &user.to_string(), &options.memory.to_string()])
        .arg(program)
        .args(flags(options, folder))
        // Secrets are in there.
        .env_clear()
        .envs([("HOME", folder), ("TMPDIR", folder), ("XDG_CONFIG_HOME", folder), ("XDG_CACHE_HOME", folder)])
        .env("LANG", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What Chromium is told. It reaches nothing by itself: no name resolves, and every page has a proxy of its own; the one named here
/// does not exist.
fn flags(options: &Options, folder: &Path) -> Vec<String> {
    const FLAGS: &[&str] = &[
        "--headless",
        "--remote-debugging-pipe",
        "--proxy-server=http://127.0.0.1:9",
        // Otherwise what is on loopback is asked past the proxy.
        "--proxy-bypass-list=<-loopback>",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        "--disable-quic",
        // One of the two is understood, by this kind of binary or the other; without it, WebRTC goes past the proxy.
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--enable-features=NetworkServiceInProcess2",
        "--disable-gpu",
        "--disable-software-rasterizer",
        "--num-raster-threads=1",
        "--js-flags=--max-old-space-size=128",
        "--block-new-web-contents",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-default-apps",
        "--disable-extensions",
        "--disable-breakpad",
        "--disable-crash-reporter",
        "--metrics-recording-only",
        "--no-first-run",
        "--no-default-browser-check",
        "--mute-audio",
        "--hide-scrollbars",
        "--password-store=basic",
        "--window-size=1280,1024",
        // Otherwise an empty page that nobody asked for keeps a renderer of its own.
        "--no-startup-window",
    ];
    let mut flags: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
    flags.push(format!("--user-data-dir={}", folder.display()));
    flags.push(format!("--user-agent={}", options.user_agent));
    if !options.sandbox {
        flags.push("--no-sandbox".to_owned());
    }
    flags
}

impl Folder {
    /// Makes one that only the browser's user can read.
    fn make(user: Option<u32>) -> io::Result<Self> {
        let place = std::env::temp_dir();
        for number in 0..1_000 {
            let path = place.join(format!("{FOLDER}{}-{number}", std::process::id()));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    // Another server may sweep it away before it is locked.
                    let Some(lock) = locked(&path) else { continue };
                    let folder = Self { path, _lock: lock };
                    if user.is_some() {
                        chown(&folder.path, user, user)?;
                    }
                    return Ok(folder);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(io::Error::new(error.kind(), format!("its folder {} cannot be made: {error}", path.display()))),
            }
        }
        Err(io::Error::other(format!("{} is full of folders that begin with {FOLDER}", place.display())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// The lock of a folder that nobody holds.
fn locked(path: &Path) -> Option<File> {
    // What is no folder, as a pipe that somebody put there, is not waited for.
    let folder = open(path, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let folder = File::from(folder);
    folder.try_lock().is_ok().then_some(folder)
}

/// Removes the folders of servers that are no more.
pub(super) fn sweep() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(FOLDER));
        if is_ours && let Some(_lock) = locked(&entry.path()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
