//! Hits that are answered without hyper, beside the same requests answered by it: nobody can tell which it was.

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::app::{Builder, TestApp};
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

/// Longer than any answer takes; what ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);
/// A request that hyper answers, and everything after it on its connection.
const TO_HYPER: &str = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";

/// Sends these pieces, each once the one before it has arrived, says that no more will come, and returns all that comes.
async fn talk(address: SocketAddr, pieces: &[&[u8]]) -> Vec<u8> {
    let talk = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut read, mut write) = stream.split();
        let sends = async {
            for piece in pieces {
                // Refused in the midst of it, which is an answer as well.
                if write.write_all(piece).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            drop(write.shutdown().await);
        };
        let mut answers = Vec::new();
        let reads = read.read_to_end(&mut answers);
        let ((), read) = tokio::join!(sends, reads);
        read.expect("the connection is closed and not reset");
        answers
    };
    tokio::time::timeout(PATIENCE, talk).await.expect("the server closes")
}

/// Answers with what differs from moment to moment left out, and the lines of each head in order.
fn told(answers: &[u8]) -> Vec<String> {
    let mut told = Vec::new();
    let mut rest = answers;
    while let Some(end) = rest.windows(4).position(|w| w == b"\r\n\r\n") {
        let head = String::from_utf8(rest[..end].to_vec()).unwrap();
        rest = &rest[end + 4..];
        let mut lines: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
        lines[1..].sort();
        lines.retain(|line| !line.starts_with("date: ") && !line.starts_with("age: "));
        for line in &mut lines {
            line.truncate(line.find("ttl=").unwrap_or(line.len()));
        }
        // Bodies end where the next answer begins, whether or not there is one: those of HEAD are not there.
        let next = rest.windows(10).position(|w| w.starts_with(b"HTTP/1.1 ") && w[9].is_ascii_digit()).unwrap_or(rest.len());
        told.push(format!("{}\n{}", lines.join("\n"), String::from_utf8_lossy(&rest[..next])));
        rest = &rest[next..];
    }
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(rest));
    told
}

/// The same bytes to a new connection, and to one that hyper has already: the same answers. How many there were, and the first.
async fn check(address: SocketAddr, bytes: &[u8]) -> (usize, String) {
    let direct = told(&talk(address, &[bytes]).await);
    let mut by_hyper = told(&talk(address, &[TO_HYPER.as_bytes(), bytes]).await);
    assert!(by_hyper.remove(0).starts_with("HTTP/1.1 200 OK"));
    assert_eq!(direct, by_hyper, "{}", String::from_utf8_lossy(bytes));
    (direct.len(), direct.into_iter().next().unwrap_or_default())
}

fn request(method: &str, target: &str, lines: &[&str]) -> String {
    let host = ["host: x.example"];
    let lines = [&host[..], lines, &["\r\n"]].concat().join("\r\n");
    format!("{method} {target} HTTP/1.1\r\n{lines}")
}

