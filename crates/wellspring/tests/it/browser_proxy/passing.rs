//! What is let pass, and how much of it.

use super::*;

#[tokio::test]
async fn a_request_is_passed_on_without_what_was_meant_for_the_proxy() {
    let origin = Origin::start().await;
    origin.script("/a", Answer::html("<p>x</p>").header("set-cookie", "a=b").header("connection", "x-hop").header("x-hop", "1"));
    let outlet = outlet([origin.address()]).await;
    let url = origin.url("/a?b=c");
    let said = format!(
        "GET {url} HTTP/1.1\nhost: elsewhere.example\ncookie: c=d\nproxy-connection: keep-alive\nconnection: close, x-own\n\
         x-own: 1\nproxy-authorization: Basic eDp5\nte: trailers\nupgrade: h2c\naccept-encoding: gzip\n\n"
    );
    insta::assert_snapshot!(ask(&outlet, &said).await, @r#"
    HTTP/1.1 200 OK
    content-type: text/html; charset=utf-8
    set-cookie: a=b
    content-length: 8
    connection: close

    <p>x</p>
    "#);
    let asked = origin.last("/a");
    assert_eq!((asked.query.as_deref(), asked.header("host")), (Some("b=c"), Some(origin.address().to_string().as_str())));
    insta::assert_debug_snapshot!(asked.headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), @r#"
    [
        "host",
        "cookie",
        "accept-encoding",
    ]
    "#);
    assert_eq!(blame(&outlet, &url), None);
    assert!(outlet.passed() > 8 && !outlet.is_full());
}

#[tokio::test]
async fn a_body_goes_there_and_an_answer_comes_back() {
    let origin = Origin::start().await;
    origin.script("/form", Answer::json("{\"ok\":true}").chunked());
    let outlet = outlet([origin.address()]).await;
    let body = "x".repeat(300_000);
    let said = format!("PUT {} HTTP/1.1\nhost: x\nconnection: close\ncontent-length: {}\n\n{body}", origin.url("/form"), body.len());
    let answer = ask(&outlet, &said).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("transfer-encoding: chunked"), "{answer}");
    let asked = origin.last("/form");
    assert_eq!((asked.method.as_str(), asked.body.len()), ("PUT", body.len()));
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_host() {
    let (one, other) = (Origin::start().await, Origin::start().await);
    one.script("/", Answer::ok("one"));
    other.script("/", Answer::redirect(302, "http://10.0.0.1/"));
    let outlet = outlet([one.address(), other.address()]).await;
    let said = format!("GET {} HTTP/1.1\nhost: x\n\nHEAD {} HTTP/1.1\nhost: x\nconnection: close\n\n", one.url("/"), other.url("/"));
    // A redirect is the browser's to follow: it comes back here.
    insta::assert_snapshot!(ask(&outlet, &said).await, @r#"
    HTTP/1.1 200 OK
    content-length: 3

    oneHTTP/1.1 302 Found
    location: http://10.0.0.1/
    content-length: 0
    connection: close
    "#);
    assert_eq!((one.count("/"), other.count("/")), (1, 1));
}

#[tokio::test]
async fn an_answer_streams() {
    let origin = Origin::start().await;
    origin.script("/", Answer::drip());
    let outlet = outlet([origin.address()]).await;
    let mut stream = say(&outlet, &format!("GET {} HTTP/1.1\nhost: x\n\n", origin.url("/"))).await;
    head(&mut stream).await;
    // There is no end of it, so whatever comes comes before the end.
    let mut some = [0; 20];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut some)).await.unwrap().unwrap();
    drop(stream);
    origin.wait_for_answers("/", 1).await;
}

#[tokio::test]
async fn a_tunnel_passes_bytes_both_ways() {
    let echo = echo().await;
    let outlet = outlet([echo]).await;
    let (status, mut stream) = connect(&outlet, &echo.to_string()).await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let all = ["hello", "\0\r\n\r\nGET / HTTP/1.1\r\n\r\n", &"x".repeat(100_000)];
    for words in all {
        hear(&mut stream, words).await;
    }
    assert_eq!(outlet.passed(), all.concat().len() as u64);
}

