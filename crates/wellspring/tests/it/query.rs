//! The words of a read's own query.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::app::{Builder, TestApp};
use crate::support::client::Reply;
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

const LONG: Duration = Duration::from_secs(3_600);

async fn cinema(titles: &[&str], lines: &str) -> (Origin, TestApp) {
    let origin = Origin::start().await;
    origin.script("/", tix::films(titles));
    let app = TestApp::with_source(&tix::source("cinema", &origin, "/", &format!("fresh_for = \"1h\"\n{lines}"))).await;
    app.until_attempts("cinema", 1).await;
    (origin, app)
}

fn titles(reply: &Reply) -> Vec<String> {
    reply.items("title")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_items_is_answered_as_it_is_asked_for() {
    let (_origin, app) = cinema(&["Dune", "Up", "Ran"], "").await;
    let whole = app.get("/api/cinema").await;
    let part = app.get("/api/cinema?limit=2&fields=title").await;
    assert_eq!(part.json()["items"], json!([{ "title": "Dune" }, { "title": "Up" }]));
    assert_eq!(part.json()["cache_date"], whole.json()["cache_date"], "the metadata stays");
    assert_ne!(part.header("etag"), whole.header("etag"));
    let swapped = app.get("/api/cinema?limit=1&fields=title,img,title").await;
    let names: Vec<String> = swapped.json()["items"][0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["title", "img"]);
    assert_eq!(app.get("/api/cinema?limit=0").await.json()["items"], json!([]));
    assert_eq!(titles(&app.get("/api/cinema?limit=99").await).len(), 3);
    let again = app.send(http::Method::GET, "/api/cinema?limit=2&fields=title", &[("if-none-match", part.header("etag"))]).await;
    assert_eq!((again.status.as_u16(), again.header("etag")), (304, part.header("etag")));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_format_takes_the_same_words() {
    let (_origin, app) = cinema(&["Dune", "Up"], "").await;
    let lines = app.get("/api/cinema.ndjson?limit=1&fields=title").await;
    assert_eq!((lines.header("content-type"), &lines.body[..]), ("application/x-ndjson", &b"{\"title\":\"Dune\"}\n"[..]));
    assert!(lines.header("cache-status").starts_with("wellspring; hit; ttl="), "{}", lines.header("cache-status"));
    let same = app.send(http::Method::GET, "/api/cinema.ndjson?limit=1&fields=title", &[("if-none-match", lines.header("etag"))]).await;
    assert_eq!(same.status, 304);
    assert_eq!(app.get("/api/cinema.json").await.body, app.get("/api/cinema").await.body);
    let unknown = app.get("/api/cinema.ndjsn").await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.json()["formats"][0].as_str(), unknown.header("content-type")),
        (404, Some("json"), "application/problem+json")
    );
    assert!(unknown.json()["detail"].as_str().unwrap().contains("did you mean `ndjson`?"), "{}", unknown.json());
    assert_eq!(app.get("/api/nope.json").await.json()["type"], "urn:wellspring:problem:unknown_source");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_a_400_that_names_the_word() {
    let (origin, app) = cinema(&["Dune"], "").await;
    let check = async |query: &str, parameter: Value, says: &str| {
        let reply = app.get(&format!("/api/cinema?{query}")).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (400, "application/problem+json"), "{query:.80}");
        assert_eq!((reply.header("cache-control"), &reply.json()["parameter"]), ("no-store", &parameter), "{query:.80}");
        assert!(reply.json()["detail"].as_str().unwrap().contains(says), "{query:.80}: {}", reply.json());
    };
    check("limit=-1", json!("limit"), "a whole number of items from 0").await;
    check("fields=nope", json!("fields"), "`nope` is no field of `cinema`; it has img, title").await;
    check("fields=titel", json!("fields"), "did you mean `title`?").await;
    check("wait=1h", json!("wait"), "at most 60s").await;
    check("as_of=yesterday", json!("as_of"), "a moment with its offset").await;
    check("as_of=2999-01-01T00:00:00Z", json!("as_of"), "lies ahead").await;
    check("limit=1&limit=2", json!("limit"), "more than once").await;
    check("limt=1", json!("limt"), "did you mean `limit`?").await;
    check(&"a=1&".repeat(4_000), Value::Null, "more than 64 parameters").await;
    check(&"a=1&".repeat(10_000), Value::Null, "40000 bytes").await;
    assert_eq!(origin.count("/"), 1, "none of them fetched anything");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_reader_of_stale_data_gets_the_fresh_one() {
    let (origin, app) = cinema(&["Dune"], "").await;
    origin.script("/", tix::films(&["Up"]));
    app.clock.pass(LONG);
    let waited = app.get("/api/cinema?wait=30s").await;
    assert_eq!((titles(&waited), waited.flags()), (vec!["Up".to_owned()], (false, true, false)));
    assert!(waited.header("cache-status").starts_with("wellspring; fwd=stale; stored; ttl="), "{}", waited.header("cache-status"));
    assert_eq!(origin.count("/"), 2);
    // Fresh now: nothing to wait for.
    assert_eq!((app.get("/api/cinema?wait=30s").await.flags(), origin.count("/")), ((true, true, false), 2));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_whose_patience_ends_gets_the_stale_one() {
    let (origin, app) = cinema(&["Dune"], "").await;
    origin.hold("/");
    origin.script("/", tix::films(&["Up"]));
    app.clock.pass(LONG);
    let late = app.get("/api/cinema?wait=10ms").await;
    assert_eq!((titles(&late), late.flags()), (vec!["Dune".to_owned()], (true, false, true)));
    assert!(late.header("cache-status").starts_with("wellspring; hit; ttl="), "{}", late.header("cache-status"));
    // Another one joins the flight, and is told so.
    let address = app.address;
    let joining = wellspring::lifecycle::spawn(async move { crate::support::client::get(address, "/api/cinema?wait=30s").await });
    // Not before it has come: the flight is the first one's.
    while !String::from_utf8_lossy(&app.get("/metrics").await.body).contains("wellspring_reads_total{source=\"cinema\",result=\"stale\"} 2")
    {
    }
    origin.release("/");
    let joined = joining.await.unwrap();
    app.until_attempts("cinema", 2).await;
    assert!(
        joined.header("cache-status").starts_with("wellspring; fwd=stale; stored; collapsed; ttl="),
        "{}",
        joined.header("cache-status")
    );
    assert_eq!((titles(&joined), origin.count("/")), (vec!["Up".to_owned()], 2));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_refresh_leaves_the_patient_with_what_there_is() {
    let (origin, app) = cinema(&["Dune"], "").await;
    origin.script("/", Answer::status(500));
    app.clock.pass(LONG);
    let reply = app.get("/api/cinema?wait=30s").await;
    assert_eq!(
        (titles(&reply), reply.flags(), reply.degraded()),
        (vec!["Dune".to_owned()], (true, false, false), "upstream_status".into())
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_vanishes_leaves_its_refresh() {
    let (origin, app) = cinema(&["Dune"], "").await;
    origin.hold("/");
    origin.script("/", tix::films(&["Up"]));
    app.clock.pass(LONG);
    let address = app.address;
    let vanishing = wellspring::lifecycle::spawn(async move { crate::support::client::get(address, "/api/cinema?wait=30s").await });
    origin.wait_for_requests("/", 2).await;
    vanishing.abort();
    origin.release("/");
    app.until_attempts("cinema", 2).await;
    assert_eq!(titles(&app.get("/api/cinema").await), ["Up"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_age_within_the_period_is_a_forced_refresh_and_judged_as_one() {
    let (origin, app) = cinema(&["Dune"], "").await;
    let check = async |headers: &[(&str, &str)], query: &str, fetches: usize, flags: (bool, bool, bool)| {
        let before = origin.count("/");
        let reply = app.send(http::Method::GET, &format!("/api/cinema?{query}"), headers).await;
        assert_eq!((reply.status.as_u16(), reply.flags()), (200, flags), "{query} {headers:?}");
        assert_eq!(origin.count("/") - before, fetches, "{query} {headers:?}");
    };
    app.clock.pass(Duration::from_secs(60));
    check(&[], "max_age=2m&wait=30s", 0, (true, true, false)).await;
    for stranger in [
        ("x-forwarded-for", "203.0.113.9"),
        ("origin", "https://evil.example"),
        ("host", "evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("referer", "https://evil.example/page"),
    ] {
        check(&[stranger], "max_age=10s&wait=30s", 0, (true, true, false)).await;
    }
    check(&[("sec-fetch-site", "same-origin")], "max_age=10s&wait=30s", 1, (false, true, false)).await;
    app.clock.pass(Duration::from_secs(5));
    check(&[], "max_age=1s&wait=30s", 0, (true, true, false)).await;
    app.clock.pass(Duration::from_secs(5));
    check(&[], "max_age=1s&wait=30s", 1, (false, true, false)).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_age_forces_a_source_that_forbids_it() {
    let (origin, app) = cinema(&["Dune"], "manual_refresh = false").await;
    app.clock.pass(Duration::from_secs(60));
    assert_eq!(app.get("/api/cinema?max_age=0&wait=30s").await.flags(), (true, true, false));
    assert_eq!(origin.count("/"), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_the_token_decides_of_ages_too() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let source = tix::source("cinema", &origin, "/", "fresh_for = \"1h\"\nmin_interval = \"0s\"");
    let app = Builder::new().with_server("admin_token = \"t\"").with_source(&source).start().await;
    app.until_attempts("cinema", 1).await;
    app.clock.pass(Duration::from_secs(60));
    assert_eq!(app.get("/api/cinema?max_age=0&wait=30s").await.flags(), (true, true, false));
    let known = app.send(http::Method::GET, "/api/cinema?max_age=0&wait=30s", &[("authorization", "Bearer t")]).await;
    assert_eq!((known.flags(), origin.count("/")), ((false, true, false), 2));
    assert_eq!(known.header("cache-control"), "no-cache");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_key_waits_as_long_as_its_reader_says() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    origin.hold("/");
    let app = TestApp::with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\"\nwarm = false\ncold_wait = \"60s\"")).await;
    let impatient = app.get("/api/cinema?wait=0").await;
    assert_eq!((impatient.status.as_u16(), &impatient.json()["items"]), (503, &json!([])));
    assert!(!impatient.header("retry-after").is_empty());
    origin.wait_for_requests("/", 1).await;
    origin.release("/");
    assert_eq!(app.get("/api/cinema?wait=30s&limit=1").await.status, 200);
    assert_eq!(origin.count("/"), 1);
    app.stop().await;
}
