//! Every state that the machine can come to, from every start, by every event and every step of time that matters: what differs only
//! by when it is, by how often it failed beyond the longest backoff or by the number of its revision counts as one. The walk ends
//! where nothing new is found, so what holds at each state holds always.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::*;
use crate::failure::Kind;
use crate::policy::{Fresh, LONGEST_RETRY_AFTER, RefreshMode, SHORTEST_BACKOFF};

mod starts;

use starts::starts;

/// Short, so that all times are few whole seconds and the walk comes to its end; the quarter of it makes every backoff a second.
const PERIOD: Duration = Duration::from_secs(8);
/// All that is farther off is as far off.
const FAR: Duration = Duration::from_secs(30);
/// From so many failures on nothing depends on how many.
const FAILURES: u32 = 2;

/// How the machine steps; a control steps wrongly.
type Step = fn(State, &Policy, Event, Moment, u64) -> (State, Vec<Effect>);

/// The machine and what the world around it holds for it.
#[derive(Clone, Debug)]
struct Node {
    state: State,
    now: Moment,
    /// A lease was asked for and not answered.
    asked: bool,
    leased: bool,
    /// Where the key stands among the timers: the earliest wins.
    timer: Option<Mono>,
    /// The last flight was ended by us, after which no timer stands: the scan of the engine sees to that.
    cancelled: bool,
}

/// What makes two nodes the same, times from now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seen {
    phase: &'static str,
    ends: Duration,
    result: Option<(i64, bool, Duration)>,
    stands: Option<(Duration, bool, bool)>,
    failures: u32,
    degraded: bool,
    forced: Duration,
    world: (bool, bool, Option<Duration>, bool),
}

#[derive(Clone, Debug)]
enum Act {
    Happens(Event),
    Passes(Duration),
}

#[derive(Debug, Default)]
struct Found {
    states: usize,
    transitions: usize,
    /// The longest time from any state to the next attempt, where nobody waits for a person.
    longest: Duration,
}

fn policy(mode: RefreshMode) -> Policy {
    Policy {
        fresh: Fresh::For(PERIOD),
        // What is expired is to the machine what is stale.
        max_stale: None,
        mode,
        deadline: Duration::from_secs(3),
        min_interval: Duration::from_secs(1),
        cold_wait: Duration::from_secs(8),
    }
}

fn start() -> Moment {
    Moment { wall: "2026-01-01T00:00:00Z".parse().unwrap(), mono: Mono::from_nanos(1_000_000_000_000) }
}

fn digest(n: u8) -> Digest {
    Digest::of(&[n])
}

fn failed(kind: Kind, code: Code, retry_after: Option<Duration>) -> Event {
    Event::Failed(Failure { retry_after, ..Failure::new(kind, code, "no") })
}

impl Node {
    fn seen(&self, policy: &Policy) -> Seen {
        let (now, state) = (self.now, &self.state);
        let (ends, result) = match &state.phase {
            Phase::Collecting { deadline, .. } => (now.mono.until(*deadline), None),
            Phase::Storing { deadline, standing: new, .. } => {
                let old = state.standing.map_or(0, |s| s.revision).cast_signed();
                let equal = state.standing.is_some_and(|s| s.digest == new.digest);
                let age = now.mono.since(now.mono_of(new.checked_at)).min(PERIOD);
                (now.mono.until(*deadline), Some((new.revision.cast_signed() - old, equal, age)))
            }
            Phase::BackingOff { until } => (now.mono.until(*until).min(FAR), None),
            _ => (Duration::ZERO, None),
        };
        Seen {
            phase: if let Phase::Following { .. } = state.phase { "following" } else { state.phase.as_str() },
            ends,
            result,
            stands: state.standing.map(|s| (now.mono.until(s.horizon.stale_at), s.rules_current, state.rules_applied)),
            failures: state.attempts.failures.min(FAILURES),
            degraded: state.degraded().is_some(),
            forced: state.forced.map_or(Duration::ZERO, |at| now.mono.until(at.after(policy.min_interval))),
            world: (self.asked, self.leased, self.timer.map(|at| now.mono.until(at).min(FAR)), self.cancelled),
        }
    }

