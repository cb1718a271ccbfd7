//! What a script assigns to a name. Scripts are not run, and not even parsed: where the name stands whole and in front of a value,
//! that value is read.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use wellspring_core::source::At;

use crate::base64;
use crate::error::RuleError;
use crate::json::lenient;

/// What the global object is called.
const GLOBALS: [&str; 5] = ["window", "self", "globalThis", "top", "this"];

/// A name to look for.
#[derive(Debug)]
pub(in super::super) struct Name {
    written: String,
    /// Without the global object in front.
    path: String,
    /// Written with the global object, so that a member of that name is not meant.
    is_global: bool,
}

/// The best value so far, over several scripts.
#[derive(Debug, Default)]
pub(in super::super) struct Search {
    /// By rank, the best first.
    best: [Option<Value>; 5],
}

/// How a value stands to the name.
#[derive(Clone, Copy, PartialEq)]
enum Tie {
    Assigned,
    /// `name: value`, `"name": value`, `name(value)`.
    Member,
}

impl Name {
    pub(super) fn compile(at: &At<String>) -> Result<Self, RuleError> {
        let written = at.value.trim().to_owned();
        let (path, is_global) = match GLOBALS.iter().find_map(|global| member_of(&written, global)) {
            Some(path) => (path.to_owned(), true),
            None => (written.clone(), false),
        };
        if path.is_empty() || path.starts_with('.') || path.ends_with('.') || !path.chars().all(|c| is_name(c) || matches!(c, '.' | '-')) {
            return Err(RuleError::at(at, format!("`{written}` is no name that a script assigns to"))
                .help("write the name alone: `window.__STATE__`, `initialData`"));
        }
        Ok(Self { written, path, is_global })
    }

    pub(super) fn written(&self) -> &str {
        &self.written
    }
}

impl Search {
    /// Looks through a script. True where nothing better can be found.
    pub(super) fn look(&mut self, script: &str, name: &Name) -> bool {
        // Values that do not end are read again from within: enough for any script, and an end to others.
        let mut left = 2 * script.len();
        for (at, _) in script.match_indices(name.path.as_str()) {
            let Some((tie, value_at)) = tie(script, at, name) else { continue };
            if tie == Tie::Member && self.best[1].is_some() {
                continue;
            }
            let (value, looked_at) = value(&script[value_at..]);
            if let Some(value) = value {
                let rank = rank(tie, &value);
                self.best[rank].get_or_insert(value);
            }
            left = left.saturating_sub(looked_at);
            if self.best[0].is_some() || left == 0 {
                break;
            }
        }
        self.best[0].is_some()
    }

    pub(super) fn found(self) -> Option<Value> {
        self.best.into_iter().flatten().next()
    }
}

/// The names to which a script assigns objects and lists.
pub(super) fn names(script: &str) -> impl Iterator<Item = String> {
    static ASSIGNMENT: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?:\b(?:var|let|const)\s+|\b(window\.))([A-Za-z_$][\w$]*)\s*=\s*(?:[\[{]|JSON\.parse\b)").ok());
    let found = ASSIGNMENT.iter().flat_map(move |regex| regex.captures_iter(script));
    found.map(|captures| captures.iter().skip(1).flatten().map(|part| part.as_str()).collect())
}

/// What stands behind the global object in `window.x`, `window["x"]`.
fn member_of<'n>(name: &'n str, global: &str) -> Option<&'n str> {
    let rest = name.strip_prefix(global)?;
    if let Some(member) = rest.strip_prefix('.') {
        return Some(member);
    }
    let inner = rest.strip_prefix('[')?.strip_suffix(']')?;
    ['"', '\''].iter().find_map(|quote| inner.strip_prefix(*quote)?.strip_suffix(*quote))
}

