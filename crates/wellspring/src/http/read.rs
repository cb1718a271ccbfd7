//! Reads of snapshots. A plain hit is answered here before any router: no lock, no disk, no encoding.

use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse as _;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap};
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use wellspring_core::failure::Failure;
use wellspring_core::source::BadParams;

use super::body::{Body, Frames};
use super::coded::tag;
use super::coding::{Accepts, Coding};
use super::problem::Problem;
use super::render::Circumstances;
use super::{Site, headers};
use crate::engine::Waited;
use crate::engine::catalog::{Crowded, Source};
use crate::engine::cell::Cell;
use crate::engine::hot::codings::Coded;
use crate::engine::hot::{Facts, Tail, View};
use crate::engine::reads::Read;

/// Answers a plain hit: GET or HEAD of a key that has a snapshot. Everything else is for the router.
pub fn hit<B>(site: &Site, request: &Request<B>) -> Option<Response<Body>> {
    let name = request.uri().path().strip_prefix("/api/")?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let catalog = site.engine.catalog();
    let source = catalog.source(name)?;
    let Some(query) = request.uri().query() else {
        return answered(site, source, source.default.as_ref()?, request);
    };
    answered(site, source, &keyed(source, request.uri().path_and_query()?.as_str(), query)?, request)
}

/// The key that is held of a query that says parameters and nothing else.
fn keyed(source: &Source, asked: &str, query: &str) -> Option<Arc<Cell>> {
    // Spelled as it is held, as nearly all are, a request is its key: nothing is parsed.
    if let Some(cell) = asked.strip_prefix("/api/").and_then(|key| source.cell(key)) {
        return Some(cell);
    }
    let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).take(source.recipe.spec.params.len() + 1).collect();
    let key = source.recipe.spec.key(pairs.iter().map(|(name, value)| (&**name, &**value))).ok()?;
    source.cell(key.as_str())
}

fn answered<B>(site: &Site, source: &Source, cell: &Arc<Cell>, request: &Request<B>) -> Option<Response<Body>> {
    let mut response = stored(site, source, cell, request.headers())?;
    site.cors.apply(request.headers(), response.headers_mut());
    if request.method() == Method::HEAD {
        *response.body_mut() = Body::Frames(Frames::default());
    }
    Some(response)
}

/// Reads any key: from memory where there is a snapshot, else by waiting for the flight that everyone shares.
pub async fn read(site: &Site, source: &Arc<Source>, query: Option<&str>, request: &HeaderMap) -> Response<Body> {
    let spec = &source.recipe.spec;
    let pairs: Vec<_> = url::form_urlencoded::parse(query.unwrap_or("").as_bytes()).collect();
    let cell = match spec.key(pairs.iter().map(|(name, value)| (&**name, &**value))) {
        Ok(key) => match site.engine.cell(source, &key) {
            Ok(cell) => cell,
            Err(Crowded) => return made(crowded(source)),
        },
        Err(bad) => {
            source.reads.count(Read::Other);
            return made(bad_params(&bad));
        }
    };
    if let Some(response) = stored(site, source, &cell, request) {
        return response;
    }
    source.reads.count(Read::Absent);
    match site.engine.wait(&cell, spec.policy.cold_wait).await {
        Waited::Ready(view) => fetched(site, &cell, &view, Circumstances { waited: true, forced: false }, request),
        Waited::Failed { failure, again } => made(no_snapshot(&cell, failure.as_ref(), again)),
        Waited::StillRefreshing => made(no_snapshot(&cell, None, Duration::from_secs(2))),
    }
}

/// What is stored, at once; a stale one asks for a refresh behind the answer.
fn stored(site: &Site, source: &Source, cell: &Arc<Cell>, request: &HeaderMap) -> Option<Response<Body>> {
    let now = site.engine.clock().mono();
    let view = site.engine.view(cell, now)?;
    cell.mark_read(now);
    let (freshness, tail) = view.tail(now, |freshness| {
        site.renderer.tail(&cell.recipe.spec, &view.content, &view.facts, freshness, view.told_age, Circumstances::default())
    });
    if freshness.wants_refresh() {
        site.engine.nudge(cell, now);
    }
    source.reads.count(freshness.into());
    let accepts = Accepts::of(request);
    let coded = site.coder.hit(&view, freshness, tail, accepts);
    let headers = headers::of_view(&view, tail, true, now);
    Some(answer(&view, tail, coded, headers, accepts, request))
}

