//! Whose word counts on where a request comes from: that of proxies which were named, and of nobody else.
//!
//! What they say decides what is noted and what is counted, never what is allowed: a forced refresh without a token is refused to
//! whoever comes by a proxy, named or not.

use std::net::IpAddr;
use std::str::FromStr as _;

use http::header::{FORWARDED, HeaderMap, HeaderName};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who asks, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The nearest address that somebody who may be believed names.
    pub address: IpAddr,
    /// A proxy of ours wrote something there that cannot be read. Whoever that is, it is not the proxy.
    pub unread: bool,
}

/// The proxies in front, as networks: an address, and how many of its first bits count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<(IpAddr, u8)>);

impl Proxies {
    /// These networks'.
    pub fn new(networks: Vec<(IpAddr, u8)>) -> Self {
        Self(networks)
    }

    /// Whether this address is one of theirs.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(network, bits)| match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => same(network.to_bits().into(), address.to_bits().into(), 32, *bits),
            (IpAddr::V6(network), IpAddr::V6(address)) => same(network.to_bits(), address.to_bits(), 128, *bits),
            _ => false,
        })
    }

    /// Who asks: the peer, or where that is a proxy of ours, the nearest of those before it that is none. What cannot be read is
    /// as far as it goes, for whatever stands before it is anybody's word.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let mut nearest = Client { address: peer.to_canonical(), unread: false };
        if self.0.is_empty() || !self.trusts(nearest.address) {
            return nearest;
        }
        // Nearly every proxy writes this one, and hands on what a client wrote into the other.
        let lines = headers.get_all(X_FORWARDED_FOR);
        let is_older = lines.iter().next().is_some();
        let lines = if is_older { lines } else { headers.get_all(FORWARDED) };
        for line in lines.iter().collect::<Vec<_>>().into_iter().rev() {
            let mut rest = Some(line.as_bytes());
            while let Some(line) = rest {
                // From the right: what stands further to the left is anybody's word, down to its quotes.
                let (before, last) = last_of(line, b',', !is_older);
                let named = if is_older { node(last) } else { node_for(last) };
                let Some(address) = named else { return Client { unread: true, ..nearest } };
                nearest.address = address;
                if !self.trusts(address) {
                    return nearest;
                }
                rest = before;
            }
        }
        nearest
    }
}

fn same(network: u128, address: u128, width: u8, bits: u8) -> bool {
    let rest = width.saturating_sub(bits);
    network.checked_shr(rest.into()) == address.checked_shr(rest.into())
}

/// What stands behind the last separator, and what stands before it, where there is one. `quotes` hide separators; read from the
/// right, a quote that was never closed hides only what whoever opened it has written.
fn last_of(text: &[u8], separator: u8, quotes: bool) -> (Option<&[u8]>, &[u8]) {
    let mut quoted = false;
    for at in (0..text.len()).rev() {
        if quotes && text[at] == b'"' {
            let escapes = text[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
            quoted ^= escapes.is_multiple_of(2);
        } else if text[at] == separator && !quoted {
            return (Some(&text[..at]), &text[at + 1..]);
        }
    }
    (None, text)
}

/// The address that one element of `Forwarded` (RFC 7239) says it is for.
fn node_for(element: &[u8]) -> Option<IpAddr> {
    let mut rest = Some(element);
    while let Some(pairs) = rest {
        let (before, pair) = last_of(pairs, b';', true);
        let pair = pair.trim_ascii();
        if pair.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"for=")) {
            let value = &pair[4..];
            return node(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value));
        }
        rest = before;
    }
    None
}

