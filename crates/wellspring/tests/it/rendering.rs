//! Which means serves a page, and what is remembered and told of it. The browser of most of these is scripted, at the seam.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::Notify;
use url::Url;
use wellspring::fetch::{FetchError, Fetched, Fetcher, Rendered, Request, Response, Seen};
use wellspring_core::snapshot::Validator;

use crate::browser;
use crate::support::app::{Builder, TestApp};
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

const AUTO: &str = "render = \"auto\"\nwait_for = \"li\"\nfresh_for = \"1h\"\nwarm = false\nmin_interval = \"0s\"";

/// A browser that shows what it is told to, in front of plain HTTP.
#[derive(Debug)]
struct Scripted {
    plain: Arc<dyn Fetcher>,
    stage: Arc<Stage>,
}

#[derive(Debug, Default)]
struct Stage {
    bodies: Mutex<Vec<String>>,
    fails: Mutex<Option<FetchError>>,
    /// What it was asked for.
    asked: Mutex<Vec<String>>,
    /// Pages that are open, and the most there were.
    open: Mutex<(usize, usize)>,
    /// Held until told otherwise.
    held: Mutex<bool>,
    released: Notify,
}

#[async_trait]
impl Fetcher for Scripted {
    async fn fetch(&self, request: &Request) -> Result<Fetched, FetchError> {
        if request.page.is_none() {
            return self.plain.fetch(request).await;
        }
        self.stage.asked.lock().unwrap().push(request.url.to_string());
        {
            let mut open = self.stage.open.lock().unwrap();
            open.0 += 1;
            open.1 = open.1.max(open.0);
        }
        loop {
            let released = self.stage.released.notified();
            if !*self.stage.held.lock().unwrap() {
                break;
            }
            released.await;
        }
        self.stage.open.lock().unwrap().0 -= 1;
        if let Some(error) = &*self.stage.fails.lock().unwrap() {
            return Err(error.clone());
        }
        let url = Url::parse(request.url.expose()).unwrap();
        let body = |text: &String| Response {
            status: 200,
            url: url.clone(),
            content_type: None,
            body: text.clone().into(),
            validator: Validator::default(),
        };
        let bodies = self.stage.bodies.lock().unwrap().iter().map(body).collect();
        Ok(Fetched::Rendered(Rendered { bodies, seen: Seen::default() }))
    }
}

impl Stage {
    fn shows(&self, bodies: &[String]) {
        *self.bodies.lock().unwrap() = bodies.to_vec();
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn start(builder: &Builder) -> (TestApp, Arc<Stage>) {
    let stage = Arc::new(Stage::default());
    stage.shows(&[tix::page(&["Dune"])]);
    let shared = Arc::clone(&stage);
    (builder.start_with(|plain| Arc::new(Scripted { plain, stage: shared })).await, stage)
}

/// Forces a refresh; what served and the error's code.
async fn forced(app: &TestApp) -> (Value, Value) {
    app.post("/api/films/refresh").await;
    let status = app.until("films", |s| s["phase"] != "collecting" && s["phase"] != "storing").await;
    (status["rung"].clone(), status["last_error"]["code"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_plain_http_can_read_opens_no_browser() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]).etag("\"1\""));
    let (app, stage) = start(&Builder::new().with_source(&tix::source("films", &origin, "/", AUTO))).await;
    assert_eq!(app.get("/api/films").await.items("title"), ["Dune"]);
    assert_eq!(forced(&app).await, ("http".into(), Value::Null));
    assert_eq!(origin.last("/").header("if-none-match"), Some("\"1\""));
    assert_eq!(stage.count(), 0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_serves_what_plain_http_cannot_until_that_can_again() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&[]).etag("\"empty\""));
    let (app, stage) = start(&Builder::new().with_source(&tix::source("films", &origin, "/", AUTO))).await;
    assert_eq!(app.get("/api/films").await.items("title"), ["Dune"]);
    assert_eq!((app.status("films").await["rung"].clone(), origin.count("/"), stage.count()), ("browser".into(), 1, 1));
    for _ in 0..7 {
        assert_eq!(forced(&app).await, ("browser".into(), Value::Null));
    }
    assert_eq!((origin.count("/"), stage.count()), (1, 8), "plain HTTP was known not to do");
    forced(&app).await;
    assert_eq!((origin.count("/"), stage.count()), (2, 9), "now and then it is tried again");
    assert_eq!(origin.last("/").header("if-none-match"), None, "what was served came from elsewhere");

