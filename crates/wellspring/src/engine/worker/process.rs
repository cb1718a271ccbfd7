//! A worker's process as the server holds it: started and buried by one thread, spoken to through pipes.

use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;

use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::protocol::{self, Frame};
use crate::lifecycle;

/// How much of a worker's last words is read, in bytes.
const MAX_WORDS: u64 = 64 * 1024;
/// How many characters of them are told.
const TOLD: usize = 200;

/// The one thread that starts workers and buries them. Workers die with the thread that started them (the parent-death signal
/// follows it, not the process), so it must not be one of a pool, which end when they have nothing to do.
#[derive(Clone, Debug)]
pub(super) struct Nursery(mpsc::Sender<Errand>);

#[derive(Debug)]
enum Errand {
    /// Carries a way back, for a worker that nobody waits for any more.
    Start(Nursery, oneshot::Sender<io::Result<Kept>>),
    Bury(Child, Option<oneshot::Sender<Death>>),
    Settle(oneshot::Sender<()>),
}

/// A process that is killed and reaped when dropped.
#[derive(Debug)]
struct Kept {
    /// Taken at the end.
    child: Option<Child>,
    nursery: Nursery,
}

/// A running worker. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    jobs: pipe::Sender,
    replies: pipe::Receiver,
    kept: Kept,
}

/// How a worker ended.
#[derive(Debug)]
pub(super) struct Death {
    status: ExitStatus,
    words: String,
}

impl Nursery {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system refuses another thread.
    pub(super) fn open(program: PathBuf) -> io::Result<Self> {
        let (errands, todo) = mpsc::channel();
        // Ends when the last worker is buried and the last nursery dropped.
        lifecycle::thread("workers", move || todo.iter().for_each(|errand| perform(&program, errand)))?;
        Ok(Self(errands))
    }

    /// Starts a worker.
    ///
    /// # Errors
    /// Where the system refuses another process.
    pub(super) async fn start(&self) -> io::Result<Process> {
        let (sender, started) = oneshot::channel();
        self.0.send(Errand::Start(self.clone(), sender)).map_err(|_| gone())?;
        let mut kept = started.await.map_err(|_| gone())??;
        let child = kept.child.as_mut().ok_or_else(gone)?;
        let jobs = OwnedFd::from(child.stdin.take().ok_or_else(gone)?);
        let replies = OwnedFd::from(child.stdout.take().ok_or_else(gone)?);
        Ok(Process { jobs: pipe::Sender::from_owned_fd(jobs)?, replies: pipe::Receiver::from_owned_fd(replies)?, kept })
    }

    /// Waits until whatever was dropped before is buried.
    pub(super) async fn settle(&self) {
        let (sender, settled) = oneshot::channel();
        if self.0.send(Errand::Settle(sender)).is_ok() {
            let _ = settled.await;
        }
    }
}

impl Process {
    /// Sends a job and waits for what comes of it.
    ///
    /// # Errors
    /// A worker that is no more, or makes no sense.
    pub(super) async fn ask(&mut self, head: &[u8], payload: &[u8]) -> io::Result<Frame> {
        protocol::send(&mut self.jobs, head, payload).await?;
        protocol::receive(&mut self.replies).await
    }

    /// Its process.
    pub(super) fn id(&self) -> Option<u32> {
        self.kept.child.as_ref().map(Child::id)
    }

    /// True while it has not ended.
    pub(super) fn is_alive(&mut self) -> bool {
        self.kept.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Ends it, and tells how it ended: by itself, where it had ended already.
    pub(super) async fn bury(mut self) -> Option<Death> {
        let child = self.kept.child.take()?;
        let (sender, buried) = oneshot::channel();
        self.kept.nursery.0.send(Errand::Bury(child, Some(sender))).ok()?;
        buried.await.ok()
    }
}

impl Death {
    /// The signal that ended it.
    pub(super) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// How and with which words, for people.
    pub(super) fn describe(&self) -> String {
        let how = match (self.status.signal(), self.status.code()) {
            (Some(signal), _) => format!("signal {signal}"),
            (_, Some(code)) => format!("exit code {code}"),
            _ => "no reason known".to_owned(),
        };
        if self.words.is_empty() { how } else { format!("{how}: {}", self.words) }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // At once: what it computes is wanted by nobody. It stays a zombie only until the thread comes to it.
        let _ = child.kill();
        if let Err(mpsc::SendError(Errand::Bury(mut child, _))) = self.nursery.0.send(Errand::Bury(child, None)) {
            let _ = child.wait();
        }
    }
}

fn perform(program: &PathBuf, errand: Errand) {
    match errand {
        Errand::Start(nursery, sender) => {
            // Where nobody waits any more it is dropped, and so comes back to be buried.
            drop(sender.send(spawn(program).map(|child| Kept { child: Some(child), nursery })));
        }
        Errand::Bury(child, sender) => {
            let death = bury(child);
            if let (Some(sender), Ok(death)) = (sender, death) {
                drop(sender.send(death));
            }
        }
        Errand::Settle(sender) => drop(sender.send(())),
    }
}

fn spawn(program: &PathBuf) -> io::Result<Child> {
    Command::new(program)
        .arg0("wellspring")
        .arg(super::COMMAND)
        .arg(std::process::id().to_string())
        // Secrets are in there.
        .env_clear()
        .current_dir("/")
        // Ctrl-C at a terminal goes to a whole group; a drain needs its workers.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Ends it where it has not ended, reaps it and reads what it said.
fn bury(mut child: Child) -> io::Result<Death> {
    // A status that stands already is not changed by this.
    let _ = child.kill();
    let status = child.wait()?;
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        stderr.take(MAX_WORDS).read_to_end(&mut said)?;
    }
    Ok(Death { status, words: last_words(&String::from_utf8_lossy(&said)) })
}

/// The last lines that say something, on one line.
fn last_words(said: &str) -> String {
    let mut words: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("note: ")).collect();
    words.drain(..words.len().saturating_sub(3));
    let words: String = words.join(" ").chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match words.char_indices().nth(TOLD) {
        Some((cut, _)) => format!("{}…", &words[..cut]),
        None => words,
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that starts workers is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_short_and_on_one_line() {
        assert_eq!(
            last_words("\nthread 'job' panicked at x.rs:1:2:\nindex\tout\n\nnote: run with\n"),
            "thread 'job' panicked at x.rs:1:2: index out"
        );
        assert_eq!(last_words("a\nb\nc\nd\n"), "b c d");
        assert_eq!(last_words(&"é".repeat(500)).chars().count(), TOLD + 1);
        assert_eq!(last_words(""), "");
    }
}
