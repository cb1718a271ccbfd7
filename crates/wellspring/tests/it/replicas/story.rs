//! What happens in a seed, and what was seen of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::task::JoinSet;
use wellspring::app;
use wellspring::config::Config;
use wellspring::engine::catalog::Recipe;
use wellspring::engine::{Forced, Settings};
use wellspring::store::Retention;
use wellspring::store::memory::MemoryStore;
use wellspring_core::key::Key;
use wellspring_core::refresh::Phase;
use wellspring_core::snapshot::Snapshot;

use super::judge;
use super::replica::{Replica, SimClock};
use super::shared::{Link, SharedStore, State};
use crate::support::faults::{Dice, pass};

pub(super) const PERIOD: Duration = Duration::from_secs(20);
/// Longer than a lease lasts that nobody prolongs, as some fetches are.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);
pub(super) const READS: Duration = Duration::from_secs(1);
pub(super) const FOR_EVER: Duration = Duration::from_secs(100_000);
pub(super) const SOURCES: [&str; 2] = ["read", "kept"];

/// What is taken away to see that it is missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    None,
    /// The store says of no key that it has changed.
    HidesChanges,
    /// The store takes what is written under a lease that was lost.
    TakesOldLeases,
    /// The store prolongs no lease, and says that it did.
    ProlongsNothing,
}

pub(super) fn recipes() -> &'static (Vec<Arc<Recipe>>, Settings) {
    static RECIPES: OnceLock<(Vec<Arc<Recipe>>, Settings)> = OnceLock::new();
    RECIPES.get_or_init(|| {
        let source = |name: &str, mode: &str| {
            format!(
                "[source.{name}]\nurl = \"http://{name}.example/\"\nformat = \"json\"\nfresh_for = \"{}s\"\ndeadline = \"{}s\"\n\
                 timeout = \"{}s\"\nmin_interval = \"5s\"\nrefresh = \"{mode}\"\n",
                PERIOD.as_secs(),
                DEADLINE.as_secs(),
                DEADLINE.as_secs()
            )
        };
        let text = format!("[fetch]\nrobots = false\ngap = \"0s\"\n{}{}", source("read", "demand"), source("kept", "always"));
        let config = Config::parse("test.toml", &text, &|_| None).unwrap_or_else(|wrong| panic!("{}", wrong[0]));
        (app::recipes(&config).unwrap_or_else(|wrong| panic!("{}", wrong[0])), app::settings(&config))
    })
}

/// The number that an upstream had.
pub(super) fn number_of(snapshot: &Snapshot) -> u64 {
    snapshot.items.json().chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

#[derive(Clone, Debug)]
pub(super) struct Fetch {
    pub(super) begun: Duration,
    pub(super) ended: Option<Duration>,
    pub(super) replica: usize,
    pub(super) source: String,
}

/// What was seen.
#[derive(Debug)]
pub(super) struct Log {
    clock: Arc<SimClock>,
    pub(super) fetched: Mutex<Vec<Fetch>>,
    numbers: Mutex<BTreeMap<String, u64>>,
    lines: Mutex<Vec<(Duration, String)>>,
    wrong: Mutex<Vec<String>>,
    /// Where clocks disagree, two sides of a partition are told apart by what they say, and that may be wrong.
    pub(super) judges_numbers: Mutex<bool>,
}

impl Log {
    pub(super) fn complain(&self, words: &str) {
        let mut wrong = self.wrong.lock().unwrap();
        if wrong.len() < 3 {
            wrong.push(format!("after {:?}: {words}", self.clock.passed()));
        }
    }

    pub(super) fn say(&self, words: String) {
        self.lines.lock().unwrap().push((self.clock.passed(), words));
    }

    pub(super) fn fetches(&self, replica: usize, source: &str, alone: bool) -> usize {
        self.say(format!("replica {replica} fetches {source}{}", if alone { ", alone" } else { "" }));
        let mut fetched = self.fetched.lock().unwrap();
        fetched.push(Fetch { begun: self.clock.passed(), ended: None, replica, source: source.to_owned() });
        fetched.len() - 1
    }

    /// What the upstream has at the end of a fetch.
    pub(super) fn number(&self, fetch: usize, rises: bool) -> u64 {
        let now = self.clock.passed();
        let mut fetched = self.fetched.lock().unwrap();
        let source = fetched[fetch].source.clone();
        // Of two at one moment nobody can say which is the later.
        let alone = fetched.iter().all(|other| other.source != source || other.ended != Some(now));
        fetched[fetch].ended = Some(now);
        drop(fetched);
        let mut numbers = self.numbers.lock().unwrap();
        let number = numbers.entry(source).or_insert(1);
        *number += u64::from(rises && alone);
        *number
    }

    pub(super) fn stored(&self, replica: usize, key: &Key, before: Option<u64>, number: u64, revision: u64, fence: u64) {
        self.say(format!("replica {replica} stored {key}: number {number} as revision {revision} under fence {fence}"));
        if before > Some(number) && *self.judges_numbers.lock().unwrap() {
            self.complain(&format!("replica {replica}: {key}: old over new: number {number} over {before:?} under fence {fence}"));
        }
    }
}

/// A seed that was played.
pub(super) struct Played {
    pub(super) told: Told,
    /// What did not hold.
    pub(super) wrong: Vec<String>,
    /// What happened, in its order.
    pub(super) lines: Vec<String>,
}

/// What came of some seeds.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) replicas: usize,
    pub(super) fetches: usize,
    pub(super) faults: usize,
    pub(super) virtual_time: Duration,
}

