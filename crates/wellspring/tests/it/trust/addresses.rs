//! Address tricks by every way that needs no browser: asked for, redirected to, captured from a feed.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use wellspring::fetch::guard::Guard;
use wellspring::fetch::http::{HttpFetcher, USER_AGENT};
use wellspring::fetch::{FetchError, Fetcher as _, Request};
use wellspring_core::snapshot::Validator;
use wellspring_core::template::Filled;

use crate::support::app::Builder;
use crate::support::origin::{Answer, Origin};

use super::judge;

#[path = "../../../src/fetch/guard/tricks/spellings.rs"]
pub(crate) mod spellings;

/// Every spelling, with the canary's port where it has none of its own.
pub(crate) fn tricks(port: u16) -> Vec<String> {
    let mut tricks: Vec<String> = spellings::refused().map(|spelling| with_port(spelling, port)).collect();
    tricks.sort_unstable();
    tricks.dedup();
    tricks
}

fn with_port(spelling: &str, port: u16) -> String {
    let Some((scheme, rest)) = spelling.split_once(':').filter(|(scheme, _)| scheme.trim().to_ascii_lowercase().starts_with("http")) else {
        return spelling.to_owned();
    };
    let host = rest.len() - rest.trim_start_matches(['/', '\\']).len();
    let end = rest[host..].find(['/', '\\', '?', '#', ' ']).map_or(rest.len(), |at| host + at);
    let (authority, rest) = (&rest[..end], &rest[end..]);
    let named = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let own = named.rsplit_once(']').map_or(named, |(_, after)| after).contains(':');
    if own { spelling.to_owned() } else { format!("{scheme}:{authority}:{port}{rest}") }
}

/// Listens on every address of this machine.
pub(crate) async fn canary() -> Origin {
    Origin::start_at("::").await
}

pub(crate) fn get(url: &str) -> Request {
    Request {
        method: Method::GET,
        url: Filled::plain(url),
        headers: Vec::new(),
        body: None,
        validator: Validator::default(),
        jar: None,
        proxy: None,
        within: Duration::from_secs(10),
        max_body: 1 << 20,
        page: None,
    }
}

/// A fetcher that may reach this origin on loopback, and nothing else there.
fn strict(origin: &Origin) -> HttpFetcher {
    HttpFetcher::guarded(Guard::new(false).except([origin.address()]), USER_AGENT).unwrap()
}

fn told(way: &str, tricks: usize, canary: &Origin) {
    let reached = canary.connections();
    judge("T5", &format!("tricks by {way}"), &format!("{tricks}, {reached} reached a canary"), "150, 0", tricks >= 150 && reached == 0);
}

#[tokio::test]
async fn by_http() {
    let (origin, canary) = (Origin::start().await, canary().await);
    let fetcher = strict(&origin);
    let tricks = tricks(canary.address().port());
    for trick in &tricks {
        let error = fetcher.fetch(&get(trick)).await.unwrap_err();
        assert!(matches!(error, FetchError::Refused { .. } | FetchError::BadAddress(_)), "{trick:?}: {error}");
    }
    told("HTTP", tricks.len(), &canary);
    // It would have heard.
    let open = HttpFetcher::guarded(Guard::new(true), USER_AGENT).unwrap();
    let port = canary.address().port();
    for host in ["127.0.0.1", "[::1]", "127.9.9.9", "0x7f.1"] {
        drop(open.fetch(&get(&format!("http://{host}:{port}/"))).await);
    }
    assert_eq!(canary.total(), 4);
}

#[tokio::test]
async fn by_redirect() {
    let (origin, canary) = (Origin::start().await, canary().await);
    let fetcher = strict(&origin);
    let tricks = tricks(canary.address().port());
    for trick in &tricks {
        origin.script("/", Answer::redirect(302, trick.replace('\n', "")));
        let error = fetcher.fetch(&get(&origin.url("/"))).await.unwrap_err();
        // `http:127.0.0.1` is a path of the origin here, as browsers read it, and no such path is there.
        let refused = matches!(error, FetchError::Refused { .. } | FetchError::BadRedirect { .. } | FetchError::Status { status: 404, .. });
        assert!(refused, "{trick:?}: {error}");
    }
    told("redirect", tricks.len(), &canary);
}

/// A link in a feed, followed for the page of its row.
#[tokio::test(flavor = "multi_thread")]
async fn by_a_link_of_a_feed() {
    let (origin, canary) = (Origin::start().await, canary().await);
    let source = format!(
        "[source.news]\nurl = \"{}\"\nformat = \"feed\"\nfresh_for = \"1h\"\nwarm = false\nmin_interval = \"0s\"\n\
         fields = {{ title = \"title\", _link = \"link\" }}\n\
         [source.news.details]\nurl = \"{{_link}}\"\nformat = \"html\"\nfields = {{ said = \"p\" }}\n",
        origin.url("/feed")
    );
    let fetcher = strict(&origin);
    let app = Builder::new().with_source(&source).start_with(|_| Arc::new(fetcher)).await;
    let tricks = tricks(canary.address().port());
    let mut codes = std::collections::BTreeMap::<String, usize>::new();
    for trick in &tricks {
        let mut link = String::new();
        for c in trick.chars() {
            let _ = write!(link, "&#{};", u32::from(c));
        }
        let feed = format!("<rss version=\"2.0\"><channel><item><title>A</title><link>{link}</link></item></channel></rss>");
        origin.script("/feed", Answer::ok(feed).header("content-type", "application/rss+xml"));
        let reply = app.post("/api/news/refresh").await.json();
        let code = reply["degraded"]["code"].as_str().or(reply["type"].as_str().and_then(|kind| kind.rsplit(':').next())).unwrap_or("none");
        *codes.entry(code.to_owned()).or_default() += 1;
    }
    assert!(codes.get("address_refused").is_some_and(|refused| *refused >= 130), "{codes:?}");
    told("a feed's link", tricks.len(), &canary);
    app.stop().await;
}
