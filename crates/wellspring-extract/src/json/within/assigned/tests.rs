use serde_json::json;

use super::*;

fn found(script: &str, name: &str) -> Option<Value> {
    let name = Name::compile(&At { value: name.to_owned(), span: 0..0 }).unwrap();
    let mut search = Search::default();
    search.look(script, &name);
    search.found()
}

fn check(script: &str, name: &str, expected: Value) {
    assert_eq!(found(script, name), Some(expected).filter(|value| !value.is_null()), "{name} in {script}");
}

#[test]
fn assignments_are_found_however_they_are_written() {
    for script in [
        "var x = {\"a\": 1};",
        "let x={a:1}",
        "const x =\n {a: 1, /* b */}",
        "window.x = {a: 1}",
        "window['x'] = {a: 1}",
        "self[\"x\"]={a: 1}",
        "globalThis.x = window.x || {a: 1};",
        "x = JSON.parse('{\"a\":1}')",
        r#"x = JSON.parse("{\"a\":\u00201}")"#,
        "x = JSON.parse(decodeURIComponent('%7B%22a%22%3A1%7D'))",
        "x = JSON.parse(atob(\"eyJhIjoxfQ==\"))",
        "x = '{\"a\": 1}'",
        "var x = null; if (y) x = {}; x = {a: 1};",
        "x('not this'); x({a: 1})",
        "var all = {y: 2, x: {a: 1}}",
        "{\"x\": {\"a\": 1}}",
        "y = \"x\"; z = {x: 3}; x == {b: 1}; x => {b: 1}; window.x = {a: 1}",
    ] {
        check(script, "x", json!({"a": 1}));
    }
    check("window.x = [1]", "window.x", json!([1]));
    check("x = [1]", "window['x']", json!([1]));
    check("a.b.c = [1]", "a.b.c", json!([1]));
    check("var token = \"abc\", n = 12, on = true", "token", json!("abc"));
    check("var token = \"abc\", n = 12, on = true", "n", json!(12));
    check("x = {}", "x", json!({}));
}

#[test]
fn only_whole_names_in_front_of_a_value_count() {
    for script in [
        "xx = {a: 1}",
        "ax = {a: 1}",
        "a.x = {a: 1}",
        "x.a = {a: 1}",
        "x = y",
        "x = {a: 1",
        "'x'",
        "aux[\"x\"] = {a: 1}",
        "mywindow.x = {a: 1}",
        "x",
    ] {
        check(script, "x", Value::Null);
    }
    check("all = {x: {a: 1}}", "window.x", Value::Null);
}

#[test]
fn the_names_of_a_script_are_told() {
    let script = "var a = {}; window.b = [1]; let c=JSON.parse('1'); d = {}; const e = 1;";
    assert_eq!(names(script).collect::<Vec<_>>(), ["a", "window.b", "c"]);
}

#[test]
fn values_that_do_not_end_are_not_read_for_ever() {
    // A million nested objects: each would be read to the end of the script.
    let script = "x={x:".repeat(400_000);
    assert_eq!(found(&script, "x"), None);
    assert_eq!(found(&"x=[\"".repeat(400_000), "x"), None);
    assert_eq!(found(&format!("x=[{}", "1,".repeat(1_000_000)).repeat(2), "x"), None);
    assert_eq!(found(&"x ".repeat(1_000_000), "x"), None);
    assert_eq!(found(&"x={".repeat(1_000_000), "x"), None);
    assert_eq!(found(&"x=[[1],".repeat(500_000), "x"), None);
}
