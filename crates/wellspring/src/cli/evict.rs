//! `wellspring evict SOURCE…`: forgets what is stored of sources, or of those that are no longer configured.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use url::form_urlencoded;
use wellspring_core::key::Key;

use super::import::STOP_IT;
use super::keeping::{at, count, given_up};
use super::words::size;
use super::{configured, output, runtime};
use crate::app;
use crate::config::Config;
use crate::store::redis::inspect::place;
use crate::store::sqlite::shelf::is_used;
use crate::store::{Health, evict_all};

/// What was asked for.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) sources: Vec<String>,
    pub(super) unconfigured: bool,
    pub(super) data: Option<PathBuf>,
}

/// Forgets and tells. Exit code 1 where it could not.
pub(super) fn run(config: Option<&Path>, options: &Options) -> ExitCode {
    let asked = configured(config).and_then(|(config, _)| Ok((config, runtime()?)));
    let (mut config, runtime) = match asked {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    if let Some(data) = &options.data {
        config.store.keep_in(data);
    }
    let done = runtime.block_on(evict(&config, options));
    runtime.shutdown_background();
    match done {
        Ok(words) => output::print(words + "\n"),
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn evict(config: &Config, options: &Options) -> Result<String, String> {
    // One that is shared may be written to at any time.
    let shown = if let Some(shared) = config.store.shared() {
        place(shared.expose())
    } else {
        let path = config.store.path().ok_or("a store in memory keeps nothing beyond its server")?;
        let shown = path.display();
        if !path.exists() {
            return Err(format!("there is no store at `{shown}`; say which with --config, or with --data"));
        }
        if is_used(path) {
            return Err(format!("the store `{shown}` is in use by a running server; {STOP_IT}"));
        }
        shown.to_string()
    };
    let store = app::main_store(config).await.map_err(|error| error.to_string())?;
    let before = store.figures().bytes;
    let done = async {
        let all = store.keys().await.map_err(|error| error.to_string())?;
        let keys = chosen(config, options, all)?;
        evict_all(&*store, &keys).await.map_err(|error| error.to_string())?;
        // The room is used again in any case; this gives it back.
        store.compact().await.map_err(|error| error.to_string())?;
        Ok::<_, String>(keys.len() as u64)
    };
    let done = done.await;
    let health = store.health();
    store.close().await;
    // It is why, too, where something else then failed.
    if let Health::Degraded(why) = health {
        return Err(format!("{}; mend that and evict again", at(config, &shown, given_up(&why))));
    }
    let after = store.figures().bytes;
    let done = count(done?, "key");
    Ok(match before.zip(after) {
        Some((before, after)) => format!("evicted {done}; {shown} takes {}, {} before", size(after), size(before)),
        // What it takes is not known of one that is shared.
        None => format!("evicted {done} from {shown}; servers that run go on with their own copies until they refresh them"),
    })
}

fn chosen(config: &Config, options: &Options, all: Vec<Key>) -> Result<Vec<Key>, String> {
    let known = |key: &Key| config.sources.iter().any(|source| source.spec.name.as_str() == key.source());
    if options.unconfigured {
        return Ok(all.into_iter().filter(|key| !known(key)).collect());
    }
    let is_named = |key: &Key, name: &str| key.source() == name || key.as_str() == name;
    if let Some(name) = options.sources.iter().find(|name| !all.iter().any(|key| is_named(key, name))) {
        return Err(match whole_name(config, name).filter(|whole| whole != name) {
            Some(whole) if all.iter().any(|key| key.as_str() == whole) => {
                format!("nothing is stored of `{name}`; with all its parameters it is `{whole}`, and of that something is")
            }
            Some(whole) => format!("nothing is stored of `{name}`, which with all its parameters is `{whole}`"),
            None if is_configured(config, name) => format!("nothing is stored of `{name}`"),
            None => format!("nothing is stored of `{name}`, and no source of that name is configured here"),
        });
    }
    Ok(all.into_iter().filter(|key| options.sources.iter().any(|name| is_named(key, name))).collect())
}

fn is_configured(config: &Config, name: &str) -> bool {
    let source = name.split_once('?').map_or(name, |(source, _)| source);
    config.sources.iter().any(|one| one.spec.name.as_str() == source)
}

/// The key that a request for it would mean, where it is one of a source: its defaults are part of its name.
fn whole_name(config: &Config, name: &str) -> Option<String> {
    let (source, query) = name.split_once('?').unwrap_or((name, ""));
    let spec = &config.sources.iter().find(|one| one.spec.name.as_str() == source)?.spec;
    let given: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let key = spec.key(given.iter().map(|(name, value)| (&**name, &**value))).ok()?;
    Some(key.as_str().to_owned())
}
