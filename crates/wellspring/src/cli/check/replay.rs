//! `--replay`: a folder in place of all upstreams.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use url::Url;
use wellspring_core::snapshot::Validator;

use super::folder::{Address, Entry, INDEX};
use super::secrets::Secrets;
use crate::fetch::{FetchError, Fetched, Fetcher, Rendered, Request, Response};

/// Answers every request with what a folder holds for it, and asks nobody.
#[derive(Debug)]
pub(super) struct Replay {
    folder: PathBuf,
    entries: Vec<(Entry, Address)>,
    secrets: Secrets,
    /// How often the same request was made, by its first entry: the second time it gets the second answer.
    turns: Mutex<BTreeMap<usize, usize>>,
}

impl Replay {
    /// Reads the folder's index.
    ///
    /// # Errors
    /// Words for people, where it has none or one that cannot be used.
    pub(super) fn open(folder: &Path, secrets: Secrets) -> Result<Self, String> {
        let path = folder.join(INDEX);
        let shown = path.display();
        let text = fs::read(&path).map_err(|error| format!("`{shown}` cannot be read: {error}; name a folder that --save has written"))?;
        let list: Vec<Entry> = serde_json::from_slice(&text).map_err(|error| format!("`{shown}` is no list of saved answers: {error}"))?;
        let mut entries = Vec::new();
        for entry in list {
            let mut parts = Path::new(&entry.file).components();
            if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
                return Err(format!("`{shown}` names the file `{}`, which is not in the same folder", entry.file.escape_debug()));
            }
            let Some(address) = Address::of(&entry.method, &entry.url) else {
                return Err(format!("`{shown}` names the address `{}`, which is none", entry.url.escape_debug()));
            };
            let address = address.rendered(entry.rendered);
            entries.push((entry, address));
        }
        Ok(Self { folder: folder.to_owned(), entries, secrets, turns: Mutex::default() })
    }

    /// The answer to a request, or all that a page has loaded for it.
    fn find(&self, request: &Request) -> Result<Vec<&Entry>, FetchError> {
        let method = request.method.as_str();
        // Saved addresses show secrets as `${NAME}`, those from elsewhere may hold them.
        let written = [request.url.to_string(), request.url.expose().to_owned()];
        let there = |rendered: bool| -> Vec<usize> {
            let of = |url: &String| Address::of(method, url).map(|address| address.rendered(rendered));
            let wanted: Vec<Address> = written.iter().filter_map(of).collect();
            (0..self.entries.len()).filter(|&at| wanted.contains(&self.entries[at].1)).collect()
        };
        let renders = request.page.is_some();
        let (there, otherwise) = (there(renders), there(!renders));
        let sent = request.body.as_ref().map(|body| self.secrets.hidden_in(&String::from_utf8_lossy(body)));
        let fitting: Vec<usize> = match there.len() {
            0 | 1 => there.clone(),
            _ => there.iter().copied().filter(|&at| is_same(self.entries[at].0.post.as_deref(), sent.as_deref())).collect(),
        };
        // What one page has loaded is one answer to what takes that in its place.
        let captures = request.page.as_ref().is_some_and(|page| page.capture.is_some());
        let answers: Vec<&[usize]> = fitting.chunk_by(|_, &at| captures && self.entries[at].0.seen.is_none()).collect();
        if let (Some(first), Some(last)) = (fitting.first(), answers.last()) {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = turns.entry(*first).or_default();
            let answer = answers.get(*turn).unwrap_or(last);
            *turn += 1;
            return Ok(answer.iter().map(|&at| &self.entries[at].0).collect());
        }
        // Without this file a site allows everything, and so it is with a folder.
        if Url::parse(&written[0]).is_ok_and(|url| url.path() == "/robots.txt") {
            return Err(FetchError::Status { host: host(request), status: 404, retry_after: None });
        }
        let asked = format!("{method} {}", request.url);
        let folder = self.folder.display();
        let reason = match there.len() {
            0 if otherwise.is_empty() => format!("`{folder}` holds no answer to it{}", self.nearest(&asked)),
            0 if renders => format!("`{folder}` holds no rendered answer to it, only a plain one (`render = \"never\"` reads that)"),
            0 => format!("`{folder}` holds no plain answer to it, only a rendered one (`render = \"always\"` reads that)"),
            n => format!("`{folder}` holds {n} answers to this address, none of them to what is sent"),
        };
        Err(FetchError::Refused { address: asked, reason })
    }

    /// The request that begins most alike, with a word before it.
    fn nearest(&self, asked: &str) -> String {
        let bare = |text: &str| text.replacen("https://", "http://", 1);
        let asked = bare(asked);
        let alike = |other: &str| asked.chars().zip(bare(other).chars()).take_while(|(a, b)| a == b).count();
        let all = self.entries.iter().map(|(entry, _)| format!("{} {}", entry.method, entry.url));
        all.reduce(|best, other| if alike(&other) > alike(&best) { other } else { best })
            .map_or_else(|| ", nor to anything else".to_owned(), |nearest| format!("; the nearest there is {nearest}"))
    }
}

