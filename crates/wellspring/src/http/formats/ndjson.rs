//! NDJSON: an item a line, for pipes.

use bytes::Bytes;
use serde_json::value::RawValue;

/// The items, a line each, as they are encoded.
pub(super) fn write(items: &[u8]) -> Bytes {
    // Our own encoding: an array without line breaks.
    let rows: Vec<&RawValue> = serde_json::from_slice(items).unwrap_or_default();
    let mut lines = Vec::with_capacity(items.len());
    for row in rows {
        lines.extend_from_slice(row.get().as_bytes());
        lines.push(b'\n');
    }
    lines.into()
}
