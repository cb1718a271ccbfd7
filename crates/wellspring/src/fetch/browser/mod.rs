//! Pages that only a browser can read: one Chromium, started on demand, closed when idle, driven over a pair of pipes.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::guard::Guard;
use super::{FetchError, Rendered, Request};

#[doc(hidden)]
pub mod proxy;

/// Where the browser is, looked up whenever one is started: one that is installed later is found without a restart. The error is
/// the way out, in words.
pub type Locate = Arc<dyn Fn() -> Result<PathBuf, String> + Send + Sync>;

/// How the browser is run.
#[derive(Clone)]
pub struct Options {
    /// Where it is.
    pub locate: Locate,
    /// This program, which starts it.
    pub launcher: PathBuf,
    /// Whether its own sandbox is on.
    pub sandbox: bool,
    /// How long it is kept while nobody needs it.
    pub idle: Duration,
    /// Pages at once.
    pub pages: usize,
    /// How much each of its processes may write to in memory, in bytes.
    pub memory: u64,
    /// What it calls itself where a request does not say.
    pub user_agent: String,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("sandbox", &self.sandbox).field("pages", &self.pages).finish_non_exhaustive()
    }
}

/// A browser, which runs only while it is needed.
#[derive(Debug)]
pub struct Browser {
    options: Options,
    guard: Guard,
}

/// What a browser is like that could be started.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Which program.
    pub executable: PathBuf,
    /// What it calls itself, as `HeadlessChrome/156.0.8078.79`.
    pub version: String,
    /// How long it took to start and show an empty page.
    pub took: Duration,
}

impl Browser {
    /// One that is not started yet.
    ///
    /// # Errors
    /// Where the system refuses a thread.
    pub fn new(options: Options, guard: Guard) -> io::Result<Self> {
        Ok(Self { options, guard })
    }

    /// Renders a page within `request.within`, starting the browser where it does not run. Dropping the future closes the page.
    ///
    /// # Errors
    /// Why there is no page. None of its words holds a secret.
    pub async fn render(&self, request: &Request) -> Result<Rendered, FetchError> {
        let _ = (&self.options, &self.guard, request);
        Err(FetchError::BrowserFailed("is not driven yet".to_owned()))
    }

    /// Starts it, has it show an empty page, and leaves it to be closed when idle.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn probe(&self) -> Result<Probe, FetchError> {
        Err(FetchError::BrowserFailed("is not driven yet".to_owned()))
    }

    /// Ends it, and takes no more pages.
    pub async fn close(&self) {}
}
