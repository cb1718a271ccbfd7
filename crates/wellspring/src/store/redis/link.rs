//! The connection for commands: who may use it, how long a call may take, and how the store is.
//!
//! Only the task in [`super::watchman`] connects. A call uses what is there; where nothing is, it fails at once and says why.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Pipeline, RedisResult, Value};
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;
use wellspring_core::key::Key;

use super::address::Address;
use super::fault::{Fault, Reply};
use super::scripts::{Call, Speaker};
use crate::store::{Change, Health};

/// The longest that connecting takes, greetings included.
pub(super) const CONNECT: Duration = Duration::from_secs(1);
/// The longest that a call takes which carries little.
const CALL: Duration = Duration::from_secs(1);
/// What is carried at least, in bytes a second: calls behind something large wait for it.
const PACE: u64 = 8 << 20;
/// Hints that a slow watcher may fall behind before it is told that it missed some.
const HINTS: usize = 1_024;

/// So many sources are remembered of which something is left out; of more nothing is said.
const STRANGE: usize = 1_024;

/// What the calls, the task that connects and the one that listens share.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) address: Address,
    pub(super) speaker: Speaker,
    pub(super) changes: broadcast::Sender<Change>,
    pub(super) state: watch::Sender<State>,
    /// Why not everything goes through.
    fault: Mutex<Option<Fault>>,
    /// How many connections there have been.
    joined: AtomicU64,
    /// Bytes that are on their way there.
    carried: AtomicU64,
    errors: AtomicU64,
    /// Leases that may have been granted in answers that never came: to be given back.
    orphans: Mutex<Vec<(Key, u128)>>,
    /// Sources of which it was said that something is left out.
    strange: Mutex<HashSet<String>>,
}

/// How the connection is.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// It is being made for the first time since it was lost: worth waiting for.
    Joining,
    Up(Wire),
    Down(Fault),
    Closed,
}

/// A connection and which one it is.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) number: u64,
    pub(super) connection: MultiplexedConnection,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wire({})", self.number)
    }
}

/// What is sent.
#[derive(Clone, Copy)]
enum What<'a> {
    One(&'a Cmd),
    Many(&'a Pipeline),
}

impl What<'_> {
    async fn send(self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        match self {
            Self::One(command) => command.query_async(connection).await,
            Self::Many(pipeline) => pipeline.query_async(connection).await,
        }
    }

    fn bytes(self) -> u64 {
        match self {
            Self::One(command) => {
                command.args_iter().map(|arg| if let redis::Arg::Simple(bytes) = arg { bytes.len() as u64 } else { 0 }).sum()
            }
            Self::Many(_) => 0,
        }
    }
}

impl Link {
    pub(super) fn new(address: Address, origin: String) -> Self {
        let speaker = Speaker { channel: super::names::channel(address.database()), origin };
        Self {
            address,
            speaker,
            changes: broadcast::Sender::new(HINTS),
            state: watch::Sender::new(State::Joining),
            fault: Mutex::new(None),
            joined: AtomicU64::new(0),
            carried: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            orphans: Mutex::default(),
            strange: Mutex::default(),
        }
    }

    /// A call of a script.
    pub(super) async fn script(&self, call: &Call) -> Result<Reply, Fault> {
        let writes = call.script.writes;
        let value = match self.exchange(What::One(&call.short()), writes, 0).await {
            Err(Fault::NoScript) => self.exchange(What::One(&call.long()), writes, 0).await?,
            answer => answer?,
        };
        self.read(value).map(Reply)
    }

    /// Many calls in one round trip; each may bring up to `bytes` back.
    pub(super) async fn scripts(&self, calls: &[Call], bytes: u64) -> Result<Vec<Reply>, Fault> {
        let pipeline = |of: fn(&Call) -> Cmd| {
            let mut pipeline = redis::pipe();
            for call in calls {
                pipeline.add_command(of(call));
            }
            pipeline
        };
        let value = match self.exchange(What::Many(&pipeline(Call::short)), false, bytes).await {
            Err(Fault::NoScript) => self.exchange(What::Many(&pipeline(Call::long)), false, bytes).await?,
            answer => answer?,
        };
        let replies: Vec<Vec<Option<Vec<u8>>>> = self.read(value)?;
        Ok(replies.into_iter().map(Reply).collect())
    }

