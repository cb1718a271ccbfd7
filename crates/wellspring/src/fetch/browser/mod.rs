//! Pages that only a browser can read: one Chromium, started on demand, closed when idle, driven over a pair of pipes.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{COOKIE, USER_AGENT};
use serde_json::json;
use tokio::time::timeout;
use url::Url;

use super::guard::{Guard, Reason};
use super::{FetchError, Figures, Rendered, Request, shown_host};
use crate::clock::Clock;
use page::Visit;
use pool::Pool;
use proxy::{Limits, Outlet, Upstream};
pub use running::WITHOUT_SANDBOX;
use target::{Opening, Target};

mod census;
pub mod launch;
mod page;
mod pipe;
mod pool;
mod running;
mod scripts;
mod target;
mod watch;

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

/// When a browser is replaced, whatever it may have leaked.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Wear {
    /// After so many pages.
    pub pages: u32,
    /// After so long.
    pub age: Duration,
    /// When its processes hold more than this between two pages, in bytes, what is read from files left out.
    pub held: u64,
}

impl Default for Wear {
    fn default() -> Self {
        Self { pages: 500, age: Duration::from_secs(3_600), held: 128 << 20 }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("sandbox", &self.sandbox).field("pages", &self.pages).finish_non_exhaustive()
    }
}

/// A browser, which runs only while it is needed.
#[derive(Debug)]
pub struct Browser {
    pool: Arc<Pool>,
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

/// How long a browser is given to show an empty page.
const PROBED: Duration = Duration::from_secs(20);

impl Browser {
    /// One that is not started yet. Removes what servers that were killed have left of theirs.
    ///
    /// # Errors
    /// Where the system refuses a thread.
    pub fn new(options: Options, guard: Guard, clock: Arc<dyn Clock>) -> io::Result<Self> {
        Self::wearing(options, Wear::default(), guard, clock)
    }

    /// The same, replaced at other limits.
    #[doc(hidden)]
    pub fn wearing(options: Options, wear: Wear, guard: Guard, clock: Arc<dyn Clock>) -> io::Result<Self> {
        launch::sweep();
        Ok(Self { pool: Pool::new(options, wear, clock)?, guard })
    }

    /// Renders a page, starting the browser where it does not run: within `request.within` from its turn on, which is waited for as
    /// long. Dropping the future closes the page.
    ///
    /// # Errors
    /// Why there is no page. None of its words holds a secret.
    pub async fn render(&self, request: &Request) -> Result<Rendered, FetchError> {
        let Some(page) = &request.page else { return Err(FetchError::BadAddress(request.url.to_string())) };
        let url = self.judged(request)?;
        let host = shown_host(&url, &request.url);
        let within = request.within;
        let failed = |reason: String| FetchError::PageFailed { host: host.clone(), reason };
        let turn = timeout(within, self.pool.turn()).await;
        let turn = turn.map_err(|_| failed(format!("the browser had no time for it within {within:?}")))??;
        let started = self.pool.now();
        let rendering = async {
            let mut place = self.pool.place(turn, &host).await?;
            let outlet = self.outlet(request).await?;
            let context = place.context(&outlet).await.map_err(|error| FetchError::BrowserFailed(error.to_string()))?;
            let opening = opening(request, &url, &context, &self.pool.options.user_agent);
            let target = Target::open(&place.running.pipe, opening).await.map_err(|error| FetchError::BrowserFailed(error.to_string()))?;
            let left = within.saturating_sub(self.pool.now().since(started));
            let rendered = Visit::new(request, page, url.clone(), &target, &outlet).render(left).await;
            match rendered {
                Err(FetchError::BrowserFailed(words)) => Err(FetchError::BrowserFailed(place.blame(words).await)),
                rendered => rendered,
            }
        };
        timeout(within, rendering).await.unwrap_or_else(|_| Err(failed("the browser did not open it in time".to_owned())))
    }

    /// Starts it, has it show an empty page, and leaves it to be closed when idle.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn probe(&self) -> Result<Probe, FetchError> {
        let started = self.pool.now();
        let probing = async {
            let mut place = self.pool.place(self.pool.turn().await?, "a page").await?;
            let outlet = self.opened(None).await?;
            let refused = |error: pipe::CallError| FetchError::BrowserFailed(error.to_string());
            let context = place.context(&outlet).await.map_err(refused)?;
            let url = Url::parse("http://localhost/").map_err(|error| FetchError::BadAddress(error.to_string()))?;
            let user_agent = self.pool.options.user_agent.clone();
            let empty = Opening { context: &context, url: &url, headers: Vec::new(), cookies: Vec::new(), user_agent, largest: None };
            let target = Target::open(&place.running.pipe, empty).await.map_err(refused)?;
            match target.evaluate("() => 6 * 7", &[]).await {
                Ok(answer) if answer == json!(42) => {}
                Ok(answer) => return Err(FetchError::BrowserFailed(format!("makes {answer} of 6 * 7"))),
                Err(error) => return Err(FetchError::BrowserFailed(place.blame(error.to_string()).await)),
            }
            let running = &place.running;
            let took = self.pool.now().since(started);
            Ok(Probe { executable: running.executable.clone(), version: running.version.clone(), took })
        };
        let late = || FetchError::BrowserFailed(format!("shows no page within {PROBED:?}"));
        timeout(PROBED, probing).await.unwrap_or_else(|_| Err(late()))
    }

    /// What is told of it, at once.
    pub fn figures(&self) -> Figures {
        self.pool.figures()
    }

    /// Ends it, and takes no more pages.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The address, where a page may be asked for there at all. What it resolves to is judged where it is dialled.
    fn judged(&self, request: &Request) -> Result<Url, FetchError> {
        let bad = || FetchError::BadAddress(request.url.to_string());
        let url = Url::parse(request.url.expose()).map_err(|_| bad())?;
        self.guard.judge_url(&url).map_err(|reason| match reason {
            Reason::Scheme => bad(),
            reason => FetchError::Refused { address: shown_host(&url, &request.url), reason: format!("it is {reason}") },
        })?;
        Ok(url)
    }

    async fn outlet(&self, request: &Request) -> Result<Arc<Outlet>, FetchError> {
        self.opened(request.proxy.as_ref().map(Upstream::of).transpose()?).await
    }

    async fn opened(&self, upstream: Option<Upstream>) -> Result<Arc<Outlet>, FetchError> {
        let opened = Outlet::open(self.guard.clone(), upstream, Limits::default()).await;
        opened.map(Arc::new).map_err(|error| FetchError::BrowserFailed(format!("cannot be given a way out: {error}")))
    }
}

/// What a page is opened with for a request. Cookies go to its own host as a browser sends them.
fn opening<'a>(request: &'a Request, url: &'a Url, context: &'a str, user_agent: &str) -> Opening<'a> {
    let mut cookies: Vec<(String, String)> = Vec::new();
    let mut headers = Vec::new();
    let mut user_agent = user_agent.to_owned();
    for (name, value) in &request.headers {
        let value = value.expose();
        if name == COOKIE {
            let pairs = value.split(';').filter_map(|pair| pair.trim().split_once('='));
            cookies.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        } else if name == USER_AGENT {
            value.clone_into(&mut user_agent);
        } else {
            headers.push((name.to_string(), value.to_owned()));
        }
    }
    if let Some(jar) = &request.jar {
        cookies.extend(jar.matching(url));
    }
    let largest = request.page.as_ref().and_then(|page| page.capture.as_ref()).map(|_| request.max_body);
    Opening { context, url, headers, cookies, user_agent, largest }
}
