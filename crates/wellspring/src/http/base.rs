//! The path that a proxy puts before ours, as in `/wellspring/api/cinema`.
//!
//! Requests are answered with it and without it, for some proxies take it off and others don't, and a check of health comes past them
//! all. What is answered names it in every link.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderValue, LOCATION};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri};

use super::body::{Body, Frames};
use super::headers::Caching;

/// Nothing, or a path that begins with a slash and ends without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(Option<Arc<str>>);

impl BasePath {
    /// This path; a last slash is not counted, and a path of nothing is none.
    pub fn new(path: &str) -> Self {
        let path = path.trim_end_matches('/');
        Self((!path.is_empty()).then(|| path.into()))
    }

    /// As it stands before every path; empty where there is none.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("")
    }

    /// A path of ours (`/api/cinema`) as a client asks for it.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.as_str())
    }

    /// The target with the path taken off, where what is left is one as it stands: that of every source is.
    pub fn rest_of<'a>(&self, target: &'a str) -> &'a str {
        let Some(base) = &self.0 else { return target };
        target.strip_prefix(&**base).filter(|rest| rest.starts_with('/')).unwrap_or(target)
    }

    /// Where the path itself is asked for without its last slash: the answer that leads there, for what the page there names stands
    /// beside that slash.
    pub(super) fn moved<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let base = self.0.as_deref()?;
        if request.uri().path() != base || !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let place = match request.uri().query() {
            Some(query) => format!("{base}/?{query}"),
            None => format!("{base}/"),
        };
        let mut response = Response::new(Body::Frames(Frames::default()));
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        response.headers_mut().insert(LOCATION, HeaderValue::try_from(place).ok()?);
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        // Not for good: a server may be told another path.
        response.headers_mut().insert(CACHE_CONTROL, Caching::Never.header());
        Some(response)
    }

    /// The request with the path taken off its target, where it is there. Without a base path this costs a comparison.
    pub fn take_off<B>(&self, mut request: Request<B>) -> Request<B> {
        let Some(base) = &self.0 else { return request };
        let target = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
        let Some(rest) = target.strip_prefix(&**base) else { return request };
        let shorter = match rest.chars().next() {
            Some('/') => rest.to_owned(),
            None | Some('?') => format!("/{rest}"),
            // Another path that merely begins alike.
            Some(_) => return request,
        };
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = PathAndQuery::try_from(shorter).ok();
        if let Ok(shorter) = Uri::from_parts(parts) {
            *request.uri_mut() = shorter;
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_taken_off_where_it_is_there() {
        let check = |base: &str, target: &str, expected: &str| {
            let request = Request::builder().uri(target).body(()).unwrap();
            assert_eq!(BasePath::new(base).take_off(request).uri().to_string(), expected, "{base} {target}");
        };
        check("/wellspring", "/wellspring/api/cinema?limit=2", "/api/cinema?limit=2");
        check("/wellspring", "/wellspring", "/");
        check("/wellspring", "/wellspring/", "/");
        check("/wellspring", "/wellspring?a=b", "/?a=b");
        check("/a/b", "/a/b/health", "/health");
        check("/wellspring", "http://wells.example/wellspring/api", "http://wells.example/api");
        // Whoever has taken it off already.
        check("/wellspring", "/api/cinema", "/api/cinema");
        check("/wellspring", "/wellsprings/api", "/wellsprings/api");
        check("/wellspring", "/api?x=/wellspring/", "/api?x=/wellspring/");
        // Once, not as often as it is there.
        check("/wellspring", "/wellspring/wellspring", "/wellspring");
        check("", "/wellspring/api", "/wellspring/api");
        check("/", "/api", "/api");
        check("/wellspring", "*", "*");
    }

    #[test]
    fn a_target_of_a_source_is_cut() {
        let base = BasePath::new("/wellspring");
        let rests = ["/wellspring/api/a?b=c", "/wellspringer/api", "/wellspring", "/api/a"].map(|target| base.rest_of(target));
        assert_eq!(rests, ["/api/a?b=c", "/wellspringer/api", "/wellspring", "/api/a"]);
        assert_eq!(BasePath::default().rest_of("/api/a"), "/api/a");
    }

    #[test]
    fn links_carry_it() {
        assert_eq!(BasePath::new("/wellspring/").link("/api/cinema"), "/wellspring/api/cinema");
        assert_eq!(BasePath::default().link("/api/cinema"), "/api/cinema");
    }
}
