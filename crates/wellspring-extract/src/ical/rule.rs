//! Recurrence rules (RFC 5545 §3.3.10): by the day and up to the year. Those by hours, minutes, weeks of the year and days of the year
//! are not read.

use jiff::civil::{Date, DateTime, Weekday};

use super::when::Written;

/// A recurrence rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) every: Every,
    /// At least 1.
    pub(super) interval: i32,
    pub(super) count: Option<u32>,
    pub(super) until: Option<Written>,
    /// Weekdays; with an ordinal that one of the month or year, counted from its end where negative.
    pub(super) weekdays: Vec<(i8, Weekday)>,
    /// Negative ones count from the month's end.
    pub(super) month_days: Vec<i8>,
    pub(super) months: Vec<i8>,
    /// Which of a period's days are meant, from 1 or from the end.
    pub(super) positions: Vec<i32>,
    pub(super) week_starts: Weekday,
}

/// What an interval counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Every {
    Day,
    Week,
    Month,
    Year,
}

/// How many values a part may list. More are no rule but a bomb.
const MAX_VALUES: usize = 100;

impl Rule {
    /// `None` of a rule that is broken or not read. `start` is what it repeats.
    pub(super) fn read(text: &str, start: DateTime) -> Option<Self> {
        let mut every = None;
        let mut rule = Self {
            every: Every::Day,
            interval: 1,
            count: None,
            until: None,
            weekdays: Vec::new(),
            month_days: Vec::new(),
            months: Vec::new(),
            positions: Vec::new(),
            week_starts: Weekday::Monday,
        };
        for part in text.trim().split(';').filter(|part| !part.trim().is_empty()) {
            let (name, value) = part.split_once('=')?;
            let value = value.trim().to_ascii_uppercase();
            match name.trim().to_ascii_uppercase().as_str() {
                "FREQ" => every = Some(Every::read(&value)?),
                "INTERVAL" => rule.interval = value.parse().ok().filter(|interval| (1..=10_000).contains(interval))?,
                "COUNT" => rule.count = Some(value.parse().ok()?),
                "UNTIL" => rule.until = Some(Written::read(&value)?),
                "BYDAY" => rule.weekdays = list(&value, ordinal)?,
                "BYMONTHDAY" => rule.month_days = list(&value, |day| day.parse().ok().filter(|day: &i8| *day != 0 && day.abs() <= 31))?,
                "BYMONTH" => rule.months = list(&value, |month| month.parse().ok().filter(|month| (1..=12).contains(month)))?,
                "BYSETPOS" => rule.positions = list(&value, |at| at.parse().ok().filter(|at: &i32| *at != 0 && at.abs() <= 366))?,
                "WKST" => rule.week_starts = weekday(&value)?,
                // Some programs repeat here what the start says already.
                "BYHOUR" if value.parse() == Ok(start.hour()) => {}
                "BYMINUTE" if value.parse() == Ok(start.minute()) => {}
                "BYSECOND" if value.parse() == Ok(start.second()) => {}
                "BYHOUR" | "BYMINUTE" | "BYSECOND" | "BYWEEKNO" | "BYYEARDAY" | "RSCALE" => return None,
                _ => {}
            }
        }
        rule.every = every?;
        Some(rule)
    }

    /// About how many days are looked at to find those of one period.
    pub(super) fn cost(&self) -> usize {
        match self.every {
            Every::Day => 1,
            Every::Week => 7,
            Every::Month => 31,
            Every::Year => 366,
        }
    }

    /// How many periods there are for sure between the start's and the one with this day: where to begin looking for it.
    pub(super) fn periods_before(&self, start: Date, day: Date) -> i32 {
        let days = (day - start).get_days();
        let months = (i32::from(day.year()) - i32::from(start.year())) * 12 + i32::from(day.month()) - i32::from(start.month());
        let passed = match self.every {
            Every::Day => days,
            Every::Week => days / 7 - 1,
            Every::Month => months,
            Every::Year => months / 12 - 1,
        };
        (passed / self.interval - 1).max(0)
    }

    /// A day that is not after those of the period so many intervals after the start's. `None` past the end of time.
    pub(super) fn days_begin(&self, start: Date, period: i32) -> Option<Date> {
        let steps = period.checked_mul(self.interval)?;
        match self.every {
            Every::Day => later(start, steps),
            Every::Week => later(start, steps.checked_mul(7)?.checked_sub(6)?),
            Every::Month => {
                let month = i32::from(start.year()) * 12 + i32::from(start.month()) - 1 + steps;
                first_of(month.div_euclid(12), month.rem_euclid(12) + 1)
            }
            Every::Year => first_of(i32::from(start.year()) + steps, 1),
        }
    }

