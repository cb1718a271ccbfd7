//! The type of an entity, as `items` asks for it and as pages write it.

use serde_json::Value;
use wellspring_core::source::At;

use crate::error::RuleError;

/// A type that is asked for.
#[derive(Debug)]
pub(super) struct Kind(String);

impl Kind {
    pub(super) fn compile(at: &At<String>) -> Result<Self, RuleError> {
        let written = at.value.trim();
        let wanted = short(written);
        if wanted.is_empty() || wanted.contains(|c: char| c.is_whitespace() || matches!(c, '$' | '[' | ']' | '*' | '"' | '<')) {
            return Err(RuleError::at(at, format!("`{written}` is no type"))
                .help("`items` is the type of the entities, as in `items = \"Recipe\"`"));
        }
        Ok(Self(wanted.to_owned()))
    }

    /// Adds the entities of this type, not looking into one for another.
    pub(super) fn search<'v>(&self, value: &'v Value, found: &mut Vec<&'v Value>) {
        match value {
            Value::Array(list) => list.iter().for_each(|value| self.search(value, found)),
            Value::Object(members) if members.get("@type").is_some_and(|written| self.is(written)) => found.push(value),
            Value::Object(members) => members.values().for_each(|value| self.search(value, found)),
            _ => {}
        }
    }

    fn is(&self, written: &Value) -> bool {
        match written {
            Value::String(written) => {
                let written = written.trim();
                short(written).eq_ignore_ascii_case(&self.0) || (!self.0.contains("://") && last(written).eq_ignore_ascii_case(&self.0))
            }
            Value::Array(list) => list.iter().any(|written| self.is(written)),
            _ => false,
        }
    }
}

/// The name alone of what schema.org defines; others as they are.
pub(super) fn short(written: &str) -> &str {
    let address = written.strip_prefix("https://").or_else(|| written.strip_prefix("http://"));
    let named =
        address.map(|address| address.strip_prefix("www.").unwrap_or(address)).and_then(|address| address.strip_prefix("schema.org/"));
    let named = named.or_else(|| written.strip_prefix("schema:"));
    named.map_or(written, |name| name.trim_start_matches('/').trim_end_matches('/'))
}

/// The last part of an address or of a name with a prefix.
fn last(written: &str) -> &str {
    written.trim_end_matches('/').rsplit(['/', '#', ':']).next().unwrap_or(written)
}
