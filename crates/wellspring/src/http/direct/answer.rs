//! Hits as they stand on the wire.

use std::cell::RefCell;
use std::ops::Range;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_STATUS, DATE, HeaderName, HeaderValue};
use wellspring_core::moment::Mono;

use super::super::Site;
use super::super::coding::Accepts;
use super::super::headers::Told;
use super::super::hit::{Hit, Piece, Wants};
use super::super::render::http_date;
use super::head::Head;
use crate::clock::Clock;

/// Longer pieces are written from where they are, in bytes; copying shorter ones costs less than telling the system of one more.
const LONG: usize = 32 << 10;

/// What waits to be written: bytes of ours, and between them long pieces that are shared.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// All that is copied.
    pub bytes: Vec<u8>,
    /// Long pieces, each with how many of `bytes` stand before it.
    pub pieces: Vec<(usize, Bytes)>,
    /// Where the last `Cache-Status` stands.
    cache_status: Range<usize>,
}

impl Told for Out {
    fn line(&mut self, name: HeaderName, value: &HeaderValue) {
        self.text(name, value.as_bytes());
    }

    fn text(&mut self, name: HeaderName, value: &[u8]) {
        self.bytes.extend_from_slice(name.as_str().as_bytes());
        self.bytes.extend_from_slice(b": ");
        let at = self.bytes.len();
        self.bytes.extend_from_slice(value);
        if name == CACHE_STATUS {
            self.cache_status = at..self.bytes.len();
        }
        self.bytes.extend_from_slice(b"\r\n");
    }
}

impl Out {
    /// Forgets all of it, and gives back what an uncommonly long one took.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(4 * LONG);
        self.pieces.clear();
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.pieces.iter().map(|(_, piece)| piece.len()).sum::<usize>()
    }

    /// What the last `Cache-Status` says.
    pub(super) fn cache_status(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes.get(self.cache_status.clone())?).ok()
    }

    fn add(&mut self, piece: Piece<'_>) {
        if piece.len() > LONG {
            self.pieces.push((self.bytes.len(), piece.into()));
        } else {
            self.bytes.extend_from_slice(piece.as_ref());
        }
    }
}

/// What was answered, for whoever notes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    pub status: StatusCode,
    /// Of the body, as it is sent.
    pub bytes: usize,
    /// When it was looked up.
    pub now: Mono,
}

/// Adds the answer to a request for what is stored under its target as it is spelled; `None`, and nothing added, where there is
/// nothing or it is spelled in any other way.
pub(super) fn answer(site: &Site, head: &Head<'_>, out: &mut Out) -> Option<Answered> {
    let asked = head.target.strip_prefix("/api/")?;
    let catalog = site.engine.catalog();
    let wants = Wants { accepts: Accepts::said(head.codings.into_iter()), known: head.known.into_iter() };
    let deliver = |hit: &Hit<'_>| {
        let status = hit.status();
        out.bytes.extend_from_slice(if status == StatusCode::OK { b"HTTP/1.1 200 OK\r\n" } else { b"HTTP/1.1 304 Not Modified\r\n" });
        hit.tell(out);
        site.cors.apply(head.origin, out);
        out.line(DATE, &date(hit.now(), site.engine.clock()));
        out.bytes.extend_from_slice(b"\r\n");
        let pieces = hit.pieces();
        let sent = pieces.iter().filter(|_| !head.bodiless);
        let bytes = sent
            .map(|piece| {
                out.add(*piece);
                piece.len()
            })
            .sum();
        Answered { status, bytes, now: hit.now() }
    };
    match asked.split_once('?') {
        None => {
            let source = catalog.source(asked)?;
            site.hit(source, source.default.as_ref()?, wants, deliver)
        }
        Some((name, _)) => {
            let source = catalog.source(name)?;
            source.lend(asked, |cell| site.hit(source, cell, wants, deliver))?
        }
    }
}

/// `Date`: the wall clock is read once a second.
pub(in crate::http) fn date(now: Mono, clock: &dyn Clock) -> HeaderValue {
    thread_local!(static TOLD: RefCell<Option<(i64, HeaderValue)>> = const { RefCell::new(None) });
    let second = now.as_nanos().div_euclid(1_000_000_000);
    TOLD.with_borrow_mut(|told| match told {
        Some((at, date)) if *at == second => date.clone(),
        _ => {
            let date = http_date(clock.now().wall);
            *told = Some((second, date.clone()));
            date
        }
    })
}
