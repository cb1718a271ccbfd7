//! Rows as a table.

use maud::{Markup, html};
use serde_json::Value;
use wellspring_core::source::SourceSpec;

use super::Viewer;
use super::card::{about, picture};
use super::words::{count, short};
use crate::engine::hot::Content;
use crate::http::formats::{Format, listing};
use wellspring_core::key::Key;

/// How many rows and fields are shown.
const ROWS: usize = 50;
const FIELDS: usize = 12;
/// How many bytes of rows are looked at.
const BYTES: usize = 1 << 20;
/// The longest text of a cell, in characters.
const TEXT: usize = 240;
/// From so many characters on a text wants room.
const WORDY: usize = 28;

/// The rows of a key with links to all of them.
pub(super) fn rows(viewer: &Viewer<'_>, spec: &SourceSpec, key: &Key, content: Option<&Content>) -> Markup {
    let address = |extension: &str| address(viewer, key, extension);
    html! {
        section #rows data-live data-key=(key) aria-labelledby="rows-title" {
            h2 #rows-title { "Rows" }
            @match content {
                None => p {
                    "None yet. Looking here fetches nothing: "
                    a href=(address("")) { "read it" } ", and it is fetched."
                },
                Some(content) if content.count == 0 => p { "An empty list, as its source allows." },
                Some(content) => (table(viewer, spec, key, content)),
            }
            p.formats {
                "All of them as"
                @for (extension, format) in Format::ALL {
                    " " a href=(if format == Format::Json { address("") } else { address(&format!(".{extension}")) }) { (extension) }
                }
            }
        }
    }
}

/// Where a key is read.
pub(super) fn address(viewer: &Viewer<'_>, key: &Key, extension: &str) -> String {
    format!("{}{}", viewer.up, path(key, extension))
}

/// The same from the root.
pub(super) fn path(key: &Key, extension: &str) -> String {
    let (name, query) = key.as_str().split_once('?').map_or((key.as_str(), String::new()), |(name, query)| (name, format!("?{query}")));
    format!("api/{name}{extension}{query}")
}

fn table(viewer: &Viewer<'_>, spec: &SourceSpec, key: &Key, content: &Content) -> Markup {
    let rows = listing::beginning(&content.items, ROWS, BYTES);
    let all = usize::try_from(content.count).unwrap_or(rows.len());
    if rows.is_empty() {
        return html! { p { (count(all, "row")) ", the first of them too long to be shown here." } };
    }
    let pictures = listing::picture_field(&about(viewer, spec, key, content), &rows);
    let names = listing::names(&rows);
    let left_out = names.len().saturating_sub(FIELDS);
    let shown = &names[..names.len().min(FIELDS)];
    let is_number = |name: &str| rows.iter().filter_map(|row| row.get(name)).all(|value| value.is_number() || value.is_null());
    html! {
        div.scroll.tall tabindex="0" role="region" aria-label="Table of rows" {
            table {
                thead { tr { @for name in shown { th.number[is_number(name)] scope="col" { (short(name, 40)) } } } }
                tbody {
                    @for row in &rows {
                        tr { @for name in shown { (cell(viewer, row.get(*name), pictures.as_deref() == Some(*name))) } }
                    }
                }
            }
        }
        @if all > rows.len() || left_out > 0 {
            p {
                "The first " (count(rows.len(), "row")) " of " (all)
                @if left_out > 0 { ", without " (count(left_out, "more field")) }
                "."
            }
        }
    }
}

fn cell(viewer: &Viewer<'_>, value: Option<&Value>, is_picture: bool) -> Markup {
    let Some(value) = value.filter(|value| !value.is_null()) else { return html! { td.none { "–" } } };
    let address = listing::address(value).filter(|_| value.is_string());
    html! {
        @match (value, address) {
            (_, Some(address)) if is_picture => td {
                a href=(address) rel="noopener noreferrer" {
                    (picture(viewer.picture(&address).as_deref()))
                    span.unseen { "The picture" }
                }
            },
            (_, Some(address)) => td.wordy { a href=(address) rel="noopener noreferrer" { (short(bare(&address), 60)) } },
            (Value::Number(number), _) => td.number { (number) },
            (Value::Object(_) | Value::Array(_), _) => td.wordy { @match listing::line(value) {
                Some(line) => (short(&line, TEXT)),
                None => code { (short(&value.to_string(), TEXT)) },
            } },
            _ => {
                @let text = listing::line(value).unwrap_or_default();
                td.wordy[text.chars().count() >= WORDY] { (short(&text, TEXT)) }
            },
        }
    }
}

/// An address without what all have.
fn bare(address: &str) -> &str {
    address.split_once("://").map_or(address, |(_, rest)| rest.trim_end_matches('/'))
}
