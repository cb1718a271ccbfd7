//! The usual notations of dates, for rules without a pattern:
//!
//! - ISO 8601 and RFC 3339: `2025-01-23`, `2025-01-23T18:00:00Z`, `2025-01-23 18:00+07:00`, `20250123`
//! - RFC 2822 and HTTP: `Thu, 23 Jan 2025 18:00:00 GMT`
//! - seconds or milliseconds since 1970: `1737655200`, `1737655200000`
//! - words in any order: `Thursday 23 January`, `Jan 23rd, 2025 at 6.30 p.m.`, `Kamis, 23 Januari 2025 pukul 19.30 WIB`, `tomorrow 20h30`
//! - numbers where their order is plain: `23/01/2025`, `23.1.2025`, `2025/1/23`

use jiff::civil::Date;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use jiff::{Timestamp, Zoned};

use super::parts::{Parts, When, of_century};
use super::pattern::{is_ordinal, nanoseconds, offset};
use super::words;

/// No date is longer. What is may be hostile.
const MAX_LENGTH: usize = 100;

/// Reads a text whose white space is collapsed, seen from `today`.
pub(super) fn read(text: &str, today: Date) -> Option<When> {
    if text.is_empty() || text.len() > MAX_LENGTH {
        return None;
    }
    if let Ok(number) = text.parse::<i64>()
        && text.len() > 8
    {
        return since_1970(number).map(|moment| When::Moment(moment, Offset::UTC));
    }
    iso(text).or_else(|| Scanner::new(text, today).read()?.when(today))
}

/// Seconds since 1970, or milliseconds where seconds would be thousands of years off.
pub(super) fn since_1970(number: i64) -> Option<Timestamp> {
    const SECONDS_END: u64 = 100_000_000_000;
    if number.unsigned_abs() < SECONDS_END { Timestamp::from_second(number) } else { Timestamp::from_millisecond(number) }.ok()
}

fn iso(text: &str) -> Option<When> {
    if text.ends_with(']') {
        let zoned: Zoned = text.parse().ok()?;
        return Some(When::Moment(zoned.timestamp(), zoned.offset()));
    }
    let pieces = Pieces::parse(text).ok()?;
    match (pieces.time(), pieces.to_numeric_offset()) {
        (None, _) => Some(When::Day(pieces.date())),
        (Some(time), None) => Some(When::Local(pieces.date().to_datetime(time))),
        (Some(time), Some(offset)) => Some(When::Moment(offset.to_timestamp(pieces.date().to_datetime(time)).ok()?, offset)),
    }
}

/// Takes the parts of a date from a text in whatever order they come. What it does not know, or meets twice, is no date.
struct Scanner {
    rest: String,
    today: Date,
    parts: Parts,
    /// The first of two words that may both be a day and a month: `mar` is mars and mardi.
    ambiguous: u8,
    after_time: bool,
    /// `-` or `'` before a number: the year of `23-Jan-25`.
    before: Option<char>,
}

impl Scanner {
    fn new(text: &str, today: Date) -> Self {
        let mut rest = text.to_lowercase();
        for (written, plain) in
            [("a.m", "am"), ("p.m", "pm"), ("hari ini", "today"), ("aujourd'hui", "today"), ("aujourd’hui", "today"), ("’", "'")]
        {
            if rest.contains(written) {
                rest = rest.replace(written, plain);
            }
        }
        Self { rest, today, parts: Parts::default(), ambiguous: 0, after_time: false, before: None }
    }

    fn read(mut self) -> Option<Parts> {
        while let Some(c) = self.rest.chars().next() {
            if c.is_ascii_digit() {
                self.number()?;
                self.before = None;
            } else if c.is_alphabetic() {
                self.word()?;
                self.before = None;
            } else if matches!(c, '+' | '-') && self.after_time && self.parts.offset.is_none() && self.offset().is_some() {
                self.after_time = false;
            } else {
                if !(c.is_whitespace() || matches!(c, ',' | '.' | '-' | '–' | '|' | '·' | '•' | '@' | '(' | ')' | '/' | '\'' | ':')) {
                    return None;
                }
                self.before = Some(c);
                self.rest.drain(..c.len_utf8());
            }
        }
        // `mar 4 mar`: the day of the week comes first, and alone it is the month.
        for _ in 0..self.ambiguous {
            if self.parts.month.is_none() { self.set_month(3)? } else { set(&mut self.parts.weekday, words::weekday("mar")?)? }
        }
        Some(self.parts)
    }

