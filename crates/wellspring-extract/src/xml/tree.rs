//! XML as a small tree, read leniently and bounded. Nothing is fetched, no entity of the document is expanded.

use std::ops::Range;

use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::escape::{resolve_html5_entity, unescape_with};
use quick_xml::events::{BytesRef, BytesStart, Event};
use serde_json::{Map, Value};
use url::Url;

use crate::error::{ExtractError, shown};

/// How deep elements may nest. Feeds need seven levels, what their entries quote as markup a few dozen more, and records of data
/// seldom ten.
const MAX_DEPTH: usize = 128;

/// How many elements a document may have.
const MAX_ELEMENTS: usize = 500_000;

/// So many attributes of an element are kept: each is looked up among them.
const MOST_ATTRIBUTES: usize = 256;

/// An element. Names keep the prefix that the document gives them.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    /// Its own text, entities resolved, without that of its children.
    pub(crate) text: String,
    /// What stands between its tags, in bytes of the source.
    pub(crate) inner: Range<usize>,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    pub(crate) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// A kind of document.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// What it is called where another was found.
    pub(crate) expected: &'static str,
    /// True of the name of a root, in lower case and without its prefix.
    pub(crate) is_root: fn(&str) -> bool,
    /// True where the root's prefix is dropped from all names: `<atom:entry>` in an `<atom:feed>` is an entry.
    pub(crate) drops_prefix: bool,
}

/// The text from its first tag on: white space, a second byte order mark or a warning of the server's may stand before it.
///
/// # Errors
/// [`ExtractError`] where there is no tag.
pub(crate) fn begin(text: &str, kind: Kind) -> Result<&str, ExtractError> {
    text.find('<').map(|start| &text[start..]).ok_or_else(|| ExtractError::unlike(text, kind.expected))
}

