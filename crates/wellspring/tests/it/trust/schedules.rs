//! T4 through the whole engine: readers, forced refreshes, reloads and the passing of time in an order drawn from a seed, over a store
//! and an upstream that fail, hang, are late, panic and lose leases. The real engine, store and extraction; time is the runtime's own,
//! paused, so that hours pass at once.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use wellspring::app;
use wellspring::clock::Clock;
use wellspring::config::Config;
use wellspring::engine::catalog::Recipe;
use wellspring::engine::cell::Cell;
use wellspring::engine::extraction::Extractor;
use wellspring::engine::{Engine, Forced, Parts, Settings, Waited};
use wellspring::lifecycle::spawn;
use wellspring::store::memory::MemoryStore;
use wellspring::store::{Retention, Store};
use wellspring_core::moment::Mono;
use wellspring_core::policy::LONGEST_RETRY_AFTER;

use super::{judge, long};
use crate::support::faults::{Asked, Fault, FaultyFetcher, FaultyStore, PausedClock, Script, Strike, pass};

const FRESH_FOR: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(5);
/// As long as the engine waits for its store; twice where it waits for the flight before as well.
const STORE_PATIENCE: Duration = Duration::from_secs(20);
/// How much longer than the deadline a lease lasts that nobody gave back.
const LEASE_MARGIN: Duration = Duration::from_secs(30);
/// How often readers come.
const READS: Duration = Duration::from_millis(500);
/// How long somebody waits who does not give up.
const FOR_EVER: Duration = Duration::from_secs(100_000);

/// Sources in three wordings, so that a reload has something to exchange: read as before, and read by other rules.
fn recipes() -> &'static [(Vec<Arc<Recipe>>, Settings)] {
    static RECIPES: OnceLock<Vec<(Vec<Arc<Recipe>>, Settings)>> = OnceLock::new();
    RECIPES.get_or_init(|| ["", "max_stale = \"1h\"", "limit = 7"].map(wording).into())
}

fn wording(lines: &str) -> (Vec<Arc<Recipe>>, Settings) {
    let source = |name: &str, mode: &str| {
        format!(
            "[source.{name}]\nurl = \"http://{name}.example/\"\nformat = \"json\"\nfresh_for = \"{}s\"\ndeadline = \"{}s\"\n\
             timeout = \"{}s\"\nmin_interval = \"1s\"\nrefresh = \"{mode}\"\n{lines}\n",
            FRESH_FOR.as_secs(),
            DEADLINE.as_secs(),
            DEADLINE.as_secs()
        )
    };
    let text = format!("[fetch]\nrobots = false\ngap = \"0s\"\n{}{}", source("read", "demand"), source("kept", "always"));
    let config = Config::parse("test.toml", &text, &|_| None).unwrap_or_else(|wrong| panic!("{}", wrong[0]));
    (app::recipes(&config).unwrap_or_else(|wrong| panic!("{}", wrong[0])), app::settings(&config))
}

/// What a schedule came to.
#[derive(Debug, Default)]
struct Told {
    faults: usize,
    attempts: usize,
    /// How often each call was struck.
    kinds: BTreeMap<String, usize>,
}

struct World {
    engine: Engine,
    clock: Arc<PausedClock>,
    script: Arc<Script>,
    inner: Arc<dyn Store>,
    asked: Asked,
    wrong: Mutex<Vec<String>>,
}

impl World {
    fn new(seed: u64) -> Arc<Self> {
        let clock = Arc::new(PausedClock::new());
        let script = Script::new(seed, clock.clone());
        let inner: Arc<dyn Store> = Arc::new(MemoryStore::new(Retention::default()));
        let asked = Asked::default();
        let store = FaultyStore { inner: Arc::clone(&inner), script: script.clone(), clock: clock.clone(), asked: asked.clone() };
        let fetcher = FaultyFetcher { script: script.clone(), version: AtomicU64::new(1) };
        let parts =
            Parts { store: Arc::new(store), fetcher: Arc::new(fetcher), clock: clock.clone(), extractor: Arc::new(Extractor::InProcess) };
        let engine = Engine::new(parts, recipes()[0].1.clone());
        Arc::new(Self { engine, clock, script, inner, asked, wrong: Mutex::default() })
    }

