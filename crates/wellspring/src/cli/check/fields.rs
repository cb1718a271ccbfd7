//! How an extraction came about, line by line: rows, fields and what found them, what was dropped.

use std::collections::BTreeMap;

use wellspring_core::source::{Alternative, Field, Origin};
use wellspring_extract::FieldReport;

use crate::cli::words::shortened;
use crate::engine::extraction::Finished;

/// How much of a selector or path is shown.
const RULE: usize = 60;

/// The texts of fields' candidates, by the names of their reports.
pub(super) type Candidates = BTreeMap<String, Vec<String>>;

/// The candidates of an alternative's fields.
pub(super) fn candidates(alternative: &Alternative) -> Candidates {
    let mut all = Candidates::new();
    gather(&alternative.rules.fields, "", &mut all);
    if let Some(details) = &alternative.details {
        gather(&details.rules.fields, "", &mut all);
    }
    all
}

fn gather(fields: &[Field], prefix: &str, all: &mut Candidates) {
    for field in fields {
        let name = format!("{prefix}{}", field.name);
        match &field.origin {
            Origin::Places(places) => {
                let attr = places.attr.as_ref().map_or_else(String::new, |attr| format!("@{attr}"));
                let texts = places
                    .candidates
                    .iter()
                    .map(|at| if at.value.contains('@') { at.value.clone() } else { format!("{}{attr}", at.value) });
                all.entry(name).or_insert_with(|| texts.collect());
            }
            Origin::Compose(_) | Origin::Rows(_) | Origin::Object(_) => gather(field.within(), &format!("{name}."), all),
        }
    }
}

/// The lines, each with its label.
pub(super) fn lines(finished: &Finished, candidates: &Candidates) -> Vec<(&'static str, String)> {
    let (tally, report) = (&finished.tally, &finished.report);
    let duplicates = if report.duplicates == 1 { "duplicate" } else { "duplicates" };
    let counts = [(tally.dropped, "dropped"), (report.duplicates, duplicates), (report.cut, "past the limit"), (tally.kept, "kept")];
    let words: Vec<String> = counts.iter().filter(|(n, word)| *n > 0 || *word == "kept").map(|(n, word)| format!("{n} {word}")).collect();
    let mut lines = vec![("rows", format!("{} found, {}", tally.found, words.join(", ")))];
    let width = report.fields.iter().map(|f| f.name.len()).max().unwrap_or(0);
    for field in &report.fields {
        let looked = looked_into(field, &report.fields, tally.found);
        lines.push(("fields", format!("{:width$}  {}", field.name, words_of(field, candidates.get(&field.name), looked))));
    }
    for dropped in &report.dropped {
        let begins = dropped.begins.as_ref().map_or_else(String::new, |text| format!(" \"{}\"", shortened(text, RULE)));
        lines.push(("dropped", format!("row {}{begins} lacks {}", dropped.row, dropped.missing.join(", "))));
    }
    let unnamed = usize::try_from(tally.dropped).unwrap_or(usize::MAX).saturating_sub(report.dropped.len());
    if unnamed > 0 {
        lines.push(("dropped", format!("… and {unnamed} more")));
    }
    lines
}

/// Whether there was anything to look for a field in: rows, or items of the list that it stands in.
fn looked_into(field: &FieldReport, all: &[FieldReport], rows: u32) -> bool {
    match field.name.rsplit_once('.').and_then(|(list, _)| all.iter().find(|f| f.name == list)) {
        Some(list) => list.found > 0,
        None => rows > 0,
    }
}

fn words_of(field: &FieldReport, candidates: Option<&Vec<String>>, looked: bool) -> String {
    let text = |at: usize| match candidates.filter(|texts| texts.len() == field.by_candidate.len()) {
        Some(texts) => format!("\"{}\"", shortened(&texts[at], RULE)),
        None => format!("candidate {}", at + 1),
    };
    let winners: Vec<(usize, u32)> = field.by_candidate.iter().copied().enumerate().filter(|(_, won)| *won > 0).collect();
    let by = match winners[..] {
        [] => String::new(),
        _ if field.by_candidate.len() == 1 => String::new(),
        [(at, _)] => format!(", all by {}", text(at)),
        _ => {
            let each: Vec<String> = winners.iter().map(|(at, won)| format!("{won} by {}", text(*at))).collect();
            format!(": {}", each.join(", "))
        }
    };
    let defaulted = if field.defaulted > 0 { format!(", {} by default", field.defaulted) } else { String::new() };
    // A rule that never matches is no failure where the field is not required, and yet hardly what was meant.
    let doubt = if !field.by_candidate.is_empty() && field.found == 0 && looked { "  ← in no row: is this rule right?" } else { "" };
    format!("{} found{by}{defaulted}{doubt}", field.found)
}
