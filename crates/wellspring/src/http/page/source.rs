//! A source's own page: all that is known of one of its keys, and how to use it.

use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use maud::{Markup, html};
use wellspring_core::key::Key;
use wellspring_core::source::{Param, SourceSpec, Takes};

use super::card::{reads, refresh};
use super::frame::{Part, frame};
use super::glance::Glance;
use super::past::Past;
use super::words::{ago, count};
use super::{Viewer, attempts, past, rows};
use crate::engine::catalog::Source;
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::store::StoreError;

/// How many keys are listed.
const KEYS: usize = 40;

/// The page of a source, for the key that a query makes; a 400 that still is a page where it makes none.
pub(super) fn source(
    viewer: &Viewer<'_>,
    source: &Arc<Source>,
    query: &str,
    past: Option<&Result<Past, StoreError>>,
) -> (StatusCode, Markup) {
    let spec = &source.recipe.spec;
    let asked = Params::parse(query);
    let key = asked.as_ref().map_err(Clone::clone).and_then(|params| params.key(spec, &[]));
    let asked = asked.unwrap_or_default();
    let (status, content) = match key {
        Ok(key) => (StatusCode::OK, of_key(viewer, source, &key, past)),
        // A source that needs parameters is looked at without any: that is no mistake.
        Err(_) if query.is_empty() => (StatusCode::OK, without_key(viewer, source, &asked, None)),
        Err(problem) => (StatusCode::BAD_REQUEST, without_key(viewer, source, &asked, Some(&problem))),
    };
    (status, frame(viewer, Part::Sources, spec.name.as_str(), &content))
}

/// The key that a query makes, where it makes one.
pub(super) fn key(source: &Source, query: &str) -> Option<Key> {
    Params::parse(query).ok()?.key(&source.recipe.spec, &[]).ok()
}

fn of_key(viewer: &Viewer<'_>, source: &Arc<Source>, key: &Key, past: Option<&Result<Past, StoreError>>) -> Markup {
    let spec = &source.recipe.spec;
    let name = spec.name.as_str();
    let engine = &viewer.site.engine;
    let cell = engine.peek(source, key);
    let glance = Glance::of(engine, &cell, viewer.now);
    let query = key.as_str().split_once('?').map_or_else(String::new, |(_, query)| format!("?{query}"));
    let turns = glance.turns_at.map(Timestamp::as_millisecond);
    html! {
        (head(viewer, spec, Some(key)))
        div.state #state data-live data-key=(key) data-turns=[turns] data-sign=(glance.sign()) {
            (glance.badges())
            (glance.trouble(viewer))
            (glance.facts(viewer, spec))
            div.actions {
                (refresh(viewer, spec, &query))
                a href=(rows::address(viewer, key, "")) { "JSON" }
                a href={ (viewer.up) "api/" (name) "/status" (query) } { "Status" }
                a href={ (viewer.up) "docs?source=" (name) } { "Reference" }
            }
        }
        (form(viewer, spec, &key.params().into_iter().collect::<Vec<_>>()))
        (rows::rows(viewer, spec, key, glance.content.as_ref()))
        (uses(viewer, key))
        @if let Some(past) = past { (past::section(viewer, key, past)) }
        (attempts::section(viewer, key, &glance.status.recent))
        (keys(viewer, source))
        (text(source))
    }
}

fn without_key(viewer: &Viewer<'_>, source: &Source, asked: &Params, problem: Option<&Problem>) -> Markup {
    let spec = &source.recipe.spec;
    let given: Vec<(String, String)> =
        spec.params.iter().filter_map(|param| Some((param.name.clone(), asked.value(&param.name)?.to_owned()))).collect();
    html! {
        (head(viewer, spec, None))
        @if let Some(problem) = problem { p.trouble role="alert" { strong { "Not read so: " } (problem.detail()) } }
        (form(viewer, spec, &given))
        (keys(viewer, source))
        (text(source))
    }
}

fn head(viewer: &Viewer<'_>, spec: &SourceSpec, key: Option<&Key>) -> Markup {
    html! {
        p.crumb { a href=(viewer.root()) { "← All sources" } }
        div.title {
            h1 { (spec.name.as_str()) }
            @if let Some((_, query)) = key.and_then(|key| key.as_str().split_once('?')) { span.key { "?" (query) } }
        }
        @if let Some(description) = &spec.description { p.lead { (description) } }
        p.note { (reads(spec)) }
    }
}

