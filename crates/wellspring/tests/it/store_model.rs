//! Every store does what a simple model does, whatever the order of operations.

use std::collections::BTreeMap;

use proptest::prelude::*;
use wellspring::store::{Entry, Latest, Lease, Retention, StoreError};
use wellspring_core::key::Key;
use wellspring_core::snapshot::{Attempts, Snapshot};

use crate::store_kit::{Kind, Subject, TTL, at, attempts, key, renewal, snapshot, wall};

const RETENTION: Retention = Retention { revisions: 3, bytes: 400 };

#[derive(Clone, Debug)]
enum Op {
    Acquire(usize),
    Extend(usize),
    Release(usize),
    /// How far the revision rises, how large the snapshot is.
    Put(usize, u64, usize),
    Touch(usize),
    Record(usize, u32),
    Evict(usize),
    Pass(i64),
    Reopen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Denied,
    LeaseLost,
    Outdated,
}

impl Outcome {
    fn of(answer: Result<(), StoreError>) -> Self {
        match answer {
            Ok(()) => Self::Done,
            Err(StoreError::LeaseLost(_)) => Self::LeaseLost,
            Err(StoreError::Outdated { .. }) => Self::Outdated,
            Err(other) => panic!("{other}"),
        }
    }
}

fn keys() -> [Key; 3] {
    [key("cinema"), key("google_trend?geo=ID"), key("google_trend?geo=US")]
}

fn op() -> impl Strategy<Value = Op> {
    let one = 0..keys().len();
    prop_oneof![
        4 => one.clone().prop_map(Op::Acquire),
        1 => one.clone().prop_map(Op::Extend),
        2 => one.clone().prop_map(Op::Release),
        8 => (one.clone(), 0..3_u64, 0..200_usize).prop_map(|(key, rise, filler)| Op::Put(key, rise, filler)),
        2 => one.clone().prop_map(Op::Touch),
        2 => (one.clone(), 0..9_u32).prop_map(|(key, failures)| Op::Record(key, failures)),
        1 => one.prop_map(Op::Evict),
        2 => (1..70_i64).prop_map(Op::Pass),
        1 => Just(Op::Reopen),
    ]
}

/// What should be. A lease is its number here: stores choose tokens and fences.
#[derive(Default)]
struct Model {
    now: i64,
    entries: BTreeMap<Key, (Option<(Snapshot, i64)>, Attempts)>,
    history: BTreeMap<Key, Vec<Snapshot>>,
    /// The number of the lease in force and when its time runs out.
    in_force: BTreeMap<Key, (usize, i64)>,
    granted: BTreeMap<Key, usize>,
    /// A lease whose time has run out is refused even where nobody else was granted one.
    is_strict: bool,
}

impl Model {
    fn latest(&self, key: &Key) -> u64 {
        self.entries.get(key).and_then(|(latest, _)| latest.as_ref()).map_or(0, |(snapshot, _)| snapshot.revision)
    }

    fn holds(&self, key: &Key) -> bool {
        self.granted
            .get(key)
            .is_some_and(|mine| self.in_force.get(key).is_some_and(|(held, ends)| held == mine && !(self.is_strict && *ends <= self.now)))
    }

    fn apply(&mut self, op: &Op) -> Outcome {
        let keys = keys();
        let needs_lease = |model: &Self, key: &Key| if model.holds(key) { Outcome::Done } else { Outcome::LeaseLost };
        match op {
            Op::Acquire(key) => {
                let key = &keys[*key];
                if self.in_force.get(key).is_some_and(|(_, ends)| self.now < *ends) {
                    return Outcome::Denied;
                }
                let number = self.granted.entry(key.clone()).or_default();
                *number += 1;
                self.in_force.insert(key.clone(), (*number, self.now + 60));
                Outcome::Done
            }
            Op::Extend(key) => {
                let key = &keys[*key];
                let now = self.now;
                match self.in_force.get_mut(key).filter(|(_, ends)| now < *ends) {
                    Some((_, ends)) => {
                        *ends = now + 60;
                        Outcome::Done
                    }
                    None => Outcome::LeaseLost,
                }
            }
            Op::Release(key) => {
                self.in_force.remove(&keys[*key]);
                Outcome::Done
            }
            Op::Put(key, rise, filler) => {
                let key = &keys[*key];
                match needs_lease(self, key) {
                    Outcome::Done if *rise == 0 => Outcome::Outdated,
                    Outcome::Done => {
                        let snapshot = snapshot(key, self.latest(key) + rise, *filler);
                        self.entries.insert(key.clone(), (Some((snapshot.clone(), self.now)), Attempts::default()));
                        let history = self.history.entry(key.clone()).or_default();
                        history.insert(0, snapshot);
                        let mut total = 0;
                        let mut nth = 0;
                        history.retain(|snapshot| {
                            nth += 1;
                            total += snapshot.items.json().len() as u64;
                            nth == 1 || (nth <= RETENTION.revisions && total <= RETENTION.bytes)
                        });
                        Outcome::Done
                    }
                    refused => refused,
                }
            }
            Op::Touch(key) => {
                let key = &keys[*key];
                let outcome = needs_lease(self, key);
                match self.entries.get_mut(key) {
                    _ if outcome != Outcome::Done => outcome,
                    Some((Some((_, checked)), attempts)) => {
                        (*checked, *attempts) = (self.now, Attempts::default());
                        Outcome::Done
                    }
                    _ => Outcome::Outdated,
                }
            }
            Op::Record(key, failures) => {
                self.entries.entry(keys[*key].clone()).or_default().1 = attempts(*failures);
                Outcome::Done
            }
            Op::Evict(key) => {
                self.entries.remove(&keys[*key]);
                self.history.remove(&keys[*key]);
                self.in_force.remove(&keys[*key]);
                Outcome::Done
            }
            Op::Pass(seconds) => {
                self.now += seconds;
                Outcome::Done
            }
            Op::Reopen => {
                self.in_force.clear();
                Outcome::Done
            }
        }
    }
}

