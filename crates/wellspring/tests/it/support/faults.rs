//! A store and an upstream that go wrong by a script: each call draws from one seed whether it fails, hangs, is late, panics or loses
//! its lease. Behind the store stands a real one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::broadcast;
use wellspring::clock::Clock;
use wellspring::fetch::{FetchError, Fetched, Fetcher, Request, Response};
use wellspring::lifecycle::spawn;
use wellspring::store::{Admission, Change, Entry, Head, Health, Lease, Revision, Slot, Store, StoreError};
use wellspring_core::key::Key;
use wellspring_core::moment::{Moment, Mono};
use wellspring_core::snapshot::{Attempts, Renewal, Snapshot, Validator};

/// Numbers from a seed (SplitMix64).
#[derive(Debug)]
pub struct Dice(AtomicU64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub fn next(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn one_of<T: Clone>(&self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()].clone()
    }
}

/// The clock of a runtime whose time is paused: it moves as timers do. The wall clock can be stepped besides.
#[derive(Debug)]
pub struct PausedClock {
    origin: tokio::time::Instant,
    stepped: Mutex<SignedDuration>,
}

impl PausedClock {
    /// Within the runtime whose time it tells.
    pub fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the clock of a test whose time is moved by its timers")]
        let origin = tokio::time::Instant::now();
        Self { origin, stepped: Mutex::default() }
    }

    pub fn step_wall(&self, by: SignedDuration) {
        let mut stepped = self.stepped.lock().unwrap();
        *stepped = stepped.checked_add(by).unwrap();
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Moment {
        #[expect(clippy::disallowed_methods, reason = "the clock of a test whose time is moved by its timers")]
        let passed = self.origin.elapsed();
        let base: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let wall = base.checked_add(passed).unwrap().checked_add(*self.stepped.lock().unwrap()).unwrap();
        Moment { wall, mono: Mono::from_nanos(1_000_000_000_000).after(passed) }
    }
}

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Nothing is done.
    Fails,
    /// It is done, and said to have failed.
    FailsLate,
    /// It is done after so long, whether or not somebody still waits.
    Late(Duration),
    /// It is never done, and never answered.
    Hangs,
    /// It is done, and never answered.
    Mute,
    Panics,
    /// The lease goes to somebody else first, who keeps it so long, and stores something where it says so.
    LosesLease(Duration, bool),
}

/// A call that went wrong.
#[derive(Clone, Debug)]
pub struct Strike {
    pub call: &'static str,
    /// The source that it was for.
    pub source: String,
    pub fault: Fault,
    pub at: Mono,
}

/// How often something goes wrong, and what did.
#[derive(Debug)]
pub struct Script {
    pub dice: Dice,
    /// While it is off, all is well.
    pub on: AtomicBool,
    pub struck: Mutex<Vec<Strike>>,
    clock: Arc<dyn Clock>,
}

impl Script {
    pub fn new(seed: u64, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { dice: Dice::new(seed), on: AtomicBool::new(false), struck: Mutex::default(), clock })
    }

    pub fn set(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    /// One call in `rarity` meets one of these.
    fn draw(&self, call: &'static str, source: &str, rarity: u64, faults: &[Fault]) -> Fault {
        if !self.on.load(Ordering::Relaxed) || self.dice.below(rarity) != 0 {
            return Fault::None;
        }
        let fault = self.dice.one_of(faults);
        self.struck.lock().unwrap_or_else(PoisonError::into_inner).push(Strike {
            call,
            source: source.to_owned(),
            fault,
            at: self.clock.mono(),
        });
        fault
    }
}

/// Without the hook that prints: the schedule says what happened.
fn panic() -> ! {
    std::panic::resume_unwind(Box::new("a scripted panic"))
}

fn refused() -> StoreError {
    StoreError::Unavailable("scripted".to_owned())
}

/// Lets time pass where it is paused and costs none: never where a socket or a process is waited for.
pub async fn pass(by: Duration) {
    let _ = tokio::time::timeout(by, std::future::pending::<()>()).await;
}

/// Each source has a host of its own name.
fn source_of(host: &str) -> &str {
    host.split('.').next().unwrap_or_default()
}

const LATE: [Duration; 3] = [Duration::from_millis(700), Duration::from_secs(7), Duration::from_secs(40)];

/// When the lease of which key was asked for.
pub type Asked = Arc<Mutex<Vec<(Key, Mono)>>>;

#[derive(Debug)]
pub struct FaultyStore {
    pub inner: Arc<dyn Store>,
    pub script: Arc<Script>,
    pub clock: Arc<dyn Clock>,
    pub asked: Asked,
}

