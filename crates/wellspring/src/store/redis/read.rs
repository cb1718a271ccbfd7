//! Reading: what is stored of a key, page by page of all of them. What fails its check is left out and said.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use redis::{Pipeline, cmd, pipe};
use wellspring_core::key::Key;
use wellspring_core::snapshot::Snapshot;

use super::fault::{Fault, Reply};
use super::link::Link;
use super::names::{self, Names};
use super::scripts::{Call, MEND, READ};
use super::{Shared, fault, rows};
use crate::store::row::{Bad, Meta};
use crate::store::{Entry, Head, Revision, StoreError, copy};

/// A page of an index: where the next one begins, and what stands in this one.
type Page = (String, Vec<(Vec<u8>, Vec<u8>)>);

/// Lines of an index that are asked for at a time.
const LINES: usize = 1_000;
/// Snapshots that are asked for at a time: they are in memory together.
const SNAPSHOTS: usize = 16;
/// What one snapshot is thought to weigh when it is waited for, in bytes.
const WEIGHT: u64 = 4 << 20;
/// Sources that are looked at side by side.
const ABREAST: usize = 32;
/// What a page of lines weighs at most, in bytes.
const PAGE: u64 = 1 << 20;

/// One key, and whether it has its line.
pub(super) async fn entry(link: &Link, key: &Key) -> Result<(Option<Entry>, bool), StoreError> {
    let reply = link.scripts(&[Call::of(&READ, key, &link.speaker)], WEIGHT).await?.pop();
    let Some(reply) = reply else { return Ok((None, true)) };
    let reply = reply.judged(key, 0)?;
    let is_listed = reply.text(1) == "listed";
    Ok((understood(link, key, reply).await?, is_listed))
}

/// Shows every entry, source by source.
pub(super) async fn each(shared: &Shared, show: &mut (dyn for<'e> FnMut(&'e Entry) + Send)) -> Result<(), StoreError> {
    let link = &*shared.link;
    let mut shown = 0_usize;
    for source in shared.sources().await? {
        let keys: BTreeSet<Key> = lines(link, &source).await?.into_keys().collect();
        let keys: Vec<Key> = keys.into_iter().collect();
        for some in keys.chunks(SNAPSHOTS) {
            let calls: Vec<Call> = some.iter().map(|key| Call::of(&READ, key, &link.speaker)).collect();
            let replies = link.scripts(&calls, WEIGHT * SNAPSHOTS as u64).await?;
            for (key, reply) in some.iter().zip(replies) {
                let read = match reply.judged(key, 0) {
                    Ok(reply) => understood(link, key, reply).await,
                    Err(error) => Err(error),
                };
                match read {
                    Ok(Some(entry)) => {
                        show(&entry);
                        shown += 1;
                    }
                    Ok(None) => {}
                    Err(error @ StoreError::Unavailable(_)) if link.is_away() => return Err(error),
                    Err(error) => tracing::warn!(%key, %error, "left out of what is served"),
                }
            }
        }
    }
    tracing::debug!(shown, "read from Redis");
    Ok(())
}

/// Every key that has a line, in order.
pub(super) async fn keys(shared: &Shared) -> Result<Vec<Key>, StoreError> {
    let link = &*shared.link;
    let mut keys = Vec::new();
    for source in shared.sources().await? {
        keys.extend(lines(link, &source).await?.into_keys());
    }
    keys.sort_unstable();
    Ok(keys)
}

