//! The fields of an item, whatever the format: candidates in order, patterns, texts read as what they mean, defaults, texts put
//! together, lists within, and a count of what found what.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;
use wellspring_core::source::{Anchor, At, Field};

use crate::Context;
use crate::error::{ExtractError, RuleError};
pub(crate) use budget::Budget;
use cell::{Column, Scope, Work};

pub(crate) mod budget;
mod cell;
mod order;

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

/// Items before the last steps, and what found their fields.
pub(crate) type Items = (Vec<Value>, Vec<FieldReport>);

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
    /// Compiles a candidate that finds markup, in formats that have any.
    fn markup(at: &At<String>) -> Result<Self::Place, RuleError> {
        Err(RuleError::at(at, "markup is taken from pages only")
            .help("leave `parse = \"html\"` out, or read the page with `format = \"html\"`"))
    }
    /// Compiles what selects the rows of a list within a row.
    fn nested(at: &At<String>) -> Result<Self::Nested, RuleError>;
    /// Compiles where looking starts.
    fn anchor(anchor: &Anchor) -> Result<Self::Anchor, RuleError>;

    /// What a candidate finds, in order. What can be much is found lazily: mostly only the first that is something is asked for.
    fn look(row: &Self::Row<'_>, place: &Self::Place) -> impl IntoIterator<Item = Value>;
    /// The rows of a list within a row.
    fn rows<'b>(row: &Self::Row<'b>, nested: &Self::Nested) -> Vec<Self::Row<'b>>;
    /// Where looking starts for this row, with a number that tells that place from others of the body; `None` where there is no
    /// such place. Asked for each row: what takes a search of the body is found once and kept with the rows.
    fn start<'b>(row: &Self::Row<'b>, anchor: &Self::Anchor) -> Option<(usize, Self::Row<'b>)>;
    /// The row's own text, for a field that says only what its text is like.
    fn whole(row: &Self::Row<'_>) -> Option<Value>;
}

/// The fields of an item, compiled for a format.
pub(crate) struct Columns<K: Kind> {
    names: Vec<String>,
    fields: Vec<Column<K>>,
    /// Where each one's reports begin.
    starts: Vec<usize>,
    /// In which order they are filled: what is found, what is put together of it, lists and objects within, which may
    /// use both.
    order: Vec<usize>,
}

impl<K: Kind> Debug for Columns<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.names).finish()
    }
}

impl<K: Kind> Columns<K> {
    /// Compiles the fields.
    pub(crate) fn compile(fields: &[Field]) -> Result<Self, RuleError> {
        let compiled: Vec<Column<K>> = fields.iter().map(Column::compile).collect::<Result<_, _>>()?;
        let starts = compiled.iter().scan(0, |next, column| Some(std::mem::replace(next, *next + column.width()))).collect();
        Ok(Self { names: fields.iter().map(|field| field.name.clone()).collect(), fields: compiled, starts, order: order::of(fields)? })
    }

    /// True where items are taken whole.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Builds an item of each row. Addresses are relative to `base`.
    ///
    /// # Errors
    /// [`ExtractError::TooMuch`] where rows within rows come to more than is kept.
    pub(crate) fn fill<'b>(
        &self,
        rows: impl IntoIterator<Item = K::Row<'b>>,
        base: &Url,
        context: &Context<'_>,
    ) -> Result<Items, ExtractError> {
        let mut reports = Vec::new();
        self.report("", &mut reports);
        let mut work = Work::new(base, context);
        let items = rows.into_iter().map(|row| self.item(&row, None, &mut work, &mut reports)).collect::<Result<_, _>>()?;
        Ok((items, reports))
    }

    fn report(&self, prefix: &str, reports: &mut Vec<FieldReport>) {
        for (name, column) in self.names.iter().zip(&self.fields) {
            let name = format!("{prefix}{name}");
            let inner = format!("{name}.");
            reports.push(FieldReport { name, found: 0, by_candidate: vec![0; column.candidates()], defaulted: 0 });
            if let Some(columns) = column.within() {
                columns.report(&inner, reports);
            }
        }
    }

    /// How many reports these columns take, lists within included.
    fn width(&self) -> usize {
        self.fields.iter().map(Column::width).sum()
    }

    fn item(
        &self,
        row: &K::Row<'_>,
        outer: Option<&Scope<'_>>,
        work: &mut Work<'_>,
        reports: &mut [FieldReport],
    ) -> Result<Value, ExtractError> {
        let mut cells = vec![Value::Null; self.fields.len()];
        for &index in &self.order {
            let scope = Scope { names: &self.names, cells: &cells, this: index, outer };
            let cell = self.fields[index].cell(row, &scope, work, &mut reports[self.starts[index]..])?;
            cells[index] = cell;
        }
        // A row's own hidden fields go with the last steps: details of the row are asked for by them.
        let shown = self.names.iter().zip(&self.fields).zip(cells).filter(|((_, column), _)| !column.is_hidden() || outer.is_none());
        let item = Value::Object(shown.map(|((name, _), cell)| (name.clone(), cell)).collect::<Map<_, _>>());
        // What is in the cells was counted as it was found. An object takes more than its members.
        work.budget.hold(self.names.iter().map(|name| name.len() + size_of::<Value>()).sum::<usize>() + 2 * size_of::<Value>())?;
        Ok(item)
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
