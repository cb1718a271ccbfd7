//! The engine where two things happen at once: what was displaced, cut short or asked for twice leaves nothing behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;
use wellspring::fetch::{FetchError, Fetched, Fetcher, Request};

use crate::store_kit::until;
use crate::support::app::{Builder, TestApp};
use crate::support::client::{Connection, get, post};
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

const HOUR: Duration = Duration::from_secs(3_600);

/// A source with a parameter, its keys bounded.
fn list(origin: &Origin, lines: &str) -> String {
    format!(
        "[source.list]\nurl = \"{}?n={{n}}\"\nformat = \"json\"\nfresh_for = \"1h\"\n{lines}\n[source.list.params.n]\npattern = \"[0-9]+\"\n",
        origin.url("/list")
    )
}

/// A fetch that is cut short gives its place at the host back, or the host is never asked again.
#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_is_cut_short_leaves_no_place_taken() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let builder = |lines: &str| {
        let source = tix::source("cinema", &origin, "/", &format!("fresh_for = \"1h\"\nmin_interval = \"0s\"\n{lines}"));
        Builder::new().with_fetch("per_host = 1\ngap = \"0s\"").with_source(&source)
    };
    let app = builder("").start().await;
    app.until_attempts("cinema", 1).await;
    for round in 0..3 {
        origin.hold("/");
        let asked = origin.count("/");
        assert_eq!(app.post("/api/cinema/refresh?wait=0").await.status, 202);
        origin.wait_for_requests("/", asked + 1).await;
        app.reload(&builder(&format!("max_stale = \"{}d\"", round + 2))).await;
        origin.release("/");
        let forced = tokio::time::timeout(Duration::from_secs(10), app.post("/api/cinema/refresh")).await;
        assert_eq!(forced.expect("no place at the host").degraded(), "");
    }
    app.stop().await;
}

/// A key that is displaced while it waits for its turn, and asked for again, is fetched.
#[tokio::test(flavor = "multi_thread")]
async fn a_displaced_key_that_comes_back_is_fetched() {
    let origin = Origin::start().await;
    origin.script("/list", Answer::json("[{\"a\": 1}]"));
    origin.script("/hog", tix::films(&["Dune"]));
    origin.hold("/hog");
    let app = Builder::new()
        .with_fetch("per_host = 1\ngap = \"0s\"")
        .with_source(&list(&origin, "max_keys = 1\ncold_wait = \"20ms\""))
        .with_source(&tix::source("hog", &origin, "/hog", "fresh_for = \"1h\"\ncold_wait = \"10ms\""))
        .start()
        .await;
    app.get("/api/hog").await;
    origin.wait_for_requests("/hog", 1).await;
    // 1 waits for the hog, 2 displaces it, and 1 comes back.
    for n in [1, 2, 1] {
        assert_eq!(app.get(&format!("/api/list?n={n}")).await.status, 503);
    }
    origin.release("/hog");
    let mut connection = app.connect().await;
    let served = async {
        while connection.get("/api/list?n=1").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), served).await.expect("the key is stuck");
    app.stop().await;
}

/// A reader of a key that waits in line without anyone reading moves it ahead of what nobody reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_cold_reader_moves_a_queued_warm_up_ahead() {
    let origin = Origin::start().await;
    let mut builder = Builder::new().with_fetch("per_host = 1\ngap = \"0s\"");
    for i in 0..4 {
        let path = format!("/{i}");
        origin.script(&path, tix::films(&["Dune"]));
        origin.hold(&path);
        builder = builder.with_source(&tix::source(&format!("s{i}"), &origin, &path, "fresh_for = \"1h\"\ncold_wait = \"20ms\""));
    }
    let app = builder.start().await;
    for i in 1..4 {
        app.until(&format!("s{i}"), |s| s["phase"] == "queued").await;
    }
    assert_eq!(app.get("/api/s3").await.status, 503);
    origin.release("/0");
    origin.wait_for_requests("/3", 1).await;
    assert_eq!((origin.count("/1"), origin.count("/2")), (0, 0));
    for i in 1..4 {
        origin.release(&format!("/{i}"));
    }
    app.until_attempts("s3", 1).await;
    app.stop().await;
}

