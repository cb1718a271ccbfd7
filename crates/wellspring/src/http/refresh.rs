//! `POST /api/{source}/refresh`: forces a refresh, or joins the one that runs, and answers what came of it.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::json;

use super::admin::FORCED;
use super::body::Body;
use super::problem::Problem;
use super::query::Params;
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
    if let Err(problem) = site.admission.load().judge(request, FORCED) {
        return read::made(*problem);
    }
    let (cell, patience) = match asked(site, source, query) {
        Ok(asked) => asked,
        Err(problem) => return read::made(*problem),
    };
    let forced = site.engine.force(&cell, patience).await;
    let now = site.engine.clock().mono();
    let view = site.engine.view(&cell, now);
    match (forced, view) {
        (Forced::Refreshed, Some(view)) => read::told(site, &cell, &view, &view.facts, Circumstances { waited: true, forced: true }, now),
        (Forced::Failed(failure), Some(view)) => {
            // Refused or not, its asker reads: what is stale is refreshed behind the answer, which says so.
            if view.facts.horizon.freshness(now).wants_refresh() {
                site.engine.nudge(&cell, now);
            }
            let facts = with_failure(&view.facts, failure);
            read::told(site, &cell, &view, &facts, Circumstances::default(), now)
        }
        (Forced::Failed(failure), None) => {
            let again = failure.retry_after.or_else(|| cell.lock().state.next_attempt().map(|at| now.until(at)));
            read::made(read::no_snapshot(&cell, Some(&failure), again.unwrap_or(Duration::from_secs(1))))
        }
        (Forced::StillRefreshing, Some(view)) => {
            let mut response = read::told(site, &cell, &view, &view.facts, Circumstances::default(), now);
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
    let (params, wait) = Params::with_wait(query.unwrap_or(""))?;
    let longest = spec.policy.deadline + MARGIN;
    let patience = wait.map_or(longest, |wait| wait.min(longest));
    let key = params.key(spec, &["wait"])?;
    let cell = site.engine.cell(source, &key).map_err(|Crowded| Box::new(read::crowded(source)))?;
    Ok((cell, patience))
}
