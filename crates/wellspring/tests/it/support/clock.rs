//! The machine's clocks, moved by hand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use wellspring::clock::{Clock, SystemClock};
use wellspring_core::moment::{Moment, Mono};

/// Runs as the machine's clocks do, from wherever a test has moved them.
#[derive(Debug, Default)]
pub struct TestClock {
    wall: AtomicI64,
    mono: AtomicI64,
}

impl TestClock {
    /// Lets time pass: both clocks move.
    pub fn pass(&self, by: Duration) {
        let nanos = i64::try_from(by.as_nanos()).unwrap();
        self.mono.fetch_add(nanos, Ordering::SeqCst);
        self.wall.fetch_add(nanos, Ordering::SeqCst);
    }

    /// Steps the wall clock alone, as an operator or a bad time server does.
    pub fn step_wall(&self, by: SignedDuration) {
        self.wall.fetch_add(i64::try_from(by.as_nanos()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        let wall = SystemClock.now().wall.checked_add(SignedDuration::from_nanos(self.wall.load(Ordering::SeqCst))).unwrap();
        Moment { wall, mono: self.mono() }
    }

    fn mono(&self) -> Mono {
        Mono::from_nanos(SystemClock.mono().as_nanos() + self.mono.load(Ordering::SeqCst))
    }
}
