//! The requests of an alternative, a line each; many alike are one line.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::words::{shortened, size, took};
use crate::engine::collect::{Asked, Try};

/// How many requests alike are told one by one.
const FEW: usize = 4;
/// The longest address that keeps a column.
const COLUMN: usize = 72;
/// The longest captured value that is shown whole: a day is, a token is not.
const VALUE: usize = 24;

/// A line of the table.
struct Line {
    label: String,
    place: String,
    measure: String,
    more: String,
}

/// The lines of a table: what for, where, how much, what came of it.
pub(super) fn lines(attempt: &Try, input: Option<&Path>) -> Vec<String> {
    let place = |address: &str| match input {
        None => address.to_owned(),
        // Without its variable an alternative has no address.
        Some(file) if address.is_empty() => file.display().to_string(),
        Some(file) => format!("{}, in place of {address}", file.display()),
    };
    if attempt.asked.is_empty() {
        return vec![place(&attempt.address)];
    }
    let groups = attempt.asked.chunk_by(|a, b| kind(a) == kind(b));
    let table: Vec<Line> = groups.flat_map(|group| if group.len() > FEW { vec![folded(group)] } else { each(group, place) }).collect();
    let width = |of: fn(&Line) -> &String| table.iter().map(|line| of(line).chars().count()).filter(|w| *w <= COLUMN).max().unwrap_or(0);
    let (label, place, measure) = (width(|l| &l.label).max(7), width(|l| &l.place), width(|l| &l.measure));
    let line = |l: &Line| format!("{:label$}  {:place$}   {:measure$}   {}", l.label, l.place, l.measure, l.more).trim_end().to_owned();
    table.iter().map(line).collect()
}

/// The same for programs.
pub(super) fn json(attempt: &Try) -> Vec<Value> {
    let captured = |asked: &Asked| -> Vec<Value> {
        asked.captured.iter().map(|(name, value)| json!({"name": name, "value": shortened(value, VALUE)})).collect()
    };
    let all = attempt.asked.iter().map(|asked| {
        let took = u64::try_from(asked.took.as_millis()).unwrap_or(u64::MAX);
        json!({"label": asked.label, "address": asked.address, "bytes": asked.bytes, "took_ms": took, "captured": captured(asked), "note": asked.note,
            "rung": asked.rung, "seen": asked.seen})
    });
    all.collect()
}

/// What a request is for, without which one of many it is: `items` of `items for date=2025-01-23`.
fn kind(asked: &Asked) -> &str {
    let label = asked.label.as_str();
    [" for ", " of "].iter().filter_map(|word| label.find(word)).min().map_or(label, |at| &label[..at])
}

fn each(group: &[Asked], place: impl Fn(&str) -> String) -> Vec<Line> {
    let line =
        |asked: &Asked| Line { label: asked.label.clone(), place: place(&asked.address), measure: measure(asked), more: more(asked) };
    group.iter().map(line).collect()
}

/// How much came in what time; nothing where nothing came, for then the note says why.
fn measure(asked: &Asked) -> String {
    if asked.bytes == 0 && asked.note.is_some() { String::new() } else { format!("{} in {}", size(asked.bytes), took(asked.took)) }
}

fn folded(group: &[Asked]) -> Line {
    let bytes = group.iter().map(|asked| asked.bytes).sum();
    let time: Duration = group.iter().map(|asked| asked.took).sum();
    let mut notes = group.iter().filter_map(|asked| Some(format!("{}: {}", asked.label, asked.note.as_ref()?)));
    let more = match (notes.next(), notes.count()) {
        (None, _) => String::new(),
        (Some(first), 0) => first,
        (Some(first), others) => format!("{first}, and {others} more notes"),
    };
    let place = format!("{} requests", group.len());
    Line { label: group.first().map_or("", kind).to_owned(), place, measure: format!("{} in {}", size(bytes), took(time)), more }
}

fn more(asked: &Asked) -> String {
    let captures = asked.captured.chunk_by(|(a, _), (b, _)| a == b).filter_map(|group| {
        let (name, value) = group.first()?;
        let others = if group.len() > 1 { format!(" and {} more", group.len() - 1) } else { String::new() };
        Some(format!("{name} = {}{others}", shortened(value, VALUE)))
    });
    let title = asked.seen.iter().filter(|seen| !seen.title.is_empty()).map(|seen| format!("{:?}", seen.title));
    captures.chain(title).chain(asked.note.clone()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use wellspring_core::rung::Rung;

    use super::*;

    fn asked(label: &str, path: &str, bytes: u64, captured: &[(&str, &str)]) -> Asked {
        Asked {
            label: label.to_owned(),
            address: format!("https://www.films.example/{path}"),
            bytes,
            took: Duration::from_millis(bytes / 200),
            captured: captured.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            note: None,
            rung: Rung::Http,
            seen: None,
        }
    }

    fn attempt(asked: Vec<Asked>) -> Try {
        let address = "https://www.films.example/".to_owned();
        Try { alternative: 0, rung: Rung::Http, address, asked, cut: Vec::new(), finished: None, gates: Vec::new(), failure: None }
    }

    #[test]
    fn many_requests_alike_are_one_line() {
        let days: Vec<(&str, &str)> = ["2025-01-23", "2025-01-24", "2025-01-25"].map(|day| ("date", day)).into();
        let mut all = vec![
            asked("step 1 (page)", "venue", 48_000, &[("token", "a-token-that-nobody-should-read-in-full")]),
            asked("step 2 (dates)", "dates", 12_000, &days),
        ];
        all.extend(days.iter().map(|(_, day)| asked(&format!("items for date={day}"), day, 20_000, &[])));
        let few = lines(&attempt(all.clone()), None).join("\n");
        all.extend((0..13).map(|n| asked(&format!("items for date={n}"), "", 20_000, &[])));
        all[7].note = Some("no rows".to_owned());
        let many = lines(&attempt(all), None).join("\n");
        insta::assert_snapshot!(format!("{few}\n\n{many}"), @"
        step 1 (page)              https://www.films.example/venue        48 KB in 240 ms   token = a-token-that-nobody-sho…
        step 2 (dates)             https://www.films.example/dates        12 KB in 60 ms    date = 2025-01-23 and 2 more
        items for date=2025-01-23  https://www.films.example/2025-01-23   20 KB in 100 ms
        items for date=2025-01-24  https://www.films.example/2025-01-24   20 KB in 100 ms
        items for date=2025-01-25  https://www.films.example/2025-01-25   20 KB in 100 ms

        step 1 (page)   https://www.films.example/venue   48 KB in 240 ms   token = a-token-that-nobody-sho…
        step 2 (dates)  https://www.films.example/dates   12 KB in 60 ms    date = 2025-01-23 and 2 more
        items           16 requests                       320 KB in 1.6 s   items for date=2: no rows
        ");
    }

    #[test]
    fn a_long_address_does_not_push_the_others_away() {
        let all = vec![asked("step 1", &"x".repeat(80), 1, &[]), asked("items", "list", 1, &[])];
        insta::assert_snapshot!(lines(&attempt(all), None).join("\n"), @"
        step 1   https://www.films.example/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx   1 B in 0 ms
        items    https://www.films.example/list   1 B in 0 ms
        ");
    }
}
