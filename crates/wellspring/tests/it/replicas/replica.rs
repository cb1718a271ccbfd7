//! One replica: an engine on a pair of stores, its clock, and those who read there.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wellspring::clock::Clock;
use wellspring::engine::cell::Cell;
use wellspring::engine::extraction::Extractor;
use wellspring::engine::{Engine, Parts};
use wellspring::fetch::{FetchError, Fetched, Fetcher, Request, Response};
use wellspring::lifecycle::spawn;
use wellspring::store::Store;
use wellspring::store::memory::MemoryStore;
use wellspring::store::paired::Paired;
use wellspring_core::moment::{Moment, Mono};
use wellspring_core::snapshot::Validator;

use super::shared::{Handle, Link, SharedStore};
use super::story::{FOR_EVER, Log, READS, SOURCES, recipes};
use crate::support::faults::{Dice, pass};

/// The time of the runtime, whose wall clock may be wrong.
#[derive(Debug)]
pub(super) struct SimClock {
    origin: tokio::time::Instant,
    skew: Mutex<SignedDuration>,
}

impl SimClock {
    pub(super) fn new(origin: tokio::time::Instant) -> Arc<Self> {
        Arc::new(Self { origin, skew: Mutex::default() })
    }

    pub(super) fn beside(&self, skew: SignedDuration) -> Arc<Self> {
        Arc::new(Self { origin: self.origin, skew: Mutex::new(skew) })
    }

    pub(super) fn step(&self, by: SignedDuration) {
        let mut skew = self.skew.lock().unwrap();
        *skew = skew.checked_add(by).unwrap();
    }

    pub(super) fn passed(&self) -> Duration {
        #[expect(clippy::disallowed_methods, reason = "the clock of a test whose time is moved by its timers")]
        self.origin.elapsed()
    }

    pub(super) fn moment(&self) -> Moment {
        let passed = self.passed();
        // 2026-01-01
        let wall = Timestamp::constant(1_767_225_600, 0).checked_add(passed).unwrap().checked_add(*self.skew.lock().unwrap()).unwrap();
        Moment { wall, mono: Mono::from_nanos(1_000_000_000_000).after(passed) }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Moment {
        self.moment()
    }
}

/// An upstream whose content is a number that rises now and then.
#[derive(Debug)]
struct Upstream {
    name: usize,
    link: Arc<Link>,
    paired: Arc<Mutex<Option<Arc<Paired>>>>,
    dice: Arc<Dice>,
    log: Arc<Log>,
}

#[async_trait]
impl Fetcher for Upstream {
    async fn fetch(&self, request: &Request) -> Result<Fetched, FetchError> {
        if self.link.dead.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        let url = url::Url::parse(request.url.expose()).unwrap();
        let source = url.host_str().unwrap().split('.').next().unwrap().to_owned();
        let alone = self.paired.lock().unwrap().as_ref().is_some_and(|paired| paired.is_alone());
        let fetch = self.log.fetches(self.name, &source, alone);
        let takes = if self.dice.below(16) == 0 { 15_100 + self.dice.below(4_000) } else { 20 + self.dice.below(1_500) };
        pass(Duration::from_millis(takes)).await;
        if self.link.dead.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        let number = self.log.number(fetch, self.dice.below(3) == 0);
        let validator = Validator { etag: Some(format!("\"{number}\"")), last_modified: None };
        if request.validator.etag == validator.etag {
            return Ok(Fetched::NotModified(validator));
        }
        let body = Bytes::from(format!("[{{\"number\": {number}}}]"));
        Ok(Fetched::Body(Response { status: 200, url, content_type: Some("application/json".to_owned()), body, validator }))
    }
}

#[derive(Debug)]
pub(super) struct Replica {
    pub(super) name: usize,
    pub(super) engine: Engine,
    pub(super) link: Arc<Link>,
    pub(super) clock: Arc<SimClock>,
    pub(super) local: Arc<MemoryStore>,
    running: JoinHandle<()>,
    reading: JoinHandle<()>,
}

impl Replica {
    pub(super) async fn start(
        name: usize,
        shared: &Arc<SharedStore>,
        link: Arc<Link>,
        local: Arc<MemoryStore>,
        clock: Arc<SimClock>,
    ) -> Self {
        shared.attach(&link);
        let handle = Arc::new(Handle { shared: Arc::clone(shared), link: Arc::clone(&link) });
        let begun = shared.clock.passed();
        let paired = Arc::new(Paired::open(handle, local.clone(), clock.clone()).await);
        let known = Arc::new(Mutex::new(Some(Arc::clone(&paired))));
        let upstream =
            Upstream { name, link: Arc::clone(&link), paired: known, dice: Arc::clone(&shared.dice), log: Arc::clone(&shared.log) };
        let parts =
            Parts { store: paired.clone(), fetcher: Arc::new(upstream), clock: clock.clone(), extractor: Arc::new(Extractor::InProcess) };
        let (recipes, settings) = recipes();
        let engine = Engine::seeded(parts, settings.clone(), shared.dice.next());
        engine.load(recipes.clone()).await.unwrap();
        let took = shared.clock.passed().saturating_sub(begun);
        if took > Duration::from_secs(5) {
            shared.log.complain(&format!("replica {name}: its start took {took:?}"));
        }
        let running = spawn(engine.clone().run());
        let reading = spawn(read(name, engine.clone(), clock.clone(), Arc::clone(&shared.log)));
        Self { name, engine, link, clock, local, running, reading }
    }

