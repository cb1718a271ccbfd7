//! What fields of a page mean.

use serde_json::json;
use wellspring_core::source::{Field, Format, Many, Parse, Rules};

use crate::support::{at, attribute, extract, field, items, number, refusal, rules};

fn check(candidates: &[&str], item: &str, found: &serde_json::Value) {
    let rules = Rules { items: Some(at("li")), fields: vec![field("f", candidates)], ..rules(Format::Html) };
    let extraction = extract(&rules, format!("<ul><li title=own><b>x</b>{item}</li></ul>")).unwrap();
    assert_eq!(extraction.rows[0]["f"], *found, "{candidates:?} in {item}");
}

#[test]
fn text_is_what_a_reader_sees() {
    check(&["p"], "<p> a\n<i>b</i>c&nbsp;d<br>e</p>", &json!("a bc d e"));
    check(&["div"], "<div><h2>Title</h2><p>Text</p>", &json!("Title Text"));
    check(&["p"], "<p>a<script>b()</script><style>c{}</style><template>d</template></p>", &json!("a"));
    check(&["script"], "<script> {\"a\":  1} </script>", &json!("{\"a\":  1}"));
    check(&["p"], "<p></p>", &json!(null));
    check(&["s"], "<template><s>prototype</s></template><s>real</s>", &json!("real"));
    check(&["noscript img@src"], "<noscript><img src=a.webp></noscript>", &json!("https://example.org/films/a.webp"));
}

