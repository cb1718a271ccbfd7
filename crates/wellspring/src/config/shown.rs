//! A source's own text for people to read: its table as it stands in its file. Variables stand there by their names; what may be a
//! secret and was written out is left out.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Source;

/// What stands in place of a value that may be a secret.
const HIDDEN: &str = "***";
/// Tables whose values are sent to upstreams and read by nobody else.
const SENT: [&str; 6] = ["headers", "cookies", "form", "json", "body", "data"];
/// What names of secrets contain.
const SECRET: [&str; 14] = [
    "apikey",
    "auth",
    "bearer",
    "cookie",
    "credential",
    "passphrase",
    "passwd",
    "password",
    "pwd",
    "secret",
    "session",
    "signature",
    "token",
    "userkey",
];

impl Source {
    /// The source's table.
    pub fn shown(&self) -> String {
        let own = section(&self.text, self.spec.name.as_str());
        if own.is_empty() {
            return format!("# `{}` is written in a way that cannot be shown here; see {}\n", self.spec.name, self.file);
        }
        without_secrets(&own)
    }
}

/// The lines of `[source.NAME]` and of the tables below it, with the comment above the first of them.
fn section(text: &str, name: &str) -> String {
    let mut own = String::new();
    // Comments and blank lines that belong to whatever comes next.
    let mut before = String::new();
    let (mut inside, mut begun, mut quotes) = (false, false, None::<&str>);
    for line in text.split_inclusive('\n') {
        let is_header = quotes.is_none() && line.trim_start().starts_with('[') && header(line).is_some();
        if is_header {
            inside = header(line).is_some_and(|path| path.first().is_some_and(|p| p == "source") && path.get(1).is_some_and(|p| p == name));
            if inside {
                let above = if begun { before.as_str() } else { before.rsplit("\n\n").next().unwrap_or_default() };
                own.push_str(above);
                begun = true;
            }
            before.clear();
        }
        let is_loose = !is_header && quotes.is_none() && (line.trim().is_empty() || line.trim_start().starts_with('#'));
        if is_loose {
            before.push_str(line);
        } else {
            if inside {
                if !is_header {
                    own.push_str(&before);
                }
                own.push_str(line);
            }
            if !is_header {
                before.clear();
            }
        }
        if !is_loose {
            quotes = still_open(line, quotes);
        }
    }
    own
}

/// The path that a header names; `None` of what is none, as a list's own line is.
fn header(line: &str) -> Option<Vec<String>> {
    let line = line.trim();
    let inner = line.strip_prefix("[[").and_then(|rest| rest.split_once("]]")).or_else(|| line.strip_prefix('[')?.split_once(']'));
    let (path, rest) = inner?;
    let rest = rest.trim();
    if !rest.is_empty() && !rest.starts_with('#') {
        return None;
    }
    let part = |part: &str| part.trim().trim_matches(['"', '\'']).to_owned();
    let parts: Vec<String> = path.split('.').map(part).collect();
    let is_name = |part: &String| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    parts.iter().all(is_name).then_some(parts)
}

/// The quotes of a text over several lines that is open after this line.
fn still_open<'q>(line: &str, open: Option<&'q str>) -> Option<&'q str> {
    let mut open = open;
    let mut rest = line;
    loop {
        if let Some(quotes) = open {
            let at = rest.find(quotes)?.checked_add(3)?;
            rest = rest.get(at..)?;
            open = None;
            continue;
        }
        let next = ["\"\"\"", "'''"].into_iter().filter_map(|quotes| Some((rest.find(quotes)?, quotes))).min();
        let (at, quotes) = next?;
        rest = &rest[at + 3..];
        match rest.find(quotes) {
            Some(end) => rest = &rest[end + 3..],
            None => return Some(quotes),
        }
        open = None;
    }
}

/// The text without what may be a secret: values that are sent under a telling name, user names and keys in addresses, comments that
/// hold either.
fn without_secrets(text: &str) -> String {
    let mut found = Vec::new();
    match DeTable::parse(text) {
        Ok(table) => in_table(table.get_ref(), &mut Vec::new(), &mut found),
        // What cannot be read cannot be judged.
        Err(_) => return "# this source's text cannot be shown\n".to_owned(),
    }
    let mut shown = text.to_owned();
    found.sort_by_key(|span: &Range<usize>| std::cmp::Reverse(span.start));
    for span in found {
        if shown.get(span.clone()).is_some() {
            shown.replace_range(span, &format!("\"{HIDDEN}\""));
        }
    }
    let lines: Vec<String> = shown.split_inclusive('\n').filter(|line| !is_disused(line)).map(clean_addresses).collect();
    lines.concat().trim().to_owned() + "\n"
}

