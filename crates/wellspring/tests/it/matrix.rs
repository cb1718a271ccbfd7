//! Who may change something: every route, every method, every token, every origin, every host, every way through a proxy, beside a
//! model of the contract's "Who may force a refresh".

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::app::{Builder, TestApp};
use crate::support::origin::Origin;
use crate::support::tix;
use crate::trust::judge;

const TOKEN: &str = "correct-horse";
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "REFRESH"];
/// How many requests that must change nothing are made at once.
const ABREAST: usize = 8;
/// What ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    None,
    Wrong,
    Right,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    None,
    Own,
    Foreign,
}

/// What a request is like, but for what it asks.
#[derive(Clone, Copy, Debug)]
struct Asker {
    token: Token,
    origin: Whose,
    host: Whose,
    /// What a proxy has added.
    through: Option<&'static str>,
}

impl Asker {
    fn all() -> Vec<Self> {
        let whose = [Whose::None, Whose::Own, Whose::Foreign];
        let mut all = Vec::new();
        for token in [Token::None, Token::Wrong, Token::Right] {
            for origin in whose {
                for host in whose {
                    for through in [None, Some("X-Forwarded-For: 127.0.0.1"), Some("Forwarded: for=127.0.0.1"), Some("Via: 1.1 proxy")] {
                        all.push(Self { token, origin, host, through });
                    }
                }
            }
        }
        all
    }

    /// The contract, in a few lines of its own: the status of a refused refresh, or none where it may be forced.
    fn refused(self, has_token: bool) -> Option<u16> {
        if self.host == Whose::None {
            return Some(400);
        }
        if has_token {
            return (self.token != Token::Right).then_some(401);
        }
        let local = self.through.is_none() && self.host == Whose::Own && self.origin != Whose::Foreign;
        (!local).then_some(403)
    }

    fn request(self, method: &str, target: &str, address: SocketAddr) -> String {
        let mut lines = vec![format!("{method} {target} HTTP/1.1"), "connection: close".to_owned()];
        match self.token {
            Token::None => {}
            Token::Wrong => lines.push("authorization: Bearer correct-hors".to_owned()),
            Token::Right => lines.push(format!("authorization: Bearer {TOKEN}")),
        }
        match self.origin {
            Whose::None => {}
            Whose::Own => lines.push(format!("origin: http://{address}")),
            Whose::Foreign => lines.push("origin: https://evil.example".to_owned()),
        }
        match self.host {
            Whose::None => {}
            Whose::Own => lines.push(format!("host: {address}")),
            Whose::Foreign => lines.push("host: rebound.example".to_owned()),
        }
        lines.extend(self.through.map(str::to_owned));
        lines.join("\r\n") + "\r\n\r\n"
    }
}

/// Sends one request on a connection of its own; the status. Of a stream no more than the head is read.
async fn status(address: SocketAddr, request: String, is_endless: bool) -> u16 {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        if is_endless {
            while answer.len() < 12 {
                assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "{request}");
            }
        } else {
            stream.read_to_end(&mut answer).await.unwrap();
        }
        std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap()
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("no answer: {request}"))
}

/// Every route that the server itself names, in its document and to those who are lost, and what reads may ask besides.
async fn routes(app: &TestApp) -> BTreeSet<String> {
    let document = app.get("/openapi.json").await.json();
    let lost = app.get("/nowhere").await.json();
    let documented = document["paths"].as_object().unwrap().keys().cloned();
    let told = lost["routes"].as_array().unwrap().iter().map(|route| route.as_str().unwrap().replace("{source}", "cinema"));
    let mut all: BTreeSet<String> = documented.chain(told).collect();
    assert!(all.len() > 15 && all.contains("/api/cinema/refresh") && all.contains("/api/paid/status"), "{all:?}");
    let more = [
        "/nowhere",
        "*",
        "/api/paid/refresh",
        "/api/cinema/refresh?wait=0s",
        "/api/cinema/refresh/",
        "/api/cinema//refresh",
        "/api/cinema?max_age=0s&wait=30s",
        "/api/paid?max_age=0s&wait=30s",
        "/api/cinema.csv?max_age=0s&wait=30s",
        "/sources/paid",
    ];
    all.extend(more.map(str::to_owned));
    all
}

/// What an effect may come of: a forced refresh, or a read that wants newer data.
fn may_change(method: &str, route: &str) -> bool {
    let path = route.split('?').next().unwrap();
    match method {
        "POST" => path == "/api/cinema/refresh",
        "GET" | "HEAD" => path.starts_with("/api/cinema") && route.contains("max_age=0s"),
        _ => false,
    }
}