    /// All that can happen here. The world answers a lease only where one was asked for, and gives it to one only.
    fn acts(&self, policy: &Policy) -> Vec<Act> {
        let state = &self.state;
        let base = state.standing.map_or(0, |s| s.revision);
        let (same, other) = match state.standing {
            Some(s) if s.digest == digest(0) => (digest(0), digest(1)),
            _ => (digest(1), digest(0)),
        };
        let (long_ago, now) = (start().wall, self.now.wall);
        let told = |latest, attempts| Event::Remote(Box::new(Remote { latest, attempts, since: Mono::from_nanos(i64::MIN) }));
        let stored = |revision, digest, checked_at, rules, is_later| {
            told(Some(RemoteLatest { revision, digest, checked_at, rules, is_later, told_late: false }), Attempts::default())
        };
        let news = |revision, digest, checked_at, is_later| stored(revision, digest, checked_at, Digest::of(b"rules"), is_later);
        let others = |forced| Attempts {
            failures: 1,
            last_failure: Some(Failure::retryable(Code::UpstreamStatus, "no")),
            failed_at: Some(now),
            not_before: Some(now.checked_add(Duration::from_secs(2)).unwrap()),
            forced_at: forced,
            rules: Some(Digest::of(b"rules")),
        };
        let mut events = vec![
            Event::Nudged,
            Event::Collected { digest: same },
            Event::Collected { digest: other },
            Event::NotModified,
            Event::Stored,
            Event::Rejected(Failure::retryable(Code::GateFailed, "0 items")),
            failed(Kind::Retryable, Code::UpstreamStatus, None),
            failed(Kind::Retryable, Code::UpstreamStatus, Some(Duration::from_secs(4))),
            failed(Kind::Retryable, Code::UpstreamStatus, Some(LONGEST_RETRY_AFTER * 9)),
            failed(Kind::Retryable, Code::Interrupted, None),
            failed(Kind::Permanent, Code::TlsFailed, None),
            failed(Kind::Blocked, Code::RobotsRefused, None),
            failed(Kind::Permanent, Code::NoAlternative, None),
            Event::DeadlinePassed,
            Event::LeaseLost,
            Event::Cancelled,
            news(base.saturating_sub(1), other, now, false),
            news(base, same, now, true),
            news(base, same, long_ago, false),
            news(base, other, now, true),
            news(base + 1, same, now, true),
            news(base + 1, other, now, true),
            news(base + 2, other, long_ago, true),
            stored(base + 1, other, now, Digest::of(b"older rules"), true),
            told(None, others(None)),
            told(None, others(Some(now))),
            told(None, Attempts { forced_at: Some(now), ..Attempts::default() }),
        ];
        if self.timer.is_none_or(|at| at > self.now.mono) {
            // For nothing; one that stands among the timers is taken below.
            events.push(Event::Due);
        }
        if state.refuses_force(policy, self.now.mono).is_none() {
            events.push(Event::Forced);
        }
        if self.asked {
            events.push(Event::LeaseDenied);
            events.push(Event::HeldElsewhere);
            events.extend((!self.leased).then_some(Event::LeaseGranted));
        }
        let ends = match &state.phase {
            Phase::Collecting { deadline, .. } | Phase::Storing { deadline, .. } => Some(*deadline),
            Phase::BackingOff { until } => Some(*until),
            _ => None,
        };
        let turns = state.standing.map(|s| s.horizon.stale_at).into_iter();
        let moments = turns.chain(ends).chain(self.timer).map(|at| self.now.mono.until(at)).filter(|wait| !wait.is_zero());
        let past = ends.map(|at| self.now.mono.until(at) + Duration::from_secs(1));
        let mut waits: Vec<Duration> = moments.chain(past).chain([LONGEST_RETRY_AFTER * 2]).collect();
        waits.sort_unstable();
        waits.dedup();
        let mut acts: Vec<Act> = events.into_iter().map(Act::Happens).collect();
        if self.timer.is_some_and(|at| at <= self.now.mono) {
            acts.push(Act::Happens(Event::Due));
        }
        acts.extend(waits.into_iter().map(Act::Passes));
        acts
    }

