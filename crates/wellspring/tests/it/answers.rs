//! What clients see, to the letter.

use std::time::Duration;

use http::Method;

use crate::support::app::{Builder, TestApp};
use crate::support::client::Reply;
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

async fn cinema(lines: &str) -> (Origin, TestApp) {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let app = TestApp::with_source(&tix::source("cinema", &origin, "/", lines)).await;
    app.until_attempts("cinema", 1).await;
    (origin, app)
}

/// The body as text, with what differs from run to run put in words.
fn body(reply: &Reply, origin: &Origin) -> String {
    let text = String::from_utf8(reply.body.to_vec()).unwrap().replace(&origin.url(""), "ORIGIN");
    let json = reply.json();
    let mut told = text;
    for name in ["cache_date", "fetched_at"] {
        if let Some(value) = json[name].as_str() {
            let shape: String = value.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
            told = told.replace(value, &shape);
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_as_the_contract_says() {
    let (origin, app) = cinema("fresh_for = \"1h\"\nmax_stale = \"2h\"").await;
    let fresh = body(&app.get("/api/cinema").await, &origin);
    insta::assert_snapshot!(fresh, @r#"{"items":[{"img":"ORIGIN/poster/dune.webp","title":"Dune"}],"from_cache":true,"cache_valid":true,"cache_date":"9999-99-99 99:99:99","fetched_at":"9999-99-99T99:99:99+99:99","refreshing_in_background":false}"#);
    origin.hold("/");
    app.clock.pass(Duration::from_secs(2 * 3_600));
    let expired = body(&app.get("/api/cinema").await, &origin);
    insta::assert_snapshot!(expired, @r#"{"items":[{"img":"ORIGIN/poster/dune.webp","title":"Dune"}],"from_cache":true,"cache_valid":false,"cache_date":"9999-99-99 99:99:99","fetched_at":"9999-99-99T99:99:99+99:99","refreshing_in_background":true,"expired":true}"#);
    origin.script("/", Answer::status(500));
    origin.release("/");
    app.until_attempts("cinema", 2).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn degraded_data_says_why() {
    let (origin, app) = cinema("fresh_for = \"1h\"").await;
    origin.script("/", tix::films(&[]));
    app.clock.pass(Duration::from_secs(3_600));
    app.get("/api/cinema").await;
    app.until_attempts("cinema", 2).await;
    insta::assert_snapshot!(body(&app.get("/api/cinema").await, &origin), @r#"{"items":[{"img":"ORIGIN/poster/dune.webp","title":"Dune"}],"from_cache":true,"cache_valid":false,"cache_date":"9999-99-99 99:99:99","fetched_at":"9999-99-99T99:99:99+99:99","refreshing_in_background":false,"degraded":{"code":"gate_failed","message":"min_items: no row was found where at least 1 was expected: has the page changed, or is it filled by JavaScript?"}}"#);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_may_have_another_name_and_the_age_may_be_told() {
    let (origin, app) = cinema("fresh_for = \"24h\"\nitems_key = \"films\"\nreport_age = true").await;
    let text = body(&app.get("/api/cinema").await, &origin);
    assert!(text.starts_with("{\"films\":[{") && text.contains("\"cache_age_hours\":0.0,"), "{text}");
    app.clock.pass(Duration::from_secs(3_600 * 5 / 2));
    assert_eq!(app.get("/api/cinema").await.member("cache_age_hours"), 2.5);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_as_the_contract_says() {
    let (_origin, app) = cinema("fresh_for = \"1h\"").await;
    let reply = app.get("/api/cinema").await;
    let etag = reply.header("etag").to_owned();
    assert!(etag.starts_with("\"1-") && etag.ends_with('"'), "{etag}");
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("vary"), "Accept-Encoding");
    assert!(reply.header("cache-status").starts_with("wellspring; hit; ttl=3"), "{}", reply.header("cache-status"));
    assert!(reply.header("last-modified").ends_with(" GMT"));
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    assert!(reply.header("access-control-expose-headers").contains("ETag"));
    assert_eq!(reply.header("content-length"), reply.body.len().to_string());

    let head = app.send(Method::HEAD, "/api/cinema", &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len(), head.header("content-length")), (200, 0, reply.header("content-length")));
    for given in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let same = app.send(Method::GET, "/api/cinema", &[("if-none-match", &given)]).await;
        assert_eq!((same.status.as_u16(), same.body.len(), same.header("etag")), (304, 0, etag.as_str()), "{given}");
    }
    assert_eq!(app.send(Method::GET, "/api/cinema", &[("if-none-match", "\"1-0\"")]).await.status, 200);
    app.clock.pass(Duration::from_secs(7_200));
    let stale = app.send(Method::GET, "/api/cinema", &[("if-none-match", &etag)]).await;
    assert_eq!(stale.status, 200, "what is said of the data has changed, so a badge changes");
    assert!(stale.header("cache-status").starts_with("wellspring; hit; ttl=-36"), "{}", stale.header("cache-status"));
    app.until_attempts("cinema", 2).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_origins_may_read_as_configured() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let app = Builder::new()
        .with_server("cors_origins = [\"https://site.example\"]")
        .with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\""))
        .start()
        .await;
    app.until_attempts("cinema", 1).await;
    for path in ["/api/cinema", "/api/cinema?", "/api", "/api/cinema/status", "/health", "/api/nope"] {
        let allowed = app.send(Method::GET, path, &[("origin", "https://site.example")]).await;
        assert_eq!(allowed.header("access-control-allow-origin"), "https://site.example", "{path}");
        let other = app.send(Method::GET, path, &[("origin", "https://other.example")]).await;
        assert_eq!(other.header("access-control-allow-origin"), "", "{path}");
        for reply in [allowed, other] {
            assert_eq!(reply.headers.get_all("vary").iter().filter(|v| *v == "Origin").count(), 1, "{path}");
        }
    }
    let preflight = app.send(Method::OPTIONS, "/api/cinema", &[("origin", "https://site.example")]).await;
    assert_eq!((preflight.status.as_u16(), preflight.header("access-control-allow-methods")), (204, "GET, HEAD"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_problems_that_name_the_way_out() {
    let (_origin, app) = cinema("fresh_for = \"1h\"").await;
    let problem = |reply: Reply| {
        assert_eq!(reply.header("content-type"), "application/problem+json");
        String::from_utf8(reply.body.to_vec()).unwrap()
    };
    insta::assert_snapshot!(problem(app.get("/api/cinena").await), @r#"{"type":"urn:wellspring:problem:unknown_source","title":"Not Found","status":404,"detail":"no source is called `cinena`; did you mean `cinema`?","known_sources":["cinema"]}"#);
    insta::assert_snapshot!(problem(app.get("/api/cinema?city=x").await), @r#"{"type":"urn:wellspring:problem:bad_parameter","title":"Bad Request","status":400,"detail":"`city` is no parameter of this source; it takes none","parameter":"city"}"#);
    insta::assert_snapshot!(problem(app.send(Method::DELETE, "/api/cinema", &[]).await), @r#"{"type":"urn:wellspring:problem:method_not_allowed","title":"Method Not Allowed","status":405,"detail":"this route takes GET, HEAD"}"#);
    insta::assert_snapshot!(problem(app.get("/nowhere").await), @r#"{"type":"urn:wellspring:problem:not_found","title":"Not Found","status":404,"detail":"there is nothing at `/nowhere`","routes":["/","/sources/{source}","/docs","/api","/api/{source}","/api/{source}/status","/api/{source}/history","/api/{source}/refresh","/api/stream","/admin/export","/health","/ready","/openapi.json","/metrics","/wellspring.js","/demo"],"known_sources":["cinema"]}"#);
    insta::assert_snapshot!(problem(app.post("/api/cinema/refresh?wait=soon").await), @r#"{"type":"urn:wellspring:problem:bad_parameter","title":"Bad Request","status":400,"detail":"`wait` takes whole numbers with a unit (ms, s, m, h, d, w), as in wait=2s or wait=1h30m, not `soon`","parameter":"wait"}"#);
    assert_eq!(app.send(Method::DELETE, "/api/cinema", &[]).await.header("allow"), "GET, HEAD");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_lists_every_source_with_its_state_and_links() {
    let (_origin, app) = cinema("fresh_for = \"1h\"\ndescription = \"Films\"").await;
    for path in ["/", "/api"] {
        let index = app.get(path).await.json();
        let source = &index["sources"][0];
        assert_eq!(
            source["links"],
            serde_json::json!({"data": "/api/cinema", "status": "/api/cinema/status", "history": "/api/cinema/history", "refresh": "/api/cinema/refresh"})
        );
        assert_eq!(
            (source["name"].as_str(), source["description"].as_str(), source["freshness"].as_str(), source["items"].as_u64()),
            (Some("cinema"), Some("Films"), Some("fresh"), Some(1))
        );
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_tells_all_and_fetches_nothing() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let app = TestApp::with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\"\nwarm = false")).await;
    let cold = app.status("cinema").await;
    assert_eq!((cold["freshness"].as_str(), cold["phase"].as_str(), origin.count("/")), (Some("absent"), Some("idle"), 0));
    app.get("/api/cinema").await;
    let status = app.status("cinema").await;
    assert_eq!(
        (status["revision"].as_u64(), status["recent"][0]["trigger"].as_str(), status["recent"][0]["outcome"].as_str()),
        (Some(1), Some("cold"), Some("stored"))
    );
    let gates: Vec<_> = status["recent"][0]["gates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| (g["name"].as_str().unwrap(), g["passed"].as_bool().unwrap()))
        .collect();
    assert_eq!(gates, [("required", true), ("min_items", true)]);
    app.clock.pass(Duration::from_secs(3_600));
    assert_eq!((app.status("cinema").await["freshness"].as_str(), origin.count("/")), (Some("stale"), 1));
    app.stop().await;
}
