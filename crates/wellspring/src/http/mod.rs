//! The inward side: answers from memory at once, and everything else through a router.

use std::sync::Arc;

use tokio::sync::watch;

use crate::engine::Engine;

pub mod access;
pub mod admin;
mod assets;
pub mod base;
pub mod body;
pub mod coded;
pub mod coding;
pub mod crowd;
mod direct;
pub mod export;
pub mod formats;
pub mod headers;
pub mod history;
mod hit;
pub mod index;
mod intake;
mod lanes;
pub mod metrics;
pub mod openapi;
mod page;
pub mod problem;
pub mod proxies;
pub mod query;
pub mod read;
pub mod refresh;
pub mod render;
pub mod represent;
pub mod router;
pub mod selection;
pub mod server;
mod socket;
pub mod stream;
mod weighted;

use access::AccessLog;
use admin::Admission;
use coded::Coder;
use crowd::Crowd;
use headers::Cors;
use render::Renderer;

/// How far the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The store is being read.
    Starting,
    /// Requests are answered.
    Serving,
    /// No new connections; what is open is finished.
    Draining,
}

/// What every request may see.
#[derive(Clone, Debug)]
pub struct Site {
    /// The refresh engine.
    pub engine: Engine,
    /// Encodes bodies.
    pub renderer: Arc<Renderer>,
    /// Who may read from other origins.
    pub cors: Arc<Cors>,
    /// Codes bodies.
    pub coder: Arc<Coder>,
    /// Where every request is noted, where that is wanted.
    pub access_log: Option<Arc<AccessLog>>,
    /// The path that a proxy puts before ours.
    pub base: base::BasePath,
    /// Whose word counts on where a request comes from.
    pub proxies: Arc<proxies::Proxies>,
    /// How many connections and streams there may be.
    pub crowd: Arc<Crowd>,
    /// Who may force a refresh; a reload may change it.
    pub admission: Arc<arc_swap::ArcSwap<Admission>>,
    /// Places for those who want an archive.
    pub exports: Arc<export::Places>,
    /// What it answers, for programs.
    pub documents: Arc<openapi::Documents>,
    /// What is open now, for `/metrics`.
    pub gauges: Arc<metrics::Gauges>,
    /// How far the server is.
    pub stage: watch::Receiver<Stage>,
}