    fn word(&mut self) -> Option<()> {
        let end = self.rest.find(|c: char| !c.is_alphabetic() && c != '\'').unwrap_or(self.rest.len());
        let word: String = self.rest.drain(..end).collect();
        let word = word.trim_end_matches('\'');
        let follows_time = std::mem::take(&mut self.after_time);
        if follows_time && matches!(word, "am" | "pm") {
            self.after_time = true;
            return set(&mut self.parts.is_afternoon, word == "pm");
        }
        if word == "mar" {
            self.ambiguous += 1;
            return (self.ambiguous <= 2).then_some(());
        }
        if let Some(month) = words::month(word) {
            return self.set_month(month);
        }
        if let Some(weekday) = words::weekday(word) {
            return set(&mut self.parts.weekday, weekday);
        }
        if let Some(days) = words::relative(word) {
            let date = self.today.checked_add(jiff::Span::new().days(days)).ok()?;
            return self.set_date(date.year(), date.month(), date.day());
        }
        if self.parts.hour.is_some()
            && let Some(offset) = words::zone(word)
        {
            return if self.rest.starts_with(['+', '-']) { self.hours_from(offset) } else { set(&mut self.parts.offset, offset) };
        }
        if words::is_filler(word) {
            // `20 Uhr`, `20.30 Uhr`
            self.after_time = follows_time;
            return Some(());
        }
        (word == "t").then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let digits = self.digits();
        let number: i16 = digits.parse().ok()?;
        let next = self.rest.chars().next().unwrap_or(' ');
        if digits.len() <= 2 && self.time(i8::try_from(number).ok()?, next)? {
            return Some(());
        }
        if matches!(next, '-' | '/' | '.') && self.numeric(&digits, next)? {
            return Some(());
        }
        match digits.len() {
            4 => set(&mut self.parts.year, number),
            2 if matches!(self.before, Some('\'' | '-')) && self.parts.day.is_some() => set(&mut self.parts.year, of_century(number)),
            1 | 2 => {
                let end = self.rest.find(|c: char| !c.is_alphabetic() && !matches!(c, 'º' | 'ª')).unwrap_or(self.rest.len());
                if is_ordinal(&self.rest[..end]) {
                    self.rest.drain(..end);
                }
                set(&mut self.parts.day, i8::try_from(number).ok()?)
            }
            _ => None,
        }
    }