    fn cell(&self, name: &str) -> Arc<Cell> {
        self.engine.catalog().source(name).unwrap().default.clone().unwrap()
    }

    fn complain(&self, words: &str) {
        let mut wrong = self.wrong.lock().unwrap();
        if wrong.len() < 3 {
            let now = self.until_now(Mono::from_nanos(1_000_000_000_000));
            let struck = self.script.struck.lock().unwrap().len();
            wrong.push(format!("after {now:?} and {struck} faults: {words}"));
        }
    }

    fn until_now(&self, since: Mono) -> Duration {
        since.until(self.clock.mono())
    }

    /// Reads of both sources, for ever: what was there stays there, never older, and is answered without waiting. Nobody asks for
    /// the one that is kept fresh unasked. Watches that attempts come in time.
    async fn read(self: Arc<Self>) {
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        let mut attempts: BTreeMap<&str, Watch> = BTreeMap::new();
        loop {
            for name in ["read", "kept"] {
                let (cell, now) = (self.cell(name), self.clock.mono());
                let revision = self.engine.view(&cell, now).map(|view| view.content.revision);
                let before = seen.get(name).copied();
                if revision < before {
                    self.complain(&format!("{name}: revision {before:?} became {revision:?}"));
                }
                if let Some(revision) = revision {
                    seen.insert(name, revision);
                    if timeout(Duration::ZERO, self.engine.wait(&cell, FOR_EVER)).await.is_err() {
                        self.complain(&format!("{name}: a reader waited, and there is a snapshot"));
                    }
                }
                if name == "read" {
                    self.engine.nudge(&cell, now);
                }
                let watch =
                    attempts.entry(name).or_insert_with(|| Watch { asked: 0, due: now, hung: Duration::ZERO, seen: Duration::ZERO });
                if let Some(late) = watch.look(&self, name, &cell, now) {
                    self.complain(&late);
                }
            }
            pass(READS).await;
        }
    }
}

/// Whether the next attempt of a key comes in time.
struct Watch {
    asked: usize,
    /// From when on one was to come.
    due: Mono,
    /// How long calls of the store have hung at the last attempt, and when it was last looked.
    hung: Duration,
    seen: Duration,
}

impl Watch {
    fn look(&mut self, world: &World, name: &str, cell: &Cell, now: Mono) -> Option<String> {
        let asked = world.asked.lock().unwrap().iter().filter(|(key, _)| key.source() == name).count();
        let hung = world.script.struck.lock().unwrap().iter().filter(|strike| strike.source == name).map(hangs).sum();
        let (stale_at, failure, flying) = {
            let inner = cell.lock();
            let stale_at = inner.state.standing.map(|standing| standing.horizon.stale_at);
            (stale_at, inner.state.degraded().cloned(), inner.state.is_refreshing())
        };
        if asked != self.asked {
            // What struck the attempt itself came after the last look.
            (self.asked, self.due, self.hung) = (asked, now, self.seen);
        }
        self.seen = hung;
        // Nobody wants what is fresh; one that is retired waits for its successor.
        if stale_at.is_some_and(|at| now < at) || cell.is_retired() {
            self.due = self.due.max(now);
        }
        let wish = failure.and_then(|failure| failure.retry_after).unwrap_or_default().min(LONGEST_RETRY_AFTER);
        let bound = DEADLINE + (FRESH_FOR / 4).max(wish) + hung.saturating_sub(self.hung) + 2 * READS;
        let late = self.due.until(now);
        (late > bound).then(|| {
            self.due = now;
            format!("{name}: no attempt for {late:?}, {bound:?} allowed (refreshing: {flying}, {})", cell.lock().state.phase.as_str())
        })
    }
}

