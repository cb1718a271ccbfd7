//! The fields of an item, whatever the format: candidates in order, patterns, texts read as what they mean, defaults, texts put
//! together, lists within, and a count of what found what.

use std::fmt::Debug;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;
use wellspring_core::source::{Anchor, At, Field, Many, Origin, Piece};

use crate::Context;
use crate::error::{ExtractError, RuleError};
use crate::value::read::{self, Reading};

/// What found one field, over all rows that the rules matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldReport {
    /// The field. One of a list within an item stands behind that list's name: `performances.time`.
    pub name: String,
    /// In how many rows it was found.
    pub found: u32,
    /// How many rows each candidate won.
    pub by_candidate: Vec<u32>,
    /// In how many rows the default stands in.
    pub defaulted: u32,
}

/// How much items may hold, in bytes. Rows can lie within each other, so that a small body has large items.
pub(crate) const MAX_HELD: usize = 64 * 1024 * 1024;

/// Items before the last steps, and what found their fields.
pub(crate) type Items = (Vec<Value>, Vec<FieldReport>);

/// What items may still hold.
#[derive(Debug)]
pub(crate) struct Budget(usize);

/// A format's way to look into its rows.
///
/// Implementations write `<'b: 'b>` where this says `<'b>`: the lifetime stands in a projection here, and in a plain type there,
/// which the compiler binds at different times unless it is bounded.
pub(crate) trait Kind {
    /// One row of a body.
    type Row<'b>: Clone;
    /// A compiled candidate.
    type Place: Debug;
    /// What selects the rows of a list within a row.
    type Nested: Debug;
    /// Where looking starts, if not in the row.
    type Anchor: Debug;

    /// Compiles a candidate. `attr` is the field's own attribute, for one that names none.
    fn place(at: &At<String>, attr: Option<&str>) -> Result<Self::Place, RuleError>;
    /// Compiles what selects the rows of a list within a row.
    fn nested(at: &At<String>) -> Result<Self::Nested, RuleError>;
    /// Compiles where looking starts.
    fn anchor(anchor: &Anchor) -> Result<Self::Anchor, RuleError>;

    /// What a candidate finds, in order: all of it, or only the first that is something. Null and blank text count as nothing.
    fn look(row: &Self::Row<'_>, place: &Self::Place, all: bool) -> Vec<Value>;
    /// The rows of a list within a row.
    fn rows<'b>(row: &Self::Row<'b>, nested: &Self::Nested) -> Vec<Self::Row<'b>>;
    /// Where looking starts for this row; `None` where there is no such place.
    fn start<'b>(row: &Self::Row<'b>, anchor: &Self::Anchor) -> Option<Self::Row<'b>>;
    /// The row's own text, for a field that says only what its text is like.
    fn whole(row: &Self::Row<'_>) -> Option<Value>;
}

/// The fields of an item, compiled for a format.
pub(crate) struct Columns<K: Kind>(Vec<Column<K>>);

struct Column<K: Kind> {
    name: String,
    hidden: bool,
    source: Source<K>,
    regex: Option<Regex>,
    reading: Reading,
    many: Option<Many>,
    default: Option<Value>,
}

enum Source<K: Kind> {
    Places { candidates: Vec<K::Place>, anchor: Option<K::Anchor> },
    Compose(Vec<Piece>),
    Rows { items: K::Nested, columns: Columns<K> },
}

/// The values that composed texts may use: an item's own, then those of the items around it.
#[derive(Clone, Copy)]
struct Scope<'s> {
    own: &'s [(&'s str, &'s Value)],
    outer: Option<&'s Scope<'s>>,
}

impl<K: Kind> Debug for Columns<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|column| &column.name)).finish()
    }
}

impl<K: Kind> Columns<K> {
    /// Compiles the fields.
    pub(crate) fn compile(fields: &[Field]) -> Result<Self, RuleError> {
        Ok(Self(fields.iter().map(Column::compile).collect::<Result<_, RuleError>>()?))
    }

