//! Conformance suites: JSONPath, robots.txt, encodings of pages.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Score;
use super::lab::{self, Answer, Lab};

pub(super) fn run(lab: &Lab) -> Result<Vec<Score>, String> {
    Ok(vec![jsonpath(lab)?, robots(lab)?, encodings(lab)?])
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

/// What a page's bytes mean shows how it was read: French words where it should be read as such, else bytes that mean something else in
/// nearly every encoding.
fn probe(encoding: &str) -> &'static [u8] {
    if encoding.eq_ignore_ascii_case("windows-1252") { b"un caf\xE9 d\xE9j\xE0 bu, na\xEFf" } else { b"\xE9\xA4\xE8\xB1" }
}

/// The page with the probe behind what is looked at for a declaration, out of whatever the page left open.
fn probed(page: &[u8], encoding: &str) -> Vec<u8> {
    let blanks = [b' '; 1_100];
    [page, &blanks, b"'\">--></script></style></title></textarea><i id=probe>", probe(encoding), b"</i>"].concat()
}

/// Each case is a page with a few bytes added, which must be read as the expected encoding has them.
fn encodings(lab: &Lab) -> Result<Score, String> {
    let mut cases = Vec::new();
    for file in lab.files("conformance/html5lib-encoding", &["dat"]) {
        let bytes = std::fs::read(&file).map_err(|error| error.to_string())?;
        cases.extend(pages(&bytes));
    }
    let folder = lab.folder()?;
    let (mut config, mut answers) = (String::new(), Vec::new());
    for (index, (page, encoding)) in cases.iter().enumerate() {
        let (url, file) = (format!("http://encodings.test/{index}"), folder.join(format!("{index}.html")));
        std::fs::write(&file, probed(page, encoding)).map_err(|error| error.to_string())?;
        answers.push(Answer { url: url.clone(), file, mime: "application/octet-stream" });
        let _infallible = writeln!(
            config,
            "[source.e{index}]\nurl = \"{url}\"\nfresh_for = \"1h\"\nformat = \"html\"\nitems = \"#probe\"\nfields.text = \".\"\nexpect.allow_empty = true"
        );
    }
    let checked = lab.check(&lab.site(&answers)?, &config, &[])?;
    let names: Vec<&str> = cases.iter().map(|(_, name)| name.as_str()).collect();
    let (mut right, mut wrong) = (0, Vec::new());
    for ((name, meant), checked) in names.iter().zip(decoded(&names)?).zip(&checked) {
        let found = checked["items"][0]["text"].as_str().unwrap_or_default();
        if meant.split_whitespace().eq(found.split_whitespace()) {
            right += 1;
        } else {
            wrong.push(format!("{name}: {found:?} instead of {meant:?}"));
        }
    }
    Ok(Score::of("encodings of pages", right, wrong, 0.95))
}

/// The pages of a file of cases, each with the name of its encoding.
fn pages(bytes: &[u8]) -> Vec<(Vec<u8>, String)> {
    const DATA: &[u8] = b"#data\n";
    const ENCODING: &[u8] = b"\n#encoding\n";
    let find = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).position(|window| window == part);
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(start) = find(rest, DATA) {
        rest = &rest[start + DATA.len()..];
        let Some(end) = find(rest, ENCODING) else { break };
        let (page, after) = (&rest[..end], &rest[end + ENCODING.len()..]);
        let line = after.split(|byte| *byte == b'\n').next().unwrap_or_default();
        found.push((page.to_vec(), String::from_utf8_lossy(line).trim().to_owned()));
        rest = after;
    }
    found
}

/// What the probe means in each encoding, by Python's codecs.
fn decoded(names: &[&str]) -> Result<Vec<String>, String> {
    const SCRIPT: &str = "import json, sys\n\
        print(json.dumps([bytes(probe).decode(name, 'replace') for name, probe in json.loads(sys.argv[1])]))";
    let probes: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, probe(name))).collect();
    let output = std::process::Command::new("python3").args(["-c", SCRIPT, &json!(probes).to_string()]).output();
    let output = output.map_err(|error| format!("python3: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
}
