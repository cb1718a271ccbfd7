//! How fields come about: from elsewhere on the page, from each other, as lists.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::Url;
use wellspring_core::source::{Anchor, Field, Format, Many, Nested, Origin, Parse, Piece, Places, Rules};
use wellspring_extract::{Body, Compiled, Context};

use crate::support::{anchored, at, compose, context, extract, field, items, number, refusal, rules};

fn html(rows: &str, fields: Vec<Field>) -> Rules {
    Rules { items: Some(at(rows)), fields, ..rules(Format::Html) }
}

fn json(rows: &str, fields: Vec<Field>) -> Rules {
    Rules { items: Some(at(rows)), fields, ..rules(Format::Json) }
}

fn list(name: &str, items: &str, fields: Vec<Field>) -> Field {
    Field::of(name, Origin::Rows(Nested { items: at(items), fields }))
}

fn object(name: &str, fields: Vec<Field>) -> Field {
    Field::of(name, Origin::Object(fields))
}

fn preceding(selector: &str) -> Anchor {
    Anchor::Preceding(at(selector))
}

fn ancestor(selector: &str) -> Anchor {
    Anchor::Ancestor(at(selector))
}

#[test]
fn all_that_is_found_is_a_list_or_one_text() {
    let page = "<div><i>a</i><i> </i><i>b</i><b>7</b><b>x</b><b>2,000</b></div><div><i>c</i></div><div></div>";
    let fields = vec![
        Field { many: Some(Many::List), ..field("list", &["i"]) },
        Field { many: Some(Many::Joined(" & ".to_owned())), ..field("text", &["i"]) },
        Field { many: Some(Many::List), ..number("numbers", &["b"]) },
        Field { many: Some(Many::List), default: Some(json!([])), ..field("none", &["u", "s"]) },
    ];
    insta::assert_snapshot!(items(&html("div", fields), page), @r#"
    {"list":["a","b"],"text":"a & b","numbers":[7,2000],"none":[]}
    {"list":["c"],"text":"c","numbers":null,"none":[]}
    {"list":null,"text":null,"numbers":null,"none":[]}
    "#);
    let fields = vec![
        Field { many: Some(Many::List), ..field("list", &["$.a[*].n"]) },
        Field { many: Some(Many::Joined(", ".to_owned())), ..field("text", &["$.a[*].n"]) },
        Field { many: Some(Many::Joined("/".to_owned())), ..field("whole", &["$.b"]) },
    ];
    insta::assert_snapshot!(items(&json("$[*]", fields), r#"[{"a": [{"n": "x"}, {"n": null}, {"n": 2}], "b": ["p", "q"]}, {"a": []}]"#), @r#"
    {"list":["x",2],"text":"x, 2","whole":"p/q"}
    {"list":null,"text":null,"whole":null}
    "#);
}

#[test]
fn a_heading_above_and_a_tile_around_belong_to_a_row() {
    let page = "
        <p class=t>0:00</p>
        <section><h3>Monday</h3><div class=tile><h1>One</h1><p class=t>1:00</p><p class=t>2:00</p></div></section>
        <h3>Tuesday</h3>
        <div class=tile><h1>Two</h1><div class=tile><p class=t>3:00</p></div></div>
        <h3 class=around><p class=t>4:00</p></h3>";
    let fields = vec![
        field("time", &["."]),
        anchored("day", &[], preceding("h3")),
        anchored("title", &["h1"], ancestor(".tile")),
        Field { default: Some(json!("?")), ..anchored("section", &["h3"], ancestor("section")) },
    ];
    insta::assert_snapshot!(items(&html(".t", fields.clone()), page), @r#"
    {"time":"0:00","day":null,"title":null,"section":"?"}
    {"time":"1:00","day":"Monday","title":"One","section":"Monday"}
    {"time":"2:00","day":"Monday","title":"One","section":"Monday"}
    {"time":"3:00","day":"Tuesday","title":null,"section":"?"}
    {"time":"4:00","day":"Tuesday","title":null,"section":"?"}
    "#);
    let report = extract(&html(".t", fields), page).unwrap().report.fields;
    let counts: Vec<String> =
        report.iter().map(|field| format!("{} {} {:?} {}", field.name, field.found, field.by_candidate, field.defaulted)).collect();
    insta::assert_snapshot!(counts.join("\n"), @"
    time 5 [5] 0
    day 4 [] 0
    title 2 [2] 0
    section 2 [2] 3
    ");
}

#[test]
fn the_heading_is_the_last_one_in_the_order_of_the_page() {
    // The parser takes the heading out of the table, where it stands before what was there before it.
    let page = "<h3>one</h3><table><tr><td><p>a</p></td></tr><h3>two</h3><tr><td><p>b</p></td></tr></table><p>c</p>";
    insta::assert_snapshot!(items(&html("p", vec![field("p", &["."]), anchored("h", &[], preceding("h3"))]), page), @r#"
    {"p":"a","h":"two"}
    {"p":"b","h":"two"}
    {"p":"c","h":"two"}
    "#);
    let page = "<template><h3>no</h3></template><p>a</p>";
    insta::assert_snapshot!(items(&html("p", vec![anchored("h", &[], preceding("h3"))]), page), @r#"{"h":null}"#);
}

#[test]
fn a_row_of_the_document_is_looked_up() {
    let lookup = |key: &str, equals: &str| Anchor::Lookup { rows: at("$.films[*]"), key: Some(at(key)), equals: at(equals) };
    let fields = vec![
        anchored("title", &["$.title"], lookup("$.id", "$.film")),
        anchored("first", &["$.title"], lookup("$.tags[*]", "$.tag")),
        Field { regex: Some(at("[0-9]{4}")), ..anchored("year", &["$.note", "$.title"], lookup("$.id", "$.film")) },
    ];
    let body = r#"{
        "films": [{"id": 1, "title": "One", "tags": ["a", "b"], "note": "of 1999"}, {"id": "2", "title": "Two 2001", "tags": ["b"]}, {"id": 1, "title": "Again"}],
        "shows": [{"film": 1, "tag": "b"}, {"film": "1"}, {"film": 2, "tag": "c"}, {"film": 3}, {"film": null}, {}]
    }"#;
    insta::assert_snapshot!(items(&json("$.shows[*]", fields), body), @r#"
    {"title":"One","first":"One","year":"1999"}
    {"title":"One","first":null,"year":"1999"}
    {"title":"Two 2001","first":null,"year":"2001"}
    {"title":null,"first":null,"year":null}
    {"title":null,"first":null,"year":null}
    {"title":null,"first":null,"year":null}
    "#);
}

#[test]
fn texts_are_put_together_from_what_is_known() {
    let page = "<div id=7><a href=/f/one>One</a><p>x</p></div><div><a>Two</a></div>";
    let fields = vec![
        compose("link", "{page}?s={_slug}&at={_where}"),
        compose("_where", "{_id}/{town}"),
        field("_id", &["@id"]),
        Field { regex: Some(at("[a-z]+$")), ..field("_slug", &["a@href"]) },
        Field { default: Some(json!("none")), ..compose("lost", "{nowhere}!") },
        Field { parse: Parse::Url, ..compose("address", "f/{_slug}") },
        compose("page", "{page}"),
    ];
    let values: BTreeMap<String, String> =
        [("town", "Bandung"), ("page", "https://example.org/x")].map(|(k, v)| (k.into(), v.into())).into();
    let compiled = Compiled::compile(&html("div", fields)).unwrap();
    let url = Url::parse("https://example.org/films/").unwrap();
    let body = Body { bytes: page.as_bytes(), content_type: None, url: &url };
    let rows = compiled.extract(&body, &Context { values: &values, ..context() }).unwrap().rows;
    insta::assert_snapshot!(rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"), @r#"
    {"link":"https://example.org/x?s=one&at=7/Bandung","lost":"none","address":"https://example.org/films/f/one","page":"https://example.org/x"}
    {"link":null,"lost":"none","address":null,"page":"https://example.org/x"}
    "#);
    insta::assert_snapshot!(refusal(&html("a", vec![compose("a", "{b}"), compose("b", "{c}"), compose("c", "{b}"), field("d", &["."])])), @"
    0..0: `a`, `b`, `c` are put together from each other
    help: -
    ");
}

#[test]
fn a_list_within_a_row_has_rows_of_its_own() {
    let page = "<li><h2>One</h2><p>1:00<b>x</b></p><p>2:00</p></li><li><h2>Two</h2></li>";
    let fields = vec![
        list(
            "times",
            "p",
            vec![
                field("_t", &["."]),
                compose("at", "{title} {_t}"),
                compose("title", "{title}"),
                list("marks", "b", vec![field("m", &["."])]),
            ],
        ),
        field("title", &["h2"]),
        Field { default: Some(json!("no times")), ..list("either", "p", vec![field("t", &["."])]) },
    ];
    insta::assert_snapshot!(items(&html("li", fields.clone()), page), @r#"
    {"times":[{"at":"One 1:00x","title":"One","marks":[{"m":"x"}]},{"at":"One 2:00","title":"One","marks":[]}],"title":"One","either":[{"t":"1:00x"},{"t":"2:00"}]}
    {"times":[],"title":"Two","either":"no times"}
    "#);
    let report = extract(&html("li", fields), page).unwrap().report.fields;
    let counts: Vec<String> =
        report.iter().map(|field| format!("{} {} {:?} {}", field.name, field.found, field.by_candidate, field.defaulted)).collect();
    insta::assert_snapshot!(counts.join("\n"), @"
    times 1 [] 0
    times._t 2 [2] 0
    times.at 2 [] 0
    times.title 2 [] 0
    times.marks 1 [] 0
    times.marks.m 1 [1] 0
    title 2 [2] 0
    either 1 [] 1
    either.t 2 [2] 0
    ");
    let fields = vec![field("t", &["$.t"]), list("shows", "$.shows[*]", vec![field("at", &["$.at"]), compose("both", "{t}-{at}")])];
    insta::assert_snapshot!(items(&json("$[*]", fields), r#"[{"t": 1, "shows": [{"at": 2}, {"at": 3}]}, {"t": 4}]"#), @r#"
    {"t":1,"shows":[{"at":2,"both":"1-2"},{"at":3,"both":"1-3"}]}
    {"t":4,"shows":[]}
    "#);
}

#[test]
fn an_object_is_made_of_the_row_itself() {
    let place = vec![
        field("_street", &[".street"]),
        compose("address", "{_street}, {_town}"),
        field("hall", &["b"]),
        list("doors", "i", vec![field("door", &["."]), compose("of", "{_street}")]),
    ];
    let price = object("price", vec![number("adult", &["em"]), object("more", vec![field("child", &["u"])])]);
    let rules = html("li", vec![field("_town", &[".town"]), object("place", place), price]);
    let page = "<li><b>One</b><p class=street>High St</p><p class=town>Leeds</p><i>A</i><i>B</i><em>7</em><u>5</u></li><li></li>";
    insta::assert_snapshot!(items(&rules, page), @r#"
    {"place":{"address":"High St, Leeds","hall":"One","doors":[{"door":"A","of":"High St"},{"door":"B","of":"High St"}]},"price":{"adult":7,"more":{"child":"5"}}}
    {"place":null,"price":null}
    "#);
    let report = extract(&rules, page).unwrap().report.fields;
    let counts: Vec<String> = report.iter().map(|field| format!("{} {}", field.name, field.found)).collect();
    insta::assert_snapshot!(counts.join(", "), @"_town 1, place 1, place._street 1, place.address 1, place.hall 1, place.doors 1, place.doors.door 2, place.doors.of 2, price 1, price.adult 1, price.more 1, price.more.child 1");
    let rules = json("$[*]", vec![Field { default: Some(json!({"x": 0})), ..object("at", vec![field("x", &["$.lon"])]) }]);
    insta::assert_snapshot!(items(&rules, r#"[{"lon": 1.5}, {"lat": 2}]"#), @r#"
    {"at":{"x":1.5}}
    {"at":{"x":0}}
    "#);
}

#[test]
fn the_pattern_picks_among_what_is_found() {
    let page = "<div><i>Runs 95 min</i><i>Rated 15</i><p>no digits</p></div>";
    let fields = vec![
        Field { regex: Some(at("Rated ([0-9A-Z]+)")), ..field("rating", &["i"]) },
        Field { regex: Some(at("([0-9]+) min|([0-9]+) hours")), ..number("minutes", &["p", "i"]) },
        Field { regex: Some(at("R[a-z]+")), many: Some(Many::List), ..field("words", &["i"]) },
        Field { regex: Some(at("([a-z])[a-z]+|([0-9])")), many: Some(Many::List), ..field("each", &["i", "p"]) },
        Field { regex: Some(at("[0-9]+ min")), ..field("whole", &[]) },
        Field { regex: Some(at("x")), ..field("none", &["i"]) },
    ];
    insta::assert_snapshot!(items(&html("div", fields), page), @r#"{"rating":"15","minutes":95,"words":["Runs","Rated"],"each":["u","9","5","m","a","1","5"],"whole":"95 min","none":null}"#);
}

#[test]
fn anchors_and_markup_belong_to_their_formats() {
    insta::assert_snapshot!(refusal(&json("$[*]", vec![anchored("f", &["$.a"], preceding("h3"))])), @"
    10..14: JSON has no elements
    help: use `lookup` for another part of the document
    ");
    let lookup = Anchor::Lookup { rows: at("$.a"), key: Some(at("$.b")), equals: at("$.c") };
    insta::assert_snapshot!(refusal(&html("p", vec![anchored("f", &["b"], lookup)])), @"
    10..15: `lookup` is for JSON
    help: on a page, use `preceding` or `ancestor`
    ");
    insta::assert_snapshot!(refusal(&html("p", vec![anchored("f", &["b"], ancestor("li["))])), @"
    10..15: `li[` is no CSS selector: something is opened and not closed
    help: -
    ");
    insta::assert_snapshot!(refusal(&json("$[*]", vec![Field { parse: Parse::Markup, ..field("f", &["$.a"]) }])), @r#"
    10..15: markup is taken from pages only
    help: leave `parse = "html"` out, or read the page with `format = "html"`
    "#);
    insta::assert_snapshot!(refusal(&html("p", vec![Field { parse: Parse::Markup, ..field("f", &["b@title"]) }])), @r#"
    10..19: the attribute `title` holds no markup
    help: leave `parse = "html"` out
    "#);
    let attr = Origin::Places(Places { candidates: vec![at("b")], attr: Some("title".to_owned()), anchor: None });
    insta::assert_snapshot!(refusal(&html("p", vec![Field { parse: Parse::Markup, ..Field::of("f", attr) }])), @"
    10..13: the attribute `title` holds no markup
    help: leave `attr` or `parse` out
    ");
    insta::assert_snapshot!(refusal(&html("p", vec![Field { regex: Some(at("a{5000}{5000}")), ..field("f", &["b"]) }])), @"
    10..25: this pattern cannot be read: Compiled regex exceeds size limit of 1048576 bytes
    help: -
    ");
    insta::assert_snapshot!(refusal(&html("p", vec![Field::of("f", Origin::Compose(vec![vec![Piece::Name("g".to_owned())]])), compose("g", "{f}")])), @"
    0..0: `f`, `g` are put together from each other
    help: -
    ");
}