async fn matrix(server: &str, has_token: bool) {
    let origin = Origin::start().await;
    for path in ["/cinema", "/paid"] {
        origin.script(path, tix::films(&["Dune"]));
    }
    let source = |name: &str, lines: &str| {
        tix::source(name, &origin, &format!("/{name}"), &format!("fresh_for = \"1000d\"\nmin_interval = \"0s\"\n{lines}"))
    };
    let builder =
        Builder::new().with_server(server).with_source(&source("cinema", "")).with_source(&source("paid", "manual_refresh = false"));
    let app = Arc::new(builder.start().await);
    for name in ["cinema", "paid"] {
        app.until_attempts(name, 1).await;
    }
    let fetches = || origin.count("/cinema") + origin.count("/paid");
    let (mut asked, mut effects) = (0, 0);
    let address = app.address;
    for route in routes(&app).await {
        for method in METHODS {
            app.clock.pass(Duration::from_secs(1));
            let before = fetches();
            let mut idle = Vec::new();
            for asker in Asker::all() {
                asked += 1;
                let is_endless = route.starts_with("/api/stream") && method == "GET" && asker.host != Whose::None;
                let request = asker.request(method, &route, address);
                let refused = asker.refused(has_token);
                if may_change(method, &route) && refused.is_none() {
                    app.clock.pass(Duration::from_secs(1));
                    let before = fetches();
                    let status = status(address, request, is_endless).await;
                    assert!(status == 200 || (status == 202 && route.ends_with("wait=0s")), "{method} {route} {asker:?}: {status}");
                    // Not waited for, it still comes.
                    app.until("cinema", |s| s["phase"] == "idle").await;
                    assert_eq!(fetches() - before, 1, "{method} {route} {asker:?}");
                    effects += 1;
                } else {
                    let forces = method == "POST" && route.contains("/refresh") && may_change(method, &route);
                    // Who may force a refresh, and nobody else, may have everything.
                    let exports = ["GET", "HEAD"].contains(&method) && route == "/admin/export";
                    let expected = if exports { Some(refused.unwrap_or(200)) } else { refused.filter(|_| forces) };
                    idle.push((asker, request, is_endless, expected));
                }
            }
            let permitted = fetches();
            for some in idle.chunks(ABREAST) {
                let tasks = some
                    .iter()
                    .map(|(_, request, is_endless, _)| wellspring::lifecycle::spawn(status(address, request.clone(), *is_endless)));
                for (task, (asker, _, _, expected)) in tasks.collect::<Vec<_>>().into_iter().zip(some) {
                    let status = task.await.unwrap();
                    assert!(status < 500 || status == 501, "{method} {route} {asker:?}: {status}");
                    assert!(expected.is_none_or(|expected| expected == status), "{method} {route} {asker:?}: {status}");
                    if route.starts_with("/api/paid/refresh") && asker.host != Whose::None {
                        assert_eq!(status, if method == "OPTIONS" { 204 } else { 405 }, "{method} {asker:?}");
                    }
                }
            }
            assert_eq!(fetches(), permitted, "{method} {route} by those who may not (before: {before})");
        }
    }
    for name in ["cinema", "paid"] {
        assert_eq!(app.status(name).await["revision"], 1, "the same films are no new revision");
    }
    let what = format!("effects of those who may not, {} token", if has_token { "with a" } else { "without a" });
    judge("T9", &what, &format!("0 in {asked} requests, {effects} permitted ones"), "0", effects > 0);
    Arc::into_inner(app).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_changed_by_those_who_may_not() {
    matrix("", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_nothing_is_changed_by_those_who_have_it_not() {
    matrix(&format!("admin_token = \"{TOKEN}\""), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_forced_refreshes_is_one_fetch_an_interval() {
    let origin = Origin::start().await;
    origin.script("/cinema", tix::films(&["Dune"]));
    let source = tix::source("cinema", &origin, "/cinema", "fresh_for = \"1h\"\nmin_interval = \"10s\"");
    let app = Builder::new().with_source(&source).start().await;
    app.until_attempts("cinema", 1).await;
    let warm = origin.count("/cinema");
    let intervals = 5;
    for interval in 1..=intervals {
        app.clock.pass(Duration::from_secs(11));
        let floods: Vec<_> = (0..8)
            .map(|_| {
                let address = app.address;
                wellspring::lifecycle::spawn(async move {
                    let mut connection = crate::support::client::Connection::open(address).await;
                    for _ in 0..250 {
                        let reply = connection.send(http::Method::POST, "/api/cinema/refresh", &[]).await;
                        assert_eq!(reply.status, 200);
                    }
                })
            })
            .collect();
        for flood in floods {
            flood.await.unwrap();
        }
        assert_eq!(origin.count("/cinema") - warm, interval, "fetches after {interval} intervals of 2,000 forced refreshes each");
    }
    let count = origin.count("/cinema") - warm;
    judge(
        "T9",
        &format!("fetches of {} forced refreshes", 2_000 * intervals),
        &count.to_string(),
        "one an interval, of five",
        count == intervals,
    );
    app.stop().await;
}
