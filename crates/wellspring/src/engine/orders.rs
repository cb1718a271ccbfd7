//! T4 where threads meet: cells, lines, timers and flights under a scheduler that tries the orders in which they can. Readers nudge and
//! wait, somebody forces, flights end well, fail and are dropped, the source is reloaded, time passes. Nothing is replaced but the
//! clock and the upstream; timers never fire here, so whoever waits for one that nobody wakes is found as a deadlock.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use shuttle::future::{block_on, yield_now};
use shuttle::rand::{Rng as _, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use wellspring_core::failure::Code;
use wellspring_core::snapshot::{Attempts, How, Items, Renewal, Snapshot, Validator};
use wellspring_core::source::{Defaults, parse_sources};

use super::catalog::Recipe;
use super::execute::Flight;
use super::extraction::RuledAlternative;
use super::limits::PerHost;
use super::*;
use crate::fetch::{FetchError, Fetched, Request};
use crate::store::Retention;
use crate::store::memory::MemoryStore;

const FOR_EVER: Duration = Duration::from_secs(1_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

/// Moved by hand.
#[derive(Debug)]
struct Hand(AtomicI64);

impl Hand {
    fn pass(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_nanos()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Moment {
        let passed = Duration::from_nanos(self.0.load(Ordering::SeqCst).unsigned_abs());
        let wall = "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().checked_add(passed).unwrap();
        Moment { wall, mono: Mono::from_nanos(1_000_000_000_000).after(passed) }
    }
}

/// Fails, or says that nothing changed.
#[derive(Debug, Default)]
struct Upstream {
    asked: AtomicUsize,
    at_once: AtomicUsize,
}

/// One request, until it ends or is dropped.
struct Asking<'a>(&'a AtomicUsize);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Fetcher for Upstream {
    async fn fetch(&self, _: &Request) -> Result<Fetched, FetchError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let before = self.at_once.fetch_add(1, Ordering::SeqCst);
        let _asking = Asking(&self.at_once);
        assert_eq!(before, 0, "a second flight");
        for _ in 0..thread_rng().gen_range(0..3) {
            yield_now().await;
        }
        if thread_rng().gen_bool(0.5) {
            return Err(FetchError::Unreachable { host: "a.example".to_owned(), reason: "no".to_owned() });
        }
        Ok(Fetched::NotModified(Validator { etag: Some("\"1\"".to_owned()), last_modified: None }))
    }
}

/// An engine, and what it stands on.
struct Lab {
    engine: Engine,
    clock: Arc<Hand>,
    store: Arc<MemoryStore>,
    upstream: Arc<Upstream>,
}

fn recipes(lines: &str) -> Vec<Arc<Recipe>> {
    let text =
        format!("[source.a]\nurl = 'http://a.example/'\nformat = 'json'\nfresh_for = '1h'\nwarm = false\nmin_interval = '0s'\n{lines}");
    let spec = parse_sources("f", &text, Defaults::default(), &|_| None).unwrap().remove(0).value;
    let compiled = spec.alternatives.iter().map(|alternative| RuledAlternative::compile(alternative).unwrap()).collect();
    vec![Arc::new(Recipe { spec, compiled, fingerprint: lines.to_owned(), text })]
}

fn settings() -> Settings {
    let per_host = PerHost { at_once: 1_000, gap: Duration::ZERO };
    let bounds = Bounds { timeout: FOR_EVER, max_body: 1 << 20, per_host, proxy: None, robots: false, agent: "wellspring".to_owned() };
    Settings { bounds, at_once: 1_000, pages: 1 }
}

impl Lab {
    /// With a snapshot of an age, where one is given.
    fn new(age: Option<Duration>) -> Self {
        let clock = Arc::new(Hand(AtomicI64::new(0)));
        let (store, upstream) = (Arc::new(MemoryStore::new(Retention::default())), Arc::new(Upstream::default()));
        let recipes = recipes("");
        if let Some(age) = age {
            let spec = &recipes[0].spec;
            let items = Items::encode(&[]);
            let snapshot = Snapshot {
                key: spec.default_key().unwrap(),
                revision: 1,
                made_at: clock.now().wall,
                how: How::default(),
                digest: items.digest(),
                items,
            };
            let renewal = Renewal {
                checked_at: clock.now().wall,
                rules: spec.rules,
                validators: Default::default(),
                rungs: Default::default(),
                by: None,
                told_late: false,
            };
            block_on(async {
                let lease = store.acquire(&snapshot.key, 0, HOUR, clock.now()).await.unwrap().unwrap();
                store.put_if(&lease, &snapshot, &renewal, &Attempts::default()).await.unwrap();
                store.release(&lease).await.unwrap();
            });
            clock.pass(age);
        }
        let parts =
            Parts { store: store.clone(), fetcher: upstream.clone(), clock: clock.clone(), extractor: Arc::new(Extractor::InProcess) };
        let engine = Engine::new(parts, settings());
        block_on(engine.load(recipes)).unwrap();
        Self { engine, clock, store, upstream }
    }

    fn cell(&self) -> Arc<Cell> {
        self.engine.catalog().source("a").unwrap().default.clone().unwrap()
    }

    /// What [`Engine::run`] does, with flights of which one in `drops` is dropped somewhere on its way.
    fn run(&self, drops: Option<u32>) -> shuttle::future::JoinHandle<()> {
        let shared = Arc::clone(&self.engine.0);
        shuttle::future::spawn(async move {
            let mut stage = shared.stage.subscribe();
            while *stage.borrow() == Stage::Running {
                let freed = shared.collector.freed.notified();
                shared.look(shared.clock.mono(), |cell, place| {
                    shared.airborne.send_modify(|n| *n += 1);
                    let flight = Flight::new(Arc::clone(&shared), cell).fly(place);
                    let whole = drops.is_none_or(|drops| !thread_rng().gen_ratio(1, drops));
                    let polls = if whole { usize::MAX } else { thread_rng().gen_range(0..8) };
                    drop(shuttle::future::spawn(so_far(flight, polls)));
                });
                tokio::select! {
                    biased;
                    () = shared.wake.notified() => {}
                    () = freed => {}
                    _ = stage.changed() => {}
                }
            }
        })
    }

    /// All is over: the next reader of what is stale starts a flight, once time has passed, and every number adds up.
    fn judge(&self, running: shuttle::future::JoinHandle<()>, drops: bool) {
        let shared = &self.engine.0;
        for _ in 0..2 {
            let cell = self.cell();
            let mut progress = cell.progress();
            let ended = block_on(progress.wait_for(|p| !p.in_flight())).unwrap().ended;
            self.clock.pass(HOUR);
            let before = self.upstream.asked.load(Ordering::SeqCst);
            self.engine.nudge(&cell, self.clock.mono());
            // A nudge that is lost is a deadlock here.
            block_on(progress.wait_for(|p| p.ended > ended && !p.in_flight())).unwrap();
            let asked = self.upstream.asked.load(Ordering::SeqCst) - before;
            // Where the nudged flight was dropped, a retry that was due at the same moment may still come.
            assert!(asked <= 1 + usize::from(drops), "{asked} requests for one nudge");
            let inner = cell.lock();
            let progress = cell.progress().borrow().clone();
            assert_eq!(progress.started, inner.flight);
            assert!(progress.in_flight() || !inner.state.is_refreshing());
        }
        shared.stage.send_replace(Stage::Draining);
        block_on(running).unwrap();
        shared.runner.clear().iter().for_each(|cell| shared.ground(cell));
        block_on(shared.airborne.subscribe().wait_for(|n| *n == 0)).unwrap();
        let (cell, progress) = (self.cell(), self.cell().progress().borrow().clone());
        assert_eq!((progress.ended, cell.lock().state.is_refreshing()), (progress.started, false));
        let lease = block_on(self.store.acquire(&cell.key, 0, HOUR, self.clock.now())).unwrap();
        assert!(lease.is_some(), "its lease was not given back");
    }
}

/// Polls a future so often, and drops it then.
async fn so_far(future: impl Future<Output = ()>, polls: usize) {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        let polled = Pin::as_mut(&mut future).poll(context);
        // One that is to be dropped does not wait for what may never come.
        if polled.is_pending() && polls != usize::MAX {
            context.waker().wake_by_ref();
        }
        polled
    })
    .await;
}

