//! The only spawner of tasks and threads.

pub mod lane;
pub mod nursery;
pub mod stripe;

use std::future::Future;
use std::thread::JoinHandle;
use std::time::Duration;

/// Starts a named thread.
///
/// # Errors
/// Where the system refuses another thread.
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body)
}

/// Starts a named thread with a stack of so many bytes, which take memory only where they are used.
///
/// # Errors
/// Where the system refuses another thread.
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub fn thread_with_stack<T: Send + 'static>(
    name: &str,
    stack: usize,
    body: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(stack).spawn(body)
}

/// Does a work on a stack of so many bytes, while this thread waits.
///
/// # Errors
/// Where the system refuses another thread.
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub fn on_stack<T: Send>(stack: usize, work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    std::thread::scope(|scope| {
        let working = std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, work)?;
        Ok(working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Starts a task, in no thread's own loop.
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    lane::home().spawn(future)
}

/// How many tasks are alive, beside those in threads' own loops.
pub fn tasks() -> usize {
    lane::home().metrics().num_alive_tasks()
}

/// Runs blocking or long computing work off the async threads.
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> tokio::task::JoinHandle<T> {
    lane::home().spawn_blocking(work)
}

/// Tasks of one kind that are drained together, in the loop of the thread that starts them.
#[derive(Debug, Default)]
pub struct Tasks(tokio::task::JoinSet<()>);

impl Tasks {
    /// Starts one, and forgets those that have ended.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + Send + 'static) {
        while self.0.try_join_next().is_some() {}
        self.0.spawn(future);
    }

    /// Lets them finish for `patience`, then aborts the rest; how many those were.
    pub async fn drain(mut self, patience: Duration) -> usize {
        let all = async { while self.0.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_ok() { 0 } else { self.0.len() }
    }
}
