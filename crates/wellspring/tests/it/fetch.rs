//! The outward side: what is fetched, what is refused, and what is said when it fails.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use wellspring::fetch::guard::Guard;
use wellspring::fetch::http::{HttpFetcher, USER_AGENT};
use wellspring::fetch::{FetchError, Fetched, Fetcher, Request, Response};
use wellspring_core::key::Params;
use wellspring_core::snapshot::Validator;
use wellspring_core::template::{Filled, Template};

use crate::support::origin::{Answer, Origin};

mod bodies;
mod environment;
mod redirects;
mod refusals;
mod tls;

/// A fetcher under the strict guard that may reach these origins on loopback all the same.
fn strict(origins: &[&Origin]) -> HttpFetcher {
    let guard = Guard::new(false).except(origins.iter().map(|origin| origin.address()));
    HttpFetcher::guarded(guard, USER_AGENT).unwrap()
}

/// A GET with limits that no honest test comes near.
fn get(url: impl Into<String>) -> Request {
    Request {
        method: Method::GET,
        url: Filled::plain(url),
        headers: Vec::new(),
        body: None,
        validator: Validator::default(),
        jar: None,
        proxy: None,
        within: Duration::from_secs(20),
        max_body: 1 << 20,
        page: None,
    }
}

/// Fills `${KEY}` with a secret.
fn secret(text: &str) -> Filled {
    Template::parse(text, &[], &|_| Some(CANARY.to_owned())).unwrap().fill(&Params::new())
}

const CANARY: &str = "canary-s3cr3t";

/// Fetches from one origin under the strict guard and gives what came out, with the origin's port made plain.
async fn outcome(origin: &Origin, request: &Request) -> String {
    let port = format!(":{}", origin.address().port());
    let result = strict(&[origin]).fetch(request).await;
    assert!(!format!("{result:?}").contains(CANARY), "{result:?}");
    let shown = match result {
        Ok(Fetched::Body(r)) => format!("{} {:?} {:?}", r.status, r.content_type, String::from_utf8_lossy(&r.body)),
        Ok(Fetched::NotModified(validator)) => format!("not modified {validator:?}"),
        Ok(Fetched::Rendered(_)) => "rendered".to_owned(),
        Err(error) => {
            let failure = error.failure();
            assert!(!failure.message.contains(CANARY));
            format!("{:?} {}: {error}", failure.kind, failure.code)
        }
    };
    shown.replace(&port, ":PORT")
}

/// One scripted answer at `/`, one fetch of it, what came out.
async fn check(answer: Answer) -> String {
    let origin = Origin::start().await;
    origin.script("/", answer);
    outcome(&origin, &get(origin.url("/"))).await
}

