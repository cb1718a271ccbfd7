//! Whatever a page tries, nothing private is reached: a canary that listens on loopback hears of nobody.

use std::net::UdpSocket;

use super::*;

/// Every way of a page's own to reach `at` (host and port): each asks for a path of its own.
fn attempts(at: &str) -> String {
    let elements = format!(
        r#"<script src="http://{at}/script"></script><link rel="stylesheet" href="http://{at}/style"><img src="http://{at}/image">
        <iframe src="http://{at}/frame"></iframe><object data="http://{at}/object"></object><embed src="http://{at}/embed">
        <link rel="prefetch" href="http://{at}/prefetch"><link rel="preload" as="script" href="http://{at}/preload">
        <link rel="modulepreload" href="http://{at}/modulepreload"><link rel="preconnect" href="http://{at}">
        <link rel="dns-prefetch" href="http://{at}"><link rel="icon" href="http://{at}/icon"><link rel="manifest" href="http://{at}/manifest">
        <video src="http://{at}/video"></video><style>@import "http://{at}/import"; body {{ background: url(http://{at}/background) }}</style>
        <form id="form" action="http://{at}/form" method="post" target="sink"></form><iframe name="sink"></iframe>
        <iframe srcdoc='<script>fetch("http://{at}/srcdoc", {{mode: "no-cors"}})</script>'></iframe>
        <iframe src='data:text/html,<script src="http://{at}/data-script"></script>'></iframe>
        <iframe src="/sends-on?http://{at}/redirected-frame"></iframe>"#
    );
    let script = format!(
        r"const none = () => 0, at = '{at}', quiet = f => {{ try {{ f() }} catch (e) {{}} }};
        quiet(() => fetch(`http://${{at}}/fetch`, {{ mode: 'no-cors' }}).catch(none));
        quiet(() => fetch(`https://${{at}}/tls`, {{ mode: 'no-cors' }}).catch(none));
        quiet(() => {{ const x = new XMLHttpRequest(); x.open('GET', `http://${{at}}/xhr`); x.send() }});
        quiet(() => navigator.sendBeacon(`http://${{at}}/beacon`, 'x'));
        quiet(() => new EventSource(`http://${{at}}/events`));
        quiet(() => new WebSocket(`ws://${{at}}/socket`));
        quiet(() => new WebTransport(`https://${{at}}/transport`).ready.catch(none));
        quiet(() => new Worker(URL.createObjectURL(new Blob([
          `try {{ importScripts('http://${{at}}/imported') }} catch (e) {{}}; fetch('http://${{at}}/worker', {{ mode: 'no-cors' }})`]))));
        quiet(() => new SharedWorker(URL.createObjectURL(new Blob([`fetch('http://${{at}}/shared', {{ mode: 'no-cors' }})`]))));
        quiet(() => navigator.serviceWorker.register('/service.js').catch(none));
        quiet(() => import(`http://${{at}}/module`).catch(none));
        quiet(() => open(`http://${{at}}/window`));
        quiet(() => document.getElementById('form').submit());
        for (const url of [`stun:${{at}}`, `turn:${{at}}?transport=tcp`, `turn:${{at}}`]) quiet(() => {{
          const c = new RTCPeerConnection({{ iceServers: [{{ urls: url, username: 'a', credential: 'b' }}] }});
          c.createDataChannel('x'); c.createOffer().then(o => c.setLocalDescription(o)).catch(none) }});
        setTimeout(() => document.querySelector('ul').innerHTML = '<li>There</li>', 1200);"
    );
    format!("<!doctype html><title>Tries</title><ul></ul>{elements}<script>{script}</script>")
}

/// The plain ways, to each of these.
fn spelled(hosts: &[String]) -> String {
    let each = |at: &String| {
        let calls =
            format!("fetch('http://{at}/', {{ mode: 'no-cors' }}).catch(() => 0); try {{ new WebSocket('ws://{at}/') }} catch (e) {{}}");
        format!("<iframe src='http://{at}/'></iframe><script>{calls}; fetch('https://{at}/').catch(() => 0)</script>")
    };
    let tries: String = hosts.iter().map(each).collect();
    let there = "setTimeout(() => document.querySelector('ul').innerHTML = '<li>There</li>', 1200)";
    format!("<!doctype html><title>Tries</title><ul></ul>{tries}<script>{there}</script>")
}

/// Those by which a canary is reached where the guard lets pages go there: the test would hear of them.
const HEARD: [&str; 21] = [
    "/script",
    "/style",
    "/frame",
    "/object",
    "/embed",
    "/prefetch",
    "/preload",
    "/modulepreload",
    "/import",
    "/form",
    "/srcdoc",
    "/data-script",
    "/redirected-frame",
    "/fetch",
    "/xhr",
    "/beacon",
    "/events",
    "/imported",
    "/worker",
    "/shared",
    "/module",
];

fn waiting() -> Page {
    Page { wait_for: Some("li".to_owned()), ..Page::default() }
}

/// An origin whose page tries everything, and sends on a frame.
async fn trying(at: &str) -> Origin {
    let origin = Origin::start().await;
    origin.script("/tries", Answer::html(attempts(at)));
    origin.script("/sends-on", Answer::redirect(302, format!("http://{at}/redirected-frame")));
    let service = format!("importScripts('http://{at}/service-import'); fetch('http://{at}/service-fetch', {{ mode: 'no-cors' }})");
    origin.script("/service.js", Answer::ok(service).header("content-type", "text/javascript"));
    origin
}

#[tokio::test]
async fn what_the_guard_allows_is_heard_by_the_canary() {
    let canary = Origin::start().await;
    let origin = trying(&canary.address().to_string()).await;
    let Some(lab) = Lab::open(&[&origin, &canary]).await else { return };
    lab.render(&origin.url("/tries"), waiting()).await.unwrap();
    let unheard: Vec<&str> = HEARD.into_iter().filter(|path| canary.count(path) == 0).collect();
    assert_eq!(unheard, Vec::<&str>::new());
    assert_eq!((canary.count("/image"), canary.count("/video"), canary.count("/background")), (0, 0, 0));
    lab.close().await;
}

#[tokio::test]
async fn nothing_private_is_reached_by_a_page() {
    let canary = Origin::start().await;
    let port = canary.address().port();
    let heard = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    heard.set_nonblocking(true).unwrap();
    let other = Origin::start_at("127.0.0.2").await;
    let sixth = Origin::start_at("::1").await;
    let mut hosts = vec![other.address().to_string(), sixth.address().to_string()];
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "localhost",
        "a.localhost",
        "0.0.0.0",
        "[::]",
    ] {
        hosts.push(format!("{host}:{port}"));
    }
    let origin = trying(&hosts[2]).await;
    origin.script("/spelled", Answer::html(spelled(&hosts)));
    let Some(lab) = Lab::open(&[&origin]).await else { return };
    for path in ["/tries", "/spelled"] {
        let rendered = lab.render(&origin.url(path), waiting()).await.unwrap();
        assert!(document(&rendered).contains("<li>There</li>"), "{path}");
    }
    let reached = (canary.connections(), other.connections(), sixth.connections());
    assert_eq!(reached, (0, 0, 0), "{canary:?} {other:?} {sixth:?}");
    assert!(heard.recv(&mut [0; 64]).is_err(), "something came by UDP");
    lab.close().await;
}

#[tokio::test]
async fn nothing_private_is_gone_to() {
    let canary = Origin::start().await;
    let origin = Origin::start().await;
    let at = canary.address();
    let Some(lab) = Lab::open(&[&origin]).await else { return };
    let refused = |host: &str, why: &str| format!("{host} is not fetched: it is {why}");
    let loopback = "a loopback address, which needs `allow_private = true` under [fetch]";
    let port = at.port();
    // Asked for outright: no browser hears of it.
    for (url, gives) in [
        (format!("http://{at}/"), refused(&at.to_string(), loopback)),
        (format!("http://127.1:{port}/"), refused(&at.to_string(), loopback)),
        (format!("http://0x7f000001:{port}/"), refused(&at.to_string(), loopback)),
        (format!("http://2130706433:{port}/"), refused(&at.to_string(), loopback)),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), refused(&format!("[::ffff:7f00:1]:{port}"), loopback)),
        (
            format!("http://localhost:{port}/"),
            refused(&format!("localhost:{port}"), "a local name, which needs `allow_private = true` under [fetch]"),
        ),
        (format!("http://0.0.0.0:{port}/"), refused(&format!("0.0.0.0:{port}"), "an unspecified address")),
        (format!("http://[::]:{port}/"), refused(&format!("[::]:{port}"), "an unspecified address")),
        ("file:///etc/passwd".to_owned(), "`file:///etc/passwd` is no http or https address".to_owned()),
        (format!("view-source:http://{at}/"), format!("`view-source:http://{at}/` is no http or https address")),
        ("chrome://version".to_owned(), "`chrome://version` is no http or https address".to_owned()),
        ("data:text/html,x".to_owned(), "`data:text/html,x` is no http or https address".to_owned()),
    ] {
        assert_eq!(lab.render(&url, Page::default()).await.unwrap_err().to_string(), gives, "{url}");
    }
    // Gone to from a page.
    let there = format!("http://{at}/");
    let barred = refused(&at.to_string(), loopback);
    origin.script("/redirect", Answer::redirect(302, there.clone()));
    origin.script("/redirect-twice", Answer::redirect(307, "/redirect"));
    origin.script("/refresh", Answer::html(format!("<meta http-equiv=refresh content='0;url={there}'>")));
    origin.script("/location", scripted(&format!("location = '{there}'")));
    origin.script("/https", scripted(&format!("location = 'https://{at}/'")));
    origin.script("/https-redirect", Answer::redirect(302, format!("https://{at}/")));
    origin.script("/file-redirect", Answer::redirect(302, "file:///etc/passwd"));
    let list = "document.querySelector('ul').innerHTML = '<li>There</li>'";
    for (path, to) in [("/file", "file:///etc/passwd"), ("/view", "view-source:file:///etc/passwd"), ("/chrome", "chrome://version")] {
        let frame = format!("document.body.append(Object.assign(document.createElement('iframe'), {{ src: '{to}' }}));");
        let asks = format!("fetch('{to}').then(a => a.text()).then(a => document.body.append(a)).catch(() => 0);");
        origin.script(
            path,
            scripted(&format!("{frame}{asks} try {{ location = '{to}' }} catch (e) {{}}; setTimeout(() => {{ {list} }}, 300)")),
        );
    }
    for (path, gives) in [
        ("/redirect", barred.as_str()),
        ("/redirect-twice", &barred),
        ("/refresh", &barred),
        ("/location", &barred),
        ("/https", &barred),
        ("/https-redirect", &barred),
        ("/file-redirect", "UNSAFE_REDIRECT"),
        ("/file", "<li>There</li>"),
        ("/view", "<li>There</li>"),
        ("/chrome", "<li>There</li>"),
    ] {
        let mut request = request(&origin.url(path), waiting());
        request.within = Duration::from_secs(5);
        let got = lab.browser.render(&request).await.map_or_else(|error| error.to_string(), |rendered| document(&rendered));
        assert!(got.contains(gives), "{path}: {got}");
        assert!(!got.contains("root:"), "{path}: {got}");
    }
    assert_eq!(canary.connections(), 0);
    lab.close().await;
}
