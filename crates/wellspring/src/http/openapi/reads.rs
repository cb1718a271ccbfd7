//! The routes of one source.

use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ComponentsBuilder, Content, ObjectBuilder, Paths, Ref, ResponseBuilder, Tag, Type};
use wellspring_core::source::SourceSpec;

use super::items::Items;
use super::parts::{Is, json, list, object, one, schema_ref, sends, text, with};
use super::words;
use crate::http::formats::Format;

/// What a body of a source is called among the schemas.
fn body_of(spec: &SourceSpec) -> String {
    spec.name.to_string()
}

/// What an item of a source is called among the schemas.
fn item_of(spec: &SourceSpec) -> String {
    format!("{}.item", spec.name)
}

/// What the answer to a refresh that still runs is called among the schemas.
fn running_of(spec: &SourceSpec) -> String {
    format!("{}.running", spec.name)
}

/// The group of a source's routes.
pub(super) fn tag(spec: &SourceSpec) -> Tag {
    TagBuilder::new().name(spec.name.as_str()).description(spec.description.clone()).build()
}

/// The schemas of a source.
pub(super) fn components(components: ComponentsBuilder, spec: &SourceSpec, items: &Items) -> ComponentsBuilder {
    let components = components.schema(body_of(spec), body(spec)).schema(item_of(spec), items.schema());
    if spec.manual_refresh { components.schema(running_of(spec), running(spec)) } else { components }
}

/// What a refresh that still runs answers: the stored data, or an empty list where there are none.
fn running(spec: &SourceSpec) -> ObjectBuilder {
    object([
        (&*spec.items_key, Is::Always, list(schema_ref(&item_of(spec)), "The items so far.")),
        ("refreshing_in_background", Is::Always, one(Type::Boolean).into()),
    ])
}

/// The members of the contract, in the order in which they are written.
fn body(spec: &SourceSpec) -> ObjectBuilder {
    let flag = |description: &str| one(Type::Boolean).description(Some(description));
    let mut body = object([
        (&*spec.items_key, Is::Always, list(schema_ref(&item_of(spec)), "The items.")),
        ("from_cache", Is::Always, flag("False only on the answer that itself waited for the refresh.").into()),
        ("cache_valid", Is::Always, flag("Whether the data are fresh.").into()),
        (
            "cache_date",
            Is::Always,
            one(Type::String)
                .pattern(Some("^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d$"))
                .description(Some("The last successful refresh, in the server's time zone."))
                .into(),
        ),
        ("fetched_at", Is::Always, super::parts::moment("The same moment with its offset.").into()),
    ]);
    if spec.report_age {
        let hours = one(Type::Number)
            .minimum(Some(0_usize))
            .description(Some("How long ago that was, in hours, to two decimals; not on an answer from the past."));
        // What is past has no age that its source could be judged by.
        body = with(body, "cache_age_hours", Is::Sometimes, hours.into());
    }
    let degraded = object([("code", Is::Always, text("A stable word.")), ("message", Is::Always, text("In words."))]);
    let revision = one(Type::Integer).minimum(Some(0_usize)).description(Some("Which revision it is, on an answer from the past."));
    let as_of = super::parts::moment("The moment that was asked for, on an answer from the past.");
    let sometimes = [
        ("force_refreshed", flag("True on the answer to a forced refresh that succeeded.")),
        ("expired", flag("True where the data are older than the source's `max_stale`.")),
        ("degraded", degraded.description(Some("Why the last refresh failed or was refused; the last good data are served."))),
        ("revision", revision),
        ("as_of", as_of),
    ];
    let refreshing = flag("Whether a refresh of these data runs now.");
    let body = with(body, "refreshing_in_background", Is::Always, refreshing.into());
    sometimes.into_iter().fold(body, |body, (name, schema)| with(body, name, Is::Sometimes, schema.into()))
}

/// Adds the routes of a source.
pub(super) fn paths(paths: &mut Paths, spec: &SourceSpec, items: &Items, has_token: bool) {
    let name = &spec.name;
    let mut add = |path: String, item: PathItem| drop(paths.paths.insert(path, item));
    add(format!("/api/{name}"), PathItem::new(HttpMethod::Get, read(spec, items)));
    for (extension, format) in Format::ALL {
        add(format!("/api/{name}.{extension}"), PathItem::new(HttpMethod::Get, read_as(spec, items, extension, format)));
    }
    add(format!("/api/{name}/status"), PathItem::new(HttpMethod::Get, status(spec)));
    add(format!("/api/{name}/history"), PathItem::new(HttpMethod::Get, history(spec)));
    if spec.manual_refresh {
        add(format!("/api/{name}/refresh"), PathItem::new(HttpMethod::Post, refresh(spec, has_token)));
    }
}

