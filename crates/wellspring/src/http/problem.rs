//! Errors as RFC 9457 problem details, always.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::headers::Caching;

/// The media type of every error.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// One problem: a status, a stable word, a sentence, and what helps.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    extra: Map<String, Value>,
    headers: HeaderMap,
}

impl Problem {
    /// A problem with a stable word and a sentence for people.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), extra: Map::new(), headers: HeaderMap::new() }
    }

    /// 404 for a source that is not configured.
    pub fn unknown_source(name: &str, known: &[&str]) -> Self {
        let nearest = wellspring_core::diagnostic::nearest(name, known.iter().copied());
        let hint = nearest.map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
        let shown: String = name.chars().take(64).collect();
        Self::new(StatusCode::NOT_FOUND, "unknown_source", format!("no source is called `{shown}`{hint}"))
            .with("known_sources", json!(known))
    }

    /// 405.
    pub fn method_not_allowed(allow: &str, detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
        problem.header(ALLOW, allow)
    }

    /// 401 with a challenge.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).header(WWW_AUTHENTICATE, "Bearer realm=\"wellspring\"")
    }

    /// The sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.extra.insert(name.to_owned(), value);
        self
    }

    /// Says when to ask again, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(RETRY_AFTER, &seconds.max(1).to_string())
    }

    /// The whole answer as it stands on the wire, after which the connection is closed. `date` is a line of that name.
    pub(super) fn closing(&self, date: Option<&str>) -> Vec<u8> {
        let (status, body) = (self.status, self.body());
        let own = self.headers.iter().filter_map(|(name, value)| Some(format!("{name}: {}\r\n", value.to_str().ok()?)));
        let date = date.map(|date| format!("{date}\r\n"));
        format!(
            "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\nconnection: close\r\ncontent-length: {}\r\n{}\r\n{body}",
            status.as_u16(),
            status.canonical_reason().unwrap_or(""),
            body.len(),
            own.chain(date).collect::<String>(),
        )
        .into_bytes()
    }

    /// The body.
    pub fn body(&self) -> String {
        let mut body = Map::new();
        body.insert("type".to_owned(), json!(format!("urn:wellspring:problem:{}", self.code)));
        body.insert("title".to_owned(), json!(self.status.canonical_reason().unwrap_or("Error")));
        body.insert("status".to_owned(), json!(self.status.as_u16()));
        body.insert("detail".to_owned(), json!(self.detail));
        body.extend(self.extra.clone());
        Value::Object(body).to_string()
    }

    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body()).into_response();
        response.headers_mut().extend(self.headers);
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
        response.headers_mut().insert(CACHE_CONTROL, Caching::Never.header());
        response
    }
}

impl IntoResponse for Box<Problem> {
    fn into_response(self) -> Response {
        Problem::into_response(*self)
    }
}
