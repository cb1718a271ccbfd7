//! Plain text.

use wellspring_core::source::{Field, Format, Many, Rules};

use crate::support::{at, field, items, refusal, rules};

fn pattern(name: &str, regex: &str) -> Field {
    Field { regex: Some(at(regex)), ..field(name, &[]) }
}

const TEXT: &str = "Tides for Jan 23\n  06:10 high 4.2 m\n  12:31 low 0.9 m\ntoken=\"caf\u{e9}-1\"\n";

#[test]
fn a_text_is_one_row_or_one_a_match() {
    let whole = Rules {
        fields: vec![pattern("token", "token=\"([^\"]+)\""), field("all", &["."]), pattern("gone", "x(y)z")],
        ..rules(Format::Text)
    };
    insta::assert_snapshot!(items(&whole, TEXT), @r#"{"token":"café-1","all":"Tides for Jan 23\n  06:10 high 4.2 m\n  12:31 low 0.9 m\ntoken=\"café-1\"\n","gone":null}"#);
    let lines = Rules {
        items: Some(at(r"(?m)^ +\d\d:\d\d.*$")),
        fields: vec![
            pattern("at", r"\d\d:\d\d"),
            pattern("kind", "high|low"),
            Field { many: Some(Many::List), ..pattern("numbers", r"([\d.]+) m") },
        ],
        ..rules(Format::Text)
    };
    insta::assert_snapshot!(items(&lines, TEXT), @r#"
    {"at":"06:10","kind":"high","numbers":["4.2"]}
    {"at":"12:31","kind":"low","numbers":["0.9"]}
    "#);
    insta::assert_snapshot!(items(&Rules { items: Some(at(r"\d\d:\d\d")), ..rules(Format::Text) }, TEXT), @r#"
    {"text":"06:10"}
    {"text":"12:31"}
    "#);
    insta::assert_snapshot!(items(&rules(Format::Text), "one"), @r#"{"text":"one"}"#);
    insta::assert_snapshot!(items(&Rules { items: Some(at("x")), ..rules(Format::Text) }, "one"), @"");
}

#[test]
fn places_and_broken_patterns_are_refused() {
    insta::assert_snapshot!(refusal(&Rules { fields: vec![field("a", &["h1"])], ..rules(Format::Text) }), @"
    10..14: plain text has no places to name
    help: find the field by a pattern: { regex = '…' }; `.` is the whole text
    ");
    insta::assert_snapshot!(refusal(&Rules { items: Some(at("(")), ..rules(Format::Text) }), @"
    10..13: this pattern cannot be read: unclosed group
    help: -
    ");
    insta::assert_snapshot!(items(&rules(Format::Text), b"\x89PNG\r\n\x1a\n\0\0"), @"Permanent: the body is binary data, not plain text: it begins `‰PNG      `");
}
