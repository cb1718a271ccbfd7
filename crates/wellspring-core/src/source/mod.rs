//! A source: one slow upstream with a name, rules for reading it and a freshness policy. The only parser of sources:
//! TOML is read into the shapes of [`raw`], which are checked and turned into the values here.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::document::Document;
pub use self::parameter::RESERVED;
pub use self::parse::{Defaults, parse_source_table, parse_sources};
pub use self::policy::zone_named;
use crate::gate::Expect;
use crate::key::{Key, Params, SourceName};
use crate::policy::Policy;
use crate::snapshot::Digest;
use crate::template::Template;

mod alternative;
mod digest;
mod document;
mod explain;
mod parameter;
mod parse;
mod policy;
pub mod raw;
#[cfg(test)]
mod tests;
pub mod words;

/// A source as validated from TOML. Rules are still text here: `wellspring-extract` compiles them at load.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    /// Its name, as in `/api/{name}`.
    pub name: SourceName,
    /// What it is, for people.
    pub description: Option<String>,
    /// Declared parameters, by name.
    pub params: Vec<Param>,
    /// Alternatives in order; the first that can be used and passes its gate serves. Never empty.
    pub alternatives: Vec<Alternative>,
    /// Freshness and patience.
    pub policy: Policy,
    /// The name of the list in the body; `items` unless renamed.
    pub items_key: String,
    /// Whether `POST …/refresh` is allowed.
    pub manual_refresh: bool,
    /// Whether the body says `cache_age_hours`.
    pub report_age: bool,
    /// Whether it is fetched at start, unasked, when it has no snapshot.
    pub warm: bool,
    /// How many keys (combinations of parameters) are held.
    pub max_keys: usize,
    /// The digest of everything that decides which items come out: another one makes stored snapshots stale at once.
    pub rules: Digest,
}

/// A declared parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name: `[a-z][a-z0-9_]*` and none of the words that reads use themselves.
    pub name: String,
    /// Its value where a request gives none; without one the request must.
    pub default: Option<String>,
    /// What values it takes.
    pub takes: Takes,
}

/// What values a parameter takes.
#[derive(Clone, Debug)]
pub enum Takes {
    /// One of these.
    Values(Vec<String>),
    /// Whatever this anchored pattern matches.
    Pattern(Regex),
}

/// A piece of the source's TOML with its place (byte range), so that later checks can point at it.
#[derive(Clone, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the file.
    pub span: Range<usize>,
}

/// Without its place: a source reads the same wherever it stands in its file.
impl<T: fmt::Debug> fmt::Debug for At<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// One way to obtain a source's items.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// Usable only where this variable of the environment is set and not empty.
    pub when_env: Option<String>,
    /// What `when_env` came to when the config was read.
    pub usable: bool,
    /// The address, with parameters open. Empty for an unusable alternative, whose variables are not read.
    pub url: Template,
    /// How to fetch it.
    pub render: Render,
    /// What a rendered page is waited for.
    pub wait_for: Option<String>,
    /// A proxy of its own.
    pub proxy: Option<Template>,
    /// The longest one request may take; the server's where absent.
    pub timeout: Option<Duration>,
    /// The largest body after decompression, in bytes; the server's where absent.
    pub max_body: Option<u64>,
    /// How to read it.
    pub rules: Rules,
    /// What to expect of it.
    pub expect: Expect,
}

/// How a page is obtained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Render {
    /// Plain HTTP.
    #[default]
    Never,
    /// The cheapest that works.
    Auto,
    /// A real browser.
    Always,
}

/// What a body is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// An HTML page; `items` and fields are CSS selectors.
    Html,
    /// JSON; `items` and fields are RFC 9535 JSONPath.
    Json,
    /// RSS 0.9–2.0 or Atom; fields are names of an entry's elements.
    Feed,
}

/// How a body becomes items, as written.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What the body is.
    pub format: Format,
    /// What selects the rows; a feed needs none.
    pub items: Option<At<String>>,
    /// The fields of an item, in order. None: JSON items and feed entries are taken whole.
    pub fields: Vec<Field>,
    /// The field by which only the first of equal rows stays.
    pub unique_by: Option<At<String>>,
    /// How many items are kept.
    pub limit: Option<usize>,
    /// Fields without which a row is dropped ([`Expect::required`] again, for the reader of rows).
    pub required: Vec<String>,
}

