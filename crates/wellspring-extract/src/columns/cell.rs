//! One field of one row.

use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;
use url::Url;
use wellspring_core::source::{At, Field, Many, Origin, Parse, Piece, Places};

use super::{Budget, Columns, FieldReport, Kind, is_missing};
use crate::Context;
use crate::error::{ExtractError, RuleError};
use crate::value::read::{self, Reading};

/// A field, compiled for a format.
pub(super) struct Column<K: Kind> {
    hidden: bool,
    source: Source<K>,
    regex: Option<Regex>,
    reading: Reading,
    many: Option<Many>,
    default: Option<Value>,
}

enum Source<K: Kind> {
    Places { candidates: Vec<K::Place>, anchor: Option<K::Anchor> },
    Compose(Vec<Vec<Piece>>),
    Rows { items: K::Nested, columns: Columns<K> },
    Object(Columns<K>),
}

/// What goes along while a body's items are built.
pub(super) struct Work<'a> {
    base: &'a Url,
    context: &'a Context<'a>,
    pub(super) budget: Budget,
    /// What each column found from each place where its looking started: the rows under one heading share it.
    anchored: HashMap<(usize, usize), Found>,
}

/// A value and the candidate that it is from.
type Found = (Value, Option<usize>);

/// The values that composed texts may use: an item's own but for the field itself, then those of the items around it.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    pub(super) names: &'s [String],
    pub(super) cells: &'s [Value],
    /// The field that is filled. Its name means what is outside, so that a list within may take it over: `title = "{title}"`.
    pub(super) this: usize,
    pub(super) outer: Option<&'s Scope<'s>>,
}

impl<'a> Work<'a> {
    pub(super) fn new(base: &'a Url, context: &'a Context<'a>) -> Self {
        Self { base, context, budget: Budget::default(), anchored: HashMap::new() }
    }
}

impl<K: Kind> Column<K> {
    pub(super) fn compile(field: &Field) -> Result<Self, RuleError> {
        let source = match &field.origin {
            Origin::Places(places) => Source::Places {
                candidates: candidates::<K>(places, &field.parse)?,
                anchor: places.anchor.as_ref().map(K::anchor).transpose()?,
            },
            Origin::Compose(ways) => Source::Compose(ways.clone()),
            Origin::Rows(nested) => Source::Rows { items: K::nested(&nested.items)?, columns: Columns::compile(&nested.fields)? },
            Origin::Object(fields) => Source::Object(Columns::compile(fields)?),
        };
        Ok(Self {
            hidden: field.is_hidden(),
            source,
            regex: field.regex.as_ref().map(read::pattern).transpose()?,
            reading: Reading::compile(&field.parse)?,
            many: field.many.clone(),
            default: field.default.clone(),
        })
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.hidden
    }

    pub(super) fn candidates(&self) -> usize {
        if let Source::Places { candidates, .. } = &self.source { candidates.len() } else { 0 }
    }

    /// The columns of a list or an object within.
    pub(super) fn within(&self) -> Option<&Columns<K>> {
        if let Source::Rows { columns, .. } | Source::Object(columns) = &self.source { Some(columns) } else { None }
    }

    /// How many reports it takes, those of a list or an object within included.
    pub(super) fn width(&self) -> usize {
        1 + self.within().map_or(0, Columns::width)
    }

    /// Its value in a row. Its own report is the first of `reports`.
    pub(super) fn cell(
        &self,
        row: &K::Row<'_>,
        scope: &Scope<'_>,
        work: &mut Work<'_>,
        reports: &mut [FieldReport],
    ) -> Result<Value, ExtractError> {
        let Some((report, inner)) = reports.split_first_mut() else { return Ok(Value::Null) };
        let found = match &self.source {
            Source::Places { candidates, anchor } => {
                let (value, winner) = self.places(row, candidates, anchor.as_ref(), work)?;
                if let Some(count) = winner.and_then(|index| report.by_candidate.get_mut(index)) {
                    *count += 1;
                }
                value
            }
            Source::Compose(ways) => match ways.iter().find_map(|pieces| compose(pieces, scope, work.context)) {
                Some(text) => self.settle([Value::String(text)], work)?,
                None => Value::Null,
            },
            Source::Rows { items, columns } => {
                let rows = K::rows(row, items);
                Value::Array(rows.iter().map(|row| columns.item(row, Some(scope), work, inner)).collect::<Result<_, _>>()?)
            }
            Source::Object(columns) => match columns.item(row, Some(scope), work, inner)? {
                Value::Object(members) if members.values().all(is_nothing) => Value::Null,
                object => object,
            },
        };
        if !is_nothing(&found) {
            report.found += 1;
            return Ok(found);
        }
        let Some(default) = &self.default else { return Ok(found) };
        report.defaulted += 1;
        work.budget.spend(default.clone())
    }

