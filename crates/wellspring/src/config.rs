//! What the server is told: `wellspring.toml`, the files in `sources` beside it, and the environment, which is read
//! here and nowhere else.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use wellspring_core::diagnostic::Diagnostic;
use wellspring_core::key::SourceName;
use wellspring_core::source::{Document, SourceSpec};
use wellspring_core::template::{Environment, Filled, Secret};

mod behind_proxy;
mod browser;
mod files;
mod machine;
mod notify;
mod raw;
mod read;
mod schema;
mod sections;
mod shown;
#[cfg(test)]
mod tests;

pub use self::browser::find_browser;
pub use self::notify::Notify;
pub use self::schema::schema;
pub use self::sections::{LISTEN_HELP, listen_address};

/// The port where neither the config nor the environment names one.
pub const DEFAULT_PORT: u16 = 5500;

/// Everything that was configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from; `None` where the shipped sources run without one.
    pub file: Option<PathBuf>,
    /// How clients are served.
    pub server: Server,
    /// Where snapshots are kept.
    pub store: StoreUrl,
    /// How much of each key's past is kept.
    pub keep: Keep,
    /// How upstreams are asked.
    pub fetch: FetchOptions,
    /// How pages are rendered.
    pub browser: BrowserOptions,
    /// Who is told how sources are.
    pub notify: Vec<Notify>,
    /// The sources, in the order of their files.
    pub sources: Vec<Source>,
    /// The variables of the environment that were asked for, by name.
    pub variables: Vec<Variable>,
}

/// A variable of the environment. Its value is nobody's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Whether it is set to something.
    pub is_set: bool,
}

/// How clients are served.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it listens.
    pub listen: SocketAddr,
    /// True where `PORT` decided that, so that all interfaces are listened on: worth a word in the log.
    pub listen_from_port: bool,
    /// What this server is called among those that share its store.
    pub replica: String,
    /// What a client must show to force a refresh.
    pub admin_token: Option<Secret>,
    /// The zone of `cache_date`.
    pub timezone: TimeZone,
    /// Host names that may force a refresh without a token, as configured; empty: the listen address and `localhost`.
    pub hosts: Vec<String>,
    /// Whose pages may read.
    pub cors_origins: CorsOrigins,
    /// Whether each request is noted on standard output.
    pub access_log: bool,
    /// The path that a proxy puts before ours: it begins with a slash and ends without one. Empty: none.
    pub base_path: String,
    /// The networks of proxies whose word counts on where a request comes from: their first address, and how many bits of it count.
    pub trusted_proxies: Vec<(IpAddr, u8)>,
    /// The most connections at once; `None`: as many as the system has descriptors for, at most 10,000.
    pub max_connections: Option<usize>,
    /// The most connections at once from one address that is neither loopback nor a trusted proxy.
    pub max_connections_per_address: usize,
    /// The most event streams at once from such an address.
    pub max_streams_per_address: usize,
}

/// Whose pages may read answers in a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Anyone's.
    Any,
    /// These origins' (`https://a.example`), as browsers write them.
    List(Vec<String>),
}

/// Where snapshots are kept. Prints as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// In a SQLite file; see [`StoreUrl::path`].
    Sqlite(Filled),
    /// In Redis or Valkey, shared with other servers.
    Redis {
        /// Where that is.
        url: Filled,
        /// Where this server keeps a copy of its own, for as long as Redis is away.
        own: Box<StoreUrl>,
    },
    /// In memory, for as long as the process lives.
    Memory,
}

/// How much of each key's past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Revisions a key, the latest included; at least 1.
    pub revisions: usize,
    /// Bytes of items a key; the latest is kept whatever it weighs.
    pub bytes: u64,
}

/// How upstreams are asked.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Whether private and loopback addresses may be fetched.
    pub allow_private: bool,
    /// A proxy for all sources without their own.
    pub proxy: Option<Filled>,
    /// The longest one request may take.
    pub timeout: Duration,
    /// The longest one refresh may take; sources carry it in their policy.
    pub deadline: Duration,
    /// The largest body after decompression, in bytes.
    pub max_body: u64,
    /// Requests to one host at once.
    pub per_host: usize,
    /// The shortest time between the starts of two requests to one host.
    pub gap: Duration,
    /// Refreshes at once, in all.
    pub at_once: usize,
    /// What it calls itself, where not the usual.
    pub user_agent: Option<String>,
    /// Whether the robots.txt of hosts is honoured, where a source does not say.
    pub robots: bool,
}

