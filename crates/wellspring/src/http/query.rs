//! What a read asks for beside the key, from its query: everything is judged here, before anything is touched.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;
use wellspring_core::diagnostic::nearest;
use wellspring_core::key::Key;
use wellspring_core::period::parse_period;
use wellspring_core::source::{BadParams, RESERVED, SourceSpec};

use super::problem::Problem;
use super::selection::Selection;

/// The longest query, in bytes.
const LONGEST: usize = 16 << 10;
/// The most names in one query.
const MOST_NAMES: usize = 64;
/// The most items that `limit` takes.
const MOST_ITEMS: usize = 1_000_000;
/// The most names in `fields`.
const MOST_FIELDS: usize = 64;
/// How long a reader may wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// What may stand around a name in `fields`. No other white space: what that is, each language says in its own way.
pub(super) const BLANKS: [char; 2] = [' ', '\t'];
/// How much of what was sent is shown in an answer, in characters.
const SHOWN: usize = 64;

/// A name and its value, decoded.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The query of a read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// What is left of it when its own words are taken out: the source's parameters.
    pub params: Params,
    /// Which part of the items.
    pub selection: Selection,
    /// How old, and how patient.
    pub patience: Patience,
    /// The data as of this moment.
    pub as_of: Option<Timestamp>,
}

/// The source's parameters, as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

/// How old an answer its reader accepts, and how long it waits for a newer one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// Older than this, a newer one is wanted; older than its period where absent.
    pub max_age: Option<Duration>,
    /// How long; where absent, not at all, and `cold_wait` for a key without a snapshot.
    pub wait: Option<Duration>,
}

impl Patience {
    /// True where the query says nothing of it.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Query {
    /// Reads the query of a read at `now`.
    ///
    /// # Errors
    /// A 400 that names the parameter and what it takes.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, Box<Problem>> {
        let mut query = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in pairs(text)? {
            if RESERVED.contains(&&*name) {
                if seen.iter().any(|word| *word == name) {
                    return Err(bad(&name, format!("`{name}` is given more than once")));
                }
                query.take(&name, &value, now)?;
                seen.push(name.into_owned());
            } else {
                query.params.0.push((name.into_owned(), value.into_owned()));
            }
        }
        if query.as_of.is_some()
            && let Some(other) = seen.iter().find(|word| matches!(word.as_str(), "max_age" | "wait"))
        {
            return Err(bad(other, format!("`{other}` does not go with `as_of`: what is past gets no newer")));
        }
        Ok(query)
    }

    fn take(&mut self, name: &str, value: &str, now: Timestamp) -> Result<(), Box<Problem>> {
        match name {
            "limit" => self.selection.limit = Some(limit(value)?),
            "fields" => self.selection.fields = Some(fields(value)?),
            "max_age" => self.patience.max_age = Some(period(name, value, None)?),
            "wait" => self.patience.wait = Some(period(name, value, Some(LONGEST_WAIT))?),
            _ => self.as_of = Some(moment(value, now)?),
        }
        Ok(())
    }
}

impl Params {
    /// Reads a query that takes the source's parameters only.
    ///
    /// # Errors
    /// A 400 where it is too long.
    pub fn parse(text: &str) -> Result<Self, Box<Problem>> {
        Ok(Self(pairs(text)?.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()))
    }

    /// Reads the query of a forced refresh: the source's parameters and how long its asker waits, however long that is.
    ///
    /// # Errors
    /// A 400 that names the parameter.
    pub fn with_wait(text: &str) -> Result<(Self, Option<Duration>), Box<Problem>> {
        let (mut params, mut wait) = (Vec::new(), None);
        for (name, value) in pairs(text)? {
            match &*name {
                "wait" if wait.is_some() => return Err(bad("wait", "`wait` is given more than once".to_owned())),
                "wait" => wait = Some(period("wait", &value, None)?),
                _ => params.push((name.into_owned(), value.into_owned())),
            }
        }
        Ok((Self(params), wait))
    }

    /// The first value of a name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The key that they make of a source; `words` are those that the route takes beside them.
    ///
    /// # Errors
    /// A 400 that names the parameter.
    pub fn key(&self, spec: &SourceSpec, words: &[&str]) -> Result<Key, Box<Problem>> {
        spec.key(self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))).map_err(|wrong| Box::new(bad_params(&wrong, words)))
    }
}

