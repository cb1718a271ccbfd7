//! Requests as they are sent: their places filled in, and what is secret kept to the hosts that the configuration names.

use http::{HeaderName, Method};
use jiff::Timestamp;
use url::Url;
use wellspring_core::failure::{Code, Failure, Kind};
use wellspring_core::key::Params;
use wellspring_core::snapshot::Validator;
use wellspring_core::source::{self, Alternative, Ask};
use wellspring_core::template::Filled;

use super::Bounds;
use crate::fetch::cookies::Jar;
use crate::fetch::{Request, names_a_secret};

/// The hosts that an alternative's own addresses name.
#[derive(Debug)]
pub(super) struct Homes(Vec<url::Origin>);

impl Homes {
    /// Those whose addresses do not begin with a place. `values` are parameters and times: who fills those in is the one who
    /// configured or asked, and not the upstream. So are the values of `each` that the configuration lists.
    pub(super) fn of(alternative: &Alternative, values: &Params, now: Timestamp) -> Self {
        let named = alternative.asks().filter(|ask| ask.url.first_name().is_none());
        let mut addresses: Vec<Filled> = named.map(|ask| ask.url.fill(values)).collect();
        let url = &alternative.ask.url;
        if let Some(each) = alternative.each.as_ref().filter(|each| url.host_names().contains(&each.name.as_str())) {
            let mut values = values.clone();
            for value in each.values.known(now).unwrap_or_default() {
                values.insert(each.name.clone(), value);
                addresses.push(url.fill(&values));
            }
        }
        Self(addresses.iter().filter_map(|url| Url::parse(url.expose()).ok()).map(|url| url.origin()).collect())
    }

    fn include(&self, url: &Filled) -> bool {
        Url::parse(url.expose()).is_ok_and(|url| self.0.contains(&url.origin()))
    }
}

/// Fills a request in.
///
/// # Errors
/// Where it would carry what came from the environment to a host that an upstream chose.
pub(super) fn filled(
    ask: &Ask,
    values: &Params,
    validator: Validator,
    bounds: &Bounds,
    jar: &Jar,
    homes: &Homes,
) -> Result<Request, Failure> {
    let url = ask.url.fill(values);
    if ask.url.climbs(values) {
        let words = format!("{url} is not asked: a value of dots alone leads to another address than the one that is configured");
        return Err(Failure::new(Kind::Blocked, Code::AddressRefused, words));
    }
    // An address that a page or an API gave, or its host, leads wherever that likes.
    let at_home = ask.url.host_names().is_empty() || homes.include(&url);
    let body = ask.payload.as_ref().map(|payload| payload.fill(values));
    if !at_home && body.as_ref().is_some_and(Filled::is_secret) {
        let words = format!("{url} is not asked: what is sent carries a secret, and this host is none that the source itself names");
        return Err(Failure::new(Kind::Blocked, Code::AddressRefused, words));
    }
    let mut headers = ask.fill_headers(values);
    if let Some(content_type) = ask.payload.as_ref().and_then(source::Payload::content_type)
        && !headers.iter().any(|(name, _)| name == "content-type")
    {
        headers.push(("content-type".to_owned(), Filled::plain(content_type)));
    }
    for (name, value) in ask.fill_cookies(values) {
        let mut cookie = Filled::plain(format!("{name}="));
        cookie.append(value);
        headers.push(("cookie".to_owned(), cookie));
    }
    // A name that is none was refused when the configuration was read.
    let named = headers.into_iter().filter_map(|(name, value)| Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value)));
    Ok(Request {
        method: match ask.method {
            source::Method::Get => Method::GET,
            source::Method::Post => Method::POST,
        },
        url,
        headers: named.filter(|(name, value)| at_home || !(value.is_secret() || names_a_secret(name))).collect(),
        body: body.map(|body| body.expose().to_owned().into()),
        validator,
        jar: Some(jar.clone()),
        proxy: ask.proxy.as_ref().map(|proxy| proxy.fill(values)).or_else(|| bounds.proxy.clone()),
        within: ask.timeout.unwrap_or(bounds.timeout),
        max_body: ask.max_body.unwrap_or(bounds.max_body),
        page: None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wellspring_core::source::{Json, Payload};
    use wellspring_core::template::Template;

    use super::*;
    use crate::engine::limits::PerHost;

    fn text(text: &str) -> Template {
        Template::parse(text, &["link", "host"], &|_| Some("s3cr3t".to_owned())).unwrap()
    }

    fn ask(url: &str) -> Ask {
        Ask {
            url: text(url),
            method: source::Method::Get,
            headers: vec![("x-quiet".to_owned(), text("${KEY}")), ("x-plain".to_owned(), text("1"))],
            cookies: vec![("session".to_owned(), text("${KEY}"))],
            payload: None,
            proxy: None,
            timeout: None,
            max_body: None,
        }
    }

    fn build(ask: &Ask, link: &str) -> Result<Request, Failure> {
        let per_host = PerHost { at_once: 1, gap: Duration::ZERO };
        let bounds =
            Bounds { timeout: Duration::from_secs(1), max_body: 1, per_host, proxy: None, robots: true, agent: "wellspring".to_owned() };
        let home = Homes(vec![Url::parse("https://a.example/").unwrap().origin()]);
        filled(
            ask,
            &["link", "host"].map(|name| (name.to_owned(), link.to_owned())).into(),
            Validator::default(),
            &bounds,
            &Jar::default(),
            &home,
        )
    }

    #[test]
    fn secrets_go_to_hosts_that_the_source_names() {
        let check = |url: &str, link: &str, expected: &[&str]| {
            let request = build(&ask(url), link).unwrap();
            assert_eq!(request.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), expected, "{url} {link}");
        };
        let all = ["x-quiet", "x-plain", "cookie"];
        check("https://b.example/?q={link}", "x", &all);
        check("{link}", "https://a.example/film", &all);
        check("https://{host}.b.example/", "x", &all);
        check("https://{host}/", "a.example", &all);
        check("https://{host}/", "b.example", &["x-plain"]);
        check("https://{host}.example/", "b", &["x-plain"]);
        for foreign in ["https://b.example/", "http://a.example/", "https://a.example:8443/", "https://a.example@b.example/", "x"] {
            check("{link}", foreign, &["x-plain"]);
        }
    }

    #[test]
    fn a_value_of_dots_leads_nowhere() {
        let refused = build(&ask("https://a.example/p/{link}/q"), "..").unwrap_err();
        assert_eq!((refused.kind, refused.code), (Kind::Blocked, Code::AddressRefused));
        insta::assert_snapshot!(refused, @"https://a.example/p/../q is not asked: a value of dots alone leads to another address than the one that is configured");
        assert!(build(&ask("https://a.example/p/{link}/q"), "a..b").is_ok());
    }

    #[test]
    fn what_is_sent_with_a_secret_goes_nowhere_else() {
        let payload = Some(Payload::Json(Json::Object(vec![("key".to_owned(), Json::Text(text("${KEY}")))])));
        let ask = Ask { payload, ..ask("{link}") };
        assert_eq!(build(&ask, "https://a.example/").unwrap().body.as_deref(), Some(&br#"{"key":"s3cr3t"}"#[..]));
        let refused = build(&ask, "https://b.example/").unwrap_err();
        assert_eq!((refused.kind, refused.code), (Kind::Blocked, Code::AddressRefused));
        assert!(!refused.message.contains("s3cr3t"), "{refused}");
    }
}
