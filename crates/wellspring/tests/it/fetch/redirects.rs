//! Redirects: each hop is judged, and secrets stay at home.

use super::*;

#[tokio::test]
async fn trap_the_address_is_judged_on_every_hop() {
    let (origin, canary) = (Origin::start().await, Origin::start().await);
    let port = canary.address().port();
    let fetcher = strict(&[&origin]);
    let targets = [
        canary.url("/"),
        format!("//127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://user@127.0.0.1:{port}/"),
        "http://169.254.169.254/".to_owned(),
    ];
    for target in &targets {
        origin.script("/", Answer::redirect(302, "/second"));
        origin.script("/second", Answer::redirect(307, target));
        refusal(fetcher.fetch(&get(origin.url("/"))).await);
    }
    assert_eq!((origin.count("/second"), canary.connections()), (targets.len(), 0));
}

#[tokio::test]
async fn a_redirect_is_followed_five_times() {
    let origin = Origin::start().await;
    for hop in 0..6 {
        origin.script(&format!("/{hop}"), Answer::redirect(302, format!("{}", hop + 1)));
    }
    origin.script("/6", Answer::ok("the end"));
    let response = body(&strict(&[&origin]), &get(origin.url("/1"))).await;
    assert_eq!((response.url, response.body.as_ref()), (origin.at("/6"), &b"the end"[..]));
    insta::assert_snapshot!(outcome(&origin, &get(origin.url("/0"))).await, @r#"Permanent bad_redirect: 127.0.0.1:PORT: it redirects more than five times"#);
    insta::assert_snapshot!(check(Answer::redirect(301, "/")).await, @r#"Permanent bad_redirect: 127.0.0.1:PORT: it redirects more than five times"#);
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_told() {
    insta::assert_snapshot!(check(Answer::status(302)).await, @r#"Permanent bad_redirect: 127.0.0.1:PORT: it redirects without a usable address"#);
    insta::assert_snapshot!(check(Answer::redirect(302, "http://")).await, @r#"Permanent bad_redirect: 127.0.0.1:PORT: it redirects without a usable address"#);
    insta::assert_snapshot!(check(Answer::redirect(302, "file:///etc/passwd")).await, @r#"Permanent bad_redirect: 127.0.0.1:PORT: it redirects to a file address"#);
    insta::assert_snapshot!(check(Answer::status(300)).await, @r#"Permanent upstream_status: 127.0.0.1:PORT answered 300"#);
}

#[tokio::test]
async fn secret_headers_and_validators_go_to_their_own_origin_only() {
    let (home, foreign) = (Origin::start().await, Origin::start().await);
    home.script("/", Answer::redirect(302, "/next"));
    home.script("/next", Answer::redirect(302, foreign.url("/")));
    foreign.script("/", Answer::ok("x").etag("\"1\""));
    let mut request = Request { validator: Validator { etag: Some("\"1\"".into()), last_modified: None }, ..get(home.url("/")) };
    for (name, value) in [("authorization", Filled::plain("Bearer x")), ("cookie", Filled::plain("a=b")), ("x-api-key", Filled::plain("k"))]
    {
        request.headers.push((name.parse().unwrap(), value));
    }
    request.headers.push(("x-quiet".parse().unwrap(), secret("${KEY}")));
    request.headers.push(("x-plain".parse().unwrap(), Filled::plain("1")));
    let response = body(&strict(&[&home, &foreign]), &request).await;

    for path in ["/", "/next"] {
        let asked = home.last(path);
        for name in ["authorization", "cookie", "x-api-key", "x-quiet", "x-plain", "if-none-match"] {
            assert!(asked.header(name).is_some(), "{path} {name}");
        }
    }
    let asked = foreign.last("/");
    for name in ["authorization", "cookie", "x-api-key", "x-quiet", "if-none-match", "referer"] {
        assert_eq!(asked.header(name), None, "{name}");
    }
    assert_eq!((asked.header("x-plain"), asked.header("user-agent")), (Some("1"), Some(USER_AGENT)));
    // It would never be sent to where it is from.
    assert_eq!(response.validator, Validator::default());
}

/// Dates of different things compare, and a redirect may lead elsewhere the next time.
#[tokio::test]
async fn after_a_redirect_a_date_alone_validates_nothing() {
    let origin = Origin::start().await;
    origin.script("/", Answer::redirect(302, "/x"));
    let dated = Answer::ok("x").header("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    origin.script("/x", dated.clone());
    let fetcher = strict(&[&origin]);
    assert_eq!(body(&fetcher, &get(origin.url("/"))).await.validator, Validator::default());
    origin.script("/x", dated.etag("\"1\""));
    assert_eq!(body(&fetcher, &get(origin.url("/"))).await.validator.etag.as_deref(), Some("\"1\""));
}

#[tokio::test]
async fn a_post_becomes_a_get_or_stays_at_home() {
    let (home, foreign) = (Origin::start().await, Origin::start().await);
    home.script("/end", Answer::ok("x"));
    foreign.script("/", Answer::ok("x"));
    let mut request = Request { method: Method::POST, body: Some("form".into()), ..get(home.url("/")) };
    request.headers.push((http::header::CONTENT_TYPE, Filled::plain("text/plain")));
    let fetcher = strict(&[&home, &foreign]);
    for (status, method, sent) in [(301, "GET", ""), (302, "GET", ""), (303, "GET", ""), (307, "POST", "form"), (308, "POST", "form")] {
        home.script("/", Answer::redirect(status, "/end"));
        body(&fetcher, &request).await;
        let asked = home.last("/end");
        assert_eq!((asked.method.as_str(), asked.body.as_slice()), (method, sent.as_bytes()), "{status}");
        assert_eq!(asked.header("content-type").is_some(), method == "POST", "{status}");
    }
    home.script("/", Answer::redirect(303, foreign.url("/")));
    body(&fetcher, &request).await;
    home.script("/", Answer::redirect(307, foreign.url("/")));
    let error = fetcher.fetch(&request).await.unwrap_err();
    assert!(error.to_string().contains("it redirects what was sent to another host"), "{error}");
    assert_eq!(foreign.count("/"), 1);
}

/// An empty link resolves to the whole of its base.
#[tokio::test]
async fn the_final_address_shows_no_secret_even_where_the_upstream_echoes_it() {
    let origin = Origin::start().await;
    origin.script("/search", Answer::ok("x"));
    origin.script("/old", Answer::redirect(302, format!("/{CANARY}/search?api_key={CANARY}")));
    origin.script(&format!("/{CANARY}/search"), Answer::ok("x"));
    let fetcher = strict(&[&origin]);
    let address = |path: &str| Request { url: secret(&origin.url(path)), ..get("") };
    let final_url = |response: Response| response.url.to_string().replace(&origin.url(""), "");

    let direct = body(&fetcher, &address("/search?q=1&api_key=${KEY}")).await;
    assert_eq!(origin.last("/search").query.unwrap(), format!("q=1&api_key={CANARY}"));
    assert!(direct.url.join("").is_ok_and(|base| !base.as_str().contains(CANARY)));
    insta::assert_snapshot!(final_url(direct), @r#"/search?q=1&api_key=${KEY}"#);
    insta::assert_snapshot!(final_url(body(&fetcher, &address("/old?api_key=${KEY}")).await), @r#"/"#);
    origin.script("/old", Answer::redirect(302, format!("http://{CANARY}.localhost/")));
    insta::assert_snapshot!(outcome(&origin, &address("/old?api_key=${KEY}")).await, @r#"Blocked address_refused: the configured host is not fetched: it is a local name, which needs `allow_private = true` under [fetch]"#);
}