/// A store, the newest lease of each key and the highest fence so far.
struct Run {
    subject: Subject,
    leases: BTreeMap<Key, Lease>,
    fences: BTreeMap<Key, u64>,
}

impl Run {
    fn new(kind: Kind) -> Self {
        Self { subject: Subject::with(kind, RETENTION), leases: BTreeMap::new(), fences: BTreeMap::new() }
    }

    /// The newest lease of a key, or one that nobody ever had.
    fn lease(&self, key: &Key) -> Lease {
        self.leases.get(key).cloned().unwrap_or(Lease { key: key.clone(), owner: 0, fence: 0, version: 0 })
    }

    async fn apply(&mut self, op: &Op, now: i64, latest: u64) -> Outcome {
        let store = std::sync::Arc::clone(&self.subject.store);
        let keys = keys();
        match op {
            Op::Acquire(key) => {
                let key = &keys[*key];
                let highest = self.fences.get(key).copied().unwrap_or_default();
                let Some(lease) = store.acquire(key, highest, TTL, at(now)).await.unwrap() else { return Outcome::Denied };
                assert!(lease.fence > highest, "fences rise");
                self.fences.insert(key.clone(), lease.fence);
                self.leases.insert(key.clone(), lease);
                Outcome::Done
            }
            Op::Extend(key) => Outcome::of(store.extend(&self.lease(&keys[*key]), TTL, at(now)).await),
            Op::Release(key) => Outcome::of(store.release(&self.lease(&keys[*key])).await),
            Op::Put(key, rise, filler) => {
                let key = &keys[*key];
                let snapshot = snapshot(key, latest + rise, *filler);
                Outcome::of(store.put_if(&self.lease(key), &snapshot, &renewal(now), &Attempts::default()).await)
            }
            Op::Touch(key) => Outcome::of(store.touch_if(&self.lease(&keys[*key]), &renewal(now), &Attempts::default()).await),
            Op::Record(key, failures) => Outcome::of(store.record(&keys[*key], &attempts(*failures)).await),
            Op::Evict(key) => Outcome::of(store.evict(&keys[*key]).await),
            // Whoever looks sees by that moment who still refreshes.
            Op::Pass(_) => store.heads(at(now)).await.map_or_else(|error| panic!("{error}"), |_| Outcome::Done),
            Op::Reopen => {
                let another = Subject::new(Kind::Memory);
                self.subject = std::mem::replace(&mut self.subject, another).reopened().await;
                Outcome::Done
            }
        }
    }

    async fn agrees_with(&self, model: &Model) {
        let store = &self.subject.store;
        let listed: Vec<_> = store
            .list()
            .await
            .unwrap()
            .into_iter()
            .map(|Entry { key, latest, attempts }| {
                let latest = latest.map(|Latest { snapshot, renewal, .. }| (snapshot, renewal));
                (key, latest, attempts)
            })
            .collect();
        let expected: Vec<_> = model
            .entries
            .iter()
            .map(|(key, (latest, attempts))| {
                let latest = latest.clone().map(|(snapshot, checked)| (snapshot, renewal(checked)));
                (key.clone(), latest, attempts.clone())
            })
            .collect();
        assert_eq!(listed, expected);
        for key in keys() {
            let history = model.history.get(&key).map_or(&[][..], Vec::as_slice);
            let lines: Vec<_> = store.revisions(&key).await.unwrap().into_iter().map(|line| (line.revision, line.digest)).collect();
            assert_eq!(lines, history.iter().map(|snapshot| (snapshot.revision, snapshot.digest)).collect::<Vec<_>>());
            let middle = wall(model.latest(&key).cast_signed() - 1);
            assert_eq!(store.as_of(&key, middle).await.unwrap().as_ref(), history.iter().find(|snapshot| snapshot.made_at <= middle));
        }
    }
}

async fn agree(kinds: &[Kind], is_strict: bool, ops: &[Op]) {
    let mut model = Model { is_strict, ..Model::default() };
    let mut runs: Vec<Run> = kinds.iter().map(|&kind| Run::new(kind)).collect();
    for op in ops {
        let latest = if let Op::Put(key, ..) = op { model.latest(&keys()[*key]) } else { 0 };
        let expected = model.apply(op);
        for run in &mut runs {
            assert_eq!(run.apply(op, model.now, latest).await, expected, "{op:?} on {:?}", run.subject.store);
            run.agrees_with(&model).await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stores_agree_with_the_model(ops in prop::collection::vec(op(), 1..50)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(agree(&[Kind::Memory, Kind::Sqlite], false, &ops));
    }

    #[test]
    fn redis_agrees_with_the_model(ops in prop::collection::vec(op(), 1..50)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(agree(&[Kind::Redis], true, &ops));
    }
}
