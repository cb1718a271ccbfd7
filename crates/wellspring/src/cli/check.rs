//! `wellspring check`: collects sources once, explains what came out, and stores nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::Notify;
use wellspring_core::diagnostic::nearest;
use wellspring_core::key::Key;
use wellspring_core::source::BadParams;

use super::{ADD_A_SOURCE, BAD_CONFIG, configured, output, runtime};
use crate::app;
use crate::clock::{Clock, FixedClock, SystemClock};
use crate::config::Config;
use crate::engine::catalog::Recipe;
use crate::engine::collect::{Collected, Collector, Known};
use crate::engine::extraction::Extractor;
use crate::engine::limits::Limits;
use crate::fetch::Fetcher;
use crate::store::Retention;
use crate::store::memory::MemoryStore;

mod explain;
mod input;

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Options {
    /// Sources or keys; every configured source where empty.
    pub sources: Vec<String>,
    /// A file to read instead of fetching.
    pub input: Option<PathBuf>,
    /// Judge as if it were this time.
    pub now: Option<jiff::Timestamp>,
    /// Print JSON.
    pub json: bool,
}

/// Checks each source in turn. Exit code 0: all passed, 1: one did not, 2: bad config or arguments.
pub(super) fn run(config: Option<&Path>, options: &Options) -> ExitCode {
    let (config, recipes) = match configured(config) {
        Ok(configured) => configured,
        Err(code) => return code,
    };
    let prepared = chosen(&recipes, options).and_then(|chosen| Ok((chosen, fetcher(&config, options)?, extractor()?)));
    let (chosen, fetcher, extractor) = match prepared {
        Ok(prepared) => prepared,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(BAD_CONFIG);
        }
    };
    let clock: Arc<dyn Clock> = match options.now {
        Some(wall) => Arc::new(FixedClock::at(wall)),
        None => Arc::new(SystemClock),
    };
    let freed = Arc::new(Notify::new());
    let store = Arc::new(MemoryStore::new(Retention::default()));
    let collector = Collector { fetcher, store, limits: Limits::new(Arc::clone(&freed)), freed, breaker: Arc::default(), extractor, clock };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let mut passed = true;
    for (recipe, key) in chosen {
        if !options.json && options.input.is_none() {
            eprintln!("{key}: fetching …");
        }
        let collected = runtime.block_on(collect(&collector, &config, &recipe, &key, options.input.is_some()));
        let now = collector.clock.now();
        let checked = explain::Checked { recipe: &recipe, key: &key, input: options.input.as_deref(), collected: &collected, now };
        passed &= collected.outcome.is_ok();
        let text = if options.json { format!("{}\n", checked.json()) } else { checked.text(&config.server.timezone) };
        if output::print(text) != ExitCode::SUCCESS {
            passed = false;
            break;
        }
    }
    runtime.block_on(collector.extractor.close());
    runtime.shutdown_background();
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn collect(collector: &Collector, config: &Config, recipe: &Arc<Recipe>, key: &Key, from_file: bool) -> Collected {
    let bounds = app::settings(config).bounds;
    let patience = recipe.spec.policy.deadline;
    let deadline = collector.clock.mono().after(patience);
    // A file needs no fetch, so what only fetching needs (`when_env`) does not matter.
    let known = Known { ignore_when_env: from_file, ..Known::default() };
    let collecting = collector.collect(recipe, key, &bounds, known, deadline, None);
    tokio::time::timeout(patience, collecting).await.unwrap_or_else(|_| Collected::overdue(patience))
}

/// The keys that are asked for.
fn chosen(recipes: &[Arc<Recipe>], options: &Options) -> Result<Vec<(Arc<Recipe>, Key)>, String> {
    let names = || recipes.iter().map(|r| r.spec.name.as_str());
    let configured = || names().collect::<Vec<_>>().join(", ");
    if recipes.is_empty() {
        return Err(format!("no source is configured, so there is nothing to check: {ADD_A_SOURCE}"));
    }
    if options.sources.is_empty() {
        if options.input.is_some() && recipes.len() > 1 {
            return Err(format!("`--input` is read as one source's answer: name that source; configured: {}", configured()));
        }
        return recipes.iter().map(|recipe| Ok((Arc::clone(recipe), key(recipe, "")?))).collect();
    }
    let find = |text: &String| {
        let (name, query) = text.split_once('?').unwrap_or((text, ""));
        let recipe = recipes.iter().find(|r| r.spec.name.as_str() == name).ok_or_else(|| match nearest(name, names()) {
            Some(nearest) => format!("no source is called `{name}`; did you mean `{nearest}`?"),
            None => format!("no source is called `{name}`; configured: {}", configured()),
        })?;
        Ok((Arc::clone(recipe), key(recipe, query)?))
    };
    options.sources.iter().map(find).collect()
}

fn key(recipe: &Recipe, query: &str) -> Result<Key, String> {
    let name = &recipe.spec.name;
    let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let key = recipe.spec.key(pairs.iter().map(|(name, value)| (&**name, &**value)));
    key.map_err(|bad| match &bad {
        BadParams::Missing { name: parameter, .. } => format!("{name}: {bad}; write `{name}?{parameter}=…`"),
        _ => format!("{name}: {bad}"),
    })
}

fn fetcher(config: &Config, options: &Options) -> Result<Arc<dyn Fetcher>, String> {
    match &options.input {
        Some(path) => Ok(Arc::new(input::InputFile::read(path)?)),
        None => app::fetcher(config).map_err(|e| e.to_string()),
    }
}

fn extractor() -> Result<Arc<Extractor>, String> {
    app::extractor().map_err(|e| e.to_string())
}
