//! Requests that are none, or too large, at the socket: each hears why, whole, and the server goes on.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::app::TestApp;
use crate::support::origin::Origin;
use crate::support::tix;

/// Longer than any answer takes; what ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

async fn cinema() -> (Origin, TestApp) {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let app = TestApp::with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\"")).await;
    app.until_attempts("cinema", 1).await;
    (origin, app)
}

/// Writes all of it, then reads until the server closes.
async fn closing(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let talk = async {
        stream.write_all(bytes).await.expect("all of it is taken");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("the connection is closed and not reset");
        String::from_utf8(answer).unwrap()
    };
    tokio::time::timeout(PATIENCE, talk).await.expect("the server closes")
}

/// Sends a request that the server refuses by closing: its answer is a whole problem.
async fn check(app: &TestApp, request: &[u8], status: u16, code: &str) {
    let answer = closing(app.address, request).await;
    let shown = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?}: {answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/problem+json"), "{shown:?}: {head}");
    assert!(head.contains("connection: close") && head.contains("cache-control: no-store") && head.contains("date: "), "{shown:?}: {head}");
    assert!(head.lines().any(|line| line == format!("content-length: {}", body.len())), "{shown:?}: {head}\n{body}");
    let problem: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{shown:?}: {e}: {body}"));
    assert_eq!(
        (problem["status"].as_u64(), problem["type"].as_str()),
        (Some(status.into()), Some(format!("urn:wellspring:problem:{code}").as_str())),
        "{shown:?}"
    );
    assert_eq!(app.get("/api/cinema").await.status, 200, "the server goes on after {shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_hears_so() {
    let (_origin, app) = cinema().await;
    check(&app, b"GET /\r\n\r\n", 400, "bad_request").await;
    check(&app, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request").await;
    check(&app, b"GET /api/cinema HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n", 400, "bad_request").await;
    check(&app, b"GET /api/cinema HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400, "bad_request").await;
    check(&app, b"GET /api/cinema HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n", 400, "bad_request").await;
    check(&app, b"GET /api/ cinema HTTP/1.1\r\nhost: x\r\n\r\n", 400, "bad_request").await;
    check(&app, b"GET http://evil.example/api/cinema HTTP/1.1\r\nhost: x\r\n\r\n", 400, "bad_host").await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_asked_and_asks_no_more_is_answered() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let source = tix::source("cinema", &origin, "/", "fresh_for = \"1h\"\nwarm = false");
    let app = TestApp::with_source(&source).await;
    origin.hold("/");
    let asking = async |path: &str| {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        stream
    };
    let answered = async |mut stream: TcpStream| {
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("the server closes").unwrap();
        answer
    };
    // One that has to wait for the origin, one that a handler answers, and a hit.
    let cold = asking("/api/cinema").await;
    assert!(answered(asking("/health").await).await.ends_with("\"status\": \"ok\"\n}\n"));
    origin.release("/");
    for stream in [cold, asking("/api/cinema").await] {
        let answer = answered(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"Dune\"") && answer.ends_with('}'), "{answer}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_hears_so_while_it_is_sent() {
    let (_origin, app) = cinema().await;
    let header = format!("GET /api/cinema HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    check(&app, header.as_bytes(), 431, "headers_too_large").await;
    let headers = format!("GET /api/cinema HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-flood: y\r\n".repeat(10_000));
    check(&app, headers.as_bytes(), 431, "headers_too_large").await;
    let few = format!("GET /api/cinema HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(200));
    check(&app, few.as_bytes(), 431, "headers_too_large").await;
    for size in [100_000, 1 << 20] {
        let target = format!("GET /api/{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(size));
        check(&app, target.as_bytes(), 414, "target_too_long").await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_ambiguous_is_refused() {
    let (_origin, app) = cinema().await;
    let both = "GET /api/cinema HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /api/nope HTTP/1.1\r\nhost: x\r\n\r\n";
    check(&app, both.as_bytes(), 411, "length_required").await;
    check(&app, b"GET /api/cinema HTTP/1.1\r\n\r\n", 400, "bad_host").await;
    check(&app, b"GET /api/cinema HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400, "bad_host").await;
    check(&app, b"GET /api/cinema HTTP/1.1\r\nhost: a/b\r\n\r\n", 400, "bad_host").await;
    check(&app, b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n", 501, "not_implemented").await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_on_a_read_costs_the_connection_and_not_the_answer() {
    let (_origin, app) = cinema().await;
    let body = "z".repeat(1 << 20);
    let request = format!(
        "GET /api/cinema HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}GET /api/nope HTTP/1.1\r\nhost: x\r\n\r\n",
        body.len()
    );
    let answer = closing(app.address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with('}'), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "what follows the body is not taken for a request: {answer}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_a_route_does_not_take_are_named_with_those_it_does() {
    let (_origin, app) = cinema().await;
    for (method, path, allow) in [
        ("TRACE", "/api/cinema", "GET, HEAD"),
        ("PUT", "/api/cinema.ndjson", "GET, HEAD"),
        ("BREW", "/api/cinema/history", "GET, HEAD"),
        ("GET", "/api/cinema/refresh", "POST"),
    ] {
        let reply = app.send(http::Method::from_bytes(method.as_bytes()).unwrap(), path, &[]).await;
        assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, allow), "{method} {path}");
        assert_eq!(reply.header("content-type"), "application/problem+json", "{method} {path}");
    }
    app.stop().await;
}