/// How what stands behind the name at `at` belongs to it, and where it begins. `None` where the name is only part of another, or
/// nothing is given to it.
fn tie(script: &str, at: usize, name: &Name) -> Option<(Tie, usize)> {
    let before = &script[..at];
    let after = &script[at + name.path.len()..];
    let quote = before.chars().next_back().filter(|c| matches!(c, '"' | '\''));
    let (is_global, after) = match quote {
        None if before.ends_with('.') => (is_global(&before[..before.len() - 1]).then_some(true)?, after),
        None if before.ends_with(is_name) => return None,
        None => (false, after),
        Some(quote) => {
            let around = &before[..before.len() - 1];
            let after = after.strip_prefix(quote)?;
            match around.strip_suffix('[') {
                Some(object) => (is_global(object).then_some(true)?, after.strip_prefix(']')?),
                None => (false, after),
            }
        }
    };
    if after.starts_with(is_name) {
        return None;
    }
    let sign = after.trim_start();
    let value = sign.get(1..).unwrap_or("");
    let tie = match sign.chars().next()? {
        '=' if !value.starts_with(['=', '>']) && (is_global || quote.is_none()) => Tie::Assigned,
        ':' if !name.is_global && !is_global => Tie::Member,
        '(' if quote.is_none() && value.trim_start().starts_with(['{', '[']) => Tie::Member,
        _ => return None,
    };
    Some((tie, script.len() - value.len()))
}

/// True where a text ends in the global object.
fn is_global(before: &str) -> bool {
    GLOBALS.iter().any(|global| before.strip_suffix(global).is_some_and(|rest| !rest.ends_with(is_name) && !rest.ends_with('.')))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

/// The value that a text begins with, and how much of it was looked at.
fn value(text: &str) -> (Option<Value>, usize) {
    let start = text.trim_start();
    if start.starts_with(['{', '[']) {
        return lenient::first(start);
    }
    if let Some(parsed) = call(start, "JSON.parse") {
        return decoded(parsed);
    }
    if let Some((string, length)) = lenient::literal(start) {
        return (Some(inner(&string).unwrap_or(Value::String(string))), length);
    }
    // `window.x || {…}`
    let end = start.find(|c| !is_name(c) && !matches!(c, '.' | '-' | '+')).unwrap_or(start.len());
    let word = &start[..end];
    if let Some(or) = start[end..].trim_start().strip_prefix("||").map(str::trim_start).filter(|or| or.starts_with(['{', '['])) {
        return lenient::first(or);
    }
    (lenient::word(word).filter(|value| !value.is_null()), end)
}

/// What `JSON.parse` is given, read.
fn decoded(argument: &str) -> (Option<Value>, usize) {
    if let Some((encoded, length)) = call(argument, "atob").and_then(lenient::literal) {
        return (base64::decode(&encoded).and_then(|text| inner(&text)), length);
    }
    for function in ["decodeURIComponent", "decodeURI", "unescape"] {
        if let Some((encoded, length)) = call(argument, function).and_then(lenient::literal) {
            return (inner(&percent_decoded(&encoded)), length);
        }
    }
    match lenient::literal(argument) {
        Some((text, length)) => (inner(&text), length),
        None => (None, argument.len().min(1)),
    }
}

/// What stands in the parentheses of a call, from its beginning.
fn call<'t>(text: &'t str, function: &str) -> Option<&'t str> {
    text.strip_prefix(function)?.trim_start().strip_prefix('(').map(str::trim_start)
}

/// The object or list that a string holds.
fn inner(text: &str) -> Option<Value> {
    let text = text.trim();
    if text.starts_with(['{', '[']) { lenient::first(text).0 } else { None }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).filter(|_| byte == b'%');
        let decoded = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(decoded.unwrap_or(byte));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How good a value is: what is assigned before what is a member, a full object or list before text, both before an empty one.
fn rank(tie: Tie, value: &Value) -> usize {
    let is_empty = match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => return if tie == Tie::Assigned { 2 } else { 3 },
    };
    match tie {
        _ if is_empty => 4,
        Tie::Assigned => 0,
        Tie::Member => 1,
    }
}

#[cfg(test)]
mod tests;
