//! Every route on one screen, but for plain hits, which never come here.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN,
};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use wellspring_core::diagnostic::nearest;

use super::coded::Coder;
use super::formats::Format;
use super::headers::{Caching, JSON};
use super::index::Readiness;
use super::problem::{PROBLEM_JSON, Problem};
use super::query::{Params, shown};
use super::server::Peer;
use super::{Site, Stage, assets, export, history, index, metrics, openapi, page, read, refresh, stream};
use crate::engine::catalog::Source;

/// Where all that is stored is had.
const EXPORT: &str = "/admin/export";

/// The routes.
pub fn router(site: Site) -> Router {
    let routes = Router::new()
        .route("/", get(page_or_index))
        .route("/api", get(index_of_sources))
        .route("/api/stream", get(stream_of_changes))
        .route("/api/{source}", get(read_source))
        .route("/api/{source}/refresh", post(refresh_source))
        .route("/api/{source}/status", get(status_of_source))
        .route("/api/{source}/history", get(history_of_source))
        .route(EXPORT, get(export_of_store))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/openapi.json", get(document))
        .route("/metrics", get(figures));
    let routes = page::routes(assets::routes(routes)).fallback(nowhere).with_state(site.clone());
    // Around the whole router, not its routes: there a 405 has its `Allow` already.
    Router::new().fallback_service(routes).layer(from_fn_with_state(site, finish))
}

async fn page_or_index(State(site): State<Site>, RawQuery(query): RawQuery, request: HeaderMap) -> Response {
    let response = if *site.stage.borrow() == Stage::Starting {
        starting().into_response()
    } else if page::likes_html(&request) {
        page::home(&site, query, &request).await
    } else {
        index_at_its_place(&site).await
    };
    page::vary_by_accept(response)
}

async fn index_of_sources(State(site): State<Site>) -> Response {
    if *site.stage.borrow() == Stage::Starting {
        return starting().into_response();
    }
    index_at_its_place(&site).await
}

/// As long as there are sources.
async fn index_at_its_place(site: &Site) -> Response {
    let own = site.clone();
    let made = site.walks.work(move |_| json(&index::index(&own.engine, &own.base, own.engine.clock().now()))).await;
    made.unwrap_or_else(|undone| undone.problem().into_response())
}

async fn read_source(State(site): State<Site>, Path(segment): Path<String>, RawQuery(query): RawQuery, request: HeaderMap) -> Response {
    match find_in_format(&site, &segment) {
        Ok((source, format)) => read::read(&site, &source, format, query.as_deref(), &request).await.map(axum::body::Body::new),
        Err(problem) => problem.into_response(),
    }
}

async fn history_of_source(State(site): State<Site>, Path(name): Path<String>, RawQuery(query): RawQuery, request: HeaderMap) -> Response {
    let source = match find(&site, &name) {
        Ok(source) => source,
        Err(problem) => return problem.into_response(),
    };
    match history::history(&site, &source, query.as_deref(), &request).await {
        Ok(response) => response.map(axum::body::Body::new),
        Err(problem) => problem.into_response(),
    }
}

async fn refresh_source(State(site): State<Site>, Path(name): Path<String>, RawQuery(query): RawQuery, request: HeaderMap) -> Response {
    match find(&site, &name) {
        Ok(source) => refresh::refresh(&site, &source, query.as_deref(), &request).await.map(axum::body::Body::new),
        Err(problem) => problem.into_response(),
    }
}

async fn status_of_source(State(site): State<Site>, Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    let source = match find(&site, &name) {
        Ok(source) => source,
        Err(problem) => return problem.into_response(),
    };
    match Params::parse(query.as_deref().unwrap_or("")).and_then(|params| params.key(&source.recipe.spec, &[])) {
        Ok(key) => json(&site.engine.status(&site.engine.peek(&source, &key), site.engine.clock().now())),
        Err(problem) => problem.into_response(),
    }
}

async fn stream_of_changes(
    State(site): State<Site>,
    Extension(Peer(peer)): Extension<Peer>,
    RawQuery(query): RawQuery,
    request: HeaderMap,
) -> Response {
    if *site.stage.borrow() == Stage::Starting {
        return starting().into_response();
    }
    stream::stream(&site, peer, query.as_deref().unwrap_or(""), &request).unwrap_or_else(axum::response::IntoResponse::into_response)
}

async fn export_of_store(State(site): State<Site>, method: Method, RawQuery(query): RawQuery, request: HeaderMap) -> Response {
    export::export(&site, &method, query.as_deref().unwrap_or(""), &request)
        .await
        .unwrap_or_else(axum::response::IntoResponse::into_response)
}

async fn health() -> Response {
    json(&json!({ "status": "ok" }))
}

async fn ready(State(site): State<Site>) -> Response {
    match *site.stage.borrow() {
        Stage::Serving => {}
        Stage::Starting => return starting().into_response(),
        Stage::Draining => {
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "the server is shutting down").into_response();
        }
    }
    let engine = site.engine.clone();
    let looked = site.walks.work(move |wanted| index::readiness(&engine, engine.clock().now(), wanted)).await;
    // Whoever is busy is ready.
    json(&looked.unwrap_or_else(|_| Readiness::unseen()))
}

