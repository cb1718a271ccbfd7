//! The one browser that runs while it is needed: who may use it, when it is started, replaced and closed.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};
use wellspring_core::moment::Mono;
use wellspring_core::period::format_period;

use super::pipe::CallError;
use super::proxy::Outlet;
use super::running::Running;
use super::{Options, Wear, census, target};
use crate::clock::Clock;
use crate::fetch::{FetchError, Figures};
use crate::lifecycle;
use crate::lifecycle::nursery::Nursery;

/// How long a context may take to be disposed of; a browser that takes longer is killed.
const DISPOSES: Duration = Duration::from_secs(2);
/// How long the process of a page that is closed is waited for: it ends a moment later, and the memory of two pages is not to be held
/// where one has its turn after the other.
const LEAVES: Duration = Duration::from_millis(500);
/// How often it is looked at.
const LOOKS: Duration = Duration::from_millis(5);
/// How long a browser that does not start is left alone at first; doubled with every further failure.
const FIRST_REST: Duration = Duration::from_secs(1);
/// For how long at most.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Who may use the browser, and the browser.
#[derive(Debug)]
pub(super) struct Pool {
    pub options: Options,
    wear: Wear,
    clock: Arc<dyn Clock>,
    nursery: Nursery,
    places: Arc<Semaphore>,
    /// Held while one is started: whoever comes meanwhile gets the same.
    running: tokio::sync::Mutex<Option<Arc<Running>>>,
    /// Those that were replaced, and end with their last page.
    former: Mutex<Vec<Weak<Running>>>,
    trouble: Mutex<Option<Trouble>>,
    /// Pages that are open.
    open: AtomicU32,
    /// How often it was looked at since a page was open.
    looks: AtomicU32,
    /// True while a task looks whether it is idle.
    swept: AtomicBool,
    /// Browsers that were started.
    starts: AtomicU64,
}

/// A browser that did not start.
#[derive(Clone, Debug)]
struct Trouble {
    why: String,
    failures: u32,
    until: Mono,
}

/// The context of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Context {
    None,
    /// Asked for: whether there is one is not known.
    Asked,
    Made(String),
}

/// A place for one page, and the browser that it is opened in. However it ends, the page is closed and the place given back then.
#[derive(Debug)]
pub(super) struct Place {
    pub running: Arc<Running>,
    pool: Arc<Pool>,
    /// What has to be disposed of.
    context: Context,
    /// Held until the page is gone: its port may be another program's from then on.
    outlet: Option<Arc<Outlet>>,
    /// Given back at the end.
    permit: Option<OwnedSemaphorePermit>,
}

impl Pool {
    pub(super) fn new(options: Options, wear: Wear, clock: Arc<dyn Clock>) -> io::Result<Arc<Self>> {
        let places = Arc::new(Semaphore::new(options.pages.max(1)));
        Ok(Arc::new(Self {
            options,
            wear,
            clock,
            nursery: Nursery::open("browser")?,
            places,
            running: tokio::sync::Mutex::default(),
            former: Mutex::default(),
            trouble: Mutex::default(),
            open: AtomicU32::new(0),
            looks: AtomicU32::new(0),
            swept: AtomicBool::new(false),
            starts: AtomicU64::new(0),
        }))
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// Where there are no more pages to be had.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, FetchError> {
        Arc::clone(&self.places).acquire_owned().await.map_err(|_| closed())
    }

    /// A place in a browser, which is started where none runs.
    ///
    /// # Errors
    /// Where there is none, or it does not start. `host` is what it is wanted for.
    pub(super) async fn place(self: &Arc<Self>, permit: OwnedSemaphorePermit, host: &str) -> Result<Place, FetchError> {
        let mut slot = self.running.lock().await;
        // A turn may have been had before the end.
        if self.places.is_closed() {
            return Err(closed());
        }
        let now = self.clock.mono();
        let fit = slot.as_ref().filter(|running| running.is_fit(now)).map(Arc::clone);
        let running = if let Some(running) = fit {
            running
        } else {
            // The one before is closed with its last page.
            if let Some(former) = slot.take() {
                let mut kept = self.former();
                kept.retain(|former| former.strong_count() > 0);
                kept.push(Arc::downgrade(&former));
            }
            let running = Arc::new(self.start(host, now).await?);
            Arc::clone(slot.insert(running))
        };
        running.count();
        self.open.fetch_add(1, Ordering::AcqRel);
        drop(slot);
        Ok(Place { running, pool: Arc::clone(self), context: Context::None, outlet: None, permit: Some(permit) })
    }

