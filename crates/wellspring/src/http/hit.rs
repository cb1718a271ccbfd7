//! A hit: which of the stored bodies its reader gets, and what is said of it. Decided here once for hyper and for the wire.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use wellspring_core::moment::Mono;
use wellspring_core::policy::HttpCache;

use super::Site;
use super::coded::tag;
use super::coding::{Accepts, Coding};
use super::headers::{Fate, JSON, Told, held, tell_view};
use super::render::Circumstances;
use crate::engine::catalog::Source;
use crate::engine::cell::Cell;
use crate::engine::hot::codings::Coded;
use crate::engine::hot::{Encoded, Tail, View};

/// What a request says that decides between the stored bodies.
#[derive(Debug)]
pub(super) struct Wants<I> {
    /// The codings that it takes.
    pub accepts: Accepts,
    /// Its lines of `If-None-Match`.
    pub known: I,
}

/// What is stored of a key, as one request gets it.
#[derive(Debug)]
pub(super) struct Hit<'a> {
    view: &'a View,
    tail: &'a Tail,
    mode: HttpCache,
    now: Mono,
    entity: Entity<'a>,
}

/// A part of a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece<'a> {
    /// Copying it costs less than counting who holds it.
    Short(&'a [u8]),
    /// May be large, and is shared.
    Shared(&'a Bytes),
    /// The same.
    Items(&'a Encoded),
}

/// Which of the stored bodies is sent.
#[derive(Debug)]
enum Entity<'a> {
    /// None: the client has this one, in this coding.
    Known(Option<Coding>),
    Coded(Coding, &'a Coded),
    Plain,
}

impl Site {
    /// What is stored of a key, at once; a stale one asks for a refresh behind the answer. `None` where nothing is stored.
    pub(super) fn hit<'a, T>(
        &self,
        source: &Source,
        cell: &Arc<Cell>,
        wants: Wants<impl Iterator<Item = &'a [u8]>>,
        deliver: impl FnOnce(&Hit<'_>) -> T,
    ) -> Option<T> {
        let now = self.engine.clock().mono();
        let spec = &source.recipe.spec;
        self.engine.viewed(cell, now, |view| {
            cell.mark_read(now);
            let make = |freshness| self.renderer.tail(spec, &view.content, &view.facts, freshness, view.told_age, Circumstances::default());
            let (freshness, tail) = view.tail(now, make);
            if freshness.wants_refresh() {
                self.engine.nudge(cell, now);
            }
            source.reads.count(freshness.into());
            let entity = if let Some(coding) = held(wants.known, tail.etag(), wants.accepts) {
                Entity::Known(coding)
            } else if let Some((coding, coded)) = self.coder.hit(view, freshness, tail, wants.accepts) {
                Entity::Coded(coding, coded)
            } else {
                view.content.items.approach();
                Entity::Plain
            };
            deliver(&Hit { view, tail, mode: spec.http_cache, now, entity })
        })
    }
}

impl Hit<'_> {
    /// 200 or 304.
    pub(super) fn status(&self) -> StatusCode {
        if matches!(self.entity, Entity::Known(_)) { StatusCode::NOT_MODIFIED } else { StatusCode::OK }
    }

    /// How many items the stored body has.
    pub(super) fn count(&self) -> u32 {
        self.view.content.count
    }

    /// When it was looked up.
    pub(super) fn now(&self) -> Mono {
        self.now
    }

    /// Every header that does not depend on who asks from where.
    pub(super) fn tell(&self, to: &mut impl Told) {
        match &self.entity {
            Entity::Known(None) => to.text(ETAG, self.tail.etag()),
            Entity::Known(Some(coding)) => match self.tail.coded(coding.place()) {
                Some(coded) => to.line(ETAG, &coded.etag),
                None => to.line(ETAG, &tag(self.tail.etag(), *coding)),
            },
            Entity::Coded(coding, coded) => {
                to.line(CONTENT_TYPE, &JSON);
                to.line(ETAG, &coded.etag);
                to.line(CONTENT_ENCODING, &coding.header());
                to.line(CONTENT_LENGTH, &coded.length);
            }
            Entity::Plain => {
                to.line(CONTENT_TYPE, &JSON);
                to.text(ETAG, self.tail.etag());
                to.text(CONTENT_LENGTH, self.tail.length());
            }
        }
        tell_view(self.mode, &self.view.facts, self.tail, Fate::Hit, self.now, to);
    }

    /// The body's parts, one after another.
    pub(super) fn pieces(&self) -> [Piece<'_>; 3] {
        const NONE: Piece<'_> = Piece::Short(&[]);
        match &self.entity {
            Entity::Known(_) => [NONE; 3],
            Entity::Coded(_, coded) => [Piece::Shared(&coded.bytes), NONE, NONE],
            Entity::Plain => [Piece::Short(self.tail.head()), Piece::Items(&self.view.content.items), Piece::Short(self.tail.bytes())],
        }
    }
}

impl Piece<'_> {
    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        self.as_ref().len()
    }
}

impl AsRef<[u8]> for Piece<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Short(bytes) => bytes,
            Self::Shared(bytes) => bytes,
            Self::Items(items) => items,
        }
    }
}

impl From<Piece<'_>> for Bytes {
    fn from(piece: Piece<'_>) -> Self {
        match piece {
            Piece::Short(bytes) => Self::copy_from_slice(bytes),
            Piece::Shared(bytes) => bytes.clone(),
            Piece::Items(items) => items.into(),
        }
    }
}
