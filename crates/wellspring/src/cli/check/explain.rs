//! What a collection was like, for people and as JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use wellspring_core::key::Key;

use crate::engine::catalog::Recipe;
use crate::engine::collect::{Collected, Harvest, Try};

/// How many items people are shown.
const SHOWN: usize = 5;

/// `{"source","items","fields","gates","dropped"}` of the alternative that was tried last, and the error where there is one.
pub(super) fn json(recipe: &Recipe, key: &Key, collected: &Collected) -> Value {
    let last = collected.tries.last();
    let extraction = last.and_then(|t| t.extraction.as_ref());
    let fields: Map<String, Value> = extraction
        .map(|e| {
            e.report
                .fields
                .iter()
                .map(|f| (f.name.clone(), json!({"found": f.found, "by_candidate": f.by_candidate, "defaulted": f.defaulted})))
                .collect()
        })
        .unwrap_or_default();
    let mut object = json!({
        "source": recipe.spec.name.as_str(),
        "key": key.as_str(),
        "alternative": last.map(|t| t.alternative + 1),
        "items": extraction.map_or(&[][..], |e| &e.rows),
        "fields": fields,
        "gates": last.map_or(&[][..], |t| &t.gates),
        "dropped": extraction.map_or(&[][..], |e| &e.report.dropped),
        "passed": collected.outcome.is_ok(),
    });
    if let (Err(failure), Some(object)) = (&collected.outcome, object.as_object_mut()) {
        object.insert("error".to_owned(), json!({"code": failure.code.as_str(), "message": failure.message}));
    }
    object
}

/// The same for people.
pub(super) fn text(recipe: &Recipe, key: &Key, collected: &Collected) -> String {
    let mut text = format!("{key}\n");
    let several = recipe.spec.alternatives.len() > 1;
    for attempt in &collected.tries {
        if several {
            line(&mut text, &format!("  alternative {} · {}", attempt.alternative + 1, attempt.address));
        } else {
            line(&mut text, &format!("  {}", attempt.address));
        }
        explain(&mut text, attempt);
    }
    match &collected.outcome {
        Ok(Harvest::Items { items, how, .. }) => {
            line(&mut text, &format!("  passed: {} items, {} bytes read, in {:.1} s", items.count(), how.bytes, how.took.as_secs_f64()));
        }
        Ok(Harvest::NotModified { .. }) => line(&mut text, "  passed: not modified"),
        Err(failure) => line(&mut text, &format!("  FAILED ({}): {failure}", failure.code)),
    }
    text
}

fn explain(text: &mut String, attempt: &Try) {
    if let Some(extraction) = &attempt.extraction {
        let (tally, report) = (&extraction.tally, &extraction.report);
        let counts = [(tally.dropped, "dropped"), (report.duplicates, "duplicates"), (report.cut, "past the limit"), (tally.kept, "kept")];
        let words: Vec<String> =
            counts.iter().filter(|(n, word)| *n > 0 || *word == "kept").map(|(n, word)| format!("{n} {word}")).collect();
        line(text, &format!("    rows     {} found, {}", tally.found, words.join(", ")));
        let width = report.fields.iter().map(|f| f.name.len()).max().unwrap_or(0);
        for (i, field) in report.fields.iter().enumerate() {
            let label = if i == 0 { "fields" } else { "" };
            let defaulted = if field.defaulted > 0 { format!(", {} by default", field.defaulted) } else { String::new() };
            let by = if field.by_candidate.len() > 1 { format!(" (by candidate: {})", joined(&field.by_candidate)) } else { String::new() };
            line(text, &format!("    {label:8} {:width$}  {} found{by}{defaulted}", field.name, field.found));
        }
        for (i, dropped) in report.dropped.iter().enumerate() {
            let label = if i == 0 { "dropped" } else { "" };
            line(text, &format!("    {label:8} row {} lacks {}", dropped.row + 1, dropped.missing.join(", ")));
        }
    }
    for (i, gate) in attempt.gates.iter().enumerate() {
        let label = if i == 0 { "gates" } else { "" };
        line(text, &format!("    {label:8} {} {}: {}", if gate.passed { "ok  " } else { "FAIL" }, gate.name, gate.message));
    }
    if let Some(extraction) = &attempt.extraction {
        for (i, row) in extraction.rows.iter().take(SHOWN).enumerate() {
            let label = if i == 0 { "items" } else { "" };
            line(text, &format!("    {label:8} {}", shortened(&row.to_string())));
        }
        if extraction.rows.len() > SHOWN {
            line(text, &format!("             … and {} more", extraction.rows.len() - SHOWN));
        }
    }
    if let Some(failure) = &attempt.failure {
        line(text, &format!("    failed   {failure}"));
    }
}

fn line(text: &mut String, words: &str) {
    let _infallible = writeln!(text, "{}", words.trim_end());
}

fn joined(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 160 { text.to_owned() } else { text.chars().take(159).chain(['…']).collect() }
}