    fn places(
        &self,
        row: &K::Row<'_>,
        candidates: &[K::Place],
        anchor: Option<&K::Anchor>,
        work: &mut Work<'_>,
    ) -> Result<Found, ExtractError> {
        let Some(anchor) = anchor else { return self.look(row, candidates, self.regex.is_some(), work) };
        let Some((place, start)) = K::start(row, anchor) else { return Ok((Value::Null, None)) };
        let key = (std::ptr::from_ref(self).addr(), place);
        if let Some((value, winner)) = work.anchored.get(&key) {
            return Ok((work.budget.spend(value.clone())?, *winner));
        }
        let found = self.look(&start, candidates, true, work)?;
        let kept = (work.budget.spend(found.0.clone())?, found.1);
        work.anchored.insert(key, kept);
        Ok(found)
    }

    /// `is_whole`: without candidates the text of all of it is meant.
    fn look(&self, start: &K::Row<'_>, candidates: &[K::Place], is_whole: bool, work: &mut Work<'_>) -> Result<Found, ExtractError> {
        if candidates.is_empty() && is_whole {
            return Ok((self.settle(K::whole(start), work)?, None));
        }
        let mut blank = Value::Null;
        for (index, candidate) in candidates.iter().enumerate() {
            let value = self.settle(K::look(start, candidate), work)?;
            if !is_missing(&value) {
                return Ok((value, Some(index)));
            }
            // JSON's own `""` stays what it is where nothing better turns up.
            if blank.is_null() {
                blank = value;
            }
        }
        Ok((blank, None))
    }

    /// Reads what was found: by the pattern, as what it means, one or all of it.
    fn settle(&self, found: impl IntoIterator<Item = Value>, work: &mut Work<'_>) -> Result<Value, ExtractError> {
        let mut settled = Settled::default();
        for value in found {
            work.budget.look_at(&value)?;
            let was_something = !is_missing(&value);
            let one = match &self.regex {
                None => self.take(value, &mut settled, work)?,
                Some(regex) => {
                    let text = read::text(&value);
                    // All that a text has of it is all of it.
                    let most = if self.many.is_some() { usize::MAX } else { 1 };
                    let mut matches = read::matches(regex, &text).take(most);
                    matches.find_map(|found| self.take(found, &mut settled, work).transpose()).transpose()?
                }
            };
            if let Some(one) = one {
                return Ok(one);
            }
            // The first there is is meant. With a pattern, the first that matches and can be read.
            if was_something && self.many.is_none() && self.regex.is_none() {
                break;
            }
        }
        match &self.many {
            _ if settled.list.is_empty() => Ok(settled.blank),
            Some(Many::Joined(between)) => {
                let text = settled.list.iter().map(|value| joined(value, between)).collect::<Vec<_>>().join(between);
                work.budget.spend(Value::String(text))
            }
            _ => Ok(Value::Array(settled.list)),
        }
    }

    /// Reads a value as what it means. Given back where one is wanted and this is one.
    fn take(&self, value: Value, settled: &mut Settled, work: &mut Work<'_>) -> Result<Option<Value>, ExtractError> {
        let value = self.reading.read(value, work.base, work.context);
        if is_missing(&value) {
            if settled.blank.is_null() {
                settled.blank = value;
            }
            return Ok(None);
        }
        let value = work.budget.spend(value)?;
        if self.many.is_none() {
            return Ok(Some(value));
        }
        settled.list.push(value);
        Ok(None)
    }
}

/// What was found so far of a field.
#[derive(Default)]
struct Settled {
    /// The first that was nothing: JSON's own `""`.
    blank: Value,
    list: Vec<Value>,
}

fn candidates<K: Kind>(places: &Places, parse: &Parse) -> Result<Vec<K::Place>, RuleError> {
    let attr = places.attr.as_deref();
    if *parse != Parse::Markup {
        return places.candidates.iter().map(|at| K::place(at, attr)).collect();
    }
    if let (Some(name), Some(at)) = (attr, places.candidates.first()) {
        return Err(RuleError::at(at, format!("the attribute `{name}` holds no markup")).help("leave `attr` or `parse` out"));
    }
    if places.candidates.is_empty() {
        // The markup of where looking starts.
        return Ok(vec![K::markup(&At { value: ".".to_owned(), span: 0..0 })?]);
    }
    places.candidates.iter().map(K::markup).collect()
}

/// True of what a default stands in for.
fn is_nothing(value: &Value) -> bool {
    is_missing(value) || value.as_array().is_some_and(Vec::is_empty)
}

/// A list within a list that is joined is joined too.
fn joined(value: &Value, between: &str) -> String {
    match value {
        Value::Array(list) => list.iter().map(read::text).collect::<Vec<_>>().join(between),
        value => read::text(value),
    }
}

impl Scope<'_> {
    fn find(&self, name: &str) -> Option<&Value> {
        let own = self.names.iter().position(|known| known == name).filter(|&index| index != self.this);
        own.map(|index| &self.cells[index]).or_else(|| self.outer.and_then(|outer| outer.find(name)))
    }
}

/// The pieces put together; `None` where one of them is missing.
fn compose(pieces: &[Piece], scope: &Scope<'_>, context: &Context<'_>) -> Option<String> {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(part) => text.push_str(part),
            Piece::Name(name) => match scope.find(name) {
                Some(value) if is_missing(value) => return None,
                Some(value) => text.push_str(&read::text(value)),
                None => text.push_str(context.values.get(name)?),
            },
        }
    }
    Some(text)
}
