//! Our own accept loop on hyper: a header timeout that works, a drain that no idle connection holds up.

use std::convert::Infallible;
use std::future::Future;
use std::net::{self, IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use http::header::{DATE, VIA};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower::ServiceExt as _;
use tracing::{debug, error, warn};

use super::body::Body;
use super::crowd::{self, Crowd, Reason, Said};
use super::lanes::Lanes;
use super::problem::Problem;
use super::socket::{self, Socket};
use super::{Site, Stage, direct, intake, pace, read};
use crate::engine::Engine;
use crate::lifecycle;
use crate::lifecycle::lane::lane;

/// How long a client may take to send its request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How many connections are still accepted at the end: all that can be queued, and no end of those that go on coming.
const MOST_QUEUED: usize = 4_096;
/// How long a connection that was accepted while all end may take to bring its request, which most have sent long before.
const LATE: Duration = Duration::from_millis(200);
/// After a failed accept (no descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the stage is draining, then lets what is open finish for `patience` and cuts the rest.
pub async fn serve(listener: TcpListener, site: Site, router: Router, patience: Duration) {
    let stage = site.stage.clone();
    let (gauges, crowd, log) = (Arc::clone(&site.gauges), Arc::clone(&site.crowd), site.access_log.clone());
    let clock = site.engine.clone();
    let lanes = match Lanes::start(&Answers { site, router, client: Ipv4Addr::UNSPECIFIED.into(), owed: Arc::default() }, patience) {
        Ok(lanes) => lanes,
        Err(error) => {
            error!(%error, "the system gives no threads to answer in");
            return;
        }
    };
    // Once a process.
    let _set = gauges.connections.set(lanes.counts());
    let lanes = Arc::new(lanes);
    // On a thread of its own: whatever computes for long, a new connection is taken.
    let accepting = listener.into_std().and_then(|listener| {
        let lanes = Arc::clone(&lanes);
        lane("accepts", move || accept(listener, stage, lanes, crowd, clock))
    });
    match accepting {
        Ok(accepting) => drop(accepting.await),
        Err(error) => error!(%error, "the system gives no thread to accept connections in"),
    }
    let Ok(lanes) = Arc::try_unwrap(lanes) else { return };
    let cut = lanes.drain().await;
    if cut > 0 {
        warn!(connections = cut, "cut connections that did not finish in time");
    }
    if let Some(log) = log {
        log.end().await;
    }
}

/// Takes connections until the stage is draining.
async fn accept(listener: net::TcpListener, mut stage: watch::Receiver<Stage>, lanes: Arc<Lanes>, crowd: Arc<Crowd>, clock: Engine) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            error!(%error, "connections could not be watched");
            return;
        }
    };
    let (refusal, mut said) = (crowd::refusal(), Said::default());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer.ip()))) {
                Ok((stream, client)) => match crowd.connects(client, lanes.open()) {
                    Ok(guest) => if !lanes.take(stream, client, guest) {
                        error!("a thread that answers has broken off");
                        return;
                    },
                    Err(reason) => {
                        crowd::turn_away(stream, &refusal);
                        crowd.refuse(reason);
                        said.say(clock.clock().now().mono, reason, None);
                    }
                },
                Err(error) => {
                    crowd.refuse(Reason::Accept);
                    said.say(clock.clock().now().mono, Reason::Accept, Some(&error));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = draining(&mut stage) => break,
        }
    }
    take_queued(listener, &crowd, &lanes);
}

/// Takes who has connected and was not accepted yet: closing would reset them with what they have asked.
fn take_queued(listener: TcpListener, crowd: &Arc<Crowd>, lanes: &Lanes) {
    // As the system sees it: the runtime may not have heard of them yet.
    let Ok(listener) = listener.into_std() else { return };
    for _ in 0..MOST_QUEUED {
        let Ok((stream, peer)) = listener.accept() else { return };
        let Ok(guest) = crowd.connects(peer.ip(), lanes.open()) else { return };
        if stream.set_nonblocking(true).is_err() || !lanes.take(stream, peer.ip(), guest) {
            return;
        }
    }
}

