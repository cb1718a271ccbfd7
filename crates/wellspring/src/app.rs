//! The one place that wires concrete types: a config becomes a running server.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};
use wellspring_core::diagnostic::Diagnostic;
use wellspring_core::key::Params;
use wellspring_core::robots::product_token;
use wellspring_core::snapshot::Digest;
use wellspring_core::source::{Alternative, Ask, SourceSpec};
use wellspring_core::template::Filled;

use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, CorsOrigins};
use crate::engine::catalog::Recipe;
use crate::engine::collect::Bounds;
use crate::engine::extraction::{Extractor, RuledAlternative};
use crate::engine::limits::PerHost;
use crate::engine::worker;
use crate::engine::{Engine, Parts, Settings};
use crate::fetch::Fetcher;
use crate::fetch::browser::{self, Browser};
use crate::fetch::guard::Guard;
use crate::fetch::http::{HttpFetcher, Options, USER_AGENT};
use crate::fetch::outward::Outward;
use crate::http::access::AccessLog;
use crate::http::admin::Admission;
use crate::http::base::BasePath;
use crate::http::crowd::{self, Crowd};
use crate::http::headers::Cors;
use crate::http::proxies::Proxies;
use crate::http::render::Renderer;
use crate::http::{Site, Stage, router, server};
use crate::lifecycle;
use crate::notify::{Hook, Notifier};
use crate::store::StoreError;

mod stores;

pub use self::stores::{main_store, retention, store};

/// How long refreshes that fly at the end may go on.
const FLIGHTS_PATIENCE: Duration = Duration::from_secs(7);
/// How long messages that are being sent at the end may go on; what is not sent then is sent after the next start.
const TELLING_PATIENCE: Duration = Duration::from_secs(2);
/// How long open connections may go on; longer, so that those who wait for a flight hear how it ended.
pub const DRAIN_PATIENCE: Duration = Duration::from_secs(9);

/// How many connections may wait to be accepted. A crowd that comes at once (all readers of a page that was just posted somewhere) fits in;
/// beyond it the kernel drops, and the client asks again only after a whole second. The system may allow less (`net.core.somaxconn`).
const BACKLOG: u32 = 4_096;

/// Why a server does not start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {reason}{hint}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        reason: std::io::Error,
        /// The way out.
        hint: &'static str,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No worker can be prepared.
    #[error("cannot prepare extraction: {0}")]
    Extract(std::io::Error),
    /// The browser cannot be prepared.
    #[error("cannot prepare rendering: {0}")]
    Browser(std::io::Error),
    /// The access log cannot be written.
    #[error("cannot write an access log: {0}")]
    Log(std::io::Error),
    /// The way out cannot be prepared.
    #[error("cannot prepare outward connections: {0}")]
    Fetch(String),
}

/// A running server.
#[derive(Debug)]
pub struct App {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its engine.
    pub engine: Engine,
    admission: Arc<ArcSwap<Admission>>,
    fixed: Fixed,
    stage: watch::Sender<Stage>,
    notifier: Notifier,
    fetcher: Arc<dyn Fetcher>,
    server: JoinHandle<()>,
    flights: JoinHandle<()>,
}

/// Compiles the rules of every configured source.
///
/// # Errors
/// A diagnostic for each rule that cannot be compiled, at its place in the TOML.
pub fn recipes(config: &Config) -> Result<Vec<Arc<Recipe>>, Vec<Diagnostic>> {
    let mut recipes = Vec::new();
    let mut wrong = Vec::new();
    for source in &config.sources {
        let spec = &source.spec;
        let mut compiled = Vec::new();
        for alternative in &spec.alternatives {
            match RuledAlternative::compile(alternative) {
                Ok(rules) => compiled.push(rules),
                Err(error) => wrong.push(source.diagnose(error.span.clone(), &error.message, error.help.as_deref())),
            }
        }
        if compiled.len() == spec.alternatives.len() {
            recipes.push(Arc::new(Recipe { spec: spec.clone(), compiled, fingerprint: fingerprint(spec), text: source.shown() }));
        }
    }
    if wrong.is_empty() { Ok(recipes) } else { Err(wrong) }
}

