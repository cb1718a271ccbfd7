//! Event listings of public bodies: the values that were checked by hand.

use serde_json::Value;

use super::Score;
use super::lab::{self, Answer, Lab};

/// What of an event is compared.
const COMPARED: [&str; 5] = ["title", "start", "end", "location", "links"];

pub(super) fn run(lab: &Lab) -> Result<Vec<Score>, String> {
    let mut examples: Vec<_> = std::fs::read_dir(Lab::own("examples/meetings"))
        .map_err(|error| format!("examples/meetings: {error}"))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    examples.sort();
    let (mut right, mut wrong) = (0, Vec::new());
    for example in &examples {
        let name = example.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let (more, other) = site(lab, name, &lab::text(example)?)?;
        right += more;
        wrong.extend(other);
    }
    Ok(vec![Score::of(format!("{} sites, checked values", examples.len()), right, wrong, 0.95)])
}

fn site(lab: &Lab, name: &str, source: &str) -> Result<(usize, Vec<String>), String> {
    let expected = lab::json(&lab.data("meetings/expected").join(name).with_extension("json"))?;
    let empty = Vec::new();
    let answers: Vec<Answer> = expected["files"].as_array().unwrap_or(&empty).iter().flat_map(|file| addresses(lab, file)).collect();
    let frozen = expected["freeze"].as_str().unwrap_or("2026-01-01");
    let now = if frozen.contains('T') { format!("{frozen}Z") } else { format!("{frozen}T12:00:00Z") };
    let site = lab.site(&answers)?;
    let checked = lab.check(&site, source, &[name, "--now", &now])?.remove(0);
    let (mut right, mut wrong) = (0, Vec::new());
    for check in expected["asserts"].as_array().unwrap_or(&empty) {
        let path = check["path"].as_array().unwrap_or(&empty);
        if !path.iter().any(|step| step.as_str().is_some_and(|step| COMPARED.contains(&step))) {
            continue;
        }
        let found = follow(&checked["items"], path);
        if plain(&found) == plain(&check["value"]) {
            right += 1;
        } else {
            let path = Value::Array(path.clone());
            wrong.push(format!("{name} {path}: {found} instead of {} {}", check["value"], checked.get("error").unwrap_or(&Value::Null)));
        }
    }
    Ok((right, wrong))
}

/// A value with addresses in one way of writing. The proxy plays everything back by plain HTTP, and a blank in an address is the
/// same as `%20`.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.replacen("https://", "http://", 1) {
            address if address.starts_with("http://") => Value::String(address.replace(' ', "%20")),
            _ => value.clone(),
        },
        Value::Array(list) => list.iter().map(plain).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        _ => value.clone(),
    }
}

/// A file under its own address, where it has one, and under one made of its name.
fn addresses(lab: &Lab, file: &Value) -> Vec<Answer> {
    let name = file["file"].as_str().unwrap_or_default();
    let path = lab.data("meetings/pages").join(name);
    let mime = match name.rsplit('.').next() {
        Some("json") => "application/json",
        Some("ics") => "text/calendar; charset=utf-8",
        Some("xml") => "text/xml",
        _ => "text/html; charset=utf-8",
    };
    let named = format!("http://captured.test/{name}");
    file["url"].as_str().map(str::to_owned).into_iter().chain([named]).map(|url| Answer { url, file: path.clone(), mime }).collect()
}

/// The value at a path; one that names no row is meant in the first.
fn follow(items: &Value, path: &[Value]) -> Value {
    let mut at = items.clone();
    if path.first().is_some_and(Value::is_string) {
        at = at.get(0).cloned().unwrap_or_default();
    }
    for step in path {
        at = match (step, &at) {
            (Value::String(name), at) => at.get(name).cloned().unwrap_or_default(),
            (Value::Number(number), Value::Array(list)) => {
                let index = number.as_i64().unwrap_or(0);
                let from_end = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
                let index = if index < 0 { list.len().checked_sub(from_end) } else { Some(from_end) };
                index.and_then(|index| list.get(index)).cloned().unwrap_or_default()
            }
            _ => Value::Null,
        };
    }
    at
}
