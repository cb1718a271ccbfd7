//! Feeds: the titles and links of their entries.

use std::fmt::Write as _;

use serde_json::Value;

use super::Score;
use super::lab::{self, Answer, Lab};

/// An entry's title and link.
type Entry = (Option<String>, Option<String>);

pub(super) fn run(lab: &Lab) -> Result<Vec<Score>, String> {
    let mut answers = Vec::new();
    let mut expected = Vec::new();
    let mut config = String::new();
    for (index, feed) in lab.files("feeds", &["xml"]).into_iter().enumerate() {
        let Ok(wanted) = lab::json(&feed.with_extension("json")) else { continue };
        let url = format!("http://unknown.invalid/{index}");
        let _infallible = writeln!(
            config,
            "[source.f{index}]\nurl = \"{url}\"\nfresh_for = \"1h\"\nformat = \"feed\"\nfields = {{ title = \"title\", link = \"link\" }}\nexpect.allow_empty = true"
        );
        expected.push((feed.display().to_string(), entries(&wanted)));
        answers.push(Answer { url, file: feed, mime: "application/octet-stream" });
    }
    let site = lab.site(&answers)?;
    let checked = lab.check(&site, &config, &[])?;
    let (mut right, mut right_with, mut wrong, mut wrong_with) = (0, 0, Vec::new(), Vec::new());
    for (checked, (name, wanted)) in checked.iter().zip(&expected) {
        let found = entries(checked);
        if found == *wanted {
            right += 1;
            right_with += usize::from(!wanted.is_empty());
            continue;
        }
        let line = format!("{name}: {found:?} instead of {wanted:?}");
        if !wanted.is_empty() {
            wrong_with.push(line.clone());
        }
        wrong.push(line);
    }
    Ok(vec![
        Score::of("all entries' titles and links right", right, wrong, 0.95),
        Score::of("the same, feeds with entries only", right_with, wrong_with, 0.95),
    ])
}

/// The entries of a reader's output, ours or the other one's.
fn entries(output: &Value) -> Vec<Entry> {
    let entries = output.get("items").or_else(|| output.get("entries")).and_then(Value::as_array);
    let link = |entry: &Value| {
        let of =
            |relation: &str| entry["links"].as_array()?.iter().find(|link| link["rel"] == relation).and_then(|link| words(&link["href"]));
        words(&entry["link"]).or_else(|| of("alternate")).or_else(|| of("self"))
    };
    entries.into_iter().flatten().map(|entry| (words(&entry["title"]), link(entry).map(|link| plain(&link)))).collect()
}

fn words(value: &Value) -> Option<String> {
    value.as_str().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
}

/// An address in the one notation of several that mean the same: the proxy serves https as http, and an empty path is `/`.
fn plain(link: &str) -> String {
    let link = link.replace("https://", "http://");
    match link.strip_prefix("http://") {
        Some(rest) if !rest.contains('/') => format!("{link}/"),
        _ => link,
    }
}