/// Sources of each kind, of which each has a snapshot that stays as it is.
async fn kinds(server: &str) -> (Origin, TestApp) {
    let origin = Origin::start().await;
    let titles: Vec<String> = (0..60).map(|n| format!("Film {n}")).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    origin.script("/", tix::films(&titles));
    let source = |name, lines: &str| tix::source(name, &origin, "/", lines);
    let params = "fresh_for = \"1h\"\n[source.places.params.city]\ndefault = \"a b\"\nvalues = [\"a b\", \"c\"]";
    let builder = Builder::new()
        .with_server(server)
        .with_source(&source("cinema", "fresh_for = \"1h\""))
        .with_source(&source("shared", "fresh_for = \"1h\"\nhttp_cache = \"shared\"\nreport_age = true"))
        .with_source(&source("places", params));
    let app = builder.start().await;
    for name in ["cinema", "shared", "places"] {
        app.until_attempts(name, 1).await;
    }
    (origin, app)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_the_same_on_either_way() {
    for server in ["", "cors_origins = [\"https://site.example\"]"] {
        let (_origin, app) = kinds(server).await;
        let etag = app.get("/api/cinema").await.header("etag").to_owned();
        let coded = format!("{}-gzip\"", etag.strip_suffix('"').unwrap());
        let known = format!("if-none-match: {etag}");
        let known_coded = format!("If-None-Match: W/\"x\", {coded}");
        let wants: [&[&str]; 8] = [
            &[],
            &["accept-encoding: identity"],
            &[&known],
            &[&known, "accept-encoding: gzip, deflate, br, zstd"],
            &[&known_coded, "Accept-Encoding: gzip"],
            &["if-none-match: *", "origin: https://site.example"],
            &["origin: https://other.example", "connection: keep-alive"],
            &["cookie: a=b; c=d", "accept: text/html", "range: bytes=0-4", "if-modified-since: Tue, 15 Nov 2044 08:12:31 GMT"],
        ];
        // Who asks first gets it as it is; only from then on is it the same for all.
        for name in ["cinema", "shared", "places"] {
            for coding in ["gzip", "zstd"] {
                let coded = async || app.send(Method::GET, &format!("/api/{name}"), &[("accept-encoding", coding)]).await;
                while coded().await.header("content-encoding") != coding {}
            }
        }
        let mut answered = 0;
        for target in
            ["/api/cinema", "/api/shared", "/api/places", "/api/places?city=a%20b", "/api/places?city=a+b", "/api/nothing", "/openapi.json"]
        {
            for method in ["GET", "HEAD", "OPTIONS"] {
                for lines in wants {
                    let (count, _) = check(app.address, request(method, target, lines).as_bytes()).await;
                    answered += count;
                }
            }
        }
        assert_eq!(answered, 7 * 3 * wants.len());
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_made_of_a_request_is_understood_as_hyper_understands_it() {
    let (_origin, app) = kinds("").await;
    let whole = request("GET", "/api/cinema", &["accept: */*", "connection: keep-alive", "user-agent: a/1"]).repeat(2);
    let pieces: [&[u8]; 26] = [
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"\0",
        b"\x7f",
        "é".as_bytes(),
        b"\xff",
        b"Host: b\r\n",
        b"\r\nHost: x\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"\r\ncontent-length: 31",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Connection: close\r\n",
        b"Upgrade: h2c\r\n",
        b"Expect: 100-continue\r\n",
        b"http://x.example",
        b"?",
        b"#",
        b"/../",
        b"HTTP/1.0",
        b"%00",
    ];
    // A plain generator of numbers, the same at each run (Marsaglia's xorshift).
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut below = |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % bound as u64).unwrap()
    };
    let mut statuses = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..400 {
        let mut bytes = whole.clone().into_bytes();
        for _ in 0..=below(2) {
            let at = below(bytes.len());
            match below(4) {
                0 => bytes.truncate(at),
                1 => drop(bytes.remove(at)),
                _ => drop(bytes.splice(at..at, pieces[below(pieces.len())].iter().copied())),
            }
            bytes.push(b' ');
        }
        let (_, first) = check(app.address, &bytes).await;
        *statuses.entry(first.chars().skip(9).take(3).collect()).or_default() += 1;
    }
    // It was not all the same.
    assert!(statuses["200"] > 100 && statuses["400"] > 50, "{statuses:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_in_order_however_they_arrive() {
    let (_origin, app) = kinds("").await;
    let hits = ["/api/cinema", "/api/shared", "/api/places?city=a%20b"];
    let mut script = String::new();
    for n in 0..120 {
        script += &request(if n % 7 == 0 { "HEAD" } else { "GET" }, hits[n % 3], &[]);
        if n == 80 {
            script += &request("GET", "/api/nowhere", &[]);
        }
    }
    let whole = told(&talk(app.address, &[script.as_bytes()]).await);
    assert_eq!((whole.len(), whole.iter().filter(|answer| answer.starts_with("HTTP/1.1 404")).count()), (121, 1));
    assert!(whole[81].starts_with("HTTP/1.1 404"));
    for length in [1_000, 77, 16 << 10] {
        let pieces: Vec<&[u8]> = script.as_bytes().chunks(length).collect();
        assert_eq!(told(&talk(app.address, &pieces).await), whole, "in pieces of {length}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_wait_for_their_reader_and_hold_up_nobody() {
    let origin = Origin::start().await;
    let text = "x".repeat(3 << 20);
    origin.script("/", Answer::json(format!("[{{\"title\":\"{text}\"}}]")));
    let source = format!("[source.long]\nurl = \"{}\"\nfresh_for = \"1h\"\nformat = \"json\"\nitems = \"$[*]\"\n", origin.url("/"));
    let app = TestApp::with_source(&source).await;
    app.until_attempts("long", 1).await;
    let mut slow = TcpStream::connect(app.address).await.unwrap();
    // More than the system takes: the rest waits, and what is asked beyond some of it is not even answered.
    slow.write_all(request("GET", "/api/long", &[]).repeat(40).as_bytes()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(app.get("/api/long").await.status, 200);
    }
    slow.shutdown().await.unwrap();
    let mut all = Vec::new();
    tokio::time::timeout(PATIENCE, slow.read_to_end(&mut all)).await.expect("all of it comes").unwrap();
    let answers = told(&all);
    assert_eq!(answers.len(), 40);
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.len() > text.len()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_what_is_idle_at_once() {
    let (_origin, app) = kinds("").await;
    let mut idle = Vec::new();
    for asks in [false, true] {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        if asks {
            stream.write_all(request("HEAD", "/api/cinema", &[]).as_bytes()).await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
        }
        idle.push(stream);
    }
    // Fails where it takes as long as it may.
    tokio::time::timeout(Duration::from_secs(5), app.stop()).await.expect("idle connections block nothing");
    for mut stream in idle {
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);
    }
}
