//! No body makes a parser panic or run away.

use proptest::prelude::*;
use url::Url;
use wellspring_core::failure::Code;
use wellspring_core::source::{Anchor, DateOutput, DateRule, Field, Format, Many, Nested, Origin, Parse, Rules, Within};
use wellspring_extract::{Body, Compiled};

use crate::support::{anchored, at, compose, context, extract, field, items, number, rules};

fn all_formats() -> Vec<Compiled> {
    let fields = |names: &[&str]| vec![field("a", names), number("b", names)];
    let html = Rules { items: Some(at("li, p, div")), fields: fields(&["a@href", "."]), ..rules(Format::Html) };
    let json = Rules { items: Some(at("$..*")), fields: fields(&["$.a", "$[0]"]), ..rules(Format::Json) };
    let feed = Rules { fields: fields(&["link", "published", "author", "a/b@url"]), ..rules(Format::Feed) };
    let html_all = Rules { items: Some(at("li, p, div, a")), fields: everything("b", "* ", html_anchors()), ..rules(Format::Html) };
    let json_all = Rules { items: Some(at("$..*")), fields: everything("$.a", "$..*", json_anchors()), ..rules(Format::Json) };
    let script = Rules { within: Some(Within::Element(at("script, p"))), ..rules(Format::Json) };
    let variable = Rules { within: Some(Within::Variable(at("a"))), ..rules(Format::Json) };
    let entities = Rules { items: Some(at("a")), fields: fields(&["$.a", "$..b"]), ..rules(Format::Jsonld) };
    let ical = Rules { fields: fields(&["start", "end@tzid"]), ..rules(Format::Ical) };
    let csv = Rules { fields: fields(&["a", "2"]), ..rules(Format::Csv) };
    let xml = Rules { items: Some(at("//a")), fields: fields(&["b//*", "@c", "."]), ..rules(Format::Xml) };
    let text = Rules { items: Some(at("[a-z]+")), ..rules(Format::Text) };
    let whole = [Format::Json, Format::Feed, Format::Jsonld, Format::Ical, Format::Csv, Format::Xml].map(rules);
    [html, json, feed, html_all, json_all, script, variable, entities, ical, csv, xml, text]
        .iter()
        .chain(&whole)
        .map(|rules| Compiled::compile(rules).unwrap())
        .collect()
}

fn html_anchors() -> Vec<Anchor> {
    vec![Anchor::Preceding(at("b, p")), Anchor::Preceding(at("nothing")), Anchor::Ancestor(at("a, table, p"))]
}

fn json_anchors() -> Vec<Anchor> {
    vec![Anchor::Lookup { rows: at("$..*"), key: Some(at("$.a")), equals: at("$..a") }]
}

/// Fields that use every feature there is.
fn everything(one: &str, all: &str, anchors: Vec<Anchor>) -> Vec<Field> {
    let date = |formats: &[&str], output| {
        let zone = Some("Europe/London".to_owned());
        Parse::Date(DateRule { formats: formats.iter().map(|f| at(f)).collect(), zone, output })
    };
    let money = Parse::Money { decimal: None, currency: Some("IDR".to_owned()) };
    let parses = [
        date(&[], DateOutput::Rfc3339),
        date(&["%a %d %b %H:%M", "%F"], DateOutput::EpochMs),
        money,
        Parse::Plain,
        Parse::Json,
        Parse::Url,
        Parse::Boolean,
    ];
    let mut fields: Vec<Field> = parses
        .into_iter()
        .enumerate()
        .map(|(n, parse)| Field { parse, many: Some(Many::List), ..field(&format!("p{n}"), &[one, all]) })
        .collect();
    fields.extend(anchors.into_iter().enumerate().map(|(n, anchor)| anchored(&format!("_a{n}"), &[one], anchor)));
    fields.push(Field { regex: Some(at("([0-9]+)|x")), many: Some(Many::Joined(", ".to_owned())), ..field("r", &[all]) });
    fields.push(compose("_c", "{_a0} {r}"));
    fields.push(Field { parse: date(&[], DateOutput::Local), ..compose("c", "{_c}") });
    let inner = vec![field("t", &[one]), compose("c", "{c}"), Field { many: Some(Many::List), ..field("all", &[all]) }];
    fields.push(Field::of("list", Origin::Rows(Nested { items: at(all), fields: inner })));
    fields
}

fn check(compiled: &[Compiled], bytes: &[u8], content_type: Option<&str>) {
    let url = Url::parse("https://example.org/").unwrap();
    for compiled in compiled {
        match compiled.extract(&Body { bytes, content_type, url: &url }, &context()) {
            Ok(extraction) => assert_eq!(extraction.rows.len(), extraction.tally.kept as usize),
            Err(error) => {
                assert!(error.to_string().len() < 400, "{error}");
                assert_eq!(error.failure().code, Code::ExtractFailed);
            }
        }
    }
}

