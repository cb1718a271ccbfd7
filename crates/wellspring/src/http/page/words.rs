//! Amounts and moments as people say them. The script counts on in the same words.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

/// `12 s`, `3 min 5 s`, `2 h 10 min`, `6 d 4 h`: two units at most, the larger first.
pub(super) fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: u64, unit: &str, small: u64, part: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {part}"),
    };
    match () {
        () if minutes == 0 => format!("{seconds} s"),
        () if hours == 0 => two(minutes, "min", seconds % 60, "s"),
        () if days == 0 => two(hours, "h", minutes % 60, "min"),
        () => two(days, "d", hours % 24, "h"),
    }
}

/// How long something took: `850 ms`, `3.2 s`, `1 min 4 s`.
pub(super) fn took(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        _ => span(Duration::from_millis(milliseconds)),
    }
}

/// `1 item`, `3 items`.
pub(super) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `17 B`, `3.4 KiB`, `1.2 MiB`.
pub(super) fn size(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", tenths(1_024)),
        _ => format!("{} MiB", tenths(1_048_576)),
    }
}

/// A text that is no longer than so many characters.
pub(super) fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
    }
}

/// As scripts and readers of pages take moments.
pub(super) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The length between two moments; nothing where the later one is earlier.
pub(super) fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

/// A moment that has passed, counted on by the script: `12 s ago`.
pub(super) fn ago(at: Timestamp, now: Timestamp, told: &str) -> Markup {
    html! { time datetime=(stamp(at)) data-count="ago" title=(told) { (span(between(at, now))) " ago" } }
}

/// A moment to come: `in 12 s`, then `now`.
pub(super) fn ahead(at: Timestamp, now: Timestamp, told: &str) -> Markup {
    let left = between(now, at);
    html! {
        time datetime=(stamp(at)) data-count="in" title=(told) {
            @if left.is_zero() { "now" } @else { "in " (span(left)) }
        }
    }
}

/// A sentence whose `words in backquotes` are code.
pub(super) fn prose(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_in_two_units_at_most() {
        let told = [0, 59, 60, 185, 3_600, 7_800, 86_400, 531_000].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(told.join(", "), "0 s, 59 s, 1 min, 3 min 5 s, 1 h, 2 h 10 min, 1 d, 6 d 3 h");
        assert_eq!([7, 999, 3_260, 64_000].map(took).join(", "), "7 ms, 999 ms, 3.2 s, 1 min 4 s");
        assert_eq!([17, 3_500, 1_300_000].map(size).join(", "), "17 B, 3.4 KiB, 1.2 MiB");
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!((short("日本語", 2).as_str(), short("日本", 2).as_str(), short("a b", 2).as_str()), ("日本…", "日本", "a…"));
    }
}
