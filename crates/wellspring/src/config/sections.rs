//! Everything but the sources.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ::http::HeaderValue;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::DeValue;
use url::Url;
use wellspring_core::diagnostic::Diagnostic;
use wellspring_core::source::words::Period;
use wellspring_core::source::{At, Defaults, Document, zone_named};
use wellspring_core::template::{Environment, Filled, Secret, Template};

use super::raw::{RawBrowser, RawFetch, RawNotify, RawOrigins, RawServer, RawStore};
use super::{BrowserOptions, CorsOrigins, DEFAULT_PORT, FetchOptions, Keep, Server, StoreUrl};
use super::{behind_proxy, machine, notify};

const STORE: &str = "sqlite:data/wellspring.db";
/// How the addresses of stores begin that several servers may share.
const SHARED: [&str; 5] = ["redis:", "rediss:", "redis+unix:", "redis+sentinel:", "rediss+sentinel:"];

/// The most pages that are rendered at once.
const PAGES: usize = 8;
/// On a machine with less memory than this, in bytes, pages are rendered one by one.
const SMALL: u64 = 1 << 30;
/// What a process of the browser may write to, in bytes: a heavy page fits, a bomb does not.
const MEMORY: u64 = 256 << 20;
/// Less than this, in bytes, and the browser does not start.
const LEAST_MEMORY: u64 = 128 << 20;

/// How to write an address to listen on.
pub const LISTEN_HELP: &str = "write an address and a port, as in 127.0.0.1:5500; 0.0.0.0:5500 listens on every interface";

/// An address to listen on; the one name that needs no resolver is taken too.
pub fn listen_address(text: &str) -> Option<SocketAddr> {
    let local = text.strip_prefix("localhost:").map(|port| format!("{}:{port}", Ipv4Addr::LOCALHOST));
    local.as_deref().unwrap_or(text).parse().ok()
}

/// Everything but the sources.
pub(super) struct Sections {
    pub server: Server,
    pub store: StoreUrl,
    pub keep: Keep,
    pub fetch: FetchOptions,
    pub browser: BrowserOptions,
    pub notify: notify::Read,
}

impl Sections {
    /// What sources take from here.
    pub(super) fn defaults(&self) -> Defaults {
        Defaults { deadline: self.fetch.deadline }
    }
}

