//! The shape of a `[source.NAME]` table as people write it. Doc comments here are what editors show.
//!
//! What is serialized of these shapes is what the rules digest covers: a new key is part of it unless it is marked
//! `skip_serializing`, which is for keys that cannot change which items come out.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::words::{Literal, Period, Size, Table};
use super::{At, Format, Render};
use crate::policy::RefreshMode;

/// One slow upstream, its rules and its freshness policy. Served as `/api/NAME`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Source")]
pub struct RawSource {
    /// What it is, in a sentence for people.
    #[serde(skip_serializing)]
    pub description: Option<String>,
    /// How long data stays fresh after it was checked, as `6d`. Either this or `fresh_until`.
    #[serde(skip_serializing)]
    pub fresh_for: Option<At<Period>>,
    /// The time of day at which data turns stale, as `00:00 Asia/Jakarta`. Either this or `fresh_for`.
    #[serde(skip_serializing)]
    #[schemars(extend("examples" = ["00:00 Asia/Jakarta"]))]
    pub fresh_until: Option<At<String>>,
    /// Data older than this is served as `expired`. Without it, old data stays merely stale.
    #[serde(skip_serializing)]
    pub max_stale: Option<At<Period>>,
    /// How long readers wait where there is no data yet (default 8s).
    #[serde(skip_serializing)]
    pub cold_wait: Option<At<Period>>,
    /// The longest one whole refresh may take (default: `[fetch] deadline`).
    #[serde(skip_serializing)]
    pub deadline: Option<At<Period>>,
    /// The shortest time between two forced refreshes of a key (default 10s).
    #[serde(skip_serializing)]
    pub min_interval: Option<At<Period>>,
    /// Whether `POST /api/NAME/refresh` is allowed (default true).
    #[serde(skip_serializing)]
    pub manual_refresh: Option<bool>,
    /// Whether answers carry `cache_age_hours` (default false).
    #[serde(skip_serializing)]
    pub report_age: Option<bool>,
    /// When refreshes start: `demand`, when a read finds the data stale (default), or `always`, at expiry too.
    #[serde(skip_serializing)]
    pub refresh: Option<RefreshMode>,
    /// Whether it is fetched at start where it has no data (default true).
    #[serde(skip_serializing)]
    pub warm: Option<bool>,
    /// How many combinations of parameters are held (default 1000).
    #[serde(skip_serializing)]
    pub max_keys: Option<At<usize>>,
    /// What the list is called in the answer (default `items`).
    #[serde(skip_serializing)]
    pub items_key: Option<At<String>>,
    /// The parameters that a request may give, by name: `{name}` in `url`.
    #[serde(default)]
    pub params: Table<RawParam>,
    /// Alternatives in order: the first that can be used and passes its gate serves. The keys of an alternative that
    /// stand on the source itself are their defaults.
    #[serde(skip_serializing)]
    pub from: Option<At<Vec<At<RawAlternative>>>>,

    /// The address, with `{parameter}` and `${VARIABLE}` filled in. A source with one needs no `from`.
    #[serde(skip_serializing)]
    pub url: Option<At<String>>,
    /// How pages are obtained: `never` by a browser (default), `auto`: the cheapest that works, `always` by a browser.
    #[serde(skip_serializing)]
    pub render: Option<Render>,
    /// A CSS selector that a rendered page is waited for.
    #[serde(skip_serializing)]
    pub wait_for: Option<At<String>>,
    /// What the body is read as.
    #[serde(skip_serializing)]
    pub format: Option<At<Format>>,
    /// What selects the items: a CSS selector for `html`, JSONPath for `json`. A feed needs none.
    #[serde(skip_serializing)]
    pub items: Option<At<String>>,
    /// An item's fields and where each is found. Without any, JSON items and feed entries are taken whole.
    #[serde(skip_serializing)]
    pub fields: Option<Table<At<RawField>>>,
    /// The field by which only the first of equal items stays.
    #[serde(skip_serializing)]
    pub unique_by: Option<At<String>>,
    /// How many items are kept.
    #[serde(skip_serializing)]
    pub limit: Option<At<usize>>,
    /// What a result must be like to replace the last good one.
    #[serde(skip_serializing)]
    pub expect: Option<RawExpect>,
    /// A proxy of its own. It is exempt from the guard against private addresses.
    #[serde(skip_serializing)]
    pub proxy: Option<At<String>>,
    /// The longest one request may take (default: `[fetch] timeout`).
    #[serde(skip_serializing)]
    pub timeout: Option<At<Period>>,
    /// The largest body after decompression (default: `[fetch] max_body`).
    #[serde(skip_serializing)]
    pub max_body: Option<At<Size>>,
}

/// One way to obtain a source's items.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Alternative")]
pub struct RawAlternative {
    /// Used only where this variable of the environment is set and not empty; else it is skipped unread.
    #[serde(skip_serializing)]
    pub when_env: Option<At<String>>,
    /// The address, with `{parameter}` and `${VARIABLE}` filled in.
    pub url: Option<At<String>>,
    /// How pages are obtained: `never` by a browser (default), `auto`: the cheapest that works, `always` by a browser.
    pub render: Option<Render>,
    /// A CSS selector that a rendered page is waited for.
    pub wait_for: Option<At<String>>,
    /// What the body is read as.
    pub format: Option<At<Format>>,
    /// What selects the items: a CSS selector for `html`, JSONPath for `json`. A feed needs none.
    pub items: Option<At<String>>,
    /// An item's fields and where each is found. Without any, JSON items and feed entries are taken whole.
    pub fields: Option<Table<At<RawField>>>,
    /// The field by which only the first of equal items stays.
    pub unique_by: Option<At<String>>,
    /// How many items are kept.
    pub limit: Option<At<usize>>,
    /// What a result must be like to replace the last good one.
    pub expect: Option<RawExpect>,
    /// A proxy of its own. It is exempt from the guard against private addresses.
    #[serde(skip_serializing)]
    pub proxy: Option<At<String>>,
    /// The longest one request may take (default: `[fetch] timeout`).
    #[serde(skip_serializing)]
    pub timeout: Option<At<Period>>,
    /// The largest body after decompression (default: `[fetch] max_body`).
    #[serde(skip_serializing)]
    pub max_body: Option<At<Size>>,
}