    /// True where items are taken whole.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Builds an item of each row. Addresses are relative to `base`.
    ///
    /// # Errors
    /// [`ExtractError::TooMuch`] past [`MAX_HELD`].
    pub(crate) fn fill<'b>(
        &self,
        rows: impl IntoIterator<Item = K::Row<'b>>,
        base: &Url,
        context: &Context<'_>,
    ) -> Result<Items, ExtractError> {
        let mut reports = Vec::new();
        self.report("", &mut reports);
        let mut budget = Budget::default();
        let mut items = Vec::new();
        for row in rows {
            let item = self.item(&row, None, &Surroundings { base, context }, &mut reports);
            items.push(budget.spend(item)?);
        }
        Ok((items, reports))
    }

    fn report(&self, prefix: &str, reports: &mut Vec<FieldReport>) {
        for column in &self.0 {
            let name = format!("{prefix}{}", column.name);
            let candidates = if let Source::Places { candidates, .. } = &column.source { candidates.len() } else { 0 };
            let inner = format!("{name}.");
            reports.push(FieldReport { name, found: 0, by_candidate: vec![0; candidates], defaulted: 0 });
            if let Source::Rows { columns, .. } = &column.source {
                columns.report(&inner, reports);
            }
        }
    }

    /// How many reports these columns take, lists within included.
    fn width(&self) -> usize {
        self.0.iter().map(Column::width).sum()
    }

    fn item(&self, row: &K::Row<'_>, outer: Option<&Scope<'_>>, around: &Surroundings<'_>, reports: &mut [FieldReport]) -> Value {
        let mut cells = vec![Value::Null; self.0.len()];
        // What is put together uses what was found, and lists within may use both.
        for pass in 0..3 {
            let mut at = 0;
            for (index, column) in self.0.iter().enumerate() {
                let width = column.width();
                if column.pass() == pass {
                    let own: Vec<(&str, &Value)> = self.0.iter().map(|c| c.name.as_str()).zip(&cells).collect();
                    let scope = Scope { own: &own, outer };
                    let cell = column.cell(row, &scope, around, &mut reports[at..at + width]);
                    cells[index] = cell;
                }
                at += width;
            }
        }
        let shown = self.0.iter().zip(cells).filter(|(column, _)| !column.hidden);
        Value::Object(shown.map(|(column, cell)| (column.name.clone(), cell)).collect::<Map<_, _>>())
    }
}

/// What values are read by beside their own text.
struct Surroundings<'a> {
    base: &'a Url,
    context: &'a Context<'a>,
}

impl<K: Kind> Column<K> {
    fn compile(field: &Field) -> Result<Self, RuleError> {
        let source = match &field.origin {
            Origin::Places(places) => Source::Places {
                candidates: places.candidates.iter().map(|at| K::place(at, places.attr.as_deref())).collect::<Result<_, _>>()?,
                anchor: places.anchor.as_ref().map(K::anchor).transpose()?,
            },
            Origin::Compose(pieces) => Source::Compose(pieces.clone()),
            Origin::Rows(nested) => Source::Rows { items: K::nested(&nested.items)?, columns: Columns::compile(&nested.fields)? },
        };
        Ok(Self {
            name: field.name.clone(),
            hidden: field.is_hidden(),
            source,
            regex: field.regex.as_ref().map(read::pattern).transpose()?,
            reading: Reading::compile(&field.parse)?,
            many: field.many.clone(),
            default: field.default.clone(),
        })
    }

    fn width(&self) -> usize {
        1 + if let Source::Rows { columns, .. } = &self.source { columns.width() } else { 0 }
    }

    fn pass(&self) -> u8 {
        match self.source {
            Source::Places { .. } => 0,
            Source::Compose(_) => 1,
            Source::Rows { .. } => 2,
        }
    }

