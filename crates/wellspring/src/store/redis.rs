//! Redis or Valkey: one store for many servers.
//!
//! What compares and writes is a script, which the server runs as a whole: a lease is a random token that ends by the server's own
//! clock, a write needs the lease and a revision that rises, and each change is told to whoever listens. Nothing is held here; what
//! serves while Redis is away stands before it. A call ends within its deadline whatever the network does, and while there is no
//! connection it fails at once. [`Health`] says so until something goes through again.

mod address;
mod fault;
mod index;
pub mod inspect;
mod link;
mod names;
mod read;
mod rows;
mod scripts;
mod watchman;

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use redis::cmd;
use tokio::sync::{broadcast, oneshot, watch};
use tokio::time::timeout;
use wellspring_core::key::Key;
use wellspring_core::moment::Moment;
use wellspring_core::snapshot::{Attempts, Renewal, Snapshot};

use self::address::Address;
use self::fault::{Fault, Reply};
use self::link::Link;
use self::scripts::{ACQUIRE, Call, EVICT, EXTEND, PRESENT, PUT, RECORD, RELEASE, RESTORE, SLOT, STAY, Script, TOUCH};
use super::lease::token;
use super::local::restored_history;
use super::{Admission, Change, Entry, FULL, Figures, Head, Health, Lease, Replica, Retention, Revision, Slot, Store, StoreError, row};
use crate::lifecycle;

/// How often a restore is tried over what others write meanwhile.
const TRIES: u32 = 16;
/// A server of which nothing was heard for so long is not there.
const FORGOTTEN: Duration = Duration::from_secs(30);
/// The longest that a lease lasts, unless a longer one is asked for: servers prolong theirs, which are of some seconds.
const LONGEST: Duration = Duration::from_secs(600);
/// How long a close waits for what is being written.
const CLOSING: Duration = Duration::from_secs(2);

/// A store in Redis or Valkey, shared with other servers.
pub struct RedisStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    link: Arc<Link>,
    retention: Retention,
    /// Sources that we know to be named among the sources.
    named: Mutex<HashSet<String>>,
    /// It has said that it is there.
    is_told: AtomicBool,
    /// Writes that were begun and are not over.
    under_way: watch::Sender<usize>,
}

impl RedisStore {
    /// Opens it and begins to listen. Where it cannot be reached now, or takes no writes, it opens all the same and is degraded
    /// until it can. Takes at most about two seconds.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] where the address makes no sense, Redis refuses the user, a newer version wrote it or what lies under
    /// our names is not ours; the message says what to do, and nothing was written.
    pub async fn open(url: &str, retention: Retention) -> Result<Self, StoreError> {
        let link = Arc::new(Link::new(Address::parse(url)?, format!("{:032x}", token())));
        let opened = Arc::clone(&link);
        // Connections live where their tasks do: in no thread's own loop.
        let opening = lifecycle::spawn(async move {
            match watchman::join(&opened).await {
                Ok(()) => watchman::ear(&opened).await.ok(),
                Err(fault) => {
                    opened.failed(None, &fault);
                    opened.settle(link::State::Down(fault));
                    None
                }
            }
        });
        let ear = opening.await.map_err(|_| StoreError::Unavailable("opening the store in Redis broke off".to_owned()))?;
        if let Some(fault @ (Fault::Refused(_) | Fault::Unusable(_))) = link.down() {
            link.close();
            return Err(fault::unusable(&fault));
        }
        lifecycle::detach(watchman::keep(Arc::clone(&link)));
        lifecycle::detach(watchman::listen(Arc::clone(&link), ear));
        Ok(Self {
            shared: Arc::new(Shared {
                link,
                retention,
                named: Mutex::default(),
                is_told: AtomicBool::new(false),
                under_way: watch::Sender::new(0),
            }),
        })
    }

    /// Does something that goes through even if the caller stops waiting.
    async fn whole<T: Send + 'static>(&self, work: impl Future<Output = Result<T, StoreError>> + Send + 'static) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        shared.under_way.send_modify(|count| *count += 1);
        let working = lifecycle::spawn(async move {
            let done = work.await;
            shared.under_way.send_modify(|count| *count -= 1);
            done
        });
        working.await.unwrap_or_else(|_| Err(Fault::Closed.into()))
    }

    fn link(&self) -> &Link {
        &self.shared.link
    }
}

