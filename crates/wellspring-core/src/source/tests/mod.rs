//! What a source's author writes, and what is answered.

use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::diagnostic::Diagnostic;
use crate::policy::{Fresh, HttpCache, RefreshMode};

mod asking;
mod digest;
mod fields;
mod filling;
mod mapping;
mod parameter;
mod rendering;
mod rules;
mod words;

const SECRET: &str = "s3cr3t-canary";

fn environment(name: &str) -> Option<String> {
    match name {
        "KEY" => Some(SECRET.to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Vec<SourceSpec>, String> {
    parse_sources("sources/cinema.toml", text, Defaults::default(), &environment)
        .map(|all| all.into_iter().map(|at| at.value).collect())
        .map_err(|found| {
            let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
            let shown = shown.join("\n\n");
            assert!(found.iter().all(|d| d.place.is_some()) && !shown.contains(SECRET), "{shown}");
            shown
        })
}

/// The complaint about a text.
fn refused(text: &str) -> String {
    parse(text).expect_err("this should be refused")
}

/// The complaint about a sound source with some lines added at its end.
fn refused_with(lines: &str) -> String {
    refused(&format!("{SOUND}{lines}"))
}

/// The complaint about a sound source with a part of its text replaced.
fn refused_where(part: &str, other: &str) -> String {
    assert!(SOUND.contains(part), "{part}");
    refused(&SOUND.replace(part, other))
}

/// The complaints about each of several texts, one in a line: what is pointed at, what is wrong with it, the way out.
fn told(texts: impl IntoIterator<Item = String>) -> String {
    let mut lines = Vec::new();
    for text in texts {
        let found = parse_sources("f.toml", &text, Defaults::default(), &environment).expect_err(&text);
        for Diagnostic { excerpt, message, help, .. } in found {
            let (line, marked) = excerpt.unwrap_or_else(|| panic!("{message}: pointed at nothing"));
            let marked: String = line.chars().skip(marked.start).take(marked.len()).collect();
            lines.push(format!("{marked}  {message}{}", help.map_or(String::new(), |help| format!("\n    {help}"))));
        }
    }
    let shown = lines.join("\n");
    assert!(!shown.contains(SECRET), "{shown}");
    shown
}

/// The complaints about a sound source with some lines added at its end.
fn told_with<'t>(lines: impl IntoIterator<Item = &'t str>) -> String {
    told(lines.into_iter().map(|lines| format!("{SOUND}{lines}\n")))
}

/// The complaints about a source of another format with some lines added at its end.
fn told_of<'t>(format: &str, lines: impl IntoIterator<Item = &'t str>) -> String {
    let head = format!("[source.a]\nurl = 'https://a.example/'\nfresh_for = '1h'\nformat = '{format}'\n");
    told(lines.into_iter().map(|lines| format!("{head}{lines}\n")))
}

fn one(text: &str) -> SourceSpec {
    parse(text).unwrap_or_else(|shown| panic!("{shown}")).remove(0)
}

fn one_with(lines: &str) -> SourceSpec {
    one(&format!("{SOUND}{lines}"))
}

const SOUND: &str = r#"[source.cinema]
url = "https://a.example/"
fresh_for = "6d"
format = "html"
items = "li"
fields = { title = "a", img = "img@src" }
"#;

#[test]
fn a_source_is_read_with_its_defaults() {
    let spec = one(SOUND);
    assert_eq!((spec.name.as_str(), spec.items_key.as_str()), ("cinema", "items"));
    assert_eq!(spec.policy.fresh, Fresh::For(Duration::from_secs(6 * 86_400)));
    assert_eq!((spec.policy.cold_wait, spec.policy.min_interval), (Duration::from_secs(8), Duration::from_secs(10)));
    assert_eq!((spec.policy.deadline, spec.policy.max_stale, spec.policy.mode), (Duration::from_secs(120), None, RefreshMode::Demand));
    assert!(spec.manual_refresh && !spec.report_age && spec.warm);
    assert_eq!(spec.http_cache, HttpCache::Revalidate);
    let [alternative] = &spec.alternatives[..] else { panic!("{spec:?}") };
    assert_eq!(
        (alternative.ask.url.to_string().as_str(), alternative.usable, alternative.render),
        ("https://a.example/", true, Render::Never)
    );
    assert_eq!(alternative.rules.format, Format::Html);
    let fields: Vec<_> =
        alternative.rules.fields.iter().map(|f| (f.name.as_str(), f.places().unwrap().candidates[0].value.as_str())).collect();
    assert_eq!(fields, [("title", "a"), ("img", "img@src")]);
}

#[test]
fn places_of_rules_are_the_bytes_of_the_file() {
    let text = format!("{SOUND}unique_by = 'title'\n").replace("\"a\"", "[ \"a span\", \"ä\" ]");
    let rules = one(&text).alternatives.remove(0).rules;
    let at = |at: &At<String>| text[at.span.clone()].to_owned();
    assert_eq!(at(rules.items.as_ref().unwrap()), "\"li\"");
    assert_eq!(at(rules.unique_by.as_ref().unwrap()), "'title'");
    assert_eq!(rules.fields[0].places().unwrap().candidates.iter().map(at).collect::<Vec<_>>(), ["\"a span\"", "\"ä\""]);
    assert_eq!(at(&rules.fields[1].places().unwrap().candidates[0]), "\"img@src\"");
}

#[test]
fn a_field_says_where_it_is_in_any_of_its_forms() {
    let spec = one(&SOUND.replace(
        "fields = { title = \"a\", img = \"img@src\" }",
        r#"[source.cinema.fields]
a = { select = ["b", "i"], attr = "href" }
b = { path = "b", parse = "number", decimal = ",", default = 0.5 }
c = { default = { deep = [1, true, 2024-05-01] } }"#,
    ));
    let shown: Vec<String> = spec.alternatives[0]
        .rules
        .fields
        .iter()
        .map(|f| {
            let places = f.places().unwrap();
            let candidates: Vec<_> = places.candidates.iter().map(|at| at.value.as_str()).collect();
            format!(
                "{} {candidates:?} {:?} {:?} {}",
                f.name,
                places.attr,
                f.parse,
                f.default.as_ref().map_or("-".to_owned(), ToString::to_string)
            )
        })
        .collect();
    assert_snapshot!(shown.join("\n"), @r#"
    a ["b", "i"] Some("href") Text -
    b ["b"] None Number { decimal: Some(',') } 0.5
    c [] None Text {"deep":[1,true,"2024-05-01"]}
    "#);
}

#[test]
fn keys_on_a_source_hold_for_its_alternatives() {
    let spec = one(r#"
[source.rates]
fresh_until = "00:00 Asia/Jakarta"
format = "json"
items = "$[*]"
limit = 5
expect = { required = ["rate"], min_items = 2 }
[[source.rates.from]]
when_env = "EMPTY"
url = "https://a.example/?key=${EMPTY_NO_MATTER}"
proxy = "http://${NEITHER}"
fields.rate = "$.rate"
[[source.rates.from]]
url = "https://b.example/?key=${KEY}"
items = "$.all[*]"
limit = 9
fields.rate = "$.r"
"#);
    let [first, second] = &spec.alternatives[..] else { panic!("{spec:?}") };
    assert!(!first.usable && second.usable && first.ask.proxy.is_none());
    assert_eq!((first.ask.url.to_string().as_str(), second.ask.url.to_string().as_str()), ("", "https://b.example/?key=${KEY}"));
    let read = |a: &Alternative| (a.rules.items.as_ref().unwrap().value.clone(), a.rules.limit.unwrap(), a.expect.min_items);
    assert_eq!((read(first), read(second)), (("$[*]".into(), 5, 2), ("$.all[*]".into(), 9, 2)));
    assert!(!format!("{spec:?}").contains(SECRET));
}

#[test]
fn a_pattern_takes_the_whole_value_or_nothing() {
    let spec = one_with("[source.cinema.params.city]\npattern = \"[a-z]+|X\"\n");
    for (value, accepted) in [("jakarta", true), ("X", true), ("jakartaX", false), ("jakarta\n", false), ("", false)] {
        assert_eq!(spec.key([("city", value)]).is_ok(), accepted, "{value:?}");
    }
    assert_eq!(spec.key([("city", "1")]).unwrap_err().to_string(), "`city` does not take this value; it takes what matches [a-z]+|X");
}

proptest! {
    #[test]
    fn any_text_is_read_or_pointed_at(text in ".{0,200}") {
        let _ = parse(&text);
    }
}
