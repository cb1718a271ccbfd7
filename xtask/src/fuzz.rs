//! `cargo xtask fuzz`: the targets of `fuzz/`, each for a while. It needs a nightly toolchain and cargo-fuzz; CI replays the corpora
//! on stable instead.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::steps;

/// As the targets are called.
pub(crate) const TARGETS: [&str; 5] = ["sources", "extraction", "keys", "codec", "addresses"];
/// How long each runs where nobody says otherwise, in seconds.
const SECONDS: u32 = 300;
/// What libFuzzer calls a defect beside a crash: more than a second (it counts whole ones), more than 512 MiB.
const LIMITS: [&str; 4] = ["-timeout=2", "-report_slow_units=1", "-rss_limit_mb=512", "-max_len=65536"];

/// Runs the targets that are named, or all. What is found lies in `fuzz/artifacts`.
///
/// # Errors
/// Where the words make no sense.
pub(crate) fn run(words: &[String]) -> Result<ExitCode, String> {
    let (names, seconds) = meant(words)?;
    if let Some(missing) = missing() {
        println!("skipped: fuzz: {missing}");
        println!("trust T14 | defects found by fuzzers | skipped | 0 | not judged");
        return Ok(ExitCode::SUCCESS);
    }
    let root = steps::root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from).join("fuzz");
    let mut held = true;
    for name in names {
        let (found, said) = fuzz(&root, &target, name, seconds)?;
        held &= found == 0;
        let verdict = if found == 0 { "held" } else { "NOT HELD" };
        println!("fuzz {name}: {seconds} s, {said}, {found} defects: {verdict}");
        println!("trust T14 | defects found by {seconds} s of fuzzing {name} | {found} | 0 | {verdict}");
    }
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn meant(words: &[String]) -> Result<(Vec<&'static str>, u32), String> {
    let usage = || format!("usage: cargo xtask fuzz [{}] [--seconds N]", TARGETS.join(" | "));
    let (mut names, mut seconds) = (Vec::new(), SECONDS);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--seconds" {
            seconds = words.next().and_then(|n| n.parse().ok()).ok_or_else(usage)?;
        } else {
            names.push(*TARGETS.iter().find(|name| *name == word).ok_or_else(usage)?);
        }
    }
    Ok((if names.is_empty() { TARGETS.to_vec() } else { names }, seconds))
}

/// What is not there, and how it gets there.
fn missing() -> Option<&'static str> {
    let runs = |arguments: &[&str]| Command::new("cargo").args(arguments).stderr(Stdio::null()).stdout(Stdio::null()).status();
    if !runs(&["+nightly", "--version"]).is_ok_and(|status| status.success()) {
        return Some("there is no nightly toolchain (`rustup toolchain install nightly --profile minimal`)");
    }
    let is_there = runs(&["fuzz", "--version"]).is_ok_and(|status| status.success());
    (!is_there).then_some("there is no cargo-fuzz (`cargo install cargo-fuzz --locked`)")
}

/// How many defects there are, and what the last line of the run tells.
///
/// # Errors
/// Where a folder cannot be made, or the target cannot be built.
fn fuzz(root: &Path, target: &Path, name: &str, seconds: u32) -> Result<(usize, String), String> {
    // What a run finds on its way stays out of the repository; a person picks from it.
    let (grown, artifacts) = (target.join("corpus").join(name), root.join("fuzz/artifacts").join(name));
    for folder in [&grown, &artifacts] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let mut command = Command::new("cargo");
    // Without a sanitizer: the code is safe Rust, and what is looked for are panics, time and memory.
    command.args(["+nightly", "fuzz", "run", "--sanitizer", "none", "--target-dir"]).arg(target).arg(name);
    command.arg(&grown).arg(root.join("fuzz/corpus").join(name)).arg("--").args(LIMITS).arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-dict={}", root.join("fuzz/dictionaries").join(name).display()));
    let output = command.current_dir(root).stdin(Stdio::null()).output().map_err(|error| format!("cargo fuzz: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let done = said.lines().rev().find(|line| line.starts_with("Done ") || line.contains("cov: ")).unwrap_or("it did not run").trim();
    let defects = fs::read_dir(&artifacts).into_iter().flatten().flatten().count();
    if !output.status.success() {
        let from = said.lines().count().saturating_sub(40);
        said.lines().skip(from).for_each(|line| println!("{line}"));
    }
    Ok((defects.max(usize::from(!output.status.success())), done.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{SECONDS, TARGETS, meant};
    use crate::steps::root;

    #[test]
    fn targets_and_seconds_are_understood() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(meant(&[]), Ok((TARGETS.to_vec(), SECONDS)));
        assert_eq!(meant(&words("keys --seconds 5 codec")), Ok((vec!["keys", "codec"], 5)));
        assert!(meant(&words("nothing")).is_err() && meant(&words("--seconds")).is_err());
    }

    #[test]
    fn every_target_has_its_program_its_corpus_and_its_words() {
        for name in TARGETS {
            for path in [format!("fuzz_targets/{name}.rs"), format!("corpus/{name}"), format!("dictionaries/{name}")] {
                assert!(root().join("fuzz").join(&path).exists(), "{path}");
            }
        }
    }
}
