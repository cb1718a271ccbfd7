//! Periods and sizes as people write them: `6d`, `100ms`, `8MiB`.

use std::time::Duration;

/// Why a text is no period or size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuantity {
    /// Not a period.
    #[error("`{0}` is no period: write a whole number and a unit (ms, s, m, h, d, w), as in `30s`, `24h` or `6d`")]
    Period(String),
    /// Not a size.
    #[error("`{0}` is no size: write a whole number and a unit (B, KiB, MiB), as in `8MiB`")]
    Size(String),
}

/// The longest period that is taken: a hundred years.
const LONGEST: u64 = 100 * 365 * 86_400 * 1_000;

/// Reads a period: whole numbers with `ms s m h d w`, larger units first where there are several (`1h30m`).
///
/// # Errors
/// [`BadQuantity::Period`] for anything else, and for more than a hundred years.
pub fn parse_period(text: &str) -> Result<Duration, BadQuantity> {
    let bad = || BadQuantity::Period(text.to_owned());
    let mut rest = text.trim();
    let mut total: u64 = 0;
    let mut last_unit = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return Err(bad()),
        };
        if unit >= last_unit {
            return Err(bad());
        }
        last_unit = unit;
        total = number.checked_mul(unit).and_then(|n| total.checked_add(n)).filter(|n| *n <= LONGEST).ok_or_else(bad)?;
        rest = rest[letters..].trim_start();
    }
    if last_unit == u64::MAX { Err(bad()) } else { Ok(Duration::from_millis(total)) }
}

/// Reads a size in bytes: a whole number with `B`, `KiB` or `MiB`.
///
/// # Errors
/// [`BadQuantity::Size`] for anything else.
pub fn parse_size(text: &str) -> Result<u64, BadQuantity> {
    let bad = || BadQuantity::Size(text.to_owned());
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = trimmed[..digits].parse().map_err(|_| bad())?;
    let unit: u64 = match trimmed[digits..].trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return Err(bad()),
    };
    number.checked_mul(unit).ok_or_else(bad)
}

/// Writes a period the way people write it: the two largest units that are not zero (`6d`, `1h 30m`, `1.2s` below a minute).
pub fn format_period(period: Duration) -> String {
    let ms = period.as_millis();
    if ms < 1_000 {
        return format!("{ms}ms");
    }
    if ms < 60_000 {
        let tenths = ms / 100;
        return if tenths.is_multiple_of(10) { format!("{}s", tenths / 10) } else { format!("{}.{}s", tenths / 10, tenths % 10) };
    }
    let mut rest = ms / 1_000;
    let mut parts = Vec::new();
    for (size, unit) in [(604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")] {
        // A week is only said where it comes out even: `13d` reads better than `1w 6d`.
        if (size != 604_800 || rest.is_multiple_of(size)) && rest >= size {
            parts.push(format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    parts.truncate(2);
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn periods_as_people_write_them() {
        for (text, ms) in [
            ("6d", 518_400_000),
            ("100ms", 100),
            ("24h", 86_400_000),
            ("1h30m", 5_400_000),
            ("2w", 1_209_600_000),
            ("0s", 0),
            (" 5m ", 300_000),
        ] {
            assert_eq!(parse_period(text).unwrap().as_millis(), ms, "{text}");
        }
        for bad in ["", "6", "d", "6 days", "1.5h", "-1s", "30m1h", "1s1s", "999999999999w", "6D", "1µs"] {
            assert!(parse_period(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_as_people_write_them() {
        assert_eq!(parse_size("8MiB"), Ok(8 << 20));
        assert_eq!(parse_size("512 B"), Ok(512));
        for bad in ["8", "8MB", "MiB", "-1B", "99999999999999999999B", "18446744073709551615KiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn periods_as_people_read_them() {
        for (ms, text) in [
            (250, "250ms"),
            (3_000, "3s"),
            (3_240, "3.2s"),
            (5_400_000, "1h 30m"),
            (518_400_000, "6d"),
            (604_800_000, "1w"),
            (90_061_000, "1d 1h"),
        ] {
            assert_eq!(format_period(Duration::from_millis(ms)), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,20}") {
            let _ = (parse_period(&text), parse_size(&text));
        }
    }
}