    origin.script("/", tix::films(&["Arrival"]));
    app.clock.pass(Duration::from_secs(25 * 3_600));
    assert_eq!(forced(&app).await, ("http".into(), Value::Null));
    assert_eq!(app.get("/api/films").await.items("title"), ["Arrival"]);
    for _ in 0..3 {
        forced(&app).await;
    }
    assert_eq!(stage.count(), 9, "no browser is needed any more");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_served_is_remembered_by_the_next_server() {
    let origin = Origin::start().await;
    let folder = tempfile::tempdir().unwrap();
    origin.script("/", tix::films(&[]));
    let builder = Builder::new().with_data(folder.path()).with_source(&tix::source("films", &origin, "/", AUTO));
    let (app, _) = start(&builder).await;
    app.get("/api/films").await;
    app.stop().await;
    let (app, stage) = start(&builder).await;
    assert_eq!(app.status("films").await["rung"], "browser");
    forced(&app).await;
    assert_eq!((origin.count("/"), stage.count()), (1, 1));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_browser_the_last_good_stays_and_the_way_out_is_told() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let (app, stage) = start(&Builder::new().with_source(&tix::source("films", &origin, "/", AUTO))).await;
    app.get("/api/films").await;
    origin.script("/", tix::films(&[]));
    let missing = FetchError::NoBrowser { host: "a.example".to_owned(), way_out: "apt install a-browser".to_owned() };
    *stage.fails.lock().unwrap() = Some(missing);
    forced(&app).await;
    let answer = app.get("/api/films").await;
    assert_eq!(answer.items("title"), ["Dune"]);
    let degraded = answer.json()["degraded"].clone();
    assert_eq!(degraded["code"], "browser_missing");
    insta::assert_snapshot!(degraded["message"].as_str().unwrap(), @"plain HTTP: min_items: no row was found where at least 1 was expected: has the page changed, or is it filled by JavaScript?; a browser is needed to render a.example, and there is none: apt install a-browser");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_down_is_not_asked_again_by_a_browser() {
    let origin = Origin::start().await;
    origin.script("/", Answer::status(500));
    let (app, stage) = start(&Builder::new().with_source(&tix::source("films", &origin, "/", AUTO))).await;
    app.get("/api/films").await;
    assert_eq!((app.status("films").await["last_error"]["code"].clone(), stage.count()), ("upstream_status".into(), 0));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_all_that_a_page_has_loaded_follow_one_another() {
    let origin = Origin::start().await;
    let source = format!(
        "[source.films]\nurl = \"{}\"\nrender = \"always\"\ncapture = \"**/api/list*\"\nformat = \"json\"\nitems = \"$[*]\"\nunique_by = \"title\"\nfresh_for = \"1h\"\nwarm = false\n",
        origin.url("/")
    );
    let (app, stage) = start(&Builder::new().with_source(&source)).await;
    stage.shows(&[r#"[{"title":"A"},{"title":"B"}]"#.to_owned(), r#"[{"title":"B"},{"title":"C"}]"#.to_owned()]);
    assert_eq!(app.get("/api/films").await.items("title"), ["A", "B", "C"]);
    assert_eq!(origin.count("/"), 0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_page_holds_nobody_else_up() {
    let origin = Origin::start().await;
    origin.script("/plain", tix::films(&["Dune"]));
    let always = "render = \"always\"\nfresh_for = \"1h\"\nwarm = false\ncold_wait = \"10ms\"";
    let mut builder = Builder::new().with_fetch("at_once = 4\nper_host = 4");
    for n in 0..16 {
        builder = builder.with_source(&tix::source(&format!("s{n}"), &origin, &format!("/{n}"), always));
    }
    let plain = tix::source("plain", &origin, "/plain", "fresh_for = \"1h\"\nwarm = false");
    let (app, stage) = start(&builder.with_source(&plain).with_browser("pages = 1")).await;
    *stage.held.lock().unwrap() = true;
    for n in 0..16 {
        assert_eq!(app.get(&format!("/api/s{n}")).await.status, 503);
    }
    assert_eq!(app.get("/api/plain").await.items("title"), ["Dune"], "sixteen wait for one page, and it does not wait for them");
    *stage.held.lock().unwrap() = false;
    stage.released.notify_waiters();
    for n in 0..16 {
        app.until(&format!("s{n}"), |s| s["freshness"] == "fresh").await;
    }
    assert_eq!((stage.count(), stage.open.lock().unwrap().1), (16, 1));
    app.stop().await;
}

/// A page whose host is busy leaves its place to others, who need another host.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_does_not_wait_for_its_host() {
    let origin = Origin::start().await;
    origin.script("/plain", tix::films(&["Dune"]));
    origin.hold("/plain");
    let rendered = |name: &str, url: &str| {
        let lines = "render = \"always\"\nfresh_for = \"1h\"\nwarm = false\ncold_wait = \"10ms\"";
        tix::source(name, &origin, "/", lines).replace(&origin.url("/"), url)
    };
    let builder = Builder::new()
        .with_fetch("per_host = 1")
        .with_browser("pages = 1")
        .with_source(&rendered("first", "http://a.example/"))
        .with_source(&rendered("busy", &origin.url("/busy")))
        .with_source(&rendered("other", "http://b.example/"))
        .with_source(&tix::source("plain", &origin, "/plain", "fresh_for = \"1h\"\nwarm = false\ncold_wait = \"10ms\""));
    let (app, stage) = start(&builder).await;
    *stage.held.lock().unwrap() = true;
    assert_eq!(app.get("/api/first").await.status, 503);
    app.until("first", |_| stage.count() == 1).await;
    assert_eq!(app.get("/api/busy").await.status, 503);
    app.until("busy", |s| s["phase"] == "collecting").await;
    // It gets the host's only place, which the one that waits for a page has left.
    app.get("/api/plain").await;
    origin.wait_for_requests("/plain", 1).await;
    *stage.held.lock().unwrap() = false;
    stage.released.notify_waiters();
    app.until("first", |s| s["freshness"] == "fresh").await;
    app.get("/api/other").await;
    app.until("other", |s| s["freshness"] == "fresh").await;
    assert_eq!(app.status("busy").await["phase"], "collecting");
    origin.release("/plain");
    app.until("busy", |s| s["freshness"] == "fresh").await;
    assert_eq!(stage.open.lock().unwrap().1, 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_refresh_says_what_serves_and_not_the_one_that_made_the_revision() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&[]));
    let (app, stage) = start(&Builder::new().with_source(&tix::source("films", &origin, "/", AUTO))).await;
    let told = |status: &Value| {
        let attempt = &status["recent"][0];
        format!("{} by {} at revision {}", attempt["outcome"], attempt["rung"], status["revision"])
    };
    assert_eq!(app.status("films").await["rung"], Value::Null, "nothing is served yet");
    app.get("/api/films").await;
    assert_eq!(told(&app.until_attempts("films", 1).await), r#""stored" by "browser" at revision 1"#);
    // The browser fails just when it is not needed any more.
    origin.script("/", tix::films(&["Dune"]));
    *stage.fails.lock().unwrap() = Some(FetchError::PageFailed { host: "a.example".to_owned(), reason: "it crashed".to_owned() });
    assert_eq!(forced(&app).await, ("http".into(), Value::Null));
    assert_eq!(told(&app.until_attempts("films", 2).await), r#""confirmed" by "http" at revision 1"#);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn robots_txt_is_honoured_before_a_page_is_rendered() {
    let origin = Origin::start().await;
    origin.script("/robots.txt", Answer::ok("User-agent: *\nDisallow: /private"));
    let source = tix::source("films", &origin, "/private", "render = \"always\"\nfresh_for = \"1h\"\nwarm = false");
    let (app, stage) = start(&Builder::new().with_robots().with_source(&source)).await;
    app.get("/api/films").await;
    assert_eq!((app.status("films").await["last_error"]["code"].clone(), stage.count()), ("robots_refused".into(), 0));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_gives_the_rows_is_rendered() {
    let origin = Origin::start().await;
    origin.script("/token", Answer::html("<!doctype html><b>t-1</b>"));
    origin.script("/dune", Answer::html("<!doctype html><p>Sand</p>"));
    let source = format!(
        "[source.films]\nurl = \"{}?t={{token}}\"\nrender = \"always\"\nformat = \"html\"\nitems = \"li\"\nfresh_for = \"1h\"\nwarm = false\n\
         fields = {{ title = \"a\", _link = \"a@href\" }}\n\
         [[source.films.steps]]\nurl = \"{}\"\nformat = \"html\"\ncapture.token = \"b\"\n\
         [source.films.details]\nurl = \"{{_link}}\"\nformat = \"html\"\nfields = {{ about = \"p\" }}\n",
        origin.url("/list"),
        origin.url("/token")
    );
    let (app, stage) = start(&Builder::new().with_source(&source)).await;
    stage.shows(&["<!doctype html><ul><li><a href=\"/dune\">Dune</a></li></ul>".to_owned()]);
    assert_eq!(app.get("/api/films").await.items("about"), ["Sand"]);
    assert_eq!(*stage.asked.lock().unwrap(), [origin.url("/list?t=t-1")]);
    assert_eq!((origin.count("/token"), origin.count("/dune"), origin.count("/list")), (1, 1, 0));
    app.stop().await;
}

/// The real one, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_javascript_fills_is_served() {
    let Some(_turn) = browser::turn().await else { return };
    let origin = Origin::start().await;
    let filled = tix::page(&["Dune", "Arrival"]);
    let script = format!("setTimeout(() => {{ document.body.innerHTML = `{filled}` }}, 800)");
    origin.script("/", Answer::html(format!("<!doctype html><body><ul class=\"glide__slides\"></ul><script>{script}</script></body>")));
    let app = Builder::new().with_source(&tix::source("films", &origin, "/", AUTO)).start().await;
    assert_eq!(app.get("/api/films").await.items("title"), ["Dune", "Arrival"]);
    assert_eq!((app.status("films").await["rung"].clone(), origin.count("/")), ("browser".into(), 2));
    origin.script("/", tix::films(&["Dune"]));
    app.clock.pass(Duration::from_secs(25 * 3_600));
    assert_eq!(forced(&app).await, ("http".into(), Value::Null));
    forced(&app).await;
    assert_eq!(origin.count("/"), 4, "by plain HTTP alone");
    app.stop().await;
}
