//! Many clients, and slow ones: none of them takes the server away from the others.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::app::{Builder, TestApp};
use crate::support::client;
use crate::support::origin::Origin;
use crate::support::program::{self, Program};
use crate::support::tix;

/// What ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

const HIT: &str = "GET /api/cinema HTTP/1.1\r\nhost: localhost\r\n\r\n";

async fn cinema(builder: Builder) -> (Origin, TestApp) {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let app = builder.with_source(&tix::source("cinema", &origin, "/", "fresh_for = \"1h\"\nmin_interval = \"0s\"")).start().await;
    (origin, app)
}

/// A connection that was answered once and is kept.
async fn kept(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    answer(&mut stream).await;
    stream
}

/// One whole answer, by its length.
async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut bytes)).await.expect("an answer in time").unwrap();
        assert!(read > 0, "closed after {text:?}");
    }
}

/// All that comes until the server closes, or cuts.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _cut = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server closes");
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn refused(app: &TestApp, reason: &str) -> u64 {
    let page = client::get(app.address, "/metrics").await;
    let sample = format!("wellspring_connections_refused_total{{reason=\"{reason}\"}} ");
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    text.lines().find_map(|line| line.strip_prefix(&sample)?.parse().ok()).expect("the metric")
}

/// Connects until one is taken.
async fn until_taken(address: SocketAddr) -> TcpStream {
    let taken = async {
        loop {
            let mut stream = TcpStream::connect(address).await.unwrap();
            if stream.write_all(HIT.as_bytes()).await.is_ok() {
                let mut bytes = [0; 12];
                if stream.read_exact(&mut bytes).await.is_ok() && bytes.ends_with(b"200") {
                    return stream;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.expect("there is a place again")
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_bound_clients_hear_so_until_one_goes() {
    let (_origin, app) = cinema(Builder::new().with_server("max_connections = 3")).await;
    app.until_attempts("cinema", 1).await;
    let first = until_taken(app.address).await;
    let mut open = vec![kept(app.address, HIT).await];
    while open.len() < 2 {
        // What asked for the status before may not be gone yet.
        open.push(until_taken(app.address).await);
    }
    let mut fourth = TcpStream::connect(app.address).await.unwrap();
    let told = rest(&mut fourth).await;
    assert!(told.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && told.contains("\r\nretry-after: 5\r\n"), "{told}");
    assert!(told.contains("connection: close") && told.contains("urn:wellspring:problem:crowded"), "{told}");
    // Who has sent all of it already hears it too.
    let mut asked = TcpStream::connect(app.address).await.unwrap();
    asked.write_all(HIT.as_bytes()).await.unwrap();
    assert!(rest(&mut asked).await.starts_with("HTTP/1.1 503 "));
    drop((first, open));
    drop(until_taken(app.address).await);
    assert!(refused(&app, "max_connections").await >= 2);
    app.stop().await;
}

/// An address of this machine's that is no loopback.
fn outer() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the system says from where it would be.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_takes_no_more_than_its_share() {
    let Some(outer) = outer() else {
        program::tell("skipped: this machine has no address but loopback");
        return;
    };
    let (_origin, mut app) = cinema(Builder::new().with_listen("0.0.0.0:0").with_server("max_connections_per_address = 2")).await;
    let far = SocketAddr::new(outer, app.address.port());
    app.address = SocketAddr::from(([127, 0, 0, 1], app.address.port()));
    app.until_attempts("cinema", 1).await;
    let open = [kept(far, HIT).await, kept(far, HIT).await];
    let told = rest(&mut TcpStream::connect(far).await.unwrap()).await;
    assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
    // This machine itself is not counted.
    for _ in 0..5 {
        assert_eq!(app.get("/api/cinema").await.status, 200);
    }
    assert_eq!(refused(&app, "max_connections_per_address").await, 1);
    drop(open);
    drop(until_taken(far).await);
    app.stop().await;
}

/// A listener with these headers of a proxy; the first line of the answer.
async fn listens(app: &TestApp, said: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let request = format!("GET /api/stream HTTP/1.0\r\nhost: x\r\n{said}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = vec![0; 12];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut line)).await.expect("an answer in time").unwrap();
    (stream, String::from_utf8(line).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_listens_to_so_many_streams_and_no_more() {
    let builder = Builder::new().with_server("max_streams_per_address = 2\ntrusted_proxies = [\"127.0.0.1\"]");
    let (_origin, app) = cinema(builder).await;
    let (one, other) = ("x-forwarded-for: 203.0.113.1\r\n", "x-forwarded-for: 203.0.113.2\r\n");
    let first = listens(&app, one).await;
    let second = listens(&app, one).await;
    assert!(first.1.ends_with("200") && second.1.ends_with("200"));
    // Whatever it wrote before the proxy's own word.
    for said in [one, "x-forwarded-for: \u{ff}, 203.0.113.1\r\n", "forwarded: for=\"x, for=203.0.113.1\r\n"] {
        assert!(listens(&app, said).await.1.ends_with("503"), "{said}");
    }
    assert!(listens(&app, other).await.1.ends_with("200"));
    drop(first);
    let again = async { while !listens(&app, one).await.1.ends_with("200") {} };
    tokio::time::timeout(PATIENCE, again).await.expect("who has left is not counted");
    // Without a client's name it is the proxy's own.
    let mut own = Vec::new();
    for _ in 0..5 {
        own.push(listens(&app, "").await);
    }
    assert!(own.iter().all(|(_, line)| line.ends_with("200")));
    // Of whom nothing can be read are counted together, and none of them is the proxy.
    let unread = [listens(&app, "x-forwarded-for: unknown\r\n").await, listens(&app, "forwarded: for=_hidden\r\n").await];
    assert!(unread.iter().all(|(_, line)| line.ends_with("200")));
    assert!(listens(&app, "x-forwarded-for: \r\n").await.1.ends_with("503"));
    drop((second, own, unread));
    app.stop().await;
}

/// Sends a byte a second until the server closes; how long that took, and what it said.
#[expect(clippy::disallowed_methods, reason = "how long slow heads are borne is what is measured")]
async fn drip(mut stream: TcpStream) -> (Duration, String) {
    let begun = Instant::now();
    let (mut read, mut write) = stream.split();
    let mut all = Vec::new();
    let drips = async {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        for byte in format!("GET /api/cinema HTTP/1.1\r\nhost: x\r\nx-slow: {}", "x".repeat(60)).bytes() {
            second.tick().await;
            if write.write_all(&[byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let ends = async {
        tokio::select! {
            _cut = read.read_to_end(&mut all) => {}
            () = drips => {}
        }
    };
    tokio::time::timeout(PATIENCE, ends).await.expect("the server closes");
    (begun.elapsed(), String::from_utf8_lossy(&all).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_are_cut_wherever_they_begin() {
    let (_origin, app) = cinema(Builder::new()).await;
    app.until_attempts("cinema", 1).await;
    let new = async || TcpStream::connect(app.address).await.unwrap();
    // As the first request, as one after a hit, and as one after what hyper answered.
    let health = HIT.replace("/api/cinema", "/health");
    let (first, after_hit, after_hyper) = (new().await, kept(app.address, HIT).await, kept(app.address, &health).await);
    // And heads of which no more comes at all, and no head.
    let mut half = new().await;
    half.write_all(b"GET /api/cinema HTTP/1.1\r\nhost:").await.unwrap();
    let mut half_later = kept(app.address, HIT).await;
    half_later.write_all(b"GET /api/cinema HT").await.unwrap();
    let mut silent = new().await;
    let took = tokio::join!(drip(first), drip(after_hit), drip(after_hyper), rest(&mut half), rest(&mut half_later), rest(&mut silent));
    for (took, said) in [took.0, took.1, took.2] {
        assert!(took > Duration::from_secs(9) && took < Duration::from_secs(13), "{took:?}");
        assert_eq!(said, "");
    }
    assert_eq!(app.get("/api/cinema").await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_not_waited_for() {
    let (_origin, app) = cinema(Builder::new()).await;
    app.until_attempts("cinema", 1).await;
    for (method, path, status) in [("POST", "/api/cinema/refresh", 200), ("GET", "/api/cinema", 200), ("POST", "/docs", 405)] {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        // The body never comes.
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000000\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let told = answer(&mut stream).await;
        assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{told}");
        // And is not waited for afterwards.
        rest(&mut stream).await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_of_http_ends_cleanly() {
    let (_origin, app) = cinema(Builder::new()).await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server closes").expect("and does not reset");
    assert!(bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&bytes));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_the_server_waits_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let source = tix::source("cinema", &origin, "/", "fresh_for = \"1h\"");
    program::write_config(
        folder.path(),
        &format!("[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"memory:\"\n[fetch]\nallow_private = true\nrobots = false\n{source}"),
    );
    let program = Program::serve(folder.path());
    program.until_fresh("cinema").await;
    // From now on it has hardly more than it uses.
    let used = std::fs::read_dir(format!("/proc/{}/fd", program.id())).unwrap().count();
    let limited =
        std::process::Command::new("prlimit").arg(format!("--pid={}", program.id())).arg(format!("--nofile={}", used + 8)).status();
    if !limited.is_ok_and(|status| status.success()) {
        program::tell("skipped: there is no prlimit");
        return;
    }
    let mut open = Vec::new();
    for _ in 0..40 {
        open.push(TcpStream::connect(program.address).await.unwrap());
    }
    program.wait_for_log("connections could not be accepted");
    drop(open);
    drop(until_taken(program.address).await);
    let said = program.log().iter().filter(|line| line.contains("could not be accepted")).count();
    assert_eq!(said, 1, "once a minute");
}
