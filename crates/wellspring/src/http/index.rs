//! The index of sources, and how the server is.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use wellspring_core::moment::Moment;

use super::base::BasePath;
use super::places::Wanted;
use crate::engine::Engine;
use crate::engine::catalog::Source;
use crate::engine::crew::Replicas;
use crate::store::Health;

/// How many reasons are told.
const TOLD: usize = 20;

/// `GET /api`: every source with its state and links.
#[derive(Debug, Serialize)]
pub struct Index {
    /// What this is.
    pub name: &'static str,
    /// Which version of it.
    pub version: &'static str,
    /// The sources, in the order in which they are configured.
    pub sources: Vec<Line>,
}

/// One source in the index.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// `fresh`, `stale`, `expired` or `absent`: of the key that a bare read answers with.
    pub freshness: &'static str,
    /// Where its refresh stands.
    pub phase: &'static str,
    /// How many items it serves.
    pub items: Option<u32>,
    /// How old they are, in seconds.
    pub age_seconds: Option<f64>,
    /// Why its last refresh failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The parameters it takes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<String>,
    /// Where to go from here.
    pub links: Links,
}

/// Where a source's routes are.
#[derive(Debug, Serialize)]
pub struct Links {
    /// The snapshot.
    pub data: String,
    /// The state of its key.
    pub status: String,
    /// Its past revisions.
    pub history: String,
    /// The forced refresh (POST), where it is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<String>,
}

/// `GET /ready`.
#[derive(Debug, Serialize)]
pub struct Readiness {
    /// `ok` or `degraded`.
    pub status: &'static str,
    /// What is not as it should be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Those that share the store, where it is shared.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub crew: Option<Crew>,
}

/// The servers that share a store. Anybody may see this: it names them, and tells nothing else of them.
#[derive(Debug, Serialize)]
pub struct Crew {
    /// What this one is called.
    pub replica: Arc<str>,
    /// Those that said within the last half minute that they are there, this one among them; none while that is not known.
    pub replicas: Vec<String>,
    /// Since when the shared store is out of reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alone_since: Option<Timestamp>,
    /// Keys that were refreshed alone and wait to be told to it.
    #[serde(skip_serializing_if = "is_none")]
    pub keys_waiting: usize,
}

impl Crew {
    /// What is known of them now.
    pub fn of(engine: &Engine) -> Option<Self> {
        let Replicas { me, seen, partner } = engine.replicas()?;
        Some(Self {
            replica: me,
            replicas: seen.iter().map(|replica| replica.name.clone()).collect(),
            alone_since: partner.and_then(|partner| partner.away_since),
            keys_waiting: partner.map_or(0, |partner| partner.waiting),
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(number: &usize) -> bool {
    *number == 0
}

impl Readiness {
    /// Where too many ask for anybody to look.
    pub fn unseen() -> Self {
        Self { status: "degraded", reasons: vec!["the server is busy: its sources were not looked at".to_owned()], crew: None }
    }
}

/// The index at `now`.
pub fn index(engine: &Engine, base: &BasePath, now: Moment) -> Index {
    let sources = engine.catalog().sources().map(|source| line(engine, base, source, now)).collect();
    Index { name: "wellspring", version: env!("CARGO_PKG_VERSION"), sources }
}

/// How the server is: 200 with what is wrong in words, for one dead upstream must not empty a load balancer.
pub fn readiness(engine: &Engine, now: Moment, wanted: &Wanted) -> Readiness {
    let (mut reasons, mut failing, mut all) = (Vec::new(), 0, 0);
    if let Health::Degraded(why) = engine.store().health() {
        reasons.push(format!("store: {why}"));
    }
    for source in engine.catalog().sources() {
        for cell in source.cells() {
            if wanted.check_at(all).is_err() {
                return Readiness::unseen();
            }
            all += 1;
            let status = engine.status(&cell, now);
            let serves = match status.checked_at {
                Some(at) => format!("serving what it had at {}", at.strftime("%Y-%m-%d %H:%M:%SZ")),
                None => "nothing to serve yet".to_owned(),
            };
            let why = if let Some(error) = status.last_error {
                format!("{} ({})", error.message, error.code)
            } else if status.checked_at.is_none() && status.phase != "idle" {
                format!("its first refresh is {}", status.phase)
            } else {
                continue;
            };
            failing += 1;
            if failing <= TOLD {
                reasons.push(format!("{}: {why}; {serves}", status.key));
            }
        }
    }
    if failing > TOLD {
        reasons.push(format!("and {} more keys", failing - TOLD));
    }
    Readiness { status: if reasons.is_empty() { "ok" } else { "degraded" }, reasons, crew: Crew::of(engine) }
}

fn line(engine: &Engine, base: &BasePath, source: &Source, now: Moment) -> Line {
    let spec = &source.recipe.spec;
    let status = source.default.as_ref().map(|cell| engine.status(cell, now));
    let name = spec.name.to_string();
    Line {
        description: spec.description.clone(),
        freshness: status.as_ref().map_or("absent", |s| s.freshness),
        phase: status.as_ref().map_or("idle", |s| s.phase),
        items: status.as_ref().and_then(|s| s.items),
        age_seconds: status.as_ref().and_then(|s| s.age_seconds),
        error: status.and_then(|s| s.last_error).map(|e| e.message),
        parameters: spec.params.iter().map(|p| p.name.clone()).collect(),
        links: Links {
            data: base.link(&format!("/api/{name}")),
            status: base.link(&format!("/api/{name}/status")),
            history: base.link(&format!("/api/{name}/history")),
            refresh: spec.manual_refresh.then(|| base.link(&format!("/api/{name}/refresh"))),
        },
        name,
    }
}
