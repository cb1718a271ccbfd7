//! Real pages that say of themselves what they are about, kept outside the project: each test says so and passes where they are
//! absent.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use url::Url;
use wellspring_core::source::{Field, Format, Many, Parse, Rules};
use wellspring_extract::{Body, Compiled};

use crate::support::{at, captured, context, field, files, rules};

/// Where the pages are from.
const PAGE: &str = "http://www.example.com/microdata/";

#[test]
fn blocks_of_jsonld_are_read_as_expected() {
    let Some(folder) = captured("structured") else { return };
    let (mut right, mut all) = (0, 0);
    for expectation in expectations(&folder) {
        let Some((page, blocks)) = jsonld_of(&expectation) else { continue };
        let found = entities(&page);
        all += blocks.len();
        let equal = blocks.iter().zip(&found).filter(|(expected, found)| expected == found).count();
        right += equal;
        if equal < blocks.len() {
            println!("{}: {equal} of {}", page.display(), blocks.len());
            for (expected, found) in blocks.iter().zip(&found).filter(|(expected, found)| expected != found) {
                println!("  expected {expected:.400}\n  found    {found:.400}");
            }
        }
    }
    println!("JSON-LD: {right} of {all} blocks are deep-equal to the expected ones");
    assert!(all > 50 && right * 100 >= all * 95, "{right} of {all}");
}

#[test]
fn microdata_has_the_types_and_values_expected_of_it() {
    let Some(folder) = captured("structured") else { return };
    let (mut whole, mut pages, mut hit, mut wanted, mut had) = (0, 0, 0, 0, 0);
    for expectation in expectations(&folder) {
        let Some((page, items)) = microdata_of(&expectation) else { continue };
        let found: Vec<Value> = entities(&page).into_iter().filter(|e| e.get("@context").is_none() && e["@type"] != "OpenGraph").collect();
        pages += 1;
        let (expected, got) = (statements(&items), statements(&found));
        let common: usize = expected.iter().map(|(statement, count)| (*count).min(got.get(statement).copied().unwrap_or(0))).sum();
        (hit, wanted, had) = (hit + common, wanted + expected.values().sum::<usize>(), had + got.values().sum::<usize>());
        if expected == got {
            whole += 1;
        } else {
            println!("{}", expectation.display());
            expected.iter().filter(|(s, n)| got.get(*s) != Some(n)).for_each(|(s, n)| println!("  expected {n} {s}"));
            got.iter().filter(|(s, n)| expected.get(*s) != Some(n)).for_each(|(s, n)| println!("  found    {n} {s}"));
        }
    }
    println!("microdata: {whole} of {pages} pages whole; of {wanted} types and values {hit} found, among {had}");
    assert!(pages > 20 && hit * 100 >= wanted * 90 && hit * 100 >= had * 90, "{hit} of {wanted}, {had}");
}

#[test]
fn one_set_of_rules_reads_recipes() {
    let Some(folder) = captured("recipes") else { return };
    let text = |name: &str, candidates: &[&str]| Field { parse: Parse::Plain, ..field(name, candidates) };
    let ingredients = ["$.recipeIngredient[*][*]", "$.recipeIngredient[*]", "$.ingredients[*]", "$.recipeIngredient", "$.ingredients"];
    let fields = vec![
        text("title", &["$.name[0]", "$.name"]),
        // Some write all of them into one text, a line each.
        Field { many: Some(Many::List), regex: Some(at(".+")), ..text("ingredients", &ingredients) },
    ];
    let compiled = Compiled::compile(&Rules { items: Some(at("Recipe")), fields, limit: Some(1), ..rules(Format::Jsonld) }).unwrap();
    let (mut pages, mut titles, mut whole, mut exact) = (0, 0, 0, 0);
    for expectation in files(&folder, "json") {
        let expected: Value = serde_json::from_slice(&fs::read(&expectation).unwrap()).unwrap();
        let bytes = fs::read(expectation.with_extension("html")).unwrap();
        let rows = compiled.extract(&Body { bytes: &bytes, content_type: None, url: &page_url() }, &context()).unwrap().rows;
        let name = expectation.file_stem().unwrap().to_string_lossy();
        let Some(row) = rows.first() else { continue };
        pages += 1;
        let (wanted, found) = (plain(&expected["title"]), plain(&row["title"]));
        titles += usize::from(wanted == found);
        if wanted != found {
            println!("{name}: title {found:?} instead of {wanted:?}");
        }
        let list = |value: &Value| value.as_array().into_iter().flatten().map(|line| letters(&plain(line))).collect::<Vec<_>>();
        let (wanted, found) = (list(&expected["ingredients"]), list(&row["ingredients"]));
        exact += usize::from(wanted == found);
        let missing: Vec<_> = wanted.iter().filter(|wanted| !found.contains(wanted)).collect();
        whole += usize::from(missing.is_empty());
        if !missing.is_empty() {
            println!("{name}: of {} ingredients {} are missing: {missing:.90?}\n  found {found:.90?}", wanted.len(), missing.len());
        }
    }
    println!("recipes: of {pages} pages {titles} titles, {whole} with all ingredients, {exact} of them with nothing else");
    assert!(pages >= 51 && titles * 100 >= pages * 97 && whole * 100 >= pages * 85, "{pages} {titles} {whole}");
}

