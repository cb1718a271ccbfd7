//! Behind a proxy: under a path of its choosing, and told by it who asks.

use std::fs::{self, File};

use http::Method;
use serde_json::{Value, json};

use crate::support::app::Builder;
use crate::support::client::{self, Connection};
use crate::support::origin::Origin;
use crate::support::program::{Program, command, write_config};
use crate::support::tix;

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_with_the_base_path_and_without() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let source = tix::source("cinema", &origin, "/", "fresh_for = \"6d\"");
    let app = Builder::new().with_server("base_path = \"/wells\"\nadmin_token = \"t\"").with_source(&source).start().await;
    client::until(app.address, "cinema", |status| status["freshness"] == "fresh").await;
    let mut connection = Connection::open(app.address).await;
    for path in
        ["/api", "/api/cinema", "/api/cinema.rss", "/api/cinema/status", "/api/cinema/history", "/health", "/ready", "/openapi.json"]
    {
        for base in ["", "/wells"] {
            let reply = connection.send(Method::GET, &format!("{base}{path}"), &[]).await;
            assert_eq!(reply.status, 200, "{base}{path}");
        }
    }
    assert_eq!(app.get("/wells/").await.status, 200);
    for (path, place) in [("/wells", "/wells/"), ("/wells?a=b", "/wells/?a=b")] {
        let moved = app.get(path).await;
        assert_eq!((moved.status.as_u16(), moved.header("location")), (308, place), "{path}");
    }
    assert_eq!(app.get("/wells/api/cinema?limit=1").await.items("title"), ["Dune"]);
    assert_eq!(app.get("/wellsprings/api/cinema").await.status, 404);
    assert_eq!(app.get("/wells/wells/api/cinema").await.status, 404);
    let forced = client::post(app.address, "/wells/api/cinema/refresh", &[("authorization", "Bearer t")]).await;
    assert_eq!((forced.status.as_u16(), forced.member("force_refreshed")), (200, json!(true)));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_carry_the_base_path() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let source = tix::source("cinema", &origin, "/", "fresh_for = \"6d\"");
    let app = Builder::new().with_server("base_path = \"/wells\"").with_source(&source).start().await;
    client::until(app.address, "cinema", |status| status["freshness"] == "fresh").await;
    let links = app.get("/api").await.json()["sources"][0]["links"].clone();
    assert_eq!(links["data"], "/wells/api/cinema");
    for link in links.as_object().unwrap().values().filter(|link| !link.as_str().unwrap().ends_with("/refresh")) {
        assert_eq!(app.get(link.as_str().unwrap()).await.status, 200, "{link}");
    }
    let revision = app.get("/api/cinema/history").await.json()["revisions"][0]["href"].clone();
    assert_eq!(app.get(revision.as_str().unwrap()).await.items("title"), ["Dune"]);
    assert_eq!(app.get("/openapi.json").await.json()["servers"], json!([{"url": "/wells"}]));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_believes_a_trusted_proxy_and_nobody_else() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let clients = async |server: &str| {
        let folder = tempfile::tempdir().unwrap();
        let source = tix::source("cinema", &origin, "/", "fresh_for = \"6d\"");
        let toml = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nbase_path = \"/wells\"\n{server}\n[store]\nurl = \"memory:\"\n[fetch]\nallow_private = true\n{source}"
        );
        write_config(folder.path(), &toml);
        let log = folder.path().join("access.log");
        let server =
            Program::start(command(folder.path()).args(["serve", "--access-log", "--log", "json"]).stdout(File::create(&log).unwrap()));
        server.until_fresh("cinema").await;
        let mut connection = Connection::open(server.address).await;
        let told = [("x-forwarded-for", "1.2.3.4, 203.0.113.9")];
        // A hit, what only the router answers, and a refusal: a proxy's word admits nobody.
        assert_eq!(connection.send(Method::GET, "/wells/api/cinema", &told).await.status, 200);
        assert_eq!(connection.send(Method::GET, "/wells/health", &told).await.status, 200);
        assert_eq!(connection.send(Method::POST, "/wells/api/cinema/refresh", &told).await.status, 403);
        assert_eq!(connection.send(Method::GET, "/wells/ready", &[]).await.status, 200);
        // Lines are written a moment after their answers, and those of several threads in no order.
        for _ in 0..10_000 {
            let written = fs::read_to_string(&log).unwrap();
            let lines: Vec<Value> = written.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            let client = |target: &str| Some(lines.iter().find(|line| line["target"] == target)?["client"].as_str()?.to_owned());
            let found = ["/wells/api/cinema", "/wells/health", "/wells/api/cinema/refresh", "/wells/ready"].map(client);
            if found.iter().all(Option::is_some) {
                return found.map(Option::unwrap_or_default);
            }
            connection.send(Method::GET, "/health", &[]).await;
        }
        panic!("the log never has all lines: {}", fs::read_to_string(&log).unwrap());
    };
    assert_eq!(clients("").await, ["127.0.0.1"; 4]);
    assert_eq!(clients("trusted_proxies = [\"10.0.0.0/8\"]").await, ["127.0.0.1"; 4]);
    assert_eq!(clients("trusted_proxies = [\"127.0.0.1\"]").await, ["203.0.113.9", "203.0.113.9", "203.0.113.9", "127.0.0.1"]);
}
