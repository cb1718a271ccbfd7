//! A page of each row, whose fields join it.

use serde_json::{Value, json};

use crate::support::app::{Builder, TestApp};
use crate::support::origin::{Answer, Origin};

/// A list of films, each with a page of its own.
fn films(origin: &Origin, address: &str, lines: &str) -> String {
    format!(
        "[source.films]\nfresh_for = \"1h\"\nurl = \"{}\"\nformat = \"html\"\nitems = \"li\"\n{lines}\n\
         [source.films.fields]\ntitle = \"a\"\n_link = \"a@href\"\nyear = \".year\"\n\
         [source.films.details]\nurl = \"{address}\"\nheaders = {{ Authorization = \"Bearer k\", X-Plain = \"1\" }}\nformat = \"html\"\n\
         fields = {{ summary = \"p.intro\", year = \".year\", _seen = \"h1\" }}\nlimit = 4\n",
        origin.url("/list")
    )
}

fn list(links: &[(&str, &str)]) -> Answer {
    let rows = links.iter().map(|(title, link)| format!("<li><a href=\"{link}\">{title}</a></li>"));
    Answer::html(format!("<!doctype html><ul>{}</ul>", rows.collect::<String>()))
}

fn page(title: &str) -> Answer {
    Answer::html(format!("<!doctype html><h1>{title}</h1><p class=intro>All about {title}.</p><b class=year>1999</b>"))
}

async fn items(app: &TestApp) -> String {
    let reply = app.get("/api/films").await.json();
    reply["items"].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_says_joins_its_row() {
    let origin = Origin::start().await;
    origin.script(
        "/list",
        list(&[("Dune", "/film/1"), ("Up", "/film/2"), ("Heat", ""), ("Big", "/film/4"), ("Jaws", "/film/5")]).etag("\"1\""),
    );
    // The second has no page, the third names none, and the fifth is one too many.
    for (path, title) in [("/film/1", "Dune"), ("/film/4", "Big"), ("/film/5", "Jaws")] {
        origin.script(path, page(title));
    }
    let source = films(&origin, "{_link}", "").replace("_link = \"a@href\"", "_link = \"a[href^='/']@href\"");
    let app = TestApp::with_source(&source).await;
    let status = app.until_attempts("films", 1).await;
    insta::assert_snapshot!(items(&app).await, @r#"
    {"title":"Dune","year":"1999","summary":"All about Dune."}
    {"title":"Up","year":null,"summary":null}
    {"title":"Heat","year":null,"summary":null}
    {"title":"Big","year":"1999","summary":"All about Big."}
    "#);
    insta::assert_snapshot!(status["recent"][0]["cut"], @r#"["details: 1 of 5 rows left out (`limit` = 4)","details: not asked for 1 of 4 rows, for want of `_link`","details: no page for 1 of 3 rows (404 or 410): row 2"]"#);
    assert_eq!((origin.count("/film/5"), origin.last("/film/1").header("authorization")), (0, Some("Bearer k")));
    // Pages may change while the list does not.
    origin.script("/film/1", page("Dune, part two"));
    app.clock.pass(std::time::Duration::from_secs(4_000));
    app.get("/api/films").await;
    app.until_attempts("films", 2).await;
    assert!(items(&app).await.contains("part two"));
    assert_eq!(origin.last("/list").header("if-none-match"), None);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_fails_fails_the_refresh_by_its_row() {
    let origin = Origin::start().await;
    origin.script("/list", list(&[("Dune", "/film/1"), ("Up", "/film/2")]));
    origin.script("/film/1", page("Dune"));
    origin.script("/film/2", page("Up"));
    let app = TestApp::with_source(&films(&origin, "{_link}", "min_interval = \"0s\"")).await;
    app.until_attempts("films", 1).await;
    origin.once("/film/2", Answer::status(500));
    let reply = app.post("/api/films/refresh").await;
    let message = reply.json()["degraded"]["message"].as_str().unwrap().replace(&origin.address().port().to_string(), "PORT");
    assert_eq!((message.as_str(), reply.items("title").len()), ("details of row 2: 127.0.0.1:PORT answered 500", 2));
    app.stop().await;
}

/// A page lists whatever addresses it likes; what is secret goes only to hosts that the source itself names.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_another_host_is_asked_without_credentials() {
    let (origin, foreign) = (Origin::start().await, Origin::start().await);
    let elsewhere = foreign.url("/film").replace("127.0.0.1", "localhost");
    origin.script("/list", list(&[("Dune", &elsewhere)]).header("set-cookie", "session=1; Path=/"));
    foreign.script("/film", page("Dune"));
    let app = TestApp::with_source(&films(&origin, "{_link}", "")).await;
    app.until_attempts("films", 1).await;
    assert!(items(&app).await.contains("All about Dune."));
    let asked = foreign.last("/film");
    assert_eq!((asked.header("authorization"), asked.header("cookie"), asked.header("x-plain")), (None, None, Some("1")));
    app.stop().await;
}

/// Rows past the source's own limit are asked for nothing; values in an address are encoded.
#[tokio::test(flavor = "multi_thread")]
async fn only_rows_that_stay_are_asked_for() {
    let origin = Origin::start().await;
    origin.script("/list", list(&[("Dune & Up", "x"), ("Heat", "x"), ("Big", "x")]));
    origin.script("/film/Dune%20%26%20Up", page("Dune & Up"));
    let source = films(&origin, &origin.url("/film/{title}"), "limit = 1");
    let app = Builder::new().with_source(&source).start().await;
    app.until_attempts("films", 1).await;
    let reply = app.get("/api/films").await;
    assert_eq!((reply.items("summary"), origin.total()), (vec!["All about Dune & Up.".to_owned()], 2));
    assert_eq!(reply.json()["items"][0], json!({"title": "Dune & Up", "year": "1999", "summary": "All about Dune & Up."}));
    app.stop().await;
}

/// What a page gives as an address is whatever it likes: it is told in a few words, on one line, and without what was sent.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_is_told_in_a_few_words() {
    let origin = Origin::start().await;
    let source = format!(
        "[source.films]\nfresh_for = \"1h\"\nmin_interval = \"0s\"\nurl = \"{}\"\nheaders = {{ X-Key = \"${{KEY}}\" }}\nformat = \"json\"\nfields = {{ title = \"$.title\", link = \"$.link\" }}\n\
         [source.films.details]\nurl = \"{{link}}\"\nformat = \"html\"\nfields = {{ summary = \"p\" }}\n",
        origin.url("/list")
    );
    let app = Builder::new().with_variable("KEY", "canary-9d1e").with_source(&source).start().await;
    for (link, told) in [
        (format!("file:///{}", "x".repeat(3_000_000)), "x…"),
        ("file:///\u{1b}[2J\nall is well".to_owned(), "details of row 1: `file:///"),
        ("file:///?key=canary-9d1e".to_owned(), "what went wrong repeats a secret of this source, so it is not told"),
    ] {
        origin.script("/list", Answer::json(json!([{"title": "Dune", "link": link}]).to_string()));
        app.post("/api/films/refresh").await;
        let message = app.status("films").await["recent"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(told) && message.len() < 3_000 && !message.contains(char::is_control), "{message}");
        assert!(!message.contains("canary"), "{message}");
    }
    app.stop().await;
}
