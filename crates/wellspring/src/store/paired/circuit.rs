//! Whether the shared store can be reached: found out once, by whoever meets it first, and from then on by a probe alone.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::store::StoreError;

/// How long any call may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// So many kinds of reasons are told apart while it is out of reach.
const KINDS: usize = 16;

#[derive(Debug)]
pub(super) struct Circuit(Mutex<State>);

#[derive(Debug)]
struct State {
    away: Option<Away>,
    errors: u64,
}

/// Since when it is out of reach, and why: the latest that was found out.
#[derive(Clone, Debug)]
pub(super) struct Away {
    pub(super) since: Timestamp,
    pub(super) why: String,
    /// The kind of reason that was met last, and those that were told.
    met: String,
    told: Vec<String>,
}

impl Away {
    fn new(since: Timestamp, why: &str) -> Self {
        Self { since, why: why.to_owned(), met: String::new(), told: vec![kind(why).to_owned()] }
    }
}

/// A reason without its particulars.
fn kind(why: &str) -> &str {
    why.split([':', '(', '`']).next().unwrap_or_default().trim_end()
}

impl Circuit {
    pub(super) fn new(since: Timestamp) -> Self {
        Self(Mutex::new(State { away: Some(Away::new(since, "it was not reached yet")), errors: 0 }))
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
            *away = Away::new(away.since, why);
        }
    }

    /// It was tried again, in vain. True where the reason is to be told: it is of a kind that was not told yet of this time, and was
    /// met twice in a row. What lasts a moment, or comes and goes, makes no line each time.
    pub(super) fn in_vain(&self, why: &str) -> bool {
        let mut state = self.state();
        let Some(away) = &mut state.away else { return false };
        why.clone_into(&mut away.why);
        let met = std::mem::replace(&mut away.met, kind(why).to_owned());
        let is_news = met == away.met && away.told.len() < KINDS && !away.told.contains(&met);
        if is_news {
            away.told.push(met);
        }
        is_news
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

    /// Opens it; true where it was closed. Else the reason stays that of who looks whether it is back.
    pub(super) fn open(&self, why: &str, now: Timestamp) -> bool {
        let mut state = self.state();
        let was_closed = state.away.is_none();
        if was_closed {
            state.away = Some(Away::new(now, why));
        }
        was_closed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Circuit, KINDS};

    #[test]
    fn the_latest_reason_is_known_and_each_kind_told_once() {
        let at = |seconds| jiff::Timestamp::from_second(seconds).unwrap();
        let circuit = Circuit::new(at(0));
        circuit.explain("Redis cannot be reached: connection refused");
        let tried = |why: &str| (circuit.in_vain(why), circuit.in_vain(why), circuit.in_vain(why));
        assert_eq!(tried("Redis cannot be reached: broken pipe"), (false, false, false));
        circuit.close();
        assert_eq!(tried("nobody asks"), (false, false, false));
        assert!(circuit.open("Redis cannot be reached: broken pipe", at(1)));
        assert!(!circuit.in_vain("Redis did not answer in time"));
        assert_eq!(tried("Redis cannot be reached: connection refused"), (false, false, false));
        assert_eq!(tried("Redis refuses the user or the password"), (false, true, false));
        assert_eq!(tried("Redis cannot be reached: connection refused"), (false, false, false));
        assert_eq!(tried("Redis refuses the user or the password"), (false, false, false));
        assert!(!circuit.open("no answer within 1s", at(2)));
        let away = circuit.away().unwrap();
        assert_eq!((away.since, &*away.why), (at(1), "Redis refuses the user or the password"));
        let told = (0..100).filter(|other| tried(&format!("reason {other}")).1);
        assert_eq!(told.count(), KINDS - 2);
    }
}
