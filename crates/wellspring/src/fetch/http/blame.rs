//! What went wrong, in words for people, found by walking an error's sources.

use std::error::Error;
use std::io;

use super::super::FetchError;
use super::super::guard::ResolveError;
use super::client::CONNECT_WITHIN;

/// Turns the HTTP library's error into ours. Its address is dropped first, since it may carry secrets; `host` and `proxy` are fit
/// to be shown.
pub(super) fn blame(error: reqwest::Error, host: &str, proxy: Option<&str>) -> FetchError {
    let error = error.without_url();
    if let Some(resolving) = find::<ResolveError>(&error) {
        return unresolved(resolving, host, proxy);
    }
    if let Some(tls) = find::<rustls::Error>(&error) {
        return FetchError::Tls { host: host.to_owned(), reason: tls_words(tls) };
    }
    unreachable(&words(&error), host, proxy.filter(|_| error.is_connect()))
}

/// No connection, with the proxy named where it is the one that there is none to.
pub(in crate::fetch) fn unreachable(reason: &str, host: &str, proxy: Option<&str>) -> FetchError {
    let reason = proxy.map_or_else(|| reason.to_owned(), |proxy| format!("by the proxy {proxy}: {reason}"));
    FetchError::Unreachable { host: host.to_owned(), reason }
}

/// No address to dial; for the proxy where there is one, since that resolves the rest.
pub(in crate::fetch) fn unresolved(error: &ResolveError, host: &str, proxy: Option<&str>) -> FetchError {
    let host = proxy.unwrap_or(host).to_owned();
    match error {
        ResolveError::Barred(_) | ResolveError::Refused { .. } => FetchError::Refused { address: host, reason: error.to_string() },
        ResolveError::Unresolved(reason) => FetchError::Dns { host, reason: reason.clone() },
    }
}

fn tls_words(error: &rustls::Error) -> String {
    use rustls::{CertificateError, Error};
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => "its certificate is signed by nobody this machine trusts".to_owned(),
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            "its certificate is for another name".to_owned()
        }
        Error::InvalidMessage(_) => "it does not speak TLS on this port".to_owned(),
        other => format!("the TLS handshake failed: {other}"),
    }
}

fn words(error: &reqwest::Error) -> String {
    if error.is_connect() && error.is_timeout() {
        return too_slow();
    }
    if let Some(words) = broken(error) {
        return words.to_owned();
    }
    // What breaks while a body is read, and is not the transport, is the decoder.
    if find::<hyper::Error>(error).is_none() && (error.is_decode() || error.is_body()) {
        return format!("its body cannot be decompressed: {}", deepest(error));
    }
    let last = deepest(error);
    last.strip_prefix("tunnel error: ").map(|why| format!("it opened no tunnel ({why})")).unwrap_or(last)
}

/// No connection in time.
pub(in crate::fetch) fn too_slow() -> String {
    format!("no connection within {CONNECT_WITHIN:?}")
}

/// How a connection broke, where that is one of the usual ways.
pub(in crate::fetch) fn broken(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let broken = find::<io::Error>(error).map(io::Error::kind);
    if let Some(transport) = find::<hyper::Error>(error) {
        if transport.is_incomplete_message() || broken == Some(io::ErrorKind::UnexpectedEof) {
            return Some("the connection closed before the whole answer had arrived");
        }
        if transport.is_parse_too_large() {
            return Some("the head of its answer is too large");
        }
        if transport.is_parse() {
            return Some("its answer is no valid HTTP");
        }
    }
    broken.and_then(io_words)
}

fn io_words(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "the connection was reset",
        io::ErrorKind::ConnectionAborted => "the connection was aborted",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no way leads there from this network",
        io::ErrorKind::TimedOut => "the connection timed out",
        _ => return None,
    })
}

/// The first source of one type. An `io::Error` hides what it wraps from its own `source`, so that is looked into as well.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn deepest(error: &reqwest::Error) -> String {
    let mut last: &dyn Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
