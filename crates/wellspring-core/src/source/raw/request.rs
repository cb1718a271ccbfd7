//! The shapes of requests beside the one that gives the items.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::super::words::{Literal, Period, Table};
use super::super::{At, Format};
use super::RawField;

/// A request before the one that gives the items.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Step")]
pub struct RawStep {
    /// What it is called where it fails.
    #[serde(skip_serializing)]
    pub name: Option<At<String>>,
    /// The address; places are filled in with parameters, times and what earlier steps captured.
    pub url: At<String>,
    /// `GET` (default) or, where something is sent, `POST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<At<RawMethod>>,
    /// Headers to send, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Table<At<String>>>,
    /// Cookies to send, by name, to the host of `url` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookies: Option<Table<At<String>>>,
    /// JSON to send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<At<Literal>>,
    /// A form to send, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<Table<At<String>>>,
    /// A text to send as it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<At<String>>,
    /// What its body is read as. Needed where a capture is looked for at a place and not only by `regex`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<At<Format>>,
    /// Where in a page the JSON is: the CSS selector of the element that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<At<String>>,
    /// Where in a page's scripts the JSON is: the name it is assigned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<At<String>>,
    /// What is taken, by name: fields over the whole body. One that finds nothing fails the refresh. A step that only sets
    /// cookies captures nothing.
    #[serde(default)]
    pub capture: Table<At<RawField>>,
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[schemars(rename = "Method", inline)]
pub enum RawMethod {
    /// GET.
    #[serde(rename = "GET")]
    Get,
    /// POST.
    #[serde(rename = "POST")]
    Post,
}

/// What is asked for once each: the name of a capture, or a table.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum RawEach {
    /// `each = "date"`
    Name(String),
    /// `each = { name = "date", days = 7 }`
    Table(Box<RawEachTable>),
}

/// What is asked for once each.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Each")]
pub struct RawEachTable {
    /// The name of its place, as `{date}`; without `values` or `days`, the name of what a step captured with `all = true`.
    pub name: At<String>,
    /// These values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<At<Vec<String>>>,
    /// So many days from today on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<At<u32>>,
    /// With `days`: how each is written (default `%Y-%m-%d`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<At<String>>,
    /// With `days`: whose today, as `Europe/London` (default UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<At<String>>,
    /// How many are asked for at most (default 50); the rest is cut, and said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<At<usize>>,
}

/// A page of each item.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Details")]
pub struct RawDetails {
    /// The address; the item's own fields fill its places.
    pub url: At<String>,
    /// `GET` (default) or, where something is sent, `POST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<At<RawMethod>>,
    /// Headers to send, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Table<At<String>>>,
    /// JSON to send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<At<Literal>>,
    /// A form to send, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<Table<At<String>>>,
    /// A text to send as it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<At<String>>,
    /// What its body is read as.
    pub format: At<Format>,
    /// Where in a page the JSON is: the CSS selector of the element that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<At<String>>,
    /// Where in a page's scripts the JSON is: the name it is assigned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<At<String>>,
    /// What selects the part of the page that is read (default: the whole page); the first counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<At<String>>,
    /// The fields that join the item.
    pub fields: Table<At<RawField>>,
    /// How many items have their page asked for (default 50); the rest is cut, and said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<At<usize>>,
}

/// A moment that fills places.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Time")]
pub struct RawTime {
    /// How it is written (default `%Y-%m-%d`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<At<String>>,
    /// Whose time, as `Asia/Jakarta` (default UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<At<String>>,
    /// So long after the refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<At<Period>>,
    /// So long before the refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back: Option<At<Period>>,
}

impl<'de> Deserialize<'de> for RawEach {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl<'de> Visitor<'de> for Name {
            type Value = RawEach;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a capture, or a table such as { name = \"date\", days = 7 }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawEach, E> {
                Ok(RawEach::Name(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawEach, A::Error> {
                RawEachTable::deserialize(MapAccessDeserializer::new(map)).map(|table| RawEach::Table(Box::new(table)))
            }
        }
        deserializer.deserialize_any(Name)
    }
}

impl JsonSchema for RawEach {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EachOf".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<RawEachTable>();
        json_schema!({
            "description": "What is asked for once each: the name of what a step captured, or a table.",
            "anyOf": [{ "type": "string" }, table],
        })
    }
}