/// Whoever forces a refresh while the server stops is not told that one happened.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_never_ran_is_not_said_to_have_run() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let app = TestApp::with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\"")).await;
    app.until_attempts("cinema", 1).await;
    app.app().engine.drain(Duration::ZERO).await;
    let reply = app.post("/api/cinema/refresh").await;
    assert_eq!((origin.count("/"), reply.member("force_refreshed").is_null(), reply.degraded()), (1, true, "cancelled".to_owned()));
    app.stop().await;
}

/// Refreshes forced at the same moment are one, however fast the origin answers.
#[tokio::test(flavor = "multi_thread")]
async fn forcing_at_the_same_moment_fetches_once() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let app =
        Builder::new().with_fetch("gap = \"0s\"").with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\"")).start().await;
    app.until_attempts("cinema", 1).await;
    for round in 0..20 {
        let before = origin.count("/");
        let mut flood = JoinSet::new();
        for _ in 0..40 {
            let mut connection = Connection::open(app.address).await;
            flood.spawn(async move { connection.send(http::Method::POST, "/api/cinema/refresh", &[]).await });
        }
        for reply in flood.join_all().await {
            assert_eq!(reply.status, 200);
            assert!(matches!(reply.degraded().as_str(), "" | "too_soon"), "round {round}: {}", reply.json());
        }
        assert_eq!(origin.count("/") - before, 1, "round {round}");
        app.clock.pass(Duration::from_secs(10));
    }
    app.stop().await;
}

/// A collection that waits for a place at a second host does not take the engine's wake-ups away.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_second_host_keeps_nobody_asleep() {
    let (full, quick) = (Origin::start().await, Origin::start().await);
    full.script("/hog", tix::films(&["Dune"]));
    full.hold("/hog");
    quick.script("/first", Answer::status(500));
    quick.script("/", tix::films(&["Up"]));
    let local = |text: String| text.replace("127.0.0.1", "localhost");
    let two = format!(
        "[source.two]\nfresh_for = \"1h\"\ncold_wait = \"10ms\"\n[[source.two.from]]\nurl = \"{}\"\nformat = \"json\"\n[[source.two.from]]\nurl = \"{}\"\nformat = \"json\"\n",
        local(quick.url("/first")),
        full.url("/second")
    );
    let app = Builder::new()
        .with_fetch("per_host = 1\ngap = \"0s\"")
        .with_source(&tix::source("hog", &full, "/hog", "fresh_for = \"1h\""))
        .with_source(&two)
        .with_source(&local(tix::source("quick", &quick, "/", "fresh_for = \"1s\"")))
        .start()
        .await;
    full.wait_for_requests("/hog", 1).await;
    quick.wait_for_answers("/first", 1).await;
    app.until_attempts("quick", 1).await;
    for round in 1..60 {
        app.clock.pass(Duration::from_secs(1));
        app.get("/api/quick").await;
        let asked = tokio::time::timeout(Duration::from_secs(5), quick.wait_for_requests("/", round + 1)).await;
        assert!(asked.is_ok(), "round {round}: the nudge was slept through");
        app.until("quick", |s| s["phase"] == "idle").await;
    }
    full.release("/hog");
    app.until_attempts("two", 1).await;
    app.stop().await;
}

/// A source that leaves the config and comes back finds what it had.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_comes_back_finds_what_it_had() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    origin.script("/other", tix::films(&["Up"]));
    let other = tix::source("other", &origin, "/other", "fresh_for = \"1h\"");
    let without = Builder::new().with_source(&other);
    let with = Builder::new().with_source(&other).with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\""));
    let app = with.start().await;
    app.until_attempts("cinema", 1).await;
    let date = app.get("/api/cinema").await.member("cache_date");
    app.clock.pass(Duration::from_secs(60));
    app.reload(&without).await;
    assert_eq!(app.get("/api/cinema").await.status, 404);
    app.reload(&with).await;
    let back = app.get("/api/cinema").await;
    assert_eq!((back.flags(), back.member("cache_date"), origin.count("/")), ((true, true, false), date, 1));
    app.stop().await;
}

