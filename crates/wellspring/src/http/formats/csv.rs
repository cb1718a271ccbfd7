//! CSV (RFC 4180): a line of names, then an item a line, for spreadsheets and for pipes.
//!
//! Scraped text is hostile to whoever opens it in a spreadsheet, which runs what begins like a formula. Such text gets an apostrophe in
//! front, as spreadsheets themselves write what is text; numbers, and texts that are nothing but a number, stay as they are. Who wants
//! every byte reads JSON.

use ::csv::{Terminator, WriterBuilder};
use bytes::Bytes;
use serde_json::Value;
use wellspring_core::source::SourceSpec;

use super::rows::{Row, names};
use super::{About, Room, Unwritable};

/// How many cells a table has at most: items that have each a field of their own would make one of nothing but commas.
const MOST_CELLS: usize = 10_000_000;

pub(super) fn write(about: &About<'_>, rows: &[Row], room: &Room<'_>) -> Result<Bytes, Unwritable> {
    let columns = columns(about.spec, rows);
    if columns.len().saturating_mul(rows.len()) > MOST_CELLS {
        return Err(Unwritable::TooWide { source_name: about.spec.name.as_str().to_owned(), columns: columns.len() });
    }
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    if !columns.is_empty() {
        let lines = std::iter::once(columns.iter().map(|name| guarded((*name).to_owned())).collect::<Vec<_>>())
            .chain(rows.iter().map(|row| columns.iter().map(|name| cell(row.get(*name))).collect()));
        for (number, line) in lines.enumerate() {
            room.bears(number, writer.get_ref().len())?;
            // Memory takes everything, and all lines are of one length.
            let _ = writer.write_record(&line);
        }
    }
    Ok(writer.into_inner().unwrap_or_default().into())
}

/// Declared fields first, in their order, as far as items have them; then what else there is. Without items, what is declared.
fn columns<'a>(spec: &'a SourceSpec, rows: &'a [Row]) -> Vec<&'a str> {
    let found = names(rows);
    let known: std::collections::HashSet<&str> = found.iter().copied().collect();
    let mut columns = Vec::new();
    for alternative in spec.alternatives.iter().filter(|alternative| alternative.usable && alternative.rules.transform.is_none()) {
        let details = alternative.details.iter().flat_map(|details| &details.rules.fields);
        for field in alternative.rules.fields.iter().chain(details).filter(|field| !field.is_hidden()) {
            let name = field.name.as_str();
            if (rows.is_empty() || known.contains(name)) && !columns.contains(&name) {
                columns.push(name);
            }
        }
    }
    let declared: std::collections::HashSet<&str> = columns.iter().copied().collect();
    columns.extend(found.into_iter().filter(|name| !declared.contains(name)));
    columns
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => guarded(text.clone()),
        Some(other) => other.to_string(),
    }
}

/// A text that no spreadsheet takes for a formula.
fn guarded(text: String) -> String {
    // The last four are how Japanese and Chinese keyboards write the first four.
    const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    let is_number = || text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.')) && text.parse::<f64>().is_ok();
    if text.starts_with(FORMULA) && !is_number() { format!("'{text}") } else { text }
}
