//! What is not let pass, and what is said of it.

use super::*;

/// Every way to say "this machine", for one port.
const HERE: [&str; 15] = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "0x7f.1",
    "0177.0.0.1",
    "2130706433",
    "017700000001",
    "127.0.0.1.",
    "0.0.0.0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:2]",
    "localhost",
    "LOCALHOST.",
    "foo.localhost.",
];

#[tokio::test]
async fn nothing_is_dialled_for_what_is_refused() {
    let canary = Origin::start().await;
    let port = canary.address().port();
    // The same port of another loopback address, and of IPv6 where there is one.
    let others = [TcpListener::bind(("127.0.0.2", port)).await, TcpListener::bind(("::1", port)).await];
    let outlet = outlet([]).await;
    for host in HERE {
        let url = format!("http://{host}:{port}/");
        let answer = get(&outlet, &url).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{url}: {answer}");
        assert!(blame(&outlet, &url).unwrap().starts_with("address_refused: "), "{url}");
        assert!(get(&outlet, &format!("http://a:b@{host}:{port}/")).await.starts_with("HTTP/1.1 400 "), "{host}");
        let (status, _) = connect(&outlet, &format!("{host}:{port}")).await;
        assert_eq!(status, "HTTP/1.1 403 Forbidden", "{host}");
        let (status, _) = connect(&outlet, &format!("a:b@{host}:{port}")).await;
        assert_eq!(status, "HTTP/1.1 400 Bad Request", "{host}");
    }
    assert_eq!(canary.connections(), 0);
    for other in others.iter().flatten() {
        let came = tokio::time::timeout(Duration::ZERO, other.accept()).await;
        assert!(came.is_err(), "{came:?}");
    }
    assert_eq!(outlet.passed(), 0);
}