/// The other reader puts spaces, brackets and bullets in order.
fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

fn entities(page: &Path) -> Vec<Value> {
    let compiled = Compiled::compile(&rules(Format::Jsonld)).unwrap();
    let bytes = fs::read(page).unwrap();
    compiled.extract(&Body { bytes: &bytes, content_type: None, url: &page_url() }, &context()).unwrap().rows
}

fn page_url() -> Url {
    Url::parse(PAGE).unwrap()
}

/// Every file with something expected, but for RDF.
fn expectations(folder: &Path) -> Vec<PathBuf> {
    let mut found = files(folder, "json");
    found.extend(files(folder, "jsonld"));
    found.into_iter().filter(|path| !path.to_string_lossy().contains("expanded.json")).collect()
}

/// The page that an expectation is of.
fn page_of(expectation: &Path) -> PathBuf {
    let name = expectation.file_name().unwrap().to_string_lossy();
    let stem = name.strip_suffix(".jsonld").or_else(|| name.strip_suffix(".json")).unwrap();
    let stem = ["_flat_with_node_id", "_flat", ".flat", ".withtext", "_custom_url_and_node_id", "_custom_url"]
        .iter()
        .fold(stem.to_owned(), |stem, variant| stem.replace(variant, ""));
    expectation.with_file_name(format!("{stem}.html"))
}

fn jsonld_of(expectation: &Path) -> Option<(PathBuf, Vec<Value>)> {
    let expected: Value = serde_json::from_slice(&fs::read(expectation).unwrap()).unwrap();
    let is_jsonld = expectation.extension().is_some_and(|extension| extension == "jsonld");
    let blocks = if is_jsonld { expected.get("items").unwrap_or(&expected) } else { expected.get("json-ld")? };
    let mut flat = Vec::new();
    for block in blocks.as_array().unwrap() {
        // Some have a block that is a list as one of the blocks.
        match block.get("@graph").unwrap_or(block) {
            Value::Array(list) => flat.extend(list.iter().cloned()),
            one => flat.push(one.clone()),
        }
    }
    Some((page_of(expectation), flat))
}

fn microdata_of(expectation: &Path) -> Option<(PathBuf, Vec<Value>)> {
    let expected: Value = serde_json::from_slice(&fs::read(expectation).unwrap()).unwrap();
    let items = expected.get("microdata").unwrap_or(&expected).as_array().filter(|items| !items.is_empty())?.clone();
    let is_microdata = items.iter().all(|item| item.get("properties").is_some_and(Value::is_object) || expected.get("microdata").is_some());
    let name = expectation.to_string_lossy();
    // Items flattened into a list with references: another layout of a page that is compared anyway.
    let is_other = name.contains(".flat.") || name.contains("microformat") || expectation.extension().is_some_and(|e| e == "jsonld");
    (is_microdata && !is_other).then(|| (page_of(expectation), items))
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
            let text = plain(scalar);
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

/// Text without entities and markup, white space collapsed.
fn plain(value: &Value) -> String {
    let Some(text) = value.as_str() else { return if value.is_null() { String::new() } else { value.to_string() } };
    let mut text = text.to_owned();
    // Twice: some are encoded twice.
    for _ in 0..2 {
        text = scraper_text(&text);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a browser would show of markup.
fn scraper_text(markup: &str) -> String {
    if !markup.contains(['&', '<']) {
        return markup.to_owned();
    }
    let rules = Rules { fields: vec![field("text", &["body"])], ..rules(Format::Html) };
    let page = format!("<!doctype html><body>{markup}");
    crate::support::extract(&rules, page).ok().and_then(|e| e.rows[0]["text"].as_str().map(str::to_owned)).unwrap_or_default()
}
