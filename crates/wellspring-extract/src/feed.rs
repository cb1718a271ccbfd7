//! Feeds: RSS 0.9 to 2.0, RDF and Atom. Fields are names of an entry's elements.
//!
//! A feed is read as the XML it is, with our own small tree: feeds are seldom valid, and one wrong date, one undeclared entity or one
//! unknown namespace must not cost the entries.

use url::Url;
use wellspring_core::source::{At, Field, Rules};

use crate::columns::{Columns, Items};
use crate::error::{ExtractError, RuleError};
use crate::{Body, charset};
use entry::Entry;
use xml::Element;

mod base64;
mod date;
mod entry;
mod xml;

const EXPECTED: &str = "a feed";

/// Rules for a feed.
#[derive(Debug)]
pub(crate) struct Feed {
    fields: Columns<Path>,
}

/// A field's candidate: names of elements from the entry inward, then an attribute.
#[derive(Debug)]
struct Path {
    steps: Vec<String>,
    attribute: Option<String>,
}

impl Feed {
    pub(crate) fn compile(rules: &Rules) -> Result<Self, RuleError> {
        if let Some(at) = &rules.items {
            return Err(RuleError::at(at, "a feed's items are its entries").help("leave `items` out"));
        }
        Ok(Self { fields: Columns::compile(&rules.fields, Path::compile)? })
    }

    pub(crate) fn read(&self, body: &Body<'_>) -> Result<Items, ExtractError> {
        let source = charset::xml(body);
        // White space, a second byte order mark or a warning of the server's before the first tag.
        let source = source.find('<').map_or(&source[..0], |start| &source[start..]);
        if source.is_empty() {
            return Err(ExtractError::unlike(&charset::xml(body), EXPECTED));
        }
        let root = xml::parse(source)?;
        let entries = entries(&root, body.url, source);
        if self.fields.is_empty() {
            return Ok((entries.iter().map(Entry::whole).collect(), Vec::new()));
        }
        self.fields.fill(entries, |path, entry| entry.look(&path.steps, path.attribute.as_deref()))
    }
}

/// The entries: RSS 2.0 has them in its channel, RDF beside it, Atom in its root.
fn entries<'a>(root: &'a Element, url: &Url, source: &'a str) -> Vec<Entry<'a>> {
    let base = entry::base(root, url);
    let mut entries = Vec::new();
    for child in &root.children {
        if is_entry(child) {
            entries.push(Entry::new(child, &base, source));
        } else if child.name == "channel" {
            let base = entry::base(child, &base);
            entries.extend(child.children.iter().filter(|inner| is_entry(inner)).map(|inner| Entry::new(inner, &base, source)));
        }
    }
    entries
}

fn is_entry(element: &Element) -> bool {
    matches!(element.name.as_str(), "item" | "entry")
}

impl Path {
    fn compile(field: &Field, at: &At<String>) -> Result<Self, RuleError> {
        let (names, attribute) = match at.value.split_once('@') {
            Some((names, attribute)) => (names.trim(), Some(attribute.trim())),
            None => (at.value.trim(), field.attr.as_deref()),
        };
        let steps: Vec<String> = names.split('/').filter(|_| !names.is_empty()).map(|step| step.trim().to_owned()).collect();
        if (steps.is_empty() && attribute.is_none()) || !steps.iter().map(String::as_str).chain(attribute).all(is_name) {
            return Err(RuleError::at(at, format!("`{}` is no name of an entry's element", at.value))
                .help("write names as the feed has them: `title`, `ht:approx_traffic`, `media:group/media:title`, `enclosure@url`"));
        }
        Ok(Self { steps, attribute: attribute.map(str::to_owned) })
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, ':' | '_' | '-' | '.'))
}
