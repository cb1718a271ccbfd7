//! The machine's promises, each a property over random schedules of events.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::failure::Kind;
use crate::policy::RefreshMode;
use crate::policy::{Fresh, LONGEST_RETRY_AFTER};

fn policy(period: u64) -> Policy {
    Policy {
        fresh: Fresh::For(Duration::from_secs(period)),
        max_stale: None,
        mode: RefreshMode::Demand,
        deadline: Duration::from_secs(120),
        min_interval: Duration::from_secs(10),
        cold_wait: Duration::from_secs(8),
    }
}

fn start() -> Moment {
    Moment { wall: "2026-01-01T00:00:00Z".parse().unwrap(), mono: Mono::from_nanos(1_000_000_000_000) }
}

fn later(now: Moment, by: Duration) -> Moment {
    Moment { wall: now.wall.checked_add(by).unwrap(), mono: now.mono.after(by) }
}

fn rules() -> Digest {
    Digest::of(b"rules")
}

fn empty(policy: &Policy) -> State {
    State::restore(None, Attempts::default(), rules(), policy, start()).0
}

fn digest(n: u8) -> Digest {
    Digest::of(&[n])
}

fn remote(revision: u64, digest: Digest, checked_at: Timestamp, rules: Digest, is_later: bool) -> Event {
    let latest = Some(RemoteLatest { revision, digest, checked_at, rules, is_later, told_late: false });
    Event::Remote(Box::new(Remote { latest, attempts: Attempts::default(), since: Mono::from_nanos(i64::MIN) }))
}

fn failure() -> Failure {
    Failure::retryable(Code::UpstreamStatus, "the upstream answered 500")
}

/// Steps through events at one moment, with seed 0.
fn run(mut state: State, policy: &Policy, now: Moment, events: impl IntoIterator<Item = Event>) -> (State, Vec<Effect>) {
    let mut all = Vec::new();
    for event in events {
        let (next, effects) = step(state, policy, event, now, 0);
        state = next;
        all.extend(effects);
    }
    (state, all)
}

fn refreshed(state: State, policy: &Policy, now: Moment, n: u8) -> State {
    run(state, policy, now, [Event::Nudged, Event::LeaseGranted, Event::Collected { digest: digest(n) }, Event::Stored]).0
}

#[test]
fn a_cold_key_is_fetched_stored_and_fresh() {
    let policy = policy(100);
    let events = [Event::Nudged, Event::Nudged, Event::LeaseGranted, Event::Collected { digest: digest(1) }, Event::Stored];
    let (state, effects) = run(empty(&policy), &policy, start(), events);
    let deadline = start().mono.after(policy.deadline);
    assert_eq!(effects, [Effect::Acquire, Effect::Collect { conditional: false, deadline }, Effect::Store, Effect::Release]);
    assert_eq!((state.phase.clone(), state.standing.unwrap().revision), (Phase::Idle, 1));
    assert_eq!(state.freshness(start().mono), Freshness::Fresh);
}

#[test]
fn equal_content_and_a_304_renew_without_a_revision() {
    let policy = policy(100);
    let state = refreshed(empty(&policy), &policy, start(), 1);
    for event in [Event::Collected { digest: digest(1) }, Event::NotModified] {
        let now = later(start(), Duration::from_secs(150));
        let (state, effects) = run(state.clone(), &policy, now, [Event::Nudged, Event::LeaseGranted, event, Event::Stored]);
        assert!(effects.contains(&Effect::Touch) && !effects.contains(&Effect::Store), "{effects:?}");
        let standing = state.standing.unwrap();
        assert_eq!((standing.revision, standing.checked_at), (1, now.wall));
        assert_eq!(state.freshness(now.mono), Freshness::Fresh);
    }
}

#[test]
fn changed_rules_make_a_snapshot_stale_and_unconditional() {
    let policy = policy(100);
    let remembered = Remembered { revision: 7, digest: digest(1), checked_at: start().wall, rules: Digest::of(b"older rules") };
    let failed = Attempts {
        failures: 5,
        last_failure: Some(failure()),
        not_before: Some(later(start(), Duration::from_secs(20)).wall),
        rules: Some(remembered.rules),
        ..Attempts::default()
    };
    let (state, effects) = State::restore(Some(remembered), failed, rules(), &policy, start());
    assert_eq!((effects.as_slice(), state.freshness(start().mono), state.wants_warm_up()), (&[][..], Freshness::Stale, true));
    assert_eq!(state.degraded(), None);
    let (_, effects) = run(state, &policy, start(), [Event::Due, Event::LeaseGranted]);
    assert!(matches!(effects[..], [Effect::Acquire, Effect::Collect { conditional: false, .. }]), "{effects:?}");
}