pub(super) async fn connection(mut stream: TcpStream, service: Answers) {
    // Answers are written whole; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    pace::told_by(&stream);
    let site = &service.site;
    let ends = *site.stage.borrow() == Stage::Draining;
    if ends && !timeout(LATE, stream.readable()).await.is_ok_and(|readable| readable.is_ok()) {
        return;
    }
    // What a trusted proxy says of its clients is read where the log wants it, and not on the short way.
    let is_told = site.access_log.is_some() && site.proxies.trusts(service.client);
    let begun = if is_told { Some(Vec::new()) } else { direct::serve(&mut stream, site, service.client).await };
    let Some(begun) = begun else { return };
    let mut stage: watch::Receiver<Stage> = service.site.stage.clone();
    let socket = Socket::new(stream, begun, Arc::clone(&service.owed));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(socket::LARGEST_HEAD)
        // Who has asked and will ask no more (`nc -N`) is still owed the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        // In this order: a draw of lots for each request costs more than what it would make fair.
        biased;
        ended = connection.as_mut() => ended,
        () = draining(&mut stage) => {
            // Closes an idle connection now and a busy one after its answer.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}

/// Ends when no more is to be begun, and what had come by then is known to have come.
pub(super) async fn draining(stage: &mut watch::Receiver<Stage>) {
    // A closed channel means that the server is gone, which is as good a reason.
    drop(stage.wait_for(|s| *s == Stage::Draining).await);
    // The word may be here before the system was asked which connections have brought something: this waits until it was.
    tokio::task::yield_now().await;
}

/// Who is at the other end of a request's connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub IpAddr);

/// Answers one request: a hit at once, the rest by the router.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    site: Site,
    router: Router,
    client: IpAddr,
    /// Whether the request that is answered on this connection has a body.
    owed: Arc<AtomicBool>,
}

impl Answers {
    /// For a connection of this client.
    pub(super) fn to(&self, client: IpAddr) -> Self {
        Self { client, owed: Arc::default(), ..self.clone() }
    }
}

impl Service<Request<Incoming>> for Answers {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        let log = self.site.access_log.as_ref();
        let client = || self.site.proxies.client(self.client, request.headers());
        let noted = log.map(|log| log.note(&request, client().address, self.site.engine.clock()));
        let moved = self.site.base.moved(&request);
        let request = self.site.base.take_off(request);
        self.owed.store(!request.body().is_end_stream(), Ordering::Relaxed);
        let at_once = intake::refuse(&request).map(read::made).or(moved).or_else(|| read::hit(&self.site, &request));
        if let Some(mut response) = at_once {
            dated(&self.site, &mut response);
            if let (Some(log), Some(noted)) = (log, noted) {
                log.answered(&noted, &response, self.site.engine.clock());
            }
            return Answer::Ready(Some(response));
        }
        let Self { router, site, .. } = self.clone();
        let mut request = request;
        request.extensions_mut().insert(Peer(self.client));
        if request.version() < Version::HTTP_11 || self.site.proxies.trusts(self.client) {
            // A proxy that says nothing of itself (nginx, unless it is told to) is known by its old version of HTTP, or by its address:
            // what it should have said is said for it, so that nobody who asks through it is taken for a neighbour.
            request.headers_mut().append(VIA, HeaderValue::from_static("1.0 unnamed"));
        }
        // Not here: what a handler computes would hold up the hits of this thread's other connections.
        Answer::Routed(Work(lifecycle::spawn(async move {
            let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            let mut response = response.map(Body::Made);
            dated(&site, &mut response);
            if let (Some(log), Some(noted)) = (&site.access_log, noted) {
                log.answered(&noted, &response, site.engine.clock());
            }
            response
        })))
    }
}

/// Says when it was answered: hyper, which would, goes on saying a time that lies ahead once the clock was set back.
fn dated(site: &Site, response: &mut Response<Body>) {
    let clock = site.engine.clock();
    response.headers_mut().entry(DATE).or_insert_with(|| direct::date(clock.mono(), clock));
}

/// An answer: ready at once where it is a hit.
pub(super) enum Answer {
    Ready(Option<Response<Body>>),
    Routed(Work),
}

/// A handler at work, which ends with the wish for its answer.
pub(super) struct Work(JoinHandle<Response<Body>>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Future for Answer {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Ready(response) => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending,
            },
            Self::Routed(work) => Pin::new(&mut work.0).poll(context).map(|made| Ok(made.unwrap_or_else(|_| broken_off()))),
        }
    }
}

/// A handler panicked, or the process is about to end.
fn broken_off() -> Response<Body> {
    read::made(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer broke off; the log says why"))
}
