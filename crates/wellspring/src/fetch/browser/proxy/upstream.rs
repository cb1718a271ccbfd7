//! The source's own proxy, behind ours.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use url::{Host, Url};
use wellspring_core::template::Filled;

use super::super::super::guard::{ResolveError, look_up};
use super::super::super::http::blame::{broken, unreachable};
use super::super::super::{FetchError, shown_host};
use super::HEAD;
use super::answer::Line;
use super::dial::Wire;
use super::meter::Metered;
use super::target::Target;

/// A configured proxy, which is exempt from the guard.
#[derive(Clone)]
pub struct Upstream {
    host: Host<String>,
    port: u16,
    shown: String,
    authorization: Option<HeaderValue>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Upstream").field(&self.shown).finish()
    }
}

impl Upstream {
    /// Reads a proxy's address. A user name and password in it become `Proxy-Authorization`.
    ///
    /// # Errors
    /// [`FetchError::BadAddress`] where it is none, [`FetchError::Refused`] for `https://`: the way to the proxy is not encrypted here.
    pub fn of(filled: &Filled) -> Result<Self, FetchError> {
        let bad = || FetchError::BadAddress(filled.to_string());
        let url = Url::parse(filled.expose()).map_err(|_| bad())?;
        let shown = shown_host(&url, filled);
        match url.scheme() {
            "http" => {}
            "https" => {
                let reason = "a page is rendered through http:// proxies only, and this one is https://".to_owned();
                return Err(FetchError::Refused { address: shown, reason });
            }
            _ => return Err(bad()),
        }
        let (host, port) = (url.host().ok_or_else(bad)?.to_owned(), url.port_or_known_default().ok_or_else(bad)?);
        Ok(Self { host, port, shown, authorization: authorization(&url) })
    }

    /// What it is called.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// What lets us in.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        self.authorization.clone()
    }

    /// Where it is, unjudged.
    pub(super) async fn addresses(self) -> Result<Vec<SocketAddr>, ResolveError> {
        match self.host {
            Host::Ipv4(ip) => Ok(vec![(ip, self.port).into()]),
            Host::Ipv6(ip) => Ok(vec![(ip, self.port).into()]),
            Host::Domain(name) => Ok(look_up(&name, self.port).await?.collect()),
        }
    }

    /// Has it open a tunnel to the target.
    pub(super) async fn tunnel(&self, stream: Metered, target: &Target, line: &Line) -> Result<impl Wire + use<>, FetchError> {
        let fails = |reason: &str| unreachable(reason, &target.shown(), Some(&self.shown));
        let breaks = |error: hyper::Error| fails(broken(&error).unwrap_or("the connection broke"));
        let (mut sender, connection) =
            http1::Builder::new().max_buf_size(HEAD).max_header_size(HEAD).handshake(TokioIo::new(stream)).await.map_err(breaks)?;
        line.drive(connection.with_upgrades());
        let authority = target.authority();
        let (Ok(host), Ok(asked)) = (HeaderValue::try_from(&authority), Uri::try_from(authority)) else {
            return Err(fails("its address cannot be asked for"));
        };
        let mut request = Request::new(Empty::<Bytes>::new());
        (*request.method_mut(), *request.uri_mut()) = (Method::CONNECT, asked);
        request.headers_mut().insert(HOST, host);
        if let Some(authorization) = self.authorization() {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
        }
        let answer = sender.send_request(request).await.map_err(breaks)?;
        match answer.status() {
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(fails("it wants a password (407)")),
            status if !status.is_success() => Err(fails(&format!("it opened no tunnel ({})", status.as_u16()))),
            _ => Ok(TokioIo::new(upgrade::on(answer).await.map_err(breaks)?)),
        }
    }
}

/// `Basic`, read out of the address by the very library that reads it for plain HTTP.
fn authorization(proxy: &Url) -> Option<HeaderValue> {
    let anywhere = Uri::from_static("http://anywhere.example/");
    Matcher::builder().all(proxy.as_str()).build().intercept(&anywhere)?.basic_auth().cloned()
}