/// What a source is configured with, secrets digested: where it is equal, a reload leaves the source alone.
fn fingerprint(spec: &SourceSpec) -> String {
    let defaults: Params = spec.params.iter().filter_map(|p| Some((p.name.clone(), p.default.clone()?))).collect();
    let texts = spec.alternatives.iter().flat_map(Alternative::asks).flat_map(Ask::templates);
    // With the values of variables, which nothing else shows.
    let exposed: Vec<String> = texts.map(|text| text.fill(&defaults).expose().to_owned()).collect();
    Digest::of(format!("{spec:?} {exposed:?}").as_bytes()).to_string()
}

/// The way out, as configured.
///
/// # Errors
/// Where TLS cannot be set up, or the system gives no thread.
pub fn fetcher(config: &Config) -> Result<Arc<dyn Fetcher>, StartError> {
    fetcher_launching(config, this_program().map_err(StartError::Browser)?)
}

/// The same, where another program than the one that runs starts the browser.
///
/// # Errors
/// As [`fetcher`].
#[doc(hidden)]
pub fn fetcher_launching(config: &Config, launcher: PathBuf) -> Result<Arc<dyn Fetcher>, StartError> {
    let options = Options { allow_private: config.fetch.allow_private, user_agent: user_agent(config).to_owned() };
    let http = HttpFetcher::new(&options).map_err(|e| StartError::Fetch(e.to_string()))?;
    Ok(Arc::new(Outward::new(http, browser_launching(config, launcher)?)))
}

/// The browser, as configured. It is not started.
///
/// # Errors
/// Where the system gives no thread, or does not say which program this is.
pub fn browser(config: &Config) -> Result<Browser, StartError> {
    browser_launching(config, this_program().map_err(StartError::Browser)?)
}

fn browser_launching(config: &Config, launcher: PathBuf) -> Result<Browser, StartError> {
    let named = config.browser.executable.clone();
    let options = browser::Options {
        locate: Arc::new(move || config::find_browser(named.as_deref())),
        launcher,
        sandbox: config.browser.sandbox,
        idle: config.browser.idle,
        pages: config.browser.pages,
        memory: config.browser.memory,
        user_agent: user_agent(config).to_owned(),
    };
    Browser::new(options, Guard::new(config.fetch.allow_private), Arc::new(SystemClock)).map_err(StartError::Browser)
}

fn user_agent(config: &Config) -> &str {
    config.fetch.user_agent.as_deref().unwrap_or(USER_AGENT)
}

/// Who runs the rules: this program again, in child processes.
///
/// # Errors
/// Where the system gives no thread, or does not say which program this is.
pub fn extractor() -> Result<Arc<Extractor>, StartError> {
    let program = this_program().map_err(StartError::Extract)?;
    Extractor::workers(worker::Options::new(program)).map(Arc::new).map_err(StartError::Extract)
}

/// The program that runs, also when its file is replaced, as an upgrade does.
fn this_program() -> std::io::Result<PathBuf> {
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() { Ok(own) } else { std::env::current_exe() }
}

/// The engine's settings, as configured.
pub fn settings(config: &Config) -> Settings {
    let fetch = &config.fetch;
    let bounds = Bounds {
        timeout: fetch.timeout,
        max_body: fetch.max_body,
        per_host: PerHost { at_once: u32::try_from(fetch.per_host).unwrap_or(u32::MAX), gap: fetch.gap },
        proxy: fetch.proxy.clone(),
        robots: fetch.robots,
        agent: product_token(user_agent(config)).to_owned(),
    };
    Settings { bounds, at_once: fetch.at_once, pages: config.browser.pages }
}

