//! What a host asks of robots is heeded.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use wellspring::clock::{Clock as _, SystemClock};
use wellspring::fetch::{FetchError, Fetched, Fetcher, Request};
use wellspring_core::moment::Mono;

use crate::support::app::{Builder, TestApp};
use crate::support::origin::{Answer, Origin};
use crate::support::program::{Program, command, output, write_config};
use crate::support::tix;

const HOUR: Duration = Duration::from_secs(3_600);
const ASKED_FOR: &str = "fresh_for = \"1h\"\nwarm = false\nmin_interval = \"0s\"";
/// A reader of a cold key does not wait.
const HASTY: &str = "fresh_for = \"1h\"\nwarm = false\ncold_wait = \"10ms\"";

/// An origin with films at `/0`, `/1` … and this robots.txt.
async fn origin(robots: Answer) -> Origin {
    let origin = Origin::start().await;
    origin.script("/robots.txt", robots);
    for path in 0..50 {
        origin.script(&format!("/{path}"), tix::films(&["Dune"]));
    }
    origin
}

/// A server with `count` sources `s0`, `s1` … of that origin.
fn sources(origin: &Origin, count: usize, lines: &str) -> Builder {
    let source = |n| tix::source(&format!("s{n}"), origin, &format!("/{n}"), lines);
    (0..count).fold(Builder::new().with_robots(), |builder, n| builder.with_source(&source(n)))
}

async fn start(origin: &Origin) -> TestApp {
    sources(origin, 1, ASKED_FOR).start().await
}

