//! The access log: a JSON line a request, written in batches by one thread, so that no request waits for a disk or a pipe.

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use http::header::{CACHE_STATUS, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use serde::Serialize;
use tracing::warn;
use wellspring_core::moment::Moment;

use super::body::Body;
use crate::clock::Clock;
use crate::lifecycle;

/// How many lines may wait to be written. Beyond it they are lost, and counted.
const WAITING: usize = 16_384;
/// After a batch, until the next one: whoever answers then need not wake the writer for each line.
const PAUSE: Duration = Duration::from_millis(10);
/// Longer targets are cut in the log, in bytes.
const LONGEST_TARGET: usize = 2_048;

/// Where requests are noted.
#[derive(Debug)]
pub struct AccessLog {
    lines: SyncSender<Line>,
    lost: Arc<AtomicU64>,
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Noted {
    at: Moment,
    client: IpAddr,
    method: Method,
    target: String,
}

#[derive(Debug)]
struct Line {
    noted: Noted,
    status: StatusCode,
    bytes: Option<u64>,
    took: Duration,
    cache: Option<HeaderValue>,
}

/// As it is written.
#[derive(Serialize)]
struct Written<'a> {
    at: String,
    client: IpAddr,
    method: &'a str,
    target: &'a str,
    status: u16,
    /// Of the body as it is sent; null where that is not known before.
    bytes: Option<u64>,
    /// From the request's head to the answer's.
    took_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_status: Option<&'a str>,
}

impl AccessLog {
    /// Starts the thread that writes. It ends, and has written all, after the last clone of this is gone.
    ///
    /// # Errors
    /// Where the system refuses another thread.
    pub fn start(out: impl Write + Send + 'static) -> std::io::Result<Arc<Self>> {
        let (lines, written) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&lost);
        lifecycle::thread("access-log", move || write(&written, &told, out))?;
        Ok(Arc::new(Self { lines, lost }))
    }

    /// Notes what is asked, before it is answered.
    pub fn note<B>(&self, request: &Request<B>, client: IpAddr, clock: &dyn Clock) -> Noted {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let target = target.chars().take(LONGEST_TARGET).collect();
        Noted { at: clock.now(), client, method: request.method().clone(), target }
    }

    /// Has the line written. Never waits: where too many wait, this one is lost.
    pub fn answered(&self, noted: Noted, response: &Response<Body>, clock: &dyn Clock) {
        let took = clock.mono().since(noted.at.mono);
        let bytes = if noted.method == Method::HEAD { Some(0) } else { response.body().size_hint().exact() };
        let cache = response.headers().get(CACHE_STATUS).cloned();
        if self.lines.try_send(Line { noted, status: response.status(), bytes, took, cache }).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(lines: &Receiver<Line>, lost: &AtomicU64, mut out: impl Write) {
    let mut batch = Vec::with_capacity(64 << 10);
    while let Ok(first) = lines.recv() {
        for line in std::iter::once(first).chain(lines.try_iter()).take(WAITING) {
            line.write(&mut batch);
        }
        if let Err(error) = out.write_all(&batch).and_then(|()| out.flush()) {
            warn!(%error, "the access log cannot be written");
        }
        batch.clear();
        let gone = lost.swap(0, Ordering::Relaxed);
        if gone > 0 {
            warn!(lines = gone, "the access log could not keep up: lines are lost");
        }
        std::thread::sleep(PAUSE);
    }
}

impl Line {
    fn write(&self, out: &mut Vec<u8>) {
        let noted = &self.noted;
        let written = Written {
            at: noted.at.wall.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            client: noted.client,
            method: noted.method.as_str(),
            target: &noted.target,
            status: self.status.as_u16(),
            bytes: self.bytes,
            took_us: u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
            cache_status: self.cache.as_ref().and_then(|c| c.to_str().ok()),
        };
        // Memory takes everything, and a struct of plain fields always encodes.
        let _infallible = serde_json::to_writer(&mut *out, &written);
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::mpsc::{Sender, channel};

    use super::*;
    use crate::clock::SystemClock;

    /// Hands on what is written.
    struct Told(Sender<Vec<u8>>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn noted(log: &AccessLog, target: &str) {
        let request = Request::builder().uri(target).body(()).unwrap();
        let noted = log.note(&request, Ipv4Addr::LOCALHOST.into(), &SystemClock);
        let mut response = Response::new(Body::Frames(super::super::body::Frames::default()));
        response.headers_mut().insert(CACHE_STATUS, HeaderValue::from_static("wellspring; hit; ttl=5"));
        log.answered(noted, &response, &SystemClock);
    }

    #[test]
    fn a_request_is_a_line_of_json() {
        let (told, written) = channel();
        let log = AccessLog::start(Told(told)).unwrap();
        noted(&log, "/api/cinema?limit=2");
        drop(log);
        let text = written.iter().flatten().collect::<Vec<u8>>();
        let line: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let member = |name: &str| line[name].to_string();
        assert!(member("at").ends_with("Z\"") && line["took_us"].is_u64(), "{line}");
        let told = ["client", "method", "target", "status", "bytes", "cache_status"].map(member).join(" ");
        assert_eq!(told, r#""127.0.0.1" "GET" "/api/cinema?limit=2" 200 0 "wellspring; hit; ttl=5""#);
    }

    #[test]
    fn what_does_not_fit_is_lost_and_counted_and_nobody_waits() {
        // Nobody takes lines from this one.
        let (lines, _written) = sync_channel(2);
        let log = AccessLog { lines, lost: Arc::default() };
        (0..5).for_each(|_| noted(&log, "/"));
        assert_eq!(log.lost.load(Ordering::Relaxed), 3);
    }
}
