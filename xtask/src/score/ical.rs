//! Calendars of another parser's tests: the events and starts that its expected output names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use regex::Regex;
use serde_json::Value;

use super::Score;
use super::lab::{Answer, Lab};

/// An event's identifier and its start, as `2025-01-23` or `2025-01-23T18:00:00` with whatever offset is known of it.
type Start = (String, String);

/// Where the calendars are and what is expected of them.
const SUITES: [(&str, &str); 3] = [
    ("testdata", "__snapshots__/test_calendar_stream.ambr"),
    ("examples/testdata", "examples/__snapshots__/test_ics_examples.ambr"),
    ("compat/testdata", "compat/__snapshots__/test_make_compat.ambr"),
];

struct Calendar {
    name: String,
    file: PathBuf,
    expected: Vec<Start>,
    /// Whether everything that is found must be named: nothing recurs in it.
    complete: bool,
}

pub(super) fn run(lab: &Lab) -> Result<Vec<Score>, String> {
    let mut calendars = Vec::new();
    for (folder, snapshots) in SUITES {
        let snapshots = super::lab::text(&lab.data("ical").join(snapshots))?;
        for (name, block) in blocks(&snapshots) {
            let file = lab.data("ical").join(folder).join(format!("{name}.ics"));
            let Ok(text) = fs::read(&file) else { continue };
            let recurs = String::from_utf8_lossy(&text).contains("RRULE:FREQ");
            let complete = !recurs && !block.contains("Event(") && !block.contains("'rdate'");
            calendars.push(Calendar { name: name.to_owned(), file, expected: expected(block)?, complete });
        }
    }
    let mut config = String::new();
    let mut answers = Vec::new();
    for (index, calendar) in calendars.iter().enumerate() {
        let url = format!("http://calendars.test/{index}");
        let _infallible = writeln!(
            config,
            "[source.c{index}]\nurl = \"{url}\"\nfresh_for = \"1h\"\nformat = \"ical\"\nback = \"36500d\"\nahead = \"36500d\"\n\
             fields = {{ uid = \"uid\", start = \"start\" }}\nexpect.allow_empty = true"
        );
        answers.push(Answer { url, file: calendar.file.clone(), mime: "application/octet-stream" });
    }
    let checked = lab.check(&lab.site(&answers)?, &config, &[])?;
    let (mut right, mut wrong) = (0, Vec::new());
    for (calendar, checked) in calendars.iter().zip(&checked) {
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let items = checked["items"].as_array().into_iter().flatten();
        let mut found: Vec<Start> = items.map(|row| (text(row, "uid"), text(row, "start"))).collect();
        for start in &calendar.expected {
            match found.iter().position(|(uid, found)| *uid == start.0 && found.starts_with(&start.1)) {
                Some(place) => {
                    found.swap_remove(place);
                    right += 1;
                }
                None => wrong.push(format!("{}: {start:?} is missing", calendar.name)),
            }
        }
        if calendar.complete {
            wrong.extend(found.iter().map(|start| format!("{}: {start:?} is not named", calendar.name)));
        }
    }
    Ok(vec![Score::of("events and starts", right, wrong, 0.95)])
}

/// The snapshots of a file by the names of their calendars.
fn blocks(snapshots: &str) -> impl Iterator<Item = (&str, &str)> {
    snapshots.split("# name: ").skip(1).filter_map(|block| {
        let (title, body) = block.split_once('\n')?;
        let (test, name) = title.strip_suffix(']')?.split_once('[')?;
        (test != "test_serialize").then_some((name, body))
    })
}

fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| error.to_string())
}

/// What a snapshot names: Python's own notation of values, of dictionaries, or a calendar written anew.
fn expected(block: &str) -> Result<Vec<Start>, String> {
    if block.contains("Event(") {
        return listed(block);
    }
    if block.contains("BEGIN:VCALENDAR") {
        return rewritten(&block.replace("\n   ", "").replace("\n  ", "\n"));
    }
    let value = pattern(r"^            '(\w+)': (?:'(.*)'),$")?;
    let mut starts = Vec::new();
    let mut is_event = false;
    let mut event: BTreeMap<String, String> = BTreeMap::new();
    for line in block.lines() {
        if line.starts_with("        '") {
            is_event = line.contains("'events'");
        }
        if let Some(found) = value.captures(line).filter(|_| is_event) {
            event.insert(found[1].to_owned(), found[2].to_owned());
        }
        if line == "          })," && is_event {
            let start = event.get("dtstart").cloned().unwrap_or_default();
            let start = start.strip_suffix('Z').map(|start| format!("{start}+00:00")).unwrap_or(start);
            starts.push((event.get("uid").cloned().unwrap_or_default(), start));
            event.clear();
        }
    }
    Ok(starts)
}

/// The starts of events in the notation of Python's values.
fn listed(block: &str) -> Result<Vec<Start>, String> {
    let event = pattern(r"Event\(.*?uid='([^']*)', dtstart=datetime\.(date|datetime)\(([\d, ]+)")?;
    let starts = event.captures_iter(block).map(|found| {
        let parts: Vec<u32> = found[3].split(", ").filter_map(|part| part.parse().ok()).collect();
        let part = |at: usize| parts.get(at).copied().unwrap_or(0);
        let day = format!("{}-{:02}-{:02}", part(0), part(1), part(2));
        (found[1].to_owned(), if &found[2] == "date" { day } else { format!("{day}T{:02}:{:02}", part(3), part(4)) })
    });
    Ok(starts.collect())
}

/// The starts of a calendar in its own notation, without zones.
fn rewritten(calendar: &str) -> Result<Vec<Start>, String> {
    let event = pattern(r"(?s)BEGIN:VEVENT\n(.*?)END:VEVENT")?;
    let uid = pattern(r"(?m)^UID:(.*)$")?;
    let start = pattern(r"(?m)^DTSTART.*:(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\dZ?)?$")?;
    let starts = event.captures_iter(calendar).filter_map(|event| {
        let found = start.captures(&event[1])?;
        let day = format!("{}-{}-{}", &found[1], &found[2], &found[3]);
        let time = found.get(4).map_or(String::new(), |hour| format!("T{}:{}", hour.as_str(), &found[5]));
        Some((uid.captures(&event[1])?[1].to_owned(), format!("{day}{time}")))
    });
    Ok(starts.collect())
}
