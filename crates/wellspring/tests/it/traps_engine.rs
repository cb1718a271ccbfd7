//! What broke in systems like this one, behind the answer: each trap by its name.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::task::JoinSet;

use crate::support::app::{Builder, TestApp};
use crate::support::client::{Connection, get};
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

const HOUR: Duration = Duration::from_secs(3_600);

async fn cinema(lines: &str) -> (Origin, TestApp) {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune", "Up"]));
    let app = TestApp::with_source(&tix::source("cinema", &origin, "/", lines)).await;
    (origin, app)
}

/// nginx: the background update holds the client's connection; the next keep-alive request waits for the whole refresh.
#[tokio::test(flavor = "multi_thread")]
async fn trap_background_update_holds_the_connection() {
    let (origin, app) = cinema("fresh_for = \"1h\"").await;
    app.until_attempts("cinema", 1).await;
    origin.hold("/");
    app.clock.pass(HOUR);
    let mut connection = app.connect().await;
    for _ in 0..3 {
        assert_eq!(connection.get("/api/cinema").await.flags(), (true, false, true));
    }
    // All three were answered, and the origin has still to answer.
    origin.wait_for_requests("/", 2).await;
    assert_eq!(origin.answered("/"), 1);
    origin.release("/");
    app.until_attempts("cinema", 2).await;
    app.stop().await;
}

/// hyper, moka: the client disconnects, the handler's future is dropped and the refresh with it.
#[tokio::test(flavor = "multi_thread")]
async fn trap_client_disconnect_drops_the_refresh() {
    let (origin, app) = cinema("fresh_for = \"1h\"\nwarm = false").await;
    origin.hold("/");
    let address = app.address;
    let reader = wellspring::lifecycle::spawn(async move { get(address, "/api/cinema").await });
    origin.wait_for_requests("/", 1).await;
    reader.abort();
    assert!(reader.await.unwrap_err().is_cancelled());
    origin.release("/");
    app.until_attempts("cinema", 1).await;
    assert_eq!(app.get("/api/cinema").await.flags(), (true, true, false));
    assert_eq!(origin.count("/"), 1);
    app.stop().await;
}

/// nginx: a lock shorter than the fetch lets a second one start.
#[tokio::test(flavor = "multi_thread")]
async fn trap_lock_shorter_than_the_fetch() {
    let (origin, app) = cinema("fresh_for = \"1h\"\ndeadline = \"2h\"\ntimeout = \"2h\"").await;
    app.until_attempts("cinema", 1).await;
    origin.hold("/");
    app.clock.pass(HOUR);
    app.get("/api/cinema").await;
    origin.wait_for_requests("/", 2).await;
    for _ in 0..10 {
        app.clock.pass(Duration::from_secs(600));
        assert_eq!(app.get("/api/cinema").await.flags(), (true, false, true));
    }
    origin.release("/");
    app.until_attempts("cinema", 2).await;
    assert_eq!(origin.count("/"), 2);
    app.stop().await;
}

/// Caffeine, Next.js: a hung refresh pins the old value for ever.
#[tokio::test(flavor = "multi_thread")]
async fn trap_hung_refresh_pins_the_old_value() {
    let (origin, app) = cinema("fresh_for = \"1s\"\ndeadline = \"200ms\"").await;
    app.until_attempts("cinema", 1).await;
    origin.script("/", Answer::hang());
    app.clock.pass(Duration::from_secs(1));
    app.get("/api/cinema").await;
    let status = app.until_attempts("cinema", 2).await;
    let code = status["last_error"]["code"].as_str();
    assert!(matches!(code, Some("deadline_passed" | "timeout")), "{status:#}");
    origin.script("/", tix::films(&["Arrival"]));
    app.until("cinema", |s| s["revision"] == 2).await;
    app.stop().await;
}

/// Caffeine: a fetch longer than the period, and no value ever counts as new.
#[tokio::test(flavor = "multi_thread")]
async fn trap_fetch_longer_than_the_period() {
    let (origin, app) = cinema("fresh_for = \"1s\"").await;
    app.until_attempts("cinema", 1).await;
    for round in 2..5 {
        origin.script("/", tix::films(&[&format!("Film {round}")]));
        origin.hold("/");
        app.clock.pass(Duration::from_secs(1));
        app.get("/api/cinema").await;
        origin.wait_for_requests("/", round).await;
        app.clock.pass(Duration::from_secs(5));
        origin.release("/");
        app.until("cinema", |s| s["revision"] == round).await;
    }
    app.stop().await;
}

