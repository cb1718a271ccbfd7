//! Feeds: RSS 0.9 to 2.0, RDF and Atom. Fields are names of an entry's elements.
//!
//! A feed is read as the XML it is, with our own small tree: feeds are seldom valid, and one wrong date, one undeclared entity or one
//! unknown namespace must not cost the entries.

use serde_json::Value;
use url::Url;
use wellspring_core::source::{Anchor, At, Rules};

use crate::columns::{Columns, Items, Kind};
use crate::error::{ExtractError, RuleError};
use crate::xml::tree::{self, Element};
use crate::{Body, Context, charset};
use entry::Entry;

mod date;
mod entry;

const FEED: tree::Kind =
    tree::Kind { expected: "a feed", is_root: |local| matches!(local, "rss" | "rdf" | "feed" | "channel"), drops_prefix: true };

/// Rules for a feed.
#[derive(Debug)]
pub(crate) struct Feed {
    fields: Columns<Feed>,
}

/// A field's candidate: names of elements from the entry inward, then an attribute.
#[derive(Debug)]
pub(crate) struct Path {
    steps: Vec<String>,
    attribute: Option<String>,
}

impl Feed {
    pub(crate) fn compile(rules: &Rules) -> Result<Self, RuleError> {
        if let Some(at) = &rules.items {
            return Err(RuleError::at(at, "a feed's items are its entries").help("leave `items` out"));
        }
        Ok(Self { fields: Columns::compile(&rules.fields)? })
    }

    pub(crate) fn read(&self, body: &Body<'_>, context: &Context<'_>) -> Result<Items, ExtractError> {
        let text = charset::xml(body);
        let source = tree::begin(&text, FEED)?;
        let root = tree::parse(source, FEED)?;
        let entries = entries(&root, body.url, source);
        if self.fields.is_empty() {
            return Ok((entries.iter().map(Entry::whole).collect(), Vec::new()));
        }
        self.fields.fill(entries, body.url, context)
    }
}

impl Kind for Feed {
    type Row<'b> = Entry<'b>;
    type Place = Path;
    type Nested = std::convert::Infallible;
    type Anchor = std::convert::Infallible;

    fn place(at: &At<String>, attr: Option<&str>) -> Result<Path, RuleError> {
        Path::compile(attr, at)
    }

    fn nested(at: &At<String>) -> Result<Self::Nested, RuleError> {
        Err(RuleError::at(at, "an entry has no lists of its own").help("`all = true` takes every element of a name"))
    }

    fn anchor(anchor: &Anchor) -> Result<Self::Anchor, RuleError> {
        Err(RuleError::at(anchor.rule(), "a feed's fields are found in the entry itself"))
    }

    fn look<'b: 'b>(row: &Entry<'b>, place: &Path) -> impl IntoIterator<Item = Value> {
        row.look(&place.steps, place.attribute.as_deref())
    }

    fn rows<'b: 'b>(_: &Entry<'b>, nested: &Self::Nested) -> Vec<Entry<'b>> {
        match *nested {}
    }

    fn start<'b: 'b>(_: &Entry<'b>, anchor: &Self::Anchor) -> Option<(usize, Entry<'b>)> {
        match *anchor {}
    }

    fn whole(_: &Entry<'_>) -> Option<Value> {
        None
    }
}

/// The entries: RSS 2.0 has them in its channel, RDF beside it, Atom in its root.
fn entries<'a>(root: &'a Element, url: &Url, source: &'a str) -> Vec<Entry<'a>> {
    let base = tree::base(root, url);
    let mut entries = Vec::new();
    for child in &root.children {
        if is_entry(child) {
            entries.push(Entry::new(child, &base, source));
        } else if child.name == "channel" {
            let base = tree::base(child, &base);
            entries.extend(child.children.iter().filter(|inner| is_entry(inner)).map(|inner| Entry::new(inner, &base, source)));
        }
    }
    entries
}

fn is_entry(element: &Element) -> bool {
    matches!(element.name.as_str(), "item" | "entry")
}

impl Path {
    fn compile(attr: Option<&str>, at: &At<String>) -> Result<Self, RuleError> {
        let (names, attribute) = match at.value.split_once('@') {
            Some((names, attribute)) => (names.trim(), Some(attribute.trim())),
            None => (at.value.trim(), attr),
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
