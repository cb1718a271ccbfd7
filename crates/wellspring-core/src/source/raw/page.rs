//! The shapes of what a browser does with a page.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::super::At;

/// What is clicked: a CSS selector, or a list of them.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum RawClick {
    /// `click = "button.more"`
    One(String),
    /// `click = ["#cookies button", "button.more"]`
    Many(Vec<At<String>>),
}

impl<'de> Deserialize<'de> for RawClick {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Click;
        impl<'de> Visitor<'de> for Click {
            type Value = RawClick;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a CSS selector or a list of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawClick, E> {
                Ok(RawClick::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawClick, A::Error> {
                let mut selectors = Vec::new();
                while let Some(selector) = seq.next_element()? {
                    selectors.push(selector);
                }
                Ok(RawClick::Many(selectors))
            }
        }
        deserializer.deserialize_any(Click)
    }
}

impl JsonSchema for RawClick {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Click".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
    }
}
