//! Conformance suites: JSONPath, robots.txt, encodings of pages.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Score;
use super::lab::{self, Answer, Lab};

pub(super) fn run(lab: &Lab) -> Result<Vec<Score>, String> {
    Ok(vec![jsonpath(lab)?, robots(lab)?])
}

/// Each case is a source of its own whose `items` are the path; a path that is none must be refused at load.
fn jsonpath(lab: &Lab) -> Result<Score, String> {
    let suite = lab::json(&lab.data("conformance/jsonpath/cts.json"))?;
    let empty = Vec::new();
    let cases = suite["tests"].as_array().unwrap_or(&empty);
    let (mut right, mut wrong) = (0, Vec::new());
    let (invalid, valid): (Vec<&Value>, Vec<&Value>) = cases.iter().partition(|case| case["invalid_selector"] == true);
    for case in invalid {
        let config = source("refused", "http://paths.test/", &case["selector"]);
        match lab.check_file(&config, &["--input", "/dev/null"]) {
            Err(complaint) if complaint.contains("JSONPath") || complaint.contains("error") => right += 1,
            _ => wrong.push(format!("{} was not refused", case["selector"])),
        }
    }
    let folder = lab.folder()?;
    let mut config = String::new();
    let mut answers = Vec::new();
    for (index, case) in valid.iter().enumerate() {
        let url = format!("http://paths.test/{index}");
        let file = folder.join(format!("{index}.json"));
        lab::write(&file, &case["document"].to_string())?;
        config += &source(&format!("p{index}"), &url, &case["selector"]);
        answers.push(Answer { url, file, mime: "application/json" });
    }
    let checked = lab.check(&lab.site(&answers)?, &config, &[])?;
    for (case, checked) in valid.iter().zip(&checked) {
        let found = &checked["items"];
        let is_right = match &case["results"] {
            Value::Array(any) => any.contains(found),
            _ => case["result"] == *found,
        };
        if is_right {
            right += 1;
        } else {
            wrong.push(format!("{}: {found} instead of {} {}", case["selector"], case["result"], checked["error"]));
        }
    }
    Ok(Score::of("JSONPath", right, wrong, 1.0))
}

fn source(name: &str, url: &str, path: &Value) -> String {
    format!("[source.{name}]\nurl = \"{url}\"\nfresh_for = \"1h\"\nformat = \"json\"\nitems = {}\nexpect.allow_empty = true\n", toml(path))
}

/// A JSON string as a TOML one: TOML knows no escaped slash and no surrogate pairs.
fn toml(value: &Value) -> String {
    let mut text = String::from("\"");
    for c in value.as_str().unwrap_or_default().chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => {
                let _infallible = write!(text, "\\U{:08X}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// Each case is a source on a host of its own that may or may not be asked.
fn robots(lab: &Lab) -> Result<Score, String> {
    let cases = lab::json(&lab.data("conformance/robotstxt/cases.json"))?;
    let empty = Vec::new();
    let cases = cases.as_array().unwrap_or(&empty);
    let folder = lab.folder()?;
    let page = folder.join("page.json");
    lab::write(&page, "[1]")?;
    let mut config = String::new();
    let mut answers = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let host = format!("http://case{index}.test");
        let path = case["url"].as_str().and_then(|url| url.split_once("://")).and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
        let url = format!("{host}{}", path.unwrap_or("/"));
        let file = folder.join(format!("{index}.txt"));
        lab::write(&file, case["robots"].as_str().unwrap_or_default())?;
        answers.push(Answer { url: format!("{host}/robots.txt"), file, mime: "text/plain" });
        answers.push(Answer { url: url.clone(), file: page.clone(), mime: "application/json" });
        let _infallible = writeln!(
            config,
            "[source.r{index}]\nurl = {}\nuser_agent = {}\nfresh_for = \"1h\"\nformat = \"json\"",
            toml(&json!(url)),
            toml(&case["agent"])
        );
    }
    let checked = lab.check(&lab.site(&answers)?, &config, &[])?;
    let (mut right, mut wrong) = (0, Vec::new());
    for (case, checked) in cases.iter().zip(&checked) {
        let allowed = checked["passed"] == true;
        let refused = checked["error"]["code"] == "robots_refused";
        if (case["allowed"] == true && allowed) || (case["allowed"] == false && refused) {
            right += 1;
        } else {
            wrong.push(format!("{} {} {}: {}", case["test"], case["agent"], case["url"], checked["error"]));
        }
    }
    Ok(Score::of("robots.txt", right, wrong, 0.97))
}