    /// A command that changes nothing.
    pub(super) async fn look<T: FromRedisValue>(&self, command: &Cmd, bytes: u64) -> Result<T, Fault> {
        let value = self.exchange(What::One(command), false, bytes).await?;
        self.read(value)
    }

    /// Several of them, at one moment.
    pub(super) async fn look_at_all<T: FromRedisValue>(&self, pipeline: &Pipeline, bytes: u64) -> Result<T, Fault> {
        let value = self.exchange(What::Many(pipeline), false, bytes).await?;
        self.read(value)
    }

    /// A command that writes.
    pub(super) async fn change(&self, command: &Cmd) -> Result<(), Fault> {
        self.exchange(What::One(command), true, 0).await.map(drop)
    }

    fn read<T: FromRedisValue>(&self, value: Value) -> Result<T, Fault> {
        redis::from_redis_value(value).map_err(|_| {
            self.errors.fetch_add(1, Ordering::Relaxed);
            Fault::Failed("Redis gave an answer that makes no sense".to_owned())
        })
    }

    async fn exchange(&self, what: What<'_>, writes: bool, expected: u64) -> Result<Value, Fault> {
        let mut wire = self.wire().await?;
        let mine = Carried::new(&self.carried, what.bytes());
        let bytes = self.carried.load(Ordering::Relaxed).saturating_add(expected);
        let patience = CALL + Duration::from_millis(bytes.saturating_mul(1_000) / PACE);
        let answer = timeout(patience, what.send(&mut wire.connection)).await;
        drop(mine);
        let fault = match answer {
            Ok(Ok(value)) => {
                self.passed(wire.number, writes);
                return Ok(value);
            }
            Ok(Err(error)) => Fault::of(&error),
            Err(_) => Fault::late(),
        };
        self.failed(Some(wire.number), &fault);
        Err(fault)
    }

    async fn wire(&self) -> Result<Wire, Fault> {
        let settled = |state: &State| match state {
            State::Joining => None,
            State::Up(wire) => Some(Ok(wire.clone())),
            State::Down(Fault::Away(why)) => Some(Err(Fault::Unsent(why.clone()))),
            State::Down(fault) => Some(Err(fault.clone())),
            State::Closed => Some(Err(Fault::Closed)),
        };
        if let Some(settled) = settled(&self.state.borrow()) {
            return settled;
        }
        let mut state = self.state.subscribe();
        let waited = timeout(CONNECT, state.wait_for(|state| !matches!(state, State::Joining))).await;
        waited.ok().and_then(Result::ok).and_then(|state| settled(&state)).unwrap_or_else(|| {
            let why = self.fault().as_ref().map_or("Redis cannot be reached", Fault::why).to_owned();
            Err(Fault::Unsent(why))
        })
    }

    /// Something went through. Where a server refused writes, only a write shows that it no longer does.
    fn passed(&self, number: u64, writes: bool) {
        let mut fault = self.fault();
        let is_over = match &*fault {
            None => return,
            Some(Fault::Refused(_) | Fault::Replica) => writes,
            // Nothing is sent until a new connection has shown that it is over: what was on its way shows nothing.
            Some(Fault::Unusable(_)) => false,
            Some(_) => true,
        };
        let is_mine = matches!(&*self.state.borrow(), State::Up(wire) if wire.number == number);
        if is_over && is_mine {
            *fault = None;
            drop(fault);
            self.tell_recovery();
        }
    }

    /// There is a connection, and what lies there may be written.
    pub(super) fn recovered(&self) {
        if self.fault().take().is_some() {
            self.tell_recovery();
        }
    }

    fn tell_recovery(&self) {
        tracing::debug!(redis = ?self.address, "the store in Redis is well again");
    }

    /// Which connection there is.
    pub(super) fn number(&self) -> Option<u64> {
        if let State::Up(wire) = &*self.state.borrow() { Some(wire.number) } else { None }
    }

