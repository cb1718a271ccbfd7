//! Collects a source: its alternatives in order, each fetched, extracted and judged, until one passes its gate.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use url::Url;
use wellspring_core::failure::{Code, Failure, Kind};
use wellspring_core::gate::{self, Gate};
use wellspring_core::key::{Key, Params};
use wellspring_core::moment::Mono;
use wellspring_core::period::format_period;
use wellspring_core::snapshot::{Digest, How, Items, Validator, Validators};
use wellspring_core::source::Alternative;
use wellspring_core::template::Filled;

use super::breaker::Breaker;
use super::catalog::Recipe;
use super::extraction::{Extractor, Finished, Setting};
use super::limits::{Busy, Limits, PerHost, Permit};
use crate::clock::Clock;
use crate::fetch::{Fetched, Fetcher, Request, Response};
use crate::lifecycle;
use crate::store::{Slot, Store};

/// How long a place among all replicas' requests to a host is kept when its holder dies.
const SLOT_TTL: Duration = Duration::from_secs(300);
/// How long a store may take to give a place.
const SLOT_PATIENCE: Duration = Duration::from_secs(2);

/// What collecting needs of the world.
#[derive(Clone, Debug)]
pub struct Collector {
    /// The way out.
    pub fetcher: Arc<dyn Fetcher>,
    /// Places shared with other replicas.
    pub store: Arc<dyn Store>,
    /// Places within this process.
    pub limits: Arc<Limits>,
    /// Told when a place becomes free.
    pub freed: Arc<Notify>,
    /// Which hosts are left alone.
    pub breaker: Arc<Breaker>,
    /// Who runs the rules.
    pub extractor: Arc<Extractor>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The server's own bounds, where a source has none.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// One request.
    pub timeout: Duration,
    /// A body after decompression, in bytes.
    pub max_body: u64,
    /// What a host bears.
    pub per_host: PerHost,
    /// A proxy for every request.
    pub proxy: Option<Filled>,
}

/// What is known of the key already.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What to ask with; empty for an unconditional collection.
    pub validators: Validators,
    /// How many items the last good snapshot has.
    pub count: Option<u32>,
    /// Whether somebody asked for it: then a host is asked whatever it has done lately.
    pub forced: bool,
    /// Whether alternatives whose `when_env` is unset are tried all the same (for an input that needs no fetch).
    pub ignore_when_env: bool,
}

/// What a collection gave.
#[derive(Clone, Debug)]
pub enum Harvest {
    /// Items that passed their gates.
    Items {
        /// The items.
        items: Items,
        /// How they were made.
        how: How,
        /// What to ask with next time.
        validators: Validators,
    },
    /// Nothing changed, in every step.
    NotModified {
        /// What to ask with next time.
        validators: Validators,
    },
}

/// One alternative that was tried, for `check` and the status.
#[derive(Debug)]
pub struct Try {
    /// Which, from 0.
    pub alternative: usize,
    /// What was asked for, without secrets.
    pub address: String,
    /// What came out, as far as it went.
    pub finished: Option<Finished>,
    /// What the gates said.
    pub gates: Vec<Gate>,
    /// Why it does not serve.
    pub failure: Option<Failure>,
}

/// A collection and the story of it.
#[derive(Debug)]
pub struct Collected {
    /// What it gave.
    pub outcome: Result<Harvest, Failure>,
    /// What was tried, in order.
    pub tries: Vec<Try>,
}

impl Collected {
    /// A collection that was ended at its deadline.
    pub fn overdue(deadline: Duration) -> Self {
        let words = format!("the refresh took longer than {} (`deadline`)", format_period(deadline));
        Self { outcome: Err(Failure::retryable(Code::DeadlinePassed, words)), tries: Vec::new() }
    }
}

