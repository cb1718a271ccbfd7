//! XML as feeds have it: a small tree, read leniently and bounded. Nothing is fetched, no entity of the document is expanded.

use std::ops::Range;

use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::escape::{resolve_html5_entity, unescape_with};
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::EXPECTED;
use crate::error::ExtractError;

/// How deep elements may nest. Feeds need seven levels, and what their entries quote as markup a few dozen more.
const MAX_DEPTH: usize = 128;

/// How many elements a feed may have.
const MAX_ELEMENTS: usize = 500_000;

/// An element. Names keep the prefix that the document gives them.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    /// Its own text, entities resolved, without that of its children.
    pub(super) text: String,
    /// What stands between its tags, in bytes of the source.
    pub(super) inner: Range<usize>,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Reads a document whose root is a feed's.
pub(super) fn parse(source: &str) -> Result<Element, ExtractError> {
    let mut reader = Reader::from_str(source);
    let config = reader.config_mut();
    config.allow_dangling_amp = true;
    config.allow_unmatched_ends = true;
    config.check_end_names = false;
    let mut tree = Tree::default();
    loop {
        let before = position(&reader);
        match reader.read_event().map_err(|error| broken(&error, before))? {
            Event::Start(tag) => tree.open(&tag, position(&reader), source)?,
            Event::Empty(tag) => {
                tree.open(&tag, position(&reader), source)?;
                tree.close_last(position(&reader));
            }
            Event::End(tag) => tree.close(&name(tag.name().as_ref()), before),
            Event::Text(text) => tree.text(&String::from_utf8_lossy(&text)),
            Event::CData(text) => tree.text(&String::from_utf8_lossy(&text)),
            Event::GeneralRef(reference) => tree.text(&resolve(&reference)),
            Event::DocType(doctype) if declares_entities(&doctype) => return Err(ExtractError::DeclaresEntities),
            Event::Eof if tree.open.is_empty() => return Err(ExtractError::unlike(source, EXPECTED)),
            Event::Eof => {
                let reason = format!("`<{}>` is not closed", tree.open[0].name);
                return Err(ExtractError::CutShort { expected: EXPECTED, reason });
            }
            Event::DocType(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
        if let Some(root) = tree.root.take() {
            // Whatever follows the root (a comment, a script of the hoster's) is no part of the feed.
            return Ok(root);
        }
    }
}

/// The elements that are open, and the root once it is closed.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
    /// The prefix of the root, dropped from all names: `<atom:entry>` in an `<atom:feed>` is an entry.
    prefix: String,
}

impl Tree {
    fn open(&mut self, tag: &BytesStart<'_>, position: usize, source: &str) -> Result<(), ExtractError> {
        let mut name = name(tag.name().as_ref());
        if self.open.is_empty() {
            let local = name.rsplit(':').next().unwrap_or_default().to_ascii_lowercase();
            if !matches!(local.as_str(), "rss" | "rdf" | "feed" | "channel") {
                return Err(ExtractError::unlike(source, EXPECTED));
            }
            if let Some((prefix, _)) = name.split_once(':').filter(|_| local != "rdf") {
                self.prefix = format!("{prefix}:");
            }
        }
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(ExtractError::TooMany { expected: EXPECTED, limit: MAX_ELEMENTS });
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(ExtractError::TooDeep { expected: EXPECTED, limit: MAX_DEPTH });
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
            // Characters that XML forbids come from whatever was pasted into the feed.
            element.text.extend(text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\u{85}')));
        }
    }

    fn strip(&self, name: &mut String) {
        if !self.prefix.is_empty() && name.starts_with(&self.prefix) {
            name.drain(..self.prefix.len());
        }
    }
}

fn attributes(tag: &BytesStart<'_>) -> Vec<(String, String)> {
    let mut attributes = tag.html_attributes();
    // A repeated attribute is no reason to lose the feed.
    attributes.with_checks(false).flatten().map(|attribute| (name(attribute.key.as_ref()), unescape(&attribute.value))).collect()
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

fn broken(error: &Error, position: usize) -> ExtractError {
    let reason = format!("{error} (byte {position})");
    match error {
        Error::Syntax(_) => ExtractError::CutShort { expected: EXPECTED, reason },
        _ => ExtractError::Broken { expected: EXPECTED, reason },
    }
}

fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}