    /// Takes a time of day of which the hour has been read; false where it was none.
    fn time(&mut self, hour: i8, next: char) -> Option<bool> {
        let rest = self.rest.get(next.len_utf8()..).unwrap_or_default();
        let minutes = rest.bytes().take_while(u8::is_ascii_digit).count();
        let is_last = !matches!(rest[minutes..].chars().next(), Some('.' | '/' | '-'))
            || !rest[minutes + 1..].starts_with(|c: char| c.is_ascii_digit());
        let has_meridiem = |rest: &str| {
            let rest = rest.trim_start();
            rest.strip_prefix("am").or_else(|| rest.strip_prefix("pm")).is_some_and(|rest| !rest.starts_with(char::is_alphabetic))
        };
        let is_time = match next {
            ':' => minutes == 2,
            // `10.30` is a time behind a day, and a day by itself is `23.01.`.
            '.' => minutes == 2 && is_last && (has_meridiem(&rest[2..]) || self.parts.day.is_some()),
            'h' => minutes == 2 || minutes == 0 && !rest.starts_with(char::is_alphabetic),
            _ => false,
        };
        if !is_time {
            if has_meridiem(&self.rest) {
                self.after_time = true;
                return set(&mut self.parts.hour, hour).map(|()| true);
            }
            // `20 Uhr`
            if ["uhr", "uur"].iter().any(|word| self.rest.trim_start().starts_with(word)) && self.parts.hour.is_none() {
                self.after_time = true;
                return set(&mut self.parts.hour, hour).map(|()| true);
            }
            return Some(false);
        }
        self.rest.drain(..next.len_utf8());
        set(&mut self.parts.hour, hour)?;
        self.parts.minute = if minutes == 2 { self.digits().parse().ok()? } else { 0 };
        if self.rest.starts_with(':') {
            self.rest.drain(..1);
            self.parts.second = self.digits().parse().ok()?;
            if self.rest.starts_with('.') && self.rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
                self.rest.drain(..1);
                self.parts.nanosecond = nanoseconds(&self.digits())?;
            }
        }
        self.after_time = true;
        Some(true)
    }

    /// Takes a date of numbers of which the first has been read; false where it was none.
    fn numeric(&mut self, first: &str, mark: char) -> Option<bool> {
        let mut parts = self.rest[1..].splitn(2, mark);
        let second = parts.next().unwrap_or_default();
        let third: String = parts.next().unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
        if !matches!(second.len(), 1 | 2) || !second.bytes().all(|b| b.is_ascii_digit()) {
            return Some(false);
        }
        let (a, b): (i16, i16) = (first.parse().ok()?, second.parse().ok()?);
        let has_end = self.rest[1 + second.len()..].starts_with(mark);
        let consumed = 1 + second.len() + usize::from(has_end) + third.len();
        let (year, month, day) = match (first.len(), third.len()) {
            (4, 1 | 2) => (Some(a), b, third.parse().ok()?),
            (1 | 2, 2 | 4) => {
                let year = third.parse().ok()?;
                let (month, day) = if mark == '.' || a > 12 || a == b {
                    (b, a)
                } else if b > 12 {
                    (a, b)
                } else {
                    // Either may be the month.
                    return None;
                };
                (Some(if third.len() == 2 { of_century(year) } else { year }), month, day)
            }
            // `Do. 23.01.`
            (1 | 2, 0) if mark == '.' && has_end => (None, b, a),
            _ => return Some(false),
        };
        self.rest.drain(..consumed);
        if let Some(year) = year {
            set(&mut self.parts.year, year)?;
        }
        self.set_month(i8::try_from(month).ok()?)?;
        set(&mut self.parts.day, i8::try_from(day).ok()?)?;
        Some(true)
    }

    /// `GMT+7`
    fn hours_from(&mut self, zero: Offset) -> Option<()> {
        if zero != Offset::UTC {
            return None;
        }
        if !self.rest.get(2..3).is_some_and(|second| second.starts_with(|c: char| c.is_ascii_digit())) {
            self.rest.insert(1, '0');
        }
        let (offset, length) = offset(&self.rest)?;
        self.rest.drain(..length);
        set(&mut self.parts.offset, offset)
    }

    /// `+07:00`, `-0500`. `10:00-12:00` is from ten to twelve.
    fn offset(&mut self) -> Option<()> {
        let (offset, length) = offset(&self.rest)?;
        let is_plain = self.rest.starts_with('+') || self.rest[1..].bytes().take(4).all(|b| b.is_ascii_digit());
        let is_last = !self.rest[length..].starts_with([':', '.', 'h']);
        if !(is_plain && is_last) || offset.seconds().abs() > 14 * 3600 {
            return None;
        }
        self.rest.drain(..length);
        set(&mut self.parts.offset, offset)
    }

    fn digits(&mut self) -> String {
        let end = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        self.rest.drain(..end).collect()
    }

    fn set_month(&mut self, month: i8) -> Option<()> {
        set(&mut self.parts.month, month)
    }

    fn set_date(&mut self, year: i16, month: i8, day: i8) -> Option<()> {
        set(&mut self.parts.year, year)?;
        self.set_month(month)?;
        set(&mut self.parts.day, day)
    }
}

/// Sets a part that has not been set: a second one makes a range or something else that is no date.
fn set<T>(part: &mut Option<T>, value: T) -> Option<()> {
    part.replace(value).is_none().then_some(())
}
