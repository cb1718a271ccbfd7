//! XML: `items` and fields are names of elements from the outside in.
//!
//! The tree is the feeds' own, so a document is read as leniently and within the same bounds.

use serde_json::{Map, Value};
use url::Url;
use wellspring_core::source::{Anchor, At, Rules};

use crate::columns::{Budget, Columns, Items, Kind, is_missing};
use crate::error::{ExtractError, RuleError};
use crate::{Body, Context, charset, value};
use path::{Path, Reach};
use tree::{Element, add, base};

mod path;
pub(crate) mod tree;

const XML: tree::Kind = tree::Kind { expected: "XML", is_root: |local| local != "html", drops_prefix: false };

/// Rules for an XML document.
#[derive(Debug)]
pub(crate) struct Xml {
    /// `None`: the elements in the root.
    items: Option<Path>,
    fields: Columns<Xml>,
}

/// An element with what its addresses are relative to.
#[derive(Clone)]
pub(crate) struct Row<'b> {
    element: &'b Element,
    base: Url,
    source: &'b str,
}

impl Xml {
    pub(crate) fn compile(rules: &Rules) -> Result<Self, RuleError> {
        Ok(Self { items: rules.items.as_ref().map(Path::items).transpose()?, fields: Columns::compile(&rules.fields)? })
    }

    pub(crate) fn read(&self, body: &Body<'_>, context: &Context<'_>) -> Result<Items, ExtractError> {
        let text = charset::xml(body);
        let source = tree::begin(&text, XML)?;
        let root = tree::parse(source, XML)?;
        // Paths begin with the root's own name, so what they look in is what holds the root.
        let document = Element { children: vec![root], ..Element::default() };
        let elements = match &self.items {
            Some(items) => items.find(&document),
            None => document.children[0].children.iter().collect(),
        };
        let outer = base(&document.children[0], body.url);
        let rows = elements.into_iter().map(|element| Row { element, base: base(element, &outer), source });
        if self.fields.is_empty() {
            let mut budget = Budget::default();
            let whole = rows.map(|row| budget.spend(row.value(row.element))).collect::<Result<_, _>>()?;
            return Ok((whole, Vec::new()));
        }
        self.fields.fill(rows, body.url, context)
    }
}

impl Kind for Xml {
    type Row<'b> = Row<'b>;
    type Place = Path;
    type Nested = Path;
    type Anchor = std::convert::Infallible;

    fn place(at: &At<String>, attr: Option<&str>) -> Result<Path, RuleError> {
        Path::compile(at, attr, Reach::Children)
    }

    fn nested(at: &At<String>) -> Result<Path, RuleError> {
        Path::items(at)
    }

    fn anchor(anchor: &Anchor) -> Result<Self::Anchor, RuleError> {
        Err(RuleError::at(anchor.rule(), "the fields of XML are found in the item itself")
            .help("let `items` select an element that holds them all"))
    }

    fn look<'b: 'b>(row: &Row<'b>, place: &Path) -> impl IntoIterator<Item = Value> {
        let found = place.find(row.element).into_iter().filter_map(|element| match &place.attribute {
            Some(name) => row.attribute(element, name).map(Value::String),
            // Of what holds no elements the text is meant, whatever its attributes say besides.
            None if place.steps.is_empty() || element.children.is_empty() => Self::whole(&Row { element, ..row.clone() }),
            None => Some(row.value(element)),
        });
        found.filter(|value| !is_missing(value))
    }

    fn rows<'b: 'b>(row: &Row<'b>, nested: &Path) -> Vec<Row<'b>> {
        nested.find(row.element).into_iter().map(|element| Row { element, base: base(element, &row.base), source: row.source }).collect()
    }

    fn start<'b: 'b>(_: &Row<'b>, anchor: &Self::Anchor) -> Option<(usize, Row<'b>)> {
        match *anchor {}
    }

    /// All text in the element, in the order of the document.
    fn whole(row: &Row<'_>) -> Option<Value> {
        let text = if row.element.children.is_empty() {
            row.element.text.trim().to_owned()
        } else {
            value::collapse(&tree::text(row.source.get(row.element.inner.clone())?))
        };
        Some(Value::String(text))
    }
}

impl Row<'_> {
    fn attribute(&self, element: &Element, name: &str) -> Option<String> {
        value::attribute(name, element.attribute(name)?, &base(element, &self.base))
    }

    /// An element as JSON: its text, its markup where text and elements mix, or an object of its attributes (`@name`) and children.
    fn value(&self, element: &Element) -> Value {
        let text = element.text.trim();
        if !text.is_empty() && !element.children.is_empty() {
            return Value::String(self.source.get(element.inner.clone()).unwrap_or_default().trim().to_owned());
        }
        let mut object = Map::new();
        for (name, _) in element.attributes.iter().filter(|(name, _)| !name.starts_with("xmlns") && !name.starts_with("xml:")) {
            if let Some(value) = self.attribute(element, name) {
                object.insert(format!("@{name}"), Value::String(value));
            }
        }
        for child in &element.children {
            add(&mut object, &child.name, self.value(child));
        }
        match (text, object.is_empty()) {
            ("", true) => Value::Null,
            (text, true) => Value::String(text.to_owned()),
            ("", false) => Value::Object(object),
            (text, false) => {
                object.insert("#text".to_owned(), Value::String(text.to_owned()));
                Value::Object(object)
            }
        }
    }
}
