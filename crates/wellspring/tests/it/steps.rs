//! Several requests a source: what one captures the next one uses, and one request for each of several values.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::app::{Builder, TestApp};
use crate::support::origin::{Answer, Origin};

/// A source whose page holds a token, whose API lists days for it, and whose rows are asked for a day at a time.
fn showings(origin: &Origin, lines: &str) -> String {
    let url = |path: &str| origin.url(path);
    format!(
        "[source.showings]\nfresh_for = \"1h\"\nurl = \"{}\"\nheaders = {{ Authorization = \"Bearer {{token}}\" }}\nformat = \"json\"\nitems = \"$.showings[*]\"\n\
         fields = {{ title = \"$.title\", day = {{ compose = \"{{date}}\" }} }}\nunique_by = \"title\"\n{lines}\n\
         [[source.showings.steps]]\nname = \"page\"\nurl = \"{}\"\nformat = \"html\"\ncapture.token = {{ select = \"script\", regex = 'token = \"([^\"]+)\"' }}\n\
         [[source.showings.steps]]\nurl = \"{}\"\nheaders = {{ Authorization = \"Bearer {{token}}\" }}\nformat = \"json\"\n\
         capture.date = {{ path = \"$.days[*]\", all = true }}\n",
        url("/showings/{date}"),
        url("/venue"),
        url("/days"),
    )
}

fn page(token: &str) -> Answer {
    Answer::html(format!("<!doctype html><title>The Lantern</title><script>var token = \"{token}\";</script>"))
}

fn day(titles: &[&str]) -> Answer {
    let rows: Vec<Value> = titles.iter().map(|title| json!({"title": title})).collect();
    Answer::json(json!({"showings": rows}).to_string())
}

fn days(days: &[&str]) -> Answer {
    Answer::json(json!({"days": days}).to_string())
}

/// An origin with two days of showings.
async fn lantern() -> Origin {
    let origin = Origin::start().await;
    origin.script("/venue", page("t-1"));
    origin.script("/days", days(&["2025-01-23", "2025-01-24"]));
    origin.script("/showings/2025-01-23", day(&["Dune", "Up"]));
    origin.script("/showings/2025-01-24", day(&["Heat"]));
    origin
}