#[test]
fn a_forced_refresh_passes_backoff_but_not_its_interval() {
    let policy = policy(100_000);
    let (state, _) = run(empty(&policy), &policy, start(), [Event::Nudged, Event::LeaseGranted, Event::Failed(failure())]);
    let now = later(start(), Duration::from_secs(1));
    assert_eq!(run(state.clone(), &policy, now, [Event::Nudged]).1, [Effect::WakeAt(state.next_attempt().unwrap())]);
    assert_eq!(state.refuses_force(&policy, now.mono), None);
    let (state, effects) = run(state, &policy, now, [Event::Forced]);
    assert_eq!((effects, state.refuses_force(&policy, now.mono)), (vec![Effect::Acquire], None), "joining is never refused");
    let (state, _) = run(state, &policy, now, [Event::LeaseGranted, Event::Failed(failure())]);
    assert_eq!(state.refuses_force(&policy, now.mono).map(|f| f.code), Some(Code::TooSoon));
    assert_eq!(state.refuses_force(&policy, later(now, Duration::from_secs(10)).mono), None);
}

#[test]
fn a_source_without_a_usable_alternative_waits_for_a_config() {
    let policy = policy(100);
    let unusable = Failure::permanent(Code::NoAlternative, "set SERPAPI_KEY");
    let (state, effects) = run(empty(&policy), &policy, start(), [Event::Nudged, Event::LeaseGranted, Event::Failed(unusable)]);
    assert_eq!((&state.phase, effects.last()), (&Phase::Disabled, Some(&Effect::Record)));
    assert_eq!(run(state, &policy, start(), [Event::Nudged, Event::Due]).1, []);
}

/// A hung refresh pins the old value for ever (Caffeine, Next.js); and a leader that timed out may not publish.
#[test]
fn trap_hung_refresh_is_freed_and_its_late_result_ignored() {
    let policy = policy(100);
    let state = refreshed(empty(&policy), &policy, start(), 1);
    let now = later(start(), Duration::from_secs(150));
    let (state, effects) = run(state, &policy, now, [Event::Nudged, Event::LeaseGranted, Event::DeadlinePassed]);
    assert!(effects.contains(&Effect::Release));
    assert_eq!(state.degraded().map(|f| f.code), Some(Code::DeadlinePassed));
    let (after, effects) = run(state.clone(), &policy, now, [Event::Collected { digest: digest(2) }, Event::Stored]);
    assert_eq!((after, effects), (state, vec![]));
}

/// A failing source is retried on every read (Next.js, Streamlit), or the reverse, a failure resets the whole period (Caffeine).
#[test]
fn trap_failures_back_off_and_retry_well_before_the_next_period() {
    let policy = policy(86_400);
    let mut state = refreshed(empty(&policy), &policy, start(), 1);
    let mut now = later(start(), Duration::from_secs(86_400));
    let mut waits = Vec::new();
    for _ in 0..16 {
        let (next, effects) = run(state, &policy, now, [Event::Nudged, Event::LeaseGranted, Event::Failed(failure())]);
        let until = next.next_attempt().unwrap();
        assert_eq!(effects.last(), Some(&Effect::WakeAt(until)));
        // A thousand readers in the meantime start nothing.
        let readers = std::iter::repeat_n(Event::Nudged, 1_000);
        assert!(run(next.clone(), &policy, now, readers).1.iter().all(|e| *e == Effect::WakeAt(until)));
        waits.push(now.mono.until(until).as_secs());
        state = next;
        now = later(now, now.mono.until(until));
    }
    assert_eq!(waits[..4], [5, 10, 20, 40]);
    assert_eq!(waits[15], 86_400 / 4 / 2, "half of a quarter of the period, with seed 0");
}

/// What the store holds by other rules than ours (a reload did not wait for the flight before it) is no reason to ask nobody.
#[test]
fn what_was_read_by_other_rules_is_taken_over_as_stale() {
    let policy = policy(100);
    let older = Remembered { revision: 1, digest: digest(1), checked_at: start().wall, rules: Digest::of(b"older rules") };
    let (state, _) = State::restore(Some(older), Attempts::default(), rules(), &policy, start());
    let news = |rules| remote(2, digest(2), start().wall, rules, false);
    let freshness = |rules| run(state.clone(), &policy, start(), [news(rules)]).0.freshness(start().mono);
    assert_eq!((freshness(rules()), freshness(Digest::of(b"older rules"))), (Freshness::Fresh, Freshness::Stale));
    let (_, effects) = run(state, &policy, start(), [news(Digest::of(b"older rules")), Event::Nudged, Event::LeaseGranted]);
    assert!(matches!(effects[..], [Effect::Acquire, Effect::Collect { conditional: false, .. }]), "{effects:?}");
}

