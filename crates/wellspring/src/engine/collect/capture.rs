//! What a step captures: the fields of its first row, as texts that fill places and as lists to ask for one by one.

use std::collections::BTreeMap;

use serde_json::Value;
use wellspring_core::failure::{Code, Failure};
use wellspring_core::key::Params;
use wellspring_core::source::{Anchor, At, Field, Origin, Places, Rules};

/// How long a captured text may be, in bytes. What fills an address or a header is short.
const LONGEST: usize = 64 << 10;
/// How many values a captured list may have.
const MOST: usize = 100_000;

/// What is known beside the configuration: what fills places, and lists by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Captures {
    /// Parameters, times and captured texts.
    pub values: Params,
    /// Captured lists.
    pub lists: BTreeMap<String, Vec<String>>,
}

impl Captures {
    /// Adds what a step's rules found; `address` is where, fit to be shown.
    pub(super) fn add(&mut self, rules: &Rules, row: Option<&Value>, address: &str) -> Result<(), Failure> {
        for field in &rules.fields {
            let name = &field.name;
            let failed = |why: String| Failure::retryable(Code::CaptureFailed, format!("capture \"{name}\": {why} at {address}"));
            let found = row.and_then(|row| row.get(name)).filter(|value| !is_blank(value));
            let found = found.ok_or_else(|| failed(looked_for(field)))?;
            let too_long = || failed("what was found is too long to be used,".to_owned());
            if let Value::Array(list) = found {
                let list: Vec<String> = list.iter().filter(|value| !is_blank(value)).map(text).collect();
                if list.len() > MOST || list.iter().any(|text| text.len() > LONGEST) {
                    return Err(too_long());
                }
                self.lists.insert(name.clone(), list);
            } else {
                let text = text(found);
                if text.len() > LONGEST {
                    return Err(too_long());
                }
                self.values.insert(name.clone(), text);
            }
        }
        Ok(())
    }
}

/// A value as it stands in a text.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// True of what counts as nothing: null, blank text, a list of nothing else.
pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.iter().all(is_blank),
        _ => false,
    }
}

/// What did not turn up, in the words of the configuration.
fn looked_for(field: &Field) -> String {
    let regex = field.regex.as_ref().map(|at| format!("`{}`", at.value));
    match (&field.origin, regex) {
        (Origin::Compose(_), _) => "something that it is put together from is missing".to_owned(),
        (Origin::Rows(nested), _) => format!("nothing matched `{}`", nested.items.value),
        (Origin::Object(_), _) => "none of its fields was found".to_owned(),
        (Origin::Places(places), None) => format!("nothing matched {}", listed(places)),
        (Origin::Places(places), Some(regex)) if places.candidates.is_empty() => format!("nothing matched {regex}"),
        (Origin::Places(places), Some(regex)) => format!("nothing in {} matched {regex}", listed(places)),
    }
}

fn listed(places: &Places) -> String {
    let attr = places.attr.as_ref().map_or_else(String::new, |attr| format!("@{attr}"));
    let quoted = |at: &At<String>| format!("`{}{attr}`", at.value);
    let all: Vec<String> = places.candidates.iter().map(quoted).collect();
    let within = match &places.anchor {
        Some(Anchor::Preceding(at) | Anchor::Ancestor(at) | Anchor::Lookup { rows: at, .. }) => format!(" from `{}`", at.value),
        None => String::new(),
    };
    all.join(" or ") + &within
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wellspring_core::source::Format;

    use super::*;

    fn at(text: &str) -> At<String> {
        At { value: text.to_owned(), span: 0..0 }
    }

    fn captured(field: Field, found: &Value) -> String {
        let rules = Rules::whole(Format::Json, vec![field]);
        let mut captures = Captures::default();
        match captures.add(&rules, Some(&json!({"a": found})), "https://a.example/") {
            Ok(()) => format!("{:?} {:?}", captures.values, captures.lists),
            Err(failure) => format!("{} {failure}", failure.code),
        }
    }

    #[test]
    fn captures_are_texts_and_lists() {
        let check = |found: Value| captured(Field::at("a", vec![at("$.a"), at("$.b")]), &found);
        assert_eq!(check(json!("x")), r#"{"a": "x"} {}"#);
        assert_eq!(check(json!(12)), r#"{"a": "12"} {}"#);
        assert_eq!(check(json!(true)), r#"{"a": "true"} {}"#);
        assert_eq!(check(json!(["x", 1, null])), r#"{} {"a": ["x", "1"]}"#);
        for nothing in [json!(null), json!(" "), json!([]), json!([null, ""])] {
            assert_eq!(check(nothing), "capture_failed capture \"a\": nothing matched `$.a` or `$.b` at https://a.example/");
        }
        assert!(check(json!("x".repeat(100_000))).contains("too long"));
    }

    #[test]
    fn what_is_missing_is_told_as_it_was_written() {
        let check = |candidates: &[&str], attr: Option<&str>, regex: Option<&str>| {
            let origin = Origin::Places(Places {
                candidates: candidates.iter().map(|text| at(text)).collect(),
                attr: attr.map(str::to_owned),
                anchor: None,
            });
            captured(Field { regex: regex.map(at), ..Field::of("a", origin) }, &Value::Null)
        };
        assert!(check(&[], None, Some("t=(.+)")).contains("nothing matched `t=(.+)` at"));
        assert!(check(&["script"], None, Some("t=(.+)")).contains("nothing in `script` matched `t=(.+)` at"));
        assert!(check(&["meta"], Some("content"), None).contains("nothing matched `meta@content` at"));
        assert!(captured(Field::of("a", Origin::Compose(Vec::new())), &Value::Null).contains("put together from is missing"));
    }
}
