//! The only reader of the time.

use std::fmt::Debug;
use std::time::Duration;

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use wellspring_core::moment::{Moment, Mono};

/// Tells the time. A seam: tests move it by hand.
pub trait Clock: Send + Sync + Debug + 'static {
    /// Both clocks at once.
    fn now(&self) -> Moment;

    /// The monotonic clock alone: what the hot path reads.
    fn mono(&self) -> Mono {
        self.now().mono
    }
}

/// The machine's own clocks. The monotonic one counts time asleep too (`CLOCK_BOOTTIME`): data on a laptop that slept
/// through its period is stale.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
        let wall = Timestamp::now();
        Moment { wall, mono: self.mono() }
    }

    fn mono(&self) -> Mono {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the monotonic clock")]
        let t = clock_gettime(ClockId::Boottime);
        Mono::from_nanos(t.tv_sec * 1_000_000_000 + t.tv_nsec)
    }
}

/// How long this process has computed, on all cores together.
pub fn cpu() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads clocks")]
    let t = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(t.tv_sec.unsigned_abs(), u32::try_from(t.tv_nsec).unwrap_or(0))
}

/// A wall clock that stands still, beside the machine's own monotonic one, which runs: what `check --now` judges by.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock {
    wall: Timestamp,
}

impl FixedClock {
    /// A clock that shows `wall` for ever.
    pub fn at(wall: Timestamp) -> Self {
        Self { wall }
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Moment {
        Moment { wall: self.wall, mono: SystemClock.mono() }
    }
}
