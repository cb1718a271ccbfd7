//! What a page costs in a real browser, in time and memory, and what is left of it.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

use crate::steps;

/// The bars, in MB.
const HEAVY: f64 = 300.0;
const BOMB: f64 = 400.0;
/// How much a browser may have grown through a hundred pages, in MB.
const GROWTH: f64 = 16.0;

pub(super) fn run() -> Result<ExitCode, String> {
    let root = steps::root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let mut build = Command::new("cargo");
    build.current_dir(&root).args(["build", "--quiet", "--release", "-p", "wellspring", "--bin", "wellspring", "--example", "renders"]);
    if !build.status().is_ok_and(|status| status.success()) {
        return Err("the example does not build".to_owned());
    }
    let mut renders = Command::new(target.join("release/examples/renders"));
    let output = renders.arg(target.join("release/wellspring")).stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
    let told: Value = serde_json::from_slice(&output.stdout).map_err(|_| "the example said nothing of use".to_owned())?;
    if let Some(way_out) = told["none"].as_str() {
        println!("skipped: {way_out}");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(if tell(&told) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what was measured; true where every bar is held.
fn tell(told: &Value) -> bool {
    let mut held = true;
    let mut row = |what: &str, value: &Value, unit: &str, bar: Option<f64>| {
        // What was not measured holds no bar.
        let value = value.as_f64().unwrap_or(f64::NAN);
        let verdict = bar.map_or_else(String::new, |bar| {
            let is_held = value <= bar;
            held &= is_held;
            format!("  at most {bar}: {}", if is_held { "held" } else { "NOT HELD" })
        });
        println!("{what:<52} {value:>8.0} {unit:<2}{verdict}");
    };
    println!("medians; memory is the peak of the PSS of server and browser together, looked at every 20 ms");
    row("first page, with the browser's start", &told["first_ms"], "ms", None);
    row("list that fills after 800 ms: beyond those", &told["list_ms"], "ms", None);
    row("heavy page (1.6 MB of script, 3,000 items)", &told["heavy_ms"], "ms", None);
    row("four heavy pages at once", &told["four"]["ms"], "ms", None);
    row("memory at rest, after pages", &told["rest_mb"], "MB", None);
    row("  of that, the server", &told["own_mb"], "MB", None);
    row("memory with a heavy page", &told["heavy_mb"], "MB", Some(HEAVY));
    row("memory with four heavy pages at once", &told["four"]["peak_mb"], "MB", None);
    for bomb in told["bombs"].as_array().into_iter().flatten() {
        let name = bomb["name"].as_str().unwrap_or_default();
        row(&format!("memory bomb of {name}"), &bomb["peak_mb"], "MB", Some(BOMB));
        row(&format!("  ended after: {}", said(&bomb["said"])), &bomb["ms"], "ms", None);
    }
    row("idle: processes left", &told["idle"]["left"], "", Some(0.0));
    let hundred = &told["hundred"];
    row("100 pages, a tenth crashing or hanging", &hundred["ms"], "ms", None);
    row("  ended otherwise than they should", &hundred["wrong"], "", Some(0.0));
    row("  zombies", &hundred["zombies"], "", Some(0.0));
    row("  processes more than after the first", &hundred["processes"], "", Some(0.0));
    row("  memory more than after the first", &hundred["grown_mb"], "MB", Some(GROWTH));
    row("  browsers used", &hundred["browsers"], "", None);
    row("  processes left after the end", &hundred["left"], "", Some(0.0));
    for killed in told["killed"].as_array().into_iter().flatten() {
        let path = killed["path"].as_str().unwrap_or_default();
        row(&format!("kill -9 of the server in {path}: left after 2 s"), &killed["left"], "", Some(0.0));
        row(&format!("  of {} processes, the last gone after", killed["before"]), &killed["ms"], "ms", None);
    }
    held
}

/// How a page ended, without the address, which is another one in every run.
fn said(words: &Value) -> String {
    let words = words.as_str().unwrap_or_default();
    let reason = words.split_once("rendered: ").map_or(words, |(_, reason)| reason);
    reason.split(',').next().unwrap_or_default().chars().take(36).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_not_measured_is_not_held() {
        assert!(!tell(&json!({})));
    }

    #[test]
    fn a_reason_is_short() {
        assert_eq!(said(&json!("127.0.0.1:5 could not be rendered: it crashed, or took more")), "it crashed");
        assert_eq!(said(&Value::Null), "");
    }
}
