//! `wellspring doctor`: looks for what keeps the program from working, and says what to do about it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{configured, output, runtime};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::engine::catalog::Recipe;

mod browser;
mod machine;
mod reach;
mod reader;
mod redis;
mod sources;
mod storage;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As it should be.
    Ok,
    /// It works, and something is odd.
    Warn,
    /// Something does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    state: State,
    what: &'static str,
    words: String,
    way_out: Option<String>,
}

impl Finding {
    fn ok(what: &'static str, words: impl Into<String>) -> Self {
        Self { state: State::Ok, what, words: words.into(), way_out: None }
    }

    fn warn(what: &'static str, words: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { state: State::Warn, what, words: words.into(), way_out: Some(way_out.into()) }
    }

    fn fail(what: &'static str, words: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { state: State::Fail, ..Self::warn(what, words, way_out) }
    }
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// Looks and tells. Exit code 0: nothing fails, 1: something does, 2: the config is wrong.
pub(super) fn run(config: Option<&Path>, offline: bool, json: bool) -> ExitCode {
    let asked = configured(config).and_then(|(config, recipes)| Ok((config, recipes, runtime()?)));
    let (config, recipes, runtime) = match asked {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let recipes: Vec<&Recipe> = recipes.iter().map(|recipe| &**recipe).collect();
    let findings = runtime.block_on(look(&config, &recipes, offline));
    runtime.shutdown_background();
    let told = output::print(if json { format!("{}\n", as_json(&findings)) } else { as_text(&findings) });
    if findings.iter().any(|finding| finding.state == State::Fail) { ExitCode::FAILURE } else { told }
}

/// Everything, in the order in which one thing needs the other.
async fn look(config: &Config, recipes: &[&Recipe], offline: bool) -> Vec<Finding> {
    let mut findings = vec![machine::config(config)];
    findings.extend(machine::variables(config));
    findings.extend(sources::unusable(recipes));
    findings.extend(redis::look(config).await);
    findings.extend(storage::look(config).await);
    findings.push(reader::look().await);
    findings.push(browser::look(config, recipes).await);
    findings.push(machine::zone(config));
    findings.push(machine::clock(SystemClock.now().wall, machine::built()));
    if offline {
        findings.push(Finding::ok("reach", "no host is asked (--offline)"));
    } else {
        findings.extend(reach::look(config, recipes).await);
    }
    findings
}

fn as_text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.what.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Finding { state, what, words, way_out } in findings {
        let way_out = way_out.as_ref().map_or_else(String::new, |way_out| format!("  → {way_out}"));
        let _infallible = writeln!(text, "{:4}  {what:width$}  {words}{way_out}", state.word());
    }
    text
}

fn as_json(findings: &[Finding]) -> Value {
    let checks = findings.iter().map(|Finding { state, what, words, way_out }| {
        json!({"state": state.word().to_ascii_lowercase(), "what": what, "words": words, "way_out": way_out})
    });
    json!({"passed": findings.iter().all(|f| f.state != State::Fail), "checks": checks.collect::<Vec<_>>()})
}
