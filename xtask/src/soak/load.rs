//! Who asks during a long run: readers of all kinds, those who break off, listeners, one who forces refreshes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What readers ask for, `{n}` a number below a thousand; with which headers.
const READS: [(&str, &str); 14] = [
    ("GET /api/rows", ""),
    ("GET /api/rows", "Accept-Encoding: gzip\r\n"),
    ("GET /api/same", "Accept-Encoding: br\r\n"),
    ("GET /api/same", "If-None-Match: *\r\n"),
    ("HEAD /api/large", ""),
    ("GET /api/large", "Accept-Encoding: zstd\r\n"),
    ("GET /api/page?limit=3&fields=title", ""),
    ("GET /api/feed.rss", ""),
    ("GET /api/slow.csv", ""),
    ("GET /api/faulty", ""),
    ("GET /api/keyed?id={n}", ""),
    ("GET /api/keyed?id={n}", "Accept-Encoding: gzip\r\n"),
    ("GET /api/rows/status", ""),
    ("GET /api/faulty/history", ""),
];
/// Between two requests of a reader.
const PAUSE: Duration = Duration::from_millis(8);
/// How long a listener stays.
const LISTENS: Duration = Duration::from_secs(20);

/// What all of them saw.
#[derive(Default)]
pub(super) struct Seen {
    /// Answers as they should be.
    pub(super) good: AtomicU64,
    /// All others.
    pub(super) bad: AtomicU64,
    /// Events that listeners heard.
    pub(super) events: AtomicU64,
    /// Refreshes that were forced.
    pub(super) forced: AtomicU64,
    /// The longest that a reader waited for what was stored, in microseconds.
    pub(super) longest: AtomicU64,
}

/// Those who ask.
pub(super) struct Load {
    pub(super) seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Sets all of them going.
    pub(super) fn start(server: SocketAddr, token: &'static str) -> Self {
        let (seen, stop) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
        let mut threads = Vec::new();
        let mut go = |who: fn(SocketAddr, &Seen, &AtomicBool, u64, &str), number: u64| {
            let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
            threads.push(thread::spawn(move || {
                let mut turn = number;
                while !stop.load(Ordering::Relaxed) {
                    who(server, &seen, &stop, turn, token);
                    turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                }
            }));
        };
        (1..=4).for_each(|number| go(read, number));
        (1..=5).for_each(|number| go(listen, number));
        go(break_off, 1);
        go(force, 1);
        Self { seen, stop, threads }
    }

    /// Waits until all of them have gone.
    pub(super) fn end(self) -> Arc<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            // One that panicked has said so.
            let _ = thread.join();
        }
        self.seen
    }
}

/// Some hundred reads over one connection.
fn read(server: SocketAddr, seen: &Seen, stop: &AtomicBool, turn: u64, _: &str) {
    let Ok(mut connection) = Connection::open(server) else { return };
    for at in 0..300 {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let random = (turn >> 20).wrapping_add(at * 7_919);
        let (line, headers) = READS[usize::try_from(random % READS.len() as u64).unwrap_or(0)];
        let line = line.replace("{n}", &(random / 14 % 1_000).to_string());
        let begun = Instant::now();
        let status = connection.ask(&line, headers);
        let keyed = line.contains("keyed");
        match status {
            Ok(200 | 304) => seen.good.fetch_add(1, Ordering::Relaxed),
            // A key that nobody has asked for yet may be made to wait, and there is room for so many; what fails may have failed at first.
            Ok(503) if keyed || line.contains("faulty") => seen.good.fetch_add(1, Ordering::Relaxed),
            ref other => {
                eprintln!("\n{line}: {other:?}");
                seen.bad.fetch_add(1, Ordering::Relaxed)
            }
        };
        if !keyed {
            seen.longest.fetch_max(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        if status.is_err() {
            return;
        }
        thread::sleep(PAUSE);
    }
}

/// Hears the stream for a while.
fn listen(server: SocketAddr, seen: &Seen, stop: &AtomicBool, turn: u64, _: &str) {
    let Ok(mut connection) = Connection::open(server) else { return };
    let _ = connection.stream.get_ref().set_read_timeout(Some(Duration::from_secs(1)));
    let begun = Instant::now();
    let some = if turn.is_multiple_of(2) { "rows,feed" } else { "page" };
    let head = format!("GET /api/stream?source={some} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if connection.stream.get_mut().write_all(head.as_bytes()).is_err() {
        return;
    }
    let mut line = Vec::new();
    while begun.elapsed() < LISTENS && !stop.load(Ordering::Relaxed) {
        match connection.stream.read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {
                seen.events.fetch_add(u64::from(line.starts_with(b"event:")), Ordering::Relaxed);
                line.clear();
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// Connects and says half a request, a request whose answer nobody reads, or nothing.
fn break_off(server: SocketAddr, _: &Seen, _: &AtomicBool, turn: u64, _: &str) {
    if let Ok(mut stream) = TcpStream::connect(server) {
        let words = match (turn >> 20) % 4 {
            0 => "GET /api/large HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(5),
            1 => "GET /api/ro".to_owned(),
            2 => format!("GET /api/keyed?id={} HTTP/1.1\r\nHost: localhost\r\n\r\n", turn % 1_000),
            _ => String::new(),
        };
        let _ = stream.write_all(words.as_bytes());
    }
    thread::sleep(Duration::from_millis(50));
}

/// Forces a refresh.
fn force(server: SocketAddr, seen: &Seen, _: &AtomicBool, turn: u64, token: &str) {
    let name = ["rows", "page", "faulty"][usize::try_from((turn >> 20) % 3).unwrap_or(0)];
    if let Ok(mut connection) = Connection::open(server)
        && connection.ask(&format!("POST /api/{name}/refresh"), &format!("Authorization: Bearer {token}\r\n")).is_ok()
    {
        seen.forced.fetch_add(1, Ordering::Relaxed);
    }
    thread::sleep(Duration::from_secs(2));
}

/// A connection that stays open.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Connection {
    pub(super) fn open(server: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self { stream: BufReader::new(stream), body: Vec::new() })
    }

    /// Asks, reads all of the answer, and returns its status.
    pub(super) fn ask(&mut self, line: &str, headers: &str) -> std::io::Result<u16> {
        let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        self.stream.get_mut().write_all(head.as_bytes())?;
        let (mut status, mut length) = (0, 0);
        let mut said = String::new();
        loop {
            said.clear();
            if self.stream.read_line(&mut said)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let said = said.trim_end().to_ascii_lowercase();
            if said.is_empty() {
                break;
            }
            if status == 0 {
                status = said.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
            }
            if let Some(bytes) = said.strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap_or(0);
            }
        }
        if line.starts_with("HEAD") || status == 304 {
            length = 0;
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body)?;
        Ok(status)
    }

    /// The body of the last answer.
    pub(super) fn body(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
