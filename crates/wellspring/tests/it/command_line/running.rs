//! Commands that ask a running server.

use super::*;
use crate::support::program::free_port;

/// A server with a film source that may be refreshed and one that may not, and a folder whose config finds it.
struct Running {
    origin: Origin,
    server: Program,
    folder: TempDir,
}

impl Running {
    async fn start(token: &str) -> Self {
        let origin = Origin::start().await;
        origin.script("/", tix::films(&["Dune", "Up"]));
        let sources = format!(
            "{}{}",
            tix::source("cinema", &origin, "/", "fresh_for = \"6d\"\nmin_interval = \"0s\""),
            tix::source("paid", &origin, "/", "fresh_for = \"6d\"\nmanual_refresh = false")
        );
        let server = folder(&sources);
        let toml = std::fs::read_to_string(server.path().join("wellspring.toml")).unwrap();
        write_config(server.path(), &toml.replace("[fetch]", &format!("{token}\n[store]\nurl = \"memory:\"\n[fetch]")));
        let server = Program::serve(server.path());
        for source in ["cinema", "paid"] {
            server.until_fresh(source).await;
        }
        let running = Self { origin, server, folder: tempfile::tempdir().unwrap() };
        running.ask_with(token);
        running
    }

    /// Has the commands send this token.
    fn ask_with(&self, token: &str) {
        write_config(self.folder.path(), &format!("[server]\nlisten = \"{}\"\n{token}\n", self.server.address));
    }