/// async-cache-dedupe, cachified: deduplicated when cold but not when stale.
#[tokio::test(flavor = "multi_thread")]
async fn trap_deduplicated_when_cold_but_not_when_stale() {
    let (origin, app) = cinema("fresh_for = \"1h\"").await;
    app.until_attempts("cinema", 1).await;
    origin.hold("/");
    app.clock.pass(HOUR);
    let mut connection = app.connect().await;
    for _ in 0..1_000 {
        assert_eq!(connection.get("/api/cinema").await.status, 200);
    }
    origin.release("/");
    app.until_attempts("cinema", 2).await;
    assert_eq!(origin.count("/"), 2);
    app.stop().await;
}

/// RSSHub: a non-atomic claim, get then set.
#[tokio::test(flavor = "multi_thread")]
async fn trap_non_atomic_claim() {
    let (origin, app) = cinema("fresh_for = \"1h\"").await;
    let engine = app.app().engine.clone();
    let cell = engine.catalog().source("cinema").unwrap().default.clone().unwrap();
    for round in 1..20 {
        app.until_attempts("cinema", round).await;
        app.clock.pass(HOUR);
        let barrier = Arc::new(Barrier::new(8));
        let claimants: Vec<_> = (0..8)
            .map(|i| {
                let (engine, cell, barrier) = (engine.clone(), cell.clone(), barrier.clone());
                let claim = move || {
                    barrier.wait();
                    engine.nudge(&cell, engine.clock().mono());
                };
                wellspring::lifecycle::thread(&format!("claimant {i}"), claim).unwrap()
            })
            .collect();
        for claimant in claimants {
            claimant.join().unwrap();
        }
        app.until_attempts("cinema", (round + 1).min(20)).await;
        assert_eq!(origin.count("/"), round + 1);
    }
    app.stop().await;
}

/// Next.js, Streamlit: a failing source is retried on every read; Caffeine: a failure resets the whole period.
#[tokio::test(flavor = "multi_thread")]
async fn trap_failing_source_is_retried_on_every_read() {
    let (origin, app) = cinema("fresh_for = \"1h\"").await;
    app.until_attempts("cinema", 1).await;
    origin.script("/", Answer::status(500));
    app.clock.pass(HOUR);
    let mut connection = app.connect().await;
    connection.get("/api/cinema").await;
    app.until_attempts("cinema", 2).await;
    for _ in 0..500 {
        assert_eq!(connection.get("/api/cinema").await.degraded(), "upstream_status");
    }
    assert_eq!(origin.count("/"), 2);
    // The first backoff is 5 to 10 s, far from an hour.
    app.clock.pass(Duration::from_secs(10));
    connection.get("/api/cinema").await;
    app.until_attempts("cinema", 3).await;
    assert_eq!(origin.count("/"), 3);
    app.stop().await;
}

/// 874 calls in five minutes: the leader fails and every waiter fetches.
#[tokio::test(flavor = "multi_thread")]
async fn trap_leader_fails_and_every_waiter_fetches() {
    let (origin, app) = cinema("fresh_for = \"1h\"\nwarm = false").await;
    origin.script("/", Answer::status(500));
    origin.hold("/");
    let mut waiters = JoinSet::new();
    for _ in 0..100 {
        let mut connection = app.connect().await;
        waiters.spawn(async move { connection.get("/api/cinema").await });
    }
    origin.wait_for_requests("/", 1).await;
    origin.release("/");
    for reply in waiters.join_all().await {
        assert_eq!((reply.status.as_u16(), reply.member("detail").to_string().contains("500")), (503, true));
    }
    assert_eq!(origin.count("/"), 1);
    app.stop().await;
}

