//! Runs programs step by step: announces each, streams what it says, keeps count.

use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::report::Tally;

/// One run of a program, cargo as a rule.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// What it checks, in a word or two.
    pub(crate) name: &'static str,
    /// The program.
    pub(crate) program: &'static str,
    /// What it is told.
    pub(crate) arguments: Vec<String>,
    /// A variable set for it.
    pub(crate) variable: Option<(&'static str, String)>,
}

/// Where the repository is. Cargo says so when it runs us; what it said at build time is of another checkout where two of
/// them share a target folder.
pub(crate) fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map(PathBuf::from).unwrap_or(package)
}

/// Runs every step, also after a failure: one run shows all there is to mend. Returns the count and the names of what failed.
pub(crate) fn run(steps: &[Step]) -> (Tally, Vec<&'static str>) {
    let mut tally = Tally::default();
    let mut failed = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let place = format!("[{}/{}] {}", index + 1, steps.len(), step.name);
        println!("{place}: {} {}", step.program, step.arguments.join(" "));
        let begun = Instant::now();
        let outcome = run_one(step, &mut tally);
        let seconds = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => println!("{place}: ok in {seconds:.1} s"),
            Err(reason) => {
                println!("{place}: FAILED after {seconds:.1} s: {reason}");
                failed.push(step.name);
            }
        }
    }
    (tally, failed)
}

fn run_one(step: &Step, tally: &mut Tally) -> Result<(), String> {
    let before = tally.failures();
    let outcome =
        spawn(step).and_then(|child| follow(child, tally)).unwrap_or_else(|error| Err(format!("`{}` did not run: {error}", step.program)));
    if outcome.is_err() && tally.failures() == before {
        // A lint, a compile error or a test binary that died has no line of its own.
        tally.fail();
    }
    outcome
}

fn spawn(step: &Step) -> io::Result<Child> {
    let mut command = Command::new(step.program);
    command.args(&step.arguments).current_dir(root()).stdin(Stdio::null()).stdout(Stdio::piped());
    if let Some((name, value)) = &step.variable {
        command.env(name, value);
    }
    command.spawn()
}

/// Passes on what a child says until it ends. Cargo's own progress goes to standard error, untouched.
fn follow(mut child: Child, tally: &mut Tally) -> io::Result<Result<(), String>> {
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line)? > 0 {
            let text = String::from_utf8_lossy(&line);
            tally.read(text.trim_end());
            print!("{text}");
            line.clear();
        }
    }
    let status = child.wait()?;
    Ok(if status.success() { Ok(()) } else { Err(format!("it ended with {status}")) })
}

#[cfg(test)]
mod tests {
    use super::{Step, run};

    #[test]
    fn a_failure_counts_once_and_does_not_stop_the_steps_after_it() {
        let step = |name, program| Step { name, program, arguments: Vec::new(), variable: None };
        let (tally, failed) = run(&[step("bad", "false"), step("good", "true"), step("absent", "no-such-program-anywhere")]);
        assert_eq!(failed, ["bad", "absent"]);
        assert_eq!(tally.to_string(), "0 passed, 2 failed");
    }

    #[test]
    fn what_a_step_says_is_counted() {
        let said = "test result: FAILED. 2 passed; 3 failed; 0 ignored".to_owned();
        let (tally, failed) = run(&[Step { name: "said", program: "echo", arguments: vec![said], variable: None }]);
        assert!(failed.is_empty());
        assert_eq!(tally.to_string(), "2 passed, 3 failed");
    }
}
