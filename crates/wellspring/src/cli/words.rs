//! Sizes, times and texts as people read them.

use std::time::Duration;

/// `373 B`, `3.7 KB`, `48 KB`, `1.2 MB`.
pub(super) fn size(bytes: u64) -> String {
    let (unit, one) = match bytes {
        0..1_000 => return format!("{bytes} B"),
        1_000..999_500 => ("KB", 1_000),
        999_500..999_500_000 => ("MB", 1_000_000),
        _ => ("GB", 1_000_000_000),
    };
    // Two digits that count, three where there are as many before the point.
    let tenths = (bytes + one / 20) / (one / 10);
    if tenths < 100 { format!("{}.{} {unit}", tenths / 10, tenths % 10) } else { format!("{} {unit}", (bytes + one / 2) / one) }
}

/// `210 ms`, `1.9 s`.
pub(super) fn took(time: Duration) -> String {
    if time < Duration::from_secs(1) { format!("{} ms", time.as_millis()) } else { format!("{:.1} s", time.as_secs_f64()) }
}

/// At most so many characters, on one line.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    if text.chars().nth(most).is_none() {
        return text.chars().map(plain).collect();
    }
    text.chars().take(most - 1).map(plain).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        let sizes = [0, 999, 1_000, 1_049, 9_949, 9_950, 48_333, 999_499, 999_500, 12_345_678, 59_251_000_000];
        insta::assert_snapshot!(sizes.map(size).join(", "), @"0 B, 999 B, 1.0 KB, 1.0 KB, 9.9 KB, 10 KB, 48 KB, 999 KB, 1.0 MB, 12 MB, 59 GB");
        assert_eq!([3, 999, 1_940].map(|ms| took(Duration::from_millis(ms))), ["3 ms", "999 ms", "1.9 s"]);
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!([shortened("äöü", 3), shortened("äöü€", 3), shortened("a\nb", 9)], ["äöü", "äö…", "a b"]);
    }
}
