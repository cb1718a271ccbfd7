//! The JSON that a rendered page has loaded, which is often cleaner than the page, and needs no browser.

use crate::cli::words::{shortened, size};
use crate::engine::collect::Try;
use crate::fetch::SeenAnswer;

/// How many answers people are shown.
const SHOWN: usize = 10;
/// How much of an address.
const ADDRESS: usize = 160;

/// The lines that tell of it, and a hint where the page itself was read and not what it `captures`.
pub(super) fn lines(attempt: &Try, captures: bool) -> Vec<String> {
    let answers: Vec<&SeenAnswer> = attempt.asked.iter().filter_map(|asked| asked.seen.as_ref()).flat_map(|seen| &seen.answers).collect();
    let line = |answer: &&SeenAnswer| {
        let SeenAnswer { address, status, bytes } = answer;
        format!("{status} {:>7}  {}", size(*bytes), shortened(address, ADDRESS))
    };
    let mut lines: Vec<String> = answers.iter().take(SHOWN).map(line).collect();
    if answers.len() > SHOWN {
        lines.push(format!("… and {} more", answers.len() - SHOWN));
    }
    if !lines.is_empty() && !captures {
        lines
            .push("where one of these has what is wanted: read it by itself (`format = \"json\"`, no browser), or as `capture`".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wellspring_core::rung::Rung;

    use super::*;
    use crate::engine::collect::Asked;
    use crate::fetch::Seen;

    fn attempt(answers: u64) -> Try {
        let answer = |n| SeenAnswer { address: format!("https://a.example/api/{n}"), status: 200, bytes: n * 777 };
        let seen = Seen { title: "Films".to_owned(), bytes: 70, answers: (1..=answers).map(answer).collect() };
        let asked = Asked {
            label: "items".to_owned(),
            address: "https://a.example/".to_owned(),
            rung: Rung::Browser,
            bytes: 70,
            took: Duration::ZERO,
            captured: Vec::new(),
            seen: Some(seen),
            note: None,
        };
        Try {
            alternative: 0,
            rung: Rung::Browser,
            address: String::new(),
            asked: vec![asked],
            cut: Vec::new(),
            finished: None,
            gates: Vec::new(),
            failure: None,
        }
    }

    #[test]
    fn what_a_page_has_loaded_is_told_with_a_way_to_do_without_it() {
        insta::assert_snapshot!(lines(&attempt(2), false).join("\n"), @r#"
        200   777 B  https://a.example/api/1
        200  1.6 KB  https://a.example/api/2
        where one of these has what is wanted: read it by itself (`format = "json"`, no browser), or as `capture`
        "#);
        assert_eq!(lines(&attempt(2), true).len(), 2, "who takes it already needs no hint");
        assert_eq!(lines(&attempt(0), false), [""; 0]);
        insta::assert_snapshot!(lines(&attempt(12), true).split_off(9).join("\n"), @"
        200  7.8 KB  https://a.example/api/10
        … and 2 more
        ");
    }
}
