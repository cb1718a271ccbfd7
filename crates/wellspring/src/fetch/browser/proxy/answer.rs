//! What the browser is answered: a tunnel, what the host answers, or that there is none.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::{self, OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::super::super::FetchError;
use super::super::super::http::blame::{broken, unreachable};
use super::dial::Wire;
use super::target::Target;
use super::upstream::Upstream;
use super::{HEAD, Shared, headers};
use crate::lifecycle::Tasks;

/// What the browser gets: a host's answer as it streams in, or a few words of ours.
pub(super) type Answer = Response<Either<Incoming, Full<Bytes>>>;

/// One connection of the browser's.
#[derive(Default)]
pub(super) struct Line {
    /// What drives its connections outwards; ends with it.
    errands: Mutex<Tasks>,
    tunnel: Mutex<Option<(OnUpgrade, Box<dyn Wire>)>>,
}

impl Line {
    /// Starts what drives a connection outwards.
    pub(super) fn drive(&self, connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
        // Whoever uses the connection learns of its errors.
        self.errands.lock().unwrap_or_else(PoisonError::into_inner).spawn(async move { drop(connection.await) });
    }

    /// Passes bytes both ways, where a tunnel was opened, until the browser closes it. A browser never closes one half of a connection
    /// alone, so what a host would still say then is for nobody, and it cannot hold the place of a connection by saying nothing.
    pub(super) async fn tunnel(&self) {
        let opened = self.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((near, far)) = opened else { return };
        let Ok(near) = near.await else { return };
        let (mut from_near, mut to_near) = tokio::io::split(TokioIo::new(near));
        let (mut from_far, mut to_far) = tokio::io::split(far);
        let inwards = async {
            drop(tokio::io::copy(&mut from_far, &mut to_near).await);
            drop(to_near.shutdown().await);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = tokio::io::copy(&mut from_near, &mut to_far) => {}
            () = inwards => {}
        }
    }
}

/// Answers one request.
pub(super) async fn answer(shared: &Shared, line: &Line, mut request: Request<Incoming>) -> Answer {
    let Some(target) = Target::of(request.method(), request.uri()) else {
        return words(StatusCode::BAD_REQUEST, "This is a proxy: it takes CONNECT and http addresses.\n");
    };
    let answered = if request.method() == Method::CONNECT {
        let near = upgrade::on(&mut request);
        shared.dialer.tunnel(&target, line).await.map(|far| {
            *line.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some((near, far));
            words(StatusCode::OK, "")
        })
    } else {
        relay(shared, line, &target, request).await
    };
    match answered {
        Ok(answer) => {
            shared.failures.clear(&target);
            answer
        }
        Err(error) => {
            let answer = refusal(&error);
            shared.failures.note(&target, error);
            answer
        }
    }
}

/// Passes one request on, over a connection of its own, and its answer back.
async fn relay(shared: &Shared, line: &Line, target: &Target, request: Request<Incoming>) -> Result<Answer, FetchError> {
    let shown = target.shown();
    let upstream = shared.dialer.upstream();
    let fails = |reason: &str| unreachable(reason, &shown, upstream.map(Upstream::shown));
    let stream = shared.dialer.dial(target).await?;
    let breaks = |error: hyper::Error| fails(broken(&error).unwrap_or("the connection broke"));
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEAD).max_header_size(HEAD).handshake(TokioIo::new(stream)).await.map_err(breaks)?;
    line.drive(connection);

    let (mut head, body) = request.into_parts();
    headers::keep_end_to_end(&mut head.headers);
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let asked = if upstream.is_some() { format!("http://{shown}{path}") } else { path.to_owned() };
    let host = HeaderValue::try_from(&shown);
    let (Ok(asked), Ok(host)) = (Uri::try_from(asked), host) else { return Err(fails("its address cannot be asked for")) };
    head.headers.insert(HOST, host);
    if let Some(authorization) = upstream.and_then(Upstream::authorization) {
        head.headers.insert(http::header::PROXY_AUTHORIZATION, authorization);
    }
    let mut outward = Request::new(body);
    (*outward.method_mut(), *outward.uri_mut(), *outward.headers_mut()) = (head.method, asked, head.headers);

    let (head, body) = sender.send_request(outward).await.map_err(breaks)?.into_parts();
    if head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        // The browser would take it for ours and ask a person.
        return Err(fails("it wants a password (407)"));
    }
    if head.status.is_informational() {
        return Err(fails("its answer is no valid HTTP"));
    }
    let mut answer = Response::new(Either::Left(body));
    (*answer.status_mut(), *answer.headers_mut()) = (head.status, head.headers);
    headers::keep_end_to_end(answer.headers_mut());
    Ok(answer)
}

/// That there is no way to a host, and no more than that: why is for people, not for pages.
fn refusal(error: &FetchError) -> Answer {
    match error {
        FetchError::Refused { .. } => words(StatusCode::FORBIDDEN, "The address guard lets nobody there.\n"),
        _ => words(StatusCode::BAD_GATEWAY, "The host could not be reached.\n"),
    }
}

fn words(status: StatusCode, words: &'static str) -> Answer {
    let mut answer = Response::new(Either::Right(Full::from(words)));
    *answer.status_mut() = status;
    answer
}