    fn cell(&self, row: &K::Row<'_>, scope: &Scope<'_>, around: &Surroundings<'_>, reports: &mut [FieldReport]) -> Value {
        let Some((report, inner)) = reports.split_first_mut() else { return Value::Null };
        let found = match &self.source {
            Source::Places { candidates, anchor } => self.look(row, candidates, anchor.as_ref(), around, &mut report.by_candidate),
            Source::Compose(pieces) => match compose(pieces, scope, around.context) {
                Some(text) => self.settle(vec![Value::String(text)], around),
                None => Value::Null,
            },
            Source::Rows { items, columns } => {
                let rows = K::rows(row, items);
                Value::Array(rows.iter().map(|row| columns.item(row, Some(scope), around, inner)).collect())
            }
        };
        if !is_missing(&found) && found != Value::Array(Vec::new()) {
            report.found += 1;
            return found;
        }
        let Some(default) = &self.default else { return found };
        report.defaulted += 1;
        default.clone()
    }

    fn look(
        &self,
        row: &K::Row<'_>,
        candidates: &[K::Place],
        anchor: Option<&K::Anchor>,
        around: &Surroundings<'_>,
        won: &mut [u32],
    ) -> Value {
        let anchored = anchor.map(|anchor| K::start(row, anchor));
        let start = match &anchored {
            None => row,
            Some(Some(start)) => start,
            Some(None) => return Value::Null,
        };
        if candidates.is_empty() && (anchor.is_some() || self.regex.is_some()) {
            return self.settle(K::whole(start).into_iter().collect(), around);
        }
        let mut blank = Value::Null;
        // With a pattern, the first that matches is meant and not the first there is.
        let all = self.many.is_some() || self.regex.is_some();
        for (candidate, won) in candidates.iter().zip(won) {
            let value = self.settle(K::look(start, candidate, all), around);
            if !is_missing(&value) {
                *won += 1;
                return value;
            }
            // JSON's own `""` stays what it is where nothing better turns up.
            if blank.is_null() {
                blank = value;
            }
        }
        blank
    }

    /// Reads what was found: by the pattern, as what it means, one or all of it.
    fn settle(&self, found: Vec<Value>, around: &Surroundings<'_>) -> Value {
        let mut blank = Value::Null;
        let mut list = Vec::new();
        for value in found {
            let Some(value) = self.regex.as_ref().map_or(Some(value.clone()), |regex| read::capture(regex, &value)) else { continue };
            let value = self.reading.read(value, around.base, around.context);
            if is_missing(&value) {
                if blank.is_null() {
                    blank = value;
                }
            } else if self.many.is_none() {
                return value;
            } else {
                list.push(value);
            }
        }
        match &self.many {
            _ if list.is_empty() => blank,
            Some(Many::Joined(between)) => Value::String(list.iter().map(read::text).collect::<Vec<_>>().join(between)),
            _ => Value::Array(list),
        }
    }
}

impl Scope<'_> {
    fn find(&self, name: &str) -> Option<&Value> {
        let own = self.own.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        own.or_else(|| self.outer.and_then(|outer| outer.find(name)))
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

impl Default for Budget {
    fn default() -> Self {
        Self(MAX_HELD)
    }
}

impl Budget {
    /// Lets a value through while there is room for it.
    pub(crate) fn spend(&mut self, value: Value) -> Result<Value, ExtractError> {
        self.0 = self.0.checked_sub(weight(&value)).ok_or(ExtractError::TooMuch { limit: MAX_HELD >> 20 })?;
        Ok(value)
    }
}

/// About how many bytes a value holds. Values nest no deeper than the parsers let bodies nest.
fn weight(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(list) => list.iter().map(weight).sum(),
            Value::Object(members) => members.iter().map(|(name, value)| name.len() + weight(value)).sum(),
            _ => 0,
        }
}

/// True of what counts as nothing: null and blank text.
pub(crate) fn is_missing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}