/// Reads sections one by one and collects what is wrong with them. A section that was not read keeps its defaults.
pub(super) struct Reader<'a> {
    document: Document<'a>,
    environment: Environment<'a>,
    server: RawServer,
    store: RawStore,
    fetch: RawFetch,
    browser: RawBrowser,
    notify: Vec<RawNotify>,
    pub(super) found: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(document: Document<'a>, environment: Environment<'a>) -> Self {
        Self {
            document,
            environment,
            server: RawServer::default(),
            store: RawStore::default(),
            fetch: RawFetch::default(),
            browser: RawBrowser::default(),
            notify: Vec::new(),
            found: Vec::new(),
        }
    }

    pub(super) fn server(&mut self, value: Spanned<DeValue<'a>>) {
        self.server = self.section(value);
    }

    pub(super) fn store(&mut self, value: Spanned<DeValue<'a>>) {
        self.store = self.section(value);
    }

    pub(super) fn fetch(&mut self, value: Spanned<DeValue<'a>>) {
        self.fetch = self.section(value);
    }

    pub(super) fn browser(&mut self, value: Spanned<DeValue<'a>>) {
        self.browser = self.section(value);
    }

    pub(super) fn notify(&mut self, value: Spanned<DeValue<'a>>) {
        self.notify = self.section(value);
    }

    /// A section, or its defaults after a complaint.
    pub(super) fn section<T: DeserializeOwned + Default>(&mut self, value: Spanned<DeValue<'a>>) -> T {
        self.document.read(value).unwrap_or_else(|diagnostic| {
            self.found.push(*diagnostic);
            T::default()
        })
    }

    /// The values of all sections. `memory` is the machine's, in bytes, where known.
    pub(super) fn finish(mut self, memory: Option<u64>) -> Result<Sections, Vec<Diagnostic>> {
        let (server, keep, store) = (self.take_server(), self.take_keep(), self.take_store());
        let (fetch, browser, notify) = (self.take_fetch(), self.take_browser(memory), self.take_notify());
        let sections = Sections { server, store, keep, fetch, browser, notify };
        if self.found.is_empty() { Ok(sections) } else { Err(self.found) }
    }

    fn take_server(&mut self) -> Server {
        let raw = std::mem::take(&mut self.server);
        let (listen, listen_from_port) = self.listen(raw.listen.as_ref());
        Server {
            listen,
            listen_from_port,
            replica: raw.replica.and_then(|at| self.replica(&at)).unwrap_or_else(machine::host),
            admin_token: raw.admin_token.and_then(|token| self.admin_token(&token)),
            timezone: self.timezone(raw.timezone.as_ref()),
            hosts: raw.hosts.unwrap_or_default().into_iter().filter_map(|host| self.host(&host)).collect(),
            cors_origins: raw.cors_origins.map_or(CorsOrigins::Any, |origins| self.origins(origins)),
            access_log: raw.access_log.unwrap_or(false),
            base_path: raw.base_path.and_then(|at| self.sound(&at, behind_proxy::base_path(&at.value))).unwrap_or_default(),
            trusted_proxies: raw
                .trusted_proxies
                .unwrap_or_default()
                .iter()
                .filter_map(|at| self.sound(at, behind_proxy::network(&at.value)))
                .collect(),
            max_connections: raw.max_connections.map(|at| self.at_least_one("max_connections", Some(at), 16_384)),
            max_connections_per_address: self.at_least_one("max_connections_per_address", raw.max_connections_per_address, 256),
            max_streams_per_address: self.at_least_one("max_streams_per_address", raw.max_streams_per_address, 64),
        }
    }

    /// Where to listen, and whether `PORT` decided it.
    fn listen(&mut self, listen: Option<&At<String>>) -> (SocketAddr, bool) {
        let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
        if let Some(at) = listen {
            return (self.listen_address(at).unwrap_or(usual), false);
        }
        match (self.environment)("PORT").filter(|port| !port.is_empty()).map(|port| port.trim().parse::<u16>()) {
            None => (usual, false),
            Some(Ok(port)) if port > 0 => ((Ipv4Addr::UNSPECIFIED, port).into(), true),
            Some(_) => {
                let message = "the environment variable `PORT` is no port number";
                self.found.push(Diagnostic::of_file("the environment", message).help("set it to 1 to 65535, or write a `listen` setting"));
                (usual, false)
            }
        }
    }

    fn listen_address(&mut self, at: &At<String>) -> Option<SocketAddr> {
        let filled = self.expand(at)?;
        let address = listen_address(filled.expose());
        if address.is_none() {
            self.error(at, format!("`{filled}` is nothing to listen on"), LISTEN_HELP);
        }
        address
    }

    /// A name that people are shown, and that stands in what is stored.
    fn replica(&mut self, at: &At<String>) -> Option<String> {
        let name = self.expand(at)?;
        let name = name.expose();
        if name.is_empty() || name.len() > machine::NAME || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            let help = "write letters, digits and signs of ASCII without spaces, at most 64, as in replica-2 or ${HOSTNAME}";
            self.error(at, "`replica` is no name for a server", help);
            return None;
        }
        Some(name.to_owned())
    }

    fn admin_token(&mut self, at: &At<String>) -> Option<Secret> {
        let token = self.expand(at)?;
        let visible = token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if token.expose().is_empty() {
            self.error(at, "the admin token is empty", "anyone could show it: set it, or remove the line to allow local refreshes only");
        } else if !visible {
            self.error(
                at,
                "the admin token holds characters that no header can carry",
                "use letters, digits and signs of ASCII, without spaces",
            );
        } else {
            return Some(Secret::new(token.expose()));
        }
        None
    }

    fn timezone(&mut self, at: Option<&At<String>>) -> TimeZone {
        let Some(at) = at else {
            #[expect(clippy::disallowed_methods, reason = "the config is where the machine's own zone is read")]
            return TimeZone::system();
        };
        zone_named(&at.value).unwrap_or_else(|help| {
            self.error(at, format!("there is no time zone `{}`", at.value.escape_debug()), &help);
            TimeZone::UTC
        })
    }

    fn host(&mut self, at: &At<String>) -> Option<String> {
        let sound = Url::parse(&format!("http://{}/", at.value)).is_ok_and(|url| {
            url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && !at.value.ends_with('/')
        });
        if !sound || at.value.contains('*') {
            let message = format!("`{}` is no host name", at.value.escape_debug());
            self.error(at, message, "write it as browsers send it, as in data.example or data.example:8080");
            return None;
        }
        Some(at.value.to_ascii_lowercase())
    }

    fn origins(&mut self, origins: At<RawOrigins>) -> CorsOrigins {
        let list = match origins.value {
            RawOrigins::One(origin) => vec![At { value: origin, span: origins.span }],
            RawOrigins::Many(list) => list,
        };
        if list.iter().any(|at| at.value == "*") {
            return CorsOrigins::Any;
        }
        CorsOrigins::List(list.into_iter().filter_map(|at| self.origin(&at)).collect())
    }

    fn origin(&mut self, at: &At<String>) -> Option<String> {
        let origin =
            Url::parse(&at.value).ok().map(|url| url.origin()).filter(url::Origin::is_tuple).map(|origin| origin.ascii_serialization());
        let (message, help) = match origin {
            Some(origin) if origin == at.value => return Some(origin),
            Some(origin) => (format!("`{}` is more than an origin", at.value.escape_debug()), format!("write {origin}")),
            None => {
                (format!("`{}` is no origin", at.value.escape_debug()), "write it as in https://a.example, or \"*\" for any".to_owned())
            }
        };
        self.error(at, message, &help);
        None
    }

    fn take_keep(&mut self) -> Keep {
        let (revisions, bytes) = (self.store.keep_revisions.take(), self.store.keep_bytes.take());
        if let Some(at) = bytes.as_ref().filter(|at| at.value.0 == 0) {
            self.error(at, "`keep_bytes` must be more than nothing", "16MiB is usual; the latest is kept whatever it weighs");
        }
        Keep { revisions: self.at_least_one("keep_revisions", revisions, 20), bytes: bytes.map_or(16 << 20, |at| at.value.0) }
    }

    fn take_store(&mut self) -> StoreUrl {
        let (url, own) = (self.store.url.take(), self.store.own.take());
        let url = url.and_then(|at| self.expand(&at).map(|url| (at, url)));
        let is_shared = |url: &Filled| SHARED.iter().any(|scheme| url.expose().starts_with(scheme));
        let (at, url) = match url {
            Some((at, url)) if is_shared(&url) => (at, url),
            url => {
                if let Some(own) = own {
                    self.error(&own, "`own` goes with a store in Redis", "leave it out: what `url` names is this server's own");
                }
                return url.map_or_else(|| StoreUrl::Sqlite(Filled::plain(STORE)), |(at, url)| self.own_store(&at, url));
            }
        };
        // Names of sentinels stand in a list, which is no host: whoever opens the store reads the rest.
        let (scheme, rest) = url.expose().split_once("://").unwrap_or((url.expose(), ""));
        let is_plain = matches!(scheme, "redis" | "rediss");
        let has_host = || Url::parse(url.expose()).is_ok_and(|url| url.host_str().is_some_and(|host| !host.is_empty()));
        if rest.is_empty() || (is_plain && !has_host()) {
            let help =
                "write redis://host:6379/0, or redis://user:${PASSWORD}@host:6379/0; signs like / and @ in a password as %2F and %40";
            self.error(&at, "this is no address of a Redis", help);
        }
        let own = own.and_then(|at| self.expand(&at).map(|url| self.own_store(&at, url)));
        StoreUrl::Redis { url, own: Box::new(own.unwrap_or_else(|| StoreUrl::Sqlite(Filled::plain(STORE)))) }
    }

    fn own_store(&mut self, at: &At<String>, url: Filled) -> StoreUrl {
        let (scheme, rest) = url.expose().split_once(':').unwrap_or(("", url.expose()));
        let complaint = match (scheme, rest) {
            ("memory", "" | "//") => return StoreUrl::Memory,
            ("sqlite", ":memory:") | ("memory", _) => "a store in memory is written `memory:`".to_owned(),
            ("sqlite", "" | "//") => "`sqlite:` needs the path of a file".to_owned(),
            ("sqlite", _) => return StoreUrl::Sqlite(url),
            _ => format!("`{url}` is no store"),
        };
        self.error(at, complaint, &format!("write {STORE}, or memory: for one that ends with the process"));
        StoreUrl::Memory
    }

    fn take_fetch(&mut self) -> FetchOptions {
        let raw = std::mem::take(&mut self.fetch);
        let seconds = Duration::from_secs;
        if let Some(at) = raw.max_body.as_ref().filter(|at| at.value.0 == 0) {
            self.error(at, "`max_body` must be more than nothing", "8MiB is usual");
        }
        if let Some(at) = raw.user_agent.as_ref().filter(|at| at.value.trim().is_empty() || HeaderValue::from_str(&at.value).is_err()) {
            self.error(
                at,
                "this cannot be sent as a user agent",
                "write a name and a way to reach you, as in \"example-bot (+https://a.example)\"",
            );
        }
        FetchOptions {
            allow_private: raw.allow_private.unwrap_or(false),
            proxy: raw.proxy.and_then(|at| self.proxy(&at)),
            timeout: self.positive("timeout", raw.timeout, seconds(30)),
            deadline: self.positive("deadline", raw.deadline, seconds(120)),
            max_body: raw.max_body.map_or(8 << 20, |at| at.value.0),
            per_host: self.at_least_one("per_host", raw.per_host, 4),
            gap: raw.gap.map_or(Duration::ZERO, |at| at.value.0),
            at_once: self.at_least_one("at_once", raw.at_once, 16),
            user_agent: raw.user_agent.map(|at| at.value),
            robots: raw.robots.unwrap_or(true),
        }
    }

    fn proxy(&mut self, at: &At<String>) -> Option<Filled> {
        let proxy = self.expand(at)?;
        if Url::parse(proxy.expose()).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            return Some(proxy);
        }
        self.error(at, "`proxy` is no http address", "write it in full, as in http://127.0.0.1:9100");
        None
    }

    fn take_browser(&mut self, memory: Option<u64>) -> BrowserOptions {
        let raw = std::mem::take(&mut self.browser);
        if let Some(at) = raw.pages.as_ref().filter(|at| !(1..=PAGES).contains(&at.value)) {
            self.error(at, format!("`pages` is a number from 1 to {PAGES}"), "each takes some 100 MB while it is rendered; 2 is usual");
        }
        if let Some(at) = raw.memory.as_ref().filter(|at| at.value.0 < LEAST_MEMORY) {
            self.error(at, "`memory` must be at least 128MiB: no page fits into less", "256MiB is usual");
        }
        BrowserOptions {
            sandbox: raw.sandbox.unwrap_or(true),
            executable: raw.executable.map(|at| PathBuf::from(at.value)),
            idle: self.positive("idle", raw.idle, Duration::from_secs(30)),
            pages: raw.pages.map_or(if memory.is_some_and(|bytes| bytes < SMALL) { 1 } else { 2 }, |at| at.value),
            memory: raw.memory.map_or(MEMORY, |at| at.value.0),
        }
    }

    fn take_notify(&mut self) -> notify::Read {
        let raw = std::mem::take(&mut self.notify);
        notify::Hooks::new(self.document, self.environment).read(raw).unwrap_or_else(|found| {
            self.found.extend(found);
            Vec::new()
        })
    }

    fn positive(&mut self, key: &str, period: Option<At<Period>>, usual: Duration) -> Duration {
        let Some(at) = period else { return usual };
        if at.value.0.is_zero() {
            self.error(&at, format!("`{key}` must be longer than nothing"), &format!("{}s is usual", usual.as_secs()));
        }
        at.value.0
    }

    fn at_least_one(&mut self, key: &str, number: Option<At<usize>>, usual: usize) -> usize {
        let Some(at) = number else { return usual };
        if at.value == 0 {
            self.error(&at, format!("`{key}` must be at least 1"), &format!("{usual} is usual"));
        }
        at.value
    }

    fn expand(&mut self, at: &At<String>) -> Option<Filled> {
        Template::expand(&at.value, self.environment)
            .map_err(|bad| self.error(at, bad.to_string(), "set it before the server starts, or write the value itself"))
            .ok()
    }

    /// A value, or what is wrong with it noted.
    fn sound<T>(&mut self, at: &At<String>, judged: Result<T, behind_proxy::Complaint>) -> Option<T> {
        judged.map_err(|(message, help)| self.error(at, message, &help)).ok()
    }

    fn error<T>(&mut self, at: &At<T>, message: impl Into<String>, help: &str) {
        self.found.push(self.document.error(at.span.clone(), message).help(help));
    }
}
