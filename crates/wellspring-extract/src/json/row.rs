//! How fields look into a JSON value.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::Value;
use serde_json_path::JsonPath;
use wellspring_core::source::{Anchor, At};

use super::path;
use crate::columns::Kind;
use crate::error::RuleError;

/// JSON documents.
pub(crate) enum Document {}

/// A value and the document it is part of.
#[derive(Clone)]
pub(crate) struct Row<'b> {
    value: &'b Value,
    body: Rc<Root<'b>>,
}

/// A document, and what rows referred to of it.
struct Root<'b> {
    value: &'b Value,
    /// The rows that are referred to, by their keys: the first of each. One index for each pair of paths.
    indexes: RefCell<HashMap<String, Index<'b>>>,
}

type Index<'b> = HashMap<String, &'b Value>;

/// The rows of the document of which one is meant.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// Rows and key as they are written: what an index is known by.
    name: String,
    rows: JsonPath,
    key: JsonPath,
    equals: JsonPath,
}

/// These values of a document as rows.
pub(crate) fn rows<'b>(root: &'b Value, values: Vec<&'b Value>) -> impl Iterator<Item = Row<'b>> {
    let body = Rc::new(Root { value: root, indexes: RefCell::default() });
    values.into_iter().map(move |value| Row { value, body: Rc::clone(&body) })
}

impl<'b> Root<'b> {
    fn find(&self, lookup: &Lookup, wanted: &str) -> Option<&'b Value> {
        let mut indexes = self.indexes.borrow_mut();
        if let Some(index) = indexes.get(&lookup.name) {
            return index.get(wanted).copied();
        }
        let index = indexes.entry(lookup.name.clone()).or_insert_with(|| self.index(lookup));
        index.get(wanted).copied()
    }

    fn index(&self, lookup: &Lookup) -> Index<'b> {
        let mut index = Index::new();
        for row in lookup.rows.query(self.value).all() {
            for key in lookup.key.query(row).all().into_iter().filter_map(key) {
                index.entry(key).or_insert(row);
            }
        }
        index
    }
}

/// What rows are told apart by. A number here may be its digits there.
fn key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

impl Kind for Document {
    type Row<'b> = Row<'b>;
    type Place = JsonPath;
    type Nested = JsonPath;
    type Anchor = Lookup;

    fn place(at: &At<String>, attr: Option<&str>) -> Result<JsonPath, RuleError> {
        if attr.is_some() {
            return Err(RuleError::at(at, "JSON has no attributes").help("leave `attr` out and name the member in the path"));
        }
        path(at)
    }

    fn nested(at: &At<String>) -> Result<JsonPath, RuleError> {
        path(at)
    }

    fn anchor(anchor: &Anchor) -> Result<Lookup, RuleError> {
        match anchor {
            Anchor::Lookup { rows, key, equals } => {
                Ok(Lookup { name: format!("{} {}", rows.value, key.value), rows: path(rows)?, key: path(key)?, equals: path(equals)? })
            }
            Anchor::Preceding(at) | Anchor::Ancestor(at) => {
                Err(RuleError::at(at, "JSON has no elements").help("use `lookup` for another part of the document"))
            }
        }
    }

    fn look<'b: 'b>(row: &Row<'b>, place: &JsonPath) -> impl IntoIterator<Item = Value> {
        place.query(row.value).all().into_iter().filter(|value| !value.is_null()).cloned()
    }

    fn rows<'b: 'b>(row: &Row<'b>, nested: &JsonPath) -> Vec<Row<'b>> {
        nested.query(row.value).all().into_iter().map(|value| Row { value, body: Rc::clone(&row.body) }).collect()
    }

    fn start<'b: 'b>(row: &Row<'b>, anchor: &Lookup) -> Option<(usize, Row<'b>)> {
        let wanted = anchor.equals.query(row.value).all().into_iter().find_map(key)?;
        let value = row.body.find(anchor, &wanted)?;
        Some((std::ptr::from_ref(value).addr(), Row { value, body: Rc::clone(&row.body) }))
    }

    fn whole(row: &Row<'_>) -> Option<Value> {
        Some(row.value.clone())
    }
}