/// Magento, html2rss: an error page, a captcha with status 200, an empty list or half a body overwrites good data.
#[tokio::test(flavor = "multi_thread")]
async fn trap_garbage_overwrites_good_data() {
    let (origin, app) = cinema("fresh_for = \"1h\"\nmin_interval = \"0s\"").await;
    app.until_attempts("cinema", 1).await;
    let whole = tix::page(&["Dune", "Up"]);
    let faults = [
        (Answer::html("<h1>Something went wrong</h1>"), "gate_failed"),
        (Answer::html("<title>Are you human?</title><div id=captcha></div>"), "gate_failed"),
        (tix::films(&[]), "gate_failed"),
        (Answer::html(whole.as_str()).truncated(), "upstream_unreachable"),
        (Answer::html(whole.as_str()).unfinished(), "upstream_unreachable"),
        (Answer::html(whole.as_str()).reset(), "upstream_unreachable"),
        (Answer::html(whole.replace("src=", "data-src=")), "gate_failed"),
        (Answer::status(404), "upstream_status"),
        (Answer::ok(vec![0_u8; 4_096]), "extract_failed"),
    ];
    for (i, (answer, code)) in faults.into_iter().enumerate() {
        origin.script("/", answer);
        let reply = app.post("/api/cinema/refresh").await;
        assert_eq!((reply.items("title"), reply.degraded()), (vec!["Dune".to_owned(), "Up".to_owned()], code.to_owned()), "fault {i}");
        assert_eq!(app.get("/api/cinema").await.degraded(), code);
    }
    assert_eq!(app.status("cinema").await["revision"], 1);
    app.stop().await;
}

/// Nitro: a legitimately empty result is never accepted.
#[tokio::test(flavor = "multi_thread")]
async fn trap_empty_result_is_never_accepted() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let source = tix::source("cinema", &origin, "/", "fresh_for = \"1h\"").replace("required =", "allow_empty = true\nrequired =");
    let app = TestApp::with_source(&source).await;
    app.until_attempts("cinema", 1).await;
    origin.script("/", tix::films(&[]));
    let reply = app.post("/api/cinema/refresh").await;
    assert_eq!(
        (reply.items("title").len(), reply.member("force_refreshed"), reply.degraded()),
        (0, serde_json::json!(true), String::new())
    );
    app.stop().await;
}

/// Nitro, Souin, Metabase: stale without bound, or never revalidated.
#[tokio::test(flavor = "multi_thread")]
async fn trap_stale_without_bound() {
    let (origin, app) = cinema("fresh_for = \"1h\"\nmax_stale = \"2h\"").await;
    app.until_attempts("cinema", 1).await;
    origin.hold("/");
    app.clock.pass(2 * HOUR);
    let expired = app.get("/api/cinema").await;
    assert_eq!((expired.member("expired"), expired.flags()), (serde_json::json!(true), (true, false, true)));
    origin.release("/");
    app.until_attempts("cinema", 2).await;
    assert_eq!(app.get("/api/cinema").await.flags(), (true, true, false));
    assert_eq!(origin.count("/"), 2);
    app.stop().await;
}

/// Next.js: eviction or reload prolongs life.
#[tokio::test(flavor = "multi_thread")]
async fn trap_reload_and_restart_prolong_life() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let folder = tempfile::tempdir().unwrap();
    let builder = |period: &str| {
        let source = tix::source("cinema", &origin, "/", &format!("fresh_for = \"{period}\""));
        Builder::new().with_data(folder.path()).with_source(&source)
    };
    let app = builder("1h").start().await;
    app.until_attempts("cinema", 1).await;
    let date = app.get("/api/cinema").await.member("cache_date");
    app.reload(&builder("2h")).await;
    assert_eq!(app.get("/api/cinema").await.member("cache_date"), date);
    app.stop().await;
    let app = builder("2h").start().await;
    let reply = app.get("/api/cinema").await;
    assert_eq!((reply.member("cache_date"), reply.flags()), (date, (true, true, false)));
    assert_eq!(origin.count("/"), 1);
    app.stop().await;
}

/// The refresh runs but the write is skipped.
#[tokio::test(flavor = "multi_thread")]
async fn trap_refresh_runs_but_the_write_is_skipped() {
    let (_origin, app) = cinema("fresh_for = \"1h\"").await;
    app.until_attempts("cinema", 1).await;
    let before = app.get("/api/cinema").await.member("cache_date");
    app.clock.pass(Duration::from_secs(60));
    // Equal content: the revision stays and the date advances all the same.
    let forced = app.post("/api/cinema/refresh").await.member("cache_date");
    assert_ne!(before, forced);
    assert_eq!(app.get("/api/cinema").await.member("cache_date"), forced);
    assert_eq!(app.status("cinema").await["revision"], 1);
    app.stop().await;
}

