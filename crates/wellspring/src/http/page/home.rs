//! Every source at a glance.

use std::sync::Arc;

use maud::{Markup, html};

use super::Viewer;
use super::card::card;
use super::frame::{Part, frame};
use super::glance::{Glance, Urgency};
use super::words::{ago, count};
use crate::engine::catalog::Source;
use crate::engine::crew::Replicas;
use crate::http::query::Params;
use crate::store::{Health, Partner};

/// From so many sources on there is a box that filters them.
const MANY: usize = 7;

/// So many replicas are named.
const NAMED: usize = 12;

/// The page, or its summary alone where the query says so.
pub(super) fn home(viewer: &Viewer<'_>, query: &str) -> Markup {
    let catalog = viewer.site.engine.catalog();
    let mut sources: Vec<(Urgency, &Arc<Source>)> = catalog.sources().map(|source| (urgency(viewer, source), source)).collect();
    let summary = summary(viewer, &sources);
    if query == "part=summary" {
        return summary;
    }
    // Troubled ones first; else as they are configured.
    sources.sort_by_key(|(urgency, _)| *urgency);
    let wanted = wanted(query);
    let shown: Vec<&Arc<Source>> = sources.iter().map(|(_, source)| *source).filter(|source| fits(source, &wanted)).collect();
    let content = html! {
        (summary)
        @if sources.is_empty() { (empty()) }
        @if sources.len() >= MANY {
            form.filter role="search" method="get" action=(viewer.root()) {
                label for="filter" { "Filter by name or description" }
                input #filter type="search" name="q" value=(wanted) autocomplete="off" data-filter;
                button.plain type="submit" data-filter-go { "Filter" }
                p.count role="status" data-filter-count { @if !wanted.is_empty() { (shown.len()) " of " (count(sources.len(), "source")) } }
            }
        }
        div.cards.many[sources.len() >= MANY] data-cards { @for source in shown { (card(viewer, source)) } }
    };
    frame(viewer, Part::Sources, "Sources", &content)
}

fn urgency(viewer: &Viewer<'_>, source: &Source) -> Urgency {
    match &source.default {
        Some(cell) => Glance::of(&viewer.site.engine, cell, viewer.now).urgency(),
        None => Urgency::Well,
    }
}

/// What is filtered for: `q` of the query.
fn wanted(query: &str) -> String {
    let params = Params::parse(query).unwrap_or_default();
    params.value("q").unwrap_or_default().trim().to_lowercase()
}

fn fits(source: &Source, wanted: &str) -> bool {
    let spec = &source.recipe.spec;
    let text = format!("{} {}", spec.name, spec.description.as_deref().unwrap_or_default()).to_lowercase();
    wanted.split_whitespace().all(|word| text.contains(word))
}

/// How all of them are, in a sentence.
fn summary(viewer: &Viewer<'_>, sources: &[(Urgency, &Arc<Source>)]) -> Markup {
    let of = |wanted: &[Urgency]| sources.iter().filter(|(urgency, _)| wanted.contains(urgency)).count();
    let troubled = of(&[Urgency::Broken, Urgency::Failing, Urgency::Expired]);
    let (well, all) = (of(&[Urgency::Well]), sources.len());
    let parts = [
        (well, "fresh"),
        (of(&[Urgency::Refreshing]), "being refreshed"),
        (of(&[Urgency::Stale]), "stale"),
        (of(&[Urgency::Empty]), "without data yet"),
        (of(&[Urgency::Expired]), "expired"),
        (of(&[Urgency::Failing, Urgency::Broken]), "degraded"),
    ];
    let told: Vec<String> = parts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    html! {
        div.summary #summary {
            h1 {
                @match (all, troubled) {
                    (0, _) => "Nothing flows yet",
                    (1, 0) if well == 1 => "The source is fresh",
                    (_, 0) if well == all => { "All " (all) " sources are fresh" },
                    (_, 0) => { (count(all, "source")) ", none in trouble" },
                    (_, 1) => { "1 of " (count(all, "source")) " needs a look" },
                    _ => { (troubled) " of " (count(all, "source")) " need a look" },
                }
            }
            @if well < all { p { (told.join(" · ")) } }
            (stored(viewer))
            (replicas(viewer))
        }
    }
}

/// What is wrong with the store.
fn stored(viewer: &Viewer<'_>) -> Markup {
    let store = viewer.site.engine.store();
    html! {
        @if let Health::Degraded(why) = store.durability() {
            p.trouble { strong { "What is new is in memory only: " } (why) }
        } @else if !store.is_alone() && let Health::Degraded(why) = store.health() {
            p.trouble { strong { "The store is degraded: " } (why) }
        }
    }
}

/// Who shares the store, and whether it can be reached.
fn replicas(viewer: &Viewer<'_>) -> Markup {
    let Some(Replicas { me, seen, partner }) = viewer.site.engine.replicas() else { return html! {} };
    let more = seen.len().saturating_sub(NAMED);
    html! {
        @if seen.is_empty() {
            p { "This replica is " bdi { (me) } "." }
        } @else {
            p {
                (count(seen.len(), "replica")) ": "
                @for (nth, replica) in seen.iter().take(NAMED).enumerate() { @if nth > 0 { ", " } bdi { (replica.name) } }
                @if more > 0 { " and " (more) " more" }
                "; this one is " bdi { (me) } "."
            }
        }
        @if let Some(Partner { away_since: Some(since), waiting }) = partner {
            p.trouble {
                strong { "The shared store is out of reach" } ", noticed " (ago(since, viewer.now.wall, &viewer.told(since)))
                ": each replica refreshes for itself. "
                (count(waiting, "key")) " refreshed meanwhile " @if waiting == 1 { "is" } @else { "are" } " told to it once it is back."
            }
        }
    }
}

/// What to do where there is no source yet.
fn empty() -> Markup {
    html! {
        div.empty {
            p { "No source is configured. A source is a table in " code { "wellspring.toml" } ", or in a file of the folder " code { "sources" } " beside it:" }
            pre tabindex="0" { code {
                "[source.headlines]\n"
                "url = \"https://example.com/feed.xml\"\n"
                "format = \"feed\"\n"
                "fresh_for = \"1h\"\n"
            } }
            p { "Or take one that ships: " code { "use = [\"cinema\"]" } ". Then reload with " code { "kill -HUP" } ", and look here again. "
                code { "wellspring check" } " tells what a source gives before you do." }
        }
    }
}
