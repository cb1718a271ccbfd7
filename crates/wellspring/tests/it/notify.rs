//! `[[notify]]`: people are told once, whatever happens on the way.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::app::{Builder, TestApp};
use crate::support::origin::{Answer, Origin};
use crate::support::program::{self, Program};
use crate::support::redis::Server;
use crate::support::tix;

/// An upstream at `/films` and a receiver at `/hook`.
struct Setting {
    origin: Origin,
}

impl Setting {
    async fn start() -> Self {
        let origin = Origin::start().await;
        origin.script("/films", tix::films(&["Dune", "Up"]));
        origin.script("/hook", Answer::status(204));
        Self { origin }
    }

    fn source(&self) -> String {
        tix::source("cinema", &self.origin, "/films", "fresh_for = \"1h\"\nmin_interval = \"0s\"")
    }

    fn hook(&self, lines: &str) -> String {
        format!("[[notify]]\nurl = \"{}\"\n{lines}\n", self.origin.url("/hook"))
    }

    fn builder(&self, lines: &str) -> Builder {
        Builder::new().with_source(&self.hook(lines)).with_source(&self.source())
    }

    /// A server that has good data.
    async fn app(&self, lines: &str) -> TestApp {
        let app = self.builder(lines).start().await;
        app.until_attempts("cinema", 1).await;
        app
    }

    /// Refreshes once, with this answer.
    async fn refresh(&self, app: &TestApp, answer: Answer) {
        self.origin.script("/films", answer);
        app.post("/api/cinema/refresh").await;
    }

    /// What the receiver got, once it has got so many.
    async fn got(&self, count: usize) -> Vec<Value> {
        self.origin.wait_for_requests("/hook", count).await;
        let requests = self.origin.requests("/hook");
        assert_eq!(requests.len(), count, "told more than once: {requests:?}");
        requests.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
    }

    async fn states(&self, count: usize) -> Vec<String> {
        self.got(count).await.iter().map(|message| message["state"].as_str().unwrap().to_owned()).collect()
    }
}

