//! The reference: what this server answers, for people. Made of the same document that programs get as `/openapi.json`.

use maud::{Markup, html};
use serde_json::Value;

use super::Viewer;
use super::frame::{Part, frame};
use super::words::{prose, short};
use crate::http::formats::Format;
use crate::http::openapi;
use crate::http::query::Params;

mod schema;

use schema::{Document, kind};

/// More sources than these have a page each.
const AT_ONCE: usize = 12;
/// The longest example, in characters.
const EXAMPLE: usize = 90;

/// The reference of all sources, or of the one that the query names.
pub(super) fn docs(viewer: &Viewer<'_>, query: &str) -> Markup {
    let value = openapi::value(viewer.site);
    let document = Document(&value);
    let catalog = viewer.site.engine.catalog();
    let names: Vec<&str> = catalog.sources().map(|source| source.name()).collect();
    let asked = Params::parse(query).unwrap_or_default();
    let asked = asked.value("source").filter(|name| names.contains(name));
    let shown: &[&str] = match &asked {
        Some(name) => std::slice::from_ref(name),
        None if names.len() <= AT_ONCE => &names,
        None => &[],
    };
    let link = |name: &str| if shown.contains(&name) { format!("#{name}") } else { format!("docs?source={name}") };
    let content = html! {
        h1 { "Reference" }
        p.lead { "What this server answers. Programs read the same as " a href={ (viewer.up) "openapi.json" } { "openapi.json" } "." }
        div.reference {
            nav.contents aria-label="Contents" {
                h2 { "Contents" }
                ul {
                    @if asked.is_some() { li { a href="docs" { "Whole reference" } } }
                    @for name in &names { li { a href=(link(name)) aria-current=[(asked == Some(name)).then_some("page")] { (name) } } }
                    li { a href="#query" { "Query" } }
                    li { a href="#body" { "Body" } }
                    li { a href="#headers" { "Headers" } }
                    li { a href="#errors" { "Errors" } }
                    li { a href="#live" { "Live updates" } }
                    li { a href="#server" { "Server" } }
                }
            }
            div {
                @for name in shown { (source(viewer, document, name)) }
                @if names.is_empty() { section { h2 { "Sources" } p { "None is configured yet." } } }
                (general(viewer, document, names.first().copied()))
            }
        }
    };
    frame(viewer, Part::Reference, "Reference", &content)
}

fn source(viewer: &Viewer<'_>, document: Document<'_>, name: &str) -> Markup {
    let read = document.operation(&format!("/api/{name}"), "get");
    let tag = document.0["tags"].as_array().into_iter().flatten().find(|tag| tag["name"] == name);
    let needs_more = read["parameters"].as_array().into_iter().flatten().any(|parameter| parameter["required"] == true);
    html! {
        section id=(name) aria-labelledby={ "title-" (name) } {
            h2 id={ "title-" (name) } { a href={ (viewer.up) "sources/" (name) } { (name) } }
            @if let Some(description) = tag.and_then(|tag| tag["description"].as_str()) { p { (description) } }
            (fields(document, name))
            h3 { "Routes" }
            (route(viewer, document, "get", &format!("/api/{name}"), !needs_more))
            details {
                summary { span.verb { "GET" } code { "/api/" (name) ".{" (extensions()) "}" } span.what { "The items in other formats" } }
                div {
                    p { "Takes what " code { "/api/" (name) } " takes." }
                    ul { @for (extension, format) in Format::ALL { li {
                        @if needs_more { code { "." (extension) } } @else { a href={ (viewer.up) "api/" (name) "." (extension) } { code { "." (extension) } } }
                        " " span.type { (format.media_type().to_str().unwrap_or_default()) }
                    } } }
                    (answers(document, document.operation(&format!("/api/{name}.csv"), "get")))
                }
            }
            (route(viewer, document, "get", &format!("/api/{name}/status"), !needs_more))
            (route(viewer, document, "get", &format!("/api/{name}/history"), !needs_more))
            (route(viewer, document, "post", &format!("/api/{name}/refresh"), false))
        }
    }
}

fn extensions() -> String {
    Format::ALL.map(|(extension, _)| extension).join(",")
}

/// The fields of a source's items, with an example of each.
fn fields(document: Document<'_>, name: &str) -> Markup {
    let item = document.schema(&format!("{name}.item"));
    let members = item["properties"].as_object();
    let example =
        |field: &str| item["examples"].as_array()?.iter().find_map(|example| Some(&example[field]).filter(|value| !value.is_null()));
    html! {
        @match members.filter(|members| !members.is_empty()) {
            None => p { "Its items are taken as the upstream has them; nothing was seen of them yet." },
            Some(members) => {
                h3 { "Fields of an item" }
                div.scroll tabindex="0" role="region" aria-label={ "Fields of " (name) } {
                    table {
                        thead { tr { th scope="col" { "Field" } th scope="col" { "Holds" } th scope="col" { "As in" } } }
                        tbody { @for (field, member) in members { tr {
                            td { code { (field) } }
                            td { (kind(document, member)) }
                            td.wordy { @match example(field) {
                                Some(Value::String(text)) => (short(text, EXAMPLE)),
                                Some(value) => code { (short(&value.to_string(), EXAMPLE)) },
                                None => "–",
                            } }
                        } } }
                    }
                }
            },
        }
    }
}

