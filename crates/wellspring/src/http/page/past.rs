//! What a key was: its revisions, and what changed from one to the next.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use maud::{Markup, html};
use wellspring_core::key::Key;
use wellspring_core::snapshot::Snapshot;

use super::Viewer;
use super::words::{ago, count, short, size};
use crate::engine::Engine;
use crate::engine::catalog::Recipe;
use crate::http::formats::{About, listing};
use crate::lifecycle;
use crate::store::{Revision, StoreError};

/// How many revisions are listed, and how many of them are compared with the one before.
const LISTED: usize = 12;
const COMPARED: usize = 5;
/// Larger ones, in bytes, are not compared.
const LARGEST: u64 = 2 << 20;
/// How many rows of a kind are named.
const NAMED: usize = 6;
/// The longest value that is shown, in characters.
const VALUE: usize = 80;

/// What changed from one revision to the next, by what tells rows apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    added: Vec<String>,
    gone: Vec<String>,
    changed: Vec<Changed>,
    /// The same rows in another order.
    moved: bool,
}

/// A row that is another than it was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Changed {
    title: String,
    /// Which fields, before and after.
    fields: Vec<(String, String, String)>,
}

/// Revisions, newest first, with what each changed where that is known.
pub(super) type Past = Vec<(Revision, Option<Changes>)>;

/// Reads the past of a key.
///
/// # Errors
/// Where the store cannot be read now.
pub(super) async fn past(engine: &Engine, recipe: &Arc<Recipe>, key: &Key, zone: &TimeZone) -> Result<Past, StoreError> {
    let mut revisions = engine.revisions(key).await?;
    revisions.truncate(LISTED);
    let mut snapshots = Vec::new();
    for revision in revisions.iter().take(COMPARED + 1).take_while(|revision| revision.bytes <= LARGEST) {
        match engine.as_of(key, revision.made_at).await? {
            Some(snapshot) => snapshots.push(snapshot),
            None => break,
        }
    }
    let (recipe, zone) = (Arc::clone(recipe), zone.clone());
    // Off the async threads: large lists take a while to compare.
    let compared =
        lifecycle::blocking(move || snapshots.windows(2).map(|pair| changes(&recipe, &zone, &pair[1], &pair[0])).collect::<Vec<_>>());
    let mut compared = compared.await.unwrap_or_default().into_iter();
    Ok(revisions.into_iter().map(|revision| (revision, compared.next())).collect())
}

fn changes(recipe: &Recipe, zone: &TimeZone, before: &Snapshot, after: &Snapshot) -> Changes {
    let listed = |snapshot: &Snapshot| {
        let rows = listing::read(snapshot.items.json().as_bytes());
        let about = About {
            spec: &recipe.spec,
            key: snapshot.key.as_str(),
            revision: snapshot.revision,
            made_at: snapshot.made_at,
            zone,
            address: None,
        };
        let listed = listing::list(&about, &rows);
        listed.into_iter().zip(rows).collect::<Vec<_>>()
    };
    let (olds, news) = (listed(before), listed(after));
    let known: HashMap<&str, usize> = olds.iter().enumerate().map(|(index, (row, _))| (row.id.as_str(), index)).collect();
    let mut changes = Changes::default();
    let mut kept = Vec::new();
    for (row, fields) in &news {
        let Some(&index) = known.get(row.id.as_str()) else {
            changes.added.push(row.title.clone());
            continue;
        };
        kept.push(index);
        let old = &olds[index].1;
        if old != fields {
            let names = fields.keys().chain(old.keys().filter(|name| !fields.contains_key(*name)));
            let told = |value: Option<&serde_json::Value>| value.and_then(listing::line).unwrap_or_else(|| "nothing".to_owned());
            let differing = names.filter(|name| old.get(*name) != fields.get(*name));
            let fields = differing.map(|name| (name.clone(), told(old.get(name)), told(fields.get(name)))).collect();
            changes.changed.push(Changed { title: row.title.clone(), fields });
        }
    }
    let still: std::collections::HashSet<usize> = kept.iter().copied().collect();
    changes.gone = olds.iter().enumerate().filter(|(index, _)| !still.contains(index)).map(|(_, (row, _))| row.title.clone()).collect();
    changes.moved = !kept.is_sorted();
    changes
}

/// The section.
pub(super) fn section(viewer: &Viewer<'_>, key: &Key, past: &Result<Past, StoreError>) -> Markup {
    let route =
        key.as_str().split_once('?').map_or_else(|| format!("{key}/history"), |(_, query)| format!("{}/history?{query}", key.source()));
    html! {
        section #history data-live data-key=(key) aria-labelledby="history-title" {
            h2 #history-title { "History" }
            @match past {
                Err(error) => p { "It cannot be read now: " (error) },
                Ok(past) if past.is_empty() => p { "Nothing is held yet." },
                Ok(past) => {
                    p { "A revision is kept whenever the rows change. All that are kept are " a href={ (viewer.up) "api/" (route) } { "listed by the API" } "." }
                    ol.past { @for (revision, changes) in past { (one(viewer, key, revision, changes.as_ref())) } }
                }
            }
        }
    }
}

fn one(viewer: &Viewer<'_>, key: &Key, revision: &Revision, changes: Option<&Changes>) -> Markup {
    let address = super::rows::address(viewer, key, "");
    let join = if address.contains('?') { '&' } else { '?' };
    html! {
        li {
            h3 {
                a href={ (address) (join) "as_of=" (revision.made_at) } { "Revision " (revision.revision) }
                small {
                    (ago(revision.made_at, viewer.now.wall, &viewer.told(revision.made_at)))
                    " · " (count(usize::try_from(revision.count).unwrap_or_default(), "item")) " · " (size(revision.bytes))
                }
            }
            @if let Some(changes) = changes { (told(changes)) }
        }
    }
}

fn told(changes: &Changes) -> Markup {
    let Changes { added, gone, changed, moved } = changes;
    let names = |names: &[String]| {
        let mut told: Vec<String> = names.iter().take(NAMED).map(|name| short(name, VALUE)).collect();
        if names.len() > NAMED {
            told.push(format!("and {} more", names.len() - NAMED));
        }
        told.join(" · ")
    };
    html! {
        ul.changes {
            @if !added.is_empty() { li.added { span.sign { "+ " (added.len()) " added" } span { (names(added)) } } }
            @if !gone.is_empty() { li.gone { span.sign { "− " (gone.len()) " gone" } span { (names(gone)) } } }
            @for Changed { title, fields } in changed.iter().take(NAMED) {
                li.changed {
                    span.sign { "~ changed" }
                    span {
                        bdi { (short(title, VALUE)) } ": "
                        @for (index, (name, before, after)) in fields.iter().take(NAMED).enumerate() {
                            @if index > 0 { "; " }
                            (name) " " del { (short(before, VALUE)) } " → " ins { (short(after, VALUE)) }
                        }
                    }
                }
            }
            @if changed.len() > NAMED { li.changed { span.sign {} span { "and " (changed.len() - NAMED) " more changed" } } }
            @if *moved { li { span.sign { "↕ order" } span { "Rows that stayed stand in another order." } } }
            @if added.is_empty() && gone.is_empty() && changed.is_empty() && !moved { li { span.sign { "= same" } span { "Equal rows under other names." } } }
        }
    }
}