/// Replicas that do not agree on their rules ask once a period all the same, not each after the other.
#[test]
fn what_a_replica_of_other_rules_reads_stands_for_its_period() {
    let policy = policy(100);
    let state = refreshed(empty(&policy), &policy, start(), 1);
    let now = later(start(), Duration::from_secs(100));
    let news = remote(2, digest(2), now.wall, Digest::of(b"other rules"), true);
    let (state, _) = run(state, &policy, now, [news.clone()]);
    assert_eq!((state.freshness(now.mono), state.wants_refresh(now)), (Freshness::Fresh, false));
    let now = later(now, Duration::from_secs(100));
    let (mut state, effects) = run(state, &policy, now, [Event::Nudged]);
    assert_eq!(effects, [Effect::Acquire]);
    (state, _) = run(state, &policy, now, [Event::HeldElsewhere]);
    let news = remote(3, digest(3), now.wall, Digest::of(b"other rules"), true);
    let (state, effects) = run(state, &policy, now, [news]);
    assert!(!state.is_refreshing() && effects.contains(&Effect::Release), "{effects:?}");
    let (_, effects) = run(state, &policy, later(now, Duration::from_secs(100)), [Event::Nudged, Event::LeaseGranted]);
    assert!(matches!(effects[..], [Effect::Acquire, Effect::Collect { conditional: false, .. }]), "{effects:?}");
}

/// The clock is set back an hour, and a restart makes of a backoff of seconds one of an hour.
#[test]
fn trap_clock_steps_prolong_no_backoff() {
    let policy = policy(100);
    let (state, _) = run(empty(&policy), &policy, start(), [Event::Nudged, Event::LeaseGranted, Event::Failed(failure())]);
    let left = |after: i64| {
        let wall = start().wall.checked_add(jiff::SignedDuration::from_secs(after)).unwrap();
        let now = Moment { wall, mono: Mono::from_nanos(0) };
        let (state, _) = State::restore(None, state.attempts.clone(), rules(), &policy, now);
        state.next_attempt().map(|until| now.mono.until(until).as_secs())
    };
    assert_eq!([left(0), left(2), left(60), left(-3_600)], [Some(5), Some(3), None, Some(5)]);
}

