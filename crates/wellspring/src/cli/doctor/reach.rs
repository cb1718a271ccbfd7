//! Whether the hosts of the sources answer: name, guard, connection, certificate, one small request.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use url::Url;
use wellspring_core::snapshot::Validator;
use wellspring_core::source::{Alternative, Ask};
use wellspring_core::template::Filled;

use super::Finding;
use crate::app;
use crate::cli::words::took;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::engine::catalog::Recipe;
use crate::fetch::{FetchError, Fetcher, Request};
use crate::lifecycle;

/// How long a host may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// As much of a robots.txt as anybody reads (RFC 9309).
const LARGEST: u64 = 500 << 10;
/// How many hosts are asked at once.
const AT_ONCE: usize = 16;

/// A host, and the sources that ask it the same way.
#[derive(Clone, Debug)]
struct Target {
    origin: Url,
    proxy: Option<Filled>,
    sources: BTreeSet<String>,
}

/// What the hosts of all sources say, in the order of the sources.
pub(super) async fn look(config: &Config, recipes: &[&Recipe]) -> Vec<Finding> {
    let fetcher = match app::fetcher(config) {
        Ok(fetcher) => fetcher,
        Err(error) => {
            return vec![Finding::fail("reach", error.to_string(), "check `user_agent` under [fetch] and the system's certificates")];
        }
    };
    let (targets, mut findings) = targets(config, recipes);
    let mut proxies: Vec<&Filled> = Vec::new();
    for proxy in targets.iter().filter_map(|target| target.proxy.as_ref()) {
        if !proxies.contains(&proxy) {
            proxies.push(proxy);
            findings.push(ask_proxy(proxy).await);
        }
    }
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let asking: Vec<_> = targets
        .into_iter()
        .map(|target| {
            let (fetcher, places) = (Arc::clone(&fetcher), Arc::clone(&places));
            lifecycle::spawn(async move {
                let _place = places.acquire().await;
                ask(&*fetcher, &target).await
            })
        })
        .collect();
    for asked in asking {
        findings.extend(asked.await);
    }
    findings
}

/// The hosts, and a word on those that only a refresh knows.
fn targets(config: &Config, recipes: &[&Recipe]) -> (Vec<Target>, Vec<Finding>) {
    let mut targets: Vec<Target> = Vec::new();
    let mut findings = Vec::new();
    for recipe in recipes {
        let params = recipe.spec.default_key().map(|key| key.params()).unwrap_or_default();
        let usable = recipe.spec.alternatives.iter().filter(|alternative| alternative.usable);
        for ask in usable.flat_map(Alternative::asks) {
            let name = recipe.spec.name.to_string();
            let written = ask.url.to_string();
            let Some(origin) = origin(ask, &params) else {
                findings.push(Finding::ok("reach", format!("{written} ({name}): only a refresh knows this host")));
                continue;
            };
            let proxy = ask.proxy.as_ref().map(|proxy| proxy.fill(&params)).or_else(|| config.fetch.proxy.clone());
            match targets.iter_mut().find(|target| target.origin == origin && target.proxy == proxy) {
                Some(target) => drop(target.sources.insert(name)),
                None => targets.push(Target { origin, proxy, sources: [name].into() }),
            }
        }
    }
    (targets, findings)
}

/// Scheme, host and port, where they do not depend on what a step captures or on what nobody may see.
fn origin(ask: &Ask, params: &wellspring_core::key::Params) -> Option<Url> {
    let written = ask.url.to_string();
    let (scheme, rest) = written.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    // A parameter with a default stands in it as any text would.
    let filled = params.iter().fold(authority.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value));
    if filled.contains(['{', '}']) {
        return None;
    }
    Url::parse(&format!("{scheme}://{filled}/")).ok()
}

/// An address without its end and without what somebody may have written before its host.
fn bare(url: &Url) -> String {
    url.origin().ascii_serialization()
}

async fn ask_proxy(proxy: &Filled) -> Finding {
    const GUARD: &str = "behind it the guard judges only names and literal addresses";
    let shown = Url::parse(&proxy.to_string()).map_or_else(|_| "the configured proxy".to_owned(), |url| bare(&url));
    let address = Url::parse(proxy.expose()).ok().and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)));
    let Some((host, port)) = address else { return Finding::fail("proxy", format!("{shown} is no address"), "mend `proxy`") };
    let connected = tokio::time::timeout(PATIENCE, TcpStream::connect((host.trim_matches(['[', ']']), port))).await;
    let why = match connected {
        Ok(Ok(_)) => return Finding::ok("proxy", format!("{shown}: takes connections; {GUARD}")),
        Ok(Err(error)) => error.to_string().to_lowercase(),
        Err(_) => format!("no answer within {PATIENCE:?}"),
    };
    Finding::fail("proxy", format!("{shown}: {why}"), "start it, or mend or remove `proxy`")
}

/// One small request, by the same way as a refresh.
async fn ask(fetcher: &dyn Fetcher, target: &Target) -> Finding {
    let origin = target.origin.as_str().trim_end_matches('/');
    let request = Request {
        method: Method::GET,
        url: Filled::plain(format!("{origin}/robots.txt")),
        headers: Vec::new(),
        body: None,
        validator: Validator::default(),
        jar: None,
        proxy: target.proxy.clone(),
        within: PATIENCE,
        max_body: LARGEST,
        page: None,
    };
    let started = SystemClock.mono();
    let fetched = fetcher.fetch(&request).await;
    let time = took(SystemClock.mono().since(started));
    let sources = target.sources.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let via = if target.proxy.is_some() { " through its proxy" } else { "" };
    let place = format!("{} ({sources})", bare(&target.origin));
    let fail = |error: &FetchError, way_out: &str| Finding::fail("reach", format!("{place}: {error}"), way_out);
    match &fetched {
        Err(error @ (FetchError::Refused { .. } | FetchError::BadAddress(_))) => fail(error, "check the source's `url`"),
        Err(error @ FetchError::Dns { .. }) => fail(error, "check the name, and this machine's resolver"),
        Err(error @ FetchError::Tls { .. }) => fail(error, "check the clock; an authority of one's own goes into SSL_CERT_FILE"),
        Err(error @ (FetchError::Unreachable { .. } | FetchError::Timeout { .. })) => {
            fail(error, "is it up, and may this machine reach it, or does it take a `proxy`?")
        }
        Err(FetchError::Status { status: status @ (401 | 403 | 429 | 500..), .. }) => {
            let words = format!("{place}: answers {status} to robots.txt{via}, in {time}");
            Finding::warn("reach", words, "see with `wellspring check` whether it answers the source")
        }
        // Whatever else it says, it is there.
        _ => Finding::ok("reach", format!("{place}: answers{via}, in {time}")),
    }
}
