//! A source as a card: what it is, some of its rows, how it is, and what can be done about it.

use jiff::Timestamp;
use maud::{Markup, html};
use wellspring_core::key::Key;
use wellspring_core::source::{Alternative, Format, Render, SourceSpec};

use super::Viewer;
use super::glance::{Glance, shape};
use super::spark::sparks;
use super::words::{count, short};
use crate::engine::catalog::Source;
use crate::engine::hot::Content;
use crate::http::formats::{About, listing};

/// How many rows a card shows, and how many are read to see what they are.
const SHOWN: usize = 4;
const READ: usize = 8;
/// How many bytes of them.
const BYTES: usize = 256 << 10;
/// The longest title of a row, in characters.
const TITLE: usize = 80;

/// The card of what a bare read of a source answers with.
pub(super) fn card(viewer: &Viewer<'_>, source: &Source) -> Markup {
    let spec = &source.recipe.spec;
    let name = spec.name.as_str();
    let up = &viewer.up;
    let glance = source.default.as_ref().map(|cell| Glance::of(&viewer.site.engine, cell, viewer.now));
    let class = glance.as_ref().map_or("is-absent", Glance::class);
    let turns = glance.as_ref().and_then(|glance| glance.turns_at).map(Timestamp::as_millisecond);
    html! {
        article.card.(class) id={ "source-" (name) } data-source=(name) data-key=[spec.default_key()] data-turns=[turns]
            data-sign=[glance.as_ref().map(Glance::sign)]
            data-revision=[glance.as_ref().and_then(|glance| glance.status.revision)] aria-labelledby={ "name-" (name) } {
            header {
                h2 id={ "name-" (name) } { a href={ (up) "sources/" (name) } { (name) } }
                @match &glance {
                    Some(glance) => (glance.badges()),
                    None => ul.badges { li.badge.absent { (shape("absent")) "Needs parameters" } },
                }
            }
            @if let Some(description) = &spec.description { p.about { (description) } }
            p.reads { (reads(spec)) }
            @match &glance {
                Some(glance) => {
                    @if let (Some(content), Some(key)) = (&glance.content, spec.default_key()) { (samples(viewer, spec, &key, content)) }
                    @else if !glance.is_degraded() { p.nothing { "No rows yet. The first read of the API fetches them." } }
                    (glance.trouble(viewer))
                    (glance.facts(viewer, spec))
                    (sparks(&glance.status.recent))
                },
                None => {
                    p.nothing {
                        "Reads need " (needed(spec)) ". " (count(source.cells_unordered().len(), "key")) " held."
                    }
                }
            }
            div.actions {
                @if glance.is_some() { (refresh(viewer, spec, "")) }
                a.more href={ (up) "sources/" (name) } { "Details" span.unseen { " of " (name) } }
                a.more href={ (up) "api/" (name) } { "JSON" span.unseen { " of " (name) } }
            }
        }
    }
}

/// The names of parameters that have no default.
fn needed(spec: &SourceSpec) -> String {
    let needed: Vec<String> = spec.params.iter().filter(|param| param.default.is_none()).map(|param| format!("`{}`", param.name)).collect();
    needed.join(", ")
}

/// What it reads, without anything of an address but its host.
pub(super) fn reads(spec: &SourceSpec) -> Markup {
    let alternatives: Vec<&Alternative> = spec.alternatives.iter().filter(|alternative| alternative.usable).collect();
    html! {
        @match alternatives.first() {
            Some(first) => {
                "Reads " b { (host(spec, first)) } ", " (format_word(first.rules.format))
                @match first.render {
                    Render::Never => "",
                    Render::Auto => ", rendered where needed",
                    Render::Always => ", rendered",
                }
                @if alternatives.len() > 1 { "; else " (alternatives[1..].iter().map(|other| host(spec, other)).collect::<Vec<_>>().join(", ")) }
            },
            None => "None of its alternatives can be used now.",
        }
    }
}

/// The host of an alternative's rows, as it may be shown: variables by their names.
fn host(spec: &SourceSpec, alternative: &Alternative) -> String {
    let params = spec.params.iter().filter_map(|param| Some((param.name.clone(), param.default.clone()?))).collect();
    let filled = alternative.ask.url.fill(&params);
    // As text: what is shown in place of a variable is no address.
    let text = filled.to_string();
    let Some((_, rest)) = text.split_once("://") else { return "an address of its own".to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    short(authority.rsplit('@').next().unwrap_or_default(), 60)
}

fn format_word(format: Format) -> &'static str {
    match format {
        Format::Html => "an HTML page",
        Format::Json => "JSON",
        Format::Feed => "a feed",
        Format::Ical => "a calendar",
        Format::Jsonld => "structured data of a page",
        Format::Csv => "a table",
        Format::Xml => "XML",
        Format::Text => "text",
    }
}

/// What the writers of formats want to know.
pub(super) fn about<'a>(viewer: &'a Viewer<'_>, spec: &'a SourceSpec, key: &'a Key, content: &Content) -> About<'a> {
    let zone = viewer.site.renderer.zone();
    About { spec, key: key.as_str(), revision: content.revision, made_at: content.made_at, zone, address: None }
}

fn samples(viewer: &Viewer<'_>, spec: &SourceSpec, key: &Key, content: &Content) -> Markup {
    let rows = listing::beginning(&content.items, READ, BYTES);
    let listed = listing::list(&about(viewer, spec, key, content), &rows);
    let more = usize::try_from(content.count).unwrap_or_default().saturating_sub(SHOWN);
    let pictures: Vec<Option<String>> =
        listed.iter().take(SHOWN).map(|row| row.image.as_deref().and_then(|address| viewer.picture(address))).collect();
    let has_pictures = pictures.iter().any(Option::is_some);
    html! {
        @if listed.is_empty() && content.count > 0 { p.nothing { (count(usize::try_from(content.count).unwrap_or_default(), "row")) ", too long to be shown here." } }
        @else if listed.is_empty() { p.nothing { "An empty list, as its source allows." } }
        @else {
            ul.samples.pictured[has_pictures] {
                @for (row, address) in listed.iter().zip(&pictures) {
                    li {
                        @if has_pictures { (picture(address.as_deref())) }
                        span { (short(&row.title, TITLE)) }
                    }
                }
            }
            @if more > 0 { p.rest { "and " (count(more, "more row")) } }
        }
    }
}

/// A picture of an upstream's, or the place of one. It hides itself where it is dead; its words stand beside it.
pub(super) fn picture(address: Option<&str>) -> Markup {
    html! {
        span.picture {
            @if let Some(address) = address {
                img src=(address) alt="" loading="lazy" decoding="async" referrerpolicy="no-referrer";
            }
        }
    }
}

/// A button that forces a refresh, or why there is none. A form, so that it works without a script.
pub(super) fn refresh(viewer: &Viewer<'_>, spec: &SourceSpec, query: &str) -> Markup {
    let name = spec.name.as_str();
    html! {
        @if spec.manual_refresh {
            form method="post" action={ (viewer.up) "api/" (name) "/refresh" (query) } data-refresh=(name) {
                button.plain type="submit" { "Refresh" span.unseen { " " (name) } }
            }
        } @else {
            span.locked title="manual_refresh = false" { "Refreshes by reads only" }
        }
    }
}
