//! The locks and atomics of cells and lines: the standard library's. In one test they belong to a scheduler that tries the orders in
//! which threads can meet (`cargo test -p wellspring --lib --features shuttle engine::orders`).

#[cfg(not(all(test, feature = "shuttle")))]
pub(super) use std::sync::{Mutex, MutexGuard, OnceLock, atomic::AtomicI64};

#[cfg(all(test, feature = "shuttle"))]
pub(super) use scheduled::{AtomicI64, Mutex, MutexGuard, OnceLock};

#[cfg(all(test, feature = "shuttle"))]
mod scheduled {
    pub(in crate::engine) use shuttle::sync::atomic::AtomicI64;
    use shuttle::sync::atomic::{AtomicBool, Ordering};
    pub(in crate::engine) use shuttle::sync::{Mutex, MutexGuard};

    /// What is behind it (a channel of tokio's) is not the scheduler's: another thread may come in between wherever it is reached for.
    #[derive(Debug, Default)]
    pub(in crate::engine) struct OnceLock<T> {
        inner: std::sync::OnceLock<T>,
        point: AtomicBool,
    }

    impl<T> OnceLock<T> {
        pub(in crate::engine) fn new() -> Self {
            Self { inner: std::sync::OnceLock::new(), point: AtomicBool::new(false) }
        }

        pub(in crate::engine) fn get(&self) -> Option<&T> {
            self.point.load(Ordering::Relaxed);
            self.inner.get()
        }

        pub(in crate::engine) fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
            self.point.load(Ordering::Relaxed);
            self.inner.get_or_init(init)
        }
    }
}
