//! `wellspring import FILE`: takes an archive over into the store.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Seek as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use wellspring_core::key::Key;

use super::keeping::{Progress, STANDARD, at, count, given_up, interrupted, source};
use super::{configured, output, runtime};
use crate::app;
use crate::config::Config;
use crate::lifecycle;
use crate::store::Health;
use crate::store::archive::{Bad, Counts, Outcome, Reader, TakeError, Taken, take};
use crate::store::redis::inspect::place;
use crate::store::sqlite::shelf::is_used;

/// What was asked for.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) file: PathBuf,
    pub(super) replace: bool,
    pub(super) data: Option<PathBuf>,
}

/// Names that are said; of more, only how many.
const MOST_NAMED: usize = 5;

/// How to stop the server that holds a store.
pub(super) const STOP_IT: &str =
    "stop it first (`systemctl stop wellspring`, `docker compose stop`, or Ctrl-C where it runs), then start it again";

/// Takes over and tells. Exit code 1 where nothing was taken over.
pub(super) fn run(config: Option<&Path>, options: &Options) -> ExitCode {
    let asked = configured(config).and_then(|(config, _)| Ok((config, runtime()?)));
    let (mut config, runtime) = match asked {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    if let Some(data) = &options.data {
        config.store.keep_in(data);
    }
    let taking = AtomicBool::new(false);
    let done = runtime.block_on(async {
        let interrupted = interrupted();
        tokio::select! {
            done = import(&config, options, &taking) => done,
            why = interrupted => {
                let became = if taking.load(Ordering::Relaxed) { TAKEN_STAYS } else { "nothing was taken over" };
                Err(format!("{why}; {became}"))
            }
        }
    });
    runtime.shutdown_background();
    match done {
        Ok(words) => output::print(words),
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// What became of an archive that was taken over in part.
const TAKEN_STAYS: &str = "what was taken over until then stays, and taking it over again is no harm";

/// Why nothing can be imported where only a server would hold it.
const IN_MEMORY: &str = "a store in memory keeps nothing beyond its server; name a file as `url` under [store], or a folder with --data";

/// Imports, and tells when it begins to touch the store.
async fn import(config: &Config, options: &Options, taking: &AtomicBool) -> Result<String, String> {
    // One that is shared may be written to at any time.
    let (into, folder) = if let Some(shared) = config.store.shared() {
        (place(shared.expose()), std::env::temp_dir())
    } else {
        let path = config.store.path().ok_or(IN_MEMORY)?;
        if is_used(path) {
            return Err(format!("the store `{}` is in use by a running server; {STOP_IT}", path.display()));
        }
        (path.display().to_string(), nearest_folder(path).to_owned())
    };
    let is_standard = options.file.as_os_str() == STANDARD;
    let shown = if is_standard { "standard input".to_owned() } else { options.file.display().to_string() };
    let unreadable = |error: std::io::Error| format!("`{shown}` cannot be read ({error})");
    let from = options.file.clone();
    let spooled = lifecycle::blocking(move || source(&from, &folder)).await;
    let mut file = spooled.unwrap_or_else(|error| Err(error.into())).map_err(unreadable)?;
    let bad = |Bad { line, what }: Bad| format!("{shown}:{line}: {what}; nothing was taken over");
    check(&file).await.map_err(bad)?;
    file.rewind().map_err(unreadable)?;
    // Not before: an archive that is refused makes no folder and touches no file.
    taking.store(true, Ordering::Relaxed);
    let store = app::main_store(config).await.map_err(|error| error.to_string())?;
    let mut report = Report { config, progress: Progress::new("imported"), keys: 0, unconfigured: BTreeSet::new(), kept: Vec::new() };
    let archive = Reader::new(&file).map_err(bad)?;
    let tell = &mut |key: &Key, outcome| report.tell(key, outcome);
    let taken = take(archive, &*store, app::retention(config), options.replace, tell).await;
    let health = store.health();
    store.close().await;
    match (taken, health) {
        (Err(TakeError::Archive(Bad { line, what })), _) => Err(format!("{shown}:{line}: {what}; it has changed while it was read")),
        // It is why, too, where the last of it failed.
        (_, Health::Degraded(why)) => Err(format!("{}; mend that and import again: {TAKEN_STAYS}", at(config, &into, given_up(&why)))),
        (Err(TakeError::Store(error)), Health::Ok) => Err(error.to_string()),
        (Ok(taken), Health::Ok) => Ok(report.words(&shown, taken, &into)),
    }
}

/// Reads all of it, and holds no more than a line.
async fn check(file: &File) -> Result<Counts, Bad> {
    let mut progress = Progress::new("checked");
    let mut archive = Reader::new(file)?;
    while archive.next_piece()?.is_some() {
        progress.tell(archive.counts());
        // So that it can be interrupted.
        tokio::task::yield_now().await;
    }
    Ok(archive.counts())
}

/// The folder that the store is in, or would be made in: there is room for what comes through a pipe.
fn nearest_folder(path: &Path) -> &Path {
    path.ancestors().skip(1).find(|folder| !folder.as_os_str().is_empty() && folder.is_dir()).unwrap_or(Path::new("."))
}

/// What there is to tell.
struct Report<'a> {
    config: &'a Config,
    progress: Progress,
    keys: u64,
    unconfigured: BTreeSet<String>,
    kept: Vec<String>,
}

impl Report<'_> {
    fn tell(&mut self, key: &Key, outcome: Outcome) {
        self.keys += 1;
        self.progress.tell(Counts { keys: self.keys, ..Counts::default() });
        match outcome {
            Outcome::Kept if self.kept.len() < MOST_NAMED => self.kept.push(key.to_string()),
            Outcome::TakenOver if self.unconfigured.len() <= MOST_NAMED => {
                let known = self.config.sources.iter().any(|source| source.spec.name.as_str() == key.source());
                self.unconfigured.extend((!known).then(|| key.source().to_owned()));
            }
            _ => {}
        }
    }

    fn words(self, from: &str, taken: Taken, into: &str) -> String {
        drop(self.progress);
        let Taken { keys, revisions, pruned, kept } = taken;
        let (keys, revisions) = (count(keys, "key"), count(revisions, "revision"));
        let mut words = format!("imported {keys} with {revisions} from {from} into {into}\n");
        let mut say = |line: String| {
            words += &line;
            words.push('\n');
        };
        if kept > 0 {
            let more = if kept > self.kept.len() as u64 { ", …" } else { "" };
            let (kept, named) = (count(kept, "key"), self.kept.join(", "));
            say(format!("kept {kept}, of which the store holds something newer (--replace takes the archive's): {named}{more}"));
        }
        if pruned > 0 {
            say(format!("left out {} beyond `keep_revisions` and `keep_bytes` under [store]", count(pruned, "older revision")));
        }
        if !self.unconfigured.is_empty() {
            let more = if self.unconfigured.len() > MOST_NAMED { ", …" } else { "" };
            let named: Vec<String> = self.unconfigured.into_iter().take(MOST_NAMED).collect();
            say(format!("not configured, and kept for when they are: {}{more}", named.join(", ")));
        }
        words
    }
}
