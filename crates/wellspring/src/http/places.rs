//! Places for what computes for long on behalf of a reader: few at once, a short line before them, and an end where the reader leaves.
//! Whatever a reader may start whose length is its source's or its own choice is done here, and nothing of it on the async threads.

use std::sync::{Arc, Weak};
use std::thread::available_parallelism;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::problem::Problem;
use crate::lifecycle;

/// How many wait for a place at most, for each that there is.
const WAITING: usize = 128;
/// How long they wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// When one may come again for whom there was no place.
const AGAIN: Duration = Duration::from_secs(2);
/// How many steps of a work are done between looks at whether it is still wanted.
const STEPS: usize = 1_024;

/// The places of one kind of work.
#[derive(Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    /// Room in the line.
    line: Arc<Semaphore>,
}

/// Why a work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// All places are taken, and the line is long.
    Busy,
    /// It panicked, or the process is about to end.
    BrokenOff,
}

/// Whether somebody still waits for what is computed.
#[derive(Clone, Debug)]
pub struct Wanted(Option<Weak<()>>);

/// Nobody waits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody waits for it any more")]
pub struct Left;

impl Default for Places {
    /// Half of the cores, and at least one: the other half answers.
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self::of((cores / 2).max(1))
    }
}

impl Places {
    /// So many, each with its part of the line.
    pub fn of(places: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(places)), line: Arc::new(Semaphore::new(places * WAITING)) }
    }

    /// Does a work at a place, off the async threads. Whoever drops this leaves the line, or tells the work that it is not wanted; the
    /// place is taken until the work has really ended.
    ///
    /// # Errors
    /// [`Undone`].
    pub async fn work<T: Send + 'static>(&self, work: impl FnOnce(&Wanted) -> T + Send + 'static) -> Result<T, Undone> {
        let waiting = Arc::clone(&self.line).try_acquire_owned().map_err(|_| Undone::Busy)?;
        let place = timeout(PATIENCE, Arc::clone(&self.free).acquire_owned()).await.ok().and_then(Result::ok).ok_or(Undone::Busy)?;
        drop(waiting);
        let waits = Arc::new(());
        let wanted = Wanted(Some(Arc::downgrade(&waits)));
        let done = lifecycle::blocking(move || {
            let done = work(&wanted);
            drop(place);
            done
        });
        let done = done.await.map_err(|_| Undone::BrokenOff);
        drop(waits);
        done
    }

    /// The same where a work is `heavy`; a light one is done here and now.
    ///
    /// # Errors
    /// [`Undone`].
    pub async fn work_where<T: Send + 'static>(&self, heavy: bool, work: impl FnOnce(&Wanted) -> T + Send + 'static) -> Result<T, Undone> {
        if heavy { self.work(work).await } else { Ok(work(&Wanted::ALWAYS)) }
    }
}

impl Undone {
    /// As a reader hears it.
    pub fn problem(self) -> Problem {
        match self {
            Self::Busy => {
                let detail = "more is asked for that takes long to compute than can be done now";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(AGAIN)
            }
            Self::BrokenOff => {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer could not be made; the log says why")
            }
        }
    }
}

impl Wanted {
    /// For what takes so little time that nobody leaves meanwhile.
    pub const ALWAYS: Self = Self(None);

    /// Ends a work that is not wanted any more.
    ///
    /// # Errors
    /// [`Left`] where its reader is gone.
    pub fn check(&self) -> Result<(), Left> {
        if self.0.as_ref().is_some_and(|waits| waits.strong_count() == 0) { Err(Left) } else { Ok(()) }
    }

    /// The same at the step of this number, where it is worth a look.
    ///
    /// # Errors
    /// [`Left`] where its reader is gone.
    pub fn check_at(&self, step: usize) -> Result<(), Left> {
        if step.is_multiple_of(STEPS) { self.check() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::mpsc;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn who_leaves_ends_the_work_and_its_place_is_free_again() {
        let places = Places::of(1);
        let (tell, ended) = mpsc::channel();
        {
            let mut work = pin!(places.work(move |wanted| {
                while wanted.check().is_ok() {
                    std::thread::yield_now();
                }
                tell.send(()).unwrap();
            }));
            // Begun, then left.
            while places.free.available_permits() > 0 {
                assert!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
        }
        assert_eq!(places.work(|_| 7).await, Ok(7), "the one place is free again");
        assert_eq!(ended.try_recv(), Ok(()), "and not before the work has ended");
    }

    #[tokio::test]
    async fn the_line_is_short_and_who_leaves_it_makes_room() {
        let places = Places::of(1);
        let (held, release) = mpsc::channel::<()>();
        let context = &mut Context::from_waker(Waker::noop());
        let mut first = Box::pin(places.work(move |_| release.recv().is_err()));
        assert!(first.as_mut().poll(context).is_pending());
        let mut line: Vec<_> = (0..WAITING).map(|_| Box::pin(places.work(|_| false))).collect();
        for one in &mut line {
            assert!(one.as_mut().poll(context).is_pending());
        }
        assert_eq!(places.work(|_| false).await, Err(Undone::Busy));
        line.pop();
        let mut next = Box::pin(places.work(|_| false));
        assert!(next.as_mut().poll(context).is_pending());
        drop(line);
        drop(held);
        assert_eq!(first.await, Ok(true));
        assert_eq!(next.await, Ok(false));
    }

    #[tokio::test]
    async fn what_panics_gives_its_place_back() {
        let places = Places::of(1);
        assert_eq!(places.work(|_| panic!("on purpose")).await, Err::<(), _>(Undone::BrokenOff));
        assert_eq!(places.work(|_| 7).await, Ok(7));
    }
}
