//! Both ends of the wire: the origin that every cache stands before, and a client that asks for one thing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long the refresh of `/slow` takes: longer than a measurement.
const SLOW: Duration = Duration::from_secs(45);
/// After which what is good for a second is stale to everybody: nginx counts whole ones and lets the last one pass.
pub(super) const TURNS_STALE: Duration = Duration::from_millis(2_200);
/// How long that of `/stall` takes.
pub(super) const STALL: Duration = Duration::from_secs(2);

/// What the origin gives, by path: the first time at once, and `/slow` and `/stall` late from then on.
#[derive(Clone, Default)]
pub(super) struct Origin(Arc<Mutex<Vec<u8>>>);

impl Origin {
    /// Serves from now on; the port.
    pub(super) fn start(&self, body: &[u8]) -> Result<u16, String> {
        self.serve(body);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        let origin = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let origin = origin.clone();
                thread::spawn(move || origin.attend(&stream));
            }
        });
        Ok(port)
    }

    /// Gives another body from now on.
    pub(super) fn serve(&self, body: &[u8]) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = body.to_vec();
    }

    fn attend(&self, mut stream: &TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream).lines();
        loop {
            let target = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
            while !lines.next()?.ok()?.is_empty() {}
            let body = self.0.lock().ok()?.clone();
            let age = if target.starts_with("/s") { 1 } else { 3_600 };
            if age == 1 && FIRST.lock().ok()?.contains(&target) {
                thread::sleep(if target.starts_with("/slow") { SLOW } else { STALL });
            } else {
                FIRST.lock().ok()?.push(target);
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\netag: \"1\"\r\ncache-control: max-age={age}\r\n\r\n",
                body.len()
            );
            stream.write_all(&[head.as_bytes(), &body].concat()).ok()?;
        }
    }
}

/// The addresses that were asked for once. Each cache has its own, by a query.
static FIRST: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A connection that asks for one thing after another.
pub(super) struct Client(BufReader<TcpStream>);

/// An answer: its head in small letters, and its body.
pub(super) struct Answer {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Client {
    pub(super) fn open(port: u16) -> Option<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        Some(Self(BufReader::new(stream)))
    }

    pub(super) fn ask(&mut self, path: &str, header: &str) -> Option<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{header}\r\n");
        self.0.get_mut().write_all(request.as_bytes()).ok()?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let before = head.len();
            self.0.read_line(&mut head).ok()?;
            if head.len() == before {
                return None;
            }
        }
        let mut answer = Answer { head: head.to_ascii_lowercase(), body: Vec::new() };
        let length = answer.header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
        answer.body.resize(length, 0);
        self.0.read_exact(&mut answer.body).ok()?;
        Some(answer)
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.split_once(": ").filter(|(n, _)| *n == name).map(|(_, value)| value))
    }
}

/// Asks until the answer is as wanted, for at most twenty seconds.
pub(super) fn until(port: u16, path: &str, header: &str, wanted: impl Fn(&Answer) -> bool) -> Option<Answer> {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if let Some(answer) = Client::open(port).and_then(|mut client| client.ask(path, header)).filter(&wanted) {
            return Some(answer);
        }
        thread::sleep(Duration::from_millis(20));
    }
    None
}

/// How long the second request on a connection takes, of which the first met a stale entry.
pub(super) fn second_after_stale(port: u16, path: &str) -> Option<Duration> {
    let mut client = Client::open(port)?;
    client.ask(path, "")?;
    let began = Instant::now();
    client.ask(path, "")?;
    Some(began.elapsed())
}
