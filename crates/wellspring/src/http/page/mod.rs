//! Pages for people: every source at a glance, one source in full, a reference. Rendered here, without a framework; looking at them
//! causes no fetch.
//!
//! Whatever came from an upstream is text, escaped by the templates (`maud` escapes all that is not marked otherwise, at compile
//! time); its addresses become links and pictures only where they are of the web. All links are relative, so that the pages work
//! below any path.

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use jiff::Timestamp;
use maud::{Markup, html};
use url::Url;
use wellspring_core::moment::Moment;

use super::headers::{Caching, lines};
use super::weighted::{Member, members};
use super::{Site, Stage};

mod attempts;
mod card;
mod docs;
mod frame;
mod glance;
mod home;
mod past;
mod rows;
mod source;
mod spark;
mod words;

/// The media type of pages.
pub(super) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// What a page may load and do: its own script and style, pictures from wherever rows point, forms to this server. Nothing inline,
/// nothing framed.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: http: data:; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
/// Other sites hear nothing; our own forms must say where they stand, or they could not refresh.
const REFERRER: HeaderValue = HeaderValue::from_static("same-origin");

/// Who looks, at what moment.
pub(super) struct Viewer<'a> {
    pub(super) site: &'a Site,
    pub(super) now: Moment,
    /// From the page to the root: empty, `../`, …. Where the server is told its path, that.
    pub(super) up: String,
    /// The server's name as the viewer knows it.
    host: Option<&'a str>,
}

impl<'a> Viewer<'a> {
    fn new(site: &'a Site, request: &'a HeaderMap, up: &'static str) -> Self {
        let host = request.get(HOST).and_then(|host| host.to_str().ok());
        let up = if site.base.as_str().is_empty() { up.to_owned() } else { site.base.link("/") };
        Self { site, now: site.engine.clock().now(), up, host }
    }

    /// The address of the root.
    pub(super) fn root(&self) -> &str {
        if self.up.is_empty() { "./" } else { &self.up }
    }

    /// A moment in the server's zone.
    pub(super) fn told(&self, at: Timestamp) -> String {
        at.to_zoned(self.site.renderer.zone().clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    }

    /// A picture's address that may be loaded. None of this server's own: an upstream that names one would have every viewer ask
    /// for it, in the name of this page.
    pub(super) fn picture(&self, address: &str) -> Option<String> {
        let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        let authority = format!("{}{port}", url.host_str()?);
        self.host.is_none_or(|host| !authority.eq_ignore_ascii_case(host)).then(|| url.into())
    }
}

/// The routes of pages, but for `/`, which is the index of programs too.
pub(super) fn routes(router: Router<Site>) -> Router<Site> {
    router.route("/sources/{name}", get(source_page)).route("/sources/{name}/card", get(card_of_source)).route("/docs", get(reference))
}

/// `GET /` for people.
pub(super) fn home(site: &Site, query: Option<&str>, request: &HeaderMap) -> Response {
    let viewer = Viewer::new(site, request, "");
    page(&home::home(&viewer, query.unwrap_or("")))
}

async fn source_page(State(site): State<Site>, Path(name): Path<String>, RawQuery(query): RawQuery, request: HeaderMap) -> Response {
    if let Some(starting) = starting(&site) {
        return starting;
    }
    let viewer = Viewer::new(&site, &request, "../");
    let source = site.engine.catalog().source(&name).cloned();
    let Some(source) = source else { return not_found(&viewer, &name) };
    let (status, markup) = source::source(&viewer, &source, query.as_deref().unwrap_or("")).await;
    let mut response = page(&markup);
    *response.status_mut() = status;
    response
}

/// The reference.
async fn reference(State(site): State<Site>, RawQuery(query): RawQuery, request: HeaderMap) -> Response {
    if let Some(starting) = starting(&site) {
        return starting;
    }
    let viewer = Viewer::new(&site, &request, "");
    page(&docs::docs(&viewer, query.as_deref().unwrap_or("")))
}

/// 404 for people.
fn not_found(viewer: &Viewer<'_>, name: &str) -> Response {
    let problem = super::router::unknown(viewer.site, name);
    let content = html! {
        h1 { "There is no such source" }
        p.lead { (problem.detail()) "." }
        p { a href=(viewer.root()) { "All sources" } }
    };
    let mut response = page(&frame::frame(viewer, frame::Part::Sources, "Not found", &content));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

async fn card_of_source(State(site): State<Site>, Path(name): Path<String>, RawQuery(_): RawQuery, request: HeaderMap) -> Response {
    if let Some(starting) = starting(&site) {
        return starting;
    }
    // Stands in the page at the root, whose links it has.
    let viewer = Viewer::new(&site, &request, "");
    match site.engine.catalog().source(&name) {
        Some(source) => page(&card::card(&viewer, source)),
        None => super::router::unknown(&site, &name).into_response(),
    }
}

fn starting(site: &Site) -> Option<Response> {
    (*site.stage.borrow() == Stage::Starting).then(|| super::router::starting().into_response())
}

/// True where a client likes a page better than JSON.
pub(super) fn likes_html(request: &HeaderMap) -> bool {
    let (mut html, mut json) = (0, None);
    for Member { name, weight, .. } in members(lines(request, ACCEPT)) {
        match name.to_ascii_lowercase().as_slice() {
            b"text/html" | b"application/xhtml+xml" => html = html.max(weight),
            b"application/json" => json = Some(weight),
            _ => {}
        }
    }
    // Whoever takes anything, as programs do, has not asked for a page.
    html > 0 && json.is_none_or(|json| html >= json)
}

/// A page, or a part of one.
fn page(markup: &Markup) -> Response {
    let mut response = (StatusCode::OK, markup.0.clone()).into_response();
    dress(&mut response);
    response
}

/// What keeps a browser from taking a page for something else, and from running anything that is not ours.
fn dress(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HTML);
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, REFERRER);
    headers.insert(CACHE_CONTROL, Caching::Never.header());
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
}

/// Says that an answer differs by what its client takes.
pub(super) fn vary_by_accept(mut response: Response) -> Response {
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}
