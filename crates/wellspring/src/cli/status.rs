//! `wellspring status`: how the sources of the running server are.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::words::shortened;
use super::{ADD_A_SOURCE, client, configured, output, runtime};

/// So many characters of the name of a replica are shown: others gave it.
const WIDEST: usize = 80;

/// Asks and prints a line a source, and one a replica where the store is shared. Exit code 1 where no server answers.
pub(super) fn run(config: Option<&Path>, server: Option<&Url>) -> ExitCode {
    let asked = configured(config).and_then(|(config, _)| Ok((config, runtime()?)));
    let (config, runtime) = match asked {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let asked = runtime.block_on(async {
        let index = client::ask(&config, server, Method::GET, "/api").await?;
        // One that does not say who else is there says at least how its sources are.
        let ready = client::ask_within(client::GLANCE, &config, server, Method::GET, "/ready").await;
        Ok::<_, String>((index, ready.map_or(Value::Null, |(_, ready)| ready)))
    });
    match asked {
        Ok(((StatusCode::OK, index), ready)) if index["sources"].is_array() => output::print(table(&index) + &replicas(&ready)),
        Ok(((status, answer), _)) => {
            eprintln!("error: {}", answer["detail"].as_str().map_or_else(|| format!("the server answered {status}"), str::to_owned));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table(index: &Value) -> String {
    let sources = index["sources"].as_array().map_or(&[][..], Vec::as_slice);
    if sources.is_empty() {
        return format!("the server has no source: {ADD_A_SOURCE}\n");
    }
    let width = sources.iter().filter_map(|s| s["name"].as_str()).map(str::len).max().unwrap_or(0).max(6);
    let mut text = format!("{:width$}  {:8} {:12} {:>6}  {:>8}  {}\n", "SOURCE", "DATA", "REFRESH", "ITEMS", "AGE", "LAST ERROR");
    for source in sources {
        let word = |name: &str| source[name].as_str().unwrap_or("-").to_owned();
        let age = source["age_seconds"].as_f64().map_or_else(|| "-".to_owned(), age);
        let items = source["items"].as_u64().map_or_else(|| "-".to_owned(), |n| n.to_string());
        let error = source["error"].as_str().unwrap_or("");
        let _infallible =
            writeln!(text, "{:width$}  {:8} {:12} {items:>6}  {age:>8}  {error}", word("name"), word("freshness"), word("phase"));
    }
    text.lines().map(str::trim_end).fold(String::new(), |all, line| all + line + "\n")
}

/// The servers that share a store, a line each; nothing where it is not shared.
fn replicas(ready: &Value) -> String {
    let Some(me) = ready["replica"].as_str() else { return String::new() };
    let mut text = "\nREPLICA\n".to_owned();
    let mut line = |name: &str, words: &str| {
        text += &shortened(name, WIDEST);
        text += words;
        text.push('\n');
    };
    let there: Vec<&str> = ready["replicas"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match ready["alone_since"].as_str() {
        Some(since) => line(me, &format!("  this one; the others are not known: the shared store is out of reach since {since}")),
        None if there.is_empty() => line(me, "  this one; the others are not known yet"),
        None => {
            let mine = there.iter().position(|name| *name == me);
            for (at, name) in there.iter().enumerate() {
                line(name, if mine == Some(at) { "  this one" } else { "" });
            }
        }
    }
    text
}

/// The two largest units: nobody looks for more at a glance.
fn age(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m {s}s"),
        (0, h, m, _) => format!("{h}h {m}m"),
        (d, h, _, _) => format!("{d}d {h}h"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn the_table_reads_at_a_glance() {
        let index = json!({"sources": [
            {"name": "cinema", "freshness": "fresh", "phase": "idle", "items": 17, "age_seconds": 8_100.0},
            {"name": "google_trend", "freshness": "absent", "phase": "backing_off", "items": null, "age_seconds": null, "error": "trends.google.com: connection refused"},
        ]});
        insta::assert_snapshot!(super::table(&index), @"
        SOURCE        DATA     REFRESH       ITEMS       AGE  LAST ERROR
        cinema        fresh    idle             17    2h 15m
        google_trend  absent   backing_off       -         -  trends.google.com: connection refused
        ");
    }

    #[test]
    fn replicas_have_a_line_each() {
        let told = |ready: &serde_json::Value| super::replicas(ready);
        assert_eq!(told(&json!({"status": "ok"})), "");
        assert_eq!(told(&json!(null)), "");
        let there = json!({"replica": "b", "replicas": ["a", "b", "b", "c\u{1b}[2J"]});
        assert_eq!(told(&there), "\nREPLICA\na\nb  this one\nb\nc [2J\n");
        let away = json!({"replica": "b", "replicas": [], "alone_since": "2026-11-23T12:00:00Z"});
        insta::assert_snapshot!(told(&away).trim(), @"
        REPLICA
        b  this one; the others are not known: the shared store is out of reach since 2026-11-23T12:00:00Z
        ");
        let new = json!({"replica": "b", "replicas": []});
        assert_eq!(told(&new), "\nREPLICA\nb  this one; the others are not known yet\n");
    }

    #[test]
    fn an_age_has_two_units_at_most() {
        let ages = [0.0, 59.9, 60.0, 3_599.0, 3_600.0, 86_399.0, 86_400.0, 518_399.0, -5.0, f64::NAN];
        insta::assert_snapshot!(ages.map(super::age).join(", "), @"0s, 59s, 1m 0s, 59m 59s, 1h 0m, 23h 59m, 1d 0h, 5d 23h, 0s, 0s");
    }
}