/// How long a flight waits for a call that was struck. Fetches, and places among all replicas, end with the deadline.
fn hangs(strike: &Strike) -> Duration {
    match (strike.call, strike.fault) {
        ("fetch" | "slot" | "leave", _) => Duration::ZERO,
        (_, Fault::Hangs | Fault::Mute) => STORE_PATIENCE,
        (_, Fault::Late(by)) => by.min(STORE_PATIENCE),
        _ => Duration::ZERO,
    }
}

/// One schedule; what did not hold.
async fn fly(seed: u64) -> Result<Told, Vec<String>> {
    let world = World::new(seed);
    let dice = &world.script.dice;
    world.engine.load(recipes()[0].0.clone()).await.unwrap();
    let running = spawn(world.engine.clone().run());
    let reading = spawn(Arc::clone(&world).read());
    if dice.below(2) == 0 {
        // Cold otherwise: the first fetch meets faults already.
        pass(Duration::from_secs(1)).await;
    }
    world.script.set(true);
    let mut waiting = JoinSet::new();
    for _ in 0..6 + dice.below(10) {
        let (engine, cell) = (world.engine.clone(), world.cell(dice.one_of(&["read", "kept"])));
        match dice.below(9) {
            0 | 1 => drop(waiting.spawn(async move { forced(&engine.force(&cell, FOR_EVER).await) })),
            2 => drop(waiting.spawn(async move { waited(&engine.wait(&cell, FOR_EVER).await) })),
            3 => {
                let (recipes, settings) = dice.one_of(recipes());
                // Five seconds for the flights of the old one, and as long as the store is given.
                let reload = engine.reload(recipes, settings);
                if timeout(Duration::from_secs(6) + STORE_PATIENCE, reload).await.is_err() {
                    world.complain("a reload does not end");
                }
            }
            4 => world.clock.step_wall(SignedDuration::from_secs(dice.one_of(&[-86_400, -3_600, -7, 7, 3_600, 86_400]))),
            5 => tokio::task::yield_now().await,
            _ => pass(Duration::from_millis(dice.one_of(&[1, 20, 300, 1_000, 2_500, 5_000, 11_000, 45_000]))).await,
        }
    }
    if dice.below(8) == 0 {
        reading.abort();
        return drained(&world, waiting).await;
    }
    world.script.set(false);
    calm(&world, dice.below(2) == 0).await;
    // Nobody who waits is left waiting.
    let all = async { while waiting.join_next().await.is_some_and(|ended| ended.is_ok_and(|gave_up| !gave_up)) {} };
    if timeout(STORE_PATIENCE * 4, all).await.is_err() || !waiting.is_empty() {
        world.complain(&format!("{} who wait are left waiting", waiting.len()));
    }
    reading.abort();
    if running.is_finished() {
        world.complain("the engine ended");
    }
    world.script.set(false);
    if timeout(Duration::from_secs(4), world.engine.drain(Duration::from_secs(1))).await.is_err() {
        world.complain("a drain does not end");
    }
    told(&world)
}

/// Whether somebody gave up.
fn forced(forced: &Forced) -> bool {
    matches!(forced, Forced::StillRefreshing)
}

fn waited(waited: &Waited) -> bool {
    matches!(waited, Waited::StillRefreshing)
}

/// All is well again: by a reader or a timer, or by somebody who forces it, each key is refreshed in time, and its lease is free.
async fn calm(world: &World, by_force: bool) {
    let begun = world.clock.mono();
    for name in ["read", "kept"] {
        let good = async {
            loop {
                let cell = world.cell(name);
                if by_force {
                    if let Forced::Refreshed = world.engine.force(&cell, FOR_EVER).await {
                        return;
                    }
                } else if cell.lock().state.standing.is_some_and(|s| s.horizon.checked > begun) && cell.lock().state.degraded().is_none() {
                    return;
                }
                pass(READS).await;
            }
        };
        // A flight that hangs ends, a lease that was never given back runs out; what the upstream asked for, and the rest that its host
        // was given for its faults, are waited for by all but those who force.
        let asked = world.cell(name).lock().state.degraded().and_then(|failure| failure.retry_after).unwrap_or_default();
        let rest = if by_force { Duration::ZERO } else { asked.max(Duration::from_secs(600)) };
        let within = 2 * (DEADLINE + LEASE_MARGIN) + STORE_PATIENCE * 4 + FRESH_FOR + rest;
        if timeout(within, good).await.is_err() {
            let cell = world.cell(name);
            let state = format!("{:?}", cell.lock().state);
            world.complain(&format!("{name}: no good refresh within {within:?} of the last fault (forced: {by_force}): {state}"));
        }
    }
    for name in ["read", "kept"] {
        let free = async {
            loop {
                let cell = world.cell(name);
                if !cell.is_refreshing() && world.inner.acquire(&cell.key, 0, Duration::ZERO, world.clock.now()).await.unwrap().is_some() {
                    return;
                }
                pass(Duration::from_millis(10)).await;
            }
        };
        if timeout(Duration::from_secs(30), free).await.is_err() {
            world.complain(&format!("{name}: its lease is not given back"));
        }
    }
}

