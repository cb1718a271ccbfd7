//! The escape hatches of clippy.toml: each is open in one file, the one that its reason names.

use std::fs;

use super::finding;
use super::paths::named;
use super::tokens::{Token, attribute, tokens};
use super::tree::File;
use crate::steps::root;

const LINT: &[&str] = &["clippy", "disallowed_methods"];

/// A banned function and the file that may call it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ban {
    path: String,
    file: String,
}

/// Reads `{ path = "…", reason = "… x.rs …" }` lines.
///
/// # Errors
/// A reason that names no file, or two.
fn bans(text: &str) -> Result<Vec<Ban>, String> {
    let mut bans = Vec::new();
    for line in text.lines().filter(|line| line.trim_start().starts_with("{ path")) {
        let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        let [path, reason] = quoted.as_slice() else { return Err(format!("not understood: {line}")) };
        let files: Vec<&str> = reason.split([' ', ';', ',']).filter(|word| word.contains(".rs")).collect();
        let [file] = files.as_slice() else { return Err(format!("the reason for `{path}` must name the one file that may: {reason}")) };
        bans.push(Ban { path: (*path).to_owned(), file: (*file).to_owned() });
    }
    Ok(bans)
}

fn check(file: &File, bans: &[Ban]) -> Vec<String> {
    if !file.is_rust() || !file.path.starts_with("crates/") {
        return Vec::new();
    }
    let inside = file.within("wellspring").unwrap_or(&file.path);
    // A test may have to do what the house may not (read the environment it was given): it says so on the spot.
    let is_open = file.is_test() || bans.iter().any(|ban| ban.file == inside);
    let tokens = tokens(&file.text);
    let mut findings = Vec::new();
    let mut expects = false;
    for token in 0..tokens.len() {
        let Some(end) = attribute_at(&tokens, token) else { continue };
        let words: Vec<&str> = tokens[token..end].iter().filter_map(Token::word).collect();
        if !words.windows(2).any(|pair| pair == LINT) {
            continue;
        }
        let line = tokens[token].line;
        if words[0] != "expect" {
            findings.push(finding(file, line, "a ban is lifted by `#[expect]` on the one item, which says so when it is needed no more"));
        } else if !is_open {
            findings.push(finding(file, line, "clippy.toml names another file for this"));
        }
        expects = true;
    }
    // The door being open for one ban does not open it for the others.
    for path in named(file).iter().filter(|_| expects && is_open && !file.is_test()) {
        if let Some(ban) = bans.iter().find(|ban| ends_alike(&path.segments, &ban.path))
            && !bans.iter().any(|other| other.file == inside && ends_alike(&path.segments, &other.path))
        {
            findings.push(finding(file, path.line, &format!("`{}` is for {} alone", path.text(), ban.file)));
        }
    }
    findings
}

/// An outer attribute, or an inner one from its bracket on.
fn attribute_at(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let inner = tokens[at].is('#') && tokens.get(at + 1).is_some_and(|token| token.is('!'));
    if !inner {
        return attribute(tokens, at);
    }
    Some(at + tokens[at..].iter().position(|token| token.is(']'))? + 1)
}

/// Whether the last two segments agree: `time::Instant::now` is `std::time::Instant::now`.
fn ends_alike(segments: &[String], path: &str) -> bool {
    let banned: Vec<&str> = path.rsplit("::").take(2).collect();
    segments.len() >= 2 && segments.iter().rev().take(2).eq(banned.iter())
}

#[test]
fn each_ban_is_lifted_in_its_one_file() {
    let bans = bans(&fs::read_to_string(root().join("clippy.toml")).unwrap()).unwrap();
    assert!(bans.len() > 10, "clippy.toml is not understood: {bans:?}");
    super::tree_passes(|file| check(file, &bans));
}

#[test]
fn a_ban_lifted_elsewhere_is_found() {
    let text = r#"disallowed-methods = [
  { path = "jiff::Timestamp::now", reason = "only clock.rs reads it" },
  { path = "tokio::spawn", reason = "supervised; only lifecycle.rs spawns" },
]"#;
    let bans = bans(text).unwrap();
    let check = |path, text, lines: &[usize]| super::plants(|file| check(file, &bans), path, text, lines);
    let lifted = "#[expect(clippy::disallowed_methods, reason = \"x\")]\nfn f() { tokio::spawn(g()); }";
    check("crates/wellspring/src/lifecycle.rs", lifted, &[]);
    check("crates/wellspring/src/engine/runner.rs", lifted, &[1]);
    check("crates/wellspring/src/clock.rs", lifted, &[2]);
    check("crates/wellspring/src/fetch/clock.rs", lifted, &[1]);
    check("crates/wellspring/src/lifecycle.rs", "#[allow(clippy::disallowed_methods)]\nfn f() {}", &[1]);
    check("crates/wellspring/src/engine/mod.rs", "//! x\n#![allow(clippy::disallowed_methods)]", &[2]);
    check("crates/wellspring/src/engine/mod.rs", "#[expect(clippy::unwrap_used, reason = \"x\")]\nfn f() {}", &[]);
}

#[test]
fn a_reason_that_names_no_file_is_refused() {
    assert!(bans("  { path = \"a::b\", reason = \"bad\" },").is_err());
    assert!(bans("  { path = \"a::b\", reason = \"only a.rs or b.rs\" },").is_err());
}
