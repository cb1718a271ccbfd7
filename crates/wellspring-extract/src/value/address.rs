//! Addresses that need no parsing: most of a page's are written as they would be written again, and a page has thousands.

use url::{Position, Url};

/// The absolute address, where nothing in it could be written otherwise; `None` where only parsing can tell.
pub(super) fn plain(address: &str, base: &Url) -> Option<String> {
    if address.starts_with('/') {
        let is_plain = matches!(base.scheme(), "http" | "https") && !address.starts_with("//") && is_path(address);
        return is_plain.then(|| [&base[..Position::BeforePath], address].concat());
    }
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
    let (host, path) = rest.split_at(rest.find('/')?);
    (is_host(host) && is_path(path)).then(|| address.to_owned())
}

/// True of a name in lower case that is neither an address in numbers nor an internationalised name.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && !label.contains("--");
    host.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
        && host.split('.').all(is_label)
        && host.rsplit('.').next().is_some_and(|last| last.starts_with(|first: char| first.is_ascii_lowercase()))
}

/// True of a path, with a query or without, in which nothing is escaped and no segment begins with a dot.
fn is_path(text: &str) -> bool {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~');
    path.bytes().all(is_plain)
        && !path.contains("/.")
        && query.bytes().all(|byte| is_plain(byte) || matches!(byte, b'=' | b'&' | b'+' | b'?'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_plain_is_what_parsing_gives(
            address in prop_oneof![
                "(https?://)?[a-z0-9.A-Zxn-]{1,12}(:80|:[0-9]{1,3})?(/[a-zA-Z0-9._~%-]{0,4}){0,3}(\\?[a-z=&+?/'%]{0,6})?(#[a-z]{0,2})?",
                "/{0,3}[a-z.%/\\\\-]{0,9}(\\?[a-z=&]{0,4})?",
                "\\PC{0,20}",
            ],
            base in prop_oneof![
                Just("https://user@www.example.org:8443/a/b?c#d"), Just("http://10.0.0.1/"), Just("file:///a/b"), Just("https://example.org/films/today")
            ],
        ) {
            let base = Url::parse(base).unwrap();
            if let Some(plain) = plain(&address, &base) {
                prop_assert_eq!(Ok(plain), base.join(&address).map(String::from), "{}", address);
            }
        }
    }

    #[test]
    fn usual_addresses_are_plain() {
        let base = Url::parse("https://www.example.org:8443/films/today?page=2").unwrap();
        assert_eq!(plain("/film/12-angry-men/", &base).as_deref(), Some("https://www.example.org:8443/film/12-angry-men/"));
        assert_eq!(plain("https://cdn.example.net/a/b.webp?w=320", &base).as_deref(), Some("https://cdn.example.net/a/b.webp?w=320"));
        for parsed in [
            "film",
            "//cdn.example.net/",
            "/a b",
            "/a/../b",
            "/ä",
            "https://EXAMPLE.org/",
            "https://127.1/",
            "https://a.b",
            "/a#b",
            "mailto:x@y",
        ] {
            assert_eq!(plain(parsed, &base), None, "{parsed}");
        }
    }
}
