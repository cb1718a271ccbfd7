//! `wellspring status`: how the sources of the running server are.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use wellspring_core::period::format_period;

use super::{client, configured, runtime};

/// Asks and prints a line a source. Exit code 1 where no server answers.
pub(super) fn run(config: Option<&Path>) -> ExitCode {
    let asked = configured(config).and_then(|(config, _)| Ok((config, runtime()?)));
    let (config, runtime) = match asked {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    match runtime.block_on(client::ask(&config, Method::GET, "/api")) {
        Ok((_, index)) => {
            print!("{}", table(&index));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table(index: &Value) -> String {
    let sources = index["sources"].as_array().map_or(&[][..], Vec::as_slice);
    let width = sources.iter().filter_map(|s| s["name"].as_str()).map(str::len).max().unwrap_or(0).max(6);
    let mut text = format!("{:width$}  {:8} {:12} {:>6}  {:>8}  {}\n", "SOURCE", "DATA", "REFRESH", "ITEMS", "AGE", "LAST ERROR");
    for source in sources {
        let word = |name: &str| source[name].as_str().unwrap_or("-").to_owned();
        let age = source["age_seconds"].as_f64().map_or_else(|| "-".to_owned(), |s| format_period(Duration::from_secs_f64(s.max(0.0))));
        let items = source["items"].as_u64().map_or_else(|| "-".to_owned(), |n| n.to_string());
        let error = source["error"].as_str().unwrap_or("");
        let _infallible =
            writeln!(text, "{:width$}  {:8} {:12} {items:>6}  {age:>8}  {error}", word("name"), word("freshness"), word("phase"));
    }
    text.lines().map(str::trim_end).fold(String::new(), |all, line| all + line + "\n")
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
}
