//! Judges that are written in Python, each set in an environment of its own below `target`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Python of an environment with these packages below `leavings`, made where it is not there or is another one.
///
/// # Errors
/// Why there is none, and the way out.
pub(crate) fn environment(leavings: &Path, packages: &[&str]) -> Result<PathBuf, String> {
    let (venv, marker) = (leavings.join("python"), leavings.join("packages.txt"));
    let (python, wanted) = (venv.join("bin/python"), packages.join("\n"));
    if python.exists() && fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let way_out = "it needs python3 with venv, and once the Python package index (a mirror: PIP_INDEX_URL)";
    let run = |command: &mut Command| match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{}; {way_out}", String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or("it failed"))),
        Err(error) => Err(format!("python3: {error}; {way_out}")),
    };
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]).args(packages))?;
    fs::write(&marker, wanted).map_err(|error| format!("{}: {error}", marker.display()))?;
    Ok(python)
}
