//! The only builder of outward clients: one that dials through the guard, and a few for the proxies that sources name.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Client;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::super::guard::Guard;

/// How long one connection may take to come about, handshake included.
pub(in crate::fetch) const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long an unused connection is kept for the next page of the same host.
const IDLE: Duration = Duration::from_secs(30);
/// How many of those a host.
const IDLE_PER_HOST: usize = 2;
/// How many proxies' clients are kept. Sources rarely name more than one.
const PROXIES: usize = 8;
/// Everything that can be read, in no order: what a source needs more narrowly it asks for itself.
const ACCEPTED: &str =
    "text/html, application/xhtml+xml, application/json, application/rss+xml, application/atom+xml, application/xml;q=0.9, */*;q=0.8";

/// Why no client can be built.
#[derive(Debug, thiserror::Error)]
pub enum BadOptions {
    /// Not a header value.
    #[error("the user agent `{0}` holds characters that no header may hold")]
    UserAgent(String),
    /// The TLS library or the HTTP library refused.
    #[error("no HTTP client could be made: {0}")]
    Client(String),
}

/// Clients, made once and kept.
pub(super) struct Clients {
    direct: Client,
    /// By the proxy's address, secrets included; the most recently used last.
    proxied: Mutex<Vec<(String, Client)>>,
    tls: ClientConfig,
    headers: HeaderMap,
}

impl Clients {
    pub(super) fn new(guard: Guard, user_agent: &str) -> Result<Self, BadOptions> {
        let agent = HeaderValue::from_str(user_agent).map_err(|_| BadOptions::UserAgent(user_agent.to_owned()))?;
        let headers = HeaderMap::from_iter([(reqwest::header::USER_AGENT, agent), (ACCEPT, HeaderValue::from_static(ACCEPTED))]);
        let tls = tls()?;
        let direct = common(&tls, &headers).dns_resolver(guard).build().map_err(|e| BadOptions::Client(e.without_url().to_string()))?;
        Ok(Self { direct, proxied: Mutex::default(), tls, headers })
    }

    /// The client that dials for itself, through the guard.
    pub(super) fn direct(&self) -> Client {
        self.direct.clone()
    }

    /// The client that dials a proxy, wherever that is: the proxy resolves and dials the rest.
    pub(super) fn through(&self, proxy: &Url) -> Result<Client, reqwest::Error> {
        let mut proxied = self.proxied.lock().unwrap_or_else(PoisonError::into_inner);
        let known = proxied.iter().position(|(address, _)| address == proxy.as_str()).map(|at| proxied.remove(at));
        let entry = if let Some(entry) = known {
            entry
        } else {
            let client = common(&self.tls, &self.headers).proxy(reqwest::Proxy::all(proxy.clone())?).build()?;
            (proxy.as_str().to_owned(), client)
        };
        if proxied.len() >= PROXIES {
            proxied.remove(0);
        }
        let client = entry.1.clone();
        proxied.push(entry);
        Ok(client)
    }
}

/// What holds for every client. Redirects are followed by our own loop, which judges each hop. Header limits are hyper's: 100
/// lines and 408 KiB on HTTP/1.1, 16 KiB on HTTP/2.
fn common(tls: &ClientConfig, headers: &HeaderMap) -> reqwest::ClientBuilder {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that builds outward clients")]
    Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .default_headers(headers.clone())
        // A proxy in the environment would be dialled unasked, and resolve names unjudged.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_WITHIN)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_PER_HOST)
}

/// HTTP/2 or HTTP/1.1 by ALPN. Trusts what the system trusts (a company's own authority included; `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` are honoured), or, where the system has no certificates at all, as in a bare container, Mozilla's list as built in.
fn tls() -> Result<ClientConfig, BadOptions> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a root certificate of the system could not be read");
    }
    roots.add_parsable_certificates(system.certs);
    if roots.is_empty() {
        tracing::info!("the system has no root certificates, the built-in list is used");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| BadOptions::Client(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