    fn after(&self, policy: &Policy, act: &Act, seed: u64, step: Step) -> Result<Self, String> {
        let mut next = self.clone();
        let event = match act {
            Act::Passes(by) => {
                next.now = Moment { wall: self.now.wall.checked_add(*by).unwrap(), mono: self.now.mono.after(*by) };
                return Ok(next);
            }
            Act::Happens(event) => event.clone(),
        };
        if matches!(event, Event::LeaseGranted | Event::LeaseDenied) {
            next.asked = false;
            next.leased |= event == Event::LeaseGranted;
        }
        if event == Event::Due && self.timer.is_some_and(|at| at <= self.now.mono) {
            next.timer = None;
        }
        let (after, effects) = step(self.state.clone(), policy, event.clone(), self.now, seed);
        next.state = after;
        self.judge(policy, &event, &effects, &mut next)?;
        Ok(next)
    }

    /// The promises of one step.
    fn judge(&self, policy: &Policy, event: &Event, effects: &[Effect], next: &mut Self) -> Result<(), String> {
        let (now, before, after) = (self.now.mono, &self.state, &next.state);
        let hold = |held: bool, what: &str| if held { Ok(()) } else { Err(what.to_owned()) };
        let longest = policy.longest_backoff().max(LONGEST_RETRY_AFTER).max(policy.period());
        for effect in effects {
            match effect {
                Effect::Acquire => {
                    hold(!before.is_refreshing() && !next.leased, "a second flight")?;
                    next.asked = true;
                }
                Effect::Collect { deadline, .. } => {
                    hold(next.leased && *deadline == now.after(policy.deadline), "collected without a lease")?;
                }
                Effect::Store | Effect::Touch => hold(next.leased, "stored without a lease")?,
                Effect::Release => next.leased = false,
                Effect::Record => hold(after.degraded().is_some(), "a failure is recorded, and there is none")?,
                Effect::WakeAt(at) => {
                    hold(*at >= now && now.until(*at) <= longest, "a wake in the past or without bound")?;
                    next.timer = Some(next.timer.map_or(*at, |old| old.min(*at)));
                }
            }
        }
        hold(after.is_refreshing() || !next.leased, "a lease is kept")?;
        let (old, new) = (before.standing, after.standing);
        match event {
            Event::Stored => hold(new.map(|s| s.revision) <= old.map(|s| s.revision + 1).or(Some(1)), "a revision is skipped")?,
            Event::Remote(_) => {}
            _ => hold(old == new, "something other than a stored result replaced the snapshot")?,
        }
        if let (Some(old), Some(new)) = (old, new) {
            hold(new.revision > old.revision || (new.revision == old.revision && new.digest == old.digest), "a revision does not rise")?;
        }
        hold(old.is_none() || new.is_some(), "a snapshot is gone")?;
        hold(new.is_none_or(|s| s.horizon.checked <= now), "a negative age")?;
        if let Phase::BackingOff { until } = after.phase {
            if before.phase != after.phase && *event != Event::LeaseDenied {
                let wish = if let Event::Failed(failure) = event { failure.retry_after.unwrap_or_default() } else { Duration::ZERO };
                let heard = matches!(event, Event::Remote(_));
                hold(heard || until >= now.after(SHORTEST_BACKOFF), "a retry sooner than the shortest backoff")?;
                let most = (policy.period() / 4).max(SHORTEST_BACKOFF).max(wish.min(LONGEST_RETRY_AFTER));
                hold(now.until(until) <= most, "a retry not well before the next period")?;
            }
            hold(next.timer.is_some_and(|at| at <= until), "it backs off, and no timer ends that")?;
            hold(!(now < until && *event == Event::Nudged && effects.contains(&Effect::Acquire)), "a reader started a retry too soon")?;
        }
        if matches!(before.phase, Phase::BackingOff { until } if now < until) && matches!(event, Event::Nudged | Event::Due) {
            hold(!after.is_refreshing(), "a retry before its time")?;
        }
        if before.is_refreshing() && !after.is_refreshing() {
            next.cancelled = *event == Event::Cancelled;
        }
        Ok(())
    }

