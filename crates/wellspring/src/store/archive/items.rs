//! Items as an archive has them: an array no deeper than the program makes any, counted without being built.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How many items a text holds, where it is what the program writes: an array, on one line, of no more depth than its readers take.
pub(super) fn count(json: &str) -> Result<u32, String> {
    if json.contains(['\n', '\r']) {
        return Err("its items are not on one line".to_owned());
    }
    let Counted(count) =
        serde_json::from_str(json).map_err(|error| format!("its items are not what they should be ({})", super::check::words(&error)))?;
    u32::try_from(count).map_err(|_| "it has too many items".to_owned())
}

struct Counted(u64);

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Counting)
    }
}

struct Counting;

impl<'de> Visitor<'de> for Counting {
    type Value = Counted;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Counted, A::Error> {
        let mut count = 0;
        while items.next_element::<Walked>()?.is_some() {
            count += 1;
        }
        Ok(Counted(count))
    }
}

/// A value that was walked through: unlike one that is ignored, its depth is bounded by the parser.
struct Walked;

impl<'de> Deserialize<'de> for Walked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walking)
    }
}

struct Walking;

impl<'de> Visitor<'de> for Walking {
    type Value = Walked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Walked, E> {
        Ok(Walked)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Walked, E> {
        Ok(Walked)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Walked, E> {
        Ok(Walked)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Walked, E> {
        Ok(Walked)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Walked, E> {
        Ok(Walked)
    }

    fn visit_unit<E: Error>(self) -> Result<Walked, E> {
        Ok(Walked)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Walked, A::Error> {
        while values.next_element::<Walked>()?.is_some() {}
        Ok(Walked)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Walked, A::Error> {
        while members.next_entry::<IgnoredAny, Walked>()?.is_some() {}
        Ok(Walked)
    }
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn items_are_counted_and_bounded() {
        assert_eq!(count(r#"[{"a":[1,-2,3.5,null,true,"x"]},{},7]"#), Ok(3));
        assert_eq!(count("[]"), Ok(0));
        let deep = |depth: usize| format!("[{}{}]", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(count(&deep(100)), Ok(1));
        for bad in [deep(200), deep(1_000_000), "{}".to_owned(), "[".to_owned(), "[]x".to_owned(), "[1,\n2]".to_owned()] {
            assert!(count(&bad).is_err(), "{bad:.40}");
        }
    }
}
