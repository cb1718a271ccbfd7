//! T13: whatever a wall clock does, nothing is fetched more than once for it, nothing has an age below zero, nothing stops for years.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use wellspring::clock::{Clock as _, SystemClock};

use super::judge;
use crate::support::app::{Builder, TestApp};
use crate::support::client::Reply;
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

mod faked;

const HOUR: Duration = Duration::from_secs(3_600);
/// What each source is, by its lines: how it ends to be fresh, and who refreshes it.
const KINDS: [(&str, &str); 5] = [
    ("demanded", "fresh_for = \"1h\"\nreport_age = true"),
    ("bounded", "fresh_for = \"1h\"\nmax_stale = \"12h\"\nreport_age = true"),
    ("always", "fresh_for = \"1h\"\nrefresh = \"always\"\nreport_age = true"),
    ("daily", "fresh_until = \"00:00 Asia/Jakarta\"\nreport_age = true"),
    ("shared", "fresh_for = \"1h\"\nhttp_cache = \"shared\"\nreport_age = true"),
];

/// Where a wall clock goes, from where it is.
fn steps() -> Vec<(&'static str, SignedDuration)> {
    let to = |text: &str| text.parse::<Timestamp>().unwrap().duration_since(SystemClock.now().wall);
    vec![
        ("+1 h", SignedDuration::from_hours(1)),
        ("-1 h", SignedDuration::from_hours(-1)),
        ("+1 d", SignedDuration::from_hours(24)),
        ("-1 d", SignedDuration::from_hours(-24)),
        ("1970", to("1970-01-01T00:00:01Z")),
        ("2038", to("2038-01-19T03:14:08Z")),
        ("2106", to("2106-02-07T06:28:17Z")),
        ("2250", to("2250-01-01T00:00:00Z")),
    ]
}

/// What is wrong with an answer, whatever time it is said to be.
fn senseless(what: &str, reply: &Reply) -> Option<String> {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let wrong = |why: String| Some(format!("{what}: {why}"));
    if reply.status != 200 || body["items"].as_array().is_none_or(Vec::is_empty) {
        return wrong(format!("{} {body}", reply.status));
    }
    if body["cache_age_hours"].as_f64().is_none_or(|age| age < 0.0) {
        return wrong(format!("an age of {}", body["cache_age_hours"]));
    }
    let age = reply.header("age");
    if !age.is_empty() && age.parse::<u64>().is_err() {
        return wrong(format!("Age: {age}"));
    }
    let date = body["cache_date"].as_str().unwrap_or_default().parse::<jiff::civil::DateTime>();
    let fetched_at = body["fetched_at"].as_str().unwrap_or_default().parse::<Timestamp>();
    if date.is_err() || fetched_at.is_err() {
        return wrong(format!("dates {} and {}", body["cache_date"], body["fetched_at"]));
    }
    None
}

fn builder(origin: &Origin, folder: &TempDir) -> Builder {
    let mut builder = Builder::new().with_data(folder.path());
    for (kind, lines) in KINDS {
        builder = builder.with_source(&tix::source(kind, origin, &format!("/{kind}"), &format!("{lines}\nmin_interval = \"1m\"")));
    }
    builder
}

async fn scene() -> (Origin, TempDir, TestApp) {
    let (origin, folder) = (Origin::start().await, TempDir::new().unwrap());
    for (kind, _) in KINDS {
        origin.script_rising(&format!("/{kind}"), |_, number| Answer::html(tix::page(&["Dune", &format!("Film {number}")])));
    }
    let app = builder(&origin, &folder).start().await;
    settle(&app).await;
    (origin, folder, app)
}

/// Reads everything until nothing more is under way; what is wrong with what is read.
async fn settle(app: &TestApp) -> Vec<String> {
    let mut wrong = Vec::new();
    for (kind, _) in KINDS {
        let path = format!("/api/{kind}");
        wrong.extend(senseless(kind, &app.get(&path).await));
        app.until(kind, |status| status["freshness"] == "fresh" && status["phase"] == "idle").await;
        wrong.extend(senseless(kind, &app.get(&path).await));
    }
    wrong
}

fn fetches(origin: &Origin) -> Vec<usize> {
    KINDS.iter().map(|(kind, _)| origin.count(&format!("/{kind}"))).collect()
}

