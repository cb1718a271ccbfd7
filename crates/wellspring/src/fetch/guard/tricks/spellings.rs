//! Every known way to write an address that must not be fetched, as lists: the guard's own tests and those of every way out read them.
#![allow(dead_code, unreachable_pub, reason = "included by test binaries that use parts of it")]

/// This machine.
pub const LOOPBACK: &[&str] = &[
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
    "http://0x7f.0x00.0x00.0x01",
    "http://127.0x000000001",
    "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "http://127\u{ff0e}0\u{ff0e}0\u{ff0e}1",
    "http://127\u{ff61}0\u{ff61}0\u{ff61}1",
    "http://1\u{ad}27.0.0.1",
    "http://[::ffff:127.9.9.9]",
    "http://[64:ff9b::127.0.0.1]",
    "http://[64:ff9b::7f00:1]",
];

/// A private network.
pub const PRIVATE: &[&str] = &[
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

/// Names that are local by themselves.
pub const LOCAL_NAMES: &[&str] = &[
    "http://localhost",
    "http://localhost.",
    "http://LOCALHOST:8080",
    "http://loc%61lhost",
    "http://localhost",
    "http://a.localhost",
    "http://a.b.localhost.",
    "http://localhost.localdomain",
    "http://ip6-localhost",
    "http://lo\u{ad}calhost",
    "http://\u{24db}ocalhost",
    "http://localhost\u{3002}",
    "http://printer.local",
    "http://wiki.internal",
    "http://nas.home.arpa",
];

/// The link alone.
pub const LINK_LOCAL: &[&str] =
    &["http://169.254.0.1", "http://169.254.1", "http://[fe80::1]", "http://[febf::1]", "http://[::ffff:169.254.7.7]"];

/// Where clouds hand out credentials.
pub const METADATA: &[&str] = &[
    "http://169.254.169.254/latest/meta-data/",
    "http://0xa9fea9fe",
    "http://0251.0376.0251.0376",
    "http://2852039166",
    "http://169.254.43518",
    "http://169.16689662",
    "http://[::ffff:169.254.169.254]",
    "http://[::ffff:a9fe:a9fe]",
    "http://[64:ff9b::a9fe:a9fe]",
    "http://[fd00:ec2::254]",
    "http://[fd20:ce::254]",
    "http://100.100.100.200",
    "http://168.63.129.16",
    "http://metadata.google.internal",
    "http://Metadata.Google.Internal.",
];

/// No address, which systems take for this machine.
pub const UNSPECIFIED: &[&str] = &[
    "http://0.0.0.0",
    "http://0",
    "http://0x0",
    "http://00",
    "http://0.1.2.3",
    "http://[::]",
    "http://[0:0::0.0.0.0]",
    "http://[::ffff:0.0.0.0]",
];

/// Many at once.
pub const MULTICAST: &[&str] = &["http://224.0.0.1", "http://239.255.255.255", "http://3758096385", "http://[ff02::1]", "http://[ff0e::1]"];

/// What is set apart, or wraps an address that is.
pub const RESERVED: &[&str] = &[
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

/// With a user name or password.
pub const USERINFO: &[&str] = &[
    "http://public.example@127.0.0.1",
    "http://a:b@public.example",
    "http://:b@public.example",
    "http://a%40b@public.example",
    "http://127.0.0.1:80@public.example",
];

/// Other schemes.
pub const SCHEMES: &[&str] = &[
    "file:///etc/passwd",
    "ftp://public.example",
    "gopher://127.0.0.1:6379/_x",
    "data:text/html,x",
    "javascript:1",
    "ws://public.example",
    "blob:http://a/b",
];

/// What may be fetched, close to what may not.
pub const PUBLIC: &[&str] = &[
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
pub const MALFORMED: &[&str] = &[
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

/// Every spelling that a guard refuses unless told otherwise.
pub fn refused() -> impl Iterator<Item = &'static str> {
    let always = [LINK_LOCAL, METADATA, UNSPECIFIED, MULTICAST, RESERVED, USERINFO, SCHEMES];
    always.into_iter().chain([LOOPBACK, PRIVATE, LOCAL_NAMES]).flatten().copied()
}
