//! Regular expressions in jq programs: what `test`, `match`, `capture`, `scan`, `split` and `sub` are defined by.

use jaq_core::native::{Filter, bome, v};
use jaq_core::{Cv, RunPtr, ValT as _};
use jaq_json::{Error, Val, ValR};
use regex::{Captures, Regex, RegexBuilder};

use super::Program;
use super::functions::as_text;

/// The largest compiled pattern, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

pub(super) fn functions() -> Box<[Filter<RunPtr<Program>>]> {
    let two = || v(2);
    Box::new([
        ("matches", two(), |cv| bome(search(cv, Wanted { between: false, matches: true }))),
        ("split_matches", two(), |cv| bome(search(cv, Wanted { between: true, matches: true }))),
        ("split_", two(), |cv| bome(search(cv, Wanted { between: true, matches: false }))),
    ])
}

/// What a search gives: the matches, the texts between them, or both in turn.
#[derive(Clone, Copy)]
struct Wanted {
    between: bool,
    matches: bool,
}

/// The pattern is the first argument, its flags are the second.
fn search(mut cv: Cv<'_, Program>, wanted: Wanted) -> ValR {
    let flags = cv.0.pop_var();
    let pattern = cv.0.pop_var();
    let (flags, pattern) = (if matches!(flags, Val::Null) { "" } else { as_text(&flags)? }, as_text(&pattern)?);
    let regex = cv.0.data().patterns.find(flags, pattern, || compile(flags, pattern))?;
    let text = as_text(&cv.1)?;
    let mut found = Vec::new();
    let mut last = 0;
    let mut count = Count { text, bytes: 0, characters: 0 };
    for captures in regex.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        if flags.contains('n') && whole.is_empty() {
            continue;
        }
        if wanted.between {
            found.push(Val::from(text[last..whole.start()].to_owned()));
            last = whole.end();
        }
        if wanted.matches {
            found.push(describe(&regex, &captures, text, count.up_to(whole.start()))?);
        }
        if !flags.contains('g') {
            break;
        }
    }
    if wanted.between {
        found.push(Val::from(text[last..].to_owned()));
    }
    Ok(found.into_iter().collect())
}

fn compile(flags: &str, pattern: &str) -> Result<Regex, Error> {
    if let Some(unknown) = flags.chars().find(|flag| !"gnimslxp".contains(*flag)) {
        return Err(Error::str(format_args!("`{unknown}` is no flag of a regular expression")));
    }
    let has = |flag| flags.contains(flag);
    RegexBuilder::new(pattern)
        .size_limit(PATTERN_SIZE)
        .case_insensitive(has('i'))
        .multi_line(has('m') || has('p'))
        .dot_matches_new_line(has('s') || has('p'))
        .swap_greed(has('l'))
        .ignore_whitespace(has('x'))
        .build()
        .map_err(|error| {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Error::str(format_args!("the pattern `{pattern:.60}` cannot be read: {reason}"))
        })
}

/// A match and its groups. A group that took no part is left out, unless it has a name that a program may ask for.
fn describe(regex: &Regex, captures: &Captures<'_>, text: &str, offset: usize) -> ValR {
    let start = captures.get(0).map_or(0, |whole| whole.start());
    let mut groups = Vec::new();
    for (group, name) in captures.iter().zip(regex.capture_names()) {
        let (offset, length, text) = match group {
            Some(group) => {
                let offset = offset + text[start..group.start()].chars().count();
                (Val::from(offset), Val::from(group.as_str().chars().count()), Val::from(group.as_str().to_owned()))
            }
            None if name.is_some() => (Val::from(-1_isize), Val::from(0_usize), Val::Null),
            None => continue,
        };
        let mut members = vec![("offset", offset), ("length", length), ("string", text)];
        members.extend(name.map(|name| ("name", Val::from(name.to_owned()))));
        groups.push(Val::from_map(members.into_iter().map(|(name, value)| (Val::from(name.to_owned()), value)))?);
    }
    Ok(groups.into_iter().collect())
}

/// Counts characters as the matches go on.
struct Count<'a> {
    text: &'a str,
    bytes: usize,
    characters: usize,
}

impl Count<'_> {
    fn up_to(&mut self, byte: usize) -> usize {
        self.characters += self.text[self.bytes..byte].chars().count();
        self.bytes = byte;
        self.characters
    }
}
