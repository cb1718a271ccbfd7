//! How requests are read, what is passed on, and that no spelling of an address gets past the guard.

use http::header::HeaderMap;
use http::{HeaderName, HeaderValue, Method, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::super::guard::tricks;
use super::target::Target;
use super::*;

/// Where a request wants to go, as host, port and what is shown.
fn check(method: &Method, uri: &str) -> String {
    let target = uri.parse::<Uri>().ok().and_then(|uri| Target::of(method, &uri));
    target.map_or("nowhere".to_owned(), |target| format!("{} {}", target.authority(), target.shown()))
}

#[test]
fn a_host_is_read_as_browsers_read_it() {
    for (asked, read) in [
        ("public.example:443", "public.example:443 public.example"),
        ("Public.Example:8443", "public.example:8443 public.example:8443"),
        ("public.example:80", "public.example:80 public.example:80"),
        ("127.1:443", "127.0.0.1:443 127.0.0.1"),
        ("0x7f.1:80", "127.0.0.1:80 127.0.0.1:80"),
        ("2130706433:1", "127.0.0.1:1 127.0.0.1:1"),
        ("[::FFFF:127.0.0.1]:443", "[::ffff:7f00:1]:443 [::ffff:7f00:1]"),
        ("localhost.:443", "localhost.:443 localhost."),
        ("public.example", "nowhere"),
        ("public.example:", "nowhere"),
        (":443", "nowhere"),
        ("public.example:65536", "nowhere"),
        ("256.0.0.1:443", "nowhere"),
        ("a@public.example:443", "nowhere"),
        ("/", "nowhere"),
        ("*", "nowhere"),
        ("http://public.example:443/", "nowhere"),
    ] {
        assert_eq!(check(&Method::CONNECT, asked), read, "CONNECT {asked}");
    }
    for (asked, read) in [
        ("http://public.example", "public.example:80 public.example"),
        ("http://public.example:80/a?b", "public.example:80 public.example"),
        ("http://public.example:443/", "public.example:443 public.example:443"),
        ("HTTP://0x7f000001/", "127.0.0.1:80 127.0.0.1"),
        ("http://[::1]:8080/", "[::1]:8080 [::1]:8080"),
        ("https://public.example/", "nowhere"),
        ("ws://public.example/", "nowhere"),
        ("file:///etc/passwd", "nowhere"),
        ("http://a:b@public.example/", "nowhere"),
        ("http://@public.example/", "nowhere"),
        ("public.example:80", "nowhere"),
        ("/origin-form", "nowhere"),
        ("*", "nowhere"),
    ] {
        assert_eq!(check(&Method::GET, asked), read, "GET {asked}");
        assert_eq!(check(&Method::OPTIONS, asked), read, "OPTIONS {asked}");
    }
}

#[test]
fn only_what_is_meant_for_the_other_end_is_passed_on() {
    let check = |came: &[(&str, &str)]| {
        let header = |(name, value): &(&str, &str)| -> (HeaderName, HeaderValue) { (name.parse().unwrap(), value.parse().unwrap()) };
        let mut headers = HeaderMap::new();
        for (name, value) in came.iter().map(header) {
            headers.append(name, value);
        }
        headers::keep_end_to_end(&mut headers);
        headers.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(check(&[("accept", "*/*"), ("cookie", "a=b"), ("content-length", "5")]), "accept cookie content-length");
    let named = [("connection", "close, X-One ,,("), ("connection", "x-two"), ("x-one", "1"), ("x-two", "2"), ("x-three", "3")];
    assert_eq!(check(&named), "x-three");
    for name in ["keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "te", "trailer", "upgrade"] {
        assert_eq!(check(&[(name, "x"), ("accept", "*/*")]), "accept", "{name}");
    }
    assert_eq!(check(&[("content-length", "5"), ("transfer-encoding", "chunked")]), "");
}

/// What the outlet answers to a request line: its status, or nothing where the connection just ended.
async fn status(outlet: &Outlet, line: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(outlet.address()).await.unwrap();
    stream.write_all(format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after what was answered is an end like any other.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

#[tokio::test]
async fn no_spelling_of_an_address_gets_past() {
    let outlet = Outlet::open(Guard::new(false), None, Limits::default()).await.unwrap();
    let (mut refused, mut malformed) = (0, 0);
    for spelling in tricks::refused() {
        let mut lines = vec![format!("GET {spelling}"), format!("POST {spelling}")];
        if let Some(rest) = spelling.strip_prefix("http://") {
            lines.push(format!("CONNECT {rest}:80"));
            lines.push(format!("CONNECT {rest}"));
        }
        // As the browser itself would write it.
        if let Ok(url) = Url::parse(spelling)
            && let (Some(host), "http" | "https", "") = (url.host_str(), url.scheme(), url.username())
            && url.password().is_none()
        {
            let port = url.port_or_known_default().unwrap();
            lines.extend([format!("GET http://{host}:{port}/"), format!("CONNECT {host}:{port}")]);
        }
        for line in lines {
            // A host that is let pass would be resolved or dialled, and give 502.
            match status(&outlet, &line).await {
                Some(403) => refused += 1,
                Some(400) => malformed += 1,
                other => panic!("{line:?}: {other:?}"),
            }
        }
    }
    // Most of them were understood, not just turned away as no requests.
    assert!(refused > 2 * malformed, "{refused} refused, {malformed} malformed");
}
