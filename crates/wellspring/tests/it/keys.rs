//! Sources of which many keys are held: how a key is found, and which goes when there are too many.

use std::time::Duration;

use wellspring::store::memory::MemoryStore;
use wellspring::store::{Entry, Latest, Retention, Store as _};
use wellspring_core::snapshot::Attempts;

use crate::store_kit::{key, open, renewal, snapshot, until};
use crate::support::app::{Builder, TestApp};
use crate::support::origin::{Answer, Origin};
use crate::support::program::{Program, write_config};

fn list(origin: &Origin, max_keys: usize) -> String {
    format!(
        "[source.list]\nurl = \"{}?n={{n}}&q={{q}}\"\nformat = \"json\"\nfresh_for = \"1h\"\nmax_keys = {max_keys}\n\
         [source.list.params]\nn = {{ type = \"integer\", min = 0 }}\nq = {{ pattern = \".*\", default = \"a b\" }}\n",
        origin.url("/list")
    )
}

/// The canonical spelling is looked up as it is; every other one has to lead to the same key.
#[tokio::test(flavor = "multi_thread")]
async fn however_a_request_spells_a_key_it_is_that_key() {
    let origin = Origin::start().await;
    origin.script("/list", Answer::json("[{\"a\": 1}]"));
    let app = TestApp::with_source(&list(&origin, 9)).await;
    let first = app.get("/api/list?n=7").await;
    assert_eq!(first.flags(), (false, true, false), "a first read fetches");
    for query in ["n=7&q=a%20b", "n=7&q=a+b", "q=a%20b&n=7", "n=07&q=%61%20b", "n=%37", "n=7"] {
        let reply = app.get(&format!("/api/list?{query}")).await;
        assert_eq!((reply.status.as_u16(), reply.flags()), (200, (true, true, false)), "{query}");
    }
    for query in ["n=7&q=a%20b&n=7", "n=7&q=a%20b&x=1", "q=a%20b"] {
        assert_eq!(app.get(&format!("/api/list?{query}")).await.status, 400, "{query}");
    }
    assert_eq!(origin.requests("/list").len(), 1);
    app.stop().await;
}

/// Several are chosen to go at once, but one that is read after that stays.
#[tokio::test(flavor = "multi_thread")]
async fn past_the_bound_what_was_read_meanwhile_stays() {
    let origin = Origin::start().await;
    origin.script("/list", Answer::json("[{\"a\": 1}]"));
    let app = Builder::new().with_fetch("gap = \"0s\"").with_source(&list(&origin, 130)).start().await;
    let mut connection = app.connect().await;
    let path = |n: usize| format!("/api/list?n={n}&q=x");
    for n in 0..130 {
        assert_eq!(connection.get(&path(n)).await.status, 200);
        app.clock.pass(Duration::from_secs(1));
    }
    let gone = |from: usize| -> Vec<usize> {
        let catalog = app.app().engine.catalog();
        let source = catalog.source("list").unwrap();
        (0..from).filter(|n| source.cell(&format!("list?n={n}&q=x")).is_none()).collect()
    };
    assert_eq!(connection.get(&path(130)).await.status, 200);
    assert_eq!(gone(131), [0]);
    app.clock.pass(Duration::from_secs(1));
    assert_eq!(connection.get(&path(1)).await.status, 200);
    for n in 131..135 {
        assert_eq!(connection.get(&path(n)).await.status, 200);
        app.clock.pass(Duration::from_secs(1));
    }
    assert_eq!(gone(135), [0, 2, 3, 4, 5]);
    drop(connection);
    app.stop().await;
}

