//! Dates as items have them.

use std::fmt;

use jiff::civil::Date;
use jiff::fmt::rfc2822;
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde_json::Value;

/// A moment, or a day without a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// A day, wherever one is.
    Day(Date),
    /// A moment.
    At(Timestamp),
}

/// Seconds since 1970 are below this, milliseconds above: the year 5138, or March 1973.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

impl Moment {
    /// Reads ISO 8601, RFC 2822 and numbers since 1970, in seconds or milliseconds. What names no zone is meant in `zone`.
    pub(super) fn read(value: &Value, zone: &TimeZone) -> Option<Self> {
        match value {
            Value::String(text) => Self::of_text(text.trim(), zone),
            Value::Number(number) => Self::of_number(number.as_f64()?),
            _ => None,
        }
    }

    fn of_text(text: &str, zone: &TimeZone) -> Option<Self> {
        // The shortest is 20250123; a number of ten digits is one since 1970.
        if text.len() < 8 || text.len() > 64 {
            return None;
        }
        if text.len() >= 10 && text.bytes().all(|b| b.is_ascii_digit()) {
            return Self::of_number(text.parse().ok()?);
        }
        iso(text, zone).or_else(|| mail(text))
    }

    #[expect(clippy::cast_possible_truncation, reason = "a float past the range saturates, and is refused")]
    fn of_number(number: f64) -> Option<Self> {
        let whole = number as i64;
        let at = if whole.unsigned_abs() < MILLISECONDS_FROM {
            Timestamp::from_millisecond((number * 1_000.0) as i64)
        } else {
            Timestamp::from_millisecond(whole)
        };
        at.ok().filter(|_| whole != 0).map(Self::At)
    }

    /// The moment; a day begins at midnight in `zone`.
    pub(super) fn timestamp(self, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Day(day) => in_zone(day.to_datetime(civil::Time::midnight()), zone),
        }
    }

    /// The day that it is in `zone`.
    pub(super) fn day(self, zone: &TimeZone) -> Date {
        match self {
            Self::Day(day) => day,
            Self::At(at) => at.to_zoned(zone.clone()).date(),
        }
    }
}

/// A day as `2026-10-01`, a moment in UTC: ids are made of it, and stay.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => day.fmt(f),
            Self::At(at) => at.fmt(f),
        }
    }
}

fn in_zone(time: civil::DateTime, zone: &TimeZone) -> Option<Timestamp> {
    // Hours that a change of clocks leaves out or repeats are read as most programs do.
    zone.to_ambiguous_zoned(time).compatible().ok().map(|zoned| zoned.timestamp())
}

fn iso(text: &str, zone: &TimeZone) -> Option<Moment> {
    let pieces = Pieces::parse(text).ok()?;
    let Some(time) = pieces.time() else { return Some(Moment::Day(pieces.date())) };
    let time = pieces.date().to_datetime(time);
    let at = match (pieces.to_numeric_offset(), pieces.to_time_zone()) {
        (Some(offset), _) => offset.to_timestamp(time).ok()?,
        (None, Ok(Some(own))) => in_zone(time, &own)?,
        (None, Ok(None)) => in_zone(time, zone)?,
        (None, Err(_)) => return None,
    };
    Some(Moment::At(at))
}

fn mail(text: &str) -> Option<Moment> {
    // The weekday says nothing new and is often wrong or in another language.
    let text = text.split_once(',').filter(|(day, _)| day.chars().all(char::is_alphabetic)).map_or(text, |(_, rest)| rest);
    rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok().map(Moment::At)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_all_reason_are_no_moments() {
        for number in [-1.05e258, 1e300, f64::from(i32::MIN) * 1e12, f64::NAN, f64::INFINITY, 0.0] {
            assert_eq!(Moment::of_number(number), None, "{number}");
        }
        let told = |number| Moment::of_number(number).map(|moment| moment.to_string());
        assert_eq!(told(1_700_000_000.5).as_deref(), Some("2023-11-14T22:13:20.5Z"));
        assert_eq!(told(1_700_000_000_500.0).as_deref(), Some("2023-11-14T22:13:20.5Z"));
    }
}