/// Of a key that was never fetched: whoever waits hears how the flight ended, and not that there was none.
fn cold_readers(drops: Option<u32>) {
    let lab = Lab::new(None);
    let running = lab.run(drops);
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (engine, cell) = (lab.engine.clone(), lab.cell());
            shuttle::thread::spawn(move || match block_on(engine.wait(&cell, FOR_EVER)) {
                Waited::Failed { failure, .. } => {
                    let code = failure.map(|failure| failure.code);
                    assert!(drops.is_some() || code.is_some_and(|code| code != Code::Cancelled), "told of no flight: {code:?}");
                }
                waited => panic!("{waited:?}"),
            })
        })
        .collect();
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    lab.judge(running, drops.is_some());
}

/// Of a key that is stale: nobody waits but those who force, who hear of a flight that began after they asked or of the one that flew.
fn stale_readers(drops: Option<u32>, reload: bool) {
    let lab = Lab::new(Some(2 * HOUR));
    let running = lab.run(drops);
    let mut threads = Vec::new();
    for _ in 0..2 {
        let (engine, cell, clock) = (lab.engine.clone(), lab.cell(), Arc::clone(&lab.clock));
        threads.push(shuttle::thread::spawn(move || {
            engine.nudge(&cell, clock.mono());
            assert!(matches!(block_on(engine.wait(&cell, FOR_EVER)), Waited::Ready(_)));
        }));
        let (engine, cell) = (lab.engine.clone(), lab.cell());
        threads.push(shuttle::thread::spawn(move || {
            let before = cell.lock().flight;
            let forced = block_on(engine.force(&cell, FOR_EVER));
            assert!(!matches!(forced, Forced::StillRefreshing));
            let ended = cell.progress().borrow().ended;
            assert!(ended >= before || cell.is_retired(), "{ended} after {before}");
        }));
    }
    let (engine, clock) = (lab.engine.clone(), Arc::clone(&lab.clock));
    threads.push(shuttle::thread::spawn(move || {
        clock.pass(Duration::from_secs(60));
        engine.0.wake.notify_one();
        if reload {
            block_on(engine.reload(recipes("max_stale = '9h'"), settings()));
        }
    }));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    lab.judge(running, drops.is_some());
}

/// So many orders drawn by chance, and as many in which few threads are interrupted, but those where it hurts most.
fn orders(name: &str, scenario: fn()) -> usize {
    let count = 300;
    // Timers are set, and nobody drives them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let mut config = shuttle::Config::new();
    config.silence_warnings = true;
    // A flight has frames that are larger than what it gives by itself.
    config.stack_size = 1 << 20;
    shuttle::Runner::new(RandomScheduler::new(count), config.clone()).run(scenario);
    shuttle::Runner::new(PctScheduler::new(3, count), config).run(scenario);
    println!("\ntrust T4 | orders of {name}, none stuck | {} | all | held", 2 * count);
    2 * count
}

#[test]
fn trust_cold_readers() {
    orders("cold readers", || cold_readers(None));
    orders("cold readers whose flights are dropped", || cold_readers(Some(2)));
}

#[test]
fn trust_stale_readers() {
    orders("stale and forcing readers", || stale_readers(None, false));
    orders("stale and forcing readers whose flights are dropped", || stale_readers(Some(2), false));
}

#[test]
fn trust_reloads() {
    orders("readers across a reload", || stale_readers(Some(3), true));
}
