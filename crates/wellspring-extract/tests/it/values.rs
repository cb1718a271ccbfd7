//! What texts are read as.

use serde_json::{Value, json};
use wellspring_core::source::{DateOutput, DateRule, Field, Format, Parse, Rules};

use crate::support::{ancestor_markup, at, compose, extract, field, items, rules};

/// A JSON value read so.
fn read(parse: Parse, value: &Value) -> Value {
    let rules = Rules { items: Some(at("$")), fields: vec![Field { parse, ..field("f", &["$.f"]) }], ..rules(Format::Json) };
    extract(&rules, json!({ "f": value }).to_string()).unwrap().rows[0]["f"].clone()
}

fn check(parse: &Parse, value: &Value, read_as: &Value) {
    assert_eq!(read(parse.clone(), value), *read_as, "{value} as {parse:?}");
}

#[test]
fn markup_is_read_as_the_text_that_it_shows() {
    let check = |markup: &str, text: &str| check(&Parse::Plain, &json!(markup), &json!(text));
    check("<p>One</p><p>two<br>three</p><script>no()</script>", "One two three");
    check("Fish &amp; chips&nbsp;&eacute;", "Fish & chips é");
    check("a < b and c > d", "a < b and c > d");
    check("no  markup", "no markup");
    check("<![CDATA[x]]><!-- y -->z", "z");
    assert_eq!(read(Parse::Plain, &json!(5)), json!("5"));
    assert_eq!(read(Parse::Plain, &json!("<br>")), json!(""));
    assert_eq!(read(Parse::Plain, &json!(["<p>"])), json!(null));
}

#[test]
fn markup_is_taken_as_it_stands() {
    let markup = Field { parse: Parse::Markup, ..field("f", &["p", "div"]) };
    let rules = Rules { items: Some(at("li")), fields: vec![markup, ancestor_markup("around", "ul")], ..rules(Format::Html) };
    insta::assert_snapshot!(items(&rules, "<ul><li><p> a <b class=x>b</b> &amp; c<script>d()</script> </p></ul><li><p></p><div>e</div>"), @r#"
    {"f":"a <b class=\"x\">b</b> &amp; c<script>d()</script>","around":"<li><p> a <b class=\"x\">b</b> &amp; c<script>d()</script> </p></li>"}
    {"f":"e","around":null}
    "#);
}

#[test]
fn json_in_a_text_is_read() {
    check(&Parse::Json, &json!(r#" {"a": [1, null]} "#), &json!({"a": [1, null]}));
    check(&Parse::Json, &json!("5"), &json!(5));
    check(&Parse::Json, &json!("{broken"), &json!(null));
    check(&Parse::Json, &json!("[".repeat(10_000)), &json!(null));
    check(&Parse::Json, &json!({"a": 1}), &json!({"a": 1}));
}

#[test]
fn booleans_and_addresses() {
    for yes in [json!(true), json!("TRUE"), json!(" yes"), json!("on"), json!("1"), json!(1)] {
        check(&Parse::Boolean, &yes, &json!(true));
    }
    for no in [json!(false), json!("False"), json!("no"), json!("off"), json!("0"), json!(0)] {
        check(&Parse::Boolean, &no, &json!(false));
    }
    for neither in [json!("maybe"), json!(2), json!([true]), json!("")] {
        check(&Parse::Boolean, &neither, &json!(null));
    }
    check(&Parse::Url, &json!(" ../a?b=c "), &json!("https://example.org/a?b=c"));
    check(&Parse::Url, &json!(""), &json!(null));
    check(&Parse::Url, &json!("javascript:x"), &json!(null));
    check(&Parse::Url, &json!(5), &json!(null));
}

#[test]
fn money_is_an_amount_and_a_currency() {
    let money = Parse::Money { decimal: None, currency: Some("IDR".to_owned()) };
    check(&money, &json!("Rp 14.500,-"), &json!({"amount": 14500, "currency": "IDR"}));
    check(&money, &json!("US$ 4.50"), &json!({"amount": 4.5, "currency": "USD"}));
    check(&money, &json!(14500), &json!({"amount": 14500, "currency": "IDR"}));
    check(&money, &json!("free"), &json!(null));
    check(&Parse::Money { decimal: Some(','), currency: None }, &json!("1.234 €"), &json!({"amount": 1234, "currency": "EUR"}));
    check(&Parse::Money { decimal: Some('.'), currency: None }, &json!("1.234 KWD"), &json!({"amount": 1.234, "currency": "KWD"}));
}

#[test]
fn a_date_is_put_together_and_read() {
    let rule = DateRule { formats: vec![at("%a, %d %b %H:%M")], zone: Some("Europe/London".to_owned()), output: DateOutput::EpochMs };
    let fields =
        vec![field("_day", &["h3"]), field("_clock", &["p"]), Field { parse: Parse::Date(rule), ..compose("at", "{_day} {_clock}") }];
    let rules = Rules { items: Some(at("li")), fields, ..rules(Format::Html) };
    let page = "<li><h3>Thu, 23 Jan</h3><p>10:45</p><li><h3>Sat, 5 Jul</h3><p>10:45</p><li><h3>Thu, 23 Jan</h3><li><p>10:45</p>";
    insta::assert_snapshot!(items(&rules, page), @r#"
    {"at":1737629100000}
    {"at":1751708700000}
    {"at":null}
    {"at":null}
    "#);
}
