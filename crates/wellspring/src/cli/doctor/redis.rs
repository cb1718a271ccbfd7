//! The Redis that several servers share: whether it will do, and what is unwise about it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::Finding;
use super::storage::MOST_NAMED;
use crate::cli::keeping::count;
use crate::cli::words::size;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::store::redis::inspect::{Inspection, Memory, Permissions, Seen, inspect};

/// A refresh asks it some five times: what it takes longer than this is felt where many keys are refreshed.
const SLOW: Duration = Duration::from_millis(5);
/// Which of two results is the later one is judged by the clocks of those who made them.
const ASKEW: SignedDuration = SignedDuration::from_secs(2);

/// What there is to say of it; nothing where no store is shared.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let Some(url) = config.store.shared() else { return Vec::new() };
    match inspect(url.expose(), &SystemClock).await {
        Inspection::Unusable(why) => vec![fail(why, "mend `url` under [store]")],
        Inspection::Unreachable { address, why, refused: true } => {
            vec![fail(format!("{address}: {why}"), "mend the user and the password in `url` under [store], or the user's rules")]
        }
        Inspection::Unreachable { address, why, refused: false } => {
            let way_out = "start it, or mend `url` under [store]; until then each replica serves and refreshes from its own copy";
            vec![fail(format!("{address}: {why}"), way_out)]
        }
        Inspection::Seen(seen) => judge(&seen, config),
    }
}

fn ok(words: impl Into<String>) -> Finding {
    Finding::ok("redis", words)
}

fn warn(words: impl Into<String>, way_out: impl Into<String>) -> Finding {
    Finding::warn("redis", words, way_out)
}

fn fail(words: impl Into<String>, way_out: impl Into<String>) -> Finding {
    Finding::fail("redis", words, way_out)
}

fn judge(seen: &Seen, config: &Config) -> Vec<Finding> {
    let mut findings = vec![speed(seen)];
    findings.extend(kind(seen));
    findings.push(permissions(&seen.permissions));
    findings.push(memory(seen.memory.as_ref()));
    findings.push(persistence(seen, config.store.path().is_some()));
    findings.extend(seen.ahead.and_then(clock));
    findings.extend(names(seen));
    findings.extend(seen.sources.as_ref().and_then(|sources| strangers(config, sources)));
    findings
}