/// Caffeine: an invalidation or a config reload races a refresh and stores old data.
#[tokio::test(flavor = "multi_thread")]
async fn trap_reload_races_a_refresh() {
    let origin = Origin::start().await;
    origin.script("/old", tix::films(&["Old"]));
    origin.script("/new", tix::films(&["New"]));
    let builder = |path: &str| Builder::new().with_source(&tix::source("cinema", &origin, path, "fresh_for = \"1h\""));
    let app = builder("/old").start().await;
    app.until_attempts("cinema", 1).await;
    origin.hold("/old");
    app.clock.pass(HOUR);
    app.get("/api/cinema").await;
    origin.wait_for_requests("/old", 2).await;
    app.reload(&builder("/new")).await;
    app.until("cinema", |s| s["revision"] == 2).await;
    origin.release("/old");
    origin.wait_for_requests("/new", 1).await;
    assert_eq!(app.get("/api/cinema").await.items("title"), ["New"]);
    let status = app.status("cinema").await;
    assert_eq!(
        (status["recent"][0]["outcome"].as_str(), status["recent"][1]["outcome"].as_str()),
        (Some("stored"), Some("cancelled")),
        "{status:#}"
    );
    app.stop().await;
}

/// RSSHub, rssbox: a cold restart storms the upstreams.
#[tokio::test(flavor = "multi_thread")]
async fn trap_cold_restart_storms_the_upstreams() {
    let origin = Origin::start().await;
    let mut builder = Builder::new().with_fetch("per_host = 50\nat_once = 50");
    for i in 0..50 {
        origin.script(&format!("/{i}"), tix::films(&["Dune"]));
        origin.hold(&format!("/{i}"));
        builder = builder.with_source(&tix::source(&format!("s{i}"), &origin, &format!("/{i}"), "fresh_for = \"1h\""));
    }
    let app = builder.start().await;
    // Each starts a quarter of a second after the one before, whatever the limits allow.
    for i in 0..3 {
        origin.wait_for_requests(&format!("/{i}"), 1).await;
    }
    assert!(origin.total() <= 5, "{} started with the third", origin.total());
    // A reader does not wait for its turn.
    let address = app.address;
    let reader = wellspring::lifecycle::spawn(async move { get(address, "/api/s49").await });
    origin.wait_for_requests("/49", 1).await;
    for i in 0..50 {
        origin.release(&format!("/{i}"));
    }
    assert_eq!(reader.await.unwrap().status, 200);
    app.stop().await;
}

/// A forced refresh drains a quota.
#[tokio::test(flavor = "multi_thread")]
async fn trap_forced_refresh_drains_a_quota() {
    let (origin, app) = cinema("fresh_for = \"1h\"").await;
    app.until_attempts("cinema", 1).await;
    origin.hold("/");
    let mut flood = JoinSet::new();
    for _ in 0..300 {
        let mut connection = Connection::open(app.address).await;
        flood.spawn(async move { connection.send(http::Method::POST, "/api/cinema/refresh", &[]).await });
    }
    origin.wait_for_requests("/", 2).await;
    origin.release("/");
    for reply in flood.join_all().await {
        assert_eq!(reply.status, 200);
    }
    assert_eq!(app.post("/api/cinema/refresh").await.degraded(), "too_soon");
    assert_eq!(origin.count("/"), 2, "one for the flood, within its interval");
    app.clock.pass(Duration::from_secs(10));
    assert_eq!(app.post("/api/cinema/refresh").await.member("force_refreshed"), true);
    app.stop().await;
}

/// go-cache: the clock steps backward and nothing expires.
#[tokio::test(flavor = "multi_thread")]
async fn trap_clock_steps_backward() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let builder =
        Builder::new().with_data(folder.path()).with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\"\nreport_age = true"));
    for days in [-365, 365, -1, 1] {
        let before = origin.count("/");
        let app = builder.start().await;
        app.get("/api/cinema").await;
        app.until("cinema", |s| s["freshness"] == "fresh").await;
        app.clock.step_wall(SignedDuration::from_hours(24 * days));
        let reply = app.get("/api/cinema").await;
        assert!(reply.member("cache_age_hours").as_f64().unwrap() >= 0.0);
        assert!(reply.flags().1, "freshness does not depend on the wall clock while running");
        app.clock.pass(HOUR);
        app.get("/api/cinema").await;
        app.until("cinema", |s| s["freshness"] == "fresh").await;
        assert!(origin.count("/") <= before + 2);
        app.stop().await;
    }
}