    /// The days of the period so many intervals after the start's, in order. `None` past the end of time.
    pub(super) fn days(&self, start: Date, period: i32) -> Option<Vec<Date>> {
        let steps = period.checked_mul(self.interval)?;
        let mut days = match self.every {
            Every::Day => self.day(later(start, steps)?),
            Every::Week => self.week(start, steps)?,
            Every::Month => {
                let first = self.days_begin(start, period)?;
                if self.has_month(first) { self.month(start, first) } else { Vec::new() }
            }
            Every::Year => self.year(start, self.days_begin(start, period)?),
        };
        days.sort_unstable();
        days.dedup();
        if self.positions.is_empty() {
            return Some(days);
        }
        let length = i32::try_from(days.len()).unwrap_or(i32::MAX);
        let chosen = self.positions.iter().filter_map(|&at| {
            let index = if at > 0 { at - 1 } else { length + at };
            usize::try_from(index).ok().and_then(|index| days.get(index)).copied()
        });
        let mut chosen: Vec<Date> = chosen.collect();
        chosen.sort_unstable();
        chosen.dedup();
        Some(chosen)
    }

    fn day(&self, day: Date) -> Vec<Date> {
        if self.has_month(day) && self.has_month_day(day) && self.has_weekday(day) { vec![day] } else { Vec::new() }
    }

    fn week(&self, start: Date, steps: i32) -> Option<Vec<Date>> {
        let first = later(start, -i32::from(start.weekday().since(self.week_starts)))?;
        let first = later(first, steps.checked_mul(7)?)?;
        let week = (0..7).filter_map(|day| later(first, day));
        let is_meant = |day: &Date| if self.weekdays.is_empty() { day.weekday() == start.weekday() } else { self.has_weekday(*day) };
        Some(week.filter(is_meant).filter(|day| self.has_month(*day)).collect())
    }

    /// The days meant in a month, whichever months are.
    fn month(&self, start: Date, first: Date) -> Vec<Date> {
        let length = first.days_in_month();
        if self.month_days.is_empty() && self.weekdays.is_empty() {
            return Date::new(first.year(), first.month(), start.day()).into_iter().collect();
        }
        if self.month_days.is_empty() {
            return self.weekdays_between(first, first.last_of_month());
        }
        let days = self.month_days.iter().filter_map(|&day| {
            let day = if day > 0 { day } else { length + 1 + day };
            Date::new(first.year(), first.month(), day).ok()
        });
        // Friday the 13th.
        days.filter(|day| self.has_weekday(*day)).collect()
    }

    fn year(&self, start: Date, first: Date) -> Vec<Date> {
        let each_month = |months: &[i8]| {
            let firsts = months.iter().filter_map(|&month| Date::new(first.year(), month, 1).ok());
            firsts.flat_map(|first| self.month(start, first)).collect()
        };
        if !self.months.is_empty() {
            each_month(&self.months)
        } else if !self.month_days.is_empty() {
            each_month(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
        } else if !self.weekdays.is_empty() {
            self.weekdays_between(first, first.last_of_year())
        } else {
            Date::new(first.year(), start.month(), start.day()).into_iter().collect()
        }
    }

    fn weekdays_between(&self, first: Date, last: Date) -> Vec<Date> {
        let mut days = Vec::new();
        for &(ordinal, weekday) in &self.weekdays {
            let forward = later(first, i32::from(weekday.since(first.weekday())));
            let backward = later(last, -i32::from(last.weekday().since(weekday)));
            let weeks = i32::from(ordinal.unsigned_abs()).saturating_sub(1) * 7;
            let found = match ordinal {
                0 => {
                    let every_week = std::iter::successors(forward, |day| later(*day, 7));
                    days.extend(every_week.take_while(|day| *day <= last));
                    continue;
                }
                1.. => forward.and_then(|day| later(day, weeks)),
                _ => backward.and_then(|day| later(day, -weeks)),
            };
            days.extend(found.filter(|day| (first..=last).contains(day)));
        }
        days
    }

    fn has_month(&self, day: Date) -> bool {
        self.months.is_empty() || self.months.contains(&day.month())
    }

    fn has_month_day(&self, day: Date) -> bool {
        let from_end = day.day() - day.days_in_month() - 1;
        self.month_days.is_empty() || self.month_days.contains(&day.day()) || self.month_days.contains(&from_end)
    }

    fn has_weekday(&self, day: Date) -> bool {
        self.weekdays.is_empty() || self.weekdays.iter().any(|(_, weekday)| *weekday == day.weekday())
    }
}

impl Every {
    fn read(word: &str) -> Option<Self> {
        Some(match word {
            "DAILY" => Self::Day,
            "WEEKLY" => Self::Week,
            "MONTHLY" => Self::Month,
            "YEARLY" => Self::Year,
            _ => return None,
        })
    }
}

fn list<T: PartialEq>(value: &str, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let mut values = Vec::new();
    for (index, part) in value.split(',').enumerate() {
        let value = read(part.trim()).filter(|_| index < MAX_VALUES)?;
        if !values.contains(&value) {
            values.push(value);
        }
    }
    Some(values)
}

/// `MO`, `2MO`, `-1FR`.
fn ordinal(text: &str) -> Option<(i8, Weekday)> {
    let (number, day) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let number = if number.is_empty() { 0 } else { number.parse().ok().filter(|number: &i8| number.abs() <= 53)? };
    Some((number, weekday(day)?))
}

fn weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    })
}

fn first_of(year: i32, month: i32) -> Option<Date> {
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()
}

/// So many days later.
pub(super) fn later(day: Date, days: i32) -> Option<Date> {
    day.checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}
