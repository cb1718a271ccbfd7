//! `GET /openapi.json`: what this server answers, as OpenAPI 3.1, made of its configured sources.
//!
//! Streams stay out: OpenAPI 3.1 has no words for them.

use std::sync::{Arc, Mutex, PoisonError};

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, VARY};
use utoipa::openapi::{ComponentsBuilder, Info, LicenseBuilder, OpenApi, OpenApiBuilder, Paths, Server};
use wellspring_core::snapshot::Digest;
use wellspring_core::source::SourceSpec;

use super::Site;
use super::base::BasePath;
use super::headers::{self, Caching, JSON};
use crate::engine::catalog::{Catalog, Source};
use crate::engine::hot::Content;

mod items;
mod parts;
mod reads;
mod server;
mod shape;
mod shared;
mod words;

/// The document, as far as it is made: anew after a reload, and where a source's own data says what its items are like.
#[derive(Debug, Default)]
pub struct Documents(Mutex<Option<Arc<Document>>>);

/// One document and what it was made of.
#[derive(Debug)]
struct Document {
    catalog: Arc<Catalog>,
    has_token: bool,
    /// The revision of each source's data, where it has any.
    revisions: Vec<Option<u64>>,
    body: Bytes,
    etag: HeaderValue,
}

/// Answers the document, or 304 to whoever has it.
pub fn answer(site: &Site, request: &HeaderMap) -> Response {
    let document = site.documents.current(&site.engine.catalog(), &site.base, site.admission.load().token.is_some());
    let known = headers::matches(request, document.etag.as_bytes());
    let body = if known { Bytes::new() } else { document.body.clone() };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(ETAG, document.etag.clone());
    headers.insert(CACHE_CONTROL, Caching::Revalidate.header());
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if known {
        headers.remove(CONTENT_TYPE);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        headers.insert(CONTENT_TYPE, JSON);
    }
    response
}

/// The document itself, for pages that are made of it.
pub(super) fn value(site: &Site) -> serde_json::Value {
    let document = site.documents.current(&site.engine.catalog(), &site.base, site.admission.load().token.is_some());
    serde_json::from_slice(&document.body).unwrap_or_default()
}

impl Documents {
    fn current(&self, catalog: &Arc<Catalog>, base: &BasePath, has_token: bool) -> Arc<Document> {
        let seen: Vec<_> = catalog.sources().map(|source| content(source)).collect();
        let revisions: Vec<_> = seen.iter().map(|content| content.as_ref().map(|c| c.revision)).collect();
        // Held while it is made: a crowd that asks for a new one makes it once.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = kept.as_ref()
            && Arc::ptr_eq(&document.catalog, catalog)
            && document.has_token == has_token
            && document.revisions == revisions
        {
            return Arc::clone(document);
        }
        let sources: Vec<_> = catalog.sources().zip(&seen).map(|(source, content)| (&source.recipe.spec, content.as_ref())).collect();
        let body = Bytes::from(document(&sources, base, has_token).to_pretty_json().unwrap_or_default() + "\n");
        let etag = HeaderValue::try_from(format!("\"{}\"", &Digest::of(&body).to_string()[..16]));
        let document = Arc::new(Document {
            catalog: Arc::clone(catalog),
            has_token,
            revisions,
            body,
            etag: etag.unwrap_or_else(|_| HeaderValue::from_static("\"0\"")),
        });
        *kept = Some(Arc::clone(&document));
        document
    }
}

/// What a bare read of a source answers with; of a source that needs parameters, any key's.
fn content(source: &Source) -> Option<Content> {
    match &source.default {
        Some(cell) => cell.lock().content.clone(),
        None => source.cells().iter().find_map(|cell| cell.lock().content.clone()),
    }
}

fn document(sources: &[(&SourceSpec, Option<&Content>)], base: &BasePath, has_token: bool) -> OpenApi {
    let mut components = shared::components(ComponentsBuilder::new(), has_token);
    let mut paths = Paths::new();
    let mut tags = Vec::new();
    for (spec, content) in sources {
        let items = items::of(spec, *content);
        components = reads::components(components, spec, &items);
        reads::paths(&mut paths, spec, &items, has_token);
        tags.push(reads::tag(spec));
    }
    server::paths(&mut paths, has_token);
    tags.push(server::tag());
    let mut info = Info::new("Wellspring", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Slow sources as APIs that answer at once: what is stored is answered, stale or not, and refreshed behind the answer. \
         Errors are RFC 9457 problem details. `GET /api/stream` (server-sent events) is not described here."
            .to_owned(),
    );
    info.license = Some(LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build());
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new(if base.as_str().is_empty() { "/" } else { base.as_str() })]))
        .paths(paths)
        .components(Some(components.build()))
        .tags(Some(tags))
        .build()
}

#[cfg(test)]
mod tests;
