//! Which addresses may be fetched: global unicast, unless the config allows private ones.
//!
//! A string check alone is none: a name may resolve to anything, and to something else the next time. So literals are judged in
//! the address, names where they are resolved, and only addresses that passed are handed on for dialling.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

pub use address::Reason;

mod address;
#[cfg(test)]
pub(super) mod tricks;

/// Judges addresses.
///
/// With `allow_private`, private and loopback addresses pass as well. What no setting allows: link-local ones (169.254.169.254
/// hands out a cloud machine's credentials), other clouds' metadata addresses, unspecified, multicast, broadcast and reserved ones.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allow_private: bool,
    exceptions: Arc<[SocketAddr]>,
    names: Names,
}

/// What tells the addresses of names, and is asked each time one is dialled.
type Resolver = dyn Fn(&str) -> Vec<IpAddr> + Send + Sync;

/// Who is asked for the addresses of a name: the system, unless a test has names of its own.
#[derive(Clone, Default)]
struct Names(Option<Arc<Resolver>>);

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "its own" } else { "the system's" })
    }
}

/// Why a host gives no address to dial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It is written as what may not be fetched, whatever it would resolve to.
    #[error("it is {0}")]
    Barred(Reason),
    /// It has addresses, but none that may be fetched.
    #[error("it resolves to {address}, {reason}")]
    Refused {
        /// The first of them.
        address: IpAddr,
        /// What is wrong with it.
        reason: Reason,
    },
    /// It has none, or the resolver failed.
    #[error("{0}")]
    Unresolved(String),
}

impl Guard {
    /// A guard that lets private and loopback addresses pass, or does not.
    pub fn new(allow_private: bool) -> Self {
        Self { allow_private, ..Self::default() }
    }

    /// Lets these exact addresses and ports pass where they are written out, so that a test can have its origin on loopback
    /// under a guard that refuses loopback.
    #[doc(hidden)]
    #[must_use]
    pub fn except(self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { exceptions: addresses.into_iter().collect(), ..self }
    }

    /// Asks this instead of the system's resolver, each time a name is dialled, so that a test can have a name that changes its mind.
    #[doc(hidden)]
    #[must_use]
    pub fn naming(self, resolver: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Self {
        Self { names: Names(Some(Arc::new(resolver))), ..self }
    }

    /// Whether an address may be dialled.
    ///
    /// # Errors
    /// What kind of address it is.
    pub fn judge_address(&self, ip: IpAddr) -> Result<(), Reason> {
        address::classify(ip).map_or(Ok(()), |reason| self.lift(reason))
    }

    /// Whether a written address may be fetched, as far as that can be told without resolving its name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge_url(&self, url: &Url) -> Result<(), Reason> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Reason::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Reason::Userinfo);
        }
        let port = url.port_or_known_default().unwrap_or(0);
        self.judge_host(&url.host().ok_or(Reason::Scheme)?, port)
    }

    /// The addresses of a host as the url crate reads it, which may be dialled: a literal as it is, a name by the system's resolver.
    ///
    /// # Errors
    /// [`ResolveError`] where there are none.
    pub async fn targets(&self, host: &Host<String>, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        match host {
            Host::Ipv4(ip) => self.literal((*ip).into(), port),
            Host::Ipv6(ip) => self.literal((*ip).into(), port),
            Host::Domain(name) => {
                self.judge_name(name).map_err(ResolveError::Barred)?;
                self.resolve(name, port).await
            }
        }
    }

    /// The addresses of a name (or literal) that may be dialled, by the system's resolver.
    ///
    /// # Errors
    /// [`ResolveError`] where there are none.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        match &self.names.0 {
            None => self.keep(look_up(host, port).await?),
            Some(resolver) => self.keep(resolver(host).into_iter().map(|ip| SocketAddr::new(ip, port))),
        }
    }

    /// Those of a name's addresses that may be dialled.
    fn keep(&self, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, ResolveError> {
        let mut refused = None;
        let mut kept = Vec::new();
        for address in found {
            match self.judge_address(address.ip()) {
                Ok(()) => kept.push(address),
                Err(reason) => refused = refused.or(Some(ResolveError::Refused { address: address.ip(), reason })),
            }
        }
        if kept.is_empty() {
            return Err(refused.unwrap_or_else(|| ResolveError::Unresolved("it has no address".to_owned())));
        }
        Ok(kept)
    }

    fn judge_host<S: AsRef<str>>(&self, host: &Host<S>, port: u16) -> Result<(), Reason> {
        match host {
            // The url crate has read `0x7f.1`, `2130706433` and full-width digits for what they are.
            Host::Ipv4(ip) => self.judge_literal((*ip).into(), port),
            Host::Ipv6(ip) => self.judge_literal((*ip).into(), port),
            Host::Domain(name) => self.judge_name(name.as_ref()),
        }
    }

    fn literal(&self, ip: IpAddr, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        self.judge_literal(ip, port).map_err(ResolveError::Barred)?;
        Ok(vec![SocketAddr::new(ip, port)])
    }

    fn judge_literal(&self, ip: IpAddr, port: u16) -> Result<(), Reason> {
        if self.exceptions.contains(&SocketAddr::new(ip, port)) { Ok(()) } else { self.judge_address(ip) }
    }

    /// Names that cannot be meant for everyone (RFC 6761, 6762, 8375). Behind a proxy, which resolves names itself, this is all
    /// that stands before them.
    fn judge_name(&self, name: &str) -> Result<(), Reason> {
        const LOCAL: [&str; 7] = ["localhost", "localdomain", "local", "internal", "home.arpa", "ip6-localhost", "ip6-loopback"];
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name.is_empty() {
            // Dots alone name the root, which is no host.
            return Err(Reason::Unspecified);
        }
        if name == "metadata.google.internal" {
            return Err(Reason::Metadata);
        }
        let ends_in = |suffix: &str| name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        if LOCAL.into_iter().any(ends_in) { self.lift(Reason::LocalName) } else { Ok(()) }
    }

    fn lift(&self, reason: Reason) -> Result<(), Reason> {
        if self.allow_private && reason.is_private() { Ok(()) } else { Err(reason) }
    }
}

/// Resolves for the connector: what it dials is what was judged.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            // The connector puts the port in.
            let addresses: Addrs = Box::new(Guard::resolve(&guard, name.as_str(), 0).await?.into_iter());
            Ok(addresses)
        })
    }
}

/// What the system's resolver says of a name, unjudged: for what is exempt, a proxy.
pub(super) async fn look_up(host: &str, port: u16) -> Result<impl Iterator<Item = SocketAddr>, ResolveError> {
    tokio::net::lookup_host((host, port)).await.map_err(|e| ResolveError::Unresolved(resolver_words(&e)))
}

/// The resolver's words without the preamble that says nothing.
fn resolver_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_lowercase()
}
