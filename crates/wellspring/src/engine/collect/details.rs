//! A page of each row, whose fields join it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use serde_json::{Map, Value};
use wellspring_core::failure::Failure;
use wellspring_core::key::Params;
use wellspring_core::rung::Rung;
use wellspring_core::snapshot::Validator;
use wellspring_core::source::Details;
use wellspring_core::template::Template;
use wellspring_extract::Rows;

use super::abreast::abreast;
use super::alternative::{Answer, Collection, within};
use super::capture::{is_blank, text};
use super::rows::{few, hold};
use super::story::{Asked, Try};
use crate::engine::extraction::Ruled;
use crate::fetch::Fetched;

/// What a row's page gave: its first row and what found its fields; nothing where there is no such page.
type Took = (Asked, Result<Option<Rows>, Failure>);

impl Collection<'_> {
    pub(super) async fn details(
        &self,
        details: &Details,
        rules: &Arc<Ruled>,
        rows: &mut Rows,
        values: &Params,
        attempt: &mut Try,
    ) -> Result<(), Failure> {
        let all = rows.rows.len();
        if all > details.limit {
            rows.rows.truncate(details.limit);
            attempt.cut.push(format!("details: {} of {all} rows left out (`limit` = {})", all - details.limit, details.limit));
        }
        let names = needed(details);
        let mut wanted: Vec<(usize, Params)> = Vec::new();
        let mut without = BTreeSet::new();
        let mut lacking = 0;
        for (index, row) in rows.rows.iter().take(self.used(rows.rows.len())).enumerate() {
            let known = beside(values, row);
            match names.iter().find(|name| known.get(**name).is_none_or(|value| value.trim().is_empty())) {
                None => wanted.push((index, known)),
                Some(name) => {
                    lacking += 1;
                    without.insert(format!("`{name}`"));
                }
            }
        }
        if lacking > 0 {
            let names: Vec<String> = without.into_iter().collect();
            attempt.cut.push(format!("details: not asked for {lacking} of {} rows, for want of {}", rows.rows.len(), few(&names)));
        }
        let held = AtomicUsize::new(rows.weight());
        let took = abreast(
            usize::try_from(self.terms.bounds.per_host.at_once).unwrap_or(1),
            wanted.len(),
            |index| self.detail(details, rules, &wanted[index], &held),
            |(_, got): &Took| got.is_err(),
        )
        .await;
        let (asked, got): (Vec<_>, Vec<_>) = took.into_iter().unzip();
        attempt.asked.extend(asked);
        let got = got.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut found = vec![None; rows.rows.len()];
        let mut report = Rows::default();
        let mut gone = Vec::new();
        for ((index, _), page) in wanted.iter().zip(got) {
            match page {
                Some(Rows { rows: mut of_page, fields }) => {
                    found[*index] = of_page.pop();
                    report.append(Rows { rows: Vec::new(), fields });
                }
                None => gone.push(format!("row {}", index + 1)),
            }
        }
        if !gone.is_empty() {
            attempt.cut.push(format!("details: no page for {} of {} rows (404 or 410): {}", gone.len(), wanted.len(), few(&gone)));
        }
        for (row, found) in rows.rows.iter_mut().zip(found) {
            join(row, found, details);
        }
        let own: Vec<String> = rows.fields.iter().map(|field| field.name.clone()).collect();
        rows.fields.extend(report.fields.into_iter().filter(|field| !own.contains(&field.name)));
        Ok(())
    }

    /// How many rows of so many can become items. Rows past the source's own `limit` are asked for nothing, where it is certain
    /// that nothing before them goes.
    fn used(&self, rows: usize) -> usize {
        let rules = &self.alternative.rules;
        let certain = rules.transform.is_none() && rules.unique_by.is_none() && rules.required.is_empty();
        rules.limit.filter(|_| certain).map_or(rows, |limit| limit.min(rows))
    }

    async fn detail(&self, details: &Details, rules: &Arc<Ruled>, (index, values): &(usize, Params), held: &AtomicUsize) -> Took {
        let label = format!("details of row {}", index + 1);
        let (mut asked, fetched, permit) = match self.ask(&details.ask, values, Validator::default(), None, label.clone()).await {
            Ok(Answer { asked, fetched, permit }) => (asked, fetched, permit),
            Err(failure) => return (Asked::refused(&label, Rung::Http, &failure), Err(within(&label, failure))),
        };
        let got = match fetched {
            Ok(Fetched::Body(response)) => self.extract(rules, response, values.clone()).await.and_then(|mut rows| {
                // Of a page that has many rows the first counts.
                rows.rows.truncate(1);
                hold(rows, held).map(Some)
            }),
            // Nothing that would be answered so was asked.
            Ok(Fetched::NotModified(_) | Fetched::Rendered(_)) => Ok(None),
            Err(miss) if miss.is_gone() => {
                asked.note = miss.status.map(|status| format!("{status}: the row goes without"));
                Ok(None)
            }
            Err(miss) => Err(miss.failure),
        };
        drop(permit);
        let got = got.map_err(|failure| within(&label, failure));
        (asked.failing(got.as_ref().err()), got)
    }
}

/// The names without which a row is not asked for.
fn needed(details: &Details) -> BTreeSet<&str> {
    details.ask.templates().flat_map(Template::names).collect()
}

/// What is known, and a row's own fields over it: one that is missing there is missing.
fn beside(values: &Params, row: &Value) -> Params {
    let mut known = values.clone();
    for (name, value) in row.as_object().into_iter().flatten() {
        if is_blank(value) || value.is_array() || value.is_object() {
            known.remove(name);
        } else {
            known.insert(name.clone(), text(value));
        }
    }
    known
}

/// Adds what a page gave to its row, which keeps what it has.
fn join(row: &mut Value, page: Option<Value>, details: &Details) {
    let Value::Object(row) = row else { return };
    let mut page = if let Some(Value::Object(page)) = page { page } else { Map::new() };
    for field in details.rules.fields.iter().filter(|field| !field.is_hidden()) {
        let found = page.remove(&field.name).unwrap_or(Value::Null);
        let own = row.entry(field.name.clone()).or_insert(Value::Null);
        if own.is_null() {
            *own = found;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rows_own_fields_stand_over_what_is_known() {
        let values: Params = [("day", "1"), ("geo", "ID"), ("tags", "x")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let known = beside(&values, &json!({"day": null, "link": "https://a.example/", "_id": 7, "tags": ["a"]}));
        assert_eq!(format!("{known:?}"), r#"{"_id": "7", "geo": "ID", "link": "https://a.example/"}"#);
    }
}
