//! The only way out. A seam: a request and a deadline go in, bounded bytes come out.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use ::http::{HeaderName, Method};
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use url::Url;
use wellspring_core::failure::{Code, Failure, Kind};
use wellspring_core::snapshot::Validator;
use wellspring_core::source::Page;
use wellspring_core::template::Filled;

use self::cookies::Jar;

pub mod bounded;
pub mod browser;
pub mod cookies;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod guard;
pub mod http;
pub mod outward;

/// One request to an upstream.
#[derive(Clone, Debug)]
pub struct Request {
    /// GET, unless a step says otherwise.
    pub method: Method,
    /// The address; its secrets never leave for another host or for a message.
    pub url: Filled,
    /// Further headers. Secret ones (from the environment, or called after a key, a token, a cookie …) go to the scheme, host and
    /// port of `url` only, and so does the validator, redirects included.
    pub headers: Vec<(HeaderName, Filled)>,
    /// The body, where there is one.
    pub body: Option<Bytes>,
    /// What to ask the upstream with; empty for an unconditional request.
    pub validator: Validator,
    /// Where cookies that are set on the way are kept, and taken from. A cookie of the same name in `headers` gives way to it.
    pub jar: Option<Jar>,
    /// A proxy, which is exempt from the address guard.
    pub proxy: Option<Filled>,
    /// How long it may take, redirects and body included.
    pub within: Duration,
    /// The largest body after decompression, in bytes.
    pub max_body: u64,
    /// What a browser is to do with it; absent for a plain request.
    pub page: Option<Arc<Page>>,
}

/// A successful answer with its whole body.
#[derive(Clone, Debug)]
pub struct Response {
    /// 2xx, but not 206: nobody asked for a part.
    pub status: u16,
    /// Where it came from after redirects, fit to resolve relative links against and to be shown: secrets stand as `${NAME}` in it,
    /// or what carried them is cut.
    pub url: Url,
    /// `Content-Type`, verbatim.
    pub content_type: Option<String>,
    /// Decoded.
    pub body: Bytes,
    /// What to ask with next time.
    pub validator: Validator,
}

/// What a fetch gave.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// A body.
    Body(Response),
    /// 304: what we have still holds. Carries the validators to keep.
    NotModified(Validator),
    /// What a browser made of it.
    Rendered(Rendered),
}

/// A page that a browser has rendered.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The document as the scripts left it; or, with `capture`, the JSON answers that it asked for, in the order in which they came.
    pub bodies: Vec<Response>,
    /// What the page was like.
    pub seen: Seen,
}

/// What a rendered page was like, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its title.
    pub title: String,
    /// The size of its document as rendered, in bytes.
    pub bytes: u64,
    /// The JSON that its scripts loaded, in order.
    pub answers: Vec<SeenAnswer>,
}

/// JSON that a page's scripts loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenAnswer {
    /// Where from, without secrets.
    pub address: String,
    /// The status.
    pub status: u16,
    /// Its size, decoded, as far as it came.
    pub bytes: u64,
}

/// Why a fetch gave nothing. No message contains an address's secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The address is none that may be fetched: blocked.
    #[error("{address} is not fetched: {reason}")]
    Refused {
        /// What was asked for, without secrets.
        address: String,
        /// Why not, and what setting allows it.
        reason: String,
    },
    /// No HTTP address: permanent.
    #[error("`{0}` is no http or https address")]
    BadAddress(String),
    /// The name did not resolve: retryable.
    #[error("the name {host} did not resolve: {reason}")]
    Dns {
        /// The name.
        host: String,
        /// The resolver's words.
        reason: String,
    },
    /// No connection, or it broke: retryable.
    #[error("{host}: {reason}")]
    Unreachable {
        /// The host.
        host: String,
        /// What happened.
        reason: String,
    },
    /// The handshake failed: retryable (certificates are renewed), at the longest backoff.
    #[error("{host}: {reason}")]
    Tls {
        /// The host.
        host: String,
        /// What happened.
        reason: String,
    },
    /// Took longer than allowed: retryable.
    #[error("{host} did not answer within {within:?}")]
    Timeout {
        /// The host.
        host: String,
        /// What was allowed.
        within: Duration,
    },
    /// Too many redirects, or one without a target: permanent.
    #[error("{host}: {reason}")]
    BadRedirect {
        /// The last host.
        host: String,
        /// What happened.
        reason: String,
    },
    /// Larger than allowed: permanent.
    #[error("{host} sent more than {limit} bytes after decompression (`max_body`)")]
    TooLarge {
        /// The host.
        host: String,
        /// What was allowed, in bytes.
        limit: u64,
    },
    /// There is no browser on this machine: permanent.
    #[error("a browser is needed to render {host}, and there is none: {way_out}")]
    NoBrowser {
        /// The host.
        host: String,
        /// How to come by one.
        way_out: String,
    },
    /// The browser does not start, or ended: retryable.
    #[error("the browser {0}")]
    BrowserFailed(String),
    /// The page hung, crashed or was too much: retryable.
    #[error("{host} could not be rendered: {reason}")]
    PageFailed {
        /// The host.
        host: String,
        /// What happened.
        reason: String,
    },
    /// What the page was waited for never appeared: retryable.
    #[error("{what} never appeared on {host} within {within:?}; {seen}")]
    NeverAppeared {
        /// The host.
        host: String,
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
        /// What the page was like then.
        seen: Seen,
    },
    /// The upstream answered with another status than a success.
    #[error("{host} answered {status}")]
    Status {
        /// The host.
        host: String,
        /// The status.
        status: u16,
        /// Its `Retry-After`, as a period from now.
        retry_after: Option<Duration>,
    },
}

