//! `cargo xtask lint-page`: the pages in a real browser. Each scenario of `xtask/web` drives a server of its own and says what is
//! wrong: a state that is not shown, a change that needs a reload, an error, a breach of the policy, what axe finds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::{steps, tools};

/// What is installed, from the npm registry. A change here installs anew.
const PACKAGES: [&str; 2] = ["puppeteer-core@24.43.1", "axe-core@4.14.1"];

/// Runs every scenario, or the one that is named; with `--pictures DIR` takes pictures instead.
///
/// # Errors
/// Where the server cannot be built.
pub(crate) fn run(words: &[String]) -> Result<ExitCode, String> {
    let (only, pictures) = match words {
        [] => ("-", None),
        [name] if !name.starts_with('-') => (name.as_str(), None),
        [option, folder] if option == "--pictures" => ("-", Some(PathBuf::from(folder))),
        _ => return Err("usage: cargo xtask lint-page [SCENARIO | --pictures DIR]".to_owned()),
    };
    let root = steps::root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let leavings = target.join("lint-page");
    fs::create_dir_all(&leavings).map_err(|error| format!("{}: {error}", leavings.display()))?;
    let browser = match tools::browser().ok_or("there is no browser".to_owned()).and_then(|b| packages(&leavings).map(|()| b)) {
        Ok(browser) => browser,
        Err(why) => {
            println!("skipped: lint-page: {why}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let program = tools::built(&root, &target)?;
    let mut command = Command::new("node");
    command.arg(root.join("xtask/lint/page.mjs")).arg(&program).arg(browser).arg(root.join("xtask/web")).arg(&leavings).arg(only);
    if let Some(folder) = &pictures {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        command.arg(fs::canonicalize(folder).map_err(|error| error.to_string())?);
    }
    let status = command.env("WELLSPRING", &program).stdin(Stdio::null()).status().map_err(|error| format!("node: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `cargo xtask look`: pictures of the pages, where nobody says elsewhere under `target/look`.
///
/// # Errors
/// As [`run`].
pub(crate) fn look(words: &[String]) -> Result<ExitCode, String> {
    let folder = match words {
        [] => "target/look",
        [folder] => folder,
        _ => return Err("usage: cargo xtask look [DIR]".to_owned()),
    };
    run(&["--pictures".to_owned(), folder.to_owned()]).inspect(|_| println!("pictures are in {folder}"))
}

/// Installs the packages where they are not there or are others.
fn packages(leavings: &Path) -> Result<(), String> {
    let (marker, wanted) = (leavings.join("packages.txt"), PACKAGES.join("\n"));
    if leavings.join("node_modules").exists() && fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let way_out = "it needs node and npm, and once the npm registry";
    fs::write(leavings.join("package.json"), "{\"private\": true}\n").map_err(|error| error.to_string())?;
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1", "--loglevel=error"]).args(PACKAGES);
    match install.current_dir(leavings).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => fs::write(&marker, wanted).map_err(|error| format!("{}: {error}", marker.display())),
        Ok(output) => Err(format!("{}; {way_out}", String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or("npm failed"))),
        Err(error) => Err(format!("npm: {error}; {way_out}")),
    }
}