/// Keys that the upstream does not have take no room from those that it has, however many are asked for.
#[tokio::test(flavor = "multi_thread")]
async fn keys_without_data_push_out_none_that_have_some() {
    let origin = Origin::start().await;
    origin.script("/list", Answer::json("[{\"a\": 1}]"));
    let app = Builder::new().with_fetch("gap = \"0s\"").with_source(&list(&origin, 20)).start().await;
    let path = |n: usize| format!("/api/list?n={n}&q=x");
    for n in 0..20 {
        assert_eq!(app.get(&path(n)).await.status, 200);
        app.clock.pass(Duration::from_secs(1));
    }
    origin.script("/list", Answer::status(404));
    for n in 100..160 {
        assert_eq!(app.get(&path(n)).await.status, 503, "{n}");
    }
    let held = || app.app().engine.catalog().source("list").unwrap().cells_unordered();
    assert_eq!(held().iter().filter(|cell| cell.view().is_some()).count(), 20);
    assert!(held().len() <= 28, "{}", held().len());
    assert_eq!(app.get("/api/list/history?n=0&q=x").await.json()["revisions"].as_array().unwrap().len(), 1);
    // One that has data takes the room of the one that was read longest ago.
    origin.script("/list", Answer::json("[{\"a\": 1}]"));
    assert_eq!(app.get(&path(200)).await.status, 200);
    let gone: Vec<usize> = (0..20).filter(|n| held().iter().all(|cell| cell.key.as_str() != format!("list?n={n}&q=x"))).collect();
    assert_eq!(gone, [0]);
    app.stop().await;
}

/// Thousands of keys may fail at once, and a probe asks every few seconds.
#[tokio::test(flavor = "multi_thread")]
async fn readiness_names_twenty_keys_and_counts_the_rest() {
    let origin = Origin::start().await;
    origin.script("/list", Answer::status(404));
    let app = TestApp::with_source(&list(&origin, 30)).await;
    for n in 0..25 {
        assert_eq!(app.get(&format!("/api/list?n={n}")).await.status, 503);
    }
    let ready = app.get("/ready").await.json();
    let reasons = ready["reasons"].as_array().unwrap();
    assert_eq!((reasons.len(), reasons[20].as_str()), (21, Some("and 5 more keys")), "{ready}");
    assert!(reasons[..20].iter().all(|reason| reason.as_str().unwrap().starts_with("list?")), "{ready}");
    app.stop().await;
}

/// `max_keys` was lowered by far: a refresh is stored meanwhile, and in the end what is past the bound is gone.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_past_the_bound_is_dropped_little_by_little() {
    const STORED: usize = 3_000;
    const KEPT: usize = 50;
    let origin = Origin::start().await;
    origin.script("/list", Answer::json("[{\"a\": 1}]"));
    let folder = tempfile::tempdir().unwrap();
    let config = "[server]\nlisten = \"127.0.0.1:0\"\n[fetch]\nallow_private = true\nrobots = false\n";
    write_config(folder.path(), &format!("{config}{}", list(&origin, KEPT).replace("max_keys", "warm = false\nmax_keys")));
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let (memory, store) = (MemoryStore::new(Retention::default()), open(&data.join("wellspring.db")).unwrap());
    for n in 0..STORED {
        let key = key(&format!("list?n={n}&q=x"));
        let latest = Latest { snapshot: snapshot(&key, 1, 0), renewal: renewal(n.cast_signed() as i64), fence: 1 };
        memory.restore(&Entry { key, latest: Some(latest), attempts: Attempts::default() }, &[]).await.unwrap();
    }
    memory.copy_to(&store).await.unwrap();
    store.close().await;
    let server = Program::serve(folder.path());
    let line = server.wait_for_log("more keys are stored than `max_keys`");
    assert!(line.contains("\"keys\":2950") && line.contains("\"max_keys\":50"), "{line}");
    let refreshed = server.post("/api/list/refresh?n=2999&q=x").await;
    assert_eq!((refreshed.status.as_u16(), refreshed.degraded()), (200, String::new()));
    until("what is past the bound is gone", async || {
        for n in (0..STORED - KEPT).step_by(200) {
            let history = server.get(&format!("/api/list/history?n={n}&q=x")).await.json();
            if history["revisions"].as_array().is_none_or(|revisions| !revisions.is_empty()) {
                return false;
            }
        }
        true
    })
    .await;
    assert_eq!(server.log().iter().filter(|line| line.contains("max_keys")).count(), 1);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    let store = open(&data.join("wellspring.db")).unwrap();
    let left = store.keys().await.unwrap();
    store.close().await;
    // A stop leaves to the next start what it finds.
    assert!(left.len() < KEPT + 512, "{}", left.len());
    assert!((STORED - KEPT..STORED).all(|n| left.contains(&key(&format!("list?n={n}&q=x")))));
}
