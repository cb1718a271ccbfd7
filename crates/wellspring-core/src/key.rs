//! A key: a source with its parameters filled in, in one canonical spelling.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a source: `[a-z][a-z0-9_]*`, at most 64 bytes, not `stream`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceName(Arc<str>);

/// Why a word is no source name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no source name: it takes a lower-case letter, then letters, digits and `_` (64 at most), and not `stream`")]
pub struct BadName(pub String);

impl SourceName {
    /// # Errors
    /// [`BadName`] where the word breaks the rule.
    pub fn new(name: &str) -> Result<Self, BadName> {
        if is_word(name) && name != "stream" { Ok(Self(name.into())) } else { Err(BadName(name.to_owned())) }
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// True for `[a-z][a-z0-9_]*` of at most 64 bytes: the shape of source and parameter names.
pub fn is_word(word: &str) -> bool {
    word.len() <= 64
        && word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

impl TryFrom<String> for SourceName {
    type Error = BadName;
    fn try_from(name: String) -> Result<Self, BadName> {
        Self::new(&name)
    }
}

impl From<SourceName> for String {
    fn from(name: SourceName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parameter names and their values, sorted by name.
pub type Params = BTreeMap<String, String>;

/// A source and its parameters in canonical form: `cinema`, `google_trend?geo=ID`. Parameters are sorted by name and
/// percent-encoded, so two spellings of one request are one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(Arc<str>);

impl Key {
    /// The key of a source and all of its declared parameters.
    pub fn new(source: &SourceName, params: &Params) -> Self {
        if params.is_empty() {
            return Self(Arc::clone(&source.0));
        }
        let mut text = source.as_str().to_owned();
        for (i, (name, value)) in params.iter().enumerate() {
            text.push(if i == 0 { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            percent_encode(value, &mut text);
        }
        Self(text.into())
    }

    /// Reads a canonical key back, as stores hold it.
    ///
    /// # Errors
    /// [`BadName`] with the whole text where it is not canonical.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let bad = || BadName(text.to_owned());
        let (name, query) = text.split_once('?').map_or((text, None), |(n, q)| (n, Some(q)));
        let source = SourceName::new(name).map_err(|_| bad())?;
        let mut params = Params::new();
        for pair in query.into_iter().flat_map(|q| q.split('&')) {
            let (name, value) = pair.split_once('=').ok_or_else(bad)?;
            if !is_word(name) {
                return Err(bad());
            }
            params.insert(name.to_owned(), percent_decode(value).ok_or_else(bad)?);
        }
        let key = Self::new(&source, &params);
        if key.as_str() == text { Ok(key) } else { Err(bad()) }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the source.
    pub fn source(&self) -> &str {
        self.0.split_once('?').map_or(&*self.0, |(name, _)| name)
    }

    /// The parameters, decoded.
    pub fn params(&self) -> Params {
        let query = self.0.split_once('?').map_or("", |(_, q)| q);
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter_map(|(name, value)| Some((name.to_owned(), percent_decode(value)?)))
            .collect()
    }
}

impl TryFrom<String> for Key {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::parse(&text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0.as_ref().to_owned()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Appends `value` with all but RFC 3986's unreserved characters percent-encoded.
pub fn percent_encode(value: &str, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push(char::from(HEX[usize::from(byte >> 4)]));
            into.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// Decodes `%XX`; `None` where an escape is broken or the result is no UTF-8.
pub fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_reads_back_as_itself(values in proptest::collection::btree_map("[a-z][a-z0-9_]{0,5}", ".{0,12}", 0..4)) {
            let key = Key::new(&SourceName::new("trend").unwrap(), &values);
            prop_assert_eq!(&Key::parse(key.as_str()).unwrap(), &key);
            prop_assert_eq!(key.params(), values);
            prop_assert_eq!(key.source(), "trend");
        }

        #[test]
        fn any_text_parses_or_is_refused(text in ".{0,40}") {
            if let Ok(key) = Key::parse(&text) {
                prop_assert_eq!(key.as_str(), text);
            }
        }
    }

    #[test]
    fn names() {
        for good in ["a", "google_trend", "x9"] {
            assert!(SourceName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "9a", "_a", "A", "a-b", "stream", "ä", &"a".repeat(65)] {
            assert!(SourceName::new(bad).is_err(), "{bad}");
        }
    }
}
