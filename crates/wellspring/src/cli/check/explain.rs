//! What a collection was like, for people and as JSON.

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use wellspring_core::key::Key;
use wellspring_core::moment::Moment;
use wellspring_core::rung::Rung;
use wellspring_core::source::Render;

use super::{fields, loaded, requests};
use crate::cli::words::{shortened, size, took};
use crate::engine::catalog::Recipe;
use crate::engine::collect::{Collected, Harvest, Try};
use crate::engine::extraction::Finished;

/// How many items people are shown.
const SHOWN: usize = 5;
/// How much of each.
const ITEM: usize = 160;

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
    /// `{"source","items","fields","gates","dropped","requests","cut"}` of the alternative that was tried last, and the error where
    /// there is one.
    pub(super) fn json(&self) -> Value {
        let last = self.collected.tries.last();
        let extraction = last.and_then(|t| t.finished.as_ref());
        let mut object = json!({
            "source": self.recipe.spec.name.as_str(),
            "key": self.key.as_str(),
            "alternative": last.map(|t| t.alternative + 1),
            "rung": last.map(|t| t.rung),
            "items": extraction.map_or_else(Vec::new, rows),
            "fields": last.map(|t| self.fields(t)).unwrap_or_default(),
            "gates": last.map_or(&[][..], |t| &t.gates),
            "dropped": extraction.map_or(&[][..], |e| &e.report.dropped),
            "requests": last.map_or_else(Vec::new, requests::json),
            "cut": last.map_or(&[][..], |t| &t.cut),
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

    fn fields(&self, attempt: &Try) -> Map<String, Value> {
        let candidates = fields::candidates(&self.recipe.spec.alternatives[attempt.alternative]);
        let reports = attempt.finished.iter().flat_map(|finished| &finished.report.fields);
        let counts = reports.map(|f| {
            let texts = candidates.get(&f.name).filter(|texts| texts.len() == f.by_candidate.len());
            (f.name.clone(), json!({"found": f.found, "candidates": texts, "by_candidate": f.by_candidate, "defaulted": f.defaulted}))
        });
        counts.collect()
    }

    /// The same for people.
    pub(super) fn text(&self, zone: &TimeZone) -> String {
        let mut text = format!("{}\n", self.key);
        if self.ignores_robots {
            line(&mut text, "  robots.txt is ignored (`robots = false`)");
        }
        let alternatives = &self.recipe.spec.alternatives;
        let several = alternatives.len() > 1;
        for (index, alternative) in alternatives.iter().enumerate() {
            let tries: Vec<&Try> = self.collected.tries.iter().filter(|t| t.alternative == index).collect();
            if let ([], Some(variable), false) = (&tries[..], &alternative.when_env, alternative.usable) {
                line(&mut text, &format!("  alternative {} · skipped: {variable} is not set", index + 1));
            }
            if several && !tries.is_empty() {
                line(&mut text, &format!("  alternative {}", index + 1));
            }
            let mut indent = if several { "    " } else { "  " }.to_owned();
            if alternative.render == Render::Auto {
                indent += "  ";
            }
            for attempt in tries {
                if alternative.render == Render::Auto {
                    line(&mut text, &format!("{}{}", &indent[2..], means(attempt.rung)));
                }
                self.explain(&mut text, attempt, &indent);
            }
        }
        match &self.collected.outcome {
            Ok(Harvest::Items { items, how, .. }) => {
                let (count, size, took) = (items.count(), size(how.bytes), took(how.took));
                line(&mut text, &format!("  passed: {count} items from {size} in {took}{}", self.fresh_words(zone)));
            }
            Ok(Harvest::NotModified { .. }) => line(&mut text, "  passed: not modified"),
            // Why stands under each of them already.
            Err(failure) if self.collected.tries.len() > 1 => {
                line(
                    &mut text,
                    &format!("  FAILED ({}): {}", failure.code, if several { "none of its alternatives passes" } else { "neither passes" }),
                );
            }
            Err(failure) => line(&mut text, &format!("  FAILED ({}): {failure}", failure.code)),
        }
        text
    }

    fn explain(&self, text: &mut String, attempt: &Try, indent: &str) {
        for request in requests::lines(attempt, self.input) {
            line(text, &format!("{indent}{request}"));
        }
        let mut lines: Vec<(&str, String)> = attempt.cut.iter().map(|words| ("cut", words.clone())).collect();
        if let Some(finished) = &attempt.finished {
            let candidates = fields::candidates(&self.recipe.spec.alternatives[attempt.alternative]);
            lines.extend(fields::lines(finished, &candidates));
        }
        let verdict = |passed| if passed { "ok  " } else { "FAIL" };
        lines.extend(attempt.gates.iter().map(|gate| ("gates", format!("{} {}: {}", verdict(gate.passed), gate.name, gate.message))));
        if let Some(finished) = &attempt.finished {
            let rows = rows(finished);
            lines.extend(rows.iter().take(SHOWN).map(|row| ("sample", shortened(&row.to_string(), ITEM))));
            if rows.len() > SHOWN {
                lines.push(("sample", format!("… and {} more", rows.len() - SHOWN)));
            }
        }
        let captures = self.recipe.spec.alternatives[attempt.alternative].page.capture.is_some();
        lines.extend(loaded::lines(attempt, captures).into_iter().map(|words| ("loaded", words)));
        if let (Some(failure), true) = (&attempt.failure, self.collected.tries.len() > 1) {
            lines.push(("failed", failure.to_string()));
        }
        let mut above = "";
        for (label, words) in lines {
            line(text, &format!("{indent}{:8} {words}", if label == above { "" } else { label }));
            above = label;
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

fn means(rung: Rung) -> &'static str {
    match rung {
        Rung::Http => "by plain HTTP",
        Rung::Browser => "in a browser",
    }
}

/// The items as values again.
fn rows(finished: &Finished) -> Vec<Value> {
    serde_json::from_str(finished.items.json()).unwrap_or_default()
}

fn line(text: &mut String, words: &str) {
    let _infallible = writeln!(text, "{}", words.trim_end());
}
