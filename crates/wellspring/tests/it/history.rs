//! What was: the list of revisions, and the data as of a moment.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::support::app::{Builder, TestApp};
use crate::support::origin::Origin;
use crate::support::tix;

/// A server whose source had two revisions, an hour apart.
async fn cinema(lines: &str) -> (Origin, TestApp) {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let app = Builder::new().with_source(&tix::source("cinema", &origin, "/", &format!("fresh_for = \"1h\"\n{lines}"))).start().await;
    app.until_attempts("cinema", 1).await;
    origin.script("/", tix::films(&["Up", "Ran"]));
    app.clock.pass(Duration::from_secs(3_600));
    app.get("/api/cinema").await;
    app.until_attempts("cinema", 2).await;
    (origin, app)
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_are_listed_newest_first_and_lead_to_their_data() {
    let (origin, app) = cinema("").await;
    let history = app.get("/api/cinema/history").await;
    let body = history.json();
    let revisions = body["revisions"].as_array().unwrap();
    let told: Vec<_> = revisions.iter().map(|r| (r["revision"].as_u64().unwrap(), r["items"].as_u64().unwrap())).collect();
    assert_eq!((told, body["key"].as_str()), (vec![(2, 2), (1, 1)], Some("cinema")));
    assert!(revisions[0]["made_at"].as_str().unwrap().ends_with("+07:00"), "{body}");
    assert!(revisions[0]["bytes"].as_u64().unwrap() > 20 && revisions[0]["digest"].as_str().unwrap().len() == 32, "{body}");
    for (revision, title) in revisions.iter().zip(["Up", "Dune"]) {
        let past = app.get(revision["href"].as_str().unwrap()).await;
        assert_eq!((past.items("title")[0].as_str(), &past.json()["revision"]), (title, &revision["revision"]));
    }
    let again = app.send(Method::GET, "/api/cinema/history", &[("if-none-match", history.header("etag"))]).await;
    assert_eq!((again.status.as_u16(), history.header("cache-control")), (304, "no-cache"));
    for path in ["/api/cinema/history?limit=1", "/api/cinema/history?city=x"] {
        assert_eq!(app.get(path).await.status, 400, "{path}");
    }
    assert_eq!(app.get("/api/nope/history").await.status, 404);
    assert_eq!(origin.count("/"), 2, "nothing was fetched for the past");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_as_of_a_moment_says_of_when_it_is() {
    let (origin, app) = cinema("").await;
    let history = app.get("/api/cinema/history").await.json();
    let first = history["revisions"][1]["href"].as_str().unwrap().to_owned();
    let past = app.get(&format!("{first}&fields=title")).await;
    let body = past.json();
    assert_eq!(body["items"], json!([{ "title": "Dune" }]));
    assert_eq!(
        (past.flags(), &body["revision"], &body["fetched_at"]),
        ((true, false, false), &json!(1), &history["revisions"][1]["made_at"])
    );
    assert!(body["as_of"].as_str().unwrap().ends_with("+07:00"));
    assert!(past.header("etag").starts_with("\"1-"), "{}", past.header("etag"));
    assert_eq!((past.header("cache-control"), past.header("vary")), ("no-cache", "Accept-Encoding"));
    let same = app.send(Method::GET, &format!("{first}&fields=title"), &[("if-none-match", past.header("etag"))]).await;
    assert_eq!(same.status, 304);
    assert_eq!(&app.get(&first.replace("cinema?", "cinema.ndjson?")).await.body[..1], b"{");
    let before = app.get("/api/cinema?as_of=2001-01-01T00:00:00Z").await;
    assert_eq!((before.status.as_u16(), &before.json()["oldest"]), (404, &history["revisions"][1]["made_at"]));
    app.clock.pass(Duration::from_secs(7_200));
    let href = history["revisions"][0]["href"].as_str().unwrap();
    assert_eq!(app.get(href).await.items("title")[0], "Up");
    assert_eq!(origin.count("/"), 2, "nothing was fetched for the past, stale as it is");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_never_fetched_has_no_past() {
    let origin = Origin::start().await;
    let app = TestApp::with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\"\nwarm = false")).await;
    assert_eq!(app.get("/api/cinema/history").await.json()["revisions"], json!([]));
    assert_eq!(app.get("/api/cinema?as_of=2026-01-01T00:00:00Z").await.status, 404);
    assert_eq!(origin.count("/"), 0);
    app.stop().await;
}
