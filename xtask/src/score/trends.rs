//! Trending searches in three notations: RSS, the page's own batch RPC, and JSON behind a guard.

use serde_json::Value;

use super::Score;
use super::lab::{Answer, Lab};

/// The feed, and the page's own answer, whose list is JSON within a text of the JSON.
const SOURCES: &str = r#"
[source.rss]
url = "http://trends.test/rss"
fresh_for = "1h"
format = "feed"
limit = 10
fields = { query = "title", search_volume = { path = "ht:approx_traffic", parse = "number" } }

[source.rpc]
url = "http://trends.test/rpc"
fresh_for = "1h"
format = "json"
items = "$[0][2]"
transform = "[.[0] | fromjson | .[1][] | { query: .[0], search_volume: .[6] }]"
limit = 10

[source.guarded]
url = "http://trends.test/older"
fresh_for = "1h"
format = "json"
items = "$.indonesia[*]"
transform = "map({ query: . })"
limit = 10
"#;

pub(super) fn run(lab: &Lab) -> Result<Vec<Score>, String> {
    let answer =
        |url: &str, file: &str, mime| Answer { url: format!("http://trends.test/{url}"), file: lab.data("trends").join(file), mime };
    // The older answer is stored without the guard that it was sent with.
    let guarded = lab.folder()?.join("older.txt");
    let stored = super::lab::text(&lab.data("trends/older/trending_searches_ok.1.txt"))?;
    super::lab::write(&guarded, &if stored.starts_with(")]}'") { stored } else { format!(")]}}'\n{stored}") })?;
    let site = lab.site(&[
        answer("rss", "captured-2026-10-01/trending_rss.xml", "application/rss+xml"),
        answer("rpc", "captured-2026-10-01/trending_now.txt", "application/json"),
        Answer { url: "http://trends.test/older".to_owned(), file: guarded, mime: "application/json" },
    ])?;
    let checked = lab.check(&site, SOURCES, &[])?;
    let score = |checked: &Value| {
        let name = checked["source"].as_str().unwrap_or_default();
        let has_volume = name != "guarded";
        let empty = Vec::new();
        let items = checked["items"].as_array().unwrap_or(&empty);
        let is_whole = |item: &&Value| {
            item["query"].as_str().is_some_and(|query| !query.is_empty()) && (!has_volume || item["search_volume"].is_u64())
        };
        let right = items.iter().filter(is_whole).count();
        let wrong = (right..10).map(|_| format!("{name}: {checked}")).collect();
        Score::of(format!("{name}: ten trends{}", if has_volume { ", each with a volume" } else { "" }), right, wrong, 1.0)
    };
    Ok(checked.iter().map(score).collect())
}
