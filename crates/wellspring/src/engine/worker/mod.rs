//! Extraction in child processes. A page is hostile until read: a thread that it keeps busy can't be stopped, and a stack that it
//! overflows ends the process. A child can be killed, has bounds of its own and knows no secret.
//!
//! Children are started on demand, used again, and closed when idle.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use wellspring_core::failure::{Code, Failure, Kind};
use wellspring_core::period::format_period;
use wellspring_core::snapshot::Digest;

use super::extraction::{Ruled, Setting};
use crate::lifecycle;
use crate::lifecycle::nursery::{Death, Nursery};
use process::Process;
use protocol::{Job, MAX_PAYLOAD, Outcome, Reply, Task};

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod process;
pub mod protocol;

/// The hidden command that a child runs, with the number of its parent's process.
pub const COMMAND: &str = "__worker";

/// Children at once, however many cores there are.
const MOST: usize = 4;
/// The longest job. An ordinary page of 8 MiB takes half a second, the worst known four; a refresh's own deadline ends a job earlier by dropping it.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a child may have nothing to do.
const IDLE: Duration = Duration::from_secs(10);
/// After so many jobs a child is replaced, whatever it may have leaked.
const JOBS: u32 = 500;
/// A child that holds more than this after a job is replaced, in KiB: allocators are slow to give back.
const LARGE: u64 = 64 * 1024;
/// Whose rules a child holds compiled, at most.
const RULES: usize = 64;

/// Signals that stop a process in an orderly way. Supervisors send them to all processes of a service, while ours still drains.
const ORDERLY: [i32; 3] = [1, 2, 15];
/// What nobody but the system sends, when memory is short, and people.
const KILL: i32 = 9;

/// How children are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program, this one.
    pub program: PathBuf,
    /// Children at once.
    pub at_most: usize,
    /// The longest job.
    pub patience: Duration,
    /// How long a child may have nothing to do.
    pub idle: Duration,
}

/// A pool of children.
#[derive(Debug)]
pub struct Workers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    places: Semaphore,
    nursery: Nursery,
    idle: Mutex<Vec<Worker>>,
    /// True while a task looks after the idle ones.
    swept: AtomicBool,
}

#[derive(Debug)]
struct Worker {
    process: Process,
    /// The rules that it holds compiled.
    knows: HashSet<Digest>,
    jobs: u32,
    /// How often a sweep has found it idle.
    passed_over: u8,
}

/// Why a child gave nothing.
enum Lost {
    /// It had ended by a signal that meant the service, not the job.
    Orderly,
    /// For good.
    Failed(Failure),
}

impl Options {
    /// The usual bounds, for this program.
    pub fn new(program: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { program, at_most: cores.min(MOST), patience: PATIENCE, idle: IDLE }
    }
}

impl Workers {
    /// A pool without children yet.
    ///
    /// # Errors
    /// Where the system refuses another thread.
    pub fn new(options: Options) -> io::Result<Self> {
        let nursery = Nursery::open("workers")?;
        let places = Semaphore::new(options.at_most.max(1));
        Ok(Self { shared: Arc::new(Shared { options, places, nursery, idle: Mutex::default(), swept: AtomicBool::new(false) }) })
    }

    /// Has a child do a job; what it gave, beside its payload. Dropping the future kills the child that is busy with it.
    ///
    /// # Errors
    /// The failure that the refresh ends with.
    pub async fn run(&self, rules: &Ruled, setting: &Setting, task: Task<'_>, payload: &[u8]) -> Result<(Outcome, Vec<u8>), Failure> {
        if payload.len() > MAX_PAYLOAD {
            return Err(Failure::permanent(Code::BodyTooLarge, format!("more than {} MiB are not extracted", MAX_PAYLOAD >> 20)));
        }
        let _place = self.shared.places.acquire().await.map_err(|_| closing())?;
        match self.attempt(rules, setting, &task, payload).await {
            Err(Lost::Orderly) => match self.attempt(rules, setting, &task, payload).await {
                Err(Lost::Orderly) => Err(closing()),
                Err(Lost::Failed(failure)) => Err(failure),
                Ok(given) => Ok(given),
            },
            Err(Lost::Failed(failure)) => Err(failure),
            Ok(given) => Ok(given),
        }
    }

    /// The processes that have nothing to do.
    pub fn idle(&self) -> Vec<u32> {
        self.shared.idle().iter().filter_map(|worker| worker.process.id()).collect()
    }

    /// Ends all children and takes no more jobs.
    pub async fn close(&self) {
        self.shared.places.close();
        let idle = std::mem::take(&mut *self.shared.idle());
        drop(idle);
        self.shared.nursery.settle().await;
    }

