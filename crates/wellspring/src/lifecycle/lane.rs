//! Threads with an event loop of their own. What they wait for never moves to another thread, so nothing is locked or stolen on the
//! way, and whoever is ready is served in turn: of a thousand connections none waits for long while others go round and round.

use std::cell::RefCell;
use std::future::Future;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::thread;

thread_local! {
    /// Where tasks of this thread run that are no part of its loop.
    static HOME: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// Starts a thread that runs what `body` makes, and the [`Tasks`](super::Tasks) of that, by itself. Whatever else is spawned there
/// runs where this was called. The receiver hears what the future came to, or that it broke off.
///
/// # Errors
/// Where the system refuses another thread or another event loop.
pub fn lane<F: Future>(name: &str, body: impl FnOnce() -> F + Send + 'static) -> std::io::Result<oneshot::Receiver<F::Output>>
where
    F::Output: Send + 'static,
{
    let home = Handle::current();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (tell, outcome) = oneshot::channel();
    thread(name, move || {
        HOME.with_borrow_mut(|place| *place = Some(home));
        let ended = runtime.block_on(body());
        drop(runtime);
        // Nobody may be waiting any more.
        let _told = tell.send(ended);
    })?;
    Ok(outcome)
}

/// Where a task that is started here runs.
pub(super) fn home() -> Handle {
    HOME.with_borrow(|home| home.clone().unwrap_or_else(Handle::current))
}