impl FaultyStore {
    /// Does `work` as the fault says. It is on its own: it goes on when its caller has gone.
    async fn work<T: Send + 'static>(
        &self,
        fault: Fault,
        lease: Option<&Lease>,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        match fault {
            Fault::None => work.await,
            Fault::Fails => Err(refused()),
            Fault::FailsLate => work.await.and(Err(refused())),
            Fault::Late(by) => {
                let later = spawn(async move {
                    pass(by).await;
                    work.await
                });
                later.await.unwrap_or_else(|_| Err(refused()))
            }
            Fault::Hangs => std::future::pending().await,
            Fault::Mute => {
                let _ = work.await;
                std::future::pending().await
            }
            Fault::Panics => panic(),
            Fault::LosesLease(keeps, stores) => {
                if let Some(lease) = lease {
                    self.lose(lease, keeps, stores).await;
                }
                work.await
            }
        }
    }

    /// As when this process was stopped past the end of its lease, and another one took over.
    async fn lose(&self, lease: &Lease, keeps: Duration, stores: bool) {
        let there = self.inner.get(&lease.key).await.unwrap();
        let entry = there.unwrap_or(Entry { key: lease.key.clone(), latest: None, attempts: Attempts::default() });
        self.inner.restore(&entry, &[]).await.unwrap();
        let other = self.inner.acquire(&lease.key, lease.fence, keeps, self.clock.now()).await.unwrap().unwrap();
        if let (true, Some(mut latest)) = (stores, entry.latest) {
            latest.snapshot.revision += 1;
            latest.renewal.checked_at = self.clock.now().wall;
            self.inner.put_if(&other, &latest.snapshot, &latest.renewal, &entry.attempts).await.unwrap();
        }
        if keeps.is_zero() {
            self.inner.release(&other).await.unwrap();
        }
    }

    fn writing(&self, call: &'static str, key: &Key) -> Fault {
        let mut faults = vec![Fault::Fails, Fault::FailsLate, Fault::Hangs, Fault::Mute, Fault::Panics];
        faults.extend(LATE.map(Fault::Late));
        faults.push(Fault::LosesLease(Duration::ZERO, false));
        faults.push(Fault::LosesLease(Duration::from_secs(9), false));
        faults.push(Fault::LosesLease(Duration::ZERO, true));
        self.script.draw(call, key.source(), 3, &faults)
    }

    fn plain(&self, call: &'static str, source: &str, rarity: u64) -> Fault {
        let mut faults = vec![Fault::Fails, Fault::Hangs, Fault::Mute, Fault::Panics];
        faults.extend(LATE.map(Fault::Late));
        self.script.draw(call, source, rarity, &faults)
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn list(&self) -> Result<Vec<Entry>, StoreError> {
        self.inner.list().await
    }

    async fn each(&self, show: &mut (dyn for<'e> FnMut(&'e Entry) + Send)) -> Result<(), StoreError> {
        match self.script.draw("each", "", 3, &[Fault::Fails, Fault::Hangs, Fault::Late(LATE[0])]) {
            Fault::Fails => return Err(refused()),
            Fault::Hangs => std::future::pending().await,
            Fault::Late(by) => pass(by).await,
            _ => {}
        }
        self.inner.each(show).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let (inner, key, name) = (Arc::clone(&self.inner), key.clone(), key.source().to_owned());
        self.work(self.plain("get", &name, 3), None, async move { inner.get(&key).await }).await
    }

    async fn put_if(&self, lease: &Lease, snapshot: &Snapshot, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        let (inner, own, snapshot, renewal, attempts) =
            (Arc::clone(&self.inner), lease.clone(), snapshot.clone(), renewal.clone(), attempts.clone());
        let work = async move { inner.put_if(&own, &snapshot, &renewal, &attempts).await };
        self.work(self.writing("put_if", &lease.key), Some(lease), work).await
    }

    async fn touch_if(&self, lease: &Lease, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        let (inner, own, renewal, attempts) = (Arc::clone(&self.inner), lease.clone(), renewal.clone(), attempts.clone());
        let work = async move { inner.touch_if(&own, &renewal, &attempts).await };
        self.work(self.writing("touch_if", &lease.key), Some(lease), work).await
    }

    async fn record(&self, key: &Key, attempts: &Attempts) -> Result<(), StoreError> {
        let (inner, key, attempts, name) = (Arc::clone(&self.inner), key.clone(), attempts.clone(), key.source().to_owned());
        self.work(self.plain("record", &name, 6), None, async move { inner.record(&key, &attempts).await }).await
    }

    async fn heads(&self, now: Moment) -> Result<Vec<Head>, StoreError> {
        self.inner.heads(now).await
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, StoreError> {
        self.inner.revisions(key).await
    }

    async fn revision(&self, key: &Key, revision: u64) -> Result<Option<Snapshot>, StoreError> {
        self.inner.revision(key, revision).await
    }

    async fn as_of(&self, key: &Key, at: Timestamp) -> Result<Option<Snapshot>, StoreError> {
        self.inner.as_of(key, at).await
    }

    async fn evict(&self, key: &Key) -> Result<(), StoreError> {
        let (inner, key, name) = (Arc::clone(&self.inner), key.clone(), key.source().to_owned());
        self.work(self.plain("evict", &name, 2), None, async move { inner.evict(&key).await }).await
    }

    async fn acquire(&self, key: &Key, seen: u64, ttl: Duration, now: Moment) -> Result<Option<Lease>, StoreError> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push((key.clone(), now.mono));
        let (inner, key, name) = (Arc::clone(&self.inner), key.clone(), key.source().to_owned());
        self.work(self.plain("acquire", &name, 6), None, async move { inner.acquire(&key, seen, ttl, now).await }).await
    }

    async fn extend(&self, lease: &Lease, ttl: Duration, now: Moment) -> Result<(), StoreError> {
        self.inner.extend(lease, ttl, now).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let (inner, lease, name) = (Arc::clone(&self.inner), lease.clone(), lease.key.source().to_owned());
        self.work(self.plain("release", &name, 6), None, async move { inner.release(&lease).await }).await
    }

    async fn slot(&self, host: &str, at_once: u32, gap: Duration, ttl: Duration, now: Moment) -> Result<Admission, StoreError> {
        let (inner, host) = (Arc::clone(&self.inner), host.to_owned());
        let fault = self.plain("slot", source_of(&host), 8);
        self.work(fault, None, async move { inner.slot(&host, at_once, gap, ttl, now).await }).await
    }

    async fn stay(&self, slot: &Slot, ttl: Duration, now: Moment) -> Result<(), StoreError> {
        let (inner, slot) = (Arc::clone(&self.inner), slot.clone());
        let fault = self.plain("stay", source_of(&slot.host), 8);
        self.work(fault, None, async move { inner.stay(&slot, ttl, now).await }).await
    }

    async fn leave(&self, slot: &Slot) -> Result<(), StoreError> {
        let (inner, slot) = (Arc::clone(&self.inner), slot.clone());
        let fault = self.plain("leave", source_of(&slot.host), 8);
        self.work(fault, None, async move { inner.leave(&slot).await }).await
    }

    async fn notes(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.inner.notes().await
    }

    async fn note(&self, name: &str, text: Option<&str>) -> Result<(), StoreError> {
        self.inner.note(name, text).await
    }

    fn watch(&self) -> broadcast::Receiver<Change> {
        self.inner.watch()
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    async fn copy_to(&self, target: &dyn Store) -> Result<u64, StoreError> {
        self.inner.copy_to(target).await
    }

    async fn restore(&self, entry: &Entry, history: &[Snapshot]) -> Result<(), StoreError> {
        self.inner.restore(entry, history).await
    }

    async fn close(&self) {
        let fault = self.script.draw("close", "", 2, &[Fault::Hangs]);
        let inner = Arc::clone(&self.inner);
        let closing = self.work(fault, None, async move {
            inner.close().await;
            Ok(())
        });
        let _ = closing.await;
    }
}

