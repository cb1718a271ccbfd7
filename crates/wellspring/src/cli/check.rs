//! `wellspring check`: collects sources once, explains what came out, and stores nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use wellspring_core::diagnostic::nearest;
use wellspring_core::key::Key;
use wellspring_core::source::{Alternative, BadParams};

use super::{ADD_A_SOURCE, BAD_CONFIG, configured, output, runtime};
use crate::app;
use crate::clock::{Clock, FixedClock, SystemClock};
use crate::config::Config;
use crate::engine::catalog::Recipe;
use crate::engine::collect::{Collected, Collector, Known};
use crate::engine::extraction::Extractor;
use crate::engine::limits::Limits;
use crate::engine::manners;
use crate::engine::pages::Pages;
use crate::fetch::Fetcher;
use crate::store::Retention;
use crate::store::memory::MemoryStore;

use self::input::InputFile;
use self::replay::Replay;
use self::save::Saving;
use self::secrets::Secrets;

mod explain;
mod fields;
mod folder;
mod input;
mod loaded;
mod replay;
mod requests;
mod save;
mod secrets;

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Options {
    /// Sources or keys; every configured source where empty.
    pub sources: Vec<String>,
    /// A file to read instead of fetching.
    pub input: Option<PathBuf>,
    /// A new folder to keep raw answers in.
    pub save: Option<PathBuf>,
    /// A folder of raw answers to read instead of fetching.
    pub replay: Option<PathBuf>,
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
    let prepared = chosen(&recipes, options).and_then(|chosen| Ok((upstreams(&config, &chosen, options)?, extractor()?, chosen)));
    let (upstreams, extractor, chosen) = match prepared {
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
    let collector = Collector {
        fetcher: upstreams.fetcher,
        store,
        limits: Limits::new(Arc::clone(&freed)),
        freed,
        pages: Pages::new(config.browser.pages),
        breaker: Arc::default(),
        manners: (options.input.is_none() && options.replay.is_none()).then(Arc::default),
        extractor,
        clock,
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let mut passed = true;
    for (recipe, key) in chosen {
        if !options.json && !options.is_offline() {
            eprintln!("{key}: fetching …");
        }
        let collected = runtime.block_on(collect(&collector, &config, &recipe, &key, options));
        let now = collector.clock.now();
        let ignores_robots = options.input.is_none() && manners::ignores(&recipe.spec, config.fetch.robots);
        let input = options.input.as_deref();
        let checked = explain::Checked { recipe: &recipe, key: &key, input, ignores_robots, collected: &collected, now };
        passed &= collected.outcome.is_ok();
        let text = if options.json { format!("{}\n", checked.json()) } else { checked.text(&config.server.timezone) };
        if output::print(text) != ExitCode::SUCCESS {
            passed = false;
            break;
        }
    }
    runtime.block_on(async {
        collector.extractor.close().await;
        collector.fetcher.close().await;
    });
    runtime.shutdown_background();
    if let Some(saving) = &upstreams.saving {
        match saving.outcome() {
            Ok(_) if options.json => {}
            Ok(words) => eprintln!("{words}"),
            Err(message) => {
                eprintln!("error: {message}");
                passed = false;
            }
        }
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn collect(collector: &Collector, config: &Config, recipe: &Arc<Recipe>, key: &Key, options: &Options) -> Collected {
    let mut bounds = app::settings(config).bounds;
    if options.is_offline() {
        // There is nobody to be gentle with.
        bounds.per_host.gap = Duration::ZERO;
    }
    let patience = recipe.spec.policy.deadline;
    let deadline = collector.clock.mono().after(patience);
    let known = Known { from_a_file: options.input.is_some(), ..Known::default() };
    let collecting = collector.collect(recipe, key, &bounds, known, deadline, None);
    tokio::time::timeout(patience, collecting).await.unwrap_or_else(|_| Collected::overdue(patience))
}

impl Options {
    /// Whether nobody is asked.
    fn is_offline(&self) -> bool {
        self.input.is_some() || self.replay.is_some()
    }
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

/// What stands for the upstreams.
struct Upstreams {
    fetcher: Arc<dyn Fetcher>,
    saving: Option<Arc<Saving>>,
}

fn upstreams(config: &Config, chosen: &[(Arc<Recipe>, Key)], options: &Options) -> Result<Upstreams, String> {
    let secrets = || Secrets::of(chosen.iter().map(|(recipe, _)| &**recipe));
    let only = |fetcher: Arc<dyn Fetcher>| Upstreams { fetcher, saving: None };
    if let Some(path) = &options.input {
        if let Some((recipe, _)) = chosen.iter().find(|(recipe, _)| recipe.spec.alternatives.iter().all(asks_for_several)) {
            let name = &recipe.spec.name;
            return Err(format!(
                "`--input` is read as one answer, and {name} asks for several: save them with --save DIR, read them with --replay DIR"
            ));
        }
        return Ok(only(Arc::new(InputFile::read(path)?)));
    }
    if let Some(folder) = &options.replay {
        return Ok(only(Arc::new(Replay::open(folder, secrets())?)));
    }
    let fetcher = app::fetcher(config).map_err(|e| e.to_string())?;
    let Some(folder) = &options.save else { return Ok(only(fetcher)) };
    let saving = Arc::new(Saving::into(folder, fetcher, secrets(), !options.json)?);
    Ok(Upstreams { fetcher: Arc::clone(&saving) as _, saving: Some(saving) })
}

fn asks_for_several(alternative: &Alternative) -> bool {
    alternative.each.is_some() || alternative.asks().nth(1).is_some()
}

fn extractor() -> Result<Arc<Extractor>, String> {
    app::extractor().map_err(|e| e.to_string())
}