async fn body(fetcher: &HttpFetcher, request: &Request) -> Response {
    match fetcher.fetch(request).await {
        Ok(Fetched::Body(response)) => response,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_comes_as_it_is() {
    // Text is not recoded, here and nowhere else: that is extraction's.
    let latin = Answer::ok(b"caf\xe9".to_vec()).header("content-type", "text/html; charset=ISO-8859-1");
    insta::assert_snapshot!(check(latin).await, @r#"200 Some("text/html; charset=ISO-8859-1") "caf�""#);
    insta::assert_snapshot!(check(Answer::ok("wrong").header("content-type", "image/png")).await, @r#"200 Some("image/png") "wrong""#);
    insta::assert_snapshot!(check(Answer::ok("no type").chunked()).await, @r#"200 None "no type""#);
    insta::assert_snapshot!(check(Answer::status(204)).await, @r#"204 None """#);
    insta::assert_snapshot!(check(Answer::raw("HTTP/1.0 200 OK\r\n\r\nold")).await, @r#"200 None "old""#);
}

#[tokio::test]
async fn a_request_says_honestly_who_asks() {
    let origin = Origin::start().await;
    origin.script("/a", Answer::ok(""));
    let mut request = get(origin.url("/a?b=c#d"));
    request.headers.push(("x-more".parse().unwrap(), Filled::plain("1")));
    body(&strict(&[&origin]), &request).await;
    let asked = origin.last("/a");
    assert_eq!(asked.query.as_deref(), Some("b=c"));
    assert_eq!(asked.header("user-agent"), Some(USER_AGENT));
    insta::assert_debug_snapshot!(asked.headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), @r#"
    [
        "x-more",
        "accept",
        "user-agent",
        "accept-encoding",
        "host",
    ]
    "#);
    insta::assert_snapshot!(asked.header("accept-encoding").unwrap(), @r#"zstd,gzip,deflate,br"#);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let origin = Origin::start().await;
    origin.script("/", Answer::ok("x"));
    let fetcher = strict(&[&origin]);
    for _ in 0..3 {
        body(&fetcher, &get(origin.url("/"))).await;
    }
    assert_eq!((origin.count("/"), origin.connections()), (3, 1));
}

#[tokio::test]
async fn a_header_of_the_source_replaces_the_usual_one() {
    let origin = Origin::start().await;
    origin.script("/", Answer::ok(""));
    let mut request = get(origin.url("/"));
    request.headers.push((http::header::USER_AGENT, Filled::plain("mine")));
    request.headers.push((http::header::ACCEPT, Filled::plain("text/csv")));
    body(&strict(&[&origin]), &request).await;
    let asked = origin.last("/");
    assert_eq!((asked.header("user-agent"), asked.header("accept")), (Some("mine"), Some("text/csv")));
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let origin = Origin::start().await;
    origin.script("/", Answer::ok("x").etag("\"1\"").header("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"));
    let fetcher = strict(&[&origin]);
    let first = body(&fetcher, &get(origin.url("/"))).await;
    let Ok(Fetched::NotModified(kept)) = fetcher.fetch(&Request { validator: first.validator.clone(), ..get(origin.url("/")) }).await
    else {
        panic!("a 304 was expected")
    };
    assert_eq!(kept, first.validator);
    let asked = origin.last("/");
    assert_eq!((asked.header("if-none-match"), asked.header("if-modified-since")), (Some("\"1\""), Some("Sun, 06 Nov 1994 08:49:37 GMT")));

    // One that is as long as a page is not kept: it would be held and sent for each request of each key.
    let long = format!("\"{}\"", "x".repeat(5_000));
    origin.script("/long", Answer::ok("x").etag(&long).header("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"));
    let kept = body(&fetcher, &get(origin.url("/long"))).await.validator;
    assert_eq!(kept, Validator { etag: None, last_modified: Some("Sun, 06 Nov 1994 08:49:37 GMT".into()) });

    // What a 304 says anew replaces what was sent; what it leaves out stays.
    origin.script("/", Answer::raw("HTTP/1.1 304 Not Modified\r\netag: \"2\"\r\n\r\n"));
    let sent = Validator { etag: Some("\"1\"".into()), last_modified: Some("then".into()) };
    let Ok(Fetched::NotModified(kept)) = fetcher.fetch(&Request { validator: sent, ..get(origin.url("/")) }).await else {
        panic!("a 304 was expected")
    };
    assert_eq!(kept, Validator { etag: Some("\"2\"".into()), last_modified: Some("then".into()) });
}

#[tokio::test]
async fn a_status_is_told_with_what_the_upstream_wishes() {
    insta::assert_snapshot!(check(Answer::status(404)).await, @r#"Permanent upstream_status: 127.0.0.1:PORT answered 404"#);
    insta::assert_snapshot!(check(Answer::status(503)).await, @r#"Retryable upstream_status: 127.0.0.1:PORT answered 503"#);
    // Nobody asked whether anything had changed, or for a part.
    insta::assert_snapshot!(check(Answer::raw("HTTP/1.1 304 Not Modified\r\n\r\n")).await, @r#"Permanent upstream_status: 127.0.0.1:PORT answered 304"#);
    insta::assert_snapshot!(check(Answer::status(206)).await, @r#"Permanent upstream_status: 127.0.0.1:PORT answered 206"#);

    let origin = Origin::start().await;
    origin.script("/", Answer::status(429).header("retry-after", "120"));
    let error = strict(&[&origin]).fetch(&get(origin.url("/"))).await.unwrap_err();
    assert_eq!(error.failure().retry_after, Some(Duration::from_secs(120)));
    let dated = Answer::status(503).header("date", "Sun, 06 Nov 1994 08:00:00 GMT").header("retry-after", "Sun, 06 Nov 1994 08:05:00 GMT");
    origin.script("/", dated);
    let error = strict(&[&origin]).fetch(&get(origin.url("/"))).await.unwrap_err();
    assert_eq!(error.failure().retry_after, Some(Duration::from_secs(300)));
}

#[tokio::test]
async fn one_deadline_covers_everything() {
    let origin = Origin::start().await;
    origin.script("/hang", Answer::hang());
    origin.script("/drip", Answer::drip());
    origin.script("/endless", Answer::endless());
    origin.script("/to", Answer::redirect(302, "/hang"));
    for path in ["/hang", "/drip", "/endless", "/to"] {
        let request = Request { within: Duration::from_millis(150), max_body: u64::MAX, ..get(origin.url(path)) };
        assert_eq!(outcome(&origin, &request).await, "Retryable timeout: 127.0.0.1:PORT did not answer within 150ms", "{path}");
        origin.wait_for_requests(path, 1).await;
    }
}

#[tokio::test]
async fn a_form_is_posted() {
    let origin = Origin::start().await;
    origin.script("/graphql", Answer::json("{}"));
    let mut request = Request { method: Method::POST, body: Some("{\"query\":1}".into()), ..get(origin.url("/graphql")) };
    request.headers.push((http::header::CONTENT_TYPE, Filled::plain("application/json")));
    body(&strict(&[&origin]), &request).await;
    let asked = origin.last("/graphql");
    assert_eq!(
        (asked.method.as_str(), asked.body.as_slice(), asked.header("content-type")),
        ("POST", &b"{\"query\":1}"[..], Some("application/json"))
    );
}

#[tokio::test]
async fn two_hundred_fetches_at_once() {
    let origin = Origin::start().await;
    origin.hold("/");
    origin.script("/", Answer::ok("x"));
    let fetcher = Arc::new(strict(&[&origin]));
    let mut fetches = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (fetcher, request) = (fetcher.clone(), get(origin.url("/")));
        fetches.spawn(async move { fetcher.fetch(&request).await.is_ok() });
    }
    origin.wait_for_requests("/", 200).await;
    assert_eq!(origin.answered("/"), 0);
    origin.release("/");
    assert!(fetches.join_all().await.into_iter().all(|ok| ok));
}

/// Runs an ignored test in a process of its own, with this environment: one's own is shared by every test that runs.
async fn in_a_child(test: &str, environment: &[(&str, &str)]) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    // With REQUEST_METHOD in it, an environment is that of a CGI script, and clients ignore `HTTP_PROXY` by themselves.
    child.args(["--exact", test, "--ignored", "--nocapture"]).env_remove("NO_PROXY").env_remove("no_proxy").env_remove("REQUEST_METHOD");
    child.envs(environment.iter().copied());
    let output = wellspring::lifecycle::blocking(move || child.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// A variable of the environment, as a child reads it.
fn variable(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "the environment is what the test is about")]
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// Everything that is logged in this thread, at the finest level, while it is kept.
struct Logged {
    written: Arc<Mutex<Vec<u8>>>,
    _kept: tracing::subscriber::DefaultGuard,
}

impl Logged {
    fn start() -> Self {
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = written.clone();
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || Writer(writer.clone())).finish();
        Self { written, _kept: tracing::subscriber::set_default(subscriber) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_shows_a_secret() {
    let logged = Logged::start();
    let (origin, proxy) = (Origin::start().await, Origin::start().await);
    origin.script("/", Answer::ok("x"));
    let mut request = Request { url: secret(&origin.url("/?k=${KEY}")), ..get("") };
    request.headers.push((http::header::AUTHORIZATION, secret("Bearer ${KEY}")));
    body(&strict(&[&origin]), &request).await;
    request.url = secret("http://public.example/?k=${KEY}");
    request.proxy = Some(secret(&proxy.url("").replace("://", "://user:${KEY}@")));
    proxy.script("http://public.example/", Answer::ok("x"));
    body(&strict(&[]), &request).await;
    assert!(proxy.last("http://public.example/").header("proxy-authorization").is_some());
    // Something is logged, or this would prove nothing.
    tracing::info!("the end");
    let text = logged.text();
    assert!(text.contains("the end") && !text.contains(CANARY), "{text}");
}

/// Asserts that an error is a refusal, and gives its words.
fn refusal(result: Result<Fetched, FetchError>) -> String {
    match result {
        Err(error @ FetchError::Refused { .. }) => error.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}
