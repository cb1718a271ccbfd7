//! Bodies: read by rules of every format. The first byte says which, a line may say what it is served as, the rest is the body.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use url::Url;
use wellspring_core::source::{Defaults, parse_sources};
use wellspring_extract::{Body, Context, STACK};

use crate::engine::extraction::Ruled;
use crate::lifecycle;

/// Sources that use whatever there is, two or more a format.
static RULES: LazyLock<Vec<Arc<Ruled>>> = LazyLock::new(|| {
    let sources = parse_sources("extraction.toml", include_str!("extraction.toml"), Defaults::default(), &|_| None);
    let sources = sources.unwrap_or_else(|found| panic!("{}", found[0]));
    let compiled = sources.iter().map(|source| Ruled::compile(&source.value.alternatives[0].rules));
    compiled.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{error}"))
});

/// Reads a body by one source's rules.
pub fn extraction(bytes: &[u8]) {
    let Some((which, rest)) = bytes.split_first() else { return };
    let rules = &RULES[usize::from(which.wrapping_sub(b'a')) % RULES.len()];
    let (content_type, body) = match rest.iter().position(|byte| *byte == b'\n').map(|at| (&rest[..at], &rest[at + 1..])) {
        Some((line, body)) => (std::str::from_utf8(line).ok(), body),
        None => (None, rest),
    };
    // As a worker has it.
    let read = lifecycle::on_stack(STACK, || read(rules, body, content_type.filter(|line| !line.is_empty())));
    read.unwrap_or_else(|error| panic!("{error}"));
}

fn read(rules: &Ruled, bytes: &[u8], content_type: Option<&str>) {
    let url = Url::parse("https://site.example/films/?a=b").unwrap_or_else(|error| panic!("{error}"));
    let values = BTreeMap::from([("geo".to_owned(), "ID".to_owned()), ("today".to_owned(), "2025-01-23".to_owned())]);
    // Noon of a Thursday.
    let context = Context { now: jiff::Timestamp::from_second(1_737_633_600).unwrap_or_default(), values: &values };
    match rules.compiled.extract(&Body { bytes, content_type, url: &url }, &context) {
        Ok(extraction) => assert_eq!(extraction.rows.len(), extraction.tally.kept as usize),
        Err(error) => assert!(error.to_string().len() < 1_000, "a failure that repeats what was sent"),
    }
}
