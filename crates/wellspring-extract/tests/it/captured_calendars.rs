//! Calendars of other people's tests, kept outside the project: what their parser makes of them is what ours should.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use regex::Regex;
use serde_json::Value;
use wellspring_core::source::{Format, Rules, Window};

use crate::support::{captured, extract, field, rules};

/// An event's identifier and its start, as `2025-01-23` or `2025-01-23T18:00:00` with whatever offset is known of it.
type Start = (String, String);

#[test]
fn calendars_give_the_events_and_starts_expected_of_them() {
    let Some(root) = captured("ical") else { return };
    let (mut named, mut right, mut wrong) = (0, 0, Vec::new());
    for (folder, snapshots) in [
        ("testdata", "__snapshots__/test_calendar_stream.ambr"),
        ("examples/testdata", "examples/__snapshots__/test_ics_examples.ambr"),
        ("compat/testdata", "compat/__snapshots__/test_make_compat.ambr"),
    ] {
        let snapshots = fs::read_to_string(root.join(snapshots)).unwrap();
        for (name, block) in blocks(&snapshots) {
            let file = root.join(folder).join(format!("{name}.ics"));
            let expected = expected(block);
            named += expected.len();
            let mut found = found(&file);
            for start in expected {
                let place = found.iter().position(|(uid, found)| *uid == start.0 && found.starts_with(&start.1));
                match place {
                    Some(place) => {
                        found.swap_remove(place);
                        right += 1;
                    }
                    None => wrong.push(format!("{name}: {start:?}")),
                }
            }
            // Where nothing recurs, what was not named is wrong too.
            if !fs::read_to_string(&file).unwrap().contains("RRULE:FREQ") && !block.contains("Event(") && !block.contains("'rdate'") {
                named += found.len();
                wrong.extend(found.iter().map(|start| format!("{name}: not named: {start:?}")));
            }
        }
    }
    println!("calendars: {right} of {named} events and starts");
    println!("{}", wrong.join("\n"));
    assert!(named > 150 && right * 100 >= named * 95, "{right} of {named}: {wrong:#?}");
}

/// The snapshots of a file by the names of their calendars.
fn blocks(snapshots: &str) -> impl Iterator<Item = (&str, &str)> {
    snapshots.split("# name: ").skip(1).filter_map(|block| {
        let (title, body) = block.split_once('\n')?;
        let (test, name) = title.strip_suffix(']')?.split_once('[')?;
        (test != "test_serialize").then_some((name, body))
    })
}

/// What a snapshot names: Python's own notation of values, of dictionaries, or a calendar written anew.
fn expected(block: &str) -> Vec<Start> {
    let value = Regex::new(r"^            '(\w+)': (?:'(.*)'),$").unwrap();
    let event = Regex::new(r"Event\(.*?uid='([^']*)', dtstart=datetime\.(date|datetime)\(([\d, ]+)").unwrap();
    if block.contains("Event(") {
        return event
            .captures_iter(block)
            .map(|found| {
                let parts: Vec<&str> = found[3].split(", ").filter(|part| !part.is_empty()).collect();
                let part = |at: usize| parts.get(at).map_or(0, |part| part.parse::<u32>().unwrap());
                let day = format!("{}-{:02}-{:02}", part(0), part(1), part(2));
                (found[1].to_owned(), if &found[2] == "date" { day } else { format!("{day}T{:02}:{:02}", part(3), part(4)) })
            })
            .collect();
    }
    if block.contains("BEGIN:VCALENDAR") {
        return rewritten(&block.replace("\n   ", "").replace("\n  ", "\n"));
    }
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
            let start = event["dtstart"].strip_suffix('Z').map_or(event["dtstart"].clone(), |start| format!("{start}+00:00"));
            starts.push((event["uid"].clone(), start));
            event.clear();
        }
    }
    starts
}

/// The starts of a calendar in its own notation, without zones.
fn rewritten(calendar: &str) -> Vec<Start> {
    let event = Regex::new(r"(?s)BEGIN:VEVENT\n(.*?)END:VEVENT").unwrap();
    let uid = Regex::new(r"(?m)^UID:(.*)$").unwrap();
    let start = Regex::new(r"(?m)^DTSTART.*:(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\dZ?)?$").unwrap();
    let starts = event.captures_iter(calendar).map(|event| {
        let found = start.captures(&event[1]).unwrap();
        let day = format!("{}-{}-{}", &found[1], &found[2], &found[3]);
        let time = found.get(4).map_or(String::new(), |hour| format!("T{}:{}", hour.as_str(), &found[5]));
        (uid.captures(&event[1]).unwrap()[1].to_owned(), format!("{day}{time}"))
    });
    starts.collect()
}

fn found(file: &Path) -> Vec<Start> {
    const CENTURY: u64 = 36_525 * 24 * 60 * 60;
    let fields = vec![field("uid", &["uid"]), field("start", &["start"])];
    let rules = Rules { fields, window: Some(Window { back: CENTURY, ahead: CENTURY }), ..rules(Format::Ical) };
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let extraction = extract(&rules, fs::read(file).unwrap());
    extraction.map_or(Vec::new(), |e| e.rows.iter().map(|row| (text(row, "uid"), text(row, "start"))).collect())
}
