//! The parts of a date as a text names them, and the day or moment that they come to.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::Offset;
use jiff::{Span, Timestamp};

/// How many years a day without a year may lie from now.
const YEARS_AROUND: i16 = 6;

/// What was read of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Parts {
    pub(super) year: Option<i16>,
    pub(super) month: Option<i8>,
    pub(super) day: Option<i8>,
    pub(super) day_of_year: Option<i16>,
    /// Decides the year where none is named, and says nothing new beside one.
    pub(super) weekday: Option<Weekday>,
    pub(super) hour: Option<i8>,
    pub(super) minute: i8,
    pub(super) second: i8,
    pub(super) nanosecond: i32,
    /// `pm`, or not, where the hour is one of twelve.
    pub(super) is_afternoon: Option<bool>,
    pub(super) offset: Option<Offset>,
    pub(super) epoch: Option<Timestamp>,
}

/// What a text means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum When {
    /// One moment, and the offset that it was written with.
    Moment(Timestamp, Offset),
    /// A day and time of day somewhere.
    Local(DateTime),
    /// A day.
    Day(Date),
}

impl Parts {
    /// What the parts come to, seen from `today`; `None` where they name no day or none that there is.
    pub(super) fn when(&self, today: Date) -> Option<When> {
        if let Some(epoch) = self.epoch {
            return Some(When::Moment(epoch, self.offset.unwrap_or(Offset::UTC)));
        }
        let date = self.date(today)?;
        let Some(hour) = self.hour else { return Some(When::Day(date)) };
        let hour = match self.is_afternoon {
            Some(true) if hour < 12 => hour + 12,
            Some(false) if hour == 12 => 0,
            _ => hour,
        };
        // The midnight at the end of the day.
        let (date, hour) = if (hour, self.minute) == (24, 0) { (date.tomorrow().ok()?, 0) } else { (date, hour) };
        // A leap second is the second before it.
        let time = Time::new(hour, self.minute, self.second.min(59), self.nanosecond).ok()?;
        let local = date.to_datetime(time);
        match self.offset {
            Some(offset) => Some(When::Moment(offset.to_timestamp(local).ok()?, offset)),
            None => Some(When::Local(local)),
        }
    }

    fn date(&self, today: Date) -> Option<Date> {
        if let (Some(year), Some(day)) = (self.year, self.day_of_year) {
            let date = Date::new(year, 1, 1).ok()?.checked_add(Span::new().days(day.checked_sub(1)?)).ok()?;
            return Some(date).filter(|date| date.year() == year);
        }
        let (month, day) = (self.month?, self.day?);
        match self.year {
            Some(year) => Date::new(year, month, day).ok(),
            None => nearest(month, day, self.weekday, today),
        }
    }
}

/// The day nearest to today, of two as near the one to come, among those of the years around that fall on the weekday.
pub(super) fn nearest(month: i8, day: i8, weekday: Option<Weekday>, today: Date) -> Option<Date> {
    let years = (-YEARS_AROUND..=YEARS_AROUND).filter_map(|by| today.year().checked_add(by));
    let dates = years.filter_map(|year| Date::new(year, month, day).ok());
    let fitting = dates.filter(|date| weekday.is_none_or(|weekday| weekday == date.weekday()));
    fitting.min_by_key(|date| (date.duration_since(today).abs(), *date < today))
}

/// The year of its last two digits, as `strptime` has it.
pub(super) fn of_century(year: i16) -> i16 {
    if year < 69 { 2000 + year } else { 1900 + year }
}
