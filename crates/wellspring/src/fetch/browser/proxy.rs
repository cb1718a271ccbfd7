//! The browser's only way out: an HTTP proxy of our own, which judges every host, resolves and dials by itself.
//!
//! The browser resolves no name and opens no connection but to here, so whatever a page tries (a redirect, a script's request, a
//! WebSocket, a name that resolves to something else the next time) meets the same guard as plain HTTP does. HTTPS and WebSockets
//! come as tunnels (`CONNECT`), plain HTTP as requests with a whole address; anything else is no business of a proxy.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use url::Url;

use super::super::FetchError;
use super::super::guard::Guard;
use crate::lifecycle::{self, Tasks};
use dial::Dialer;
use failures::Failures;
use meter::Meter;
pub use upstream::Upstream;

mod answer;
mod dial;
mod failures;
#[cfg(any(test, fuzzing))]
pub(in crate::fetch) mod fuzzing;
mod headers;
mod meter;
mod target;
#[cfg(test)]
mod tests;
mod upstream;

/// The largest head of a request or an answer, in bytes.
const HEAD: usize = 64 << 10;
/// After a failed accept (no descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How much one page may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What may come in, in all, as it comes over the wire, heads and handshakes included, in bytes.
    pub bytes: u64,
    /// The browser's connections at once; more of them wait to be accepted.
    pub connections: usize,
    /// How long the head of a request may take, and how long a connection is kept for the next one.
    pub head: Duration,
}

impl Default for Limits {
    /// A connection for each that Chromium opens to one proxy: 32 for pages and 32 for WebSockets.
    fn default() -> Self {
        Self { bytes: 64 << 20, connections: 64, head: Duration::from_secs(10) }
    }
}

/// A way out for one page, as far as the guard allows. Closes with all its connections when dropped: drop it after the page is gone,
/// since the port may be another program's from then on.
///
/// It listens on loopback and asks nobody who they are. Another process on this machine gets nothing by it that it could not reach
/// by itself, and less; but while a page with a configured proxy is open, it could use that proxy without knowing its password.
pub struct Outlet {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What the connections of an outlet share.
struct Shared {
    dialer: Dialer,
    failures: Failures,
    meter: Arc<Meter>,
    limits: Limits,
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("address", &self.address).field("passed", &self.passed()).finish_non_exhaustive()
    }
}

impl Outlet {
    /// Listens on a free port of 127.0.0.1. With an `upstream`, everything goes through that, and the guard judges names and literals
    /// only, since the upstream resolves them.
    ///
    /// # Errors
    /// Where the system gives no port.
    pub async fn open(guard: Guard, upstream: Option<Upstream>, limits: Limits) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let meter = Arc::new(Meter::new(limits.bytes));
        let dialer = Dialer::new(guard, upstream, meter.clone());
        let shared = Arc::new(Shared { dialer, failures: Failures::default(), meter, limits });
        let accepting = lifecycle::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Why the last attempt to reach this address's host and port failed, if it did: what stands behind a page's
    /// `net::ERR_TUNNEL_CONNECTION_FAILED`, or behind a page with the status 403 or 502. `shown` is what the host is called in it.
    pub fn blame(&self, url: &Url, shown: &str) -> Option<FetchError> {
        self.shared.failures.of(url, shown)
    }

    /// How many bytes came in so far.
    pub fn passed(&self) -> u64 {
        self.shared.meter.passed()
    }

    /// Whether more wanted to come in than may. Every connection is closed then, and every new one.
    pub fn is_full(&self) -> bool {
        self.shared.meter.is_full()
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        // The task owns the listener and the connections.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(shared.limits.connections));
    let mut connections = Tasks::default();
    loop {
        let next = async {
            // First the place, then the connection: those without one wait where the system keeps them.
            let place = room.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = shared.meter.full() => break,
            next = next => match next {
                (Ok(place), Ok((stream, _))) => connections.spawn(connection(stream, shared.clone(), place)),
                _ => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(connections);
    // The port stays ours as long as the browser knows it.
    loop {
        if listener.accept().await.is_err() {
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, _place: OwnedSemaphorePermit) {
    // Answers are written whole; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let line = Arc::new(answer::Line::default());
    let service = service_fn(|request| {
        let (shared, line) = (shared.clone(), line.clone());
        async move { Ok::<_, Infallible>(answer::answer(&shared, &line, request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.head)
        .max_buf_size(HEAD)
        .max_header_size(HEAD)
        // Answers are passed on as they come.
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // However it ends, it is the browser's end of it that knows why.
    drop(serving.await);
    line.tunnel().await;
}
