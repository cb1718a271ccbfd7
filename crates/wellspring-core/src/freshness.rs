//! The freshness function: how old is it, and what should its reader do?

use std::time::Duration;

use crate::moment::Mono;

/// When a snapshot was checked and when it turns, on the monotonic clock. Made by [`crate::policy::Policy::horizon`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// The last successful refresh.
    pub checked: Mono,
    /// From here on it is stale.
    pub stale_at: Mono,
    /// From here on it is expired, where the source says so.
    pub expired_at: Option<Mono>,
}

/// What a snapshot is to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Within its period: serve it.
    Fresh,
    /// Past its period: serve it, and ask for a refresh.
    Stale,
    /// Past `max_stale`: serve it, say so, and ask for a refresh.
    Expired,
    /// There is none: wait for a refresh, within limits.
    Absent,
}

impl Freshness {
    /// True where the reader should ask for a refresh.
    pub fn wants_refresh(self) -> bool {
        self != Self::Fresh
    }

    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
            Self::Absent => "absent",
        }
    }
}

impl Horizon {
    /// What a snapshot with this horizon is at `now`.
    pub fn freshness(&self, now: Mono) -> Freshness {
        if self.expired_at.is_some_and(|at| now >= at) {
            Freshness::Expired
        } else if now >= self.stale_at {
            Freshness::Stale
        } else {
            Freshness::Fresh
        }
    }

    /// Its age: never negative.
    pub fn age(&self, now: Mono) -> Duration {
        now.since(self.checked)
    }
}

/// The freshness of a key that may have no snapshot.
pub fn freshness(horizon: Option<&Horizon>, now: Mono) -> Freshness {
    horizon.map_or(Freshness::Absent, |h| h.freshness(now))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::civil::time;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::moment::Moment;
    use crate::policy::{Fresh, Policy, RefreshMode};

    fn policy(fresh: Fresh, max_stale: Option<u64>) -> Policy {
        Policy {
            fresh,
            max_stale: max_stale.map(Duration::from_secs),
            mode: RefreshMode::Demand,
            deadline: Duration::from_secs(120),
            min_interval: Duration::from_secs(10),
            cold_wait: Duration::from_secs(8),
        }
    }

    fn at(text: &str) -> Moment {
        Moment { wall: text.parse().unwrap(), mono: Mono::from_nanos(5_000_000_000_000) }
    }

    #[test]
    fn a_snapshot_turns_stale_then_expired() {
        let now = at("2026-01-01T00:00:00Z");
        let horizon = policy(Fresh::For(Duration::from_secs(100)), Some(1_000)).horizon(now.wall, now);
        let after = |s| horizon.freshness(now.mono.after(Duration::from_secs(s)));
        assert_eq!(
            [after(99), after(100), after(999), after(1_000)],
            [Freshness::Fresh, Freshness::Stale, Freshness::Stale, Freshness::Expired]
        );
        assert_eq!(freshness(None, now.mono), Freshness::Absent);
    }

    #[test]
    fn midnight_in_jakarta_turns_a_table() {
        let rule = Fresh::Until { time: time(0, 0, 0, 0), zone: TimeZone::get("Asia/Jakarta").unwrap() };
        // 16:59:59Z is one second before midnight in Jakarta.
        let now = at("2026-03-01T16:59:59Z");
        let checked: Timestamp = "2026-03-01T03:00:00Z".parse().unwrap();
        let horizon = policy(rule.clone(), None).horizon(checked, now);
        assert_eq!(horizon.freshness(now.mono), Freshness::Fresh);
        assert_eq!(now.mono.until(horizon.stale_at), Duration::from_secs(1));
        // Checked the day before: stale since yesterday's midnight.
        let old = policy(rule.clone(), None).horizon("2026-02-28T16:00:00Z".parse().unwrap(), now);
        assert_eq!(old.freshness(now.mono), Freshness::Stale);
        // Checked exactly at midnight: fresh for a whole day.
        let exact = policy(rule, None).horizon("2026-03-01T17:00:00Z".parse().unwrap(), at("2026-03-01T17:00:00Z"));
        assert_eq!(now.mono.until(exact.stale_at), Duration::from_secs(86_400));
    }

    #[test]
    fn a_time_of_day_that_a_clock_change_skips_still_turns() {
        let rule = Fresh::Until { time: time(2, 30, 0, 0), zone: TimeZone::get("Europe/Berlin").unwrap() };
        // On 2026-03-29 clocks in Berlin go from 02:00 to 03:00: the turn falls on 03:30.
        let now = at("2026-03-29T00:00:00Z");
        let horizon = policy(rule, None).horizon(now.wall, now);
        assert_eq!(now.mono.until(horizon.stale_at), Duration::from_secs(90 * 60));
    }

    proptest! {
        /// The clock steps backward and nothing expires (go-cache): an age is never negative, and a snapshot from the
        /// "future" is fresh for one period at most.
        #[test]
        fn trap_clock_steps(checked in -60_000_000_000i64..60_000_000_000, wall in -60_000_000_000i64..60_000_000_000, period in 1u64..1_000_000) {
            let now = Moment { wall: Timestamp::from_second(wall).unwrap(), mono: Mono::from_nanos(0) };
            for fresh in [Fresh::For(Duration::from_secs(period)), Fresh::Until { time: time(0, 0, 0, 0), zone: TimeZone::UTC }] {
                let policy = policy(fresh, Some(1_000));
                let horizon = policy.horizon(Timestamp::from_second(checked).unwrap(), now);
                prop_assert!(horizon.checked <= now.mono);
                prop_assert!(now.mono.until(horizon.stale_at) <= policy.period());
            }
        }
    }
}
