//! docs/traps.md: every test that it names is there.

use std::collections::HashSet;

use super::finding;
use super::tokens::{Kind, tokens};
use super::tree::{File, files};

/// Where the tests of each row stand, counted from 0 in a line cut at its bars.
const TESTS: usize = 2;
/// What stands instead where no test holds a row yet.
const LATER: &str = "issue 9";

fn check(document: &File, tests: &HashSet<&str>, files: &[File]) -> Vec<String> {
    let is_there = |name: &str| {
        if name.contains('/') {
            files.iter().any(|file| file.path == name)
        } else {
            tests.contains(name.rsplit("::").next().unwrap_or(name))
        }
    };
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(document.text.lines()).filter(|(_, line)| line.starts_with('|')) {
        let Some(cell) = line.split('|').nth(TESTS + 1) else {
            findings.push(finding(document, number, "a row without its tests"));
            continue;
        };
        let named: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        let is_head = cell.trim() == "test" || cell.trim().starts_with("--");
        if named.is_empty() && !is_head && !cell.contains(LATER) {
            findings.push(finding(document, number, "a trap without a test"));
        }
        for name in named {
            if !is_there(name) {
                findings.push(finding(document, number, &format!("there is no test `{name}`")));
            }
        }
    }
    findings
}

/// The names of all functions that are called by a test harness.
fn tests(files: &[File]) -> HashSet<&str> {
    let mut names = HashSet::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let tokens = tokens(&file.text);
        for pair in tokens.windows(2).filter(|pair| pair[0].kind == Kind::Word("fn") && (pair[0].in_test || file.is_test())) {
            names.extend(pair[1].word());
        }
    }
    names
}

#[test]
fn every_trap_has_the_tests_that_it_names() {
    let files = files();
    let document = files.iter().find(|file| file.path == "docs/traps.md").unwrap();
    assert!(document.text.lines().filter(|line| line.starts_with('|')).count() > 36, "the table is not understood");
    let findings = check(document, &tests(&files), &files);
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn a_test_that_is_not_there_is_found() {
    let rust = File { path: "crates/a/tests/it/x.rs".to_owned(), text: "#[test]\nfn known() {}".to_owned() };
    let files = [rust];
    let known = tests(&files);
    let check = |file: &File| check(file, &known, &files);
    let text = "| trap | where | test |\n|---|---|---|\n| a | b | `known`, `x::known`, `crates/a/tests/it/x.rs` |\n| a | b | `gone` |\n| a | b | |\n| a | b | issue 9 |\n| a | b | `xtask/gone.mjs` |";
    super::plants(check, "docs/traps.md", text, &[4, 5, 7]);
}
