//! What a key was: its revisions, and what changed from one to the next.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;
use maud::{Markup, html};
use wellspring_core::key::Key;
use wellspring_core::snapshot::Snapshot;

use super::Viewer;
use super::words::{ago, count, short, size};
use crate::engine::catalog::Recipe;
use crate::http::Site;
use crate::http::formats::{About, listing};
use crate::http::places::{Left, Wanted};
use crate::store::{Revision, StoreError};

/// How many revisions are listed, and how many of them are compared with the one before.
const LISTED: usize = 12;
const COMPARED: usize = 5;
/// Larger ones, in bytes and in rows, are not compared: rows that are told apart take far more memory than their bytes.
const LARGEST: u64 = 2 << 20;
const MOST_ROWS: u32 = 5_000;
/// How many rows of a kind are named.
const NAMED: usize = 6;
/// The longest value that is shown, in characters.
const VALUE: usize = 80;
/// How many comparisons are kept.
const KEPT: usize = 512;

/// What changed from one revision to the next, by what tells rows apart. As much of it as is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    added: Few<String>,
    gone: Few<String>,
    changed: Few<Changed>,
    /// The same rows in another order.
    moved: bool,
}

/// So many, and the first few of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Few<T> {
    all: usize,
    first: Vec<T>,
}

/// A row that is another than it was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Changed {
    title: String,
    /// Which fields, before and after.
    fields: Vec<(String, String, String)>,
}

/// What is known of a change.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Known(Arc<Changes>),
    /// One of the two is too large.
    TooLarge,
    /// All places are taken.
    Busy,
}

/// Revisions, newest first, with what each changed where that is told.
pub(super) type Past = Vec<(Revision, Option<Change>)>;

/// Comparisons that were made, the latest last: a pair of revisions never changes, and a page is looked at again and again.
#[derive(Debug, Default)]
pub(crate) struct Compared(Mutex<VecDeque<(Pair, Arc<Changes>)>>);

/// Two revisions of a key, as a source's rules tell their rows apart.
#[derive(Clone, Debug)]
struct Pair {
    recipe: Arc<Recipe>,
    key: Key,
    before: Revision,
    after: Revision,
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { all: 0, first: Vec::new() }
    }
}

impl<T> Few<T> {
    fn note(&mut self, one: impl FnOnce() -> T) {
        self.all += 1;
        if self.first.len() < NAMED {
            self.first.push(one());
        }
    }
}

impl Compared {
    fn of(&self, pair: &Pair) -> Option<Arc<Changes>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known.is(pair)).map(|(_, changes)| Arc::clone(changes))
    }

    fn keep(&self, pair: Pair, changes: Arc<Changes>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back((pair, changes));
    }
}

impl Pair {
    fn is(&self, other: &Self) -> bool {
        let same = |a: &Revision, b: &Revision| a.revision == b.revision && a.digest == b.digest;
        same(&self.after, &other.after)
            && same(&self.before, &other.before)
            && self.key == other.key
            && Arc::ptr_eq(&self.recipe, &other.recipe)
    }

    fn is_too_large(&self) -> bool {
        [&self.before, &self.after].iter().any(|revision| revision.bytes > LARGEST || revision.count > MOST_ROWS)
    }
}

/// Reads the past of a key.
///
/// # Errors
/// Where the store cannot be read now.
pub(super) async fn past(site: &Site, recipe: &Arc<Recipe>, key: &Key) -> Result<Past, StoreError> {
    let revisions = site.engine.revisions(key).await?;
    let pair = |at: usize| {
        let (after, before) = (revisions.get(at)?.clone(), revisions.get(at + 1)?.clone());
        Some(Pair { recipe: Arc::clone(recipe), key: key.clone(), before, after })
    };
    let mut past = Past::new();
    let mut read: Option<Snapshot> = None;
    for (at, revision) in revisions.iter().take(LISTED).enumerate() {
        let change = match pair(at).filter(|_| at < COMPARED) {
            None => None,
            Some(pair) if pair.is_too_large() => Some(Change::TooLarge),
            Some(pair) => match site.compared.of(&pair) {
                Some(changes) => Some(Change::Known(changes)),
                None => compare(site, pair, &mut read).await?,
            },
        };
        past.push((revision.clone(), change));
    }
    Ok(past)
}

