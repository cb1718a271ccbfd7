//! `GET /api/stream` as listeners meet it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::support::app::{Builder, TestApp};
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

/// How long a listener waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// One open stream.
struct Listener {
    lines: BufReader<TcpStream>,
    head: String,
    /// What came that nobody has asked for.
    events: VecDeque<Event>,
    last_id: String,
}

#[derive(Clone, Debug)]
struct Event {
    name: String,
    data: Value,
}

impl Listener {
    /// Listens with these headers, and has read the head of the answer.
    async fn open(address: SocketAddr, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // HTTP/1.0 has no chunks: what comes is the stream itself.
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n").as_bytes()).await.unwrap();
        let mut listener = Self { lines: BufReader::new(stream), head: String::new(), events: VecDeque::new(), last_id: String::new() };
        loop {
            let line = listener.line().await.expect("a head");
            if line.is_empty() {
                return listener;
            }
            listener.head += &(line + "\n");
        }
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, self.lines.read_line(&mut line)).await.expect("something comes in time").unwrap();
        (read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let (mut name, mut data) = (String::new(), String::new());
        loop {
            let line = self.line().await?;
            match line.split_once(": ") {
                Some(("event", value)) => name = value.into(),
                Some(("data", value)) => data = value.into(),
                Some(("id", value)) => self.last_id = value.into(),
                Some(("retry", _)) => {}
                _ if line.is_empty() && !data.is_empty() => {
                    return Some(Event { name, data: serde_json::from_str(&data).unwrap() });
                }
                _ => assert!(line.is_empty(), "{line}"),
            }
        }
    }

    /// The next event of which this is true; those before it are passed over.
    async fn until(&mut self, what: &str, is: impl Fn(&Event) -> bool) -> Event {
        let mut passed = Vec::new();
        while let Some(event) = self.next().await {
            if is(&event) {
                return event;
            }
            passed.push(event);
        }
        panic!("the stream ended before {what}: {passed:#?}");
    }

    async fn snapshot(&mut self) -> Value {
        self.until("a snapshot", |event| event.name == "snapshot").await.data
    }

    async fn status(&mut self, phase: &str) -> Value {
        self.until(phase, |event| event.name == "status" && event.data["phase"] == phase).await.data
    }
}

fn source(origin: &Origin, name: &str, lines: &str) -> String {
    tix::source(name, origin, &format!("/{name}"), &format!("fresh_for = \"1h\"\n{lines}"))
}

/// A server that has these sources' first snapshots.
async fn serving(names: &[&str]) -> (Origin, Builder, TestApp) {
    let origin = Origin::start().await;
    let mut builder = Builder::new();
    for name in names {
        origin.script(&format!("/{name}"), tix::films(&["Dune", "Up"]));
        builder = builder.with_source(&source(&origin, name, ""));
    }
    let app = builder.start().await;
    for name in names {
        app.until_attempts(name, 1).await;
    }
    (origin, builder, app)
}

