//! Reads of snapshots. A plain hit is answered here before any router: no lock, no disk, no encoding.

use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse as _;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, IF_NONE_MATCH, ORIGIN};
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use wellspring_core::failure::Failure;
use wellspring_core::moment::Mono;
use wellspring_core::source::RESERVED;

use super::body::{Body, Frames};
use super::coding::Accepts;
use super::formats::Format;
use super::headers::{Caching, Fate, lines};
use super::hit::Wants;
use super::problem::Problem;
use super::query::{Patience, Query};
use super::render::Circumstances;
use super::represent::{Asked, answer, judge_fields, represent};
use super::{Site, headers, history};
use crate::engine::Waited;
use crate::engine::catalog::{Crowded, Source};
use crate::engine::cell::Cell;
use crate::engine::hot::{Facts, Tail, View};
use crate::engine::reads::Read;

/// When to ask again where the first refresh still runs.
const STILL_REFRESHING: Duration = Duration::from_secs(2);

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
    site.cors.apply(request.headers().get(ORIGIN).map(HeaderValue::as_bytes), response.headers_mut());
    if request.method() == Method::HEAD {
        *response.body_mut() = Body::Frames(Frames::default());
    }
    Some(response)
}

/// Reads any key, as the query asks: from memory where there is a snapshot, else by waiting for the flight that everyone shares.
pub async fn read(site: &Site, source: &Arc<Source>, format: Format, query: Option<&str>, request: &HeaderMap) -> Response<Body> {
    asked(site, source, format, query, request).await.unwrap_or_else(|problem| made(*problem))
}

async fn asked(
    site: &Site,
    source: &Arc<Source>,
    format: Format,
    query: Option<&str>,
    request: &HeaderMap,
) -> Result<Response<Body>, Box<Problem>> {
    let spec = &source.recipe.spec;
    let refused = |problem| {
        source.reads.count(Read::Other);
        problem
    };
    let query = Query::parse(query.unwrap_or(""), site.engine.clock().now().wall).map_err(refused)?;
    let key = query.params.key(spec, &RESERVED).map_err(refused)?;
    let asked = Asked { format, selection: &query.selection, request };
    if let Some(at) = query.as_of {
        source.reads.count(Read::Other);
        return history::as_of(site, source, &key, at, &asked).await;
    }
    let cell = site.engine.cell(source, &key).map_err(|Crowded| Box::new(crowded(source)))?;
    if asked.is_plain()
        && query.patience.is_usual()
        && let Some(response) = stored(site, source, &cell, request)
    {
        return Ok(response);
    }
    if let Some(view) = site.engine.view(&cell, site.engine.clock().mono()) {
        judge_fields(spec, asked.selection, &view.content).await?;
    }
    let Chosen { view, waited, fate } = choose(site, source, &cell, query.patience, request).await?;
    if fate != Fate::Hit {
        judge_fields(spec, asked.selection, &view.content).await?;
    }
    let now = site.engine.clock().mono();
    let how = Circumstances { waited, forced: false };
    let (tail, mut headers) = said(site, &cell, &view, &view.facts, how, fate, now);
    if !query.patience.is_usual() {
        // What it gets depends on who asks and when.
        headers.insert(CACHE_CONTROL, Caching::Revalidate.header());
    }
    represent(site, &cell.recipe, &cell.key, &view.content, &tail, headers, &asked).await
}

/// What a reader gets, and how it came about.
struct Chosen {
    view: Arc<View>,
    waited: bool,
    fate: Fate,
}

/// The newest that a reader's patience allows.
async fn choose(site: &Site, source: &Source, cell: &Arc<Cell>, patience: Patience, request: &HeaderMap) -> Result<Chosen, Box<Problem>> {
    let engine = &site.engine;
    let spec = &cell.recipe.spec;
    let now = engine.clock().mono();
    let Some(view) = engine.view(cell, now) else {
        source.reads.count(Read::Absent);
        let collapsed = cell.is_refreshing();
        return match engine.wait(cell, patience.wait.unwrap_or(spec.policy.cold_wait)).await {
            Waited::Ready(view) => Ok(Chosen { view, waited: true, fate: Fate::Forwarded { why: "miss", collapsed } }),
            Waited::Failed { failure, again } => Err(Box::new(no_snapshot(cell, failure.as_ref(), again))),
            Waited::StillRefreshing => Err(Box::new(no_snapshot(cell, None, STILL_REFRESHING))),
        };
    };
    cell.mark_read(now);
    let freshness = view.facts.horizon.freshness(now);
    source.reads.count(freshness.into());
    let stale = freshness.wants_refresh();
    let too_old = patience.max_age.map_or(stale, |most| view.facts.horizon.age(now) > most);
    let flight = if stale {
        engine.demand(cell, now)
    } else if too_old && spec.manual_refresh && site.admission.load().judge_read(request).is_ok() {
        engine.demand_forced(cell)
    } else {
        // A stranger spends no quota; what flies already costs nothing.
        engine.flying(cell)
    };
    let mut waited = false;
    if let (true, Some(flight), Some(wait)) = (too_old, flight, patience.wait) {
        waited = engine.landing(cell, flight, wait).await;
    }
    let fate = match flight {
        Some(flight) if waited => Fate::Forwarded { why: if stale { "stale" } else { "request" }, collapsed: flight.joined },
        _ => Fate::Hit,
    };
    // Started or landed meanwhile: it says so.
    let view = engine.view(cell, engine.clock().mono()).unwrap_or(view);
    Ok(Chosen { view, waited, fate })
}

/// What is stored, at once, for hyper.
fn stored(site: &Site, source: &Source, cell: &Arc<Cell>, request: &HeaderMap) -> Option<Response<Body>> {
    let wants = Wants { accepts: Accepts::of(request), known: lines(request, IF_NONE_MATCH) };
    site.hit(source, cell, wants, |hit| {
        let mut response = Response::new(Body::Frames(Frames::default()));
        *response.status_mut() = hit.status();
        response.headers_mut().reserve(12);
        hit.tell(response.headers_mut());
        let [head, items, tail] = hit.pieces().map(Into::into);
        *response.body_mut() = Body::Frames(Frames::new(head, items, tail));
        response
    })
}

/// The answer to a forced refresh: the stored items with facts of its own, and how it came about.
pub(super) fn told(site: &Site, cell: &Cell, view: &View, facts: &Facts, how: Circumstances, now: Mono) -> Response<Body> {
    let fate = if how.waited { Fate::Forwarded { why: "request", collapsed: false } } else { Fate::Hit };
    let (tail, headers) = said(site, cell, view, facts, how, fate, now);
    // A condition is for reads: what was forced is told whole.
    answer(&view.content, &tail, headers, &HeaderMap::new())
}

/// What is said of a view by these facts.
fn said(site: &Site, cell: &Cell, view: &View, facts: &Facts, how: Circumstances, fate: Fate, now: Mono) -> (Tail, HeaderMap) {
    let spec = &cell.recipe.spec;
    let freshness = facts.horizon.freshness(now);
    let tail = site.renderer.tail(spec, &view.content, facts, freshness, facts.horizon.age(now), how);
    let headers = headers::of_view(spec.http_cache, facts, &tail, fate, now);
    (tail, headers)
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

pub(super) fn made(problem: Problem) -> Response<Body> {
    problem.into_response().map(Body::Made)
}
