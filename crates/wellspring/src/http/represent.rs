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

use super::afloat::Settled;
use super::body::{Body, Frames};
use super::formats::{self, About, Format, Unwritable};
use super::places::{Undone, Wanted};
use super::problem::Problem;
use super::selection::{Named, Selection, Unread, look_for};
use super::{Site, headers, query};
use crate::engine::catalog::Recipe;
use crate::engine::hot::{Content, Tail};

/// What is heavier than this many bytes is read anew at a place: others' hits must not wait for it.
const LIGHT: usize = 256 << 10;
/// How many names a refusal lists.
const LISTED: usize = 100;
/// How many bytes of them.
const LISTED_BYTES: usize = 16 << 10;
/// How many names are looked at for one that may have been meant.
const LIKELY: usize = 1_000;

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
    /// True where the body is the stored one of so many items.
    pub(super) fn is_plain(&self, count: u32) -> bool {
        self.format == Format::Json && self.selection.is_whole_of(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// True where it takes long to make: of few bytes too, where they are many items and each of them becomes more.
    fn is_heavy(&self, content: &Content) -> bool {
        let rows = usize::try_from(content.count).unwrap_or(usize::MAX).min(self.selection.limit.unwrap_or(usize::MAX));
        // All bytes, however few rows are asked for: the first of them may be nearly all.
        content.items.len().saturating_add(rows.saturating_mul(self.format.weight())) > LIGHT
    }
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
enum Unmade {
    #[error(transparent)]
    Items(#[from] Unread),
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
    content: &Content,
    tail: &Tail,
    mut headers: HeaderMap,
    asked: &Asked<'_>,
) -> Result<Response<Body>, Box<Problem>> {
    if asked.is_plain(content.count) {
        return Ok(answer(content, tail, headers, asked.request));
    }
    let work = {
        let (site, recipe, key, content) = (site.clone(), Arc::clone(recipe), key.clone(), content.clone());
        let (format, selection) = (asked.format, asked.selection.clone());
        move |wanted: &Wanted| -> Result<(Bytes, Digest), Unmade> {
            let items = selection.apply(&(&content.items).into(), wanted)?;
            let about = About {
                spec: &recipe.spec,
                key: key.as_str(),
                revision: content.revision,
                made_at: content.made_at,
                zone: site.renderer.zone(),
                // By what name a reader asks is the reader's word, and one answer serves all.
                address: None,
            };
            let written = formats::write(format, &about, &items, wanted)?;
            let digest = Digest::of(&written);
            Ok((written, digest))
        }
    };
    // Few at once: each holds the items several times over while it writes.
    let made = site.places.work_where(asked.is_heavy(content), work).await.map_err(undone)?;
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
    let frames = Frames::new(Bytes::copy_from_slice(tail.head()), (&content.items).into(), Bytes::copy_from_slice(tail.bytes()));
    let mut response = headers::answer(frames, tail.etag(), headers, request);
    response.extensions_mut().insert(Settled);
    response
}

/// Judges the names that a selection asks for, by what the source declares and, where that does not do, by its items.
///
/// # Errors
/// A 400 that names those that there are.
pub(super) async fn judge_fields(site: &Site, spec: &SourceSpec, selection: &Selection, content: &Content) -> Result<(), Box<Problem>> {
    let Some(fields) = &selection.fields else { return Ok(()) };
    let declared = declared(spec);
    let open: Vec<String> = fields.iter().filter(|name| !declared.contains(name)).cloned().collect();
    if open.is_empty() {
        return Ok(());
    }
    let items = content.items.clone();
    let work = move |wanted: &Wanted| look_for(&open, &items, wanted);
    let Named { missing, met } =
        site.places.work_where(content.items.len() > LIGHT, work).await.map_err(undone)?.map_err(|unread| fault(&unread.to_string()))?;
    let Some(unknown) = missing.first() else { return Ok(()) };
    let more: Vec<String> = met.into_iter().filter(|name| !declared.contains(name)).collect();
    let known = || declared.iter().chain(&more).map(String::as_str);
    let hint = nearest(unknown, known().take(LIKELY)).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
    let mut room = LISTED_BYTES;
    let fits = |name: &&str| {
        let left = room.checked_sub(name.len());
        room = left.unwrap_or(room);
        left.is_some()
    };
    let listed: Vec<&str> = known().take(LISTED).take_while(fits).collect();
    let others = known().count() - listed.len();
    let all = match (listed.len(), others) {
        (0, 0) => "its items have none".to_owned(),
        (_, 0) => format!("it has {}", listed.join(", ")),
        (0, _) => format!("it has {others}"),
        _ => format!("it has {} and {others} more", listed.join(", ")),
    };
    let detail = format!("`{}` is no field of `{}`; {all}{hint}", query::shown(unknown), spec.name);
    let problem = Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", detail);
    let problem = problem.with("parameter", json!("fields")).with("known_fields", json!(listed));
    Err(Box::new(if others > 0 { problem.with("more_fields", json!(others)) } else { problem }))
}

fn undone(undone: Undone) -> Box<Problem> {
    Box::new(undone.problem())
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
