//! The access log: a JSON line a request. Whoever answers writes it into memory of its own; one thread writes that out now and then,
//! so that no request waits for a disk or a pipe, and a line costs little more than its bytes.

use std::cell::Cell;
use std::io::Write;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, park};
use std::time::Duration;

use http::header::CACHE_STATUS;
use http::{Method, Request, Response};
use http_body::Body as _;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;
use wellspring_core::moment::{Moment, Mono};

use super::body::Body;
use crate::clock::Clock;
use crate::lifecycle;
use crate::lifecycle::stripe::{STRIPES, stripe};

mod write;

/// How many bytes of lines may wait to be written, for each of a few threads. Beyond it they are lost, and counted.
const WAITING: usize = 4 << 20;
/// How long the end of the server waits for its last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);
/// From the first line to when it and those after it are written.
const PAUSE: Duration = Duration::from_millis(50);

/// Where requests are noted.
#[derive(Debug)]
pub struct AccessLog {
    waiting: Arc<Waiting>,
    writer: JoinHandle<()>,
}

/// Lines that wait to be written.
#[derive(Debug, Default)]
struct Waiting {
    stripes: [Stripe; STRIPES],
    lost: AtomicU64,
    /// No more will come.
    closed: AtomicBool,
    /// All that came is written.
    written: watch::Sender<bool>,
}

/// Those of one thread, or of a few.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Stripe(Mutex<Vec<u8>>);

/// A request that is being answered.
#[derive(Debug)]
pub struct Noted {
    at: Mono,
    client: IpAddr,
    method: Method,
    target: String,
}

/// What a line tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// When the request's head was read.
    pub at: Mono,
    pub client: IpAddr,
    pub method: &'a str,
    pub target: &'a str,
    pub status: u16,
    /// Of the body as it is sent; `None` where that is not known before.
    pub bytes: Option<u64>,
    pub cache_status: Option<&'a str>,
}

impl AccessLog {
    /// Starts the thread that writes. It ends, and has written all, when this is dropped.
    ///
    /// # Errors
    /// Where the system refuses another thread.
    pub fn start(out: impl Write + Send + 'static) -> std::io::Result<Arc<Self>> {
        let waiting = Arc::new(Waiting::default());
        let theirs = Arc::clone(&waiting);
        let writer = lifecycle::thread("access-log", move || theirs.write(out))?;
        Ok(Arc::new(Self { waiting, writer }))
    }

    /// Notes what is asked, before it is answered.
    pub fn note<B>(&self, request: &Request<B>, client: IpAddr, clock: &dyn Clock) -> Noted {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        Noted { at: clock.mono(), client, method: request.method().clone(), target: target.to_owned() }
    }

    /// Has the line of an answer written.
    pub fn answered(&self, noted: &Noted, response: &Response<Body>, clock: &dyn Clock) {
        let bytes = if noted.method == Method::HEAD { Some(0) } else { response.body().size_hint().exact() };
        let line = Line {
            at: noted.at,
            client: noted.client,
            method: noted.method.as_str(),
            target: &noted.target,
            status: response.status().as_u16(),
            bytes,
            cache_status: response.headers().get(CACHE_STATUS).and_then(|c| c.to_str().ok()),
        };
        self.add(&line, clock);
    }

    /// Has a line written. Never waits for that: where too many wait, this one is lost.
    pub(super) fn add(&self, line: &Line<'_>, clock: &dyn Clock) {
        let now = moment(clock);
        let mut lines = self.waiting.stripes[stripe()].0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= WAITING {
            self.waiting.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let first = lines.is_empty();
        line.write(&mut lines, now);
        drop(lines);
        if first {
            self.writer.thread().unpark();
        }
    }

    /// Waits until all lines are written, unless nobody takes them any more.
    pub(super) async fn end(&self) {
        let mut written = self.waiting.written.subscribe();
        self.close();
        if timeout(LAST_LINES, written.wait_for(|written| *written)).await.is_err() {
            warn!("the last lines of the access log could not be written");
        }
    }

    fn close(&self) {
        self.waiting.closed.store(true, Ordering::Release);
        self.writer.thread().unpark();
    }
}

/// Now, by the monotonic clock and what the wall clock showed beside it a second ago at most.
fn moment(clock: &dyn Clock) -> Moment {
    thread_local!(static SEEN: Cell<Option<Moment>> = const { Cell::new(None) });
    let mono = clock.mono();
    if let Some(seen) = SEEN.get()
        && let Ok(wall) = seen.wall.checked_add(mono.since(seen.mono))
        && mono >= seen.mono
        && mono.since(seen.mono) < Duration::from_secs(1)
    {
        return Moment { wall, mono };
    }
    let now = clock.now();
    SEEN.set(Some(now));
    now
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl Waiting {
    /// Writes until there is nothing left and nothing more will come.
    fn write(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        loop {
            // Looked at first: what came before the end is written after it.
            let closed = self.closed.load(Ordering::Acquire);
            for stripe in &self.stripes {
                std::mem::swap(&mut batch, &mut *stripe.0.lock().unwrap_or_else(PoisonError::into_inner));
                if !batch.is_empty()
                    && let Err(error) = out.write_all(&batch).and_then(|()| out.flush())
                {
                    warn!(%error, "the access log cannot be written");
                }
                batch.clear();
            }
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                warn!(lines = lost, "the access log could not keep up: lines are lost");
            }
            if closed {
                self.written.send_replace(true);
                return;
            }
            park();
            if !self.closed.load(Ordering::Acquire) {
                std::thread::sleep(PAUSE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
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
        log.answered(&noted, &response, &SystemClock);
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
        let waiting = Arc::new(Waiting::default());
        // This one writes nothing.
        let writer = lifecycle::thread("access-log", || ()).unwrap();
        let log = AccessLog { waiting: Arc::clone(&waiting), writer };
        let line = format!("/{}", "a".repeat(2_000));
        let fit = (0..).take_while(|_| {
            noted(&log, &line);
            waiting.lost.load(Ordering::Relaxed) == 0
        });
        let fit = fit.count();
        assert!((WAITING / 2_200..=WAITING / 2_000).contains(&fit), "{fit}");
    }
}
