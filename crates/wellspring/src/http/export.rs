//! `GET /admin/export`: an archive of what the store holds, written while it is served. Who may force a refresh may have it.
//!
//! Nothing waits for it: one revision after the other is read between what the store has to write, and none before its reader
//! has taken what came before. One that breaks off lacks its last line, and the connection ends as a broken one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body::Frame;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tracing::{info, warn};
use wellspring_core::key::Key;

use super::problem::Problem;
use super::query::shown;
use super::server::draining;
use super::{Site, Stage};
use crate::lifecycle;
use crate::store::Health;
use crate::store::archive::{self, Chosen, Counts, Sink};

/// Archives that are written at once; more wait for their turn.
const AT_ONCE: usize = 4;
/// How long they wait for it.
const TURN: Duration = Duration::from_secs(10);
/// How long a reader may take over a piece.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which store it is of, for whoever asked because they found a certain one in use.
pub const STORE: HeaderName = HeaderName::from_static("wellspring-store");

/// The places of those who write archives.
#[derive(Debug)]
pub struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// Judges, and answers with the archive.
///
/// # Errors
/// 401 and 403 as for a forced refresh, 400 and 404 for a query that cannot be meant, 503 where the store cannot be read or
/// too many ask.
pub async fn export(site: &Site, method: &Method, query: &str, request: &HeaderMap) -> Result<Response, Box<Problem>> {
    if *site.stage.borrow() == Stage::Starting {
        return Err(Box::new(super::router::starting()));
    }
    site.admission.load().judge(request, "an export")?;
    let keys = asked(site, query).await?;
    let crowded =
        |_| Box::new(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "crowded", "other exports are being written").retry_after(TURN));
    let place = timeout(TURN, Arc::clone(&site.exports.0).acquire_owned()).await.map_err(crowded)?;
    let now = site.engine.clock().now().wall;
    let engine = site.engine.clone();
    let identity = lifecycle::blocking(move || engine.store().identity()).await.ok().flatten();
    let (out, pieces) = mpsc::channel(1);
    if *method != Method::HEAD {
        let (engine, mut stage) = (site.engine.clone(), site.stage.clone());
        lifecycle::spawn(async move {
            let mut sink = Pieces(out.clone());
            let written = tokio::select! {
                written = archive::write(&**engine.store(), &keys, now, &mut sink) => written.map_err(|error| error.to_string()),
                () = draining(&mut stage) => Err("the server is shutting down".to_owned()),
            };
            match written {
                Ok(Counts { keys, revisions, bytes }) => info!(keys, revisions, bytes, "exported"),
                Err(why) => {
                    warn!(why, "an export broke off");
                    let broken = out.send(Err(io::Error::other(why)));
                    // Whoever does not take it has gone.
                    let _ = timeout(PATIENCE, broken).await;
                }
            }
            drop(place);
        });
    }
    let mut response = Response::new(Body::new(Coming(pieces)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.extend(identity.and_then(|identity| Some((STORE, HeaderValue::try_from(identity).ok()?))));
    let name = format!("attachment; filename=\"wellspring-{}.jsonl\"", now.strftime("%Y-%m-%d"));
    headers.extend(HeaderValue::try_from(name).map(|name| (CONTENT_DISPOSITION, name)));
    Ok(response)
}

/// The keys that a query asks for.
async fn asked(site: &Site, query: &str) -> Result<Vec<Key>, Box<Problem>> {
    let bad = |name: &str, detail: String| {
        Box::new(Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", detail).with("parameter", json!(name)))
    };
    let mut sources: Option<Vec<String>> = None;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name != "source" {
            let name = shown(&name);
            return Err(bad(&name, format!("`{name}` is no parameter here; an export takes `source`, as in source=cinema,events")));
        }
        if sources.replace(value.split(',').map(str::to_owned).collect()).is_some() {
            return Err(bad("source", "`source` is given more than once; it takes names with commas between them".to_owned()));
        }
    }
    let store = site.engine.store();
    let unavailable = |error: crate::store::StoreError| {
        let detail = match store.health() {
            Health::Ok => error.to_string(),
            Health::Degraded(why) => format!("{error}; {why}"),
        };
        Box::new(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store_failed", detail).retry_after(Duration::from_secs(1)))
    };
    let all = store.keys().await.map_err(unavailable)?;
    let catalog = site.engine.catalog();
    match archive::choose(all, sources.as_deref(), &|name| catalog.source(name).is_some()) {
        Chosen::Keys(keys) => {
            // The latest are in memory and their past may not be to be read: said now, it is an answer, and later a connection that ends.
            if let Some(key) = keys.first() {
                store.revisions(key).await.map_err(unavailable)?;
            }
            Ok(keys)
        }
        Chosen::Unknown { name, stored } => {
            Err(Box::new(Problem::unknown_source(&name, &stored.iter().map(String::as_str).collect::<Vec<_>>())))
        }
    }
}

struct Pieces(mpsc::Sender<io::Result<Bytes>>);

#[async_trait::async_trait]
impl Sink for Pieces {
    async fn take(&mut self, piece: Bytes, _: Counts) -> io::Result<()> {
        let slow = |_| io::Error::new(io::ErrorKind::TimedOut, "its reader takes nothing any more");
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "its reader has gone");
        timeout(PATIENCE, self.0.send(Ok(piece))).await.map_err(slow)?.map_err(gone)
    }
}

/// A body of what is sent through a channel; an error breaks it off.
struct Coming(mpsc::Receiver<io::Result<Bytes>>);

impl http_body::Body for Coming {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