/// An operation on a source, with the errors that each has.
fn operation(spec: &SourceSpec, id: String, summary: &str, parameters: Vec<Parameter>) -> OperationBuilder {
    let operation = OperationBuilder::new().tag(spec.name.as_str()).operation_id(Some(id)).summary(Some(summary));
    let operation = parameters.into_iter().fold(operation, OperationBuilder::parameter);
    operation
        .response("400", Ref::from_response_name("BadRequest"))
        .response("503", Ref::from_response_name("Unavailable"))
        .response("default", Ref::from_response_name("Problem"))
}

/// What a read answers beside the data.
fn read_responses(operation: OperationBuilder) -> OperationBuilder {
    // 404: there were no data at the moment that was asked for, or they cannot be written so.
    operation.response("304", Ref::from_response_name("NotModified")).response("404", Ref::from_response_name("NotFound"))
}

/// What of a query a read takes.
fn asked(spec: &SourceSpec, items: &Items) -> Vec<Parameter> {
    let mut parameters = words::declared(spec);
    parameters.extend(words::choosing(items));
    parameters.extend(words::choosing_when());
    parameters
}

/// The headers of data.
const OF_DATA: [&str; 6] = ["ETag", "Last-Modified", "Cache-Control", "Cache-Status", "Vary", "Age"];

fn read(spec: &SourceSpec, items: &Items) -> OperationBuilder {
    let summary = format!("The data of `{}`, at once", spec.name);
    let found = json("The stored data, fresh or not.", "application/json", schema_ref(&body_of(spec)));
    let operation = operation(spec, format!("read_{}", spec.name), &summary, asked(spec, items));
    let operation = operation.description(spec.description.as_deref()).response("200", sends(found, &OF_DATA));
    read_responses(operation)
}

fn read_as(spec: &SourceSpec, items: &Items, extension: &str, format: Format) -> OperationBuilder {
    let summary = format!("The items of `{}` as {extension}", spec.name);
    let media_type = format.media_type();
    // Whoever looks an answer's type up does so without its parameters.
    let media_type = media_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let found = if format == Format::Json {
        json("The stored data, fresh or not.", media_type, schema_ref(&body_of(spec)))
    } else {
        ResponseBuilder::new().description("The stored items, fresh or not.").content(media_type, Content::default())
    };
    let operation = operation(spec, format!("read_{}_as_{extension}", spec.name), &summary, asked(spec, items));
    read_responses(operation.response("200", sends(found, &OF_DATA)))
}

fn status(spec: &SourceSpec) -> OperationBuilder {
    let summary = format!("How `{}` is: revision, age, refreshes and what went wrong", spec.name);
    let found = json("The state of the key. Asking causes nothing.", "application/json", schema_ref("Status"));
    let operation = operation(spec, format!("status_of_{}", spec.name), &summary, words::declared(spec));
    operation.response("200", sends(found, &["Cache-Control"]))
}

fn history(spec: &SourceSpec) -> OperationBuilder {
    let summary = format!("The revisions of `{}`, newest first", spec.name);
    let found = json("What is kept of its past.", "application/json", schema_ref("History"));
    let operation = operation(spec, format!("history_of_{}", spec.name), &summary, words::declared(spec));
    let operation = operation.response("200", sends(found, &["ETag", "Last-Modified", "Cache-Control", "Vary"]));
    operation.response("304", Ref::from_response_name("NotModified"))
}

fn refresh(spec: &SourceSpec, has_token: bool) -> OperationBuilder {
    let summary = format!("Refresh `{}` now", spec.name);
    let mut parameters = words::declared(spec);
    parameters.push(words::patience());
    let done = json(
        "The data after it. Where it failed or came too soon, those before, with `degraded`.",
        "application/json",
        schema_ref(&body_of(spec)),
    );
    let running = json("It still runs: the data so far.", "application/json", schema_ref(&running_of(spec)));
    let operation = operation(spec, format!("refresh_{}", spec.name), &summary, parameters)
        .response("200", sends(done, &OF_DATA))
        .response("202", sends(running, &["Cache-Control", "Retry-After"]))
        .response("403", Ref::from_response_name("Forbidden"));
    if has_token {
        operation.response("401", Ref::from_response_name("Unauthorized")).security(SecurityRequirement::new("admin", [""; 0]))
    } else {
        operation
    }
}
