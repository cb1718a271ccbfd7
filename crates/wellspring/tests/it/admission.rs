//! Who may force a refresh: the whole matrix.

use http::Method;

use crate::support::app::{Builder, TestApp};
use crate::support::origin::Origin;
use crate::support::tix;

async fn cinema(server: &str, lines: &str) -> (Origin, TestApp) {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let source = tix::source("cinema", &origin, "/", &format!("fresh_for = \"1h\"\nmin_interval = \"0s\"\n{lines}"));
    let app = Builder::new().with_server(server).with_source(&source).start().await;
    app.until_attempts("cinema", 1).await;
    (origin, app)
}

/// Posts a forced refresh with these headers: the status, and whether the origin was asked.
async fn check(origin: &Origin, app: &TestApp, headers: &[(&str, &str)], status: u16) {
    let before = origin.count("/");
    let reply = app.post_with("/api/cinema/refresh", headers).await;
    assert_eq!(reply.status.as_u16(), status, "{headers:?}: {:?}", reply.body);
    assert_eq!(origin.count("/") - before, usize::from(status == 200), "{headers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_only_the_machine_itself_may() {
    let (origin, app) = cinema("", "").await;
    let port = app.address.port();
    check(&origin, &app, &[], 200).await;
    check(&origin, &app, &[("host", &format!("localhost:{port}"))], 200).await;
    check(&origin, &app, &[("host", "localhost")], 200).await;
    check(&origin, &app, &[("host", &format!("127.0.0.1:{port}")), ("origin", &format!("http://127.0.0.1:{port}"))], 200).await;
    check(&origin, &app, &[("host", "rebound.example")], 403).await;
    check(&origin, &app, &[("host", "")], 403).await;
    check(&origin, &app, &[("origin", "https://evil.example")], 403).await;
    check(&origin, &app, &[("origin", "null")], 403).await;
    check(&origin, &app, &[("origin", "http://127.0.0.1:1")], 403).await;
    check(&origin, &app, &[("x-forwarded-proto", "https")], 403).await;
    check(&origin, &app, &[("sec-fetch-site", "same-origin")], 200).await;
    check(&origin, &app, &[("sec-fetch-site", "cross-site")], 403).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn configured_hosts_replace_the_default_ones() {
    let (origin, app) = cinema("hosts = [\"wells.example\"]", "").await;
    check(&origin, &app, &[("host", "wells.example")], 200).await;
    check(&origin, &app, &[("host", "wells.example:8080")], 200).await;
    check(&origin, &app, &[("host", "localhost")], 403).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_the_token_decides() {
    let (origin, app) = cinema("admin_token = \"correct-horse\"", "").await;
    check(&origin, &app, &[], 401).await;
    check(&origin, &app, &[("authorization", "Bearer wrong")], 401).await;
    check(&origin, &app, &[("authorization", "Basic correct-horse")], 401).await;
    check(&origin, &app, &[("authorization", "Bearer correct-horse")], 200).await;
    check(&origin, &app, &[("authorization", "bearer correct-horse"), ("x-forwarded-for", "203.0.113.9"), ("host", "any.example")], 200)
        .await;
    let refused = app.post("/api/cinema/refresh").await;
    assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"wellspring\"");
    assert_eq!(refused.header("access-control-allow-origin"), "", "no page elsewhere may even read the refusal");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_may_forbid_it_to_everyone() {
    let (origin, app) = cinema("admin_token = \"t\"", "manual_refresh = false").await;
    // Judged first: not even the lack of a token is told.
    check(&origin, &app, &[], 405).await;
    check(&origin, &app, &[("authorization", "Bearer t")], 405).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_post_refreshes() {
    let (origin, app) = cinema("", "").await;
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::PATCH] {
        let reply = app.send(method.clone(), "/api/cinema/refresh", &[]).await;
        assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, "POST"), "{method}");
    }
    assert_eq!(origin.count("/"), 1);
    app.stop().await;
}