/// Reads a document.
///
/// # Errors
/// [`ExtractError`] where it is of another kind, cut short, too large or declares entities.
pub(crate) fn parse(source: &str, kind: Kind) -> Result<Element, ExtractError> {
    let Kind { expected, .. } = kind;
    let mut reader = Reader::from_str(source);
    let config = reader.config_mut();
    config.allow_dangling_amp = true;
    config.allow_unmatched_ends = true;
    config.check_end_names = false;
    let mut tree = Tree { kind, open: Vec::new(), root: None, elements: 0, prefix: String::new() };
    loop {
        let before = position(&reader);
        match reader.read_event().map_err(|error| broken(&error, before, expected))? {
            Event::Start(tag) => tree.open(&tag, position(&reader), source)?,
            Event::Empty(tag) => {
                tree.open(&tag, position(&reader), source)?;
                tree.close_last(position(&reader));
            }
            Event::End(tag) => tree.close(&name(tag.name().as_ref()), before),
            Event::Text(text) => tree.text(&String::from_utf8_lossy(&text)),
            Event::CData(text) => tree.text(&String::from_utf8_lossy(&text)),
            Event::GeneralRef(reference) => tree.text(&resolve(&reference)),
            Event::DocType(doctype) if declares_entities(&doctype) => return Err(ExtractError::DeclaresEntities { expected }),
            Event::Eof if tree.open.is_empty() => return Err(ExtractError::unlike(source, expected)),
            Event::Eof => {
                let reason = format!("`<{}>` is not closed", shown(&tree.open[0].name, 40));
                return Err(ExtractError::CutShort { expected, reason });
            }
            Event::DocType(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
        if let Some(root) = tree.root.take() {
            // Whatever follows the root (a comment, a script of the hoster's) is no part of the document.
            return Ok(root);
        }
    }
}

/// The elements that are open, and the root once it is closed.
struct Tree {
    kind: Kind,
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
    /// The prefix that is dropped, with its colon.
    prefix: String,
}

impl Tree {
    fn open(&mut self, tag: &BytesStart<'_>, position: usize, source: &str) -> Result<(), ExtractError> {
        let mut name = name(tag.name().as_ref());
        if self.open.is_empty() {
            let local = name.rsplit(':').next().unwrap_or_default().to_ascii_lowercase();
            if !(self.kind.is_root)(&local) {
                return Err(ExtractError::unlike(source, self.kind.expected));
            }
            // RDF's own prefix is on its root alone.
            if let Some((prefix, _)) = name.split_once(':').filter(|_| self.kind.drops_prefix && local != "rdf") {
                self.prefix = format!("{prefix}:");
            }
        }
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(ExtractError::TooMany { expected: self.kind.expected, limit: MAX_ELEMENTS });
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(ExtractError::TooDeep { expected: self.kind.expected, limit: MAX_DEPTH });
        }
        self.strip(&mut name);
        self.open.push(Element { name, attributes: attributes(tag), inner: position..position, ..Element::default() });
        Ok(())
    }

    /// Closes the innermost open element of this name and whatever is open in it. An end tag without a start is nothing.
    fn close(&mut self, name: &str, position: usize) {
        let mut name = name.to_owned();
        self.strip(&mut name);
        let Some(index) = self.open.iter().rposition(|element| element.name == name) else { return };
        while self.open.len() > index {
            self.close_last(position);
        }
    }

    fn close_last(&mut self, position: usize) {
        let Some(mut element) = self.open.pop() else { return };
        element.inner.end = position;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            // Characters that XML forbids come from whatever was pasted into the document.
            element.text.extend(text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\u{85}')));
        }
    }

    fn strip(&self, name: &mut String) {
        if !self.prefix.is_empty() && name.starts_with(&self.prefix) {
            name.drain(..self.prefix.len());
        }
    }
}

/// All text in a piece of a document that was read before, elements within elements included.
pub(crate) fn text(source: &str) -> String {
    let mut reader = Reader::from_str(source);
    let config = reader.config_mut();
    config.allow_dangling_amp = true;
    config.allow_unmatched_ends = true;
    config.check_end_names = false;
    let mut text = String::new();
    loop {
        match reader.read_event() {
            Ok(Event::Text(piece)) => text.push_str(&String::from_utf8_lossy(&piece)),
            Ok(Event::CData(piece)) => text.push_str(&String::from_utf8_lossy(&piece)),
            Ok(Event::GeneralRef(reference)) => text.push_str(&resolve(&reference)),
            Ok(Event::Eof) | Err(_) => return text,
            Ok(_) => {}
        }
    }
}

/// What addresses in an element are relative to.
pub(crate) fn base(element: &Element, outer: &Url) -> Url {
    element.attribute("xml:base").and_then(|base| outer.join(base).ok()).unwrap_or_else(|| outer.clone())
}

/// Adds a member; a second one of the same name makes a list of both.
pub(crate) fn add(object: &mut Map<String, Value>, name: &str, value: Value) {
    match object.get_mut(name) {
        None => {
            object.insert(name.to_owned(), value);
        }
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

fn attributes(tag: &BytesStart<'_>) -> Vec<(String, String)> {
    let mut attributes = tag.html_attributes();
    // A repeated attribute is no reason to lose the document.
    attributes
        .with_checks(false)
        .flatten()
        .take(MOST_ATTRIBUTES)
        .map(|attribute| (name(attribute.key.as_ref()), unescape(&attribute.value)))
        .collect()
}

fn unescape(raw: &[u8]) -> String {
    let raw = String::from_utf8_lossy(raw);
    // A bare `&`, as in most addresses, makes it fail: then only what is certain is resolved.
    match unescape_with(&raw, resolve_html5_entity) {
        Ok(text) => text.into_owned(),
        Err(_) => raw.replace("&amp;", "&"),
    }
}

fn resolve(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return c.to_string();
    }
    let entity = String::from_utf8_lossy(reference);
    resolve_html5_entity(&entity).map_or_else(|| format!("&{entity};"), str::to_owned)
}

fn declares_entities(doctype: &[u8]) -> bool {
    doctype.windows(8).any(|window| window.eq_ignore_ascii_case(b"<!entity"))
}

fn broken(error: &Error, position: usize, expected: &'static str) -> ExtractError {
    let reason = format!("{error} (byte {position})");
    match error {
        Error::Syntax(_) => ExtractError::CutShort { expected, reason },
        _ => ExtractError::Broken { expected, reason },
    }
}

fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}
