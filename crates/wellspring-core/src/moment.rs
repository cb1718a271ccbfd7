//! Time as an argument: a wall clock for people and the disk, a monotonic one for every decision.

use std::time::Duration;

use jiff::Timestamp;

/// Nanoseconds on a clock that never steps, from an origin that only this process knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(i64);

impl Mono {
    /// Far enough away to mean "never".
    pub const NEVER: Self = Self(i64::MAX);

    /// From nanoseconds since the origin.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// This much later; stays at [`Mono::NEVER`] rather than overflow.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }

    /// This much earlier (may lie before the origin).
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(by)))
    }

    /// How long ago `earlier` was, zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// How long until `later`, zero if it has passed.
    pub fn until(self, later: Self) -> Duration {
        later.since(self)
    }
}

fn nanos(d: Duration) -> i64 {
    i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)
}

/// A wall time that somebody wrote down: none before 1970, which no clock that is of any use says and few formats can.
pub fn believed(written: Timestamp) -> Timestamp {
    written.max(Timestamp::UNIX_EPOCH)
}

/// [`believed`] for serde.
pub(crate) mod written {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer).map(super::believed)
    }

    pub(crate) fn maybe<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Option::<Timestamp>::deserialize(deserializer).map(|at| at.map(super::believed))
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// For display and persistence. May step either way.
    pub wall: Timestamp,
    /// For every decision.
    pub mono: Mono,
}

impl Moment {
    /// Where a wall time from the disk lies on the monotonic clock. One that claims to be in the future is taken as now:
    /// a stepped clock must never make an age negative.
    pub fn mono_of(&self, past: Timestamp) -> Mono {
        let age = self.wall.duration_since(past);
        self.mono.before(age.try_into().unwrap_or(Duration::ZERO))
    }

    /// Where a wall time ahead lies on the monotonic clock; one that has passed is now.
    pub fn mono_ahead(&self, future: Timestamp) -> Mono {
        let wait = future.duration_since(self.wall);
        self.mono.after(wait.try_into().unwrap_or(Duration::ZERO))
    }

    /// The wall time of a moment ahead, as far as the wall clock can tell now.
    pub fn wall_at(&self, later: Mono) -> Timestamp {
        self.wall.checked_add(self.mono.until(later)).unwrap_or(Timestamp::MAX)
    }
}
