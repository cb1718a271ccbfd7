//! Several servers on one Redis, as people see them: who is there, who refreshed what, and what is said while Redis is away.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::store_kit::until;
use crate::support::app::{Builder, TestApp};
use crate::support::origin::Origin;
use crate::support::program::{Program, write_config};
use crate::support::redis::{Server, ask};
use crate::support::tix;

fn source(origin: &Origin, lines: &str) -> String {
    tix::source("cinema", origin, "/cinema", &format!("fresh_for = \"1h\"\nmin_interval = \"0s\"\n{lines}"))
}

async fn replica(name: &str, redis: &Server, origin: &Origin) -> TestApp {
    let server = format!("replica = \"{name}\"");
    Builder::new().with_server(&server).with_redis(&redis.url()).with_source(&source(origin, "warm = false")).start().await
}

async fn ready(app: &TestApp) -> Value {
    app.get("/ready").await.json()
}

async fn text(app: &TestApp, path: &str) -> String {
    String::from_utf8(app.send(Method::GET, path, &[("accept", "text/html")]).await.body.to_vec()).unwrap()
}

/// What `/metrics` tells of shared stores.
async fn metrics(app: &TestApp) -> String {
    let page = String::from_utf8(app.get("/metrics").await.body.to_vec()).unwrap();
    let of_them = ["wellspring_replicas", "wellspring_store_", "wellspring_refreshes_taken"];
    let lines = page.lines().filter(|line| of_them.iter().any(|name| line.starts_with(name)));
    let lines = lines.filter(|line| !["_write_", "_errors_", "_bytes"].iter().any(|name| line.contains(name)));
    lines
        .map(|line| if line.contains("alone_seconds") && !line.ends_with(" 0") { "wellspring_store_alone_seconds TIME" } else { line })
        .fold(String::new(), |all, line| all + line + "\n")
}

