//! The only spawner of tasks and threads.

use std::future::Future;
use std::thread::JoinHandle;

/// Starts a named thread.
///
/// # Errors
/// Where the system refuses another thread.
pub fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body)
}

/// Starts a task.
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(future)
}

/// Runs blocking or long computing work off the async threads.
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}
