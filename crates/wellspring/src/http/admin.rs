//! Who may force a refresh, or have an archive of everything.

use std::net::{IpAddr, SocketAddr};

use http::StatusCode;
use http::header::{AUTHORIZATION, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER, VIA};
use url::{Host, Url};
use wellspring_core::snapshot::Digest;
use wellspring_core::template::Secret;

use super::problem::Problem;

/// How headers begin by which proxies of all makers say who asks.
const PROXIED: [&str; 8] = [
    "x-forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-original-",
    "x-cluster-client-ip",
    "cf-connecting-ip",
    "true-client-ip",
    "fly-client-ip",
];

/// What a browser says of whose page asks.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// And what for.
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// What is asked for, in words.
pub const FORCED: &str = "a forced refresh";

/// The rules of admission, as configured.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The token that is asked for, where one is set.
    pub token: Option<Secret>,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Names under which it may be addressed; the listen address and localhost where empty.
    pub hosts: Vec<String>,
}

impl Admission {
    /// Judges a request that wants to change something, or all that is stored: `what` says so, as in "a forced refresh".
    ///
    /// # Errors
    /// 401 where a token is set and not given rightly; 403 where none is set and the request may come from elsewhere.
    pub fn judge(&self, headers: &HeaderMap, what: &str) -> Result<(), Box<Problem>> {
        if let Some(token) = &self.token {
            return match bearer(headers) {
                Some(given) if same(given, token.expose().as_bytes()) => Ok(()),
                Some(_) => Err(Box::new(Problem::unauthorized("the bearer token is not the configured `admin_token`"))),
                None => {
                    let detail = format!("{what} needs `Authorization: Bearer` with the configured `admin_token`");
                    Err(Box::new(Problem::unauthorized(detail)))
                }
            };
        }
        self.judge_without_token(headers, what).map_err(|why| {
            let detail = format!("{why}; set `[server] admin_token` to allow {what} from elsewhere");
            Box::new(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
        })
    }

    /// Judges a read that would start a refresh of fresh data. What a page of another site embeds carries no `Origin` here, so
    /// what browsers say of reads counts too.
    ///
    /// # Errors
    /// Where a forced refresh would be refused, or another site's page asks.
    pub fn judge_read(&self, headers: &HeaderMap) -> Result<(), Box<Problem>> {
        self.judge(headers, FORCED)?;
        let own = |referer: &HeaderValue| {
            let authority = referer.to_str().ok()?.split_once("://")?.1.split(['/', '?', '#']).next()?;
            Some(Some(authority.as_bytes()) == headers.get(HOST).map(HeaderValue::as_bytes))
        };
        // A picture of an upstream's on a page of ours comes in that page's name.
        if headers.get(SEC_FETCH_DEST).is_some_and(|dest| dest != "empty" && dest != "document") {
            return Err(Box::new(Problem::new(StatusCode::FORBIDDEN, "forbidden", "a page embeds it and does not read it")));
        }
        if self.token.is_some() || headers.get(REFERER).is_none_or(|referer| own(referer) == Some(true)) {
            return Ok(());
        }
        Err(Box::new(Problem::new(StatusCode::FORBIDDEN, "forbidden", "a page of another site asks")))
    }

    fn judge_without_token(&self, headers: &HeaderMap, what: &str) -> Result<(), String> {
        if !self.listen.ip().is_loopback() {
            return Err(format!("without a token {what} is allowed on a loopback listener only"));
        }
        // Behind a proxy the whole world comes from loopback.
        let proxied =
            |name: &HeaderName| *name == FORWARDED || *name == VIA || PROXIED.iter().any(|begin| name.as_str().starts_with(begin));
        if let Some(name) = headers.keys().find(|name| proxied(name)) {
            return Err(format!("the request came through a proxy (`{name}`)"));
        }
        // A name that merely resolves to us (DNS rebinding) is not ours.
        let host = headers.get(HOST).and_then(|h| h.to_str().ok()).and_then(host_name);
        if !host.as_ref().is_some_and(|h| self.knows(h)) {
            return Err("the request's `Host` is none of `[server] hosts`".to_owned());
        }
        // A page of another origin, another port included, is another site.
        let own = |origin: &str| {
            origin.split_once("://").map(|(_, authority)| authority.as_bytes()) == headers.get(HOST).map(HeaderValue::as_bytes)
        };
        if headers.get(ORIGIN).is_some_and(|origin| !origin.to_str().is_ok_and(own)) {
            return Err("the request's `Origin` is another site".to_owned());
        }
        if headers.get(SEC_FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none") {
            return Err("a page of another site asks (`Sec-Fetch-Site`)".to_owned());
        }
        Ok(())
    }

    fn knows(&self, host: &Host<String>) -> bool {
        if self.hosts.is_empty() {
            let listens = match host {
                Host::Domain(name) => return name == "localhost",
                Host::Ipv4(ip) => IpAddr::V4(*ip),
                Host::Ipv6(ip) => IpAddr::V6(*ip),
            };
            return listens == self.listen.ip();
        }
        self.hosts.iter().any(|known| host_name(known).as_ref() == Some(host))
    }
}

/// The host of a `Host` header or a configured name, without its port.
fn host_name(text: &str) -> Option<Host<String>> {
    Url::parse(&format!("http://{text}/")).ok()?.host().map(|h| h.to_owned())
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Compares in a time that tells nothing of where two secrets differ: their digests are compared.
fn same(a: &[u8], b: &[u8]) -> bool {
    Digest::of(a) == Digest::of(b)
}
