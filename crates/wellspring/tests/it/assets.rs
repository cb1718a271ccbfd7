//! Files that browsers load, as they meet them.

use http::Method;

use crate::support::app::Builder;

#[tokio::test(flavor = "multi_thread")]
async fn each_has_its_type_and_its_tag_and_may_be_read_from_anywhere() {
    let app = Builder::new().start().await;
    for (path, media_type) in [
        ("/wellspring.js", "text/javascript; charset=utf-8"),
        ("/wellspring.d.ts", "text/plain; charset=utf-8"),
        ("/demo", "text/html; charset=utf-8"),
        ("/assets/demo.js", "text/javascript; charset=utf-8"),
        ("/assets/demo.css", "text/css; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
    ] {
        let whole = app.get(path).await;
        assert_eq!((whole.status.as_u16(), whole.header("content-type")), (200, media_type), "{path}");
        assert_eq!(
            (whole.header("cache-control"), whole.header("x-content-type-options"), whole.header("access-control-allow-origin")),
            ("no-cache", "nosniff", "*"),
            "{path}"
        );
        let tag = whole.header("etag").to_owned();
        let known = app.send(Method::GET, path, &[("if-none-match", &tag)]).await;
        assert_eq!((known.status.as_u16(), known.header("etag"), known.body.len()), (304, &*tag, 0), "{path}");
        let coded = app.send(Method::GET, path, &[("accept-encoding", "br")]).await;
        let is_long = whole.body.len() >= 1_024;
        assert_eq!(
            (coded.header("content-encoding"), coded.body.len() < whole.body.len()),
            (if is_long { "br" } else { "" }, is_long),
            "{path}"
        );
        let posted = app.post(path).await;
        assert_eq!((posted.status.as_u16(), posted.header("allow")), (405, "GET, HEAD"), "{path}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_pictures_load_nothing_but_what_is_ours() {
    let app = Builder::new().start().await;
    for path in ["/demo", "/assets/icon.svg"] {
        let page = app.get(path).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(page.header("content-security-policy"), @"default-src 'none'; script-src 'self'; style-src 'self'; img-src * data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
        }
        assert_eq!(page.header("referrer-policy"), "no-referrer");
    }
    app.stop().await;
}
