//! What the TOML reader complains about, in words for people.

use toml::de::Error;

use super::document::{Document, suggestion};
use super::words::HELP;
use crate::diagnostic::{Diagnostic, nearest};

/// The complaint as a diagnostic. It has no place where the reader gave none.
pub(super) fn explain(document: &Document<'_>, text: &str, error: &Error) -> Diagnostic {
    let (message, help) = reword(document, text, error);
    let diagnostic = match error.span() {
        Some(span) => document.error(span, message),
        None => Diagnostic::of_file(document.file(), message),
    };
    diagnostic.help_if(help)
}

fn reword(document: &Document<'_>, document_text: &str, error: &Error) -> (String, Option<String>) {
    let message = error.message();
    // Our own words bring their help along.
    if let Some((message, help)) = message.split_once(HELP) {
        return (message.to_owned(), Some(help.to_owned()));
    }
    if let Some((word, known)) = unknown(message, "unknown field `") {
        return (format!("unknown key `{}`", word.escape_debug()), Some(suggestion(word, &known)));
    }
    if let Some((word, known)) = unknown(message, "unknown variant `") {
        let help = match nearest(word, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("it is one of: {}", known.join(", ")),
        };
        return (format!("`{}` is not known here", word.escape_debug()), Some(help));
    }
    if let Some((found, expected)) = message.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected ")) {
        return (format!("expected {}, not {}", plain_type(expected), kind_of(found)), None);
    }
    if let Some((_, expected)) = message.strip_prefix("invalid value: ").and_then(|rest| rest.rsplit_once(", expected ")) {
        return (format!("expected {}", plain_type(expected)), None);
    }
    if let Some(key) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return (format!("`{key}` is missing here"), None);
    }
    match message {
        "invalid basic string, expected `\"`" => ("this string is not closed".to_owned(), Some("add a \" at its end".to_owned())),
        "invalid literal string, expected `'`" => ("this string is not closed".to_owned(), Some("add a ' at its end".to_owned())),
        text if text.starts_with("string values must be quoted") => {
            let written = error.span().and_then(|span| rest_of_line(document_text, span.start));
            (if written.is_some() { "strings are written in quotes" } else { "the value is missing" }.to_owned(), None)
        }
        text if text.starts_with("invalid boolean") => {
            ("this is neither true nor false".to_owned(), Some("strings are written in quotes".to_owned()))
        }
        "wanted string or table" => ("expected a string".to_owned(), None),
        "duplicate key" => {
            let first = error.span().and_then(|span| earlier(document_text, span.start));
            ("this is defined twice".to_owned(), first.map(|at| format!("the first stands at {}", document.place(at..at))))
        }
        _ => (message.to_owned(), None),
    }
}

/// The offending word and the known ones of serde's "unknown …, expected …".
fn unknown<'m>(message: &'m str, start: &str) -> Option<(&'m str, Vec<&'m str>)> {
    let (word, expected) = message.strip_prefix(start)?.split_once("`, expected ")?;
    Some((word, expected.split('`').skip(1).step_by(2).collect()))
}

/// Serde's name of a type, for people.
fn plain_type(expected: &str) -> &str {
    match expected {
        "usize" | "u16" | "u32" | "u64" => "a whole number from 0 up",
        "a sequence" => "a list in [ ]",
        "a boolean" => "true or false",
        "f64" => "a number",
        "a character" => "a single character",
        text if text.starts_with("struct ") || text == "a map" => "a table",
        text => text,
    }
}

/// The kind of thing that was found. Its value is left out: the line shows it, and some values must not be repeated.
fn kind_of(found: &str) -> &str {
    match found.split(' ').next().unwrap_or("") {
        "integer" => "a whole number",
        "floating" => "a number",
        "string" => "a string",
        "boolean" => "true or false",
        "sequence" => "a list",
        "map" => "a table",
        _ => "this",
    }
}

/// What stands from `at` to the end of its line, if anything but white space and a comment does.
fn rest_of_line(text: &str, at: usize) -> Option<&str> {
    text.get(at..)?.lines().next().map(str::trim).filter(|rest| !rest.is_empty() && !rest.starts_with('#'))
}

/// Where the line that `at` repeats stood first: the same table header, or the same key under the same header.
fn earlier(text: &str, at: usize) -> Option<usize> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let word = |line: &str| {
        let line = line.trim();
        if line.starts_with('[') {
            line.split('#').next().unwrap_or("").trim().to_owned()
        } else {
            line.split('=').next().unwrap_or("").trim().to_owned()
        }
    };
    let repeated = word(text[start..].lines().next()?);
    let is_header = repeated.starts_with('[');
    let mut end = start;
    for line in text[..start].split_inclusive('\n').rev() {
        end -= line.len();
        if word(line) == repeated {
            return Some(end + (line.len() - line.trim_start().len()));
        }
        if !is_header && line.trim_start().starts_with('[') {
            return None;
        }
    }
    None
}
