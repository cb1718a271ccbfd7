//! How fields look into a JSON value.

use serde_json::Value;
use serde_json_path::JsonPath;
use wellspring_core::source::{Anchor, At};

use super::path;
use crate::columns::{Kind, is_missing};
use crate::error::RuleError;

/// JSON documents.
pub(crate) enum Document {}

/// A value and the document it is part of.
#[derive(Clone)]
pub(crate) struct Row<'b> {
    pub(crate) value: &'b Value,
    pub(crate) root: &'b Value,
}

/// The rows of the document of which one is meant.
#[derive(Debug)]
pub(crate) struct Lookup {
    rows: JsonPath,
    key: JsonPath,
    equals: JsonPath,
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
            Anchor::Lookup { rows, key, equals } => Ok(Lookup { rows: path(rows)?, key: path(key)?, equals: path(equals)? }),
            Anchor::Preceding(at) | Anchor::Ancestor(at) => {
                Err(RuleError::at(at, "JSON has no elements").help("use `lookup` for another part of the document"))
            }
        }
    }

    fn look(row: &Row<'_>, place: &JsonPath, all: bool) -> Vec<Value> {
        let matches = place.query(row.value).all();
        if all {
            return matches.into_iter().filter(|value| !value.is_null()).cloned().collect();
        }
        // Of several matches the first that is something, else an empty text as it stands.
        let found = matches.iter().find(|value| !is_missing(value)).or_else(|| matches.iter().find(|value| !value.is_null()));
        found.map(|value| (*value).clone()).into_iter().collect()
    }

    fn rows<'b: 'b>(row: &Row<'b>, nested: &JsonPath) -> Vec<Row<'b>> {
        nested.query(row.value).all().into_iter().map(|value| Row { value, root: row.root }).collect()
    }

    fn start<'b: 'b>(row: &Row<'b>, anchor: &Lookup) -> Option<Row<'b>> {
        let wanted = anchor.equals.query(row.value).all().into_iter().find(|value| !is_missing(value))?;
        let rows = anchor.rows.query(row.root).all();
        let value = rows.into_iter().find(|candidate| anchor.key.query(candidate).all().contains(&wanted))?;
        Some(Row { value, root: row.root })
    }

    fn whole(row: &Row<'_>) -> Option<Value> {
        Some(row.value.clone())
    }
}
