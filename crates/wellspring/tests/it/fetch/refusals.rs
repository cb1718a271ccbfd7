//! What is not fetched, and that nothing was dialled for it.

use super::*;

#[tokio::test]
async fn a_literal_private_address_is_refused_undialled() {
    let canary = Origin::start().await;
    let port = canary.address().port();
    let fetcher = strict(&[]);
    for host in ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.1", "[::ffff:127.0.0.1]", "localhost", "a.localhost", "0.0.0.0"] {
        let said = refusal(fetcher.fetch(&get(format!("http://{host}:{port}/"))).await);
        assert!(said.contains(&format!(":{port} is not fetched: it is a")), "{said}");
    }
    assert_eq!(canary.connections(), 0);
    insta::assert_snapshot!(refusal(fetcher.fetch(&get("http://2130706433/x")).await), @r#"127.0.0.1 is not fetched: it is a loopback address, which needs `allow_private = true` under [fetch]"#);
    insta::assert_snapshot!(refusal(fetcher.fetch(&get("http://169.254.169.254/latest/")).await), @r#"169.254.169.254 is not fetched: it is a cloud's metadata address"#);
    insta::assert_snapshot!(refusal(fetcher.fetch(&get("http://a:b@public.example/")).await), @r#"public.example is not fetched: it is an address with a user name or password, which belong in a header"#);
}

#[tokio::test]
async fn a_name_that_resolves_to_a_private_address_is_refused_undialled() {
    // A machine's own name usually stands in its hosts file with a private or loopback address, and is no local name by itself.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let canary = Origin::start().await;
    let private = Guard::new(true).resolve(&name, 80).await.is_ok() && Guard::new(false).resolve(&name, 80).await.is_err();
    if !private {
        println!("skipped: {name} does not resolve to a private address here");
        return;
    }
    let said = refusal(strict(&[]).fetch(&get(format!("http://{name}:{}/", canary.address().port()))).await);
    assert!(said.contains("it resolves to ") && said.contains("which needs `allow_private = true`"), "{said}");
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn allow_private_opens_loopback() {
    let origin = Origin::start().await;
    origin.script("/", Answer::ok("x"));
    let fetcher = HttpFetcher::guarded(Guard::new(true), USER_AGENT).unwrap();
    body(&fetcher, &get(origin.url("/"))).await;
    body(&fetcher, &get(format!("http://localhost:{}/", origin.address().port()))).await;
    assert_eq!(origin.count("/"), 2);
}

#[tokio::test]
async fn what_is_no_address_is_told_without_its_secrets() {
    let said = |url: Filled| async {
        let request = Request { url, ..get("") };
        let error = strict(&[]).fetch(&request).await.unwrap_err();
        assert!(!format!("{error:?}").contains(CANARY));
        error.to_string()
    };
    insta::assert_snapshot!(said(Filled::plain("tix.id")).await, @r#"`tix.id` is no http or https address"#);
    insta::assert_snapshot!(said(Filled::plain("file:///etc/passwd")).await, @r#"`file:///etc/passwd` is no http or https address"#);
    insta::assert_snapshot!(said(secret("http//a.example/?k=${KEY}")).await, @r#"`http//a.example/?k=${KEY}` is no http or https address"#);
    insta::assert_snapshot!(said(secret("ftp://a.example/?k=${KEY}")).await, @r#"`ftp://a.example/?k=${KEY}` is no http or https address"#);
}

#[tokio::test]
async fn nothing_listens_nothing_resolves() {
    let gone = Origin::start().await;
    let closed = gone.address();
    drop(gone);
    let fetcher = HttpFetcher::guarded(Guard::new(true), USER_AGENT).unwrap();
    // The listener closes when its task has ended.
    let error = loop {
        match fetcher.fetch(&get(format!("http://{closed}/?k=1"))).await {
            Err(error) if error.to_string().contains("refused") => break error,
            _ => tokio::task::yield_now().await,
        }
    };
    assert_eq!(error, FetchError::Unreachable { host: closed.to_string(), reason: "connection refused".into() });
    let error = fetcher.fetch(&get("http://no-such-name.invalid/")).await.unwrap_err();
    assert!(matches!(&error, FetchError::Dns { host, .. } if host == "no-such-name.invalid"), "{error:?}");
}

#[tokio::test]
async fn a_header_that_is_none_is_refused_by_name() {
    let mut request = get("http://public.example/");
    request.headers.push(("x-token".parse().unwrap(), secret("${KEY}\nx: y")));
    insta::assert_snapshot!(refusal(strict(&[]).fetch(&request).await), @r#"public.example is not fetched: its header `x-token` holds characters that no header may hold"#);
}

/// A proxy is exempt from the guard; what is asked of it is not, as far as names and literals tell.
#[tokio::test]
async fn through_a_proxy_names_and_literals_are_judged_still() {
    let proxy = Origin::start().await;
    let canary = Origin::start().await;
    proxy.script("http://public.example/", Answer::ok("from the proxy"));
    let through = |url: &str| Request { proxy: Some(Filled::plain(proxy.url(""))), ..get(url) };
    let fetcher = strict(&[]);
    assert_eq!(body(&fetcher, &through("http://public.example/")).await.body, "from the proxy");
    for target in [canary.url("/"), "http://localhost/".to_owned(), "https://10.0.0.1/".to_owned(), "http://wiki.internal/".to_owned()] {
        refusal(fetcher.fetch(&through(&target)).await);
        proxy.script("http://public.example/to", Answer::redirect(302, target.as_str()));
        let after_redirect = fetcher.fetch(&through("http://public.example/to")).await;
        if target.starts_with("http:") {
            refusal(after_redirect);
        }
    }
    assert_eq!((canary.connections(), proxy.total()), (0, 5));
    // The same proxy is one client and keeps its connection.
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named_without_its_password() {
    let gone = Origin::start().await;
    let proxy = gone.address();
    drop(gone);
    let mut request = get("http://public.example/");
    request.proxy = Some(secret(&format!("http://user:${{KEY}}@{proxy}")));
    let fetcher = strict(&[]);
    let error = loop {
        let error = fetcher.fetch(&request).await.unwrap_err();
        assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
        if error.to_string().contains("refused") {
            break error;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(error.to_string(), format!("public.example: by the proxy {proxy}: connection refused"));
    request.proxy = Some(secret("socks5://user:${KEY}@10.0.0.1"));
    insta::assert_snapshot!(fetcher.fetch(&request).await.unwrap_err(), @r#"`socks5://user:${KEY}@10.0.0.1` is no http or https address"#);
}
