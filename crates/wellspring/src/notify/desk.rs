//! Looks at keys after their refreshes, decides what is to be told, and writes it down.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Sleep, sleep, timeout};
use tracing::warn;
use wellspring_core::key::Key;
use wellspring_core::snapshot::Attempts;
use wellspring_core::telling::{News, Seen};

use super::ledger::{Ledger, Name, Note, stored_name};
use super::message::{Facts, Message, identity};
use super::{Couriers, Hook, Shared, Stage, courier};
use crate::engine::cell::Cell;
use crate::engine::news::Heard;
use crate::store::Admission;

/// How often every key is looked at, whatever was heard: hints may be missed.
const SCAN: Duration = Duration::from_secs(30);
/// How long the store may take to write a note down. It is sent all the same then: to be told twice is better than never.
const STORE_PATIENCE: Duration = Duration::from_secs(20);

/// How far apart replicas may notice the same thing.
const TOLD_FOR: Duration = Duration::from_secs(3_600);

/// Runs until the telling is to end.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut couriers = Couriers::new();
    let mut stage = shared.stage.subscribe();
    let mut hooks = shared.hooks.subscribe();
    'hooks: while *stage.borrow() == Stage::Running {
        let current = hooks.borrow_and_update().clone();
        shared.engine.news().listen(!current.is_empty());
        courier::exchange(&shared, &mut couriers, &current).await;
        shared.scan(&current).await;
        let mut scans = Regularly::every(SCAN);
        loop {
            tokio::select! {
                _ = stage.changed() => continue 'hooks,
                _ = hooks.changed() => continue 'hooks,
                heard = shared.engine.news().next(), if !current.is_empty() => match heard {
                    Heard::Keys(keys) => shared.look(&current, &shared.held(&keys)).await,
                    Heard::Many => shared.scan(&current).await,
                },
                () = scans.next(), if !current.is_empty() => shared.scan(&current).await,
            }
        }
    }
    shared.engine.news().listen(false);
    courier::exchange(&shared, &mut couriers, &[]).await;
}

/// What comes again after so long, however often something else comes between.
struct Regularly {
    every: Duration,
    next: Pin<Box<Sleep>>,
}

impl Regularly {
    fn every(every: Duration) -> Self {
        Self { every, next: Box::pin(sleep(every)) }
    }

    async fn next(&mut self) {
        self.next.as_mut().await;
        self.next.set(sleep(self.every));
    }
}

impl Shared {
    /// The cells of these keys, as far as they are held.
    fn held(&self, keys: &[Key]) -> Vec<Arc<Cell>> {
        let catalog = self.engine.catalog();
        keys.iter().filter_map(|key| catalog.source(key.source())?.cell(key.as_str())).collect()
    }

    /// Looks at every key, and forgets what was told of those that are no more: their cells made room for others.
    async fn scan(&self, hooks: &[Arc<Hook>]) {
        if hooks.is_empty() {
            return;
        }
        let cells: Vec<Arc<Cell>> = self.engine.catalog().sources().flat_map(|source| source.cells_unordered()).collect();
        self.look(hooks, &cells).await;
        let catalog = self.engine.catalog().clone();
        let mut ledger = self.ledger.lock().await;
        let is_gone = |key: &Key| catalog.source(key.source()).is_some_and(|source| source.cell(key.as_str()).is_none());
        let gone: Vec<Name> = ledger.0.keys().filter(|(_, key)| is_gone(key)).cloned().collect();
        for name in gone {
            ledger.0.remove(&name);
            self.write_down(&name, None).await;
        }
    }

    /// Looks at these keys, and writes down what is to be told of them.
    async fn look(&self, hooks: &[Arc<Hook>], cells: &[Arc<Cell>]) {
        let mut ledger = self.ledger.lock().await;
        let mut news = false;
        for cell in cells {
            for hook in hooks.iter().filter(|hook| hook.wants(cell.key.source())) {
                news |= self.judge(&mut ledger, hook, cell).await;
            }
        }
        if news {
            self.changed.send_modify(|changes| *changes += 1);
        }
    }

    /// True where there is something to send.
    async fn judge(&self, ledger: &mut Ledger, hook: &Hook, cell: &Cell) -> bool {
        let name = (hook.name.clone(), cell.key.clone());
        let known = ledger.0.get(&name);
        let Some((attempts, facts)) = seen(cell, known.is_some()) else { return false };
        let before = known.cloned().unwrap_or_default();
        let mut note: Note = before.clone();
        let news = note.told.step(Seen { attempts: &attempts, checked_at: facts.checked_at }, hook.after);
        if note.told == before.told && news.is_empty() {
            return false;
        }
        let at = self.engine.clock().now().wall;
        let mut wanted = Vec::new();
        for news in news.into_iter().filter(|news| hook.on.contains(&news.change)) {
            if self.is_ours(&name, news).await {
                wanted.push(Message::of(&name, news, at, &attempts, facts, &self.base));
            }
        }
        note.add(wanted);
        // Before it is sent: who sends it finds it crossed out, or to be sent again, after whatever end of this process.
        self.write_down(&name, note.text().as_deref()).await;
        let sends = !note.pending.is_empty();
        ledger.0.insert(name, note);
        sends
    }

    /// True where no other replica on the same store has told this: there, a thing to tell is a place that one of them takes.
    async fn is_ours(&self, name: &Name, news: News) -> bool {
        let store = self.engine.store();
        if !store.is_shared() {
            return true;
        }
        let place = format!("told:{}", identity(name, news));
        let asked = timeout(STORE_PATIENCE, store.slot(&place, 1, Duration::ZERO, TOLD_FOR, self.engine.clock().now())).await;
        !matches!(asked, Ok(Ok(Admission::After(_))))
    }

    /// Writes a note into the store.
    pub(super) async fn write_down(&self, name: &Name, text: Option<&str>) {
        let stored = stored_name(name);
        let written = timeout(STORE_PATIENCE, self.engine.store().note(&stored, text)).await;
        if !matches!(written, Ok(Ok(()))) {
            warn!(notify = name.0, key = %name.1, "what is told could not be written down; after a restart it may be told again");
        }
    }
}

/// How a key stands; `None` where it never had trouble that anyone was told of.
fn seen(cell: &Cell, known: bool) -> Option<(Attempts, Facts)> {
    let inner = cell.lock();
    let state = &inner.state;
    if !known && state.attempts.failures == 0 {
        return None;
    }
    let facts = Facts {
        checked_at: state.standing.map(|standing| standing.checked_at),
        revision: state.standing.map(|standing| standing.revision),
        items: inner.content.as_ref().map(|content| content.count),
    };
    Some((state.attempts.clone(), facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that make room for others are forgotten in a scan only: one that never comes lets what was told of them pile up.
    #[tokio::test(start_paused = true)]
    async fn a_busy_server_is_looked_over_all_the_same() {
        let mut scans = Regularly::every(SCAN);
        let mut seen = 0;
        for _ in 0..100 {
            tokio::time::advance(Duration::from_secs(1)).await;
            tokio::select! {
                biased;
                () = scans.next() => seen += 1,
                // Something is heard.
                () = std::future::ready(()) => {}
            }
        }
        assert_eq!(seen, 3);
    }
}
