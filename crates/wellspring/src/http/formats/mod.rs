//! The same items in other formats: pure functions from an encoded JSON array to bytes.

use bytes::Bytes;
use http::HeaderValue;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use wellspring_core::source::SourceSpec;

mod ndjson;

/// How items are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The contract's body: items and what is said of them.
    Json,
    /// A JSON object a line.
    Ndjson,
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
    /// The server's time zone.
    pub zone: &'a TimeZone,
}

impl Format {
    /// Every format but the plain body, by the extension that asks for it.
    pub const ALL: [(&'static str, Self); 2] = [("json", Self::Json), ("ndjson", Self::Ndjson)];

    /// The name of a source and the format that `cinema.rss` asks for; JSON where there is no extension. `None` for an
    /// extension that is no format.
    pub fn split(segment: &str) -> Option<(&str, Self)> {
        let Some((name, extension)) = segment.split_once('.') else { return Some((segment, Self::Json)) };
        Self::ALL.iter().find(|(known, _)| *known == extension).map(|(_, format)| (name, *format))
    }

    /// `Content-Type`.
    pub fn media_type(self) -> HeaderValue {
        match self {
            Self::Json => HeaderValue::from_static("application/json"),
            Self::Ndjson => HeaderValue::from_static("application/x-ndjson"),
        }
    }
}

/// Writes an encoded JSON array of items in a format other than JSON, where it stays as it is. The same input gives the same
/// bytes, so that entity tags hold.
pub fn write(format: Format, about: &About<'_>, items: &Bytes) -> Bytes {
    let _ = about;
    match format {
        Format::Json => items.clone(),
        Format::Ndjson => ndjson::write(items),
    }
}
