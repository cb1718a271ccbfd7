//! What the OpenAPI document says, found in it and put in words.

use serde_json::Value;

/// The longest list of words that is told in full.
const WORDS: usize = 8;

/// The document, as JSON.
#[derive(Clone, Copy)]
pub(super) struct Document<'a>(pub(super) &'a Value);

impl<'a> Document<'a> {
    /// An operation; null where there is none.
    pub(super) fn operation(self, path: &str, method: &str) -> &'a Value {
        &self.0["paths"][path][method]
    }

    /// A shared schema; null where there is none.
    pub(super) fn schema(self, name: &str) -> &'a Value {
        &self.0["components"]["schemas"][name]
    }

    /// What a reference refers to; anything else is itself.
    pub(super) fn resolve(self, value: &'a Value) -> &'a Value {
        let Some(reference) = value["$ref"].as_str() else { return value };
        reference.strip_prefix('#').and_then(|pointer| self.0.pointer(pointer)).unwrap_or(value)
    }
}

/// What a schema takes, in words.
pub(super) fn kind(document: Document<'_>, schema: &Value) -> String {
    let schema = document.resolve(schema);
    if let Some(words) = schema["enum"].as_array() {
        let told: Vec<String> =
            words.iter().take(WORDS).map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
        let more = if words.len() > WORDS { ", …" } else { "" };
        return format!("{}{more}", told.join(", "));
    }
    let of = |kind: &str| match kind {
        "string" => match schema["format"].as_str() {
            Some("date-time") => "a moment (RFC 3339)".to_owned(),
            Some("date") => "a day".to_owned(),
            _ => "text".to_owned(),
        },
        "integer" => whole(schema),
        "array" => match &schema["items"] {
            Value::Object(_) => format!("list of {}", kind_of_one(document, &schema["items"])),
            _ => "list".to_owned(),
        },
        "boolean" => "true or false".to_owned(),
        "null" => "null".to_owned(),
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::String(kind) => of(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).map(of).collect::<Vec<_>>().join(" or "),
        _ => {
            let any = ["oneOf", "anyOf"].into_iter().find_map(|word| schema[word].as_array());
            any.map_or_else(|| "anything".to_owned(), |any| any.iter().map(|one| kind(document, one)).collect::<Vec<_>>().join(" or "))
        }
    }
}

fn kind_of_one(document: Document<'_>, schema: &Value) -> String {
    match kind(document, schema) {
        object if object == "object" => "objects".to_owned(),
        text if text == "text" => "texts".to_owned(),
        other => other,
    }
}

fn whole(schema: &Value) -> String {
    match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
        (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
        (Some(least), None) => format!("a whole number from {least} up"),
        _ => "a whole number".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_are_told_in_words() {
        let value = json!({"components": {"schemas": {"a": {"type": "string", "format": "date-time"}}}});
        let told = |schema: Value| kind(Document(&value), &schema);
        assert_eq!(told(json!({"type": ["string", "null"]})), "text or null");
        assert_eq!(told(json!({"$ref": "#/components/schemas/a"})), "a moment (RFC 3339)");
        assert_eq!(told(json!({"type": "array", "items": {"type": "string"}})), "list of texts");
        assert_eq!(told(json!({"type": "integer", "minimum": 0, "maximum": 9})), "a whole number from 0 to 9");
        assert_eq!(told(json!({"enum": ["a", "b"]})), "a, b");
        assert_eq!(told(json!({"oneOf": [{"type": "boolean"}, {}]})), "true or false or anything");
    }
}
