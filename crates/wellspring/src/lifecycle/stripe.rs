//! What every thread changes all the time stands several times, side by side: a thread changes one of them, so that cores do not wait
//! for one another.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many times. Each is to have lines of the cache of its own.
pub const STRIPES: usize = 8;

/// Which of them this thread changes: threads take them in turn.
pub fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static MINE: Cell<usize> = const { Cell::new(STRIPES) });
    MINE.with(|mine| {
        if mine.get() == STRIPES {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        mine.get()
    })
}
