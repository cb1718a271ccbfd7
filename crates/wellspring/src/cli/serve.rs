//! `wellspring serve`: runs until it is told to stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};
use wellspring_core::diagnostic::Diagnostic;

use super::{BROKEN, configured, runtime};
use crate::app::{self, App};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::engine::catalog::Recipe;

/// What the command line says over the config, at start and at every reload.
#[derive(Debug)]
pub(super) struct Overrides {
    config: Option<PathBuf>,
    listen: Option<SocketAddr>,
    data: Option<PathBuf>,
    access_log: bool,
}

/// The signals that a server attends to.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// Serves until SIGTERM or SIGINT; SIGHUP reloads.
pub(super) fn run(config: Option<&Path>, listen: Option<SocketAddr>, data: Option<PathBuf>, access_log: bool) -> ExitCode {
    let overrides = Overrides { config: config.map(Path::to_owned), listen, data, access_log };
    let (mut config, recipes) = match configured(config) {
        Ok(configured) => configured,
        Err(code) => return code,
    };
    overrides.apply(&mut config);
    if config.server.listen_from_port && listen.is_none() {
        info!(listen = %config.server.listen, "PORT is set and `listen` is not: listening on all interfaces");
    }
    warn_of_no_sources(&recipes);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let code = runtime.block_on(async {
        // First of all: a signal that comes while the store is read must not end the process as if nobody attended to it.
        let mut signals = match Signals::catch() {
            Ok(signals) => signals,
            Err(code) => return code,
        };
        let started = async { App::start(&config, recipes, Arc::new(SystemClock), app::fetcher(&config)?, app::extractor()?).await };
        let started = tokio::select! {
            started = started => started,
            // Nothing is open yet, and what is stored is as good as it was.
            () = signals.stop() => {
                info!("stopped while it started");
                return ExitCode::SUCCESS;
            }
        };
        match started {
            Ok(app) => attend(app, signals, Some(&overrides)).await,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        }
    });
    // What still computes after the drain (an extraction past its deadline) must not hold the process up.
    runtime.shutdown_background();
    code
}

impl Signals {
    /// Catches them from now on, or says why not.
    pub(super) fn catch() -> Result<Self, ExitCode> {
        let caught = || -> std::io::Result<Self> {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                hangup: signal(SignalKind::hangup())?,
            })
        };
        caught().map_err(|error| {
            eprintln!("error: signals cannot be received: {error}");
            ExitCode::FAILURE
        })
    }

    /// Waits for one that means the end.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Attends to signals until the server is to stop. Where there is no config file, nothing is reloaded.
pub(super) async fn attend(mut app: App, mut signals: Signals, overrides: Option<&Overrides>) -> ExitCode {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            // A reload may wait for refreshes that end; who wants the end of all does not wait for it.
            _ = signals.hangup.recv() => tokio::select! {
                () = reload(&app, overrides) => {}
                () = signals.stop() => break,
            },
            what = app.failed() => {
                error!("{what} ended unexpectedly; the process ends so that its supervisor starts it anew");
                return ExitCode::from(BROKEN);
            }
        }
    }
    info!("stopping: finishing what is open, for at most {} s; a second signal stops at once", app::DRAIN_PATIENCE.as_secs());
    tokio::select! {
        () = app.shutdown() => {
            info!("stopped");
            ExitCode::SUCCESS
        }
        () = signals.stop() => {
            warn!("stopped at once: what was open is cut");
            ExitCode::FAILURE
        }
    }
}

async fn reload(app: &App, overrides: Option<&Overrides>) {
    let Some(overrides) = overrides else {
        info!("there is no config file to reload");
        return;
    };
    let loaded = Config::load(overrides.config.as_deref()).and_then(|mut config| {
        overrides.apply(&mut config);
        app::recipes(&config).map(|recipes| (config, recipes))
    });
    match loaded {
        Ok((config, recipes)) => {
            warn_of_no_sources(&recipes);
            let sources = recipes.len();
            app.reload(&config, recipes).await;
            info!(sources, "the config is reloaded");
        }
        Err(diagnostics) => {
            diagnostics.iter().for_each(complain);
            error!(complaints = diagnostics.len(), "the new config is refused; the old one goes on");
        }
    }
}

/// A complaint as a line of the log, which may be JSON.
fn complain(diagnostic: &Diagnostic) {
    let Diagnostic { file, place, message, help, .. } = diagnostic;
    let at = place.map_or_else(|| file.to_string(), |(line, column)| format!("{file}:{line}:{column}"));
    error!(at, help, "bad config: {message}");
}

fn warn_of_no_sources(recipes: &[Arc<Recipe>]) {
    if recipes.is_empty() {
        warn!("no source is configured, so there is nothing to serve: {}", super::ADD_A_SOURCE);
    }
}

impl Overrides {
    fn apply(&self, config: &mut Config) {
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        config.server.access_log |= self.access_log;
        if let Some(data) = &self.data {
            config.store.keep_in(data);
        }
    }
}
