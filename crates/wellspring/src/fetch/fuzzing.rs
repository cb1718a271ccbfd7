//! Addresses, as pages and redirects give them: what passes the guard is no local one by another judge's rules.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{Method, Uri};
use url::{Host, Url};

use super::browser::proxy::fuzzing::wanted;
use super::guard::Guard;

/// Reads the second line as an address found at the first; one line as an address alone, and as a browser asks a proxy for it.
pub fn addresses(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (base, address) = text.split_once('\n').unwrap_or(("https://site.example/a/b?c", text));
    let joined = Url::parse(base).and_then(|base| base.join(address));
    let asked = address.parse::<Uri>().ok();
    let connected = asked.as_ref().and_then(|uri| wanted(&Method::CONNECT, uri));
    let fetched = asked.as_ref().and_then(|uri| wanted(&Method::GET, uri));
    for url in [Url::parse(address).ok(), joined.ok(), connected, fetched].into_iter().flatten() {
        for allow_private in [false, true] {
            if Guard::new(allow_private).judge_url(&url).is_ok() {
                judge(&url, allow_private);
            }
        }
    }
}

fn judge(url: &Url, allow_private: bool) {
    assert!(matches!(url.scheme(), "http" | "https"), "{url}");
    assert!(url.username().is_empty() && url.password().is_none(), "{url}");
    // Whoever reads it again reads the same.
    assert_eq!(Url::parse(url.as_str()).as_ref(), Ok(url));
    match url.host() {
        Some(Host::Ipv4(ip)) => assert!(is_welcome(ip.into(), allow_private), "{url}"),
        Some(Host::Ipv6(ip)) => assert!(is_welcome(ip.into(), allow_private), "{url}"),
        Some(Host::Domain(name)) => {
            assert!(name.parse::<IpAddr>().is_err() && as_the_c_library_reads(name).is_none(), "{url} is a number to the resolver");
            let name = name.trim_end_matches('.').to_lowercase();
            assert!(allow_private || !(name == "localhost" || name.ends_with(".localhost") || name.ends_with(".internal")), "{url}");
            assert!(!name.is_empty() && name != "metadata.google.internal", "{url}");
            assert!(!name.contains(|c: char| c.is_control() || "/\\?#@:[] ".contains(c)), "{url}");
        }
        None => panic!("{url} has no host"),
    }
}

/// The standard library's notions, which are coarser than ours.
fn is_welcome(ip: IpAddr, allow_private: bool) -> bool {
    let v4 = |ip: Ipv4Addr| {
        let never = ip.is_link_local() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.is_documentation();
        !never && (allow_private || !(ip.is_private() || ip.is_loopback()))
    };
    let v6 = |ip: Ipv6Addr| {
        let never = ip.is_unicast_link_local() || ip.is_unspecified() || ip.is_multicast() || ip.to_ipv4().is_some() && !ip.is_loopback();
        !never && (allow_private || !(ip.is_unique_local() || ip.is_loopback()))
    };
    match ip {
        IpAddr::V4(ip) => v4(ip),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or_else(|| v6(ip), v4),
    }
}

/// `inet_aton`: one to four numbers, decimal, octal or hexadecimal, the last of which fills what is left.
fn as_the_c_library_reads(name: &str) -> Option<Ipv4Addr> {
    let number = |part: &str| match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if part.len() > 1 && part.starts_with('0') => u32::from_str_radix(part, 8).ok(),
        None => part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten(),
    };
    let parts: Vec<u32> = name.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last().filter(|(_, first)| first.len() < 4)?;
    let room = 32 - 8 * u32::try_from(first.len()).ok()?;
    let fits = first.iter().all(|part| *part < 256) && (room == 32 || *last < 1 << room);
    let high = first.iter().enumerate().fold(0, |bits, (at, part)| bits | part << (24 - 8 * at));
    fits.then(|| Ipv4Addr::from_bits(high | last))
}

#[test]
fn the_other_judge_can_refuse() {
    let reads = |name: &str| as_the_c_library_reads(name).map(|ip| ip.to_string());
    assert_eq!(reads("0x7f.1").as_deref(), Some("127.0.0.1"));
    assert_eq!(reads("2130706433").as_deref(), Some("127.0.0.1"));
    assert_eq!(reads("0177.0.0.01").as_deref(), Some("127.0.0.1"));
    assert_eq!((reads("a.example"), reads("1.2.3.4.5"), reads("1.256.1"), reads("")), (None, None, None, None));
    let welcome = |ip: &str, private| is_welcome(ip.parse().unwrap(), private);
    assert!(!welcome("::ffff:10.0.0.1", false) && welcome("::ffff:10.0.0.1", true) && welcome("8.8.8.8", false));
    assert!(!welcome("::a00:1", true) && !welcome("169.254.1.1", true) && !welcome("fe80::1", true));
}
