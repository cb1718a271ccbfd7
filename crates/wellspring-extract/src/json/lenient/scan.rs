//! What lies between values, and programs, which are passed over.

use serde_json::Value;

use super::{Hopeless, Reader};

/// True of what names and numbers are made of.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '@' | '.' | '+' | '-')
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

impl<'t> Reader<'t> {
    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes what names and numbers are made of.
    pub(super) fn word(&mut self) -> &'t str {
        let rest = self.rest();
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    /// Passes white space, comments, and what hides a script from old browsers or XML.
    pub(super) fn trivia(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(is_blank);
            self.at += rest.len() - trimmed.len();
            if let Some(comment) = trimmed.strip_prefix("//") {
                // `//<![CDATA[ {…`: the value may stand on the same line.
                let inner = comment.trim_start_matches([' ', '\t']);
                self.at += match inner.strip_prefix("<![CDATA[") {
                    Some(after) => trimmed.len() - after.len(),
                    None => trimmed.find('\n').unwrap_or(trimmed.len()),
                };
            } else if let Some(comment) = trimmed.strip_prefix("/*") {
                self.at += comment.find("*/").map_or(trimmed.len(), |end| end + 4);
            } else if let Some(comment) = trimmed.strip_prefix("<!--") {
                self.at += 4;
                // Either the value is hidden in it, or it is a comment of one line as scripts have it.
                if !comment.trim_start_matches(is_blank).starts_with(['{', '[']) {
                    let line = &comment[..comment.find('\n').unwrap_or(comment.len())];
                    self.at += line.find("-->").map_or(line.len(), |end| end + 3);
                }
            } else if trimmed.starts_with("-->") {
                self.at += 3;
            } else if trimmed.starts_with("<![CDATA[") {
                self.at += 9;
            } else {
                return;
            }
        }
    }

    /// Passes commas, however many, and stray semicolons.
    pub(super) fn separators(&mut self) {
        loop {
            self.trivia();
            match self.peek() {
                Some(',' | ';') => self.at += 1,
                _ => return,
            }
        }
    }

    /// Passes a program up to the comma or bracket that ends it. What it would give is not known: null.
    pub(super) fn expression(&mut self) -> Result<Value, Hopeless> {
        let start = self.at;
        let mut open = 0_usize;
        while let Some(c) = self.peek() {
            match c {
                '"' | '\'' | '`' => {
                    self.quoted(c)?;
                    continue;
                }
                '{' | '[' | '(' => open += 1,
                '}' | ']' | ')' | ',' if open == 0 => break,
                '}' | ']' | ')' => open -= 1,
                _ => {}
            }
            self.at += c.len_utf8();
        }
        if self.at == start { Err(Hopeless) } else { Ok(Value::Null) }
    }

    /// Passes a string as scripts have it.
    fn quoted(&mut self, quote: char) -> Result<(), Hopeless> {
        let mut escaped = true;
        for (index, c) in self.rest().char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if c == quote => {
                    self.at += index + 1;
                    return Ok(());
                }
                _ => {}
            }
        }
        self.at = self.text.len();
        Err(Hopeless)
    }
}
