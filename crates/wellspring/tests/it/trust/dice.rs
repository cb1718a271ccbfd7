//! Numbers that look drawn by lot and are the same at each run, from a seed that a failure can name.

use std::time::Duration;

/// Waits until a moment that was drawn has come: here the moment is what is tested, and no condition tells it.
pub(crate) async fn pass(time: Duration) {
    let mut ticks = tokio::time::interval(time.max(Duration::from_micros(1)));
    // The first is at once.
    ticks.tick().await;
    ticks.tick().await;
}

/// A plain generator (Steele's SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
