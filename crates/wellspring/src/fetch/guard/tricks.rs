//! Every known way to write an address that must not be fetched.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::prelude::*;
use url::Url;

use super::{Guard, Reason, ResolveError};

const LOOPBACK: &[&str] = &[
    "http://127.0.0.1",
    "http://127.0.0.1.",
    "http://127.1",
    "http://127.0.1",
    "http://127.255.255.254",
    "http://127.000.000.001",
    "http://0177.0.0.1",
    "http://0177.1",
    "http://00000177.0x0.1",
    "http://017700000001",
    "http://0x7f.0.0.1",
    "http://0x7f.1",
    "http://0X7F.0X0.0X0.0X1",
    "http://0x7f000001",
    "http://0x7F000001.",
    "http://2130706433",
    "http://2130706433:80",
    "http://127。0。0。1",
    "http://127.0.0.1",
    "http://⑫7.0.0.1",
    "http://①②⑦.⓪.⓪.①",
    "http://%31%32%37.0.0.1",
    "http://127%2e0%2e0%2e1",
    "http://127.0.0.1:65535/path?query#fragment",
    "http:127.0.0.1",
    "http:/127.0.0.1",
    "http:///127.0.0.1",
    "http:\\\\127.0.0.1",
    "http:////127.0.0.1",
    " http://127.0.0.1 ",
    "ht\ntp://127.0.\t0.1",
    "HTTP://127.0.0.1",
    "https://127.0.0.1",
    "http://127.0.0.1\\@public.example",
    "http://127.0.0.1#@public.example",
    "http://127.0.0.1?@public.example",
    "http://[::1]",
    "http://[0:0:0:0:0:0:0:1]",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]",
    "http://[::0.0.0.1]",
    "http://[::ffff:127.0.0.1]",
    "http://[::ffff:7f00:1]",
    "http://[0:0:0:0:0:ffff:7f00:0001]",
    "http://[::FFFF:127.0.0.1]",
    "http://[64:ff9b::127.0.0.1]",
    "http://[64:ff9b::7f00:1]",
];

const PRIVATE: &[&str] = &[
    "http://10.0.0.1",
    "http://10.255.255.255",
    "http://012.0.0.1",
    "http://0xa.1",
    "http://167772161",
    "http://172.16.0.1",
    "http://172.31.255.255",
    "http://0xac100001",
    "http://192.168.0.1",
    "http://192.168.257",
    "http://0300.0250.0.1",
    "http://0xc0a80001",
    "http://3232235521",
    "http://100.64.0.1",
    "http://100.127.255.255",
    "http://[fc00::1]",
    "http://[fd12:3456:789a::1]",
    "http://[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
    "http://[::ffff:10.0.0.1]",
    "http://[::ffff:c0a8:1]",
    "http://[64:ff9b::a00:1]",
];

const LOCAL_NAMES: &[&str] = &[
    "http://localhost",
    "http://localhost.",
    "http://LOCALHOST:8080",
    "http://loc%61lhost",
    "http://localhost",
    "http://a.localhost",
    "http://a.b.localhost.",
    "http://localhost.localdomain",
    "http://ip6-localhost",
    "http://printer.local",
    "http://wiki.internal",
    "http://nas.home.arpa",
];

const LINK_LOCAL: &[&str] =
    &["http://169.254.0.1", "http://169.254.1", "http://[fe80::1]", "http://[febf::1]", "http://[::ffff:169.254.7.7]"];

const METADATA: &[&str] = &[
    "http://169.254.169.254/latest/meta-data/",
    "http://0xa9fea9fe",
    "http://0251.0376.0251.0376",
    "http://2852039166",
    "http://169.254.43518",
    "http://169.16689662",
    "http://[::ffff:169.254.169.254]",
    "http://[64:ff9b::a9fe:a9fe]",
    "http://[fd00:ec2::254]",
    "http://[fd20:ce::254]",
    "http://100.100.100.200",
    "http://168.63.129.16",
    "http://metadata.google.internal",
    "http://Metadata.Google.Internal.",
];

