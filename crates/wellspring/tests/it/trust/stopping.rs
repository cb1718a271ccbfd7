//! T16: told to stop, a server answers everybody who asked, waits for nobody who does not, and ends.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use wellspring::clock::{Clock as _, SystemClock};

use super::dice::{Dice, pass};
use super::{judge, judge_time, long, ms};
use crate::support::client::get;
use crate::support::origin::{Answer, Origin};
use crate::support::program::{Program, command, signal, write_config};
use crate::support::tix;

const KEYS: usize = 100;
/// Who is in flight, in tenths of all: those who wait for a slow origin, who have read half of a large body, who listen, who are idle.
const IN_FLIGHT: [usize; 4] = [4, 2, 1, 3];
/// How many are idle where nobody else is there.
const IDLE: usize = 300;
/// Within which all of it has to be over.
const BAR: Duration = Duration::from_secs(10);
/// How long a client waits before it is said to have been forgotten.
const PATIENCE: Duration = Duration::from_secs(30);

/// An origin with a page of films, a slow one with a page for each key and a large list; and a folder to serve them from.
async fn scene() -> (Origin, TempDir) {
    let (origin, folder) = (Origin::start().await, TempDir::new().unwrap());
    origin.script("/", tix::films(&["Dune"]));
    origin.script("/slow", tix::films(&["Up"]));
    let rows: Vec<_> = (0..2_000).map(|n| json!({ "n": n.to_string(), "filler": "x".repeat(1_000) })).collect();
    origin.script("/large", Answer::json(json!(rows).to_string()));
    let large = format!(
        "[source.large]\nurl = \"{}\"\nformat = \"json\"\nitems = \"$[*]\"\nfresh_for = \"6d\"\nfields = {{ n = \"$.n\", filler = \"$.filler\" }}\n",
        origin.url("/large")
    );
    let slow = tix::source(
        "slow",
        &origin,
        "/slow?n={n}",
        &format!("fresh_for = \"6d\"\nwarm = false\ncold_wait = \"30s\"\nmax_keys = {KEYS}\nparams.n = {{ pattern = \"[0-9]+\" }}"),
    );
    let cinema = tix::source("cinema", &origin, "/", "fresh_for = \"6d\"");
    let head = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nmax_streams_per_address = 1000\n[fetch]\nrobots = false\nallow_private = true\nper_host = {KEYS}\nat_once = {KEYS}\n"
    );
    write_config(folder.path(), &format!("{head}{cinema}{slow}{large}"));
    (origin, folder)
}

async fn ask(stream: &mut TcpStream, path: &str) {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
}

/// Reads an answer with a length; its body, or what came of it.
async fn answer(stream: &mut TcpStream, begun: Vec<u8>) -> Result<Vec<u8>, String> {
    let (mut read, mut whole) = (begun, None);
    loop {
        if whole.is_none()
            && let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            if !head.starts_with("http/1.1 200") {
                return Err(head);
            }
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            whole = Some((end + 4, end + 4 + length.ok_or_else(|| format!("no length: {head}"))?));
        }
        if let Some((head, _)) = whole.filter(|(_, length)| read.len() >= *length) {
            return Ok(read.split_off(head));
        }
        match timeout(PATIENCE, stream.read_buf(&mut read)).await {
            Ok(Ok(0)) => return Err(format!("ended after {} bytes", read.len())),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(format!("{error} after {} bytes", read.len())),
            Err(_) => return Err(format!("nothing comes after {} bytes", read.len())),
        }
    }
}

/// Everything up to the end of the connection.
async fn rest(stream: &mut TcpStream) -> Result<Vec<u8>, String> {
    let mut read = Vec::new();
    match timeout(PATIENCE, stream.read_to_end(&mut read)).await {
        Ok(Ok(_)) => Ok(read),
        Ok(Err(error)) => Err(format!("{error} after {} bytes", read.len())),
        Err(_) => Err("it never ends".to_owned()),
    }
}

async fn used(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    ask(&mut stream, path).await;
    answer(&mut stream, Vec::new()).await.unwrap();
    stream
}