/// One field of an item.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name in the item.
    pub name: String,
    /// Where to look, in order: the first that is not empty wins. Empty: only the default.
    pub candidates: Vec<At<String>>,
    /// An attribute to take (`attr = "href"`), as an alternative to `selector@attr`.
    pub attr: Option<String>,
    /// How to read the text.
    pub parse: Parse,
    /// The value where nothing was found or the text could not be read.
    pub default: Option<serde_json::Value>,
}

/// How a field's text is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parse {
    /// As it is: text, or whatever JSON holds.
    #[default]
    Text,
    /// A number in people's notation: `2,000+`, `200K+`, `Rp 14.500`.
    Number {
        /// The decimal mark. `None`: guessed, a single mark before exactly three digits being a thousands mark.
        decimal: Option<char>,
    },
}

/// Why a request's parameters do not make a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadParams {
    /// A parameter that the source does not declare.
    #[error("`{name}` is no parameter of this source; {}", declared_words(.declared))]
    Undeclared {
        /// The offending name.
        name: String,
        /// The names it could be.
        declared: Vec<String>,
    },
    /// A parameter given twice.
    #[error("`{name}` is given more than once")]
    Repeated {
        /// The offending name.
        name: String,
    },
    /// A value that the parameter does not take.
    #[error("`{name}` does not take this value; it takes {takes}")]
    Refused {
        /// The offending name.
        name: String,
        /// What it takes, in words.
        takes: String,
    },
    /// A parameter without a default that was not given.
    #[error("`{name}` is needed; it takes {takes}")]
    Missing {
        /// The missing name.
        name: String,
        /// What it takes, in words.
        takes: String,
    },
}

fn declared_words(declared: &[String]) -> String {
    if declared.is_empty() { "it takes none".to_owned() } else { format!("it takes {}", declared.join(", ")) }
}

impl Takes {
    /// True where the value is one it takes.
    pub fn accepts(&self, value: &str) -> bool {
        match self {
            Self::Values(values) => values.iter().any(|v| v == value),
            Self::Pattern(pattern) => pattern.is_match(value),
        }
    }

    /// What it takes, in words.
    pub fn words(&self) -> String {
        match self {
            Self::Values(values) => values.join(", "),
            // Shown without the anchors that parsing added.
            Self::Pattern(pattern) => {
                let text = pattern.as_str();
                let inner = text.strip_prefix("^(?:").and_then(|t| t.strip_suffix(")$"));
                format!("what matches {}", inner.unwrap_or(text))
            }
        }
    }
}

/// The longest value of a parameter, in bytes: keys are held in memory and in the store.
const LONGEST_VALUE: usize = 256;

impl SourceSpec {
    /// The key of a request with these parameters, defaults filled in.
    ///
    /// # Errors
    /// [`BadParams`], which names the parameter.
    pub fn key<'a>(&self, given: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Key, BadParams> {
        let mut params = Params::new();
        for (name, value) in given {
            let Some(param) = self.params.iter().find(|p| p.name == name) else {
                return Err(BadParams::Undeclared {
                    name: name.to_owned(),
                    declared: self.params.iter().map(|p| p.name.clone()).collect(),
                });
            };
            if value.len() > LONGEST_VALUE {
                let takes = format!("at most {LONGEST_VALUE} bytes");
                return Err(BadParams::Refused { name: name.to_owned(), takes });
            }
            if !param.takes.accepts(value) {
                return Err(BadParams::Refused { name: name.to_owned(), takes: param.takes.words() });
            }
            if params.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(BadParams::Repeated { name: name.to_owned() });
            }
        }
        for param in &self.params {
            if !params.contains_key(&param.name) {
                let default =
                    param.default.clone().ok_or_else(|| BadParams::Missing { name: param.name.clone(), takes: param.takes.words() })?;
                params.insert(param.name.clone(), default);
            }
        }
        Ok(Key::new(&self.name, &params))
    }

    /// The key that a bare `/api/{name}` reads, where all parameters have defaults.
    pub fn default_key(&self) -> Option<Key> {
        self.key([]).ok()
    }
}