/// An answer that waited for the refresh which made it.
pub(super) fn fetched(site: &Site, cell: &Cell, view: &View, how: Circumstances, request: &HeaderMap) -> Response<Body> {
    let now = site.engine.clock().mono();
    told(site, cell, view, &view.facts, how, now, request)
}

/// The stored answer with facts of its own (why a forced refresh was refused).
pub(super) fn told(
    site: &Site,
    cell: &Cell,
    view: &View,
    facts: &Facts,
    how: Circumstances,
    now: wellspring_core::moment::Mono,
    request: &HeaderMap,
) -> Response<Body> {
    let freshness = facts.horizon.freshness(now);
    let tail = site.renderer.tail(&cell.recipe.spec, &view.content, facts, freshness, facts.horizon.age(now), how);
    let headers = headers::of_view(view, &tail, !how.waited, now);
    // Made for this reader alone, it is coded on its way out.
    answer(view, &tail, None, headers, Accepts::of(request), request)
}

fn answer(
    view: &View,
    tail: &Tail,
    coded: Option<(Coding, &Coded)>,
    mut headers: HeaderMap,
    accepts: Accepts,
    request: &HeaderMap,
) -> Response<Body> {
    let mut response = Response::new(Body::Frames(Frames::default()));
    if let Some(held) = headers::held(request, &tail.etag, accepts) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        headers.remove(CONTENT_TYPE);
        if let Some(coding) = held {
            let made = tail.codings.coded(coding.place()).map(|coded| coded.etag.clone());
            headers.insert(ETAG, made.unwrap_or_else(|| tag(&tail.etag, coding)));
        }
    } else if let Some((coding, coded)) = coded {
        headers.insert(ETAG, coded.etag.clone());
        headers.insert(CONTENT_ENCODING, coding.header());
        headers.insert(CONTENT_LENGTH, coded.length.clone());
        *response.body_mut() = Body::Frames(Frames::new(coded.bytes.clone(), Bytes::new(), Bytes::new()));
    } else {
        headers.insert(CONTENT_LENGTH, tail.length.clone());
        *response.body_mut() = Body::Frames(Frames::new(tail.head.clone(), view.content.items.clone(), tail.bytes.clone()));
    }
    *response.headers_mut() = headers;
    response
}

/// 503 for a key without a snapshot: an empty list and why.
pub(super) fn no_snapshot(cell: &Cell, failure: Option<&Failure>, again: Duration) -> Problem {
    let name = &cell.recipe.spec.name;
    let detail = match failure {
        Some(failure) => format!("`{name}` has no data yet: {failure}"),
        None => format!("`{name}` has no data yet; its first refresh is still running"),
    };
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, failure.map_or("no_data_yet", |f| f.code.as_str()), detail);
    problem.with(&cell.recipe.spec.items_key, json!([])).retry_after(again)
}

/// 503 for a key that there is no room for now.
pub(super) fn crowded(source: &Source) -> Problem {
    let spec = &source.recipe.spec;
    let detail = format!("`{}` holds at most {} keys (`max_keys`), and all of them are being refreshed", spec.name, spec.max_keys);
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_keys", detail)
        .with(&spec.items_key, json!([]))
        .retry_after(Duration::from_secs(1))
}

/// 400 that names the parameter.
pub(super) fn bad_params(bad: &BadParams) -> Problem {
    let (BadParams::Undeclared { name, .. }
    | BadParams::Repeated { name }
    | BadParams::Refused { name, .. }
    | BadParams::Missing { name, .. }) = bad;
    Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", bad.to_string()).with("parameter", json!(name))
}

pub(super) fn made(problem: Problem) -> Response<Body> {
    problem.into_response().map(Body::Made)
}