    pub(super) fn cell(&self, source: &str) -> Arc<Cell> {
        self.engine.catalog().source(source).unwrap().default.clone().unwrap()
    }

    /// As by `kill -9`: nothing of it reaches anybody any more. What its disk holds then.
    pub(super) async fn crash(self, keeps: bool) -> Arc<MemoryStore> {
        self.link.dead.store(true, Ordering::Relaxed);
        self.running.abort();
        self.reading.abort();
        let left = Arc::new(MemoryStore::new(wellspring::store::Retention::default()));
        if keeps {
            self.local.copy_to(&*left).await.unwrap();
            for (name, text) in self.local.notes().await.unwrap() {
                left.note(&name, Some(&text)).await.unwrap();
            }
        }
        let engine = self.engine.clone();
        drop(spawn(async move { engine.drain(Duration::ZERO).await }));
        left
    }

    pub(super) async fn stop(self) {
        self.reading.abort();
        self.running.abort();
        self.link.dead.store(true, Ordering::Relaxed);
        self.engine.drain(Duration::ZERO).await;
    }
}

/// Reads of all sources, for ever: what was there stays there, never older, and is answered without waiting.
async fn read(name: usize, engine: Engine, clock: Arc<SimClock>, log: Arc<Log>) {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    loop {
        for source in SOURCES {
            let Some(cell) = engine.catalog().source(source).and_then(|source| source.default.clone()) else { continue };
            let now = clock.mono();
            let revision = engine.view(&cell, now).map(|view| view.content.revision);
            let before = seen.get(source).copied();
            if revision < before {
                log.complain(&format!("replica {name}: {source}: revision {before:?} became {revision:?} before its readers"));
            }
            if let Some(revision) = revision {
                // While nothing changes it is not asked each time: that is what most of a seed's cost would be spent on.
                let is_news = seen.insert(source, revision) != Some(revision) || now.as_nanos() / 1_000_000_000 % 4 == 0;
                if is_news && timeout(Duration::ZERO, engine.wait(&cell, FOR_EVER)).await.is_err() {
                    log.complain(&format!("replica {name}: {source}: a reader waited, and there is a snapshot"));
                }
            }
            if source == "read" {
                engine.nudge(&cell, now);
            }
        }
        pass(READS).await;
    }
}