impl Collector {
    /// Collects a key before `deadline`. `place`, where given, serves the first request to its host.
    pub async fn collect(
        &self,
        recipe: &Arc<Recipe>,
        key: &Key,
        bounds: &Bounds,
        known: Known,
        deadline: Mono,
        mut place: Option<Permit>,
    ) -> Collected {
        let started = self.clock.mono();
        let params = key.params();
        let mut tries = Vec::new();
        for (index, alternative) in recipe.spec.alternatives.iter().enumerate() {
            if !alternative.usable && !known.ignore_when_env {
                continue;
            }
            let address = alternative.ask.url.fill(&params);
            let mut attempt = Try { alternative: index, address: address.to_string(), finished: None, gates: Vec::new(), failure: None };
            let asked = fingerprint(index, &address);
            let validator = known.validators.get(&asked).cloned().unwrap_or_default();
            let request = self.request(alternative, address, validator, bounds, &params, deadline);
            // Held until what came is extracted, and not while waiting for a place at the next host.
            let (_permit, fetched) = self.fetch(request, bounds.per_host, deadline, known.forced, &mut place).await;
            let fetched = match fetched {
                Ok(Fetched::NotModified(validator)) => {
                    tries.push(attempt);
                    return Collected { outcome: Ok(Harvest::NotModified { validators: [(asked, validator)].into() }), tries };
                }
                Ok(Fetched::Body(response)) => Ok(response),
                Err(failure) => Err(failure),
            };
            let harvest = match fetched {
                Ok(response) => self.read(recipe, response, &known, asked, &params, started, &mut attempt).await,
                Err(failure) => Err(failure),
            };
            match harvest {
                Ok(harvest) => {
                    tries.push(attempt);
                    return Collected { outcome: Ok(harvest), tries };
                }
                Err(failure) => attempt.failure = Some(failure),
            }
            tries.push(attempt);
        }
        Collected { outcome: Err(summary(recipe, &tries)), tries }
    }

    fn request(
        &self,
        alternative: &Alternative,
        url: Filled,
        validator: Validator,
        bounds: &Bounds,
        params: &Params,
        deadline: Mono,
    ) -> Request {
        Request {
            method: http::Method::GET,
            url,
            headers: Vec::new(),
            body: None,
            validator,
            proxy: alternative.ask.proxy.as_ref().map(|p| p.fill(params)).or_else(|| bounds.proxy.clone()),
            within: alternative.ask.timeout.unwrap_or(bounds.timeout).min(self.clock.mono().until(deadline)),
            max_body: alternative.ask.max_body.unwrap_or(bounds.max_body),
        }
    }

    /// Fetches within the limits of the host, this process's and all replicas'.
    async fn fetch(
        &self,
        request: Request,
        per_host: PerHost,
        deadline: Mono,
        forced: bool,
        place: &mut Option<Permit>,
    ) -> (Permit, Result<Fetched, Failure>) {
        let host: Arc<str> =
            Url::parse(request.url.expose()).ok().and_then(|u| u.host_str().map(Arc::from)).unwrap_or_else(|| Arc::from(""));
        let permit = match place.take().filter(|p| p.host() == &*host) {
            Some(permit) => permit,
            None => self.enter(&host, per_host).await,
        };
        if let Some(refusal) = self.breaker.refusal(&host, self.clock.mono()).filter(|_| !forced) {
            return (permit, Err(refusal));
        }
        let slot = self.slot(&host, per_host, deadline).await;
        let fetched = self.fetcher.fetch(&request).await.map_err(|e| e.failure());
        self.breaker.report(&host, fetched.as_ref().err(), self.clock.mono());
        if let Some(slot) = slot {
            slot.leave().await;
        }
        (permit, fetched)
    }

    /// A place among the requests of all replicas.
    async fn slot(&self, host: &str, per_host: PerHost, deadline: Mono) -> Option<TakenSlot> {
        loop {
            let now = self.clock.now();
            // Without a shared store each replica keeps to its own limits; so it does when the store is late.
            let asking = self.store.slot(host, per_host.at_once, SLOT_TTL, now);
            let Ok(asked) = timeout(SLOT_PATIENCE, asking).await else { return None };
            match asked {
                Ok(Some(slot)) => return Some(TakenSlot { store: Arc::clone(&self.store), slot: Some(slot) }),
                Ok(None) if now.mono < deadline => tokio::time::sleep(Duration::from_millis(50)).await,
                Ok(None) | Err(_) => return None,
            }
        }
    }

