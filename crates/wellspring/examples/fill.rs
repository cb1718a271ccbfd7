//! Fills the store of a config with keys of its first source, as if each had been refreshed just now. `cargo xtask bench scale`
//! starts the server on what this writes.
//!
//! `fill CONFIG KEYS BYTES`: the source has one parameter that takes whole numbers; its keys are those of 0 to KEYS - 1, each
//! with items of about so many bytes.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;
use wellspring::clock::{Clock as _, SystemClock};
use wellspring::config::Config;
use wellspring::store::sqlite::SqliteStore;
use wellspring::store::{Entry, Latest, Retention, Store};
use wellspring_core::snapshot::{Attempts, How, Items, Renewal, Snapshot};
use wellspring_core::source::SourceSpec;

/// Writes on their way at a time, so that many share one commit.
const AT_ONCE: usize = 512;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [config, keys, bytes] = &words[..] else { return Err("fill CONFIG KEYS BYTES".into()) };
    let (keys, bytes): (u64, usize) = (keys.parse()?, bytes.parse()?);
    let config = Config::load(Some(Path::new(config))).map_err(|wrong| format!("{wrong:?}"))?;
    let spec = &config.sources.first().ok_or("the config has no source")?.spec;
    let path = config.store.path().ok_or("the config names no file for its store")?;
    let store = Arc::new(SqliteStore::open(path, Retention::default())?);
    let mut writing = JoinSet::new();
    let mut total = 0;
    for id in 0..keys {
        let entry = entry(spec, id, bytes)?;
        total += entry.latest.as_ref().map_or(0, |latest| latest.snapshot.items.json().len());
        let store = Arc::clone(&store);
        writing.spawn(async move { store.restore(&entry, &[]).await });
        if writing.len() >= AT_ONCE {
            writing.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(written) = writing.join_next().await {
        written??;
    }
    store.close().await;
    println!("{}", json!({ "keys": keys, "bytes": total }));
    Ok(())
}

/// A key with a first snapshot. No two have equal items.
fn entry(spec: &SourceSpec, id: u64, bytes: usize) -> Result<Entry, Box<dyn Error>> {
    let name = &spec.params.first().ok_or("the source has no parameter")?.name;
    let key = spec.key([(name.as_str(), id.to_string().as_str())])?;
    let item = |n: usize| {
        let number = id.wrapping_mul(2_654_435_761).wrapping_add(n as u64);
        json!({"title": format!("Item {number} of list {id}"), "link": format!("https://example.org/items/{number:016x}"), "price": number % 1_000})
    };
    let mut rows = Vec::new();
    let mut size = 2;
    while size < bytes {
        let row = item(rows.len());
        size += row.to_string().len() + 1;
        rows.push(row);
    }
    let items = Items::encode(&rows);
    let now = SystemClock.now().wall;
    let snapshot = Snapshot {
        key: key.clone(),
        revision: 1,
        made_at: now,
        how: How { bytes: bytes as u64, ..How::default() },
        digest: items.digest(),
        items,
    };
    let renewal = Renewal {
        checked_at: now,
        rules: spec.rules,
        validators: std::collections::BTreeMap::default(),
        rungs: wellspring_core::rung::Rungs::default(),
        by: None,
        told_late: false,
    };
    Ok(Entry { key, latest: Some(Latest { snapshot, renewal, fence: id + 1 }), attempts: Attempts::default() })
}
