//! Items as they are read back from their encoding.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// One item: its fields in order.
pub(in crate::http) type Row = Map<String, Value>;

/// The items of our own encoding. One that is no object is a field called `value`.
pub(super) fn read(items: &[u8]) -> Vec<Row> {
    let items: Vec<Value> = serde_json::from_slice(items).unwrap_or_default();
    items.into_iter().map(row).collect()
}

/// One item.
pub(super) fn row(item: Value) -> Row {
    match item {
        Value::Object(row) => row,
        other => Row::from_iter([("value".to_owned(), other)]),
    }
}

/// The names of all fields, in the order in which they first appear.
pub(super) fn names(rows: &[Row]) -> Vec<&str> {
    let mut seen = HashSet::new();
    rows.iter().flat_map(Row::keys).map(String::as_str).filter(|name| seen.insert(*name)).collect()
}
