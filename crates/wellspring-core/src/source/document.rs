//! A TOML text under reading: tables with places, and complaints that point into it.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::explain::explain;
use crate::diagnostic::{Diagnostic, nearest};

/// Keys whose `${NAME}` are read, with all that stands in them. Anywhere else they would stand as they are, which nobody means but in
/// a description.
const VARIABLES_IN: [&str; 12] =
    ["admin_token", "body", "cookies", "form", "headers", "json", "listen", "own", "proxy", "replica", "url", "user_agent"];

/// A TOML file by name and text.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    file: &'a str,
    text: &'a str,
}

impl<'a> Document<'a> {
    /// `file` is the name as the user knows it.
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text }
    }

    /// The name of the file.
    pub fn file(&self) -> &'a str {
        self.file
    }

    /// Its tables.
    ///
    /// # Errors
    /// A diagnostic where the text is no TOML, or holds `${NAME}` where no variable is read.
    pub fn tables(&self) -> Result<DeTable<'a>, Vec<Diagnostic>> {
        let root = DeTable::parse(self.text).map_err(|error| vec![explain(self, self.text, &error)])?.into_inner();
        let mut stray = Vec::new();
        for (key, value) in &root {
            self.find_stray_variables(key.get_ref(), value, &mut stray);
        }
        if stray.is_empty() { Ok(root) } else { Err(stray) }
    }

    /// Reads one value.
    ///
    /// # Errors
    /// A diagnostic at the first thing that is not as `T` takes it.
    pub fn read<T: DeserializeOwned>(&self, value: Spanned<DeValue<'a>>) -> Result<T, Box<Diagnostic>> {
        let whole = value.span();
        T::deserialize(ValueDeserializer::from(value)).map_err(|error| {
            let mut diagnostic = explain(self, self.text, &error);
            if diagnostic.place.is_none() {
                diagnostic = Diagnostic { help: diagnostic.help, ..self.error(whole, diagnostic.message) };
            }
            Box::new(diagnostic)
        })
    }

    /// A complaint about some bytes of the text. The line is shown, unless it is the one that may hold the admin token
    /// itself.
    pub fn error(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        let mut diagnostic = Diagnostic::at(self.file, self.text, span, message);
        if diagnostic.excerpt.as_ref().is_some_and(|(line, _)| holds_token(line)) {
            diagnostic.excerpt = None;
        }
        diagnostic
    }

    /// A complaint about a key that is not one of `known`.
    pub fn unknown_key(&self, key: &Spanned<impl AsRef<str>>, known: &[&str]) -> Diagnostic {
        let word = key.get_ref().as_ref();
        self.error(key.span(), format!("unknown key `{}`", word.escape_debug())).help(suggestion(word, known))
    }

    /// Where some bytes stand, as `file:line:column`.
    pub fn place(&self, span: Range<usize>) -> String {
        let (line, column) = self.error(span, "").place.unwrap_or((1, 1));
        format!("{}:{line}:{column}", self.file)
    }

    /// Where `sought` stands first within some bytes; all of them where it does not. A table under a header of its own goes on
    /// behind its bytes, which are the header's.
    pub(super) fn within(&self, span: &Range<usize>, sought: &str) -> Range<usize> {
        let header = self.text.get(span.start..).is_some_and(|rest| rest.starts_with('['));
        let end = if header { self.text.len() } else { span.end };
        match self.text.get(span.start..end).and_then(|part| part.find(sought)) {
            Some(at) => span.start + at..span.start + at + sought.len(),
            None => span.clone(),
        }
    }

    fn find_stray_variables(&self, key: &str, value: &Spanned<DeValue<'_>>, found: &mut Vec<Diagnostic>) {
        if VARIABLES_IN.contains(&key) {
            return;
        }
        match value.get_ref() {
            DeValue::String(text) if text.contains("${") && key != "description" => found.push(
                self.error(value.span(), format!("`${{…}}` is not read in `{}`", key.escape_debug()))
                    .help(format!("variables of the environment are read in {}", VARIABLES_IN.join(", "))),
            ),
            DeValue::Array(items) => items.iter().for_each(|item| self.find_stray_variables(key, item, found)),
            DeValue::Table(table) => table.iter().for_each(|(key, value)| self.find_stray_variables(key.get_ref(), value, found)),
            _ => {}
        }
    }
}

/// True where a line may hold the admin token itself and not just the variable it is in.
fn holds_token(line: &str) -> bool {
    line.split_once("admin_token").is_some_and(|(_, value)| !value.trim_start_matches(['"', '\'', ' ', '\t', '=']).starts_with("${"))
}

/// What to try instead of an unknown word: the one that was meant, or all there are.
pub(super) fn suggestion(word: &str, known: &[&str]) -> String {
    let meant = nearest(word, known.iter().copied()).or_else(|| synonyms(word).iter().copied().find(|meant| known.contains(meant)));
    match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if word == "when_env" => "it goes into an alternative: [[source.NAME.from]]".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// What other programs call it, the likeliest first: which of them is known depends on the table.
fn synonyms(word: &str) -> &'static [&'static str] {
    match word {
        "ttl" | "interval" | "period" | "every" | "max_age" | "cache" | "refresh_every" => &["fresh_for"],
        "selector" | "css" | "xpath" | "jsonpath" => &["select"],
        "rows" | "list" | "item" => &["items"],
        "address" | "link" | "href" | "uri" => &["url"],
        "type" | "kind" => &["parse", "format"],
        "key" | "id" | "dedupe" => &["unique_by"],
        "host" | "bind" | "port" | "addr" => &["listen"],
        "token" | "password" => &["admin_token"],
        "tz" | "timezone" => &["timezone", "zone"],
        "cors" | "origins" => &["cors_origins"],
        "concurrency" | "max_concurrent" => &["at_once"],
        "delay" => &["gap"],
        "regex" => &["pattern"],
        "pattern" => &["regex"],
        "data" | "payload" | "post" => &["json", "body"],
        "ua" | "agent" => &["user_agent"],
        "requests" | "before" | "login" => &["steps"],
        "fields" | "extract" | "variables" => &["capture"],
        "loop" | "foreach" | "for_each" | "fan_out" | "pages" => &["each"],
        "follow" | "page" | "pagination" => &["details", "each"],
        "jq" | "map" | "script" => &["transform"],
        "template" | "concat" | "text" | "value" => &["compose"],
        "heading" | "above" | "previous" => &["preceding"],
        "parent" | "closest" | "around" => &["ancestor"],
        "separator" | "sep" | "glue" => &["delimiter", "join"],
        "output" | "to" => &["as"],
        "multiple" | "many" => &["all"],
        "past" => &["back"],
        "future" | "offset" => &["ahead"],
        _ => &[],
    }
}