/// How many more fetches of one source there were since, at most.
fn more(origin: &Origin, before: &[usize]) -> usize {
    fetches(origin).iter().zip(before).map(|(now, before)| now - before).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_steps_costs_one_fetch_at_most() {
    let (mut wrong, mut worst, mut cases) = (Vec::new(), 0, 0);
    for (step, by) in steps() {
        let (origin, folder, app) = scene().await;
        let mut judge_step = |when: &str, found: Vec<String>, extra: usize| {
            cases += 1;
            worst = worst.max(extra);
            wrong.extend(found.into_iter().map(|why| format!("{step} {when}: {why}")));
        };
        // While it serves, and back.
        let before = fetches(&origin);
        app.clock.step_wall(by);
        let found = settle(&app).await;
        judge_step("while it serves", found, more(&origin, &before));
        let before = fetches(&origin);
        app.reload(&builder(&origin, &folder).with_source(&tix::source("more", &origin, "/nowhere", "fresh_for = \"1h\"\nwarm = false")))
            .await;
        let found = settle(&app).await;
        judge_step("at a reload after it", found, more(&origin, &before));
        // A period passes: everything is refreshed once, by a clock that stands where it stepped to.
        let before = fetches(&origin);
        app.clock.pass(25 * HOUR);
        let found = settle(&app).await;
        judge_step("a period after it", found, more(&origin, &before).saturating_sub(1));
        app.stop().await;
        // The next process reads what that one wrote, by a clock that is right again.
        let before = fetches(&origin);
        let app = builder(&origin, &folder).start().await;
        let found = settle(&app).await;
        judge_step("across a restart, back", found, more(&origin, &before));
        app.stop().await;
        // And the next one by a clock that is wrong again, from data that is right.
        let before = fetches(&origin);
        let app = builder(&origin, &folder).start_stepped(by).await;
        let found = settle(&app).await;
        judge_step("across a restart", found, more(&origin, &before));
        // During a refresh.
        let before = fetches(&origin);
        origin.hold("/demanded");
        app.clock.pass(2 * HOUR);
        app.get("/api/demanded").await;
        origin.wait_for_requests("/demanded", before[0] + 1).await;
        app.clock.step_wall(-by);
        origin.release("/demanded");
        let found = settle(&app).await;
        judge_step("during a refresh", found, more(&origin, &before).saturating_sub(1));
        // What was kept meanwhile by all these clocks is still told in its order.
        let history = app.get("/api/demanded/history").await.json();
        let revisions: Vec<u64> = history["revisions"].as_array().unwrap().iter().map(|r| r["revision"].as_u64().unwrap()).collect();
        assert!(revisions.is_sorted_by(|a, b| a > b) && revisions.len() > 1, "{history}");
        let mut last = 0;
        let ago = |hours| app.clock_now().checked_sub(SignedDuration::from_hours(hours)).unwrap().to_string();
        for moment in ["1971-01-01T00:00:00Z".to_owned(), "2000-01-01T00:00:00Z".to_owned(), ago(26), ago(1), ago(0)] {
            let reply = app.get(&format!("/api/demanded?as_of={moment}")).await;
            // Before the first there is none.
            let film = if reply.status == 200 { reply.items("title")[1].clone() } else { "Film 0".to_owned() };
            let revision: u64 = film.trim_start_matches("Film ").parse().unwrap();
            assert!(revision >= last, "{step}: as of {moment} revision {revision} after {last}");
            last = revision;
        }
        let newest = app.get("/api/demanded").await.items("title")[1].clone();
        assert_eq!(format!("Film {last}"), newest, "{step}: the newest is there as of now");
        app.stop().await;
    }
    wrong.iter().take(20).for_each(|wrong| println!("{wrong}"));
    let figure = format!("{cases} cases, {worst} more fetches of a source at most, {} senseless answers", wrong.len());
    judge("T13", "an injected clock that steps", &figure, "at most 1, no age below 0", worst <= 1 && wrong.is_empty());
}

/// A server whose clock was years ahead, and which starts more often than its data lasts: nothing waits for the year.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_clock_wrote_that_was_years_ahead_holds_nothing() {
    let (origin, folder) = (Origin::start().await, TempDir::new().unwrap());
    origin.script("/", tix::films(&["Dune"]));
    origin.script("/broken", Answer::status(500));
    let builder = Builder::new()
        .with_data(folder.path())
        .with_source(&tix::source("good", &origin, "/", "fresh_for = \"6d\"\nmin_interval = \"1h\""))
        .with_source(&tix::source("broken", &origin, "/broken", "fresh_for = \"6d\"\nmin_interval = \"1h\""));
    let years = SignedDuration::from_hours(24 * 365 * 12);
    let app = builder.start_stepped(years).await;
    app.until_attempts("good", 1).await;
    app.until_attempts("broken", 1).await;
    app.post("/api/good/refresh").await;
    app.stop().await;

    origin.script("/broken", tix::films(&["Up"]));
    let mut held = Vec::new();
    let (good, broken) = (origin.count("/"), origin.count("/broken"));
    let app = builder.start().await;
    let stale = app.get("/api/good").await;
    if stale.flags().1 {
        held.push("what is of a time ahead is fresh");
    }
    if stale.json()["fetched_at"].as_str().unwrap().parse::<Timestamp>().unwrap() > app.clock_now() {
        held.push("a date lies ahead");
    }
    app.until("good", |status| status["freshness"] == "fresh" && status["phase"] == "idle").await;
    if app.post("/api/good/refresh").await.member("force_refreshed") != true {
        held.push("a forced fetch is refused");
    }
    if app.get("/api/broken").await.status != 200 {
        held.push("a backoff goes on");
    }
    let counts = (origin.count("/") - good, origin.count("/broken") - broken);
    app.stop().await;
    let figure = format!("{} held back {held:?}, fetches {counts:?}", held.len());
    judge("T13", "twelve years ahead, then right", &figure, "none, (2, 1)", held.is_empty() && counts == (2, 1));
}
