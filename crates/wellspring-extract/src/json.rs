//! JSON: `items` and fields are RFC 9535 JSONPath.

use std::borrow::Cow;

use serde_json::Value;
use serde_json_path::JsonPath;
use wellspring_core::source::{At, Rules};

use crate::columns::{Budget, Columns, Items};
use crate::error::{ExtractError, RuleError};
use crate::{Body, Context, charset};

pub(crate) mod lenient;
pub(crate) mod row;
mod within;

use within::Place;

/// How deep a path may nest its brackets: filters within filters take the parser twice as long with each, and all of them its stack.
const NESTED: usize = 12;

const EXPECTED: &str = "JSON";

/// What serde_json nests before it gives up; its own limit, named in our message.
pub(crate) const MAX_DEPTH: usize = 128;

/// Rules for a JSON answer.
#[derive(Debug)]
pub(crate) struct Json {
    /// `None`: the body is JSON itself.
    within: Option<Place>,
    /// `None`: the list at the root, or the object there as a single row.
    items: Option<JsonPath>,
    fields: Columns<row::Document>,
}

impl Json {
    pub(crate) fn compile(rules: &Rules) -> Result<Self, RuleError> {
        let within = rules.within.as_ref().map(Place::compile).transpose()?;
        let items = rules.items.as_ref().map(path).transpose()?;
        let fields = Columns::compile(&rules.fields)?;
        Ok(Self { within, items, fields })
    }

    pub(crate) fn read(&self, body: &Body<'_>, context: &Context<'_>) -> Result<Items, ExtractError> {
        let (root, base) = match &self.within {
            None => (parse(&charset::json(body))?, Cow::Borrowed(body.url)),
            Some(place) => place.find(body).map(|(root, base)| (root, Cow::Owned(base)))?,
        };
        let rows: Vec<&Value> = match (&self.items, &root) {
            (Some(items), root) => items.query(root).all(),
            (None, Value::Array(rows)) => rows.iter().collect(),
            (None, Value::Object(_)) => vec![&root],
            (None, other) => return Err(ExtractError::NoRows { found: kind(other) }),
        };
        if self.fields.is_empty() {
            let mut budget = Budget::default();
            let whole = rows.into_iter().map(|row| budget.spend(row.clone())).collect::<Result<_, _>>()?;
            return Ok((whole, Vec::new()));
        }
        self.fields.fill(row::rows(&root, rows), &base, context)
    }
}

fn parse(text: &str) -> Result<Value, ExtractError> {
    let json = unguarded(text);
    serde_json::from_str(json).map_err(|error| {
        // An answer that does not even begin as JSON is named for what it is.
        if !json.starts_with(['{', '[', '"']) {
            return ExtractError::unlike(text, EXPECTED);
        }
        if error.is_eof() {
            return ExtractError::CutShort { expected: EXPECTED, reason: error.to_string() };
        }
        if error.to_string().starts_with("recursion limit") {
            return ExtractError::TooDeep { expected: EXPECTED, limit: MAX_DEPTH };
        }
        ExtractError::Broken { expected: EXPECTED, reason: error.to_string() }
    })
}

/// Without the line that some servers put before JSON so that no script tag can run it.
fn unguarded(text: &str) -> &str {
    let text = text.trim();
    match text.strip_prefix(")]}'") {
        Some(rest) => rest.trim_start_matches(',').trim_start(),
        None => text,
    }
}

fn path(at: &At<String>) -> Result<JsonPath, RuleError> {
    if nesting(&at.value) > NESTED {
        return Err(RuleError::at(at, format!("this JSONPath nests brackets more than {NESTED} deep")));
    }
    JsonPath::parse(&at.value).map_err(|error| {
        // The parser has words only for some mistakes.
        let reason =
            if error.message() == "parser error" { "something stands where JSONPath has no place for it" } else { error.message() };
        let message = format!("`{}` is no JSONPath: {reason}", at.value);
        if !at.value.starts_with('$') {
            return RuleError::at(at, message).help(format!("a JSONPath begins with `$`: `$.{}`", at.value));
        }
        RuleError::new(point(at, error.position()), message)
    })
}

/// How deep brackets stand in each other. Those within quotes count too: nobody writes so many.
fn nesting(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'(' => open += 1,
            b']' | b')' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// The place in the TOML of the character at `position` (from 1), where the text stands there as it is, between one quote each.
fn point(at: &At<String>, position: usize) -> std::ops::Range<usize> {
    let is_verbatim = at.span.len() == at.value.len() + 2;
    let offset = at.value.char_indices().nth(position.saturating_sub(1)).map(|(offset, c)| (offset, c.len_utf8()));
    match offset.filter(|_| is_verbatim) {
        Some((offset, length)) => at.span.start + 1 + offset..at.span.start + 1 + offset + length,
        None => at.span.clone(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
