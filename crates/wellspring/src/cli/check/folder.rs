//! A folder of raw answers: a file each, and an `index.json` that says to which request. `--save` writes it, `--replay` reads it.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::fetch::Seen;

/// The file that lists the others.
pub(super) const INDEX: &str = "index.json";

/// One answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Entry {
    /// The file with its body, in the same folder.
    pub file: String,
    /// What was asked for, secrets as `${NAME}`.
    #[serde(default = "usual_method")]
    pub method: String,
    /// Where.
    pub url: String,
    /// Where it came from in the end, if somewhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_url: Option<String>,
    /// The status.
    #[serde(default = "usual_status")]
    pub status: u16,
    /// `Content-Type`, verbatim.
    #[serde(default)]
    pub mime: String,
    /// Headers of the answer.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// What was sent, secrets as `${NAME}`.
    #[serde(default)]
    pub post: Option<String>,
    /// Whether a browser made it; several such answers in a row to one address are what one page has loaded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rendered: bool,
    /// What the page was like, with the first answer of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

fn usual_method() -> String {
    "GET".to_owned()
}

fn usual_status() -> u16 {
    200
}

/// What tells one request from another: whether by http or https, at which port and with which order of the query is all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    method: String,
    host: String,
    path: String,
    query: Vec<(String, String)>,
    rendered: bool,
}

impl Address {
    /// Reads it; `None` for what is no address.
    pub(super) fn of(method: &str, url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let mut query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        query.sort_unstable();
        let path = if url.path().is_empty() { "/" } else { url.path() };
        Some(Self { method: method.to_ascii_uppercase(), host: url.host_str()?.to_owned(), path: path.to_owned(), query, rendered: false })
    }

    /// The same, of what a browser made of it or of what was sent.
    pub(super) fn rendered(self, rendered: bool) -> Self {
        Self { rendered, ..self }
    }
}

/// What a body of this type is kept in.
pub(super) fn extension(mime: &str) -> &'static str {
    let kind = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        kind if kind.contains("json") => "json",
        "text/html" | "application/xhtml+xml" => "html",
        "text/calendar" => "ics",
        "text/csv" => "csv",
        kind if kind.contains("xml") => "xml",
        kind if kind.contains("javascript") => "js",
        kind if kind.starts_with("text/") => "txt",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart_by_what_matters() {
        let address = |url| Address::of("get", url).unwrap();
        assert_eq!(address("https://A.example?b=2&a=1"), address("http://a.example:8080/?a=1&b=2"));
        assert_eq!(address("https://a.example/?q=a+b"), address("https://a.example/?q=a%20b#part"));
        for other in ["https://a.example/x?a=1", "https://a.example/?a=1", "https://b.example/?a=1&b=2", "https://a.example/?a=1&b="] {
            assert_ne!(address("https://a.example/?a=1&b=2"), address(other));
        }
        assert_ne!(Address::of("GET", "https://a.example"), Address::of("POST", "https://a.example"));
        assert_eq!(Address::of("GET", "nowhere"), None);
    }

    #[test]
    fn bodies_are_named_after_their_type() {
        let types =
            ["text/html; charset=utf-8", "application/ld+json", "application/rss+xml", "TEXT/CALENDAR", "text/plain", "image/png", ""];
        assert_eq!(types.map(extension), ["html", "json", "xml", "ics", "txt", "bin", "bin"]);
    }
}