/// An upstream that answers what the seed says.
#[derive(Debug)]
pub struct FaultyFetcher {
    pub script: Arc<Script>,
    /// What it has: rises now and then.
    pub version: AtomicU64,
}

#[async_trait]
impl Fetcher for FaultyFetcher {
    async fn fetch(&self, request: &Request) -> Result<Fetched, FetchError> {
        if self.script.dice.below(2) == 0 {
            self.version.fetch_add(1, Ordering::Relaxed);
        }
        let url = url::Url::parse(request.url.expose()).unwrap();
        let host = || url.host_str().unwrap().to_owned();
        let source = source_of(url.host_str().unwrap());
        let mut faults = vec![Fault::Fails, Fault::FailsLate, Fault::Hangs, Fault::Mute, Fault::Panics];
        faults.extend(LATE.map(Fault::Late));
        match self.script.draw("fetch", source, 2, &faults) {
            Fault::Fails => return Err(FetchError::Unreachable { host: host(), reason: "scripted".to_owned() }),
            Fault::FailsLate => {
                let retry_after = Some(Duration::from_secs(1 + self.script.dice.below(4)));
                return Err(FetchError::Status { host: host(), status: 429, retry_after });
            }
            // Longer than the whole refresh may take: only the engine ends it.
            Fault::Hangs => std::future::pending().await,
            Fault::Mute => {
                pass(request.within).await;
                return Err(FetchError::Timeout { host: host(), within: request.within });
            }
            Fault::Late(by) => pass(by).await,
            Fault::Panics => panic(),
            Fault::None | Fault::LosesLease(..) => {}
        }
        let tag = format!("\"{}\"", self.version.load(Ordering::Relaxed));
        let validator = Validator { etag: Some(tag.clone()), last_modified: None };
        if request.validator.etag.as_ref() == Some(&tag) {
            return Ok(Fetched::NotModified(validator));
        }
        let body = Bytes::from(format!("[{{\"version\": {}}}]", tag.trim_matches('"')));
        Ok(Fetched::Body(Response { status: 200, url, content_type: Some("application/json".to_owned()), body, validator }))
    }
}
