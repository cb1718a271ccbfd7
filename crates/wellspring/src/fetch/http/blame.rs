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
    let reason = words(&error);
    let reason = match proxy {
        Some(proxy) if error.is_connect() => format!("by the proxy {proxy}: {reason}"),
        _ => reason,
    };
    FetchError::Unreachable { host: host.to_owned(), reason }
}

fn unresolved(error: &ResolveError, host: &str, proxy: Option<&str>) -> FetchError {
    let host = proxy.unwrap_or(host).to_owned();
    match error {
        ResolveError::Refused { .. } => FetchError::Refused { address: host, reason: error.to_string() },
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
        return format!("no connection within {CONNECT_WITHIN:?}");
    }
    let broken = find::<io::Error>(error).map(io::Error::kind);
    let transport = find::<hyper::Error>(error);
    if let Some(transport) = transport {
        if transport.is_incomplete_message() || broken == Some(io::ErrorKind::UnexpectedEof) {
            return "the connection closed before the whole answer had arrived".to_owned();
        }
        if transport.is_parse_too_large() {
            return "the head of its answer is too large".to_owned();
        }
        if transport.is_parse() {
            return "its answer is no valid HTTP".to_owned();
        }
    }
    if let Some(words) = broken.and_then(io_words) {
        return words.to_owned();
    }
    // What breaks while a body is read, and is not the transport, is the decoder.
    if transport.is_none() && (error.is_decode() || error.is_body()) {
        return format!("its body cannot be decompressed: {}", deepest(error));
    }
    let last = deepest(error);
    last.strip_prefix("tunnel error: ").map(|why| format!("it opened no tunnel ({why})")).unwrap_or(last)
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
