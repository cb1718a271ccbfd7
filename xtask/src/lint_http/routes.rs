//! What is linted: sources of every kind, and their routes.

use std::net::SocketAddr;

/// **Switch on when the server answers them**: the query words, the formats, the history, shared caching.
const ANSWERS_ALL: bool = false;

/// One route.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Only where [`ANSWERS_ALL`].
    later: bool,
}

const fn now(path: &'static str) -> Route {
    Route { method: "GET", path, later: false }
}

const fn later(path: &'static str) -> Route {
    Route { method: "GET", path, later: true }
}

/// What REDbot looks at.
const LINTED: [Route; 30] = [
    now("/"),
    now("/api"),
    now("/health"),
    now("/ready"),
    now("/openapi.json"),
    now("/api/talks"),
    now("/api/films"),
    now("/api/news"),
    now("/api/slow"),
    now("/api/asked?city=JKT"),
    now("/api/talks/status"),
    later("/api/talks.json"),
    later("/api/talks.ndjson"),
    later("/api/talks.csv"),
    later("/api/talks.rss"),
    later("/api/talks.atom"),
    later("/api/talks.ics"),
    later("/api/talks/history"),
    later("/api/talks?limit=1&fields=title"),
    later("/api/talks?max_age=1h&wait=1s"),
    later("/api/shared"),
    later("/api/shared.rss"),
    // Errors: 400, 404, 405, 503.
    now("/api/talks?nope=1"),
    now("/api/asked"),
    now("/nothing"),
    now("/api/nothing"),
    Route { method: "DELETE", path: "/api/talks", later: false },
    Route { method: "POST", path: "/api/news/refresh", later: false },
    now("/api/failing"),
    later("/api/talks.docx"),
];

/// What readers read back.
const READ_BACK: [Route; 10] = [
    later("talks.json"),
    later("talks.ndjson"),
    later("talks.csv"),
    later("talks.rss"),
    later("talks.atom"),
    later("talks.ics"),
    later("news.rss"),
    later("news.atom"),
    later("news.ics"),
    later("news.csv"),
];

/// The sources that have data before anything is judged. (`asked` has none before somebody asks.)
pub(super) const WARM: [&str; 4] = ["talks", "films", "news", "slow"];

/// A source without data answers 503, and Schemathesis should not take that for a crash.
pub(super) const SCHEMATHESIS: &str = r#"[[operations]]
include-path-regex = "^/api/failing(/refresh|[.][a-z]+)?$"

[operations.checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503"]
"#;

/// The routes that the server answers already.
pub(super) fn linted() -> impl Iterator<Item = &'static Route> {
    LINTED.iter().filter(|route| ANSWERS_ALL || !route.later)
}

/// The files that are read back.
pub(super) fn read_back() -> impl Iterator<Item = &'static str> {
    READ_BACK.iter().filter(|route| ANSWERS_ALL || !route.later).map(|route| route.path)
}

/// The config of the server.
pub(super) fn config(listen: SocketAddr, origin: SocketAddr) -> String {
    let shared = if ANSWERS_ALL { SHARED } else { "" };
    let sources = format!("{SOURCES}{shared}").replace("ORIGIN", &format!("http://{origin}"));
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
"#;

const SHARED: &str = r#"
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