/// 400 that names a parameter of the source, and the word that may have been meant.
fn bad_params(wrong: &BadParams, words: &[&str]) -> Problem {
    let mut detail = wrong.to_string();
    let name = match wrong {
        BadParams::Undeclared { name, declared } => {
            let short = shown(name);
            detail = detail.replacen(name.as_str(), &short, 1);
            if let Some(word) = nearest(name, declared.iter().map(String::as_str).chain(words.iter().copied())) {
                detail = format!("{detail}; did you mean `{word}`?");
            }
            short
        }
        BadParams::Repeated { name } | BadParams::Refused { name, .. } | BadParams::Missing { name, .. } => name.clone(),
    };
    Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", detail).with("parameter", json!(name))
}

/// Names and values, decoded; bounded, for each costs memory.
fn pairs(text: &str) -> Result<Vec<Pair<'_>>, Box<Problem>> {
    let refused = |detail: String| Box::new(Problem::new(StatusCode::BAD_REQUEST, "bad_query", detail));
    if text.len() > LONGEST {
        return Err(refused(format!("the query has {} bytes; at most {LONGEST} are taken", text.len())));
    }
    let mut pairs = url::form_urlencoded::parse(text.as_bytes());
    let taken: Vec<_> = pairs.by_ref().take(MOST_NAMES).collect();
    if pairs.next().is_some() {
        return Err(refused(format!("the query has more than {MOST_NAMES} parameters")));
    }
    Ok(taken)
}

fn limit(value: &str) -> Result<usize, Box<Problem>> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    value.parse().ok().filter(|n| digits && *n <= MOST_ITEMS).ok_or_else(|| {
        bad("limit", format!("`limit` takes a whole number of items from 0 to {MOST_ITEMS}, as in limit=10, not `{}`", shown(value)))
    })
}

fn fields(value: &str) -> Result<Vec<String>, Box<Problem>> {
    let mut names: Vec<String> = Vec::new();
    for name in value.split(',').map(|name| name.trim_matches(BLANKS)) {
        if name.is_empty() {
            return Err(bad("fields", "`fields` takes names of fields with commas between them, as in fields=title,link".to_owned()));
        }
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
        if names.len() > MOST_FIELDS {
            return Err(bad("fields", format!("`fields` takes at most {MOST_FIELDS} names")));
        }
    }
    Ok(names)
}

/// A period; a bare `0` is none at all.
fn period(name: &str, value: &str, longest: Option<Duration>) -> Result<Duration, Box<Problem>> {
    let period = if value == "0" { Some(Duration::ZERO) } else { parse_period(value).ok() };
    match (period, longest) {
        (Some(period), None) => Ok(period),
        (Some(period), Some(longest)) if period <= longest => Ok(period),
        (Some(_), Some(longest)) => Err(bad(name, format!("`{name}` takes at most {}s, not `{}`", longest.as_secs(), shown(value)))),
        (None, _) => Err(bad(
            name,
            format!(
                "`{name}` takes whole numbers with a unit (ms, s, m, h, d, w), as in {name}=2s or {name}=1h30m, not `{}`",
                shown(value)
            ),
        )),
    }
}

fn moment(value: &str, now: Timestamp) -> Result<Timestamp, Box<Problem>> {
    // In a query `+` is a blank, and people paste the offset as it is shown to them.
    let text = value.trim().replace(' ', "+");
    let at: Timestamp = text.parse().map_err(|_| {
        let takes = "`as_of` takes a moment with its offset (RFC 3339), as in as_of=2025-11-28T10:30:00Z";
        bad("as_of", format!("{takes}, not `{}`", shown(value)))
    })?;
    if at > now {
        return Err(bad("as_of", format!("`as_of` lies ahead: here it is {now:.0}")));
    }
    Ok(at)
}

