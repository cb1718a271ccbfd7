//! Dates as feeds write them.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;

/// A moment in RFC 3339 with the offset it was written with; text that is no moment stays as it is.
pub(super) fn normalized(text: &str) -> String {
    iso(text).or_else(|| mail(text)).map_or_else(|| text.to_owned(), |(moment, offset)| moment.display_with_offset(offset).to_string())
}

fn iso(text: &str) -> Option<(Timestamp, Offset)> {
    let pieces = Pieces::parse(text).ok()?;
    let offset = pieces.to_numeric_offset()?;
    Some((offset.to_timestamp(pieces.date().to_datetime(pieces.time()?)).ok()?, offset))
}

fn mail(text: &str) -> Option<(Timestamp, Offset)> {
    // The weekday says nothing new and is often wrong or in another language.
    let text = text.split_once(',').filter(|(day, _)| day.chars().all(char::is_alphabetic)).map_or(text, |(_, rest)| rest);
    let zoned = rfc2822::DateTimeParser::new().parse_zoned(text.trim()).ok()?;
    Some((zoned.timestamp(), zoned.offset()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, normal: &str) {
        assert_eq!(normalized(text), normal);
    }

    #[test]
    fn moments_become_rfc_3339_and_keep_their_offset() {
        check("Thu, 1 Oct 2026 09:20:00 -0700", "2026-10-01T09:20:00-07:00");
        check("Montag, 01 Oct 2026 09:20 GMT", "2026-10-01T09:20:00+00:00");
        check("01 Oct 26 09:20:00 EST", "2026-10-01T09:20:00-05:00");
        check("2026-10-01T09:20:00Z", "2026-10-01T09:20:00+00:00");
        check("2026-10-01 09:20:00.5+0700", "2026-10-01T09:20:00.5+07:00");
    }

    #[test]
    fn what_is_no_moment_stays() {
        for text in ["2026-10-01", "2026-10-01T09:20:00", "yesterday, at noon", "", "32 Oct 2026 09:20 GMT"] {
            check(text, text);
        }
    }
}
