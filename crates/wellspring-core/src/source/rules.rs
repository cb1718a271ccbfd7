//! How a body becomes items, as written. `wellspring-extract` compiles it; the worker is sent it as JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::At;
use crate::template::place_at;

/// What a body is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// An HTML page; `items` and fields are CSS selectors.
    Html,
    /// JSON, by itself or within a page's script; `items` and fields are RFC 9535 JSONPath.
    Json,
    /// RSS 0.9–2.0 or Atom; fields are names of an entry's elements.
    Feed,
    /// An iCalendar file; items are its events, fields are names of their properties.
    Ical,
    /// What a page says of itself: JSON-LD, microdata, OpenGraph. `items` is a type, fields are JSONPath.
    Jsonld,
    /// Comma-separated values with a line of names; fields are names of columns.
    Csv,
    /// XML; `items` and fields are names of elements from the outside in, `a/b@attribute`.
    Xml,
    /// Plain text, one row: fields are found by `regex`.
    Text,
}

/// How a body becomes items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// What the body is.
    pub format: Format,
    /// Where in a page the JSON is, for `format = "json"`.
    pub within: Option<Within>,
    /// What selects the rows; a feed needs none.
    #[serde(with = "bare::option")]
    pub items: Option<At<String>>,
    /// The fields of an item, in order. None: JSON items, feed entries and the like are taken whole.
    pub fields: Vec<Field>,
    /// A jq program: all rows in, an array out.
    #[serde(with = "bare::option")]
    pub transform: Option<At<String>>,
    /// The field by which only the first of equal rows stays.
    #[serde(with = "bare::option")]
    pub unique_by: Option<At<String>>,
    /// How many items are kept.
    pub limit: Option<usize>,
    /// Fields without which a row is dropped (`Expect::required` again, for the reader of rows).
    pub required: Vec<String>,
    /// What separates the columns of `csv`; guessed among `, ; tab |` where absent.
    pub delimiter: Option<char>,
    /// Which occurrences of a calendar's events are items, from the refresh's own time.
    pub window: Option<Window>,
}

/// Where in a page the JSON is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Within {
    /// The content of the first element that matches this CSS selector and holds JSON: `script#__NEXT_DATA__`.
    Element(#[serde(with = "bare")] At<String>),
    /// What is assigned to this name in a script: `window.__STATE__`, `electric`.
    Variable(#[serde(with = "bare")] At<String>),
}

/// A span of time around the refresh's own, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// How far back.
    pub back: u64,
    /// How far ahead.
    pub ahead: u64,
}

/// One field of an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Its name in the item. One that begins with `_` is for other fields to use and is left out of the item.
    pub name: String,
    /// How its value comes about.
    pub origin: Origin,
    /// A pattern of which the first group (or the whole match, where it has none) is taken:
    /// of the first match or, with `many`, of every one.
    #[serde(with = "bare::option")]
    pub regex: Option<At<String>>,
    /// How to read the text.
    pub parse: Parse,
    /// Whether all that is found is taken and not just the first.
    pub many: Option<Many>,
    /// The value where nothing was found or the text could not be read.
    pub default: Option<serde_json::Value>,
}

/// How a field's value comes about, before `regex`, `parse` and `default`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Origin {
    /// Looked for in the row.
    Places(Places),
    /// Put together from other fields, parameters and captures: `https://x.example/film/{slug}`. The first counts of which no part
    /// is missing.
    Compose(Vec<Vec<Piece>>),
    /// A list of rows of its own within the row.
    Rows(Nested),
    /// An object of fields that are looked for in the same row. Null where none of them is found.
    Object(Vec<Field>),
}

/// Where to look for a field.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Places {
    /// In order: the first that is not empty wins. Empty: only the default, or (with a `regex`) the row's whole text.
    #[serde(with = "bare::list")]
    pub candidates: Vec<At<String>>,
    /// An attribute to take (`attr = "href"`), as an alternative to `selector@attr`.
    pub attr: Option<String>,
    /// Where the looking starts, if not in the row itself.
    pub anchor: Option<Anchor>,
}

/// Where the looking for a field starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Anchor {
    /// HTML: the nearest element before the row, in the order of the page, that matches.
    Preceding(#[serde(with = "bare")] At<String>),
    /// HTML: the nearest element around the row that matches.
    Ancestor(#[serde(with = "bare")] At<String>),
    /// JSON: the first of these values of the whole document whose `key` equals the row's own `equals`.
    Lookup {
        /// JSONPath over the document.
        #[serde(with = "bare")]
        rows: At<String>,
        /// JSONPath in one of those. Without one they are known by their names: the members of an object, or numbers in a list.
        #[serde(with = "bare::option")]
        key: Option<At<String>>,
        /// JSONPath in the row.
        #[serde(with = "bare")]
        equals: At<String>,
    },
}

/// A piece of a composed text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// The value of a field, a parameter or a capture of this name.
    Name(String),
}

impl Piece {
    /// A text and the names that stand in it like `{places}`: what `known` knows, or what looks like a name.
    pub(super) fn split(text: &str, known: impl Fn(&str) -> bool) -> Vec<Self> {
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(start) = rest.find('{') {
            plain.push_str(&rest[..start]);
            rest = &rest[start..];
            if let Some((name, after)) = place_at(rest, &known) {
                if !plain.is_empty() {
                    pieces.push(Self::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Self::Name(name.to_owned()));
                rest = after;
            } else {
                plain.push('{');
                rest = &rest[1..];
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Self::Text(plain));
        }
        pieces
    }
}

/// A list of rows within a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nested {
    /// What selects them within the row.
    #[serde(with = "bare")]
    pub items: At<String>,
    /// Their fields.
    pub fields: Vec<Field>,
}

