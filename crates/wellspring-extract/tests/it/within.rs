//! JSON within a page: in an element, or assigned to a name.

use std::fs;

use serde_json::json;
use wellspring_core::source::{Format, Rules, Within};

use crate::support::{at, captured, extract, field, items, refusal, rules};

fn element(selector: &str) -> Rules {
    Rules { within: Some(Within::Element(at(selector))), ..rules(Format::Json) }
}

fn variable(name: &str) -> Rules {
    Rules { within: Some(Within::Variable(at(name))), ..rules(Format::Json) }
}

const PAGE: &str = r#"<!doctype html><base href="/town/"><title>Films</title>
<script id="settings">var settings = {"tracking": false};</script>
<script>/* <![CDATA[ */ window.__STATE__ = {films: [{"title": "The <b>Long</b> Night", "link": "film/1"},]}; /* ]]> */</script>
<script id="__DATA__" type="application/json">{"films": [{"title": "Harbour"}, {"title": "Snow"}]}</script>
<script type="application/json">[1] [2]</script>"#;

#[test]
fn an_elements_content_is_the_document() {
    insta::assert_snapshot!(items(&element("script#__DATA__"), PAGE), @r#"{"films":[{"title":"Harbour"},{"title":"Snow"}]}"#);
    insta::assert_snapshot!(items(&Rules { items: Some(at("$.films[*].title")), ..element("script") }, PAGE), @r#"
    "Harbour"
    "Snow"
    "#);
    insta::assert_snapshot!(items(&element("script:last-of-type"), PAGE), @"
    [1]
    [2]
    ");
}

#[test]
fn what_a_script_assigns_is_the_document() {
    let films = Rules { items: Some(at("$.films[*]")), ..variable("window.__STATE__") };
    insta::assert_snapshot!(items(&films, PAGE), @r#"{"title":"The <b>Long</b> Night","link":"film/1"}"#);
    insta::assert_snapshot!(items(&variable("settings"), PAGE), @r#"{"tracking":false}"#);
    insta::assert_snapshot!(items(&variable("films"), "onFilms({films: [{n: 1}, {n: 2}]})"), @r#"
    {"n":1}
    {"n":2}
    "#);
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    insta::assert_snapshot!(items(&element("script#__NEXT_DATA__"), PAGE), @"Permanent: nothing on the page matches `script#__NEXT_DATA__`; its scripts are script#settings, script#__DATA__");
    insta::assert_snapshot!(items(&element("script#settings"), PAGE), @"Permanent: what matches `script#settings` holds no JSON; it begins `var settings…`");
    insta::assert_snapshot!(items(&element("title, p"), "<title></title><p></p>"), @"Permanent: what matches `title, p` holds no JSON; it is empty");
    insta::assert_snapshot!(items(&element("p"), "<title>Hm</title>"), @"Permanent: nothing on the page matches `p`; none of its scripts has an id");
    insta::assert_snapshot!(items(&variable("window.__DATA__"), PAGE), @"Permanent: the page has no `window.__DATA__`; its scripts assign: settings, window.__STATE__");
    insta::assert_snapshot!(items(&variable("x"), "<title>Hm</title>"), @"Permanent: the page has no `x`; its scripts assign nothing");
    insta::assert_snapshot!(items(&variable("x"), " "), @"Retryable: the body is empty, HTML was expected");
}

#[test]
fn places_that_cannot_be_read_are_refused() {
    insta::assert_snapshot!(refusal(&element("script[")), @"
    10..19: `script[` is no CSS selector: something is opened and not closed
    help: -
    ");
    insta::assert_snapshot!(refusal(&variable("var x =")), @"
    10..19: `var x =` is no name that a script assigns to
    help: write the name alone: `window.__STATE__`, `initialData`
    ");
    insta::assert_snapshot!(refusal(&variable("window.")), @"
    10..19: `window.` is no name that a script assigns to
    help: write the name alone: `window.__STATE__`, `initialData`
    ");
}

#[test]
fn the_scripts_of_real_cinemas_are_read() {
    let Some(cinema) = captured("cinema") else { return };
    let films = Rules { items: Some(at("$.filmData.cinemas.*")), fields: vec![field("title", &["$.title"])], ..variable("electric") };
    let rows = extract(&films, fs::read(cinema.join("electriccinema.co.uk-portobello/000.html")).unwrap()).unwrap().rows;
    assert!(rows.contains(&json!({"title": "White City"})), "{rows:?}");
    let api = Rules { items: Some(at("$.api")), fields: vec![field("token", &["$.authToken"])], ..variable("occInititialiseData") };
    let rows = extract(&api, fs::read(cinema.join("curzon.com-soho/000.html")).unwrap()).unwrap().rows;
    assert!(rows[0]["token"].as_str().is_some_and(|token| token.starts_with("ey") && token.len() > 100), "{rows:?}");
}