    async fn attempt(&self, rules: &Ruled, setting: &Setting, task: &Task<'_>, payload: &[u8]) -> Result<(Outcome, Vec<u8>), Lost> {
        let shared = &self.shared;
        let mut worker = shared.take().await.map_err(|e| Lost::Failed(not_started(&e)))?;
        let head = worker.head(rules, setting, task).map_err(|e| Lost::Failed(misunderstood(&e)))?;
        let asked = timeout(shared.options.patience, worker.process.ask(&head, payload)).await;
        let frame = match asked {
            Ok(Ok(frame)) => frame,
            // Dropped, and so killed.
            Err(_) => return Err(Lost::Failed(too_long(shared.options.patience))),
            Ok(Err(error)) if error.kind() == ErrorKind::InvalidData => return Err(Lost::Failed(misunderstood(&error))),
            Ok(Err(_)) => return Err(lost(worker.process.bury().await)),
        };
        let reply: Reply = serde_json::from_slice(&frame.head).map_err(|e| Lost::Failed(misunderstood(&e)))?;
        worker.jobs += 1;
        if worker.jobs < JOBS && reply.resident < LARGE {
            shared.rest(worker);
        }
        Ok((reply.outcome, frame.payload))
    }
}

impl Worker {
    /// A job's head, with the rules where this worker does not hold them.
    fn head(&mut self, rules: &Ruled, setting: &Setting, task: &Task<'_>) -> serde_json::Result<Vec<u8>> {
        let is_known = self.knows.contains(&rules.digest);
        let forget = !is_known && self.knows.len() >= RULES;
        if forget {
            self.knows.clear();
        }
        self.knows.insert(rules.digest);
        serde_json::to_vec(&Job {
            rules: rules.digest,
            definition: (!is_known).then_some(Cow::Borrowed(&rules.rules)),
            forget,
            now: setting.now,
            values: Cow::Borrowed(&setting.values),
            task: task.clone(),
        })
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle worker, the one used last, or a new one.
    async fn take(&self) -> io::Result<Worker> {
        while let Some(worker) = self.pop() {
            if worker.process.is_alive() {
                return Ok(worker);
            }
        }
        let process = Process::start(&self.nursery, &self.options.program).await?;
        Ok(Worker { process, knows: HashSet::new(), jobs: 0, passed_over: 0 })
    }

    fn pop(&self) -> Option<Worker> {
        self.idle().pop()
    }

    fn rest(self: &Arc<Self>, worker: Worker) {
        if self.places.is_closed() {
            return;
        }
        self.idle().push(Worker { passed_over: 0, ..worker });
        if !self.swept.swap(true, Ordering::AcqRel) {
            lifecycle::spawn(sweep(Arc::downgrade(self), self.options.idle / 2));
        }
    }

    /// Those that were idle at the last look too, and whether there is any other left.
    fn overdue(&self) -> (Vec<Worker>, bool) {
        let mut idle = self.idle();
        idle.iter_mut().for_each(|worker| worker.passed_over += 1);
        let (overdue, kept) = std::mem::take(&mut *idle).into_iter().partition(|worker| worker.passed_over > 1);
        *idle = kept;
        // Under the lock: whoever puts the next one there starts the next sweep.
        self.swept.store(!idle.is_empty(), Ordering::Release);
        (overdue, !idle.is_empty())
    }
}

/// Closes what is idle through two looks, until nothing is.
async fn sweep(shared: Weak<Shared>, every: Duration) {
    loop {
        sleep(every).await;
        let Some(shared) = shared.upgrade() else { return };
        let (overdue, goes_on) = shared.overdue();
        drop(overdue);
        if !goes_on {
            return;
        }
    }
}

fn closing() -> Failure {
    Failure::new(Kind::Cancelled, Code::Cancelled, "the server is stopping")
}

fn not_started(error: &io::Error) -> Failure {
    Failure::retryable(Code::Interrupted, format!("the process that extracts cannot be started: {error}"))
}

fn too_long(patience: Duration) -> Failure {
    Failure::permanent(Code::ExtractFailed, format!("the extraction took longer than {} and was ended", format_period(patience)))
}

fn misunderstood(error: &dyn Display) -> Failure {
    Failure::permanent(Code::ExtractFailed, format!("the process that extracts was not understood: {error}"))
}

fn lost(death: Option<Death>) -> Lost {
    let Some(death) = death else {
        return Lost::Failed(Failure::retryable(Code::Interrupted, "the process that extracts is gone"));
    };
    let words = format!("the process that extracts ended ({})", death.describe());
    match death.signal() {
        Some(signal) if ORDERLY.contains(&signal) => Lost::Orderly,
        Some(KILL) => Lost::Failed(Failure::retryable(Code::Interrupted, words)),
        // This body would end the next one too.
        _ => Lost::Failed(Failure::permanent(Code::ExtractFailed, words)),
    }
}