/// Pieces of what the formats are made of: random bytes alone never get past the first tag.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<rss>"),
        Just("<channel>"),
        Just("<item>"),
        Just("</item>"),
        Just("<feed>"),
        Just("<entry>"),
        Just("<link href=x>"),
        Just("<link"),
        Just("<title>"),
        Just("</title>"),
        Just("<![CDATA["),
        Just("]]>"),
        Just("<!DOCTYPE"),
        Just("<!--"),
        Just("-->"),
        Just("&nbsp;"),
        Just("&#0;"),
        Just("&#xD800;"),
        Just("&"),
        Just("<table>"),
        Just("<a>"),
        Just("</a>"),
        Just("<b>"),
        Just("</b>"),
        Just("<p>"),
        Just("<svg>"),
        Just("<math>"),
        Just("<template>"),
        Just("</template>"),
        Just("<select>"),
        Just("<frameset>"),
        Just("<script>"),
        Just("<script type=application/ld+json>"),
        Just("<p itemscope itemtype=a itemref='x y' id=x>"),
        Just("<i itemprop='a b' id=y>"),
        Just("<meta property=og:image content=a>"),
        Just("a = "),
        Just("</script>"),
        Just("<li>"),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just("\"a\":"),
        Just("\""),
        Just("1e999"),
        Just("\\u"),
        Just("<?xml"),
        Just("?>"),
        Just("<meta charset="),
        Just(" xml:base='::'"),
        Just("\u{feff}"),
        Just("\0"),
        Just(">"),
        Just("2026-10-01T"),
        Just("BEGIN:VCALENDAR\r\n"),
        Just("BEGIN:VEVENT\n"),
        Just("END:VEVENT\n"),
        Just("END:VCALENDAR\n"),
        Just("BEGIN:VTIMEZONE\nTZID:Z\n"),
        Just("BEGIN:DAYLIGHT\n"),
        Just("TZOFFSETTO:+9999\n"),
        Just("DTSTART;TZID=Z:"),
        Just("DTEND;VALUE=DATE:"),
        Just("20250123"),
        Just("T180000Z"),
        Just("RRULE:FREQ=MONTHLY;BYDAY=-1FR"),
        Just(";BYSETPOS=-1;BYMONTHDAY=-31"),
        Just(",\"\""),
        Just("\n"),
        Just("\t"),
        Just("/"),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        check(&all_formats(), &bytes, None);
    }

    #[test]
    fn no_soup_panics(soup in soup(), content_type in proptest::option::of("[a-z/;= ]{0,30}charset=[\"a-z0-9-]{0,12}")) {
        check(&all_formats(), soup.as_bytes(), content_type.as_deref());
    }
}

#[test]
fn rules_are_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Compiled>();
}

#[test]
fn rows_within_rows_do_not_multiply_a_body() {
    let html = Rules { items: Some(at("div")), fields: vec![field("a", &["."])], ..rules(Format::Html) };
    let page = format!("{}{}", "<div>".repeat(400), "text ".repeat(100_000));
    insta::assert_snapshot!(items(&html, page), @"Permanent: the items come to more than 64 MiB, which is not kept; `items` may select rows within rows");
    let json = Rules { items: Some(at("$..*")), ..rules(Format::Json) };
    let body = format!("{}\"{}\"{}", "[".repeat(100), "x".repeat(1_000_000), "]".repeat(100));
    insta::assert_snapshot!(items(&json, body), @"Permanent: the items come to more than 64 MiB, which is not kept; `items` may select rows within rows");
}

/// Unbounded, each would take minutes and gigabytes.
#[test]
fn entities_do_not_multiply_a_body() {
    let all = rules(Format::Jsonld);
    let too_much = "the items come to more than 64 MiB, which is not kept; `items` may select rows within rows";
    // Everyone refers to the same part.
    let fan = format!("<p id=a>{}{}", "<i itemprop=x>y</i>".repeat(20_000), "<b itemscope itemref=a></b>".repeat(20_000));
    assert!(items(&all, fan).contains(too_much));
    // Each item holds the next twice.
    let twice = |n| format!("<p id=a{n}><i itemprop=x itemscope itemref=a{0}></i><i itemprop=y itemscope itemref=a{0}></i></p>", n + 1);
    let doubling = (0..40).map(twice).collect::<Vec<_>>().concat();
    assert!(items(&all, format!("{doubling}<b itemscope itemref=a0></b>")).contains(too_much));
    // Properties within properties, around a long text.
    let nested = format!("<b itemscope>{}{}", "<div itemprop=x>".repeat(500), "text ".repeat(40_000));
    assert!(items(&all, nested).contains(too_much));
    // One property of many names.
    let names = (0..20_000).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    assert!(items(&all, format!("<b itemscope><i itemprop='{names}'>{}", "text ".repeat(2_000))).contains(too_much));
    // A ring: no item of it stands alone.
    let once = |n| format!("<p id=a{n}><i itemprop=x itemscope itemref=a{}></i></p>", (n + 1) % 20_000);
    assert_eq!(items(&all, (0..20_000).map(once).collect::<Vec<_>>().concat()), "");
}

