//! Plain HTTP: one request, at most five redirects, each hop judged, all of it under one deadline.

use std::fmt;

use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE, COOKIE, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method};
use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Client;
use url::Url;
use wellspring_core::snapshot::Validator;
use wellspring_core::template::Filled;

use super::bounded::{BodyError, read_body};
use super::guard::{Guard, Reason};
use super::{FetchError, Fetched, Fetcher, Request, Response, names_a_secret, shown_address, shown_host};
use blame::blame;
pub use client::BadOptions;
pub(super) use client::CONNECT_WITHIN;
use client::Clients;

mod answer;
pub(super) mod blame;
mod client;

/// Who asks, unless the config says otherwise.
pub const USER_AGENT: &str = concat!("wellspring/", env!("CARGO_PKG_VERSION"), " (+self-hosted; refreshes a cached copy)");

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;

/// What a fetcher is made with.
#[derive(Clone, Debug)]
pub struct Options {
    /// `[fetch] allow_private`.
    pub allow_private: bool,
    /// The `User-Agent` of every request that sets none itself.
    pub user_agent: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { allow_private: false, user_agent: USER_AGENT.to_owned() }
    }
}

/// Fetches by plain HTTP, HTTP/1.1 or (over TLS) HTTP/2. No cookies but those of the request's jar,
/// no referer, no proxy but the request's own.
pub struct HttpFetcher {
    guard: Guard,
    clients: Clients,
}

impl fmt::Debug for HttpFetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFetcher").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl HttpFetcher {
    /// Reads the system's root certificates and makes the client.
    ///
    /// # Errors
    /// [`BadOptions`] for a user agent that is no header value.
    pub fn new(options: &Options) -> Result<Self, BadOptions> {
        Self::guarded(Guard::new(options.allow_private), &options.user_agent)
    }

    /// With a guard made elsewhere.
    ///
    /// # Errors
    /// As [`HttpFetcher::new`].
    #[doc(hidden)]
    pub fn guarded(guard: Guard, user_agent: &str) -> Result<Self, BadOptions> {
        Ok(Self { clients: Clients::new(guard.clone(), user_agent)?, guard })
    }
}

#[async_trait]
impl Fetcher for HttpFetcher {
    async fn fetch(&self, request: &Request) -> Result<Fetched, FetchError> {
        let route = Route::of(request)?;
        let within = request.within;
        let timeout = || FetchError::Timeout { host: route.host(&route.origin), within };
        tokio::time::timeout(within, self.follow(&route)).await.unwrap_or_else(|_| Err(timeout()))
    }
}

impl HttpFetcher {
    async fn follow(&self, route: &Route<'_>) -> Result<Fetched, FetchError> {
        let client = match &route.proxy {
            Some(proxy) => self.clients.through(&proxy.url).map_err(|e| blame(e, &proxy.shown, None))?,
            None => self.clients.direct(),
        };
        let mut hop = Hop::first(route);
        loop {
            self.judge(route, &hop)?;
            let response = hop.send(route, &client).await?;
            if let Some(jar) = &route.request.jar {
                jar.keep(&hop.url, response.headers());
            }
            if !answer::is_redirect(response.status()) {
                return finish(route, &hop, response).await;
            }
            hop = hop.next(route, &response)?;
        }
    }

    fn judge(&self, route: &Route<'_>, hop: &Hop) -> Result<(), FetchError> {
        self.guard.judge_url(&hop.url).map_err(|reason| match reason {
            Reason::Scheme if hop.redirects == 0 => FetchError::BadAddress(route.request.url.to_string()),
            Reason::Scheme => FetchError::BadRedirect {
                host: route.host(&route.origin),
                reason: format!("it redirects to a {} address", hop.url.scheme()),
            },
            reason => FetchError::Refused { address: route.host(&hop.url), reason: format!("it is {reason}") },
        })
    }
}

