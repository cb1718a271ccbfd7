//! `cargo xtask test`: everything that must hold before a change is merged.

use std::process::ExitCode;

use crate::shim::Shim;
use crate::steps::{self, Step};
use crate::tools;

/// Runs the checks and the tests; with a filter, only the tests whose names contain it.
///
/// # Errors
/// Where the words are more than one filter.
pub(crate) fn run(words: &[String]) -> Result<ExitCode, String> {
    let filter = match words {
        [] => None,
        [filter] if !filter.starts_with('-') => Some(filter.as_str()),
        _ => return Err(format!("`cargo xtask test` takes at most one filter, not `{}`", words.join(" "))),
    };
    tools::prepare();
    let shim = Shim::build();
    let mut plan = plan(filter);
    for step in plan.iter_mut().filter(|step| step.name == "tests") {
        step.variable = shim.as_ref().map(Shim::variable);
    }
    let (mut tally, failed) = steps::run(&plan);
    if tally.is_empty() {
        // A run without a test must not look like a success.
        println!("{}", filter.map_or_else(|| "no test ran".to_owned(), |filter| format!("no test's name contains `{filter}`")));
        tally.fail();
    }
    if !failed.is_empty() {
        println!("failed: {}", failed.join(", "));
    }
    println!("{tally}");
    Ok(if tally.failures() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Cheapest first: a slip in formatting shows before anything is compiled.
fn plan(filter: Option<&str>) -> Vec<Step> {
    let mut steps = Vec::new();
    if filter.is_none() {
        steps.extend([
            step("formatting", "fmt --all --check"),
            step("lints", "clippy --workspace --all-targets -- -D warnings"),
            Step { variable: Some(("RUSTDOCFLAGS", "-D warnings".to_owned())), ..step("docs", "doc --no-deps --workspace") },
        ]);
    }
    steps.extend([
        step("tidiness", "test -p xtask --no-fail-fast"),
        step("tests", "test --workspace --exclude xtask --lib --bins --tests --examples --no-fail-fast"),
        step("doc tests", "test --workspace --exclude xtask --doc --no-fail-fast"),
    ]);
    if filter.is_none() {
        // By the build that the tests have made; where there is no captured data it says so.
        steps.push(step("captured input", "xtask score --debug"));
        steps.push(step("HTTP", "xtask lint-http"));
        steps.push(step("metrics", "xtask lint-metrics"));
        steps.push(step("packaging", "xtask lint-packaging"));
        steps.push(step("pages", "xtask lint-page"));
    }
    if let Some(filter) = filter {
        for step in &mut steps {
            step.arguments.extend(["--".to_owned(), filter.to_owned()]);
        }
    }
    steps
}

fn step(name: &'static str, arguments: &str) -> Step {
    Step { name, program: "cargo", arguments: arguments.split(' ').map(str::to_owned).collect(), variable: None }
}

#[cfg(test)]
mod tests {
    use super::{plan, run};

    #[test]
    fn a_filter_leaves_only_tests_and_reaches_each() {
        let steps = plan(Some("gate"));
        assert_eq!(steps.iter().map(|step| step.name).collect::<Vec<_>>(), ["tidiness", "tests", "doc tests"]);
        assert!(steps.iter().all(|step| step.arguments.ends_with(&["--".to_owned(), "gate".to_owned()])));
    }

    #[test]
    fn without_a_filter_every_check_runs() {
        let names: Vec<_> = plan(None).iter().map(|step| step.name).collect();
        assert_eq!(
            names,
            ["formatting", "lints", "docs", "tidiness", "tests", "doc tests", "captured input", "HTTP", "metrics", "packaging", "pages"]
        );
    }

    #[test]
    fn two_filters_and_options_are_refused() {
        assert!(run(&["a".into(), "b".into()]).is_err());
        assert!(run(&["--release".into()]).is_err());
    }
}
