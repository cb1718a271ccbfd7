//! Numbers as people write them: `2,000+`, `200K+`, `Rp 14.500`, `€ 1.234,56`, `2,5 jt`.

use serde_json::{Number, Value};

/// A found value as a number; null where none can be read. JSON's own numbers stay.
pub(crate) fn read(value: &Value, decimal: Option<char>) -> Value {
    match value {
        Value::Number(_) => value.clone(),
        Value::String(text) => parse(text, decimal).map_or(Value::Null, Value::Number),
        _ => Value::Null,
    }
}

/// The first number in a text.
///
/// `decimal` is the decimal mark. Without one, a single mark before exactly three digits groups thousands, of two different marks the
/// last is the decimal one, and a mark that occurs more than once groups. Groups that no notation has (`12.11.2024`) are no number.
pub(crate) fn parse(text: &str, decimal: Option<char>) -> Option<Number> {
    find(&text.chars().collect::<Vec<_>>(), 0, decimal)?.number
}

/// A number in a text: where it stands, the word that multiplies it included, and what it is, if any notation has it.
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) number: Option<Number>,
}

/// The first number at `from` or behind it.
pub(super) fn find(chars: &[char], from: usize, decimal: Option<char>) -> Option<Found> {
    let first = from + chars.get(from..)?.iter().position(char::is_ascii_digit)?;
    // `.5`: a mark before the first digit is decimal where nothing stands before it.
    let bare = first > from
        && is_mark(chars[first - 1])
        && decimal.is_none_or(|mark| mark == chars[first - 1])
        && !follows_word(&chars[from..first - 1]);
    let start = if bare { first - 1 } else { first };
    let (digits, end) = if bare {
        let end = end_of_digits(chars, first);
        (Some(Digits { whole: "0".to_owned(), fraction: chars[first..end].iter().collect() }), end)
    } else {
        let (groups, end) = groups(chars, first);
        (arrange(&groups, decimal), end)
    };
    let (power, length) = exponent(&chars[end..]).unwrap_or_else(|| scale(&chars[end..]));
    let number = digits.and_then(|digits| digits.number(is_negative(&chars[from..start]), power));
    Some(Found { start, end: end + length, number })
}

/// A run of digits and the mark before it.
struct Group {
    mark: Option<char>,
    digits: String,
}

struct Digits {
    whole: String,
    fraction: String,
}

impl Digits {
    /// The digits shifted by a power of ten: an integer where nothing is left behind the point, else a finite float.
    fn number(&self, negative: bool, power: i32) -> Option<Number> {
        let mut whole = self.whole.clone();
        let mut fraction = self.fraction.as_str();
        for _ in 0..power {
            let (digit, rest) = fraction.split_at(fraction.len().min(1));
            whole.push_str(if digit.is_empty() { "0" } else { digit });
            fraction = rest;
        }
        let fraction = fraction.trim_end_matches('0');
        let sign = if negative { "-" } else { "" };
        if fraction.is_empty() && power >= 0 {
            if let Ok(integer) = format!("{sign}{whole}").parse::<i64>() {
                return Some(integer.into());
            }
            if let Ok(integer) = format!("{sign}{whole}").parse::<u64>() {
                return Some(integer.into());
            }
        }
        let float = format!("{sign}{whole}.{fraction}0e{}", power.min(0)).parse().ok()?;
        Number::from_f64(float)
    }
}

/// The digits from `first` on with their marks, and where they end.
fn groups(chars: &[char], first: usize) -> (Vec<Group>, usize) {
    let mut end = end_of_digits(chars, first);
    let mut groups = vec![Group { mark: None, digits: chars[first..end].iter().collect() }];
    while let Some(&mark) = chars.get(end) {
        let next = end_of_digits(chars, end + 1);
        let length = next - (end + 1);
        let goes_on = if is_space(mark) || is_apostrophe(mark) {
            // A space only groups: between three digits and at most three, or what follows is another number.
            let before = &groups[groups.len() - 1];
            let is_grouped = before.mark.map_or(before.digits.len() <= 3, |_| before.digits.len() == 3);
            length == 3 && is_grouped
        } else {
            is_mark(mark) && length > 0
        };
        if !goes_on {
            break;
        }
        groups.push(Group { mark: Some(if is_mark(mark) { mark } else { ' ' }), digits: chars[end + 1..next].iter().collect() });
        end = next;
    }
    (groups, end)
}

