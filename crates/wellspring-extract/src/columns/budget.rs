//! How much items may hold, counted while they are built: rows can lie within each other, so that a small body has large items.

use serde_json::Value;

use crate::error::ExtractError;

/// How much items may hold, in bytes.
pub(crate) const MAX_HELD: usize = 64 * 1024 * 1024;

/// How much may be looked at for each byte that may be held: a text that a pattern refuses costs time and no memory.
const LOOKED_AT_FOR_HELD: usize = 16;

/// What items may still hold.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(MAX_HELD)
    }
}

impl Budget {
    /// Lets a value through while there is room for it.
    pub(crate) fn spend(&mut self, value: Value) -> Result<Value, ExtractError> {
        self.hold(weight(&value))?;
        Ok(value)
    }

    /// Takes room for so many bytes.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), ExtractError> {
        self.0 = self.0.checked_sub(bytes).ok_or(ExtractError::TooMuch { limit: MAX_HELD >> 20 })?;
        Ok(())
    }

    /// Takes what it costs to look at a value that may not be kept.
    pub(super) fn look_at(&mut self, value: &Value) -> Result<(), ExtractError> {
        self.hold(weight(value) / LOOKED_AT_FOR_HELD)
    }
}

/// About how many bytes a value holds. Values nest no deeper than the parsers let bodies nest.
pub(crate) fn weight(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(list) => list.iter().map(weight).sum(),
            Value::Object(members) => members.iter().map(|(name, value)| name.len() + weight(value)).sum(),
            _ => 0,
        }
}
