//! `wellspring serve`: runs until it is told to stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};
use wellspring_core::template::Filled;

use super::{BAD_CONFIG, BROKEN, configured, runtime};
use crate::app::{self, App};
use crate::clock::SystemClock;
use crate::config::{Config, StoreUrl};
use crate::engine::catalog::Recipe;

/// What the command line says over the config, at start and at every reload.
pub(super) struct Overrides {
    config: Option<PathBuf>,
    listen: Option<SocketAddr>,
    data: Option<PathBuf>,
}

/// Serves until SIGTERM or SIGINT; SIGHUP reloads.
pub(super) fn run(config: Option<&Path>, listen: Option<SocketAddr>, data: Option<PathBuf>) -> ExitCode {
    let overrides = Overrides { config: config.map(Path::to_owned), listen, data };
    let (mut config, recipes) = match configured(config) {
        Ok(configured) => configured,
        Err(code) => return code,
    };
    overrides.apply(&mut config);
    if config.server.listen_from_port && listen.is_none() {
        info!(address = %config.server.listen, "PORT is set: listening on all addresses");
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let code = runtime.block_on(async {
        let started = async { App::start(&config, recipes, Arc::new(SystemClock), app::fetcher(&config)?).await };
        match started.await {
            Ok(app) => attend(app, Some(&overrides)).await,
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

/// Attends to signals until the server is to stop. Without overrides there is nothing to reload.
pub(super) async fn attend(mut app: App, overrides: Option<&Overrides>) -> ExitCode {
    let signals = || -> std::io::Result<[Signal; 3]> {
        Ok([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?])
    };
    let [mut terminate, mut interrupt, mut hangup] = match signals() {
        Ok(signals) => signals,
        Err(error) => {
            error!(%error, "signals cannot be received");
            app.shutdown().await;
            return ExitCode::FAILURE;
        }
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(&app, overrides).await,
            what = app.failed() => {
                error!("{what} ended unexpectedly; the process ends so that its supervisor starts it anew");
                return ExitCode::from(BROKEN);
            }
        }
    }
    info!("stopping: finishing what is open; a second signal stops at once");
    tokio::select! {
        () = app.shutdown() => {
            info!("stopped");
            ExitCode::SUCCESS
        }
        _ = terminate.recv() => ExitCode::FAILURE,
        _ = interrupt.recv() => ExitCode::FAILURE,
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
        Ok((config, recipes)) => exchange(app, &config, recipes).await,
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                eprintln!("{diagnostic}\n");
            }
            error!(code = BAD_CONFIG, "the new config is refused; the old one goes on");
        }
    }
}

async fn exchange(app: &App, config: &Config, recipes: Vec<Arc<Recipe>>) {
    if config.server.listen != app.address && config.server.listen.port() != 0 {
        warn!(now = %app.address, configured = %config.server.listen, "another listen address takes a restart");
    }
    app.reload(config, recipes).await;
    info!("the config is reloaded");
}

impl Overrides {
    fn apply(&self, config: &mut Config) {
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        if let Some(data) = &self.data {
            config.store = StoreUrl::Sqlite(Filled::plain(format!("sqlite:{}", data.join("wellspring.db").display())));
        }
    }
}