/// Decides which mark is the decimal one and checks that the others stand where marks for thousands do.
fn arrange(groups: &[Group], decimal: Option<char>) -> Option<Digits> {
    let marks = groups.iter().filter_map(|group| group.mark);
    let times = |mark: char| marks.clone().filter(|m| *m == mark).count();
    let last = groups.last().filter(|group| group.mark.is_some());
    let has_fraction = last.is_some_and(|last| {
        let mark = last.mark.unwrap_or_default();
        match decimal {
            _ if mark == ' ' => false,
            Some(decimal) => mark == decimal,
            // Several of the same: thousands. Different ones: the last is decimal. A lone one: see how many digits follow,
            // except after a first group that cannot be grouped (`0.500`, `1234.567`).
            None if times(mark) > 1 => false,
            None if groups.len() > 2 => true,
            None => last.digits.len() != 3 || groups[0].digits.len() > 3 || groups[0].digits.starts_with('0'),
        }
    });
    let (whole, fraction) = if has_fraction { groups.split_at(groups.len() - 1) } else { (groups, &[][..]) };
    let misplaced =
        |group: &Group| group.mark.is_some() && (group.mark == decimal || has_fraction && group.mark == last.and_then(|l| l.mark));
    if whole.iter().any(misplaced) || !is_grouped(whole) {
        return None;
    }
    Some(Digits {
        whole: whole.iter().map(|group| group.digits.as_str()).collect(),
        fraction: fraction.iter().map(|group| group.digits.as_str()).collect(),
    })
}

/// Up to three digits, then groups of three, or of two with three at the end as in India; one mark throughout.
fn is_grouped(groups: &[Group]) -> bool {
    let [first, middle @ .., last] = groups else { return true };
    first.digits.len() <= 3
        && last.digits.len() == 3
        && middle.iter().all(|group| matches!(group.digits.len(), 2 | 3) && group.mark == last.mark)
}

/// What a word or letter behind the number multiplies by, as a power of ten, and its length.
fn scale(rest: &[char]) -> (i32, usize) {
    let is_spaced = rest.first().copied().is_some_and(is_space);
    let rest = if is_spaced { &rest[1..] } else { rest };
    // No such word is longer.
    let word: String = rest.iter().take(12).take_while(|c| c.is_alphabetic()).collect();
    let power = match word.as_str() {
        "K" => 3,
        "M" => 6,
        "B" => 9,
        "T" => 12,
        // Lower-case letters stand for units (`5 m`) unless they touch the digits.
        "k" if !is_spaced => 3,
        "m" if !is_spaced => 6,
        "b" if !is_spaced => 9,
        _ => match word.to_lowercase().as_str() {
            "rb" | "ribu" | "thousand" => 3,
            "jt" | "juta" | "mn" | "mio" | "million" | "millions" => 6,
            "bn" | "mrd" | "miliar" | "milyar" | "billion" | "billions" => 9,
            "tn" | "triliun" | "trilyun" | "trillion" | "trillions" => 12,
            _ => return (0, 0),
        },
    };
    (power, usize::from(is_spaced) + word.chars().count())
}

/// `e6` at the end of a computer's notation, and its length.
fn exponent(rest: &[char]) -> Option<(i32, usize)> {
    let (['e' | 'E'], digits) = rest.split_at_checked(1)? else { return None };
    // What is longer is no exponent, and a text may be long.
    let text: String = digits.iter().take(8).collect();
    let power = text.trim().parse().ok().filter(|power| (-300..=300).contains(power))?;
    (digits.len() <= 8).then_some((power, rest.len()))
}

/// A minus before the digits or before their currency; a hyphen in a word (`Covid-19`) or a range is none.
fn is_negative(before: &[char]) -> bool {
    let text: String = before.iter().collect();
    let text = text.trim_end();
    let is_minus = |c: char| matches!(c, '-' | '−' | '–');
    if let Some(rest) = text.strip_suffix(is_minus) {
        return !rest.chars().next_back().is_some_and(char::is_alphanumeric);
    }
    let currency = text.trim_start();
    currency.strip_prefix(is_minus).is_some_and(|name| name.chars().count() <= 4 && !name.contains(char::is_whitespace))
}

fn follows_word(before: &[char]) -> bool {
    before.last().is_some_and(|c| c.is_alphanumeric() || is_mark(*c))
}

fn end_of_digits(chars: &[char], from: usize) -> usize {
    chars.iter().skip(from).position(|c| !c.is_ascii_digit()).map_or(chars.len().max(from), |length| from + length)
}

fn is_mark(c: char) -> bool {
    matches!(c, '.' | ',')
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}')
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’')
}

#[cfg(test)]
mod tests;
