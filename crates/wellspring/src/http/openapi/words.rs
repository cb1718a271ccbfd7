//! What a read may ask: the source's own parameters and the words that every read takes.

use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterStyle};
use utoipa::openapi::{ArrayBuilder, KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use wellspring_core::source::{Param, SourceSpec, Takes};

use super::items::Items;
use super::parts::{among, in_query, moment, one};
use crate::http::query::BLANKS;

/// How periods are written: whole numbers with `ms s m h d w`, larger units first, or 0. So few digits that all of them together
/// are less than the hundred years that a period may have.
const PERIOD: &str = "^(0|(?=.)([0-4]?\\d{1,3}w)?(\\d{1,3}d)?(\\d{1,4}h)?(\\d{1,4}m)?(\\d{1,6}s)?(\\d{1,9}ms)?)$";
/// The same, a minute at most.
const WAIT: &str = "^(0|([1-5]?\\d|60)s|[1-5]?\\d{1,4}ms|60000ms|1m)$";
/// A name of a field where they are not known: blanks around it are not part of it.
const NAME: &str = "^[^, \\t]([^,]*[^, \\t])?$";
/// The longest value that a parameter takes, in bytes.
const LONGEST_VALUE: usize = 256;
/// The most names that `fields` takes.
const MOST_FIELDS: usize = 64;
/// The most that `limit` takes.
const HIGHEST_LIMIT: usize = 1_000_000;

/// The parameters that a source declares.
pub(super) fn declared(spec: &SourceSpec) -> Vec<Parameter> {
    spec.params.iter().map(|param| in_query(&param.name, &sentence(param), param.default.is_none(), schema(param))).collect()
}

fn sentence(param: &Param) -> String {
    match &param.default {
        Some(default) => format!("Takes {}. `{default}` where it is not given.", param.takes.words()),
        None => format!("Takes {}. Needed.", param.takes.words()),
    }
}

fn schema(param: &Param) -> ObjectBuilder {
    let default = param.default.as_ref().map(|text| Value::from(text.as_str()));
    let schema = match &param.takes {
        Takes::Values(values) => among(values),
        // Its own anchors are part of it: a pattern of a schema is searched for.
        Takes::Pattern(pattern) => one(Type::String).pattern(Some(pattern.as_str())).max_length(Some(LONGEST_VALUE)),
        Takes::Integer { min, max } => {
            let number = one(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
            let bound = |bound: &i64, none: i64| (*bound != none).then(|| isize::try_from(*bound).ok()).flatten();
            let number = number.minimum(bound(min, i64::MIN)).maximum(bound(max, i64::MAX));
            return number.default(param.default.as_ref().and_then(|text| text.parse::<i64>().ok()).map(Value::from));
        }
        // Text, as a query is: a boolean of JSON has only two of its spellings.
        Takes::Boolean => among(["true", "false", "1", "0", "yes", "no", "on", "off"]),
        Takes::Date => one(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))),
    };
    schema.default(default)
}

/// The words that choose among what is stored: `limit` and `fields`.
pub(super) fn choosing(items: &Items) -> Vec<Parameter> {
    let limit = one(Type::Integer).minimum(Some(0_usize)).maximum(Some(HIGHEST_LIMIT));
    vec![in_query("limit", "At most so many items, the first ones.", false, limit), fields(items)]
}

fn fields(items: &Items) -> Parameter {
    // Others cannot be told from the list's commas and blanks.
    let names: Vec<_> =
        items.names().into_iter().filter(|name| !name.is_empty() && name.trim_matches(BLANKS) == *name && !name.contains(',')).collect();
    let most = (names.is_empty() || names.len() > MOST_FIELDS).then_some(MOST_FIELDS);
    let name = if names.is_empty() { one(Type::String).pattern(Some(NAME)) } else { among(names) };
    let list = ArrayBuilder::new().items(RefOr::from(name)).min_items(Some(1)).max_items(most).build();
    let list = RefOr::T(Schema::Array(list));
    let parameter = in_query("fields", "Only these fields of each item, in this order, each once; separated by commas.", false, list);
    ParameterBuilder::from(parameter).style(Some(ParameterStyle::Form)).explode(Some(false)).build()
}

/// The words that choose when: `max_age` with `wait`, and `as_of`.
pub(super) fn choosing_when() -> Vec<Parameter> {
    let age = "How old the data may be, as in `10m` or `1h30m`: what is older is refreshed, and waited for as long as `wait` says.";
    let wait = "How long to wait for data younger than `max_age`, as in `2s`; a minute at most. What is stored is the answer after that.";
    let as_of = "The data as they were at this moment, from the source's history. A moment that has passed; goes with neither `max_age` \
                 nor `wait`, for what is past gets no newer.";
    vec![
        in_query("max_age", age, false, one(Type::String).pattern(Some(PERIOD))),
        in_query("wait", wait, false, one(Type::String).pattern(Some(WAIT))),
        in_query("as_of", as_of, false, moment("RFC 3339, with an offset or `Z`.")),
    ]
}

/// `wait` of a forced refresh, which has a deadline of its own.
pub(super) fn patience() -> Parameter {
    let wait = "How long to wait for it, as in `2s`; `0` not at all. At most until its deadline.";
    in_query("wait", wait, false, one(Type::String).pattern(Some(PERIOD)))
}