#[tokio::test]
async fn a_tunnel_ends_with_either_side() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    // With a place for one connection, the second shows that the first is over.
    let outlet = limited([address], Limits { connections: 1, ..Limits::default() }).await;
    let open = async || {
        let authority = address.to_string();
        let ((status, near), accepted) = tokio::join!(connect(&outlet, &authority), listener.accept());
        assert_eq!(status, "HTTP/1.1 200 OK");
        (near, accepted.unwrap().0)
    };
    // A browser that goes, from a host that stays on the line.
    let (mut near, mut silent) = open().await;
    near.write_all(b"goodbye").await.unwrap();
    drop(near);
    assert_eq!(rest(&mut silent).await, "goodbye");
    // A host that says its piece and goes.
    let (mut near, mut far) = open().await;
    far.write_all(b"goodbye").await.unwrap();
    drop(far);
    assert_eq!(rest(&mut near).await, "goodbye");
}

#[tokio::test]
async fn everything_ends_with_the_outlet() {
    let origin = Origin::start().await;
    origin.script("/hang", Answer::hang());
    let echo = echo().await;
    let outlet = outlet([echo, origin.address()]).await;
    let (_, mut tunnel) = connect(&outlet, &echo.to_string()).await;
    hear(&mut tunnel, "hello").await;
    let mut waiting = say(&outlet, &format!("GET {} HTTP/1.1\nhost: x\n\n", origin.url("/hang"))).await;
    origin.wait_for_requests("/hang", 1).await;
    let mut idle = say(&outlet, "").await;
    let address = outlet.address();
    drop(outlet);
    for stream in [&mut tunnel, &mut waiting, &mut idle] {
        assert_eq!(rest(stream).await, "");
    }
    // The origin's side has ended as well, and nobody listens any more.
    origin.wait_for_answers("/hang", 1).await;
    TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn what_comes_in_is_limited_over_all_connections() {
    let origin = Origin::start().await;
    origin.script("/endless", Answer::endless());
    let echo = echo().await;
    let outlet = limited([echo, origin.address()], Limits { bytes: 100_000, ..Limits::default() }).await;
    let (_, mut tunnel) = connect(&outlet, &echo.to_string()).await;
    hear(&mut tunnel, &"x".repeat(60_000)).await;
    assert!(!outlet.is_full());
    let answer = get(&outlet, &origin.url("/endless")).await;
    assert!(answer.len() < 45_000, "{}", answer.len());
    assert_eq!(rest(&mut tunnel).await, "");
    assert!(outlet.is_full());
    assert!(outlet.passed() <= 100_000);
    // The port is still there, and leads nowhere.
    assert_eq!(get(&outlet, &origin.url("/endless")).await, "");
    assert_eq!(origin.count("/endless"), 1);
}

#[tokio::test]
async fn as_many_bytes_as_may_come_do_come() {
    let echo = echo().await;
    let outlet = limited([echo], Limits { bytes: 10, ..Limits::default() }).await;
    let (_, mut tunnel) = connect(&outlet, &echo.to_string()).await;
    hear(&mut tunnel, "0123456789").await;
    assert!(!outlet.is_full());
    tunnel.write_all(b"x").await.unwrap();
    assert_eq!(rest(&mut tunnel).await, "");
    assert!(outlet.is_full());
}

#[tokio::test]
async fn more_connections_than_may_be_open_wait() {
    let origin = Origin::start().await;
    origin.script("/", Answer::ok("x"));
    let echo = echo().await;
    let outlet = limited([echo, origin.address()], Limits { connections: 1, ..Limits::default() }).await;
    let (_, mut tunnel) = connect(&outlet, &echo.to_string()).await;
    let mut waiting = say(&outlet, &format!("GET {} HTTP/1.1\nhost: x\nconnection: close\n\n", origin.url("/"))).await;
    for _ in 0..100 {
        hear(&mut tunnel, "hello").await;
    }
    assert_eq!(origin.count("/"), 0);
    drop(tunnel);
    assert!(rest(&mut waiting).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let outlet = limited([], Limits { head: Duration::from_millis(50), ..Limits::default() }).await;
    for said in ["", "GET http://public.example/ HTTP/1.1\nhost: x\n", "CONNECT public.example:443 HTTP/1.1\n"] {
        // The status of a timeout, or nothing at all.
        let answer = ask(&outlet, said).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{said:?}: {answer}");
    }
}

#[tokio::test]
async fn a_head_may_not_be_of_any_size() {
    let outlet = outlet([]).await;
    let mut stream = say(&outlet, "GET http://10.0.0.1/ HTTP/1.1\nx: ").await;
    let filling = async { while stream.write_all(&[b'x'; 8 << 10]).await.is_ok() {} };
    // It is cut off, or this would never end.
    tokio::time::timeout(PATIENCE, filling).await.unwrap();
}