/// Readers of a cold key whose source changes under them are told to come back soon, not after a quarter of its period.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_cut_off_by_a_reload_may_come_back_at_once() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    origin.hold("/");
    let builder = |lines: &str| Builder::new().with_source(&tix::source("cinema", &origin, "/", &format!("fresh_for = \"6d\"\n{lines}")));
    let app = builder("").start().await;
    let address = app.address;
    let readers: Vec<_> = (0..3).map(|_| wellspring::lifecycle::spawn(async move { get(address, "/api/cinema").await })).collect();
    origin.wait_for_requests("/", 1).await;
    // What is read before the reload is cut off; what is read later waits for the new source's flight.
    app.reload(&builder("max_stale = \"60d\"")).await;
    origin.release("/");
    for reader in readers {
        let reply = reader.await.unwrap();
        let wait: u64 = if reply.status == 200 { 0 } else { reply.header("retry-after").parse().unwrap() };
        assert!(wait <= 2, "{wait} s: {}", reply.json());
    }
    app.stop().await;
}

/// A reload and a flood of readers and forcers at once: every key lives on, and every asker is answered.
#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_fire_leave_no_key_stuck() {
    let origin = Origin::start().await;
    origin.script("/list", Answer::json("[{\"a\": 1}]"));
    origin.script("/", tix::films(&["Dune"]));
    let builder = |i: usize| {
        Builder::new()
            .with_fetch("per_host = 2\ngap = \"0s\"")
            .with_source(&list(&origin, &format!("max_keys = 4\ncold_wait = \"100ms\"\nmin_interval = \"0s\"\nmax_stale = \"{}h\"", 9 + i)))
            .with_source(&tix::source(
                "cinema",
                &origin,
                "/",
                &format!("fresh_for = \"1h\"\nmin_interval = \"0s\"\nmax_stale = \"{}h\"", 9 + i),
            ))
    };
    let app = builder(0).start().await;
    let address = app.address;
    let mut fire = JoinSet::new();
    for client in 0..8 {
        fire.spawn(async move {
            for i in 0..60 {
                let n = (client * 7 + i * 3) % 9;
                let read = get(address, &format!("/api/list?n={n}")).await;
                assert!(matches!(read.status.as_u16(), 200 | 503), "{}", read.status);
                let path = if i % 2 == 0 { "/api/cinema/refresh".to_owned() } else { format!("/api/list/refresh?n={n}") };
                let forced = post(address, &path, &[]).await;
                assert!(matches!(forced.status.as_u16(), 200 | 503), "{}", forced.status);
            }
        });
    }
    for i in 1..20 {
        app.reload(&builder(i)).await;
        app.clock.pass(HOUR);
    }
    while let Some(ended) = fire.join_next().await {
        ended.unwrap();
    }
    let mut connection = app.connect().await;
    for path in ["/api/cinema".to_owned()].into_iter().chain((0..9).map(|n| format!("/api/list?n={n}"))) {
        let served = async {
            while connection.get(&path).await.status != 200 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), served).await.unwrap_or_else(|_| panic!("{path} is stuck"));
    }
    app.stop().await;
}

