//! What has to hold.

use std::time::Duration;

use wellspring::store::Store;
use wellspring_core::snapshot::Digest;

use super::story::{DEADLINE, Fetch, PERIOD, SOURCES, World};
use crate::support::faults::pass;

/// How soon all hold the same when all is whole again.
const TOGETHER: Duration = Duration::from_secs(5);
/// A lease that nobody gives back lasts so long, and is looked for every second.
const LEASE: Duration = Duration::from_secs(16);
/// All heads are looked at as often as this, with what the look takes. Where clocks disagree, what another replica confirmed counts from
/// the look before it.
const LOOKS: Duration = Duration::from_secs(11);

/// All was whole since then: a key is fetched when its period is over, by one of them.
pub(super) fn is_once_a_period(world: &World, since: Duration) {
    let fetched = world.log.fetched.lock().unwrap();
    let least = if world.skewed { PERIOD.saturating_sub(LOOKS) } else { PERIOD };
    for source in SOURCES {
        let of: Vec<&Fetch> = fetched.iter().filter(|fetch| fetch.source == source && fetch.begun >= since).collect();
        for pair in of.windows(2) {
            // One that never ended was of a replica that crashed.
            let Some(ended) = pair[0].ended else { continue };
            // Where clocks disagree by more than a period, of two confirmations the older one may stand when a replica tells of what it
            // did alone: it asks once more then.
            let is_first = of.iter().find(|fetch| fetch.replica == pair[1].replica).is_some_and(|first| first.begun == pair[1].begun);
            if world.skewed && is_first && pair[0].replica != pair[1].replica {
                continue;
            }
            if pair[1].begun.saturating_sub(ended) < least {
                world.log.complain(&format!(
                    "{source}: fetched again after {:?} by replica {}, after replica {}",
                    pair[1].begun.saturating_sub(ended),
                    pair[1].replica,
                    pair[0].replica
                ));
            }
        }
    }
}

/// However it goes, no replica asks more than once a period, but for what went wrong.
pub(super) fn is_bounded(world: &World) {
    let fetched = world.log.fetched.lock().unwrap();
    let passed = world.clock.passed().as_secs() / PERIOD.as_secs() + 1;
    for source in SOURCES {
        for replica in &world.replicas {
            let count = fetched.iter().filter(|fetch| fetch.source == source && fetch.replica == replica.name).count();
            let most = usize::try_from(passed).unwrap() + world.excuses;
            if count > most {
                world.log.complain(&format!("{source}: replica {} fetched {count} times in {passed} periods", replica.name));
            }
        }
    }
}

async fn held(world: &World, source: &str) -> Vec<(String, Option<(u64, Digest)>)> {
    let mut all = Vec::new();
    let key = world.replicas[0].cell(source).key.clone();
    let stored = world.shared.store().get(&key).await.unwrap();
    all.push(("shared".to_owned(), stored.and_then(|entry| entry.latest).map(|latest| (latest.snapshot.revision, latest.snapshot.digest))));
    for replica in &world.replicas {
        let cell = replica.cell(source);
        let state = &cell.lock().state;
        all.push((format!("replica {}", replica.name), state.standing.map(|standing| (standing.revision, standing.digest))));
    }
    for replica in &world.replicas {
        let kept = replica.local.get(&key).await.unwrap();
        let kept = kept.and_then(|entry| entry.latest).map(|latest| (latest.snapshot.revision, latest.snapshot.digest));
        all.push((format!("copy of replica {}", replica.name), kept));
    }
    all
}

/// All is whole again: soon one revision and one digest everywhere.
pub(super) async fn comes_together(world: &World) {
    let healed = world.clock.passed();
    // What no hint and no broken link has told of is found by the next look at all heads.
    let within = if world.silent { TOGETHER + LOOKS } else { TOGETHER };
    for source in SOURCES {
        let mut free = world.clock.passed();
        loop {
            let all = held(world, source).await;
            if all.iter().all(|(_, held)| held.is_some() && *held == all[0].1) {
                break;
            }
            let now = world.clock.passed();
            let key = &world.replicas[0].cell(source).key;
            let lease = world.shared.store().acquire(key, 0, Duration::ZERO, world.shared.clock.moment()).await.unwrap();
            // While somebody has the lease, or had when it stopped or its answer was lost, or waits for one.
            if lease.is_none() || world.replicas.iter().any(|r| r.cell(source).is_refreshing()) {
                free = now;
            }
            if now > free + within || now > healed + LEASE + DEADLINE * 2 + LOOKS {
                let words: Vec<String> = all.iter().map(|(who, held)| format!("{who} {:?}", held.map(|held| held.0))).collect();
                world.log.complain(&format!(
                    "{source}: not one revision {:?} after all was whole: {}",
                    now.saturating_sub(healed),
                    words.join(", ")
                ));
                break;
            }
            pass(Duration::from_millis(100)).await;
        }
    }
}
