//! The last refreshes of a key: when, why, how long, and what the gates said.

use maud::{Markup, html};
use wellspring_core::key::Key;

use super::Viewer;
use super::spark::{has_failed, sparks};
use super::words::{ago, took};
use crate::engine::cell::Attempt;

/// The section.
pub(super) fn section(viewer: &Viewer<'_>, key: &Key, recent: &[Attempt]) -> Markup {
    html! {
        section #refreshes data-live data-key=(key) aria-labelledby="refreshes-title" {
            h2 #refreshes-title { "Refreshes" }
            @if recent.is_empty() { p { "None so far." } }
            @else {
                (sparks(recent))
                (table(viewer, recent))
                (gates(recent))
            }
        }
    }
}

fn table(viewer: &Viewer<'_>, recent: &[Attempt]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="The last refreshes" {
            table {
                thead { tr {
                    th scope="col" { "When" } th scope="col" { "Why" } th scope="col" { "Outcome" }
                    th.number scope="col" { "Took" } th.number scope="col" { "Found" } th scope="col" { "By" }
                } }
                tbody { @for attempt in recent { tr {
                    td { (ago(attempt.at, viewer.now.wall, &viewer.told(attempt.at))) }
                    td { (why(attempt.trigger)) }
                    td.wordy[attempt.message.is_some()] {
                        @let class = if has_failed(attempt) { "not" } else { "ok" };
                        span.(class) { (outcome(attempt.outcome)) }
                        @if let Some(message) = &attempt.message { ": " (message) }
                        @for cut in &attempt.cut { br; (cut) }
                    }
                    td.number { (took(attempt.took_ms)) }
                    td.number { @match attempt.items { Some(items) => (items), None => "–" } }
                    td { @match attempt.rung { Some(rung) => (rung.as_str()), None => "–" } }
                } } }
            }
        }
    }
}

/// What the last result was judged by.
fn gates(recent: &[Attempt]) -> Markup {
    let Some(judged) = recent.iter().find(|attempt| !attempt.gates.is_empty()) else { return html! {} };
    html! {
        h3 { "What the last result was judged by" }
        ul.gates { @for gate in &judged.gates { li {
            @if gate.passed { span.ok { "✓ passed" } } @else { span.not { "✗ refused" } }
            " " code { (gate.name) } " " (gate.message)
        } } }
    }
}

fn why(trigger: &str) -> &str {
    match trigger {
        "cold" => "nothing was held",
        "stale" => "a read found it stale",
        "forced" => "by hand",
        "retry" => "once more after a failure",
        "warm_up" | "warm" => "at start",
        "due" | "expiry" => "its time had come",
        other => other,
    }
}

fn outcome(word: &str) -> String {
    match word {
        "stored" => "✓ New data".to_owned(),
        "confirmed" => "✓ Unchanged".to_owned(),
        "cancelled" => "Cut short".to_owned(),
        failure => format!("✗ {}", failure.replace('_', " ")),
    }
}
