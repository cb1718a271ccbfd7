//! A browser process that runs.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{getpid, set_child_subreaper};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::time::timeout;
use wellspring_core::moment::Mono;
use wellspring_core::period::format_period;

use super::pipe::Pipe;
use super::watch::text;
use super::{Options, Wear, census, launch};
use crate::lifecycle;
use crate::lifecycle::nursery::{Death, Kept, Nursery, last_words};

/// How long a browser may take to say that it is there.
const STARTS: Duration = Duration::from_secs(10);
/// How much of its last words is kept, in bytes.
const WORDS: usize = 8 << 10;
/// What it says in any case, and is no reason for anything: there is no desktop where a server runs.
const USUAL: [&str; 3] = ["ERROR:dbus/", ":WARNING:", ":INFO:"];
/// The signal by which Chromium ends itself where it cannot go on (`SIGTRAP`).
const GIVES_UP: i32 = 5;
/// How long the end of its words is waited for.
const SPEAKS: Duration = Duration::from_millis(500);

/// What is added where its sandbox cannot be made, after how it ended.
pub const WITHOUT_SANDBOX: &str = "; its sandbox needs user namespaces: allow them (sysctl kernel.unprivileged_userns_clone=1, or \
    the container's seccomp profile), or, where nothing else helps, set `sandbox = false` under [browser]";

/// A browser. It is killed, and its folder removed, when the last of its pages is closed.
#[derive(Debug)]
pub(super) struct Running {
    pub pipe: Pipe,
    pub executable: PathBuf,
    /// What it calls itself.
    pub version: String,
    born: Mono,
    wear: Wear,
    pages: AtomicU32,
    /// True where no further page is to be opened in it.
    worn: AtomicBool,
    kept: Mutex<Option<Kept>>,
    words: Arc<Words>,
}

#[derive(Debug, Default)]
struct Words {
    said: Mutex<Vec<u8>>,
    over: tokio::sync::Notify,
}

impl Running {
    /// Starts one.
    ///
    /// # Errors
    /// Why it does not start, after "the browser".
    pub(super) async fn start(options: &Options, wear: Wear, executable: PathBuf, nursery: &Nursery, now: Mono) -> Result<Self, String> {
        let shown = executable.display();
        // What a killed browser leaves comes to us to be reaped, and not to whoever is the system's first process.
        let _ = set_child_subreaper(Some(getpid()));
        let started = launch::start(options, &executable, nursery).await.map_err(|error| format!("{shown} does not start: {error}"))?;
        let words = Arc::new(Words::default());
        lifecycle::spawn(follow(started.words, Arc::clone(&words)));
        let pipe = Pipe::open(started.commands, started.messages);
        let answered = timeout(STARTS, pipe.call(None, "Browser.getVersion", json!({}))).await;
        if let Ok(Ok(version)) = answered {
            let version = text(&version["product"]).to_owned();
            let (pages, worn, kept) = (AtomicU32::new(0), AtomicBool::new(false), Mutex::new(Some(started.kept)));
            return Ok(Self { pipe, executable, version, born: now, wear, pages, worn, kept, words });
        }
        let how = match answered {
            Err(_) => format!("no answer within {}; then {}", format_period(STARTS), described(started.kept, &words).await),
            Ok(_) => described(started.kept, &words).await,
        };
        Err(format!("{shown} does not start ({how}){}", hint(&how)))
    }

    /// True where another page may be opened in it at this moment.
    pub(super) fn is_fit(&self, now: Mono) -> bool {
        let is_alive = || self.kept.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(Kept::is_alive);
        !self.worn.load(Ordering::Acquire) && !self.pipe.is_over() && now.since(self.born) < self.wear.age && is_alive()
    }

    /// Counts a page.
    pub(super) fn count(&self) {
        if self.pages.fetch_add(1, Ordering::AcqRel) + 1 >= self.wear.pages {
            self.wear_out();
        }
    }

    /// Has it replaced when its pages are closed.
    pub(super) fn wear_out(&self) {
        self.worn.store(true, Ordering::Release);
    }

    /// The processes that hold its pages.
    pub(super) fn renderers(&self) -> Vec<u32> {
        self.group().map(census::renderers_of).unwrap_or_default()
    }

    fn group(&self) -> Option<u32> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Kept::id)
    }

    /// Looks at what it holds between two pages.
    pub(super) fn weigh(&self) {
        if self.group().is_some_and(|group| census::held_by(group) > self.wear.held) {
            self.wear_out();
        }
    }

    /// Ends it at once. How it ended, where that is not known yet.
    pub(super) async fn end(&self) -> Option<String> {
        self.wear_out();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(described(kept, &self.words).await)
    }
}

/// Ends it, and says how it ended and with which words.
async fn described(kept: Kept, words: &Words) -> String {
    let death = kept.bury().await;
    let how = death.as_ref().map_or_else(|| "no reason known".to_owned(), Death::describe);
    // They are closed with the last of its processes.
    let _ = timeout(SPEAKS, words.over.notified()).await;
    let said = words.said.lock().unwrap_or_else(PoisonError::into_inner);
    let said = String::from_utf8_lossy(&said);
    let telling: Vec<&str> = said.lines().filter(|line| !USUAL.iter().any(|usual| line.contains(usual))).collect();
    let said = last_words(&telling.join("\n"));
    match death.and_then(|death| death.signal()) {
        _ if !said.is_empty() => format!("{how}: {said}"),
        Some(GIVES_UP) => format!("{how}, as where it gets no more memory: `memory` under [browser]"),
        _ => how,
    }
}

fn hint(how: &str) -> &'static str {
    if how.contains("No usable sandbox") || how.contains("namespace") { WITHOUT_SANDBOX } else { "" }
}

/// Keeps the last of what a browser says, so that it never waits for that to be read.
async fn follow(mut words: pipe::Receiver, kept: Arc<Words>) {
    let mut some = [0; 4_096];
    while let Ok(count @ 1..) = words.read(&mut some).await {
        let mut said = kept.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend(&some[..count]);
        let surplus = said.len().saturating_sub(WORDS);
        said.drain(..surplus);
    }
    kept.over.notify_one();
}
