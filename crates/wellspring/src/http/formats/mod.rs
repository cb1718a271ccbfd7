//! The same items in other formats: pure functions from an encoded JSON array to bytes.
//!
//! What an item is to a feed reader or a calendar is in its source's mapping (`[source.x.feed]`, `[source.x.calendar]`); what that
//! does not say is guessed from the items, for all of them alike.

use bytes::Bytes;
use http::HeaderValue;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use wellspring_core::source::SourceSpec;

use super::places::{Left, Wanted};

mod atom;
mod channel;
mod columns;
mod csv;
mod entry;
mod ical;
mod identity;
pub(super) mod listing;
mod moment;
mod ndjson;
mod rows;
mod rss;
#[cfg(test)]
mod tests;
mod text;
mod xml;

/// How many entries a feed or a calendar has at most, and how many lines a table: each is held several times over while it is written.
const MOST_ENTRIES: usize = 100_000;
const MOST_LINES: usize = 500_000;
/// How long an answer gets at most, in bytes, unless its items are that long themselves.
const LONGEST: usize = 32 << 20;

/// How items are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The contract's body: items and what is said of them.
    Json,
    /// A JSON object a line.
    Ndjson,
    /// RFC 4180, with a line of names.
    Csv,
    /// RSS 2.0.
    Rss,
    /// Atom, RFC 4287.
    Atom,
    /// iCalendar, RFC 5545.
    Ical,
}

/// What a writer may say beside the items.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The source.
    pub spec: &'a SourceSpec,
    /// The canonical key, `google_trend?geo=ID`.
    pub key: &'a str,
    /// The revision.
    pub revision: u64,
    /// When these items were first seen.
    pub made_at: Timestamp,
    /// The server's time zone: of dates that name none.
    pub zone: &'a TimeZone,
    /// The absolute address that this answer has for its readers, where it is known: feeds repeat it.
    pub address: Option<&'a str>,
}

/// Why items cannot be written in a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// No item has a date, and a calendar is made of dates.
    #[error(
        "no item of `{source_name}` has a date that a calendar could show; say which field is one: [source.{source_name}.calendar] start = \"…\""
    )]
    NoDates {
        /// The name of the source.
        source_name: String,
    },
    /// Most of the table's cells would be empty.
    #[error("the items of `{source_name}` have {columns} fields between them, too many for one table; choose some by `fields`")]
    TooWide {
        /// The name of the source.
        source_name: String,
        /// How many fields.
        columns: usize,
    },
    /// There are too many of them, or they would take too many bytes.
    #[error("the items of `{source_name}` are too many for one answer in this format; ask for some of them by `limit`, or for JSON")]
    TooLong {
        /// The name of the source.
        source_name: String,
    },
    /// Whoever asked is gone.
    #[error(transparent)]
    Left(#[from] Left),
}

impl Unwritable {
    /// A stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoDates { .. } => "no_dates",
            Self::TooWide { .. } => "too_wide",
            Self::TooLong { .. } => "too_long",
            Self::Left(_) => "cancelled",
        }
    }
}

impl Format {
    /// Every format, by the extension that asks for it.
    pub const ALL: [(&'static str, Self); 6] =
        [("json", Self::Json), ("ndjson", Self::Ndjson), ("csv", Self::Csv), ("rss", Self::Rss), ("atom", Self::Atom), ("ics", Self::Ical)];

    /// The name of a source and the format that `cinema.rss` asks for; JSON where there is no extension. `None` for an
    /// extension that is no format.
    pub fn split(segment: &str) -> Option<(&str, Self)> {
        let Some((name, extension)) = segment.split_once('.') else { return Some((segment, Self::Json)) };
        Self::ALL.iter().find(|(known, _)| *known == extension).map(|(_, format)| (name, *format))
    }

    /// How many bytes of work each item is, whatever it holds.
    pub(super) fn weight(self) -> usize {
        match self {
            Self::Json | Self::Ndjson => 16,
            Self::Csv => 128,
            Self::Rss | Self::Atom | Self::Ical => 512,
        }
    }

    /// `Content-Type`.
    pub fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            // These two say their encoding themselves.
            Self::Rss => "application/rss+xml",
            Self::Atom => "application/atom+xml",
            Self::Ical => "text/calendar; charset=utf-8",
        })
    }
}

/// Writes an encoded JSON array of items in a format other than JSON, where it stays as it is. The same input gives the same
/// bytes, so that entity tags hold.
///
/// # Errors
/// [`Unwritable`], which says what to declare.
pub fn write(format: Format, about: &About<'_>, items: &Bytes, wanted: &Wanted) -> Result<Bytes, Unwritable> {
    let room = Room { about, most: LONGEST.max(items.len().saturating_mul(4)), wanted };
    Ok(match format {
        Format::Json => items.clone(),
        Format::Ndjson => ndjson::write(items),
        Format::Csv => csv::write(about, &room.rows(items, MOST_LINES)?, &room)?,
        Format::Rss => rss::write(about, &room.rows(items, MOST_ENTRIES)?, &room)?,
        Format::Atom => atom::write(about, &room.rows(items, MOST_ENTRIES)?, &room)?,
        Format::Ical => ical::write(about, &room.rows(items, MOST_ENTRIES)?, &room)?,
    })
}

/// How long an answer may get, and whether it is still wanted.
struct Room<'a> {
    about: &'a About<'a>,
    most: usize,
    wanted: &'a Wanted,
}

impl Room<'_> {
    /// The items, where there are no more than so many.
    fn rows(&self, items: &[u8], most: usize) -> Result<Vec<rows::Row>, Unwritable> {
        let rows = listing::first(items, most.saturating_add(1));
        self.wanted.check()?;
        if rows.len() > most { Err(self.too_long()) } else { Ok(rows) }
    }

    /// Goes on with the entry of this number where so many bytes are written.
    fn bears(&self, entry: usize, bytes: usize) -> Result<(), Unwritable> {
        self.wanted.check_at(entry)?;
        if bytes > self.most { Err(self.too_long()) } else { Ok(()) }
    }

    fn too_long(&self) -> Unwritable {
        Unwritable::TooLong { source_name: self.about.spec.name.as_str().to_owned() }
    }
}