impl Shared {
    fn call(&self, script: &'static Script, key: &Key) -> Call {
        Call::of(script, key, &self.link.speaker)
    }

    async fn run(&self, call: &Call, key: &Key, offered: u64) -> Result<Reply, StoreError> {
        self.link.script(call).await?.judged(key, offered)
    }

    /// Who is there; `told` is what this one says of itself, nothing where it leaves.
    async fn present(&self, told: &str) -> Result<Reply, StoreError> {
        let mut call = Call::new(&PRESENT, [names::REPLICAS.to_owned()]);
        call.arg(&self.link.speaker.origin).arg(told).arg(milliseconds(FORGOTTEN));
        self.is_told.store(true, Ordering::Relaxed);
        self.link.script(&call).await?.sound()
    }

    async fn put(&self, lease: &Lease, snapshot: Snapshot, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        let (key, revision) = (&lease.key, snapshot.revision);
        if snapshot.key != *key {
            return Err(StoreError::Outdated { key: key.clone(), offered: revision, stored: revision });
        }
        let (head, items) = rows::packed(snapshot, lease.fence).await?;
        let mut call = self.call(&PUT, key);
        call.arg(rows::held(lease)).arg(revision).arg(head).arg(items).arg(rows::line(renewal, lease.fence));
        call.arg(self.retention.revisions).arg(self.retention.bytes);
        call.fields(&rows::latest(key, revision)).fields(&rows::renewed(key, renewal, lease.fence)).fields(&rows::tried(key, attempts));
        self.write(&call, key, revision).await?;
        self.link.hint(Change::Revision(key.clone(), revision));
        Ok(())
    }

    async fn touch(&self, lease: &Lease, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        let key = &lease.key;
        let mut call = self.call(&TOUCH, key);
        call.arg(rows::held(lease)).arg(rows::line(renewal, lease.fence));
        call.fields(&rows::renewed(key, renewal, lease.fence)).fields(&rows::tried(key, attempts));
        self.write(&call, key, 0).await?;
        self.link.hint(Change::Touched(key.clone()));
        Ok(())
    }

    async fn record(&self, key: &Key, attempts: &Attempts) -> Result<(), StoreError> {
        let mut call = self.call(&RECORD, key);
        call.fields(&rows::tried(key, attempts));
        self.write(&call, key, 0).await?;
        self.link.hint(Change::Recorded(key.clone()));
        Ok(())
    }

    async fn evict(&self, key: &Key) -> Result<(), StoreError> {
        let reply = self.run(&self.call(&EVICT, key), key, 0).await?;
        if reply.text(1) == "yes" {
            self.link.hint(Change::Ended(key.clone()));
        }
        Ok(())
    }

    async fn acquire(&self, key: &Key, seen: u64, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        let owner = token();
        let mut call = self.call(&ACQUIRE, key);
        call.arg(seen).arg(format!("{owner:032x}")).arg(milliseconds(ttl)).arg(milliseconds(LONGEST));
        let answer = self.link.script(&call).await;
        if let Err(Fault::Away(_)) = answer {
            // It may have been granted all the same.
            self.link.orphans().push((key.clone(), owner));
        }
        let reply = answer?.judged(key, 0)?;
        if reply.text(0) != "ok" {
            return Ok(None);
        }
        let odd = reply.text(3);
        if !odd.is_empty() {
            // Once: it is replaced by what is ours.
            tracing::warn!(%key, odd, "what no server of ours wrote lay in Redis in its place, and counts as none");
        }
        self.link.hint(Change::Started(key.clone()));
        Ok(Some(Lease { key: key.clone(), owner, fence: reply.number(1), version: reply.number(2) }))
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut call = self.call(&RELEASE, &lease.key);
        call.arg(rows::held(lease));
        if self.run(&call, &lease.key, 0).await?.text(1) == "yes" {
            self.link.hint(Change::Ended(lease.key.clone()));
        }
        Ok(())
    }

