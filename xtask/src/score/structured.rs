//! What pages say of themselves: JSON-LD blocks and microdata.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::Score;
use super::lab::{self, Answer, Lab};

/// Where the pages are from; each has a query of its own.
const PAGE: &str = "http://www.example.com/microdata/";

/// A page, where it is, and what is expected of it.
struct Expectation {
    name: String,
    page: PathBuf,
    entities: Vec<Value>,
}

pub(super) fn run(lab: &Lab) -> Result<Vec<Score>, String> {
    let files: Vec<PathBuf> =
        lab.files("structured", &["json", "jsonld"]).into_iter().filter(|path| !path.to_string_lossy().contains("expanded.json")).collect();
    let jsonld: Vec<Expectation> = files.iter().filter_map(|file| jsonld_of(file)).collect();
    let microdata: Vec<Expectation> = files.iter().filter_map(|file| microdata_of(file)).collect();
    let (mut right, mut wrong) = (0, Vec::new());
    for (expected, found) in jsonld.iter().zip(entities(lab, &jsonld)?) {
        for (index, block) in expected.entities.iter().enumerate() {
            if found.get(index) == Some(block) {
                right += 1;
            } else {
                wrong.push(format!("{}: block {}", expected.name, index + 1));
            }
        }
    }
    let blocks = Score::of("JSON-LD blocks deep-equal", right, wrong, 0.95);
    let (mut right, mut missing, mut had) = (0, Vec::new(), 0);
    for (expected, found) in microdata.iter().zip(entities(lab, &microdata)?) {
        let found: Vec<Value> = found.into_iter().filter(|e| e.get("@context").is_none() && e["@type"] != "OpenGraph").collect();
        let (wanted, got) = (statements(&expected.entities), statements(&found));
        had += got.values().sum::<usize>();
        for (statement, count) in &wanted {
            let common = (*count).min(got.get(statement).copied().unwrap_or(0));
            right += common;
            missing.extend((common..*count).map(|_| format!("{}: {statement}", expected.name)));
        }
    }
    let surplus = (right..had).map(|_| "found and not expected".to_owned()).collect();
    Ok(vec![
        blocks,
        Score::of("microdata: types and values found", right, missing, 0.9),
        Score::of("microdata: of what was found, expected", right, surplus, 0.9),
    ])
}

/// All entities of each page.
fn entities(lab: &Lab, pages: &[Expectation]) -> Result<Vec<Vec<Value>>, String> {
    let mut config = String::new();
    let mut answers = Vec::new();
    for (index, expectation) in pages.iter().enumerate() {
        let url = format!("{PAGE}?{index}");
        let _infallible =
            writeln!(config, "[source.s{index}]\nurl = \"{url}\"\nfresh_for = \"1h\"\nformat = \"jsonld\"\nexpect.allow_empty = true");
        answers.push(Answer { url, file: expectation.page.clone(), mime: "application/octet-stream" });
    }
    let checked = lab.check(&lab.site(&answers)?, &config, &[])?;
    Ok(checked.into_iter().map(|checked| checked["items"].as_array().cloned().unwrap_or_default()).collect())
}

/// The page that an expectation is of.
fn page_of(expectation: &Path) -> PathBuf {
    let name = expectation.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.trim_end_matches(".jsonld").trim_end_matches(".json");
    let variants = ["_flat_with_node_id", "_flat", ".flat", ".withtext", "_custom_url_and_node_id", "_custom_url"];
    let stem = variants.iter().fold(stem.to_owned(), |stem, variant| stem.replace(variant, ""));
    expectation.with_file_name(format!("{stem}.html"))
}

fn jsonld_of(file: &Path) -> Option<Expectation> {
    let expected = lab::json(file).ok()?;
    let is_jsonld = file.extension().is_some_and(|extension| extension == "jsonld");
    let blocks = if is_jsonld { expected.get("items").unwrap_or(&expected) } else { expected.get("json-ld")? };
    let mut flat = Vec::new();
    for block in blocks.as_array()? {
        // Some have a block that is a list as one of the blocks.
        match block.get("@graph").unwrap_or(block) {
            Value::Array(list) => flat.extend(list.iter().cloned()),
            one => flat.push(one.clone()),
        }
    }
    Some(Expectation { name: file.display().to_string(), page: page_of(file), entities: flat })
}

fn microdata_of(file: &Path) -> Option<Expectation> {
    let expected = lab::json(file).ok()?;
    let entities = expected.get("microdata").unwrap_or(&expected).as_array().filter(|items| !items.is_empty())?.clone();
    let is_microdata =
        expected.get("microdata").is_some() || entities.iter().all(|item| item.get("properties").is_some_and(Value::is_object));
    let name = file.display().to_string();
    // Items flattened into a list with references: another layout of a page that is compared anyway.
    let is_other = name.contains(".flat.") || name.contains("microformat") || name.ends_with(".jsonld");
    (is_microdata && !is_other).then(|| Expectation { page: page_of(file), name, entities })
}

/// What items say, one line a type or value with the types that lead to it, and how often.
fn statements(items: &[Value]) -> HashMap<String, usize> {
    let mut said = HashMap::new();
    for item in items {
        say(item, "", &mut said);
    }
    said
}

fn say(value: &Value, path: &str, said: &mut HashMap<String, usize>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| say(value, path, said)),
        Value::Object(item) => {
            let item = uniform(item);
            let mut types: Vec<String> = match &item["@type"] {
                Value::Array(list) => list.iter().map(type_name).collect(),
                Value::Null => Vec::new(),
                one => vec![type_name(one)],
            };
            types.sort();
            let path = format!("{path}/{}", types.join("+"));
            *said.entry(path.clone()).or_default() += 1;
            for (name, value) in item.iter().filter(|(name, _)| !matches!(name.as_str(), "@type" | "@context")) {
                say(value, &format!("{path}.{name}"), said);
            }
        }
        scalar => {
            let text = scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned);
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            // Addresses are made absolute here, to another page there, or left alone.
            let pages = [PAGE, "http://www.example.com/", "http://blog.example.com/progress-report", "http://some-example.com/"];
            let text = pages.iter().find_map(|page| text.strip_prefix(page)).unwrap_or(&text).trim_start_matches('/');
            *said.entry(format!("{path} = {text}")).or_default() += 1;
        }
    }
}

/// Either layout as one: `{"type", "id", "properties"}` or members beside `@type`.
fn uniform(item: &Map<String, Value>) -> Map<String, Value> {
    let Some(properties) = item.get("properties").and_then(Value::as_object) else {
        let mut item = item.clone();
        item.entry("@type").or_insert(Value::Null);
        if let Some(id) = item.remove("id") {
            item.insert("@id".to_owned(), id);
        }
        // What it adds to the standard: an item's text, and a name of its own for it.
        item.remove("value");
        item.remove("_nodeId_");
        return item;
    };
    let mut uniform = properties.clone();
    uniform.insert("@type".to_owned(), item.get("type").cloned().unwrap_or(json!(null)));
    if let Some(id) = item.get("id") {
        uniform.insert("@id".to_owned(), id.clone());
    }
    uniform
}

fn type_name(written: &Value) -> String {
    written.as_str().unwrap_or("").replace("https://", "http://").replace("http://schema.org/", "")
}
