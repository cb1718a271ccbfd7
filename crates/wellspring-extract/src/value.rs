//! Single values: text and addresses here; numbers, money and dates in their own files.

use url::Url;

mod address;
pub(crate) mod date;
pub(crate) mod money;
pub(crate) mod number;
pub(crate) mod read;

/// Collapses white space, no-break spaces included, and trims.
pub(crate) fn collapse(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !collapsed.is_empty() {
            collapsed.push(' ');
        }
        collapsed.push_str(word);
    }
    collapsed
}

/// An attribute's value: an address made absolute where the attribute holds one, else trimmed text. `None` where nothing is left.
pub(crate) fn attribute(name: &str, value: &str, base: &Url) -> Option<String> {
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    if holds_address(name) { absolute(value, base) } else { Some(value.to_owned()) }
}

/// An address made absolute; `None` for what leads nowhere (`javascript:`, `about:`). What cannot be an address stays as it is.
pub(crate) fn absolute(address: &str, base: &Url) -> Option<String> {
    if let Some(plain) = address::plain(address, base) {
        return Some(plain);
    }
    let scheme = address.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("javascript" | "vbscript" | "about") => None,
        // A picture in the page itself; parsing could only change it.
        Some("data") => Some(address.to_owned()),
        _ => Some(base.join(address).map_or_else(|_| address.to_owned(), String::from)),
    }
}

/// True of attributes that hold one address. `srcset` holds several, with widths, and is left alone.
fn holds_address(name: &str) -> bool {
    const NAMES: [&str; 18] = [
        "href",
        "src",
        "poster",
        "action",
        "formaction",
        "cite",
        "background",
        "longdesc",
        "url",
        "uri",
        "data-src",
        "data-href",
        "data-url",
        "data-original",
        "data-lazy",
        "data-lazy-src",
        "data-poster",
        "data-image-src",
    ];
    let name = name.strip_prefix("xlink:").unwrap_or(name);
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, read: Option<&str>) {
        let base = Url::parse("https://example.org/films/today?page=2").unwrap();
        assert_eq!(attribute(name, value, &base).as_deref(), read);
    }

    #[test]
    fn white_space_collapses() {
        assert_eq!(collapse(" \n a\u{a0}\u{a0}b\t c "), "a b c");
    }

    #[test]
    fn addresses_are_made_absolute() {
        check("href", " ../a b?x=1#top ", Some("https://example.org/a%20b?x=1#top"));
        check("src", "//cdn.example.net/p.webp", Some("https://cdn.example.net/p.webp"));
        check("href", "?page=3", Some("https://example.org/films/today?page=3"));
        check("HREF", "mailto:box@example.org", Some("mailto:box@example.org"));
        check("src", "data:image/gif;base64,R0lGOD==", Some("data:image/gif;base64,R0lGOD=="));
        check("href", "JavaScript:void(0)", None);
        check("src", "about:blank", None);
        check("href", "http://[broken", Some("http://[broken"));
    }

    #[test]
    fn other_attributes_are_only_trimmed() {
        check("title", "  a  b ", Some("a  b"));
        check("srcset", "a.webp 1x, b.webp 2x", Some("a.webp 1x, b.webp 2x"));
        check("alt", "  ", None);
    }
}
