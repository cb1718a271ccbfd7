//! XML as it is written: every text is escaped here and nowhere else.

use std::fmt::Write as _;

/// A document under way.
pub(super) struct Xml(String);

impl Xml {
    /// A document that begins with this element.
    pub(super) fn new(root: &str, capacity: usize) -> Self {
        let mut text = String::with_capacity(capacity);
        text.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
        text.push_str(root);
        text.push('\n');
        Self(text)
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What is written as it stands: tags of our own.
    pub(super) fn tag(&mut self, tag: &str) {
        self.0.push_str(tag);
        self.0.push('\n');
    }

    /// An element that holds a text.
    pub(super) fn element(&mut self, name: &str, text: &str) {
        self.element_with(name, &[], text);
    }

    /// An element with attributes that holds a text.
    pub(super) fn element_with(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.begin(name, attributes);
        self.0.push('>');
        escape(text, &mut self.0);
        let _ = writeln!(self.0, "</{name}>");
    }

    /// An element that holds nothing.
    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.begin(name, attributes);
        self.0.push_str("/>\n");
    }

    fn begin(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.0.push('<');
        self.0.push_str(name);
        for (name, value) in attributes {
            let _ = write!(self.0, " {name}=\"");
            escape(value, &mut self.0);
            self.0.push('"');
        }
    }

    pub(super) fn finish(self) -> bytes::Bytes {
        self.0.into()
    }
}

/// Text for between tags and between quotes, in XML as in HTML. Characters that XML 1.0 cannot hold are dropped.
pub(super) fn escape(text: &str, into: &mut String) {
    let mut written = 0;
    // What stands for itself is copied in one piece.
    for (at, byte) in text.bytes().enumerate() {
        let (length, escaped) = match byte {
            b'&' => (1, "&amp;"),
            b'<' => (1, "&lt;"),
            b'>' => (1, "&gt;"),
            b'"' => (1, "&quot;"),
            b'\'' => (1, "&#39;"),
            b'\r' => (1, "&#13;"),
            b'\n' | b'\t' => continue,
            0..=0x1f => (1, ""),
            0xef if text[at..].starts_with(['\u{fffe}', '\u{ffff}']) => (3, ""),
            _ => continue,
        };
        into.push_str(&text[written..at]);
        into.push_str(escaped);
        written = at + length;
    }
    into.push_str(&text[written..]);
}
