//! The fields of an item, whatever the format: candidates in order, numbers, defaults, and a count of what found what.

use serde::Serialize;
use serde_json::{Map, Value};
use wellspring_core::source::{At, Field, Parse};

use crate::error::{ExtractError, RuleError};
use crate::value::number;

/// What found one field, over all rows that the rules matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldReport {
    /// The field.
    pub name: String,
    /// In how many rows it was found.
    pub found: u32,
    /// How many rows each candidate won.
    pub by_candidate: Vec<u32>,
    /// In how many rows the default stands in.
    pub defaulted: u32,
}

/// How much items may hold, in bytes. Rows can lie within each other, so that a small body has large items.
const MAX_HELD: usize = 64 * 1024 * 1024;

/// Items before the last steps, and what found their fields.
pub(crate) type Items = (Vec<Value>, Vec<FieldReport>);

/// What items may still hold.
#[derive(Debug)]
pub(crate) struct Budget(usize);

/// The fields of an item, with candidates compiled by the format.
#[derive(Debug)]
pub(crate) struct Columns<C>(Vec<Column<C>>);

#[derive(Debug)]
struct Column<C> {
    name: String,
    candidates: Vec<C>,
    parse: Parse,
    default: Option<Value>,
}

impl<C> Columns<C> {
    /// Compiles every candidate with the format's own reading of it.
    pub(crate) fn compile(
        fields: &[Field],
        mut candidate: impl FnMut(&Field, &At<String>) -> Result<C, RuleError>,
    ) -> Result<Self, RuleError> {
        let column = |field: &Field| {
            let candidates = field.candidates.iter().map(|at| candidate(field, at)).collect::<Result<_, _>>()?;
            Ok(Column { name: field.name.clone(), candidates, parse: field.parse, default: field.default.clone() })
        };
        Ok(Self(fields.iter().map(column).collect::<Result<_, RuleError>>()?))
    }

    /// True where items are taken whole.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Builds an item of each row. `look` gives what a candidate finds in a row; null and blank text count as nothing.
    ///
    /// # Errors
    /// [`ExtractError::TooMuch`] past [`MAX_HELD`].
    pub(crate) fn fill<R>(&self, rows: impl IntoIterator<Item = R>, look: impl Fn(&C, &R) -> Option<Value>) -> Result<Items, ExtractError> {
        let mut reports: Vec<FieldReport> = self.0.iter().map(Column::report).collect();
        let mut budget = Budget::default();
        let mut items = Vec::new();
        for row in rows {
            let cells = self.0.iter().zip(&mut reports).map(|(column, report)| (column.name.clone(), column.cell(&row, &look, report)));
            items.push(budget.spend(Value::Object(cells.collect::<Map<_, _>>()))?);
        }
        Ok((items, reports))
    }
}

impl<C> Column<C> {
    fn report(&self) -> FieldReport {
        FieldReport { name: self.name.clone(), found: 0, by_candidate: vec![0; self.candidates.len()], defaulted: 0 }
    }

    fn cell<R>(&self, row: &R, look: impl Fn(&C, &R) -> Option<Value>, report: &mut FieldReport) -> Value {
        let mut blank = Value::Null;
        for (candidate, won) in self.candidates.iter().zip(&mut report.by_candidate) {
            let Some(found) = look(candidate, row) else { continue };
            let value = match self.parse {
                Parse::Text => found,
                Parse::Number { decimal } => number::read(&found, decimal),
            };
            if is_missing(&value) {
                // JSON's own `""` stays what it is where nothing better turns up.
                if blank.is_null() {
                    blank = value;
                }
                continue;
            }
            *won += 1;
            report.found += 1;
            return value;
        }
        let Some(default) = &self.default else { return blank };
        report.defaulted += 1;
        default.clone()
    }
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
