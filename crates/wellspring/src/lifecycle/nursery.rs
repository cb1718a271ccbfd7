//! Child processes: started, killed and buried by one thread, each in a process group of its own.
//!
//! A parent-death signal follows the thread that started the child, not the process, so that must not be a thread of a pool, which
//! ends when it has nothing to do.

use std::any::Any;
use std::io::{self, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, waitid, waitpgid};
use tokio::sync::oneshot;

/// How much of a child's last words is read, in bytes.
const MAX_WORDS: u64 = 64 * 1024;
/// How many characters of them are told.
const TOLD: usize = 200;
/// How often, and how far apart, a killed group is looked at until it is gone.
const LOOKS: u32 = 200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// The thread that starts children and buries them.
#[derive(Clone, Debug)]
pub struct Nursery(mpsc::Sender<Errand>);

#[derive(Debug)]
enum Errand {
    /// Carries a way back, for a child that nobody waits for any more.
    Start(Box<Command>, Nursery, oneshot::Sender<io::Result<Kept>>),
    Bury(Child, Legacy, Option<oneshot::Sender<Death>>),
    Settle(oneshot::Sender<()>),
}

/// What is dropped when a child is buried.
type Legacy = Option<Box<dyn Any + Send>>;

/// A child that is killed and reaped when dropped, with its whole process group.
#[derive(Debug)]
pub struct Kept {
    /// Taken at the end.
    child: Option<Child>,
    legacy: Legacy,
    nursery: Nursery,
}

/// How a child ended.
#[derive(Debug)]
pub struct Death {
    status: ExitStatus,
    words: String,
}

impl Nursery {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system refuses another thread.
    pub fn open(name: &str) -> io::Result<Self> {
        let (errands, todo) = mpsc::channel::<Errand>();
        // Ends when the last child is buried and the last nursery dropped.
        super::thread(name, move || todo.iter().for_each(perform))?;
        Ok(Self(errands))
    }

    /// Starts a child as the leader of a group of its own. Ctrl-C at a terminal goes to a whole group; a drain needs its children.
    ///
    /// # Errors
    /// Where the system refuses another process, or does not find the program.
    pub async fn start(&self, mut command: Command) -> io::Result<Kept> {
        command.process_group(0);
        let (sender, started) = oneshot::channel();
        self.0.send(Errand::Start(Box::new(command), self.clone(), sender)).map_err(|_| gone())?;
        started.await.map_err(|_| gone())?
    }

    /// Waits until whatever was dropped before is buried.
    pub async fn settle(&self) {
        let (sender, settled) = oneshot::channel();
        if self.0.send(Errand::Settle(sender)).is_ok() {
            let _ = settled.await;
        }
    }
}

impl Kept {
    /// The child, to take its pipes from.
    ///
    /// # Errors
    /// None while it is held; the child is there until the end.
    pub fn child(&mut self) -> io::Result<&mut Child> {
        self.child.as_mut().ok_or_else(gone)
    }

    /// Keeps something until the child and its group are no more.
    pub fn leave(&mut self, legacy: impl Any + Send) {
        self.legacy = Some(Box::new(legacy));
    }

    /// Its process, and its group.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// True while it has not ended.
    pub fn is_alive(&self) -> bool {
        // Left to be reaped: until then nobody else gets its number, and killing its group is safe.
        let looking = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.child.as_ref().is_some_and(|child| matches!(waitid(WaitId::Pid(Pid::from_child(child)), looking), Ok(None)))
    }

    /// Ends it, and tells how it ended: by itself, where it had ended already.
    pub async fn bury(mut self) -> Option<Death> {
        let child = self.child.take()?;
        let (sender, buried) = oneshot::channel();
        self.nursery.0.send(Errand::Bury(child, self.legacy.take(), Some(sender))).ok()?;
        buried.await.ok()
    }
}

impl Death {
    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// How and with which words, for people.
    pub fn describe(&self) -> String {
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
        let Some(child) = self.child.take() else { return };
        // At once: what it computes is wanted by nobody. It stays a zombie only until the thread comes to it.
        kill(&child);
        if let Err(mpsc::SendError(Errand::Bury(mut child, ..))) = self.nursery.0.send(Errand::Bury(child, self.legacy.take(), None)) {
            let _ = child.wait();
        }
    }
}

fn perform(errand: Errand) {
    match errand {
        Errand::Start(mut command, nursery, sender) => {
            // Where nobody waits any more it is dropped, and so comes back to be buried.
            drop(sender.send(command.spawn().map(|child| Kept { child: Some(child), legacy: None, nursery })));
        }
        Errand::Bury(child, legacy, sender) => {
            let death = bury(child);
            drop(legacy);
            if let (Some(sender), Ok(death)) = (sender, death) {
                drop(sender.send(death));
            }
        }
        Errand::Settle(sender) => drop(sender.send(())),
    }
}

/// A group whose leader is not reaped yet is this child's and nobody else's.
fn kill(child: &Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

/// Ends it where it has not ended, reaps it with its group and reads what it said.
fn bury(mut child: Child) -> io::Result<Death> {
    // A status that stands already is not changed by this.
    kill(&child);
    let group = Pid::from_child(&child);
    let status = child.wait()?;
    reap(group);
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        stderr.take(MAX_WORDS).read_to_end(&mut said)?;
    }
    Ok(Death { status, words: last_words(&String::from_utf8_lossy(&said)) })
}

/// Reaps what the child had started: it comes to this process where that adopts orphans, else to the system's first.
fn reap(group: Pid) {
    for _ in 0..LOOKS {
        match waitpgid(group, WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => std::thread::sleep(BETWEEN_LOOKS),
            Err(_) => return,
        }
    }
}

/// The last lines that say something, on one line.
pub fn last_words(said: &str) -> String {
    let mut words: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("note: ")).collect();
    words.drain(..words.len().saturating_sub(3));
    let words: String = words.join(" ").chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match words.char_indices().nth(TOLD) {
        Some((cut, _)) => format!("{}…", &words[..cut]),
        None => words,
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that starts processes is gone")
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

    #[tokio::test]
    async fn a_group_ends_with_its_leader() {
        use std::process::Stdio;

        let nursery = Nursery::open("test").unwrap();
        let mut command = Command::new("sh");
        // The pipe is closed when the last of the group has ended.
        command.args(["-c", "sleep 1000 & echo started; wait"]).stdout(Stdio::piped());
        let mut kept = nursery.start(command).await.unwrap();
        let mut out = kept.child().unwrap().stdout.take().unwrap();
        let mut first = [0; 8];
        out.read_exact(&mut first).unwrap();
        assert!(kept.is_alive());
        let death = kept.bury().await.unwrap();
        assert_eq!((death.signal(), death.describe().as_str()), (Some(9), "signal 9"));
        assert_eq!(out.read(&mut first).unwrap(), 0);
    }
}