/// What is done with all that is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Many {
    /// A list.
    List,
    /// One text, with this between.
    Joined(String),
}

/// How a field's text is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parse {
    /// As it is: text, or whatever JSON holds.
    #[default]
    Text,
    /// A number in people's notation: `2,000+`, `200K+`, `Rp 14.500`.
    Number {
        /// The decimal mark. `None`: guessed, a single mark before exactly three digits being a thousands mark.
        decimal: Option<char>,
    },
    /// An amount with its currency: `{"amount": 14500, "currency": "IDR"}`.
    Money {
        /// As with numbers.
        decimal: Option<char>,
        /// ISO 4217 code where the text names none.
        currency: Option<String>,
    },
    /// A moment or a day.
    Date(DateRule),
    /// Markup read as the text that it shows.
    Plain,
    /// The element's own markup (HTML only).
    Markup,
    /// JSON in a text.
    Json,
    /// An address made absolute.
    Url,
    /// `true` or `false`, `yes` or `no`, `1` or `0`.
    Boolean,
}

/// How a date is read and written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateRule {
    /// strftime-like patterns in order; without any, the usual notations are tried.
    #[serde(with = "bare::list")]
    pub formats: Vec<At<String>>,
    /// IANA zone of texts that name none; the server's says nothing here, UTC is meant where absent.
    pub zone: Option<String>,
    /// What the value is written as.
    pub output: DateOutput,
}

/// What a date is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DateOutput {
    /// RFC 3339 with the zone's offset; a day without a time of day as `2025-01-23`.
    #[default]
    Rfc3339,
    /// Seconds since 1970.
    Epoch,
    /// Milliseconds since 1970.
    EpochMs,
    /// The day alone, `2025-01-23`.
    Date,
    /// Day and time of day in the zone, without an offset: `2025-01-23T18:00:00`.
    Local,
}

impl Rules {
    /// Rules by which a whole body is one row.
    pub fn whole(format: Format, fields: Vec<Field>) -> Self {
        Self {
            format,
            within: None,
            // Without `items` a list at the root would be rows.
            items: (format == Format::Json).then(|| At { value: "$".to_owned(), span: 0..0 }),
            fields,
            transform: None,
            unique_by: None,
            limit: None,
            required: Vec::new(),
            delimiter: None,
            window: None,
        }
    }
}

impl Anchor {
    /// The rule that says where: what a complaint about it points at.
    pub fn rule(&self) -> &At<String> {
        let (Self::Preceding(at) | Self::Ancestor(at) | Self::Lookup { rows: at, .. }) = self;
        at
    }
}

impl Field {
    /// A field that is found at these places.
    pub fn at(name: impl Into<String>, candidates: Vec<At<String>>) -> Self {
        Self::of(name, Origin::Places(Places { candidates, ..Places::default() }))
    }

    /// A field with this origin.
    pub fn of(name: impl Into<String>, origin: Origin) -> Self {
        Self { name: name.into(), origin, regex: None, parse: Parse::Text, many: None, default: None }
    }

    /// Where it is looked for, where it is.
    pub fn places(&self) -> Option<&Places> {
        if let Origin::Places(places) = &self.origin { Some(places) } else { None }
    }

    /// The fields of a list or an object that it is, if it is one.
    pub fn within(&self) -> &[Self] {
        match &self.origin {
            Origin::Rows(nested) => &nested.fields,
            Origin::Object(fields) => fields,
            Origin::Places(_) | Origin::Compose(_) => &[],
        }
    }

    /// True of a field that other fields use and clients do not see.
    pub fn is_hidden(&self) -> bool {
        self.name.starts_with('_')
    }
}

/// Values without their places, which mean nothing to whom they are sent.
mod bare {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::At;

    fn at(value: String) -> At<String> {
        At { value, span: 0..0 }
    }

    pub(super) fn serialize<S: Serializer>(value: &At<String>, serializer: S) -> Result<S::Ok, S::Error> {
        value.value.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<At<String>, D::Error> {
        String::deserialize(deserializer).map(at)
    }

    pub(super) mod option {
        use super::{At, Deserialize, Deserializer, Serialize, Serializer, at};

        #[expect(clippy::ref_option, reason = "serde hands over the field itself")]
        pub(in super::super) fn serialize<S: Serializer>(value: &Option<At<String>>, serializer: S) -> Result<S::Ok, S::Error> {
            value.as_ref().map(|at| &at.value).serialize(serializer)
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<At<String>>, D::Error> {
            Ok(Option::<String>::deserialize(deserializer)?.map(at))
        }
    }

    pub(super) mod list {
        use super::{At, Deserialize, Deserializer, Serializer, at};

        pub(in super::super) fn serialize<S: Serializer>(value: &[At<String>], serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(value.iter().map(|at| &at.value))
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<At<String>>, D::Error> {
            Ok(Vec::<String>::deserialize(deserializer)?.into_iter().map(at).collect())
        }
    }
}
