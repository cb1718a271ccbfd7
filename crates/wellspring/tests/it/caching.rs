//! What answers say to caches, and that HEAD, OPTIONS and conditions say the same.

use std::time::Duration;

use http::Method;

use crate::support::app::TestApp;
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

async fn cinema(lines: &str) -> (Origin, TestApp) {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let app = TestApp::with_source(&tix::source("cinema", &origin, "/", lines)).await;
    app.until_attempts("cinema", 1).await;
    (origin, app)
}

/// The caching headers of a path: `Cache-Control` and `Age`.
async fn check(app: &TestApp, path: &str, caching: &str, age: &str) {
    let reply = app.get(path).await;
    assert_eq!((reply.header("cache-control"), !reply.header("age").is_empty()), (caching, !age.is_empty()), "{path}");
    if let (Ok(least), Ok(age)) = (age.parse::<u64>(), reply.header("age").parse::<u64>()) {
        assert!((least..least + 60).contains(&age), "{path}: {age}");
    }
    let same = app.send(Method::GET, path, &[("if-none-match", reply.header("etag"))]).await;
    for name in ["cache-control", "etag", "vary", "access-control-allow-origin"] {
        assert_eq!(same.header(name), reply.header(name), "{path}: {name} of a 304");
    }
    assert_eq!(
        (same.status.as_u16(), same.header("date").is_empty(), same.header("age").is_empty()),
        (304, false, age.is_empty()),
        "{path}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_everybody_asks_every_time() {
    let (_origin, app) = cinema("fresh_for = \"1h\"").await;
    for path in ["/api/cinema", "/api/cinema?", "/api/cinema?limit=1", "/api/cinema.ndjson", "/api/cinema/history"] {
        check(&app, path, "no-cache", "").await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_answers_tell_the_whole_period_and_how_much_of_it_is_spent() {
    let (origin, app) = cinema("fresh_for = \"1h\"\nmax_stale = \"90m\"\nhttp_cache = \"shared\"").await;
    let shared = "public, max-age=3600, stale-while-revalidate=1800, stale-if-error=1800";
    app.clock.pass(Duration::from_secs(600));
    for path in ["/api/cinema", "/api/cinema?limit=1", "/api/cinema.ndjson"] {
        check(&app, path, shared, "600").await;
    }
    // Whom it depends on, and what never was one state of the data.
    check(&app, "/api/cinema?max_age=1d", "no-cache", "600").await;
    assert_eq!(app.get("/api/cinema?limit=-1").await.header("cache-control"), "no-store");
    assert_eq!(app.post("/api/cinema/refresh").await.header("cache-control"), "no-cache");
    // Stale: a cache sees by the age that it is.
    origin.hold("/");
    app.clock.pass(Duration::from_secs(3_700));
    check(&app, "/api/cinema", shared, "3700").await;
    // Expired: nobody keeps it.
    app.clock.pass(Duration::from_secs(3_600));
    check(&app, "/api/cinema", "no-cache", "7300").await;
    origin.release("/");
    app.until_attempts("cinema", 3).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_that_it_failed_is_kept_by_nobody() {
    let (origin, app) = cinema("fresh_for = \"1h\"\nhttp_cache = \"shared\"\nmin_interval = \"0s\"").await;
    check(&app, "/api/cinema", "public, max-age=3600, stale-while-revalidate=3600, stale-if-error=2592000", "0").await;
    origin.script("/", Answer::status(500));
    app.post("/api/cinema/refresh").await;
    assert_eq!(app.get("/api/cinema").await.degraded(), "upstream_status");
    check(&app, "/api/cinema", "no-cache", "0").await;
    let told = app.get("/api/cinema.ndjson").await;
    assert!(told.header("cache-status").ends_with("; detail=upstream_status"), "{}", told.header("cache-status"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_answer_of_a_cold_key_is_kept_by_nobody() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let app =
        TestApp::with_source(&tix::source("cinema", &origin, "/", "fresh_until = \"00:00 UTC\"\nwarm = false\nhttp_cache = \"shared\""))
            .await;
    let first = app.get("/api/cinema").await;
    assert_eq!((first.header("cache-control"), first.flags().0), ("no-cache", false));
    assert!(first.header("cache-status").starts_with("wellspring; fwd=miss; stored; ttl="), "{}", first.header("cache-status"));
    let next = app.get("/api/cinema").await;
    assert!(next.header("cache-control").starts_with("public, max-age="), "{}", next.header("cache-control"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_says_what_get_says_and_options_what_there_is() {
    let (_origin, app) = cinema("fresh_for = \"1h\"").await;
    for path in [
        "/",
        "/api",
        "/api/cinema",
        "/api/cinema?limit=1",
        "/api/cinema.json",
        "/api/cinema.ndjson",
        "/api/cinema/history",
        "/api/cinema/status",
        "/health",
        "/ready",
        "/api/nope",
        "/nowhere",
        "/api/cinema?limit=-1",
    ] {
        let get = app.get(path).await;
        let head = app.send(Method::HEAD, path, &[]).await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for (name, value) in &get.headers {
            // A second may pass between the two, and a status tells its age to the millisecond.
            if name != "date" && name != "cache-status" && !(path.ends_with("/status") || path == "/" || path == "/api") {
                assert_eq!(head.headers.get(name), Some(value), "{path}: {name}");
            }
        }
        assert_eq!(get.header("content-length"), get.body.len().to_string(), "{path}");
        assert_eq!(get.header("access-control-allow-origin"), "*", "{path}");
    }
    for (path, allow, cors) in [
        ("/api/cinema", "GET, HEAD", "GET, HEAD"),
        ("/api/cinema.ndjson", "GET, HEAD", "GET, HEAD"),
        ("/api/cinema/history", "GET, HEAD", "GET, HEAD"),
        ("/api/cinema/refresh", "POST", ""),
        ("/health", "GET, HEAD", "GET, HEAD"),
    ] {
        let options =
            app.send(Method::OPTIONS, path, &[("origin", "https://site.example"), ("access-control-request-method", "GET")]).await;
        assert_eq!((options.status.as_u16(), options.header("allow")), (204, allow), "{path}");
        assert_eq!(options.header("access-control-allow-methods"), cors, "{path}");
    }
    app.stop().await;
}
