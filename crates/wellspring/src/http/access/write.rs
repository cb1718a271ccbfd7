//! A line as it is written: by hand, since it is for every request.

use std::cell::RefCell;
use std::io::Write as _;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use wellspring_core::moment::Moment;

use super::Line;

/// Longer targets are cut, in bytes.
const LONGEST_TARGET: usize = 2_048;

impl Line<'_> {
    /// Adds it as JSON. It is written at `now`.
    pub(super) fn write(&self, out: &mut Vec<u8>, now: Moment) {
        let took = now.mono.since(self.at);
        out.extend_from_slice(b"{\"at\":\"");
        moment(now.wall.checked_sub(took).unwrap_or(now.wall), out);
        out.extend_from_slice(b"\",\"client\":\"");
        address(self.client, out);
        out.extend_from_slice(b"\",\"method\":");
        text(self.method, out);
        out.extend_from_slice(b",\"target\":");
        text(cut(self.target), out);
        out.extend_from_slice(b",\"status\":");
        number(self.status.into(), out);
        out.extend_from_slice(b",\"bytes\":");
        match self.bytes {
            Some(bytes) => number(bytes, out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"took_us\":");
        number(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), out);
        if let Some(cache) = self.cache_status {
            out.extend_from_slice(b",\"cache_status\":");
            text(cache, out);
        }
        out.extend_from_slice(b"}\n");
    }
}

/// `2025-11-28T10:30:00.123Z`; all but the thousandths are made once a second.
fn moment(at: Timestamp, out: &mut Vec<u8>) {
    thread_local!(static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) });
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != at.as_second() {
            *second = at.as_second();
            *text = at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S").to_string();
        }
        out.extend_from_slice(text.as_bytes());
    });
    let thousandths = at.subsec_millisecond().unsigned_abs();
    let digit = |n: u32| b'0' + u8::try_from(n % 10).unwrap_or(0);
    out.extend_from_slice(&[b'.', digit(thousandths / 100), digit(thousandths / 10), digit(thousandths), b'Z']);
}

fn address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(four) => {
            for (place, part) in four.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                number(part.into(), out);
            }
        }
        // Memory takes everything.
        IpAddr::V6(six) => write!(out, "{six}").unwrap_or(()),
    }
}

fn number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] += u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// As much of a target as is told.
fn cut(target: &str) -> &str {
    let mut end = target.len().min(LONGEST_TARGET);
    while !target.is_char_boundary(end) {
        end -= 1;
    }
    &target[..end]
}

/// A text of JSON.
fn text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\')) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Memory takes everything, and a text always encodes.
        serde_json::to_writer(out, text).unwrap_or(());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;
    use wellspring_core::moment::Mono;

    use super::*;

    proptest! {
        #[test]
        fn every_line_is_the_json_of_what_it_tells(
            nanos in 0_i128..4_000_000_000_000_000_000,
            target in "(/[ -~éß\"\\\\\u{1}]{0,20}){0,3}",
            v4: u32,
            v6: u128,
            is_v4: bool,
            status in 100_u16..600,
            bytes: Option<u64>,
            took in 0_u64..10_000_000,
            cache in proptest::option::of("[ -~]{0,30}"),
        ) {
            let at = Mono::from_nanos(5);
            let client = if is_v4 { Ipv4Addr::from(v4).into() } else { std::net::Ipv6Addr::from(v6).into() };
            let line = Line { at, client, method: "GET", target: &target, status, bytes, cache_status: cache.as_deref() };
            let began = Timestamp::from_nanosecond(nanos).unwrap();
            let took_for = Duration::from_micros(took);
            let now = Moment { wall: began.checked_add(took_for).unwrap(), mono: at.after(took_for) };
            let mut out = Vec::new();
            line.write(&mut out, now);
            prop_assert_eq!(out.last(), Some(&b'\n'));
            let told: serde_json::Value = serde_json::from_slice(&out).unwrap();
            let mut expected = serde_json::json!({
                "at": began.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(), "client": client.to_string(), "method": "GET", "target": target,
                "status": status, "bytes": bytes, "took_us": took,
            });
            if let Some(cache) = cache {
                expected["cache_status"] = cache.into();
            }
            prop_assert_eq!(told, expected);
        }
    }

    #[test]
    fn a_long_target_is_cut_between_characters() {
        let target = "é".repeat(LONGEST_TARGET);
        let line = Line {
            at: Mono::from_nanos(0),
            client: Ipv4Addr::LOCALHOST.into(),
            method: "GET",
            target: &target[..target.len() - 1 - 1],
            status: 200,
            bytes: None,
            cache_status: None,
        };
        let mut out = Vec::new();
        line.write(&mut out, Moment { wall: Timestamp::UNIX_EPOCH, mono: Mono::from_nanos(0) });
        let told: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(told["target"].as_str().map(str::len), Some(LONGEST_TARGET));
    }
}
