//! The JSON Schema of the config file, for editors.

use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{Schema, transform::Transform};
use serde_json::Value;

use super::raw::RawConfig;

/// The JSON Schema (draft 7, which editors of TOML read) of `wellspring.toml` and of the files in `sources`.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with_transform(ForToml);
    settings.into_generator().into_root_schema_for::<RawConfig>().to_value()
}

/// Takes out what means nothing in TOML: `null` first of all, for a key that says nothing is left out.
#[derive(Clone)]
struct ForToml;

impl Transform for ForToml {
    fn transform(&mut self, schema: &mut Schema) {
        // Keys that the rules digest leaves out are not written back; nobody reads a config from us either way.
        schema.remove("writeOnly");
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = &types[..] {
                let only = only.clone();
                schema.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
            choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
            if choices.len() == 1
                && let Some(Value::Object(only)) = choices.pop()
            {
                schema.remove("anyOf");
                for (key, value) in only {
                    // Beside a reference draft 7 reads nothing, so the description would be lost.
                    if key == "$ref" {
                        schema.insert("allOf".to_owned(), serde_json::json!([{ "$ref": value }]));
                    } else if schema.get(&key).is_none() {
                        schema.insert(key, value);
                    }
                }
            }
        }
        transform_subschemas(self, schema);
    }
}
