//! A part of the items: the first so many, and of each only some members. What stays is copied as it is encoded.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Which part of the items an answer holds; all of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// At most so many, from the first on.
    pub limit: Option<usize>,
    /// Of each item these members, in this order, each once. An item that is no object stays as it is.
    pub fields: Option<Vec<String>>,
}

/// The items are no JSON array: a fault of ours.
#[derive(Debug, thiserror::Error)]
#[error("the stored items cannot be read: {0}")]
pub struct BadItems(#[from] serde_json::Error);

impl Selection {
    /// True where nothing is left out.
    pub fn is_whole(&self) -> bool {
        self.limit.is_none() && self.fields.is_none()
    }

    /// The selected part of an encoded JSON array, encoded. What is whole stays the same memory.
    ///
    /// # Errors
    /// [`BadItems`] where it is no such array.
    pub fn apply(&self, items: &Bytes) -> Result<Bytes, BadItems> {
        if self.is_whole() {
            return Ok(items.clone());
        }
        let rows = first(items, self.limit.unwrap_or(usize::MAX))?;
        let mut out = Vec::with_capacity(rows.iter().map(|row| row.get().len() + 1).sum::<usize>() + 2);
        out.push(b'[');
        for (i, row) in rows.into_iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            match &self.fields {
                Some(fields) if row.get().starts_with('{') => pick(row, fields, &mut out)?,
                _ => out.extend_from_slice(row.get().as_bytes()),
            }
        }
        out.push(b']');
        Ok(out.into())
    }
}

/// The names of the members that items have, in the order in which they are first met.
///
/// # Errors
/// [`BadItems`] where this is no encoded array.
pub fn members(items: &[u8]) -> Result<Vec<String>, BadItems> {
    let mut names = Vec::new();
    for row in first(items, usize::MAX)? {
        if row.get().starts_with('{') {
            serde_json::Deserializer::from_str(row.get()).deserialize_map(Names(&mut names))?;
        }
    }
    Ok(names)
}

/// The first rows of an array; the rest is not read.
fn first(items: &[u8], limit: usize) -> Result<Vec<&RawValue>, BadItems> {
    let mut rows = Vec::new();
    let read = serde_json::Deserializer::from_slice(items).deserialize_seq(Rows { limit, into: &mut rows });
    // A reader that stops early is told that there is more: that was the point.
    if rows.len() < limit || limit == 0 && !items.starts_with(b"[") {
        read?;
    }
    Ok(rows)
}

/// Writes an object with the wanted members of another one.
fn pick(row: &RawValue, fields: &[String], out: &mut Vec<u8>) -> Result<(), BadItems> {
    let mut found = vec![None; fields.len()];
    serde_json::Deserializer::from_str(row.get()).deserialize_map(Members { fields, found: &mut found })?;
    out.push(b'{');
    let mut wrote = false;
    for (name, value) in fields.iter().zip(found) {
        let Some(value) = value else { continue };
        if wrote {
            out.push(b',');
        }
        wrote = true;
        serde_json::to_writer(&mut *out, name)?;
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    out.push(b'}');
    Ok(())
}

struct Rows<'a, 'de> {
    limit: usize,
    into: &'a mut Vec<&'de RawValue>,
}

impl<'de> Visitor<'de> for Rows<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while self.into.len() < self.limit {
            let Some(row) = rows.next_element()? else { return Ok(()) };
            self.into.push(row);
        }
        Err(A::Error::custom("enough"))
    }
}

/// Puts the values of wanted members where their names stand.
struct Members<'a, 'de> {
    fields: &'a [String],
    found: &'a mut [Option<&'de RawValue>],
}

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(place) = members.next_key_seed(Place(self.fields))? {
            match place {
                Some(place) => self.found[place] = Some(members.next_value()?),
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Where a name stands among the wanted ones.
struct Place<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Place<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|field| field == name))
    }
}

/// Collects names, each once.
struct Names<'a>(&'a mut Vec<String>);

impl<'de> Visitor<'de> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key_seed(New(self.0))? {
            self.0.extend(name);
            members.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// A name where it is not among the known ones.
struct New<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for New<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for New<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok((!self.0.iter().any(|known| known == name)).then(|| name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn selection(limit: Option<usize>, fields: &[&str]) -> Selection {
        Selection { limit, fields: (!fields.is_empty()).then(|| fields.iter().map(|f| (*f).to_owned()).collect()) }
    }

    fn check(limit: Option<usize>, fields: &[&str], items: &str, selected: &str) {
        let items = Bytes::copy_from_slice(items.as_bytes());
        let got = selection(limit, fields).apply(&items).unwrap();
        assert_eq!(std::str::from_utf8(&got).unwrap(), selected, "{limit:?} {fields:?} of {items:?}");
    }

    #[test]
    fn a_part_is_copied_to_the_letter() {
        let items = r#"[{"a":1.50,"b":"\u00e9","c":null},{"b":[1, {"x":2}],"a":2},7,"x",{}]"#;
        check(None, &[], items, items);
        check(Some(9), &[], items, items);
        check(Some(1), &[], items, r#"[{"a":1.50,"b":"\u00e9","c":null}]"#);
        check(Some(0), &[], items, "[]");
        check(Some(3), &[], "[]", "[]");
        check(None, &["b", "a"], items, r#"[{"b":"\u00e9","a":1.50},{"b":[1, {"x":2}],"a":2},7,"x",{}]"#);
        check(Some(2), &["c"], items, r#"[{"c":null},{}]"#);
        check(None, &["quo\"te"], r#"[{"quo\"te":1},{"qu\u006f\"te":2}]"#, r#"[{"quo\"te":1},{"quo\"te":2}]"#);
    }

    #[test]
    fn what_is_whole_is_not_copied() {
        let items = Bytes::from_static(b"[1]");
        assert_eq!(Selection::default().apply(&items).unwrap().as_ptr(), items.as_ptr());
    }

    #[test]
    fn names_are_told_in_their_order() {
        assert_eq!(members(br#"[{"b":1,"a":2},3,{"a":1,"c":{"d":1}}]"#).unwrap(), ["b", "a", "c"]);
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for bad in ["{}", "[1", "[1 2]", "", "null"] {
            assert!(selection(Some(7), &[]).apply(&Bytes::copy_from_slice(bad.as_bytes())).is_err(), "{bad}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[abc\"é]{1,2}", inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Selecting in the encoding is selecting among values.
        #[test]
        fn a_selection_is_what_values_say(
            items in prop::collection::vec(value(), 0..6),
            limit in prop::option::of(0usize..8),
            fields in prop::option::of(prop::collection::hash_set("[abc\"é]{1,2}", 1..4)),
        ) {
            let fields: Option<Vec<String>> = fields.map(|names| names.into_iter().collect());
            let expected: Vec<Value> = items.iter().take(limit.unwrap_or(usize::MAX)).map(|item| match (&fields, item) {
                (Some(fields), Value::Object(members)) => {
                    let picked: Map<_, _> = fields.iter().filter_map(|f| Some((f.clone(), members.get(f)?.clone()))).collect();
                    Value::Object(picked)
                }
                _ => item.clone(),
            }).collect();
            let encoded = Bytes::from(serde_json::to_vec(&items).unwrap());
            let got = Selection { limit, fields }.apply(&encoded).unwrap();
            prop_assert_eq!(std::str::from_utf8(&got).unwrap(), serde_json::to_string(&expected).unwrap());
        }
    }
}
