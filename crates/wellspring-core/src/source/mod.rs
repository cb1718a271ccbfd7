//! A source: one slow upstream with a name, rules for reading it and a freshness policy. The only parser of sources:
//! TOML is read into the shapes of [`raw`], which are checked and turned into the values here.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use regex::Regex;

pub use self::document::Document;
pub use self::mapping::{CalendarMapping, FeedMapping, Mapped};
pub use self::page::{AddressPattern, Page, Render};
pub use self::parameter::RESERVED;
pub use self::parse::{Defaults, parse_source_table, parse_sources};
pub use self::policy::zone_named;
pub use self::request::{Ask, Details, Each, EachValues, Json, Method, Payload, Step, Time};
pub use self::rules::{Anchor, DateOutput, DateRule, Field, Format, Many, Nested, Origin, Parse, Piece, Places, Rules, Window, Within};
use crate::gate::Expect;
use crate::key::{Key, Params, SourceName};
use crate::policy::{HttpCache, Policy};
use crate::snapshot::Digest;

mod alternative;
mod asking;
mod digest;
mod document;
mod explain;
mod fields;
mod filling;
mod mapping;
mod names;
mod page;
mod parameter;
mod parse;
mod policy;
pub mod raw;
mod reading;
mod rendering;
mod request;
mod rules;
mod steps;
#[cfg(test)]
mod tests;
mod values;
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
    /// What items are as entries of a feed.
    pub feed: FeedMapping,
    /// What items are as events of a calendar, where the source says so.
    pub calendar: Option<CalendarMapping>,
    /// Whether `POST …/refresh` is allowed.
    pub manual_refresh: bool,
    /// Whether the body says `cache_age_hours`.
    pub report_age: bool,
    /// What caches may do with its answers.
    pub http_cache: HttpCache,
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
    /// A whole number within bounds, both included.
    Integer {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// `true` or `false`.
    Boolean,
    /// A day, `2025-01-23`.
    Date,
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
    /// Moments that fill places.
    pub times: Vec<Time>,
    /// What is asked first, in order.
    pub steps: Vec<Step>,
    /// What gives the rows.
    pub ask: Ask,
    /// The values for each of which it is asked.
    pub each: Option<Each>,
    /// What is asked for each row.
    pub details: Option<Details>,
    /// How to fetch it.
    pub render: Render,
    /// What a browser does with what gives the rows, where one is taken.
    pub page: Arc<Page>,
    /// The CSS selectors of `page` with their places, for who knows CSS.
    pub page_selectors: Vec<At<String>>,
    /// Whether the hosts' robots.txt are honoured; the server's setting where absent.
    pub robots: Option<bool>,
    /// How to read it.
    pub rules: Rules,
    /// What to expect of it.
    pub expect: Expect,
}

impl Alternative {
    /// All its requests, in the order in which they are made.
    pub fn asks(&self) -> impl Iterator<Item = &Ask> {
        let steps = self.steps.iter().map(|step| &step.ask);
        steps.chain([&self.ask]).chain(self.details.iter().map(|details| &details.ask))
    }
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
            let Some(value) = param.takes.canonical(value) else {
                return Err(BadParams::Refused { name: name.to_owned(), takes: param.takes.words() });
            };
            if params.insert(name.to_owned(), value).is_some() {
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
