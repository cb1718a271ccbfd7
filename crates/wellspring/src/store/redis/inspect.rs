//! Looks at a Redis as `doctor` does: writes nothing, and says what it could not see.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, cmd};
use tokio::time::timeout;

use super::address::Address;
use super::fault::{self, Fault};
use super::{names, watchman};
use crate::clock::Clock;
use crate::lifecycle;
use crate::store::StoreError;

mod permissions;

pub use permissions::Permissions;

/// The longest that connecting takes, and that any one answer takes.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is asked how fast it answers, after a first time.
const PINGS: usize = 9;
/// Names that are asked for at a time, and how often: in a database of others there may be any number.
const NAMES: usize = 1_000;
const PAGES: usize = 50;

/// What a Redis is like.
#[derive(Clone, Debug)]
pub enum Inspection {
    /// The address makes no sense; says what to do.
    Unusable(String),
    /// It cannot be reached, or refuses the user. Nothing secret stands in it.
    Unreachable {
        /// Where it is.
        address: String,
        /// Why.
        why: String,
        /// It answers, and does not take who we say we are.
        refused: bool,
    },
    /// It answers.
    Seen(Box<Seen>),
}

/// What was seen of one that answers. What it does not tell is `None`.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Where it is, without what is secret.
    pub address: String,
    /// How long it takes to answer: the median of some.
    pub round_trip: Duration,
    /// What it is, and of which version.
    pub product: Option<(&'static str, String)>,
    /// True where scripts of the kind that ours are of run there.
    pub runs_scripts: Option<bool>,
    /// True where it is a read-only replica.
    pub is_replica: Option<bool>,
    /// True where it is part of a cluster.
    pub is_cluster: Option<bool>,
    /// What the user may do.
    pub permissions: Permissions,
    /// Its memory.
    pub memory: Option<Memory>,
    /// Whether it writes a log of what changes.
    pub log: Option<bool>,
    /// Whether it writes snapshots of itself from time to time.
    pub snapshots: Option<bool>,
    /// By how much its clock is ahead of this machine's.
    pub ahead: Option<SignedDuration>,
    /// What lies under our names and is not ours, or newer than this program; each says what to do.
    pub foreign: Vec<String>,
    /// How many names were looked at, where there are more.
    pub looked_at: Option<usize>,
    /// How many keys each source has there.
    pub sources: Option<BTreeMap<String, u64>>,
}

/// The memory of a Redis, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What it uses.
    pub used: u64,
    /// What it may use; 0: there is no limit.
    pub most: u64,
    /// What it does when that is reached.
    pub policy: String,
}

/// Where a Redis is, for people: nothing secret stands in it.
pub fn place(url: &str) -> String {
    Address::parse(url).map_or_else(|_| "Redis".to_owned(), |address| format!("Redis at {address:?}"))
}

/// Looks at it. Takes some seconds at most for each thing that it does not answer.
pub async fn inspect(url: &str, clock: &dyn Clock) -> Inspection {
    let address = match Address::parse(url) {
        Ok(address) => address,
        Err(StoreError::Unusable(why) | StoreError::Unavailable(why)) => return Inspection::Unusable(why),
        Err(other) => return Inspection::Unusable(other.to_string()),
    };
    let (shown, database) = (format!("{address:?}"), address.database());
    // A connection lives where its task does.
    let connecting = lifecycle::spawn(async move { timeout(PATIENCE, address.connect()).await });
    let fault = match connecting.await {
        Ok(Ok(Ok(connection))) => {
            let mut eye = Eye { connection, clock };
            match eye.look(shown.clone(), database).await {
                Ok(seen) => return Inspection::Seen(Box::new(seen)),
                Err(fault) => fault,
            }
        }
        Ok(Ok(Err(error))) => Fault::of(&error),
        Ok(Err(_)) => Fault::late(),
        Err(_) => Fault::Closed,
    };
    Inspection::Unreachable { address: shown, why: fault.why().to_owned(), refused: matches!(fault, Fault::Refused(_)) }
}

struct Eye<'a> {
    connection: MultiplexedConnection,
    clock: &'a dyn Clock,
}

