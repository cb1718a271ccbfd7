//! `cargo xtask deep`: all that takes long, by hand: the promises in full, fuzzers, what is depended on, benchmarks.

use std::process::{Command, ExitCode, Stdio};

use crate::steps::{self, Step};

/// In the order in which they are run: what says most first.
const LONG: [(&str, &str); 8] = [
    ("promises", "xtask trust --long"),
    ("fuzzers", "xtask fuzz"),
    ("dependencies", "xtask dependencies"),
    ("hits", "xtask bench hit"),
    ("scale", "xtask bench scale"),
    ("extraction", "xtask bench extract"),
    ("renders", "xtask bench render"),
    ("long run", "xtask soak"),
];

/// Runs all of it, or what is named.
///
/// # Errors
/// Where a word names nothing of it.
pub(crate) fn run(words: &[String]) -> Result<ExitCode, String> {
    let steps = plan(words)?;
    let (_, failed) = steps::run(&steps);
    println!();
    for step in &steps {
        println!("{:<14} {}", step.name, if failed.contains(&step.name) { "NOT HELD" } else { "held" });
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(words: &[String]) -> Result<Vec<Step>, String> {
    let known = LONG.map(|(name, _)| name);
    if let Some(word) = words.iter().find(|word| !known.contains(&word.as_str())) {
        return Err(format!("`{word}` is nothing of `cargo xtask deep`; there is {}", known.join(", ")));
    }
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    let step = |(name, arguments): (&'static str, &str)| Step {
        name,
        program: "cargo",
        arguments: arguments.split(' ').map(str::to_owned).collect(),
        variable: None,
    };
    Ok(LONG.into_iter().filter(|(name, _)| wanted(name)).map(step).collect())
}

/// `cargo xtask dependencies`: deny.toml, judged by cargo-deny; advisories too, where they can be fetched.
///
/// # Errors
/// Where it cannot be run.
pub(crate) fn dependencies(words: &[String]) -> Result<ExitCode, String> {
    if !words.is_empty() {
        return Err("usage: cargo xtask dependencies".to_owned());
    }
    let root = steps::root();
    let deny = |arguments: &[&str]| Command::new("cargo").arg("deny").args(arguments).current_dir(&root).stdin(Stdio::null()).output();
    if !deny(&["--version"]).is_ok_and(|output| output.status.success()) {
        println!(
            "skipped: dependencies: there is no cargo-deny (`cargo install cargo-deny --locked`); tidiness holds the lists of deny.toml"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let mut held = true;
    for checks in [&["check", "licenses", "bans", "sources"][..], &["check", "advisories"]] {
        let output = deny(checks).map_err(|error| format!("cargo deny: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("failed to fetch advisory database") {
            println!("skipped: advisories: the database cannot be fetched");
        } else if output.status.success() {
            println!("{}: held", checks[1..].join(", "));
        } else {
            println!("{said}\n{}: NOT HELD", checks[1..].join(", "));
            held = false;
        }
    }
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::plan;

    #[test]
    fn what_takes_long_can_be_named() {
        let names = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            plan(&words).map(|steps| steps.iter().map(|step| step.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).map(|all| all.len()), Ok(8));
        assert_eq!(names(&["fuzzers"]), Ok(vec!["fuzzers"]));
        assert!(names(&["nothing"]).is_err());
    }
}
