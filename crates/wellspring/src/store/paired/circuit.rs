//! Whether the shared store can be reached: found out once, by whoever meets it first, and from then on by a probe alone.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::store::StoreError;

/// How long any call may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Circuit(Mutex<State>);

#[derive(Debug)]
struct State {
    away: Option<Away>,
    errors: u64,
}

/// Since when it is out of reach, and why.
#[derive(Clone, Debug)]
pub(super) struct Away {
    pub(super) since: Timestamp,
    pub(super) why: String,
}

impl Circuit {
    pub(super) fn new(since: Timestamp) -> Self {
        Self(Mutex::new(State { away: Some(Away { since, why: "it was not reached yet".to_owned() }), errors: 0 }))
    }

    pub(super) fn away(&self) -> Option<Away> {
        self.state().away.clone()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().away.is_none()
    }

    /// Says why, where it is open.
    pub(super) fn explain(&self, why: &str) {
        if let Some(away) = &mut self.state().away {
            why.clone_into(&mut away.why);
        }
    }

    pub(super) fn errors(&self) -> u64 {
        self.state().errors
    }

    /// One more call that came to nothing.
    pub(super) fn count(&self) {
        self.state().errors += 1;
    }

    pub(super) fn close(&self) {
        self.state().away = None;
    }

    /// Calls the shared store, whether or not it is thought to be away.
    pub(super) async fn reach<T>(&self, within: Duration, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let answered = timeout(within, call).await.unwrap_or_else(|_| Err(StoreError::Unavailable(format!("no answer within {within:?}"))));
        match answered {
            Err(StoreError::Unavailable(why) | StoreError::Unusable(why) | StoreError::Unfit(why)) => {
                self.state().errors += 1;
                Err(StoreError::Unavailable(why))
            }
            other => other,
        }
    }

    /// Opens it; true where it was closed.
    pub(super) fn open(&self, why: &str, now: Timestamp) -> bool {
        let mut state = self.state();
        let was_closed = state.away.is_none();
        if was_closed {
            state.away = Some(Away { since: now, why: why.to_owned() });
        }
        was_closed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
