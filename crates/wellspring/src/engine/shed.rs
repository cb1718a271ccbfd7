//! Forgets what is stored past `max_keys`, little by little: however much that is, whatever else is to be written gets its turn soon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};
use wellspring_core::key::Key;

use super::shared::{Shared, Stage};
use crate::store::evict_all;

/// How many keys are forgotten at once: at first and at least, and at most.
const FEW: usize = 8;
const MANY: usize = 256;
/// How long that may take: what is to be written meanwhile waits for no more.
const TURN: Duration = Duration::from_millis(50);

impl Shared {
    /// Forgets keys, but for those that somebody asks for before it is their turn. What a stop leaves is left to the next start.
    pub(super) fn shed(self: &Arc<Self>, mut surplus: Vec<Key>) {
        let mut sources: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let catalog = self.catalog.load();
        for key in &surplus {
            let most = || catalog.source(key.source()).map_or(0, |source| source.recipe.spec.max_keys);
            sources.entry(key.source()).or_insert_with(|| (0, most())).0 += 1;
        }
        for (source, (keys, max_keys)) in &sources {
            info!(
                source,
                keys, max_keys, "more keys are stored than `max_keys`: those that were confirmed longest ago are dropped, a few at a time"
            );
        }
        if sources.is_empty() {
            return;
        }
        let shared = Arc::clone(self);
        self.detach(async move {
            let mut at_once = FEW;
            while !surplus.is_empty() && *shared.stage.borrow() == Stage::Running {
                let mut some = surplus.split_off(surplus.len().saturating_sub(at_once));
                some.retain(|key| !shared.is_held(key));
                let begun = shared.clock.mono();
                if let Err(error) = evict_all(&*shared.collector.store, &some).await {
                    let left = surplus.len() + some.len();
                    warn!(%error, left, "keys past `max_keys` could not be dropped; the next start tries again");
                    return;
                }
                let took = shared.clock.mono().since(begun);
                at_once = paced(at_once, took);
            }
        });
    }

    fn is_held(&self, key: &Key) -> bool {
        self.catalog.load().source(key.source()).is_some_and(|source| source.lend(key.as_str(), |_| ()).is_some())
    }
}

/// How many come next, where so many took so long.
fn paced(at_once: usize, took: Duration) -> usize {
    let next = if took > TURN / 2 {
        at_once / 2
    } else if took < TURN / 8 {
        at_once * 2
    } else {
        at_once
    };
    next.clamp(FEW, MANY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_follow_the_disk() {
        let portions = |took: &dyn Fn(usize) -> Duration| {
            std::iter::successors(Some(FEW), |at_once| Some(paced(*at_once, took(*at_once)))).nth(20).unwrap()
        };
        assert_eq!(portions(&|_| Duration::from_millis(1)), MANY);
        assert_eq!(portions(&|_| Duration::from_secs(1)), FEW);
        let one_by_one = |keys: usize| Duration::from_micros(250) * u32::try_from(keys).unwrap();
        assert!(one_by_one(portions(&one_by_one)) <= TURN, "{}", portions(&one_by_one));
    }
}
