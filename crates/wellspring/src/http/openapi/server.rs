//! The routes that are no source's.

use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Paths, Ref, RefOr, Schema, Tag, Type};

use super::parts::{Is, json, object, one, schema_ref, sends, word};

const TAG: &str = "server";

/// Their group. A source's name is another word: a tag may be both.
pub(super) fn tag() -> Tag {
    TagBuilder::new().name(TAG).description(Some("The server itself")).build()
}

/// Adds them.
pub(super) fn paths(paths: &mut Paths, has_token: bool) {
    let alive = || RefOr::<Schema>::from(object([("status", Is::Always, word(&["ok"], "It answers."))]));
    let document = || RefOr::<Schema>::from(one(Type::Object).required("openapi"));
    let index = || schema_ref("Index");
    let unavailable: &[&str] = &["503"];
    for (path, id, summary, schema, errors) in [
        ("/", "root", "The same as /api", index(), unavailable),
        ("/api", "index", "Every source with its state and links", index(), unavailable),
        ("/health", "health", "Whether the server answers at all", alive(), &[]),
        ("/ready", "ready", "Whether it serves, and what is wrong; one dead source is no 503", schema_ref("Readiness"), unavailable),
        ("/openapi.json", "openapi", "This document", document(), unavailable),
    ] {
        let is_document = path == "/openapi.json";
        let headers: &[&str] = if is_document { &["ETag", "Cache-Control", "Vary"] } else { &["Cache-Control"] };
        let found = sends(json(summary, "application/json", schema), headers);
        let operation = OperationBuilder::new().tag(TAG).operation_id(Some(id)).summary(Some(summary)).response("200", found);
        let operation =
            errors.iter().fold(operation, |operation, status| operation.response(*status, Ref::from_response_name("Unavailable")));
        let operation = if is_document { operation.response("304", Ref::from_response_name("NotModified")) } else { operation };
        let operation = operation.response("default", Ref::from_response_name("Problem"));
        paths.paths.insert(path.to_owned(), PathItem::new(HttpMethod::Get, operation));
    }
    let summary = "What it counts, for Prometheus; OpenMetrics where that is asked for";
    let told = sends(json(summary, "text/plain", RefOr::<Schema>::from(one(Type::String))), &["Cache-Control", "Vary"]);
    let operation = OperationBuilder::new().tag(TAG).operation_id(Some("metrics")).summary(Some(summary)).response("200", told);
    let operation = operation.response("default", Ref::from_response_name("Problem"));
    paths.paths.insert("/metrics".to_owned(), PathItem::new(HttpMethod::Get, operation));
    paths.paths.insert("/admin/export".to_owned(), PathItem::new(HttpMethod::Get, export(has_token)));
}

fn export(has_token: bool) -> Operation {
    let summary =
        "Everything that is stored, as an archive that `wellspring import` takes: lines of JSON, the last of them says that all is there";
    let told = sends(json(summary, "application/x-ndjson", RefOr::<Schema>::from(one(Type::String))), &["Cache-Control"]);
    let named = RefOr::<Schema>::from(one(Type::String));
    let source = ParameterBuilder::new()
        .name("source")
        .parameter_in(ParameterIn::Query)
        .description(Some("Only these sources: names with commas between them."))
        .schema(Some(named));
    let mut operation = OperationBuilder::new()
        .tag(TAG)
        .operation_id(Some("export"))
        .summary(Some("Everything that is stored, as an archive"))
        .parameter(source)
        .response("200", told)
        .response("400", Ref::from_response_name("BadRequest"))
        .response("403", Ref::from_response_name("Forbidden"))
        .response("404", Ref::from_response_name("NotFound"))
        .response("503", Ref::from_response_name("Unavailable"))
        .response("default", Ref::from_response_name("Problem"));
    if has_token {
        operation = operation.response("401", Ref::from_response_name("Unauthorized")).security(SecurityRequirement::new("admin", [""; 0]));
    }
    operation.build()
}