#[test]
fn long_bodies_of_brackets_are_given_up_at_once() {
    for bracket in ["{", "[", "{\"a\":", "[\"", "<!--", "/*", "\\", "\"\\", "a=", "//<![CDATA[", "`", "'"] {
        give_up(&bracket.repeat((1 << 20) / bracket.len()));
    }
    give_up(&"{".repeat(8 << 20));
}

fn give_up(text: &str) {
    assert_eq!(items(&rules(Format::Jsonld), format!("<script type=application/ld+json>{text}</script>")), "");
    for within in [Within::Element(at("script")), Within::Variable(at("a"))] {
        let rules = Rules { within: Some(within), ..rules(Format::Json) };
        let said = items(&rules, format!("<script>{text}</script>"));
        assert!(said.starts_with("Permanent: "), "{said}");
    }
}

#[test]
fn lists_within_rows_do_not_multiply_a_body() {
    let everything = || Field { many: Some(Many::List), ..field("all", &["*"]) };
    let page = format!("{}{}", "<div>".repeat(300), format!("<b>{}</b>", "text ".repeat(50)).repeat(3_000));
    let html = Rules { items: Some(at("div")), fields: vec![everything()], ..rules(Format::Html) };
    insta::assert_snapshot!(items(&html, &page), @"Permanent: the items come to more than 64 MiB, which is not kept; `items` may select rows within rows");
    let inner = Field::of("list", Origin::Rows(Nested { items: at("div"), fields: vec![field(&"f".repeat(1_000), &["i"])] }));
    let nested = Rules { items: Some(at("div")), fields: vec![inner.clone()], ..rules(Format::Html) };
    assert_eq!(extract(&nested, "<div>".repeat(100)).unwrap().rows.len(), 100);
    let twice = Field::of("list", Origin::Rows(Nested { items: at("div"), fields: vec![inner] }));
    insta::assert_snapshot!(items(&Rules { fields: vec![twice], ..nested }, "<div>".repeat(200)), @"Permanent: the items come to more than 64 MiB, which is not kept; `items` may select rows within rows");
    let json =
        Rules { items: Some(at("$..*")), fields: vec![Field { many: Some(Many::List), ..field("all", &["$..*"]) }], ..rules(Format::Json) };
    insta::assert_snapshot!(items(&json, format!("{}\"{}\"{}", "[".repeat(100), "x".repeat(100_000), "]".repeat(100))), @"Permanent: the items come to more than 64 MiB, which is not kept; `items` may select rows within rows");
}

/// Sizes at which the square of the rows would take minutes.
#[test]
fn what_rows_refer_to_is_found_once() {
    const ROWS: usize = 40_000;
    let heading = |anchor: Anchor| vec![anchored("f", &["b"], anchor)];
    let above = Rules { items: Some(at("p")), fields: heading(Anchor::Preceding(at("h3"))), ..rules(Format::Html) };
    assert_eq!(extract(&above, "<p>x</p>".repeat(ROWS)).unwrap().rows.len(), ROWS);
    let around = Rules { items: Some(at("p")), fields: heading(Anchor::Ancestor(at("div"))), ..rules(Format::Html) };
    assert_eq!(extract(&around, format!("<div>{}", "<p>x</p>".repeat(ROWS))).unwrap().rows.len(), ROWS);
    let lookup = Anchor::Lookup { rows: at("$[*]"), key: Some(at("$.id")), equals: at("$.of") };
    let related = Rules { items: Some(at("$[*]")), fields: vec![anchored("f", &["$.id"], lookup)], ..rules(Format::Json) };
    let body = serde_json::Value::from((0..ROWS).map(|n| serde_json::json!({"id": n, "of": ROWS - n})).collect::<Vec<_>>());
    assert_eq!(extract(&related, body.to_string()).unwrap().report.fields[0].found as usize, ROWS - 1);
}

/// A tag with more attributes than anybody writes is read in no time, as much of it as is kept.
#[test]
fn a_crowd_of_attributes_is_thinned() {
    let crowd = (0..400_000).map(|n| format!(" a{n}='1'")).collect::<Vec<_>>().concat();
    let xml = Rules { items: Some(at("a")), ..rules(Format::Xml) };
    let found = extract(&xml, format!("<r><a{crowd}/></r>")).unwrap();
    assert_eq!(found.rows[0].as_object().map(serde_json::Map::len), Some(256));
}