#[async_trait]
impl Fetcher for Replay {
    async fn fetch(&self, request: &Request) -> Result<Fetched, FetchError> {
        let entries = self.find(request)?;
        let seen = entries.first().and_then(|entry| entry.seen.clone()).unwrap_or_default();
        let mut bodies = entries.into_iter().map(|entry| self.body(request, entry)).collect::<Result<Vec<Response>, _>>()?;
        match (&request.page, bodies.pop()) {
            (None, Some(only)) => Ok(Fetched::Body(only)),
            (_, last) => {
                bodies.extend(last);
                Ok(Fetched::Rendered(Rendered { bodies, seen }))
            }
        }
    }
}

impl Replay {
    fn body(&self, request: &Request, entry: &Entry) -> Result<Response, FetchError> {
        if !(200..300).contains(&entry.status) || entry.status == 206 {
            return Err(FetchError::Status { host: host(request), status: entry.status, retry_after: None });
        }
        let path = self.folder.join(&entry.file);
        let body =
            fs::read(&path).map_err(|error| FetchError::Refused { address: path.display().to_string(), reason: error.to_string() })?;
        if body.len() as u64 > request.max_body {
            return Err(FetchError::TooLarge { host: host(request), limit: request.max_body });
        }
        let address = entry.final_url.clone().unwrap_or_else(|| request.url.to_string());
        let url = Url::parse(&address).map_err(|_| FetchError::BadAddress(address))?;
        let content_type = Some(entry.mime.clone()).filter(|mime| !mime.is_empty());
        Ok(Response { status: entry.status, url, content_type, body: body.into(), validator: Validator::default() })
    }
}

