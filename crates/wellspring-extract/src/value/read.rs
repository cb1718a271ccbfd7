//! Texts read as what they mean.

use regex::{Regex, RegexBuilder};
use serde_json::Value;
use url::Url;
use wellspring_core::source::{At, Parse};

use super::date::Dates;
use super::{money, number};
use crate::error::RuleError;
use crate::{Context, html};

/// The largest compiled pattern, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// How a field's text is read, compiled.
#[derive(Debug)]
pub(crate) enum Reading {
    /// As it was found: text, markup where that was looked for, or whatever JSON holds.
    AsItIs,
    /// A number in people's notation.
    Number { decimal: Option<char> },
    /// An amount with its currency.
    Money { decimal: Option<char>, currency: Option<String> },
    /// A day or a moment.
    Date(Box<Dates>),
    /// Markup as the text that it shows.
    Plain,
    /// JSON in a text.
    Json,
    /// An address made absolute.
    Url,
    /// True or false.
    Boolean,
}

impl Reading {
    /// Compiles what a rule says.
    ///
    /// # Errors
    /// A pattern of a date that cannot be read.
    pub(crate) fn compile(parse: &Parse) -> Result<Self, RuleError> {
        Ok(match parse {
            Parse::Text | Parse::Markup => Self::AsItIs,
            Parse::Number { decimal } => Self::Number { decimal: *decimal },
            Parse::Money { decimal, currency } => Self::Money { decimal: *decimal, currency: currency.clone() },
            Parse::Date(rule) => Self::Date(Box::new(Dates::compile(rule)?)),
            Parse::Plain => Self::Plain,
            Parse::Json => Self::Json,
            Parse::Url => Self::Url,
            Parse::Boolean => Self::Boolean,
        })
    }

    /// The value as it is meant; null where it cannot be read so.
    pub(crate) fn read(&self, found: Value, base: &Url, context: &Context<'_>) -> Value {
        match self {
            Self::AsItIs => found,
            Self::Number { decimal } => number::read(&found, *decimal),
            Self::Money { decimal, currency } => money::read(&found, *decimal, currency.as_deref()),
            Self::Date(dates) => dates.read(&found, context.now),
            Self::Plain => plain(&found),
            Self::Json => match &found {
                Value::String(json) => serde_json::from_str(json.trim()).unwrap_or_default(),
                _ => found,
            },
            Self::Url => address(&found, base).map_or(Value::Null, Value::String),
            Self::Boolean => boolean(&found).map_or(Value::Null, Value::Bool),
        }
    }
}

/// Markup as the text that it shows; a number or `true` as its own text.
fn plain(found: &Value) -> Value {
    match found {
        Value::String(markup) => html::shown(markup).map_or(Value::Null, Value::String),
        Value::Number(_) | Value::Bool(_) => Value::String(found.to_string()),
        _ => Value::Null,
    }
}

fn address(found: &Value, base: &Url) -> Option<String> {
    let address = found.as_str().map(str::trim).filter(|address| !address.is_empty())?;
    super::absolute(address, base)
}

fn boolean(found: &Value) -> Option<bool> {
    match text(found).trim().to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
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

/// Of each match the first group, or all of it where the pattern has none.
pub(crate) fn matches<'t>(regex: &'t Regex, text: &'t str) -> impl Iterator<Item = Value> + 't {
    let found = regex.captures_iter(text).filter_map(|captures| captures.iter().skip(1).flatten().next().or_else(|| captures.get(0)));
    found.map(|found| Value::String(found.as_str().to_owned()))
}

/// A value as text.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
