//! Real bodies, kept outside the project: each test says so and passes where they are absent.

use std::fs;

use serde_json::{Value, json};
use url::Url;
use wellspring_core::source::{Anchor, DateOutput, DateRule, Field, Format, Parse, Rules};
use wellspring_extract::{Body, Compiled};

use crate::support::{anchored, at, captured, compose, context, extract, field, number, rules};

#[test]
fn the_castles_calendar_gives_each_booking_once() {
    let Some(page) = captured("cinema/thecastlecinema.com/000.html") else { return };
    let rules = Rules {
        items: Some(at("a[href*='/bookings/']")),
        fields: vec![field("booking", &["@href"])],
        unique_by: Some(at("booking")),
        ..rules(Format::Html)
    };
    assert_eq!(extract(&rules, fs::read(page).unwrap()).unwrap().tally.kept, 86);
}

#[test]
fn the_castles_calendar_gives_each_performance_its_film_and_its_moment() {
    let Some(folder) = captured("cinema/thecastlecinema.com") else { return };
    let moment = DateRule { formats: vec![at("%a, %d %b %H:%M")], zone: Some("Europe/London".to_owned()), output: DateOutput::EpochMs };
    let rules = Rules {
        items: Some(at(".performance-button")),
        fields: vec![
            anchored("title", &[".tile-name"], Anchor::Ancestor(at(".programme-tile"))),
            field("bookingUrl", &["@href"]),
            anchored("_day", &[], Anchor::Preceding(at("h3.date"))),
            Field { regex: Some(at("^[0-9]{1,2}:[0-9]{2}")), ..field("_clock", &["."]) },
            Field { parse: Parse::Date(moment), ..compose("time", "{_day} {_clock}") },
        ],
        ..rules(Format::Html)
    };
    let url = Url::parse("https://thecastlecinema.com/calendar/").unwrap();
    let bytes = fs::read(folder.join("000.html")).unwrap();
    let body = Body { bytes: &bytes, content_type: None, url: &url };
    let rows = Compiled::compile(&rules).unwrap().extract(&body, &context()).unwrap().rows;
    let expected: Vec<Value> = serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let performances = |film: &Value| -> Vec<(Value, Value, Value)> {
        let list = film["performances"].as_array().unwrap();
        list.iter().map(|p| (film["title"].clone(), p["bookingUrl"].clone(), p["time"].clone())).collect()
    };
    let in_order = |mut all: Vec<(Value, Value, Value)>| {
        all.sort_by_key(|(title, link, time)| format!("{link} {time} {title}"));
        all
    };
    let found = in_order(rows.iter().map(|row| (row["title"].clone(), row["bookingUrl"].clone(), row["time"].clone())).collect());
    assert_eq!(found.len(), 86);
    assert_eq!(found, in_order(expected.iter().flat_map(performances).collect()));
}

#[test]
fn the_trends_feed_gives_ten_trends_with_volumes() {
    let Some(feed) = captured("trends/captured-2026-10-01/trending_rss.xml") else { return };
    let fields = vec![
        field("query", &["title"]),
        number("search_volume", &["ht:approx_traffic"]),
        Field { default: Some(json!("Unknown")), ..field("category", &[]) },
    ];
    let rules = Rules { fields, limit: Some(10), required: vec!["query".to_owned()], ..rules(Format::Feed) };
    let rows = extract(&rules, fs::read(feed).unwrap()).unwrap().rows;
    assert_eq!(rows.len(), 10);
    assert!(rows.iter().all(|row| row["search_volume"].is_u64() && row["query"].is_string() && row["category"] == "Unknown"), "{rows:#?}");
}

#[test]
fn the_stored_trends_answers_give_ten_trends_with_categories() {
    let Some(seed) = captured("seed") else { return };
    let fields = vec![
        field("query", &["$.query"]),
        field("search_volume", &["$.search_volume"]),
        Field { default: Some(json!("Unknown")), ..field("category", &["$.categories[0].name"]) },
    ];
    let rules = Rules { items: Some(at("$.trending_searches[*]")), fields, limit: Some(10), ..rules(Format::Json) };
    for name in ["6f1f8f3-trending_now.json", "76b24fd-trending_now.json"] {
        let rows = extract(&rules, fs::read(seed.join(name)).unwrap()).unwrap().rows;
        assert_eq!(rows.len(), 10);
        let is_whole = |row: &Value| row["query"].is_string() && row["search_volume"].is_u64() && row["category"] != "Unknown";
        assert!(rows.iter().all(is_whole), "{rows:#?}");
    }
}
