//! Where the walk begins.

use super::*;

/// What a process may begin with: nothing, and a snapshot of every age with every past.
pub(super) fn starts(policy: &Policy) -> Vec<Node> {
    let (now, rules) = (start(), Digest::of(b"rules"));
    let remembered = |age: Duration, rules: Digest| {
        Some(Remembered { revision: 3, digest: digest(0), checked_at: now.wall.checked_sub(age).unwrap(), rules })
    };
    let failed = |code: Code, wait: Option<Duration>| Attempts {
        failures: 2,
        last_failure: Some(Failure::retryable(code, "no")),
        failed_at: Some(now.wall),
        not_before: wait.map(|wait| now.wall.checked_add(wait).unwrap()),
        forced_at: Some(now.wall),
        rules: Some(rules),
    };
    let snapshots = [
        None,
        remembered(Duration::ZERO, rules),
        remembered(PERIOD, rules),
        remembered(PERIOD * 3, rules),
        remembered(Duration::ZERO, Digest::of(b"older rules")),
    ];
    let pasts = [
        Attempts::default(),
        failed(Code::UpstreamStatus, Some(Duration::from_secs(2))),
        failed(Code::UpstreamStatus, Some(Duration::from_secs(1_000_000_000))),
        failed(Code::NoAlternative, None),
    ];
    let mut all = Vec::new();
    for snapshot in snapshots {
        for attempts in &pasts {
            let (state, effects) = State::restore(snapshot, attempts.clone(), rules, policy, now);
            let wakes = effects.iter().map(|effect| if let Effect::WakeAt(at) = effect { *at } else { panic!("{effect:?} at start") });
            // As the engine starts: what was never fetched has a turn.
            let timer = wakes.min().or(state.wants_warm_up().then_some(now.mono));
            all.push(Node { state, now, asked: false, leased: false, timer, cancelled: false });
        }
    }
    all
}