fn messages(status: &Value) -> String {
    status["recent"][0]["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_the_api_and_days_are_asked_for_in_order() {
    let origin = lantern().await;
    // The later day answers first.
    origin.hold("/showings/2025-01-23");
    let app = Builder::new().with_fetch("gap = \"0s\"").with_source(&showings(&origin, "each = \"date\"")).start().await;
    origin.wait_for_answers("/showings/2025-01-24", 1).await;
    origin.release("/showings/2025-01-23");
    app.until_attempts("showings", 1).await;
    let reply = app.get("/api/showings").await;
    assert_eq!(
        (reply.items("title"), reply.items("day")),
        (["Dune", "Up", "Heat"].map(str::to_owned).to_vec(), ["2025-01-23", "2025-01-23", "2025-01-24"].map(str::to_owned).to_vec())
    );
    for path in ["/days", "/showings/2025-01-23", "/showings/2025-01-24"] {
        assert_eq!(origin.last(path).header("authorization"), Some("Bearer t-1"), "{path}");
    }
    assert_eq!(origin.last("/venue").header("authorization"), None);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_past_the_limit_are_cut_and_said() {
    let origin = lantern().await;
    origin.script("/days", days(&["2025-01-24", "2025-01-24", "2025-01-25", "2025-01-23", "2025-01-22"]));
    let app = TestApp::with_source(&showings(&origin, "each = { name = \"date\", limit = 2 }")).await;
    let status = app.until_attempts("showings", 1).await;
    // A day that is listed twice is asked for once; one that has no page has no rows.
    assert_eq!(app.get("/api/showings").await.items("title"), ["Heat"]);
    insta::assert_snapshot!(status["recent"][0]["cut"], @r#"["each: 2 of 4 values left out (`limit` = 2)","each: no rows for 1 of 2 values (404 or 410): date=2025-01-25"]"#);
    assert_eq!((origin.count("/showings/2025-01-24"), origin.count("/showings/2025-01-23")), (1, 0));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_finds_nothing_is_named_and_what_was_good_stays() {
    let origin = lantern().await;
    let app = TestApp::with_source(&showings(&origin, "each = \"date\"\nmin_interval = \"0s\"")).await;
    app.until_attempts("showings", 1).await;
    let venue = format!("127.0.0.1:{}", origin.address().port());
    let failed = async |path: &str, answer: Answer| {
        origin.once(path, answer);
        let reply = app.post("/api/showings/refresh").await;
        assert_eq!((reply.status.as_u16(), reply.items("title").len()), (200, 3));
        let status = app.status("showings").await;
        format!("{}: {}", reply.degraded(), messages(&status).replace(&venue, "HOST"))
    };
    insta::assert_snapshot!(failed("/venue", Answer::html("<p>Back soon</p>")).await, @r#"capture_failed: step 1 (page), capture "token": nothing in `script` matched `token = "([^"]+)"` at http://HOST/venue"#);
    insta::assert_snapshot!(failed("/days", days(&[])).await, @r#"capture_failed: step 2, capture "date": nothing matched `$.days[*]` at http://HOST/days"#);
    insta::assert_snapshot!(failed("/days", Answer::html("<p>Back soon</p>")).await, @r#"extract_failed: step 2: the body is markup, not JSON: it begins `<p>Back soon…`"#);
    insta::assert_snapshot!(failed("/days", Answer::status(503)).await, @r#"upstream_status: step 2: HOST answered 503"#);
    insta::assert_snapshot!(failed("/showings/2025-01-24", Answer::status(500)).await, @r#"upstream_status: items for date=2025-01-24: HOST answered 500"#);
    assert_eq!(app.post("/api/showings/refresh").await.member("force_refreshed"), true);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_sent_as_it_was_written() {
    let origin = Origin::start().await;
    origin.script("/graph", Answer::json(r#"[{"title": "Dune"}]"#).etag("\"1\""));
    let source = |name: &str, sends: &str| {
        format!("[source.{name}]\nfresh_for = \"1h\"\nwarm = false\nurl = \"{}\"\nformat = \"json\"\n{sends}\n", origin.url("/graph"))
    };
    let builder = Builder::new()
        .with_source(&source(
            "json",
            "json = { query = \"{ films }\", variables = { n = \"{n}\", city = \"{city}\" } }\n[source.json.params.n]\ntype = \"integer\"\nmin = 1\nmax = 9\n[source.json.params.city]\npattern = \".+\"",
        ))
        .with_source(&source("form", "form = { q = \"a b&c\", page = \"1\" }\nuser_agent = \"Lantern/1\""))
        .with_source(&source("text", "body = \"<ask/>\"\nheaders = { Content-Type = \"text/xml\", X-Kind = \"plain\" }"));
    let app = builder.start().await;
    for (path, sent, content_type) in [
        ("/api/json?n=3&city=%22Oslo%22", r#"{"query":"{ films }","variables":{"n":3,"city":"\"Oslo\""}}"#, "application/json"),
        ("/api/form", "q=a%20b%26c&page=1", "application/x-www-form-urlencoded"),
        ("/api/text", "<ask/>", "text/xml"),
    ] {
        assert_eq!(app.get(path).await.items("title"), ["Dune"], "{path}");
        let asked = origin.last("/graph");
        let body = String::from_utf8(asked.body.clone()).unwrap();
        assert_eq!((asked.method.as_str(), body.as_str(), asked.header("content-type")), ("POST", sent, Some(content_type)));
    }
    assert_eq!(origin.last("/graph").header("x-kind"), Some("plain"));
    assert_eq!(origin.requests("/graph")[1].header("user-agent"), Some("Lantern/1"));
    // What was sent is no part of what an `ETag` is about.
    app.clock.pass(Duration::from_secs(4_000));
    app.get("/api/text").await;
    app.until_attempts("text", 2).await;
    assert_eq!(origin.last("/graph").header("if-none-match"), None);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_would_break_its_line_is_refused() {
    let origin = lantern().await;
    origin.script("/venue", Answer::html("<!doctype html><script>token = \"a\nX-Evil: 1\"</script>"));
    let app = TestApp::with_source(&showings(&origin, "each = \"date\"")).await;
    let status = app.until_attempts("showings", 1).await;
    insta::assert_snapshot!(messages(&status).replace(&origin.address().port().to_string(), "PORT"), @r#"step 2: 127.0.0.1:PORT is not fetched: its header `authorization` holds characters that no header may hold"#);
    assert_eq!(origin.count("/days"), 0);
    app.stop().await;
}

/// A site that sets a cookie and redirects to itself is read, and the cookie stays with it.
#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_kept_within_a_refresh() {
    let (origin, foreign) = (lantern().await, Origin::start().await);
    origin.once("/venue", Answer::redirect(302, "/venue").header("set-cookie", "seen=1; Path=/"));
    origin.script("/days", days(&["2025-01-23"]).header("set-cookie", "own=2; Path=/"));
    foreign.script("/elsewhere", day(&["Dune"]));
    origin.script("/showings/2025-01-23", Answer::redirect(302, foreign.url("/elsewhere").replace("127.0.0.1", "localhost")));
    let source = showings(&origin, "each = \"date\"\ncookies = { consent = \"yes\", own = \"0\" }");
    let app = TestApp::with_source(&source).await;
    app.until_attempts("showings", 1).await;
    assert_eq!(app.get("/api/showings").await.items("title"), ["Dune"]);
    let sent: Vec<_> = origin.requests("/venue").iter().map(|asked| asked.header("cookie").map(str::to_owned)).collect();
    assert_eq!(sent, [None, Some("seen=1".to_owned())]);
    assert_eq!(origin.last("/days").header("cookie"), Some("seen=1"));
    assert_eq!(origin.last("/showings/2025-01-23").header("cookie"), Some("consent=yes; own=2; seen=1"));
    let elsewhere = foreign.last("/elsewhere");
    assert_eq!((elsewhere.header("cookie"), elsewhere.header("authorization")), (None, None));
    // The next refresh begins without any.
    app.post("/api/showings/refresh").await;
    assert_eq!(origin.last("/venue").header("cookie"), None);
    app.stop().await;
}

/// Steps are always asked anew; rows are not modified only where all of them say so.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_asked_for_conditionally_as_one() {
    let origin = lantern().await;
    origin.script("/venue", page("t-1").etag("\"v\""));
    origin.script("/showings/2025-01-23", day(&["Dune", "Up"]).etag("\"a\""));
    origin.script("/showings/2025-01-24", day(&["Heat"]).etag("\"b\""));
    let source = showings(&origin, "each = \"date\"");
    let app = Builder::new().with_fetch("gap = \"0s\"\nper_host = 1").with_source(&source).start().await;
    app.until_attempts("showings", 1).await;
    let again = async |attempts: usize| {
        app.clock.pass(Duration::from_secs(4_000));
        let before = [origin.count("/showings/2025-01-23"), origin.count("/showings/2025-01-24")];
        app.get("/api/showings").await;
        let status = app.until_attempts("showings", attempts).await;
        assert_eq!(origin.last("/venue").header("if-none-match"), None);
        let asked = |path: &str, before: usize| -> Vec<bool> {
            origin.requests(path)[before..].iter().map(|asked| asked.header("if-none-match").is_some()).collect()
        };
        let conditional = (asked("/showings/2025-01-23", before[0]), asked("/showings/2025-01-24", before[1]));
        (status["recent"][0]["outcome"].as_str().unwrap().to_owned(), conditional, app.get("/api/showings").await.items("title").join(" "))
    };
    assert_eq!(again(2).await, ("confirmed".to_owned(), (vec![true], vec![true]), "Dune Up Heat".to_owned()));
    // The second has changed: the first is asked again.
    origin.script("/showings/2025-01-24", day(&["Big"]).etag("\"c\""));
    assert_eq!(again(3).await, ("stored".to_owned(), (vec![true, false], vec![true]), "Dune Up Big".to_owned()));
    // The first has changed: nobody asks whether the second has.
    origin.script("/showings/2025-01-23", day(&["Dune"]).etag("\"d\""));
    assert_eq!(again(4).await, ("stored".to_owned(), (vec![true], vec![false]), "Dune Big".to_owned()));
    assert_eq!(again(5).await.0, "confirmed");
    // Another day: another set of requests.
    origin.script("/days", days(&["2025-01-23"]));
    assert_eq!(again(6).await, ("stored".to_owned(), (vec![false], vec![]), "Dune".to_owned()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_ends_every_request_of_a_collection() {
    let origin = lantern().await;
    origin.script("/days", days(&["2025-01-23", "2025-01-24", "2025-01-25"]));
    for path in ["/showings/2025-01-23", "/showings/2025-01-24"] {
        origin.hold(path);
    }
    let builder = |lines: &str| {
        Builder::new().with_fetch("gap = \"0s\"\nper_host = 2").with_source(&showings(&origin, &format!("each = \"date\"\n{lines}")))
    };
    let app = builder("").start().await;
    for path in ["/showings/2025-01-23", "/showings/2025-01-24"] {
        origin.wait_for_requests(path, 1).await;
    }
    // Both places of the host are taken; the reloaded source's flight gets them.
    app.reload(&builder("limit = 1")).await;
    for path in ["/showings/2025-01-23", "/showings/2025-01-24"] {
        origin.wait_for_requests(path, 2).await;
        origin.release(path);
    }
    origin.script("/showings/2025-01-25", day(&["Heat"]));
    app.until("showings", |status| status["recent"][0]["outcome"] == "stored").await;
    assert_eq!(app.get("/api/showings").await.items("title"), ["Dune"]);
    app.stop().await;
}

/// What fills places in is the refresh's own time.
#[tokio::test(flavor = "multi_thread")]
async fn moments_and_days_fill_places() {
    let origin = Origin::start().await;
    let today = jiff::tz::TimeZone::UTC;
    let source = format!(
        "[source.days]\nfresh_for = \"1h\"\nwarm = false\nurl = \"{}?from={{now}}\"\nformat = \"json\"\ntimes.now = {{ format = \"%Y-%m-%d\" }}\neach = {{ name = \"day\", days = 3, format = \"%Y%m%d\" }}\n",
        origin.url("/{day}")
    );
    let app = TestApp::with_source(&source).await;
    app.clock.pass(Duration::from_secs(86_400 * 10));
    let date = wellspring::clock::Clock::now(&*app.clock).wall.to_zoned(today).date();
    let paths: Vec<String> =
        (0..3).map(|ahead| date.checked_add(jiff::Span::new().days(ahead)).unwrap().strftime("/%Y%m%d").to_string()).collect();
    for path in &paths {
        origin.script(path, Answer::json(json!([{"title": path}]).to_string()));
    }
    assert_eq!(app.get("/api/days").await.items("title"), paths);
    assert_eq!(origin.last(&paths[2]).query, Some(format!("from={date}")));
    app.stop().await;
}

/// What an unchanged page means changes with the day where its dates are read, and what was asked for with the headers that ask.
#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_page_is_read_anew_on_another_day() {
    let origin = Origin::start().await;
    origin.script("/shows", Answer::json(r#"[{"title": "Dune", "at": "today 20:00"}]"#).etag("\"1\""));
    let source = format!(
        "[source.shows]\nfresh_for = \"1h\"\nwarm = false\nurl = \"{}\"\nformat = \"json\"\n[source.shows.fields]\ntitle = \"$.title\"\nat = {{ path = \"$.at\", parse = \"date\", zone = \"Pacific/Auckland\", as = \"date\" }}\n",
        origin.url("/shows")
    );
    let asked_by = source
        .replace("shows", "asked")
        .replace("zone = \"Pacific/Auckland\", as = \"date\"", "zone = \"UTC\", as = \"local\"")
        .replace("[source.asked.fields]", "headers = { X-Hour = \"{hour}\" }\ntimes.hour = { format = \"%H\" }\n[source.asked.fields]")
        .replace("/asked", "/shows");
    let app = Builder::new().with_source(&source).with_source(&asked_by).start().await;
    let zone = jiff::tz::TimeZone::get("Pacific/Auckland").unwrap();
    for source in ["shows", "asked"] {
        app.get(&format!("/api/{source}")).await;
    }
    for hop in 1..=8_usize {
        let before = wellspring::clock::Clock::now(&*app.clock).wall.to_zoned(zone.clone()).date();
        app.clock.pass(Duration::from_secs(3 * 3_600 + 1));
        let day = wellspring::clock::Clock::now(&*app.clock).wall.to_zoned(zone.clone()).date();
        for (source, anew) in [("shows", day != before), ("asked", true)] {
            app.get(&format!("/api/{source}")).await;
            app.until_attempts(source, hop + 1).await;
            assert_eq!(origin.last("/shows").header("if-none-match").is_none(), anew, "{source} {day}");
        }
        assert_eq!(app.get("/api/shows").await.items("at"), [day.to_string()]);
    }
    app.stop().await;
}
