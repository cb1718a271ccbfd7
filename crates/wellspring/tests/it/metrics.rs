//! `GET /metrics` as a scraper meets it.

use http::Method;

use crate::support::app::{Builder, TestApp};
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

/// The value of one sample, by its name and labels as they are written.
async fn value(app: &TestApp, sample: &str) -> Option<f64> {
    let page = app.get("/metrics").await;
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
}

async fn check(app: &TestApp, sample: &str, expected: f64) {
    assert_eq!(value(app, sample).await, Some(expected), "{sample}");
}

fn source(origin: &Origin, name: &str, lines: &str) -> String {
    tix::source(name, origin, &format!("/{name}"), &format!("fresh_for = \"1h\"\nmin_interval = \"0s\"\n{lines}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_refreshes_are_told_by_source() {
    let origin = Origin::start().await;
    origin.script("/cinema", tix::films(&["Dune", "Up"]));
    let builder = Builder::new().with_source(&source(&origin, "cinema", "max_stale = \"2h\""));
    let app = builder.start().await;
    app.until_attempts("cinema", 1).await;

    check(&app, "wellspring_refreshes_total{source=\"cinema\",outcome=\"stored\"}", 1.0).await;
    check(&app, "wellspring_refreshes_total{source=\"cinema\",outcome=\"confirmed\"}", 0.0).await;
    check(&app, "wellspring_reads_total{source=\"cinema\",result=\"fresh\"}", 0.0).await;
    check(&app, "wellspring_keys{source=\"cinema\"}", 1.0).await;
    check(&app, "wellspring_snapshot_items{source=\"cinema\"}", 2.0).await;
    check(&app, "wellspring_fresh_for_seconds{source=\"cinema\"}", 3_600.0).await;
    check(&app, "wellspring_max_stale_seconds{source=\"cinema\"}", 7_200.0).await;
    check(&app, "wellspring_refresh_duration_seconds_count{source=\"cinema\"}", 1.0).await;
    check(&app, "wellspring_refresh_duration_seconds_bucket{source=\"cinema\",le=\"+Inf\"}", 1.0).await;
    check(&app, "wellspring_store_up", 1.0).await;
    check(&app, "wellspring_store_write_duration_seconds_count", 1.0).await;
    check(&app, "wellspring_browser_running", 0.0).await;
    assert!(value(&app, "wellspring_snapshot_bytes{source=\"cinema\"}").await.unwrap() > 10.0);
    assert!(value(&app, "process_resident_memory_bytes").await.unwrap() > 1e6);
    assert!(value(&app, "process_open_fds").await.unwrap() > 3.0);

    app.get("/api/cinema").await;
    app.get("/api/cinema?nonsense=1").await;
    check(&app, "wellspring_reads_total{source=\"cinema\",result=\"fresh\"}", 1.0).await;
    check(&app, "wellspring_reads_total{source=\"cinema\",result=\"other\"}", 1.0).await;

    // Stale and then failing.
    origin.script("/cinema", Answer::status(500));
    app.clock.pass(std::time::Duration::from_secs(5_400));
    check(&app, "wellspring_keys_stale{source=\"cinema\"}", 1.0).await;
    assert!(value(&app, "wellspring_snapshot_age_seconds{source=\"cinema\"}").await.unwrap() >= 5_400.0);
    app.get("/api/cinema").await;
    app.until_attempts("cinema", 2).await;
    check(&app, "wellspring_reads_total{source=\"cinema\",result=\"stale\"}", 1.0).await;
    check(&app, "wellspring_refreshes_total{source=\"cinema\",outcome=\"upstream_status\"}", 1.0).await;
    check(&app, "wellspring_keys_degraded{source=\"cinema\"}", 1.0).await;

    // A source that stays goes on counting, also where its own configuration changed.
    app.reload(&Builder::new().with_source(&source(&origin, "cinema", "max_stale = \"3h\""))).await;
    check(&app, "wellspring_reads_total{source=\"cinema\",result=\"stale\"}", 1.0).await;
    check(&app, "wellspring_refreshes_total{source=\"cinema\",outcome=\"stored\"}", 1.0).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_told_while_it_runs() {
    let origin = Origin::start().await;
    origin.script("/cinema", tix::films(&["Dune"]));
    origin.hold("/cinema");
    let app = TestApp::with_source(&source(&origin, "cinema", "")).await;
    origin.wait_for_requests("/cinema", 1).await;
    check(&app, "wellspring_refreshes_in_flight{source=\"cinema\"}", 1.0).await;
    // Nothing is held yet, so nothing has an age.
    assert_eq!(value(&app, "wellspring_snapshot_age_seconds{source=\"cinema\"}").await, None);
    assert_eq!(value(&app, "wellspring_last_success_timestamp_seconds{source=\"cinema\"}").await, None);
    origin.release("/cinema");
    app.until_attempts("cinema", 1).await;
    check(&app, "wellspring_refreshes_in_flight{source=\"cinema\"}", 0.0).await;
    assert!(value(&app, "wellspring_last_success_timestamp_seconds{source=\"cinema\"}").await.unwrap() > 1.7e9);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scraper_gets_the_format_that_it_asks_for() {
    let origin = Origin::start().await;
    origin.script("/cinema", tix::films(&["Dune"]));
    let app = TestApp::with_source(&source(&origin, "cinema", "")).await;
    let plain = app.get("/metrics").await;
    assert_eq!(plain.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(plain.header("cache-control"), "no-store");
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let open = app.send(Method::GET, "/metrics", &[("accept", accept)]).await;
    assert_eq!(open.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.body.ends_with(b"\n# EOF\n"));
    let refused = app.post("/metrics").await;
    assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, "GET, HEAD"));
    app.stop().await;
}

/// Every family of the page, so that none changes its name unnoticed: dashboards are made of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_names_are_these() {
    let origin = Origin::start().await;
    origin.script("/cinema", tix::films(&["Dune"]));
    let folder = tempfile::tempdir().unwrap();
    let app = Builder::new().with_data(folder.path()).with_source(&source(&origin, "cinema", "max_stale = \"2h\"")).start().await;
    app.until_attempts("cinema", 1).await;
    let page = app.get("/metrics").await;
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    insta::assert_snapshot!(names.join("\n"), @"
    wellspring_build_info gauge
    wellspring_reads_total counter
    wellspring_refreshes_total counter
    wellspring_notifications_total counter
    wellspring_refresh_duration_seconds histogram
    wellspring_refreshes_in_flight gauge
    wellspring_refreshes_queued gauge
    wellspring_snapshot_age_seconds gauge
    wellspring_fresh_for_seconds gauge
    wellspring_snapshot_items gauge
    wellspring_snapshot_bytes gauge
    wellspring_keys gauge
    wellspring_keys_degraded gauge
    wellspring_keys_stale gauge
    wellspring_last_success_timestamp_seconds gauge
    wellspring_max_stale_seconds gauge
    wellspring_store_up gauge
    wellspring_store_errors_total counter
    wellspring_store_bytes gauge
    wellspring_store_write_duration_seconds histogram
    wellspring_browser_running gauge
    wellspring_browser_starts_total counter
    wellspring_browser_pages_in_flight gauge
    wellspring_connections gauge
    wellspring_streams gauge
    wellspring_tasks gauge
    wellspring_connections_refused_total counter
    process_cpu_seconds_total counter
    process_resident_memory_bytes gauge
    process_virtual_memory_bytes gauge
    process_open_fds gauge
    process_max_fds gauge
    process_start_time_seconds gauge
    ");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_of_many_keys_is_cheap() {
    let origin = Origin::start().await;
    let keys = 2_000;
    let lines = "warm = false\nmax_keys = 5000\n[source.cinema.params.n]\npattern = \"[0-9]+\"\n";
    let toml = format!("[source.cinema]\nurl = \"{}?n={{n}}\"\nfresh_for = \"1h\"\nformat = \"json\"\n{lines}", origin.url("/cinema"));
    origin.script("/cinema", Answer::json(r#"[{"a": 1}]"#));
    let app = TestApp::with_source(&toml).await;
    let source = app.app().engine.catalog().source("cinema").unwrap().clone();
    for n in 0..keys {
        let key = wellspring_core::key::Key::parse(&format!("cinema?n={n}")).unwrap();
        app.app().engine.cell(&source, &key).unwrap();
    }
    check(&app, "wellspring_keys{source=\"cinema\"}", f64::from(keys)).await;
    let size = app.get("/metrics").await.body.len();
    assert!(size < 16 << 10, "keys must not show: {size} bytes");
    app.stop().await;
}
