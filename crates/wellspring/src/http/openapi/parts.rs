//! Small pieces that every part of the document is put together from.

use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{
    Array, ArrayBuilder, Content, Header, HeaderBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder,
    Schema, SchemaFormat, Type, schema::SchemaType,
};

/// A reference to a shared schema.
pub(super) fn schema_ref(name: &str) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(name))
}

/// A value of one type.
pub(super) fn one(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(kind))
}

/// A value of one type, or null.
pub(super) fn or_null(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]))
}

/// A text.
pub(super) fn text(description: &str) -> RefOr<Schema> {
    one(Type::String).description(Some(description)).into()
}

/// One of these texts.
pub(super) fn among(texts: impl IntoIterator<Item = impl Into<String>>) -> ObjectBuilder {
    one(Type::String).enum_values(Some(texts.into_iter().map(|text| Value::from(text.into()))))
}

/// One of these words.
pub(super) fn word(words: &[&str], description: &str) -> RefOr<Schema> {
    among(words.iter().copied()).description(Some(description)).into()
}

/// A moment.
pub(super) fn moment(description: &str) -> ObjectBuilder {
    one(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).description(Some(description))
}

/// A moment, or null.
pub(super) fn moment_or_null(description: &str) -> RefOr<Schema> {
    let moment = or_null(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    moment.description(Some(description)).into()
}

/// A whole number from 0.
pub(super) fn count(description: &str) -> RefOr<Schema> {
    one(Type::Integer).minimum(Some(0_usize)).description(Some(description)).into()
}

/// A whole number from 0, or null.
pub(super) fn count_or_null(description: &str) -> RefOr<Schema> {
    or_null(Type::Integer).minimum(Some(0_usize)).description(Some(description)).into()
}

/// A list.
pub(super) fn list(of: impl Into<RefOr<Schema>>, description: &str) -> RefOr<Schema> {
    RefOr::T(Schema::Array(ArrayBuilder::from(Array::new(of)).description(Some(description)).build()))
}

/// Whether a member is always there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    Always,
    Sometimes,
}

/// An object of these members.
pub(super) fn object<const N: usize>(members: [(&str, Is, RefOr<Schema>); N]) -> ObjectBuilder {
    members.into_iter().fold(one(Type::Object), |object, (name, is, schema)| with(object, name, is, schema))
}

/// The object with one member more.
pub(super) fn with(object: ObjectBuilder, name: &str, is: Is, schema: RefOr<Schema>) -> ObjectBuilder {
    let object = object.property(name, schema);
    if is == Is::Always { object.required(name) } else { object }
}

/// A parameter of the query.
pub(super) fn in_query(name: &str, description: &str, required: bool, schema: impl Into<RefOr<Schema>>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(if required { Required::True } else { Required::False })
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// A header of an answer.
pub(super) fn header(description: &str, schema: ObjectBuilder) -> Header {
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

/// An answer whose body is JSON.
pub(super) fn json(description: &str, media_type: &str, schema: RefOr<Schema>) -> ResponseBuilder {
    ResponseBuilder::new().description(description).content(media_type, Content::new(Some(schema)))
}

/// The answer with these of the shared headers.
pub(super) fn sends(response: ResponseBuilder, headers: &[&str]) -> Response {
    let named = |name: &str| Ref::new(format!("#/components/headers/{name}"));
    headers.iter().fold(response, |response, name| response.header_ref(*name, named(name))).build()
}
