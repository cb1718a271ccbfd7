//! Content codings, what is counted of reads, and the access log.

use std::io::Read as _;
use std::time::Duration;

use http::Method;
use wellspring::engine::reads::Read;

use crate::support::app::{Builder, TestApp};
use crate::support::client::{Connection, Reply};
use crate::support::origin::Origin;
use crate::support::tix;

const BROWSER: (&str, &str) = ("accept-encoding", "gzip, deflate, br, zstd");

/// A server with a list of so many films, of which its source takes 17.
async fn films(count: usize) -> (Origin, TestApp) {
    let origin = Origin::start().await;
    let titles: Vec<String> = (0..count).map(|n| format!("Film {n}")).collect();
    origin.script("/", tix::films(&titles.iter().map(String::as_str).collect::<Vec<_>>()));
    let app = TestApp::with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\"")).await;
    app.until_attempts("cinema", 1).await;
    (origin, app)
}

async fn ask(app: &TestApp, headers: &[(&str, &str)]) -> Reply {
    app.send(Method::GET, "/api/cinema", headers).await
}

/// Asks until the answer is in a coding.
async fn until_coded(app: &TestApp, accepts: &str) -> Reply {
    let mut connection = Connection::open(app.address).await;
    let coded = async {
        loop {
            let reply = connection.send(Method::GET, "/api/cinema", &[("accept-encoding", accepts)]).await;
            if reply.headers.contains_key("content-encoding") {
                return reply;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), coded).await.expect("it is coded at last")
}

fn decoded(reply: &Reply) -> Vec<u8> {
    let mut plain = Vec::new();
    match reply.header("content-encoding") {
        "zstd" => zstd::Decoder::new(&*reply.body).unwrap().read_to_end(&mut plain),
        "br" => brotli::Decompressor::new(&*reply.body, 4_096).read_to_end(&mut plain),
        "gzip" => flate2::read::GzDecoder::new(&*reply.body).read_to_end(&mut plain),
        other => panic!("coded as {other:?}"),
    }
    .unwrap();
    plain
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_reader_gets_it_plain_and_later_ones_coded() {
    let (_origin, app) = films(50).await;
    let plain = ask(&app, &[]).await;
    for coding in ["zstd", "br", "gzip"] {
        let first = ask(&app, &[("accept-encoding", coding)]).await;
        assert_eq!((first.header("content-encoding"), first.header("etag")), ("", plain.header("etag")), "{coding}: on first demand");
        let coded = until_coded(&app, coding).await;
        assert_eq!((coded.header("content-encoding"), decoded(&coded)), (coding, plain.body.to_vec()));
        assert!(coded.body.len() < plain.body.len() / 2, "{coding}: {} of {}", coded.body.len(), plain.body.len());
        assert_eq!(coded.header("content-length"), coded.body.len().to_string());
        assert_eq!(coded.header("etag"), plain.header("etag").trim_end_matches('"').to_owned() + "-" + coding + "\"");
        assert_eq!((coded.header("vary"), coded.header("content-type")), ("Accept-Encoding", "application/json"));
        let head = app.send(Method::HEAD, "/api/cinema", &[("accept-encoding", coding)]).await;
        for name in ["content-encoding", "content-length", "etag", "vary", "cache-control"] {
            assert_eq!(head.header(name), coded.header(name), "{coding}: {name} of HEAD");
        }
    }
    assert_eq!(until_coded(&app, BROWSER.1).await.header("content-encoding"), "zstd");
    assert_eq!(ask(&app, &[]).await.header("content-encoding"), "", "nobody gets a coding unasked");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_of_any_coding_that_is_taken_is_a_match() {
    let (_origin, app) = films(50).await;
    let plain = ask(&app, &[]).await.header("etag").to_owned();
    let zstd = until_coded(&app, "zstd").await.header("etag").to_owned();
    let gzip = zstd.replace("-zstd", "-gzip");
    let matched = async |accepts: &str, tag: &str| {
        let reply = ask(&app, &[("accept-encoding", accepts), ("if-none-match", tag)]).await;
        assert_eq!((reply.status == 304, reply.body.is_empty()), (reply.status != 200, reply.status != 200));
        (reply.status.as_u16(), reply.header("etag").to_owned())
    };
    assert_eq!(matched(BROWSER.1, &zstd).await, (304, zstd.clone()));
    assert_eq!(matched(BROWSER.1, &plain).await, (304, plain.clone()), "what it got first, it may keep");
    assert_eq!(matched(BROWSER.1, &gzip).await, (304, gzip.clone()), "also one that is not made yet, as after a restart");
    assert_eq!(matched("gzip", &zstd).await.0, 200, "a coding that it does not take is none of its own");
    assert_eq!(matched("zstd, identity;q=0", &plain).await.0, 200);
    assert_eq!(matched("identity", &zstd).await.0, 200);
    assert_eq!(matched(BROWSER.1, &zstd.replace("-zstd", "-lzma")).await.0, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_touch_replaces_the_coded_body() {
    let (_origin, app) = films(50).await;
    let before = until_coded(&app, "gzip").await;
    app.clock.pass(Duration::from_secs(60));
    assert_eq!(app.post("/api/cinema/refresh").await.status, 200);
    let after = until_coded(&app, "gzip").await;
    assert_ne!(before.header("etag"), after.header("etag"));
    assert_eq!(decoded(&after), ask(&app, &[]).await.body);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_short_stays_as_it_is() {
    let (_origin, app) = films(1).await;
    for _ in 0..50 {
        let reply = ask(&app, &[BROWSER]).await;
        assert_eq!((reply.header("content-encoding"), reply.header("vary")), ("", "Accept-Encoding"));
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_router_are_coded_too() {
    let (_origin, app) = films(50).await;
    let plain = app.post("/api/cinema/refresh").await;
    assert_eq!(plain.header("content-encoding"), "");
    let origin = ("accept-encoding", "br");
    app.clock.pass(Duration::from_secs(60));
    let coded = app.post_with("/api/cinema/refresh", &[origin]).await;
    assert_eq!((coded.status.as_u16(), coded.header("content-encoding")), (200, "br"));
    assert!(coded.header("etag").ends_with("-br\""), "{}", coded.header("etag"));
    assert_eq!(coded.header("content-length"), coded.body.len().to_string());
    let items = serde_json::from_slice::<serde_json::Value>(&decoded(&coded)).unwrap()["items"].clone();
    assert_eq!(items, plain.json()["items"]);
    let short = app.send(Method::GET, "/health", &[BROWSER]).await;
    assert_eq!((short.header("content-encoding"), short.header("vary")), ("", "Accept-Encoding"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_counted_by_what_they_found_and_a_reload_goes_on_counting() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let lines = "fresh_for = \"1h\"\nmax_stale = \"1d\"\nwarm = false";
    let builder = |lines: &str| Builder::new().with_source(&tix::source("cinema", &origin, "/", lines));
    let app = builder(lines).start().await;
    let counts = || {
        let catalog = app.app().engine.catalog();
        Read::ALL.map(|read| catalog.source("cinema").unwrap().reads.of(read))
    };
    app.get("/api/cinema").await;
    app.get("/api/cinema").await;
    app.get("/api/cinema?").await;
    app.get("/api/cinema?nope=1").await;
    assert_eq!(counts(), [2, 0, 0, 1, 1]);
    origin.hold("/");
    app.clock.pass(Duration::from_secs(3_600));
    app.get("/api/cinema").await;
    app.clock.pass(Duration::from_secs(90_000));
    app.get("/api/cinema").await;
    assert_eq!(counts(), [2, 1, 1, 1, 1]);
    origin.release("/");
    app.reload(&builder(&lines.replace("1d", "2d"))).await;
    assert_eq!(counts(), [2, 1, 1, 1, 1]);
    app.stop().await;
}
