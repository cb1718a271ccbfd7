//! T16: whatever is written in a config is applied or refused by its place, and whoever reads hears nothing of it.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;
use wellspring::app;
use wellspring::clock::{Clock as _, SystemClock};
use wellspring::config::Config;
use wellspring_core::diagnostic::Diagnostic;

use super::dice::Dice;
use super::{judge, judge_time, ms};
use crate::support::program::run;

mod load;
mod mutate;
mod reload;

use mutate::{good, mutated, odd_file};

const SEED: u64 = 0xC0F1;
const CONFIGS: usize = 1_000;
/// How long the reading of one may take.
const BAR: Duration = Duration::from_secs(1);
/// How many characters a message, or the help beside it, may have.
const SAID: usize = 600;

/// How many of those that are refused the program is asked about as well.
const ASKED: usize = 25;
/// What the good ones are filled with.
const VARIABLES: [&str; 3] = ["SERPAPI_KEY", "SLACK_WEBHOOK", "WELLSPRING_TOKEN"];

/// Writes the config of this number.
fn write(folder: &Path, good: &[String], number: usize) {
    let mut dice = Dice::new(SEED + u64::try_from(number).unwrap());
    let text = if dice.below(4) == 0 { dice.pick(good).clone().into_bytes() } else { mutated(good, &mut dice) };
    fs::write(folder.join("wellspring.toml"), text).unwrap();
    let sources = folder.join("sources");
    match dice.below(4) {
        0 => odd_file(&sources, &mut dice),
        1 => {
            fs::create_dir_all(&sources).unwrap();
            fs::write(sources.join("more.toml"), mutated(good, &mut dice)).unwrap();
        }
        2 => fs::write(sources, "no folder").unwrap(),
        _ => {}
    }
}

/// What is wrong with a complaint.
fn misworded(folder: &Path, complaint: &Diagnostic) -> Option<String> {
    let Diagnostic { file, place, message, help, .. } = complaint;
    let said = [Some(message), help.as_ref()];
    if let Some(words) = said.iter().flatten().find(|words| words.is_empty() || words.chars().count() > SAID) {
        return Some(format!("{} characters: {words:.200}", words.chars().count()));
    }
    if let Some(words) = said.iter().flatten().find(|words| words.chars().any(char::is_control)) {
        return Some(format!("control characters: {words:?}"));
    }
    let shown = complaint.to_string();
    if shown.chars().count() > 4 * SAID || shown.lines().count() > 7 {
        return Some(format!("shown in {} lines and {} characters: {shown:.300}", shown.lines().count(), shown.chars().count()));
    }
    if let Some(odd) = shown.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Some(format!("{odd:?} is shown: {shown:.300}"));
    }
    if file.starts_with("shipped sources/") {
        return None;
    }
    if !Path::new(&**file).starts_with(folder) {
        return Some(format!("no file of ours: {file}"));
    }
    let is_no_file = || !fs::metadata(&**file).is_ok_and(|it| it.is_file() && it.len() < 1 << 30);
    let Some((line, column)) = *place else {
        return (!is_no_file()).then(|| format!("no place: {message}"));
    };
    let text = fs::read(&**file).unwrap();
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let there = lines.get(line - 1).is_some_and(|line| column <= String::from_utf8_lossy(line).chars().count() + 1);
    (!there).then(|| format!("{line}:{column} is not in the file: {message}"))
}

#[test]
fn a_thousand_configs_are_applied_or_refused_by_their_place() {
    let good = good();
    let (mut applied, mut asked, mut wrong, mut took) = (0, 0, Vec::new(), Vec::new());
    for number in 0..CONFIGS {
        let folder = TempDir::new().unwrap();
        write(folder.path(), &good, number);
        // What never ends must not hold up the test as well.
        let (told, heard) = mpsc::channel();
        let path = folder.path().join("wellspring.toml");
        wellspring::lifecycle::thread("reads a config", move || {
            let begun = SystemClock.mono();
            let read = || {
                Config::load_with(Some(&path), &|name| VARIABLES.contains(&name).then(|| "https://example.com/key".to_owned()))
                    .and_then(|config| app::recipes(&config).map(drop))
            };
            let read = catch_unwind(AssertUnwindSafe(read));
            drop(told.send((read, begun.until(SystemClock.mono()))));
        })
        .unwrap();
        let Ok((read, time)) = heard.recv_timeout(5 * BAR) else {
            wrong.push(format!("config {number}: it takes longer than {:?}", 5 * BAR));
            continue;
        };
        took.push(time);
        match read {
            Err(_) => wrong.push(format!("config {number}: a panic")),
            Ok(Ok(())) => applied += 1,
            Ok(Err(complaints)) => {
                if complaints.is_empty() {
                    wrong.push(format!("config {number}: refused without a word"));
                }
                if asked < ASKED {
                    asked += 1;
                    let output = run(folder.path(), &["check"]);
                    let said = String::from_utf8_lossy(&output.stderr).into_owned();
                    if output.status.code() != Some(2) || said.contains("panicked") || !said.contains(" --> ") {
                        wrong.push(format!("config {number}: `check` ends with {:?} and says {said:.400}", output.status));
                    }
                }
                wrong.extend(
                    complaints
                        .iter()
                        .filter_map(|complaint| misworded(folder.path(), complaint))
                        .map(|why| format!("config {number}: {why}")),
                );
            }
        }
    }
    for wrong in wrong.iter().take(40) {
        println!("{wrong}");
    }
    let figure = format!("{applied} of {CONFIGS} applied, {} refused, {} wrong", CONFIGS - applied, wrong.len());
    judge("T16", "mutated configs", &figure, "no panic, a place in the file, a line of at most 600 characters", wrong.is_empty());
    took.sort_unstable();
    let slowest = took.last().copied().unwrap_or_default();
    judge_time("T16", "the slowest to be read", &ms(slowest), "1 s", slowest < BAR);
}