    async fn restore(&self, mut entry: Entry, history: Vec<Snapshot>) -> Result<(), StoreError> {
        let key = entry.key.clone();
        let sizes = history.iter().map(|snapshot| snapshot.items.json().len() as u64);
        let kept = self.retention.kept(sizes).min(history.len());
        let given = entry.latest.as_ref().map_or(0, |latest| row::sound(latest.fence));
        let mut packed = Vec::new();
        for snapshot in history.into_iter().take(kept) {
            let revision = snapshot.revision;
            let (head, items) = rows::packed(snapshot, given).await?;
            packed.push((revision, head, items));
        }
        let mut before = 0_u64;
        for _ in 0..TRIES {
            let fence = given.max(before);
            let mut call = self.call(&RESTORE, &key);
            call.arg(before).arg(fence);
            let mut fields = Vec::new();
            if let Some(latest) = &mut entry.latest {
                latest.fence = fence;
                call.arg(latest.snapshot.revision).arg(rows::line(&latest.renewal, fence));
                fields = rows::latest(&key, latest.snapshot.revision);
                fields.extend(rows::renewed(&key, &latest.renewal, fence));
            } else {
                call.arg("").arg("-");
            }
            fields.extend(rows::tried(&key, &entry.attempts));
            call.arg(packed.len());
            for (revision, head, items) in &packed {
                call.arg(revision).arg(head).arg(&items[..]);
            }
            call.fields(&fields);
            let reply = self.write(&call, &key, 0).await?;
            if reply.text(0) == "again" {
                before = reply.number(1);
                continue;
            }
            if reply.text(2) == "yes" {
                self.link.hint(Change::Ended(key.clone()));
            }
            if let Some(latest) = &entry.latest {
                self.link.hint(Change::Revision(key, latest.snapshot.revision));
            }
            return Ok(());
        }
        Err(StoreError::Unfit(format!("`{key}` was written by others all the while")))
    }
}

