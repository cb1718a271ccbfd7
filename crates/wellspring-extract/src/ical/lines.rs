//! The lines of an iCalendar file (RFC 5545 §3.1), as they are met: folded wrongly, ended by any line break, quoted or not.

use std::borrow::Cow;

/// A property as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Property<'b> {
    pub(super) name: &'b str,
    /// What stands between the name and the value, without the first `;`.
    parameters: &'b str,
    /// With its escapes.
    pub(super) value: &'b str,
}

/// Puts folded lines together, in bytes: a fold may stand within a character. Lines end with `\n` then.
///
/// A line that is no property is taken for the rest of the one before it, which a careless program broke without folding.
pub(super) fn unfold(bytes: &[u8]) -> Vec<u8> {
    let mut unfolded = Vec::with_capacity(bytes.len() + 1);
    for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
        match line {
            [] => {}
            [b' ' | b'\t', rest @ ..] if !unfolded.is_empty() => {
                unfolded.pop();
                unfolded.extend(rest);
                unfolded.push(b'\n');
            }
            line if unfolded.is_empty() || is_property(line) => {
                unfolded.extend(line);
                unfolded.push(b'\n');
            }
            line => {
                unfolded.pop();
                unfolded.extend(b"\\n");
                unfolded.extend(line);
                unfolded.push(b'\n');
            }
        }
    }
    unfolded
}

/// True of what begins with a name. An address at the beginning of a line is none; in capitals, it is a name whose value begins with `//`.
fn is_property(line: &[u8]) -> bool {
    let name = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')).count();
    let is_address = line[name..].starts_with(b"://") && line[..name].iter().any(u8::is_ascii_lowercase);
    name > 0 && matches!(line.get(name), Some(b':' | b';')) && !is_address
}

impl<'b> Property<'b> {
    /// Reads an unfolded line; `None` of one without a value.
    pub(super) fn read(line: &'b str) -> Option<Self> {
        let end = line.find([':', ';'])?;
        let (name, rest) = (line[..end].trim(), &line[end..]);
        // A group (`item1.URL`) says nothing of a calendar.
        let name = name.rsplit('.').next().unwrap_or(name);
        if let Some(value) = rest.strip_prefix(':') {
            return Some(Self { name, parameters: "", value });
        }
        // A quote that never ends is no quote.
        let colon = unquoted(rest, ':').or_else(|| rest.find(':'))?;
        Some(Self { name, parameters: &rest[1..colon], value: &rest[colon + 1..] })
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// A parameter's value, without quotes.
    pub(super) fn parameter(&self, name: &str) -> Option<Cow<'b, str>> {
        let mut rest = self.parameters;
        while !rest.is_empty() {
            let end = unquoted(rest, ';').unwrap_or(rest.len());
            let (parameter, after) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
            if let Some((known, value)) = parameter.split_once('=')
                && known.trim().eq_ignore_ascii_case(name)
            {
                let value = value.trim();
                let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
                return Some(if value.contains('^') { Cow::Owned(uncaret(value)) } else { Cow::Borrowed(value) });
            }
            rest = after;
        }
        None
    }

    /// The value as text.
    pub(super) fn text(&self) -> String {
        unescape(self.value)
    }

    /// The texts of a value that is a list.
    pub(super) fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        let (mut start, mut is_escaped) = (0, false);
        for (at, c) in self.value.char_indices() {
            if c == ',' && !is_escaped {
                texts.push(unescape(&self.value[start..at]));
                start = at + 1;
            }
            is_escaped = c == '\\' && !is_escaped;
        }
        texts.push(unescape(&self.value[start..]));
        texts
    }
}

/// Where a character first stands outside quotes.
fn unquoted(text: &str, wanted: char) -> Option<usize> {
    let mut is_quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            c if c == wanted && !is_quoted => return Some(at),
            _ => {}
        }
    }
    None
}

fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match (c, characters.as_str().chars().next()) {
            ('\\', Some('n' | 'N')) => text.push('\n'),
            ('\\', Some(escaped @ ('\\' | ',' | ';' | ':' | '"'))) => text.push(escaped),
            (c, _) => {
                text.push(c);
                continue;
            }
        }
        characters.next();
    }
    text.trim().to_owned()
}

/// What stands for the characters that a parameter cannot hold (RFC 6868).
fn uncaret(value: &str) -> String {
    value.replace("^n", "\n").replace("^'", "\"").replace("^^", "^")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &[u8], lines: &str) {
        assert_eq!(String::from_utf8_lossy(&unfold(file)), lines);
    }

    #[test]
    fn folds_are_undone_whatever_broke_the_line() {
        check(b"A:one\r\n  two\r\n\tthree\r\nB:x", "A:one twothree\nB:x\n");
        check(b"A:one\n two\n\n\nB:x\r\r C:y\r", "A:onetwo\nB:xC:y\n");
        check(b"A:one\r\nDESCRIPTION://two\r\n", "A:one\nDESCRIPTION://two\n");
        check("A:caf\u{e9}".as_bytes().split_at(6).0, "A:caf\u{fffd}\n");
        check(b"A:caf\xc3\r\n \xa9", "A:caf\u{e9}\n");
        check(b"DESCRIPTION:see\r\nhttps://example.org/\r\nor ask\r\nB:x", "DESCRIPTION:see\\nhttps://example.org/\\nor ask\nB:x\n");
    }

    #[test]
    fn parameters_may_be_quoted() {
        let property = Property::read("dtstart;X=\"a:b;c\";tzid=\"Europe/London\" ; Y=^'z^':20250123T180000").unwrap();
        assert_eq!((property.name, property.value), ("dtstart", "20250123T180000"));
        assert_eq!(property.parameter("TZID").as_deref(), Some("Europe/London"));
        assert_eq!(property.parameter("x").as_deref(), Some("a:b;c"));
        assert_eq!(property.parameter("Y").as_deref(), Some("\"z\""));
        assert_eq!(property.parameter("Z"), None);
        assert_eq!(Property::read("A;B=\"c:d").unwrap().value, "d");
        assert!(Property::read("A;B").is_none());
    }

    #[test]
    fn escapes_are_undone() {
        let property = Property::read(r"CATEGORIES: a\, b,c\\,d\nd,\x").unwrap();
        assert_eq!(property.texts(), ["a, b", "c\\", "d\nd", "\\x"]);
        assert_eq!(Property::read(r"S:one\; two\\n \N").unwrap().text(), "one; two\\n");
    }
}
