//! `GET /api/{source}/history` and `?as_of=`: what was, from the store. Neither causes a fetch.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, LAST_MODIFIED, VARY};
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use wellspring_core::key::Key;
use wellspring_core::snapshot::Digest;

use super::body::{Body, Frames};
use super::headers::{Caching, JSON};
use super::problem::Problem;
use super::query::Params;
use super::represent::{Asked, judge_fields, represent};
use super::{Site, headers, render};
use crate::engine::catalog::Source;
use crate::engine::hot::Content;
use crate::store::{Revision, StoreError};

/// The body of the history.
#[derive(Debug, Serialize)]
struct History<'a> {
    source: &'a str,
    key: &'a str,
    revisions: Vec<Line>,
}

/// One revision.
#[derive(Debug, Serialize)]
struct Line {
    revision: u64,
    made_at: String,
    items: u32,
    bytes: u64,
    digest: String,
    href: String,
}

/// The revisions of a key that are kept, newest first.
///
/// # Errors
/// A 400 for a query that makes no key, a 503 where the store cannot be read.
pub async fn history(site: &Site, source: &Arc<Source>, query: Option<&str>, request: &HeaderMap) -> Result<Response<Body>, Box<Problem>> {
    let key = Params::parse(query.unwrap_or(""))?.key(&source.recipe.spec, &[])?;
    let revisions = site.engine.revisions(&key).await.map_err(|e| unreadable(&e))?;
    let newest = revisions.first().map(|line| render::http_date(line.made_at));
    let lines = revisions.iter().map(|revision| line(site, &key, revision)).collect();
    let body = History { source: source.name(), key: key.as_str(), revisions: lines };
    let text = serde_json::to_string_pretty(&body).unwrap_or_default() + "\n";
    let etag = format!("\"{}\"", &Digest::of(text.as_bytes()).to_string()[..16]);
    let etag = HeaderValue::try_from(etag).unwrap_or_else(|_| HeaderValue::from_static("\"0\""));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(ETAG, etag.clone());
    headers.extend(newest.map(|date| (LAST_MODIFIED, date)));
    headers.insert(CACHE_CONTROL, Caching::Revalidate.header());
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    Ok(headers::answer(Frames::new(text.into(), Bytes::new(), Bytes::new()), etag.as_bytes(), headers, request))
}

/// The data as of a moment that has passed.
pub(super) async fn as_of(
    site: &Site,
    source: &Arc<Source>,
    key: &Key,
    at: Timestamp,
    asked: &Asked<'_>,
) -> Result<Response<Body>, Box<Problem>> {
    let spec = &source.recipe.spec;
    let Some(snapshot) = site.engine.as_of(key, at).await.map_err(|e| unreadable(&e))? else {
        let oldest = site.engine.revisions(key).await.map_err(|e| unreadable(&e))?.last().map(|line| line.made_at);
        return Err(Box::new(out_of_reach(site, key, oldest)));
    };
    let content = Content::of(&snapshot);
    judge_fields(spec, asked.selection, &content).await?;
    let tail = site.renderer.past(spec, &content, at);
    let headers = headers::of_past(spec.http_cache, spec.policy.period(), &tail);
    represent(site, &source.recipe, key, &content, &tail, headers, asked).await
}

fn line(site: &Site, key: &Key, revision: &Revision) -> Line {
    let (name, params) = key.as_str().split_once('?').map_or((key.as_str(), None), |(name, params)| (name, Some(params)));
    let mut href = site.base.link(&format!("/api/{name}?"));
    if let Some(params) = params {
        let _infallible = write!(href, "{params}&");
    }
    let _infallible = write!(href, "as_of={}", revision.made_at);
    Line {
        revision: revision.revision,
        made_at: site.renderer.moment(revision.made_at),
        items: revision.count,
        bytes: revision.bytes,
        digest: revision.digest.to_string(),
        href,
    }
}

/// 404: the history begins later, or there is none.
fn out_of_reach(site: &Site, key: &Key, oldest: Option<Timestamp>) -> Problem {
    let Some(oldest) = oldest else {
        return Problem::new(StatusCode::NOT_FOUND, "no_such_revision", format!("nothing is held of `{key}` yet"));
    };
    let told = site.renderer.moment(oldest);
    let detail = format!("the history of `{key}` does not reach that far: the oldest revision that is kept is of {told}");
    Problem::new(StatusCode::NOT_FOUND, "no_such_revision", detail).with("oldest", json!(told))
}

fn unreadable(error: &StoreError) -> Box<Problem> {
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store_failed", format!("the history cannot be read now: {error}"));
    Box::new(problem.retry_after(std::time::Duration::from_secs(5)))
}
