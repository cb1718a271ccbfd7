//! `cargo xtask dist`: the program as it is given away: built, measured and packed, with what belongs to it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

use crate::steps;

/// The most that the program may weigh, in bytes.
const LARGEST: u64 = 25_000_000;
/// What goes along as it is, from the root of the repository.
const ALONG: [&str; 7] = [
    "README.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "packaging/wellspring.service",
    "packaging/wellspring-browser.conf",
    "packaging/config/wellspring.toml",
];
/// Shells that complete its commands, and what a file of theirs is called.
const SHELLS: [(&str, &str); 3] = [("bash", "wellspring.bash"), ("zsh", "_wellspring"), ("fish", "wellspring.fish")];

/// Builds by the profile `dist`, judges the size, and writes `target/dist/wellspring-VERSION-TARGET.tar.gz` with its SHA-256 beside it.
///
/// # Errors
/// Where it does not build or cannot be packed.
pub(crate) fn run(words: &[String]) -> Result<ExitCode, String> {
    if !words.is_empty() {
        return Err("usage: cargo xtask dist".to_owned());
    }
    let root = steps::root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    succeeds(Command::new("cargo").args(["build", "--locked", "--profile", "dist", "--package", "wellspring"]).current_dir(&root))?;
    let folder = target.join("dist");
    let program = folder.join("wellspring");
    let size = fs::metadata(&program).map_err(|error| failed(&program, &error))?.len();
    println!("{}", told(size));
    if size > LARGEST {
        return Ok(ExitCode::FAILURE);
    }
    let name = format!("wellspring-{}-{}", env!("CARGO_PKG_VERSION"), host()?);
    let packed = folder.join(&name);
    drop(fs::remove_dir_all(&packed));
    let texts = packed.join("completions");
    fs::create_dir_all(&texts).map_err(|error| failed(&texts, &error))?;
    let copied = |from: &Path| {
        let to = packed.join(from.file_name().unwrap_or_default());
        fs::copy(from, &to).map_err(|error| failed(from, &error))
    };
    copied(&program)?;
    for file in ALONG {
        copied(&root.join(file))?;
    }
    for (shell, file) in SHELLS {
        let script = output(Command::new(&program).args(["completions", shell]))?;
        fs::write(texts.join(file), script).map_err(|error| failed(&texts, &error))?;
    }
    let notices = packed.join("THIRD-PARTY.txt");
    fs::write(&notices, third_parties(&root)?).map_err(|error| failed(&notices, &error))?;
    let archive = format!("{name}.tar.gz");
    // Whose machine made it, and when, is nobody's business.
    let anonymous = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "--use-compress-program=gzip -9n"];
    succeeds(Command::new("tar").args(anonymous).args(["-cf", &archive, &name]).current_dir(&folder))?;
    let sum = output(Command::new("sha256sum").arg(&archive).current_dir(&folder))?;
    fs::write(folder.join(format!("{archive}.sha256")), &sum).map_err(|error| failed(&folder, &error))?;
    println!("{}\n{}", folder.join(&archive).display(), String::from_utf8_lossy(&sum).trim());
    Ok(ExitCode::SUCCESS)
}

fn told(size: u64) -> String {
    let judged = if size > LARGEST { "TOO LARGE" } else { "ok" };
    format!("wellspring: {:.1} MB, at most {:.0} MB: {judged}", size as f64 / 1e6, LARGEST as f64 / 1e6)
}

/// The triple that is built for, as the compiler names it.
fn host() -> Result<String, String> {
    let told = output(Command::new("rustc").arg("-vV"))?;
    let told = String::from_utf8_lossy(&told);
    told.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).ok_or_else(|| "rustc names no host".to_owned())
}

/// The notices of everything that is built in: most licences ask that they go along.
fn third_parties(root: &Path) -> Result<String, String> {
    let tree = ["tree", "--locked", "--package", "wellspring", "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let tree = output(Command::new("cargo").args(tree).current_dir(root))?;
    let tree = String::from_utf8_lossy(&tree);
    let built_in: BTreeSet<(&str, &str)> = tree.lines().filter_map(package).collect();
    let metadata = output(Command::new("cargo").args(["metadata", "--locked", "--format-version", "1"]).current_dir(root))?;
    let metadata: Value = serde_json::from_slice(&metadata).map_err(|error| error.to_string())?;
    let mut text = "What is built into this program, by whom, and on which terms.\n".to_owned();
    let mut texts: Vec<(String, Vec<String>)> = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten().filter(|package| !package["source"].is_null()) {
        let word = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
        let (name, version) = (word("name"), word("version"));
        if !built_in.contains(&(name.as_str(), version.as_str())) {
            continue;
        }
        let _infallible = writeln!(text, "\n{name} {version}: {}\n  {}", word("license"), word("repository"));
        for notice in notices(Path::new(&word("manifest_path"))) {
            match texts.iter_mut().find(|(known, _)| *known == notice) {
                Some((_, names)) => names.push(name.clone()),
                None => texts.push((notice, vec![name.clone()])),
            }
        }
    }
    for (notice, names) in texts {
        let _infallible = write!(text, "\n{}\n{}:\n\n{}\n", "-".repeat(79), names.join(", "), notice.trim_end());
    }
    Ok(text)
}

/// Name and version of a line of `cargo tree`.
fn package(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once(" v")?;
    Some((name, rest.split(' ').next()?))
}

/// The texts of a package's licences.
fn notices(manifest: &Path) -> Vec<String> {
    let Some(Ok(entries)) = manifest.parent().map(fs::read_dir) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let is_notice = |file: &Path| {
        let name = file.file_name().map(|name| name.to_string_lossy().to_uppercase()).unwrap_or_default();
        ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"].iter().any(|start| name.starts_with(start))
    };
    files.iter().filter(|file| is_notice(file)).filter_map(|file| fs::read_to_string(file).ok()).collect()
}

fn failed(file: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", file.display())
}

fn succeeds(command: &mut Command) -> Result<(), String> {
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} ended with {status}")),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(output.stdout),
        Ok(output) => Err(format!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{ALONG, LARGEST, package, steps, told};

    #[test]
    fn the_size_is_told_and_judged() {
        assert_eq!(told(24_436_600), "wellspring: 24.4 MB, at most 25 MB: ok");
        assert_eq!(told(LARGEST + 100_000), "wellspring: 25.1 MB, at most 25 MB: TOO LARGE");
    }

    #[test]
    fn a_package_is_found_in_a_line_of_the_tree() {
        assert_eq!(package("serde_json v1.0.154"), Some(("serde_json", "1.0.154")));
        assert_eq!(package("wellspring-core v0.1.0 (/somewhere) (*)"), Some(("wellspring-core", "0.1.0")));
        assert_eq!(package(""), None);
    }

    #[test]
    fn what_goes_along_is_there() {
        for file in ALONG {
            assert!(steps::root().join(file).is_file(), "{file}");
        }
    }
}