/// Fewer keys allowed than are stored: what was confirmed last stays, and the rest is forgotten for good.
#[tokio::test(flavor = "multi_thread")]
async fn a_lowered_bound_holds_from_the_start() {
    let origin = Origin::start().await;
    origin.script("/list", Answer::json("[{\"a\": 1}]"));
    let folder = tempfile::tempdir().unwrap();
    let builder = |keys: usize| {
        Builder::new().with_data(folder.path()).with_fetch("gap = \"0s\"").with_source(&list(&origin, &format!("max_keys = {keys}")))
    };
    let app = builder(5).start().await;
    for n in 0..5 {
        assert_eq!(app.get(&format!("/api/list?n={n}")).await.status, 200);
        app.clock.pass(Duration::from_secs(1));
    }
    app.reload(&builder(4)).await;
    let held = |app: &TestApp| -> Vec<String> {
        app.app().engine.catalog().source("list").unwrap().cells().iter().map(|cell| cell.key.to_string()).collect()
    };
    assert_eq!(held(&app), ["list?n=1", "list?n=2", "list?n=3", "list?n=4"]);
    app.stop().await;
    let app = builder(2).start().await;
    assert_eq!(held(&app), ["list?n=3", "list?n=4"]);
    assert_eq!(app.get("/api/list?n=0").await.flags(), (false, true, false));
    app.stop().await;
    let app = builder(9).start().await;
    let left = held(&app);
    assert!(left.len() == 2 && left.contains(&"list?n=0".to_owned()), "what was displaced is stored no more: {left:?}");
    app.stop().await;
}

/// Panics the first time it is asked, and fetches after that.
#[derive(Debug)]
struct Panicking {
    fetcher: Arc<dyn Fetcher>,
    left: AtomicUsize,
}

#[async_trait]
impl Fetcher for Panicking {
    async fn fetch(&self, request: &Request) -> Result<Fetched, FetchError> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(left.is_err(), "as the test wants");
        self.fetcher.fetch(request).await
    }
}

/// A panic ends its own flight and nothing else: its waiters hear of it, its places are free, and it is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_flight_leaves_nothing_stuck() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let app = Builder::new()
        .with_fetch("per_host = 1\nat_once = 1\ngap = \"0s\"")
        .with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"4s\"\nwarm = false\nmin_interval = \"0s\""))
        .start_with(|fetcher| Arc::new(Panicking { fetcher, left: AtomicUsize::new(3) }))
        .await;
    let reply = app.get("/api/cinema").await;
    assert_eq!((reply.status.as_u16(), reply.member("type")), (503, serde_json::json!("urn:wellspring:problem:interrupted")));
    for _ in 0..2 {
        assert_eq!(app.post("/api/cinema/refresh").await.member("type"), "urn:wellspring:problem:interrupted");
    }
    assert_eq!(app.post("/api/cinema/refresh").await.member("force_refreshed"), true);
    tokio::time::timeout(Duration::from_secs(5), app.stop()).await.expect("the drain waits for a flight that is gone");
}

/// A drain ends what an origin holds up, and tells those who wait: an answer, not a broken connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_drain_answers_those_who_wait_for_a_held_origin() {
    let origin = Origin::start().await;
    origin.hold("/");
    origin.script("/old", tix::films(&["Dune"]));
    let app = Builder::new()
        .with_fetch("per_host = 2\ngap = \"0s\"")
        .with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\"\nwarm = false\ncold_wait = \"60s\""))
        .with_source(&tix::source("old", &origin, "/old", "fresh_for = \"1h\""))
        .with_source(&tix::source("queued", &origin, "/queued", "fresh_for = \"1h\"\nwarm = false\ncold_wait = \"60s\""))
        .start()
        .await;
    app.until_attempts("old", 1).await;
    origin.hold("/old");
    let address = app.address;
    let reader = |path: &'static str| wellspring::lifecycle::spawn(async move { get(address, path).await });
    let cold = reader("/api/cinema");
    origin.wait_for_requests("/", 1).await;
    let forced = wellspring::lifecycle::spawn(async move { post(address, "/api/old/refresh", &[]).await });
    origin.wait_for_requests("/old", 2).await;
    let queued = reader("/api/queued");
    app.until("queued", |s| s["phase"] == "queued").await;
    tokio::time::timeout(Duration::from_secs(12), app.stop()).await.expect("the drain is bounded");
    for reader in [cold, queued] {
        let reply = reader.await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "1"));
        assert!(reply.member("detail").to_string().ends_with("has no data yet: stopped by the server\""), "{}", reply.json());
    }
    let forced = forced.await.unwrap();
    assert_eq!((forced.status.as_u16(), forced.degraded(), forced.items("title").len()), (200, "cancelled".to_owned(), 1));
}

