//! What a source's items are like.

use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::openapi::{ObjectBuilder, Type};
use wellspring_core::source::{Alternative, DateOutput, Field, Format, Many, Origin, Parse, SourceSpec};

use super::shape::{Members, Shape};
use crate::engine::hot::Content;

/// How many bytes of a snapshot are looked at where its rules leave open what items are like.
const LARGEST_SEEN: usize = 1 << 20;
/// How many items are shown, and how many bytes of each at most.
const SHOWN: usize = 2;
const LARGEST_SHOWN: usize = 2_048;

/// What items are like, and a few of them.
#[derive(Clone)]
pub(super) struct Items {
    shape: Shape,
    examples: Vec<Value>,
}

impl Items {
    /// The schema of one item.
    pub(super) fn schema(&self) -> ObjectBuilder {
        let schema = self.shape.object_schema();
        if self.examples.is_empty() { schema } else { schema.examples(self.examples.clone()) }
    }

    /// The names that `fields` takes, where they are known.
    pub(super) fn names(&self) -> Vec<&str> {
        self.shape.names()
    }
}

/// What a source's items are like, by its rules and, where these leave it open, by its data.
pub(super) fn of(spec: &SourceSpec, content: Option<&Content>) -> Items {
    let declared = spec.alternatives.iter().map(declared).reduce(Shape::or).unwrap_or_default();
    let required = |name: &str| spec.alternatives.iter().all(|a| a.rules.required.iter().any(|known| known == name));
    Items {
        shape: declared.filled_by(content.and_then(seen).as_ref()).without_null_in(required),
        examples: content.map(examples).unwrap_or_default(),
    }
}

/// What an alternative's rules say.
fn declared(alternative: &Alternative) -> Shape {
    let rules = &alternative.rules;
    // A program may make anything of rows, and rows without fields are whatever the upstream has.
    if rules.transform.is_some() || rules.fields.is_empty() {
        return Shape::anything();
    }
    let mut members = members(&rules.fields, rules.format);
    if let Some(details) = &alternative.details {
        for (name, shape) in self::members(&details.rules.fields, details.rules.format) {
            match members.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = std::mem::take(known).or(shape),
                None => members.push((name, shape)),
            }
        }
    }
    Shape::object(members)
}

fn members(fields: &[Field], format: Format) -> Members {
    fields.iter().filter(|field| !field.is_hidden()).map(|field| (field.name.clone(), field_shape(field, format))).collect()
}

fn field_shape(field: &Field, format: Format) -> Shape {
    let shape = match &field.origin {
        Origin::Rows(nested) => Shape::list(Shape::object(members(&nested.fields, format))),
        Origin::Object(fields) => Shape::object(members(fields, format)).or_null(),
        Origin::Places(places) if places.candidates.is_empty() && field.regex.is_none() && field.default.is_some() => {
            Shape::plain(Type::Null)
        }
        Origin::Places(_) | Origin::Compose(_) => {
            let is_text = field.regex.is_some() || matches!(field.origin, Origin::Compose(_)) || has_texts(format);
            let one = parsed(&field.parse, is_text);
            match &field.many {
                None => one.or_null(),
                Some(Many::List) => Shape::list(one).or_null(),
                Some(Many::Joined(_)) => Shape::plain(Type::String).or_null(),
            }
        }
    };
    match &field.default {
        Some(default) if !shape.anything => shape.or(Shape::of(default)),
        _ => shape,
    }
}

/// True of formats in which all that is found is text.
fn has_texts(format: Format) -> bool {
    matches!(format, Format::Html | Format::Csv | Format::Xml | Format::Text)
}

fn parsed(parse: &Parse, is_text: bool) -> Shape {
    match parse {
        Parse::Text if !is_text => Shape::anything(),
        Parse::Json => Shape::anything(),
        Parse::Text | Parse::Plain | Parse::Markup | Parse::Url => Shape::plain(Type::String),
        Parse::Number { .. } => Shape::plain(Type::Number),
        Parse::Boolean => Shape::plain(Type::Boolean),
        Parse::Money { .. } => Shape::object(vec![
            ("amount".to_owned(), Shape::plain(Type::Number).or_null()),
            ("currency".to_owned(), Shape::plain(Type::String).or_null()),
        ]),
        Parse::Date(rule) => match rule.output {
            DateOutput::Epoch | DateOutput::EpochMs => Shape::plain(Type::Number),
            DateOutput::Rfc3339 | DateOutput::Date | DateOutput::Local => Shape::plain(Type::String),
        },
    }
}

/// What all items together are like; `None` of more than is worth looking at.
fn seen(content: &Content) -> Option<Shape> {
    if content.items.len() > LARGEST_SEEN {
        return None;
    }
    let rows: Vec<Value> = serde_json::from_slice(&content.items).ok()?;
    rows.iter().map(Shape::of).reduce(Shape::or).map(Shape::loosened)
}

fn examples(content: &Content) -> Vec<Value> {
    if content.items.len() > 16 * LARGEST_SEEN {
        return Vec::new();
    }
    let rows: Vec<&RawValue> = serde_json::from_slice(&content.items).unwrap_or_default();
    let shown = rows.iter().take(SHOWN).filter(|row| row.get().len() <= LARGEST_SHOWN);
    shown.filter_map(|row| serde_json::from_str(row.get()).ok()).collect()
}
