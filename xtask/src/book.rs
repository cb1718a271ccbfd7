//! `cargo xtask book`: the documents as a book, by mdBook.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::steps;

/// Which mdBook builds it.
const MDBOOK: &str = "0.5.4";
/// What documents link to outside their folder.
const BESIDE: [&str; 3] = ["examples", "packaging", "sources"];
/// The same of documents: mdBook takes every link to one for a chapter.
const DOCUMENTS: [&str; 2] = ["ARCHITECTURE", "CHANGELOG"];

/// Builds `target/book/docs/index.html`, and puts beside it what the documents link to.
///
/// # Errors
/// Where there is no mdBook and it cannot be installed, or a document is wrong.
pub(crate) fn run(words: &[String]) -> Result<ExitCode, String> {
    if !words.is_empty() {
        return Err("usage: cargo xtask book".to_owned());
    }
    let root = steps::root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let mdbook = program(&target.join("tools"))?;
    let book = target.join("book");
    drop(fs::remove_dir_all(&book));
    let built = Command::new(&mdbook).arg("build").arg(root.join("docs")).arg("--dest-dir").arg(book.join("docs")).output();
    let built = built.map_err(|error| format!("{}: {error}", mdbook.display()))?;
    let said = String::from_utf8_lossy(&built.stderr);
    print!("{said}");
    if !built.status.success() || said.contains("WARN") || said.contains("ERROR") {
        return Ok(ExitCode::FAILURE);
    }
    for folder in BESIDE {
        copy(&root.join(folder), &book.join(folder))?;
    }
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(format!("{document}.md"))).map_err(|error| format!("{document}.md: {error}"))?;
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let page = format!("<!doctype html><meta charset=utf-8><title>{document}</title><pre>{text}</pre>");
        fs::write(book.join(format!("{document}.html")), page).map_err(|error| format!("{document}.html: {error}"))?;
    }
    println!("{}", book.join("docs/index.html").display());
    Ok(ExitCode::SUCCESS)
}

/// The mdBook that is there, or one of our own: built once, which takes some minutes.
fn program(tools: &Path) -> Result<PathBuf, String> {
    let own = tools.join("bin/mdbook");
    for known in [PathBuf::from("mdbook"), own.clone()] {
        let told = Command::new(&known).arg("--version").output();
        // Another one of the same second number reads the same book.
        let series = MDBOOK.rsplit_once('.').map_or(MDBOOK, |(series, _)| series);
        if told.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).contains(&format!("v{series}."))) {
            return Ok(known);
        }
    }
    println!("mdBook {MDBOOK} is not here: it is built now, once");
    let mut install = Command::new("cargo");
    install.args(["install", "mdbook", "--locked", "--version", MDBOOK, "--root"]).arg(tools).stdin(Stdio::null());
    match install.status() {
        Ok(status) if status.success() => Ok(own),
        _ => Err(format!("mdBook cannot be installed: `cargo install mdbook --locked --version {MDBOOK}` failed")),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to).map_err(failed)?;
        }
    }
    Ok(())
}
