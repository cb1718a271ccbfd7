//! Requests that are odd, hostile or merely unusual, to the letter on the wire.

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::app::TestApp;
use crate::support::origin::Origin;
use crate::support::tix;

async fn cinema() -> (Origin, TestApp) {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let app = TestApp::with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\"\nmin_interval = \"0s\"")).await;
    app.until_attempts("cinema", 1).await;
    (origin, app)
}

/// Sends bytes as they are and reads until the server closes or falls silent for a while.
async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that refuses early may close before all of it is written.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut part = vec![0; 64 << 10];
    while let Ok(Ok(read)) = tokio::time::timeout(Duration::from_millis(700), stream.read(&mut part)).await {
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&part[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The statuses of the answers to raw bytes, in order.
async fn check(address: SocketAddr, bytes: &str, statuses: &[u16]) {
    let answer = raw(address, bytes.as_bytes()).await;
    let got: Vec<u16> = answer.split("HTTP/1.").skip(1).filter_map(|rest| rest.get(2..5)?.parse().ok()).collect();
    assert_eq!(got, statuses, "{:?}\n{answer}", bytes.chars().take(200).collect::<String>());
}

#[tokio::test(flavor = "multi_thread")]
async fn unusual_requests_on_the_wire() {
    let (_origin, app) = cinema().await;
    let at = app.address;
    let hit = "GET /api/cinema HTTP/1.1\r\nhost: x\r\n\r\n";
    check(at, &hit.repeat(5), &[200; 5]).await;
    check(at, &format!("{hit}GET /api/nope HTTP/1.1\r\nhost: x\r\n\r\n{hit}"), &[200, 404, 200]).await;
    check(at, "GET /api/cinema HTTP/1.0\r\n\r\n", &[200]).await;
    check(at, &format!("GET /api/cinema HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n{hit}"), &[200]).await;
    check(at, &format!("GET http://x/api/cinema HTTP/1.1\r\nhost: x\r\n\r\n{hit}"), &[200, 200]).await;
    check(at, &format!("GET /api/cinema HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello{hit}"), &[200, 200]).await;
    check(at, &format!("GET /api/cinema HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n{hit}"), &[411])
        .await;
    check(at, "HEAD /api/cinema HTTP/1.1\r\nhost: x\r\n\r\nHEAD /api/nope HTTP/1.1\r\nhost: x\r\n\r\n", &[200, 404]).await;
    check(at, &format!("POST /api/cinema/refresh HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{}}{hit}"), &[200, 200]).await;
    check(at, "POST /api/cinema/refresh HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n", &[200]).await;
    check(at, "BREW /api/cinema HTTP/1.1\r\nhost: x\r\n\r\n", &[405]).await;
    check(at, "CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n", &[501]).await;
    check(at, "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", &[204]).await;
    check(at, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_a_problem() {
    let (_origin, app) = cinema().await;
    let long = format!("/api/{}", "x".repeat(20_000));
    for (path, status) in [
        ("/api/", 404),
        ("/api//", 404),
        ("//api/cinema", 404),
        ("/api/cinema/", 404),
        ("/api/%63inema", 200),
        ("/api/%ff", 400),
        ("/api/%", 404),
        ("/api/..%2f..", 404),
        (&long, 404),
        ("/api/cinema?%zz", 400),
        ("/api/cinema?+", 400),
        ("/api/cinema?", 200),
        ("/api/cinema?&&", 200),
        ("/api/cinema/status?%ff=1", 400),
        ("/api/%ff/status", 400),
    ] {
        let reply = app.get(path).await;
        let kind = if status == 200 { "application/json" } else { "application/problem+json" };
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (status, kind), "{path:.80}: {:?}", reply.body);
    }
    let refused = app.post("/api/%ff/refresh").await;
    assert_eq!((refused.status.as_u16(), refused.header("content-type")), (400, "application/problem+json"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_something_is_for_no_other_origin() {
    let (_origin, app) = cinema().await;
    for path in ["/api/cinema/refresh", "/api/cinema/refresh?wait=0", "/api/nope/refresh"] {
        let reply = app.post(path).await;
        assert_eq!(reply.header("access-control-allow-origin"), "", "{path}");
    }
    app.until_attempts("cinema", 2).await;
    // A condition is for reads: the answer to a forced refresh is told whole.
    let reply = app.post_with("/api/cinema/refresh", &[("if-none-match", "*")]).await;
    assert_eq!((reply.status.as_u16(), reply.member("force_refreshed")), (200, serde_json::json!(true)));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_of_entity_tags_and_many_headers_are_borne() {
    let (_origin, app) = cinema().await;
    let etag = app.get("/api/cinema").await.header("etag").to_owned();
    let many = vec!["\"x\""; 4_000].join(",");
    let listed = app.send(Method::GET, "/api/cinema", &[("if-none-match", &format!("{many},{etag}"))]).await;
    assert_eq!(listed.status, 304);
    let unlisted = app.send(Method::GET, "/api/cinema", &[("if-none-match", &many)]).await;
    assert_eq!(unlisted.status, 200);
    let flood = "x-flood: y\r\n".repeat(10_000);
    let answer = raw(app.address, format!("GET /api/cinema HTTP/1.1\r\nhost: x\r\n{flood}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let huge = format!("GET /api/cinema HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let answer = raw(app.address, huge.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(app.get("/api/cinema").await.status, 200);
    app.stop().await;
}
