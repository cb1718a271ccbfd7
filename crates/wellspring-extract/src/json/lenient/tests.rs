use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(text: &str, expected: &Value) {
    assert_eq!(Value::Array(values(text)), *expected, "{text}");
}

#[test]
fn what_people_write_for_json_is_repaired() {
    check("{\"a\": 1}", &json!([{"a": 1}]));
    check("// first\n{/* x */\"a\": 1, // last\n}", &json!([{"a": 1}]));
    check(
        "{'a': 'it\\'s', b: [1,, 2,], $c-d: .5, e: +1, f: 007, g: 0x1F, h: 1., i: 12n}",
        &json!([{"a": "it's", "b": [1, 2], "$c-d": 0.5, "e": 1, "f": 7, "g": 31, "h": 1.0, "i": 12}]),
    );
    check(
        "{\"a\": undefined, \"b\": NaN, \"c\": -Infinity, \"d\": !0, \"e\": !1, \"f\": void 0, \"g\": }",
        &json!([{"a": null, "b": null, "c": null, "d": true, "e": false, "f": null, "g": null}]),
    );
    check("{\"a\": 1e999, \"b\": 1}", &json!([{"a": null, "b": 1}]));
    check("{\"a\": \"one\n\ttwo\"};", &json!([{"a": "one\n\ttwo"}]));
    check("{\"a\": \"\\d\\x41\\u00e9\\ud83c\\udf30\\ud83cz\\\n\"}", &json!([{"a": "dAé🌰\u{fffd}z"}]));
    check("{\"a\": 1}{\"b\": 2},\n[3]; {", &json!([{"a": 1}, {"b": 2}, [3]]));
    check("{\"a\": 1\n\"b\": 2}", &json!([{"a": 1, "b": 2}]));
    check("({\"a\": 1,})", &json!([{"a": 1}]));
}

#[test]
fn wrappers_against_old_browsers_and_xml_are_passed() {
    check("<!-- a word -->\n{\"a\": \"<!-- kept -->\",}", &json!([{"a": "<!-- kept -->"}]));
    check("<!--\n{\"a\": 1}\n-->", &json!([{"a": 1}]));
    check("<!-- to old browsers\n{\"a\": 1}\n// -->", &json!([{"a": 1}]));
    check("//<![CDATA[\n{\"a\": 1}\n//]]>", &json!([{"a": 1}]));
    check("// <![CDATA[ {\"a\": [[1]]} ]]>", &json!([{"a": [[1]]}]));
    check("/* <![CDATA[ */ {\"a\": 1} /* ]]> */", &json!([{"a": 1}]));
    check("<![CDATA[[[1]]]]>", &json!([[[1]]]));
}

#[test]
fn entities_are_resolved_where_they_stand_for_the_quotes() {
    check("{&quot;a&quot;: &quot;b &amp; c &#8211; &#x41; &copy; &nothing; &&quot;}", &json!([{"a": "b & c – A © &nothing; &"}]));
    check("{\"a\": \"b &amp; &quot;c&quot;\"}", &json!([{"a": "b &amp; &quot;c&quot;"}]));
}

#[test]
fn quotes_that_should_have_been_escaped_are_told_by_what_follows() {
    check(
        r#"{"a": "the "best" pie", "b": "a 12" pan",
              "c": "he said "no", and left"}"#,
        &json!([{"a": "the \"best\" pie", "b": "a 12\" pan", "c": "he said \"no\", and left"}]),
    );
    check("{\"a\": \"x\", b: 'y', \"c\": \"z\", 3: true}", &json!([{"a": "x", "b": "y", "c": "z", "3": true}]));
}

#[test]
fn programs_between_values_are_passed_over() {
    check(
        "{a: new Date(2025, 0, \"}\"), b: function() { return [1, \"}\"]; }, c, d() { }, ...e, [f]: 1, g: 'h' + i, j: 2}",
        &json!([{"a": null, "b": null, "c": null, "d": null, "g": null, "j": 2}]),
    );
}

#[test]
fn what_does_not_end_or_is_none_gives_nothing() {
    for text in ["", "text", "<p>", "{\"a\": 1", "[1, 2", "{\"a\": \"b", "{]", "[}", "{{}}", "[)]", "{\"a\" 1}", "<!--", "/*", "//"] {
        check(text, &json!([]));
    }
    check(&"[".repeat(100_000), &json!([]));
    check(&"{a:".repeat(100_000), &json!([]));
    check(&format!("{}{},", "[".repeat(128), "]".repeat(128)), &json!([]));
    assert_eq!(values(&format!("{}{},", "[".repeat(126), "]".repeat(126))).len(), 1);
}

#[test]
fn the_first_value_leaves_the_rest() {
    assert_eq!(first("{\"a\": 1}; more()"), (Some(json!({"a": 1})), 8));
    assert_eq!(first("{a: 1}; more()").0, Some(json!({"a": 1})));
    assert_eq!(first("{a: 1").0, None);
}

fn soup() -> impl Strategy<Value = String> {
    static PIECES: [&str; 36] = [
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        ",",
        ":",
        ";",
        "\"",
        "'",
        "`",
        "\\",
        "\\u",
        "d83c",
        "//",
        "/*",
        "*/",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "\n",
        " ",
        "a",
        "1",
        "-",
        ".",
        "+",
        "!0",
        "null",
        "é",
        "\u{feff}",
        "&quot;",
        "&",
        "...",
    ];
    proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_panics(soup in soup()) {
        values(&soup);
        first(&soup);
        literal(&soup);
    }

    #[test]
    fn what_is_json_is_read_as_json(list in proptest::collection::vec(any::<Option<f32>>(), 0..5), text in any::<String>()) {
        let text = json!({"a": list, "b": {text.clone(): text}}).to_string();
        prop_assert_eq!(Reader::new(&text).values(), vec![serde_json::from_str::<Value>(&text).unwrap()]);
    }
}
