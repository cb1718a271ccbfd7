//! Patterns of `strptime`, read as people write: any white space, `1st`, `6.30 p.m.`, names of days and months in several languages,
//! full or short.

use jiff::Timestamp;
use jiff::tz::Offset;
use wellspring_core::source::At;

use super::parts::{Parts, of_century};
use super::words;
use crate::error::RuleError;

const KNOWN: &str = "known are %Y %y %m %b %B %d %e %j %a %A %H %I %M %S %f %p %z %Z %s, and %F %T %R %D for several at once";

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Piece {
    /// White space, or none.
    Blank,
    Literal(char),
    Year,
    YearOfCentury,
    Month,
    MonthName,
    Day,
    DayOfYear,
    Weekday,
    Hour,
    Minute,
    Second,
    /// The digits behind the point; with it and only where it is there, for `%.f`.
    Fraction {
        has_point: bool,
    },
    Meridiem,
    Offset,
    Epoch,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// A directive that is not known, or a pattern that names no day.
    pub(super) fn compile(at: &At<String>) -> Result<Self, RuleError> {
        let mut pieces = Vec::new();
        let mut chars = at.value.chars();
        while let Some(c) = chars.next() {
            match c {
                '%' => directive(&mut chars, &mut pieces)
                    .map_err(|name| RuleError::at(at, format!("`%{name}` in `{}` is not read", at.value)).help(KNOWN))?,
                c if c.is_whitespace() => pieces.push(Piece::Blank),
                c => pieces.push(Piece::Literal(c)),
            }
        }
        let has = |piece: Piece| pieces.contains(&piece);
        let has_month = has(Piece::Month) || has(Piece::MonthName);
        let has_year = has(Piece::Year) || has(Piece::YearOfCentury);
        if !(has(Piece::Epoch) || has(Piece::Day) && has_month || has(Piece::DayOfYear) && has_year) {
            return Err(RuleError::at(at, format!("`{}` names no day", at.value))
                .help("a date needs a day and a month, as in `%d %b %H:%M`; `compose` puts a day before a time"));
        }
        Ok(Self(pieces))
    }

    /// Reads a whole text whose white space is collapsed.
    pub(super) fn read(&self, text: &str) -> Option<Parts> {
        let mut cursor = Cursor { rest: text };
        let mut parts = Parts::default();
        for (index, piece) in self.0.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|index| self.0.get(index));
            cursor.piece(*piece, before, self.0.get(index + 1), &mut parts)?;
        }
        cursor.skip_blanks();
        cursor.rest.is_empty().then_some(parts)
    }
}

/// The directive behind a `%`; its name where it is not known.
fn directive(chars: &mut std::str::Chars<'_>, pieces: &mut Vec<Piece>) -> Result<(), String> {
    let mut name = String::new();
    let piece = loop {
        let Some(c) = chars.next() else { return Err(name) };
        name.push(c);
        break match c {
            // How it is padded does not matter to a reader.
            '-' | '_' | '^' | '#' | ':' | '.' | '0'..='9' if name.len() < 4 => continue,
            'Y' => Piece::Year,
            'y' => Piece::YearOfCentury,
            'm' => Piece::Month,
            'b' | 'B' | 'h' => Piece::MonthName,
            'd' | 'e' => Piece::Day,
            'j' => Piece::DayOfYear,
            'a' | 'A' => Piece::Weekday,
            'H' | 'k' | 'I' | 'l' => Piece::Hour,
            'M' => Piece::Minute,
            'S' => Piece::Second,
            'f' | 'N' => Piece::Fraction { has_point: name.starts_with('.') },
            'p' | 'P' => Piece::Meridiem,
            'z' | 'Z' => Piece::Offset,
            's' => Piece::Epoch,
            'n' | 't' => Piece::Blank,
            '%' => Piece::Literal('%'),
            'F' => return expand(pieces, [Piece::Year, Piece::Month, Piece::Day], '-'),
            'D' => return expand(pieces, [Piece::Month, Piece::Day, Piece::YearOfCentury], '/'),
            'T' => return expand(pieces, [Piece::Hour, Piece::Minute, Piece::Second], ':'),
            'R' => {
                pieces.extend([Piece::Hour, Piece::Literal(':'), Piece::Minute]);
                return Ok(());
            }
            _ => return Err(name),
        };
    };
    pieces.push(piece);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "it ends a function that returns one")]
fn expand(pieces: &mut Vec<Piece>, of: [Piece; 3], between: char) -> Result<(), String> {
    let [first, second, third] = of;
    pieces.extend([first, Piece::Literal(between), second, Piece::Literal(between), third]);
    Ok(())
}

/// What is left of a text.
struct Cursor<'a> {
    rest: &'a str,
}