/// A parameter that a request may give. Either `values` or `pattern`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Parameter")]
pub struct RawParam {
    /// Its value where a request gives none; without one the request must.
    pub default: Option<At<String>>,
    /// The values it takes.
    pub values: Option<At<Vec<String>>>,
    /// A regular expression that the whole value must match.
    pub pattern: Option<At<String>>,
}

/// What a result must be like to replace the last good one.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Expect")]
pub struct RawExpect {
    /// Fewer items than this are refused (default 1).
    pub min_items: Option<At<u32>>,
    /// A row without one of these fields is dropped; over a fifth dropped, and the result is refused.
    #[serde(default)]
    pub required: Vec<At<String>>,
    /// Whether an empty result is a result (default false).
    pub allow_empty: Option<bool>,
    /// The largest share of items that may go missing from one snapshot to the next, 0 to 1.
    pub max_drop: Option<At<f64>>,
}

/// Where a field is found: a place, a list of places of which the first that is not empty wins, or a table.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum RawField {
    /// `title = "a@title"`
    One(String),
    /// `title = ["a span", "."]`
    Many(Vec<At<String>>),
    /// `title = { select = "a", default = "?" }`
    Table(Box<RawFieldTable>),
}

/// A field with more to say than where it is found.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Field")]
pub struct RawFieldTable {
    /// Where it is found (or `path`, which means the same).
    pub select: Option<At<RawPlaces>>,
    /// Where it is found (or `select`, which means the same).
    pub path: Option<At<RawPlaces>>,
    /// The attribute to take, as `href`.
    pub attr: Option<At<String>>,
    /// How its text is read: `number` understands `2,000+` and `200K+`.
    pub parse: Option<At<RawParse>>,
    /// The decimal mark of its numbers: `.` or `,`. Without it, a mark before exactly three digits parts thousands.
    pub decimal: Option<At<char>>,
    /// The value where nothing is found or its text cannot be read.
    pub default: Option<Literal>,
}

/// One place or a list of places.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Places", inline)]
pub enum RawPlaces {
    /// One.
    One(String),
    /// The first that is not empty wins.
    Many(Vec<At<String>>),
}

/// How a field's text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Parse", inline)]
pub enum RawParse {
    /// As a number in people's notation.
    Number,
}

impl RawSource {
    /// An alternative without a `url`: its keys, with the source's own where it has none. The names are spelled out so
    /// that a new key cannot be forgotten.
    pub fn completing(&self, own: RawAlternative) -> RawAlternative {
        RawAlternative {
            when_env: own.when_env,
            url: own.url,
            render: own.render.or(self.render),
            wait_for: own.wait_for.or_else(|| self.wait_for.clone()),
            format: own.format.or_else(|| self.format.clone()),
            items: own.items.or_else(|| self.items.clone()),
            fields: own.fields.or_else(|| self.fields.clone()),
            unique_by: own.unique_by.or_else(|| self.unique_by.clone()),
            limit: own.limit.or_else(|| self.limit.clone()),
            expect: own.expect.or_else(|| self.expect.clone()),
            proxy: own.proxy.or_else(|| self.proxy.clone()),
            timeout: own.timeout.or_else(|| self.timeout.clone()),
            max_body: own.max_body.or_else(|| self.max_body.clone()),
        }
    }
}

impl RawAlternative {
    /// An alternative that says nothing but its address.
    pub fn of_url(url: At<String>) -> Self {
        Self {
            when_env: None,
            url: Some(url),
            render: None,
            wait_for: None,
            format: None,
            items: None,
            fields: None,
            unique_by: None,
            limit: None,
            expect: None,
            proxy: None,
            timeout: None,
            max_body: None,
        }
    }
}

/// Reads a string, a list of strings and, where `table` allows it, a table. Written by hand because serde's untagged
/// enums lose the places of what they hold.
struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = RawField;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a place (a string), a list of places, or a table such as { select = \"…\", default = \"…\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RawField, E> {
        Ok(RawField::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawField, A::Error> {
        let mut places = Vec::new();
        while let Some(place) = seq.next_element()? {
            places.push(place);
        }
        Ok(RawField::Many(places))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawField, A::Error> {
        RawFieldTable::deserialize(MapAccessDeserializer::new(map)).map(|table| RawField::Table(Box::new(table)))
    }
}

impl<'de> Deserialize<'de> for RawField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

impl JsonSchema for RawField {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FieldPlace".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<RawFieldTable>();
        json_schema!({
            "description": "Where a field is found: a place, a list of places of which the first that is not empty wins, or a table.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }, table],
        })
    }
}

impl<'de> Deserialize<'de> for RawPlaces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Places;
        impl<'de> Visitor<'de> for Places {
            type Value = RawPlaces;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a place (a string) or a list of places")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawPlaces, E> {
                Ok(RawPlaces::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawPlaces, A::Error> {
                let mut places = Vec::new();
                while let Some(place) = seq.next_element()? {
                    places.push(place);
                }
                Ok(RawPlaces::Many(places))
            }
        }
        deserializer.deserialize_any(Places)
    }
}
