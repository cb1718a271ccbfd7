//! What no compiler checks: where code may live, what it may import, what may not be written. Each check is a function of
//! a file's path and text, so that a planted violation can prove it able to fail.

mod bans;
mod dependencies;
mod directions;
mod limits;
mod links;
mod manifests;
mod paths;
mod purity;
mod tokens;
mod traps;
mod tree;
mod words;

use tree::File;

/// A place and what is wrong with it.
fn finding(file: &File, line: usize, what: &str) -> String {
    format!("{}:{line}: {what}", file.path)
}

/// Fails with every finding a check has in the tree.
#[track_caller]
fn tree_passes(check: impl Fn(&File) -> Vec<String>) {
    let findings: Vec<String> = tree::files().iter().flat_map(check).collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// A planted file must be found at these lines, and at no other.
#[track_caller]
fn plants(check: impl Fn(&File) -> Vec<String>, path: &str, text: &str, lines: &[usize]) {
    let findings = check(&File { path: path.to_owned(), text: text.to_owned() });
    let found: Vec<usize> = findings.iter().filter_map(|finding| finding.split(':').nth(1)?.parse().ok()).collect();
    assert_eq!(found, lines, "{path}: {findings:#?}");
}