fn speed(seen: &Seen) -> Finding {
    let product = seen.product.as_ref().map_or_else(|| "of a version that it does not tell".to_owned(), |(name, v)| format!("{name} {v}"));
    let words = format!("{}: {product}, answers in {}", seen.address, milliseconds(seen.round_trip));
    if seen.round_trip <= SLOW {
        return ok(words);
    }
    warn(words, "each refresh asks it some five times: bring it nearer to the replicas, or see what keeps it busy (`SLOWLOG GET`)")
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

/// What makes it another thing than a server that may be written to.
fn kind(seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    if seen.runs_scripts == Some(false) {
        findings.push(fail("it is too old: scripts of this kind run from Redis 7 on", "upgrade it, or use Valkey"));
    }
    if seen.is_replica == Some(true) {
        let way_out = "name its master as `url` under [store], or the sentinels that know it: redis+sentinel://host:26379/name";
        findings.push(fail("it is a read-only replica", way_out));
    }
    if seen.is_cluster == Some(true) {
        findings.push(fail("it is part of a cluster, which is not supported", "use one server, or one with replicas behind sentinels"));
    }
    findings
}

fn permissions(permissions: &Permissions) -> Finding {
    let named = |user: &Option<String>| user.as_ref().map_or_else(|| "the user".to_owned(), |user| format!("the user {user}"));
    match permissions {
        Permissions::All { user } => ok(format!("{} may do all that is needed", named(user))),
        Permissions::Missing { user, rules } => {
            let name = user.as_deref().unwrap_or("NAME");
            fail(format!("{} may not do all that is needed", named(user)), format!("ACL SETUSER {name} {}", rules.join(" ")))
        }
        Permissions::Unseen => ok("what the user may do could not be seen"),
    }
}

fn memory(memory: Option<&Memory>) -> Finding {
    let Some(Memory { used, most, policy }) = memory else { return ok("its memory could not be seen") };
    if *most == 0 {
        return ok(format!("{} of memory used, without a limit", size(*used)));
    }
    let words = format!("{} of memory used of {} (`maxmemory`)", size(*used), size(*most));
    if policy != "noeviction" {
        let words = format!("{words}, and {policy} evicts what is ours: it is fetched again, and its history is lost");
        return warn(words, "CONFIG SET maxmemory-policy noeviction, with memory for all that is kept");
    }
    // A refresh that finds no room is kept by its replica alone.
    if used.saturating_mul(10) > most.saturating_mul(9) {
        return warn(format!("{words}: nearly full"), "raise `maxmemory`, or lower `keep_revisions` and `keep_bytes` under [store]");
    }
    ok(words)
}

fn persistence(seen: &Seen, own_file: bool) -> Finding {
    let refilled = if own_file {
        "replicas fill it again from their own copies"
    } else {
        "replicas that still run fill it again from their memory; what none holds is fetched again"
    };
    match (seen.log, seen.snapshots) {
        (Some(true), _) => ok("it logs what changes (`appendonly`)"),
        (_, Some(true)) => ok(format!("it saves snapshots of itself: what came after the last one, {refilled}")),
        (Some(false), Some(false)) => {
            let words = format!("it keeps nothing on disk: it is empty after a restart, and {refilled}");
            warn(words, "CONFIG SET appendonly yes, and the same in its config")
        }
        _ => ok("whether it keeps anything on disk could not be seen"),
    }
}

fn clock(ahead: SignedDuration) -> Option<Finding> {
    let off = ahead.abs();
    if off <= ASKEW {
        return None;
    }
    let side = if ahead.is_positive() { "ahead of" } else { "behind" };
    let words = format!("its clock is {} s {side} this machine's", off.as_secs());
    Some(warn(words, "set both by NTP: where replicas were apart, the later result stands, by their clocks"))
}

/// What lies there.
fn names(seen: &Seen) -> Vec<Finding> {
    let mut findings: Vec<Finding> = seen
        .foreign
        .iter()
        .take(MOST_NAMED)
        .map(|why| {
            let (words, way_out) = why.split_once("; ").unwrap_or((why, "choose another database"));
            fail(words, way_out)
        })
        .collect();
    if seen.foreign.len() > MOST_NAMED {
        findings.push(fail(format!("and {} more such names", seen.foreign.len() - MOST_NAMED), "choose another database"));
    }
    let partly = seen.looked_at.map_or_else(String::new, |names| format!("; of its many names, {names} were looked at"));
    findings.push(match &seen.sources {
        None => ok(format!("what lies there could not be seen{partly}")),
        Some(sources) => {
            let keys = sources.values().sum();
            ok(format!("{} of {}{partly}", count(keys, "key"), count(sources.values().filter(|keys| **keys > 0).count() as u64, "source")))
        }
    });
    findings
}

/// What lies there of sources that are not configured here.
fn strangers(config: &Config, sources: &BTreeMap<String, u64>) -> Option<Finding> {
    let known = |name: &str| config.sources.iter().any(|source| source.spec.name.as_str() == name);
    let strange: Vec<(&String, &u64)> = sources.iter().filter(|(name, keys)| **keys > 0 && !known(name)).collect();
    if strange.is_empty() {
        return None;
    }
    let keys = strange.iter().map(|(_, keys)| **keys).sum();
    let named: Vec<String> = strange.iter().take(MOST_NAMED).map(|(name, _)| name.escape_debug().to_string()).collect();
    let more = if strange.len() > MOST_NAMED { ", …" } else { "" };
    let words = format!("{} of sources that are not configured here: {}{more}", count(keys, "key"), named.join(", "));
    Some(warn(words, "where no other replica has them, `wellspring evict --unconfigured` drops them"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(findings: &[Finding]) -> String {
        super::super::as_text(findings)
    }

    #[test]
    fn what_no_test_machine_has_is_judged() {
        let mut seen = Seen {
            address: "redis.internal:6379, database 0".to_owned(),
            round_trip: Duration::from_micros(12_340),
            product: Some(("Redis", "6.2.14".to_owned())),
            runs_scripts: Some(false),
            is_replica: Some(false),
            is_cluster: Some(true),
            permissions: Permissions::All { user: None },
            memory: Some(Memory { used: 95_000_000, most: 100_000_000, policy: "noeviction".to_owned() }),
            log: Some(true),
            snapshots: Some(false),
            ahead: Some(SignedDuration::from_secs(-61)),
            foreign: (0..7)
                .map(|n| format!("Redis holds a list that is not ours under `ws:{n}`; remove it, or choose another database"))
                .collect(),
            looked_at: Some(50_000),
            sources: None,
        };
        let all = |seen: &Seen| {
            let mut findings = vec![speed(seen)];
            findings.extend(kind(seen));
            findings.extend([permissions(&seen.permissions), memory(seen.memory.as_ref()), persistence(seen, true)]);
            findings.extend(seen.ahead.and_then(clock));
            findings.extend(names(seen));
            told(&findings)
        };
        insta::assert_snapshot!(all(&seen), @"
        warn  redis  redis.internal:6379, database 0: Redis 6.2.14, answers in 12.3 ms  → each refresh asks it some five times: bring it nearer to the replicas, or see what keeps it busy (`SLOWLOG GET`)
        FAIL  redis  it is too old: scripts of this kind run from Redis 7 on  → upgrade it, or use Valkey
        FAIL  redis  it is part of a cluster, which is not supported  → use one server, or one with replicas behind sentinels
        ok    redis  the user may do all that is needed
        warn  redis  95 MB of memory used of 100 MB (`maxmemory`): nearly full  → raise `maxmemory`, or lower `keep_revisions` and `keep_bytes` under [store]
        ok    redis  it logs what changes (`appendonly`)
        warn  redis  its clock is 61 s behind this machine's  → set both by NTP: where replicas were apart, the later result stands, by their clocks
        FAIL  redis  Redis holds a list that is not ours under `ws:0`  → remove it, or choose another database
        FAIL  redis  Redis holds a list that is not ours under `ws:1`  → remove it, or choose another database
        FAIL  redis  Redis holds a list that is not ours under `ws:2`  → remove it, or choose another database
        FAIL  redis  Redis holds a list that is not ours under `ws:3`  → remove it, or choose another database
        FAIL  redis  Redis holds a list that is not ours under `ws:4`  → remove it, or choose another database
        FAIL  redis  and 2 more such names  → choose another database
        ok    redis  what lies there could not be seen; of its many names, 50000 were looked at
        ");
        // A managed one, which tells nearly nothing.
        seen.product = None;
        (seen.runs_scripts, seen.is_cluster, seen.is_replica) = (None, None, None);
        (seen.permissions, seen.memory, seen.log, seen.snapshots) = (Permissions::Unseen, None, None, None);
        (seen.round_trip, seen.ahead, seen.foreign, seen.looked_at) = (Duration::from_micros(840), None, Vec::new(), None);
        insta::assert_snapshot!(all(&seen), @"
        ok    redis  redis.internal:6379, database 0: of a version that it does not tell, answers in 0.8 ms
        ok    redis  what the user may do could not be seen
        ok    redis  its memory could not be seen
        ok    redis  whether it keeps anything on disk could not be seen
        ok    redis  what lies there could not be seen
        ");
    }
}