const UNSPECIFIED: &[&str] = &[
    "http://0.0.0.0",
    "http://0",
    "http://0x0",
    "http://00",
    "http://0.1.2.3",
    "http://[::]",
    "http://[0:0::0.0.0.0]",
    "http://[::ffff:0.0.0.0]",
];

const MULTICAST: &[&str] = &["http://224.0.0.1", "http://239.255.255.255", "http://3758096385", "http://[ff02::1]", "http://[ff0e::1]"];

const RESERVED: &[&str] = &[
    "http://192.0.0.1",
    "http://192.0.2.1",
    "http://198.51.100.1",
    "http://203.0.113.255",
    "http://192.88.99.1",
    "http://198.18.0.1",
    "http://198.19.255.255",
    "http://240.0.0.1",
    "http://255.255.255.254",
    "http://[::7f00:1]",
    "http://[::8.8.8.8]",
    "http://[fec0::1]",
    "http://[feff::1]",
    "http://[2001:db8::1]",
    "http://[3fff:fff::1]",
    "http://[100::1]",
    "http://[64:ff9b:1::7f00:1]",
    "http://[64:ff9b:0:1::7f00:1]",
    "http://[2002:7f00:1::]",
    "http://[2002:a00:1::1]",
    "http://[2001::1]",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "http://[2001:2::1]",
    "http://[2001:10::1]",
    "http://[5f00::1]",
    "http://[4000::1]",
    "http://[::2]",
    "http://[::ffff:0:7f00:1]",
];

const USERINFO: &[&str] = &[
    "http://public.example@127.0.0.1",
    "http://a:b@public.example",
    "http://:b@public.example",
    "http://a%40b@public.example",
    "http://127.0.0.1:80@public.example",
];

const SCHEMES: &[&str] = &[
    "file:///etc/passwd",
    "ftp://public.example",
    "gopher://127.0.0.1:6379/_x",
    "data:text/html,x",
    "javascript:1",
    "ws://public.example",
    "blob:http://a/b",
];

const PUBLIC: &[&str] = &[
    "http://public.example",
    "https://localhost.example",
    "https://notlocalhost",
    "https://internal.example",
    "http://1.1.1.1",
    "http://9.255.255.255",
    "http://11.0.0.0",
    "http://100.63.255.255",
    "http://100.128.0.0",
    "http://126.255.255.255",
    "http://128.0.0.0",
    "http://169.253.255.255",
    "http://172.15.255.255",
    "http://172.32.0.0",
    "http://192.0.1.1",
    "http://192.167.255.255",
    "http://198.17.255.255",
    "http://198.20.0.0",
    "http://223.255.255.255",
    "http://[2606:4700:4700::1111]",
    "http://[2001:200::1]",
    "http://[2001:4860:4860::8888]",
    "http://[2a00:1450::1]",
    "http://[::ffff:8.8.8.8]",
    "http://[64:ff9b::808:808]",
];

/// What the url crate itself takes for no address at all.
const MALFORMED: &[&str] = &[
    "http://127.0.0.1.1",
    "http://256.0.0.1",
    "http://4294967296",
    "http://0x100000000",
    "http://127.0.0.08",
    "http://[::1%25lo]",
    "http://[fe80::1%eth0]",
    "http://[::1",
    "http://::1",
    "http://127.0.0.1:65536",
    "http://a b.example",
    "http://127.0.0.1%00.public.example",
    "http://",
    "//127.0.0.1",
];

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

/// Every spelling that a guard refuses unless told otherwise.
pub(in crate::fetch) fn refused() -> impl Iterator<Item = &'static str> {
    let always = ALWAYS_REFUSED.into_iter().map(|(spellings, _)| spellings);
    always.chain([LOOPBACK, PRIVATE, LOCAL_NAMES]).flatten().copied()
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
