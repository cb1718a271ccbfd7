//! What broke in systems like this one, on the side of the reader: each trap by its name.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::app::{Builder, TestApp};
use crate::support::client::get;
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

async fn cinema() -> (Origin, TestApp) {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let app = TestApp::with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\"")).await;
    app.until_attempts("cinema", 1).await;
    (origin, app)
}

/// Nitro, Next.js: caches in layers double the age. By default clients revalidate.
#[tokio::test(flavor = "multi_thread")]
async fn trap_caches_in_layers_double_the_age() {
    let (_origin, app) = cinema().await;
    let reply = app.get("/api/cinema").await;
    assert_eq!((reply.header("cache-control"), reply.header("age")), ("no-cache", ""));
    app.stop().await;
}

/// axum: `axum::serve` leaves hyper's header timeout inert.
#[tokio::test(flavor = "multi_thread")]
async fn trap_slow_headers_are_never_cut() {
    let (_origin, app) = cinema().await;
    let mut slow = TcpStream::connect(app.address).await.unwrap();
    slow.write_all(b"GET /api/cinema HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    // Ends when the server closes; the server's own limit is 10 s.
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(30), slow.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection was never cut");
    app.stop().await;
}

/// axum: one idle keep-alive connection blocks shutdown.
#[tokio::test(flavor = "multi_thread")]
async fn trap_idle_connection_blocks_shutdown() {
    let (_origin, app) = cinema().await;
    let mut idle = app.connect().await;
    idle.get("/api/cinema").await;
    tokio::time::timeout(Duration::from_secs(5), app.stop()).await.expect("an idle connection held the shutdown up");
}

/// A drain answers what is open: a reader that waits for a flight gets it.
#[tokio::test(flavor = "multi_thread")]
async fn a_drain_finishes_what_is_open() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    origin.hold("/");
    let app = TestApp::with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\"\nwarm = false")).await;
    let address = app.address;
    let reader = wellspring::lifecycle::spawn(async move { get(address, "/api/cinema").await });
    origin.wait_for_requests("/", 1).await;
    let stopping = wellspring::lifecycle::spawn(app.stop());
    origin.release("/");
    assert_eq!(reader.await.unwrap().items("title"), ["Dune"]);
    stopping.await.unwrap();
}

/// Readiness that fails with one dead upstream empties the load balancer.
#[tokio::test(flavor = "multi_thread")]
async fn trap_readiness_fails_with_one_dead_upstream() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    origin.script("/dead", Answer::status(500));
    let app = Builder::new()
        .with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\""))
        .with_source(&tix::source("dead", &origin, "/dead", "fresh_for = \"1h\""))
        .start()
        .await;
    app.until_attempts("cinema", 1).await;
    app.until_attempts("dead", 1).await;
    let ready = app.get("/ready").await;
    assert_eq!((ready.status.as_u16(), ready.member("status")), (200, serde_json::json!("degraded")));
    assert!(ready.member("reasons")[0].as_str().unwrap().starts_with("dead: "), "{}", ready.json());
    assert_eq!(app.get("/health").await.member("status"), "ok");
    app.stop().await;
}

/// A loopback listener behind a reverse proxy counts the world as local.
#[tokio::test(flavor = "multi_thread")]
async fn trap_loopback_behind_a_proxy_counts_the_world_as_local() {
    let (origin, app) = cinema().await;
    for header in ["x-forwarded-for", "x-forwarded-host", "forwarded", "via", "x-real-ip", "cf-connecting-ip", "true-client-ip"] {
        let reply = app.post_with("/api/cinema/refresh", &[(header, "203.0.113.9")]).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (403, "application/problem+json"), "{header}");
    }
    // nginx, where nobody told it to say more.
    let silent = format!("POST /api/cinema/refresh HTTP/1.0\r\nHost: {}\r\nConnection: close\r\n\r\n", app.address);
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(silent.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer.split(' ').nth(1), Some("403"), "{answer}");
    assert_eq!(origin.count("/"), 1);
    app.stop().await;
}
