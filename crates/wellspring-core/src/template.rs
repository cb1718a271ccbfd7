//! Texts of a config that carry `${ENVIRONMENT}` values and `{parameter}` places, and never print the former.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::key::{Params, percent_encode};

#[cfg(test)]
mod tests;

/// Shorter secrets, in bytes, are found in anything.
const SHORTEST: usize = 4;

/// What came from the environment. Prints as `***`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Looks a name of the environment up; `None` where it is not set.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why a template cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// `${NAME}` where NAME is not set.
    #[error("the environment variable `{0}` is not set")]
    MissingVariable(String),
    /// A `${` without its `}`.
    #[error("`${{` is not closed by `}}`")]
    Unclosed,
    /// `{name}` of nothing that is known.
    #[error("`{{{0}}}` names nothing that is known here")]
    UnknownParameter(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable { name: String, value: Secret },
    Parameter(String),
}

/// Where a filled-in text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into an address: values are percent-encoded, and what stands around them is not. A value that the text begins with is an
    /// address itself and stands as it is.
    Address,
    /// Into a header or a text: all stands as it is.
    Verbatim,
    /// Into a form: all is percent-encoded.
    Form,
    /// Between the quotes of a JSON string: all is escaped.
    Json,
}

impl Place {
    /// A text as it is written there.
    pub fn encode(self, text: &str) -> String {
        match self {
            Self::Verbatim => text.to_owned(),
            Self::Address | Self::Form => {
                let mut encoded = String::with_capacity(text.len());
                percent_encode(text, &mut encoded);
                encoded
            }
            Self::Json => {
                let quoted = Value::String(text.to_owned()).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
        }
    }

    /// What the config's own words and variables become there.
    fn write(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Address | Self::Verbatim => text.into(),
            Self::Form | Self::Json => self.encode(text).into(),
        }
    }
}

/// A text with its `${NAME}` read and its `{parameter}` places open.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// A template filled in: the text to use and the text to show.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Filled {
    /// With secrets.
    exposed: String,
    /// With `${NAME}` in their place.
    shown: String,
    /// What came from the environment.
    secrets: Vec<Secret>,
}

impl Filled {
    /// A text without secrets.
    pub fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { shown: text.clone(), exposed: text, secrets: Vec::new() }
    }

    /// Adds a text that is no secret.
    pub fn push_str(&mut self, text: &str) {
        self.exposed.push_str(text);
        self.shown.push_str(text);
    }

    /// Adds another one with its secrets.
    pub fn append(&mut self, other: Self) {
        self.exposed.push_str(&other.exposed);
        self.shown.push_str(&other.shown);
        self.secrets.extend(other.secrets);
    }

    /// The text to use, secrets included: for the wire only.
    pub fn expose(&self) -> &str {
        &self.exposed
    }

    /// True where `text` repeats a secret of this one, percent-encoded, escaped or not, in whatever case: what an upstream echoes
    /// must be shown no more than what it was sent. A secret that is cut off with `…` counts as well. Secrets under four bytes are
    /// found in anything and do not count.
    pub fn gives_away(&self, text: &str) -> bool {
        let whole = unescaped(text);
        let cut: Vec<Vec<u8>> = text.match_indices('…').map(|(at, _)| unescaped(&text[..at])).collect();
        self.secrets.iter().map(|secret| unescaped(secret.expose())).filter(|secret| secret.len() >= SHORTEST).any(|secret| {
            let begins_at_the_end = |text: &Vec<u8>| (SHORTEST..secret.len()).any(|length| text.ends_with(&secret[..length]));
            whole.windows(secret.len()).any(|window| window == secret) || cut.iter().any(begins_at_the_end)
        })
    }

    /// True where the text carries something that came from the environment.
    pub fn is_secret(&self) -> bool {
        self.exposed != self.shown
    }
}

impl fmt::Display for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown)
    }
}

