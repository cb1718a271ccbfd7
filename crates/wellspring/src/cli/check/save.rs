//! `--save`: every raw answer is kept, so that rules can be worked on without asking again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use async_trait::async_trait;

use super::folder::{Entry, INDEX, extension};
use super::secrets::Secrets;
use crate::fetch::{FetchError, Fetched, Fetcher, Request, Response};

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
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
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
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mime = response.and_then(|r| r.content_type.clone()).unwrap_or_default();
        let entry = Entry {
            file: format!("{:03}.{}", kept.index.len(), extension(&mime)),
            method: request.method.to_string(),
            url: request.url.to_string(),
            final_url: response.map(|r| r.url.to_string()).filter(|end| *end != parsed(&request.url.to_string())),
            status,
            headers: response.map_or_else(Vec::new, |response| headers(response, &mime)),
            mime,
            rendered: request.page.is_some(),
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
            Ok(Fetched::Rendered(rendered)) => rendered.bodies.iter().for_each(|body| self.keep(request, body.status, Some(body))),
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