/// 400 for a word of the read's own.
fn bad(name: &str, detail: String) -> Box<Problem> {
    Box::new(Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", detail).with("parameter", json!(name)))
}

/// What was sent, as far as it is repeated.
pub(super) fn shown(value: &str) -> String {
    let mut shown: String = value.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    fn parse(text: &str) -> Result<Query, Box<Problem>> {
        Query::parse(text, "2026-01-02T03:04:05Z".parse().unwrap())
    }

    fn refused(text: &str) -> String {
        let problem = parse(text).unwrap_err();
        assert_eq!(problem.clone().into_response().status(), 400);
        problem.detail().to_owned()
    }

    #[test]
    fn words_are_read_and_the_rest_is_the_sources() {
        let query = parse("geo=ID&limit=5&fields=title,%20img,title&max_age=10m&wait=2s&hl=id").unwrap();
        assert_eq!(query.params.0, [("geo".into(), "ID".into()), ("hl".into(), "id".into())]);
        assert_eq!(query.selection, Selection { limit: Some(5), fields: Some(vec!["title".into(), "img".into()]) });
        assert_eq!(query.patience, Patience { max_age: Some(Duration::from_secs(600)), wait: Some(Duration::from_secs(2)) });
        assert_eq!(query.as_of, None);
        assert_eq!(parse("").unwrap(), Query::default());
        assert_eq!(parse("&&").unwrap(), Query::default());
        assert_eq!(parse("max_age=0&wait=0").unwrap().patience, Patience { max_age: Some(Duration::ZERO), wait: Some(Duration::ZERO) });
        assert_eq!(parse("limit=0").unwrap().selection.limit, Some(0));
    }

    #[test]
    fn a_moment_is_read_as_people_paste_it() {
        for text in ["as_of=2025-11-28T10:30:00%2B07:00", "as_of=2025-11-28T10:30:00+07:00", "as_of=2025-11-28T03:30:00Z"] {
            assert_eq!(parse(text).unwrap().as_of, Some("2025-11-28T03:30:00Z".parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_words() {
        insta::assert_snapshot!(refused("limit=-1"), @"`limit` takes a whole number of items from 0 to 1000000, as in limit=10, not `-1`");
        insta::assert_snapshot!(refused("limit=%2B1"), @"`limit` takes a whole number of items from 0 to 1000000, as in limit=10, not `+1`");
        insta::assert_snapshot!(refused("limit=1000001"), @"`limit` takes a whole number of items from 0 to 1000000, as in limit=10, not `1000001`");
        insta::assert_snapshot!(refused("limit="), @"`limit` takes a whole number of items from 0 to 1000000, as in limit=10, not ``");
        insta::assert_snapshot!(refused("limit=1&limit=1"), @"`limit` is given more than once");
        insta::assert_snapshot!(refused("fields="), @"`fields` takes names of fields with commas between them, as in fields=title,link");
        assert_eq!(parse("fields=%09a%20,%C2%85").unwrap().selection.fields, Some(vec!["a".into(), "\u{85}".into()]));
        insta::assert_snapshot!(refused("fields=%20,%09"), @"`fields` takes names of fields with commas between them, as in fields=title,link");
        insta::assert_snapshot!(refused("fields=a,,b"), @"`fields` takes names of fields with commas between them, as in fields=title,link");
        insta::assert_snapshot!(refused("wait=1h"), @"`wait` takes at most 60s, not `1h`");
        insta::assert_snapshot!(refused("wait=2"), @"`wait` takes whole numbers with a unit (ms, s, m, h, d, w), as in wait=2s or wait=1h30m, not `2`");
        insta::assert_snapshot!(refused("max_age=soon"), @"`max_age` takes whole numbers with a unit (ms, s, m, h, d, w), as in max_age=2s or max_age=1h30m, not `soon`");
        insta::assert_snapshot!(refused("as_of=yesterday"), @"`as_of` takes a moment with its offset (RFC 3339), as in as_of=2025-11-28T10:30:00Z, not `yesterday`");
        insta::assert_snapshot!(refused("as_of=2025-11-28"), @"`as_of` takes a moment with its offset (RFC 3339), as in as_of=2025-11-28T10:30:00Z, not `2025-11-28`");
        insta::assert_snapshot!(refused("as_of=2026-01-02T03:04:06Z"), @"`as_of` lies ahead: here it is 2026-01-02T03:04:05Z");
        insta::assert_snapshot!(refused("as_of=2026-01-01T00:00:00Z&wait=2s"), @"`wait` does not go with `as_of`: what is past gets no newer");
        insta::assert_snapshot!(refused("max_age=1s&as_of=2026-01-01T00:00:00Z"), @"`max_age` does not go with `as_of`: what is past gets no newer");
        insta::assert_snapshot!(refused(&"a=1&".repeat(10_000)), @"the query has 40000 bytes; at most 16384 are taken");
        insta::assert_snapshot!(refused(&"a=1&".repeat(65)), @"the query has more than 64 parameters");
        insta::assert_snapshot!(refused(&format!("limit={}", "9".repeat(500))), @"`limit` takes a whole number of items from 0 to 1000000, as in limit=10, not `9999999999999999999999999999999999999999999999999999999999999999…`");
        let many: Vec<String> = (0..65).map(|i| format!("f{i}")).collect();
        insta::assert_snapshot!(refused(&format!("fields={}", many.join(","))), @"`fields` takes at most 64 names");
    }

    proptest::proptest! {
        #[test]
        fn any_query_is_read_or_refused(text in ".{0,60}", word in 0usize..5) {
            let _ = parse(&text);
            let _ = parse(&format!("{}={text}", RESERVED[word]));
        }
    }
}