impl Cursor<'_> {
    /// Reads one piece; `None` where the text has something else.
    fn piece(&mut self, piece: Piece, before: Option<&Piece>, after: Option<&Piece>, parts: &mut Parts) -> Option<()> {
        self.skip_blanks();
        match piece {
            Piece::Blank => {}
            Piece::Literal(c) => self.literal(c, before)?,
            Piece::Year => parts.year = Some(self.number(4, 4)?),
            Piece::YearOfCentury => parts.year = Some(of_century(self.number(2, 2)?)),
            Piece::Month => parts.month = Some(self.number(1, 2)?),
            Piece::MonthName => parts.month = Some(words::month(&self.word(after)?)?),
            Piece::Weekday => parts.weekday = Some(words::weekday(&self.word(after)?)?),
            Piece::Day => {
                parts.day = Some(self.number(1, 2)?);
                self.ordinal();
            }
            Piece::DayOfYear => parts.day_of_year = Some(self.number(1, 3)?),
            Piece::Hour => parts.hour = Some(self.number(1, 2)?),
            Piece::Minute => parts.minute = self.number(1, 2)?,
            Piece::Second => parts.second = self.number(1, 2)?,
            Piece::Fraction { has_point } => {
                if !has_point || self.take('.') {
                    parts.nanosecond = self.fraction()?;
                }
            }
            Piece::Meridiem => parts.is_afternoon = Some(self.meridiem()?),
            Piece::Offset => parts.offset = Some(self.offset()?),
            Piece::Epoch => parts.epoch = Some(self.epoch()?),
        }
        Some(())
    }

    fn literal(&mut self, literal: char, before: Option<&Piece>) -> Option<()> {
        let next = self.rest.chars().next()?;
        let parts_time = matches!(before, Some(Piece::Hour | Piece::Minute)) && matches!(literal, ':' | '.');
        let is_same = next == literal || next.to_lowercase().eq(literal.to_lowercase()) || parts_time && matches!(next, ':' | '.');
        is_same.then(|| self.rest = &self.rest[next.len_utf8()..])
    }

    fn take(&mut self, c: char) -> bool {
        let taken = self.rest.strip_prefix(c);
        self.rest = taken.unwrap_or(self.rest);
        taken.is_some()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn number<T: std::str::FromStr>(&mut self, least: usize, most: usize) -> Option<T> {
        let digits = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        if digits < least { None } else { number.parse().ok() }
    }

    /// The word that comes, in small letters. A short one may have a full stop, unless the pattern has that itself.
    fn word(&mut self, after: Option<&Piece>) -> Option<String> {
        let end = self.rest.find(|c: char| !c.is_alphabetic() && c != '\'').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if after != Some(&Piece::Literal('.')) {
            self.take('.');
        }
        // No name is longer.
        (1..=24).contains(&word.len()).then(|| word.to_lowercase())
    }

    /// Skips what makes a number a rank: `1st`, `1er`.
    fn ordinal(&mut self) {
        let end = self.rest.find(|c: char| !c.is_alphabetic()).unwrap_or(self.rest.len());
        if is_ordinal(&self.rest[..end]) {
            self.rest = &self.rest[end..];
        }
    }

    fn fraction(&mut self) -> Option<i32> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (fraction, rest) = self.rest.split_at(digits);
        self.rest = rest;
        nanoseconds(fraction)
    }

    fn meridiem(&mut self) -> Option<bool> {
        let first = self.rest.chars().next()?.to_ascii_lowercase();
        let is_afternoon = matches!(first, 'a' | 'p').then_some(first == 'p')?;
        self.rest = &self.rest[1..];
        self.take('.');
        if !(self.take('m') || self.take('M')) {
            return None;
        }
        self.take('.');
        Some(is_afternoon)
    }

    fn offset(&mut self) -> Option<Offset> {
        if !self.rest.starts_with(['+', '-', '−']) {
            return words::zone(&self.word(None)?);
        }
        let (offset, length) = offset(self.rest)?;
        self.rest = &self.rest[length..];
        Some(offset)
    }

    fn epoch(&mut self) -> Option<Timestamp> {
        let is_negative = self.take('-');
        let seconds: i64 = self.number(1, 18)?;
        Timestamp::from_second(if is_negative { -seconds } else { seconds }).ok()
    }
}

/// True of what makes a number a rank.
pub(super) fn is_ordinal(suffix: &str) -> bool {
    matches!(suffix.to_lowercase().as_str(), "st" | "nd" | "rd" | "th" | "er" | "º" | "ª")
}

/// The digits behind the point as nanoseconds; what is finer is left out.
pub(super) fn nanoseconds(fraction: &str) -> Option<i32> {
    let digits = fraction.get(..fraction.len().min(9)).filter(|digits| !digits.is_empty())?;
    format!("{digits:0<9}").parse().ok()
}

/// `+07:00`, `+0700` or `+07` at the beginning of a text, and its length.
pub(super) fn offset(text: &str) -> Option<(Offset, usize)> {
    let sign = text.chars().next()?;
    let rest = &text[sign.len_utf8()..];
    let two = |from: usize| {
        rest.get(from..from + 2).filter(|pair| pair.bytes().all(|b| b.is_ascii_digit())).and_then(|pair| pair.parse::<i32>().ok())
    };
    let hours = two(0)?;
    let colon = usize::from(rest[2..].starts_with(':'));
    let (minutes, length) = two(2 + colon).map_or((0, 2), |minutes| (minutes, 4 + colon));
    let seconds = (hours * 60 + minutes) * 60;
    let offset = Offset::from_seconds(if sign == '+' { seconds } else { -seconds }).ok()?;
    Some((offset, sign.len_utf8() + length))
}