async fn document(State(site): State<Site>, request: HeaderMap) -> Response {
    if *site.stage.borrow() == Stage::Starting {
        return starting().into_response();
    }
    let own = site.clone();
    let made = site.walks.work(move |_| openapi::answer(&own, &request)).await;
    made.unwrap_or_else(|undone| undone.problem().into_response())
}

async fn figures(State(site): State<Site>, request: HeaderMap) -> Response {
    metrics::answer(&site, &request).await
}

async fn nowhere(State(site): State<Site>, request: Request) -> Response {
    if *request.method() == Method::OPTIONS && request.uri().path() == "*" {
        // Asks for the server and not for a route.
        return (StatusCode::NO_CONTENT, [(ALLOW, "GET, HEAD, POST, OPTIONS")]).into_response();
    }
    let path: String = request.uri().path().chars().take(200).collect();
    let routes = json!([
        "/",
        "/sources/{source}",
        "/docs",
        "/api",
        "/api/{source}",
        "/api/{source}/status",
        "/api/{source}/history",
        "/api/{source}/refresh",
        "/api/stream",
        "/admin/export",
        "/health",
        "/ready",
        "/openapi.json",
        "/metrics",
        "/wellspring.js",
        "/demo"
    ]);
    let problem = Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is nothing at `{path}`"));
    problem.with("routes", routes).with("known_sources", json!(known(&site))).into_response()
}

/// What all of these answers share: errors as problems, OPTIONS, who may read from elsewhere.
async fn finish(State(site): State<Site>, request: Request, next: Next) -> Response {
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let reads = !request.uri().path().ends_with("/refresh") && request.uri().path() != EXPORT;
    let mut response = next.run(request).await;
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && response.headers().get(CONTENT_TYPE).is_none() {
        let allow = response.headers().get(ALLOW).and_then(|a| a.to_str().ok()).unwrap_or("").replace(',', ", ");
        response = if method == Method::OPTIONS {
            let mut options = StatusCode::NO_CONTENT.into_response();
            if let Ok(allow) = HeaderValue::from_str(&allow) {
                if reads {
                    options.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, allow.clone());
                    options.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("If-None-Match"));
                }
                options.headers_mut().insert(ALLOW, allow);
            }
            options
        } else {
            Problem::method_not_allowed(&allow, format!("this route takes {allow}")).into_response()
        };
    }
    let is_ours = |media_type: &HeaderValue| *media_type == PROBLEM_JSON || *media_type == page::HTML;
    if response.status().is_client_error() && !response.headers().get(CONTENT_TYPE).is_some_and(is_ours) {
        // Refused before a handler saw it: a path that is no UTF-8.
        response = Problem::new(response.status(), "bad_request", "the request's path or query cannot be read").into_response();
    }
    if reads {
        site.cors.apply(headers.get(ORIGIN).map(HeaderValue::as_bytes), response.headers_mut());
    }
    // What waits to be coded is held too.
    let response = Coder::finish(&site.places, &method, &headers, site.afloat.weigh(response)).await;
    site.afloat.weigh(response)
}

/// An answer that tells of this moment.
pub(super) fn json(value: &impl Serialize) -> Response {
    let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| Value::Null.to_string());
    let mut response = (StatusCode::OK, text + "\n").into_response();
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(CACHE_CONTROL, Caching::Never.header());
    response
}

fn find(site: &Site, name: &str) -> Result<Arc<Source>, Box<Problem>> {
    if *site.stage.borrow() == Stage::Starting {
        return Err(Box::new(starting()));
    }
    let catalog = site.engine.catalog();
    catalog.source(name).cloned().ok_or_else(|| Box::new(unknown(site, name)))
}

/// 404 for a source that is not configured.
pub(super) fn unknown(site: &Site, name: &str) -> Problem {
    let known = known(site);
    Problem::unknown_source(name, &known.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The source and the format that `cinema.ndjson` asks for.
fn find_in_format(site: &Site, segment: &str) -> Result<(Arc<Source>, Format), Box<Problem>> {
    if let Some((name, format)) = Format::split(segment) {
        return Ok((find(site, name)?, format));
    }
    let (name, extension) = segment.split_once('.').unwrap_or((segment, ""));
    let source = find(site, name)?;
    let formats: Vec<&str> = Format::ALL.iter().map(|(extension, _)| *extension).collect();
    let hint = nearest(extension, formats.iter().copied()).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
    let detail = format!("`{}` is no format of `{}`: there are {}{hint}", shown(extension), source.name(), formats.join(", "));
    Err(Box::new(Problem::new(StatusCode::NOT_FOUND, "unknown_format", detail).with("formats", json!(formats))))
}

fn known(site: &Site) -> Vec<String> {
    site.engine.catalog().sources().map(|s| s.name().to_owned()).collect()
}

pub(super) fn starting() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "starting", "the server is starting").retry_after(std::time::Duration::from_secs(1))
}
