//! Several works at once within one task: dropping it drops them all.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Does the works `0..count`, at most `width` at once, and gives what they gave in their order. The first for which `stop` holds
/// ends the others where they are: what is missing then was not finished.
pub(super) async fn abreast<T, F: Future<Output = T>>(
    width: usize,
    count: usize,
    work: impl Fn(usize) -> F,
    stop: impl Fn(&T) -> bool,
) -> Vec<T> {
    let mut begun = 0;
    let mut going: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    let mut done = BTreeMap::new();
    poll_fn(|context| {
        loop {
            while begun < count && going.len() < width.max(1) {
                going.push((begun, Box::pin(work(begun))));
                begun += 1;
            }
            let before = done.len();
            let mut stopped = false;
            going.retain_mut(|(index, work)| {
                let Poll::Ready(given) = work.as_mut().poll(context) else { return true };
                stopped |= stop(&given);
                done.insert(*index, given);
                false
            });
            if stopped || done.len() == count {
                return Poll::Ready(());
            }
            // Who has made room lets another begin, which must be polled before anybody sleeps.
            if done.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await;
    done.into_values().collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn what_is_given_stands_in_order_and_no_more_are_done_at_once() {
        let (now, most) = (Cell::new(0), Cell::new(0));
        let gates: Vec<Semaphore> = (0..7).map(|_| Semaphore::new(0)).collect();
        let work = |index: usize| {
            let (now, most, gates) = (&now, &most, &gates);
            async move {
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                // Each waits for the next one of its three, so that they end in another order than they began.
                if index % 3 != 2 && index != 6 {
                    let _passed = gates[index].acquire().await.unwrap();
                }
                if !index.is_multiple_of(3) {
                    gates[index - 1].add_permits(1);
                }
                now.set(now.get() - 1);
                index
            }
        };
        assert_eq!(abreast(3, 7, work, |_| false).await, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(most.get(), 3);
        assert_eq!(abreast(0, 2, |index| async move { index }, |_| false).await, [0, 1]);
        assert_eq!(abreast(3, 0, |index| async move { index }, |_| false).await, [0_usize; 0]);
    }

    #[tokio::test]
    async fn the_first_that_fails_ends_the_others() {
        let begun = Cell::new(0);
        let work = |index: usize| {
            begun.set(begun.get() + 1);
            async move {
                if index == 0 {
                    std::future::pending::<()>().await;
                }
                index
            }
        };
        assert_eq!(abreast(2, 9, work, |index| *index == 3).await, [1, 2, 3]);
        assert_eq!(begun.get(), 4);
    }
}
