//! The sources that ship, as they are in the program, on pages of our own in the structure of theirs.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use crate::support::program::run;

mod anywhere;
mod examples;

/// What `check --input` makes of a page with the shipped rules: its JSON and its exit code.
fn check(source: &str, page: &str) -> (Value, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("page"), page).unwrap();
    let output = run(folder.path(), &["check", source, "--input", "page", "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    (serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}")), output.status.code())
}

#[test]
fn cinema_takes_the_first_seventeen_films_unique_by_title() {
    let mut slides = String::new();
    // The slider repeats its last slides before the first one, and its first after the last.
    for n in (19..=20).chain(1..=20).chain(1..=2) {
        writeln!(
            slides,
            "<li class=\"glide__slide\"><a href=\"/movie-detail/{n}\"><div><img src=\"https://asset.tix.id/{n}.webp\" alt=\"\"></div><span> Film\n no. {n} </span></a></li>"
        )
        .unwrap();
    }
    let banner = "<li class=\"glide__slide\"><a href=\"/promo\"><img src=\"promo.webp\"><span>Promo</span></a></li>";
    let page = format!("<!doctype html><div class=\"glide\"><ul class=\"glide__slides\">{banner}{slides}</ul></div>");
    let (checked, code) = check("cinema", &page);
    let items = checked["items"].as_array().unwrap();
    assert_eq!((items.len(), code), (17, Some(0)));
    assert_eq!(items[0], json!({"img": "https://asset.tix.id/19.webp", "title": "Film no. 19"}));
    assert_eq!(items[2], json!({"img": "https://asset.tix.id/1.webp", "title": "Film no. 1"}));
}

#[test]
fn cinema_finds_a_title_wherever_the_site_put_it() {
    let page = "<ul class=\"glide__slides\">\
        <li class=\"glide__slide\"><a href=\"/movie-detail/a\" title=\"Not this\"><img src=\"/a.webp\" alt=\"Nor this\"><span>In a span</span></a></li>\
        <li class=\"glide__slide\"><a href=\"/movie-detail/b\" title=\"In the link's title\"><img src=\"/b.webp\"><span> </span></a></li>\
        <li class=\"glide__slide\"><a href=\"/movie-detail/c\"><img src=\"/c.webp\" alt=\"In the image's alt\"></a></li>\
        <li class=\"glide__slide\"><a href=\"/movie-detail/d\"><img src=\"/d.webp\">In the link</a></li>\
        <li class=\"glide__slide\"><a href=\"/movie-detail/e\"><img src=\"/e.webp\"></a><p>In the slide</p></li></ul>";
    let (checked, _) = check("cinema", page);
    let titles: Vec<_> = checked["items"].as_array().unwrap().iter().map(|i| i["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["In a span", "In the link's title", "In the image's alt", "In the link", "In the slide"]);
    assert_eq!(checked["items"][0]["img"], "https://www.tix.id/a.webp");
}

#[test]
fn events_take_the_first_nineteen() {
    let slide = |n: usize| match n % 3 {
        0 => format!("<div class=\"swiper-slide\"><img src=\"/{n}.webp\" alt=\"Event {n}\"></div>"),
        1 => format!("<div class=\"swiper-slide\"><a href=\"/e/{n}\" title=\"Event {n}\"><img src=\"/{n}.webp\"></a></div>"),
        _ => format!("<div class=\"swiper-slide\"><img src=\"/{n}.webp\"><p>Event {n}</p></div>"),
    };
    let page = format!("<div class=\"swiper\"><div class=\"swiper-wrapper\">{}</div></div>", (1..=25).map(slide).collect::<String>());
    let (checked, code) = check("events", &page);
    let expected: Vec<Value> =
        (1..=19).map(|n| json!({"poster": format!("https://www.tix.id/{n}.webp"), "event_title": format!("Event {n}")})).collect();
    assert_eq!((&checked["items"], code), (&json!(expected), Some(0)));
}

#[test]
fn an_emptied_page_of_either_is_refused() {
    for source in ["cinema", "events"] {
        let (checked, code) = check(source, "<!doctype html><title>TIX ID</title><div id=\"__next\"></div>");
        assert_eq!((checked["error"]["code"].as_str(), code), (Some("gate_failed"), Some(1)), "{source}");
    }
}

#[test]
fn google_trend_reads_either_of_its_upstreams() {
    let trends: Vec<Value> = (0..12)
        .map(|n| match n {
            3 => json!({"query": "q3", "search_volume": 500, "categories": []}),
            _ => json!({"query": format!("q{n}"), "search_volume": 1_000 * n, "categories": [{"id": 17, "name": "Sports"}, {"id": 4, "name": "Other"}]}),
        })
        .collect();
    let (checked, _) = check("google_trend", &json!({"trending_searches": trends}).to_string());
    assert_eq!((checked["alternative"].as_u64(), checked["items"].as_array().unwrap().len()), (Some(1), 10));
    assert_eq!(checked["items"][2], json!({"query": "q2", "search_volume": 2_000, "category": "Sports"}));
    assert_eq!(checked["items"][3], json!({"query": "q3", "search_volume": 500, "category": "Unknown"}));

    let entry = |traffic: &str| format!("<item><title>{traffic}</title><ht:approx_traffic>{traffic}</ht:approx_traffic></item>");
    let entries: String = ["2000+", "2,000+", "200K+", "1M+"].map(entry).concat();
    let feed = format!(
        "<rss version=\"2.0\" xmlns:ht=\"https://trends.google.com/trending/rss\"><channel><title>t</title>{entries}</channel></rss>"
    );
    let (checked, _) = check("google_trend", &feed);
    let volumes: Vec<_> =
        checked["items"].as_array().unwrap().iter().map(|i| (i["search_volume"].clone(), i["category"].clone())).collect();
    assert_eq!(volumes, [2_000, 2_000, 200_000, 1_000_000].map(|n| (json!(n), json!("Unknown"))));
}