/// lychee again, with the places of all hosts: collections that wait for one slow host leave them to others.
#[tokio::test(flavor = "multi_thread")]
async fn places_in_all_are_not_held_while_waiting_for_a_second_host() {
    let (full, quick) = (Origin::start().await, Origin::start().await);
    full.script("/hog", tix::films(&["Dune"]));
    full.hold("/hog");
    quick.script("/first", Answer::status(500));
    quick.script("/", tix::films(&["Up"]));
    let local = |text: String| text.replace("127.0.0.1", "localhost");
    let mut builder = Builder::new().with_fetch("per_host = 1\nat_once = 3\ngap = \"0s\"").with_source(&tix::source(
        "hog",
        &full,
        "/hog",
        "fresh_for = \"1h\"",
    ));
    for i in 0..2 {
        builder = builder.with_source(&format!(
            "[source.two{i}]\nfresh_for = \"1h\"\ncold_wait = \"10ms\"\n[[source.two{i}.from]]\nurl = \"{}\"\nformat = \"json\"\n[[source.two{i}.from]]\nurl = \"{}\"\nformat = \"json\"\n",
            local(quick.url("/first")),
            full.url("/second")
        ));
    }
    let app = builder
        .with_source(&local(tix::source("quick", &quick, "/", "fresh_for = \"1s\"\nwarm = false\ncold_wait = \"3s\"")))
        .start()
        .await;
    full.wait_for_requests("/hog", 1).await;
    quick.wait_for_answers("/first", 2).await;
    assert_eq!(app.get("/api/quick").await.status, 200);
    full.release("/hog");
    app.stop().await;
}

/// Newcomers do not end the flights of those before them: two that are served beat four that are not.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_source_serves_those_who_came_first() {
    let origin = Origin::start().await;
    origin.script("/list", Answer::json("[{\"a\": 1}]"));
    origin.hold("/list");
    let source = format!(
        "[source.list]\nurl = \"{}?n={{n}}\"\nformat = \"json\"\nfresh_for = \"1h\"\nmax_keys = 2\n[source.list.params.n]\npattern = \"[0-9]+\"\n",
        origin.url("/list")
    );
    let app = TestApp::with_source(&source).await;
    let address = app.address;
    // Two beside whom eight may wait for their first data.
    let first = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        .map(|n| wellspring::lifecycle::spawn(async move { get(address, &format!("/api/list?n={n}")).await }));
    let held = || app.app().engine.catalog().source("list").unwrap().cells_unordered();
    until("all of them fly", async || held().iter().filter(|cell| cell.is_refreshing()).count() == 10).await;
    let late = app.get("/api/list?n=10").await;
    assert_eq!((late.status.as_u16(), late.header("retry-after"), late.member("items")), (503, "1", serde_json::json!([])));
    origin.release("/list");
    for reader in first {
        assert_eq!(reader.await.unwrap().status, 200);
    }
    assert!(held().len() <= 3, "{}", held().len());
    assert_eq!(app.get("/api/list?n=10").await.status, 200);
    let long = app.get(&format!("/api/list?n={}", "1".repeat(257))).await;
    assert_eq!((long.status.as_u16(), long.member("parameter")), (400, serde_json::json!("n")));
    app.stop().await;
}

/// A reload leaves a source alone that only stands elsewhere in the file: its flight goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_only_moved_is_left_alone() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    origin.hold("/");
    let source = tix::source("cinema", &origin, "/", "fresh_for = \"1h\"");
    let app = Builder::new().with_source(&source).start().await;
    origin.wait_for_requests("/", 1).await;
    app.reload(&Builder::new().with_source(&format!("# a comment above it\n{source}"))).await;
    origin.release("/");
    let status = app.until_attempts("cinema", 1).await;
    assert_eq!((status["recent"][0]["outcome"].as_str(), origin.count("/")), (Some("stored"), 1));
    app.stop().await;
}
