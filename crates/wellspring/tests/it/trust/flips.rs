//! A name that says another address each time it is asked: what is dialled is what was judged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wellspring::fetch::browser::proxy::{Limits, Outlet};
use wellspring::fetch::guard::Guard;
use wellspring::fetch::http::{HttpFetcher, USER_AGENT};
use wellspring::fetch::{Fetcher as _, Request};

use super::addresses::{canary, get};
use super::judge;

/// Global unicast by its prefix, assigned to nobody: dialling it ends at the first router.
const NOBODY: Ipv6Addr = Ipv6Addr::new(0x2fff, 0xffff, 0, 0, 0, 0, 0, 1);

/// A guard whose resolver changes its mind: public at first, private the next time, both, or in another spelling.
fn flipping(guard: Guard, asked: &Arc<AtomicUsize>) -> Guard {
    let asked = Arc::clone(asked);
    guard.naming(move |_| {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mapped = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());
        match asked.fetch_add(1, Ordering::Relaxed) % 6 {
            0 => vec![NOBODY.into()],
            1 => vec![loopback],
            2 => vec![NOBODY.into(), loopback],
            3 => vec![mapped, NOBODY.into()],
            4 => vec![Ipv6Addr::LOCALHOST.into()],
            _ => vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED), mapped],
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_flips_is_judged_each_time() {
    const FLIPS: usize = 500;
    let canary = canary().await;
    let port = canary.address().port();
    let url = format!("http://flip.example:{port}/");
    let asked = Arc::new(AtomicUsize::new(0));
    let fetcher = Arc::new(HttpFetcher::guarded(flipping(Guard::new(false), &asked), USER_AGENT).unwrap());
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..FLIPS {
        let (fetcher, request) = (Arc::clone(&fetcher), Request { within: Duration::from_millis(500), ..get(&url) });
        tries.spawn(async move { assert!(fetcher.fetch(&request).await.is_err()) });
    }
    tries.join_all().await;
    let by_http = asked.swap(0, Ordering::Relaxed);

    let outlet = Arc::new(Outlet::open(flipping(Guard::new(false), &asked), None, Limits::default()).await.unwrap());
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..FLIPS {
        // A page has only so many connections at once.
        if n % 50 == 0 {
            std::mem::take(&mut tries).join_all().await;
        }
        let outlet = Arc::clone(&outlet);
        tries.spawn(async move {
            let mut stream = TcpStream::connect(outlet.address()).await.unwrap();
            let connect = format!("CONNECT flip.example:{port} HTTP/1.1\r\nhost: flip.example:{port}\r\n\r\n");
            stream.write_all(connect.as_bytes()).await.unwrap();
            let mut said = [0; 12];
            let heard = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut said)).await;
            assert!(!heard.is_ok_and(|read| read.is_ok() && said.ends_with(b"200")), "a tunnel to nobody");
        });
    }
    tries.join_all().await;
    let by_browser = asked.load(Ordering::Relaxed);
    let figure = format!("{by_http} by HTTP, {by_browser} by a page's outlet, {} reached a canary", canary.connections());
    judge("T5", "DNS answers that flip", &figure, "1,000, 0", by_http + by_browser >= 2 * FLIPS && canary.connections() == 0);

    // It would have heard.
    let open = HttpFetcher::guarded(flipping(Guard::new(true), &Arc::new(AtomicUsize::new(1))), USER_AGENT).unwrap();
    drop(open.fetch(&get(&url)).await);
    assert_eq!(canary.total(), 1);
}
