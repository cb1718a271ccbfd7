//! The one promise, end to end: what is stored is answered at once, and refreshed behind the answer.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::support::app::{Builder, TestApp};
use crate::support::client::get;
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

/// An origin with a page of films, and a server with one source that reads it.
async fn cinema(titles: &[&str], lines: &str) -> (Origin, TestApp) {
    let origin = Origin::start().await;
    origin.script("/", tix::films(titles));
    let app = TestApp::with_source(&tix::source("cinema", &origin, "/", lines)).await;
    (origin, app)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_key_is_fetched_once_and_its_answer_says_so() {
    let (origin, app) = cinema(&["Dune", "Up"], "fresh_for = \"1h\"\nwarm = false").await;
    let first = app.get("/api/cinema").await;
    assert_eq!((first.status.as_u16(), first.flags()), (200, (false, true, false)));
    assert_eq!(first.items("title"), ["Dune", "Up"]);
    assert_eq!(first.items("img")[0], origin.url("/poster/dune.webp"), "addresses are absolute");
    let second = app.get("/api/cinema").await;
    assert_eq!((second.status.as_u16(), second.flags()), (200, (true, true, false)));
    assert_eq!(origin.count("/"), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_key_is_answered_at_once_and_the_next_reader_gets_the_new_data() {
    let (origin, app) = cinema(&["Dune"], "fresh_for = \"1h\"").await;
    app.until_attempts("cinema", 1).await;
    origin.script("/", tix::films(&["Arrival"]));
    origin.hold("/");
    app.clock.pass(Duration::from_secs(3_600));

    let stale = app.get("/api/cinema").await;
    assert_eq!((stale.items("title"), stale.flags()), (vec!["Dune".to_owned()], (true, false, true)));
    origin.wait_for_requests("/", 2).await;
    let meanwhile = app.get("/api/cinema").await;
    assert_eq!((meanwhile.items("title"), meanwhile.flags()), (vec!["Dune".to_owned()], (true, false, true)));

    origin.release("/");
    app.until_attempts("cinema", 2).await;
    let fresh = app.get("/api/cinema").await;
    assert_eq!((fresh.items("title"), fresh.flags()), (vec!["Arrival".to_owned()], (true, true, false)));
    assert_eq!(origin.count("/"), 2);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_a_snapshot_is_fetched_at_start_unasked() {
    let (origin, app) = cinema(&["Dune"], "fresh_for = \"1h\"").await;
    let status = app.until_attempts("cinema", 1).await;
    assert_eq!((status["recent"][0]["trigger"].as_str(), origin.count("/")), (Some("warm_up"), 1));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_a_thousand_costs_one_fetch_cold_and_one_stale() {
    let (origin, app) = cinema(&["Dune"], "fresh_for = \"1h\"\nwarm = false").await;
    origin.hold("/");
    let crowd = |n: usize| {
        let mut readers = JoinSet::new();
        for _ in 0..n {
            readers.spawn(get(app.address, "/api/cinema"));
        }
        readers
    };
    let cold = crowd(1_000);
    origin.wait_for_requests("/", 1).await;
    origin.release("/");
    for reply in cold.join_all().await {
        assert_eq!((reply.status.as_u16(), reply.items("title")), (200, vec!["Dune".to_owned()]));
    }
    assert_eq!(origin.count("/"), 1);

    origin.hold("/");
    app.clock.pass(Duration::from_secs(3_600));
    for reply in crowd(1_000).join_all().await {
        assert_eq!((reply.status.as_u16(), reply.flags()), (200, (true, false, true)));
    }
    origin.release("/");
    app.until_attempts("cinema", 2).await;
    assert_eq!(origin.count("/"), 2);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_refresh_answers_what_it_fetched() {
    let (origin, app) = cinema(&["Dune"], "fresh_for = \"1h\"\nmin_interval = \"1h\"").await;
    let before = app.until_attempts("cinema", 1).await;
    origin.script("/", tix::films(&["Arrival"]));
    app.clock.pass(Duration::from_secs(60));
    let forced = app.post("/api/cinema/refresh").await;
    assert_eq!((forced.items("title"), forced.flags()), (vec!["Arrival".to_owned()], (false, true, false)));
    assert_eq!(forced.member("force_refreshed"), true);
    let again = app.post("/api/cinema/refresh").await;
    assert_eq!((again.status.as_u16(), again.degraded(), again.member("force_refreshed").is_null()), (200, "too_soon".to_owned(), true));
    assert_eq!(origin.count("/"), 2);
    assert_eq!(app.get("/api/cinema").await.degraded(), "", "a refusal is told to its asker alone");
    assert!(app.status("cinema").await["revision"].as_u64() > before["revision"].as_u64());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_refresh_that_is_refused_starts_the_one_that_it_tells_of() {
    let (origin, app) = cinema(&["Dune"], "fresh_for = \"1h\"\nmin_interval = \"2h\"").await;
    app.until_attempts("cinema", 1).await;
    app.post("/api/cinema/refresh").await;
    app.clock.pass(Duration::from_secs(3_600));
    let refused = app.post("/api/cinema/refresh").await;
    assert_eq!((refused.degraded(), refused.flags()), ("too_soon".to_owned(), (true, false, true)));
    let status = app.until_attempts("cinema", 3).await;
    assert_eq!((status["recent"][0]["trigger"].as_str(), origin.count("/")), (Some("stale"), 3));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_refresh_that_fails_leaves_the_data_and_says_why() {
    let (origin, app) = cinema(&["Dune"], "fresh_for = \"1h\"").await;
    app.until_attempts("cinema", 1).await;
    origin.script("/", Answer::status(500));
    let forced = app.post("/api/cinema/refresh").await;
    assert_eq!((forced.status.as_u16(), forced.items("title")), (200, vec!["Dune".to_owned()]));
    assert_eq!(
        (forced.degraded(), forced.member("force_refreshed").is_null(), forced.flags()),
        ("upstream_status".to_owned(), true, (true, true, false))
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_refresh_need_not_be_waited_for() {
    let (origin, app) = cinema(&["Dune"], "fresh_for = \"1h\"").await;
    app.until_attempts("cinema", 1).await;
    origin.hold("/");
    let accepted = app.post("/api/cinema/refresh?wait=0").await;
    assert_eq!((accepted.status.as_u16(), accepted.flags()), (202, (true, true, true)));
    origin.release("/");
    app.until_attempts("cinema", 2).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_origin_leaves_what_was_there_and_heals() {
    let (origin, app) = cinema(&["Dune"], "fresh_for = \"4s\"").await;
    app.until_attempts("cinema", 1).await;
    origin.script("/", Answer::close());
    app.clock.pass(Duration::from_secs(4));
    app.get("/api/cinema").await;
    app.until_attempts("cinema", 2).await;
    let reply = app.get("/api/cinema").await;
    assert_eq!(
        (reply.status.as_u16(), reply.items("title"), reply.degraded()),
        (200, vec!["Dune".to_owned()], "upstream_unreachable".to_owned())
    );
    assert_eq!(reply.flags(), (true, false, false), "nothing runs while it backs off");

    origin.script("/", tix::films(&["Arrival"]));
    // Unasked: the timer tries again.
    app.until("cinema", |s| s["last_error"].is_null()).await;
    let healed = app.get("/api/cinema").await;
    assert_eq!((healed.items("title"), healed.degraded()), (vec!["Arrival".to_owned()], String::new()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_key_whose_origin_is_dead_is_a_503_that_says_when_to_come_back() {
    let (origin, app) = cinema(&[], "fresh_for = \"1h\"\nwarm = false").await;
    origin.script("/", Answer::status(503).header("retry-after", "120"));
    for _ in 0..3 {
        let reply = app.get("/api/cinema").await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (503, "application/problem+json"));
        assert_eq!((reply.member("items"), reply.header("retry-after")), (serde_json::json!([]), "120"));
    }
    assert_eq!(origin.count("/"), 1, "backing off, readers start nothing");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_reader_waits_no_longer_than_cold_wait() {
    let (origin, app) = cinema(&["Dune"], "fresh_for = \"1h\"\nwarm = false\ncold_wait = \"50ms\"").await;
    origin.hold("/");
    let reply = app.get("/api/cinema").await;
    assert_eq!((reply.status.as_u16(), reply.member("items")), (503, serde_json::json!([])));
    origin.release("/");
    app.until_attempts("cinema", 1).await;
    assert_eq!(app.get("/api/cinema").await.flags(), (true, true, false));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_304_renews_without_extraction_and_changed_rules_ask_without_validators() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune", "Up"]).etag("\"v1\""));
    let source =
        |limit: &str| Builder::new().with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\"").replace("limit = 17", limit));
    let app = source("limit = 17").start().await;
    app.until_attempts("cinema", 1).await;
    app.clock.pass(Duration::from_secs(3_600));
    app.get("/api/cinema").await;
    let status = app.until_attempts("cinema", 2).await;
    assert_eq!((status["recent"][0]["outcome"].as_str(), status["revision"].as_u64()), (Some("confirmed"), Some(1)));
    assert_eq!(origin.last("/").header("if-none-match"), Some("\"v1\""));
    assert!(status["age_seconds"].as_f64() < Some(60.0), "it was renewed");

    app.reload(&source("limit = 1")).await;
    app.until("cinema", |s| s["items"] == 1).await;
    assert_eq!(origin.last("/").header("if-none-match"), None);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_kept_fresh_unasked_refreshes_at_expiry() {
    let (origin, app) = cinema(&["Dune"], "fresh_for = \"100ms\"\nrefresh = \"always\"").await;
    origin.wait_for_requests("/", 3).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alternatives_serve_in_order() {
    let origin = Origin::start().await;
    origin.script("/first", Answer::json("{\"trends\": []}"));
    origin.script("/second", Answer::html("<item><title>x</title></item>"));
    let feed = "<rss version=\"2.0\" xmlns:ht=\"https://trends.google.com/trending/rss\"><channel><title>t</title><item><title>padi</title><ht:approx_traffic>2,000+</ht:approx_traffic></item></channel></rss>";
    origin.script("/third", Answer::ok(feed).header("content-type", "application/rss+xml"));
    let source = format!(
        "[source.trend]\nfresh_for = \"24h\"\n[[source.trend.from]]\nwhen_env = \"NO_SUCH_KEY\"\nurl = \"http://localhost/?key=${{NO_SUCH_KEY}}\"\nformat = \"json\"\nitems = \"$[*]\"\n\
         [[source.trend.from]]\nurl = \"{}\"\nformat = \"json\"\nitems = \"$.trends[*]\"\nfields = {{ query = \"$.q\" }}\n\
         [[source.trend.from]]\nurl = \"{}\"\nformat = \"feed\"\nfields = {{ query = \"title\" }}\n\
         [[source.trend.from]]\nurl = \"{}\"\nformat = \"feed\"\nfields = {{ query = \"title\", search_volume = {{ path = \"ht:approx_traffic\", parse = \"number\" }}, category = {{ default = \"Unknown\" }} }}\n",
        origin.url("/first"),
        origin.url("/second"),
        origin.url("/third"),
    );
    let app = TestApp::with_source(&source).await;
    let reply = app.get("/api/trend").await;
    assert_eq!(reply.member("items"), serde_json::json!([{"query": "padi", "search_volume": 2000, "category": "Unknown"}]));
    assert_eq!(app.status("trend").await["alternative"], 4);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_make_keys_of_their_own() {
    let origin = Origin::start().await;
    origin.script("/list", Answer::json("[{\"a\": 1}]"));
    let source = format!(
        "[source.list]\nurl = \"{}?geo={{geo}}\"\nformat = \"json\"\nfresh_for = \"1h\"\nmax_keys = 3\n[source.list.params.geo]\ndefault = \"ID\"\npattern = \"[A-Z]{{2}}\"\n",
        origin.url("/list")
    );
    let app = TestApp::with_source(&source).await;
    for path in ["/api/list?geo=SG", "/api/list?geo=MY", "/api/list?geo=TH", "/api/list?geo=TH", "/api/list", "/api/list?geo=ID"] {
        assert_eq!(app.get(path).await.status, 200, "{path}");
    }
    let asked: Vec<_> = origin.requests("/list").iter().map(|r| r.query.clone()).collect();
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert_eq!(app.app().engine.catalog().source("list").unwrap().cells().len(), 3, "the bound holds");
    for (path, name) in [("/api/list?geo=idn", "geo"), ("/api/list?gee=ID", "gee"), ("/api/list?geo=ID&geo=SG", "geo")] {
        let reply = app.get(path).await;
        assert_eq!((reply.status.as_u16(), reply.member("parameter")), (400, serde_json::json!(name)), "{path}");
    }
    app.stop().await;
}
