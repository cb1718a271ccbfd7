//! Pages for people: what they show, what they never show, and what a browser may do with them.

use std::time::Duration;

use http::Method;

use crate::support::app::{Builder, TestApp};
use crate::support::client::Reply;
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

const PAGES: [&str; 5] = ["/", "/sources/films", "/sources/films/card", "/docs", "/docs?source=films"];

async fn look(app: &TestApp, path: &str) -> Reply {
    app.send(Method::GET, path, &[("accept", "text/html")]).await
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// A server with one source of JSON items.
async fn films(items: &str, lines: &str) -> (Origin, TestApp) {
    let origin = Origin::start().await;
    origin.script("/list", Answer::json(items));
    let source = format!("[source.films]\nurl = \"{}\"\nformat = \"json\"\nfresh_for = \"1h\"\n{lines}\n", origin.url("/list"));
    let app = TestApp::with_source(&source).await;
    app.until_attempts("films", 1).await;
    (origin, app)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_rows_are_text_on_a_card() {
    let items = r#"[{"title": "<script>alert(1)</script>", "link": "javascript:alert(1)", "img": "https://pics.example/1.png\" onerror=\"alert(1)"},
        {"title": "\"><img src=x onerror=alert(1)>", "link": "https://a.example/", "img": "javascript:alert(1)"}]"#;
    let (origin, app) = films(items, "description = \"</h2><b>bold</b>\"").await;
    let card = text(&look(&app, "/sources/films/card").await);
    let card = card.replace(&origin.url("").replace("http://", ""), "HOST").replace('>', ">\n");
    let samples = &card[card.find("<p class=\"about\"").unwrap()..card.find("<dl").unwrap()];
    insta::assert_snapshot!(samples, @r#"
    <p class="about">
    &lt;/h2&gt;&lt;b&gt;bold&lt;/b&gt;</p>
    <p class="reads">
    Reads <b>
    HOST</b>
    , JSON</p>
    <ul class="samples pictured">
    <li>
    <span class="picture">
    <img src="https://pics.example/1.png%22%20onerror=%22alert(1)" alt="" loading="lazy" decoding="async" referrerpolicy="no-referrer">
    </span>
    <span>
    &lt;script&gt;alert(1)&lt;/script&gt;</span>
    </li>
    <li>
    <span class="picture">
    </span>
    <span>
    &quot;&gt;&lt;img src=x onerror=alert(1)&gt;</span>
    </li>
    </ul>
    "#);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_is_a_page_for_whoever_likes_html_and_an_index_for_the_rest() {
    let (_origin, app) = films("[{\"title\": \"Dune\"}]", "").await;
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
    for (accept, is_page) in [
        (browser, true),
        ("text/html", true),
        ("application/json, text/html;q=0.9", false),
        ("text/html;q=0.9, application/json;q=0.9", true),
        ("text/html;q=0", false),
        ("*/*", false),
        ("application/json", false),
        ("", false),
    ] {
        let reply = app.send(Method::GET, "/", &[("accept", accept)]).await;
        let expected = if is_page { "text/html; charset=utf-8" } else { "application/json" };
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, expected), "{accept}");
        assert!(reply.header("vary").contains("Accept, ") || reply.header("vary").starts_with("Accept,"), "{}", reply.header("vary"));
    }
    assert_eq!(app.get("/api").await.header("content-type"), "application/json");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_under_a_strict_policy_and_holds_nothing_that_it_forbids() {
    let (_origin, app) = films("[{\"title\": \"Dune\"}]", "").await;
    for path in PAGES.into_iter().chain(["/sources/nope"]) {
        let reply = look(&app, path).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(reply.header("content-security-policy"), @"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: http: data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
        }
        let others = ["x-content-type-options", "referrer-policy", "cache-control"].map(|name| reply.header(name));
        assert_eq!(others, ["nosniff", "same-origin", "no-store"], "{path}");
        let text = text(&reply);
        for forbidden in ["<style", " style=", " onclick=", " onload=", " onerror=", "javascript:", "<script>", "<iframe", "<base"] {
            assert!(!text.contains(forbidden), "{path}: {forbidden}");
        }
        // Below any path: nothing begins at the root.
        for absolute in ["href=\"/", "src=\"/", "action=\"/"] {
            assert!(!text.contains(absolute), "{path}: {absolute}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_tells_a_secret() {
    let origin = Origin::start().await;
    origin.script("/list", Answer::status(500));
    let source = format!(
        "[source.films]\nurl = \"{}?api_key=${{KEY}}&token=canary-literal\"\nformat = \"json\"\nfresh_for = \"1h\"\n\
         [source.films.headers]\nAuthorization = \"Bearer ${{KEY}}\"\nX-Api-Key = \"canary-header\"\n[source.films.cookies]\na = \"canary-cookie\"\n",
        origin.url("/list")
    );
    let app = Builder::new().with_variable("KEY", "canary-variable").with_server("admin_token = \"canary-admin\"").with_source(&source);
    let app = app.start().await;
    app.until_attempts("films", 1).await;
    for path in PAGES {
        let text = text(&look(&app, path).await);
        assert!(!text.contains("canary"), "{path}: {text}");
        assert!(path != "/sources/films" || text.contains("Bearer ${KEY}"), "variables are shown by their names");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_cannot_have_viewers_ask_this_server() {
    let (origin, app) = films("[{\"title\": \"Dune\"}]", "").await;
    let own = format!("http://{}/api/films?max_age=0s", app.address);
    origin.script(
        "/list",
        Answer::json(format!("[{{\"title\": \"a\", \"img\": \"{own}\"}}, {{\"title\": \"b\", \"img\": \"https://pics.example/b.png\"}}]")),
    );
    app.post("/api/films/refresh").await;
    for path in ["/sources/films/card", "/sources/films"] {
        let text = text(&look(&app, path).await);
        assert!(text.contains("src=\"https://pics.example/b.png\"") && !text.contains("src=\"http://127"), "{path}: {text}");
    }
    // Nor by another name of this server's, which the page cannot know.
    let picture = [("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "image")];
    assert_eq!(app.send(Method::GET, "/api/films?max_age=0s&wait=1s", &picture).await.status, 200);
    assert_eq!(origin.count("/list"), 2);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_fetches_nothing_and_tells_what_changed() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune", "Up"]));
    let app = TestApp::with_source(&tix::source("films", &origin, "/", "fresh_for = \"1h\"\nmin_interval = \"0s\"")).await;
    app.until_attempts("films", 1).await;
    origin.script("/", tix::films(&["Up", "Ran"]));
    app.clock.pass(Duration::from_secs(7_200));
    for path in PAGES {
        assert_eq!(look(&app, path).await.status, 200, "{path}");
    }
    assert!(text(&look(&app, "/").await).contains("Stale"));
    assert_eq!(origin.count("/"), 1);
    app.post("/api/films/refresh").await;
    let page = text(&look(&app, "/sources/films").await);
    for told in ["+ 1 added</span><span>Ran", "− 1 gone</span><span>Dune", "Revision 2", "unique_by = &quot;title&quot;"] {
        assert!(page.contains(told), "{told}: {page}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_with_parameters_has_a_form_and_says_what_it_does_not_take() {
    let origin = Origin::start().await;
    origin.script("/list", Answer::json("[{\"title\": \"Dune\"}]"));
    let source = format!(
        "[source.films]\nurl = \"{}?city={{city}}\"\nformat = \"json\"\nfresh_for = \"1h\"\nmanual_refresh = false\n[source.films.params.city]\npattern = \"[a-z]+\"\n",
        origin.url("/list")
    );
    let app = TestApp::with_source(&source).await;
    let bare = look(&app, "/sources/films").await;
    assert_eq!(bare.status, 200);
    assert!(text(&bare).contains("name=\"city\""));
    let wrong = look(&app, "/sources/films?city=9").await;
    assert_eq!((wrong.status.as_u16(), wrong.header("content-type")), (400, "text/html; charset=utf-8"));
    assert!(text(&wrong).contains("does not take this value"));
    app.get("/api/films?city=solo").await;
    let held = text(&look(&app, "/sources/films?city=solo").await);
    assert!(held.contains("Dune") && held.contains("Refreshes by reads only") && !held.contains("/refresh?"), "{held}");
    let unknown = look(&app, "/sources/film").await;
    assert_eq!(unknown.status, 404);
    assert!(text(&unknown).contains("did you mean `films`?"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn below_a_path_pages_link_below_it() {
    let origin = Origin::start().await;
    origin.script("/list", Answer::json("[{\"title\": \"Dune\"}]"));
    let source = format!("[source.films]\nurl = \"{}\"\nformat = \"json\"\nfresh_for = \"1h\"\n", origin.url("/list"));
    let app = Builder::new().with_server("base_path = \"/wells\"").with_source(&source).start().await;
    for path in ["/wells/", "/wells/sources/films", "/wells/docs"] {
        let text = text(&look(&app, path).await);
        assert!(text.contains("href=\"/wells/assets/page.css\"") && text.contains("data-root=\"/wells/\""), "{path}: {text}");
        for part in text.split("href=\"").skip(1).filter(|part| part.starts_with('/')) {
            assert!(part.starts_with("/wells/"), "{path}: {}", &part[..40]);
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_source_the_page_says_what_to_do() {
    let app = Builder::new().start().await;
    assert!(text(&look(&app, "/").await).contains("[source.headlines]"));
    assert_eq!(look(&app, "/docs").await.status, 200);
    app.stop().await;
}
