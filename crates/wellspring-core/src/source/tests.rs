//! What a source's author writes, and what is answered.

use super::*;
use crate::policy::{Fresh, RefreshMode};

const SECRET: &str = "s3cr3t-canary";

fn environment(name: &str) -> Option<String> {
    match name {
        "KEY" => Some(SECRET.to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Vec<SourceSpec>, String> {
    parse_sources("cinema.toml", text, Defaults::default(), &environment).map(|all| all.into_iter().map(|at| at.value).collect()).map_err(
        |found| {
            let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
            let shown = shown.join("\n\n");
            assert!(found.iter().all(|d| d.place.is_some()) && !shown.contains(SECRET), "{shown}");
            shown
        },
    )
}

/// The complaint about a text.
fn refused(text: &str) -> String {
    parse(text).expect_err("this should be refused")
}

/// The complaint about a sound source with `line` added.
fn refused_with(line: &str) -> String {
    refused(&format!("{SOUND}{line}"))
}

fn one(text: &str) -> SourceSpec {
    parse(text).unwrap_or_else(|shown| panic!("{shown}")).remove(0)
}

const SOUND: &str = r#"[source.cinema]
url = "https://a.example/"
fresh_for = "6d"
format = "html"
items = "li"
fields = { title = "a", img = "img@src" }
"#;

#[test]
fn x() {
    println!("{}", one(SOUND).rules);
    for line in ["fresh_fro = \"6d\"", "limit = 0"] {
        println!("{}", refused_with(line));
    }
    let _ = (Fresh::For(Duration::ZERO), RefreshMode::Demand, refused(""));
}