    async fn enter(&self, host: &Arc<str>, per_host: PerHost) -> Permit {
        loop {
            // Made before looking, so that no place that becomes free is missed.
            let freed = self.freed.notified();
            let now = self.clock.mono();
            match self.limits.enter(host, per_host, now) {
                Ok(permit) => return permit,
                Err(Busy::Until(at)) => tokio::time::sleep(now.until(at)).await,
                Err(Busy::Full) => freed.await,
            }
        }
    }

    async fn read(
        &self,
        recipe: &Arc<Recipe>,
        response: Response,
        known: &Known,
        asked: String,
        params: &Params,
        started: Mono,
        attempt: &mut Try,
    ) -> Result<Harvest, Failure> {
        let index = attempt.alternative;
        let bytes = response.body.len() as u64;
        let validator = response.validator.clone();
        let rules = &recipe.compiled[index].rows;
        let setting = Setting { now: self.clock.now().wall, values: Arc::new(params.clone()) };
        let finished = self.extractor.extract(rules, response, &setting).await?;
        let expect = &recipe.spec.alternatives[index].expect;
        attempt.gates = gate::judge(expect, finished.tally, known.count);
        let items = finished.items.clone();
        attempt.finished = Some(finished);
        if let Some(gate) = gate::refusal(&attempt.gates) {
            return Err(Failure::retryable(Code::GateFailed, format!("{}: {}", gate.name, gate.message)));
        }
        let how = How { alternative: u32::try_from(index).unwrap_or(u32::MAX), took: self.clock.mono().since(started), bytes };
        let validators = if validator.is_empty() { Validators::new() } else { [(asked, validator)].into() };
        Ok(Harvest::Items { items, how, validators })
    }
}

/// A place among all replicas' requests. Given back however the fetch ends: a collection is dropped at its deadline, at a
/// reload and in a drain.
#[derive(Debug)]
struct TakenSlot {
    store: Arc<dyn Store>,
    slot: Option<Slot>,
}

impl TakenSlot {
    async fn leave(mut self) {
        if let Some(slot) = self.slot.take() {
            let _ = self.store.leave(&slot).await;
        }
    }
}

impl Drop for TakenSlot {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            let store = Arc::clone(&self.store);
            lifecycle::spawn(async move { drop(store.leave(&slot).await) });
        }
    }
}

/// Identifies a request among those of a source without telling its secrets.
fn fingerprint(alternative: usize, address: &Filled) -> String {
    Digest::of(format!("{alternative} GET {}", address.expose()).as_bytes()).to_string()
}

/// One failure for all alternatives: the first one's kind, everyone's words.
fn summary(recipe: &Recipe, tries: &[Try]) -> Failure {
    let failures: Vec<&Failure> = tries.iter().filter_map(|t| t.failure.as_ref()).collect();
    match failures[..] {
        [] => {
            let missing: Vec<&str> = recipe.spec.alternatives.iter().filter_map(|a| a.when_env.as_deref()).collect();
            Failure::permanent(Code::NoAlternative, format!("no alternative of this source can be used: set {}", missing.join(" or ")))
        }
        [only] => only.clone(),
        [first, ..] => {
            let kind = if failures.iter().any(|f| f.kind == Kind::Retryable) { Kind::Retryable } else { first.kind };
            let words: Vec<String> =
                tries.iter().filter_map(|t| t.failure.as_ref().map(|f| format!("alternative {}: {f}", t.alternative + 1))).collect();
            let retry_after = failures.iter().filter_map(|f| f.retry_after).max();
            Failure { kind, code: first.code, message: words.join("; "), retry_after }
        }
    }
}