/// Looks at what the others did, as it does every ten seconds: when that time has passed and something is heard.
async fn until_seen(app: &TestApp, other: &TestApp, names: &[&str]) {
    until("the others are seen", async || {
        app.clock.pass(Duration::from_secs(11));
        other.post("/api/cinema/refresh").await;
        ready(app).await["replicas"] == json!(names)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_see_each_other_and_who_refreshed_what() {
    let (origin, redis) = (Origin::start().await, Server::start(&[]));
    origin.script("/cinema", tix::films(&["Dune"]));
    let one = replica("replica-1", &redis, &origin).await;
    one.get("/api/cinema").await;
    assert_eq!(one.until_attempts("cinema", 1).await["refreshed_by"], "replica-1");

    // Another one starts from what the first has stored, and says so.
    let two = replica("replica-2", &redis, &origin).await;
    assert_eq!(two.status("cinema").await["refreshed_by"], "replica-1");
    until_seen(&one, &two, &["replica-1", "replica-2"]).await;
    one.until("cinema", |status| status["refreshed_by"] == "replica-2").await;
    insta::assert_snapshot!(ready(&one).await, @r#"{"status":"ok","replica":"replica-1","replicas":["replica-1","replica-2"]}"#);
    let page = text(&one, "/").await;
    assert!(page.contains("2 replicas: <bdi>replica-1</bdi>, <bdi>replica-2</bdi>; this one is <bdi>replica-1</bdi>."), "{page}");
    let page = text(&one, "/sources/cinema").await;
    assert!(page.contains(", refreshed by <bdi>replica-2</bdi>"), "{page}");
    let told = metrics(&one).await;
    let taken = told.lines().find_map(|line| line.strip_prefix("wellspring_refreshes_taken_over_total{source=\"cinema\"} "));
    assert!(taken.unwrap().parse::<u32>().unwrap() >= 1, "{told}");

    // One that leaves is gone at once.
    two.stop().await;
    assert_eq!(ask::<u32>(&redis.url(), &["HLEN", "ws:replicas"]).await, 1);
    one.stop().await;
}

/// A server that was given a new config, beside one that was not yet: each asks once by its own rules, and from then on they ask once a
/// period together.
#[tokio::test(flavor = "multi_thread")]
async fn servers_of_two_configs_ask_once_a_period() {
    let (origin, redis) = (Origin::start().await, Server::start(&[]));
    origin.script_rising("/cinema", |_, number| tix::films(&[&format!("Film {number}")]));
    let one = replica("replica-1", &redis, &origin).await;
    one.get("/api/cinema").await;
    one.until_attempts("cinema", 1).await;
    let newer = source(&origin, "warm = false").replace("[source.cinema.fields]", "[source.cinema.fields]\nsame = \"h3\"");
    assert_ne!(newer, source(&origin, "warm = false"));
    let two = Builder::new().with_server("replica = \"replica-2\"").with_redis(&redis.url()).with_source(&newer).start().await;
    for (period, fetches) in [2, 3, 4].into_iter().enumerate() {
        if period > 0 {
            for app in [&one, &two] {
                app.clock.pass(Duration::from_secs(3_601));
            }
        }
        for _ in 0..20 {
            for app in [&one, &two] {
                app.get("/api/cinema").await;
                app.until("cinema", |status| status["phase"] == "idle" && status["freshness"] == "fresh").await;
            }
            until("both serve the same", async || one.status("cinema").await["revision"] == two.status("cinema").await["revision"]).await;
        }
        assert_eq!(origin.count("/cinema"), fetches, "period {period}");
    }
    for app in [one, two] {
        app.stop().await;
    }
}

/// What was taken over from another server gives way to the next key as what was refreshed here does.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_follows_another_has_room_for_the_next_key() {
    let (origin, redis) = (Origin::start().await, Server::start(&[]));
    let keyed = |lines: &str| {
        tix::source("cinema", &origin, "/{id}", &format!("fresh_for = \"1h\"\nwarm = false\n{lines}"))
            + "[source.cinema.params]\nid = { type = \"integer\", min = 0, max = 99, default = 0 }\n"
    };
    let server = async |name: &str, lines: &str| {
        let name = format!("replica = \"{name}\"");
        Builder::new().with_server(&name).with_redis(&redis.url()).with_source(&keyed(lines)).start().await
    };
    let (one, two) = (server("replica-1", "").await, server("replica-2", "max_keys = 2").await);
    for id in 0..40 {
        origin.script(&format!("/{id}"), tix::films(&["Dune"]));
        for app in [&one, &two] {
            assert_eq!(app.get(&format!("/api/cinema?id={id}")).await.status, 200, "{id}");
        }
    }
    let fetched: usize = (0..40).map(|id| origin.count(&format!("/{id}"))).sum();
    assert_eq!(fetched, 40, "each was asked for once, by the one");
    for app in [one, two] {
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_away_is_told_and_nothing_is_said_to_be_lost() {
    let (origin, redis) = (Origin::start().await, Server::start(&["--appendonly", "yes"]));
    origin.script("/cinema", tix::films(&["Dune"]));
    let app = replica("replica-1", &redis, &origin).await;
    app.get("/api/cinema").await;
    app.until_attempts("cinema", 1).await;
    until("it has seen itself", async || ready(&app).await["replicas"] == json!(["replica-1"])).await;
    insta::assert_snapshot!(metrics(&app).await, @r#"
    wellspring_store_up 1
    wellspring_replicas 1
    wellspring_refreshes_taken_over_total{source="cinema"} 0
    wellspring_store_shared_up 1
    wellspring_store_alone_seconds 0
    wellspring_store_keys_waiting 0
    "#);

    redis.kill();
    origin.script("/cinema", tix::films(&["Dune", "Up"]));
    app.post("/api/cinema/refresh").await;
    let status = app.until_attempts("cinema", 2).await;
    // It is in a copy of its own: nothing is in memory alone.
    assert_eq!((&status["recent"][0]["message"], &status["refreshed_by"]), (&Value::Null, &json!("replica-1")));
    let told = ready(&app).await;
    assert_eq!((&told["status"], &told["replicas"], &told["keys_waiting"]), (&json!("degraded"), &json!([]), &json!(1)), "{told}");
    assert!(told["alone_since"].is_string(), "{told}");
    insta::assert_snapshot!(metrics(&app).await, @r#"
    wellspring_store_up 1
    wellspring_refreshes_taken_over_total{source="cinema"} 0
    wellspring_store_shared_up 0
    wellspring_store_alone_seconds TIME
    wellspring_store_keys_waiting 1
    "#);
    let page = text(&app, "/").await;
    assert!(page.contains("<strong>The shared store is out of reach</strong>, noticed"), "{page}");
    assert!(page.contains("1 key refreshed meanwhile is told to it"), "{page}");
    assert!(!page.contains("in memory only"), "{page}");

    redis.revive();
    until("it is back", async || ready(&app).await["status"] == "ok").await;
    assert_eq!(ready(&app).await.get("alone_since"), None);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_by_itself_says_nothing_of_replicas() {
    let origin = Origin::start().await;
    origin.script("/cinema", tix::films(&["Dune"]));
    let app = TestApp::with_source(&source(&origin, "")).await;
    let status = app.until_attempts("cinema", 1).await;
    assert_eq!(status.get("refreshed_by"), None);
    assert_eq!(ready(&app).await, json!({"status": "ok"}));
    assert!(!text(&app, "/").await.contains("eplica"));
    assert!(!metrics(&app).await.contains("replicas"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_one_line_when_redis_goes_and_one_when_it_is_back() {
    let (origin, redis) = (Origin::start().await, Server::start(&["--appendonly", "yes"]));
    let folder = tempfile::tempdir().unwrap();
    let mut config =
        format!("[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"{}\"\n[fetch]\nallow_private = true\nrobots = false\n", redis.url());
    for n in 0..3 {
        let path = format!("/{n}");
        origin.script(&path, tix::films(&["Dune"]));
        config += &tix::source(&format!("s{n}"), &origin, &path, "fresh_for = \"1h\"\nmin_interval = \"0s\"");
    }
    write_config(folder.path(), &config);
    let server = Program::serve(folder.path());
    for n in 0..3 {
        server.until_fresh(&format!("s{n}")).await;
    }
    redis.kill();
    for round in 0..2 {
        for n in 0..3 {
            origin.script(&format!("/{n}"), tix::films(&["Dune", &format!("Up {round}")]));
            assert!(server.post(&format!("/api/s{n}/refresh")).await.status.is_success());
        }
    }
    redis.revive();
    server.wait_for_log("the shared store is back");
    let log = server.log();
    let of = |words: &str| log.iter().filter(|line| line.contains(words)).collect::<Vec<_>>();
    assert_eq!(of("the shared store is out of reach").len(), 1, "{log:#?}");
    let back = of("the shared store is back");
    assert!(back.len() == 1 && back[0].contains("\"keys\":3") && back[0].contains("\"took_ms\""), "{back:?}");
    // On a busy machine it is late first and refuses then: a line a kind of reason.
    let warned = of("WARN");
    assert!(warned.len() <= 2 && warned.iter().all(|line| line.contains("the shared store is")), "no line a refresh: {log:#?}");
}

/// One that answers and takes no writes is away until it does: not once a refresh.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_without_memory_is_away_once() {
    let (origin, redis) = (Origin::start().await, Server::start(&[]));
    origin.script("/cinema", tix::films(&["Dune"]));
    let app = replica("replica-1", &redis, &origin).await;
    app.get("/api/cinema").await;
    app.until_attempts("cinema", 1).await;
    let () = ask(&redis.url(), &["CONFIG", "SET", "maxmemory", "1"]).await;
    app.post("/api/cinema/refresh").await;
    let since = ready(&app).await["alone_since"].clone();
    assert!(since.is_string());
    for _ in 0..20 {
        app.post("/api/cinema/refresh").await;
        assert_eq!(ready(&app).await["alone_since"], since);
    }
    let () = ask(&redis.url(), &["CONFIG", "SET", "maxmemory", "0"]).await;
    until("it is back", async || ready(&app).await["status"] == "ok").await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_is_no_condition_of_sharing() {
    let (origin, redis) = (Origin::start().await, Server::start(&[]));
    origin.script("/cinema", tix::films(&["Dune"]));
    let () = ask(&redis.url(), &["SET", "ws:replicas", "other"]).await;
    let (one, two) = (replica("replica-1", &redis, &origin).await, replica("replica-2", &redis, &origin).await);
    one.get("/api/cinema").await;
    // Taken over at its hint, after a look at all that failed to say who is there.
    two.until("cinema", |status| status["refreshed_by"] == "replica-1").await;
    for app in [&one, &two] {
        let told = ready(app).await;
        assert_eq!((&told["status"], &told["replicas"]), (&json!("ok"), &json!([])), "{told}");
    }
    one.stop().await;
    two.stop().await;
}
