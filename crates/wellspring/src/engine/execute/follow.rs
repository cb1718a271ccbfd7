//! The lease of a flight, where other replicas want it too: what they have done is looked at before anything is fetched, and whoever
//! holds it is followed.

use std::time::Duration;

use tokio::time::timeout;
use wellspring_core::moment::Mono;
use wellspring_core::refresh::{Effect, Event, Trigger};

use super::Flight;
use super::lease::longest_shared;
use crate::engine::limits::Permit;

/// How long the store may take to say what it holds of a key.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);
/// How often a holder is looked after of whom nothing is heard.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The most by which a refresh of what is served is put off while other replicas are out of reach.
const LONGEST_SPREAD: Duration = Duration::from_secs(30);

impl Flight {
    /// What the machine is told of the lease; `None` where another replica has left nothing to do.
    pub(super) async fn obtain(&mut self, place: &mut Option<Permit>) -> Option<Event> {
        if self.shared.collector.store.is_alone() {
            self.spread(place).await;
        }
        let mut gives_up: Option<Mono> = None;
        loop {
            match self.acquire().await {
                Event::LeaseGranted => {
                    let version = self.lease.as_ref().map_or(0, |lease| lease.version);
                    let known = !self.shared.collector.store.is_shared() || self.cell.seen.is(version);
                    return (known || self.look(Some(version)).await).then_some(Event::LeaseGranted);
                }
                Event::LeaseDenied if self.shared.collector.store.is_shared() => {
                    let now = self.shared.clock.mono();
                    let longest = longest_shared(&self.cell.recipe.spec.policy) + LOOK_AGAIN * 2;
                    if gives_up.is_none() {
                        // Others of its host need not wait for another replica.
                        drop(place.take());
                        self.apply(Event::HeldElsewhere);
                    }
                    if now >= *gives_up.get_or_insert(now.after(longest)) {
                        return Some(Event::LeaseDenied);
                    }
                    if let Some(ended) = self.hear().await {
                        return Some(ended);
                    }
                    if !self.look(None).await {
                        return None;
                    }
                }
                other => return Some(other),
            }
        }
    }

    /// Waits until something is heard of the key, or for a second. What ends the flight meanwhile.
    async fn hear(&self) -> Option<Event> {
        let mut progress = self.cell.progress();
        let heard = progress.borrow().heard;
        tokio::select! {
            biased;
            told = timeout(LOOK_AGAIN, progress.wait_for(|p| p.retired || p.heard != heard)) => {
                matches!(told, Ok(Ok(p)) if p.retired).then_some(Event::Cancelled)
            }
            () = self.shared.cancelled() => Some(Event::Cancelled),
        }
    }

    /// Takes over what is stored, which is at least as new as `version`. False where the flight has ended by it.
    pub(super) async fn look(&mut self, version: Option<u64>) -> bool {
        let begun = self.shared.clock.mono();
        let held = timeout(LOOK_PATIENCE, self.shared.collector.store.get(&self.cell.key)).await;
        let Ok(Ok(held)) = held else { return true };
        let Some(effects) = self.shared.take_over(&self.cell, held.as_ref(), |_| true) else { return true };
        self.cell.seen.set(version.unwrap_or_default(), self.shared.looked(begun));
        self.shared.make_room_for(&self.cell);
        if self.cell.lock().state.is_refreshing() {
            return true;
        }
        let failure = self.cell.lock().state.degraded().cloned();
        self.conclude(Some(failure.map_or(Ok(false), Err)));
        self.joined = true;
        if effects.contains(&Effect::Release) {
            self.release().await;
        }
        false
    }

    /// While other replicas are out of reach, each refreshes what it serves at a moment of its own. Whoever waits is not kept waiting.
    async fn spread(&self, place: &mut Option<Permit>) {
        let trigger = self.cell.lock().state.phase.trigger();
        if self.cell.view().is_none() || matches!(trigger, Some(Trigger::Forced | Trigger::Cold)) {
            return;
        }
        drop(place.take());
        let most = (self.cell.recipe.spec.policy.period() / 10).min(LONGEST_SPREAD);
        let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        let wait = Duration::from_millis(self.shared.seeds.next() % millis.saturating_add(1));
        let mut progress = self.cell.progress();
        tokio::select! {
            biased;
            () = tokio::time::sleep(wait) => {}
            _ = progress.wait_for(|p| p.retired) => {}
            () = self.shared.cancelled() => {}
        }
    }
}
