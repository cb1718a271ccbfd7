//! JSON as pages have it: with comments, commas too many, single quotes, bare keys, raw line breaks, unescaped quotes.
//!
//! The strict reader goes first; this one takes over where that fails. Both stop at the same depth, and this one never looks at a
//! byte more than a few times.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::MAX_DEPTH;

mod entity;
mod scan;
mod text;

pub(super) use text::{literal, word};

/// All values that stand one after the other in a text: mostly one. What cannot be read ends them.
pub(crate) fn values(text: &str) -> Vec<Value> {
    let text = encoded(text);
    let strict: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&text).into_iter().collect();
    strict.unwrap_or_else(|_| Reader::new(&text).values())
}

/// The object or list that a text begins with, and how much of the text was looked at.
pub(super) fn first(text: &str) -> (Option<Value>, usize) {
    let mut strict = serde_json::Deserializer::from_str(text).into_iter();
    if let Some(Ok(value)) = strict.next() {
        return (Some(value), strict.byte_offset());
    }
    let mut reader = Reader::new(text);
    let value = reader.value(0).ok();
    (value, reader.at)
}

/// The text, with its entities resolved where they stand for its quotes: `{&quot;a&quot;: 1}`.
fn encoded(text: &str) -> Cow<'_, str> {
    let inner = text.trim_start().trim_start_matches(['{', '[']).trim_start();
    let is_encoded = ["&quot;", "&#34;", "&#034;", "&#x22;"].iter().any(|quote| inner.starts_with(quote));
    if is_encoded { Cow::Owned(entity::resolve(text)) } else { Cow::Borrowed(text) }
}

/// What cannot be repaired. Nobody reads a reason: the strict reader's is the one to tell.
struct Hopeless;

struct Reader<'t> {
    text: &'t str,
    /// In bytes, always between characters.
    at: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn values(&mut self) -> Vec<Value> {
        let mut values = Vec::new();
        loop {
            self.trivia();
            match self.peek() {
                Some(',' | ';' | '(' | ')') => self.at += 1,
                Some(']') if self.rest().starts_with("]]>") => self.at += 3,
                Some('{' | '[' | '"' | '\'') => match self.value(0) {
                    Ok(value) => values.push(value),
                    Err(Hopeless) => return values,
                },
                _ => return values,
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Hopeless> {
        self.trivia();
        match self.peek().ok_or(Hopeless)? {
            '{' | '[' if depth + 1 >= MAX_DEPTH => Err(Hopeless),
            '{' => self.object(depth).map(Value::Object),
            '[' => self.list(depth).map(Value::Array),
            '"' | '\'' | '`' => self.string().map(Value::String),
            // `"price": ,`: a template that had nothing to say.
            ',' | '}' | ']' => Ok(Value::Null),
            _ => self.bare(),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value>, Hopeless> {
        self.at += 1;
        let mut list = Vec::new();
        loop {
            self.separators();
            match self.peek().ok_or(Hopeless)? {
                ']' => {
                    self.at += 1;
                    return Ok(list);
                }
                '}' => return Err(Hopeless),
                _ => {
                    let value = self.value(depth + 1)?;
                    list.push(self.settled(value)?);
                }
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Map<String, Value>, Hopeless> {
        self.at += 1;
        let mut members = Map::new();
        loop {
            self.separators();
            match self.peek().ok_or(Hopeless)? {
                '}' => {
                    self.at += 1;
                    return Ok(members);
                }
                ']' => return Err(Hopeless),
                // `...defaults` and `[computed]: x` are programs.
                '.' | '[' => {
                    self.expression()?;
                    continue;
                }
                _ => {}
            }
            let name = self.name()?;
            self.trivia();
            let value = match self.peek().ok_or(Hopeless)? {
                ':' => {
                    self.at += 1;
                    let value = self.value(depth + 1)?;
                    self.settled(value)?
                }
                // `{a, b}`: what they stand for is not known here.
                ',' | '}' => Value::Null,
                '(' => self.expression()?,
                _ => return Err(Hopeless),
            };
            members.insert(name, value);
        }
    }

    fn name(&mut self) -> Result<String, Hopeless> {
        if let Some('"' | '\'' | '`') = self.peek() {
            return self.string();
        }
        let name = self.word();
        if name.is_empty() { Err(Hopeless) } else { Ok(name.to_owned()) }
    }

    /// The value, or null where it turns out to be the beginning of a calculation: `"a" + b`.
    fn settled(&mut self, value: Value) -> Result<Value, Hopeless> {
        self.trivia();
        match self.peek() {
            // A forgotten comma is one less to read.
            None | Some(',' | ';' | '}' | ']' | '"' | '\'' | '{' | '[') => Ok(value),
            Some(c) if scan::is_word(c) && c != '.' && c != '-' && c != '+' => Ok(value),
            Some(_) => self.expression(),
        }
    }

    /// A word that is a value: a number, `true`, `undefined`. Anything else is a program's, read as null.
    fn bare(&mut self) -> Result<Value, Hopeless> {
        let start = self.at;
        if self.rest().starts_with("!0") || self.rest().starts_with("!1") {
            self.at += 2;
            return Ok(Value::Bool(self.text[start..].starts_with("!0")));
        }
        let word = self.word();
        if let Some(value) = text::word(word) {
            return Ok(value);
        }
        self.at = start;
        self.expression()
    }
}

#[cfg(test)]
mod tests;