/// True of a comment that was a setting once.
fn is_disused(line: &str) -> bool {
    let Some(comment) = line.trim_start().strip_prefix('#') else { return false };
    comment.contains("://") || SECRET.iter().any(|word| bare(comment).contains(word) && comment.contains('='))
}

fn in_table(table: &DeTable<'_>, path: &mut Vec<String>, found: &mut Vec<Range<usize>>) {
    for (name, value) in table {
        path.push(name.get_ref().to_string());
        in_value(value, path, found);
        path.pop();
    }
}

fn in_value(value: &Spanned<DeValue<'_>>, path: &mut Vec<String>, found: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => in_table(table, path, found),
        DeValue::Array(list) => list.iter().for_each(|value| in_value(value, path, found)),
        DeValue::String(text) => {
            let is_sent = path.iter().rev().skip(1).any(|part| SENT.contains(&part.as_str()));
            let in_cookies = path.iter().any(|part| part == "cookies");
            let tells = path.last().is_some_and(|name| is_secret_name(name));
            // What comes from the environment stands there by its name.
            let is_literal = !text.contains("${");
            if is_literal && is_sent && (tells || in_cookies) {
                found.push(value.span());
            }
        }
        _ => {}
    }
}

/// A name without what joins its words, in lower case.
fn bare(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn is_secret_name(name: &str) -> bool {
    let name = bare(name);
    ["key", "sid", "sig", "pass", "pin", "otp"].contains(&name.as_str())
        || name.ends_with("key")
        || SECRET.iter().any(|word| name.contains(word))
}

/// A line whose addresses name no user and no key.
fn clean_addresses(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let end = after.find(['"', '\'', ' ', '\n', '\t']).unwrap_or(after.len());
        clean.push_str(&clean_address(&after[..end]));
        rest = &after[end..];
    }
    clean.push_str(rest);
    clean
}

/// What stands after `://`.
fn clean_address(text: &str) -> String {
    let authority = text.find(['/', '?', '#']).unwrap_or(text.len());
    let mut clean = match text[..authority].rsplit_once('@') {
        Some((user, host)) if !user.contains("${") => format!("{HIDDEN}@{host}"),
        _ => text[..authority].to_owned(),
    };
    let rest = &text[authority..];
    let Some((path, query)) = rest.split_once('?') else { return clean + rest };
    clean.push_str(path);
    for (index, pair) in query.split('&').enumerate() {
        clean.push(if index == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, value)) if is_secret_name(name) && !value.contains(['$', '{']) => {
                clean.push_str(name);
                clean.push('=');
                clean.push_str(HIDDEN);
            }
            _ => clean.push_str(pair),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    const TEXT: &str = r#"# The whole file.
[server]
admin_token = "canary-admin"

# Films.
# api_key = "canary-old"
[source.films]
url = "https://bob:canary-user@a.example/list?api_key=canary-query&q=${QUERY}&page=1"   # all of them
fresh_for = "1h"
format = "html"
items = """
[source.other]
li"""
# Its fields.
[source.films.fields]
token = "a@data-token"
[source.films.headers]
Authorization = "Bearer canary-header"
X-Key = "${API_KEY}"
Accept = "text/html"
[source.films.cookies]
seen = "canary-cookie"

# Another one.
[source.other]
url = "https://b.example/"
fresh_for = "1h"
format = "feed"
"#;

    fn shown(name: &str) -> String {
        let environment = |name: &str| (name != "PORT").then(|| format!("canary-{name}"));
        let config = Config::parse("a.toml", TEXT, &environment).unwrap_or_else(|wrong| panic!("{}", wrong[0]));
        config.sources.iter().find(|source| source.spec.name.as_str() == name).unwrap().shown()
    }

    #[test]
    fn a_source_is_shown_as_it_was_written_without_secrets() {
        insta::assert_snapshot!(shown("films"), @r#"
        # Films.
        [source.films]
        url = "https://***@a.example/list?api_key=***&q=${QUERY}&page=1"   # all of them
        fresh_for = "1h"
        format = "html"
        items = """
        [source.other]
        li"""
        # Its fields.
        [source.films.fields]
        token = "a@data-token"
        [source.films.headers]
        Authorization = "***"
        X-Key = "${API_KEY}"
        Accept = "text/html"
        [source.films.cookies]
        seen = "***"
        "#);
        insta::assert_snapshot!(shown("other"), @r#"
        # Another one.
        [source.other]
        url = "https://b.example/"
        fresh_for = "1h"
        format = "feed"
        "#);
    }

    #[test]
    fn what_is_no_table_of_its_own_is_not_shown() {
        let config =
            Config::parse("a.toml", "source.a = { url = 'https://a.example/?key=canary', fresh_for = '1h', format = 'feed' }\n", &|_| None);
        let text = config.unwrap().sources[0].shown();
        assert!(text.contains("cannot be shown here") && !text.contains("canary"), "{text}");
    }
}
