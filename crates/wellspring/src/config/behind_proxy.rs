//! `base_path` and `trusted_proxies`: what a server behind a proxy is told.

use std::net::IpAddr;

/// What every path begins with that is a route by itself: a base path of that name would hide it.
const ROUTES: [&str; 10] = ["admin", "api", "demo", "docs", "health", "metrics", "openapi.json", "ready", "sources", "wellspring.js"];

/// What is wrong, and the way out.
pub(super) type Complaint = (String, String);

/// A path before all of ours, without its last slash; empty for none.
///
/// # Errors
/// Where no request could have it before its path, or it would hide a route.
pub(super) fn base_path(text: &str) -> Result<String, Complaint> {
    let path = text.trim_end_matches('/');
    let shown = text.escape_debug();
    let Some(inner) = path.strip_prefix('/') else {
        if text == "/" || text.is_empty() {
            return Ok(String::new());
        }
        return Err((format!("`{shown}` is no path"), format!("begin it with a slash: /{}", path.trim_start_matches('/'))));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    if let Some(odd) = inner.split('/').find(|part| part.is_empty() || *part == "." || *part == ".." || !part.chars().all(plain)) {
        let help = "write it as in /wellspring: letters, digits and - . _ ~, with single slashes between".to_owned();
        return Err((format!("`{}` cannot be a part of `base_path`", odd.escape_debug()), help));
    }
    if let Some(route) = inner.split('/').next().filter(|first| ROUTES.contains(first)) {
        return Err((format!("`/{route}` is a path of the server's own"), "choose another name, as in /wellspring".to_owned()));
    }
    Ok(path.to_owned())
}

/// A network: an address, and how many of its first bits count.
///
/// # Errors
/// Where it is none, or names an address within one.
pub(super) fn network(text: &str) -> Result<(IpAddr, u8), Complaint> {
    let complaint = |help: &str| (format!("`{}` is no network", text.escape_debug()), help.to_owned());
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr =
        address.parse().map_err(|_| complaint("write an address, or the first one and its bits: 127.0.0.1, 10.0.0.0/8, ::1, fd00::/8"))?;
    let width: u8 = if address.is_ipv4() { 32 } else { 128 };
    let Some(bits) = bits else { return Ok((address, width)) };
    let bits = bits.parse().ok().filter(|bits| *bits <= width).ok_or_else(|| complaint(&format!("after the slash stands 0 to {width}")))?;
    let first = first(address, bits);
    if first == address { Ok((address, bits)) } else { Err(complaint(&format!("write {first}/{bits}, or the address alone"))) }
}

/// The first address of the network that this one is in.
fn first(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V4((address.to_bits() & !u32::MAX.checked_shr(bits.into()).unwrap_or(0)).into()),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::MAX.checked_shr(bits.into()).unwrap_or(0)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_one_that_requests_can_have() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let found = base_path(text).map_err(|(message, help)| format!("{message}: {help}"));
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
        };
        check("/wellspring", Ok("/wellspring"));
        check("/wellspring/", Ok("/wellspring"));
        check("/a/b-c_d.e~1", Ok("/a/b-c_d.e~1"));
        check("/", Ok(""));
        check("", Ok(""));
        check("wellspring", Err("`wellspring` is no path: begin it with a slash: /wellspring"));
        let parts = "cannot be a part of `base_path`: write it as in /wellspring: letters, digits and - . _ ~, with single slashes between";
        check("/a//b", Err(&format!("`` {parts}")));
        check("/a/../b", Err(&format!("`..` {parts}")));
        check("/a?b", Err(&format!("`a?b` {parts}")));
        check("/ä", Err(&format!("`ä` {parts}")));
        check("/api", Err("`/api` is a path of the server's own: choose another name, as in /wellspring"));
        check("/docs/wells", Err("`/docs` is a path of the server's own: choose another name, as in /wellspring"));
    }

    #[test]
    fn a_network_is_its_first_address_and_its_bits() {
        let check = |text: &str, expected: Result<(&str, u8), &str>| {
            let expected = expected.map(|(address, bits)| (address.parse::<IpAddr>().unwrap(), bits)).map_err(str::to_owned);
            assert_eq!(network(text).map_err(|(message, help)| format!("{message}: {help}")), expected, "{text}");
        };
        check("127.0.0.1", Ok(("127.0.0.1", 32)));
        check("127.0.0.1/32", Ok(("127.0.0.1", 32)));
        check("10.0.0.0/8", Ok(("10.0.0.0", 8)));
        check("0.0.0.0/0", Ok(("0.0.0.0", 0)));
        check("::1", Ok(("::1", 128)));
        check("fd00::/8", Ok(("fd00::", 8)));
        check("10.0.0.1/8", Err("`10.0.0.1/8` is no network: write 10.0.0.0/8, or the address alone"));
        check("2001:db8::1/32", Err("`2001:db8::1/32` is no network: write 2001:db8::/32, or the address alone"));
        check("10.0.0.0/33", Err("`10.0.0.0/33` is no network: after the slash stands 0 to 32"));
        check("::/129", Err("`::/129` is no network: after the slash stands 0 to 128"));
        let help = "write an address, or the first one and its bits: 127.0.0.1, 10.0.0.0/8, ::1, fd00::/8";
        check("proxy", Err(&format!("`proxy` is no network: {help}")));
        check("/8", Err(&format!("`/8` is no network: {help}")));
    }
}
