//! Rules as short text, and the one way to run them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use url::Url;
use wellspring_core::source::{Anchor, At, Field, Format, Origin, Parse, Piece, Places, Rules};
use wellspring_extract::{Body, Compiled, Context, ExtractError, Extraction};

/// Rules for a format, to be widened.
pub(crate) fn rules(format: Format) -> Rules {
    Rules { items: None, ..Rules::whole(format, Vec::new()) }
}

pub(crate) fn at(text: &str) -> At<String> {
    At { value: text.to_owned(), span: 10..12 + text.len() }
}

pub(crate) fn field(name: &str, candidates: &[&str]) -> Field {
    Field::at(name, candidates.iter().map(|c| at(c)).collect())
}

/// A field whose candidates lack an attribute of their own.
pub(crate) fn attribute(name: &str, candidates: &[&str], attr: &str) -> Field {
    let candidates = candidates.iter().map(|c| at(c)).collect();
    Field::of(name, Origin::Places(Places { candidates, attr: Some(attr.to_owned()), anchor: None }))
}

pub(crate) fn number(name: &str, candidates: &[&str]) -> Field {
    Field { parse: Parse::Number { decimal: None }, ..field(name, candidates) }
}

/// A field that is looked for from elsewhere.
pub(crate) fn anchored(name: &str, candidates: &[&str], anchor: Anchor) -> Field {
    let candidates = candidates.iter().map(|c| at(c)).collect();
    Field::of(name, Origin::Places(Places { candidates, attr: None, anchor: Some(anchor) }))
}

/// The markup of what is around an item.
pub(crate) fn ancestor_markup(name: &str, selector: &str) -> Field {
    Field { parse: Parse::Markup, ..anchored(name, &[], Anchor::Ancestor(at(selector))) }
}

/// A field that is put together: `{title} at {_clock}`.
pub(crate) fn compose(name: &str, text: &str) -> Field {
    let mut pieces = Vec::new();
    for (index, part) in text.split(['{', '}']).enumerate().filter(|(_, part)| !part.is_empty()) {
        pieces.push(if index % 2 == 0 { Piece::Text(part.to_owned()) } else { Piece::Name(part.to_owned()) });
    }
    Field::of(name, Origin::Compose(vec![pieces]))
}

/// Noon of 23 January 2025, a Thursday, and no values.
pub(crate) fn context() -> Context<'static> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    Context { now: "2025-01-23T12:00:00Z".parse().unwrap(), values: &NONE }
}

/// Runs rules on a body that came from `https://example.org/films/`.
pub(crate) fn extract(rules: &Rules, body: impl AsRef<[u8]>) -> Result<Extraction, ExtractError> {
    let url = Url::parse("https://example.org/films/").unwrap();
    let compiled = Compiled::compile(rules).unwrap_or_else(|error| panic!("{error}"));
    compiled.extract(&Body { bytes: body.as_ref(), content_type: None, url: &url }, &context())
}

/// The items, one a line.
pub(crate) fn items(rules: &Rules, body: impl AsRef<[u8]>) -> String {
    match extract(rules, body) {
        Ok(extraction) => extraction.rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"),
        Err(error) => format!("{:?}: {error}", error.failure().kind),
    }
}

/// What compiling says of rules that cannot be read.
pub(crate) fn refusal(rules: &Rules) -> String {
    let error = Compiled::compile(rules).expect_err("these rules should be refused");
    format!("{:?}: {}\nhelp: {}", error.span, error.message, error.help.as_deref().unwrap_or("-"))
}

/// Captured data, kept outside the project. `None`, said so, where it is absent.
pub(crate) fn captured(path: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(path);
    if !root.exists() {
        println!("skipped: {} is absent", root.display());
        return None;
    }
    Some(root)
}