/// How pages are rendered.
#[derive(Clone, Debug)]
pub struct BrowserOptions {
    /// Whether the browser's own sandbox is on.
    pub sandbox: bool,
    /// The browser to run, where not the first that is found.
    pub executable: Option<PathBuf>,
    /// How long an unused browser is kept.
    pub idle: Duration,
    /// Pages at once, 1 to 8.
    pub pages: usize,
    /// How much each of its processes may write to in memory, in bytes.
    pub memory: u64,
}

/// A source and the file it comes from.
#[derive(Clone)]
pub struct Source {
    /// The source itself.
    pub spec: SourceSpec,
    /// The file as the user names it.
    pub file: Arc<str>,
    /// The bytes of its name in that file.
    pub span: Range<usize>,
    text: Arc<str>,
}

/// Where a shell looks for programs.
fn program_folders() -> Vec<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}

impl Config {
    /// Reads `wellspring.toml` (or the file given) and every `sources/*.toml` beside it; where there is no such file
    /// and none was asked for, the shipped sources.
    ///
    /// # Errors
    /// A diagnostic for each thing that is wrong.
    pub fn load(path: Option<&Path>) -> Result<Self, Vec<Diagnostic>> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        let environment = |name: &str| std::env::var(name).ok();
        Self::load_with(path, &environment)
    }

    /// What holds where there is no file and no source: where the server listens, as the environment says.
    ///
    /// # Errors
    /// A diagnostic where the environment is wrong.
    pub fn bare() -> Result<Self, Vec<Diagnostic>> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        let environment = |name: &str| std::env::var(name).ok();
        Self::parse("no config", "", &environment)
    }

    /// [`Config::load`] with an environment of one's own.
    ///
    /// # Errors
    /// A diagnostic for each thing that is wrong.
    pub fn load_with(path: Option<&Path>, environment: Environment<'_>) -> Result<Self, Vec<Diagnostic>> {
        read::read(&files::Files::find(path)?, environment, machine::memory())
    }

    /// Reads one text as a whole config, with no files beside it.
    ///
    /// # Errors
    /// A diagnostic for each thing that is wrong.
    pub fn parse(name: &str, text: &str, environment: Environment<'_>) -> Result<Self, Vec<Diagnostic>> {
        read::read(&files::Files::of_text(name, text), environment, machine::memory())
    }

    /// A complaint about some bytes of a source's file, for what is found out only after loading.
    pub fn diagnose(&self, source: &SourceName, span: Range<usize>, message: &str, help: Option<&str>) -> Diagnostic {
        match self.sources.iter().find(|s| s.spec.name == *source) {
            Some(source) => source.diagnose(span, message, help),
            None => Diagnostic::of_file(source.as_str(), message),
        }
    }
}

impl Source {
    /// A complaint about some bytes of its file.
    pub fn diagnose(&self, span: Range<usize>, message: &str, help: Option<&str>) -> Diagnostic {
        let diagnostic = Document::new(&self.file, &self.text).error(span, message);
        diagnostic.help_if(help)
    }
}

/// Without the file's text, which may hold a token.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("file", &self.file).field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl StoreUrl {
    /// The usual file in a folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self::Sqlite(Filled::plain(format!("sqlite:{}", folder.join("wellspring.db").display())))
    }

    /// Keeps what this server keeps itself in a folder, whatever the config says.
    pub fn keep_in(&mut self, folder: &Path) {
        match self {
            Self::Redis { own, .. } => own.keep_in(folder),
            Self::Sqlite(_) | Self::Memory => *self = Self::in_folder(folder),
        }
    }

    /// The store that is shared with other servers, where one is.
    pub fn shared(&self) -> Option<&Filled> {
        match self {
            Self::Redis { url, .. } => Some(url),
            Self::Sqlite(_) | Self::Memory => None,
        }
    }

    /// The file of what this server keeps itself, where there is one. Relative to the working directory.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(url) => url.expose().strip_prefix("sqlite:").map(|path| Path::new(path.strip_prefix("//").unwrap_or(path))),
            Self::Redis { own, .. } => own.path(),
            Self::Memory => None,
        }
    }
}
