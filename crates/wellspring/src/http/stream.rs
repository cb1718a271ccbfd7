//! `GET /api/stream`: what changes, over one connection, as Server-Sent Events (HTML, §9.2). A listener is told the present and
//! then what differs from it; where it was away it names the last event it had and is told what differs from that.
//!
//! Nothing is queued for a listener: one that reads slowly, or not at all, finds the present when it comes back to read, and
//! costs what one text costs until then.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use tokio::sync::{mpsc, watch};

use super::problem::Problem;
use super::server::draining;
use super::{Site, Stage};
use crate::engine::changes::Listener;
use crate::lifecycle;

mod asked;
mod news;

use asked::Asked;
use news::News;

/// Where nothing happens, an event without content says that the connection lives: proxies cut what is silent for a minute,
/// and a browser cannot see a comment.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// After which a browser that lost the connection asks again, in milliseconds.
const RETRY_MS: u32 = 2_000;
/// When one may ask again who came while too many listen.
const CROWDED: Duration = Duration::from_secs(30);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Answers with a stream that ends with the server or its listener.
///
/// # Errors
/// 400 and 404 where the query names what there is not, 503 while too many listen, in all or from one address.
pub fn stream(site: &Site, peer: IpAddr, query: &str, request: &HeaderMap) -> Result<Response, Box<Problem>> {
    let asked = Asked::parse(query, &site.engine.catalog())?;
    let crowded = |detail| Box::new(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "crowded", detail).retry_after(CROWDED));
    let guest =
        site.crowd.listens(site.proxies.client(peer, request)).ok_or_else(|| crowded("too many listen from this address already"))?;
    let listener = site.engine.listen().ok_or_else(|| crowded("too many listen already"))?;
    let epoch = site.engine.epoch();
    let since = request.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).and_then(|id| resumed(epoch, id));
    let (out, chunks) = mpsc::channel(1);
    let engine = site.engine.clone();
    let mut news = News::new(asked);
    let tell_news = move |since, text: &mut String| news.tell(&engine, since, text);
    let teller = Teller { epoch, listener, stage: site.stage.clone(), heartbeat: HEARTBEAT, out };
    lifecycle::spawn(async move {
        teller.tell(tell_news, since).await;
        drop(guest);
    });
    let mut response = Response::new(Body::new(Chunks(chunks)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Kept by nobody, changed by nobody: a proxy that compresses or gathers it would hold events back.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// The number of the last event that a listener had, where this process told it.
fn resumed(epoch: u64, id: &str) -> Option<u64> {
    let (of, number) = id.split_once('-')?;
    if of == format!("{epoch:x}") { number.parse().ok() } else { None }
}

/// Who tells one listener.
struct Teller {
    /// What this process is called in the ids of events.
    epoch: u64,
    listener: Listener,
    stage: watch::Receiver<Stage>,
    heartbeat: Duration,
    out: mpsc::Sender<Bytes>,
}

impl Teller {
    /// Tells until the listener or the server goes. `news` adds what one does not know that knows everything up to a number.
    async fn tell(mut self, mut news: impl FnMut(Option<u64>, &mut String), mut since: Option<u64>) {
        // Told at once in any case: a browser takes the connection for open when its first bytes are there.
        let mut text = format!("retry: {RETRY_MS}\n\n");
        loop {
            // Before looking: what changes meanwhile is looked at again.
            let number = self.listener.last();
            let before = text.len();
            news(since, &mut text);
            if text.len() > before {
                // The last event carries the id of all of them: of what is cut off before it, all is told again.
                text.pop();
                let _infallible = write!(text, "id: {:x}-{number}\n\n", self.epoch);
            }
            since = Some(number);
            if !text.is_empty() {
                let text = Bytes::from(std::mem::take(&mut text));
                tokio::select! {
                    sent = self.out.send(text) => if sent.is_err() { return },
                    () = draining(&mut self.stage) => return,
                }
            }
            tokio::select! {
                more = self.listener.more() => if !more { return },
                () = tokio::time::sleep(self.heartbeat) => text.push_str("event: heartbeat\ndata: {}\n\n"),
                () = self.out.closed() => return,
                () = draining(&mut self.stage) => return,
            }
        }
    }
}

/// A body of what is sent through a channel.
struct Chunks(mpsc::Receiver<Bytes>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests;
