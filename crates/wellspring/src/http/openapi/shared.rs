//! What the routes of all sources share: headers, errors, and bodies that tell of the server.

use serde_json::Value;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, ObjectBuilder, RefOr, ResponseBuilder, Schema, Type};

use super::parts::{
    Is, count, count_or_null, header, json, list, moment, moment_or_null, object, one, or_null, schema_ref, sends, text, with, word,
};

const PROBLEM_JSON: &str = "application/problem+json";

/// Everything that routes refer to.
pub(super) fn components(components: ComponentsBuilder, has_token: bool) -> ComponentsBuilder {
    let mut components = schemas(responses(headers(components)));
    if has_token {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some("The configured `admin_token`.".to_owned());
        components = components.security_scheme("admin", SecurityScheme::Http(bearer));
    }
    components
}

fn headers(components: ComponentsBuilder) -> ComponentsBuilder {
    let text = || one(Type::String);
    let seconds = |least: usize| one(Type::Integer).minimum(Some(least));
    [
        ("ETag", header("Of these very bytes, for `If-None-Match`.", text().pattern(Some("^(W/)?\"[^\"]*\"$")))),
        ("Last-Modified", header("The last successful refresh.", text())),
        ("Cache-Control", header("What a client may do with the answer.", text())),
        ("Cache-Status", header("RFC 9211. `ttl` is negative once the data are stale.", text().pattern(Some("^wellspring(;|$)")))),
        ("Vary", header("What else of a request decided on the answer.", text())),
        ("Age", header("How many seconds of `max-age` are spent.", seconds(0))),
        ("Retry-After", header("In how many seconds to ask again.", seconds(1))),
        ("WWW-Authenticate", header("What is asked for.", text())),
    ]
    .into_iter()
    .fold(components, |components, (name, header)| components.header(name, header))
}

fn responses(components: ComponentsBuilder) -> ComponentsBuilder {
    let problem = |description: &str| json(description, PROBLEM_JSON, schema_ref("Problem"));
    let known = ResponseBuilder::new().description("What `If-None-Match` names is what would be answered.");
    [
        ("NotModified", sends(known, &["ETag", "Last-Modified", "Cache-Control", "Cache-Status", "Vary", "Age"])),
        ("BadRequest", sends(problem("Something of the query is not taken; `parameter` names it."), &["Cache-Control"])),
        ("Unauthorized", sends(problem("No bearer token, or another one."), &["Cache-Control", "WWW-Authenticate"])),
        ("Forbidden", sends(problem("Without a token: not from here."), &["Cache-Control"])),
        ("NotFound", sends(problem("There were no data at that moment, or they cannot be written in this format."), &["Cache-Control"])),
        ("Unavailable", sends(problem("There are no data yet, or the server starts or ends."), &["Cache-Control", "Retry-After"])),
        ("Problem", sends(problem("Whatever else is wrong."), &["Cache-Control"])),
    ]
    .into_iter()
    .fold(components, |components, (name, response)| components.response(name, response))
}

fn schemas(components: ComponentsBuilder) -> ComponentsBuilder {
    components
        .schema("Problem", problem())
        .schema("Status", status())
        .schema("Index", index())
        .schema("Readiness", readiness())
        .schema("History", history())
}

fn problem() -> ObjectBuilder {
    let kind = one(Type::String).pattern(Some("^urn:wellspring:problem:[a-z_]+$")).description(Some("Its last part is a stable word."));
    let status = one(Type::Integer).minimum(Some(400_usize)).maximum(Some(599_usize)).description(Some("The HTTP status."));
    object([
        ("type", Is::Always, kind.into()),
        ("title", Is::Always, text("The status, in words.")),
        ("status", Is::Always, status.into()),
        ("detail", Is::Always, text("What is wrong, for people.")),
        ("parameter", Is::Sometimes, text("The parameter that is not taken.")),
        ("known_sources", Is::Sometimes, list(one(Type::String), "The sources that there are.")),
    ])
    .description(Some("RFC 9457 problem details."))
}

fn status() -> ObjectBuilder {
    let seconds = |description: &str| RefOr::<Schema>::from(or_null(Type::Number).description(Some(description)));
    let one_or_null = |description: &str| or_null(Type::Integer).minimum(Some(1_usize)).description(Some(description));
    object([
        ("source", Is::Always, text("The source.")),
        ("key", Is::Always, text("The source and its parameters.")),
        ("freshness", Is::Always, freshness()),
        ("phase", Is::Always, text("Where its refresh stands: `idle`, `queued`, `collecting`, `storing`, `backing_off` or `disabled`.")),
        ("revision", Is::Always, count_or_null("The revision that is served.")),
        ("items", Is::Always, count_or_null("How many items it has.")),
        ("refreshed_by", Is::Sometimes, text("Which replica did the last successful refresh, where several share a store.")),
        ("alternative", Is::Always, one_or_null("Which alternative of the source gave it, from 1.").into()),
        ("rung", Is::Always, rung(true)),
        ("made_at", Is::Always, moment_or_null("When its items were first seen.")),
        ("checked_at", Is::Always, moment_or_null("The last successful refresh.")),
        ("age_seconds", Is::Always, seconds("How long ago that was.")),
        ("fresh_for_seconds", Is::Always, seconds("When it turns stale; negative once it has.")),
        ("failures", Is::Always, count("Failures since the last success.")),
        ("last_error", Is::Always, last_error()),
        ("next_attempt", Is::Always, moment_or_null("When the next attempt is due, where a timer waits for it.")),
        ("robots", Is::Always, word(&["honoured", "ignored"], "What is made of the host's robots.txt.")),
        ("recent", Is::Always, list(attempt(), "The last attempts, newest first.")),
    ])
    .description(Some("The state of one key."))
}