/// The host as an answer from there would be told.
fn host(request: &Request) -> String {
    let url = Url::parse(&request.url.to_string()).ok();
    let host = url.as_ref().and_then(|url| Some((url.host_str()?, url.port())));
    host.map_or_else(String::new, |(host, port)| port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Whether the same was sent: the same JSON, or the same text.
fn is_same(one: Option<&str>, other: Option<&str>) -> bool {
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    match (one, other) {
        (Some(one), Some(other)) => one == other || json(one).is_some_and(|value| json(other) == Some(value)),
        (one, other) => one.unwrap_or_default() == other.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http::Method;
    use wellspring_core::source::{AddressPattern, Page};
    use wellspring_core::template::Filled;

    use super::*;

    fn request(method: Method, url: &str, body: Option<&str>) -> Request {
        Request {
            method,
            url: Filled::plain(url),
            headers: Vec::new(),
            body: body.map(|body| body.to_owned().into()),
            validator: Validator::default(),
            jar: None,
            proxy: None,
            within: Duration::from_secs(1),
            max_body: 100,
            page: None,
        }
    }

    async fn told(replay: &Replay, request: Request) -> String {
        let body = |response: &Response| format!("{} {}", response.url, String::from_utf8_lossy(&response.body));
        match replay.fetch(&request).await {
            Ok(Fetched::Body(response)) => body(&response),
            Ok(Fetched::Rendered(Rendered { bodies, seen })) => {
                format!("rendered {:?}: {}", seen.title, bodies.iter().map(body).collect::<Vec<_>>().join(", "))
            }
            Ok(Fetched::NotModified(_)) => "not modified".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn a_request_finds_its_answer() {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [("0", "page"), ("1", "page again"), ("2", "first query"), ("3", "second query"), ("4", "")] {
            fs::write(folder.path().join(file), text).unwrap();
        }
        fs::write(folder.path().join("5"), "x".repeat(101)).unwrap();
        let index = r#"[
            {"file": "0", "method": "GET", "url": "https://a.example/?b=2&a=1", "mime": "text/html", "post": null},
            {"file": "1", "url": "https://a.example/?b=2&a=1"},
            {"file": "2", "method": "POST", "url": "https://a.example/q", "post": "{\"a\": 1, \"b\": [2]}"},
            {"file": "3", "method": "POST", "url": "https://a.example/q", "post": "{\"a\": 2}"},
            {"file": "4", "url": "https://a.example/gone", "status": 410},
            {"file": "5", "url": "https://a.example/large"}]"#;
        fs::write(folder.path().join(INDEX), index).unwrap();
        let replay = Replay::open(folder.path(), Secrets::default()).unwrap();
        let asked = [
            request(Method::GET, "http://a.example/?a=1&b=2", None),
            request(Method::GET, "http://a.example/?a=1&b=2", None),
            request(Method::GET, "http://a.example/?a=1&b=2", None),
            request(Method::POST, "https://a.example/q", Some(r#"{"b":[2],"a":1}"#)),
            request(Method::POST, "https://a.example/q", Some(r#"{"a":2}"#)),
            request(Method::POST, "https://a.example/q", Some(r#"{"a":3}"#)),
            request(Method::GET, "https://a.example/gone", None),
            request(Method::GET, "https://a.example/large", None),
            request(Method::GET, "https://a.example/robots.txt", None),
            request(Method::GET, "https://a.example/larger", None),
        ];
        let mut all = String::new();
        for request in asked {
            all += &(told(&replay, request).await + "\n");
        }
        insta::assert_snapshot!(all.replace(&folder.path().display().to_string(), "FOLDER"), @"
        http://a.example/?a=1&b=2 page
        http://a.example/?a=1&b=2 page again
        http://a.example/?a=1&b=2 page again
        https://a.example/q first query
        https://a.example/q second query
        POST https://a.example/q is not fetched: `FOLDER` holds 2 answers to this address, none of them to what is sent
        a.example answered 410
        a.example sent more than 100 bytes after decompression (`max_body`)
        a.example answered 404
        GET https://a.example/larger is not fetched: `FOLDER` holds no answer to it; the nearest there is GET https://a.example/large
        ");
    }

    #[tokio::test]
    async fn what_a_browser_made_is_another_answer_than_what_was_sent() {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [("0", "plain"), ("1", "first"), ("2", "second"), ("3", "third"), ("4", "other")] {
            fs::write(folder.path().join(file), text).unwrap();
        }
        let index = r#"[
            {"file": "0", "url": "https://a.example/"},
            {"file": "1", "url": "https://a.example/", "final_url": "https://a.example/api?1", "rendered": true},
            {"file": "2", "url": "https://a.example/", "final_url": "https://a.example/api?2", "rendered": true},
            {"file": "3", "url": "https://a.example/", "rendered": true, "seen": {"title": "Films", "bytes": 9, "answers": []}},
            {"file": "4", "url": "https://a.example/rendered", "rendered": true},
            {"file": "4", "url": "https://a.example/plain"}]"#;
        fs::write(folder.path().join(INDEX), index).unwrap();
        let replay = Replay::open(folder.path(), Secrets::default()).unwrap();
        let asking = |url: &str, page: Option<Page>| Request { page: page.map(Arc::new), ..request(Method::GET, url, None) };
        let capturing = Page { capture: AddressPattern::parse("**/api*"), ..Page::default() };
        let asked = [
            asking("https://a.example/", None),
            asking("https://a.example/", Some(Page::default())),
            asking("https://a.example/", Some(Page::default())),
            asking("https://b.example/", Some(Page::default())),
            asking("https://a.example/plain", Some(Page::default())),
            asking("https://a.example/rendered", None),
        ];
        let mut all = String::new();
        for request in asked {
            all += &(told(&replay, request).await + "\n");
        }
        insta::assert_snapshot!(all.replace(&folder.path().display().to_string(), "FOLDER"), @r#"
        https://a.example/ plain
        rendered "": https://a.example/api?1 first
        rendered "": https://a.example/api?2 second
        GET https://b.example/ is not fetched: `FOLDER` holds no answer to it; the nearest there is GET https://a.example/
        GET https://a.example/plain is not fetched: `FOLDER` holds no rendered answer to it, only a plain one (`render = "never"` reads that)
        GET https://a.example/rendered is not fetched: `FOLDER` holds no plain answer to it, only a rendered one (`render = "always"` reads that)
        "#);
        // What one page has loaded is one answer; the next page's is the next.
        let replay = Replay::open(folder.path(), Secrets::default()).unwrap();
        let mut all = String::new();
        for _ in 0..3 {
            all += &(told(&replay, asking("https://a.example/", Some(capturing.clone()))).await + "\n");
        }
        insta::assert_snapshot!(all, @r#"
        rendered "": https://a.example/api?1 first, https://a.example/api?2 second
        rendered "Films": https://a.example/ third
        rendered "Films": https://a.example/ third
        "#);
    }
}