    /// The number of a connection that was just made.
    pub(super) fn next_number(&self) -> u64 {
        self.joined.fetch_add(1, Ordering::Relaxed)
    }

    /// What the connection has come to. Nothing opens what was closed.
    pub(super) fn settle(&self, next: State) {
        self.state.send_if_modified(|state| {
            let is_open = !matches!(state, State::Closed);
            if is_open {
                *state = next;
            }
            is_open
        });
    }

    /// Something did not, on this connection or on the way to one.
    pub(super) fn failed(&self, number: Option<u64>, fault: &Fault) {
        let next = match fault {
            Fault::NoScript | Fault::Unsent(_) | Fault::Closed => return,
            Fault::Away(_) => Some(State::Joining),
            Fault::Replica => self.address.has_others().then_some(State::Joining),
            // No call may write there. It is looked at again as one that cannot be reached is.
            Fault::Unusable(_) => Some(State::Down(fault.clone())),
            Fault::Refused(_) | Fault::Failed(_) => None,
        };
        self.errors.fetch_add(1, Ordering::Relaxed);
        // One call alone is no reason to call all of it sick; without a connection, none goes through.
        if matches!(fault, Fault::Failed(_)) && number.is_some() {
            return;
        }
        // Held throughout: what is found out meanwhile comes after it.
        let mut known = self.fault();
        if let Some(number) = number {
            let is_mine = |state: &State| matches!(state, State::Up(wire) if wire.number == number);
            let lost = |state: &mut State| match next {
                Some(next) if is_mine(state) => {
                    *state = next;
                    true
                }
                _ => false,
            };
            // An old connection says nothing of the one that took its place.
            if !self.state.send_if_modified(lost) && !is_mine(&self.state.borrow()) {
                return;
            }
        }
        if known.replace(fault.clone()).is_none() {
            // Who serves from it says so once, with what follows from it.
            tracing::debug!(redis = ?self.address, why = fault.why(), "the store in Redis is degraded");
        }
    }

    pub(super) fn fault(&self) -> MutexGuard<'_, Option<Fault>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn health(&self) -> Health {
        match &*self.fault() {
            None => Health::Ok,
            Some(fault) => Health::Degraded(fault.why().to_owned()),
        }
    }

    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    pub(super) fn orphans(&self) -> MutexGuard<'_, Vec<(Key, u128)>> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True where it is news that something of a source is left out.
    pub(super) fn complains(&self, source: &str) -> bool {
        let mut strange = self.strange();
        strange.len() < STRANGE && strange.insert(source.to_owned())
    }

    /// Nothing of it is.
    pub(super) fn forgive(&self, source: &str) {
        self.strange().remove(source);
    }

    fn strange(&self) -> MutexGuard<'_, HashSet<String>> {
        self.strange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why there is no connection, where one was tried in vain.
    pub(super) fn down(&self) -> Option<Fault> {
        if let State::Down(fault) = &*self.state.borrow() { Some(fault.clone()) } else { None }
    }

    /// True while there is no connection.
    pub(super) fn is_away(&self) -> bool {
        !matches!(*self.state.borrow(), State::Up(_))
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(*self.state.borrow(), State::Closed)
    }

    /// Ends both tasks; every later call is refused.
    pub(super) fn close(&self) {
        self.state.send_replace(State::Closed);
        *self.fault() = Some(Fault::Closed);
    }

    /// Waits until it is closed.
    pub(super) async fn closed(self: &Arc<Self>) {
        let mut state = self.state.subscribe();
        // The sender lives as long as this does.
        let _ = state.wait_for(|state| matches!(state, State::Closed)).await;
    }

    pub(super) fn hint(&self, change: Change) {
        // It fails only while nobody watches.
        let _ = self.changes.send(change);
    }
}

/// Bytes on their way.
struct Carried<'a>(&'a AtomicU64, u64);

impl<'a> Carried<'a> {
    fn new(all: &'a AtomicU64, bytes: u64) -> Self {
        all.fetch_add(bytes, Ordering::Relaxed);
        Self(all, bytes)
    }
}

impl Drop for Carried<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}