impl Eye<'_> {
    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, Fault> {
        let asked = timeout(PATIENCE, command.query_async(&mut self.connection)).await;
        asked.map_err(|_| Fault::late())?.map_err(|error| Fault::of(&error))
    }

    async fn look(&mut self, address: String, database: i64) -> Result<Seen, Fault> {
        let round_trip = self.round_trip().await?;
        let mut info = HashMap::new();
        for section in ["server", "replication", "memory", "persistence"] {
            let text: String = self.ask(cmd("INFO").arg(section)).await.unwrap_or_default();
            info.extend(text.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        // It says the least to everybody.
        let hello: HashMap<String, redis::Value> = self.ask(&cmd("HELLO")).await.unwrap_or_default();
        let said = |name: &str| hello.get(name).and_then(|value| redis::from_redis_value::<String>(value.clone()).ok());
        let told = |name: &str| info.get(name).cloned();
        let product = product(told("valkey_version"), told("redis_version").or_else(|| said("version")), said("server").as_deref());
        let runs_scripts = product.as_ref().and_then(|(_, version)| Some(version.split('.').next()?.parse::<u32>().ok()? >= 7));
        let role = told("role").or_else(|| said("role"));
        let mode = told("redis_mode").or_else(|| told("server_mode")).or_else(|| said("mode"));
        let number = |name: &str| info.get(name).and_then(|text| text.trim().parse::<u64>().ok());
        let memory = number("used_memory").zip(number("maxmemory"));
        let memory = memory.map(|(used, most)| Memory { used, most, policy: told("maxmemory_policy").unwrap_or_default() });
        let permissions = permissions::look(self, database).await;
        let (foreign, looked_at) = self.foreign().await?;
        Ok(Seen {
            address,
            round_trip,
            product,
            runs_scripts,
            is_replica: role.map(|role| role != "master"),
            is_cluster: mode.map(|mode| mode == "cluster"),
            permissions,
            memory,
            log: told("aof_enabled").map(|enabled| enabled == "1"),
            snapshots: self.setting("save").await.map(|save| !save.is_empty()),
            ahead: self.ahead().await,
            foreign,
            looked_at,
            sources: self.sources().await,
        })
    }

    async fn round_trip(&mut self) -> Result<Duration, Fault> {
        let mut times = Vec::new();
        for _ in 0..=PINGS {
            let begun = self.clock.mono();
            let _: redis::Value = match self.ask(&cmd("PING")).await {
                // Whoever may not ask even that is answered as fast.
                Err(Fault::Refused(why)) if why.contains("ping") => redis::Value::Nil,
                answer => answer?,
            };
            times.push(self.clock.mono().since(begun));
        }
        times.remove(0);
        times.sort_unstable();
        Ok(times[PINGS / 2])
    }

    async fn setting(&mut self, name: &str) -> Option<String> {
        let settings: HashMap<String, String> = self.ask(cmd("CONFIG").arg("GET").arg(name)).await.ok()?;
        settings.get(name).cloned()
    }

    async fn ahead(&mut self) -> Option<SignedDuration> {
        let before = self.clock.now().wall;
        let (seconds, micros): (i64, i32) = self.ask(&cmd("TIME")).await.ok()?;
        let after = self.clock.now().wall;
        let there = Timestamp::new(seconds, micros.checked_mul(1_000)?).ok()?;
        let here = before.checked_add(after.duration_since(before) / 2).ok()?;
        Some(there.duration_since(here))
    }

    /// What is not ours, or newer; and how many names were looked at, where that were not all.
    async fn foreign(&mut self) -> Result<(Vec<String>, Option<usize>), Fault> {
        let mut foreign = Vec::new();
        match watchman::recognize(&mut self.connection).await {
            Err(Fault::Unusable(why)) => foreign.push(why),
            // What it does not let us look at is told with the permissions.
            Ok(()) | Err(Fault::Refused(_)) => {}
            Err(other) => return Err(other),
        }
        let (mut cursor, mut looked) = ("0".to_owned(), 0);
        for page in 0.. {
            let mut scan = cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg("ws:*").arg("COUNT").arg(NAMES);
            let Ok((next, found)) = self.ask::<(String, Vec<Vec<u8>>)>(&scan).await else { break };
            looked += NAMES;
            let mut types = redis::pipe();
            for name in &found {
                types.cmd("TYPE").arg(name);
            }
            let kinds: Vec<String> = if found.is_empty() {
                Vec::new()
            } else {
                timeout(PATIENCE, types.query_async(&mut self.connection)).await.ok().and_then(Result::ok).unwrap_or_default()
            };
            for (name, kind) in found.iter().zip(kinds) {
                let name = String::from_utf8_lossy(name);
                if names::kind(&name).is_some_and(|expected| kind != "none" && kind != expected) {
                    foreign.push(fault::foreign(&name, &kind));
                }
            }
            if next == "0" {
                break;
            }
            if page + 1 == PAGES {
                foreign.dedup();
                return Ok((foreign, Some(looked)));
            }
            cursor = next;
        }
        foreign.sort();
        foreign.dedup();
        Ok((foreign, None))
    }

    async fn sources(&mut self) -> Option<BTreeMap<String, u64>> {
        let names: Vec<String> = self.ask(cmd("SMEMBERS").arg(names::SOURCES)).await.ok()?;
        let mut sources = BTreeMap::new();
        for name in names {
            let keys = self.ask::<u64>(cmd("HLEN").arg(names::index(&name))).await.unwrap_or_default();
            sources.insert(name, keys);
        }
        Some(sources)
    }
}

/// What stands for Redis says so; its version beside that is only that of the Redis that it is like.
fn product(valkey: Option<String>, redis: Option<String>, server: Option<&str>) -> Option<(&'static str, String)> {
    match (valkey, redis) {
        (Some(version), _) => Some(("Valkey", version)),
        (None, Some(version)) if server == Some("valkey") => Some(("Valkey", version)),
        (None, version) => version.map(|version| ("Redis", version)),
    }
}
