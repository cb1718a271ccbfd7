//! What fields are taken for.

use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::json;

use super::super::entry::entries;
use super::*;

/// The entries of some items, a line each part.
fn told(spec: &SourceSpec, items: &Value) -> String {
    let zone = TimeZone::get("Asia/Jakarta").unwrap();
    let key = spec.default_key().unwrap();
    let about =
        About { spec, key: key.as_str(), revision: 7, made_at: "2026-10-01T03:30:00Z".parse().unwrap(), zone: &zone, address: None };
    let rows = rows::read(&serde_json::to_vec(items).unwrap());
    let mut told = String::new();
    for entry in entries(&about, &rows) {
        writeln!(told, "{}", entry.title).unwrap();
        let parts = [
            ("link", entry.link),
            ("image", entry.image),
            ("date", entry.date.map(|at| at.to_string())),
            ("author", entry.author),
            ("about", Some(entry.categories.join(" | ")).filter(|words| !words.is_empty())),
            ("says", entry.summary.map(|text| text.replace('\n', " / "))),
        ];
        for (name, part) in parts {
            if let Some(part) = part {
                writeln!(told, "  {name} {part}").unwrap();
            }
        }
    }
    told
}

#[test]
fn names_and_values_tell_what_is_what() {
    assert_snapshot!(told(&plain(""), &json!([
        {"id": 1, "thumbnail_url": "https://a.example/1.png", "event_title": "One", "bookingUrl": "https://a.example/1", "startDate": "2026-09-01"},
        {"id": 2, "thumbnail_url": "", "event_title": "Two", "bookingUrl": "/relative", "startDate": "2027-09-01"},
    ])), @"
    One
      link https://a.example/1
      image https://a.example/1.png
      date 2026-08-31T17:00:00Z
    Two
    ");
    // A name alone is not enough: this `title` is a picture, this `date` a word.
    assert_snapshot!(told(&plain(""), &json!([
        {"title": "https://a.example/1.png", "date": "soon", "code": 7, "what": "Rice", "note": "cheap", "link": 12},
    ])), @"
    soon
      says title: https://a.example/1.png / code: 7 / what: Rice / note: cheap / link: 12
    ");
    assert_snapshot!(told(&plain(""), &json!([
        {"title": {"@value": "In an object"}, "image": [{"url": "https://a.example/1.png"}], "author": [{"name": "A"}, {"name": "B"}],
         "genre": ["x", "y"], "description": "<p>Markup</p><p>read &lt;as&gt; text", "created_at": 1_790_000_000},
        {},
        7,
    ])), @"
    In an object
      image https://a.example/1.png
      date 2026-09-21T14:13:20Z
      author A, B
      about x | y
      says Markup / read <as> text
    (no title)
    value: 7
      says value: 7
    ");
}

#[test]
fn the_sources_that_ship_make_sensible_feeds() {
    let shipped = |name: &str| {
        let path = format!("{}/../../sources/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        source(&std::fs::read_to_string(path).unwrap())
    };
    assert_snapshot!(told(&shipped("cinema"), &json!([{"img": "https://asset.tix.id/1.webp", "title": "RANGGA & CINTA"}])), @"
    RANGGA & CINTA
      image https://asset.tix.id/1.webp
    ");
    assert_snapshot!(told(&shipped("events"), &json!([{"poster": "https://asset.tix.id/1.webp", "event_title": "Pesta"}])), @"
    Pesta
      image https://asset.tix.id/1.webp
    ");
    assert_snapshot!(told(&shipped("google_trend"), &json!([{"query": "piala dunia & bola", "search_volume": 2000, "category": "Unknown"}])), @"
    piala dunia & bola
      link https://trends.google.com/trends/explore?q=piala%20dunia%20%26%20bola&geo=ID
      about Unknown
      says 2000 searches
    ");
    assert_snapshot!(told(&shipped("hacker_news"), &json!([
        {"title": "Show", "discussion": "https://news.ycombinator.com/item?id=1", "url": "https://b.example/", "points": 3, "comments": 0,
         "author": "x", "posted": "2026-10-01T01:00:00+00:00"}])), @"
    Show
      link https://b.example/
      date 2026-10-01T01:00:00Z
      author x
      says 3 points, 0 comments: https://news.ycombinator.com/item?id=1
    ");
    assert_snapshot!(told(&shipped("earthquakes"), &json!([
        {"place": "9 km N of Cobb, CA", "magnitude": 4.6, "time": "2026-10-01T01:00:00+00:00", "depth_km": 2.1, "latitude": 38.9,
         "longitude": -122.7, "tsunami": false, "url": "https://earthquake.usgs.gov/earthquakes/eventpage/x"}])), @"
    M 4.6, 9 km N of Cobb, CA
      link https://earthquake.usgs.gov/earthquakes/eventpage/x
      date 2026-10-01T01:00:00Z
      says 2.1 km deep, at 38.9, -122.7
    ");
    assert_snapshot!(told(&shipped("exchange_rates"), &json!([{"currency": "USD", "rate": 1.0404}])), @"1 EUR = 1.0404 USD");
    assert_snapshot!(told(&shipped("holidays"), &json!([
        {"date": "2026-08-17", "name": "Independence Day", "local_name": "Hari Kemerdekaan", "nationwide": true}])), @"
    Hari Kemerdekaan (Independence Day)
      date 2026-08-16T17:00:00Z
      says nationwide: yes
    ");
    assert_snapshot!(told(&shipped("sembako"), &json!([{"komoditas": "Beras", "unit": "kg", "yesterday": 14500, "today": 14600, "change": 0.7}])), @"
    Beras: Rp 14600 per kg
      says yesterday: 14500 / change: 0.7
    ");
    assert_snapshot!(told(&shipped("arrivals"), &json!([
        {"origin": "Singapore (SIN)", "arrival_time": "00:10", "flight_numbers": ["SQ 1", "GA 2"], "airlines": ["SIA", "Garuda"], "terminal": "3", "status": "Landed"}])), @"
    00:10 from Singapore (SIN)
      says airlines: SIA, Garuda / terminal: 3 / status: Landed
    ");
}

#[test]
fn entries_keep_their_ids_whatever_else_comes_and_goes() {
    let ids = |spec: &SourceSpec, items: Value| {
        let text = written(Format::Atom, spec, &items).unwrap();
        let ids = text.lines().filter_map(|line| line.strip_prefix("<id>")?.strip_suffix("</id>")).map(str::to_owned);
        ids.collect::<Vec<_>>()
    };
    let spec = plain("");
    let one = json!({"title": "One", "note": "x"});
    let two = json!({"title": "Two", "note": "x"});
    let changed = json!({"title": "One", "note": "y"});
    let first = ids(&spec, json!([one, two]));
    assert_eq!(ids(&spec, json!([two, one, {"title": "Three"}]))[..3], [first[0].clone(), first[2].clone(), first[1].clone()]);
    assert_eq!(ids(&spec, json!([changed]))[1], first[1]);
    // Two of one name are told apart, and equal ones too.
    let same = ids(&spec, json!([one, changed, one, one, {}, {}]));
    assert_eq!(same.iter().collect::<std::collections::HashSet<_>>().len(), 7, "{same:?}");
    // A link that tells it from others is its id.
    let linked = ids(&spec, json!([{"title": "One", "url": "https://a.example/1"}, {"title": "One", "url": "https://a.example/2"}]));
    assert_eq!(linked[1..], ["https://a.example/1", "https://a.example/2"]);
    // The feed's own is the key's.
    let other = source("[source.b]\nurl = 'https://a.example/'\nfresh_for = '6h'\nformat = 'json'\n");
    assert_ne!(ids(&other, json!([one]))[0], first[0]);
    assert!(first.iter().all(|id| id.starts_with("urn:uuid:") && id.len() == 45), "{first:?}");
}
