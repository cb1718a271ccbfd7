//! Small drawings of the last refreshes: how long each took, and how many items it gave.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::words::took;
use crate::engine::cell::Attempt;

/// How wide a refresh is drawn, and how high the longest.
const STEP: u64 = 7;
const HEIGHT: u64 = 28;

/// True of an attempt that gave nothing.
pub(super) fn has_failed(attempt: &Attempt) -> bool {
    !matches!(attempt.outcome, "stored" | "confirmed" | "cancelled")
}

/// Both drawings; nothing before the first refresh. `recent` is newest first.
pub(super) fn sparks(recent: &[Attempt]) -> Markup {
    if recent.is_empty() {
        return html! {};
    }
    html! {
        div.sparks { (durations(recent)) (counts(recent)) }
    }
}

fn durations(recent: &[Attempt]) -> Markup {
    let times = || recent.iter().map(|attempt| attempt.took_ms);
    let (least, most) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
    let failed = recent.iter().filter(|attempt| has_failed(attempt)).count();
    let mut words = format!("The last {} refreshes took {} to {}", recent.len(), took(least), took(most));
    if recent.len() == 1 {
        words = format!("The only refresh took {}", took(most));
    }
    if failed > 0 {
        let _infallible = write!(words, "; {failed} failed");
    }
    let width = STEP * recent.len() as u64;
    html! {
        figure.spark {
            svg viewBox={ "0 0 " (width) " " (HEIGHT) } width=(width) height=(HEIGHT) role="img" aria-label=(words) {
                @for (index, attempt) in recent.iter().rev().enumerate() {
                    @let height = (attempt.took_ms * (HEIGHT - 3) / most.max(1)) + 3;
                    @let x = index as u64 * STEP;
                    rect.bar.bad[has_failed(attempt)] x=(x) y=(HEIGHT - height) width=(STEP - 2) height=(height) rx="1" {}
                }
            }
            figcaption { "Took " b { (took(recent[0].took_ms)) } }
        }
    }
}

fn counts(recent: &[Attempt]) -> Markup {
    let counts: Vec<u64> = recent.iter().rev().filter_map(|attempt| attempt.items).map(u64::from).collect();
    let (Some(&last), Some(&least), Some(&most)) = (counts.last(), counts.iter().min(), counts.iter().max()) else {
        return html! {};
    };
    let words = if least == most {
        format!("{} refreshes in a row found {most} items", counts.len())
    } else {
        format!("The last {} refreshes found {least} to {most} items, the latest {last}", counts.len())
    };
    let width = STEP * counts.len().max(2) as u64;
    // From 0, so that a small change looks small.
    let y = |count: u64| HEIGHT - 3 - count * (HEIGHT - 6) / most.max(1);
    let mut points = String::new();
    for (index, count) in counts.iter().enumerate() {
        let _infallible = write!(points, "{},{} ", 3 + index as u64 * STEP, y(*count));
    }
    html! {
        figure.spark {
            svg viewBox={ "0 0 " (width) " " (HEIGHT) } width=(width) height=(HEIGHT) role="img" aria-label=(words) {
                polyline.line points=(points.trim_end()) {}
                circle.dot cx=(3 + (counts.len() as u64 - 1) * STEP) cy=(y(last)) r="2.5" {}
            }
            figcaption { "Found " b { (last) } }
        }
    }
}
