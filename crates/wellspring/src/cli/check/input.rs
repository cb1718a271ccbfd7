//! A file in place of an upstream.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use url::Url;
use wellspring_core::snapshot::Validator;

use crate::fetch::{FetchError, Fetched, Fetcher, Rendered, Request, Response, Seen};

/// Answers every request with one file.
#[derive(Debug)]
pub(super) struct InputFile {
    body: Bytes,
}

impl InputFile {
    /// Reads the file, or says why not.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let body = std::fs::read(path).map_err(|error| format!("the input `{}` cannot be read: {error}", path.display()))?;
        Ok(Self { body: body.into() })
    }
}

#[async_trait]
impl Fetcher for InputFile {
    async fn fetch(&self, request: &Request) -> Result<Fetched, FetchError> {
        // An alternative whose `when_env` is unset has no address: nothing in it is relative to anything then.
        let address = if request.url.expose().is_empty() { "http://localhost/" } else { request.url.expose() };
        let url = Url::parse(address).map_err(|_| FetchError::BadAddress(request.url.to_string()))?;
        let body = Response { status: 200, url, content_type: None, body: self.body.clone(), validator: Validator::default() };
        Ok(match request.page {
            None => Fetched::Body(body),
            Some(_) => Fetched::Rendered(Rendered { bodies: vec![body], seen: Seen::default() }),
        })
    }
}
