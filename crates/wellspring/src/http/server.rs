//! Our own accept loop on hyper: a header timeout that works, a drain that no idle connection holds up.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::body::Body;
use super::socket::{self, Socket};
use super::{Site, Stage, intake, read};
use crate::lifecycle::Tasks;

/// How long a client may take to send its request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failed accept (no descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the stage is draining, then lets what is open finish for `patience` and cuts the rest.
pub async fn serve(listener: TcpListener, site: Site, router: Router, patience: Duration) {
    let mut stage = site.stage.clone();
    let mut connections = Tasks::default();
    let service = Answers { site, router, client: Ipv4Addr::UNSPECIFIED.into(), owed: Arc::default() };
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => connections.spawn(connection(stream, Answers { client: peer.ip(), ..service.clone() })),
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = draining(&mut stage) => break,
        }
    }
    drop(listener);
    let cut = connections.drain(patience).await;
    if cut > 0 {
        warn!(connections = cut, "cut connections that did not finish in time");
    }
}

async fn connection(stream: TcpStream, service: Answers) {
    // Answers are written whole; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let mut stage: watch::Receiver<Stage> = service.site.stage.clone();
    let service = Answers { owed: Arc::default(), ..service };
    let socket = Socket::new(stream, Arc::clone(&service.owed));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(socket::LARGEST_HEAD)
        .serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
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

async fn draining(stage: &mut watch::Receiver<Stage>) {
    // A closed channel means that the server is gone, which is as good a reason.
    drop(stage.wait_for(|s| *s == Stage::Draining).await);
}

/// Answers one request: a hit at once, the rest by the router.
#[derive(Clone, Debug)]
struct Answers {
    site: Site,
    router: Router,
    client: IpAddr,
    /// Whether the request that is answered on this connection has a body.
    owed: Arc<AtomicBool>,
}

impl Service<Request<Incoming>> for Answers {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        let log = self.site.access_log.as_ref();
        let noted = log.map(|log| log.note(&request, self.client, self.site.engine.clock()));
        self.owed.store(!request.body().is_end_stream(), Ordering::Relaxed);
        if let Some(problem) = intake::refuse(&request) {
            let response = read::made(problem);
            if let (Some(log), Some(noted)) = (log, noted) {
                log.answered(noted, &response, self.site.engine.clock());
            }
            return Answer::Ready(Some(response));
        }
        if let Some(response) = read::hit(&self.site, &request) {
            if let (Some(log), Some(noted)) = (log, noted) {
                log.answered(noted, &response, self.site.engine.clock());
            }
            return Answer::Ready(Some(response));
        }
        let Self { router, site, .. } = self.clone();
        Answer::Routed(Box::pin(async move {
            let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            let response = response.map(Body::Made);
            if let (Some(log), Some(noted)) = (&site.access_log, noted) {
                log.answered(noted, &response, site.engine.clock());
            }
            Ok(response)
        }))
    }
}

/// An answer: ready at once where it is a hit.
enum Answer {
    Ready(Option<Response<Body>>),
    Routed(Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>),
}

impl Future for Answer {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        match &mut *self {
            Self::Ready(response) => match response.take() {
                Some(response) => std::task::Poll::Ready(Ok(response)),
                None => std::task::Poll::Pending,
            },
            Self::Routed(future) => future.as_mut().poll(context),
        }
    }
}
