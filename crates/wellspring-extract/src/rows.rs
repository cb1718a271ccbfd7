//! What happens to rows once they are read, whatever the format: drops for `required`, `unique_by`, `limit`.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wellspring_core::gate::Tally;
use wellspring_core::source::Rules;

use crate::columns::{FieldReport, is_missing};
use crate::error::RuleError;
use crate::value::read;
use crate::{Extraction, Report};

/// How many dropped rows a report names.
const DROPPED_SHOWN: usize = 20;

/// How many characters of a dropped row a report shows.
const LONGEST_SHOWN: usize = 60;

/// A row dropped for want of a required field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Its place among the rows found, from 1.
    pub row: usize,
    /// The fields it lacks.
    pub missing: Vec<String>,
    /// The first thing it does hold, shortened, for whoever looks for it in the body.
    pub begins: Option<String>,
}

/// The last steps from rows to items.
#[derive(Debug)]
pub(crate) struct Finish {
    required: Vec<String>,
    unique_by: Option<String>,
    limit: Option<usize>,
    /// Fields that other fields and requests use, and clients do not see.
    hidden: Vec<String>,
}

impl Finish {
    pub(crate) fn compile(rules: &Rules) -> Result<Self, RuleError> {
        if let Some(at) = &rules.unique_by {
            let known: Vec<&str> = rules.fields.iter().map(|f| f.name.as_str()).collect();
            // A program makes fields of its own.
            if !known.is_empty() && rules.transform.is_none() && !known.contains(&at.value.as_str()) {
                return Err(RuleError::at(at, format!("`{}` is no field of this source", at.value))
                    .help(format!("the fields are {}", known.join(", "))));
            }
        }
        Ok(Self {
            required: rules.required.clone(),
            unique_by: rules.unique_by.as_ref().map(|at| at.value.clone()),
            limit: rules.limit,
            hidden: rules.fields.iter().filter(|field| field.is_hidden()).map(|field| field.name.clone()).collect(),
        })
    }

    pub(crate) fn apply(&self, found: Vec<Value>, fields: Vec<FieldReport>) -> Extraction {
        let mut report = Report { fields, ..Report::default() };
        let mut tally = Tally { found: count(found.len()), ..Tally::default() };
        let mut seen = HashSet::new();
        let mut rows = Vec::new();
        for (index, mut row) in found.into_iter().enumerate() {
            let missing: Vec<String> = self.required.iter().filter(|&name| row.get(name).is_none_or(is_missing)).cloned().collect();
            if !missing.is_empty() {
                tally.dropped += 1;
                if report.dropped.len() < DROPPED_SHOWN {
                    report.dropped.push(Dropped { row: index + 1, missing, begins: first(&row) });
                }
                continue;
            }
            let key = self.unique_by.as_ref().and_then(|name| row.get(name)).filter(|value| !value.is_null());
            if key.is_some_and(|value| !seen.insert(value.to_string())) {
                report.duplicates += 1;
                continue;
            }
            if self.limit.is_some_and(|limit| rows.len() >= limit) {
                report.cut += 1;
                continue;
            }
            if let Value::Object(members) = &mut row
                && !self.hidden.is_empty()
            {
                members.retain(|name, _| !self.hidden.contains(name));
            }
            rows.push(row);
        }
        tally.kept = count(rows.len());
        Extraction { rows, tally, report }
    }
}

/// The first text, number or truth value of a row.
fn first(row: &Value) -> Option<String> {
    let members = row.as_object()?.values();
    let text = members.filter(|value| !is_missing(value) && !value.is_array() && !value.is_object()).map(read::text).next()?;
    let shown: String = text.chars().take(LONGEST_SHOWN).collect();
    Some(if shown.len() < text.len() { shown + "…" } else { shown })
}

fn count(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(finish: &Finish, rows: &Value, kept: &Value) -> Extraction {
        let extraction = finish.apply(rows.as_array().unwrap().clone(), Vec::new());
        assert_eq!(Value::Array(extraction.rows.clone()), *kept);
        extraction
    }

    fn finish(required: &[&str], unique_by: Option<&str>, limit: Option<usize>) -> Finish {
        Finish {
            required: required.iter().map(ToString::to_string).collect(),
            unique_by: unique_by.map(str::to_owned),
            limit,
            hidden: Vec::new(),
        }
    }

    #[test]
    fn rows_are_dropped_then_made_unique_then_cut() {
        let rows = json!([
            {"a": null, "b": 1}, {"a": "x", "b": 2}, {"a": "x", "b": 3}, {"a": " ", "b": 4}, {"a": "y", "b": 5}, {"a": "z", "b": 6}
        ]);
        let extraction = check(&finish(&["a"], Some("a"), Some(2)), &rows, &json!([{"a": "x", "b": 2}, {"a": "y", "b": 5}]));
        assert_eq!(extraction.tally, Tally { found: 6, dropped: 2, kept: 2 });
        insta::assert_snapshot!(serde_json::to_string(&extraction.report).unwrap(), @r#"{"fields":[],"dropped":[{"row":1,"missing":["a"],"begins":"1"},{"row":4,"missing":["a"],"begins":"4"}],"duplicates":1,"cut":1}"#);
    }

    #[test]
    fn nulls_are_never_equal_and_types_are_told_apart() {
        let rows = json!([{"a": null}, {"a": null}, {"a": 1}, {"a": "1"}, {"b": 1}, {"b": 1}]);
        check(&finish(&[], Some("a"), None), &rows, &rows);
    }

    #[test]
    fn a_report_names_twenty_dropped_rows_and_counts_all() {
        let rows = Value::Array(vec![json!({}); 50]);
        let extraction = check(&finish(&["a"], None, None), &rows, &json!([]));
        assert_eq!((extraction.report.dropped.len(), extraction.tally.dropped), (20, 50));
    }
}
