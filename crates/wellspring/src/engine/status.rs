//! What a key's status tells, and a source's line in the index. Reading it causes nothing.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use wellspring_core::failure::Failure;
use wellspring_core::freshness::Freshness;
use wellspring_core::moment::{Moment, Mono};
use wellspring_core::refresh::Standing;
use wellspring_core::rung::Rung;

use super::cell::{Attempt, Cell};
use super::manners;

/// The state of one key.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The source.
    pub source: String,
    /// The key: the source and its parameters.
    pub key: String,
    /// `fresh`, `stale`, `expired` or `absent`.
    pub freshness: &'static str,
    /// `idle`, `queued`, `collecting`, `storing`, `backing_off` or `disabled`.
    pub phase: &'static str,
    /// The revision that is served.
    pub revision: Option<u64>,
    /// How many items it has.
    pub items: Option<u32>,
    /// Which alternative of the source gave it, from 1.
    pub alternative: Option<u32>,
    /// By what means its last successful refresh obtained it: `http` or `browser`.
    pub rung: Option<Rung>,
    /// When its items were first seen.
    pub made_at: Option<Timestamp>,
    /// The last successful refresh.
    pub checked_at: Option<Timestamp>,
    /// Which replica did that, where several share a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refreshed_by: Option<Arc<str>>,
    /// How long ago that was, in seconds.
    pub age_seconds: Option<f64>,
    /// When it turns stale, in seconds from now; negative once it has.
    pub fresh_for_seconds: Option<f64>,
    /// Failures since the last success.
    pub failures: u32,
    /// The last of them.
    pub last_error: Option<LastError>,
    /// When the next attempt is due, where a timer waits for it.
    pub next_attempt: Option<Timestamp>,
    /// `honoured`, or `ignored` where the configuration says so of one of its requests.
    pub robots: &'static str,
    /// The last attempts, newest first, with what their gates said.
    pub recent: Vec<Attempt>,
}

/// A failure and when it was.
#[derive(Debug, Serialize)]
pub struct LastError {
    /// When.
    pub at: Option<Timestamp>,
    /// A stable word.
    pub code: &'static str,
    /// In words.
    pub message: String,
}

/// What a listener is told of a key: the least that says how it is.
#[derive(Clone, Debug)]
pub struct Glance {
    /// `fresh`, `stale`, `expired` or `absent`.
    pub freshness: &'static str,
    /// As [`Status::phase`].
    pub phase: &'static str,
    /// A refresh is queued or runs.
    pub refreshing: bool,
    /// The revision that is served, and how many items it has.
    pub served: Option<(u64, u32)>,
    /// The last successful refresh.
    pub checked_at: Option<Timestamp>,
    /// How long ago that was, in seconds.
    pub age_seconds: Option<f64>,
    /// When it turns stale, in seconds from now; negative once it has.
    pub fresh_for_seconds: Option<f64>,
    /// Why the last refresh failed.
    pub degraded: Option<Failure>,
}

impl Glance {
    /// The state of a key at `now`.
    pub fn of(cell: &Cell, now: Moment) -> Self {
        let inner = cell.lock();
        let state = &inner.state;
        let standing = state.standing.as_ref();
        Self {
            freshness: state.freshness(now.mono).as_str(),
            phase: state.phase.as_str(),
            refreshing: inner.is_refreshing(now.mono),
            served: standing.zip(inner.content.as_ref()).map(|(standing, content)| (standing.revision, content.count)),
            checked_at: standing.map(|s| s.checked_at),
            age_seconds: standing.map(|s| rounded(s.horizon.age(now.mono))),
            fresh_for_seconds: standing.map(|s| fresh_for(s, now.mono)),
            degraded: state.degraded().cloned(),
        }
    }

    /// A key that nobody has asked for.
    pub fn absent(phase: &'static str) -> Self {
        Self {
            freshness: Freshness::Absent.as_str(),
            phase,
            refreshing: false,
            served: None,
            checked_at: None,
            age_seconds: None,
            fresh_for_seconds: None,
            degraded: None,
        }
    }
}

impl Status {
    /// The state of a key at `now`. `robots`: whether robots.txt is honoured where the source does not say.
    pub fn of(cell: &Cell, robots: bool, now: Moment) -> Self {
        let inner = cell.lock();
        let state = &inner.state;
        let standing = state.standing.as_ref();
        let content = inner.content.as_ref();
        let last_error =
            |failure: &Failure| LastError { at: state.attempts.failed_at, code: failure.code.as_str(), message: failure.message.clone() };
        Self {
            source: cell.recipe.spec.name.to_string(),
            key: cell.key.to_string(),
            freshness: state.freshness(now.mono).as_str(),
            phase: state.phase.as_str(),
            revision: standing.map(|s| s.revision),
            items: content.map(|c| c.count),
            alternative: content.map(|c| c.alternative.saturating_add(1)),
            rung: content.map(|_| inner.rungs.served()),
            made_at: content.map(|c| c.made_at),
            checked_at: standing.map(|s| s.checked_at),
            refreshed_by: standing.and(inner.by.clone()),
            age_seconds: standing.map(|s| rounded(s.horizon.age(now.mono))),
            fresh_for_seconds: standing.map(|s| fresh_for(s, now.mono)),
            failures: state.attempts.failures,
            last_error: state.degraded().map(last_error),
            next_attempt: state.next_attempt().map(|at| now.wall_at(at)),
            robots: if manners::ignores(&cell.recipe.spec, robots) { "ignored" } else { "honoured" },
            recent: inner.recent.iter().cloned().collect(),
        }
    }
}

/// Seconds until it turns stale; negative since it has.
fn fresh_for(standing: &Standing, now: Mono) -> f64 {
    rounded(now.until(standing.horizon.stale_at)) - rounded(now.since(standing.horizon.stale_at))
}

/// Seconds, to the millisecond.
fn rounded(d: Duration) -> f64 {
    (d.as_secs_f64() * 1_000.0).round() / 1_000.0
}
