//! Strings and words.

use serde_json::{Number, Value};

use super::{Hopeless, Reader};

/// What a word means, where it means a value.
pub(in super::super) fn word(word: &str) -> Option<Value> {
    match word {
        "true" | "True" | "TRUE" => return Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Value::Bool(false)),
        "null" | "None" | "nil" | "NULL" | "undefined" | "NaN" | "Infinity" | "-Infinity" => return Some(Value::Null),
        _ => {}
    }
    if !word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return None;
    }
    if let Ok(number) = word.parse::<Number>() {
        return Some(Value::Number(number));
    }
    let plain = word.strip_prefix('+').unwrap_or(word);
    if let Some(digits) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok().map(Value::from);
    }
    if let Ok(whole) = plain.strip_suffix('n').unwrap_or(plain).parse::<i64>() {
        return Some(Value::from(whole));
    }
    // Past what a number holds: nothing rather than something else.
    plain.parse::<f64>().ok().map(|number| Number::from_f64(number).map_or(Value::Null, Value::Number))
}

/// The string that a script's text begins with, and its length with its quotes. Unlike in broken JSON, the first quote that is not
/// escaped ends it.
pub(in super::super) fn literal(text: &str) -> Option<(String, usize)> {
    let mut reader = Reader::new(text);
    let quote = reader.peek().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let string = reader.read(quote, |_| true).ok()?;
    Some((string, reader.at))
}

impl Reader<'_> {
    /// A string. A quote in the middle of it that should have been escaped is told by what follows it.
    pub(super) fn string(&mut self) -> Result<String, Hopeless> {
        match self.peek().ok_or(Hopeless)? {
            '`' => self.read('`', |_| true),
            quote => self.read(quote, ends),
        }
    }

    /// Reads up to the quote of which `ends` says, given what stands behind it, that it is the last.
    fn read(&mut self, quote: char, ends: fn(&str) -> bool) -> Result<String, Hopeless> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let rest = self.rest();
            let plain = rest.find([quote, '\\']).ok_or(Hopeless).inspect_err(|_| self.at = self.text.len())?;
            string.push_str(&rest[..plain]);
            self.at += plain + 1;
            if rest[plain..].starts_with('\\') {
                self.escape(&mut string)?;
            } else if ends(self.rest()) {
                return Ok(string);
            } else {
                string.push(quote);
            }
        }
    }

    /// What stands behind a backslash. Escapes that do not exist mean the character itself, as scripts have it.
    fn escape(&mut self, string: &mut String) -> Result<(), Hopeless> {
        let c = self.peek().ok_or(Hopeless)?;
        self.at += c.len_utf8();
        match c {
            'n' => string.push('\n'),
            't' => string.push('\t'),
            'r' => string.push('\r'),
            'b' => string.push('\u{8}'),
            'f' => string.push('\u{c}'),
            '\n' => {}
            'u' => match self.unit(4) {
                Some(unit) => string.push(self.paired(unit)),
                None => string.push('u'),
            },
            'x' => match self.unit(2).and_then(char::from_u32) {
                Some(c) => string.push(c),
                None => string.push('x'),
            },
            _ => string.push(c),
        }
        Ok(())
    }

    /// The character of a UTF-16 unit and, where that is half of one, of the escape after it.
    fn paired(&mut self, high: u32) -> char {
        if !(0xD800..0xDC00).contains(&high) || !self.rest().starts_with("\\u") {
            return char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER);
        }
        let before = self.at;
        self.at += 2;
        let low = self.unit(4).filter(|low| (0xDC00..0xE000).contains(low));
        if low.is_none() {
            self.at = before;
        }
        low.and_then(|low| char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn unit(&mut self, digits: usize) -> Option<u32> {
        let hex = self.rest().get(..digits).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.at += digits;
        u32::from_str_radix(hex, 16).ok()
    }
}

/// True where a quote with this behind it ends its string.
fn ends(behind: &str) -> bool {
    let next = behind.trim_start();
    let has_break = behind[..behind.len() - next.len()].contains('\n');
    match next.chars().next() {
        None | Some(':' | '}' | ']' | ';' | '+') => true,
        // `"He said "no", and left"`: behind the comma that parts values, one begins.
        Some(',') => {
            let after = next[1..].trim_start();
            has_break || after.starts_with(['{', '[', '}', ']', ',', '/', '<', '"', '\'']) || begins_word(after)
        }
        Some('/') => next.starts_with("//") || next.starts_with("/*"),
        Some('<') => next.starts_with("<!--"),
        // A forgotten comma.
        Some(c) => has_break && matches!(c, '"' | '\'' | '{' | '['),
    }
}

/// True where a number, `true` and the like, or a bare key stands: and not prose.
fn begins_word(text: &str) -> bool {
    let end = text.find(|c| !super::scan::is_word(c)).unwrap_or(text.len()).min(64);
    let Some(word) = text.get(..end).filter(|word| !word.is_empty()) else { return text.is_empty() };
    match text[end..].trim_start().chars().next() {
        None | Some(':') => true,
        Some(',' | '}' | ']') => self::word(word).is_some(),
        _ => false,
    }
}