impl Told {
    pub(super) fn add(&mut self, other: &Self) {
        self.replicas += other.replicas;
        self.fetches += other.fetches;
        self.faults += other.faults;
        self.virtual_time += other.virtual_time;
    }
}

pub(super) struct World {
    pub(super) dice: Arc<Dice>,
    pub(super) log: Arc<Log>,
    pub(super) clock: Arc<SimClock>,
    pub(super) shared: Arc<SharedStore>,
    pub(super) replicas: Vec<Replica>,
    pub(super) skewed: bool,
    /// Faults, forced refreshes and starts: each may cost a fetch.
    pub(super) excuses: usize,
    pub(super) faults: usize,
    /// Hints were lost, or the shared store changed behind whole links.
    pub(super) silent: bool,
    forcing: JoinSet<()>,
}

impl World {
    async fn new(seed: u64, control: Control) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the clock of a test whose time is moved by its timers")]
        let clock = SimClock::new(tokio::time::Instant::now());
        let dice = Arc::new(Dice::new(seed));
        let log = Arc::new(Log {
            clock: Arc::clone(&clock),
            fetched: Mutex::default(),
            numbers: Mutex::default(),
            lines: Mutex::default(),
            wrong: Mutex::default(),
            judges_numbers: Mutex::new(true),
        });
        let shared = SharedStore::new(Arc::clone(&dice), Arc::clone(&log), Arc::clone(&clock), control);
        let skewed = dice.below(3) == 0;
        let mut replicas = Vec::new();
        for name in 0..2 + usize::try_from(dice.below(3)).unwrap() {
            let skew = if skewed { SignedDuration::from_secs(i64::try_from(dice.below(601)).unwrap() - 300) } else { SignedDuration::ZERO };
            let local = Arc::new(MemoryStore::new(Retention::default()));
            replicas.push(Replica::start(name, &shared, Link::new(name), local, clock.beside(skew)).await);
        }
        let excuses = replicas.len();
        Self { dice, log, clock, shared, replicas, skewed, excuses, faults: 0, silent: false, forcing: JoinSet::new() }
    }

    fn any(&self) -> usize {
        usize::try_from(self.dice.below(self.replicas.len() as u64)).unwrap()
    }

    /// All is whole: readers come, somebody forces now and then.
    async fn calm(&mut self, periods: u64) {
        for _ in 0..periods {
            pass(PERIOD).await;
        }
    }

    fn force(&mut self) {
        let source = self.dice.one_of(&SOURCES);
        let replica = &self.replicas[self.any()];
        self.log.say(format!("replica {} is forced to refresh {source}", replica.name));
        let (engine, cell) = (replica.engine.clone(), replica.cell(source));
        let log = Arc::clone(&self.log);
        self.excuses += 1;
        self.forcing.spawn(async move {
            if let Forced::StillRefreshing = engine.force(&cell, Duration::from_secs(300)).await {
                log.complain("a forced refresh does not end");
            }
        });
    }

    fn set(&mut self, name: usize, state: State) {
        self.log.say(format!("the link of replica {name}: {state:?}"));
        self.replicas[name].link.set(state);
        if state != State::Whole {
            self.trusts_clocks();
        }
        self.excuses += 1;
        self.faults += 1;
    }

    /// From now on replicas may have gone apart, and what each has done is judged by their clocks: where those are wrong, old may stand
    /// over new once.
    fn trusts_clocks(&self) {
        if self.skewed {
            *self.log.judges_numbers.lock().unwrap() = false;
        }
    }

    async fn restart(&mut self, at: usize, keeps: bool, down: Duration) {
        let replica = self.replicas.remove(at);
        self.log.say(format!("replica {} crashes; its disk is {}", replica.name, if keeps { "kept" } else { "lost" }));
        let (name, clock, state) = (replica.name, Arc::clone(&replica.clock), *replica.link.state.lock().unwrap());
        let local = replica.crash(keeps).await;
        pass(down).await;
        let link = Link::new(name);
        *link.state.lock().unwrap() = state;
        let started = Replica::start(name, &self.shared, link, local, clock).await;
        self.log.say(format!("replica {name} is back"));
        self.replicas.insert(at, started);
        self.excuses += 1;
        self.faults += 1;
    }

    /// A replica stops while it refreshes: what it had begun to write arrives when its lease is over.
    async fn stop_a_holder(&mut self) {
        for _ in 0..250 {
            let collects = |replica: &Replica| {
                SOURCES.iter().any(|source| matches!(replica.cell(source).lock().state.phase, Phase::Collecting { .. }))
            };
            if let Some(at) = self.replicas.iter().position(collects) {
                self.set(at, State::Holds);
                return pass(Duration::from_secs(3)).await;
            }
            pass(Duration::from_millis(100)).await;
        }
    }

    /// One thing that goes wrong.
    async fn mishap(&mut self) {
        let at = self.any();
        match self.dice.below(15) {
            0 => self.set(at, State::Refuses),
            1 => self.set(at, State::Hangs),
            2 => self.set(at, State::LosesAnswers),
            3 => {
                let by = Duration::from_millis(self.dice.one_of(&[300, 1_500, 8_000, 60_000]));
                self.set(at, State::Late(by));
            }
            4 => {
                let state = self.dice.one_of(&[State::Refuses, State::Hangs]);
                (0..self.replicas.len()).for_each(|at| self.set(at, state));
            }
            5 | 6 => self.set(at, State::Whole),
            7 => {
                let (keeps, down) = (self.dice.below(3) > 0, Duration::from_millis(self.dice.below(30_000)));
                self.restart(at, keeps, down).await;
            }
            8 if self.skewed => {
                let by = SignedDuration::from_secs(i64::try_from(self.dice.below(601)).unwrap() - 300);
                self.log.say(format!("the clock of replica {} steps by {by}", self.replicas[at].name));
                self.replicas[at].clock.step(by);
                self.excuses += 1;
            }
            9 => {
                self.log.say("the shared store is emptied".to_owned());
                self.shared.wipe();
                self.trusts_clocks();
                self.silent = true;
                self.excuses += self.replicas.len();
                self.faults += 1;
            }
            10 => {
                self.log.say("a backup is made".to_owned());
                self.shared.back_up().await;
            }
            11 => {
                if self.shared.bring_back() {
                    self.log.say("the shared store comes back from its backup".to_owned());
                    self.trusts_clocks();
                    self.silent = true;
                    self.excuses += self.replicas.len();
                    self.faults += 1;
                }
            }
            12 => {
                *self.shared.hints.lock().unwrap() = self.dice.one_of(&[0, 3, 6]);
                self.silent = true;
            }
            13 => self.stop_a_holder().await,
            _ => self.force(),
        }
    }
}

