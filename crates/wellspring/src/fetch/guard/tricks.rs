//! What the guard says of every known way to write an address that must not be fetched.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::prelude::*;
use url::Url;

use super::{Guard, Reason, ResolveError};
pub(in crate::fetch) use spellings::refused;
use spellings::{
    LINK_LOCAL, LOCAL_NAMES, LOOPBACK, MALFORMED, METADATA, MULTICAST, PRIVATE, PUBLIC, RESERVED, SCHEMES, UNSPECIFIED, USERINFO,
};

mod spellings;

/// What a guard says of each spelling.
fn check(guard: &Guard, spellings: &[&str], expected: Result<(), Reason>) {
    for spelling in spellings {
        let url = Url::parse(spelling).unwrap_or_else(|e| panic!("{spelling:?}: {e}"));
        assert_eq!(guard.judge_url(&url), expected, "{spelling:?} is {url}");
    }
}

const ALWAYS_REFUSED: [(&[&str], Reason); 7] = [
    (LINK_LOCAL, Reason::LinkLocal),
    (METADATA, Reason::Metadata),
    (UNSPECIFIED, Reason::Unspecified),
    (MULTICAST, Reason::Multicast),
    (RESERVED, Reason::Reserved),
    (USERINFO, Reason::Userinfo),
    (SCHEMES, Reason::Scheme),
];

#[test]
fn trust_no_spelling_passes_the_guard() {
    let spellings: std::collections::BTreeSet<&str> = refused().collect();
    let guard = Guard::new(false);
    let passed: Vec<&str> = spellings.iter().filter(|spelling| guard.judge_url(&Url::parse(spelling).unwrap()).is_ok()).copied().collect();
    println!("\ntrust T5 | spellings the guard refuses | {} of {} | 150, all | held", spellings.len() - passed.len(), spellings.len());
    assert!(spellings.len() >= 150, "{}", spellings.len());
    assert_eq!(passed, Vec::<&str>::new());
}

#[test]
fn no_spelling_of_a_private_address_passes() {
    let guard = Guard::new(false);
    for (spellings, reason) in ALWAYS_REFUSED {
        check(&guard, spellings, Err(reason));
    }
    check(&guard, LOOPBACK, Err(Reason::Loopback));
    check(&guard, PRIVATE, Err(Reason::Private));
    check(&guard, LOCAL_NAMES, Err(Reason::LocalName));
    check(&guard, &["http://255.255.255.255"], Err(Reason::Broadcast));
    check(&guard, PUBLIC, Ok(()));
    for spelling in MALFORMED {
        assert!(Url::parse(spelling).is_err(), "{spelling:?}");
    }
}

#[test]
fn allow_private_allows_private_and_loopback_and_no_more() {
    let guard = Guard::new(true);
    for (spellings, reason) in ALWAYS_REFUSED {
        check(&guard, spellings, Err(reason));
    }
    for spellings in [LOOPBACK, PRIVATE, LOCAL_NAMES, PUBLIC] {
        check(&guard, spellings, Ok(()));
    }
    check(&guard, &["http://255.255.255.255"], Err(Reason::Broadcast));
}

#[test]
fn an_exception_is_one_address_and_one_port() {
    let guard = Guard::new(false).except([SocketAddr::from(([127, 0, 0, 1], 8080))]);
    check(&guard, &["http://127.0.0.1:8080/x", "https://127.1:8080"], Ok(()));
    check(&guard, &["http://127.0.0.1:8081", "http://127.0.0.1", "http://127.0.0.2:8080", "http://[::1]:8080"], Err(Reason::Loopback));
    check(&guard, &["http://localhost:8080"], Err(Reason::LocalName));
}

#[test]
fn of_a_mixed_name_only_public_addresses_are_dialled() {
    let keep = |guard: &Guard, addresses: &[&str]| {
        guard
            .keep(addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)))
            .map(|kept| kept.iter().map(|a| a.ip().to_string()).collect::<Vec<_>>())
    };
    let mixed = ["127.0.0.1", "93.184.215.14", "::1", "10.0.0.1", "2606:4700::1", "169.254.169.254", "::ffff:192.168.0.1", "0.0.0.0"];
    assert_eq!(keep(&Guard::new(false), &mixed), Ok(vec!["93.184.215.14".to_owned(), "2606:4700::1".to_owned()]));
    assert_eq!(keep(&Guard::new(true), &mixed).unwrap().len(), 6);
    let refused = ResolveError::Refused { address: "10.0.0.1".parse().unwrap(), reason: Reason::Private };
    assert_eq!(keep(&Guard::new(false), &["10.0.0.1", "::1"]), Err(refused));
    assert_eq!(keep(&Guard::new(false), &[]), Err(ResolveError::Unresolved("it has no address".to_owned())));
}

#[tokio::test]
async fn a_name_is_judged_where_it_is_resolved() {
    let refused = Guard::new(false).resolve("localhost", 80).await.unwrap_err();
    assert!(matches!(refused, ResolveError::Refused { reason: Reason::Loopback, .. }), "{refused}");
    assert!(refused.to_string().ends_with("a loopback address, which needs `allow_private = true` under [fetch]"), "{refused}");
    let allowed = Guard::new(true).resolve("localhost", 80).await.unwrap();
    assert!(allowed.iter().all(|address| address.ip().is_loopback() && address.port() == 80), "{allowed:?}");
}

proptest! {
    /// However an IPv4 address is wrapped into an IPv6 one, it is no more welcome than bare.
    #[test]
    fn wrapping_an_address_never_helps(bits: u32, allow_private: bool) {
        let guard = Guard::new(allow_private);
        let bare = Ipv4Addr::from_bits(bits);
        let (high, low) = ((bits >> 16) as u16, (bits & 0xffff) as u16);
        let wrapped = [
            bare.to_ipv6_mapped(),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low),
        ];
        if guard.judge_address(bare.into()).is_err() {
            for address in wrapped {
                // `::1` is what the IPv4-compatible form of 0.0.0.1 happens to be.
                prop_assume!(!(allow_private && address == Ipv6Addr::LOCALHOST));
                prop_assert!(guard.judge_address(address.into()).is_err(), "{address}");
            }
        }
    }

    /// The standard library's own notions agree where it has them.
    #[test]
    fn what_the_standard_library_calls_special_is_refused(v4: u32, v6: u128) {
        let guard = Guard::new(false);
        let ip = Ipv4Addr::from_bits(v4);
        if ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_broadcast() || ip.is_documentation() || ip.is_multicast() || ip.is_unspecified() {
            prop_assert!(guard.judge_address(ip.into()).is_err());
        }
        let ip = Ipv6Addr::from_bits(v6);
        if ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback() || ip.is_multicast() || ip.is_unspecified() {
            prop_assert!(guard.judge_address(IpAddr::V6(ip)).is_err());
        }
    }
}