/// In the middle of it all the server is told to stop.
async fn drained(world: &World, mut waiting: JoinSet<bool>) -> Result<Told, Vec<String>> {
    let patience = Duration::from_secs(7);
    let begun = world.clock.mono();
    // Two seconds for what is being stored, and as long for a store that does not close.
    if timeout(FOR_EVER, world.engine.drain(patience)).await.is_err() || world.until_now(begun) > patience + Duration::from_secs(5) {
        world.complain(&format!("the drain took {:?}", world.until_now(begun)));
    }
    waiting.abort_all();
    told(world)
}

fn told(world: &World) -> Result<Told, Vec<String>> {
    let wrong = std::mem::take(&mut *world.wrong.lock().unwrap());
    let struck = world.script.struck.lock().unwrap();
    if !wrong.is_empty() {
        let begun = Mono::from_nanos(1_000_000_000_000);
        let struck = struck.iter().map(|s| (begun.until(s.at), format!("{}: {} {:?}", s.source, s.call, s.fault)));
        let asked = world.asked.lock().unwrap();
        let asked = asked.iter().map(|(key, at)| (begun.until(*at), format!("{}: an attempt", key.source())));
        let mut story: Vec<_> = struck.chain(asked).collect();
        story.sort_by_key(|(at, _)| *at);
        return Err(wrong.into_iter().chain(story.iter().map(|(at, what)| format!("{at:?} {what}"))).collect());
    }
    let mut told = Told { faults: struck.len(), attempts: world.asked.lock().unwrap().len(), ..Told::default() };
    for strike in struck.iter() {
        *told.kinds.entry(strike.call.to_owned()).or_default() += 1;
    }
    Ok(told)
}

/// A runtime of its own, whose time is paused.
fn schedule(seed: u64) -> Result<Told, Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let flown = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(fly(seed))));
    flown.unwrap_or_else(|_| Err(vec!["the schedule itself panicked".to_owned()]))
}

/// Runs one again: `WELLSPRING_SEED=17 cargo test -p wellspring --test it trust::schedules`.
fn asked_for() -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the test names the schedule")]
    std::env::var("WELLSPRING_SEED").ok()?.parse().ok()
}

#[test]
fn no_refresh_is_stuck() {
    let count = if long() { 10_000 } else { 300 };
    let seeds = asked_for().map_or(0..count, |seed| seed..seed + 1);
    let (mut all, mut broken) = (Told::default(), Vec::new());
    let total = seeds.end - seeds.start;
    for seed in seeds {
        match schedule(seed) {
            Ok(told) => {
                all.faults += told.faults;
                all.attempts += told.attempts;
                told.kinds.into_iter().for_each(|(kind, n)| *all.kinds.entry(kind).or_default() += n);
            }
            Err(wrong) => broken.push((seed, wrong)),
        }
    }
    for (seed, wrong) in broken.iter().take(5) {
        println!("schedule {seed}: {}", wrong.join("\n  "));
    }
    println!("{:?}", all.kinds);
    let what = format!("schedules of the engine with {} faults in {} attempts, none stuck", all.faults, all.attempts);
    judge("T4", &what, &format!("{} of {total}", total - broken.len() as u64), "all", broken.is_empty());
}
