//! The command line: one command a file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use url::Url;
use wellspring_core::diagnostic::Diagnostic;

use crate::app;
use crate::config::{self, Config};
use crate::engine::catalog::Recipe;

mod check;
mod client;
mod demo;
mod doctor;
mod evict;
mod export;
mod health;
mod import;
mod keeping;
mod launch;
mod log;
mod notify;
mod output;
mod refresh;
mod schema;
mod serve;
mod status;
mod words;
mod worker;

/// Turns slow sources into APIs that answer at once, stay fresh by themselves and never show broken data.
#[derive(Debug, Parser)]
#[command(name = "wellspring", version, max_term_width = 100, after_help = FIRST_STEPS)]
pub struct Cli {
    /// Read this config [default: wellspring.toml if there is one, else the sources that ship]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write the log in this format [default: text]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    log: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  wellspring demo           watch it work: no network, nothing stored
  wellspring serve          serve the sources that ship on http://127.0.0.1:5500
  wellspring check cinema   see what a source gives, and why";

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

// What clap shows is written as programs do it: in the imperative, without a full stop.
#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the configured sources
    ///
    /// Runs until SIGTERM or Ctrl-C, which finish what is open first. SIGHUP reads the config again; a bad one is refused and the old one
    /// goes on.
    Serve {
        /// Listen here, whatever the config says, as in 127.0.0.1:5500
        #[arg(long, value_name = "ADDR", value_parser = address)]
        listen: Option<SocketAddr>,
        /// Keep data in this folder, whatever the config says
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Write a JSON line for each request to standard output, whatever the config says
        #[arg(long)]
        access_log: bool,
    },
    /// Watch it work without a network: three slow sites, built in, and the server in front of them
    Demo {
        /// Listen here
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5500", value_parser = address)]
        listen: SocketAddr,
    },
    /// Collect sources once and explain what came out; nothing is stored
    ///
    /// Exit code 0: all passed. 1: a fetch or a gate failed. 2: the config or the command line is wrong.
    Check {
        /// Sources, or keys such as 'google_trend?geo=ID' [default: every configured source]
        #[arg(value_name = "SOURCE")]
        sources: Vec<String>,
        /// Read this file instead of fetching
        #[arg(long, value_name = "FILE", conflicts_with_all = ["save", "replay"])]
        input: Option<PathBuf>,
        /// Keep every raw answer in this new folder, without secrets
        #[arg(long, value_name = "DIR", conflicts_with = "replay")]
        save: Option<PathBuf>,
        /// Read answers that were saved in this folder instead of fetching
        #[arg(long, value_name = "DIR")]
        replay: Option<PathBuf>,
        /// Judge as if it were this time, as in 2026-01-31T10:00:00Z
        #[arg(long, value_name = "RFC3339", value_parser = time)]
        now: Option<jiff::Timestamp>,
        /// Print one JSON object a line for each source
        #[arg(long)]
        json: bool,
    },
    /// Ask the running server how its sources are
    Status {
        /// Ask this server, whatever the config says, as in http://127.0.0.1:5500
        #[arg(long, value_name = "URL", value_parser = client::server_url)]
        server: Option<Url>,
    },
    /// Ask the running server whether it answers, as containers and supervisors do
    ///
    /// Exit code 0: it does. 1: it does not, within 4 seconds. Whether its sources are well is what `status` and /ready tell.
    Health {
        /// Ask this server, whatever the config says, as in http://127.0.0.1:5500
        #[arg(long, value_name = "URL", value_parser = client::server_url)]
        server: Option<Url>,
    },
    /// Have the running server refresh a source now, and wait for it
    Refresh {
        /// The source, or a key such as 'google_trend?geo=ID'
        #[arg(value_name = "SOURCE")]
        source: String,
        /// Ask this server, whatever the config says, as in http://127.0.0.1:5500
        #[arg(long, value_name = "URL", value_parser = client::server_url)]
        server: Option<Url>,
    },
    /// Send a test message to who is told how sources are, and say what came back
    ///
    /// Exit code 0: all took it. 1: one did not. 2: the config is wrong.
    Notify {
        /// The name of a [[notify]], or all
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Look for what keeps it from working: config, store, sources' hosts, clock
    ///
    /// Exit code 0: nothing fails. 1: something does. 2: the config is wrong.
    Doctor {
        /// Ask no host
        #[arg(long)]
        offline: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write all that is stored into one file, also while a server serves it
    ///
    /// Where a server runs on the store it is asked, as `status` asks it. The file takes its name when it is whole; one that ends in
    /// .zst is compressed. Exit code 0: it is there. 1: it is not, and nothing is left of it. 2: the config or the command line is wrong.
    Export {
        /// The file; - is standard output
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Only these sources
        #[arg(long = "source", value_name = "SOURCE", value_delimiter = ',')]
        sources: Vec<String>,
        /// Read the store in this folder, whatever the config says
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Ask this server, whatever the config says, as in http://127.0.0.1:5500
        #[arg(long, value_name = "URL", value_parser = client::server_url)]
        server: Option<Url>,
    },
    /// Take what `export` wrote over into the store
    ///
    /// No server may run on a file meanwhile; on Redis servers may, and take over what changes there. Of each key the newer stays, what is stored or what the file holds. All of the file is checked before anything is touched. Exit
    /// code 0: done. 1: the file, the store or a running server does not allow it. 2: the config or the command line is wrong.
    Import {
        /// The file, compressed or not; - is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Take everything over, also where what is stored is newer
        #[arg(long)]
        replace: bool,
        /// Write to the store in this folder, whatever the config says
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Forget what is stored of sources
    ///
    /// No server may run on a file meanwhile. On Redis servers may: each goes on with its own copy until it refreshes it. What is still
    /// configured is fetched anew. Exit code 0: done. 1: it could not be. 2: the config or the command line is wrong.
    Evict {
        /// Sources, or keys such as 'holidays?country=ID'
        #[arg(value_name = "SOURCE", required_unless_present = "unconfigured")]
        sources: Vec<String>,
        /// Every source that is not configured
        #[arg(long, conflicts_with = "sources")]
        unconfigured: bool,
        /// Look into the store in this folder, whatever the config says
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Print the JSON Schema of the config file, for editors
    Schema,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// An address to listen on, as in the config.
fn address(text: &str) -> Result<SocketAddr, &'static str> {
    config::listen_address(text).ok_or(config::LISTEN_HELP)
}

fn time(text: &str) -> Result<jiff::Timestamp, &'static str> {
    text.parse().map_err(|_| "write a date, a time and an offset, as in 2026-01-31T10:00:00Z or 2026-01-31T17:00:00+07:00")
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // Before the command line is read as a person's: it stands in no help, no completion and no suggestion.
    if let Some(code) = worker::run_if_meant().or_else(launch::run_if_meant) {
        return code;
    }
    let cli = Cli::parse();
    log::init(cli.log, matches!(cli.command, Command::Serve { .. } | Command::Demo { .. }));
    let config = cli.config.as_deref();
    match cli.command {
        Command::Serve { listen, data, access_log } => serve::run(config, listen, data, access_log),
        Command::Demo { listen } => demo::run(listen),
        Command::Check { sources, input, save, replay, now, json } => {
            check::run(config, &check::Options { sources, input, save, replay, now, json })
        }
        Command::Status { server } => status::run(config, server.as_ref()),
        Command::Health { server } => health::run(config, server.as_ref()),
        Command::Refresh { source, server } => refresh::run(config, server.as_ref(), &source),
        Command::Notify { name } => notify::run(config, &name),
        Command::Doctor { offline, json } => doctor::run(config, offline, json),
        Command::Export { file, sources, data, server } => export::run(config, &export::Options { file, sources, data, server }),
        Command::Import { file, replace, data } => import::run(config, &import::Options { file, replace, data }),
        Command::Evict { sources, unconfigured, data } => evict::run(config, &evict::Options { sources, unconfigured, data }),
        Command::Schema => schema::run(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "wellspring", &mut script);
            output::print(&script)
        }
    }
}

/// Exit code of a configuration that cannot be used.
const BAD_CONFIG: u8 = 2;
/// Exit code of a server that lost one of its own tasks (`EX_SOFTWARE`).
const BROKEN: u8 = 70;

/// The way out where there is no source.
const ADD_A_SOURCE: &str = "add a [source.NAME] table to the config, or one that ships with `use = [\"cinema\"]`";

/// A config and its compiled sources.
type Configured = (Config, Vec<Arc<Recipe>>);

/// Loads the config and compiles its rules, or prints what is wrong with it.
fn configured(path: Option<&Path>) -> Result<Configured, ExitCode> {
    configured_from(Config::load(path))
}

/// The same for a config that was read elsewhere.
fn configured_from(loaded: Result<Config, Vec<Diagnostic>>) -> Result<Configured, ExitCode> {
    loaded.and_then(|config| app::recipes(&config).map(|recipes| (config, recipes))).map_err(|diagnostics| {
        for diagnostic in diagnostics {
            eprintln!("{diagnostic}\n");
        }
        ExitCode::from(BAD_CONFIG)
    })
}

/// A runtime for commands that wait on the network.
fn runtime() -> Result<tokio::runtime::Runtime, ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("wellspring").build().map_err(|error| {
        eprintln!("error: the system gives no threads: {error}");
        ExitCode::FAILURE
    })
}
