//! What a key looks like in Redis: a hash of sealed texts beside two hashes of its revisions, heads and items.
//!
//! Each text of an entry has a seal of its own, so that what failed can be recorded without knowing what is stored besides.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wellspring_core::key::Key;
use wellspring_core::moment::believed;
use wellspring_core::snapshot::{Attempts, Digest, How, Items, Renewal, Snapshot};

use super::fault::Fault;
use super::scripts::FORMAT;
use crate::lifecycle;
use crate::store::row::{self, Bad, Meta, json, parse, seal};
use crate::store::{Lease, Revision, StoreError};

/// Level 1 of zstd: what is stored is read once a start.
const LEVEL: i32 = 1;
/// The largest items that are believed, in bytes: what one extraction may hand over fits.
const LARGEST: u64 = 97 << 20;

/// Items from this size on, in bytes, are large.
const LARGE: usize = 256 << 10;

/// A snapshot without its items, as it is written. Its bytes stand first: that is where the script that prunes looks.
#[derive(Serialize, Deserialize)]
struct Head {
    bytes: i64,
    format: i64,
    fence: i64,
    made_at: String,
    how: String,
    count: u32,
    digest: Digest,
    seal: Digest,
}

/// A snapshot and the fence it is written under, as head and items; a large one is compressed off the async threads.
pub(super) async fn packed(snapshot: Snapshot, fence: u64) -> Result<(String, Vec<u8>), StoreError> {
    let packed = if snapshot.items.json().len() < LARGE {
        written(&snapshot, fence)
    } else {
        let packing = lifecycle::blocking(move || written(&snapshot, fence));
        packing.await.map_err(|_| StoreError::from(Fault::Closed))?
    };
    packed.map_err(|bad| StoreError::Unfit(bad.to_string()))
}

fn written(snapshot: &Snapshot, fence: u64) -> Result<(String, Vec<u8>), Bad> {
    let line = Revision::of(snapshot);
    let (made_at, how) = (line.made_at.to_string(), json(&snapshot.how));
    let (bytes, fence) = (line.bytes.cast_signed(), fence.cast_signed());
    let head = row::Head {
        key: snapshot.key.as_str(),
        revision: line.revision.cast_signed(),
        format: FORMAT,
        fence,
        made_at: &made_at,
        how: &how,
        count: line.count,
        bytes,
        digest: line.digest,
    };
    let seal = head.seal();
    let head = json(&Head { bytes, format: FORMAT, fence, made_at, how, count: line.count, digest: line.digest, seal });
    let items = zstd::bulk::compress(snapshot.items.json().as_bytes(), LEVEL).map_err(|error| Bad::Column(error.to_string()))?;
    Ok((head, items))
}

/// A line of history and the fence it was written under.
pub(super) fn head(key: &Key, revision: u64, text: &[u8]) -> Result<(Revision, How, u64), Bad> {
    let head: Head = parse(&String::from_utf8_lossy(text))?;
    let sealed = row::Head {
        key: key.as_str(),
        revision: revision.cast_signed(),
        format: head.format,
        fence: head.fence,
        made_at: &head.made_at,
        how: &head.how,
        count: head.count,
        bytes: head.bytes,
        digest: head.digest,
    };
    let (_, line, how, fence) = sealed.read(head.seal.as_bytes(), FORMAT)?;
    Ok((line, how, fence))
}

/// A whole snapshot and the fence it was written under.
pub(super) fn snapshot(key: &Key, revision: u64, text: &[u8], items: &[u8]) -> Result<(Snapshot, u64), Bad> {
    let (line, how, fence) = head(key, revision, text)?;
    let size = usize::try_from(line.bytes.min(LARGEST)).map_err(|_| Bad::Items)?;
    let json = zstd::bulk::decompress(items, size).map_err(|_| Bad::Items)?;
    let items = Items::from_stored(String::from_utf8(json).map_err(|_| Bad::Items)?, line.count);
    if items.digest() != line.digest {
        return Err(Bad::Items);
    }
    let snapshot = Snapshot { key: key.clone(), revision: line.revision, made_at: line.made_at, how, digest: line.digest, items };
    Ok((snapshot, fence))
}

/// A lease as it lies in Redis.
pub(super) fn held(lease: &Lease) -> String {
    format!("{:032x}:{}", lease.owner, lease.fence)
}

/// Fields of an entry and what stands in them.
pub(super) type Fields = Vec<(&'static str, String)>;

/// Which revision is the latest.
pub(super) fn latest(key: &Key, revision: u64) -> Fields {
    let seal = seal(&[&"revision", key, &revision]);
    vec![("revision", revision.to_string()), ("revision_seal", seal.to_string())]
}

/// When and how it was confirmed, and under which fence.
pub(super) fn renewed(key: &Key, renewal: &Renewal, fence: u64) -> Fields {
    let renewal = json(renewal);
    let seal = seal(&[&"renewal", key, &fence, &renewal]);
    vec![("fence", fence.to_string()), ("renewal", renewal), ("renewal_seal", seal.to_string())]
}

/// What was tried.
pub(super) fn tried(key: &Key, attempts: &Attempts) -> Fields {
    let attempts = json(attempts);
    let seal = seal(&[&"attempts", key, &attempts]);
    vec![("format", FORMAT.to_string()), ("attempts", attempts), ("attempts_seal", seal.to_string())]
}

/// What is stored of a key beside its snapshots, and what of that could not be read.
pub(super) fn meta(key: &Key, fields: &HashMap<String, String>) -> Result<(Meta, Vec<Bad>), Bad> {
    let field = |name: &str| fields.get(name).map(String::as_str);
    if let Some(format) = field("format") {
        let format: i64 = format.parse().map_err(|_| Bad::Meaning(format.to_owned()))?;
        if !(1..=FORMAT).contains(&format) {
            return Err(Bad::Format(format, FORMAT));
        }
    }
    let mut meta = Meta::lost(key.clone());
    let mut bad = Vec::new();
    let mut sealed = |name: &str, expected: Digest| {
        let holds = field(name) == Some(expected.to_string().as_str());
        if !holds {
            bad.push(Bad::Seal);
        }
        holds
    };
    if let Some(revision) = field("revision")
        && sealed("revision_seal", seal(&[&"revision", key, &revision]))
    {
        meta.revision = Some(parse(revision)?);
    }
    if let (Some(fence), Some(renewal)) = (field("fence"), field("renewal"))
        && sealed("renewal_seal", seal(&[&"renewal", key, &fence, &renewal]))
    {
        (meta.fence, meta.renewal) = (row::fence(parse(fence)?), Some(parse(renewal)?));
    }
    if let Some(attempts) = field("attempts")
        && sealed("attempts_seal", seal(&[&"attempts", key, &attempts]))
    {
        meta.attempts = parse(attempts)?;
    }
    Ok((meta, bad))
}

/// What the line of a key says beside its version.
pub(super) fn line(renewal: &Renewal, fence: u64) -> String {
    format!("{fence} {}", renewal.checked_at)
}

/// The version of a key, and the fence of its latest snapshot and when that was confirmed.
pub(super) fn read_line(line: &str) -> Option<(u64, Option<(u64, Timestamp)>)> {
    let (version, rest) = line.split_once(' ')?;
    let latest = rest.split_once(' ').and_then(|(fence, checked)| Some((row::fence(fence.parse().ok()?), believed(checked.parse().ok()?))));
    Some((version.parse().ok()?, latest))
}
