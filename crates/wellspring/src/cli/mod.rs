//! The command line: one command a file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use wellspring_core::diagnostic::Diagnostic;

use crate::app;
use crate::config::Config;
use crate::engine::catalog::Recipe;

mod check;
mod client;
mod demo;
mod log;
mod refresh;
mod schema;
mod serve;
mod status;

/// Turns slow sources into APIs that answer at once, stay fresh by themselves and never show broken data.
#[derive(Debug, Parser)]
#[command(name = "wellspring", version, max_term_width = 100)]
pub struct Cli {
    /// The config file; without one the sources that ship are served.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to log; people's words on a terminal where not given.
    #[arg(long, global = true, value_enum)]
    log: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the configured sources.
    Serve {
        /// Where to listen, instead of what the config says.
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
        /// Where to keep data, instead of what the config says.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Shows the whole thing without a network: three slow sites built in, and the server in front of them.
    Demo {
        /// Where to listen.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5500")]
        listen: SocketAddr,
    },
    /// Collects sources once, explains what came out, and stores nothing. Exit code 0: passed, 1: a gate or a fetch failed, 2: bad config.
    Check {
        /// The sources, or keys like `google_trend?geo=ID`; every configured one where none is named.
        #[arg(value_name = "SOURCE")]
        sources: Vec<String>,
        /// Reads this file instead of fetching.
        #[arg(long, value_name = "FILE")]
        input: Option<PathBuf>,
        /// Judges as if it were this time.
        #[arg(long, value_name = "RFC3339")]
        now: Option<jiff::Timestamp>,
        /// Prints one JSON object a source.
        #[arg(long)]
        json: bool,
    },
    /// Asks the running server how its sources are.
    Status,
    /// Forces a refresh at the running server.
    Refresh {
        /// The source, or a key like `google_trend?geo=ID`.
        #[arg(value_name = "SOURCE")]
        source: String,
    },
    /// Prints the JSON Schema of the config file, for editors.
    Schema,
    /// Prints completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log::init(cli.log, matches!(cli.command, Command::Serve { .. } | Command::Demo { .. }));
    let config = cli.config.as_deref();
    match cli.command {
        Command::Serve { listen, data } => serve::run(config, listen, data),
        Command::Demo { listen } => demo::run(listen),
        Command::Check { sources, input, now, json } => check::run(config, &check::Options { sources, input, now, json }),
        Command::Status => status::run(config),
        Command::Refresh { source } => refresh::run(config, &source),
        Command::Schema => schema::run(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "wellspring", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}

/// Exit code of a configuration that cannot be used.
const BAD_CONFIG: u8 = 2;
/// Exit code of a server that lost one of its own tasks (`EX_SOFTWARE`).
const BROKEN: u8 = 70;

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