    /// From here, whatever runs is ended at its deadline at the latest, and a reader or a timer starts the next attempt in time.
    fn starts_again(&self, policy: &Policy, step: Step) -> Result<Duration, String> {
        if self.state.phase == Phase::Disabled {
            let mut forced = self.clone();
            forced.now.mono = self.now.mono.after(policy.min_interval);
            let next = forced.after(policy, &Act::Happens(Event::Forced), 0, step)?;
            return if next.state.is_refreshing() { Ok(Duration::ZERO) } else { Err("no force starts it".to_owned()) };
        }
        let (mut node, mut took) = (self.clone(), Duration::ZERO);
        if node.state.is_refreshing() {
            let ends = match node.state.phase {
                Phase::Collecting { deadline, .. } | Phase::Storing { deadline, .. } => node.now.mono.until(deadline),
                _ => policy.deadline,
            };
            node = node.after(policy, &Act::Passes(ends), 0, step)?.after(policy, &Act::Happens(Event::DeadlinePassed), u64::MAX, step)?;
            took += ends;
            if node.state.is_refreshing() {
                return Err("it goes on past its deadline".to_owned());
            }
        }
        // A reader that finds it stale, as soon as one may.
        let stale = node.state.standing.map_or(node.now.mono, |s| s.horizon.stale_at);
        let may = node.state.next_attempt().unwrap_or(node.now.mono).max(node.now.mono);
        took += node.now.mono.until(may);
        let read = node.after(policy, &Act::Passes(node.now.mono.until(may.max(stale))), 0, step)?;
        let started = read.after(policy, &Act::Happens(Event::Nudged), 0, step)?;
        if !started.state.is_refreshing() {
            return Err("no reader starts it".to_owned());
        }
        // Its timers alone, where it is kept fresh unasked.
        if policy.mode == RefreshMode::Always && !node.cancelled {
            for _ in 0..3 {
                let Some(at) = node.timer else { return Err("it is kept fresh, and no timer stands".to_owned()) };
                let wait = Act::Passes(node.now.mono.until(at));
                node = node.after(policy, &wait, 0, step)?.after(policy, &Act::Happens(Event::Due), 0, step)?;
                if node.state.is_refreshing() {
                    return Ok(took);
                }
            }
            return Err("timers fire for nothing".to_owned());
        }
        Ok(took)
    }
}

/// Walks until nothing new is found, or tells what does not hold, and how it came to that.
fn walk(mode: RefreshMode, step: Step) -> Result<Found, String> {
    let policy = policy(mode);
    let mut known: HashMap<Seen, usize> = HashMap::new();
    let mut came: Vec<(usize, String)> = Vec::new();
    let mut waiting: VecDeque<(usize, Node)> = VecDeque::new();
    let mut found = Found::default();
    for node in starts(&policy) {
        let seen = node.seen(&policy);
        if let Entry::Vacant(place) = known.entry(seen) {
            place.insert(came.len());
            came.push((usize::MAX, format!("{:?}", node.state)));
            waiting.push_back((came.len() - 1, node));
        }
    }
    while let Some((number, node)) = waiting.pop_front() {
        let told = |what: String, act: Option<&Act>| {
            let (mut at, mut path) = (number, act.map(|act| format!("{act:?}")).into_iter().collect::<Vec<_>>());
            while at != usize::MAX {
                path.push(came[at].1.clone());
                at = came[at].0;
            }
            path.reverse();
            format!("{what} ({mode:?}), by:\n{}", path.join("\n"))
        };
        found.longest = found.longest.max(node.starts_again(&policy, step).map_err(|what| told(what, None))?);
        let mut new = Vec::new();
        for act in node.acts(&policy) {
            found.transitions += 1;
            let next = node.after(&policy, &act, 0, step).map_err(|what| told(what, Some(&act)))?;
            // A backoff spread otherwise is judged and not followed: it is the same but for some seconds.
            node.after(&policy, &act, u64::MAX, step).map_err(|what| told(what, Some(&act)))?;
            new.push((act, next));
        }
        for (act, next) in new {
            let seen = next.seen(&policy);
            if let Entry::Vacant(place) = known.entry(seen) {
                place.insert(came.len());
                came.push((number, format!("{act:?}")));
                waiting.push_back((came.len() - 1, next));
            }
        }
    }
    found.states = known.len();
    Ok(found)
}

