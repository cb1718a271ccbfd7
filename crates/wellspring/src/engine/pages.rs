//! How many pages are rendered at once. A page is the scarcest place there is, so whoever waits for one holds no other, and who holds
//! one waits for nothing but its page.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for pages, given in the order in which they were asked for.
#[derive(Debug)]
pub struct Pages {
    free: Arc<Semaphore>,
    size: Mutex<Size>,
}

#[derive(Debug)]
struct Size {
    allowed: usize,
    /// Places that were in use when their number went down: each goes when it is given back.
    owed: usize,
}

/// A place for a page, until dropped.
#[derive(Debug)]
pub struct PagePlace {
    pages: Arc<Pages>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Pages {
    /// So many places, one at least.
    pub fn new(allowed: usize) -> Arc<Self> {
        let allowed = bounded(allowed);
        Arc::new(Self { free: Arc::new(Semaphore::new(allowed)), size: Mutex::new(Size { allowed, owed: 0 }) })
    }

    /// Changes how many there are. Pages that are being rendered go on.
    pub fn allow(&self, allowed: usize) {
        let allowed = bounded(allowed);
        let mut size = self.size();
        if let Some(more) = allowed.checked_sub(size.allowed) {
            let kept = more.min(size.owed);
            size.owed -= kept;
            self.free.add_permits(more - kept);
        } else {
            let fewer = size.allowed - allowed;
            size.owed += fewer - self.free.forget_permits(fewer);
        }
        size.allowed = allowed;
    }

    /// Takes a place where one is free and nobody waits for it.
    pub fn try_take(self: &Arc<Self>) -> Option<PagePlace> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(PagePlace { pages: Arc::clone(self), permit: Some(permit) })
    }

    /// Waits for a place.
    pub async fn take(self: &Arc<Self>) -> PagePlace {
        // Fails only once the semaphore is closed, which nobody does.
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        PagePlace { pages: Arc::clone(self), permit }
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bounded(allowed: usize) -> usize {
    allowed.clamp(1, Semaphore::MAX_PERMITS)
}

impl Drop for PagePlace {
    fn drop(&mut self) {
        let mut size = self.pages.size();
        if size.owed > 0
            && let Some(permit) = self.permit.take()
        {
            size.owed -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many places are free.
    fn free(pages: &Arc<Pages>) -> usize {
        std::iter::from_fn(|| pages.try_take()).collect::<Vec<_>>().len()
    }

    #[test]
    fn there_are_so_many_places_and_no_more() {
        let pages = Pages::new(2);
        let taken = pages.try_take().unwrap();
        assert_eq!(free(&pages), 1);
        drop(taken);
        assert_eq!(free(&pages), 2);
        assert_eq!(free(&Pages::new(0)), 1, "without any nothing could ever be rendered");
    }

    #[test]
    fn their_number_changes_while_some_are_taken() {
        let pages = Pages::new(3);
        let taken = [pages.try_take().unwrap(), pages.try_take().unwrap()];
        pages.allow(1);
        assert_eq!(free(&pages), 0);
        let [first, second] = taken;
        drop(first);
        assert_eq!(free(&pages), 0, "one too many was taken");
        drop(second);
        assert_eq!(free(&pages), 1);
        let taken = pages.try_take().unwrap();
        pages.allow(2);
        assert_eq!(free(&pages), 1);
        drop(taken);
        assert_eq!(free(&pages), 2);
        // Down and up again while all are taken.
        let taken = [pages.try_take().unwrap(), pages.try_take().unwrap()];
        pages.allow(1);
        pages.allow(3);
        assert_eq!(free(&pages), 1);
        drop(taken);
        assert_eq!(free(&pages), 3);
    }

    #[tokio::test]
    async fn whoever_waits_gets_the_next_one_before_those_who_come_later() {
        let pages = Pages::new(1);
        let taken = pages.try_take().unwrap();
        let mut waiting = Box::pin(pages.take());
        assert!(std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context).is_pending())).await);
        drop(taken);
        assert!(pages.try_take().is_none());
        drop(waiting.await);
        assert_eq!(free(&pages), 1);
    }
}
