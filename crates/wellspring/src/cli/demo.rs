//! `wellspring demo`: the three sources that ship, read from slow sites that are built in. Needs no network.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::output;
use super::serve::{Signals, attend};
use super::{configured_from, runtime};
use crate::app::{self, App};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::lifecycle;

mod posters;
mod sites;

/// The config of the demo: the shipped rules, pointed at the built-in sites, with periods short enough to watch.
const CONFIG: &str = include_str!("demo/demo.toml");

/// Serves the demo until it is stopped.
pub(super) fn run(listen: SocketAddr) -> ExitCode {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let code = runtime.block_on(serve(listen));
    runtime.shutdown_background();
    code
}

async fn serve(listen: SocketAddr) -> ExitCode {
    let sites = match TcpListener::bind("127.0.0.1:0").await.and_then(|l| Ok((l.local_addr()?, l))) {
        Ok((address, listener)) => {
            lifecycle::spawn(sites::serve(listener, Duration::from_secs(3)..=Duration::from_secs(8)));
            address
        }
        Err(error) => {
            eprintln!("error: the demo's own sites cannot listen on 127.0.0.1: {error}");
            return ExitCode::FAILURE;
        }
    };
    let text = CONFIG.replace("SITES", &sites.to_string()).replace("LISTEN", &listen.to_string());
    let (config, recipes) = match configured_from(Config::parse("demo.toml", &text, &|_| None)) {
        Ok(configured) => configured,
        Err(code) => return code,
    };
    let signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(code) => return code,
    };
    let started = async { App::start(&config, recipes, Arc::new(SystemClock), app::fetcher(&config)?, app::extractor()?).await };
    match started.await {
        Ok(app) => {
            output::print(welcome(app.address));
            attend(app, signals, None).await
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where to look and what to watch for.
fn welcome(address: SocketAddr) -> String {
    format!(
        "
  Three slow sites (3–8 s an answer) are behind this server. Look at

    http://{address}/                    every source and its state
    http://{address}/demo                the three of them live, and the two lines that do it
    http://{address}/api/cinema          fresh for 15 s
    http://{address}/api/events          fresh for 30 s
    http://{address}/api/google_trend    fresh for 45 s; says `cache_age_hours`

  and ask again now and then:

    curl -s -w '\\n%{{time_total}} s\\n' http://{address}/api/cinema

  The first answer waits for the site once. Every later one comes at once: `cache_valid` turns false when its
  15 s are over, that same answer says `refreshing_in_background`, and a few seconds later the titles have changed.
  To force a refresh:  curl -X POST http://{address}/api/cinema/refresh
  Stop with Ctrl-C.

"
    )
}

#[cfg(test)]
mod tests {
    use wellspring_core::source::Rules;

    use super::*;

    /// Each source's last alternative, for the demo has no key for the first of `google_trend`.
    fn rules(config: &str) -> Vec<String> {
        let config = Config::parse("test.toml", config, &|_| None).unwrap();
        let words = |rules: &Rules| {
            // Without the places in the file, which JSON leaves out.
            serde_json::to_string(rules).unwrap()
        };
        config.sources.iter().map(|s| format!("{} {}", s.spec.name, words(&s.spec.alternatives.last().unwrap().rules))).collect()
    }

    #[test]
    fn the_demo_reads_by_the_rules_that_ship() {
        let demo = CONFIG.replace("SITES", "127.0.0.1:1").replace("LISTEN", "127.0.0.1:0");
        assert_eq!(rules(&demo), rules("use = [\"cinema\", \"events\", \"google_trend\"]"));
    }
}
