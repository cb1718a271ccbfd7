//! The upstreams of a long run: pages that change, and one whose faults come in turn.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Longer than the sources of the run wait.
const HANGS: Duration = Duration::from_secs(6);
/// Between the bytes of what drips.
const DRIP: Duration = Duration::from_millis(150);
/// How much of a body is too much for `max_body`.
const TOO_MUCH: usize = 3 << 20;

/// What the faulty page does, one after another; between any two of them it is as it should be.
const FAULTS: [Fault; 16] = [
    Fault::Says("500 Internal Server Error", "text/html", "<h1>broken</h1>"),
    Fault::Says("429 Too Many Requests\r\nRetry-After: 2", "text/plain", "slow down"),
    Fault::Says("200 OK", "application/json", "[]"),
    Fault::Says("200 OK", "application/json", "{\"items\": \"none\"}"),
    Fault::Says("200 OK", "application/json", "\u{0}\u{1}garbage"),
    Fault::Says("200 OK", "text/html", "<title>Just a moment…</title><h1>Checking your browser</h1>"),
    Fault::Says("302 Found\r\nLocation: /faulty", "text/plain", ""),
    Fault::Says("302 Found\r\nLocation: http://10.0.0.1/", "text/plain", ""),
    Fault::Says("304 Not Modified", "application/json", ""),
    Fault::Says("200 OK\r\nContent-Encoding: gzip", "application/json", "this is no gzip"),
    Fault::Says("404 Not Found", "text/plain", "gone"),
    Fault::Cut,
    Fault::Closes,
    Fault::Hangs,
    Fault::Drips,
    Fault::TooMuch,
];

#[derive(Clone, Copy)]
enum Fault {
    /// A status with headers, a media type and a body.
    Says(&'static str, &'static str, &'static str),
    /// Half of what it promised.
    Cut,
    /// Nothing.
    Closes,
    /// Nothing, for long.
    Hangs,
    /// A byte at a time.
    Drips,
    /// More than anybody takes.
    TooMuch,
}

/// Serves on that address until the process ends. What fails has one of its own: a host that fails is left alone for a while, with all
/// that it serves.
pub(super) fn start(at: Ipv4Addr) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((at, 0))?;
    let address = listener.local_addr()?;
    let asked = Arc::new(AtomicU64::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let asked = Arc::clone(&asked);
            thread::spawn(move || drop(answer(&stream, asked.fetch_add(1, Ordering::Relaxed))));
        }
    });
    Ok(address)
}

/// One request a connection; `number` says how many came before, over all pages.
fn answer(mut stream: &TcpStream, number: u64) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut known = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        known = line.to_ascii_lowercase().strip_prefix("if-none-match:").map(|tag| tag.trim().to_owned()).or(known);
    }
    let path = first.split(' ').nth(1).unwrap_or("/");
    let page = path.split('?').next().unwrap_or(path);
    let (media_type, body, tag) = match page {
        "/rows" => ("application/json", rows(20, number), None),
        "/same" => ("application/json", rows(50, 0), Some("\"same\"")),
        "/large" => ("application/json", rows(4_000, number / 8), None),
        "/key" => ("application/json", rows(5, path.len() as u64), None),
        "/page" | "/app" => ("text/html; charset=utf-8", html(number), None),
        "/feed" => ("application/rss+xml", feed(number), None),
        "/slow" => {
            thread::sleep(Duration::from_secs(2));
            ("application/json", rows(10, number), None)
        }
        "/faulty" if number.is_multiple_of(2) => ("application/json", rows(10, number), None),
        "/faulty" => return fail(stream, FAULTS[usize::try_from(number / 2).unwrap_or(0) % FAULTS.len()]),
        _ => return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    };
    if tag.is_some() && known.as_deref() == tag {
        return write!(stream, "HTTP/1.1 304 Not Modified\r\nETag: {}\r\nConnection: close\r\n\r\n", tag.unwrap_or_default());
    }
    let tag = tag.map_or_else(String::new, |tag| format!("ETag: {tag}\r\n"));
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\n{tag}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())
}

fn fail(mut stream: &TcpStream, fault: Fault) -> std::io::Result<()> {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
    match fault {
        Fault::Says(status, media_type, body) => {
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
        }
        Fault::Cut => write!(stream, "{HEAD}Content-Length: 5000\r\n\r\n[{{\"title\": \"half of"),
        Fault::Closes => Ok(()),
        Fault::Hangs => {
            thread::sleep(HANGS);
            Ok(())
        }
        Fault::Drips => {
            write!(stream, "{HEAD}Content-Length: 100\r\n\r\n")?;
            for _ in 0..100 {
                stream.write_all(b" ")?;
                thread::sleep(DRIP);
            }
            Ok(())
        }
        Fault::TooMuch => {
            write!(stream, "{HEAD}\r\n")?;
            (0..TOO_MUCH / 1_024).try_for_each(|_| stream.write_all(&[b' '; 1_024]))
        }
    }
}

fn rows(count: u64, salt: u64) -> String {
    let row =
        |at: u64| format!("{{\"title\":\"row {at} of {salt}\",\"link\":\"https://rows.example/{salt}/{at}\",\"price\":{}}}", at * 7 + salt);
    format!("[{}]", (0..count).map(row).collect::<Vec<_>>().join(","))
}

fn html(salt: u64) -> String {
    let row = |at: u64| format!("<li class=row><a href=\"/row/{at}\"><img src=\"/{at}.webp\">Row {at} of {salt}</a></li>");
    format!("<!doctype html><title>Rows</title><ul>{}</ul>", (0..30).map(row).collect::<String>())
}

fn feed(salt: u64) -> String {
    let entry = |at: u64| format!("<item><title>Entry {at} of {salt}</title><link>https://feed.example/{salt}/{at}</link></item>");
    let entries: String = (0..15).map(entry).collect();
    format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Feed</title><link>https://feed.example/</link><description>d</description>{entries}</channel></rss>"
    )
}