/// An address, in brackets or not, with a port or without.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (port.is_empty() || is_port(port.strip_prefix(':')?)).then_some(address)?
        }
        // Of an IPv6 address without brackets no part is a port.
        None => text.split_once(':').filter(|(_, port)| is_port(port)).map_or(text, |(address, _)| address),
    };
    IpAddr::from_str(bare).ok().map(|address| address.to_canonical())
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn proxies() -> Proxies {
        Proxies::new(vec![(ip("127.0.0.1"), 32), (ip("10.0.0.0"), 8), (ip("fd00::"), 8), (ip("::1"), 128)])
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_network_holds_its_addresses() {
        let check = |network: &str, bits: u8, address: &str, expected: bool| {
            assert_eq!(Proxies::new(vec![(ip(network), bits)]).trusts(ip(address)), expected, "{network}/{bits} {address}");
        };
        check("10.0.0.0", 8, "10.255.0.1", true);
        check("10.0.0.0", 8, "11.0.0.1", false);
        check("192.0.2.128", 25, "192.0.2.129", true);
        check("192.0.2.128", 25, "192.0.2.127", false);
        check("192.0.2.1", 32, "192.0.2.1", true);
        check("0.0.0.0", 0, "203.0.113.9", true);
        check("::", 0, "2001:db8::1", true);
        check("::", 0, "203.0.113.9", false);
        check("2001:db8::", 32, "2001:db8:ffff::1", true);
        check("2001:db8::", 32, "2001:db9::1", false);
        check("10.0.0.0", 8, "::ffff:10.1.2.3", true);
    }

    #[test]
    fn the_client_is_the_nearest_that_is_no_proxy_of_ours() {
        let check = |peer: &str, lines: &[(&str, &str)], expected: &str| {
            assert_eq!(proxies().client(ip(peer), &headers(lines)).address, ip(expected), "{peer} {lines:?}");
        };
        let xff = |value| [("x-forwarded-for", value)];
        // Nobody's word but a proxy's.
        check("203.0.113.9", &xff("198.51.100.1"), "203.0.113.9");
        check("127.0.0.1", &[], "127.0.0.1");
        check("::ffff:127.0.0.1", &xff("198.51.100.1"), "198.51.100.1");
        check("127.0.0.1", &xff("198.51.100.1"), "198.51.100.1");
        // What the client wrote itself stands further to the left.
        check("127.0.0.1", &xff("1.2.3.4, 198.51.100.1"), "198.51.100.1");
        check("127.0.0.1", &xff("1.2.3.4,198.51.100.1 , 10.0.0.7"), "198.51.100.1");
        check("127.0.0.1", &[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "198.51.100.1")], "198.51.100.1");
        check("127.0.0.1", &xff("10.0.0.3, 10.0.0.7"), "10.0.0.3");
        // Ports, brackets, mapped addresses.
        check("127.0.0.1", &xff("198.51.100.1:4711"), "198.51.100.1");
        check("::1", &xff("[2001:db8::1]:4711"), "2001:db8::1");
        check("::1", &xff("2001:db8::1"), "2001:db8::1");
        check("::1", &xff("::ffff:198.51.100.1"), "198.51.100.1");
        // What cannot be read ends it.
        check("127.0.0.1", &xff("198.51.100.1, unknown"), "127.0.0.1");
        check("127.0.0.1", &xff("198.51.100.1, unknown, 10.0.0.7"), "10.0.0.7");
        check("127.0.0.1", &xff(""), "127.0.0.1");
        check("127.0.0.1", &xff("198.51.100.1, [10.0.0.7"), "127.0.0.1");
        check("127.0.0.1", &xff("198.51.100.1, 10.0.0.7:99999"), "127.0.0.1");
    }

    #[test]
    fn the_newer_header_counts_where_the_older_is_not_there() {
        let check = |lines: &[(&str, &str)], expected: &str| {
            assert_eq!(proxies().client(ip("127.0.0.1"), &headers(lines)).address, ip(expected), "{lines:?}");
        };
        let forwarded = |value| [("forwarded", value)];
        check(&forwarded("for=198.51.100.1;proto=https;by=10.0.0.7"), "198.51.100.1");
        check(&forwarded("by=10.0.0.7; For=\"[2001:db8:cafe::17]:4711\""), "2001:db8:cafe::17");
        check(&forwarded("for=1.2.3.4, for=198.51.100.1, for=10.0.0.7"), "198.51.100.1");
        check(&[("forwarded", "for=1.2.3.4"), ("forwarded", "for=198.51.100.1")], "198.51.100.1");
        check(&[("forwarded", "for=1.2.3.4"), ("x-forwarded-for", "198.51.100.1")], "198.51.100.1");
        // A comma or a quote of the client's own moves nothing.
        check(&forwarded("for=198.51.100.1;host=\"a, for=1.2.3.4\""), "198.51.100.1");
        check(&forwarded("for=1.2.3.4;host=\"a, for=198.51.100.1"), "198.51.100.1");
        check(&forwarded("for=\"x, for=\"198.51.100.1:80\";host=\"a\\\", for=1.2.3.4\""), "198.51.100.1");
        check(&[("forwarded", "host=\"a"), ("forwarded", "for=198.51.100.1")], "198.51.100.1");
        check(&forwarded("for=_hidden"), "127.0.0.1");
        check(&forwarded("proto=https"), "127.0.0.1");
    }

    #[test]
    fn what_cannot_be_read_is_not_the_proxy() {
        let unread = |name, value| proxies().client(ip("127.0.0.1"), &headers(&[(name, value)])).unread;
        assert!(unread("x-forwarded-for", "198.51.100.1, unknown") && unread("forwarded", "for=_hidden") && unread("x-forwarded-for", ""));
        assert!(!unread("x-forwarded-for", "unknown, 198.51.100.1") && !unread("x-forwarded-for", "10.0.0.3"));
        assert!(!proxies().client(ip("127.0.0.1"), &HeaderMap::new()).unread);
    }

    proptest! {
        #[test]
        fn what_a_client_writes_before_a_proxy_changes_nothing(own in prop::collection::vec(any::<u8>(), 0..40)) {
            let told = |name: &str, appended: &str| {
                // Bytes that no header can hold never come.
                let value = HeaderValue::from_bytes(&[&own[..], appended.as_bytes()].concat()).ok()?;
                Some(proxies().client(ip("127.0.0.1"), &HeaderMap::from_iter([(HeaderName::try_from(name).unwrap(), value)])))
            };
            let is_known = |client: Option<Client>| client.is_none_or(|c| c == Client { address: ip("198.51.100.1"), unread: false });
            prop_assert!(is_known(told("x-forwarded-for", ", 198.51.100.1")));
            prop_assert!(is_known(told("forwarded", ", for=198.51.100.1")));
        }
    }
}
