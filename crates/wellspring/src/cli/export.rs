//! `wellspring export FILE`: an archive of what is stored, with a server or without one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use url::{Url, form_urlencoded};

use super::keeping::{Progress, STANDARD, Target, count, interrupted};
use super::words::size;
use super::{client, configured, output, runtime};
use crate::app;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, StoreUrl};
use crate::http::export as http_export;
use crate::store::Holdings;
use crate::store::archive::{self, Bad, Checker, Chosen, Counts, Lines, Sink};
use crate::store::sqlite::shelf::{Shelf, identity, is_used};

/// What was asked for.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) file: PathBuf,
    pub(super) sources: Vec<String>,
    pub(super) data: Option<PathBuf>,
    pub(super) server: Option<Url>,
}

/// What is otherwise in the archive than in the store is told of so many times; of more, only how often.
const MOST_REMARKS: usize = 20;

/// Writes and tells. Exit code 1 where there is no archive now.
pub(super) fn run(config: Option<&Path>, options: &Options) -> ExitCode {
    let asked = configured(config).and_then(|(config, _)| Ok((config, runtime()?)));
    let (mut config, runtime) = match asked {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    if let Some(data) = &options.data {
        config.store.keep_in(data);
    }
    let done = runtime.block_on(async {
        let interrupted = interrupted();
        tokio::select! {
            done = export(&config, options) => done,
            why = interrupted => Err(why),
        }
    });
    runtime.shutdown_background();
    match done {
        // The archive itself is there.
        Ok(words) if options.file.as_os_str() == STANDARD => {
            eprintln!("{words}");
            ExitCode::SUCCESS
        }
        Ok(words) => output::print(words + "\n"),
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn export(config: &Config, options: &Options) -> Result<String, String> {
    let is_standard = options.file.as_os_str() == STANDARD;
    let shown = if is_standard { "standard output".to_owned() } else { format!("`{}`", options.file.display()) };
    let unwritable = |error: std::io::Error| format!("{shown} cannot be written ({error})");
    let target = Target::begin(&options.file).map_err(unwritable)?;
    let mut writing = Writing { target, progress: Progress::new("exported"), remarks: Vec::new(), more_remarks: 0 };
    let counts = if options.server.is_some() {
        running(config, options, &mut writing).await?
    } else if config.store.shared().is_some() {
        let store = app::main_store(config).await.map_err(|error| error.to_string())?;
        let counts = stopped(config, &*store, &options.sources, &mut writing).await;
        store.close().await;
        counts?
    } else if let Some(path) = config.store.path().filter(|path| !is_used(path)) {
        let shelf = Shelf::open(path).map_err(|error| error.to_string())?;
        stopped(config, &shelf, &options.sources, &mut writing).await?
    } else {
        running(config, options, &mut writing).await?
    };
    let Writing { target, progress, remarks, more_remarks } = writing;
    let bytes = target.finish().map_err(unwritable)?;
    drop(progress);
    for words in &remarks {
        eprintln!("warning: {words}");
    }
    if more_remarks > 0 {
        eprintln!("warning: and {more_remarks} more");
    }
    let to = bytes.map_or_else(|| shown.trim_matches('`').to_owned(), |bytes| format!("{} ({})", options.file.display(), size(bytes)));
    Ok(format!("exported {} with {} to {to}", count(counts.keys, "key"), count(counts.revisions, "revision")))
}

/// From a store that can be read beside its servers, or has none.
async fn stopped<S: Holdings + ?Sized>(config: &Config, shelf: &S, sources: &[String], writing: &mut Writing) -> Result<Counts, String> {
    let keys = shelf.keys().await.map_err(|error| error.to_string())?;
    let known = |name: &str| config.sources.iter().any(|source| source.spec.name.as_str() == name);
    let keys = match archive::choose(keys, Some(sources).filter(|names| !names.is_empty()), &known) {
        Chosen::Keys(keys) => keys,
        Chosen::Unknown { name, stored } => {
            return Err(format!("no source is called `{name}`; the store holds: {}", stored.join(", ")));
        }
    };
    let now = SystemClock.now().wall;
    archive::write(shelf, &keys, now, writing).await.map_err(|error| error.to_string())
}

/// From a server that runs, which is not believed: what it sends is checked as it comes.
async fn running(config: &Config, options: &Options, writing: &mut Writing) -> Result<Counts, String> {
    let mut path = "/admin/export".to_owned();
    if !options.sources.is_empty() {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("source", &options.sources.join(",")).finish();
        path = format!("{path}?{query}");
    }
    let (mut lines, mut checker) = (Lines::default(), Checker::default());
    let odd = |Bad { line, what }: Bad| format!("what the server sent is no archive (line {line}: {what})");
    let mut take = |piece: &[u8]| {
        lines.push(piece);
        while let Some(line) = lines.pop().map_err(|_| odd(checker.too_long()))? {
            checker.take(line).map_err(odd)?;
        }
        writing.progress.tell(checker.counts());
        writing.target.write(piece).map_err(|error| format!("`{}` cannot be written ({error})", options.file.display()))
    };
    // Found in use, and its own server not necessarily the one that was asked.
    let meant = config.store.path().filter(|_| options.server.is_none());
    let judge = |address: &str, headers: &HeaderMap| {
        let said = headers.get(http_export::STORE).and_then(|said| said.to_str().ok());
        match meant {
            Some(path) if said != identity(path).as_deref() => Err(format!(
                "the store `{}` is in use, and the server on {address} does not say that it is its own; name the right one with --server URL, or its config with --config FILE",
                path.display()
            )),
            _ => Ok(()),
        }
    };
    let got = client::download(config, options.server.as_ref(), &path, &judge, &mut take).await;
    let is_silent = |why: &str| options.server.is_none() && why.starts_with("no server answers");
    got.map_err(|why| match config.store.path() {
        None if is_silent(&why) && config.store == StoreUrl::Memory => {
            format!("a store in memory is only there while its server runs: {why}")
        }
        Some(path) if is_silent(&why) => format!("the store `{}` is in use, and {why}", path.display()),
        _ => why,
    })?;
    checker.finish().map_err(|bad| format!("the server broke off ({})", bad.what))
}

struct Writing {
    target: Target,
    progress: Progress,
    remarks: Vec<String>,
    more_remarks: u64,
}

#[async_trait]
impl Sink for Writing {
    async fn take(&mut self, piece: Bytes, so_far: Counts) -> std::io::Result<()> {
        self.progress.tell(so_far);
        // So that it can be interrupted.
        tokio::task::yield_now().await;
        self.target.write(&piece)
    }

    fn remark(&mut self, words: String) {
        if self.remarks.len() < MOST_REMARKS {
            self.remarks.push(words);
        } else {
            self.more_remarks += 1;
        }
    }
}
