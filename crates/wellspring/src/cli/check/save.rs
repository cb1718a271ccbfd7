//! `--save`: every raw answer is kept, so that rules can be worked on without asking again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use async_trait::async_trait;

use super::folder::{Entry, INDEX, extension};
use super::secrets::Secrets;
use crate::fetch::{FetchError, Fetched, Fetcher, Rendered, Request, Response, Seen, SeenAnswer};

/// Fetches by another fetcher and keeps what it gives, without secrets and cookies.
#[derive(Debug)]
pub(super) struct Saving {
    inner: Arc<dyn Fetcher>,
    folder: PathBuf,
    secrets: Secrets,
    /// Whether a line is told of each answer.
    tells: bool,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    index: Vec<Entry>,
    failed: Option<String>,
}

impl Saving {
    /// Makes the folder, before anything is fetched.
    ///
    /// # Errors
    /// Words for people, where it holds something already or cannot be made.
    pub(super) fn into(folder: &Path, inner: Arc<dyn Fetcher>, secrets: Secrets, tells: bool) -> Result<Self, String> {
        let shown = folder.display();
        let cannot = |error: io::Error| format!("the folder `{shown}` cannot be written: {error}; name another one with --save");
        fs::create_dir_all(folder).map_err(cannot)?;
        if folder.join(INDEX).exists() {
            return Err(format!(
                "`{shown}` holds answers that were saved before; name a new folder with --save, or play it back with --replay"
            ));
        }
        if fs::read_dir(folder).map_err(cannot)?.next().is_some() {
            return Err(format!("the folder `{shown}` is not empty; name a new one with --save"));
        }
        fs::write(folder.join(INDEX), "[]\n").map_err(cannot)?;
        Ok(Self { inner, folder: folder.to_owned(), secrets, tells, kept: Mutex::default() })
    }

    /// What was kept, in words.
    ///
    /// # Errors
    /// Why not all of it.
    pub(super) fn outcome(&self) -> Result<String, String> {
        let kept = self.lock();
        if let Some(why) = &kept.failed {
            return Err(why.clone());
        }
        let folder = self.folder.display();
        let answers = match kept.index.len() {
            0 => {
                // The folder is as good as new.
                let _ = fs::remove_file(self.folder.join(INDEX));
                return Ok(format!("nothing was answered: `{folder}` stays empty"));
            }
            1 => "1 answer is".to_owned(),
            n => format!("{n} answers are"),
        };
        Ok(format!("{answers} kept in `{folder}`: --replay {folder} reads what is there"))
    }

    fn keep(&self, request: &Request, status: u16, response: Option<&Response>) {
        self.keep_in(&mut self.lock(), request, status, response, None);
    }

