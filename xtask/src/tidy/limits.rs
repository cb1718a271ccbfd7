//! Size, names and words that may not stand in the sources.

use super::finding;
use super::paths::named;
use super::tokens::{Token, attribute, tokens};
use super::tree::File;

const LINES: usize = 450;
const TEST_LINES: usize = 600;
const MAIN_LINES: usize = 50;

/// Names that say nothing of what is inside.
const NAMELESS: &[&str] = &["helpers", "manager", "util", "utils"];

/// Macros that promise work.
const PROMISES: &[&str] = &["todo", "unimplemented"];

fn lengths(file: &File) -> Vec<String> {
    if !file.is_rust() {
        return Vec::new();
    }
    let limit = match file.name() {
        "main.rs" if file.path.ends_with("src/main.rs") => MAIN_LINES,
        _ if file.is_test() => TEST_LINES,
        _ => LINES,
    };
    let lines = file.text.lines().count();
    if lines > limit {
        vec![finding(file, lines, &format!("{lines} lines, at most {limit}: two ideas share this room"))]
    } else {
        Vec::new()
    }
}

#[test]
fn files_are_short() {
    super::tree_passes(lengths);
}

#[test]
fn a_long_file_is_found() {
    super::plants(lengths, "crates/c/src/a.rs", &"\n".repeat(451), &[451]);
    super::plants(lengths, "crates/c/src/a.rs", &"\n".repeat(450), &[]);
    super::plants(lengths, "crates/c/src/main.rs", &"\n".repeat(51), &[51]);
    super::plants(lengths, "crates/c/tests/it/main.rs", &"\n".repeat(600), &[]);
    super::plants(lengths, "crates/c/src/engine/tests.rs", &"\n".repeat(601), &[601]);
    super::plants(lengths, "docs/long.md", &"\n".repeat(1000), &[]);
}

fn names(file: &File) -> Vec<String> {
    let nameless = |part: &str| NAMELESS.contains(&part.trim_end_matches(".rs"));
    if file.is_rust() && file.path.split('/').any(nameless) {
        return vec![finding(file, 1, "name the idea: a file of this name holds whatever has no home")];
    }
    Vec::new()
}

#[test]
fn files_are_named_after_what_they_hold() {
    super::tree_passes(names);
}

#[test]
fn a_nameless_file_is_found() {
    super::plants(names, "crates/c/src/utils.rs", "", &[1]);
    super::plants(names, "crates/c/src/store/manager.rs", "", &[1]);
    super::plants(names, "crates/c/tests/it/helpers/mod.rs", "", &[1]);
    super::plants(names, "crates/c/src/utilization.rs", "", &[]);
}

fn promises(file: &File) -> Vec<String> {
    let marker = concat!("FIX", "ME");
    let mut findings: Vec<String> = (1..)
        .zip(file.text.lines())
        .filter(|(_, line)| line.contains(marker))
        .map(|(number, _)| finding(file, number, "mend it or open an issue"))
        .collect();
    let tokens = if file.is_rust() { tokens(&file.text) } else { Vec::new() };
    for pair in tokens.windows(2).filter(|pair| pair[1].is('!') && pair[0].word().is_some_and(|word| PROMISES.contains(&word))) {
        findings.push(finding(file, pair[0].line, "what is not there yet is not called"));
    }
    findings
}

#[test]
fn nothing_is_left_for_later() {
    super::tree_passes(promises);
}

#[test]
fn a_promise_is_found() {
    super::plants(promises, "crates/c/src/a.rs", "fn f() {\n todo!() }\nfn g() { unimplemented!(\"x\") } // todo!()", &[2, 3]);
    super::plants(promises, "docs/a.md", concat!("fine\nFIX", "ME: not"), &[2]);
}

/// What a test that only another test runs, in a process of its own, is marked with.
const CHILD: &str = "#[ignore = \"a child of `";

/// A test that is switched off, or that waits for time to pass instead of for something to happen.
fn tests(file: &File) -> Vec<String> {
    if !file.is_rust() {
        return Vec::new();
    }
    let tokens = tokens(&file.text);
    let mut findings = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let Some(end) = attribute(&tokens, at) else {
            at += 1;
            continue;
        };
        let words: Vec<&str> = tokens[at..end].iter().filter_map(Token::word).collect();
        let is_child = file.text.lines().nth(tokens[at].line - 1).is_some_and(|line| line.trim_start().starts_with(CHILD));
        if words.first() == Some(&"ignore") && !is_child || words.first() == Some(&"cfg_attr") && words.contains(&"ignore") {
            findings.push(finding(file, tokens[at].line, "a test runs or is not there"));
        }
        at = end;
    }
    let fence = concat!("``", "`ignore");
    findings.extend(
        (1..)
            .zip(file.text.lines())
            .filter(|(_, line)| line.contains(fence))
            .map(|(number, _)| finding(file, number, "an example that is not run")),
    );
    let sleeps = |path: &super::paths::Named| {
        let mut last = path.segments.iter().rev().map(String::as_str);
        matches!((last.next(), last.next()), (Some("sleep"), Some("thread" | "time")))
    };
    for path in named(file).iter().filter(|path| (path.in_test || file.is_test()) && sleeps(path)) {
        findings.push(finding(file, path.line, "a test waits for a condition, never for time"));
    }
    findings
}

#[test]
fn tests_run_and_never_sleep() {
    super::tree_passes(tests);
}

#[test]
fn a_test_that_sleeps_or_is_ignored_is_found() {
    let text = "use std::thread;\n#[cfg(test)]\nmod tests {\n #[test]\n #[ignore = \"slow\"]\n fn a() {\n thread::sleep(d) }\n}";
    super::plants(tests, "crates/c/src/a.rs", text, &[5, 7]);
    super::plants(tests, "crates/c/src/a.rs", "#[test]\n#[ignore = \"a child of `kills`\"]\nfn a() {}", &[]);
    super::plants(tests, "crates/c/src/a.rs", "#[cfg_attr(miri, ignore)]\nfn f() {}", &[1]);
    super::plants(tests, "crates/c/src/a.rs", "async fn f() { tokio::time::sleep(d).await }", &[]);
    super::plants(tests, "crates/c/tests/it/a.rs", "use tokio::time::sleep;\nasync fn f() { sleep(d).await }", &[1]);
    super::plants(tests, "crates/c/src/a.rs", concat!("/// ``", "`ignore\nfn f() {}"), &[1]);
}
