//! Requests and moments with their places filled in: pure, the refresh's own time is an argument.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use super::{Ask, EachValues, Json, Payload, Time};
use crate::key::Params;
use crate::template::{Filled, Place, Template};

const DAY: i64 = 24 * 60 * 60;

impl Ask {
    /// Its headers, names in lower case.
    pub fn fill_headers(&self, values: &Params) -> Vec<(String, Filled)> {
        verbatim(&self.headers, values)
    }

    /// The cookies that are sent from the start.
    pub fn fill_cookies(&self, values: &Params) -> Vec<(String, Filled)> {
        verbatim(&self.cookies, values)
    }
}

fn verbatim(texts: &[(String, Template)], values: &Params) -> Vec<(String, Filled)> {
    texts.iter().map(|(name, text)| (name.clone(), text.fill_as(Place::Verbatim, values))).collect()
}

impl Payload {
    /// The bytes to send, as UTF-8 text.
    pub fn fill(&self, values: &Params) -> Filled {
        match self {
            Self::Json(json) => {
                let mut filled = Filled::default();
                json.fill(values, &mut filled);
                filled
            }
            Self::Form(form) => {
                let mut filled = Filled::default();
                for (index, (name, text)) in form.iter().enumerate() {
                    filled.push_str(if index == 0 { "" } else { "&" });
                    filled.push_str(&Place::Form.encode(name));
                    filled.push_str("=");
                    filled.append(text.fill_as(Place::Form, values));
                }
                filled
            }
            Self::Text(text) => text.fill_as(Place::Verbatim, values),
        }
    }

    /// The `Content-Type` of what is sent, where no header names one.
    pub fn content_type(&self) -> Option<&'static str> {
        match self {
            Self::Json(_) => Some("application/json"),
            Self::Form(_) => Some("application/x-www-form-urlencoded"),
            Self::Text(_) => None,
        }
    }
}

impl Json {
    fn fill(&self, values: &Params, into: &mut Filled) {
        match self {
            Self::Text(text) => {
                into.push_str("\"");
                into.append(text.fill_as(Place::Json, values));
                into.push_str("\"");
            }
            Self::Bare(name) => into.push_str(&bare(values.get(name).map_or("", String::as_str))),
            Self::Plain(value) => into.push_str(&value.to_string()),
            Self::List(list) => {
                into.push_str("[");
                for (index, json) in list.iter().enumerate() {
                    into.push_str(if index == 0 { "" } else { "," });
                    json.fill(values, into);
                }
                into.push_str("]");
            }
            Self::Object(members) => {
                into.push_str("{");
                for (index, (name, json)) in members.iter().enumerate() {
                    into.push_str(if index == 0 { "\"" } else { ",\"" });
                    into.push_str(&Place::Json.encode(name));
                    into.push_str("\":");
                    json.fill(values, into);
                }
                into.push_str("}");
            }
        }
    }
}

/// A whole number or a truth value as JSON writes it. Anything else, which parameters of those types do not take, stays a text:
/// what is sent is JSON whatever comes.
fn bare(value: &str) -> String {
    match value {
        "true" | "false" => value.to_owned(),
        number => number.parse::<i64>().map_or_else(|_| format!("\"{}\"", Place::Json.encode(number)), |number| number.to_string()),
    }
}

impl Time {
    /// The moment, written. Whole days of the offset are days of the calendar, whatever the clocks do in between.
    pub fn fill(&self, now: Timestamp) -> String {
        let (days, seconds) = (self.offset / DAY, self.offset % DAY);
        let span = Span::new().try_days(days).and_then(|span| span.try_seconds(seconds));
        let now = now.to_zoned(self.zone.clone());
        written(&self.format, &span.and_then(|span| now.checked_add(span)).unwrap_or(now))
    }
}

impl EachValues {
    /// The values that are known without asking; `None` where a step captures them.
    pub fn known(&self, now: Timestamp) -> Option<Vec<String>> {
        match self {
            Self::Captured => None,
            Self::Listed(values) => Some(values.clone()),
            Self::Days { count, format, zone } => Some(days(*count, format, zone, now)),
        }
    }
}

fn days(count: u32, format: &str, zone: &TimeZone, now: Timestamp) -> Vec<String> {
    let today = now.to_zoned(zone.clone()).date();
    let day = |ahead: u32| today.checked_add(Span::new().try_days(ahead)?)?.to_zoned(zone.clone());
    (0..count).filter_map(|ahead| day(ahead).ok()).map(|day| written(format, &day)).collect()
}

/// A moment as a strftime-like format writes it.
///
/// # Errors
/// What is wrong with the format.
pub(super) fn try_written(format: &str, moment: &Zoned) -> Result<String, jiff::Error> {
    jiff::fmt::strtime::format(format, moment)
}

/// A moment as a format writes it that was tried when it was read.
fn written(format: &str, moment: &Zoned) -> String {
    try_written(format, moment).unwrap_or_default()
}