/// Compares two revisions. `read` is the one that was read last, which may be the later of the two.
async fn compare(site: &Site, pair: Pair, read: &mut Option<Snapshot>) -> Result<Option<Change>, StoreError> {
    let is = |revision: &Revision| {
        let revision = revision.clone();
        move |snapshot: &Snapshot| snapshot.revision == revision.revision && snapshot.digest == revision.digest
    };
    let after = match read.take().filter(is(&pair.after)) {
        Some(snapshot) => Some(snapshot),
        None => site.engine.as_of(&pair.key, pair.after.made_at).await?.filter(is(&pair.after)),
    };
    let before = site.engine.as_of(&pair.key, pair.before.made_at).await?.filter(is(&pair.before));
    read.clone_from(&before);
    // Swept away meanwhile.
    let (Some(before), Some(after)) = (before, after) else { return Ok(None) };
    let (compared, zone) = (Arc::clone(&site.compared), site.renderer.zone().clone());
    let work = move |wanted: &Wanted| {
        // Another viewer's, while this one waited for its place.
        if let Some(known) = compared.of(&pair) {
            return Ok(known);
        }
        let changes = Arc::new(changes(&pair.recipe, &zone, &before, &after, wanted)?);
        compared.keep(pair, Arc::clone(&changes));
        Ok::<_, Left>(changes)
    };
    Ok(match site.places.work(work).await {
        Ok(Ok(changes)) => Some(Change::Known(changes)),
        Ok(Err(Left)) => None,
        Err(_) => Some(Change::Busy),
    })
}

fn changes(recipe: &Recipe, zone: &TimeZone, before: &Snapshot, after: &Snapshot, wanted: &Wanted) -> Result<Changes, Left> {
    let listed = |snapshot: &Snapshot| {
        let rows = listing::read(snapshot.items.json().as_bytes());
        wanted.check()?;
        let about = About {
            spec: &recipe.spec,
            key: snapshot.key.as_str(),
            revision: snapshot.revision,
            made_at: snapshot.made_at,
            zone,
            address: None,
        };
        let listed = listing::list(&about, &rows);
        wanted.check()?;
        Ok(listed.into_iter().zip(rows).collect::<Vec<_>>())
    };
    let (olds, news) = (listed(before)?, listed(after)?);
    let known: HashMap<&str, usize> = olds.iter().enumerate().map(|(index, (row, _))| (row.id.as_str(), index)).collect();
    let mut changes = Changes::default();
    let mut kept = Vec::new();
    for (at, (row, fields)) in news.iter().enumerate() {
        wanted.check_at(at)?;
        let Some(&index) = known.get(row.id.as_str()) else {
            changes.added.note(|| short(&row.title, VALUE));
            continue;
        };
        kept.push(index);
        let old = &olds[index].1;
        if old != fields {
            changes.changed.note(|| {
                let names = fields.keys().chain(old.keys().filter(|name| !fields.contains_key(*name)));
                let told = |value: Option<&serde_json::Value>| {
                    short(&value.and_then(listing::line).unwrap_or_else(|| "nothing".to_owned()), VALUE)
                };
                let differing = names.filter(|name| old.get(*name) != fields.get(*name)).take(NAMED);
                let fields = differing.map(|name| (short(name, VALUE), told(old.get(name)), told(fields.get(name)))).collect();
                Changed { title: short(&row.title, VALUE), fields }
            });
        }
    }
    let still: HashSet<usize> = kept.iter().copied().collect();
    for (_, (row, _)) in olds.iter().enumerate().filter(|(index, _)| !still.contains(index)) {
        changes.gone.note(|| short(&row.title, VALUE));
    }
    changes.moved = !kept.is_sorted();
    Ok(changes)
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
                    ol.past { @for (revision, change) in past { (one(viewer, key, revision, change.as_ref())) } }
                }
            }
        }
    }
}

fn one(viewer: &Viewer<'_>, key: &Key, revision: &Revision, change: Option<&Change>) -> Markup {
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
            @if let Some(change) = change { (told(change)) }
        }
    }
}

fn told(change: &Change) -> Markup {
    let Changes { added, gone, changed, moved } = match change {
        Change::Known(changes) => &**changes,
        Change::TooLarge => {
            let bounds = format!("{MOST_ROWS} rows or {}", size(LARGEST));
            return html! { ul.changes { li { span.sign { "–" } span { "Not compared: more than " (bounds) "." } } } };
        }
        Change::Busy => return html! { ul.changes { li { span.sign { "–" } span { "Not compared now: the server is busy." } } } },
    };
    let names = |names: &Few<String>| {
        let mut told = names.first.clone();
        if names.all > told.len() {
            told.push(format!("and {} more", names.all - told.len()));
        }
        told.join(" · ")
    };
    html! {
        ul.changes {
            @if added.all > 0 { li.added { span.sign { "+ " (added.all) " added" } span { (names(added)) } } }
            @if gone.all > 0 { li.gone { span.sign { "− " (gone.all) " gone" } span { (names(gone)) } } }
            @for Changed { title, fields } in &changed.first {
                li.changed {
                    span.sign { "~ changed" }
                    span {
                        bdi { (title) } ": "
                        @for (index, (name, before, after)) in fields.iter().enumerate() {
                            @if index > 0 { "; " }
                            (name) " " del { (before) } " → " ins { (after) }
                        }
                    }
                }
            }
            @if changed.all > changed.first.len() { li.changed { span.sign {} span { "and " (changed.all - changed.first.len()) " more changed" } } }
            @if *moved { li { span.sign { "↕ order" } span { "Rows that stayed stand in another order." } } }
            @if added.all + gone.all + changed.all == 0 && !moved { li { span.sign { "= same" } span { "Equal rows under other names." } } }
        }
    }
}
