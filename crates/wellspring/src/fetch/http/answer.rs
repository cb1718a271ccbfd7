//! What an upstream's answer means: a redirect, a body to read, a status, validators to keep.

use std::time::Duration;

use ::http::header::{DATE, ETAG, HeaderMap, LAST_MODIFIED, LOCATION, RETRY_AFTER};
use ::http::{Method, StatusCode};
use url::Url;
use wellspring_core::failure::LONGEST_WISH;
use wellspring_core::snapshot::{LONGEST_VALIDATOR, Validator};

/// True for the statuses that say "go there".
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The method to go on with after a redirect (RFC 9110 §15.4): what browsers do with 301 and 302, and 303 says so itself.
pub(super) fn method_after(status: StatusCode, method: &Method) -> Method {
    match status.as_u16() {
        301 | 302 if *method == Method::POST => Method::GET,
        303 if *method != Method::HEAD => Method::GET,
        _ => method.clone(),
    }
}

/// Where a redirect leads.
pub(super) fn target(from: &Url, headers: &HeaderMap) -> Option<Url> {
    // Some servers write UTF-8 as it is; the url crate encodes it.
    let location = String::from_utf8_lossy(headers.get(LOCATION)?.as_bytes()).into_owned();
    let mut url = from.join(location.trim()).ok()?;
    url.set_fragment(None);
    Some(url)
}

/// What the answer can be asked with next time.
pub(super) fn validator(headers: &HeaderMap) -> Validator {
    let text = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.filter(|value| value.len() <= LONGEST_VALIDATOR).map(str::to_owned)
    };
    Validator { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
}

/// What to ask with after a 304: what it says anew, else what was sent (RFC 9111 §4.3.4).
pub(super) fn merged(sent: &Validator, headers: &HeaderMap) -> Validator {
    let said = validator(headers);
    Validator { etag: said.etag.or_else(|| sent.etag.clone()), last_modified: said.last_modified.or_else(|| sent.last_modified.clone()) }
}

/// `Retry-After` as a period: seconds, or a date as seen from the answer's own `Date`. Without that a date says nothing, since
/// the upstream's clock need not be ours.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wish = text(RETRY_AFTER)?;
    if !wish.is_empty() && wish.bytes().all(|b| b.is_ascii_digit()) {
        return Some(wish.parse().map_or(LONGEST_WISH, Duration::from_secs).min(LONGEST_WISH));
    }
    let until = httpdate::parse_http_date(wish).ok()?;
    let said = httpdate::parse_http_date(text(DATE)?).ok()?;
    Some(until.duration_since(said).unwrap_or_default().min(LONGEST_WISH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_seen_from_the_answers_own() {
        let check = |wish, date, expected: Option<u64>| {
            let headers = headers(&[("retry-after", wish), ("date", date)]);
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{wish:?} at {date:?}");
        };
        let noon = "Sun, 06 Nov 1994 12:00:00 GMT";
        check("120", "", Some(120));
        check(" 0 ", noon, Some(0));
        check("99999999999999999999999", noon, Some(365 * 86_400));
        check("Sun, 06 Nov 1994 12:01:30 GMT", noon, Some(90));
        check("Sunday, 06-Nov-94 12:01:30 GMT", noon, Some(90));
        check("Sun, 06 Nov 1994 11:00:00 GMT", noon, Some(0));
        check("Sun, 06 Nov 1994 12:01:30 GMT", "yesterday", None);
        check("soon", noon, None);
        check("-5", noon, None);
        check("", noon, None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn a_redirect_leads_where_browsers_go() {
        let from = Url::parse("https://a.example/x/y?k=1").unwrap();
        let check = |location: &'static str, expected: Option<&str>| {
            let found = target(&from, &headers(&[("location", location)]));
            assert_eq!(found.as_ref().map(Url::as_str), expected, "{location:?}");
        };
        check("/z", Some("https://a.example/z"));
        check("z?q#part", Some("https://a.example/x/z?q"));
        check("//b.example", Some("https://b.example/"));
        check(" https://b.example/ ", Some("https://b.example/"));
        check("\\\\b.example\\z", Some("https://b.example/z"));
        check("http://", None);
        assert_eq!(target(&from, &HeaderMap::new()), None);
    }

    #[test]
    fn only_a_post_becomes_a_get_unless_303_says_so() {
        let after = |status: u16, method: &Method| method_after(StatusCode::from_u16(status).unwrap(), method);
        for status in [301, 302, 303] {
            assert_eq!(after(status, &Method::POST), Method::GET);
        }
        for status in [307, 308] {
            assert_eq!(after(status, &Method::POST), Method::POST);
        }
        assert_eq!(after(302, &Method::PUT), Method::PUT);
        assert_eq!(after(303, &Method::PUT), Method::GET);
        assert_eq!(after(303, &Method::HEAD), Method::HEAD);
    }
}
