//! Calendars (iCalendar, RFC 5545): items are events as they take place, fields are names of their properties.
//!
//! An event that recurs is an item each time it takes place within the window around the refresh's own time; one that does not is an
//! item if it takes place there.

use std::borrow::Cow;

use serde_json::{Map, Value};
use wellspring_core::source::{Anchor, At, Rules, Window};

use crate::columns::{Budget, Columns, Items, Kind};
use crate::error::{ExtractError, RuleError};
use crate::{Body, Context, charset};
use occur::Occurrence;

mod calendar;
mod lines;
mod occur;
mod rule;
mod when;
mod windows;
mod zone;

const EXPECTED: &str = "a calendar";

/// Rules for a calendar.
#[derive(Debug)]
pub(crate) struct Ical {
    /// `None`: all events, and of those that recur as many occurrences as are read at all.
    window: Option<Window>,
    fields: Columns<Ical>,
}

/// What a field's candidate means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// When it takes place, and not when the first of its series does.
    Start,
    /// A day's end is the day after it, as the format has it.
    End,
    /// True of days, false of times.
    AllDay,
    /// A property, in upper case.
    Property(String),
    /// A property's parameter.
    Parameter(String, String),
}

impl Ical {
    pub(crate) fn compile(rules: &Rules) -> Result<Self, RuleError> {
        if let Some(at) = &rules.items {
            return Err(RuleError::at(at, "the items of a calendar are its events").help("leave `items` out"));
        }
        Ok(Self { window: rules.window, fields: Columns::compile(&rules.fields)? })
    }

    pub(crate) fn read(&self, body: &Body<'_>, context: &Context<'_>) -> Result<Items, ExtractError> {
        let bytes = unfolded(body);
        let text = charset::plain(&Body { bytes: &bytes, ..*body });
        let calendars = calendar::read(&text)?;
        let occurrences = occur::all(&calendars, self.window, context.now)?;
        if self.fields.is_empty() {
            let mut budget = Budget::default();
            let whole = occurrences.iter().map(|occurrence| budget.spend(whole(occurrence))).collect::<Result<_, _>>()?;
            return Ok((whole, Vec::new()));
        }
        self.fields.fill(occurrences, body.url, context)
    }
}

/// The body with its lines put together. Of UTF-16 that takes characters and not bytes.
fn unfolded(body: &Body<'_>) -> Vec<u8> {
    match body.bytes {
        [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => lines::unfold(charset::plain(body).as_bytes()),
        bytes => lines::unfold(bytes),
    }
}

impl Kind for Ical {
    type Row<'b> = Occurrence<'b>;
    type Place = Place;
    type Nested = std::convert::Infallible;
    type Anchor = std::convert::Infallible;

    fn place(at: &At<String>, attr: Option<&str>) -> Result<Place, RuleError> {
        let (name, parameter) = match at.value.split_once('@') {
            Some((name, parameter)) => (name.trim(), Some(parameter.trim())),
            None => (at.value.trim(), attr),
        };
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if !is_name(name) || !parameter.is_none_or(is_name) {
            return Err(RuleError::at(at, format!("`{}` is no name of an event's property", at.value))
                .help("write `title`, `start`, `end`, `all_day`, `location`, any property as `x-cost`, a parameter as `organizer@cn`"));
        }
        Ok(Place::of(name, parameter))
    }

    fn nested(at: &At<String>) -> Result<Self::Nested, RuleError> {
        Err(RuleError::at(at, "an event has no lists of its own").help("`all = true` takes every property of a name"))
    }

    fn anchor(anchor: &Anchor) -> Result<Self::Anchor, RuleError> {
        Err(RuleError::at(anchor.rule(), "the fields of an event are found in the event itself"))
    }

    fn look<'b: 'b>(row: &Occurrence<'b>, place: &Place) -> impl IntoIterator<Item = Value> {
        look(row, place)
    }

    fn rows<'b: 'b>(_: &Occurrence<'b>, nested: &Self::Nested) -> Vec<Occurrence<'b>> {
        match *nested {}
    }

    fn start<'b: 'b>(_: &Occurrence<'b>, anchor: &Self::Anchor) -> Option<(usize, Occurrence<'b>)> {
        match *anchor {}
    }

    /// Its title and description.
    fn whole(row: &Occurrence<'_>) -> Option<Value> {
        let texts = ["SUMMARY", "DESCRIPTION"].into_iter().filter_map(|name| row.event.property(name)).map(lines::Property::text);
        Some(Value::String(texts.collect::<Vec<_>>().join("\n")))
    }
}

impl Place {
    /// Names are the format's own in either case, or what people call the same thing.
    fn of(name: &str, parameter: Option<&str>) -> Self {
        let name = name.to_ascii_uppercase().replace('_', "-");
        let name = match name.as_str() {
            "TITLE" | "NAME" => "SUMMARY",
            "ID" | "GUID" => "UID",
            "LINK" => "URL",
            "CATEGORY" => "CATEGORIES",
            "UPDATED" => "LAST-MODIFIED",
            "START" => "DTSTART",
            "END" => "DTEND",
            other => other,
        };
        match (name, parameter) {
            (name, Some(parameter)) => Self::Parameter(name.to_owned(), parameter.to_ascii_uppercase()),
            ("DTSTART", None) => Self::Start,
            ("DTEND", None) => Self::End,
            ("ALL-DAY" | "ALLDAY", None) => Self::AllDay,
            (name, None) => Self::Property(name.to_owned()),
        }
    }
}

/// All that is at a place and says something.
fn look(row: &Occurrence<'_>, place: &Place) -> Vec<Value> {
    let texts: Vec<Cow<'_, str>> = match place {
        Place::AllDay => return vec![Value::Bool(row.start.is_day())],
        Place::Start => vec![row.start.written().into()],
        Place::End => row.end.iter().map(|end| end.written().into()).collect(),
        Place::Parameter(name, parameter) => row.event.properties(name).filter_map(|property| property.parameter(parameter)).collect(),
        Place::Property(name) => match name.as_str() {
            "CATEGORIES" | "RESOURCES" => row.event.properties(name).flat_map(lines::Property::texts).map(Cow::from).collect(),
            "DTSTAMP" | "CREATED" | "LAST-MODIFIED" | "RECURRENCE-ID" | "RDATE" | "EXDATE" => {
                let whens = row.event.properties(name).flat_map(|property| row.calendar.whens(property));
                whens.map(|(when, _)| when.written().into()).collect()
            }
            _ => row.event.properties(name).map(|property| property.text().into()).collect(),
        },
    };
    texts.into_iter().filter(|text| !text.trim().is_empty()).map(|text| Value::String(text.into_owned())).collect()
}

/// An event as an item.
fn whole(occurrence: &Occurrence<'_>) -> Value {
    const NAMES: [&str; 8] = ["uid", "title", "start", "end", "all_day", "location", "description", "url"];
    let member = |name: &str| look(occurrence, &Place::of(name, None)).into_iter().next().unwrap_or_default();
    Value::Object(NAMES.iter().map(|name| ((*name).to_owned(), member(name))).collect::<Map<_, _>>())
}
