//! What kind of address one is (RFC 6890 and the IANA special-purpose registries), and what that means for fetching it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not fetched. Reads on after "it is …" and "it resolves to …,".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not http or https.
    Scheme,
    /// A user name or password in the address.
    Userinfo,
    /// A name that by its own meaning stays on this machine or network.
    LocalName,
    /// 127.0.0.0/8, `::1`.
    Loopback,
    /// RFC 1918, shared address space (100.64.0.0/10), unique local (`fc00::/7`).
    Private,
    /// 169.254.0.0/16, `fe80::/10`.
    LinkLocal,
    /// Where a cloud hands out the machine's credentials.
    Metadata,
    /// 0.0.0.0/8, `::`.
    Unspecified,
    /// 224.0.0.0/4, `ff00::/8`.
    Multicast,
    /// 255.255.255.255.
    Broadcast,
    /// Documentation, benchmarks, tunnels and whatever else is no global unicast.
    Reserved,
}

impl Reason {
    /// True where `allow_private` lifts it.
    pub fn is_private(self) -> bool {
        matches!(self, Self::LocalName | Self::Loopback | Self::Private)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "neither http nor https",
            Self::Userinfo => "an address with a user name or password, which belong in a header",
            Self::LocalName => "a local name",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a cloud's metadata address",
            Self::Unspecified => "an unspecified address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
            Self::Reserved => "a reserved address",
        })?;
        if self.is_private() { f.write_str(", which needs `allow_private = true` under [fetch]") } else { Ok(()) }
    }
}

/// Why `ip` is none for everyone; `None` for global unicast.
pub(super) fn classify(ip: IpAddr) -> Option<Reason> {
    match ip {
        IpAddr::V4(ip) => classify_v4(ip),
        IpAddr::V6(ip) => classify_v6(ip),
    }
}

/// Link-local ones need no entry: no setting allows those.
const METADATA_V4: [Ipv4Addr; 2] = [
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba Cloud, in shared address space
    Ipv4Addr::new(168, 63, 129, 16),   // Azure, in global unicast
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), // AWS
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),  // Google Cloud
];

fn classify_v4(ip: Ipv4Addr) -> Option<Reason> {
    if METADATA_V4.contains(&ip) || ip == Ipv4Addr::new(169, 254, 169, 254) {
        return Some(Reason::Metadata);
    }
    match ip.octets() {
        [0, ..] => Some(Reason::Unspecified),
        [127, ..] => Some(Reason::Loopback),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Some(Reason::Private),
        [169, 254, ..] => Some(Reason::LinkLocal),
        [255, 255, 255, 255] => Some(Reason::Broadcast),
        // Protocol assignments, documentation three times, the old 6to4 relay, benchmarks, and what was kept for later.
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] | [198, 18..=19, ..] | [240..=255, ..] => {
            Some(Reason::Reserved)
        }
        [224..=239, ..] => Some(Reason::Multicast),
        _ => None,
    }
}

fn classify_v6(ip: Ipv6Addr) -> Option<Reason> {
    // A mapped address is dialled as the IPv4 address in it, and on a network without IPv4 the resolver wraps every IPv4 site into
    // NAT64's well-known prefix: both are as good as what they carry.
    if let Some(inner) = ip.to_ipv4_mapped().or_else(|| nat64(ip)) {
        return classify_v4(inner);
    }
    if METADATA_V6.contains(&ip) {
        return Some(Reason::Metadata);
    }
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Reason::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Reason::Loopback),
        [0xfc00..=0xfdff, ..] => Some(Reason::Private),
        [0xfe80..=0xfebf, ..] => Some(Reason::LinkLocal),
        [0xff00..=0xffff, ..] => Some(Reason::Multicast),
        // Inside 2000::/3: protocol assignments (Teredo, ORCHID, benchmarks …), documentation twice, 6to4.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2002, ..] => Some(Reason::Reserved),
        [0x2000..=0x3fff, ..] => None,
        _ => Some(Reason::Reserved),
    }
}

/// The IPv4 address in `64:ff9b::/96` (RFC 6052).
fn nat64(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = ip.segments() else { return None };
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Some(Ipv4Addr::new(a, b, c, d))
}
