//! The JSON that a rendered page has loaded, which is often cleaner than the page, and needs no browser.

use wellspring_core::source::Alternative;

use crate::cli::words::{shortened, size};
use crate::engine::collect::Try;
use crate::fetch::SeenAnswer;

/// How many answers people are shown.
const SHOWN: usize = 10;
/// How much of an address.
const ADDRESS: usize = 160;

/// The lines that tell of it, and a hint where the page itself was read.
pub(super) fn lines(attempt: &Try, alternative: &Alternative) -> Vec<String> {
    let answers: Vec<&SeenAnswer> = attempt.asked.iter().filter_map(|asked| asked.seen.as_ref()).flat_map(|seen| &seen.answers).collect();
    let line = |answer: &&SeenAnswer| {
        let SeenAnswer { address, status, bytes } = answer;
        format!("{status} {:>7}  {}", size(*bytes), shortened(address, ADDRESS))
    };
    let mut lines: Vec<String> = answers.iter().take(SHOWN).map(line).collect();
    if answers.len() > SHOWN {
        lines.push(format!("… and {} more", answers.len() - SHOWN));
    }
    if !lines.is_empty() && alternative.page.capture.is_none() {
        lines
            .push("where one of these has what is wanted: read it by itself (`format = \"json\"`, no browser), or as `capture`".to_owned());
    }
    lines
}
