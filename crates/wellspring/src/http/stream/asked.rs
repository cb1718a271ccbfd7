//! What a listener asks to hear of: `source=cinema,google_trend?geo=ID`, or everything.

use http::StatusCode;
use serde_json::json;
use wellspring_core::key::Key;

use crate::engine::catalog::Catalog;
use crate::http::problem::Problem;
use crate::http::query::{Params, shown};

/// How many keys one listener may name.
const MOST: usize = 256;

/// Which keys are heard.
#[derive(Debug)]
pub(super) enum Asked {
    /// Of every source the key that a bare read answers with.
    All,
    /// These.
    These(Vec<Word>),
}

/// A key as its listener spells it.
#[derive(Debug)]
pub(super) struct Word {
    /// As it came.
    pub(super) text: String,
    name: String,
    params: Params,
}

impl Asked {
    /// Reads the query of a stream.
    ///
    /// # Errors
    /// 400 for a parameter that a stream or the source does not take, 404 for an unknown source.
    pub(super) fn parse(query: &str, catalog: &Catalog) -> Result<Self, Box<Problem>> {
        let mut named: Option<String> = None;
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if name != "source" {
                let name = shown(&name);
                return Err(bad(&name, format!("`{name}` is no parameter here; a stream takes `source`, as in source=cinema,events")));
            }
            if named.replace(value.into_owned()).is_some() {
                return Err(bad("source", "`source` is given more than once; it takes names with commas between them".to_owned()));
            }
        }
        let Some(named) = named else { return Ok(Self::All) };
        let count = named.split(',').count();
        if count > MOST || named.split(',').any(str::is_empty) {
            let detail = format!("`source` takes the names of 1 to {MOST} sources with commas between them, as in source=cinema,events");
            return Err(bad("source", detail));
        }
        let mut words: Vec<Word> = Vec::with_capacity(count);
        for text in named.split(',') {
            let (name, params) = text.split_once('?').unwrap_or((text, ""));
            let word = Word { text: text.to_owned(), name: name.to_owned(), params: Params::parse(params)? };
            word.key(catalog)?;
            if words.iter().all(|other| other.text != word.text) {
                words.push(word);
            }
        }
        Ok(Self::These(words))
    }
}

impl Word {
    /// The key that it means by the sources in force.
    ///
    /// # Errors
    /// 404 for an unknown source, 400 for parameters that it does not take.
    pub(super) fn key(&self, catalog: &Catalog) -> Result<Key, Box<Problem>> {
        let source = catalog.source(&self.name).ok_or_else(|| {
            let known: Vec<&str> = catalog.sources().map(|source| source.name()).collect();
            Box::new(Problem::unknown_source(&self.name, &known))
        })?;
        self.params.key(&source.recipe.spec, &[])
    }

    pub(super) fn source(&self) -> &str {
        &self.name
    }
}

fn bad(name: &str, detail: String) -> Box<Problem> {
    Box::new(Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", detail).with("parameter", json!(name)))
}