impl FetchError {
    /// Its kind, code and words for the machine and for people.
    pub fn failure(&self) -> Failure {
        let (kind, code) = match self {
            Self::Refused { .. } => (Kind::Blocked, Code::AddressRefused),
            Self::BadAddress(_) => (Kind::Permanent, Code::AddressRefused),
            Self::Dns { .. } => (Kind::Retryable, Code::DnsFailed),
            Self::Unreachable { .. } => (Kind::Retryable, Code::UpstreamUnreachable),
            Self::Tls { .. } => (Kind::Permanent, Code::TlsFailed),
            Self::Timeout { .. } => (Kind::Retryable, Code::Timeout),
            Self::BadRedirect { .. } => (Kind::Permanent, Code::BadRedirect),
            Self::TooLarge { .. } => (Kind::Permanent, Code::BodyTooLarge),
            Self::NoBrowser { .. } => (Kind::Permanent, Code::BrowserMissing),
            Self::BrowserFailed(_) => (Kind::Retryable, Code::BrowserFailed),
            Self::PageFailed { .. } => (Kind::Retryable, Code::PageFailed),
            Self::NeverAppeared { .. } => (Kind::Retryable, Code::WaitFailed),
            Self::Status { status: 408 | 425 | 429 | 500..=599, .. } => (Kind::Retryable, Code::UpstreamStatus),
            Self::Status { .. } => (Kind::Permanent, Code::UpstreamStatus),
        };
        let mut failure = Failure::new(kind, code, self.to_string());
        if let Self::Status { retry_after, .. } = self {
            failure.retry_after = *retry_after;
        }
        failure
    }
}

/// How many addresses of JSON are told in a message.
const TOLD: usize = 5;

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title, bytes, answers } = self;
        write!(f, "the page is called {title:?}, has {bytes} bytes and loaded ")?;
        if answers.is_empty() {
            return f.write_str("no JSON");
        }
        let told: Vec<&str> = answers.iter().take(TOLD).map(|answer| answer.address.as_str()).collect();
        write!(f, "JSON from {}", told.join(", "))?;
        if answers.len() > TOLD { write!(f, " and {} more", answers.len() - TOLD) } else { Ok(()) }
    }
}

/// Headers that carry credentials whether or not they came from the environment.
pub(crate) fn names_a_secret(name: &HeaderName) -> bool {
    let word = name.as_str();
    [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name)
        || ["auth", "token", "key", "secret", "session", "password"].iter().any(|part| word.contains(part))
}

/// An address without what would give away a secret of the one that was asked for.
fn shown_address(url: &Url, asked: &Filled) -> Url {
    let mut url = url.clone();
    if asked.gives_away(url.as_str()) {
        url.set_path("/");
        url.set_query(None);
    }
    url
}

/// Host and port, or what stands in their place where they are secret.
fn shown_host(url: &Url, asked: &Filled) -> String {
    let host = url.host_str().unwrap_or("the address");
    if asked.gives_away(host) {
        return "the configured host".to_owned();
    }
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What a way out tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Whether a browser runs now.
    pub browser_running: bool,
    /// How many were started since the server was.
    pub browser_starts: u64,
    /// Pages that are open in it.
    pub pages: u32,
}

/// Fetches.
#[async_trait]
pub trait Fetcher: Send + Sync + Debug + 'static {
    /// Fetches one thing, or says why not, within `request.within`.
    async fn fetch(&self, request: &Request) -> Result<Fetched, FetchError>;

    /// Ends whatever it keeps running.
    async fn close(&self) {}

    /// What it tells of itself, at once.
    fn figures(&self) -> Figures {
        Figures::default()
    }
}
