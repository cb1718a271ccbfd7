//! What anybody was told by a server, over all its lives, and what may therefore never be otherwise again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use serde_json::{Value, json};
use wellspring_core::snapshot::Digest;

use crate::support::client::Reply;
use crate::support::origin::Answer;

/// A fetch's rows: each names the source and which fetch it is, and holds a checksum.
pub(super) fn rows(path: &str, number: u64) -> Answer {
    // Those of one source are many pages of the database each, so that its log is soon as long as a checkpoint wants it.
    let (count, filler) = if path == "/big" { (40, 12_000) } else { (3, usize::try_from(number * 977 % 3_000).unwrap()) };
    let row = |row: usize| {
        let filler = "x".repeat(filler);
        json!({ "n": number, "row": row, "of": count, "sum": sum(path, number, row, &filler), "filler": filler })
    };
    Answer::json(json!({ "rows": (0..count).map(row).collect::<Vec<_>>() }).to_string())
}

fn sum(path: &str, number: u64, row: usize, filler: &str) -> String {
    Digest::of(format!("{path} {number} {row} {filler}").as_bytes()).to_string()
}

/// What one answer told of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    number: u64,
    revision: u64,
    fetched_at: String,
}

#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The highest that was told of each source.
    highest: BTreeMap<String, Told>,
    /// Since when each fetch's rows are served, as told first.
    dates: HashMap<(String, u64), String>,
    acknowledged: usize,
    wrong: Vec<String>,
}

impl Ledger {
    /// An answer with data, forced or read; the number of its fetch where it is whole.
    pub(super) fn hear(&self, source: &str, reply: &Reply) -> Option<u64> {
        let mut inner = self.0.lock().unwrap();
        let told = match read(source, reply) {
            Ok(told) => told,
            Err(why) => {
                inner.wrong.push(format!("torn: {source}: {why}"));
                return None;
            }
        };
        inner.acknowledged += 1;
        let date = inner.dates.entry((source.to_owned(), told.number)).or_insert_with(|| told.fetched_at.clone()).clone();
        if date != told.fetched_at {
            inner.wrong.push(format!("prolonged: {source}: fetch {} was of {date} and is of {} now", told.number, told.fetched_at));
        }
        let number = told.number;
        let highest = inner.highest.entry(source.to_owned()).or_default();
        highest.number = highest.number.max(told.number);
        highest.revision = highest.revision.max(told.revision);
        Some(number)
    }

    /// A status, or an event of a stream.
    pub(super) fn hear_status(&self, source: &str, status: &Value) {
        let Some(revision) = status["revision"].as_u64() else { return };
        let mut inner = self.0.lock().unwrap();
        inner.acknowledged += 1;
        let highest = inner.highest.entry(source.to_owned()).or_default();
        highest.revision = highest.revision.max(revision);
    }

    /// The first answers after a start: nothing may be older than anybody was told. The number that is served.
    pub(super) fn after_a_start(&self, source: &str, reply: &Reply, status: &Value) -> u64 {
        let before = self.0.lock().unwrap().highest.get(source).cloned().unwrap_or_default();
        let number = self.hear(source, reply).unwrap_or_default();
        let revision = status["revision"].as_u64().unwrap_or_default();
        if number < before.number || revision < before.revision {
            self.wrong(format!("lost: {source} has fetch {number} in revision {revision}, and {before:?} was acknowledged"));
        }
        number
    }

    pub(super) fn wrong(&self, what: String) {
        self.0.lock().unwrap().wrong.push(what);
    }

    /// How much was acknowledged, and what is wrong.
    pub(super) fn found(&self) -> (usize, Vec<String>) {
        let inner = self.0.lock().unwrap();
        (inner.acknowledged, inner.wrong.clone())
    }
}

/// A number, which a rule takes for text.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn read(source: &str, reply: &Reply) -> Result<Told, String> {
    let body: Value = serde_json::from_slice(&reply.body).map_err(|error| error.to_string())?;
    if reply.status != 200 {
        return Err(format!("{}: {body}", reply.status));
    }
    let items = body["items"].as_array().ok_or("no items")?;
    let number = items.first().and_then(|item| whole(&item["n"])).ok_or_else(|| format!("no number in {items:.200?}"))?;
    for (row, item) in items.iter().enumerate() {
        let expected = sum(&format!("/{source}"), number, row, item["filler"].as_str().unwrap_or_default());
        if (whole(&item["of"]), item["sum"].as_str()) != (u64::try_from(items.len()).ok(), Some(expected.as_str())) {
            return Err(format!("row {row} of {} in fetch {number} is not as it was sent", items.len()));
        }
    }
    let revision = reply.header("etag").trim_start_matches(['W', '/', '"']).split('-').next().and_then(|revision| revision.parse().ok());
    let fetched_at = body["fetched_at"].as_str().ok_or("no date")?.to_owned();
    Ok(Told { number, revision: revision.ok_or("no revision")?, fetched_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(number: u64, sent: u64, revision: u64, fetched_at: &str) -> Reply {
        let answer: Value = serde_json::from_slice(rows("/small", number).bytes()).unwrap();
        let mut items = answer["rows"].clone();
        items[1]["n"] = sent.into();
        items[1]["sum"] = sum("/small", sent, 1, items[1]["filler"].as_str().unwrap()).into();
        let body = json!({ "items": items, "fetched_at": fetched_at }).to_string();
        let headers = [(http::header::ETAG, format!("\"{revision}-abc\"").parse().unwrap())].into_iter().collect();
        Reply { status: http::StatusCode::OK, headers, body: body.into() }
    }

    /// The ledger is worth its figures only where it finds each of what it is to find.
    #[test]
    fn each_loss_is_found() {
        let ledger = Ledger::default();
        ledger.hear("small", &reply(7, 7, 3, "a"));
        assert_eq!(ledger.after_a_start("small", &reply(7, 7, 3, "a"), &json!({ "revision": 3 })), 7);
        assert_eq!(ledger.found(), (2, vec![]));
        ledger.after_a_start("small", &reply(6, 6, 3, "a"), &json!({ "revision": 3 }));
        ledger.after_a_start("small", &reply(7, 7, 3, "a"), &json!({ "revision": 2 }));
        ledger.hear("small", &reply(7, 6, 3, "a"));
        ledger.hear("small", &reply(7, 7, 3, "b"));
        let kinds: Vec<String> = ledger.found().1.iter().map(|wrong| wrong.split(':').next().unwrap().to_owned()).collect();
        assert_eq!(kinds, ["lost", "lost", "torn", "prolonged"]);
    }
}
