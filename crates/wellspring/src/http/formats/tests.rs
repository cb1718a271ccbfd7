//! What people and their programs read.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use wellspring_core::source::{Defaults, SourceSpec, parse_sources};

use super::*;

mod guesses;
mod properties;
mod written;

/// A source, of a text with one.
fn source(text: &str) -> SourceSpec {
    let environment = |name: &str| (name == "KEY").then(|| "s3cr3t-canary".to_owned());
    let found = parse_sources("a.toml", text, Defaults::default(), &environment);
    found.unwrap_or_else(|found| panic!("{}", found[0])).remove(0).value
}

/// A source whose items are taken whole, with some lines more.
fn plain(lines: &str) -> SourceSpec {
    source(&format!("[source.a]\nurl = 'https://a.example/list?key=${{KEY}}'\nfresh_for = '6h'\nformat = 'json'\n{lines}\n"))
}

/// What is written of some items.
fn written(format: Format, spec: &SourceSpec, items: &Value) -> Result<String, Unwritable> {
    let zone = TimeZone::get("Asia/Jakarta").unwrap();
    let key = spec.default_key().unwrap();
    let made_at: Timestamp = "2026-10-01T03:30:00.123Z".parse().unwrap();
    let about =
        About { spec, key: key.as_str(), revision: 7, made_at, zone: &zone, address: Some("https://wells.example/api/a.x?b=1&c=2") };
    let items = Bytes::from(serde_json::to_vec(items).unwrap());
    let bytes = write(format, &about, &items, &Wanted::ALWAYS)?;
    assert_eq!(write(format, &about, &items, &Wanted::ALWAYS)?, bytes, "the same gives the same");
    let text = String::from_utf8(bytes.into()).unwrap();
    assert!(!text.contains("s3cr3t-canary"), "{text}");
    Ok(text)
}
