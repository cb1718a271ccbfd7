//! Whose robots.txt a request falls under, and how it is asked for.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::USER_AGENT;
use url::{Position, Url};
use wellspring_core::failure::{Code, Failure, Kind};
use wellspring_core::robots::{Robots, Verdict, product_token};
use wellspring_core::snapshot::{Digest, Validator};
use wellspring_core::template::Filled;

use crate::engine::collect::Bounds;
use crate::fetch::Request;

/// So much of a path is shown, in characters.
const SHOWN: usize = 120;

/// A request as robots.txt sees it.
pub(super) struct Target {
    /// The address of the robots.txt: of this very scheme, host and port.
    pub robots: String,
    /// The host, as the limits know it.
    pub host: Arc<str>,
    /// The product token.
    pub agent: String,
    path: String,
    proxy: Option<Filled>,
}

impl Target {
    /// `None` for what is no HTTP address.
    pub(super) fn of(request: &Request, bounds: &Bounds) -> Option<Self> {
        let url = Url::parse(request.url.expose()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let agent = request.headers.iter().find(|(name, _)| *name == USER_AGENT);
        Some(Self {
            robots: format!("{}/robots.txt", url.origin().ascii_serialization()),
            host: url.host_str()?.into(),
            agent: agent.map_or_else(|| bounds.agent.clone(), |(_, text)| product_token(text.expose()).to_owned()),
            path: url[Position::BeforePath..Position::AfterQuery].to_owned(),
            proxy: request.proxy.clone(),
        })
    }

    /// What a copy is kept under: one robot's rules, read on one way.
    pub(super) fn id(&self) -> Digest {
        let proxy = self.proxy.as_ref().map_or("", Filled::expose);
        Digest::of(format!("{} {} {proxy}", self.robots, self.agent).as_bytes())
    }

    /// The request for the robots.txt itself: by the same robot, on the same way.
    pub(super) fn request(&self, request: &Request, validator: Validator, within: Duration, max_body: u64) -> Request {
        Request {
            method: Method::GET,
            url: Filled::plain(&self.robots),
            headers: request.headers.iter().filter(|(name, _)| *name == USER_AGENT).cloned().collect(),
            body: None,
            validator,
            jar: None,
            proxy: self.proxy.clone(),
            within,
            max_body,
            page: None,
        }
    }

    /// Whether these rules let it be asked for.
    pub(super) fn judge(&self, rules: &Robots) -> Result<(), Failure> {
        let Verdict::Disallowed(rule) = rules.verdict(&self.path) else { return Ok(()) };
        let Self { robots, agent, .. } = self;
        let path = match self.path.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &self.path[..end]),
            None => self.path.clone(),
        };
        let words = format!("{robots} disallows {path} for {agent} ({rule}); `robots = false` in the source overrules it");
        Err(Failure::new(Kind::Blocked, Code::RobotsRefused, words))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::engine::limits::PerHost;

    fn target(url: &str, headers: &[(HeaderName, &str)], proxy: Option<&str>) -> Option<Target> {
        let bounds = Bounds {
            timeout: Duration::from_secs(1),
            max_body: 1,
            per_host: PerHost { at_once: 1, gap: Duration::ZERO },
            proxy: None,
            robots: true,
            agent: "wellspring".to_owned(),
        };
        let request = Request {
            method: Method::GET,
            url: Filled::plain(url),
            headers: headers.iter().map(|(name, text)| (name.clone(), Filled::plain(*text))).collect(),
            body: None,
            validator: Validator::default(),
            jar: None,
            proxy: proxy.map(Filled::plain),
            within: Duration::from_secs(1),
            max_body: 1,
            page: None,
        };
        Target::of(&request, &bounds)
    }

    #[test]
    fn a_robots_txt_belongs_to_scheme_host_and_port() {
        let robots = |url| target(url, &[], None).map(|target| (target.robots, target.path));
        let expected = |robots: &str, path: &str| Some((robots.to_owned(), path.to_owned()));
        assert_eq!(robots("http://u:p@A.example:8080/a/?b=ü#c"), expected("http://a.example:8080/robots.txt", "/a/?b=%C3%BC"));
        assert_eq!(robots("https://a.example:443"), expected("https://a.example/robots.txt", "/"));
        assert_eq!(robots("ftp://a.example/"), None);
        assert_eq!(robots("nothing"), None);
    }

    #[test]
    fn each_robot_and_each_way_has_rules_of_its_own() {
        let of = |headers: &[_], proxy| target("http://a.example/", headers, proxy).unwrap();
        let (usual, other) = (of(&[], None), of(&[(USER_AGENT, "Other/2 (b)")], None));
        assert_eq!((usual.agent.as_str(), other.agent.as_str()), ("wellspring", "Other"));
        let ids = [usual.id(), other.id(), of(&[], Some("http://p.example")).id()];
        assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
    }

    #[test]
    fn a_refusal_names_the_line_and_the_way_out() {
        let target = target("http://a.example/x?y", &[], None).unwrap();
        let failure = target.judge(&Robots::parse(b"User-agent: *\n\nDisallow: /x", "wellspring")).unwrap_err();
        assert_eq!((failure.kind, failure.code), (Kind::Blocked, Code::RobotsRefused));
        insta::assert_snapshot!(failure, @"http://a.example/robots.txt disallows /x?y for wellspring (line 3: Disallow: /x); `robots = false` in the source overrules it");
    }
}
