//! Tells people how sources are, by webhook: once for each change of a key, to each who wants to know.
//!
//! The desk looks at keys after their refreshes, decides by core's rules and writes down what is to be told before anything is
//! sent. Couriers, one a receiver, send what is written down and cross it out. So a restart repeats nothing that is known to have
//! arrived, and what may have arrived goes out again under the same id. No refresh waits for any of this.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderName;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::warn;
use wellspring_core::telling::{Change, Receiver};
use wellspring_core::template::{Filled, Template};

use crate::engine::Engine;
use crate::fetch::Fetcher;
use crate::lifecycle;
use ledger::Ledger;

mod courier;
mod desk;
mod ledger;
mod message;

pub use courier::send;
pub use message::Message;

/// Messages that are sent at once, over all receivers.
const AT_ONCE: usize = 4;
/// What is under way at the end may take so long after it was asked to end.
const CUT_WITHIN: Duration = Duration::from_millis(200);

/// One who wants to know.
#[derive(Clone, Debug)]
pub struct Hook {
    /// By which it is remembered what was told.
    pub name: String,
    /// In which shape.
    pub receiver: Receiver,
    /// Where to.
    pub url: Filled,
    /// Further headers.
    pub headers: Vec<(HeaderName, Filled)>,
    /// Of which sources; empty: of all.
    pub sources: Vec<String>,
    /// What of.
    pub on: Vec<Change>,
    /// Failures in a row before `degraded` is told.
    pub after: u32,
    /// In which words, where not in the usual ones.
    pub template: Option<Template>,
    /// A proxy.
    pub proxy: Option<Filled>,
    /// The way out.
    pub fetcher: Arc<dyn Fetcher>,
    /// What it was configured with, secrets digested: where it is equal, a reload leaves it alone.
    pub fingerprint: String,
}

impl Hook {
    fn wants(&self, source: &str) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|name| name == source)
    }
}

/// How far the telling is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    /// What is being sent is let finish.
    Ending,
    /// It is let go.
    Cut,
}

/// What the desk and the couriers share.
#[derive(Debug)]
struct Shared {
    engine: Engine,
    /// Where this server is, without a `/` at its end.
    base: String,
    hooks: watch::Sender<Vec<Arc<Hook>>>,
    /// Held while it is written down what changes in it, so that what is written is always the latest.
    ledger: Mutex<Ledger>,
    /// Bumped whenever there is something to send.
    changed: watch::Sender<u64>,
    places: Semaphore,
    stage: watch::Sender<Stage>,
}

/// The telling.
#[derive(Debug)]
pub struct Notifier {
    shared: Arc<Shared>,
    desk: JoinHandle<()>,
}

impl Notifier {
    /// Starts it. `base`: where this server is, for links.
    pub async fn start(engine: Engine, hooks: Vec<Hook>, base: String) -> Self {
        let ledger = Ledger::read(engine.store().notes().await.unwrap_or_else(|error| {
            warn!(%error, "the store does not say what was told; it may be told again");
            Vec::new()
        }));
        let shared = Arc::new(Shared {
            engine,
            base,
            hooks: watch::Sender::new(hooks.into_iter().map(Arc::new).collect()),
            ledger: Mutex::new(ledger),
            changed: watch::Sender::new(0),
            places: Semaphore::new(AT_ONCE),
            stage: watch::Sender::new(Stage::Running),
        });
        let desk = lifecycle::spawn(desk::run(Arc::clone(&shared)));
        Self { shared, desk }
    }

    /// Exchanges who wants to know.
    pub fn reload(&self, hooks: Vec<Hook>) {
        self.shared.hooks.send_replace(hooks.into_iter().map(Arc::new).collect());
    }

    /// Sends nothing more, lets what is being sent finish for `patience`, and ends. What is still to be told is written down.
    pub async fn drain(mut self, patience: Duration) {
        self.shared.stage.send_replace(Stage::Ending);
        if timeout(patience, &mut self.desk).await.is_err() {
            self.shared.stage.send_replace(Stage::Cut);
            drop(timeout(CUT_WITHIN, &mut self.desk).await);
        }
    }
}

/// The couriers that are under way, by the name of their hook.
type Couriers = BTreeMap<String, courier::Courier>;
