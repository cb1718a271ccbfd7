//! `wellspring status`: how the sources of the running server are.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::{ADD_A_SOURCE, client, configured, output, runtime};

/// Asks and prints a line a source. Exit code 1 where no server answers.
pub(super) fn run(config: Option<&Path>, server: Option<&Url>) -> ExitCode {
    let asked = configured(config).and_then(|(config, _)| Ok((config, runtime()?)));
    let (config, runtime) = match asked {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    match runtime.block_on(client::ask(&config, server, Method::GET, "/api")) {
        Ok((StatusCode::OK, index)) if index["sources"].is_array() => output::print(table(&index)),
        Ok((status, answer)) => {
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
    fn an_age_has_two_units_at_most() {
        let ages = [0.0, 59.9, 60.0, 3_599.0, 3_600.0, 86_399.0, 86_400.0, 518_399.0, -5.0, f64::NAN];
        insta::assert_snapshot!(ages.map(super::age).join(", "), @"0s, 59s, 1m 0s, 59m 59s, 1h 0m, 23h 59m, 1d 0h, 5d 23h, 0s, 0s");
    }
}