#[tokio::test]
async fn what_is_no_request_to_a_proxy_is_none() {
    let origin = Origin::start().await;
    let outlet = outlet([origin.address()]).await;
    let host = origin.address();
    for line in [
        "GET / HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        &format!("GET https://{host}/ HTTP/1.1"),
        &format!("GET ws://{host}/ HTTP/1.1"),
        &format!("GET ftp://{host}/ HTTP/1.1"),
        &format!("CONNECT http://{host}/ HTTP/1.1"),
        "CONNECT 127.0.0.1 HTTP/1.1",
        "nonsense",
    ] {
        let answer = ask(&outlet, &format!("{line}\nhost: {host}\nconnection: close\n\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{line}: {answer}");
    }
    assert_eq!(origin.connections(), 0);
    insta::assert_snapshot!(ask(&outlet, "GET / HTTP/1.1\nhost: x\nconnection: close\n\n").await, @r#"
    HTTP/1.1 400 Bad Request
    connection: close
    content-length: 54

    This is a proxy: it takes CONNECT and http addresses.
    "#);
}

#[tokio::test]
async fn a_page_learns_that_there_is_no_way_and_people_learn_why() {
    let outlet = outlet([]).await;
    insta::assert_snapshot!(get(&outlet, "http://10.0.0.1/x").await, @r#"
    HTTP/1.1 403 Forbidden
    connection: close
    content-length: 37

    The address guard lets nobody there.
    "#);
    insta::assert_snapshot!(blame(&outlet, "http://10.0.0.1/y").unwrap(), @r#"address_refused: 10.0.0.1 is not fetched: it is a private address, which needs `allow_private = true` under [fetch]"#);
    let (status, _) = connect(&outlet, "metadata.google.internal:443").await;
    assert_eq!(status, "HTTP/1.1 403 Forbidden");
    insta::assert_snapshot!(blame(&outlet, "https://metadata.google.internal/").unwrap(), @r#"address_refused: metadata.google.internal is not fetched: it is a cloud's metadata address"#);
    // Another port is another matter, and what was not tried is nobody's fault.
    assert_eq!(blame(&outlet, "http://metadata.google.internal/"), None);
    // Who keeps a host secret calls it something else.
    let error = outlet.blame(&"http://10.0.0.1/".parse().unwrap(), "the configured host").unwrap();
    insta::assert_snapshot!(error, @r#"the configured host is not fetched: it is a private address, which needs `allow_private = true` under [fetch]"#);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_blamed() {
    let outlet = outlet([]).await;
    let answer = get(&outlet, "http://no-such-name.invalid/").await;
    insta::assert_snapshot!(answer, @r#"
    HTTP/1.1 502 Bad Gateway
    connection: close
    content-length: 31

    The host could not be reached.
    "#);
    let error = outlet.blame(&"http://no-such-name.invalid/".parse().unwrap(), "no-such-name.invalid").unwrap();
    assert!(matches!(&error, FetchError::Dns { host, reason } if host == "no-such-name.invalid" && !reason.is_empty()), "{error:?}");
    let (status, _) = connect(&outlet, "no-such-name.invalid:443").await;
    assert_eq!(status, "HTTP/1.1 502 Bad Gateway");
    assert!(blame(&outlet, "https://no-such-name.invalid/").unwrap().starts_with("dns_failed: "));
}

#[tokio::test]
async fn a_host_that_is_back_is_blamed_no_more() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outlet = outlet([address]).await;
    let (status, _) = connect(&outlet, &address.to_string()).await;
    assert_eq!(status, "HTTP/1.1 502 Bad Gateway");
    let url = format!("https://{address}/");
    assert_eq!(blame(&outlet, &url).unwrap(), format!("upstream_unreachable: {address}: connection refused"));
    let _back = TcpListener::bind(address).await.unwrap();
    let (status, _) = connect(&outlet, &address.to_string()).await;
    assert_eq!((status.as_str(), blame(&outlet, &url)), ("HTTP/1.1 200 OK", None));
}

#[tokio::test]
async fn an_answer_that_is_none_is_blamed() {
    for (answer, said) in [
        (Answer::close(), "the connection closed before the whole answer had arrived"),
        (Answer::raw("220 smtp.example ready\r\n"), "its answer is no valid HTTP"),
        (Answer::raw(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(70_000))), "the head of its answer is too large"),
        // A browser would ask for the password of a proxy that has none.
        (Answer::status(407).header("proxy-authenticate", "Basic"), "it wants a password (407)"),
        (Answer::raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"), "its answer is no valid HTTP"),
    ] {
        let origin = Origin::start().await;
        origin.script("/", answer);
        let outlet = outlet([origin.address()]).await;
        let came = get(&outlet, &origin.url("/")).await;
        assert!(came.starts_with("HTTP/1.1 502 "), "{said}: {came}");
        assert_eq!(blame(&outlet, &origin.url("/")).unwrap(), format!("upstream_unreachable: {}: {said}", origin.address()));
    }
}

/// A second answer hidden in the first would be taken for another host's, over the same connection.
#[tokio::test]
async fn an_answer_has_one_length() {
    let origin = Origin::start().await;
    let hidden = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let framed = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    origin.script("/both", Answer::raw(format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n{framed}")));
    origin.script("/short", Answer::ok("whole").truncated());
    let outlet = outlet([origin.address()]).await;
    let both = get(&outlet, &origin.url("/both")).await;
    let (head, body) = both.split_once("\n\n").unwrap();
    assert!(head.contains("transfer-encoding: chunked") && !head.contains("content-length") && body.starts_with("2A\n"), "{both}");
    // What breaks off breaks off for the browser too, whatever it would have asked next.
    let said = format!("GET {0} HTTP/1.1\nhost: x\n\nGET {0} HTTP/1.1\nhost: x\n\n", origin.url("/short"));
    let short = ask(&outlet, &said).await;
    assert!(short.ends_with("\n\nwh") && short.matches("HTTP/1.1").count() == 1, "{short}");
}
