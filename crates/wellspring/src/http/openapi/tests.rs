use std::fmt::Write as _;
use std::sync::Arc;

use insta::assert_snapshot;
use jiff::Timestamp;
use serde_json::Value;
use wellspring_core::source::{Defaults, parse_sources};

use super::document;
use crate::engine::hot::Content;
use crate::http::base::BasePath;

/// The document of a config; `items` is what its first source has stored.
fn documented(toml: &str, items: Option<&str>, has_token: bool) -> Value {
    let sources = parse_sources("test.toml", toml, Defaults::default(), &|name| (name == "SECRET").then(|| "canary".to_owned())).unwrap();
    let content = items.map(|items| Content {
        items: Arc::<str>::from(items).into(),
        revision: 3,
        made_at: Timestamp::UNIX_EPOCH,
        count: 0,
        alternative: 0,
    });
    let sources: Vec<_> = sources.iter().map(|source| (&source.value, content.as_ref())).collect();
    serde_json::to_value(document(&sources, &BasePath::default(), has_token)).unwrap()
}

/// A line for each operation: parameters (`*` is needed), statuses with what they carry.
fn outline(document: &Value) -> String {
    let mut lines = String::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let empty = Vec::new();
            let parameters = operation["parameters"].as_array().unwrap_or(&empty).iter().map(|parameter| {
                let needed = if parameter["required"] == true { "*" } else { "" };
                format!("{}{needed}", parameter["name"].as_str().unwrap())
            });
            let statuses = operation["responses"].as_object().unwrap().iter().map(|(status, response)| {
                let content = response["content"].as_object().map(|content| content.keys().cloned().collect::<Vec<_>>().join(" "));
                content.map_or_else(|| status.clone(), |types| format!("{status} {types}"))
            });
            let parameters = parameters.collect::<Vec<_>>().join(" ");
            let statuses = statuses.collect::<Vec<_>>().join(", ");
            writeln!(lines, "{method} {path} ({parameters}): {statuses}").unwrap();
        }
    }
    lines
}

/// Members of an object, a line each.
fn lines(value: &Value) -> String {
    let members = value.as_object().unwrap().iter();
    members.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
}

const CINEMA: &str = r#"
[source.cinema]
fresh_for = "6d"
description = "Films now showing"
url = "https://tix.example/?key=${SECRET}"
format = "html"
items = "li"
items_key = "films"
report_age = true
[source.cinema.fields]
title = "a"
link = "a@href"
year = { select = ".year", parse = "number", default = 0 }
price = { select = ".price", parse = "money" }
opens = { select = "time", parse = "date" }
sold_out = { select = ".full", parse = "boolean" }
cast = { select = ".cast", all = true }
_hidden = ".id"
[source.cinema.expect]
required = ["title"]
"#;

