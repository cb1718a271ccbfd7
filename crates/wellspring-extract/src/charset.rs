//! Which characters the bytes are: byte order mark, `Content-Type`, the document's own word, then a guess.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

use crate::Body;

mod prescan;

/// The body's text as HTML's standard has it: what the transport says wins over the page, and both over a guess.
pub(crate) fn html<'a>(body: &Body<'a>) -> Cow<'a, str> {
    html_encoding(body).decode(body.bytes).0
}

/// The body's text as XML. Wrong labels are common in feeds and cheap to see through: what is valid UTF-8 beyond ASCII is nothing
/// else, and what is not valid cannot be UTF-8.
pub(crate) fn xml<'a>(body: &Body<'a>) -> Cow<'a, str> {
    xml_encoding(body).decode(body.bytes).0
}

/// The body's text as JSON, which is UTF-8 unless it cannot be.
pub(crate) fn json<'a>(body: &Body<'a>) -> Cow<'a, str> {
    plain(body)
}

/// The body's text where nothing in it says its charset: UTF-8 unless it cannot be.
pub(crate) fn plain<'a>(body: &Body<'a>) -> Cow<'a, str> {
    let encoding = if std::str::from_utf8(body.bytes).is_ok() {
        UTF_8
    } else {
        labelled(body.content_type).unwrap_or_else(|| guess(body, Utf8Detection::Allow))
    };
    encoding.decode(body.bytes).0
}

fn html_encoding(body: &Body<'_>) -> &'static Encoding {
    let marked = Encoding::for_bom(body.bytes).map(|(encoding, _)| encoding);
    marked
        .or_else(|| labelled(body.content_type))
        .or_else(|| prescan::html(body.bytes))
        .unwrap_or_else(|| guess(body, Utf8Detection::Allow))
}

fn xml_encoding(body: &Body<'_>) -> &'static Encoding {
    match body.bytes {
        [b'<', 0, ..] => return UTF_16LE,
        [0, b'<', ..] => return UTF_16BE,
        _ => {}
    }
    let has_nul = body.bytes.contains(&0);
    let valid = std::str::from_utf8(body.bytes).is_ok();
    if valid && !has_nul && !body.bytes.is_ascii() {
        return UTF_8;
    }
    match labelled(body.content_type).or_else(|| prescan::xml(body.bytes)) {
        Some(label) if label == UTF_8 && !valid => guess(body, Utf8Detection::Deny),
        Some(label) if (label == UTF_16LE || label == UTF_16BE) && !has_nul => UTF_8,
        Some(label) => label,
        None if valid => UTF_8,
        None => guess(body, Utf8Detection::Deny),
    }
}

/// The charset that a `Content-Type` names, where it is one that the web knows.
fn labelled(content_type: Option<&str>) -> Option<&'static Encoding> {
    prescan::charset_of(content_type?.as_bytes())
}

fn guess(body: &Body<'_>, utf8: Utf8Detection) -> &'static Encoding {
    // Nothing to tell apart: what browsers take.
    if body.bytes.is_ascii() && !body.bytes.contains(&b'\x1b') {
        return WINDOWS_1252;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(body.bytes, true);
    // The detector panics on anything that is no top-level domain as `Url` writes it.
    let is_plain = |tld: &&str| tld.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let tld = body.url.domain().and_then(|host| host.rsplit('.').next()).filter(is_plain);
    detector.guess(tld.map(str::as_bytes), utf8)
}

/// The encoding a label in a document stands for: one that can be read as ASCII enough to hold the label cannot be UTF-16.
fn in_document(label: &[u8]) -> Option<&'static Encoding> {
    match Encoding::for_label(label)? {
        encoding if encoding == UTF_16LE || encoding == UTF_16BE => Some(UTF_8),
        encoding if encoding == X_USER_DEFINED => Some(WINDOWS_1252),
        encoding => Some(encoding),
    }
}

#[cfg(test)]
mod tests;
