//! The store: whether it opens, what it holds, whether there is room for more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use http::{Method, StatusCode};
use rustix::fs::{Access, access, statvfs};
use serde_json::Value;

use super::Finding;
use crate::cli::client;
use crate::cli::keeping::count;
use crate::cli::words::size;
use crate::config::Config;
use crate::lifecycle;
use crate::store::sqlite::inspect::{Inspection, inspect};

/// Below this a disk is as good as full: the log of a large snapshot takes as much again.
const LITTLE: u64 = 100_000_000;

/// Sources that are named; of more, only that there are.
pub(super) const MOST_NAMED: usize = 5;

/// What there is to say of it.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let Some(path) = config.store.path().map(Path::to_owned) else {
        let words = if config.store.shared().is_some() {
            "its own copy is in memory: it ends with the server, which starts empty where Redis is away then"
        } else {
            "in memory: snapshots end with the server"
        };
        return vec![Finding::ok("store", words)];
    };
    let looked = path.clone();
    let inspection = lifecycle::blocking(move || inspect(&looked)).await;
    let shown = path.display();
    let mut findings = match inspection {
        Err(_) => vec![Finding::fail("store", format!("{shown}: looking at it broke off"), "report this")],
        Ok(Inspection::Unusable(why)) => {
            let (words, way_out) = why.split_once("; ").unwrap_or((&why, "choose another path as `url` under [store]"));
            vec![Finding::fail("store", words, way_out)]
        }
        Ok(Inspection::Corrupt(why)) => vec![Finding::warn(
            "store",
            format!("{shown} is corrupt ({why})"),
            "the server renames it, carries over what can be read and starts a new one; check the disk",
        )],
        Ok(Inspection::Absent) => vec![absent(&path)],
        Ok(Inspection::InUse) => {
            let words = format!("{shown}: {}, in use by a running server; {}", weight(&path), kept(config));
            let mut findings = vec![Finding::ok("store", words)];
            findings.push(running(config).await);
            findings
        }
        Ok(Inspection::Sound { keys, snapshots, sources }) => {
            let words = format!("{shown}: {}, {} of {}", weight(&path), count(snapshots, "snapshot"), count(keys, "key"));
            let mut findings = vec![Finding::ok("store", format!("{words}; {}", kept(config)))];
            findings.extend(strangers(config, &sources));
            findings
        }
    };
    findings.extend(room(&path));
    findings
}

/// How much of the past is kept.
fn kept(config: &Config) -> String {
    format!("{} a key are kept, at most {}", count(config.keep.revisions as u64, "revision"), size(config.keep.bytes))
}

/// What is stored of sources that are not configured.
fn strangers(config: &Config, sources: &BTreeMap<String, (u64, u64)>) -> Option<Finding> {
    let known = |name: &str| config.sources.iter().any(|source| source.spec.name.as_str() == name);
    let strange: Vec<(&String, &(u64, u64))> = sources.iter().filter(|(name, _)| !known(name)).collect();
    if strange.is_empty() {
        return None;
    }
    let (keys, bytes) = strange.iter().fold((0, 0_u64), |sum, (_, (keys, bytes))| (sum.0 + keys, sum.1.saturating_add(*bytes)));
    let named: Vec<&str> = strange.iter().take(MOST_NAMED).map(|(name, _)| name.as_str()).collect();
    let more = if strange.len() > MOST_NAMED { ", …" } else { "" };
    let words = format!("{}, {}, of sources that are not configured: {}{more}", count(keys, "key"), size(bytes), named.join(", "));
    Some(Finding::warn("store", words, "`wellspring export FILE` keeps them, `wellspring evict --unconfigured` drops them"))
}

/// A store that is still to be made, if it can be.
fn absent(path: &Path) -> Finding {
    let shown = path.display();
    let above = nearest_folder(path);
    if !above.is_dir() {
        let words = format!("{shown} cannot be made: {} is no folder", above.display());
        return Finding::fail("store", words, "choose another path as `url` under [store], or with --data");
    }
    match access(&above, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Finding::ok("store", format!("{shown}: not there yet, the server makes it")),
        Err(error) => {
            let words = format!("{shown} cannot be made: {} cannot be written ({error})", above.display());
            Finding::fail("store", words, "allow it to this user, or choose another path as `url` under [store]")
        }
    }
}

/// The server that holds the store knows best how it is.
async fn running(config: &Config) -> Finding {
    let ready = client::ask(config, None, Method::GET, "/ready").await;
    match ready {
        Ok((StatusCode::OK, answer)) if answer["status"] == "ok" => Finding::ok("server", "it runs, and all is well with it"),
        Ok((StatusCode::OK, answer)) => {
            let reasons = answer["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("; ");
            Finding::warn("server", format!("it runs, and is degraded: {reasons}"), "`wellspring status` tells more")
        }
        Ok((status, _)) => Finding::warn("server", format!("it answers {status}"), "it is starting or stopping: ask again"),
        Err(why) => {
            let why = why.split("; ").next().unwrap_or_default().to_owned();
            Finding::warn("server", why, "it was started with another --listen: `wellspring status --server URL` asks it")
        }
    }
}

/// How much room is left where the store is.
fn room(path: &Path) -> Option<Finding> {
    let folder = nearest_folder(path);
    let disk = statvfs(&folder).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let words = format!("{} free in {}", size(free), folder.display());
    if free >= LITTLE {
        return Some(Finding::ok("disk", words));
    }
    Some(Finding::warn("disk", words, "make room: what cannot be written is lost with the next restart"))
}

/// The folder that a path would be made in: the first of those above it that is there.
fn nearest_folder(path: &Path) -> PathBuf {
    let above = path.ancestors().skip(1).find(|folder| !folder.as_os_str().is_empty() && folder.exists());
    above.unwrap_or(Path::new(".")).to_owned()
}

/// The size of the database with its log.
fn weight(path: &Path) -> String {
    let log = PathBuf::from(format!("{}-wal", path.display()));
    size([path, &log].iter().filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum())
}
