//! Transforms. The bytes of a body and a source's compiled rules go in, items come out.
//!
//! Nothing here does IO or reads a clock, so the same body and rules always give the same items. Bodies are hostile until
//! read: depth, nodes and entities are bounded while parsing, and no body makes a parser panic.

mod base64;
mod charset;
mod columns;
mod csv;
mod error;
mod feed;
mod html;
mod ical;
mod jq;
mod json;
mod jsonld;
mod rows;
mod text;
mod value;
mod xml;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use url::Url;
use wellspring_core::gate::Tally;
use wellspring_core::source::{At, Format, Rules};

pub use base64::decode as from_base64;
pub use columns::FieldReport;
pub use error::{ExtractError, RuleError};
pub use rows::Dropped;

/// The stack that rules and bodies may take, in bytes. Both nest, within bounds; what reads them must have room for as much.
pub const STACK: usize = 64 << 20;

/// A source's rules, ready to be used on any number of bodies.
#[derive(Debug)]
pub struct Compiled {
    reader: Reader,
    transform: Option<jq::Transform>,
    finish: rows::Finish,
}

#[derive(Debug)]
enum Reader {
    Html(html::Html),
    Json(json::Json),
    Feed(feed::Feed),
    Jsonld(jsonld::Jsonld),
    Ical(ical::Ical),
    Csv(csv::Csv),
    Xml(xml::Xml),
    Text(text::Text),
}

/// A body as it was fetched.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    /// Decompressed, of at most `max_body` bytes.
    pub bytes: &'a [u8],
    /// `Content-Type`, verbatim.
    pub content_type: Option<&'a str>,
    /// Where it came from after redirects: what its relative addresses are relative to.
    pub url: &'a Url,
}

/// What values are read by beside the body.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The refresh's own time: what "today" and a day without a year mean.
    pub now: Timestamp,
    /// Parameters, captures and times by name, for texts that are put together.
    pub values: &'a BTreeMap<String, String>,
}

/// Rows as they were read, before the last steps. Those of several bodies may be put together.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Rows {
    /// In the order of the body.
    pub rows: Vec<Value>,
    /// Each field and what found it. Empty where items are taken whole.
    pub fields: Vec<FieldReport>,
}

/// What a body gave.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Extraction {
    /// The items, in the order of the body.
    pub rows: Vec<Value>,
    /// What the gates judge.
    pub tally: Tally,
    /// How it came about, for people.
    pub report: Report,
}

/// How an extraction came about.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// Each field and what found it. Empty where items are taken whole.
    pub fields: Vec<FieldReport>,
    /// The first rows dropped for want of a required field, at most 20.
    pub dropped: Vec<Dropped>,
    /// Rows dropped because an earlier one had the same `unique_by`.
    pub duplicates: u32,
    /// Rows past `limit`.
    pub cut: u32,
}

/// Checks a CSS selector that a browser will evaluate. Pseudo-classes of living pages (`:enabled`, `:checked`) are taken too, which
/// mean nothing in a body.
///
/// # Errors
/// [`RuleError`] for what `document.querySelector` would not take, with its place in the TOML.
pub fn check_live_selector(selector: &At<String>) -> Result<(), RuleError> {
    html::check_live(selector)
}

impl Compiled {
    /// Compiles the selectors, paths and names of a source's rules. A `transform` may take a stack of [`STACK`] bytes.
    ///
    /// # Errors
    /// [`RuleError`] for the first rule that cannot be read, with its place in the TOML.
    pub fn compile(rules: &Rules) -> Result<Self, RuleError> {
        let finish = rows::Finish::compile(rules)?;
        let reader = match rules.format {
            Format::Html => Reader::Html(html::Html::compile(rules)?),
            Format::Json => Reader::Json(json::Json::compile(rules)?),
            Format::Feed => Reader::Feed(feed::Feed::compile(rules)?),
            Format::Jsonld => Reader::Jsonld(jsonld::Jsonld::compile(rules)?),
            Format::Ical => Reader::Ical(ical::Ical::compile(rules)?),
            Format::Csv => Reader::Csv(csv::Csv::compile(rules)?),
            Format::Xml => Reader::Xml(xml::Xml::compile(rules)?),
            Format::Text => Reader::Text(text::Text::compile(rules)?),
        };
        let transform = rules.transform.as_ref().map(jq::Transform::compile).transpose()?;
        Ok(Self { reader, transform, finish })
    }

    /// Reads a body and finishes its rows. No rows is an answer, not an error: the gates judge it.
    ///
    /// # Errors
    /// [`ExtractError`] where the body is not what the rules can read.
    pub fn extract(&self, body: &Body<'_>, context: &Context<'_>) -> Result<Extraction, ExtractError> {
        self.finish(self.read(body, context)?, context)
    }

    /// Reads a body's rows: items and fields.
    ///
    /// # Errors
    /// [`ExtractError`] where the body is not what the rules can read.
    pub fn read(&self, body: &Body<'_>, context: &Context<'_>) -> Result<Rows, ExtractError> {
        let (rows, fields) = match &self.reader {
            Reader::Html(html) => html.read(body, context)?,
            Reader::Json(json) => json.read(body, context)?,
            Reader::Feed(feed) => feed.read(body, context)?,
            Reader::Jsonld(jsonld) => jsonld.read(body, context)?,
            Reader::Ical(ical) => ical.read(body, context)?,
            Reader::Csv(csv) => csv.read(body, context)?,
            Reader::Xml(xml) => xml.read(body, context)?,
            Reader::Text(text) => text.read(body, context)?,
        };
        Ok(Rows { rows, fields })
    }

    /// The last steps: the transformation, drops for `required`, `unique_by`, `limit`.
    ///
    /// # Errors
    /// [`ExtractError`] where the transformation fails.
    pub fn finish(&self, rows: Rows, context: &Context<'_>) -> Result<Extraction, ExtractError> {
        let Rows { rows, fields } = rows;
        let rows = match &self.transform {
            Some(transform) => transform.run(&rows, context)?,
            None => rows,
        };
        Ok(self.finish.apply(rows, fields))
    }
}

impl Rows {
    /// About how many bytes they hold.
    pub fn weight(&self) -> usize {
        self.rows.iter().map(columns::budget::weight).sum()
    }

    /// Adds the rows of another body, read by the same rules.
    pub fn append(&mut self, other: Self) {
        self.rows.extend(other.rows);
        if self.fields.is_empty() {
            self.fields = other.fields;
            return;
        }
        for (mine, more) in self.fields.iter_mut().zip(other.fields) {
            mine.found += more.found;
            mine.defaulted += more.defaulted;
            for (count, more) in mine.by_candidate.iter_mut().zip(more.by_candidate) {
                *count += more;
            }
        }
    }
}
