//! Where a chosen revision becomes a body: a part of its items, in a format, with what is said of them.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use serde_json::json;
use wellspring_core::diagnostic::nearest;
use wellspring_core::key::Key;
use wellspring_core::snapshot::Digest;
use wellspring_core::source::SourceSpec;

use super::body::{Body, Frames};
use super::formats::{self, About, Format, Unwritable};
use super::problem::Problem;
use super::selection::{BadItems, Selection, members};
use super::{Site, headers, query};
use crate::engine::catalog::Recipe;
use crate::engine::hot::{Content, Tail};
use crate::lifecycle;

/// Above this many bytes items are read anew off the async threads: others' hits must not wait for it.
const LARGE: usize = 256 << 10;

/// What a read asks of the representation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// The format.
    pub format: Format,
    /// Which part of the items.
    pub selection: &'a Selection,
    /// The request's headers.
    pub request: &'a HeaderMap,
}

impl Asked<'_> {
    /// True where the body is the stored one.
    pub(super) fn is_plain(&self) -> bool {
        self.format == Format::Json && self.selection.is_whole()
    }
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
enum Unmade {
    #[error(transparent)]
    Items(#[from] BadItems),
    #[error(transparent)]
    Format(#[from] Unwritable),
}

/// The answer with these items, what `tail` says of them, and these headers, whose entity tag and type are made right.
///
/// # Errors
/// A 404 where there is no such format of these items; a 500 where they cannot be read, which is our fault.
pub(super) async fn represent(
    site: &Site,
    recipe: &Arc<Recipe>,
    key: &Key,
    content: &Arc<Content>,
    tail: &Tail,
    mut headers: HeaderMap,
    asked: &Asked<'_>,
) -> Result<Response<Body>, Box<Problem>> {
    if asked.is_plain() {
        return Ok(answer(content, tail, headers, asked.request));
    }
    let work = {
        let (site, recipe, key, content) = (site.clone(), Arc::clone(recipe), key.clone(), Arc::clone(content));
        let (format, selection) = (asked.format, asked.selection.clone());
        move || -> Result<(Bytes, Digest), Unmade> {
            let items = selection.apply(&content.items)?;
            let about = About {
                spec: &recipe.spec,
                key: key.as_str(),
                revision: content.revision,
                made_at: content.made_at,
                zone: site.renderer.zone(),
                // By what name a reader asks is the reader's word, and one answer serves all.
                address: None,
            };
            let written = formats::write(format, &about, &items)?;
            let digest = Digest::of(&written);
            Ok((written, digest))
        }
    };
    let made = if content.items.len() > LARGE {
        // Few at once: each holds the items several times over while it writes.
        let place = site.coder.place().await;
        let made = lifecycle::blocking(work).await.map_err(|_| fault("a writer broke off"))?;
        drop(place);
        made
    } else {
        work()
    };
    let (items, digest) = made.map_err(|unmade| match unmade {
        Unmade::Items(bad) => fault(&bad.to_string()),
        Unmade::Format(unwritable) => Box::new(Problem::new(StatusCode::NOT_FOUND, unwritable.code(), unwritable.to_string())),
    })?;
    let (head, bytes) = if asked.format == Format::Json {
        (Bytes::copy_from_slice(tail.head()), Bytes::copy_from_slice(tail.bytes()))
    } else {
        // What is said of the items has its place in the headers there.
        (Bytes::new(), Bytes::new())
    };
    let hash = Digest::of(&[&*head, &*bytes, digest.to_string().as_bytes()].concat()).to_string();
    let etag = format!("\"{}-{}\"", content.revision, &hash[..16]);
    let etag = HeaderValue::try_from(etag).unwrap_or_else(|_| HeaderValue::from_static("\"0\""));
    headers.insert(CONTENT_TYPE, asked.format.media_type());
    headers.insert(ETAG, etag.clone());
    let frames = Frames::new(head, items, bytes);
    Ok(headers::answer(frames, etag.as_bytes(), headers, asked.request))
}

/// The stored body.
pub(super) fn answer(content: &Content, tail: &Tail, headers: HeaderMap, request: &HeaderMap) -> Response<Body> {
    let frames = Frames::new(Bytes::copy_from_slice(tail.head()), content.items.clone(), Bytes::copy_from_slice(tail.bytes()));
    headers::answer(frames, tail.etag(), headers, request)
}

/// Judges the names that a selection asks for, by what the source declares and, where that does not do, by its items.
///
/// # Errors
/// A 400 that names those that there are.
pub(super) async fn judge_fields(spec: &SourceSpec, selection: &Selection, content: &Arc<Content>) -> Result<(), Box<Problem>> {
    let Some(fields) = &selection.fields else { return Ok(()) };
    let mut known = declared(spec);
    if fields.iter().all(|name| known.contains(name)) {
        return Ok(());
    }
    let items = content.items.clone();
    let found = if items.len() > LARGE {
        lifecycle::blocking(move || members(&items)).await.map_err(|_| fault("a reader broke off"))?
    } else {
        members(&items)
    };
    for name in found.map_err(|bad| fault(&bad.to_string()))? {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    let Some(unknown) = fields.iter().find(|name| !known.contains(name)) else { return Ok(()) };
    let hint = nearest(unknown, known.iter().map(String::as_str)).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
    let all = if known.is_empty() { "its items have none".to_owned() } else { format!("it has {}", known.join(", ")) };
    let detail = format!("`{}` is no field of `{}`; {all}{hint}", query::shown(unknown), spec.name);
    let problem = Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", detail);
    Err(Box::new(problem.with("parameter", json!("fields")).with("known_fields", json!(known))))
}

/// The fields that a source declares for its items, in order, each once.
fn declared(spec: &SourceSpec) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for alternative in &spec.alternatives {
        let details = alternative.details.iter().flat_map(|details| &details.rules.fields);
        for field in alternative.rules.fields.iter().chain(details) {
            if !field.name.starts_with('_') && !names.contains(&field.name) {
                names.push(field.name.clone());
            }
        }
    }
    names
}

fn fault(why: &str) -> Box<Problem> {
    tracing::error!(why, "an answer could not be made");
    Box::new(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer could not be made; the log says why"))
}
