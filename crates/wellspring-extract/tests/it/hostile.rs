//! No body makes a parser panic or run away.

use proptest::prelude::*;
use url::Url;
use wellspring_core::failure::Code;
use wellspring_core::source::{Format, Rules};
use wellspring_extract::{Body, Compiled};

use crate::support::{at, context, field, items, number, rules};

fn all_formats() -> Vec<Compiled> {
    let fields = |names: &[&str]| vec![field("a", names), number("b", names)];
    let html = Rules { items: Some(at("li, p, div")), fields: fields(&["a@href", "."]), ..rules(Format::Html) };
    let json = Rules { items: Some(at("$..*")), fields: fields(&["$.a", "$[0]"]), ..rules(Format::Json) };
    let feed = Rules { fields: fields(&["link", "published", "author", "a/b@url"]), ..rules(Format::Feed) };
    let ical = Rules { fields: fields(&["start", "end@tzid"]), ..rules(Format::Ical) };
    let csv = Rules { fields: fields(&["a", "2"]), ..rules(Format::Csv) };
    let xml = Rules { items: Some(at("//a")), fields: fields(&["b//*", "@c", "."]), ..rules(Format::Xml) };
    let text = Rules { items: Some(at("[a-z]+")), ..rules(Format::Text) };
    let whole = [Format::Json, Format::Feed, Format::Ical, Format::Csv, Format::Xml].map(rules);
    [html, json, feed, ical, csv, xml, text].iter().chain(&whole).map(|rules| Compiled::compile(rules).unwrap()).collect()
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