#[test]
fn an_element_is_read_line_by_line() {
    let fields = vec![
        field("first", &["p::lines"]),
        Field { many: Some(Many::Joined(", ".to_owned())), ..field("address", &["p::lines"]) },
        Field { regex: Some(at("^Open (.+)")), ..field("open", &["::lines"]) },
        Field { many: Some(Many::List), ..field("all", &["u ::lines", ".::lines"]) },
    ];
    let rules = Rules { items: Some(at("li")), fields, ..rules(Format::Html) };
    let page =
        "<li><p>12 <b>High\n St</b><br> <br>Leeds<p>LS1</p><div>Open daily</div><script>x</script></li><li>Open late<u>a</u></li><li>";
    insta::assert_snapshot!(items(&rules, page), @r#"
    {"first":"12 High St","address":"12 High St, Leeds, LS1","open":"daily","all":["12 High St","Leeds","LS1","Open daily"]}
    {"first":null,"address":null,"open":"latea","all":["a"]}
    {"first":null,"address":null,"open":null,"all":null}
    "#);
    insta::assert_snapshot!(refusal(&Rules { fields: vec![field("f", &["p::lines@title"])], ..rules }), @r#"
    10..26: the attribute `title` has no lines
    help: leave `::lines` out
    "#);
}

#[test]
fn the_first_that_is_not_empty_wins() {
    check(&["p", "q"], "<p> </p><p>second</p><q>other</q>", &json!("second"));
    check(&["p", "q"], "<p>&nbsp;</p><q>other</q>", &json!("other"));
    check(&["a@href", "@title"], "<a href='javascript:void(0)'>x</a>", &json!("own"));
    check(&["a@href"], "<a href='javascript:void(0)'></a><a href=y></a>", &json!("https://example.org/films/y"));
    check(&["."], "", &json!("x"));
    check(&[".@title"], "", &json!("own"));
    check(&["> b"], "<i><b>deeper</b></i>", &json!("x"));
    check(&["a[href*='x@y']@href"], "<a href=x@y></a>", &json!("https://example.org/films/x@y"));
}

#[test]
fn addresses_are_relative_to_the_base_of_the_page() {
    let rules = Rules { items: Some(at("a")), fields: vec![field("f", &["@href"])], ..rules(Format::Html) };
    insta::assert_snapshot!(items(&rules, "<base href='/other/'><base href='/no/'><a href=x></a><a href='#top'></a><a href=''></a>"), @r#"
    {"f":"https://example.org/other/x"}
    {"f":"https://example.org/other/#top"}
    {"f":null}
    "#);
    insta::assert_snapshot!(items(&rules, "<base href='data:text/plain,x'><a href=x></a>"), @r#"{"f":"https://example.org/films/x"}"#);
}

#[test]
fn an_attribute_of_the_field_serves_candidates_without_their_own() {
    let attr = attribute("f", &["a", "b@class", "."], "title");
    let rules = Rules { items: Some(at("li")), fields: vec![attr], ..rules(Format::Html) };
    insta::assert_snapshot!(items(&rules, "<li><a title=one>x</a><li><a></a><b class=two></b><li title=three>"), @r#"
    {"f":"one"}
    {"f":"two"}
    {"f":"three"}
    "#);
}

#[test]
fn numbers_and_defaults() {
    let fields = vec![
        number("price", &["b", "i"]),
        Field { default: Some(json!("Unknown")), ..field("kind", &["u"]) },
        Field { default: Some(json!(0)), parse: Parse::Number { decimal: Some('.') }, ..field("rate", &["s"]) },
        Field { default: Some(json!([])), ..field("fixed", &[]) },
    ];
    let rules = Rules { items: Some(at("li")), fields, ..rules(Format::Html) };
    let page = "<li><b>Rp 14.500</b><u>rice</u><s>1.250</s><li><b>sold out</b><i>1,5 jt</i><s>-</s><li>";
    insta::assert_snapshot!(items(&rules, page), @r#"
    {"price":14500,"kind":"rice","rate":1.25,"fixed":[]}
    {"price":1500000,"kind":"Unknown","rate":0,"fixed":[]}
    {"price":null,"kind":"Unknown","rate":0,"fixed":[]}
    "#);
    let report = extract(&rules, page).unwrap().report;
    insta::assert_snapshot!(serde_json::to_string_pretty(&report.fields).unwrap(), @r#"
    [
      {
        "name": "price",
        "found": 2,
        "by_candidate": [
          1,
          1
        ],
        "defaulted": 0
      },
      {
        "name": "kind",
        "found": 1,
        "by_candidate": [
          1
        ],
        "defaulted": 2
      },
      {
        "name": "rate",
        "found": 1,
        "by_candidate": [
          1
        ],
        "defaulted": 2
      },
      {
        "name": "fixed",
        "found": 0,
        "by_candidate": [],
        "defaulted": 3
      }
    ]
    "#);
}

#[test]
fn a_page_without_items_is_one_row() {
    let rules = Rules { fields: vec![field("title", &["title", "h1"]), field("lang", &["@lang"])], ..rules(Format::Html) };
    insta::assert_snapshot!(items(&rules, "<html lang=id><title>Films</title>"), @r#"{"title":"Films","lang":"id"}"#);
}

#[test]
fn bodies_that_are_no_page_are_named() {
    let rules = Rules { items: Some(at("li")), fields: vec![field("f", &["."])], ..rules(Format::Html) };
    insta::assert_snapshot!(items(&rules, " \n"), @"Retryable: the body is empty, HTML was expected");
    insta::assert_snapshot!(items(&rules, r#"{"error":"rate limited"}"#), @r#"Permanent: the body is JSON or like it, not HTML: it begins `{"error":"ra…`"#);
    insta::assert_snapshot!(items(&rules, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), @"Permanent: the body is binary data, not HTML: it begins `‰PNG        …`");
    insta::assert_snapshot!(items(&rules, "{{ a template } of something"), @"");
}

#[test]
fn rules_that_cannot_be_read_are_refused_with_their_place() {
    let with = |items: &str, candidate: &str| {
        refusal(&Rules { items: Some(at(items)), fields: vec![field("f", &[candidate])], ..rules(Format::Html) })
    };
    insta::assert_snapshot!(with("li[", "a"), @"
    10..15: `li[` is no CSS selector: something is opened and not closed
    help: -
    ");
    insta::assert_snapshot!(with("$.items[*]", "a"), @r#"
    10..22: `$.items[*]` is no CSS selector: a part of it is empty
    help: JSONPath is for `format = "json"`
    "#);
    insta::assert_snapshot!(with("li", "a:nope(1)"), @"
    10..21: `a:nope(1)` is no CSS selector: it has a pseudo-class or pseudo-element that is not known here
    help: -
    ");
    insta::assert_snapshot!(with("li", "a@ "), @"
    10..15: `` is no attribute's name
    help: write one attribute behind the selector, as in `a img@src`; an `@` in a selector stands in quotes or brackets
    ");
    insta::assert_snapshot!(with("li", "a@href@src"), @"
    10..22: `href@src` is no attribute's name
    help: write one attribute behind the selector, as in `a img@src`; an `@` in a selector stands in quotes or brackets
    ");
    insta::assert_snapshot!(with("li", " "), @"
    10..13: the selector is empty
    help: write `.` for the item's own text
    ");
    insta::assert_snapshot!(refusal(&Rules { items: Some(at("li")), ..rules(Format::Html) }), @r#"
    10..14: a page's items need fields
    help: add `fields = { title = "h2" }`
    "#);
    let unique_by =
        Rules { unique_by: Some(at("titel")), fields: vec![field("title", &["a"]), field("img", &["b"])], ..rules(Format::Html) };
    insta::assert_snapshot!(refusal(&unique_by), @"
    10..17: `titel` is no field of this source
    help: the fields are title, img
    ");
}
