//! Items as entries of a feed, whichever its format.

use std::fmt::Write as _;

use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;
use wellspring_core::source::Mapped;

use super::columns::{AUTHOR, CATEGORY, Columns, SUMMARY};
use super::identity::{self, Known};
use super::rows::Row;
use super::{About, text, xml};

/// How many fields stand in for a summary.
const MOST_LINES: usize = 20;

/// One entry.
pub(super) struct Entry {
    pub(super) title: String,
    pub(super) link: Option<String>,
    /// An address, its own for good. Its link where that is what tells it from others.
    pub(super) id: String,
    pub(super) date: Option<Timestamp>,
    /// Text, in lines.
    pub(super) summary: Option<String>,
    pub(super) image: Option<String>,
    pub(super) author: Option<String>,
    pub(super) categories: Vec<String>,
}

pub(super) fn entries(about: &About<'_>, rows: &[Row]) -> Vec<Entry> {
    let columns = Columns::new(about, rows);
    let mapping = &about.spec.feed;
    let or = |declared: &Option<Mapped>, guess: &dyn Fn() -> Option<Mapped>| declared.clone().or_else(guess);
    let title = or(&mapping.title, &|| columns.title());
    let link = or(&mapping.link, &|| columns.link());
    let id = or(&mapping.id, &|| columns.id()).or_else(|| unique_by(about));
    let date = or(&mapping.date, &|| columns.date());
    let image = or(&mapping.image, &|| columns.image());
    let author = or(&mapping.author, &|| columns.words(&AUTHOR));
    let category = or(&mapping.category, &|| columns.words(&CATEGORY));
    let summary = or(&mapping.summary, &|| columns.words(&SUMMARY)).filter(|summary| Some(summary) != title.as_ref());
    // A guessed date that is yet to come is when something takes place, not when it came out: readers hide such entries.
    let latest = about.made_at.checked_add(24.hours()).unwrap_or(Timestamp::MAX);
    let parts = [&title, &link, &id, &date, &image, &author, &category, &summary];
    let others = columns.others(&parts.map(Option::as_ref));

    let mut entries: Vec<Entry> = Vec::with_capacity(rows.len());
    let mut known = Vec::with_capacity(rows.len());
    for row in rows {
        let link = columns.address(link.as_ref(), row);
        let own_title = columns.line(title.as_ref(), row);
        let date = columns.moment(date.as_ref(), row);
        let base = columns.line(id.as_ref(), row).or_else(|| link.clone()).or_else(|| own_title.clone());
        known.push(Known { base: base.unwrap_or_default(), when: date.map(|at| at.to_string()).unwrap_or_default() });
        let summary = columns.lines(summary.as_ref(), row).or_else(|| told(&others, row));
        entries.push(Entry {
            title: own_title
                .or_else(|| summary.as_deref().map(beginning))
                .or_else(|| link.clone())
                .unwrap_or_else(|| "(no title)".to_owned()),
            link,
            id: String::new(),
            date: date.and_then(|at| at.timestamp(about.zone)).filter(|at| mapping.date.is_some() || *at <= latest),
            summary,
            image: columns.address(image.as_ref(), row),
            author: columns.line(author.as_ref(), row),
            categories: words(columns.value(category.as_ref(), row).as_deref()),
        });
    }
    let names = identity::tell_apart(&known, |index| Value::Object(rows[index].clone()).to_string());
    for (entry, name) in entries.iter_mut().zip(names) {
        entry.id = match &name[..] {
            [base] if text::address(&Value::String(base.clone())).as_ref() == Some(base) => base.clone(),
            parts => {
                let parts: Vec<&str> = ["item", about.key].into_iter().chain(parts.iter().map(String::as_str)).collect();
                identity::urn(&parts)
            }
        };
    }
    entries
}

/// What the source itself tells items apart by.
pub(super) fn unique_by(about: &About<'_>) -> Option<Mapped> {
    let usable = about.spec.alternatives.iter().find(|alternative| alternative.usable)?;
    usable.rules.unique_by.as_ref().map(|at| Mapped::Field(at.value.clone()))
}

/// A value's words: of a list, each of its own.
pub(super) fn words(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(text::line).collect(),
        Some(value) => text::line(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// What else is known of an item: a line a field.
pub(super) fn told(names: &[&str], row: &Row) -> Option<String> {
    let mut told = String::new();
    for name in names.iter().take(MOST_LINES) {
        if let Some(line) = row.get(*name).and_then(text::line) {
            let _ = writeln!(told, "{}: {line}", text::line(&name.replace('_', " ").into()).unwrap_or_default());
        }
    }
    Some(told.trim().to_owned()).filter(|told| !told.is_empty())
}

/// The first words of a text.
fn beginning(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", line[..at].trim_end()),
        None => line.to_owned(),
    }
}

impl Entry {
    /// Its picture and its summary as HTML.
    pub(super) fn html(&self) -> String {
        let mut html = String::new();
        if let Some(image) = &self.image {
            html.push_str("<p><img src=\"");
            xml::escape(image, &mut html);
            html.push_str("\" alt=\"\"></p>");
        }
        if let Some(summary) = &self.summary {
            html.push_str("<p>");
            for (index, line) in summary.lines().enumerate() {
                if index > 0 {
                    html.push_str("<br>");
                }
                xml::escape(line, &mut html);
            }
            html.push_str("</p>");
        }
        html
    }
}