/// Asks for a stale key and waits for the refresh behind the answer; the last error's code.
async fn refreshed(app: &TestApp) -> String {
    let attempts = app.status("s0").await["recent"].as_array().unwrap().len();
    app.get("/api/s0").await;
    let status = app.until_attempts("s0", attempts + 1).await;
    status["last_error"]["code"].as_str().unwrap_or("none").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_disallowed_is_not_asked_for_and_what_is_there_stays() {
    let origin = origin(Answer::ok("User-agent: *\nAllow: /")).await;
    let app = start(&origin).await;
    assert_eq!(app.get("/api/s0").await.items("title"), ["Dune"]);
    assert_eq!((origin.count("/robots.txt"), origin.count("/0")), (1, 1));

    origin.script("/robots.txt", Answer::ok("# private\nUser-agent: *\nDisallow: /0"));
    app.clock.pass(25 * HOUR);
    assert_eq!(refreshed(&app).await, "robots_refused");
    let status = app.status("s0").await;
    let words = status["last_error"]["message"].as_str().unwrap().replace(&origin.address().to_string(), "a.example");
    insta::assert_snapshot!(words, @"http://a.example/robots.txt disallows /0 for wellspring (line 3: Disallow: /0); `robots = false` in the source overrules it");
    assert_eq!((&status["phase"], &status["robots"]), (&"backing_off".into(), &"honoured".into()));

    // Whoever forces it is told the same.
    let forced = app.post("/api/s0/refresh").await;
    assert_eq!((forced.items("title"), forced.degraded()), (vec!["Dune".to_owned()], "robots_refused".to_owned()));
    assert_eq!((origin.count("/robots.txt"), origin.count("/0")), (2, 1));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_robots_txt_everything_is_allowed() {
    let page = Answer::html("<title>Not here</title>\n<p>User-agent: *</p>\n<p>Disallow: /</p>");
    let answers =
        [Answer::status(404), Answer::status(401), Answer::status(403), page, Answer::redirect(301, "/robots.txt"), Answer::endless()];
    for answer in answers {
        let origin = origin(answer.clone()).await;
        let app = start(&origin).await;
        assert_eq!(app.get("/api/s0").await.status, 200, "{answer:?}");
        let asked = origin.count("/robots.txt");
        app.clock.pass(HOUR);
        assert_eq!(refreshed(&app).await, "none");
        assert_eq!((origin.count("/robots.txt"), origin.count("/0")), (asked, 2), "{answer:?}");
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robots_txt_out_of_reach_is_no_refusal() {
    let answers = [
        (Answer::status(503), "upstream_status"),
        (Answer::status(429), "upstream_status"),
        (Answer::close(), "upstream_unreachable"),
        (Answer::hang(), "timeout"),
    ];
    for (answer, code) in answers {
        let origin = origin(answer.clone()).await;
        let app = sources(&origin, 1, ASKED_FOR).with_fetch("timeout = \"200ms\"").start().await;
        let reply = app.get("/api/s0").await;
        let detail = reply.member("detail").as_str().unwrap().to_owned();
        assert!(reply.status == 503 && detail.contains("/robots.txt could not be read: 127.0.0.1"), "{detail}");
        assert_eq!((app.status("s0").await["last_error"]["code"].as_str(), origin.count("/0")), (Some(code), 0), "{answer:?}");

        // It is asked for again with the next attempt, which comes as soon as after any failure that is likely to pass.
        origin.script("/robots.txt", Answer::status(404));
        app.clock.pass(Duration::from_secs(60));
        assert_eq!(app.get("/api/s0").await.status, 200, "{answer:?}");
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_kept_for_a_day_and_used_for_a_month_while_there_is_no_other() {
    let origin = origin(Answer::ok("User-agent: wellspring\nDisallow: /private").etag("\"1\"")).await;
    let app = start(&origin).await;
    app.get("/api/s0").await;
    app.clock.pass(23 * HOUR);
    assert_eq!((refreshed(&app).await, origin.count("/robots.txt")), ("none".to_owned(), 1));
    app.clock.pass(2 * HOUR);
    assert_eq!((refreshed(&app).await, origin.count("/robots.txt")), ("none".to_owned(), 2));
    assert_eq!(origin.last("/robots.txt").header("if-none-match"), Some("\"1\""));

    // Out of reach: the copy holds, and it is asked for now and then.
    origin.script("/robots.txt", Answer::status(500));
    app.clock.pass(25 * HOUR);
    assert_eq!((refreshed(&app).await, origin.count("/robots.txt")), ("none".to_owned(), 3));
    app.post("/api/s0/refresh").await;
    assert_eq!((origin.count("/robots.txt"), origin.count("/0")), (3, 5));
    app.clock.pass(30 * 24 * HOUR);
    assert_eq!(refreshed(&app).await, "upstream_status");
    assert_eq!(origin.count("/0"), 5);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sources_of_a_host_share_one_request() {
    let origin = origin(Answer::ok("")).await;
    origin.hold("/robots.txt");
    let app = sources(&origin, 50, HASTY).start().await;
    for n in 0..50 {
        assert_eq!(app.get(&format!("/api/s{n}")).await.status, 503);
    }
    origin.wait_for_requests("/robots.txt", 1).await;
    origin.release("/robots.txt");
    for n in 0..50 {
        app.until(&format!("s{n}"), |s| s["freshness"] == "fresh").await;
    }
    assert_eq!(origin.total(), 51);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_share_a_failure_too() {
    let origin = origin(Answer::ok("")).await;
    origin.once("/robots.txt", Answer::status(500));
    origin.hold("/robots.txt");
    let app = sources(&origin, 3, HASTY).start().await;
    for n in 0..3 {
        app.get(&format!("/api/s{n}")).await;
        app.until(&format!("s{n}"), |s| s["phase"] == "collecting").await;
    }
    origin.wait_for_requests("/robots.txt", 1).await;
    origin.release("/robots.txt");
    for n in 0..3 {
        app.until(&format!("s{n}"), |s| s["last_error"]["code"] == "upstream_status").await;
    }
    assert_eq!((origin.count("/robots.txt"), origin.total()), (1, 1));
    app.stop().await;
}

/// The one who asks is cut off: those who wait for the answer are not left alone.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_takes_over_from_one_who_is_cut_off() {
    let origin = origin(Answer::ok("")).await;
    origin.hold("/robots.txt");
    let app = sources(&origin, 2, HASTY).start().await;
    app.get("/api/s0").await;
    origin.wait_for_requests("/robots.txt", 1).await;
    app.get("/api/s1").await;
    app.until("s1", |s| s["phase"] == "collecting").await;
    app.reload(&Builder::new().with_robots().with_source(&tix::source("s1", &origin, "/1", HASTY))).await;
    origin.wait_for_requests("/robots.txt", 2).await;
    origin.release("/robots.txt");
    app.until("s1", |s| s["freshness"] == "fresh").await;
    assert_eq!((origin.count("/0"), origin.count("/1")), (0, 1));
    app.stop().await;
}

/// Remembers when each page was asked for.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn Fetcher>,
    starts: Arc<Mutex<Vec<Mono>>>,
}

#[async_trait]
impl Fetcher for Watched {
    async fn fetch(&self, request: &Request) -> Result<Fetched, FetchError> {
        if !request.url.expose().ends_with("/robots.txt") {
            self.starts.lock().unwrap().push(SystemClock.mono());
        }
        self.inner.fetch(request).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_delay_spaces_requests_from_the_first_on() {
    let origin = origin(Answer::ok("User-agent: *\nCrawl-delay: 0.3")).await;
    origin.hold("/robots.txt");
    let starts = Arc::<Mutex<Vec<Mono>>>::default();
    let watched = |inner| Arc::new(Watched { inner, starts: Arc::clone(&starts) }) as Arc<dyn Fetcher>;
    let app = sources(&origin, 5, HASTY).start_with(watched).await;
    // Four have a place at the host before anybody knows how slowly it wants to be asked.
    for n in 0..5 {
        app.get(&format!("/api/s{n}")).await;
        app.until(&format!("s{n}"), |s| s["phase"] == if n < 4 { "collecting" } else { "queued" }).await;
    }
    origin.release("/robots.txt");
    for n in 0..5 {
        app.until(&format!("s{n}"), |s| s["freshness"] == "fresh").await;
    }
    let starts = starts.lock().unwrap().clone();
    let gaps: Vec<Duration> = starts.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    // Seen a moment after each was let go, which is not always the same moment.
    assert!(gaps.len() == 4 && gaps.iter().all(|gap| *gap >= Duration::from_millis(270)), "{gaps:?}");
    let whole = starts[4].since(starts[0]);
    assert!(whole >= Duration::from_millis(4 * 300 - 30), "{whole:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_wants_long_pauses_holds_nobody_else_up() {
    let (slow, quick) = (origin(Answer::ok("User-agent: *\nCrawl-delay: 86400")).await, origin(Answer::ok("")).await);
    let source = tix::source("quick", &quick, "/0", ASKED_FOR).replace("127.0.0.1", "localhost");
    let app = sources(&slow, 3, HASTY).with_source(&source).with_fetch("at_once = 1").start().await;
    app.get("/api/s0").await;
    app.until("s0", |s| s["freshness"] == "fresh").await;
    for n in 1..3 {
        app.get(&format!("/api/s{n}")).await;
        app.until(&format!("s{n}"), |s| s["phase"] == "queued").await;
    }
    assert_eq!(app.get("/api/quick").await.status, 200);
    assert_eq!((slow.count("/1"), slow.count("/2")), (0, 0));
    // Half a minute is the most that is granted.
    app.clock.pass(Duration::from_secs(30));
    app.get("/api/s1").await;
    app.until("s1", |s| s["freshness"] == "fresh").await;
    assert_eq!((slow.count("/1"), slow.count("/2")), (1, 0));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ignores_it_is_seen_to_do_so() {
    let origin = origin(Answer::ok("User-agent: *\nDisallow: /")).await;
    let folder = tempfile::tempdir().unwrap();
    let sources = tix::source("s0", &origin, "/0", "fresh_for = \"1h\"\nrobots = false") + &tix::source("s1", &origin, "/1", ASKED_FOR);
    write_config(folder.path(), &format!("[server]\nlisten = \"127.0.0.1:0\"\n[fetch]\nallow_private = true\n{sources}"));
    let server = Program::serve(folder.path());
    let said = server.wait_for_log("robots.txt is ignored");
    assert!(said.contains("\"s0\""), "{said}");
    let status = server.until_fresh("s0").await;
    assert_eq!((&status["robots"], origin.count("/robots.txt")), (&"ignored".into(), 0));
    assert_eq!(server.get("/api/s1/status").await.member("robots"), "honoured");

    let check = |args: &[&str]| output(command(folder.path()).arg("check").args(args));
    let told = String::from_utf8(check(&["s0"]).stdout).unwrap();
    assert!(told.contains("  robots.txt is ignored (`robots = false`)\n"), "{told}");
    let json: serde_json::Value = serde_json::from_slice(&check(&["s0", "--json"]).stdout).unwrap();
    assert_eq!((&json["robots"], origin.count("/robots.txt")), (&"ignored".into(), 0));
    let refused = check(&["s1"]);
    let told = String::from_utf8(refused.stdout).unwrap();
    assert_eq!((refused.status.code(), origin.count("/1")), (Some(1), 0));
    assert!(told.contains("FAILED (robots_refused): http://") && !told.contains("ignored"), "{told}");
}

/// Whoever was given a key was given leave.
#[tokio::test(flavor = "multi_thread")]
async fn requests_with_a_secret_do_not_ask() {
    let origin = origin(Answer::ok("User-agent: *\nDisallow: /")).await;
    let folder = tempfile::tempdir().unwrap();
    let in_address = tix::source("s0", &origin, "/0?key=${KEY}", ASKED_FOR);
    let in_header = tix::source("s1", &origin, "/1", &format!("{ASKED_FOR}\nheaders = {{ Authorization = \"Bearer ${{KEY}}\" }}"));
    write_config(folder.path(), &format!("[fetch]\nallow_private = true\n{in_address}{in_header}"));
    let checked = output(command(folder.path()).env("KEY", "s3cr3t").arg("check"));
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    assert_eq!((origin.count("/robots.txt"), origin.count("/0"), origin.count("/1")), (0, 1, 1));
}