/// Who is told how sources are, as configured. Those at private addresses have a way out of their own.
///
/// # Errors
/// Where TLS cannot be set up.
pub fn hooks(config: &Config, fetcher: &Arc<dyn Fetcher>) -> Result<Vec<Hook>, StartError> {
    let mut private: Option<Arc<dyn Fetcher>> = None;
    let mut hooks = Vec::new();
    for notify in &config.notify {
        let mut fetcher = Arc::clone(fetcher);
        if notify.allow_private {
            if private.is_none() {
                let options = Options { allow_private: true, user_agent: user_agent(config).to_owned() };
                private = Some(Arc::new(HttpFetcher::new(&options).map_err(|e| StartError::Fetch(e.to_string()))?));
            }
            fetcher = private.clone().unwrap_or(fetcher);
        }
        let proxy = config.fetch.proxy.clone().filter(|_| !notify.allow_private);
        let mut exposed: Vec<&str> = notify.headers.iter().map(|(_, value)| value.expose()).collect();
        exposed.extend([notify.url.expose(), proxy.as_ref().map_or("", Filled::expose)]);
        let template = notify.template.as_ref().map(|template| template.fill(&Params::new()));
        exposed.extend(template.as_ref().map(Filled::expose));
        let fingerprint = Digest::of(format!("{notify:?} {proxy:?} {exposed:?}").as_bytes()).to_string();
        hooks.push(Hook {
            name: notify.name.clone(),
            receiver: notify.receiver,
            url: notify.url.clone(),
            headers: notify.headers.clone(),
            sources: notify.sources.clone(),
            on: notify.on.clone(),
            after: notify.after,
            template: notify.template.clone(),
            proxy,
            fetcher,
            fingerprint,
        });
    }
    Ok(hooks)
}