/// What a rescan looks at.
pub(super) async fn heads(shared: &Shared) -> Result<Vec<Head>, StoreError> {
    let heads = Mutex::new(Vec::new());
    // Side by side: one after the other, many sources and a long way would take longer than anybody waits.
    for some in shared.sources().await?.chunks(ABREAST) {
        copy::together(some.iter().map(|source| Box::pin(heads_of(&shared.link, source, &heads)) as copy::Working<'_>).collect()).await?;
    }
    Ok(heads.into_inner().unwrap_or_else(PoisonError::into_inner))
}

async fn heads_of(link: &Link, source: &str, heads: &Mutex<Vec<Head>>) -> Result<(), StoreError> {
    let lines: Vec<_> = lines(link, source).await?.into_iter().collect();
    for some in lines.chunks(LINES) {
        let mut held = cmd("MGET");
        held.arg(some.iter().map(|(key, _)| names::lease(key)).collect::<Vec<_>>());
        let held: Vec<Option<Vec<u8>>> = link.look(&held, PAGE).await?;
        let mut heads = heads.lock().unwrap_or_else(PoisonError::into_inner);
        for ((key, line), held) in some.iter().zip(held) {
            // A line that means nothing says at least that something is stored: it is looked at.
            let (version, latest) = rows::read_line(line).unwrap_or((u64::MAX, None));
            heads.push(Head { key: key.clone(), version, latest, refreshing: held.is_some() });
        }
    }
    Ok(())
}

/// The history of a key, newest first.
pub(super) async fn revisions(link: &Link, key: &Key) -> Result<Vec<Revision>, StoreError> {
    let found: HashMap<String, Vec<u8>> = link.look(cmd("HGETALL").arg(Names::of(key).heads), PAGE).await?;
    let mut lines = Vec::new();
    for (revision, text) in found {
        let head = revision.parse().map_err(|_| Bad::Meaning(revision)).and_then(|revision| rows::head(key, revision, &text));
        match head {
            Ok((line, ..)) => lines.push(line),
            Err(bad) => skip(key, &bad),
        }
    }
    lines.sort_unstable_by_key(|line| std::cmp::Reverse(line.revision));
    Ok(lines)
}

/// One revision of a key, where it is good.
pub(super) async fn revision(link: &Link, key: &Key, revision: u64) -> Result<Option<Snapshot>, StoreError> {
    let found = pieces(link, key, revision).await?;
    Ok(found.and_then(|(head, items)| good(key, revision, &head, &items)).map(|(snapshot, _)| snapshot))
}

/// The highest revision made no later than `at`.
pub(super) async fn as_of(link: &Link, key: &Key, at: Timestamp) -> Result<Option<Snapshot>, StoreError> {
    for line in revisions(link, key).await?.iter().filter(|line| line.made_at <= at) {
        if let Some(snapshot) = revision(link, key, line.revision).await? {
            return Ok(Some(snapshot));
        }
    }
    Ok(None)
}

/// All small texts.
pub(super) async fn notes(link: &Link) -> Result<Vec<(String, String)>, StoreError> {
    let found: HashMap<Vec<u8>, Vec<u8>> = link.look(cmd("HGETALL").arg(names::NOTES), PAGE).await?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
    let mut notes: Vec<_> = found.into_iter().filter_map(|(name, note)| Some((text(name)?, text(note)?))).collect();
    notes.sort_unstable();
    Ok(notes)
}

/// The lines of a source. One that is there all the while is found; some may be met twice.
async fn lines(link: &Link, source: &str) -> Result<HashMap<Key, String>, Fault> {
    let (mut lines, mut strange) = (HashMap::new(), None);
    let mut cursor = "0".to_owned();
    loop {
        let mut scan = cmd("HSCAN");
        scan.arg(names::index(source)).arg(&cursor).arg("COUNT").arg(LINES);
        let (next, found): Page = match link.look(&scan, PAGE).await {
            Err(Fault::Failed(why)) => {
                leave_out(link, source, &format!("a source in Redis is left out of what is read: {why}"));
                return Ok(lines);
            }
            answer => answer?,
        };
        for (name, line) in found {
            let name = String::from_utf8_lossy(&name);
            match Key::parse(&name) {
                Ok(key) if key.source() == source => drop(lines.insert(key, String::from_utf8_lossy(&line).into_owned())),
                _ => drop(strange.get_or_insert_with(|| fault::shown(&name))),
            }
        }
        if next == "0" {
            break;
        }
        cursor = next;
    }
    match strange {
        None => link.forgive(&fault::shown(source)),
        Some(name) => leave_out(link, source, &format!("what is no key of a source is left out of its index in Redis, as `{name}`")),
    }
    Ok(lines)
}

/// Each look finds it again: it is said once.
fn leave_out(link: &Link, source: &str, words: &str) {
    let source = fault::shown(source);
    if link.complains(&source) {
        tracing::warn!(source, "{words}");
    } else {
        tracing::debug!(source, "{words}");
    }
}

/// The entry that a script answered with. Where its latest is bad, the newest good one of its history stands in.
async fn understood(link: &Link, key: &Key, reply: Reply) -> Result<Option<Entry>, StoreError> {
    if reply.text(0) == "none" {
        return Ok(None);
    }
    let mut pieces = reply.0.into_iter().skip(2).map(Option::unwrap_or_default);
    let (head, items) = (pieces.next().unwrap_or_default(), pieces.next().unwrap_or_default());
    let mut fields = HashMap::new();
    let text = |bytes| String::from_utf8(bytes).unwrap_or_default();
    while let (Some(name), Some(value)) = (pieces.next(), pieces.next()) {
        fields.insert(text(name), text(value));
    }
    let meta = match rows::meta(key, &fields) {
        Ok((meta, bad)) => {
            for bad in &bad {
                skip(key, bad);
            }
            meta
        }
        Err(Bad::Format(format, _)) => {
            return Err(StoreError::Unfit(fault::newer(&format!("`{key}`"), &format.to_string())));
        }
        Err(bad) => {
            skip(key, &bad);
            Meta::lost(key.clone())
        }
    };
    let found = meta.revision.and_then(|revision| good(key, revision, &head, &items));
    if found.is_some() || (fields.is_empty() && head.is_empty()) {
        return Ok(Some(meta.entry(found)).filter(|entry| entry.latest.is_some() || !fields.is_empty()));
    }
    if let Some(revision) = fields.get("revision") {
        let is_newer = revision.parse().is_ok_and(|number| matches!(rows::head(key, number, &head), Err(Bad::Format(..))));
        if is_newer {
            return Err(StoreError::Unfit(fault::newer(&format!("`{key}`"), "a later kind")));
        }
        // So that the next revision is one above what stands in.
        let mut mend = Call::of(&MEND, key, &link.speaker);
        mend.arg(revision).arg(&head[..]).arg(&items[..]);
        if let Err(fault) = link.script(&mend).await {
            tracing::warn!(%key, why = fault.why(), "a bad row in Redis stays where it is");
        }
    }
    let mut found = None;
    for line in revisions(link, key).await? {
        found = self::pieces(link, key, line.revision).await?.and_then(|(head, items)| good(key, line.revision, &head, &items));
        if found.is_some() {
            break;
        }
    }
    Ok(Some(meta.entry(found)).filter(|entry| entry.latest.is_some() || fields.contains_key("attempts")))
}

async fn pieces(link: &Link, key: &Key, revision: u64) -> Result<Option<(Vec<u8>, Vec<u8>)>, Fault> {
    let names = Names::of(key);
    let mut both: Pipeline = pipe();
    // What was written between the two does not fit together, and is left out.
    both.cmd("HGET").arg(&names.heads).arg(revision).cmd("HGET").arg(&names.items).arg(revision);
    let (head, items): (Option<Vec<u8>>, Option<Vec<u8>>) = link.look_at_all(&both, WEIGHT * 2).await?;
    Ok(head.zip(items))
}

fn good(key: &Key, revision: u64, head: &[u8], items: &[u8]) -> Option<(Snapshot, u64)> {
    match rows::snapshot(key, revision, head, items) {
        Ok(found) => Some(found),
        Err(bad) => {
            skip(key, &bad);
            None
        }
    }
}

fn skip(key: &Key, bad: &Bad) {
    tracing::warn!(%key, why = fault::shown(&bad.to_string()), "a row in Redis is skipped");
}
