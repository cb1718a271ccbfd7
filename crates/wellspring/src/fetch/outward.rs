//! Both ways out behind one seam: plain HTTP, and a browser for requests that ask for one.

use async_trait::async_trait;

use super::browser::Browser;
use super::http::HttpFetcher;
use super::{FetchError, Fetched, Fetcher, Figures, Request};

/// Fetches by plain HTTP, or with a browser where [`Request::page`] says what for.
#[derive(Debug)]
pub struct Outward {
    http: HttpFetcher,
    browser: Browser,
}

impl Outward {
    /// Of the two.
    pub fn new(http: HttpFetcher, browser: Browser) -> Self {
        Self { http, browser }
    }
}

#[async_trait]
impl Fetcher for Outward {
    async fn fetch(&self, request: &Request) -> Result<Fetched, FetchError> {
        match request.page {
            None => self.http.fetch(request).await,
            Some(_) => self.browser.render(request).await.map(Fetched::Rendered),
        }
    }

    async fn close(&self) {
        self.browser.close().await;
    }

    fn figures(&self) -> Figures {
        self.browser.figures()
    }
}
