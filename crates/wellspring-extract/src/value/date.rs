//! Days and moments, read by patterns or in the usual notations, and written as a rule asks.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde_json::Value;
use wellspring_core::source::{DateOutput, DateRule};

use crate::error::RuleError;
use crate::value::collapse;
use parts::When;
use pattern::Pattern;

mod parts;
mod pattern;
mod usual;
mod words;

/// How dates are read and written, compiled.
#[derive(Debug)]
pub(crate) struct Dates {
    patterns: Vec<Pattern>,
    /// `None`: UTC, and a text's own offset is kept.
    zone: Option<TimeZone>,
    output: DateOutput,
}

impl Dates {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// A pattern that cannot be read or names no day, a zone that does not exist.
    pub(crate) fn compile(rule: &DateRule) -> Result<Self, RuleError> {
        let zone = |name: &String| TimeZone::get(name).map_err(|_| RuleError::new(0..0, format!("there is no time zone `{name}`")));
        Ok(Self {
            patterns: rule.formats.iter().map(Pattern::compile).collect::<Result<_, _>>()?,
            zone: rule.zone.as_ref().map(zone).transpose()?,
            output: rule.output,
        })
    }

    /// The date that a found value means, at the time `now`; null where it means none.
    pub(crate) fn read(&self, found: &Value, now: Timestamp) -> Value {
        self.when(found, now).and_then(|when| self.write(when)).unwrap_or_default()
    }

    fn when(&self, found: &Value, now: Timestamp) -> Option<When> {
        let today = now.to_zoned(self.zone.clone().unwrap_or(TimeZone::UTC)).date();
        let text = match found {
            Value::String(text) => collapse(text),
            Value::Number(number) if self.patterns.is_empty() => return number_since_1970(number),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        if self.patterns.is_empty() {
            return usual::read(&text, today);
        }
        let bare = text.strip_prefix("on ").or_else(|| text.strip_prefix("On "));
        let mut texts = std::iter::once(text.as_str()).chain(bare);
        texts.find_map(|text| self.patterns.iter().find_map(|pattern| pattern.read(text)?.when(today)))
    }

    fn write(&self, when: When) -> Option<Value> {
        let zone = || self.zone.clone().unwrap_or(TimeZone::UTC);
        let zoned = match when {
            When::Day(date) if !matches!(self.output, DateOutput::Epoch | DateOutput::EpochMs) => return Some(date.to_string().into()),
            // Midnight, or where a change of the clocks has none the first moment after it.
            When::Day(date) => date.to_zoned(zone()).ok()?,
            When::Local(local) => local.to_zoned(zone()).ok()?,
            When::Moment(moment, offset) => moment.to_zoned(self.zone.clone().unwrap_or_else(|| offset.to_time_zone())),
        };
        Some(match self.output {
            DateOutput::Rfc3339 => zoned.timestamp().display_with_offset(zoned.offset()).to_string().into(),
            DateOutput::Epoch => zoned.timestamp().as_second().into(),
            DateOutput::EpochMs => zoned.timestamp().as_millisecond().into(),
            DateOutput::Date => zoned.date().to_string().into(),
            DateOutput::Local => zoned.datetime().to_string().into(),
        })
    }
}

/// JSON's numbers: seconds, with a fraction or not, or milliseconds since 1970, or the digits of a day.
fn number_since_1970(number: &serde_json::Number) -> Option<When> {
    let moment = match number.as_i64() {
        Some(digits @ 19_000_101..=21_991_231) => return usual::read(&digits.to_string(), jiff::civil::Date::ZERO),
        Some(whole) => usual::since_1970(whole)?,
        None => {
            let seconds = number.as_f64().filter(|seconds| seconds.abs() < 1e11)?;
            Timestamp::from_duration(jiff::SignedDuration::try_from_secs_f64(seconds).ok()?).ok()?
        }
    };
    Some(When::Moment(moment, Offset::UTC))
}

#[cfg(test)]
mod tests;