impl Template {
    /// Reads `${NAME}` by `environment` and leaves `{name}` open for each of `parameters`. Braces around anything that is
    /// no name (`{"a": 1}`, `{ id }` with blanks) are literal.
    ///
    /// # Errors
    /// [`BadTemplate`] for a missing variable, an undeclared parameter, an unclosed `${`.
    pub fn parse(text: &str, parameters: &[&str], environment: Environment<'_>) -> Result<Self, BadTemplate> {
        Self::read(text, Some(parameters), environment)
    }

    /// Reads `${NAME}` by `environment`; braces mean nothing else.
    ///
    /// # Errors
    /// [`BadTemplate`] for a missing variable and an unclosed `${`.
    pub fn expand(text: &str, environment: Environment<'_>) -> Result<Filled, BadTemplate> {
        Self::read(text, None, environment).map(|template| template.fill(&Params::new()))
    }

    fn read(text: &str, parameters: Option<&[&str]>, environment: Environment<'_>) -> Result<Self, BadTemplate> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['$', '{']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(inner) = rest.strip_prefix("${") {
                let end = inner.find('}').ok_or(BadTemplate::Unclosed)?;
                let name = &inner[..end];
                let value = environment(name).ok_or_else(|| BadTemplate::MissingVariable(name.to_owned()))?;
                push_literal(&mut parts, &mut literal);
                parts.push(Part::Variable { name: name.to_owned(), value: Secret::new(value) });
                rest = &inner[end + 1..];
            } else if let Some(parameters) = parameters
                && let Some((name, after)) = place_at(rest, |name| parameters.contains(&name))
            {
                if !parameters.contains(&name) {
                    return Err(BadTemplate::UnknownParameter(name.to_owned()));
                }
                push_literal(&mut parts, &mut literal);
                parts.push(Part::Parameter(name.to_owned()));
                rest = after;
            } else {
                let first = rest.chars().next().map_or(0, char::len_utf8);
                literal.push_str(&rest[..first]);
                rest = &rest[first..];
            }
        }
        literal.push_str(rest);
        push_literal(&mut parts, &mut literal);
        Ok(Self(parts))
    }

    /// True where it carries something that came from the environment.
    pub fn is_secret(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Variable { .. }))
    }

    /// The names that it leaves open, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| if let Part::Parameter(name) = part { Some(name.as_str()) } else { None })
    }

    /// What it has from the environment: names and values.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.0.iter().filter_map(|part| if let Part::Variable { name, value } = part { Some((name.as_str(), value)) } else { None })
    }

    /// The name, where the text is one open place and nothing else.
    pub fn only_name(&self) -> Option<&str> {
        if let [Part::Parameter(name)] = &self.0[..] { Some(name) } else { None }
    }

    /// The name of the place that the text begins with.
    pub fn first_name(&self) -> Option<&str> {
        if let Some(Part::Parameter(name)) = self.0.first() { Some(name) } else { None }
    }

    /// The places of an address by which its host is chosen: none where that is written out, or ends in a domain that is
    /// (`{shop}.market.example`).
    pub fn host_names(&self) -> Vec<&str> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Variable { value, .. } => text.push_str(value.expose()),
                Part::Parameter(_) => text.push('\0'),
            }
        }
        if self.first_name().is_some() {
            return self.names().take(1).collect();
        }
        let start = text.find("://").map_or(0, |at| at + 3);
        let end = text[start..].find(['/', '?', '#', '\\']).map_or(text.len(), |at| start + at);
        let start = text[start..end].rfind('@').map_or(start, |at| start + at + 1);
        let host = &text[start..end];
        let host = host.rfind(':').filter(|at| !host[*at..].contains(']')).map_or(host, |at| &host[..at]);
        let open = host.matches('\0').count();
        let is_settled = host.rsplit('\0').next().and_then(|tail| tail.strip_prefix('.')).is_some_and(|domain| domain.contains('.'));
        let before = text[..start].matches('\0').count();
        self.names().skip(before).take(if is_settled { 0 } else { open }).collect()
    }

    /// True where a value would be a step in the path and not the name of one: a segment of dots alone leads elsewhere, and no
    /// escape keeps it from that.
    pub fn climbs(&self, params: &Params) -> bool {
        // An address that came from elsewhere as a whole has whatever path it has.
        let own = self.first_name();
        let harmless = params.iter().map(|(name, value)| {
            let value = if own == Some(name) { value.clone() } else { "x".to_owned() };
            (name.clone(), value)
        });
        dots(self.fill(params).expose()) > dots(self.fill(&harmless.collect()).expose())
    }

    /// Fills the places in as an address takes them.
    pub fn fill(&self, params: &Params) -> Filled {
        self.fill_as(Place::Address, params)
    }

    /// Fills the places in as they must be written where the text goes. A name without a value leaves nothing.
    pub fn fill_as(&self, place: Place, params: &Params) -> Filled {
        let mut filled = Filled::default();
        for (index, part) in self.0.iter().enumerate() {
            match part {
                Part::Literal(text) => filled.push_str(&place.write(text)),
                Part::Variable { name, value } => {
                    let written = place.write(value.expose());
                    filled.exposed.push_str(&written);
                    filled.shown.extend(["${", name, "}"]);
                    // An upstream may echo it as it was sent.
                    if written != value.expose() {
                        filled.secrets.push(Secret::new(&*written));
                    }
                    filled.secrets.push(value.clone());
                }
                Part::Parameter(name) => {
                    let value = params.get(name).map_or("", String::as_str);
                    let place = if index == 0 && place == Place::Address { Place::Verbatim } else { place };
                    filled.push_str(&place.encode(value));
                }
            }
        }
        filled
    }
}