/// A request with its addresses read.
struct Route<'a> {
    request: &'a Request,
    origin: Url,
    headers: Vec<Header>,
    proxy: Option<Proxy>,
}

struct Header {
    name: HeaderName,
    value: HeaderValue,
    /// Goes to the origin only.
    secret: bool,
}

struct Proxy {
    url: Url,
    shown: String,
}

impl<'a> Route<'a> {
    fn of(request: &'a Request) -> Result<Self, FetchError> {
        let bad = |filled: &Filled| FetchError::BadAddress(filled.to_string());
        let mut origin = Url::parse(request.url.expose()).map_err(|_| bad(&request.url))?;
        origin.set_fragment(None);
        let proxy = match &request.proxy {
            None => None,
            Some(filled) => {
                let url =
                    Url::parse(filled.expose()).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(|| bad(filled))?;
                Some(Proxy { shown: shown_host(&url, filled), url })
            }
        };
        let mut route = Self { request, origin, headers: Vec::new(), proxy };
        for (name, filled) in &request.headers {
            let mut value = HeaderValue::from_str(filled.expose()).map_err(|_| FetchError::Refused {
                address: route.host(&route.origin),
                reason: format!("its header `{name}` holds characters that no header may hold"),
            })?;
            let secret = filled.is_secret() || names_a_secret(name);
            value.set_sensitive(secret);
            route.headers.push(Header { name: name.clone(), value, secret });
        }
        Ok(route)
    }

    /// A host as it may be shown.
    fn host(&self, url: &Url) -> String {
        shown_host(url, &self.request.url)
    }

    /// What the validators were made for: this very origin, and reading.
    fn may_ask(&self, hop: &Hop) -> bool {
        same_origin(&self.origin, &hop.url) && matches!(hop.method, Method::GET | Method::HEAD) && !self.request.validator.is_empty()
    }
}

/// One request on the way.
struct Hop {
    url: Url,
    method: Method,
    body: Option<Bytes>,
    redirects: usize,
}

impl Hop {
    fn first(route: &Route<'_>) -> Self {
        Self { url: route.origin.clone(), method: route.request.method.clone(), body: route.request.body.clone(), redirects: 0 }
    }

    async fn send(&self, route: &Route<'_>, client: &Client) -> Result<reqwest::Response, FetchError> {
        let mut request = client.request(self.method.clone(), self.url.clone()).headers(self.headers(route));
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        request.send().await.map_err(|error| self.blame(route, error))
    }

    fn headers(&self, route: &Route<'_>) -> HeaderMap {
        let home = same_origin(&route.origin, &self.url);
        let mut headers = HeaderMap::new();
        for header in &route.headers {
            let describes_the_body = header.name.as_str().starts_with("content-");
            if (home || !header.secret) && (self.body.is_some() || !describes_the_body) && header.name != COOKIE {
                headers.append(header.name.clone(), header.value.clone());
            }
        }
        if let Some(cookies) = self.cookies(route, home) {
            headers.insert(COOKIE, cookies);
        }
        if route.may_ask(self) {
            let validator = &route.request.validator;
            for (name, text) in [(IF_NONE_MATCH, &validator.etag), (IF_MODIFIED_SINCE, &validator.last_modified)] {
                if let Some(value) = text.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
                    headers.insert(name, value);
                }
            }
        }
        headers
    }

    /// The request's own cookies, at home, and those of its jar: what a site has set since replaces what it was sent at first.
    fn cookies(&self, route: &Route<'_>, home: bool) -> Option<HeaderValue> {
        let kept = route.request.jar.as_ref().map(|jar| jar.matching(&self.url)).unwrap_or_default();
        let own = route.headers.iter().filter(|header| home && header.name == COOKIE).filter_map(|header| header.value.to_str().ok());
        let own = own.flat_map(|text| text.split(';')).map(str::trim).filter(|own| {
            let name = own.split_once('=').map_or("", |(name, _)| name);
            !own.is_empty() && !kept.iter().any(|(known, _)| known == name)
        });
        let all: Vec<String> = own.map(str::to_owned).chain(kept.iter().map(|(name, value)| format!("{name}={value}"))).collect();
        let mut value = HeaderValue::try_from(all.join("; ")).ok().filter(|value| !value.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }

    fn next(self, route: &Route<'_>, response: &reqwest::Response) -> Result<Self, FetchError> {
        let bad = |reason: &str| Err(FetchError::BadRedirect { host: route.host(&self.url), reason: reason.to_owned() });
        if self.redirects == MAX_REDIRECTS {
            return bad("it redirects more than five times");
        }
        let Some(url) = answer::target(&self.url, response.headers()) else {
            return bad("it redirects without a usable address");
        };
        if self.url.scheme() == "https" && url.scheme() == "http" {
            return bad("it redirects from https to http");
        }
        let method = answer::method_after(response.status(), &self.method);
        let body = if method == self.method { self.body.clone() } else { None };
        if body.is_some() && !same_origin(&route.origin, &url) {
            return bad("it redirects what was sent to another host; name that one as the source's address if it may have it");
        }
        Ok(Self { url, method, body, redirects: self.redirects + 1 })
    }

    fn blame(&self, route: &Route<'_>, error: reqwest::Error) -> FetchError {
        blame(error, &route.host(&self.url), route.proxy.as_ref().map(|proxy| proxy.shown.as_str()))
    }
}

