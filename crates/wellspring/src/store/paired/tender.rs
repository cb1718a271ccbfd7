//! The tasks of a pair: one passes hints on, one looks whether the shared store is back and tells it what waits. They end with it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::Pair;
use super::books::AGAIN;
use crate::lifecycle;
use crate::store::Change;

/// How often it is looked whether it is back.
const PROBE: Duration = Duration::from_millis(500);
/// How often a task looks whether it is wanted still.
const LOOK: Duration = Duration::from_secs(30);

/// Passes the hints of the shared store on.
pub(super) fn forward(pair: &Arc<Pair>) {
    let (mut hints, weak) = (pair.shared.watch(), Arc::downgrade(pair));
    lifecycle::detach(async move {
        loop {
            let hint = match timeout(LOOK, hints.recv()).await {
                Ok(Ok(hint)) => Some(hint),
                Ok(Err(RecvError::Lagged(_))) => Some(Change::Missed),
                Ok(Err(RecvError::Closed)) => return,
                Err(_) => None,
            };
            let Some(pair) = alive(&weak) else { return };
            if let Some(hint) = hint {
                pair.hint(hint);
            }
        }
    });
}

/// Sees to what is to be told.
pub(super) fn tend(pair: &Arc<Pair>) {
    let weak = Arc::downgrade(pair);
    lifecycle::detach(async move {
        while let Some(pair) = alive(&weak) {
            if pair.circuit.is_closed()
                && let Err(error) = pair.seek().await
            {
                pair.books().seeks_anew();
                debug!(%error, "what is missed could not be looked for");
            }
            let nap = if !pair.circuit.is_closed() {
                look(&pair).await;
                PROBE
            } else if pair.books().is_idle() {
                LOOK
            } else {
                if let Err(error) = pair.tell_all().await {
                    debug!(%error, "what waits could not be told");
                }
                AGAIN
            };
            tokio::select! {
                biased;
                () = pair.kick.notified() => {}
                () = sleep(nap) => {}
            }
        }
    });
}

async fn look(pair: &Pair) {
    let (away, begun) = (pair.circuit.away(), pair.clock.mono());
    match pair.come_back().await {
        Ok(keys) => {
            let since = away.map(|away| away.since.to_string()).unwrap_or_default();
            let took_ms = u64::try_from(pair.clock.mono().since(begun).as_millis()).unwrap_or(u64::MAX);
            info!(since, keys, took_ms, "the shared store is back, and was told the keys that were refreshed meanwhile");
        }
        Err(error) => {
            let why = error.to_string();
            if pair.circuit.in_vain(&why) {
                warn!(why, "the shared store is still out of reach, for another reason now");
            } else {
                debug!(why, "the shared store is still out of reach");
            }
        }
    }
}

fn alive(weak: &Weak<Pair>) -> Option<Arc<Pair>> {
    weak.upgrade().filter(|pair| !pair.books().closed)
}