fn freshness() -> RefOr<Schema> {
    word(&["fresh", "stale", "expired", "absent"], "What the stored data are now.")
}

fn rung(nullable: bool) -> RefOr<Schema> {
    let words = ["http", "browser"].map(Value::from).into_iter().chain(nullable.then_some(Value::Null));
    let rung = if nullable { or_null(Type::String) } else { one(Type::String) };
    rung.enum_values(Some(words)).description(Some("By what means a page was obtained.")).into()
}

fn last_error() -> RefOr<Schema> {
    let error = object([
        ("at", Is::Always, moment_or_null("When.")),
        ("code", Is::Always, text("A stable word.")),
        ("message", Is::Always, text("In words.")),
    ]);
    error.schema_type(utoipa::openapi::schema::SchemaType::from_iter([Type::Object, Type::Null])).into()
}

fn attempt() -> ObjectBuilder {
    let gate = object([
        ("name", Is::Always, text("Which gate.")),
        ("passed", Is::Always, one(Type::Boolean).into()),
        ("message", Is::Always, text("What was seen against what was expected.")),
    ]);
    object([
        ("at", Is::Always, moment("When its collection started.").into()),
        ("trigger", Is::Always, text("Why it ran.")),
        ("outcome", Is::Always, text("`stored`, `confirmed`, `cancelled` or a failure's code.")),
        ("message", Is::Sometimes, text("What went wrong, in words; of a result that is in memory alone, why it is not durable yet.")),
        ("took_ms", Is::Always, count("How long it took, in milliseconds.")),
        ("rung", Is::Sometimes, rung(false)),
        ("items", Is::Sometimes, count("How many items it found.")),
        ("gates", Is::Sometimes, list(gate, "What its gates said.")),
        ("cut", Is::Sometimes, list(one(Type::String), "What was left out, a sentence each.")),
    ])
}

fn index() -> ObjectBuilder {
    let links = object([
        ("data", Is::Always, text("The data.")),
        ("status", Is::Always, text("The state of its key.")),
        ("history", Is::Always, text("Its past revisions.")),
        ("refresh", Is::Sometimes, text("The forced refresh (POST), where it is allowed.")),
    ]);
    let source = object([
        ("name", Is::Always, text("Its name.")),
        ("description", Is::Always, or_null(Type::String).description(Some("What it is.")).into()),
        ("freshness", Is::Always, freshness()),
        ("phase", Is::Always, text("Where its refresh stands.")),
        ("items", Is::Always, count_or_null("How many items it serves.")),
        ("age_seconds", Is::Always, or_null(Type::Number).description(Some("How old they are.")).into()),
        ("error", Is::Sometimes, text("Why its last refresh failed.")),
        ("parameters", Is::Sometimes, list(one(Type::String), "The parameters it takes.")),
        ("links", Is::Always, links.into()),
    ]);
    object([
        ("name", Is::Always, text("`wellspring`.")),
        ("version", Is::Always, text("Which version of it.")),
        ("sources", Is::Always, list(source, "The sources, in the order in which they are configured.")),
    ])
}

fn readiness() -> ObjectBuilder {
    let status = word(&["ok", "degraded"], "Whether all is as it should be.");
    let object = object([("status", Is::Always, status)]);
    let object = with(object, "reasons", Is::Sometimes, list(one(Type::String), "What is not."));
    let object = with(object, "replica", Is::Sometimes, text("What this server is called among those that share its store."));
    let object = with(object, "replicas", Is::Sometimes, list(one(Type::String), "Those that are there, this one among them."));
    let object = with(object, "alone_since", Is::Sometimes, moment("Since when the shared store is out of reach.").into());
    with(object, "keys_waiting", Is::Sometimes, count("Keys that were refreshed alone and wait to be told to it."))
}

fn history() -> ObjectBuilder {
    let revision = object([
        ("revision", Is::Always, count("Its number.")),
        ("made_at", Is::Always, moment("When its items were first seen.").into()),
        ("items", Is::Always, count("How many items it has.")),
        ("bytes", Is::Always, count("How many bytes they take.")),
        ("digest", Is::Always, text("Of the items.")),
        ("href", Is::Always, text("Where it is.")),
    ]);
    object([
        ("source", Is::Always, text("The source.")),
        ("key", Is::Always, text("The source and its parameters.")),
        ("revisions", Is::Always, list(revision, "Newest first.")),
    ])
}
