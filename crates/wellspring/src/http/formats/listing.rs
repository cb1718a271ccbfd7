//! Items as pages show them: what each is called, its picture, its link, what tells it from others.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use wellspring_core::source::Mapped;

use super::columns::Columns;
use super::rows::Row;
use super::{About, entry, rows, text};

/// An item as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct Listed {
    /// What tells it from all others, for as long as it is the same.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// Where it leads.
    pub link: Option<String>,
    /// Its picture.
    pub image: Option<String>,
}

/// All items.
pub(in crate::http) fn read(items: &[u8]) -> Vec<Row> {
    rows::read(items)
}

/// The first items, as far as they are of so many bytes together, without reading those after them.
pub(in crate::http) fn beginning(items: &[u8], most: usize, bytes: usize) -> Vec<Row> {
    let mut found: Vec<&RawValue> = Vec::new();
    let _ended = First { most, found: &mut found }.deserialize(&mut serde_json::Deserializer::from_slice(items));
    let mut left = bytes;
    let fits = |row: &&RawValue| {
        let rest = left.checked_sub(row.get().len());
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    found.into_iter().take_while(fits).filter_map(|row| serde_json::from_str(row.get()).ok()).map(rows::row).collect()
}

/// The first items, without reading those after them.
pub(in crate::http) fn first(items: &[u8], most: usize) -> Vec<Row> {
    let mut found: Vec<Value> = Vec::new();
    // Ends early by an error of its own, which is no news.
    let _ended = First { most, found: &mut found }.deserialize(&mut serde_json::Deserializer::from_slice(items));
    found.into_iter().map(rows::row).collect()
}

/// What each item is.
pub(in crate::http) fn list(about: &About<'_>, rows: &[Row]) -> Vec<Listed> {
    let listed = |entry: entry::Entry| Listed { id: entry.id, title: entry.title, link: entry.link, image: entry.image };
    entry::entries(about, rows).into_iter().map(listed).collect()
}

/// The field that holds pictures, where one does.
pub(in crate::http) fn picture_field(about: &About<'_>, rows: &[Row]) -> Option<String> {
    let declared = about.spec.feed.image.clone();
    match declared.or_else(|| Columns::new(about, rows).image())? {
        Mapped::Field(name) => Some(name),
        Mapped::Text(_) => None,
    }
}

/// The names of all fields, in the order in which they first appear.
pub(in crate::http) fn names(rows: &[Row]) -> Vec<&str> {
    rows::names(rows)
}

/// A value in a line; `None` where nothing is left.
pub(in crate::http) fn line(value: &Value) -> Option<String> {
    text::line(value)
}

/// An absolute address of the web.
pub(in crate::http) fn address(value: &Value) -> Option<String> {
    text::address(value)
}

/// Reads an array's beginning.
struct First<'a, T> {
    most: usize,
    found: &'a mut Vec<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for First<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for First<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while self.found.len() < self.most {
            match seq.next_element()? {
                Some(value) => self.found.push(value),
                None => return Ok(()),
            }
        }
        Err(A::Error::custom("enough"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_read_whatever_stands_after_them() {
        let titles = |text: &str, most| first(text.as_bytes(), most).iter().map(|row| row["a"].to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(titles(r#"[{"a":1},{"a":2},{"a":3}]"#, 2), "1,2");
        assert_eq!(titles(r#"[{"a":1},{"a":2}, broken"#, 2), "1,2");
        assert_eq!(titles(r#"[{"a":1}]"#, 2), "1");
        assert_eq!(first(b"[7]", 2)[0]["value"], 7);
        assert!(first(b"", 2).is_empty());
        let within = |bytes| beginning(br#"[{"a":1},{"a":22},7]"#, 3, bytes).len();
        assert_eq!([0, 6, 7, 14, 15, 16].map(within), [0, 0, 1, 1, 2, 3]);
    }
}