pub(super) async fn play(seed: u64, control: Control) -> Played {
    let mut world = World::new(seed, control).await;
    if control == Control::HidesChanges {
        *world.shared.hints.lock().unwrap() = 1;
    }
    let periods = 1 + world.dice.below(2);
    world.calm(periods).await;
    judge::is_once_a_period(&world, Duration::ZERO);
    let stops = control == Control::TakesOldLeases;
    if stops {
        world.stop_a_holder().await;
    }
    let mishaps = if stops { 0 } else { 3 + world.dice.below(6) };
    for _ in 0..mishaps {
        world.mishap().await;
        pass(Duration::from_millis(world.dice.one_of(&[1, 100, 700, 2_500, 6_000, 15_000, 25_000]))).await;
    }
    *world.shared.hints.lock().unwrap() = 0;
    (0..world.replicas.len()).for_each(|at| world.set(at, State::Whole));
    judge::comes_together(&world).await;
    judge::is_bounded(&world);
    let healed = world.clock.passed();
    world.calm(if stops { 4 } else { 1 + seed % 2 }).await;
    // A look at all heads that hung then runs to its deadline, and the next one comes half a second later.
    judge::is_once_a_period(&world, healed + Duration::from_secs(4));
    if tokio::time::timeout(Duration::from_secs(120), async { while world.forcing.join_next().await.is_some() {} }).await.is_err() {
        world.log.complain("somebody who forced a refresh is left waiting");
    }
    let told = Told {
        replicas: world.replicas.len(),
        fetches: world.log.fetched.lock().unwrap().len(),
        faults: world.faults,
        virtual_time: world.clock.passed(),
    };
    for replica in world.replicas.drain(..) {
        replica.stop().await;
    }
    let wrong = std::mem::take(&mut *world.log.wrong.lock().unwrap());
    let first = format!("clocks disagree: {}", world.skewed);
    let lines = world.log.lines.lock().unwrap();
    let lines = [first].into_iter().chain(lines.iter().map(|(at, what)| format!("{at:?} {what}"))).collect();
    Played { told, wrong, lines }
}
