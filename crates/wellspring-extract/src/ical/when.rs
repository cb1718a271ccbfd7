//! Days and moments of a calendar, and how long things last.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

/// A day, a time of day wherever one is, or a moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct When {
    /// As a clock and a calendar on the wall show it. A day is its midnight.
    pub(super) at: DateTime,
    pub(super) clock: Clock,
}

/// What a time is told by.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Clock {
    /// None: a whole day.
    Day,
    /// Whichever hangs where one is.
    Floating,
    /// That of a zone.
    In(TimeZone),
}

/// From a start to an end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Length {
    /// By the calendar: a day may have 23 hours.
    days: i64,
    /// By the clock.
    seconds: i64,
}

/// A time as it is written: `20250123`, `20250123T180000`, `20250123T180000Z`, also with the marks of ISO 8601.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Written {
    pub(super) at: DateTime,
    pub(super) is_day: bool,
    pub(super) is_utc: bool,
}

impl Written {
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > 32 || !text.is_ascii() {
            return None;
        }
        let digits: String = text.chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let (day, time) = match digits.split_once(['T', 't', ' ']) {
            Some((day, time)) => (day, Some(time)),
            None => (digits.as_str(), None),
        };
        let date = Date::new(number(day, 0..4)?, number(day, 4..6)?, number(day, 6..8)?).ok().filter(|_| day.len() == 8)?;
        let Some(time) = time else { return Some(Self { at: date.to_datetime(Time::midnight()), is_day: true, is_utc: false }) };
        let (time, is_utc) = match time.strip_suffix(['Z', 'z']) {
            Some(time) => (time, true),
            None => (time, false),
        };
        // A leap second is told by no zone.
        let second = if time.len() > 4 { number::<i8>(time, 4..6)?.min(59) } else { 0 };
        let time = Time::new(number(time, 0..2)?, number(time, 2..4)?, second, 0).ok()?;
        Some(Self { at: date.to_datetime(time), is_day: false, is_utc })
    }
}

fn number<T: std::str::FromStr>(digits: &str, part: std::ops::Range<usize>) -> Option<T> {
    digits.get(part).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

impl When {
    /// The moment, where a day or a floating time is meant in this zone. `None` past the ends of time.
    pub(super) fn moment(&self, elsewhere: &TimeZone) -> Option<Timestamp> {
        let zone = if let Clock::In(zone) = &self.clock { zone } else { elsewhere };
        zone.to_ambiguous_timestamp(self.at).compatible().ok()
    }

    /// RFC 3339 with the zone's offset; a day alone, a floating time without an offset.
    pub(super) fn written(&self) -> String {
        match &self.clock {
            Clock::Day => self.at.date().to_string(),
            Clock::Floating => self.at.to_string(),
            Clock::In(zone) => match zone.to_ambiguous_timestamp(self.at).compatible() {
                Ok(moment) => moment.display_with_offset(zone.to_offset(moment)).to_string(),
                Err(_) => self.at.to_string(),
            },
        }
    }

    pub(super) fn is_day(&self) -> bool {
        self.clock == Clock::Day
    }

    /// So much later. `None` past the ends of time.
    pub(super) fn after(&self, length: Length) -> Option<Self> {
        let at = self.at.checked_add(Span::new().try_days(length.days).ok()?).ok()?;
        let duration = SignedDuration::from_secs(length.seconds);
        let at = match &self.clock {
            Clock::In(zone) if length.seconds != 0 => {
                let moment = zone.to_ambiguous_timestamp(at).compatible().ok()?.checked_add(duration).ok()?;
                zone.to_datetime(moment)
            }
            _ => at.checked_add(duration).ok()?,
        };
        Some(Self { at, clock: self.clock.clone() })
    }
}

impl Length {
    pub(super) const DAY: Self = Self { days: 1, seconds: 0 };

    /// From one time to another; `None` where that is no time at all or runs backwards. A day that ends when it begins is that day.
    pub(super) fn between(start: &When, end: &When) -> Option<Self> {
        let length = if let (Clock::In(from), Clock::In(to)) = (&start.clock, &end.clock) {
            let seconds = |zone: &TimeZone, at| Some(zone.to_ambiguous_timestamp(at).compatible().ok()?.as_second());
            Self { days: 0, seconds: seconds(to, end.at)? - seconds(from, start.at)? }
        } else if start.is_day() {
            Self { days: (end.at.date() - start.at.date()).get_days().max(1).into(), seconds: 0 }
        } else {
            Self { days: 0, seconds: end.at.duration_since(start.at).as_secs() }
        };
        (length.seconds >= 0).then_some(length)
    }

    /// Reads `PT1H30M`, `P1D`, `P2W`; `None` of what is no duration or runs backwards.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_uppercase();
        let mut rest = text.strip_prefix('+').unwrap_or(&text).strip_prefix('P')?;
        let (mut days, mut seconds, mut has_any) = (0_i64, 0_i64, false);
        while !rest.is_empty() {
            if let Some(time) = rest.strip_prefix('T') {
                rest = time;
                continue;
            }
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            let count: i64 = rest[..end].parse().ok().filter(|count| *count < 1_000_000_000)?;
            match rest.as_bytes()[end] {
                b'W' => days += count * 7,
                b'D' => days += count,
                b'H' => seconds += count * 3600,
                b'M' => seconds += count * 60,
                b'S' => seconds += count,
                _ => return None,
            }
            has_any = true;
            rest = &rest[end + 1..];
        }
        has_any.then_some(Self { days, seconds })
    }

    /// About how many days.
    pub(super) fn whole_days(self) -> i64 {
        self.days + self.seconds / 86_400 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, read: Option<(&str, bool, bool)>) {
        let written = Written::read(text).map(|w| (w.at.to_string(), w.is_day, w.is_utc));
        assert_eq!(written, read.map(|(at, is_day, is_utc)| (at.to_owned(), is_day, is_utc)), "{text}");
    }

    #[test]
    fn times_are_read_with_and_without_marks() {
        check("20250123", Some(("2025-01-23T00:00:00", true, false)));
        check("20250123T180000", Some(("2025-01-23T18:00:00", false, false)));
        check(" 2025-01-23T18:00:60Z ", Some(("2025-01-23T18:00:59", false, true)));
        check("20250123T1800", Some(("2025-01-23T18:00:00", false, false)));
        for text in ["", "2025", "20251301", "20250123T", "20250123T2500", "tomorrow", "2025012é", "202501231", "+2250123"] {
            check(text, None);
        }
    }

    #[test]
    fn durations_are_read() {
        for (text, read) in [
            ("PT1H30M", Some((0, 5400))),
            ("P1DT2H", Some((1, 7200))),
            ("+P2W", Some((14, 0))),
            ("p1d", Some((1, 0))),
            ("-PT15M", None),
            ("P", None),
            ("PT", None),
            ("1H", None),
            ("P99999999999999999999D", None),
        ] {
            assert_eq!(Length::read(text), read.map(|(days, seconds)| Length { days, seconds }), "{text}");
        }
    }
}
