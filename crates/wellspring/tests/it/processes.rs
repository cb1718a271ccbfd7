//! The program as its supervisor and its machine treat it: killed, stopped, reloaded, started twice.

use std::path::Path;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::client::{Connection, get};
use crate::support::origin::{Answer, Origin};
use crate::support::program::{Program, command, free_port, run, tell, write_config};
use crate::support::tix;

/// An origin with a page of films, and a folder whose config reads it, with data of its own.
async fn cinema(titles: &[&str], lines: &str) -> (Origin, TempDir) {
    let origin = Origin::start().await;
    origin.script("/", tix::films(titles));
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), &tix::source("cinema", &origin, "/", lines));
    (origin, folder)
}

fn configure(folder: &Path, sources: &str) {
    write_config(folder, &format!("[server]\nlisten = \"127.0.0.1:0\"\n[fetch]\nrobots = false\nallow_private = true\n{sources}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_updating_flag_survives_a_crash() {
    let (origin, folder) = cinema(&["Dune"], "fresh_for = \"1ms\"\nmin_interval = \"0s\"").await;
    let server = Program::serve(folder.path());
    server.until("cinema", |s| s["revision"] == 1 && s["phase"] == "idle").await;

    origin.hold("/");
    let asked = origin.count("/");
    let stale = server.get("/api/cinema").await;
    assert_eq!(stale.flags(), (true, false, true));
    origin.wait_for_requests("/", asked + 1).await;
    server.kill();

    let server = Program::serve(folder.path());
    let again = server.get("/api/cinema").await;
    assert_eq!((again.status.as_u16(), again.items("title"), again.flags()), (200, vec!["Dune".to_owned()], (true, false, true)));
    assert_eq!(again.member("cache_date"), stale.member("cache_date"), "a restart is no refresh");
    origin.wait_for_requests("/", asked + 2).await;
    origin.script("/", tix::films(&["Arrival"]));
    origin.release("/");
    server.until("cinema", |s| s["revision"] == 2).await;
    assert_eq!(server.get("/api/cinema").await.items("title"), ["Arrival"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let (origin, folder) = cinema(&["Film 0"], "fresh_for = \"6d\"\nmin_interval = \"0s\"").await;
    let mut server = Program::serve(folder.path());
    server.until_fresh("cinema").await;
    for round in 1..=10 {
        let title = format!("Film {round}");
        origin.script("/", tix::films(&[&title]));
        let forced = server.post("/api/cinema/refresh").await;
        assert_eq!(
            (forced.status.as_u16(), forced.member("force_refreshed"), forced.items("title")),
            (200, true.into(), vec![title.clone()])
        );
        server.kill();

        let asked = origin.count("/");
        server = Program::serve(folder.path());
        let again = server.get("/api/cinema").await;
        assert_eq!((again.items("title"), again.flags()), (vec![title], (true, true, false)), "round {round}");
        assert_eq!(again.member("fetched_at"), forced.member("fetched_at"), "round {round}");
        assert_eq!(server.get("/api/cinema/status").await.member("revision"), round + 1);
        assert_eq!(origin.count("/"), asked, "what is fresh is not fetched by a restart");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_answers_what_is_in_flight_and_ends_well() {
    const READERS: usize = 12;
    let origin = Origin::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |n: usize| format!("/{n}");
    let sources: String =
        (0..READERS).map(|n| tix::source(&format!("cinema_{n}"), &origin, &path(n), "fresh_for = \"6d\"\nwarm = false")).collect();
    configure(folder.path(), &format!("per_host = {READERS}\n{sources}"));
    let server = Program::serve(folder.path());
    let address = server.address;
    // Readers of cold keys wait for the origin, which tells that their requests have come; an idle connection waits for nothing.
    let mut idle = Connection::open(address).await;
    idle.get("/health").await;
    let mut readers = JoinSet::new();
    for n in 0..READERS {
        origin.script(&path(n), tix::films(&["Dune"]));
        origin.hold(&path(n));
        readers.spawn(async move { get(address, &format!("/api/cinema_{n}")).await });
    }
    for n in 0..READERS {
        origin.wait_for_requests(&path(n), 1).await;
    }

    server.signal("TERM");
    server.wait_for_log("stopping");
    (0..READERS).for_each(|n| origin.release(&path(n)));
    for reply in readers.join_all().await {
        assert_eq!((reply.status.as_u16(), reply.items("title")), (200, vec!["Dune".to_owned()]));
    }
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log:#?}");
    assert!(log.last().unwrap().contains("stopped"), "{log:#?}");

    let server = Program::serve(folder.path());
    assert_eq!(server.get("/api/cinema_0").await.flags(), (true, true, false), "what was refreshed while it stopped is stored");
    assert_eq!(origin.total(), READERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let (origin, folder) = cinema(&["Dune"], "fresh_for = \"6d\"").await;
    origin.hold("/");
    let server = Program::serve(folder.path());
    origin.wait_for_requests("/", 1).await;
    server.signal("TERM");
    server.wait_for_log("stopping");
    // The origin is still held: without the second signal it would wait for it.
    server.signal("INT");
    let (code, log) = server.wait();
    assert_eq!(code, Some(1));
    assert!(log.iter().any(|line| line.contains("stopped at once")), "{log:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_exchanges_the_sources_and_refuses_a_bad_config() {
    let (origin, folder) = cinema(&["Dune"], "fresh_for = \"6d\"").await;
    origin.script("/other", tix::films(&["Arrival"]));
    let server = Program::serve(folder.path());
    server.until_fresh("cinema").await;
    let cinema = std::fs::read_to_string(folder.path().join("wellspring.toml")).unwrap();

    // Bad: the old one goes on, and the log says what is wrong and where.
    write_config(folder.path(), &cinema.replace("unique_by", "uniq_by"));
    server.signal("HUP");
    let complaint: Value = serde_json::from_str(&server.wait_for_log("bad config")).unwrap();
    assert_eq!(complaint["message"], "bad config: unknown key `uniq_by`");
    assert_eq!((&complaint["at"], &complaint["help"]), (&"wellspring.toml:10:1".into(), &"did you mean `unique_by`?".into()));
    server.wait_for_log("the old one goes on");
    assert_eq!(server.get("/api/cinema").await.flags(), (true, true, false));

    // Good: a source more, which is fetched; the one that was there keeps its data.
    configure(
        folder.path(),
        &format!(
            "{}{}",
            cinema.split_once("allow_private = true\n").unwrap().1,
            tix::source("other", &origin, "/other", "fresh_for = \"6d\"")
        ),
    );
    server.signal("HUP");
    server.wait_for_log("the config is reloaded");
    server.until_fresh("other").await;
    assert_eq!(server.get("/api/other").await.items("title"), ["Arrival"]);
    assert_eq!((server.get("/api/cinema").await.flags(), origin.count("/")), ((true, true, false), 1));

    // Good: the first one is gone, and what takes a restart is told.
    configure(folder.path(), &format!("[store]\nurl = \"memory:\"\n{}", tix::source("other", &origin, "/other", "fresh_for = \"6d\"")));
    server.signal("HUP");
    assert!(server.wait_for_log("after a restart").contains("[store] url"));
    let mut connection = Connection::open(server.address).await;
    while connection.get("/api/cinema").await.status != 404 {
        tokio::task::yield_now().await;
    }
    assert_eq!((server.get("/api/other").await.flags(), origin.count("/other")), ((true, true, false), 1));
    for line in server.log() {
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "every line of a JSON log is JSON, complaints too: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_data_says_so() {
    let (_origin, folder) = cinema(&["Dune"], "fresh_for = \"6d\"").await;
    let first = Program::serve(folder.path());
    first.until_fresh("cinema").await;
    let second = run(folder.path(), &["serve"]);
    assert_eq!((second.status.code(), second.stdout.len()), (Some(1), 0));
    let told = String::from_utf8(second.stderr).unwrap().replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(told, @"error: the store `FOLDER/data/wellspring.db` is in use by another running server; stop that one, or choose another folder with --data");
    assert_eq!(first.get("/api/cinema").await.flags(), (true, true, false), "the first goes on");
    // A lock dies with its process, however that ends.
    first.kill();
    assert_eq!(Program::serve(folder.path()).get("/api/cinema").await.items("title"), ["Dune"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn port_in_the_environment_means_all_interfaces_and_is_said() {
    let (_origin, folder) = cinema(&["Dune"], "fresh_for = \"6d\"").await;
    let toml = std::fs::read_to_string(folder.path().join("wellspring.toml")).unwrap();
    write_config(folder.path(), &toml.replace("listen = \"127.0.0.1:0\"\n", ""));
    let port = free_port();
    let server = Program::start(command(folder.path()).args(["serve", "--log", "json"]).env("PORT", port.to_string()));
    assert_eq!(server.address.to_string(), format!("0.0.0.0:{port}"));
    let line: Value = serde_json::from_str(&server.wait_for_log("PORT is set")).unwrap();
    assert_eq!(line["listen"], format!("0.0.0.0:{port}"));
    let here = ([127, 0, 0, 1], port).into();
    assert_eq!(get(here, "/health").await.status, 200);
    let forced = Connection::open(here).await.send(Method::POST, "/api/cinema/refresh", &[]).await;
    assert_eq!(forced.status, 403, "without a token nobody may force a refresh on such a listener");

    // A listen setting goes before it.
    write_config(folder.path(), &toml);
    let other = tempfile::tempdir().unwrap();
    let server =
        Program::start(command(folder.path()).args(["serve", "--log", "json", "--data"]).arg(other.path()).env("PORT", port.to_string()));
    assert!(server.address.ip().is_loopback() && server.address.port() != port, "{}", server.address);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_comes_at_once_is_let_in() {
    const CROWD: usize = 1_000;
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").map_or(0, |text| text.trim().parse().unwrap());
    if most < CROWD {
        tell(&format!("skipped: the system lets {most} connections wait, not {CROWD}"));
        return;
    }
    let (_origin, folder) = cinema(&["Dune"], "fresh_for = \"6d\"").await;
    let server = Program::serve(folder.path());
    server.until_fresh("cinema").await;
    // Stopped, it accepts nothing: whoever connects waits in the kernel's queue, or is turned away for a second and more.
    server.signal("STOP");
    let queued: JoinSet<_> = (0..CROWD).map(|_| TcpStream::connect(server.address)).collect();
    let queued = tokio::time::timeout(Duration::from_secs(20), queued.join_all()).await;
    server.signal("CONT");
    assert!(queued.expect("all of them have a place").iter().all(Result::is_ok));
    assert_eq!(server.get("/api/cinema").await.items("title"), ["Dune"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_server_is_small() {
    let origin = Origin::start().await;
    origin.script("/trending", Answer::ok(r#"<rss version="2.0" xmlns:ht="https://trends.google.com/trending/rss"><channel><item><title>rice price</title><ht:approx_traffic>2,000+</ht:approx_traffic></item></channel></rss>"#));
    let titles: Vec<String> = (0..17).map(|n| format!("Film {n}")).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    origin.script("/", tix::films(&titles));
    let trends = format!(
        "[source.google_trend]\nurl = \"{}\"\nformat = \"feed\"\nfresh_for = \"24h\"\nfields = {{ query = \"title\", search_volume = {{ path = \"ht:approx_traffic\", parse = \"number\" }} }}\n",
        origin.url("/trending")
    );
    let folder = tempfile::tempdir().unwrap();
    let sources = ["cinema", "events"].map(|name| tix::source(name, &origin, "/", "fresh_for = \"6d\"\nmin_interval = \"0s\"")).concat();
    configure(folder.path(), &(sources + &trends));
    let server = Program::serve(folder.path());
    for source in ["cinema", "events", "google_trend"] {
        server.until_fresh(source).await;
    }
    for round in 0..5 {
        origin.script("/", tix::films(&titles[round..]));
        assert_eq!(server.post("/api/cinema/refresh").await.member("force_refreshed"), true);
    }
    let kib = resident(server.id());
    tell(&format!("an idle server with three sources has {:.1} MiB resident", f64::from(kib) / 1_024.0));
    // The bar is the shipped program's; what is built for tests is larger.
    let most = if cfg!(debug_assertions) { 60_000 } else { 20_000 };
    assert!(kib < most, "{kib} KiB");
}

/// What a process has in memory, in KiB.
fn resident(id: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_has_a_line_of_every_request_when_the_server_has_ended() {
    let (_origin, folder) = cinema(&["Dune"], "fresh_for = \"6d\"").await;
    let lines = folder.path().join("access.log");
    let out = std::fs::File::create(&lines).unwrap();
    let server = Program::start(command(folder.path()).args(["serve", "--log", "json", "--access-log"]).stdout(out));
    server.until_fresh("cinema").await;
    // By both ways, and the last of them right before the end.
    for n in 0..50 {
        assert_eq!(server.get(if n % 2 == 0 { "/api/cinema?limit=1" } else { "/api/cinema" }).await.status, 200);
    }
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    let text = std::fs::read_to_string(lines).unwrap();
    let noted: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |target: &str| {
        noted.iter().filter(|line| line["target"] == target && line["status"] == 200 && line["client"] == "127.0.0.1").count()
    };
    assert_eq!((of("/api/cinema"), of("/api/cinema?limit=1")), (25, 25));
    assert!(noted.iter().all(|line| line["took_us"].is_u64() && line["method"] == "GET"), "{text}");
}
