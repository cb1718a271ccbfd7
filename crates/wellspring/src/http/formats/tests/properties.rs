//! Whatever items hold, what is written is what its format says, and reads back.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use url::Url;
use wellspring_core::source::{Format as Read, Rules};
use wellspring_extract::{Body, Compiled, Context};

use super::super::text;
use super::*;

/// What our own reader of the format finds.
fn read_back(format: Read, text: &str) -> Vec<Value> {
    let compiled = Compiled::compile(&Rules::whole(format, Vec::new())).unwrap();
    let url = Url::parse("https://wells.example/").unwrap();
    let body = Body { bytes: text.as_bytes(), content_type: None, url: &url };
    let values = BTreeMap::new();
    compiled
        .extract(&body, &Context { now: "2026-10-01T03:30:00Z".parse().unwrap(), values: &values })
        .unwrap_or_else(|e| panic!("{e}: {text}"))
        .rows
}

/// Strings that break out of what they stand in.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z ]{0,6}",
        "\\PC{0,6}",
        prop::char::any().prop_map(String::from),
        prop::sample::select(vec![
            "<",
            ">",
            "&",
            "\"",
            "'",
            "]]>",
            "<![CDATA[",
            "-->",
            "<!--",
            "&amp;",
            "&#0;",
            "<b>",
            "</item>",
            "</entry>",
            "\r\n",
            "\n",
            "\r",
            "\t",
            "\0",
            "\u{1b}",
            "\u{fffe}",
            "\u{85}",
            "\u{2028}",
            "\\",
            ";",
            ",",
            "\\n",
            "END:VEVENT",
            "\nBEGIN:VALARM",
            "=1+1",
            "é",
            "😀",
            ":",
            "https://a.example/",
            " ",
            "{title}",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        nasty().prop_map(Value::from),
        nasty().prop_map(|tail| Value::from(format!("https://a.example/{tail}"))),
        prop::sample::select(vec![
            "2026-10-01",
            "2026-10-01T10:00:00Z",
            "0000-01-01",
            "9999-12-31",
            "-009999-01-01",
            "99999999999999999999"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((nasty(), inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_items() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        prop::sample::select(vec!["title", "url", "img", "start", "end", "date", "summary", "author", "tags", "id", "venue", "all_day"])
            .prop_map(str::to_owned),
        nasty(),
    ];
    let row = prop::collection::vec((name, value()), 0..6).prop_map(|members| Value::Object(members.into_iter().collect()));
    prop::collection::vec(prop_oneof![4 => row, 1 => value()], 0..6).prop_map(Value::from)
}

/// Panics unless it is well-formed and holds nothing that XML 1.0 forbids.
fn assert_well_formed(text: &str) {
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut depth = 0_i32;
    loop {
        match reader.read_event().unwrap_or_else(|e| panic!("{e}: {text}")) {
            quick_xml::events::Event::Start(start) => {
                depth += 1;
                start.attributes().for_each(|attribute| drop(attribute.unwrap().value));
            }
            quick_xml::events::Event::End(_) => depth -= 1,
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::GeneralRef(name) => {
                assert!(matches!(&*name, b"amp" | b"lt" | b"gt" | b"quot" | b"#39" | b"#13"), "{text}");
            }
            quick_xml::events::Event::Comment(_) | quick_xml::events::Event::CData(_) | quick_xml::events::Event::PI(_) => panic!("{text}"),
            _ => {}
        }
    }
    assert_eq!(depth, 0, "{text}");
    assert!(text.chars().all(|c| matches!(c, '\n' | '\t') || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}')), "{text:?}");
}

proptest! {
    #[test]
    fn any_items_make_well_formed_feeds(items in any_items()) {
        for format in [Format::Rss, Format::Atom] {
            let text = written(format, &plain(""), &items).unwrap();
            assert_well_formed(&text);
            let ids: std::collections::HashSet<_> = read_back(Read::Feed, &text).iter().map(|entry| entry["id"].to_string()).collect();
            prop_assert_eq!(ids.len(), items.as_array().unwrap().len(), "{}", text);
        }
    }

    #[test]
    fn titles_links_and_texts_read_back(rows in prop::collection::vec((nasty(), nasty(), nasty()), 1..5)) {
        let spec = plain("feed = { title = 'what', link = 'https://a.example/?q={q}', summary = 'more' }");
        let items: Vec<Value> = rows.iter().map(|(what, q, more)| json!({"what": what, "q": q, "more": more})).collect();
        for format in [Format::Rss, Format::Atom] {
            let text = written(format, &spec, &Value::from(items.clone())).unwrap();
            for (entry, (what, q, more)) in read_back(Read::Feed, &text).iter().zip(&rows) {
                if let Some(title) = text::line(&what.as_str().into()) {
                    prop_assert_eq!(&entry["title"], &Value::from(title));
                }
                let asked = entry["link"].as_str().map(|link| Url::parse(link).unwrap());
                let asked = asked.and_then(|url| url.query_pairs().next().map(|(_, value)| value.into_owned()));
                prop_assert_eq!(asked, text::line(&q.as_str().into()));
                if let Some(shown) = text::lines(&more.as_str().into()) {
                    // What a browser would show: the markup of our own, and text.
                    let html = entry["summary"].as_str().or(entry["content"].as_str());
                    if let Some(html) = html {
                        let bare = html.replace("<p>", "").replace("</p>", "").replace("<br>", "");
                        prop_assert!(!bare.contains(['<', '>']), "{} of {}", html, shown);
                    }
                }
            }
        }
    }

    #[test]
    fn any_items_make_csv_that_reads_back(items in any_items()) {
        let text = written(Format::Csv, &plain(""), &items).unwrap();
        let rows = rows::read(items.to_string().as_bytes());
        let names = rows::names(&rows);
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(false).from_reader(text.as_bytes());
        let lines: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        prop_assert_eq!(lines.len(), if names.is_empty() { 0 } else { rows.len() + 1 });
        for (line, row) in lines.iter().skip(1).zip(&rows) {
            for (cell, name) in line.iter().zip(&names) {
                prop_assert!(!cell.starts_with(['=', '@', '\t', '\r', '\n']), "{cell}");
                match row.get(*name).unwrap_or(&Value::Null) {
                    Value::Null => prop_assert_eq!(cell, ""),
                    Value::String(text) => prop_assert_eq!(cell.strip_prefix('\'').filter(|_| !text.starts_with('\'')).unwrap_or(cell), text),
                    other => prop_assert_eq!(cell, other.to_string()),
                }
            }
        }
    }

    #[test]
    fn any_items_make_a_calendar_that_reads_back(items in any_items()) {
        let Ok(text) = written(Format::Ical, &plain("calendar.start = 'start'"), &items) else { unreachable!() };
        prop_assert!(text.split("\r\n").all(|line| line.len() <= 75 && !line.contains(['\r', '\n'])), "{:?}", text);
        prop_assert!(text.chars().all(|c| matches!(c, '\r' | '\n' | '\t') || !c.is_control()), "{:?}", text);
        let begun = text.matches("\r\nBEGIN:VEVENT\r\n").count();
        prop_assert_eq!(read_back(Read::Ical, &text).len(), begun);
    }

    #[test]
    fn what_a_calendar_says_reads_back(rows in prop::collection::vec((nasty(), nasty(), nasty()), 1..5)) {
        let spec = plain("calendar = { title = 'a', location = 'b', summary = 'c', start = 'at' }");
        let items: Vec<Value> =
            rows.iter().enumerate().map(|(n, (a, b, c))| json!({"a": a, "b": b, "c": c, "at": format!("2026-10-01T10:00:{n:02}Z")})).collect();
        let text = written(Format::Ical, &spec, &Value::from(items)).unwrap();
        let events = read_back(Read::Ical, &text);
        prop_assert_eq!(events.len(), rows.len());
        for (n, (event, (a, b, c))) in events.iter().zip(&rows).enumerate() {
            prop_assert_eq!(&event["start"], &Value::from(format!("2026-10-01T10:00:{n:02}+00:00")));
            let title = text::line(&a.as_str().into()).unwrap_or_else(|| "(no title)".to_owned());
            prop_assert_eq!(&event["title"], &Value::from(title));
            prop_assert_eq!(&event["location"], &text::line(&b.as_str().into()).map_or(Value::Null, Value::from));
            prop_assert_eq!(&event["description"], &text::lines(&c.as_str().into()).map_or(Value::Null, Value::from));
        }
    }
}
