//! Patterns of paths: `*` stands for anything, a `$` at the end for the end.

/// A longer pattern is none: no address that is asked for comes near it.
const LONGEST: usize = 8 << 10;

/// A pattern, percent-encoded in the one way in which paths are compared.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    /// Ended by `$`.
    whole: bool,
}

impl Pattern {
    /// Reads a pattern. `None` for what matches nothing: an empty one, and one that does not begin as a path does.
    pub(super) fn read(pattern: &[u8]) -> Option<Self> {
        if !matches!(pattern.first(), Some(b'/' | b'*')) || pattern.len() > LONGEST {
            return None;
        }
        let (text, whole) = pattern.strip_suffix(b"$").map_or((pattern, false), |text| (text, true));
        Some(Self { text: normalised(text, true), whole })
    }

    /// How long it is, in octets: what decides between patterns.
    pub(super) fn len(&self) -> usize {
        self.text.len() + usize::from(self.whole)
    }

    /// True where it matches a normalised path from its start. Each part between two `*` is taken where it comes first, so that nothing is
    /// ever tried again: what matches later matches all the more after that.
    pub(super) fn matches(&self, path: &str) -> bool {
        let (first, others) = self.text.split_once('*').map_or((&*self.text, None), |(first, others)| (first, Some(others)));
        let Some(mut rest) = path.strip_prefix(first) else { return false };
        let Some(others) = others else { return !self.whole || rest.is_empty() };
        let (middle, last) = others.rsplit_once('*').map_or((None, others), |(middle, last)| (Some(middle), last));
        for part in middle.into_iter().flat_map(|middle| middle.split('*')) {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        if self.whole { rest.ends_with(last) } else { rest.contains(last) }
    }
}

/// A path with its query as patterns compare it.
pub(super) fn normalised_path(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { normalised(path.as_bytes(), false) }
}

/// Percent-encodes what an address cannot hold, and decodes what needs no encoding (RFC 9309, 2.2.2). `*` and `$` are encoded where they
/// mean themselves: that is how a pattern names them.
fn normalised(text: &[u8], is_pattern: bool) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| escape(after)).flatten();
        rest = if escaped.is_some() { &after[2..] } else { after };
        match escaped {
            Some(byte) if is_unreserved(byte) => normal.push(byte.into()),
            Some(byte) => encode(byte, &mut normal),
            None if first == b'*' && is_pattern => normal.push('*'),
            None if is_kept(first) => normal.push(first.into()),
            None => encode(first, &mut normal),
        }
    }
    normal
}

/// The byte that two hexadecimal digits stand for.
fn escape(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

fn encode(byte: u8, out: &mut String) {
    out.push('%');
    for digit in [byte >> 4, byte & 15] {
        out.push(char::from_digit(digit.into(), 16).unwrap_or('0').to_ascii_uppercase());
    }
}

/// RFC 3986, 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// What stands for itself: unreserved and reserved characters, and a `%` that begins no escape.
fn is_kept(byte: u8) -> bool {
    is_unreserved(byte) || b"!&'()+,;=:@/?#[]%".contains(&byte)
}
