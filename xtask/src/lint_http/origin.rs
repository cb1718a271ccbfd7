//! The upstream of what is linted: a few pages on loopback.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// How long the slow page takes.
const SLOW: Duration = Duration::from_secs(3);

/// An origin that serves until the process ends.
pub(crate) struct Origin {
    pub(super) address: SocketAddr,
}

impl Origin {
    /// Starts it on a free port.
    pub(crate) fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || drop(answer(&stream)));
            }
        });
        Ok(Self { address })
    }
}

/// One request a connection: there are few.
fn answer(stream: &TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let path = first.split(' ').nth(1).unwrap_or("/");
    let (status, media_type, body) = match path.split('?').next().unwrap_or(path) {
        "/talks" => ("200 OK", "application/json", TALKS),
        "/films" => ("200 OK", "text/html; charset=utf-8", FILMS),
        "/news" => ("200 OK", "application/rss+xml", NEWS),
        "/slow" => {
            thread::sleep(SLOW);
            ("200 OK", "application/json", TALKS)
        }
        _ => ("500 Internal Server Error", "text/plain", "broken"),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let mut stream = stream;
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())
}

/// Long enough to be worth compressing, and with what is hard to write in CSV, XML and iCalendar.
const TALKS: &str = r#"{"talks": [
 {"id": 1, "title": "Fresh & stale: what a cache owes its readers", "link": "https://talks.example/1?a=1&b=2", "published": "2026-03-02T18:00:00+07:00", "price": "Rp 14.500", "seats": "2,000+", "free": false, "room": {"name": "Aula", "floor": 2}, "tags": ["http", "cache"], "note": null},
 {"id": 2, "title": "Commas, \"quotes\"; semicolons\\backslashes", "link": "https://talks.example/2", "published": "2026-03-03T09:30:00Z", "price": "$12", "seats": "80", "free": true, "room": null, "tags": [], "note": "bring a chair"},
 {"id": 3, "title": "Ünïcödé — 日本語 <b>and</b> emoji 🎬", "link": "https://talks.example/3", "published": "2026-03-04T00:00:00-05:00", "price": null, "seats": "200K+", "free": null, "room": {"name": "Foyer", "floor": 0}, "tags": ["text"], "note": "a line\nand another"}
]}"#;

const FILMS: &str = r#"<!doctype html><title>Films</title>
<ul><li class=film><a href="/film/dune"><img src="/dune.webp">Dune</a><time>2026-03-02</time></li>
<li class=film><a href="/film/up"><img src="/up.webp">Up</a><time>2026-03-09</time></li>
<li class=film><a href="/film/arrival"><img src="/arrival.webp">Arrival</a></li></ul>"#;

const NEWS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:ht="https://trends.example/ns"><channel><title>News</title><link>https://news.example/</link><description>News</description>
<item><title>First &amp; foremost</title><link>https://news.example/1</link><guid>https://news.example/1</guid><pubDate>Mon, 02 Mar 2026 10:00:00 GMT</pubDate><description>One</description><ht:traffic>2,000+</ht:traffic></item>
<item><title>Second</title><link>https://news.example/2</link><guid>https://news.example/2</guid><pubDate>Tue, 03 Mar 2026 11:00:00 GMT</pubDate><description>Two</description></item>
</channel></rss>"#;
