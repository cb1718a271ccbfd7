//! What is linted: sources of every kind, and their routes.

use std::net::SocketAddr;

/// One route.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
}

const fn read(path: &'static str) -> Route {
    Route { method: "GET", path }
}

/// What REDbot looks at.
pub(super) const LINTED: [Route; 31] = [
    read("/"),
    read("/api"),
    read("/health"),
    read("/ready"),
    read("/openapi.json"),
    read("/metrics"),
    read("/api/talks"),
    read("/api/films"),
    read("/api/news"),
    read("/api/slow"),
    read("/api/asked?city=JKT"),
    read("/api/talks/status"),
    read("/api/talks.json"),
    read("/api/talks.ndjson"),
    read("/api/talks.csv"),
    read("/api/talks.rss"),
    read("/api/talks.atom"),
    read("/api/talks.ics"),
    read("/api/talks/history"),
    read("/api/talks?limit=1&fields=title"),
    read("/api/talks?max_age=1h&wait=1s"),
    read("/api/shared"),
    read("/api/shared.rss"),
    // Errors: 400, 404, 405, 503.
    read("/api/talks?nope=1"),
    read("/api/asked"),
    read("/nothing"),
    read("/api/nothing"),
    Route { method: "DELETE", path: "/api/talks" },
    Route { method: "POST", path: "/api/news/refresh" },
    read("/api/failing"),
    read("/api/talks.docx"),
];

/// What readers read back.
pub(super) const READ_BACK: [&str; 10] =
    ["talks.json", "talks.ndjson", "talks.csv", "talks.rss", "talks.atom", "talks.ics", "news.rss", "news.atom", "news.ics", "news.csv"];

/// The sources that have data before anything is judged: what their items are like is part of what is described.
pub(super) const WARM: [&str; 6] = ["talks", "films", "news", "slow", "shared", "asked?city=JKT"];

/// A source without data answers 503, and Schemathesis should not take that for a crash. What else is no fault depends on what
/// was asked: `refusals.py` tells.
pub(super) const SCHEMATHESIS: &str = r#"[[operations]]
include-path-regex = "^/api/failing(/refresh|[.][a-z]+)?$"

[operations.checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503"]
"#;

/// The config of the server.
pub(super) fn config(listen: SocketAddr, origin: SocketAddr) -> String {
    let sources = SOURCES.replace("ORIGIN", &format!("http://{origin}"));
    format!("[server]\nlisten = \"{listen}\"\n{sources}")
}

/// Periods are long: data that turn stale in the middle would be one more thing to explain.
const SOURCES: &str = r#"admin_token = "${LINT_TOKEN}"
timezone = "Asia/Jakarta"

[store]
url = "memory:"

[fetch]
allow_private = true
robots = false

[source.talks]
description = "Talks, with every kind of value"
url = "ORIGIN/talks"
fresh_for = "1d"
format = "json"
items = "$.talks[*]"

[source.talks.fields]
title = "$.title"
link = "$.link"
published = { path = "$.published", parse = "date" }
price = { path = "$.price", parse = "money" }
seats = { path = "$.seats", parse = "number" }
free = { path = "$.free", parse = "boolean" }
room = "$.room"
tags = { path = "$.tags[*]", all = true }
note = { path = "$.note", default = "none" }

[source.talks.expect]
required = ["title", "link"]

# When something was published is no date of a calendar, unless it is said.
[source.talks.calendar]
start = "published"

[source.films]
description = "Films, under a name of their own"
url = "ORIGIN/films"
fresh_for = "1d"
items_key = "films"
report_age = true
format = "html"
items = "li.film"
fields = { title = "a", img = "img@src", link = "a@href", day = { select = "time", parse = "date" } }

[source.news]
description = "A feed, taken whole; nobody may force its refresh"
url = "ORIGIN/news"
fresh_for = "1d"
manual_refresh = false
format = "feed"
calendar = { start = "published" }

[source.slow]
description = "Takes three seconds"
url = "ORIGIN/slow"
fresh_for = "1d"
format = "json"
items = "$.talks[*]"

[source.failing]
description = "Never answers anything of use"
url = "ORIGIN/failing"
fresh_for = "1d"
format = "json"

[source.asked]
description = "Takes parameters of every kind"
url = "ORIGIN/talks?city={city}&lang={lang}&page={page}&subtitles={subtitles}&day={day}"
fresh_for = "1d"
max_keys = 50
format = "json"
items = "$.talks[*]"

[source.asked.params]
city = { values = ["JKT", "BDG", "SUB"] }
lang = { pattern = "[a-z]{2}(-[A-Z]{2})?", default = "id" }
page = { type = "integer", min = 1, max = 99, default = 1 }
subtitles = { type = "boolean", default = false }
day = { type = "date", default = "2026-03-02" }

[source.shared]
description = "May be kept by a CDN"
url = "ORIGIN/talks"
fresh_for = "1d"
max_stale = "7d"
http_cache = "shared"
format = "json"
items = "$.talks[*]"
"#;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::LINTED;

    #[test]
    fn no_route_is_judged_twice() {
        let routes: HashSet<_> = LINTED.iter().map(|route| (route.method, route.path)).collect();
        assert_eq!(routes.len(), LINTED.len());
    }
}
