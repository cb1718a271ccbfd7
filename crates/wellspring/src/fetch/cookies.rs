//! Cookies that sites set while one refresh is under way. They live as long as that, and are shown to nobody.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::http::HeaderMap;
use ::http::header::SET_COOKIE;
use cookie_store::{Cookie, CookieDomain, CookieStore};
use url::Url;

/// How many are kept. Browsers keep fifty a site.
const MOST: usize = 100;
/// The largest that is kept, attributes included, in bytes: what browsers take.
const LARGEST: usize = 4_096;

/// A jar that all requests of a refresh share.
#[derive(Clone, Default)]
pub struct Jar(Arc<Mutex<CookieStore>>);

/// Without what is in it.
impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jar").field("cookies", &self.lock().iter_any().count()).finish()
    }
}

impl Jar {
    fn lock(&self) -> MutexGuard<'_, CookieStore> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what an answer sets. What is too large, too much, or meant for other hosts than its own is left out.
    pub(super) fn keep(&self, from: &Url, headers: &HeaderMap) {
        let mut store = self.lock();
        for text in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()).take(MOST) {
            let Some(cookie) = (text.len() <= LARGEST).then(|| Cookie::parse(text, from).ok()).flatten() else { continue };
            // Without a list of public suffixes: at least no whole top-level domain.
            let too_wide = matches!(&cookie.domain, CookieDomain::Suffix(domain) if !domain.contains('.'));
            let misplaced = cookie.secure() == Some(true) && from.scheme() != "https";
            if !too_wide && !misplaced && store.iter_any().count() < MOST {
                // One for another domain is refused, as it should be.
                let _refused = store.insert(cookie.into_owned(), from);
            }
        }
    }

    /// Names and values for a request, in the order in which they are sent.
    pub(super) fn matching(&self, to: &Url) -> Vec<(String, String)> {
        let store = self.lock();
        let mut cookies = store.matches(to);
        // The library takes loopback for secure as well.
        cookies.retain(|cookie| cookie.secure() != Some(true) || to.scheme() == "https");
        // RFC 6265 §5.4: longer paths first; the names make it the same every time.
        cookies.sort_by_key(|cookie| (usize::MAX - cookie.path.as_ref().len(), cookie.name().to_owned()));
        cookies.iter().map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn jar(from: &str, set: &[&str]) -> Jar {
        let jar = Jar::default();
        jar.keep(&url(from), &set.iter().map(|text| (SET_COOKIE, text.parse().unwrap())).collect());
        jar
    }

    #[track_caller]
    fn check(jar: &Jar, to: &str, expected: &str) {
        let sent: Vec<String> = jar.matching(&url(to)).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(sent.join("; "), expected, "{to}");
    }

    #[test]
    fn cookies_go_where_they_are_meant_for() {
        let jar = jar(
            "https://www.a.example/x/y",
            &["own=1", "deep=2; Path=/x", "wide=3; Domain=a.example; Path=/", "safe=4; Secure; Path=/", "foreign=5; Domain=b.example"],
        );
        check(&jar, "https://www.a.example/x/", "deep=2; own=1; safe=4; wide=3");
        check(&jar, "https://www.a.example/", "safe=4; wide=3");
        check(&jar, "http://www.a.example/", "wide=3");
        check(&jar, "https://api.a.example/x/", "wide=3");
        check(&jar, "https://b.example/x/", "");
        check(&jar, "https://nota.example/x/", "");
    }

    #[test]
    fn a_whole_top_level_domain_is_nobodys() {
        check(&jar("https://a.example/", &["k=1; Domain=example", "k=2; Domain=.example"]), "https://b.example/", "");
    }

    #[test]
    fn secure_cookies_want_https_loopback_or_not() {
        check(&jar("http://127.0.0.1/", &["k=1; Secure", "plain=2"]), "http://127.0.0.1/", "plain=2");
        let jar = jar("https://127.0.0.1/", &["k=1; Secure"]);
        check(&jar, "http://127.0.0.1/", "");
        check(&jar, "https://127.0.0.1/", "k=1");
    }

    #[test]
    fn a_site_may_take_its_cookie_back() {
        let jar = jar("https://a.example/", &["k=1", "l=1"]);
        jar.keep(&url("https://a.example/"), &HeaderMap::from_iter([(SET_COOKIE, "k=; Max-Age=0".parse().unwrap())]));
        check(&jar, "https://a.example/", "l=1");
    }

    #[test]
    fn a_jar_is_bounded_and_shows_nothing() {
        let many: Vec<String> = (0..300).map(|i| format!("c{i}=s3cr3t")).collect();
        let jar = jar("https://a.example/", &many.iter().map(String::as_str).collect::<Vec<_>>());
        jar.keep(&url("https://a.example/"), &HeaderMap::from_iter([(SET_COOKIE, "x=1".parse().unwrap())]));
        assert_eq!(format!("{jar:?}"), "Jar { cookies: 100 }");
        let large = format!("k={}", "x".repeat(5_000));
        check(&self::jar("https://a.example/", &[&large]), "https://a.example/", "");
    }
}
