//! `[source.NAME]` tables → [`SourceSpec`]s.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::digest::rules_digest;
use super::document::Document;
use super::raw::RawSource;
use super::{At, SourceSpec};
use crate::diagnostic::Diagnostic;
use crate::key::SourceName;
use crate::template::Environment;

const MAX_KEYS: usize = 1_000;

/// The words of a body beside its items: `items_key` may not take them.
const BODY_WORDS: [&str; 11] = [
    "from_cache",
    "cache_valid",
    "cache_date",
    "fetched_at",
    "refreshing_in_background",
    "cache_age_hours",
    "force_refreshed",
    "expired",
    "degraded",
    "revision",
    "as_of",
];

/// What a source takes from the server's own settings where it says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// The longest one whole refresh may take.
    pub deadline: Duration,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(120) }
    }
}

/// Reads a text that holds `[source.NAME]` tables and nothing else. Each comes with the place of its name.
///
/// # Errors
/// A diagnostic for each thing that is wrong, as far as they can be told apart.
pub fn parse_sources(
    file: &str,
    text: &str,
    defaults: Defaults,
    environment: Environment<'_>,
) -> Result<Vec<At<SourceSpec>>, Vec<Diagnostic>> {
    let document = Document::new(file, text);
    let mut specs = Vec::new();
    let mut found = Vec::new();
    for (key, value) in document.tables()? {
        if key.get_ref() == "source" {
            match parse_source_table(&document, value, defaults, environment) {
                Ok(more) => specs.extend(more),
                Err(more) => found.extend(more),
            }
        } else {
            let message = format!("`{}` does not belong here: this file holds [source.NAME] tables only", key.get_ref().escape_debug());
            found.push(document.error(key.span(), message).help("server, store, fetch, browser and use go into wellspring.toml"));
        }
    }
    if found.is_empty() { Ok(specs) } else { Err(found) }
}

/// Reads the table of all sources, the value of a file's `source`.
///
/// # Errors
/// A diagnostic for each thing that is wrong, as far as they can be told apart.
pub fn parse_source_table<'a>(
    document: &Document<'a>,
    sources: Spanned<DeValue<'a>>,
    defaults: Defaults,
    environment: Environment<'_>,
) -> Result<Vec<At<SourceSpec>>, Vec<Diagnostic>> {
    let span = sources.span();
    let DeValue::Table(sources) = sources.into_inner() else {
        return Err(vec![document.error(span, "expected tables of sources").help("write [source.NAME] above a source's keys")]);
    };
    let mut specs = Vec::new();
    let mut found = Vec::new();
    for (name, table) in sources {
        let span = name.span();
        match parse_source(document, name, table, defaults, environment) {
            Ok(value) => specs.push(At { value, span }),
            Err(more) => found.extend(more),
        }
    }
    if found.is_empty() { Ok(specs) } else { Err(found) }
}

fn parse_source<'a>(
    document: &Document<'a>,
    name: Spanned<DeString<'a>>,
    table: Spanned<DeValue<'a>>,
    defaults: Defaults,
    environment: Environment<'_>,
) -> Result<SourceSpec, Vec<Diagnostic>> {
    let name = At { span: name.span(), value: name.into_inner().into_owned() };
    if !table.get_ref().is_table() {
        let message = format!("`{}` is no table of a source", name.value.escape_debug());
        return Err(vec![document.error(name.span, message).help("write [source.NAME] above a source's keys")]);
    }
    let raw: RawSource = document.read(table).map_err(|diagnostic| vec![*diagnostic])?;
    Reader { document: *document, name: &name, defaults, environment, found: Vec::new() }.spec(&raw)
}

/// Reads one source and collects what is wrong with it.
pub(super) struct Reader<'a> {
    pub(super) document: Document<'a>,
    pub(super) name: &'a At<String>,
    pub(super) defaults: Defaults,
    pub(super) environment: Environment<'a>,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// Complains, once about the same thing: what a source says for its alternatives is checked with each of them.
    pub(super) fn error(&mut self, span: &Range<usize>, message: impl Into<String>, help: Option<&str>) {
        let diagnostic = self.document.error(span.clone(), message).help_if(help);
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }

    pub(super) fn has_complained(&self) -> bool {
        !self.found.is_empty()
    }

    fn spec(mut self, raw: &RawSource) -> Result<SourceSpec, Vec<Diagnostic>> {
        let name = SourceName::new(&self.name.value);
        if let Err(bad) = &name {
            self.error(&self.name.span.clone(), bad.to_string(), None);
        }
        let params = self.params(&raw.params);
        let policy = self.policy(raw);
        let (alternatives, shapes) = self.alternatives(raw, &params).into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
        let usable: Vec<_> =
            alternatives.iter().zip(&shapes).filter(|(alternative, _)| alternative.usable).map(|(_, shape)| shape).collect();
        let rules = rules_digest(raw, &usable);
        let items_key = self.items_key(raw.items_key.as_ref());
        let (feed, calendar) = self.mappings(raw.feed.as_ref(), raw.calendar.as_ref(), &alternatives, &params);
        let max_keys = raw.max_keys.as_ref().map_or(MAX_KEYS, |at| at.value);
        if let Some(at) = raw.max_keys.as_ref().filter(|at| at.value == 0) {
            self.error(&at.span, "`max_keys` must be at least 1", None);
        }
        match (name, policy) {
            (Ok(name), Some(policy)) if self.found.is_empty() => Ok(SourceSpec {
                name,
                description: raw.description.clone(),
                params,
                alternatives,
                policy,
                items_key,
                feed,
                calendar,
                manual_refresh: raw.manual_refresh.unwrap_or(true),
                report_age: raw.report_age.unwrap_or(false),
                http_cache: raw.http_cache.unwrap_or_default(),
                warm: raw.warm.unwrap_or(true),
                max_keys,
                rules,
            }),
            _ => Err(self.found),
        }
    }

    fn items_key(&mut self, key: Option<&At<String>>) -> String {
        let Some(key) = key else { return "items".to_owned() };
        if key.value.is_empty() {
            self.error(&key.span, "`items_key` must not be empty", None);
        } else if BODY_WORDS.contains(&key.value.as_str()) {
            self.error(&key.span, format!("`{}` is a word of every answer", key.value), Some("call the list something else"));
        }
        key.value.clone()
    }
}
