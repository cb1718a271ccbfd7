//! T8: thousands of slow connections beside a thousand honest requests a second.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{MissedTickBehavior, interval};
use wellspring::clock::{Clock as _, SystemClock};

use super::{Hits, judge, judge_time, long, ms, p99};
use crate::support::origin::{Answer, Origin};
use crate::support::program::{self, Program};

/// How many honest requests there are a second, over so many connections.
const RATE: usize = 1_000;
const HONEST: usize = 20;
/// How long all of it goes on: longer than a slow head is borne.
const LASTS: Duration = Duration::from_secs(14);
/// When a slow head has to be cut.
const CUT: Duration = Duration::from_secs(10);
/// A byte of it comes in so much time, and this machine has other things to do.
const BYTE: Duration = Duration::from_secs(1);
const MEMORY: u64 = 300 << 20;

/// Connects from one of many addresses of this machine, with a small window.
async fn connect(to: SocketAddr, number: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let last = u8::try_from(number % 200 + 2).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    socket.connect(to).await.unwrap()
}

/// Sends a head byte by byte; how long it was borne.
async fn drips(mut stream: TcpStream) -> Duration {
    let begun = SystemClock.mono();
    let mut bytes = interval(BYTE);
    let mut answer = [0; 64];
    for byte in b"GET /api/rows HTTP/1.1\r\nhost: localhost\r\nx-slow: ".iter().chain(std::iter::repeat(&b'x')) {
        tokio::select! {
            // Cut, with a word or without.
            read = stream.read(&mut answer) => if read.unwrap_or(0) == 0 { break },
            _ = bytes.tick() => if stream.write_all(&[*byte]).await.is_err() { break },
        }
    }
    begun.until(SystemClock.mono())
}

/// Asks for much and takes nothing.
async fn stalls(mut stream: TcpStream) {
    let _gone = stream.write_all("GET /api/rows HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(20).as_bytes()).await;
    std::future::pending::<()>().await;
}

/// Is answered once, and asks no more.
async fn idles(mut stream: TcpStream) {
    let _gone = stream.write_all(b"HEAD /api/rows HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    std::future::pending::<()>().await;
}

/// The most memory that a process ever held, in bytes.
fn most_resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_take_nothing_from_honest_ones() {
    let slow = if long() { 10_000 } else { 1_000 };
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start().await;
    origin.script("/", Answer::json(format!("[{}]", vec![format!("{{\"text\":\"{}\"}}", "x".repeat(1_000)); 60].join(","))));
    origin.script("/one", Answer::json("[{\"text\":\"one\"}]"));
    let source =
        |name: &str, path: &str| format!("[source.{name}]\nurl = \"{}\"\nformat = \"json\"\nfresh_for = \"1h\"\n", origin.url(path));
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nmax_connections = 11000\n[store]\nurl = \"memory:\"\n[fetch]\nallow_private = true\nrobots = false\n{}{}",
        source("rows", "/"),
        source("one", "/one")
    );
    program::write_config(folder.path(), &config);
    let program = Program::serve(folder.path());
    program.until_fresh("rows").await;
    program.until_fresh("one").await;
    let address = program.address;

    let (mut dripping, mut silent) = (Vec::new(), Vec::new());
    for number in 0..slow {
        let stream = connect(address, number).await;
        match number % 10 {
            0..6 => dripping.push(wellspring::lifecycle::spawn(drips(stream))),
            6..8 => silent.push(wellspring::lifecycle::spawn(stalls(stream))),
            _ => silent.push(wellspring::lifecycle::spawn(idles(stream))),
        }
    }
    let honest: Vec<_> = (0..HONEST)
        .map(|_| {
            wellspring::lifecycle::spawn(async move {
                let mut hits = Hits::of(address).await;
                let begun = SystemClock.mono();
                let mut ticks = interval(Duration::from_secs(1) * u32::try_from(HONEST).unwrap() / u32::try_from(RATE).unwrap());
                ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
                while begun.until(SystemClock.mono()) < LASTS {
                    ticks.tick().await;
                    hits.hit("/api/one").await;
                }
                hits.took
            })
        })
        .collect();
    let mut took = Vec::new();
    for client in honest {
        took.extend(client.await.unwrap());
    }
    let mut longest = Duration::ZERO;
    for head in dripping {
        longest = longest.max(head.await.unwrap());
    }
    let resident = most_resident(program.id());
    for client in silent {
        client.abort();
    }
    judge("T8", "memory", &format!("{} MiB", resident >> 20), "<= 300 MiB", resident <= MEMORY);
    let cut = format!("{:.1} s", longest.as_secs_f64());
    judge("T8", "slow heads cut", &cut, "within 10 s and the next byte", longest < CUT + 3 * BYTE);
    let (count, p99) = (took.len(), p99(&mut took));
    judge_time(
        "T8",
        &format!("p99 of {count} honest reads beside {slow} slow connections"),
        &ms(p99),
        "< 5 ms",
        p99 < Duration::from_millis(5),
    );
}
