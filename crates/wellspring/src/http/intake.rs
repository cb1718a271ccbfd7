//! What every request has to be like, whatever it asks for.

use http::header::{CONNECTION, HOST, HeaderMap, TRANSFER_ENCODING};
use http::{Method, Request, StatusCode, Version};

use super::problem::Problem;

/// Refuses what no route takes. For a plain hit this is two look-ups.
pub(super) fn refuse<B>(request: &Request<B>) -> Option<Problem> {
    let headers = request.headers();
    if headers.contains_key(TRANSFER_ENCODING) {
        // No route has a use for a body, and where one ends is what smugglers argue about.
        let detail = "no request here has a body in a transfer coding: leave it out, or say its `Content-Length`";
        return Some(closing(Problem::new(StatusCode::LENGTH_REQUIRED, "length_required", detail)));
    }
    if request.version() == Version::HTTP_11 && !names_one_host(headers) {
        let detail = "an HTTP/1.1 request names one `Host`";
        return Some(closing(Problem::new(StatusCode::BAD_REQUEST, "bad_host", detail)));
    }
    // RFC 9112 §3.2.2: the target's authority would count in place of `Host`. Whoever names two means to be taken for another.
    let host = headers.get(HOST).map(http::HeaderValue::as_bytes);
    if request.uri().authority().is_some_and(|asked| host.is_none_or(|host| !host.eq_ignore_ascii_case(asked.as_str().as_bytes())))
        && *request.method() != Method::CONNECT
    {
        let detail = "the target names another host than the `Host` header";
        return Some(closing(Problem::new(StatusCode::BAD_REQUEST, "bad_host", detail)));
    }
    if *request.method() == Method::CONNECT {
        let detail = "this is no proxy: `CONNECT` is not known here";
        return Some(closing(Problem::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", detail)));
    }
    None
}

fn closing(problem: Problem) -> Problem {
    problem.header(CONNECTION, "close")
}

/// RFC 9112 §3.2.
fn names_one_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    matches!((hosts.next(), hosts.next()), (Some(host), None) if is_host(host.as_bytes()))
}

/// True of what may stand in `Host`.
pub(super) fn is_host(host: &[u8]) -> bool {
    !host.iter().any(|b| matches!(b, b' ' | b'\t' | b'/' | b'?' | b'#' | b'@' | b',' | b'\\') || !b.is_ascii())
}
