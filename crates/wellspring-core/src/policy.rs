//! How long data stays fresh, how long a refresh may take, and how long to wait after one that failed.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Kind};
use crate::freshness::Horizon;
use crate::moment::Moment;

/// No refresh is tried again sooner than this after a failure.
pub const SHORTEST_BACKOFF: Duration = Duration::from_secs(1);
/// The first backoff, where a quarter of the period allows it; it doubles with every further failure.
pub const FIRST_BACKOFF: Duration = Duration::from_secs(10);
/// However long an upstream's `Retry-After` is, we ask again after this.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// When data stops being fresh.
#[derive(Clone, Debug, PartialEq)]
pub enum Fresh {
    /// A period after it was checked.
    For(Duration),
    /// At a time of day in a zone: the next one after it was checked.
    Until {
        /// The time of day.
        time: Time,
        /// The zone, by its IANA name.
        zone: TimeZone,
    },
}

/// When refreshes start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefreshMode {
    /// When a read finds the key stale.
    #[default]
    Demand,
    /// At expiry too, unasked.
    Always,
}

/// What caches between us and a reader may do with an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HttpCache {
    /// Keep it and ask every time.
    #[default]
    Revalidate,
    /// Serve it to others for the rest of its period without asking.
    Shared,
}

/// What the machine needs to know of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// When data stops being fresh.
    pub fresh: Fresh,
    /// Older than this it is served as expired; `None`: never.
    pub max_stale: Option<Duration>,
    /// When refreshes start.
    pub mode: RefreshMode,
    /// The longest one whole refresh may take.
    pub deadline: Duration,
    /// The shortest time between two forced fetches of a key.
    pub min_interval: Duration,
    /// How long readers of a key without a snapshot wait.
    pub cold_wait: Duration,
}

impl Policy {
    /// The nominal period: a day where freshness ends at a time of day.
    pub fn period(&self) -> Duration {
        match self.fresh {
            Fresh::For(period) => period,
            Fresh::Until { .. } => Duration::from_secs(86_400),
        }
    }

    /// When data checked at `checked_at` turns stale and expired, on the monotonic clock.
    pub fn horizon(&self, checked_at: Timestamp, now: Moment) -> Horizon {
        let checked = now.mono_of(checked_at);
        let stale_at = match &self.fresh {
            Fresh::For(period) => checked.after(*period),
            Fresh::Until { time, zone } => {
                let turns = next_turn(checked_at.min(now.wall), *time, zone);
                if turns > now.wall { now.mono_ahead(turns) } else { now.mono_of(turns) }
            }
        };
        Horizon { checked, stale_at, expired_at: self.max_stale.map(|d| checked.after(d)) }
    }

    /// The longest backoff: a quarter of the period, never below [`SHORTEST_BACKOFF`].
    pub fn longest_backoff(&self) -> Duration {
        (self.period() / 4).max(SHORTEST_BACKOFF)
    }

    /// How long to stay away after the `failures`-th failure in a row. Retryable ones double from [`FIRST_BACKOFF`],
    /// the others take the longest at once; `seed` spreads it over the upper half, and `Retry-After` may only lengthen it.
    pub fn backoff(&self, failures: u32, failure: &Failure, seed: u64) -> Duration {
        let cap = self.longest_backoff();
        let full = match failure.kind {
            Kind::Retryable => FIRST_BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(cap),
            Kind::Permanent | Kind::Blocked => cap,
            Kind::Cancelled => SHORTEST_BACKOFF,
        };
        let half = full / 2;
        let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        let jittered = half + Duration::from_nanos(seed % spread.saturating_add(1).max(1));
        let asked = failure.retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        jittered.max(SHORTEST_BACKOFF).max(asked)
    }
}

/// The first time of day `time` in `zone` that lies after `from`.
fn next_turn(from: Timestamp, time: Time, zone: &TimeZone) -> Timestamp {
    let local = from.to_zoned(zone.clone());
    (0..=2)
        .filter_map(|days| local.date().checked_add(days.days()).ok())
        .filter_map(|date| date.to_datetime(time).to_zoned(zone.clone()).ok())
        .map(|turn| turn.timestamp())
        .find(|turn| *turn > from)
        .unwrap_or(Timestamp::MAX)
}
