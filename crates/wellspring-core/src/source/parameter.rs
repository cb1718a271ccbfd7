//! Declared parameters.

use jiff::civil::Date;
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::parse::Reader;
use super::raw::{RawKind, RawParam};
use super::words::{Literal, Table};
use super::{At, Param, Takes};
use crate::key::is_word;

/// Words of a read's own query: no parameter may take them.
pub const RESERVED: [&str; 5] = ["limit", "fields", "max_age", "wait", "as_of"];

/// The largest compiled pattern, in bytes: patterns meet whatever strangers type.
const PATTERN_SIZE: usize = 1 << 20;

impl Takes {
    /// The value as keys hold it; `None` where it is not one that is taken.
    pub fn canonical(&self, value: &str) -> Option<String> {
        match self {
            Self::Values(values) => values.iter().find(|v| *v == value).cloned(),
            Self::Pattern(pattern) => pattern.is_match(value).then(|| value.to_owned()),
            Self::Integer { min, max } => {
                value.parse::<i64>().ok().filter(|number| (min..=max).contains(&number)).map(|number| number.to_string())
            }
            Self::Boolean => match value {
                "true" | "1" | "yes" | "on" => Some("true".to_owned()),
                "false" | "0" | "no" | "off" => Some("false".to_owned()),
                _ => None,
            },
            Self::Date => Date::strptime("%Y-%m-%d", value).ok().filter(|date| date.year() > 0).map(|date| date.to_string()),
        }
    }

    /// What it takes, in words.
    pub fn words(&self) -> String {
        match self {
            Self::Values(values) => values.join(", "),
            // Shown without the anchors that parsing added.
            Self::Pattern(pattern) => {
                let text = pattern.as_str();
                let inner = text.strip_prefix("^(?:").and_then(|t| t.strip_suffix(")$"));
                format!("what matches {}", inner.unwrap_or(text))
            }
            Self::Integer { min: i64::MIN, max: i64::MAX } => "a whole number".to_owned(),
            Self::Integer { min, max: i64::MAX } => format!("a whole number from {min} up"),
            Self::Integer { min: i64::MIN, max } => format!("a whole number up to {max}"),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Boolean => "true or false".to_owned(),
            Self::Date => "a day, as 2025-01-23".to_owned(),
        }
    }
}

impl Reader<'_> {
    /// The parameters that are as they should be; the others are complained about.
    pub(super) fn params(&mut self, raw: &Table<RawParam>) -> Vec<Param> {
        raw.0.iter().filter_map(|(name, param)| self.param(name, param)).collect()
    }

    fn param(&mut self, name: &At<String>, raw: &RawParam) -> Option<Param> {
        let word = &name.value;
        if RESERVED.contains(&word.as_str()) {
            self.error(&name.span, format!("`{word}` is no parameter name: every read has its own `{word}`"), None);
        } else if !is_word(word) {
            let message = format!("`{}` is no parameter name", word.escape_debug());
            self.error(&name.span, message, Some("it takes a lower-case letter, then letters, digits and `_` (64 at most)"));
        }
        let takes = self.takes(name, raw)?;
        let default = raw.default.as_ref().and_then(|at| text_of(&at.value)).and_then(|text| takes.canonical(&text));
        if let Some(at) = raw.default.as_ref().filter(|_| default.is_none()) {
            self.error(&at.span, format!("the default of `{word}` is not one that it takes"), Some(&format!("it takes {}", takes.words())));
        }
        Some(Param { name: word.clone(), default, takes })
    }

    fn takes(&mut self, name: &At<String>, raw: &RawParam) -> Option<Takes> {
        let word = name.value.escape_debug();
        let said = [
            ("values", raw.values.as_ref().map(|at| &at.span)),
            ("pattern", raw.pattern.as_ref().map(|at| &at.span)),
            ("type", raw.kind.as_ref().map(|at| &at.span)),
        ];
        let said: Vec<_> = said.into_iter().filter_map(|(key, span)| Some((key, span?))).collect();
        if let [(one, _), (other, span), ..] = said[..] {
            self.error(span, format!("`{word}` has both `{one}` and `{other}`"), Some("keep one of them"));
            return None;
        }
        let bounded = raw.kind.as_ref().is_some_and(|at| at.value == RawKind::Integer);
        if let Some(bound) = raw.min.as_ref().or(raw.max.as_ref()).filter(|_| !bounded) {
            self.error(&bound.span, "only whole numbers have bounds", Some("it needs type = \"integer\""));
        }
        if let Some(values) = &raw.values {
            if values.value.is_empty() {
                self.error(&values.span, format!("`{word}` takes no value at all"), Some("list at least one"));
            }
            return Some(Takes::Values(values.value.clone()));
        }
        if let Some(pattern) = &raw.pattern {
            return self.pattern(pattern).map(Takes::Pattern);
        }
        match raw.kind.as_ref().map(|at| at.value) {
            Some(RawKind::Boolean) => Some(Takes::Boolean),
            Some(RawKind::Date) => Some(Takes::Date),
            Some(RawKind::Integer) => self.integer(raw),
            None => {
                let help = "add values = [\"…\"], a pattern = \"…\" that the whole value must match, or type = \"integer\"";
                self.error(&name.span, format!("`{word}` does not say what it takes"), Some(help));
                None
            }
        }
    }

    fn integer(&mut self, raw: &RawParam) -> Option<Takes> {
        let (min, max) = (raw.min.as_ref().map_or(i64::MIN, |at| at.value), raw.max.as_ref().map_or(i64::MAX, |at| at.value));
        if let Some(at) = raw.max.as_ref().filter(|_| min > max) {
            self.error(&at.span, format!("no number is from {min} to {max}"), None);
            return None;
        }
        Some(Takes::Integer { min, max })
    }

    fn pattern(&mut self, pattern: &At<String>) -> Option<Regex> {
        // By itself first: `a)|(?:b` would be a pattern only between our own brackets.
        let compile = |text: &str| RegexBuilder::new(text).size_limit(PATTERN_SIZE).build();
        match compile(&pattern.value).and_then(|_| compile(&format!("^(?:{})$", pattern.value))) {
            Ok(regex) => Some(regex),
            Err(error) => {
                // The last line of the message says what; the others draw the pattern again.
                let text = error.to_string();
                let reason = text.lines().last().unwrap_or("").trim_start_matches("error: ").trim_end_matches('.');
                self.error(&pattern.span, format!("this pattern cannot be read: {reason}"), None);
                None
            }
        }
    }
}

/// A default as a request would write it; `None` of a list or a table.
fn text_of(literal: &Literal) -> Option<String> {
    match &literal.0 {
        Value::String(text) => Some(text.clone()),
        plain @ (Value::Bool(_) | Value::Number(_)) => Some(plain.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