/// Makes a source stale, gives it other films and reads it once; its readers then find the new ones.
async fn change(origin: &Origin, app: &TestApp, name: &str, titles: &[&str]) {
    origin.script(&format!("/{name}"), tix::films(titles));
    app.clock.pass(Duration::from_secs(3_600));
    app.get(&format!("/api/{name}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_is_told_the_present_and_then_what_changes() {
    let (origin, _, app) = serving(&["cinema", "events"]).await;
    let mut listener =
        Listener::open(app.address, "/api/stream?source=cinema", "Accept-Encoding: gzip\r\nOrigin: https://a.example\r\n").await;
    assert!(listener.head.starts_with("HTTP/1.0 200"), "{}", listener.head);
    for header in [
        "content-type: text/event-stream\n",
        "cache-control: no-store, no-transform\n",
        "access-control-allow-origin: *\n",
        "x-accel-buffering: no\n",
    ] {
        assert!(listener.head.contains(header), "{header} in {}", listener.head);
    }
    assert!(!listener.head.contains("content-encoding"), "{}", listener.head);
    let first = listener.next().await.unwrap();
    let told = |event: &Event, names: &[&str]| names.iter().map(|name| event.data[*name].clone()).collect::<Vec<_>>();
    assert_eq!(first.name, "snapshot");
    assert_eq!(told(&first, &["source", "key", "revision", "count"]), [Value::from("cinema"), "cinema".into(), 1.into(), 2.into()]);
    assert!(first.data["age"].as_f64().unwrap() < 60.0);
    let second = listener.next().await.unwrap();
    assert_eq!(second.name, "status");
    assert_eq!(
        told(&second, &["phase", "freshness", "refreshing", "degraded"]),
        [Value::from("idle"), "fresh".into(), false.into(), Value::Null]
    );
    assert!((3_500.0..=3_600.0).contains(&second.data["fresh_for"].as_f64().unwrap()));

    origin.hold("/cinema");
    change(&origin, &app, "cinema", &["Arrival"]).await;
    assert_eq!(listener.status("collecting").await["refreshing"], true);
    origin.release("/cinema");
    assert_eq!(told(&Event { name: String::new(), data: listener.snapshot().await }, &["revision", "count"]), [2, 1]);
    let after = listener.status("idle").await;
    assert_eq!((&after["revision"], &after["freshness"]), (&2.into(), &"fresh".into()));
    assert_ne!(after["checked_at"], second.data["checked_at"]);

    // The same again: it is confirmed, and no snapshot.
    change(&origin, &app, "cinema", &["Arrival"]).await;
    let confirmed = listener.until("a later check", |event| event.data["checked_at"] != after["checked_at"]).await;
    assert_eq!((confirmed.name.as_str(), &confirmed.data["revision"]), ("status", &2.into()));

    origin.script("/cinema", Answer::status(500));
    app.clock.pass(Duration::from_secs(3_600));
    app.get("/api/cinema").await;
    let failed = listener.status("backing_off").await;
    assert_eq!((&failed["degraded"]["code"], &failed["revision"]), (&"upstream_status".into(), &2.into()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_away_is_told_what_it_missed() {
    let (origin, _, app) = serving(&["cinema", "events"]).await;
    let mut listener = Listener::open(app.address, "/api/stream?source=cinema,events", "").await;
    let of = |name: &'static str| move |event: &Event| event.name == "status" && event.data["source"] == name;
    listener.until("the state of cinema", of("cinema")).await;
    listener.until("the state of events", of("events")).await;
    let last_id = listener.last_id.clone();
    drop(listener);
    change(&origin, &app, "events", &["Concert"]).await;
    app.until_attempts("events", 2).await;

    let mut again = Listener::open(app.address, "/api/stream?source=cinema,events", &format!("Last-Event-ID: {last_id}\r\n")).await;
    let first = again.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.data["source"], &first.data["revision"]), ("snapshot", &"events".into(), &2.into()));
    again.until("the state of events", of("events")).await;
    let heard_last = again.last_id.clone();
    // Cinema has not changed, so what comes next of it is a change.
    change(&origin, &app, "cinema", &["Arrival"]).await;
    let next = again.until("news of cinema", |event| event.data["source"] == "cinema").await;
    assert_eq!(next.name, "status");
    assert_ne!(next.data["phase"], "idle");
    drop(again);

    // An id of another process says nothing here: all is told.
    let foreign = format!("Last-Event-ID: 0{heard_last}\r\n");
    let mut stranger = Listener::open(app.address, "/api/stream?source=cinema,events", &foreign).await;
    assert_eq!(stranger.next().await.unwrap().data["source"], "cinema");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_not_is_refused_as_everywhere() {
    let (_origin, _, app) = serving(&["cinema"]).await;
    let problem = async |query: &str| {
        let reply = app.get(&format!("/api/stream{query}")).await;
        assert_eq!(reply.header("content-type"), "application/problem+json", "{query}");
        format!("{} {}", reply.status.as_u16(), reply.member("detail").as_str().unwrap())
    };
    insta::assert_snapshot!(problem("?source=cinena").await, @"404 no source is called `cinena`; did you mean `cinema`?");
    insta::assert_snapshot!(problem("?source=cinema,").await, @"400 `source` takes the names of 1 to 256 sources with commas between them, as in source=cinema,events");
    insta::assert_snapshot!(problem("?source=cinema&source=cinema").await, @"400 `source` is given more than once; it takes names with commas between them");
    insta::assert_snapshot!(problem("?sources=cinema").await, @"400 `sources` is no parameter here; a stream takes `source`, as in source=cinema,events");
    insta::assert_snapshot!(problem("?source=cinema%3Fgeo=ID").await, @"400 `geo` is no parameter of this source; it takes none");
    insta::assert_snapshot!(problem(&format!("?source={}", ["cinema"; 257].join(","))).await, @"400 `source` takes the names of 1 to 256 sources with commas between them, as in source=cinema,events");
    let posted = app.post("/api/stream").await;
    assert_eq!((posted.status.as_u16(), posted.header("allow")), (405, "GET, HEAD"));
    let head = app.send(Method::HEAD, "/api/stream", &[]).await;
    assert_eq!((head.status.as_u16(), head.header("content-type")), (200, "text/event-stream"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_with_parameters_are_heard_by_name_and_before_anyone_has_read_them() {
    let origin = Origin::start().await;
    for geo in ["ID", "SG"] {
        origin.script(&format!("/{geo}"), Answer::json(r#"[{"title": "Up"}]"#));
    }
    let params = "params = { geo = { default = \"ID\", pattern = \"[A-Z]{2}\" } }";
    let toml = format!("[source.trend]\nurl = \"{}\"\nformat = \"json\"\nfresh_for = \"1h\"\n{params}\n", origin.url("/{geo}"));
    let app = TestApp::with_source(&toml).await;
    app.until_attempts("trend", 1).await;
    let mut listener = Listener::open(app.address, "/api/stream?source=trend,trend%3Fgeo%3DSG", "").await;
    let own = listener.snapshot().await;
    assert_eq!((&own["key"], &own["asked"]), (&"trend?geo=ID".into(), &"trend".into()));
    let absent = listener.until("the state of the other", |event| event.data["asked"] == "trend?geo=SG").await.data;
    assert_eq!((&absent["freshness"], &absent["phase"], &absent["source"]), (&"absent".into(), &"idle".into(), &"trend".into()));
    assert_eq!(origin.count("/SG"), 0, "listening fetches nothing");
    app.get("/api/trend?geo=SG").await;
    assert_eq!(listener.snapshot().await["key"], "trend?geo=SG");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_come_and_go_with_a_reload() {
    let (origin, builder, app) = serving(&["cinema"]).await;
    origin.script("/events", tix::films(&["Concert"]));
    let mut all = Listener::open(app.address, "/api/stream", "").await;
    assert_eq!(all.snapshot().await["source"], "cinema");
    app.reload(&builder.with_source(&source(&origin, "events", ""))).await;
    let come = all.until("the new source", |event| event.name == "snapshot" && event.data["source"] == "events").await;
    assert_eq!(come.data["count"], 1);

    let mut named = Listener::open(app.address, "/api/stream?source=cinema", "").await;
    named.status("idle").await;
    app.reload(&Builder::new().with_source(&source(&origin, "events", ""))).await;
    for listener in [&mut all, &mut named] {
        let gone = listener.status("gone").await;
        assert_eq!((&gone["source"], &gone["freshness"]), (&"cinema".into(), &"absent".into()));
    }
    app.reload(&Builder::new().with_source(&source(&origin, "cinema", "max_stale = \"1w\""))).await;
    for listener in [&mut all, &mut named] {
        listener.until("its return", |event| event.name == "snapshot" && event.data["source"] == "cinema").await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_listen_and_those_that_do_not_read_hold_up_nobody() {
    let (origin, _, app) = serving(&["cinema"]).await;
    let mut deaf = Vec::new();
    let mut listeners = Vec::new();
    for n in 0..200 {
        let listener = Listener::open(app.address, "/api/stream?source=cinema", "").await;
        if n % 2 == 0 { deaf.push(listener) } else { listeners.push(listener) }
    }
    assert_eq!(app.app().engine.listeners(), 200);
    for revision in 2..=4 {
        change(&origin, &app, "cinema", &["Dune", &format!("Part {revision}")]).await;
        for listener in &mut listeners {
            listener.until("the new revision", |event| event.name == "snapshot" && event.data["revision"] == revision).await;
        }
    }
    drop((deaf, listeners));
    // Who has gone is noticed when there is something to tell.
    for part in 5.. {
        if app.app().engine.listeners() == 0 {
            break;
        }
        assert!(part < 1_000, "{} are still counted", app.app().engine.listeners());
        change(&origin, &app, "cinema", &[&format!("Part {part}")]).await;
        app.until("cinema", |status| status["phase"] == "idle").await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_streams_well_and_soon() {
    let (_origin, _, app) = serving(&["cinema"]).await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains("event: status") {
        assert_ne!(stream.read_buf(&mut all).await.unwrap(), 0);
    }
    // Far less than the server would wait for what is open.
    tokio::time::timeout(Duration::from_secs(5), app.stop()).await.expect("a drain that no stream holds up");
    while stream.read_buf(&mut all).await.unwrap() > 0 {}
    assert!(all.ends_with(b"0\r\n\r\n"), "it ends as a body does: {}", String::from_utf8_lossy(&all));
}
