//! Declared parameters.

use regex::{Regex, RegexBuilder};

use super::parse::Reader;
use super::raw::RawParam;
use super::words::Table;
use super::{At, Param, Takes};
use crate::key::is_word;

/// Words of a read's own query: no parameter may take them.
pub const RESERVED: [&str; 5] = ["limit", "fields", "max_age", "wait", "as_of"];

/// The largest compiled pattern, in bytes: patterns meet whatever strangers type.
const PATTERN_SIZE: usize = 1 << 20;

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
        let takes = match (&raw.values, &raw.pattern) {
            (Some(values), None) => {
                if values.value.is_empty() {
                    self.error(&values.span, format!("`{word}` takes no value at all"), Some("list at least one"));
                }
                Takes::Values(values.value.clone())
            }
            (None, Some(pattern)) => Takes::Pattern(self.pattern(pattern)?),
            (Some(_), Some(pattern)) => {
                self.error(&pattern.span, format!("`{word}` has both `values` and `pattern`"), Some("keep one of them"));
                return None;
            }
            (None, None) => {
                let help = "add values = [\"…\"], or a pattern = \"…\" that the whole value must match";
                self.error(&name.span, format!("`{word}` does not say what it takes"), Some(help));
                return None;
            }
        };
        if let Some(default) = &raw.default
            && !takes.accepts(&default.value)
        {
            self.error(
                &default.span,
                format!("the default of `{word}` is not one that it takes"),
                Some(&format!("it takes {}", takes.words())),
            );
        }
        Some(Param { name: word.clone(), default: raw.default.as_ref().map(|d| d.value.clone()), takes })
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