async fn finish(route: &Route<'_>, hop: &Hop, response: reqwest::Response) -> Result<Fetched, FetchError> {
    let host = || route.host(&hop.url);
    let status = response.status();
    // An unsolicited 304 holds no body, and an unsolicited 206 holds half of one.
    if status == 304 && route.may_ask(hop) {
        return Ok(Fetched::NotModified(answer::merged(&route.request.validator, response.headers())));
    }
    if !status.is_success() || status == 206 {
        return Err(FetchError::Status { host: host(), status: status.as_u16(), retry_after: answer::retry_after(response.headers()) });
    }
    // What was decompressed has lost this header on the way.
    if let Some(coding) = response.headers().get(CONTENT_ENCODING).filter(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let reason = format!("its body is encoded as {}, which was not asked for", String::from_utf8_lossy(coding.as_bytes()));
        return Err(FetchError::Unreachable { host: host(), reason });
    }
    let validator = validator_to_keep(route, hop, response.headers());
    let content_type = response.headers().get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let limit = route.request.max_body;
    let body = match status.as_u16() {
        204 | 205 => Bytes::new(),
        _ => read_body(reqwest::Body::from(response), limit).await.map_err(|error| match error {
            BodyError::TooLarge { limit } => FetchError::TooLarge { host: host(), limit },
            BodyError::Broken(error) => hop.blame(route, error),
        })?,
    };
    Ok(Fetched::Body(Response { status: status.as_u16(), url: shown_url(route, hop), content_type, body, validator }))
}

/// After a redirect an `ETag` is kept where it would be sent again. A date is not: the next redirect may lead to something else, and
/// dates of different things compare.
fn validator_to_keep(route: &Route<'_>, hop: &Hop, headers: &HeaderMap) -> Validator {
    let validator = answer::validator(headers);
    match hop.redirects {
        0 => validator,
        _ if validator.etag.is_some() && same_origin(&route.origin, &hop.url) => validator,
        _ => Validator::default(),
    }
}

/// The final address without secrets: relative links resolve against it, and an empty one resolves to all of it.
fn shown_url(route: &Route<'_>, hop: &Hop) -> Url {
    let filled = &route.request.url;
    if filled.gives_away(hop.url.as_str())
        && let Ok(shown) = Url::parse(&filled.to_string())
        && hop.redirects == 0
    {
        return shown;
    }
    shown_address(&hop.url, filled)
}

fn same_origin(a: &Url, b: &Url) -> bool {
    a.origin() == b.origin()
}