/// What whoever comes after the signal meets: no connection, or one that ends with a word or without. True where it is so.
async fn nobody_is_left_waiting(address: SocketAddr) -> bool {
    for _ in 0..200 {
        let Ok(mut stream) = TcpStream::connect(address).await else { return true };
        let _ = stream.write_all(b"GET /api/cinema HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        if rest(&mut stream).await.is_err_and(|why| why.contains("never")) {
            return false;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_in_flight_are_all_answered() {
    let (origin, folder) = scene().await;
    let server = Program::serve(folder.path());
    let address = server.address;
    server.until_fresh("cinema").await;
    server.until_fresh("large").await;
    let whole = get(address, "/api/large").await.body.len();
    origin.hold("/slow");

    let all = if long() { 1_000 } else { 250 };
    let [waiters, half_read, streams, idle] = IN_FLIGHT.map(|tenths| all * tenths / 10);
    let (go, _) = tokio::sync::watch::channel(false);
    let mut clients: JoinSet<Result<(), String>> = JoinSet::new();
    for number in 0..waiters {
        let mut stream = TcpStream::connect(address).await.unwrap();
        ask(&mut stream, &format!("/api/slow?n={}", number % KEYS)).await;
        clients.spawn(async move {
            let body = answer(&mut stream, Vec::new()).await.map_err(|why| format!("a waiter: {why}"))?;
            if body.windows(4).any(|part| part == b"\"Up\"") { Ok(()) } else { Err("a waiter has no data".to_owned()) }
        });
    }
    for number in 0..half_read {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 << 10).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        // By the short way, and by the long one.
        ask(&mut stream, if number % 2 == 0 { "/api/large" } else { "/api/large?limit=1900" }).await;
        let mut begun = vec![0; 1_000];
        stream.read_exact(&mut begun).await.unwrap();
        let mut go = go.subscribe();
        clients.spawn(async move {
            drop(go.wait_for(|go| *go).await);
            let body = answer(&mut stream, begun).await.map_err(|why| format!("half read: {why}"))?;
            let is_whole = if number % 2 == 0 { body.len() == whole } else { body.ends_with(b"}") };
            if is_whole { Ok(()) } else { Err(format!("half read: {} of {whole} bytes", body.len())) }
        });
    }
    for _ in 0..streams {
        let mut stream = TcpStream::connect(address).await.unwrap();
        ask(&mut stream, "/api/stream?source=cinema").await;
        stream.read_exact(&mut [0; 100]).await.unwrap();
        clients.spawn(async move {
            let read = rest(&mut stream).await.map_err(|why| format!("a stream: {why}"))?;
            if read.ends_with(b"0\r\n\r\n") { Ok(()) } else { Err("a stream is cut".to_owned()) }
        });
    }
    for number in 0..idle {
        let mut stream = used(address, if number % 2 == 0 { "/api/cinema" } else { "/health" }).await;
        clients.spawn(async move {
            let read = rest(&mut stream).await.map_err(|why| format!("idle: {why}"))?;
            if read.is_empty() { Ok(()) } else { Err(format!("idle: told {} bytes", read.len())) }
        });
    }
    origin.wait_for_requests("/slow", KEYS).await;

    let begun = SystemClock.mono();
    server.signal("TERM");
    server.wait_for_log("stopping");
    let turned_away = nobody_is_left_waiting(address).await;
    origin.release("/slow");
    go.send_replace(true);
    let dropped: Vec<String> = clients.join_all().await.into_iter().filter_map(Result::err).collect();
    let (code, log) = server.wait();
    let took = begun.until(SystemClock.mono());
    dropped.iter().take(10).for_each(|why| println!("{why}"));
    let figure = format!("{} of {all}, the code is {code:?}", dropped.len());
    let is_well = dropped.is_empty() && turned_away && code == Some(0) && !log.iter().any(|line| line.contains("cut connections"));
    judge("T16", "dropped by SIGTERM", &figure, "none, code 0, nobody new kept waiting", is_well);
    judge_time("T16", "from SIGTERM to the end", &ms(took), "10 s", took < BAR);
}

/// What was sent and not yet read counts as asked, also on a connection that was not yet accepted.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_before_the_signal_is_answered() {
    const EACH: usize = 50;
    let (_origin, folder) = scene().await;
    let server = Program::serve(folder.path());
    let address = server.address;
    server.until_fresh("cinema").await;
    let mut asked = Vec::new();
    for number in 0..2 * EACH {
        asked.push(("kept, by the short way", used(address, "/api/cinema").await));
        asked.push(("kept, by the long way", used(address, if number % 2 == 0 { "/health" } else { "/api/cinema?limit=1" }).await));
    }
    server.signal("STOP");
    for _ in 0..EACH {
        asked.push(("new", TcpStream::connect(address).await.unwrap()));
    }
    for (number, (_, stream)) in asked.iter_mut().enumerate() {
        ask(stream, if number % 3 == 0 { "/health" } else { "/api/cinema" }).await;
    }
    server.signal("TERM");
    server.signal("CONT");
    let (mut dropped, all) = (Vec::new(), asked.len());
    for (what, mut stream) in asked {
        if let Err(why) = answer(&mut stream, Vec::new()).await {
            dropped.push(format!("{what}: {why}"));
        }
    }
    let (code, _) = server.wait();
    dropped.iter().take(10).for_each(|why| println!("{why}"));
    let figure = format!("{} of {all} dropped, the code is {code:?}", dropped.len());
    judge("T16", "sent before SIGTERM and not yet read", &figure, "none, code 0", dropped.is_empty() && code == Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_idle_is_not_waited_for() {
    let (origin, folder) = scene().await;
    let server = Program::serve(folder.path());
    server.until_fresh("cinema").await;
    let mut idle = Vec::new();
    for number in 0..IDLE {
        idle.push(used(server.address, if number % 2 == 0 { "/api/cinema" } else { "/health" }).await);
    }
    // Some have never said anything.
    for _ in 0..10 {
        idle.push(TcpStream::connect(server.address).await.unwrap());
    }
    let begun = SystemClock.mono();
    server.signal("TERM");
    let (code, log) = server.wait();
    let took = begun.until(SystemClock.mono());
    assert_eq!(code, Some(0), "{log:#?}");
    judge_time("T16", "to the end with idle connections only", &ms(took), "2 s", took < Duration::from_secs(2));

    // Nor for anybody, by the second signal.
    let server = Program::serve(folder.path());
    origin.hold("/slow");
    let mut waiters = JoinSet::new();
    for number in 0..KEYS {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        ask(&mut stream, &format!("/api/slow?n={number}")).await;
        waiters.spawn(async move { rest(&mut stream).await });
    }
    origin.wait_for_requests("/slow", KEYS).await;
    server.signal("TERM");
    server.wait_for_log("stopping");
    let begun = SystemClock.mono();
    server.signal("TERM");
    let (code, _) = server.wait();
    let took = begun.until(SystemClock.mono());
    judge("T16", "the second signal", &format!("code {code:?}"), "code 1", code == Some(1));
    judge_time("T16", "from the second signal to the end", &ms(took), "1 s", took < Duration::from_secs(1));
    waiters.join_all().await;
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_while_it_starts_and_while_it_reloads() {
    let (origin, folder) = scene().await;
    let server = Program::serve(folder.path());
    server.until_fresh("cinema").await;
    server.kill();
    let (mut dice, mut wrong, mut slowest) = (Dice::new(0x57A7), Vec::new(), Duration::ZERO);
    let (mut well, starts) = (0, 20);
    for _ in 0..starts {
        let mut child = command(folder.path()).args(["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        pass(Duration::from_micros(u64::try_from(dice.below(100_000)).unwrap())).await;
        let begun = SystemClock.mono();
        signal(child.id(), "TERM");
        let ended = child.wait().unwrap();
        slowest = slowest.max(begun.until(SystemClock.mono()));
        // Before it attends to signals the system ends it, which loses nothing either.
        well += usize::from(ended.success());
        if !ended.success() && ended.signal() != Some(15) {
            wrong.push(format!("a start ends with {ended}"));
        }
    }
    let config = std::fs::read_to_string(folder.path().join("wellspring.toml")).unwrap();
    let reloads = 5;
    for round in 0..reloads {
        let server = Program::serve(folder.path());
        // A flight is up by rules that the new config has not.
        origin.hold("/slow");
        let asked = origin.count("/slow");
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        ask(&mut stream, &format!("/api/slow?n={}", 1_000 + round)).await;
        origin.wait_for_requests("/slow", asked + 1).await;
        write_config(folder.path(), &config.replace("limit = 17", &format!("limit = {}", 5 + round)));
        let begun = SystemClock.mono();
        server.signal("HUP");
        server.signal("TERM");
        let told = rest(&mut stream).await;
        let (code, _) = server.wait();
        slowest = slowest.max(begun.until(SystemClock.mono()));
        if code != Some(0) || !told.is_ok_and(|told| told.starts_with(b"HTTP/1.1")) {
            wrong.push(format!("a reload ends with {code:?}"));
        }
        origin.release("/slow");
    }
    let server = Program::serve(folder.path());
    assert_eq!(server.get("/api/cinema").await.items("title"), ["Dune"]);
    for why in &wrong {
        println!("{why}");
    }
    let figure =
        format!("{starts} starts ({well} by themselves) and {reloads} reloads, {} wrong, the slowest {}", wrong.len(), ms(slowest));
    judge("T16", "SIGTERM at start and during a reload", &figure, "none wrong, within 10 s", wrong.is_empty() && slowest < BAR);
}