#[test]
fn trust_every_state_of_the_machine() {
    let mut all = Found::default();
    for mode in [RefreshMode::Demand, RefreshMode::Always] {
        let found = walk(mode, step).unwrap_or_else(|wrong| panic!("{wrong}"));
        all.states += found.states;
        all.transitions += found.transitions;
        // What an upstream asks for itself (`Retry-After`) goes beyond what we would wait.
        assert!(found.longest <= policy(mode).deadline + LONGEST_RETRY_AFTER, "{:?}", found.longest);
    }
    println!(
        "\ntrust T4 | states of the machine, all of them, by {} transitions | {} | no promise broken | held",
        all.transitions, all.states
    );
}

/// A machine with one defect is found out, whichever it is.
#[test]
fn a_walk_finds_what_is_broken() {
    fn keeps_its_lease(state: State, policy: &Policy, event: Event, now: Moment, seed: u64) -> (State, Vec<Effect>) {
        let late = event == Event::DeadlinePassed;
        let (state, mut effects) = step(state, policy, event, now, seed);
        effects.retain(|effect| !(late && *effect == Effect::Release));
        (state, effects)
    }
    fn sets_no_timer(state: State, policy: &Policy, event: Event, now: Moment, seed: u64) -> (State, Vec<Effect>) {
        let failed = matches!(event, Event::Failed(_));
        let (state, mut effects) = step(state, policy, event, now, seed);
        effects.retain(|effect| !(failed && matches!(effect, Effect::WakeAt(_))));
        (state, effects)
    }
    fn retries_on_every_read(mut state: State, policy: &Policy, event: Event, now: Moment, seed: u64) -> (State, Vec<Effect>) {
        if event == Event::Nudged && matches!(state.phase, Phase::BackingOff { .. }) {
            state.phase = Phase::Idle;
        }
        step(state, policy, event, now, seed)
    }
    fn forgets_its_snapshot(state: State, policy: &Policy, event: Event, now: Moment, seed: u64) -> (State, Vec<Effect>) {
        let refused = matches!(event, Event::Rejected(_));
        let (mut state, effects) = step(state, policy, event, now, seed);
        state.standing = state.standing.filter(|_| !refused);
        (state, effects)
    }
    fn hangs(state: State, policy: &Policy, event: Event, now: Moment, seed: u64) -> (State, Vec<Effect>) {
        if event == Event::DeadlinePassed { (state, Vec::new()) } else { step(state, policy, event, now, seed) }
    }
    fn never_wakes_again(state: State, policy: &Policy, event: Event, now: Moment, seed: u64) -> (State, Vec<Effect>) {
        let stored = event == Event::Stored;
        let (state, mut effects) = step(state, policy, event, now, seed);
        effects.retain(|effect| !(stored && matches!(effect, Effect::WakeAt(_))));
        (state, effects)
    }
    #[track_caller]
    fn check(broken: Step, told: &str) {
        let wrong = walk(RefreshMode::Always, broken).unwrap_err();
        assert!(wrong.starts_with(told), "{wrong}");
    }
    check(keeps_its_lease, "a lease is kept");
    check(sets_no_timer, "it backs off, and no timer ends that");
    check(retries_on_every_read, "a retry before its time");
    check(forgets_its_snapshot, "something other than a stored result replaced the snapshot");
    check(hangs, "it goes on past its deadline");
    check(never_wakes_again, "it is kept fresh, and no timer stands");
}
