//! Dates in jq programs. The zone is UTC throughout: the machine's own is no part of a source.

use jaq_core::RunPtr;
use jaq_core::native::{Filter, bome, unary, v};
use jaq_json::{Error, Num, Val, ValR};
use jaq_std::ValT as _;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use super::Program;
use super::functions::as_text;

pub(super) fn functions() -> Box<[Filter<RunPtr<Program>>]> {
    Box::new([
        ("fromdateiso8601", v(0), |cv| bome(as_text(&cv.1).and_then(parse))),
        ("todateiso8601", v(0), |cv| bome(moment(&cv.1).map(|moment| Val::from(moment.to_string())))),
        ("gmtime", v(0), |cv| bome(moment(&cv.1).map(|moment| broken_down(moment.to_zoned(TimeZone::UTC).datetime())))),
        ("mktime", v(0), |cv| bome(put_together(&cv.1).map(|zoned| epoch(zoned.timestamp())))),
        ("strftime", v(1), |cv| unary(cv, |value, format| write(&value, as_text(&format)?))),
        ("strptime", v(1), |cv| unary(cv, |value, format| read(as_text(&value)?, as_text(&format)?))),
    ])
}

/// An RFC 3339 moment in seconds since 1970.
fn parse(text: &str) -> ValR {
    Ok(epoch(text.trim().parse().map_err(|_| Error::str(format_args!("`{text:.40}` is no RFC 3339 moment (2025-01-23T18:00:00Z)")))?))
}

fn write(value: &Val, format: &str) -> ValR {
    let zoned = if matches!(value, Val::Arr(_)) { put_together(value)? } else { moment(value)?.to_zoned(TimeZone::UTC) };
    strtime::format(format, &zoned).map(Val::from).map_err(Error::str)
}

fn read(text: &str, format: &str) -> ValR {
    let mut parts =
        BrokenDownTime::parse(format, text).map_err(|error| Error::str(format_args!("`{text:.40}` by `{format:.40}`: {error}")))?;
    if parts.hour().is_none() {
        // A day alone begins at midnight.
        for set in [BrokenDownTime::set_hour, BrokenDownTime::set_minute, BrokenDownTime::set_second] {
            set(&mut parts, Some(0)).map_err(Error::str)?;
        }
    }
    if parts.offset().is_none() && parts.iana_time_zone().is_none() {
        parts.set_offset(Some(Offset::UTC));
    }
    Ok(broken_down(parts.to_zoned().map_err(Error::str)?.timestamp().to_zoned(TimeZone::UTC).datetime()))
}

/// The moment so many seconds after 1970.
fn moment(value: &Val) -> Result<Timestamp, Error> {
    let Val::Num(_) = value else { return Err(Error::typ(value.clone(), "seconds since 1970")) };
    if let Some(seconds) = value.as_isize() {
        return Timestamp::from_second(i64::try_from(seconds).unwrap_or(i64::MAX)).map_err(Error::str);
    }
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite()).ok_or_else(|| Error::typ(value.clone(), "seconds since 1970"))?;
    #[expect(clippy::cast_possible_truncation, reason = "past the bounds it saturates, and those are no moments")]
    Timestamp::from_microsecond((seconds * 1e6) as i64).map_err(Error::str)
}

fn epoch(moment: Timestamp) -> Val {
    if moment.subsec_nanosecond() == 0 {
        return Val::Num(Num::from_integral(moment.as_second()));
    }
    Val::from(moment.as_duration().as_secs_f64())
}

/// jq's list: year, month from 0, day, hour, minute, second, weekday from Sunday, day of the year from 0.
fn broken_down(at: DateTime) -> Val {
    let whole = |number: i16| Val::from(isize::from(number));
    let second = if at.subsec_nanosecond() == 0 {
        whole(at.second().into())
    } else {
        Val::from(f64::from(at.second()) + f64::from(at.subsec_nanosecond()) / 1e9)
    };
    let weekday = at.weekday().to_sunday_zero_offset();
    [
        whole(at.year()),
        whole(i16::from(at.month()) - 1),
        whole(at.day().into()),
        whole(at.hour().into()),
        whole(at.minute().into()),
        second,
        whole(weekday.into()),
        whole(at.day_of_year() - 1),
    ]
    .into_iter()
    .collect()
}

fn put_together(value: &Val) -> Result<Zoned, Error> {
    let wrong = || Error::typ(value.clone(), "broken down time");
    let Val::Arr(parts) = value else { return Err(wrong()) };
    let part = |index: usize| parts.get(index).and_then(Val::as_isize).ok_or_else(wrong);
    let small = |index: usize| i8::try_from(part(index)?).map_err(|_| wrong());
    let seconds = parts.get(5).and_then(Val::as_f64).ok_or_else(wrong)?;
    let (year, month) = (i16::try_from(part(0)?).map_err(|_| wrong())?, small(1)?.checked_add(1).ok_or_else(wrong)?);
    #[expect(clippy::cast_possible_truncation, reason = "past the bounds it saturates, and those are no times")]
    let (second, nanosecond) = (seconds.floor() as i8, (seconds.fract() * 1e9) as i32);
    let at = DateTime::new(year, month, small(2)?, small(3)?, small(4)?, second, nanosecond).map_err(Error::str)?;
    at.to_zoned(TimeZone::UTC).map_err(Error::str)
}