#[test]
fn every_route_of_a_source_is_told() {
    let document = documented(CINEMA, None, true);
    assert_eq!(document["openapi"], "3.1.0");
    assert_snapshot!(outline(&document), @r#"
    get /api/cinema (limit fields max_age wait as_of): 200 application/json, 304, 400, 404, 503, default
    get /api/cinema.json (limit fields max_age wait as_of): 200 application/json, 304, 400, 404, 503, default
    get /api/cinema.ndjson (limit fields max_age wait as_of): 200 application/x-ndjson, 304, 400, 404, 503, default
    get /api/cinema.csv (limit fields max_age wait as_of): 200 text/csv, 304, 400, 404, 503, default
    get /api/cinema.rss (limit fields max_age wait as_of): 200 application/rss+xml, 304, 400, 404, 503, default
    get /api/cinema.atom (limit fields max_age wait as_of): 200 application/atom+xml, 304, 400, 404, 503, default
    get /api/cinema.ics (limit fields max_age wait as_of): 200 text/calendar, 304, 400, 404, 503, default
    get /api/cinema/status (): 200 application/json, 400, 503, default
    get /api/cinema/history (): 200 application/json, 304, 400, 503, default
    post /api/cinema/refresh (wait): 200 application/json, 202 application/json, 400, 401, 403, 503, default
    get / (): 200 application/json, 503, default
    get /api (): 200 application/json, 503, default
    get /health (): 200 application/json, default
    get /ready (): 200 application/json, 503, default
    get /openapi.json (): 200 application/json, 304, 503, default
    get /metrics (): 200 text/plain, default
    get /admin/export (source): 200 application/x-ndjson, 400, 401, 403, 404, 503, default
    "#);
}

#[test]
fn what_a_source_refuses_is_not_told() {
    let document = documented(&CINEMA.replace("report_age = true", "manual_refresh = false"), None, false);
    assert_eq!(document["paths"]["/api/cinema/refresh"], Value::Null);
    assert_eq!(document["components"]["schemas"]["cinema.running"], Value::Null);
    assert_eq!(document["components"]["securitySchemes"], Value::Null);
}

#[test]
fn the_body_has_the_members_of_the_contract() {
    let document = documented(CINEMA, None, false);
    let body = &document["components"]["schemas"]["cinema"];
    assert_snapshot!(body["required"], @r#"["films","from_cache","cache_valid","cache_date","fetched_at","refreshing_in_background"]"#);
    assert_snapshot!(body["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" "), @r#"films from_cache cache_valid cache_date fetched_at cache_age_hours refreshing_in_background force_refreshed expired degraded revision as_of"#);
}

#[test]
fn fields_have_the_types_that_their_rules_give() {
    let document = documented(CINEMA, None, false);
    assert_snapshot!(lines(&document["components"]["schemas"]["cinema.item"]["properties"]), @r#"
    title: {"type":"string"}
    link: {"type":["string","null"]}
    year: {"type":["number","null"]}
    price: {"type":["object","null"],"properties":{"amount":{"type":["number","null"]},"currency":{"type":["string","null"]}}}
    opens: {"type":["string","null"]}
    sold_out: {"type":["boolean","null"]}
    cast: {"type":["array","null"],"items":{"type":"string"}}
    "#);
}

#[test]
fn what_rules_leave_open_is_taken_from_the_data() {
    let toml = "[source.news]\nfresh_for = \"1h\"\nurl = \"https://news.example/\"\nformat = \"json\"\n";
    let items = r#"[{"id": 1, "at": null, "by": {"name": "a"}, "tags": ["x"]}, {"id": 2.5, "at": "now", "by": null, "tags": []}]"#;
    let document = documented(toml, Some(items), false);
    let item = &document["components"]["schemas"]["news.item"];
    assert_snapshot!(lines(&item["properties"]), @r#"
    id: {"type":["number","null"]}
    at: {"type":["string","null"]}
    by: {"type":["object","null"],"properties":{"name":{"type":["string","null"]}}}
    tags: {"type":["array","null"],"items":{"type":"string"}}
    "#);
    assert_eq!(item["type"], "object");
    assert_eq!(item["examples"].as_array().unwrap().len(), 2);
    let unseen = documented(toml, None, false);
    assert_eq!(unseen["components"]["schemas"]["news.item"], serde_json::json!({}));
}

#[test]
fn examples_are_few_and_short() {
    let toml = "[source.news]\nfresh_for = \"1h\"\nurl = \"https://news.example/\"\nformat = \"json\"\n";
    let check = |items: &str, shown: usize| {
        let document = documented(toml, Some(items), false);
        assert_eq!(
            document["components"]["schemas"]["news.item"]["examples"].as_array().map_or(0, Vec::len),
            shown,
            "{} bytes",
            items.len()
        );
    };
    check("[]", 0);
    check(r#"[{"a": 1}]"#, 1);
    check(r#"[{"a": 1}, {"a": 2}, {"a": 3}]"#, 2);
    check(&format!(r#"[{{"a": 1}}, {{"a": "{}"}}]"#, "x".repeat(3_000)), 1);
}

#[test]
fn parameters_say_what_they_take() {
    let toml = r#"
[source.asked]
fresh_for = "1h"
url = "https://x.example/{city}/{lang}/{page}/{on}/{day}"
format = "html"
items = "li"
fields = { title = "a" }
[source.asked.params]
city = { values = ["JKT", "BDG"] }
lang = { pattern = "[a-z]{2}", default = "id" }
page = { type = "integer", min = 1, default = 1 }
on = { type = "boolean", default = true }
day = { type = "date", default = "2026-03-02" }
"#;
    let document = documented(toml, None, false);
    let parameters = document["paths"]["/api/asked"]["get"]["parameters"].as_array().unwrap();
    let told = parameters.iter().map(|p| format!("{} {}: {}", p["name"], p["required"], p["schema"])).collect::<Vec<_>>().join("\n");
    assert_snapshot!(told, @r#"
    "city" true: {"type":"string","enum":["JKT","BDG"]}
    "lang" false: {"type":"string","default":"id","maxLength":256,"pattern":"^(?:[a-z]{2})$"}
    "page" false: {"type":"integer","format":"int64","default":1,"minimum":1}
    "on" false: {"type":"string","default":"true","enum":["true","false","1","0","yes","no","on","off"]}
    "day" false: {"type":"string","format":"date","default":"2026-03-02"}
    "limit" false: {"type":"integer","maximum":1000000,"minimum":0}
    "fields" false: {"type":"array","items":{"type":"string","enum":["title"]},"minItems":1}
    "max_age" false: {"type":"string","pattern":"^(0|(?=.)([0-4]?\\d{1,3}w)?(\\d{1,3}d)?(\\d{1,4}h)?(\\d{1,4}m)?(\\d{1,6}s)?(\\d{1,9}ms)?)$"}
    "wait" false: {"type":"string","pattern":"^(0|([1-5]?\\d|60)s|[1-5]?\\d{1,4}ms|60000ms|1m)$"}
    "as_of" false: {"type":"string","format":"date-time","description":"RFC 3339, with an offset or `Z`."}
    "#);
}

#[test]
fn every_reference_leads_somewhere() {
    let document = documented(CINEMA, Some(r#"[{"title": "Up"}]"#), true);
    let mut open = vec![&document];
    let mut followed = 0;
    while let Some(value) = open.pop() {
        if let Some(target) = value["$ref"].as_str() {
            assert!(document.pointer(target.strip_prefix('#').unwrap()).is_some(), "{target}");
            followed += 1;
        }
        open.extend(value.as_array().into_iter().flatten().chain(value.as_object().into_iter().flat_map(|object| object.values())));
    }
    assert!(followed > 50, "{followed}");
}

#[test]
fn no_secret_is_told() {
    let text = documented(CINEMA, None, true).to_string();
    assert!(!text.contains("canary") && !text.contains("tix.example"));
}
