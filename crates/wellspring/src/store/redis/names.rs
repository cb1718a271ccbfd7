//! What things are called in Redis. All of one source stands in one slot of a cluster, so that a script may touch it.

use wellspring_core::key::Key;

/// The names of all sources.
pub(super) const SOURCES: &str = "ws:sources";
/// Small texts.
pub(super) const NOTES: &str = "ws:notes";
/// The format of the whole: a store of a newer one is left alone.
pub(super) const FORMAT: &str = "ws:format";

/// Which servers are there.
pub(super) const REPLICAS: &str = "ws:replicas";

/// The line of every key of a source.
pub(super) fn index(source: &str) -> String {
    format!("ws:{{{source}}}:m")
}

/// Who refreshes a key.
pub(super) fn lease(key: &Key) -> String {
    format!("ws:{{{}}}:l:{key}", key.source())
}

/// Who is at a host, and the pause after the last start there.
pub(super) fn slots(host: &str) -> [String; 2] {
    [format!("ws:{{slot:{host}}}:s"), format!("ws:{{slot:{host}}}:p")]
}

/// Where hints go. Channels know no database numbers.
pub(super) fn channel(database: i64) -> String {
    format!("ws:changes:{database}")
}

/// What lies under a name where it is one that we use.
pub(super) fn kind(name: &str) -> Option<&'static str> {
    match name {
        FORMAT => return Some("string"),
        SOURCES => return Some("set"),
        NOTES | REPLICAS => return Some("hash"),
        _ => {}
    }
    let (tag, rest) = name.strip_prefix("ws:{")?.split_once("}:")?;
    let what = rest.split_once(':').map_or(rest, |(what, _)| what);
    match (what, tag.starts_with("slot:")) {
        ("s", true) => Some("zset"),
        ("p", true) | ("l" | "f", false) => Some("string"),
        ("m" | "e" | "h" | "i", false) => Some("hash"),
        _ => None,
    }
}

/// What is of one key.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) heads: String,
    pub(super) items: String,
    rest: [String; 4],
}

impl Names {
    pub(super) fn of(key: &Key) -> Self {
        let source = key.source();
        let of = |what: &str| format!("ws:{{{source}}}:{what}:{key}");
        Self { heads: of("h"), items: of("i"), rest: [lease(key), format!("ws:{{{source}}}:f"), of("e"), index(source)] }
    }

    /// In the order of the scripts: lease, fences, entry, heads, items, index.
    pub(super) fn all(&self) -> [&str; 6] {
        let [lease, fences, entry, index] = &self.rest;
        [lease, fences, entry, &self.heads, &self.items, index]
    }
}
