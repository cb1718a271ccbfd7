//! Base64, in which Atom carries text, and which jq programs read and write.

/// The text, or `None` where this is no base64 or no text. White space is skipped.
pub fn decode(encoded: &str) -> Option<String> {
    let digits: Vec<u8> = encoded.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let unpadded = match digits.as_slice() {
        [digits @ .., b'=', b'='] | [digits @ .., b'='] | digits => digits,
    };
    let mut bytes = Vec::with_capacity(unpadded.len() * 3 / 4);
    for group in unpadded.chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            bits = bits << 6 | value(*digit)?;
        }
        // A short last group has 12 or 18 bits, of which the last 4 or 2 are nothing.
        match group.len() {
            4 => bytes.extend(&bits.to_be_bytes()[1..]),
            3 => bytes.extend(&(bits >> 2).to_be_bytes()[2..]),
            2 => bytes.extend(&(bits >> 4).to_be_bytes()[3..]),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

/// Bytes as padded base64.
pub(crate) fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().chain([0, 0].iter()).take(3).fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for digit in 0..4 {
            let is_padding = digit > group.len();
            encoded.push(if is_padding { '=' } else { char::from(DIGITS[bits >> (18 - 6 * digit) & 63]) });
        }
    }
    encoded
}

fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_and_the_rest_is_nothing() {
        for (encoded, text) in [("", Some("")), ("YQ==", Some("a")), ("YWI", Some("ab")), ("Y W\nJj", Some("abc")), ("w6k=", Some("é"))] {
            assert_eq!(decode(encoded).as_deref(), text);
        }
        for text in ["", "a", "ab", "abc", "abcd", "é\u{10ffff}"] {
            assert_eq!(decode(&encode(text.as_bytes())).as_deref(), Some(text));
        }
        assert_eq!(encode(b"light work."), "bGlnaHQgd29yay4=");
        for encoded in ["Y", "Y*==", "/w==", "=", "YQ==YQ=="] {
            assert_eq!(decode(encoded), if encoded == "=" { Some(String::new()) } else { None }, "{encoded}");
        }
    }
}