/// Where this server is, as far as it knows itself: what listens everywhere is on this machine too.
pub fn base(listen: SocketAddr) -> String {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(if listen.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    format!("http://{address}")
}

fn admission(config: &Config, listen: SocketAddr) -> Admission {
    Admission { token: config.server.admin_token.clone(), listen, hosts: config.server.hosts.clone() }
}

fn crowd_bounds(config: &Config) -> crowd::Bounds {
    let server = &config.server;
    crowd::Bounds {
        connections: server.max_connections,
        per_address: server.max_connections_per_address,
        streams: server.max_streams_per_address,
    }
}

/// Settings that a running server keeps, with what they are.
type Fixed = [(&'static str, String); 16];

fn fixed(config: &Config) -> Fixed {
    let (server, fetch) = (&config.server, &config.fetch);
    [
        ("[server] listen", server.listen.to_string()),
        ("[server] replica", server.replica.clone()),
        ("[server] timezone", format!("{:?}", server.timezone)),
        ("[server] cors_origins", format!("{:?}", server.cors_origins)),
        ("[server] access_log", server.access_log.to_string()),
        ("[server] base_path", server.base_path.clone()),
        ("[server] trusted_proxies", format!("{:?}", server.trusted_proxies)),
        ("[server] max_connections", format!("{:?}", server.max_connections)),
        ("[server] max_connections_per_address", server.max_connections_per_address.to_string()),
        ("[server] max_streams_per_address", server.max_streams_per_address.to_string()),
        ("[store] url", format!("{:?}", config.store)),
        ("[store] keep_revisions", config.keep.revisions.to_string()),
        ("[store] keep_bytes", config.keep.bytes.to_string()),
        ("[fetch] allow_private", fetch.allow_private.to_string()),
        ("[fetch] user_agent", format!("{:?}", fetch.user_agent)),
        ("[browser]", format!("{:?}", config.browser)),
    ]
}

impl App {
    /// Starts a server: listens first, so that a taken port is told before anything is touched; answers 503 until the
    /// store is read; then serves and refreshes.
    ///
    /// # Errors
    /// [`StartError`], with nothing left running.
    pub async fn start(
        config: &Config,
        recipes: Vec<Arc<Recipe>>,
        clock: Arc<dyn Clock>,
        fetcher: Arc<dyn Fetcher>,
        extractor: Arc<Extractor>,
    ) -> Result<Self, StartError> {
        let listener = listen(config.server.listen)?;
        let address = listener.local_addr().map_err(|reason| StartError::Listen { address: config.server.listen, reason, hint: "" })?;
        let store = store(config, Arc::clone(&clock)).await?;
        let renderer = Arc::new(Renderer::new(config.server.timezone.clone()));
        let hooks = hooks(config, &fetcher)?;
        let engine = Engine::new(Parts { store, fetcher: Arc::clone(&fetcher), clock, extractor }, settings(config));
        engine.call(&config.server.replica);
        let (stage, watched) = watch::channel(Stage::Starting);
        let admission = Arc::new(ArcSwap::from_pointee(admission(config, address)));
        let proxies = Arc::new(Proxies::new(config.server.trusted_proxies.clone()));
        let site = Site {
            engine: engine.clone(),
            renderer,
            cors: Arc::new(match &config.server.cors_origins {
                CorsOrigins::Any => Cors::Any,
                CorsOrigins::List(origins) => Cors::Only(origins.clone()),
            }),
            places: Arc::default(),
            walks: Arc::default(),
            afloat: Arc::default(),
            compared: Arc::default(),
            coder: Arc::default(),
            access_log: config.server.access_log.then(|| AccessLog::start(std::io::stdout())).transpose().map_err(StartError::Log)?,
            base: BasePath::new(&config.server.base_path),
            proxies: Arc::clone(&proxies),
            crowd: Arc::new(Crowd::new(crowd_bounds(config), proxies)),
            admission: Arc::clone(&admission),
            exports: Arc::default(),
            documents: Arc::default(),
            gauges: Arc::default(),
            stage: watched,
        };
        let router = router::router(site.clone());
        let server = lifecycle::spawn(server::serve(listener, site, router, DRAIN_PATIENCE));
        let snapshots = match engine.load(recipes).await {
            Ok(snapshots) => snapshots,
            Err(error) => {
                stage.send_replace(Stage::Draining);
                engine.drain(Duration::ZERO).await;
                return Err(error.into());
            }
        };
        let notifier = Notifier::start(engine.clone(), hooks, base(address)).await;
        let flights = lifecycle::spawn(engine.clone().run());
        stage.send_replace(Stage::Serving);
        info!(%address, sources = engine.catalog().sources().count(), snapshots, "serving");
        Ok(Self { address, engine, admission, fixed: fixed(config), stage, notifier, fetcher, server, flights })
    }

    /// Exchanges the sources and what else can change without a restart, and says what cannot.
    pub async fn reload(&self, config: &Config, recipes: Vec<Arc<Recipe>>) {
        for ((setting, before), (_, after)) in self.fixed.iter().zip(fixed(config)) {
            if *before != after {
                warn!("`{setting}` has changed; it takes effect after a restart");
            }
        }
        self.admission.store(Arc::new(admission(config, self.address)));
        self.engine.reload(recipes, settings(config)).await;
        match hooks(config, &self.fetcher) {
            Ok(hooks) => self.notifier.reload(hooks),
            Err(error) => warn!(%error, "[[notify]] stays as it was"),
        }
    }

    /// Waits for a task of the server to end by itself, which it never should; says which.
    pub async fn failed(&mut self) -> &'static str {
        tokio::select! {
            _ = &mut self.server => "the accept loop",
            _ = &mut self.flights => "the engine",
        }
    }

    /// Stops accepting, finishes what is open and what flies, within bounds, and closes the store.
    pub async fn shutdown(self) {
        self.stage.send_replace(Stage::Draining);
        let telling = self.notifier.drain(TELLING_PATIENCE);
        let (served, ()) = tokio::join!(self.server, self.engine.drain_beside(FLIGHTS_PATIENCE, telling));
        if let Err(error) = served {
            tracing::error!(%error, "the accept loop had failed");
        }
        drop(self.flights.await);
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restart must not wait for the connections of the server before it.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|reason| {
        let hint = match reason.kind() {
            std::io::ErrorKind::AddrInUse => "; another program listens there: stop it, or choose another address with --listen",
            std::io::ErrorKind::PermissionDenied => "; ports below 1024 need privileges: choose another with --listen",
            std::io::ErrorKind::AddrNotAvailable => "; this machine has no such address: choose one with --listen",
            _ => "",
        };
        StartError::Listen { address, reason, hint }
    })
}