/// A form for the parameters, where there are some.
fn form(viewer: &Viewer<'_>, spec: &SourceSpec, given: &[(String, String)]) -> Markup {
    if spec.params.is_empty() {
        return html! {};
    }
    let value = |param: &Param| {
        let given = given.iter().find(|(name, _)| *name == param.name).map(|(_, value)| value.clone());
        given.or_else(|| param.default.clone()).unwrap_or_default()
    };
    html! {
        section #parameters aria-labelledby="parameters-title" {
            h2 #parameters-title { "Parameters" }
            form.params method="get" action={ (viewer.up) "sources/" (spec.name.as_str()) } {
                @for param in &spec.params {
                    @let id = format!("param-{}", param.name);
                    div {
                        label for=(id) { (param.name) }
                        (field(param, &id, &value(param)))
                        span.hint id={ (id) "-hint" } { "Takes " (param.takes.words()) }
                    }
                }
                button.plain type="submit" { "Show" }
            }
        }
    }
}

fn field(param: &Param, id: &str, value: &str) -> Markup {
    let hint = format!("{id}-hint");
    let name = &param.name;
    html! {
        @match &param.takes {
            Takes::Values(values) => select id=(id) name=(name) aria-describedby=(hint) {
                @for one in values { option value=(one) selected[one == value] { (one) } }
            },
            Takes::Boolean => select id=(id) name=(name) aria-describedby=(hint) {
                @for one in ["true", "false"] { option value=(one) selected[one == value] { (one) } }
            },
            Takes::Integer { min, max } => input id=(id) name=(name) type="number" value=(value) required aria-describedby=(hint)
                min=[(*min != i64::MIN).then_some(min)] max=[(*max != i64::MAX).then_some(max)];,
            Takes::Date => input id=(id) name=(name) type="date" value=(value) required aria-describedby=(hint);,
            // The pattern is judged by the server: browsers read other ones.
            Takes::Pattern(_) => input id=(id) name=(name) type="text" value=(value) required maxlength="256" aria-describedby=(hint);,
        }
    }
}

/// How to use it, in three ways.
fn uses(viewer: &Viewer<'_>, key: &Key) -> Markup {
    // The script knows the address under which the server is seen; until then, as good a guess as any.
    let origin = html! { span data-origin { "http://" (viewer.host.unwrap_or("localhost")) (viewer.site.base.link("/")) } };
    let path = rows::path(key, "");
    html! {
        section #use aria-labelledby="use-title" {
            h2 #use-title { "Use it" }
            div.uses {
                div { h3 { "curl" } pre tabindex="0" aria-label="With curl" { code { "curl '" (origin) (path) "'" } } }
                div { h3 { "fetch" } pre tabindex="0" aria-label="With fetch" { code {
                    "const answer = await fetch('" (origin) (path) "');\nconst { items, cache_valid } = await answer.json();"
                } } }
                div { h3 { "Live, in a page of yours" } pre tabindex="0" aria-label="With wellspring.js" { code {
                    "import { watch } from '" (origin) "wellspring.js';\nwatch('" (origin) (path) "', (items) => show(items), { badge: '#badge' });"
                } } }
            }
        }
    }
}

/// The keys that are held of it, where there are more than one.
fn keys(viewer: &Viewer<'_>, source: &Source) -> Markup {
    let cells = source.cells();
    if source.recipe.spec.params.is_empty() || cells.is_empty() {
        return html! {};
    }
    html! {
        section #keys aria-labelledby="keys-title" {
            h2 #keys-title { "Keys" }
            p { (count(cells.len(), "combination")) " of parameters held, each fetched by itself; at most " (source.recipe.spec.max_keys) "." }
            div.scroll tabindex="0" role="region" aria-label="Table of keys" {
                table {
                    thead { tr { th scope="col" { "Key" } th scope="col" { "State" } th scope="col" { "Checked" } th.number scope="col" { "Items" } } }
                    tbody {
                        @for cell in cells.iter().take(KEYS) {
                            @let glance = Glance::of(&viewer.site.engine, cell, viewer.now);
                            tr {
                                td { a href={ (viewer.up) "sources/" (cell.key.as_str()) } { (cell.key.as_str()) } }
                                td { (glance.badges()) }
                                td { @match glance.status.checked_at {
                                    Some(at) => (ago(at, viewer.now.wall, &viewer.told(at))),
                                    None => "never",
                                } }
                                td.number { @match glance.status.items { Some(items) => (items), None => "–" } }
                            }
                        }
                    }
                }
            }
            @if cells.len() > KEYS { p { "And " (cells.len() - KEYS) " more." } }
        }
    }
}

/// Its own text.
fn text(source: &Source) -> Markup {
    html! {
        section #toml aria-labelledby="toml-title" {
            h2 #toml-title { "How it is read" }
            p { "As configured. Values of variables are not shown." }
            pre.toml tabindex="0" aria-label="The source's TOML" { code { (source.recipe.text) } }
        }
    }
}
