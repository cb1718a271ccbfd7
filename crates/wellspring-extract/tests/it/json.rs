//! What paths into a JSON answer mean.

use serde_json::json;
use wellspring_core::source::{Field, Format, Rules};

use crate::support::{at, attribute, field, items, number, refusal, rules};

#[test]
fn the_paid_trends_api() {
    let rules = Rules {
        items: Some(at("$.trending_searches[*]")),
        fields: vec![
            field("query", &["$.query"]),
            field("search_volume", &["$.search_volume"]),
            Field { default: Some(json!("Unknown")), ..field("category", &["$.categories[0].name"]) },
        ],
        limit: Some(2),
        ..rules(Format::Json)
    };
    let body = r#"{"search_metadata": {"status": "Success"}, "trending_searches": [
        {"query": "timnas", "search_volume": 20000, "categories": [{"id": 17, "name": "Sports"}, {"id": 3, "name": "Other"}]},
        {"query": "gempa", "search_volume": 5000, "categories": []},
        {"query": "hujan", "search_volume": 500}]}"#;
    insta::assert_snapshot!(items(&rules, body), @r#"
    {"query":"timnas","search_volume":20000,"category":"Sports"}
    {"query":"gempa","search_volume":5000,"category":"Unknown"}
    "#);
}

#[test]
fn values_keep_their_type_unless_a_number_is_asked_for() {
    let fields = vec![
        field("any", &["$.a"]),
        number("number", &["$.b"]),
        field("first", &["$.list[*].x", "$.a"]),
        field("blank", &["$.blank"]),
        field("none", &["$.none", "$.nothing.at.all"]),
        field("address", &["$.address"]),
    ];
    let rules = Rules { fields, ..rules(Format::Json) };
    let body = r#"[
        {"a": {"deep": [1, null]}, "b": "2,000+", "list": [{"x": null}, {"x": ""}, {"x": false}], "blank": "", "none": null, "address": "http://example.org"},
        {"a": " as it is ", "b": 7.0, "list": []}, {"b": "many"}]"#;
    insta::assert_snapshot!(items(&rules, body), @r#"
    {"any":{"deep":[1,null]},"number":2000,"first":false,"blank":"","none":null,"address":"http://example.org"}
    {"any":" as it is ","number":7.0,"first":" as it is ","blank":null,"none":null,"address":null}
    {"any":null,"number":null,"first":null,"blank":null,"none":null,"address":null}
    "#);
}

#[test]
fn without_fields_items_are_taken_whole() {
    let whole = rules(Format::Json);
    insta::assert_snapshot!(items(&whole, "\u{feff}[{\"b\": 1, \"a\": 2}, \"text\", null]"), @r#"
    {"b":1,"a":2}
    "text"
    null
    "#);
    insta::assert_snapshot!(items(&whole, "{\"only\": \"row\"}"), @r#"{"only":"row"}"#);
    insta::assert_snapshot!(items(&whole, ")]}'\n\n[1]"), @"1");
    insta::assert_snapshot!(items(&whole, "\"a text\""), @"Permanent: the body is JSON, but a text at its root where a list or an object was expected");
    insta::assert_snapshot!(items(&Rules { items: Some(at("$.a[?@.n > 1]")), ..rules(Format::Json) }, r#"{"a": [{"n": 1}, {"n": 2}]}"#), @r#"{"n":2}"#);
}

#[test]
fn bodies_that_are_not_json_are_named() {
    let whole = rules(Format::Json);
    insta::assert_snapshot!(items(&whole, ""), @"Retryable: the body is empty, JSON was expected");
    insta::assert_snapshot!(items(&whole, "<!doctype html><title>Sign in</title>"), @"Permanent: the body is HTML, not JSON: it begins `<!doctype ht…`");
    insta::assert_snapshot!(items(&whole, "Too many requests"), @"Permanent: the body is plain text, not JSON: it begins `Too many req…`");
    insta::assert_snapshot!(items(&whole, "[{\"a\": 1}, {\"a\""), @"Retryable: the body ends too early to be JSON: EOF while parsing an object at line 1 column 15");
    insta::assert_snapshot!(items(&whole, "[1, 2,, 3]"), @"Permanent: the body is broken JSON: expected value at line 1 column 7");
    insta::assert_snapshot!(items(&whole, "[".repeat(100_000)), @"Permanent: the body is JSON nested deeper than 128 levels, which is not read");
}

#[test]
fn paths_that_cannot_be_read_are_refused_with_their_place() {
    let with = |path: &str| refusal(&Rules { fields: vec![field("f", &[path])], ..rules(Format::Json) });
    insta::assert_snapshot!(with("query"), @"
    10..17: `query` is no JSONPath: something stands where JSONPath has no place for it
    help: a JSONPath begins with `$`: `$.query`
    ");
    insta::assert_snapshot!(with("$.a[0"), @"
    15..16: `$.a[0` is no JSONPath: in long-hand segment, expected closing ']'
    help: -
    ");
    insta::assert_snapshot!(with("$.categories[0].name!"), @"
    30..31: `$.categories[0].name!` is no JSONPath: something stands where JSONPath has no place for it
    help: -
    ");
    // Its parser takes twice as long for each level that is left open.
    let nested = with(&format!("${}", "[?@.a".repeat(60)));
    insta::assert_snapshot!(nested, @"
    10..313: this JSONPath is nested deeper than 10 levels
    help: -
    ");
    let attr = attribute("f", &["$.a"], "href");
    insta::assert_snapshot!(refusal(&Rules { fields: vec![attr], ..rules(Format::Json) }), @"
    10..15: JSON has no attributes
    help: leave `attr` out and name the member in the path
    ");
}
