//! Texts read as what they mean.

use regex::{Regex, RegexBuilder};
use serde_json::Value;
use url::Url;
use wellspring_core::source::{At, Parse};

use super::number;
use crate::Context;
use crate::error::RuleError;

/// The largest compiled pattern, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// How a field's text is read, compiled.
#[derive(Debug)]
pub(crate) struct Reading(Parse);

impl Reading {
    pub(crate) fn compile(parse: &Parse) -> Result<Self, RuleError> {
        Ok(Self(parse.clone()))
    }

    /// The value as it is meant; null where it cannot be read so.
    pub(crate) fn read(&self, found: Value, base: &Url, _context: &Context<'_>) -> Value {
        match &self.0 {
            Parse::Number { decimal } => number::read(&found, *decimal),
            Parse::Url => match &found {
                Value::String(address) => super::absolute(address, base).map_or(Value::Null, Value::String),
                _ => Value::Null,
            },
            _ => found,
        }
    }
}

/// Compiles a pattern.
pub(crate) fn pattern(at: &At<String>) -> Result<Regex, RuleError> {
    RegexBuilder::new(&at.value).size_limit(PATTERN_SIZE).build().map_err(|error| {
        // The last line of the message says what; the others draw the pattern again.
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or("").trim_start_matches("error: ").trim_end_matches('.').to_owned();
        RuleError::at(at, format!("this pattern cannot be read: {reason}"))
    })
}

/// The first group, or the whole match where the pattern has none; `None` without a match.
pub(crate) fn capture(regex: &Regex, value: &Value) -> Option<Value> {
    let text = text(value);
    let captures = regex.captures(&text)?;
    let found = captures.iter().skip(1).flatten().next().or_else(|| captures.get(0))?;
    Some(Value::String(found.as_str().to_owned()))
}

/// A value as text.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