/// Shows the template as it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Literal(text) => f.write_str(text),
            Part::Variable { name, .. } => write!(f, "${{{name}}}"),
            Part::Parameter(name) => write!(f, "{{{name}}}"),
        })
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// The name of the place that a text begins with, and what follows it: what `known` knows, or what looks like a name. Looks no
/// further than the next brace, so that a text of nothing but braces takes no longer than another.
pub(crate) fn place_at(text: &str, known: impl Fn(&str) -> bool) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('{')?;
    let end = inner.find(['{', '}']).filter(|&end| inner[end..].starts_with('}'))?;
    let name = &inner[..end];
    (known(name) || is_name(name)).then_some((name, &inner[end + 1..]))
}

/// The names that stand in a text like places.
pub(crate) fn places(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('{').filter_map(|(at, _)| place_at(&text[at..], |_| false)).map(|(name, _)| name)
}

/// True for `[A-Za-z_][A-Za-z0-9_]*` of at most 64 bytes: what is meant as a name where it stands in braces.
fn is_name(word: &str) -> bool {
    word.len() <= 64
        && word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// How many segments of an address's path are dots alone.
fn dots(address: &str) -> usize {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let is_dots = |segment: &str| matches!(&*decoded(segment), b"." | b"..");
    path.split(['/', '\\']).filter(|segment| is_dots(segment)).count()
}

/// The same without the backslashes of JSON, and without half an escape at its end.
fn unescaped(text: &str) -> Vec<u8> {
    let text = match text.char_indices().rev().take(2).find(|(_, c)| *c == '%') {
        Some((at, _)) => &text[..at],
        None => text,
    };
    let mut plain = decoded(text);
    plain.retain(|byte| *byte != b'\\');
    plain
}

/// Percent-decoded and in lower case, for comparing.
fn decoded(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut plain = Vec::with_capacity(rest.len());
    while let Some((&first, after)) = rest.split_first() {
        let escape = (first == b'%').then(|| after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok())).flatten();
        let (byte, after) = match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => (byte, &after[2..]),
            None => (first, after),
        };
        plain.push(byte.to_ascii_lowercase());
        rest = after;
    }
    plain
}

fn push_literal(parts: &mut Vec<Part>, literal: &mut String) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal)));
    }
}