    async fn start(&self, host: &str, now: Mono) -> Result<Running, FetchError> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(trouble) = trouble.as_ref().filter(|trouble| trouble.until > now) {
            let left = format_period(now.until(trouble.until));
            return Err(FetchError::BrowserFailed(format!("{}; it is tried again in {left}", trouble.why)));
        }
        let executable = (self.options.locate)().map_err(|way_out| FetchError::NoBrowser { host: host.to_owned(), way_out })?;
        if !self.options.sandbox {
            warn!(
                "the browser runs WITHOUT its sandbox (`sandbox = false` under [browser]): a page that breaks out of it is in this machine"
            );
        }
        let started = Running::start(&self.options, self.wear, executable, &self.nursery, now).await;
        let mut kept = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match started {
            Ok(running) => {
                *kept = None;
                self.starts.fetch_add(1, Ordering::Relaxed);
                let took_ms = u64::try_from(self.clock.mono().since(now).as_millis()).unwrap_or(u64::MAX);
                info!(version = running.version, took_ms, "the browser is started");
                Ok(running)
            }
            Err(why) => {
                let failures = trouble.map_or(0, |trouble| trouble.failures) + 1;
                let rest = FIRST_REST.saturating_mul(1 << (failures - 1).min(20)).min(LONGEST_REST);
                *kept = Some(Trouble { why: why.clone(), failures, until: self.clock.mono().after(rest) });
                Err(FetchError::BrowserFailed(why))
            }
        }
    }

    /// What is told of it. One that is being started, or looked after, is not waited for: it runs where a page is open.
    pub(super) fn figures(&self) -> Figures {
        let pages = self.open.load(Ordering::Acquire);
        let running = self.running.try_lock().map_or(pages > 0, |slot| slot.as_ref().is_some_and(|running| !running.pipe.is_over()));
        Figures { browser_running: running, browser_starts: self.starts.load(Ordering::Relaxed), pages }
    }

    /// Ends the browser, and takes no more pages.
    pub(super) async fn close(&self) {
        self.places.close();
        let running = self.running.lock().await.take();
        let former: Vec<_> = self.former().drain(..).filter_map(|former| former.upgrade()).collect();
        for running in former.into_iter().chain(running) {
            running.end().await;
        }
        self.nursery.settle().await;
    }

    fn former(&self) -> MutexGuard<'_, Vec<Weak<Running>>> {
        self.former.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time.
    pub(super) fn now(&self) -> Mono {
        self.clock.mono()
    }

    /// Looks after an idle browser from now on.
    fn rest(self: &Arc<Self>) {
        self.looks.store(0, Ordering::Release);
        if !self.swept.swap(true, Ordering::AcqRel) {
            lifecycle::spawn(sweep(Arc::downgrade(self), self.options.idle / 2));
        }
    }

    /// Closes a browser that was idle at the last look too; false where there is nothing more to look after.
    async fn look(&self) -> bool {
        let mut slot = self.running.lock().await;
        if self.open.load(Ordering::Acquire) > 0 || self.looks.fetch_add(1, Ordering::AcqRel) == 0 {
            return true;
        }
        let idle = slot.take();
        // Under the lock: whoever starts the next one starts the next sweep.
        self.swept.store(false, Ordering::Release);
        drop(slot);
        if let Some(idle) = idle {
            idle.end().await;
            info!("the browser is closed: nobody needed it for {}", format_period(self.options.idle));
        }
        false
    }

    async fn dispose(self: &Arc<Self>, running: &Arc<Running>, context: Context) {
        if context == Context::Asked {
            running.wear_out();
        }
        if let Context::Made(context) = context {
            let asked = Arc::clone(running);
            let holding = lifecycle::blocking(move || asked.renderers()).await.unwrap_or_default();
            let disposing = running.pipe.call(None, "Target.disposeBrowserContext", json!({"browserContextId": context}));
            if !matches!(timeout(DISPOSES, disposing).await, Ok(Ok(_))) {
                running.end().await;
            }
            let _ = timeout(LEAVES, left(holding)).await;
        }
        let weighed = Arc::clone(running);
        let _ = lifecycle::blocking(move || weighed.weigh()).await;
        // In this order: a look between the two finds a page open, not a browser that nobody needed since long ago.
        self.rest();
        self.open.fetch_sub(1, Ordering::AcqRel);
    }
}

fn closed() -> FetchError {
    FetchError::BrowserFailed("is closed: the server is stopping".to_owned())
}

/// Waits until one of these processes holds nothing any more. Which of them was a page's own is not known where several are open.
async fn left(holding: Vec<u32>) {
    while !holding.is_empty() && holding.iter().all(|process| census::holds(*process)) {
        sleep(LOOKS).await;
    }
}

/// Closes what is idle through two looks.
async fn sweep(pool: Weak<Pool>, every: Duration) {
    loop {
        sleep(every).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.look().await {
            return;
        }
    }
}

impl Place {
    /// A fresh context for its page, whose only way out is this.
    pub(super) async fn context(&mut self, outlet: &Arc<Outlet>) -> Result<String, CallError> {
        self.context = Context::Asked;
        self.outlet = Some(Arc::clone(outlet));
        let context = target::context(&self.running.pipe, &format!("http://{}", outlet.address())).await?;
        self.context = Context::Made(context.clone());
        Ok(context)
    }

    /// Adds how the browser ended to what it failed at, where it has ended.
    pub(super) async fn blame(&self, words: String) -> String {
        if !self.running.pipe.is_over() {
            return words;
        }
        match self.running.end().await {
            Some(how) => format!("{words} ({how})"),
            None => words,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (pool, running, context) = (Arc::clone(&self.pool), Arc::clone(&self.running), self.context.clone());
        let (outlet, permit) = (self.outlet.take(), self.permit.take());
        lifecycle::spawn(async move {
            pool.dispose(&running, context).await;
            drop(running);
            drop((outlet, permit));
        });
    }
}
