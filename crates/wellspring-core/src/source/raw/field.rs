//! The shape of a field.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::super::words::{Literal, Table};
use super::super::{At, DateOutput};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub select: Option<At<RawPlaces>>,
    /// Where it is found (or `select`, which means the same).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<At<RawPlaces>>,
    /// The attribute to take, as `href`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attr: Option<At<String>>,
    /// Where the looking starts: at the nearest element before the item that matches this CSS selector, as a heading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preceding: Option<At<String>>,
    /// Where the looking starts: at the nearest element around the item that matches this CSS selector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ancestor: Option<At<String>>,
    /// Where the looking starts (JSON): at the one of these rows of the whole document (JSONPath) that the item refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup: Option<At<String>>,
    /// With `lookup`: the part of such a row (JSONPath) that must be equal to `equals`; without it, its name as a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<At<String>>,
    /// With `lookup`: the part of the item (JSONPath) that says which row it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<At<String>>,
    /// Puts the value together from other fields, parameters and captures: `https://www.example.org/film/{slug}`. In a list, the first
    /// counts of which no part is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compose: Option<At<RawPlaces>>,
    /// A regular expression of which the first group, or the whole match where it has none, is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<At<String>>,
    /// How its text is read: `number` understands `2,000+` and `200K+`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parse: Option<At<RawParse>>,
    /// With `parse = "date"`: how it is written, as `%d/%m/%Y %H:%M`, or a list of ways. The usual ones are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<At<RawPlaces>>,
    /// With `parse = "date"`: the zone it is meant in, as `Europe/London` (default UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<At<String>>,
    /// With `parse = "date"`: how it is given (default `rfc3339`).
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub output: Option<At<DateOutput>>,
    /// With `parse = "money"`: the currency where the text names none, as `IDR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<At<String>>,
    /// Whether all that is found is taken, as a list, and not just the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<At<bool>>,
    /// Takes all that is found as one text with this between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<At<String>>,
    /// Makes it a list of items of its own: what selects them within the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<At<String>>,
    /// With `items`: their fields. Without: it is an object of the item's own, and these are what it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Table<At<RawField>>>,
    /// The decimal mark of its numbers: `.` or `,`. Without it, a mark before exactly three digits parts thousands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<At<char>>,
    /// The value where nothing is found or its text cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
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
    /// As an amount with its currency: `{ amount, currency }`.
    Money,
    /// As a moment or a day.
    Date,
    /// As the text that its markup shows.
    Text,
    /// As the element's own markup.
    Html,
    /// As JSON within a text.
    Json,
    /// As an address, made absolute.
    Url,
    /// As `true` or `false`.
    Boolean,
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