#[derive(Clone, Debug)]
enum Act {
    Event(Event),
    Wait(u64),
    Jump(i64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let event = prop_oneof![
        2 => Just(Event::Due),
        4 => Just(Event::Nudged),
        1 => Just(Event::Forced),
        4 => Just(Event::LeaseGranted),
        1 => Just(Event::LeaseDenied),
        4 => (0u8..3).prop_map(|n| Event::Collected { digest: digest(n) }),
        1 => Just(Event::NotModified),
        4 => Just(Event::Stored),
        1 => Just(Event::Rejected(Failure::retryable(Code::GateFailed, "0 items"))),
        1 => prop_oneof![Just(Kind::Retryable), Just(Kind::Permanent), Just(Kind::Blocked)].prop_map(|kind| Event::Failed(Failure::new(kind, Code::UpstreamStatus, "no"))),
        1 => (0u64..200_000_000).prop_map(|s| Event::Failed(Failure { retry_after: Some(Duration::from_secs(s)), ..failure() })),
        1 => Just(Event::Failed(Failure::permanent(Code::NoAlternative, "no"))),
        1 => Just(Event::DeadlinePassed),
        1 => Just(Event::LeaseLost),
        1 => Just(Event::Cancelled),
        1 => (0u64..9, 0u8..3, prop_oneof![4 => Just(rules()), 1 => Just(Digest::of(b"older rules"))])
            .prop_map(|(revision, n, rules)| remote(revision, digest(n), start().wall, rules, revision % 2 == 0)),
        1 => (0u64..9, any::<bool>(), 0i64..500).prop_map(|(revision, forced, at)| {
            let at = start().wall.checked_add(jiff::SignedDuration::from_secs(at)).unwrap();
            let attempts = Attempts {
                failures: 1,
                last_failure: Some(failure()),
                failed_at: Some(at),
                not_before: Some(at.checked_add(Duration::from_secs(20)).unwrap()),
                forced_at: forced.then_some(at),
                rules: Some(rules()),
            };
            let latest = RemoteLatest { revision, digest: digest(1), checked_at: at, rules: rules(), is_later: true, told_late: false };
            Event::Remote(Box::new(Remote { latest: (revision > 2).then_some(latest), attempts, since: start().mono }))
        }),
        1 => Just(Event::HeldElsewhere),
    ];
    let act = prop_oneof![8 => event.prop_map(Act::Event), 2 => (0u64..500).prop_map(Act::Wait), 1 => (-40_000_000i64..40_000_000).prop_map(Act::Jump)];
    proptest::collection::vec(act, 1..120)
}

#[test]
fn what_is_told_again_makes_nothing_fresher() {
    let policy = policy(60);
    let told = |at: Moment, since: Moment| {
        let latest = RemoteLatest { revision: 1, digest: digest(1), checked_at: at.wall, rules: rules(), is_later: true, told_late: false };
        Event::Remote(Box::new(Remote { latest: Some(latest), attempts: Attempts::default(), since: since.mono }))
    };
    let (state, _) = run(empty(&policy), &policy, start(), [told(start(), start())]);
    let then = later(start(), Duration::from_secs(100));
    let (state, _) = run(state, &policy, then, [told(start(), then)]);
    assert_eq!(state.freshness(then.mono), Freshness::Stale, "confirmed when it was");
    let (state, _) = run(state, &policy, then, [told(then, then)]);
    assert_eq!(state.freshness(then.mono), Freshness::Fresh, "confirmed anew");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// At most one flight per lease; every path back releases the lease; failure never replaces a snapshot; revisions
    /// rise; the next wake is bounded and never past; ages are never negative; a restart keeps all of that.
    #[test]
    fn promises_hold_in_every_schedule(acts in acts(), period in 1u64..100_000, always in any::<bool>(), seed in any::<u64>()) {
        let mut policy = policy(period);
        if always { policy.mode = RefreshMode::Always; }
        let longest = policy.longest_backoff().max(LONGEST_RETRY_AFTER).max(policy.period());
        let mut state = empty(&policy);
        let (mut now, mut leased, mut asked) = (start(), false, false);
        for act in acts {
            let event = match act {
                Act::Event(event) => event,
                Act::Wait(seconds) => { now = later(now, Duration::from_secs(seconds)); continue }
                Act::Jump(seconds) => { now.wall = now.wall.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap(); continue }
            };
            // The world answers only what it was asked.
            let allowed = match event {
                Event::LeaseGranted | Event::LeaseDenied => std::mem::take(&mut asked),
                Event::Collected { .. } | Event::NotModified => matches!(state.phase, Phase::Collecting { .. }),
                _ => true,
            };
            if !allowed { continue }
            let before = state.clone();
            leased |= event == Event::LeaseGranted;
            let (after, effects) = step(state, &policy, event.clone(), now, seed);
            for effect in &effects {
                match effect {
                    Effect::Acquire => {
                        prop_assert!(!leased && !before.is_refreshing(), "a second flight: {before:?} {event:?}");
                        asked = true;
                    }
                    Effect::Collect { deadline, .. } => prop_assert!(leased && *deadline == now.mono.after(policy.deadline)),
                    Effect::Store | Effect::Touch => prop_assert!(leased),
                    Effect::Release => leased = false,
                    Effect::WakeAt(at) => prop_assert!(*at >= now.mono && now.mono.until(*at) <= longest, "{at:?} at {now:?}"),
                    Effect::Record => prop_assert!(after.degraded().is_some()),
                }
            }
            prop_assert!(after.is_refreshing() || !leased, "a lease is kept: {before:?} {event:?} {after:?}");
            let (old, new) = (before.standing.map(|s| s.revision), after.standing.map(|s| s.revision));
            match event {
                Event::Stored => prop_assert!(new >= old && new <= Some(old.unwrap_or(0) + 1)),
                Event::Remote(_) => prop_assert!(new >= old),
                _ => prop_assert_eq!(before.standing, after.standing, "only a stored result replaces a snapshot"),
            }
            if let (Some(a), Some(b)) = (before.standing, after.standing) {
                prop_assert!(a.digest == b.digest || b.revision > a.revision);
            }
            if let Phase::BackingOff { until } = after.phase && before.phase != after.phase && event != Event::LeaseDenied {
                // What another replica waits for may be over soon.
                let heard = matches!(event, Event::Remote(_));
                prop_assert!(heard || until >= now.mono.after(crate::policy::SHORTEST_BACKOFF), "too soon");
                let wish = if let Event::Failed(failure) = &event { failure.retry_after.unwrap_or_default() } else { Duration::ZERO };
                let most = (policy.period() / 4).max(Duration::from_secs(1)).max(wish);
                prop_assert!(now.mono.until(until) <= most, "not well before the next period");
            }
            if let Some(standing) = after.standing {
                prop_assert!(standing.horizon.checked <= now.mono, "a negative age");
            }
            state = after;
            if state.phase == Phase::Idle || matches!(state.phase, Phase::BackingOff { .. }) {
                let remembered = state.standing.map(|s| Remembered { revision: s.revision, digest: s.digest, checked_at: s.checked_at, rules: rules() });
                let (again, effects) = State::restore(remembered, state.attempts.clone(), rules(), &policy, now);
                prop_assert_eq!(again.standing.map(|s| s.revision), state.standing.map(|s| s.revision));
                for effect in effects {
                    let Effect::WakeAt(at) = effect else { panic!("{effect:?} at start") };
                    prop_assert!(at >= now.mono && now.mono.until(at) <= longest);
                }
            }
        }
    }
}

/// However a flight ends (a panic, a cancel, a deadline, a lost lease, a refusal), the next attempt may start within the deadline and
/// the longest backoff after it began, by a reader or a timer. Only what is wrong for good waits for a person.
#[test]
fn trust_no_refresh_is_stuck() {
    const SCHEDULES: u32 = 10_000;
    let end = prop_oneof![
        Just(Event::Failed(Failure::retryable(Code::Interrupted, "the refresh broke off in a panic"))),
        Just(Event::Failed(failure())),
        Just(Event::Failed(Failure::permanent(Code::TlsFailed, "no"))),
        Just(Event::Rejected(Failure::retryable(Code::GateFailed, "0 items"))),
        Just(Event::Cancelled),
        Just(Event::DeadlinePassed),
        Just(Event::LeaseLost),
        Just(Event::LeaseDenied),
    ];
    let schedule = (acts(), end, 1u64..100_000, any::<bool>(), any::<u64>(), 0u64..=120);
    let freed = std::cell::Cell::new(0_u32);
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(SCHEDULES) });
    let outcome = runner.run(&schedule, |(acts, end, period, by_reader, seed, took)| {
        let mut policy = policy(period);
        if !by_reader {
            policy.mode = RefreshMode::Always;
        }
        let (mut state, mut now) = (empty(&policy), start());
        for act in acts {
            match act {
                Act::Event(event) => state = step(state, &policy, event, now, seed).0,
                Act::Wait(seconds) => now = later(now, Duration::from_secs(seconds)),
                Act::Jump(_) => {}
            }
        }
        // Whatever was before is over; this is the flight that goes wrong, if any may start.
        state = step(state, &policy, Event::Cancelled, now, seed).0;
        if let Some(at) = state.next_attempt() {
            now = later(now, now.mono.until(at));
        }
        state = step(state, &policy, Event::Forced, now, seed).0;
        prop_assert!(state.is_refreshing(), "{state:?}");
        let begun = now.mono;
        let denied = end == Event::LeaseDenied;
        if !denied {
            state = step(state, &policy, Event::LeaseGranted, now, seed).0;
        }
        now = later(now, if denied { Duration::ZERO } else { Duration::from_secs(took) });
        state = step(state, &policy, end.clone(), now, seed).0;
        prop_assert!(!state.is_refreshing(), "{end:?} leaves {state:?}");
        let again = state.next_attempt().unwrap_or(now.mono).max(now.mono);
        prop_assert!(begun.until(again) <= policy.deadline + policy.longest_backoff(), "{end:?}: {state:?}");
        // Nobody asks for what is fresh.
        let stale = state.standing.map_or(again, |standing| standing.horizon.stale_at);
        now = later(now, now.mono.until(again.max(stale)));
        let event = if by_reader { Event::Nudged } else { Event::Due };
        let (after, effects) = step(state.clone(), &policy, event, now, seed);
        prop_assert!(effects.contains(&Effect::Acquire), "{end:?}: {state:?} stays {after:?} {effects:?}");
        freed.set(freed.get() + 1);
        Ok(())
    });
    println!("\ntrust T4 | schedules after which the next attempt starts in time | {} of {SCHEDULES} | all | held", freed.get());
    outcome.unwrap();
}
