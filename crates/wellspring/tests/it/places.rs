//! What a reader may start: at its place, within bounds, and to an end. Nobody else waits for it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::support::app::TestApp;
use crate::support::client::Reply;
use crate::support::origin::{Answer, Origin};

/// What ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server whose source `z` has these items.
async fn of(items: &Value) -> (Origin, TestApp) {
    let origin = Origin::start().await;
    origin.script("/", Answer::json(items.to_string()));
    let source = format!(
        "[source.z]\nurl = \"{}\"\nformat = \"json\"\nitems = \"$[*]\"\nfresh_for = \"1h\"\nmin_interval = \"0s\"",
        origin.url("/")
    );
    let app = TestApp::with_source(&source).await;
    app.until_attempts("z", 1).await;
    (origin, app)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_items_with_very_many_names_a_refusal_lists_some() {
    let item: serde_json::Map<String, Value> = (0..50_000).map(|i| (format!("k{i}"), json!(0))).collect();
    let (_origin, app) = of(&json!([item])).await;
    let refused = app.get("/api/z?fields=k49999,nope").await;
    assert_eq!(refused.status, 400);
    let problem = refused.json();
    assert_eq!((problem["known_fields"].as_array().unwrap().len(), &problem["more_fields"]), (100, &json!(9_900)));
    assert!(problem["detail"].as_str().unwrap().starts_with("`nope` is no field of `z`; it has k0, k1, "), "{problem}");
    assert_eq!(app.get("/api/z?fields=k49999").await.json()["items"], json!([{ "k49999": 0 }]));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_of_very_many_items_is_refused_and_a_part_of_it_is_not() {
    let (_origin, app) = of(&json!(vec![0; 100_001])).await;
    for format in ["rss", "atom", "ics"] {
        let refused = app.get(&format!("/api/z.{format}")).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["type"]), (404, &json!("urn:wellspring:problem:too_long")), "{format}");
    }
    assert_eq!(app.get("/api/z.rss?limit=3").await.status, 200);
    assert_eq!(app.get("/api/z.csv").await.status, 200);
    app.stop().await;
}

/// All of the server's threads but those that accept and answer are held up by this test itself, which blocks the only one.
#[tokio::test]
async fn a_new_connection_is_taken_and_answered_while_handlers_compute() {
    let (_origin, app) = of(&json!([{ "a": 1 }])).await;
    let mut stream = TcpStream::connect(app.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /api/z HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut space = [0; 4_096];
    let read = stream.read(&mut space).expect("an answer while nothing else goes on");
    assert!(space[..read].starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&space[..read]));
    drop(stream);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_that_large_revisions_are_not_compared_and_compares_others_once() {
    let (origin, app) = of(&json!(vec![0; 5_001])).await;
    let rows = |last: u32| json!([{ "title": "a" }, { "title": format!("b{last}") }]).to_string();
    let refresh = async |items: String, attempts: usize| {
        origin.script("/", Answer::json(items));
        app.post("/api/z/refresh").await;
        app.until_attempts("z", attempts).await;
    };
    refresh(rows(1), 2).await;
    let page = async || String::from_utf8(app.get("/sources/z").await.body.to_vec()).unwrap();
    let told = page().await;
    assert_eq!(told.matches("Not compared: more than 5000 rows or").count(), 1, "{told}");
    refresh(rows(2), 3).await;
    let told = page().await;
    assert!(told.contains("+ 1 added") && told.contains("− 1 gone"), "{told}");
    assert_eq!(page().await.matches("+ 1 added").count(), 1, "from what was kept");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_items_as_there_are_or_more_is_the_stored_answer() {
    let (_origin, app) = of(&json!([1, 2, 3])).await;
    let whole = app.get("/api/z").await;
    for path in ["/api/z?limit=3", "/api/z?limit=999999", "/api/z.json?limit=4", "/api/z?max_age=1h&limit=3"] {
        let same = app.get(path).await;
        assert_eq!((same.header("etag"), &same.body), (whole.header("etag"), &whole.body), "{path}");
    }
    assert_ne!(app.get("/api/z?limit=2").await.header("etag"), whole.header("etag"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_take_nothing_hold_so_much_memory_and_no_more() {
    let rows: Vec<Value> = (0..60).map(|i| json!({ "i": i, "pad": "x".repeat(100_000) })).collect();
    let (_origin, app) = of(&Value::from(rows)).await;
    let mut idle = Vec::new();
    // Forty of six megabytes each.
    for _ in 0..40 {
        let mut stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
        stream.write_all(b"GET /api/z?limit=59 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        idle.push(stream);
    }
    let answered = async |is_it: fn(&Reply) -> bool| {
        loop {
            let reply = app.get("/api/z?limit=58").await;
            if is_it(&reply) {
                return reply;
            }
        }
    };
    // Before that, it may have to wait too long for its turn.
    let crowded = answered(|reply| reply.status == 503 && reply.json()["type"] == "urn:wellspring:problem:crowded");
    let refused = tokio::time::timeout(PATIENCE, crowded).await.expect("what is held is counted");
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(app.get("/api/z").await.status, 200, "what is shared costs nothing");
    assert_eq!(app.get("/api/z?limit=0").await.status, 200);
    drop(idle);
    tokio::time::timeout(PATIENCE, answered(|reply| reply.status == 200)).await.expect("what is let go is not counted any more");
    app.stop().await;
}
