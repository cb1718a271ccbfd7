//! Collects a source: its alternatives in order, each asked for step by step, extracted and judged, until one passes its gate.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use wellspring_core::failure::{Code, Failure, Kind};
use wellspring_core::key::Key;
use wellspring_core::moment::Mono;
use wellspring_core::period::format_period;
use wellspring_core::rung::Rungs;
use wellspring_core::snapshot::{How, Items, Validators};
use wellspring_core::template::Filled;

use self::places::Terms;
pub use self::story::{Asked, Try};
use super::breaker::Breaker;
use super::catalog::Recipe;
use super::extraction::Extractor;
use super::limits::{Limits, PerHost, Permit};
use super::manners::Manners;
use super::pages::Pages;
use crate::clock::Clock;
use crate::fetch::Fetcher;
use crate::store::Store;

mod abreast;
mod alternative;
mod capture;
mod details;
mod places;
mod request;
mod rows;
mod rungs;
mod story;

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
    /// Places for pages that a browser renders.
    pub pages: Arc<Pages>,
    /// Which hosts are left alone.
    pub breaker: Arc<Breaker>,
    /// What hosts ask of robots; `None` where nothing leaves the machine.
    pub manners: Option<Arc<Manners>>,
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
    /// Whether robots.txt is honoured.
    pub robots: bool,
    /// As what: the product token of the `User-Agent` of requests that set none.
    pub agent: String,
}

/// What is known of the key already.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What to ask with; empty for an unconditional collection.
    pub validators: Validators,
    /// By which means its pages were obtained before.
    pub rungs: Rungs,
    /// How many items the last good snapshot has.
    pub count: Option<u32>,
    /// Whether somebody asked for it: then a host is asked whatever it has done lately.
    pub forced: bool,
    /// Whether one file answers whatever is asked: then alternatives whose `when_env` is unset are tried all the same, and each by
    /// one means only.
    pub from_a_file: bool,
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
        /// By which means its pages were obtained.
        rungs: Rungs,
    },
    /// Nothing changed, in every request that gives rows.
    NotModified {
        /// What to ask with next time.
        validators: Validators,
        /// By which means its pages were obtained.
        rungs: Rungs,
    },
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
    /// Collects a key before `deadline`. `place`, where given, serves the first request if that goes to its host. Dropping the
    /// future ends every request.
    pub async fn collect(
        &self,
        recipe: &Arc<Recipe>,
        key: &Key,
        bounds: &Bounds,
        known: Known,
        deadline: Mono,
        place: Option<Permit>,
    ) -> Collected {
        let place = Mutex::new(place);
        let terms = Terms { bounds, known: &known, started: self.clock.now(), deadline, place: &place };
        let params = key.params();
        let (mut tries, mut failures) = (Vec::new(), Vec::new());
        for (index, alternative) in recipe.spec.alternatives.iter().enumerate() {
            if !alternative.usable && !known.from_a_file {
                continue;
            }
            match self.climb(recipe, index, &params, terms, &mut tries).await {
                Ok(harvest) => return Collected { outcome: Ok(harvest), tries },
                Err(failure) => failures.push((index, failure)),
            }
        }
        Collected { outcome: Err(summary(recipe, failures)), tries }
    }
}

/// One failure for all alternatives: the first one's kind, everyone's words.
fn summary(recipe: &Recipe, mut failures: Vec<(usize, Failure)>) -> Failure {
    if failures.len() > 1 {
        let words: Vec<String> = failures.iter().map(|(index, f)| format!("alternative {}: {f}", index + 1)).collect();
        let (_, first) = &failures[0];
        let kind = if failures.iter().any(|(_, f)| f.kind == Kind::Retryable) { Kind::Retryable } else { first.kind };
        let retry_after = failures.iter().filter_map(|(_, f)| f.retry_after).max();
        return Failure { kind, code: first.code, message: words.join("; "), retry_after };
    }
    failures.pop().map_or_else(
        || {
            let missing: Vec<&str> = recipe.spec.alternatives.iter().filter_map(|a| a.when_env.as_deref()).collect();
            Failure::permanent(Code::NoAlternative, format!("no alternative of this source can be used: set {}", missing.join(" or ")))
        },
        |(_, only)| only,
    )
}
