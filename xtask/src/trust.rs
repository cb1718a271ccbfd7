//! `cargo xtask trust`: what the program promises under faults and attacks, a line each: what was counted, the bar, held or not.
//!
//! A test proves its part by saying, past the harness, `trust T3 | what | figure | bar | held`: the last word is `held`, `NOT HELD`,
//! or `not judged` for latencies in the short form, which `cargo xtask test` runs as well. A promise is held where each of its
//! proofs ran, passed, and said at least one such line. Adding one: a row in the file of its group, a group in [`GROUPS`].

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::shim::Shim;
use crate::steps;

mod disk;
mod inward;
mod lifecycle;
mod outward;
mod refresh;
mod replicas;
mod said;
mod tools;

use said::Said;

/// All of them, a file a group.
const GROUPS: &[&[Promise]] =
    &[disk::PROMISES, inward::PROMISES, lifecycle::PROMISES, refresh::PROMISES, outward::PROMISES, replicas::PROMISES, tools::PROMISES];

/// Tells a test that the full numbers are wanted, by which latencies are judged.
const LONG: (&str, &str) = ("WELLSPRING_TRUST", "long");

/// One promise.
struct Promise {
    /// As the design numbers them.
    id: &'static str,
    /// What is promised, in a few words.
    name: &'static str,
    proofs: &'static [Proof],
}

/// How one part of a promise is shown to hold.
enum Proof {
    /// Every test of a package whose path contains `filter`.
    Tests {
        package: &'static str,
        /// `--lib`, or `--test NAME`.
        target: &'static str,
        filter: &'static str,
    },
    /// Tests that count by the million with `--long`: in the release profile there.
    Many { package: &'static str, target: &'static str, filter: &'static str },
    /// A command of `cargo xtask` that says such lines itself.
    Xtask(&'static str),
    /// One that takes long: with `--long` only.
    Slow(&'static str),
}

impl Proof {
    /// In a few words.
    fn name(&self) -> String {
        match self {
            Self::Tests { package, filter, .. } | Self::Many { package, filter, .. } => format!("the tests `{filter}` of {package}"),
            Self::Xtask(words) | Self::Slow(words) => format!("`cargo xtask {words}`"),
        }
    }

    /// What shows it, where it is to be shown now.
    fn command(&self, long: bool) -> Option<Command> {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(steps::root()).stdin(Stdio::null());
        match self {
            Self::Tests { package, target, filter } | Self::Many { package, target, filter } => {
                cargo.args(["test", "--quiet", "-p", package]).args(target.split(' '));
                if long && matches!(self, Self::Many { .. }) {
                    cargo.arg("--release");
                }
                // One at a time: what is measured is not to be measured against its neighbours.
                cargo.args(["--", filter, "--nocapture", "--test-threads=1"]);
            }
            Self::Slow(_) if !long => return None,
            Self::Xtask(words) | Self::Slow(words) => {
                cargo.args(["run", "--quiet", "-p", "xtask", "--"]).args(words.split(' '));
            }
        }
        if long {
            cargo.env(LONG.0, LONG.1);
        }
        Some(cargo)
    }
}

/// Proves the promises that are named, all where none is.
///
/// # Errors
/// Where a name is not that of a promise.
pub(crate) fn run(words: &[String]) -> Result<ExitCode, String> {
    let long = words.iter().any(|word| word == "--long");
    let named: Vec<&String> = words.iter().filter(|word| *word != "--long").collect();
    let known = || GROUPS.iter().copied().flatten();
    if let Some(unknown) = named.iter().find(|word| !known().any(|promise| promise.id.eq_ignore_ascii_case(word))) {
        let ids: Vec<&str> = known().map(|promise| promise.id).collect();
        return Err(format!("there is no promise `{unknown}`; usage: cargo xtask trust [{} …] [--long]", ids.join(" | ")));
    }
    let wanted = |promise: &&Promise| named.is_empty() || named.iter().any(|word| promise.id.eq_ignore_ascii_case(word));
    let mut asked: Vec<&Promise> = known().filter(wanted).collect();
    asked.sort_by_key(|promise| promise.id.trim_start_matches('T').parse::<u32>().ok());
    let mut all_held = true;
    let shim = Shim::build();
    for promise in asked {
        let said = prove(promise, long, shim.as_ref());
        all_held &= said.held();
        println!("{:<4} {}: {said}", promise.id, promise.name);
    }
    Ok(if all_held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn prove(promise: &Promise, long: bool, shim: Option<&Shim>) -> Said {
    let mut said = Said::default();
    for proof in promise.proofs {
        let (name, Some(mut command)) = (proof.name(), proof.command(long)) else { continue };
        command.envs(shim.map(Shim::variable));
        // It may take minutes: whoever waits sees what for.
        eprint!("{} {}: {name} … ", promise.id, promise.name);
        let begun = Instant::now();
        let shown = command.output();
        eprintln!("{:.1} s", begun.elapsed().as_secs_f64());
        match shown {
            Err(error) => said.broke(&format!("cargo did not run: {error}")),
            Ok(output) => {
                let heard = said.listen(promise.id, &String::from_utf8_lossy(&output.stdout));
                if !output.status.success() {
                    said.broke(&format!("{name} failed"));
                    eprintln!("{}", String::from_utf8_lossy(&output.stdout));
                    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
                } else if heard == 0 {
                    said.broke(&format!("{name} told nothing"));
                }
            }
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, run};

    #[test]
    fn every_promise_has_a_proof_and_a_number_of_its_own() {
        let all: Vec<_> = GROUPS.iter().copied().flatten().collect();
        for promise in &all {
            assert!(!promise.proofs.is_empty(), "{}", promise.id);
            assert_eq!(all.iter().filter(|other| other.id == promise.id).count(), 1, "{}", promise.id);
        }
    }

    #[test]
    fn what_is_no_promise_is_refused() {
        assert!(run(&["T99".into()]).unwrap_err().starts_with("there is no promise `T99`"));
        assert!(run(&["--short".into()]).is_err());
    }
}