fn down() -> Answer {
    Answer::status(503)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_once() {
    let setting = Setting::start().await;
    let app = setting.app("after = 2").await;
    let good = app.status("cinema").await["checked_at"].clone();
    setting.refresh(&app, down()).await;
    setting.refresh(&app, down()).await;
    let told = setting.got(1).await.remove(0);
    setting.refresh(&app, down()).await;
    assert_eq!(told["since"], good);
    assert_eq!(told["url"], format!("http://{}/api/cinema/status", app.address));
    let hide = |mut told: Value| {
        for name in ["id", "at", "since", "url"] {
            told[name] = Value::from(told[name].as_str().map_or("none", |_| "some"));
        }
        told.to_string().replace(&setting.origin.address().to_string(), "ORIGIN")
    };
    insta::assert_snapshot!(hide(told), @r#"{"id":"some","at":"some","source":"cinema","key":"cinema","state":"degraded","code":"upstream_status","message":"ORIGIN answered 503","failures":2,"since":"some","revision":1,"items":2,"url":"some"}"#);

    setting.refresh(&app, tix::films(&["Dune"])).await;
    let told = setting.got(2).await.remove(1);
    insta::assert_snapshot!(hide(told), @r#"{"id":"some","at":"some","source":"cinema","key":"cinema","state":"recovered","code":null,"message":null,"failures":0,"since":"some","revision":2,"items":1,"url":"some"}"#);
    setting.refresh(&app, tix::films(&["Up"])).await;

    // A second time is another time.
    setting.refresh(&app, down()).await;
    setting.refresh(&app, down()).await;
    assert_eq!(setting.states(3).await, ["degraded", "recovered", "degraded"]);
    let metrics = app.get("/metrics").await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(text.contains("wellspring_notifications_total{source=\"cinema\",outcome=\"delivered\"}"), "{text}");
    app.stop().await;
}

/// Each server on a store notices; one of them tells.
#[tokio::test(flavor = "multi_thread")]
async fn servers_on_one_store_tell_a_change_once() {
    let setting = Setting::start().await;
    let redis = Server::start(&[]);
    let apps = [setting.builder("after = 1").with_redis(&redis.url()).start().await, {
        setting.builder("after = 1").with_redis(&redis.url()).start().await
    }];
    for app in &apps {
        app.until("cinema", |status| status["revision"].as_u64().is_some()).await;
    }
    for (round, state) in ["degraded", "recovered", "degraded", "recovered", "degraded"].into_iter().enumerate() {
        let is_bad = state == "degraded";
        let title = format!("Film {round}");
        for app in &apps {
            setting.refresh(app, if is_bad { down() } else { tix::films(&[&title]) }).await;
        }
        for app in &apps {
            app.until("cinema", |status| (status["failures"].as_u64() > Some(0)) == is_bad).await;
        }
        let told = setting.states(round + 1).await;
        assert_eq!(told[round], state, "{told:?}");
    }
    for app in apps {
        app.stop().await;
    }
    assert_eq!(setting.states(5).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_holds_is_told_until_something_passes() {
    let setting = Setting::start().await;
    let app = setting.app("on = [\"gate_held\"]\nafter = 1").await;
    let empty = || Answer::html("<ul class=\"glide__slides\"></ul>");
    setting.refresh(&app, empty()).await;
    setting.refresh(&app, empty()).await;
    let told = setting.got(1).await.remove(0);
    assert_eq!((&told["state"], &told["code"], &told["items"]), (&"gate_held".into(), &"gate_failed".into(), &2.into()));
    setting.refresh(&app, tix::films(&["Dune"])).await;
    setting.refresh(&app, empty()).await;
    assert_eq!(setting.states(2).await, ["gate_held", "gate_held"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_taken_is_sent_again_under_the_same_id() {
    let setting = Setting::start().await;
    for answer in [Answer::status(500), Answer::status(429).header("retry-after", "0"), Answer::close()] {
        setting.origin.once("/hook", answer);
    }
    let app = setting.app("after = 1").await;
    setting.refresh(&app, down()).await;
    let told = setting.got(4).await;
    assert!(told.iter().all(|message| *message == told[0]));
    let keys: Vec<_> =
        setting.origin.requests("/hook").iter().map(|request| request.header("idempotency-key").unwrap().to_owned()).collect();
    assert!(keys.iter().all(|key| told[0]["id"] == **key), "{keys:?}");
    setting.refresh(&app, tix::films(&["Dune"])).await;
    setting.origin.wait_for_requests("/hook", 5).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_refuses_for_good_is_given_up_and_its_end_not_told() {
    let setting = Setting::start().await;
    setting.origin.once("/hook", Answer::status(404));
    let app = setting.app("after = 1").await;
    setting.refresh(&app, down()).await;
    setting.origin.wait_for_answers("/hook", 1).await;
    setting.refresh(&app, tix::films(&["Dune"])).await;
    setting.refresh(&app, down()).await;
    assert_eq!(setting.states(2).await, ["degraded", "degraded"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_holds_up_neither_refreshes_nor_the_end() {
    let setting = Setting::start().await;
    setting.origin.script("/hook", Answer::hang());
    let app = setting.app("after = 1").await;
    setting.refresh(&app, down()).await;
    setting.origin.wait_for_requests("/hook", 1).await;
    setting.refresh(&app, tix::films(&["Dune"])).await;
    assert_eq!(app.status("cinema").await["failures"], 0);
    tokio::time::timeout(Duration::from_secs(5), app.stop()).await.expect("the end waits for no receiver");
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_get_what_they_know() {
    let setting = Setting::start().await;
    let hooks = ["slack", "discord", "ntfy"].map(|kind| {
        setting.origin.script(&format!("/{kind}"), Answer::ok("ok"));
        format!("[[notify]]\nkind = \"{kind}\"\nurl = \"{}\"\nafter = 1\n", setting.origin.url(&format!("/{kind}")))
    });
    let own = "template = '{\"summary\": \"{source} {state} <{code}>\", \"n\": {failures}}'\nafter = 1\nheaders = { Authorization = \"Bearer ${T}\" }";
    let builder = Builder::new().with_variable("T", "s3cret").with_source(&hooks.concat());
    let app = builder.with_source(&setting.hook(own)).with_source(&setting.source()).start().await;
    app.until_attempts("cinema", 1).await;
    setting.refresh(&app, down()).await;
    for path in ["/slack", "/discord", "/ntfy", "/hook"] {
        setting.origin.wait_for_requests(path, 1).await;
    }
    let body = |path: &str| {
        let body = String::from_utf8(setting.origin.last(path).body).unwrap();
        let body = body.replace(&setting.origin.address().to_string(), "ORIGIN").replace(&app.address.to_string(), "HERE");
        // The minute of the last success.
        let at = body.find("the data of ").map(|at| at + "the data of ".len());
        at.map_or(body.clone(), |at| format!("{}AT{}", &body[..at], &body[at + "2026-01-01 00:00".len()..]))
    };
    insta::assert_snapshot!(body("/slack"), @r#"{"text":"cinema is degraded: ORIGIN answered 503 (upstream_status, failures in a row: 1); the data of AT UTC is served\nhttp://HERE/api/cinema/status"}"#);
    insta::assert_snapshot!(body("/discord"), @r#"{"content":"cinema is degraded: ORIGIN answered 503 (upstream_status, failures in a row: 1); the data of AT UTC is served\nhttp://HERE/api/cinema/status","allowed_mentions":{"parse":[]}}"#);
    insta::assert_snapshot!(body("/ntfy"), @"
    cinema is degraded: ORIGIN answered 503 (upstream_status, failures in a row: 1); the data of AT UTC is served
    http://HERE/api/cinema/status
    ");
    let ntfy = setting.origin.last("/ntfy");
    assert_eq!(
        (ntfy.header("title"), ntfy.header("priority"), ntfy.header("tags")),
        (Some("cinema: degraded"), Some("high"), Some("warning"))
    );
    insta::assert_snapshot!(body("/hook"), @r#"{"summary": "cinema degraded <upstream_status>", "n": 1}"#);
    assert_eq!(setting.origin.last("/hook").header("authorization"), Some("Bearer s3cret"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_who_is_told() {
    let setting = Setting::start().await;
    let app = Builder::new().with_source(&setting.source()).start().await;
    app.until_attempts("cinema", 1).await;
    setting.refresh(&app, down()).await;
    app.reload(&setting.builder("after = 1")).await;
    // It is degraded already: that is news to whoever is new.
    assert_eq!(setting.states(1).await, ["degraded"]);
    app.reload(&setting.builder("after = 1\non = [\"degraded\"]")).await;
    setting.refresh(&app, tix::films(&["Dune"])).await;
    setting.refresh(&app, down()).await;
    assert_eq!(setting.states(2).await, ["degraded", "degraded"]);
    app.stop().await;
}

fn write(folder: &Path, setting: &Setting, hook: &str, allow_private: bool) {
    let toml = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite:{}/wellspring.db\"\n[fetch]\nallow_private = {allow_private}\nrobots = false\n{hook}\n{}",
        folder.display(),
        setting.source()
    );
    program::write_config(folder, &toml);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_repeats_nothing_and_loses_nothing() {
    let setting = Setting::start().await;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &setting, &setting.hook("after = 1"), true);
    let server = Program::serve(folder.path());
    server.until_fresh("cinema").await;
    setting.origin.script("/films", down());
    server.post("/api/cinema/refresh").await;
    // Told, and noted that it is.
    server.wait_for_log("\"message\":\"told\"");
    assert_eq!(setting.states(1).await, ["degraded"]);
    server.kill();

    // Still degraded: nothing new. Recovered, while the receiver hangs: that is under way when the process is killed.
    setting.origin.hold("/hook");
    let server = Program::serve(folder.path());
    server.post("/api/cinema/refresh").await;
    setting.origin.script("/films", tix::films(&["Dune"]));
    server.post("/api/cinema/refresh").await;
    assert_eq!(setting.states(2).await, ["degraded", "recovered"]);
    server.kill();

    // Nobody knows whether it arrived: it goes out again, as the same message.
    setting.origin.release("/hook");
    let server = Program::serve(folder.path());
    server.wait_for_log("\"message\":\"told\"");
    let told = setting.got(3).await;
    assert_eq!(told[1], told[2]);
    server.kill();

    let server = Program::serve(folder.path());
    server.post("/api/cinema/refresh").await;
    setting.origin.script("/films", down());
    server.post("/api/cinema/refresh").await;
    assert_eq!(setting.states(4).await, ["degraded", "recovered", "recovered", "degraded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_told_only_where_that_is_allowed() {
    let setting = Setting::start().await;
    setting.origin.script("/open", Answer::status(200));
    let folder = tempfile::tempdir().unwrap();
    let open = format!("[[notify]]\nname = \"open\"\nurl = \"{}\"\nafter = 1\nallow_private = true\n", setting.origin.url("/open"));
    write(folder.path(), &setting, &format!("{}{open}", setting.hook("name = \"closed\"\nafter = 1")), false);
    let server = Program::serve(folder.path());
    // The source itself is refused, which is what there is to tell.
    setting.origin.wait_for_requests("/open", 1).await;
    let line = server.wait_for_log("could not be told, and is not tried again");
    assert!(line.contains("\"notify\":\"closed\"") && line.contains("allow_private"), "{line}");
    assert_eq!(setting.origin.count("/hook"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_says_what_came_back_and_no_secret() {
    let setting = Setting::start().await;
    setting.origin.script("/s3cret-hook", Answer::status(403));
    let folder = tempfile::tempdir().unwrap();
    let secret = format!("[[notify]]\nname = \"chat\"\nkind = \"slack\"\nurl = \"{}/${{HOOK}}\"\n", setting.origin.url(""));
    write(folder.path(), &setting, &format!("{}{secret}", setting.hook("")), true);
    let run = |name: &str| {
        let output = program::output(program::command(folder.path()).env("HOOK", "s3cret-hook").args(["notify", name]));
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap().replace(&setting.origin.address().to_string(), "ORIGIN");
        assert!(!text.contains("s3cret"), "{text}");
        format!("exit code {}\n{text}", output.status.code().unwrap())
    };
    insta::assert_snapshot!(run("all"), @"
    exit code 1
    json (json): taken (204)
    chat (slack): NOT taken: ORIGIN answered 403
    ");
    insta::assert_snapshot!(run("jsn"), @"
    exit code 2
    error: there is no [[notify]] called `jsn`; did you mean `json`?
    ");
    assert_eq!(setting.states(1).await, ["test"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_that_loses_the_message_is_no_success() {
    let (setting, elsewhere) = (Setting::start().await, Origin::start().await);
    elsewhere.script("/login", Answer::html("<h1>Welcome</h1>"));
    setting.origin.script("/hook", Answer::redirect(302, elsewhere.url("/login")));
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &setting, &setting.hook(""), true);
    let output = program::run(folder.path(), &["notify", "json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), text.contains("name that address")), (Some(1), true), "{text}");
}
