//! Where a request wants to go.

use http::uri::Scheme;
use http::{Method, Uri};
use url::{Host, Url};

/// A host and a port, read as browsers read them: `127.1`, `0x7f.1` and `2130706433` are what they are. Whatever is judged, dialled or
/// passed on is taken from here, never from the text that came.
pub(super) struct Target {
    url: Url,
    host: Host<String>,
    port: u16,
}

impl Target {
    /// What `CONNECT host:port` or a request with a whole http address asks for; `None` for anything else.
    pub(super) fn of(method: &Method, uri: &Uri) -> Option<Self> {
        let authority = uri.authority()?;
        let scheme = if *method == Method::CONNECT {
            let bare = uri.scheme().is_none() && uri.path_and_query().is_none() && authority.port_u16().is_some();
            bare.then_some("https")
        } else {
            (uri.scheme() == Some(&Scheme::HTTP)).then_some("http")
        };
        let url = Url::parse(&format!("{}://{authority}/", scheme?)).ok()?;
        // Where both parsers agree on where the authority ends, this is all there is.
        let whole = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let plain = !authority.as_str().contains('@') && url.username().is_empty() && url.password().is_none();
        let (host, port) = (url.host()?.to_owned(), url.port_or_known_default()?);
        (whole && plain).then_some(Self { url, host, port })
    }

    /// Its scheme, host and port.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn host(&self) -> Host<String> {
        self.host.clone()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The host, and the port where it is not the usual one: for people, and for the `Host` header of plain HTTP.
    pub(super) fn shown(&self) -> String {
        self.url.port().map_or_else(|| self.host.to_string(), |port| format!("{}:{port}", self.host))
    }

    /// Both, always.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}
