//! Files that are part of the program: what browsers load. Each stands in one table with its route; all are answered alike.

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use wellspring_core::snapshot::Digest;

use super::headers::{self, Caching};

/// One file and where it is found.
#[derive(Clone, Copy, Debug)]
struct Asset {
    path: &'static str,
    kind: Kind,
    text: &'static str,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Page,
    Script,
    /// Types of a script. As a script's own text: no browser reads it, and editors show it.
    Types,
    Style,
    Picture,
}

/// All of them.
const ASSETS: &[Asset] = &[
    Asset { path: "/wellspring.js", kind: Kind::Script, text: include_str!("live/wellspring.js") },
    Asset { path: "/wellspring.d.ts", kind: Kind::Types, text: include_str!("live/wellspring.d.ts") },
    Asset { path: "/demo", kind: Kind::Page, text: include_str!("live/demo.html") },
    Asset { path: "/assets/demo.js", kind: Kind::Script, text: include_str!("live/demo.js") },
    Asset { path: "/assets/demo.css", kind: Kind::Style, text: include_str!("live/demo.css") },
    Asset { path: "/assets/page.js", kind: Kind::Script, text: include_str!("page/page.js") },
    Asset { path: "/assets/page.css", kind: Kind::Style, text: include_str!("page/page.css") },
    Asset { path: "/assets/icon.svg", kind: Kind::Picture, text: include_str!("live/icon.svg") },
];

/// What a page of ours may load: its own files, and pictures from wherever a source's rows point. Nothing inline, nothing
/// framed, nothing sent elsewhere, so that scraped text which slipped through as markup would still run nothing.
pub(super) const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src * data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

impl Kind {
    const fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Page => "text/html; charset=utf-8",
            Self::Script => "text/javascript; charset=utf-8",
            Self::Types => "text/plain; charset=utf-8",
            Self::Style => "text/css; charset=utf-8",
            Self::Picture => "image/svg+xml",
        })
    }
}

/// A route for each.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(mut router: Router<S>) -> Router<S> {
    for asset in ASSETS {
        let etag = etag(asset.text.as_bytes());
        let answer = move |request: HeaderMap| async move { answer(asset, &etag, &request) };
        router = router.route(asset.path, get(answer));
    }
    router
}

/// A tag by which a text is known.
pub(super) fn etag(text: &[u8]) -> HeaderValue {
    HeaderValue::try_from(format!("\"{}\"", &Digest::of(text).to_string()[..16])).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// What keeps a browser from taking a page of ours for something else, and from showing it in another's frame.
pub(super) fn guard(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

fn answer(asset: &Asset, etag: &HeaderValue, request: &HeaderMap) -> Response {
    let known = headers::matches(request, etag.as_bytes());
    let text = if known { "" } else { asset.text };
    let mut response = Bytes::from_static(text.as_bytes()).into_response();
    let headers = response.headers_mut();
    headers.insert(ETAG, etag.clone());
    headers.insert(CACHE_CONTROL, Caching::Revalidate.header());
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if matches!(asset.kind, Kind::Page | Kind::Picture) {
        // A picture too: opened by itself it is a document of this origin.
        guard(headers);
    }
    if known {
        headers.remove(CONTENT_TYPE);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        headers.insert(CONTENT_TYPE, asset.kind.media_type());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_nothing_that_their_policy_forbids() {
        for asset in ASSETS.iter().filter(|asset| asset.kind == Kind::Page) {
            for forbidden in ["<style", " style=", " onclick=", " onload=", "javascript:", "<iframe", "src=\"http"] {
                assert!(!asset.text.contains(forbidden), "{}: {forbidden}", asset.path);
            }
            for script in asset.text.split("<script").skip(1) {
                let tag = script.split('>').next().unwrap_or_default();
                assert!(tag.contains(" src=\"") && script[tag.len()..].starts_with("></script>"), "{}: <script{tag}>", asset.path);
            }
        }
    }
}
