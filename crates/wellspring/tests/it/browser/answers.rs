//! What a page's own address answers, what goes there and what does not, and the steps that a page is led through.

use http::header::{COOKIE, HeaderName, USER_AGENT as AGENT};
use wellspring_core::source::AddressPattern;

use super::*;

fn waiting(selector: &str) -> Page {
    Page { wait_for: Some(selector.to_owned()), ..Page::default() }
}

#[tokio::test]
async fn an_answer_is_taken_for_what_it_is() {
    let origin = Origin::start().await;
    let other = Origin::start().await;
    let at = origin.address();
    origin.script("/missing", Answer::status(404));
    origin.script("/broken", Answer::html("<p>sorry").with_status(500));
    origin.script("/busy", Answer::status(429).header("retry-after", "120"));
    origin.script("/json", Answer::json(r#"{"a":"One"}"#));
    origin.script("/text", Answer::ok("plainly").header("content-type", "text/plain"));
    origin.script("/attached", Answer::html("<p>file").header("content-disposition", "attachment; filename=a.html"));
    origin.script("/binary", Answer::ok("bytes").header("content-type", "application/octet-stream"));
    origin.script("/large", scripted("document.body.append('x'.repeat(200000))"));
    origin.script("/hop", Answer::redirect(302, other.url("/end?a=1")));
    origin.script("/loop", Answer::redirect(302, "/loop"));
    origin.script("/late", scripted("location = '/missing'"));
    origin.script("/reset", Answer::html("<p>half".repeat(1_000)).reset());
    origin.script("/cut", Answer::html("<p>half".repeat(1_000)).unfinished());
    origin.script("/closed", Answer::close());
    origin.script("/hung", Answer::hang());
    origin.script("/drips", Answer::drip().header("content-type", "text/html"));
    origin.script("/endless", Answer::endless().header("content-type", "text/html"));
    origin.script("/nonsense", Answer::raw("nonsense\r\n\r\n"));
    origin.script("/empty", Answer::html(""));
    origin.script("/nothing", Answer::status(204));
    other.script("/end", scripted(""));
    let Some(lab) = Lab::open(&[&origin, &other]).await else { return };
    for (path, page, gives) in [
        ("/missing", Page::default(), format!("{at} answered 404")),
        ("/broken", Page::default(), format!("{at} answered 500")),
        ("/busy", Page::default(), format!("{at} answered 429")),
        ("/json", Page::default(), r#"{"a":"One"}"#.to_owned()),
        ("/text", Page::default(), "plainly".to_owned()),
        ("/attached", Page::default(), "its address gives a download and no page".to_owned()),
        ("/binary", Page::default(), "its address gives a download and no page".to_owned()),
        ("/large", waiting("script"), format!("{at} sent more than 100000 bytes after decompression (`max_body`)")),
        ("/hop", Page::default(), other.url("/end?a=1")),
        ("/loop", Page::default(), "TOO_MANY_REDIRECTS".to_owned()),
        ("/late", waiting("li"), format!("{at} answered 404")),
        ("/reset", waiting("li"), "`li` never appeared".to_owned()),
        ("/cut", waiting("li"), "`li` never appeared".to_owned()),
        ("/closed", Page::default(), "the connection closed".to_owned()),
        ("/hung", Page::default(), "did not answer within 1.2s".to_owned()),
        ("/drips", Page::default(), "not ready in time".to_owned()),
        ("/endless", waiting("li"), "could not be rendered".to_owned()),
        ("/nonsense", Page::default(), "no valid HTTP".to_owned()),
        ("/empty", Page::default(), "<body></body>".to_owned()),
        ("/nothing", Page::default(), "no page".to_owned()),
    ] {
        let mut request = request(&origin.url(path), page);
        request.max_body = 100_000;
        request.within = Duration::from_millis(1_200);
        let got = lab.browser.render(&request).await;
        let got = got.map_or_else(|error| error.to_string(), |rendered| format!("{} {}", rendered.bodies[0].url, document(&rendered)));
        assert!(got.contains(&gives), "{path}: {got:.1000}");
    }
    let error = lab.render(&origin.url("/busy"), Page::default()).await.unwrap_err();
    assert_eq!(error, FetchError::Status { host: at.to_string(), status: 429, retry_after: Some(Duration::from_secs(120)) });
    lab.close().await;
}

#[tokio::test]
async fn a_page_is_led_to_what_is_wanted() {
    let origin = Origin::start().await;
    origin.script(
        "/button",
        Answer::html(
            "<ul></ul><button onclick=\"setTimeout(() => document.querySelector('ul').innerHTML = '<li>Clicked</li>', 200)\">More</button>",
        ),
    );
    let grows = |most: usize| {
        format!(
            "const list = document.querySelector('ul'); let times = 0;
            const more = () => {{ for (let i = 0; i < 30; i++) list.insertAdjacentHTML('beforeend', `<li style='height:80px'>${{times}}.${{i}}</li>`) }};
            more(); onscroll = () => {{ if (innerHeight + scrollY + 10 > document.body.scrollHeight && times < {most}) {{ times++; setTimeout(more, 150) }} }}"
        )
    };
    origin.script("/grows", scripted(&grows(3)));
    origin.script("/grows-on", scripted(&grows(1_000)));
    origin.script(
        "/pages",
        scripted("(async () => { for (const n of [1, 2]) await fetch('/api/list?page=' + n).then(a => a.json()); fetch('/api/other') })()"),
    );
    origin.script("/api/other", Answer::json("0"));
    origin.once("/api/list", Answer::json("[1]"));
    origin.once("/api/list", Answer::json("[2]"));
    let Some(lab) = Lab::open(&[&origin]).await else { return };
    let clicking = |selector: &str| Page { click: vec![selector.to_owned()], ..waiting("li") };
    assert!(document(&lab.render(&origin.url("/button"), clicking("button")).await.unwrap()).contains("Clicked"));
    let mut hopeless = request(&origin.url("/button"), clicking("button.none"));
    hopeless.within = Duration::from_secs(4);
    let error = lab.browser.render(&hopeless).await.unwrap_err();
    assert!(matches!(&error, FetchError::NeverAppeared { what, .. } if what == "`button.none`"), "{error}");
    for (path, scroll, items) in [("/grows", 10, 120), ("/grows-on", 2, 90)] {
        let scrolling = Page { scroll, ..Page::default() };
        let got = document(&lab.render(&origin.url(path), scrolling).await.unwrap());
        assert_eq!(got.matches("<li style=\"").count(), items, "{path}");
    }
    let capturing = |pattern: &str| Page { capture: AddressPattern::parse(pattern), ..Page::default() };
    let rendered = lab.render(&origin.url("/pages"), capturing("**/api/list*")).await.unwrap();
    let taken: Vec<_> = rendered.bodies.iter().map(|body| (body.url.to_string(), body.body.to_vec())).collect();
    let page = |n: usize| (origin.url(&format!("/api/list?page={n}")), format!("[{n}]").into_bytes());
    assert_eq!(taken, [page(1), page(2)]);
    assert_eq!(rendered.seen.answers.len(), 3);
    let mut hopeless = request(&origin.url("/pages"), capturing("**/none"));
    hopeless.within = Duration::from_secs(4);
    let error = lab.browser.render(&hopeless).await.unwrap_err();
    assert!(matches!(&error, FetchError::NeverAppeared { what, .. } if what == "a JSON answer from `**/none`"), "{error}");
    lab.close().await;
}

#[tokio::test]
async fn what_is_only_seen_is_not_asked_for() {
    let origin = Origin::start().await;
    origin.script("/rich", Answer::html(
        "<link rel=stylesheet href=/style><img src=/image><video src=/video></video><audio src=/audio></audio><picture><source srcset=/source><img src=/image></picture>
        <ul></ul><script src=/script></script><script>new Image().src = '/image'; new FontFace('f', 'url(/font)').load().catch(() => 0)</script>",
    ));
    origin.script(
        "/style",
        Answer::ok("@font-face { font-family: f; src: url(/font) } body { font-family: f; background: url(/image) }")
            .header("content-type", "text/css"),
    );
    origin.script(
        "/script",
        Answer::ok("document.querySelector('ul').innerHTML = '<li>There</li>'").header("content-type", "text/javascript"),
    );
    let Some(lab) = Lab::open(&[&origin]).await else { return };
    lab.render(&origin.url("/rich"), Page::default()).await.unwrap();
    let counts = ["/style", "/script", "/image", "/font", "/video", "/audio", "/source"].map(|path| origin.count(path));
    assert_eq!(counts, [1, 1, 0, 0, 0, 0, 0]);
    lab.close().await;
}

#[tokio::test]
async fn headers_go_to_their_own_origin_and_cookies_to_their_host() {
    let origin = Origin::start().await;
    let other = Origin::start_at("127.0.0.2").await;
    let (home, away) = (origin.url(""), other.url(""));
    let asks = format!(
        "<ul></ul><script src={away}/script></script><iframe src={away}/frame></iframe><script>
        fetch('{away}/api', {{ mode: 'no-cors', credentials: 'include' }}).finally(() => fetch('{home}/deep/api')).finally(() =>
        new Worker(URL.createObjectURL(new Blob(['fetch(`{home}/worker`, {{mode: `no-cors`}}).finally(() => postMessage([navigator.userAgent, JSON.stringify(navigator.userAgentData || null)]))']))).onmessage = e =>
        document.querySelector('ul').innerHTML = `<li>${{navigator.userAgent}}</li><li>${{JSON.stringify(navigator.userAgentData || null)}}</li><li>${{e.data}}</li>`)</script>"
    );
    origin.script("/a/page", Answer::html(asks));
    origin.script("/hop", Answer::redirect(302, other.url("/end")));
    for path in ["/script", "/frame", "/api", "/end"] {
        other.script(path, Answer::html(""));
    }
    for path in ["/deep/api", "/worker"] {
        origin.script(path, Answer::html(""));
    }
    let Some(lab) = Lab::open(&[&origin, &other]).await else { return };
    for agent in [None, Some("Other/1.0")] {
        let mut asked = request(&origin.url("/a/page"), waiting("li"));
        asked.headers = vec![(HeaderName::from_static("x-api-key"), Filled::plain("s3cret")), (COOKIE, Filled::plain("pass=c00kie; b=2"))];
        asked.headers.extend(agent.map(|agent| (AGENT, Filled::plain(agent))));
        let rendered = lab.browser.render(&asked).await.unwrap();
        let mut hop = asked.clone();
        (hop.url, hop.page) = (Filled::plain(origin.url("/hop")), Some(Arc::default()));
        lab.browser.render(&hop).await.unwrap();
        for (at, path) in [
            (&origin, "/a/page"),
            (&origin, "/hop"),
            (&origin, "/deep/api"),
            (&origin, "/worker"),
            (&other, "/script"),
            (&other, "/frame"),
            (&other, "/api"),
            (&other, "/end"),
        ] {
            let last = at.last(path);
            let cookie = last.header("cookie").unwrap_or_default();
            assert_eq!(cookie.contains("pass=c00kie"), at.address() == origin.address(), "{path}: {cookie}");
            let key = last.header("x-api-key");
            assert_eq!(key, matches!(path, "/a/page" | "/hop").then_some("s3cret"), "{path}");
            assert_eq!(last.header("user-agent"), Some(agent.unwrap_or(USER_AGENT)), "{path}");
            assert!(!format!("{:?}", last.headers).contains("Headless"), "{path}: {:?}", last.headers);
        }
        assert!(!document(&rendered).contains("Headless"), "{}", document(&rendered));
    }
    lab.close().await;
}