/// At least one: none would be no time at all, or for ever.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).clamp(1, 1 << 52)
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = self.link();
        f.debug_struct("RedisStore").field("at", &link.address).field("health", &link.health()).finish_non_exhaustive()
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.link().close();
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        self.each(&mut |entry| entries.push(entry.clone())).await?;
        entries.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Ok(entries)
    }

    async fn each(&self, show: &mut (dyn for<'e> FnMut(&'e Entry) + Send)) -> Result<(), StoreError> {
        read::each(&self.shared, show).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let (entry, is_listed) = read::entry(self.link(), key).await?;
        if let Some(entry) = &entry {
            let (shared, entry) = (Arc::clone(&self.shared), entry.clone());
            if !is_listed || !shared.names(key.source()) {
                let listing = async move {
                    shared.list_again(&entry, is_listed).await;
                    Ok(())
                };
                self.whole(listing).await?;
            }
        }
        Ok(entry)
    }

    async fn put_if(&self, lease: &Lease, snapshot: &Snapshot, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        let (shared, lease, snapshot) = (Arc::clone(&self.shared), lease.clone(), snapshot.clone());
        let (renewal, attempts) = (renewal.clone(), attempts.clone());
        self.whole(async move { shared.put(&lease, snapshot, &renewal, &attempts).await }).await
    }

    async fn touch_if(&self, lease: &Lease, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        let (shared, lease, renewal, attempts) = (Arc::clone(&self.shared), lease.clone(), renewal.clone(), attempts.clone());
        self.whole(async move { shared.touch(&lease, &renewal, &attempts).await }).await
    }

    async fn record(&self, key: &Key, attempts: &Attempts) -> Result<(), StoreError> {
        let (shared, key, attempts) = (Arc::clone(&self.shared), key.clone(), attempts.clone());
        self.whole(async move { shared.record(&key, &attempts).await }).await
    }

    async fn keys(&self) -> Result<Vec<Key>, StoreError> {
        read::keys(&self.shared).await
    }

    async fn heads(&self, _now: Moment) -> Result<Vec<Head>, StoreError> {
        read::heads(&self.shared).await
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, StoreError> {
        read::revisions(self.link(), key).await
    }

    async fn revision(&self, key: &Key, revision: u64) -> Result<Option<Snapshot>, StoreError> {
        read::revision(self.link(), key, revision).await
    }

    async fn as_of(&self, key: &Key, at: Timestamp) -> Result<Option<Snapshot>, StoreError> {
        read::as_of(self.link(), key, at).await
    }

    async fn evict(&self, key: &Key) -> Result<(), StoreError> {
        let (shared, key) = (Arc::clone(&self.shared), key.clone());
        self.whole(async move { shared.evict(&key).await }).await
    }

    async fn acquire(&self, key: &Key, seen: u64, ttl: Duration, _now: Moment) -> Result<Option<Lease>, StoreError> {
        let (shared, key) = (Arc::clone(&self.shared), key.clone());
        let (tell, answer) = oneshot::channel();
        lifecycle::detach(async move {
            // A lease that nobody took delivery of would keep everybody else away.
            if let Err(Ok(Some(lease))) = tell.send(shared.acquire(&key, seen, ttl).await) {
                let _ended_by_its_time_at_last = shared.release(&lease).await;
            }
        });
        answer.await.unwrap_or_else(|_| Err(Fault::Closed.into()))
    }

    async fn extend(&self, lease: &Lease, ttl: Duration, _now: Moment) -> Result<(), StoreError> {
        let mut call = self.shared.call(&EXTEND, &lease.key);
        call.arg(rows::held(lease)).arg(milliseconds(ttl));
        self.shared.run(&call, &lease.key, 0).await.map(drop)
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let (shared, lease) = (Arc::clone(&self.shared), lease.clone());
        self.whole(async move { shared.release(&lease).await }).await
    }

    async fn slot(&self, host: &str, at_once: u32, gap: Duration, ttl: Duration, _now: Moment) -> Result<Admission, StoreError> {
        let owner = token();
        let gap = if gap.is_zero() { 0 } else { milliseconds(gap) };
        let mut call = Call::new(&SLOT, names::slots(host));
        call.arg(format!("{owner:032x}")).arg(at_once).arg(milliseconds(ttl)).arg(gap);
        let reply = self.link().script(&call).await?.sound()?;
        Ok(match reply.text(0) {
            "ok" => Admission::Taken(Slot { host: host.to_owned(), owner }),
            "after" => Admission::After(Duration::from_millis(reply.number(1))),
            _ => Admission::After(FULL),
        })
    }

    async fn stay(&self, slot: &Slot, ttl: Duration, _now: Moment) -> Result<(), StoreError> {
        let mut call = Call::new(&STAY, names::slots(&slot.host));
        call.arg(format!("{:032x}", slot.owner)).arg(milliseconds(ttl));
        self.link().script(&call).await?.sound().map(drop)
    }

    async fn leave(&self, slot: &Slot) -> Result<(), StoreError> {
        let [taken, _] = names::slots(&slot.host);
        let (shared, owner) = (Arc::clone(&self.shared), format!("{:032x}", slot.owner));
        self.whole(async move { Ok(shared.link.look::<redis::Value>(cmd("ZREM").arg(taken).arg(owner), 0).await.map(drop)?) }).await
    }

    async fn notes(&self) -> Result<Vec<(String, String)>, StoreError> {
        read::notes(self.link()).await
    }

    async fn note(&self, name: &str, text: Option<&str>) -> Result<(), StoreError> {
        let command = match text {
            Some(text) => cmd("HSET").arg(names::NOTES).arg(name).arg(text).to_owned(),
            None => cmd("HDEL").arg(names::NOTES).arg(name).to_owned(),
        };
        let shared = Arc::clone(&self.shared);
        self.whole(async move { Ok(shared.link.change(&command).await?) }).await
    }

    fn watch(&self) -> broadcast::Receiver<Change> {
        self.link().changes.subscribe()
    }

    fn health(&self) -> Health {
        self.link().health()
    }

    async fn present(&self, me: &Replica) -> Result<Vec<Replica>, StoreError> {
        let told = serde_json::to_string(me).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let reply = self.shared.present(&told).await?;
        // A later version may say more, and less.
        let mut others: Vec<Replica> = reply.0.iter().skip(1).flatten().filter_map(|text| serde_json::from_slice(text).ok()).collect();
        others.sort_unstable_by(|one, other| (&one.name, one.since).cmp(&(&other.name, other.since)));
        Ok(others)
    }

    fn figures(&self) -> Figures {
        Figures { errors: self.link().errors(), bytes: None }
    }

    async fn restore(&self, entry: &Entry, history: &[Snapshot]) -> Result<(), StoreError> {
        let history = restored_history(entry, history);
        let (shared, entry) = (Arc::clone(&self.shared), entry.clone());
        self.whole(async move { shared.restore(entry, history).await }).await
    }

    async fn close(&self) {
        let mut under_way = self.shared.under_way.subscribe();
        drop(timeout(CLOSING, under_way.wait_for(|count| *count == 0)).await);
        // The others need not wait until it is forgotten.
        if self.shared.is_told.load(Ordering::Relaxed) {
            let _forgotten_at_last = self.shared.present("").await;
        }
        self.link().close();
    }
}
