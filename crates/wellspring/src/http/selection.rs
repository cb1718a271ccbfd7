//! A part of the items: the first so many, and of each only some members. What stays is copied as it is encoded.

use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::places::{Left, Wanted};

/// Which part of the items an answer holds; all of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// At most so many, from the first on.
    pub limit: Option<usize>,
    /// Of each item these members, in this order, each once. An item that is no object stays as it is.
    pub fields: Option<Vec<String>>,
}

/// How many names are told apart at most. Items that have more have no names but data in their place.
const MOST_NAMES: usize = 10_000;

/// Why nothing can be selected.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The items are no JSON array: a fault of ours.
    #[error("the stored items cannot be read: {0}")]
    Bad(#[from] serde_json::Error),
    /// Whoever asked is gone.
    #[error(transparent)]
    Left(#[from] Left),
}

/// Names that items have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Those that were looked for and not found, in the order in which they were asked for.
    pub missing: Vec<String>,
    /// All of them, in the order in which they are first met, as far as they are told apart. Where nothing is missing, not all are met.
    pub met: Vec<String>,
}

impl Selection {
    /// True where nothing is left out of so many items.
    pub fn is_whole_of(&self, count: usize) -> bool {
        self.fields.is_none() && self.limit.is_none_or(|limit| limit >= count)
    }

    /// True where nothing is left out.
    pub fn is_whole(&self) -> bool {
        self.limit.is_none() && self.fields.is_none()
    }

    /// The selected part of an encoded JSON array, encoded. What is whole stays the same memory.
    ///
    /// # Errors
    /// [`Unread`] where it is no such array, or not wanted any more.
    pub fn apply(&self, items: &Bytes, wanted: &Wanted) -> Result<Bytes, Unread> {
        if self.is_whole() {
            return Ok(items.clone());
        }
        let rows = first(items, self.limit.unwrap_or(usize::MAX))?;
        let mut out = Vec::with_capacity(rows.iter().map(|row| row.get().len() + 1).sum::<usize>() + 2);
        out.push(b'[');
        for (i, row) in rows.into_iter().enumerate() {
            wanted.check_at(i)?;
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

/// Looks for names among those of the items' members, until all are found.
///
/// # Errors
/// [`Unread`] where this is no encoded array, or not wanted any more.
pub fn look_for(names: &[String], items: &[u8], wanted: &Wanted) -> Result<Named, Unread> {
    let mut missing: HashSet<&str> = names.iter().map(String::as_str).collect();
    let (mut seen, mut met) = (HashSet::new(), Vec::new());
    for (i, row) in first(items, usize::MAX)?.into_iter().enumerate() {
        if missing.is_empty() {
            break;
        }
        wanted.check_at(i)?;
        if row.get().starts_with('{') {
            let names = Names { missing: &mut missing, seen: &mut seen, met: &mut met, count: 0, wanted };
            serde_json::Deserializer::from_str(row.get()).deserialize_map(names)?;
        }
    }
    Ok(Named { missing: names.iter().filter(|name| missing.contains(name.as_str())).cloned().collect(), met })
}

/// The first rows of an array; the rest is not read.
fn first(items: &[u8], limit: usize) -> Result<Vec<&RawValue>, Unread> {
    let mut rows = Vec::new();
    let read = serde_json::Deserializer::from_slice(items).deserialize_seq(Rows { limit, into: &mut rows });
    // A reader that stops early is told that there is more: that was the point.
    if rows.len() < limit || limit == 0 && !items.starts_with(b"[") {
        read?;
    }
    Ok(rows)
}

/// Writes an object with the wanted members of another one.
fn pick(row: &RawValue, fields: &[String], out: &mut Vec<u8>) -> Result<(), Unread> {
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

/// Notes the names of an item's members.
struct Names<'a, 'n> {
    missing: &'a mut HashSet<&'n str>,
    seen: &'a mut HashSet<String>,
    met: &'a mut Vec<String>,
    count: usize,
    wanted: &'a Wanted,
}

impl<'de> Visitor<'de> for Names<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while members.next_key_seed(&mut self)?.is_some() {
            members.next_value::<IgnoredAny>()?;
            self.count += 1;
            self.wanted.check_at(self.count).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &mut Names<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(Name(self.missing, self.seen, self.met))
    }
}

/// Notes a name: found, and met.
struct Name<'a, 'n>(&'a mut HashSet<&'n str>, &'a mut HashSet<String>, &'a mut Vec<String>);

impl Visitor<'_> for Name<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        let Self(missing, seen, met) = self;
        missing.remove(name);
        if seen.len() < MOST_NAMES && !seen.contains(name) {
            seen.insert(name.to_owned());
            met.push(name.to_owned());
        }
        Ok(())
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
        let got = selection(limit, fields).apply(&items, &Wanted::ALWAYS).unwrap();
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
        assert_eq!(Selection::default().apply(&items, &Wanted::ALWAYS).unwrap().as_ptr(), items.as_ptr());
    }

    #[test]
    fn names_are_told_in_their_order() {
        let items = br#"[{"b":1,"a":2},3,{"a":1,"c":{"d":1}}]"#;
        let look = |names: &[&str]| look_for(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>(), items, &Wanted::ALWAYS).unwrap();
        let named = look(&["x", "c", "d"]);
        assert_eq!(
            (named.missing, named.met),
            (vec!["x".to_owned(), "d".to_owned()], vec!["b".to_owned(), "a".to_owned(), "c".to_owned()])
        );
        assert_eq!(look(&["a", "b"]).missing, [""; 0]);
    }

    #[test]
    fn more_names_than_anybody_gave_are_not_kept_but_found() {
        let row: Map<String, Value> = (0..3 * MOST_NAMES).map(|i| (format!("k{i}"), Value::Null)).collect();
        let items = serde_json::to_vec(&[row]).unwrap();
        let named = look_for(&["nope".to_owned(), format!("k{}", 3 * MOST_NAMES - 1)], &items, &Wanted::ALWAYS).unwrap();
        assert_eq!((named.missing, named.met.len()), (vec!["nope".to_owned()], MOST_NAMES));
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for bad in ["{}", "[1", "[1 2]", "", "null"] {
            assert!(selection(Some(7), &[]).apply(&Bytes::copy_from_slice(bad.as_bytes()), &Wanted::ALWAYS).is_err(), "{bad}");
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
            let got = Selection { limit, fields }.apply(&encoded, &Wanted::ALWAYS).unwrap();
            prop_assert_eq!(std::str::from_utf8(&got).unwrap(), serde_json::to_string(&expected).unwrap());
        }
    }
}
