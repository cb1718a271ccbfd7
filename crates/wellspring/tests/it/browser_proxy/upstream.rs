//! Through the source's own proxy.

use super::*;

async fn through(proxy: &Filled) -> Outlet {
    Outlet::open(Guard::new(false), Some(Upstream::of(proxy).unwrap()), Limits::default()).await.unwrap()
}

#[tokio::test]
async fn everything_goes_through_the_upstream() {
    let (proxy, echo) = (Origin::start().await, echo().await);
    proxy.script("http://public.example/a", Answer::ok("from the proxy"));
    proxy.script("public.example:443", Answer::tunnel(echo));
    // The proxy itself is exempt from the guard.
    let outlet = through(&Filled::plain(proxy.url(""))).await;
    let said = "GET http://public.example/a?b HTTP/1.1\nhost: x\nproxy-authorization: Basic eDp5\nconnection: close\n\n";
    assert!(ask(&outlet, said).await.ends_with("from the proxy"));
    let asked = proxy.last("http://public.example/a");
    assert_eq!((asked.query.as_deref(), asked.header("host")), (Some("b"), Some("public.example")));
    assert_eq!(asked.header("proxy-authorization"), None);
    let (status, mut tunnel) = connect(&outlet, "Public.Example:443").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let before = outlet.passed();
    hear(&mut tunnel, "hello").await;
    assert_eq!(outlet.passed() - before, 5);
    assert_eq!(proxy.last("public.example:443").header("host"), Some("public.example:443"));
}

#[tokio::test]
async fn the_upstream_is_given_its_password_and_nobody_else() {
    let proxy = Origin::start().await;
    proxy.script("http://public.example/", Answer::ok("x"));
    proxy.script("public.example:443", Answer::status(407));
    let outlet = through(&secret(&proxy.url("").replace("://", "://us%40er:${KEY}@"))).await;
    assert!(get(&outlet, "http://public.example/").await.starts_with("HTTP/1.1 200 "));
    // us@er:canary-s3cr3t
    let basic = Some("Basic dXNAZXI6Y2FuYXJ5LXMzY3IzdA==");
    assert_eq!(proxy.last("http://public.example/").header("proxy-authorization"), basic);
    connect(&outlet, "public.example:443").await;
    assert_eq!(proxy.last("public.example:443").header("proxy-authorization"), basic);
    let blamed = blame(&outlet, "https://public.example/").unwrap();
    let said = format!("upstream_unreachable: public.example: by the proxy {}: it wants a password (407)", proxy.address());
    assert_eq!(blamed, said);
    let shown = format!(
        "{outlet:?} {:?} {:?}",
        outlet.blame(&"https://public.example/".parse().unwrap(), "x"),
        Upstream::of(&secret("http://u:${KEY}@a.example"))
    );
    assert!(!shown.contains(CANARY) && !shown.contains("dXNA"), "{shown}");
}

#[tokio::test]
async fn names_and_literals_are_judged_still() {
    let (proxy, canary) = (Origin::start().await, Origin::start().await);
    let outlet = through(&Filled::plain(proxy.url(""))).await;
    for host in ["127.0.0.1", "127.1", "[::ffff:127.0.0.1]", "2130706433", "localhost", "foo.localhost.", "10.0.0.1", "wiki.internal"] {
        let authority = format!("{host}:{}", canary.address().port());
        assert!(get(&outlet, &format!("http://{authority}/")).await.starts_with("HTTP/1.1 403 "), "{host}");
        assert_eq!(connect(&outlet, &authority).await.0, "HTTP/1.1 403 Forbidden", "{host}");
    }
    assert_eq!((proxy.connections(), canary.connections()), (0, 0));
    insta::assert_snapshot!(get_blame(&outlet, "http://127.1/").await, @r#"address_refused: 127.0.0.1 is not fetched: it is a loopback address, which needs `allow_private = true` under [fetch]"#);
}

async fn get_blame(outlet: &Outlet, url: &str) -> String {
    get(outlet, url).await;
    blame(outlet, url).unwrap_or_default()
}

#[tokio::test]
async fn an_upstream_that_is_at_fault_is_named() {
    let proxy = Origin::start().await;
    proxy.script("public.example:443", Answer::status(503));
    proxy.script("closing.example:443", Answer::close());
    proxy.script("http://public.example/", Answer::status(407));
    let outlet = through(&Filled::plain(proxy.url(""))).await;
    for (authority, said) in [
        ("public.example:443", "it opened no tunnel (503)"),
        ("closing.example:443", "the connection closed before the whole answer had arrived"),
    ] {
        let (host, _) = authority.split_once(':').unwrap();
        assert_eq!(connect(&outlet, authority).await.0, "HTTP/1.1 502 Bad Gateway");
        let blamed = blame(&outlet, &format!("https://{host}/")).unwrap();
        assert_eq!(blamed, format!("upstream_unreachable: {host}: by the proxy {}: {said}", proxy.address()));
    }
    let blamed = get_blame(&outlet, "http://public.example/").await;
    assert_eq!(blamed, format!("upstream_unreachable: public.example: by the proxy {}: it wants a password (407)", proxy.address()));

    // Its name is not hidden behind what the page was called.
    let outlet = through(&Filled::plain("http://no-such-proxy.invalid:3128")).await;
    get(&outlet, "http://public.example/").await;
    let error = outlet.blame(&"http://public.example/".parse().unwrap(), "the configured host").unwrap();
    assert!(matches!(&error, FetchError::Dns { host, .. } if host == "no-such-proxy.invalid:3128"), "{error:?}");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let outlet = through(&Filled::plain(format!("http://{closed}"))).await;
    let blamed = get_blame(&outlet, "http://public.example/").await;
    assert_eq!(blamed, format!("upstream_unreachable: public.example: by the proxy {closed}: connection refused"));
}

#[test]
fn what_is_no_upstream_for_a_browser_is_told_without_its_secrets() {
    let check = |text: &str| Upstream::of(&secret(text)).unwrap_err().to_string();
    insta::assert_snapshot!(check("https://u:${KEY}@proxy.example:3128"), @r#"proxy.example:3128 is not fetched: a page is rendered through http:// proxies only, and this one is https://"#);
    insta::assert_snapshot!(check("https://${KEY}.example"), @r#"the configured host is not fetched: a page is rendered through http:// proxies only, and this one is https://"#);
    insta::assert_snapshot!(check("socks5://u:${KEY}@proxy.example"), @r#"`socks5://u:${KEY}@proxy.example` is no http or https address"#);
    insta::assert_snapshot!(check("proxy.example"), @r#"`proxy.example` is no http or https address"#);
}
