//! A body in content codings: made on demand, behind the answers, once for each, and freed with what it is a coding of.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use http::HeaderValue;

/// How many codings there are. Which is which, the inward side knows.
const CODINGS: usize = 3;

/// A whole body in a coding, with the headers that differ by it.
#[derive(Debug)]
pub struct Coded {
    /// The body.
    pub bytes: Bytes,
    /// Its strong entity tag.
    pub etag: HeaderValue,
    /// `Content-Length`.
    pub length: HeaderValue,
}

/// What there is of a body in each coding.
#[derive(Debug, Default)]
pub struct Codings {
    /// `None` within: the coding does not make it smaller.
    made: [OnceLock<Option<Box<Coded>>>; CODINGS],
    /// A bit for each that somebody makes or has made.
    claimed: AtomicU8,
}

impl Codings {
    /// The body in a coding, by its number below three, where it is made and worth it.
    pub fn coded(&self, coding: usize) -> Option<&Coded> {
        self.made.get(coding)?.get()?.as_deref()
    }

    /// True for the one caller who is to make it. Everybody else never hears of it: no task is started in vain.
    pub fn claim(&self, coding: usize) -> bool {
        let bit = 1 << (coding % CODINGS);
        self.claimed.load(Ordering::Relaxed) & bit == 0 && self.claimed.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Keeps what was made.
    pub fn keep(&self, coding: usize, coded: Option<Coded>) {
        if let Some(place) = self.made.get(coding) {
            let _kept_by_the_first = place.set(coded.map(Box::new));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Arc, Barrier};

    use super::*;
    use crate::lifecycle::thread;

    #[test]
    fn of_a_crowd_one_makes_it_and_one_result_is_kept() {
        let shared = Arc::new((Codings::default(), Barrier::new(8), AtomicUsize::new(0)));
        let reader = |_| {
            let shared = Arc::clone(&shared);
            thread("reader", move || {
                let (codings, barrier, claims) = &*shared;
                barrier.wait();
                claims.fetch_add(usize::from(codings.claim(1)), Ordering::Relaxed);
            })
        };
        let crowd: Vec<_> = (0..8).map(reader).collect();
        for reader in crowd {
            reader.unwrap().join().unwrap();
        }
        let (codings, _, claims) = &*shared;
        assert_eq!((claims.load(Ordering::Relaxed), codings.claim(1), codings.claim(0)), (1, false, true));
        assert!(codings.coded(1).is_none() && codings.coded(7).is_none());
        let of = |text: &'static str| {
            Some(Coded { bytes: Bytes::from_static(text.as_bytes()), etag: HeaderValue::from_static("x"), length: HeaderValue::from(1) })
        };
        codings.keep(1, of("a"));
        codings.keep(1, of("b"));
        codings.keep(0, None);
        assert_eq!((codings.coded(1).map(|c| &c.bytes[..]), codings.coded(0).is_none()), (Some(&b"a"[..]), true));
    }
}