/// One route; nothing where there is none, as a refresh may be.
fn route(viewer: &Viewer<'_>, document: Document<'_>, method: &str, path: &str, can_be_tried: bool) -> Markup {
    let operation = document.operation(path, method);
    if operation.is_null() {
        return html! {};
    }
    html! {
        details {
            summary {
                span.verb.post[method == "post"] { (method.to_uppercase()) }
                code { (path) }
                span.what { (prose(operation["summary"].as_str().unwrap_or_default())) }
            }
            div {
                @if let Some(text) = operation["description"].as_str() { p { (text) } }
                @if can_be_tried { p { a href={ (viewer.up) (path.trim_start_matches('/')) } { "Try it" } } }
                @if operation["security"].is_array() { p { "Needs " code { "Authorization: Bearer" } " with the configured " code { "admin_token" } "." } }
                (parameters(document, operation))
                (answers(document, operation))
            }
        }
    }
}

fn parameters(document: Document<'_>, operation: &Value) -> Markup {
    let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().map(|one| document.resolve(one)).collect();
    let title = format!("Parameters of {}", operation["operationId"].as_str().unwrap_or_default());
    html! {
        @if !parameters.is_empty() {
            p.label { "Parameters" }
            div.scroll tabindex="0" role="region" aria-label=(title) {
                table {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Takes" } th scope="col" { "What it does" } } }
                    tbody { @for one in parameters { tr {
                        td { code { (one["name"].as_str().unwrap_or_default()) } @if one["required"] == true { br; span.type { "needed" } } }
                        td { (kind(document, &one["schema"])) }
                        td.wordy { (prose(one["description"].as_str().unwrap_or_default())) }
                    } } }
                }
            }
        }
    }
}

fn answers(document: Document<'_>, operation: &Value) -> Markup {
    let title = format!("Answers of {}", operation["operationId"].as_str().unwrap_or_default());
    html! {
        @if let Some(answers) = operation["responses"].as_object() {
            p.label { "Answers" }
            div.scroll tabindex="0" role="region" aria-label=(title) {
                table {
                    thead { tr { th scope="col" { "Status" } th scope="col" { "When" } } }
                    tbody { @for (status, answer) in answers { tr {
                        td { code { (if status == "default" { "else" } else { status }) } }
                        td.wordy { (prose(document.resolve(answer)["description"].as_str().unwrap_or_default())) }
                    } } }
                }
            }
        }
    }
}

/// What holds for every source.
fn general(viewer: &Viewer<'_>, document: Document<'_>, any: Option<&str>) -> Markup {
    let up = viewer.up;
    let read = any.map(|name| document.operation(&format!("/api/{name}"), "get"));
    let words = ["limit", "fields", "max_age", "wait", "as_of"];
    let common: Vec<&Value> = read
        .and_then(|read| read["parameters"].as_array())
        .into_iter()
        .flatten()
        .map(|one| document.resolve(one))
        .filter(|one| one["name"].as_str().is_some_and(|name| words.contains(&name)))
        .collect();
    let body = any.map(|name| document.schema(name));
    let members = |of: Option<&'_ Value>| -> Vec<(String, String)> {
        let members = of.and_then(|of| of.as_object()).into_iter().flatten();
        members.map(|(name, one)| (name.clone(), document.resolve(one)["description"].as_str().unwrap_or_default().to_owned())).collect()
    };
    html! {
        section #query aria-labelledby="query-title" {
            h2 #query-title { "Query" }
            p { "What every read takes beside the parameters of its source. Any other name is a 400 that says which there are." }
            (pairs("Query words", "Name", &common.iter().map(|one| {
                (one["name"].as_str().unwrap_or_default().to_owned(), one["description"].as_str().unwrap_or_default().to_owned())
            }).collect::<Vec<_>>()))
        }
        section #body aria-labelledby="body-title" {
            h2 #body-title { "Body" }
            p { "A read answers at once with what is stored, fresh or not, and says which. What is stale is refreshed behind the answer." }
            (pairs("Members of the body", "Member", &members(body.map(|body| &body["properties"]))))
        }
        section #headers aria-labelledby="headers-title" {
            h2 #headers-title { "Headers" }
            (pairs("Headers of answers", "Header", &members(Some(&document.0["components"]["headers"]))))
        }
        section #errors aria-labelledby="errors-title" {
            h2 #errors-title { "Errors" }
            p { "Always " code { "application/problem+json" } " (RFC 9457), with a sentence in " code { "detail" } " that says the way out." }
            (pairs("Answers that are errors", "Answer", &members(Some(&document.0["components"]["responses"]))))
            (pairs("Members of a problem", "Member", &members(Some(&document.schema("Problem")["properties"]))))
        }
        section #live aria-labelledby="live-title" {
            h2 #live-title { "Live updates" }
            p { code { "GET /api/stream" } " tells of changes as server-sent events, over one connection: " code { "snapshot" }
                " when a source has a new revision, " code { "status" } " when its phase, its last check or what is wrong has changed. "
                code { "?source=a,b" } " names sources or keys. "
                a href={ (up) "wellspring.js" } { "wellspring.js" } " follows it for a page; the " a href={ (up) "demo" } { "demo" } " shows how." }
        }
        section #server aria-labelledby="server-title" {
            h2 #server-title { "Server" }
            @for path in ["/api", "/health", "/ready", "/openapi.json"] { (route(viewer, document, "get", path, true)) }
        }
    }
}

fn pairs(title: &str, first: &str, pairs: &[(String, String)]) -> Markup {
    html! {
        @if !pairs.is_empty() {
            div.scroll tabindex="0" role="region" aria-label=(title) {
                table {
                    thead { tr { th scope="col" { (first) } th scope="col" { "Says" } } }
                    tbody { @for (name, words) in pairs { tr { td { code { (name) } } td.wordy { (prose(words)) } } } }
                }
            }
        }
    }
}