    fn check(&self, args: &[&str]) -> String {
        check(self.folder.path(), args)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_every_source() {
    let running = Running::start("").await;
    running.origin.script("/", Answer::status(503));
    assert_snapshot!(running.check(&["refresh", "cinema"]), @"
    exit code 1
    --- stderr
    error: cinema: 127.0.0.1:PORT answered 503; the stored data stays
    ");
    let table = (0..60).fold(running.check(&["status"]), |table, n| table.replace(&format!("{:>8}", format!("{n}s")), "     AGE"));
    assert_snapshot!(table, @"
    exit code 0
    --- stdout
    SOURCE  DATA     REFRESH       ITEMS       AGE  LAST ERROR
    cinema  fresh    backing_off       2       AGE  127.0.0.1:PORT answered 503
    paid    fresh    idle              2       AGE
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tells_what_came_of_it() {
    let running = Running::start("").await;
    running.origin.script("/", tix::films(&["Arrival"]));
    let told = running.check(&["refresh", "cinema"]);
    assert!(told.starts_with("exit code 0\n--- stdout\ncinema: refreshed, 1 items as of 20"), "{told}");
    assert_eq!(running.server.get("/api/cinema").await.items("title"), ["Arrival"]);
    assert_snapshot!(running.check(&["refresh", "paid"]), @"
    exit code 1
    --- stderr
    error: `paid` does not allow forced refreshes (`manual_refresh = false`)
    ");
    assert_snapshot!(running.check(&["refresh", "cinma"]), @"
    exit code 1
    --- stderr
    error: no source is called `cinma`; did you mean `cinema`?
    ");
    assert_snapshot!(running.check(&["refresh", "cinema?city=jakarta"]), @"
    exit code 1
    --- stderr
    error: `city` is no parameter of this source; it takes none
    ");
    assert_snapshot!(running.check(&["refresh", "no such/source"]), @"
    exit code 1
    --- stderr
    error: no source is called `no such/source`; the server has: cinema, paid
    ");
    running.origin.hold("/");
    assert_snapshot!(running.check(&["refresh", "cinema?wait=0"]), @"
    exit code 0
    --- stdout
    cinema?wait=0: still refreshing; `wellspring status` tells how it went
    ");
    running.origin.release("/");
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_sends_the_token_of_its_config() {
    let running = Running::start("admin_token = \"open-sesame\"").await;
    let before = running.origin.count("/");
    running.ask_with("");
    assert_snapshot!(running.check(&["refresh", "cinema"]), @"
    exit code 1
    --- stderr
    error: a forced refresh needs `Authorization: Bearer` with the configured `admin_token`; this command sends the one of its own config: give it the server's with --config FILE
    ");
    running.ask_with("admin_token = \"open-barley\"");
    assert_snapshot!(running.check(&["refresh", "cinema"]), @"
    exit code 1
    --- stderr
    error: the bearer token is not the configured `admin_token`; this command sends the one of its own config: give it the server's with --config FILE
    ");
    assert_eq!(running.origin.count("/"), before, "neither reached the origin");
    running.ask_with("admin_token = \"open-sesame\"");
    let told = running.check(&["refresh", "cinema"]);
    assert!(told.contains("cinema: refreshed, 2 items"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_listens_elsewhere_is_named() {
    let running = Running::start("").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let server = format!("http://{}", running.server.address);
    let asked = |args: &[&str]| check(elsewhere.path(), args);
    let table = asked(&["status", "--server", &server]);
    assert!(table.contains("cinema") && table.contains("paid"), "{table}");
    let told = asked(&["refresh", "cinema", "--server", running.server.address.to_string().as_str()]);
    assert!(told.contains("cinema: refreshed, 2 items"), "{told}");
    assert_snapshot!(asked(&["status", "--server", "https://wells.example"]), @"
    exit code 2
    --- stderr
    error: invalid value 'https://wells.example' for '--server <URL>': https is not spoken here: name the address that the server itself listens on, as in http://127.0.0.1:5500

    For more information, try '--help'.
    ");
    assert_snapshot!(asked(&["status", "--server", "http://127.0.0.1:port"]), @"
    exit code 2
    --- stderr
    error: invalid value 'http://127.0.0.1:port' for '--server <URL>': write it as in http://127.0.0.1:5500

    For more information, try '--help'.
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_comes_under_a_name_that_the_server_knows() {
    let running = Running::start("hosts = [\"wells.example:8080\"]").await;
    let told = running.check(&["refresh", "cinema"]);
    assert!(told.contains("cinema: refreshed, 2 items"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_server_answers_the_way_out_is_told() {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &format!("[server]\nlisten = \"127.0.0.1:{}\"\n", free_port()));
    assert_snapshot!(check(folder.path(), &["status"]), @"
    exit code 1
    --- stderr
    error: no server answers on 127.0.0.1:PORT (Connection refused (os error 111)); start one with `wellspring serve`, or say where it is with --server URL
    ");
    assert_snapshot!(check(folder.path(), &["refresh", "cinema"]), @"
    exit code 1
    --- stderr
    error: no server answers on 127.0.0.1:PORT (Connection refused (os error 111)); start one with `wellspring serve`, or say where it is with --server URL
    ");
    let stranger = Origin::start().await;
    stranger.script("/api", Answer::html("<h1>It works!</h1>"));
    write_config(folder.path(), &format!("[server]\nlisten = \"{}\"\n", stranger.address()));
    assert_snapshot!(check(folder.path(), &["status"]), @"
    exit code 1
    --- stderr
    error: what answers on 127.0.0.1:PORT is no wellspring (200 OK); say where it is with --server URL
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_asks_the_server_of_the_config() {
    let running = Running::start("").await;
    assert_snapshot!(running.check(&["health"]), @"
    exit code 0
    --- stdout
    ok
    ");
    // The origin answers, and is no wellspring.
    let origin = running.origin.url("/");
    assert_snapshot!(running.check(&["health", "--server", &origin]), @"
    exit code 1
    --- stderr
    error: what answers on 127.0.0.1:PORT is no wellspring (404 Not Found); say where it is with --server URL
    ");
    write_config(running.folder.path(), &format!("[server]\nlisten = \"127.0.0.1:{}\"\n", free_port()));
    assert_snapshot!(running.check(&["health"]), @"
    exit code 1
    --- stderr
    error: no server answers on 127.0.0.1:PORT (Connection refused (os error 111)); start one with `wellspring serve`, or say where it is with --server URL
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_outlives_a_config_that_has_become_wrong() {
    let running = Running::start("").await;
    write_config(running.folder.path(), "[server]\nlisen = \"127.0.0.1:1\"\n");
    let health = |port: u16| output(command(running.folder.path()).arg("health").env("PORT", port.to_string()));
    assert_eq!(health(running.server.address.port()).status.code(), Some(0));
    assert_eq!(health(free_port()).status.code(), Some(1));
}