    /// All that one page gave, in a row whatever else is answered meanwhile.
    fn keep_page(&self, request: &Request, page: &Rendered) {
        let mut kept = self.lock();
        let answer = |answer: &SeenAnswer| SeenAnswer { address: self.secrets.hidden_in(&answer.address), ..answer.clone() };
        let Seen { title, bytes, answers } = &page.seen;
        let seen = Seen { title: self.secrets.hidden_in(title), bytes: *bytes, answers: answers.iter().map(answer).collect() };
        let mut seen = Some(seen);
        for body in &page.bodies {
            self.keep_in(&mut kept, request, body.status, Some(body), seen.take());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_in(&self, kept: &mut Kept, request: &Request, status: u16, response: Option<&Response>, seen: Option<Seen>) {
        let mime = self.secrets.hidden_in(&response.and_then(|r| r.content_type.clone()).unwrap_or_default());
        let entry = Entry {
            file: format!("{:03}.{}", kept.index.len(), extension(&mime)),
            method: request.method.to_string(),
            url: request.url.to_string(),
            final_url: response.map(|r| r.url.to_string()).filter(|end| *end != parsed(&request.url.to_string())),
            status,
            headers: response
                .map_or_else(Vec::new, |response| headers(response, &mime))
                .into_iter()
                .map(|(name, value)| (name, self.secrets.hidden_in(&value)))
                .collect(),
            mime,
            rendered: request.page.is_some(),
            seen,
            post: request.body.as_ref().map(|body| self.secrets.hidden_in(&String::from_utf8_lossy(body))),
        };
        let body = response.map_or_else(Vec::new, |r| self.secrets.hidden(&r.body));
        if self.tells {
            let words = if response.is_some() { crate::cli::words::size(body.len() as u64) } else { format!("status {status}") };
            eprintln!("  {}  {} {}  {words}", entry.file, entry.method, entry.url);
        }
        if let Err(error) = fs::write(self.folder.join(&entry.file), body) {
            kept.failed.get_or_insert(format!("`{}` cannot be written: {error}", self.folder.join(&entry.file).display()));
            return;
        }
        kept.index.push(entry);
        // After each answer, so that a collection that is broken off can be played back as far as it went.
        if let Err(error) = write_index(&self.folder, &kept.index) {
            kept.failed.get_or_insert(format!("`{}` cannot be written: {error}", self.folder.join(INDEX).display()));
        }
    }
}

#[async_trait]
impl Fetcher for Saving {
    async fn fetch(&self, request: &Request) -> Result<Fetched, FetchError> {
        let fetched = self.inner.fetch(request).await;
        match &fetched {
            Ok(Fetched::Body(response)) => self.keep(request, response.status, Some(response)),
            // Its body is not read; that it failed is worth playing back.
            Err(FetchError::Status { status, .. }) => self.keep(request, *status, None),
            Ok(Fetched::Rendered(page)) => self.keep_page(request, page),
            Ok(Fetched::NotModified(_)) | Err(_) => {}
        }
        fetched
    }
}

fn write_index(folder: &Path, index: &[Entry]) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(index)?;
    text.push('\n');
    // Renamed over the old one: whatever happens, there is a whole one.
    let new = folder.join("index.json.new");
    fs::write(&new, text)?;
    fs::rename(new, folder.join(INDEX))
}

/// What an answer was asked again with, and nothing that tells who asked: no cookies.
fn headers(response: &Response, mime: &str) -> Vec<(String, String)> {
    let validator = &response.validator;
    let all = [("content-type", Some(mime)), ("etag", validator.etag.as_deref()), ("last-modified", validator.last_modified.as_deref())];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.filter(|v| !v.is_empty())?.to_owned()))).collect()
}

/// An address as the url crate writes it, to compare with one that it wrote.
fn parsed(address: &str) -> String {
    url::Url::parse(address).map_or_else(|_| address.to_owned(), |url| url.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::Method;
    use url::Url;
    use wellspring_core::snapshot::Validator;
    use wellspring_core::source::{AddressPattern, Page};
    use wellspring_core::template::Filled;

    use super::super::replay::Replay;
    use super::*;

    /// Gives one page, whatever is asked for.
    #[derive(Debug)]
    struct Shows(Rendered);

    #[async_trait]
    impl Fetcher for Shows {
        async fn fetch(&self, _: &Request) -> Result<Fetched, FetchError> {
            Ok(Fetched::Rendered(self.0.clone()))
        }
    }

    #[tokio::test]
    async fn a_page_that_was_kept_plays_back_with_all_that_it_has_loaded() {
        let answer = |n: u64| SeenAnswer { address: format!("https://a.example/api?{n}"), status: 200, bytes: n };
        let body = |n: u64| Response {
            status: 200,
            url: Url::parse(&answer(n).address).unwrap(),
            content_type: Some("application/json".to_owned()),
            body: Bytes::from(format!("[{n}]")),
            validator: Validator::default(),
        };
        let seen = Seen { title: "Films".to_owned(), bytes: 70, answers: vec![answer(1), answer(2)] };
        let shown = Rendered { bodies: vec![body(1), body(2)], seen };
        let request = Request {
            method: Method::GET,
            url: Filled::plain("https://a.example/"),
            headers: Vec::new(),
            body: None,
            validator: Validator::default(),
            jar: None,
            proxy: None,
            within: Duration::from_secs(1),
            max_body: 100,
            page: Some(Arc::new(Page { capture: AddressPattern::parse("**/api*"), ..Page::default() })),
        };
        let folder = tempfile::tempdir().unwrap();
        let saving = Saving::into(folder.path(), Arc::new(Shows(shown.clone())), Secrets::default(), false).unwrap();
        saving.fetch(&request).await.unwrap();
        let replay = Replay::open(folder.path(), Secrets::default()).unwrap();
        let Ok(Fetched::Rendered(played)) = replay.fetch(&request).await else { panic!("it was rendered") };
        assert_eq!(played.seen, shown.seen);
        let texts = |rendered: &Rendered| -> Vec<_> { rendered.bodies.iter().map(|b| (b.url.clone(), b.body.clone())).collect() };
        assert_eq!(texts(&played), texts(&shown));
    }
}
