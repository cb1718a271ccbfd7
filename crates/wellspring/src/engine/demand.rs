//! Readers that want newer data than what is served, and wait for it as long as they please.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use wellspring_core::moment::Mono;

use super::Engine;
use super::cell::Cell;

/// A flight that a reader may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    number: u64,
    /// Somebody else had started it.
    pub joined: bool,
}

impl Engine {
    /// The flight that a reader of stale data starts or joins; `None` while none may start.
    pub fn demand(&self, cell: &Arc<Cell>, now: Mono) -> Option<Flight> {
        let joined = cell.is_refreshing();
        self.nudge(cell, now);
        let inner = cell.lock();
        inner.state.is_refreshing().then_some(Flight { number: inner.flight, joined })
    }

    /// The flight that a reader starts or joins who may force one; `None` where it is too soon after the last forced one.
    pub fn demand_forced(&self, cell: &Arc<Cell>) -> Option<Flight> {
        let joined = cell.is_refreshing();
        self.0.force(cell).ok().map(|number| Flight { number, joined })
    }

    /// The flight that runs, started by whomever.
    pub fn flying(&self, cell: &Cell) -> Option<Flight> {
        let inner = cell.lock();
        inner.state.is_refreshing().then_some(Flight { number: inner.flight, joined: true })
    }

    /// Waits for a flight to end; true where it ended well in time.
    pub async fn landing(&self, cell: &Cell, flight: Flight, patience: Duration) -> bool {
        let mut progress = cell.progress();
        let landed = timeout(patience, progress.wait_for(|p| p.ended >= flight.number)).await;
        matches!(landed, Ok(Ok(p)) if matches!(p.outcome, Some(Ok(()))))
    }
}
