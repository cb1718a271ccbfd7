//! What a collection was like, for people and as JSON.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use wellspring_core::key::Key;
use wellspring_core::moment::Moment;

use crate::engine::catalog::Recipe;
use crate::engine::collect::{Collected, Harvest, Try};
use crate::engine::extraction::Finished;

/// How many items people are shown.
const SHOWN: usize = 5;

/// What was checked, and what came of it.
#[derive(Debug)]
pub(super) struct Checked<'a> {
    /// The source.
    pub recipe: &'a Recipe,
    /// Its key.
    pub key: &'a Key,
    /// The file that was read in place of the upstream.
    pub input: Option<&'a Path>,
    /// Whether robots.txt was ignored.
    pub ignores_robots: bool,
    /// How it went.
    pub collected: &'a Collected,
    /// The moment that it is judged by.
    pub now: Moment,
}

impl Checked<'_> {
    /// `{"source","items","fields","gates","dropped"}` of the alternative that was tried last, and the error where there is one.
    pub(super) fn json(&self) -> Value {
        let last = self.collected.tries.last();
        let extraction = last.and_then(|t| t.finished.as_ref());
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
            "source": self.recipe.spec.name.as_str(),
            "key": self.key.as_str(),
            "alternative": last.map(|t| t.alternative + 1),
            "items": extraction.map_or_else(Vec::new, rows),
            "fields": fields,
            "gates": last.map_or(&[][..], |t| &t.gates),
            "dropped": extraction.map_or(&[][..], |e| &e.report.dropped),
            "passed": self.collected.outcome.is_ok(),
            "fresh_until": self.fresh_until(),
        });
        if let (true, Some(object)) = (self.ignores_robots, object.as_object_mut()) {
            object.insert("robots".to_owned(), json!("ignored"));
        }
        if let (Err(failure), Some(object)) = (&self.collected.outcome, object.as_object_mut()) {
            object.insert("error".to_owned(), json!({"code": failure.code.as_str(), "message": failure.message}));
        }
        object
    }

    /// The same for people.
    pub(super) fn text(&self, zone: &TimeZone) -> String {
        let mut text = format!("{}\n", self.key);
        if self.ignores_robots {
            line(&mut text, "  robots.txt is ignored (`robots = false`)");
        }
        let alternatives = &self.recipe.spec.alternatives;
        for (index, alternative) in alternatives.iter().enumerate() {
            let label = if alternatives.len() > 1 { format!("alternative {} · ", index + 1) } else { String::new() };
            let attempt = self.collected.tries.iter().find(|t| t.alternative == index);
            match (attempt, &alternative.when_env) {
                (Some(attempt), _) => {
                    line(&mut text, &format!("  {label}{}", self.origin(attempt)));
                    explain(&mut text, attempt);
                    if let (Some(failure), true) = (&attempt.failure, alternatives.len() > 1) {
                        line(&mut text, &format!("    failed   {failure}"));
                    }
                }
                (None, Some(variable)) if !alternative.usable => line(&mut text, &format!("  {label}skipped: {variable} is not set")),
                (None, _) => {}
            }
        }
        match &self.collected.outcome {
            Ok(Harvest::Items { items, how, .. }) => {
                let (count, took) = (items.count(), took(how.took));
                line(&mut text, &format!("  passed: {count} items from {} bytes in {took}{}", how.bytes, self.fresh_words(zone)));
            }
            Ok(Harvest::NotModified { .. }) => line(&mut text, "  passed: not modified"),
            // Why stands under each of them already.
            Err(failure) if self.collected.tries.len() > 1 => {
                line(&mut text, &format!("  FAILED ({}): none of its alternatives passes", failure.code));
            }
            Err(failure) => line(&mut text, &format!("  FAILED ({}): {failure}", failure.code)),
        }
        text
    }

    /// Where an alternative was read from.
    fn origin(&self, attempt: &Try) -> String {
        match self.input {
            None => attempt.address.clone(),
            // Without its variable an alternative has no address.
            Some(file) if attempt.address.is_empty() => file.display().to_string(),
            Some(file) => format!("{}, in place of {}", file.display(), attempt.address),
        }
    }

    fn fresh_until(&self) -> Option<Timestamp> {
        self.collected.outcome.as_ref().ok()?;
        let horizon = self.recipe.spec.policy.horizon(self.now.wall, self.now);
        Some(self.now.wall_at(horizon.stale_at))
    }

    fn fresh_words(&self, zone: &TimeZone) -> String {
        self.fresh_until().map_or_else(String::new, |t| format!("; fresh until {}", t.to_zoned(zone.clone()).strftime("%F %T")))
    }
}

fn explain(text: &mut String, attempt: &Try) {
    if let Some(extraction) = &attempt.finished {
        let (tally, report) = (&extraction.tally, &extraction.report);
        let duplicates = if report.duplicates == 1 { "duplicate" } else { "duplicates" };
        let counts = [(tally.dropped, "dropped"), (report.duplicates, duplicates), (report.cut, "past the limit"), (tally.kept, "kept")];
        let words: Vec<String> =
            counts.iter().filter(|(n, word)| *n > 0 || *word == "kept").map(|(n, word)| format!("{n} {word}")).collect();
        line(text, &format!("    rows     {} found, {}", tally.found, words.join(", ")));
        let width = report.fields.iter().map(|f| f.name.len()).max().unwrap_or(0);
        for (i, field) in report.fields.iter().enumerate() {
            let label = if i == 0 { "fields" } else { "" };
            let defaulted = if field.defaulted > 0 { format!(", {} by default", field.defaulted) } else { String::new() };
            let by = if field.by_candidate.len() > 1 { format!(" (by candidate: {})", joined(&field.by_candidate)) } else { String::new() };
            // A rule that never matches is no failure where the field is not required, and yet hardly what was meant.
            let nowhere = !field.by_candidate.is_empty() && field.found == 0 && tally.found > 0;
            let doubt = if nowhere { "  ← in no row: is this rule right?" } else { "" };
            line(text, &format!("    {label:8} {:width$}  {} found{by}{defaulted}{doubt}", field.name, field.found));
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
    if let Some(extraction) = &attempt.finished {
        let rows = rows(extraction);
        for (i, row) in rows.iter().take(SHOWN).enumerate() {
            let label = if i == 0 { "items" } else { "" };
            line(text, &format!("    {label:8} {}", shortened(&row.to_string())));
        }
        if rows.len() > SHOWN {
            line(text, &format!("             … and {} more", rows.len() - SHOWN));
        }
    }
}

/// The items as values again.
fn rows(finished: &Finished) -> Vec<Value> {
    serde_json::from_str(finished.items.json()).unwrap_or_default()
}

fn line(text: &mut String, words: &str) {
    let _infallible = writeln!(text, "{}", words.trim_end());
}

fn took(time: Duration) -> String {
    if time < Duration::from_secs(1) { format!("{} ms", time.as_millis()) } else { format!("{:.1} s", time.as_secs_f64()) }
}

fn joined(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 160 { text.to_owned() } else { text.chars().take(159).chain(['…']).collect() }
}
