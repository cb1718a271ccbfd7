//! `POST /api/{source}/refresh`: forces a refresh, or joins the one that runs, and answers what came of it.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::json;
use wellspring_core::period::parse_period;

use super::body::Body;
use super::problem::Problem;
use super::render::{Circumstances, with_failure};
use super::{Site, read};
use crate::engine::Forced;
use crate::engine::catalog::{Crowded, Source};
use crate::engine::cell::Cell;

/// How much longer than the refresh's own deadline its asker waits, so that it hears of the deadline.
const MARGIN: Duration = Duration::from_secs(5);

/// Judges, forces, waits and answers.
pub async fn refresh(site: &Site, source: &Arc<Source>, query: Option<&str>, request: &HeaderMap) -> Response<Body> {
    let spec = &source.recipe.spec;
    if !spec.manual_refresh {
        let detail = format!("`{}` does not allow forced refreshes (`manual_refresh = false`)", spec.name);
        return read::made(Problem::method_not_allowed("", detail));
    }
    if let Err(problem) = site.admission.load().judge(request) {
        return read::made(*problem);
    }
    let (cell, patience) = match asked(site, source, query) {
        Ok(asked) => asked,
        Err(problem) => return read::made(*problem),
    };
    // A condition is for reads: what was forced is told whole.
    let request = &HeaderMap::new();
    let forced = site.engine.force(&cell, patience).await;
    let now = site.engine.clock().mono();
    let view = site.engine.view(&cell, now);
    match (forced, view) {
        (Forced::Refreshed, Some(view)) => read::fetched(site, &cell, &view, Circumstances { waited: true, forced: true }, request),
        (Forced::Failed(failure), Some(view)) => {
            // Refused or not, its asker reads: what is stale is refreshed behind the answer, which says so.
            if view.facts.horizon.freshness(now).wants_refresh() {
                site.engine.nudge(&cell, now);
            }
            let facts = with_failure(&view.facts, failure);
            read::told(site, &cell, &view, &facts, Circumstances::default(), now, request)
        }
        (Forced::Failed(failure), None) => {
            let again = failure.retry_after.or_else(|| cell.lock().state.next_attempt().map(|at| now.until(at)));
            read::made(read::no_snapshot(&cell, Some(&failure), again.unwrap_or(Duration::from_secs(1))))
        }
        (Forced::StillRefreshing, Some(view)) => {
            let mut response = read::told(site, &cell, &view, &view.facts, Circumstances::default(), now, request);
            accepted(&mut response);
            response
        }
        (Forced::StillRefreshing | Forced::Refreshed, None) => {
            let body = json!({ &*spec.items_key: [], "refreshing_in_background": true });
            let mut response = super::router::json(&body).map(Body::Made);
            accepted(&mut response);
            response
        }
    }
}

fn accepted(response: &mut Response<Body>) {
    *response.status_mut() = StatusCode::ACCEPTED;
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
}

/// The key and the patience that a query asks for.
fn asked(site: &Site, source: &Arc<Source>, query: Option<&str>) -> Result<(Arc<Cell>, Duration), Box<Problem>> {
    let spec = &source.recipe.spec;
    let mut patience = spec.policy.deadline + MARGIN;
    let mut params = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or("").as_bytes()) {
        if name == "wait" {
            let wait = if value == "0" { Ok(Duration::ZERO) } else { parse_period(&value) };
            patience = patience.min(wait.map_err(|bad| {
                Box::new(Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", format!("`wait`: {bad}")).with("parameter", json!("wait")))
            })?);
        } else {
            params.push((name, value));
        }
    }
    let key = spec.key(params.iter().map(|(name, value)| (&**name, &**value))).map_err(|bad| Box::new(read::bad_params(&bad)))?;
    let cell = site.engine.cell(source, &key).map_err(|Crowded| Box::new(read::crowded(source)))?;
    Ok((cell, patience))
}
