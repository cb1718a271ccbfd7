//! The project's texts speak of the project alone, not of the machine they were written on.

use super::finding;
use super::tree::File;

/// The beginning of a path that exists on one machine only.
const WORKSHOP: &str = concat!("/wor", "k/");

fn check(file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let begins_path = |at: usize| !line[..at].ends_with(|before: char| before.is_alphanumeric() || "._-/~}".contains(before));
        if line.match_indices(WORKSHOP).any(|(at, _)| begins_path(at)) {
            findings.push(finding(file, number, "a path of one machine"));
        }
    }
    findings
}

#[test]
fn no_text_names_the_machine_it_was_written_on() {
    super::tree_passes(check);
}

#[test]
fn a_path_of_the_machine_is_found() {
    let text = format!("fine\nsee {WORKSHOP}notes\n\"{WORKSHOP}x\"\nhttps://example.com{WORKSHOP}x\n../home{WORKSHOP}x");
    super::plants(check, "docs/a.md", &text, &[2, 3]);
}
