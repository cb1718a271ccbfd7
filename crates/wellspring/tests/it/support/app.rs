//! A whole server in this process, on a free port of 127.0.0.1.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use wellspring::app::{self, App};
use wellspring::clock::Clock as _;
use wellspring::config::Config;
use wellspring::fetch::Fetcher;

use super::client::{self, Connection, Reply};
use super::clock::TestClock;
use super::program;

/// Builds a server.
#[derive(Debug, Default)]
pub struct Builder {
    listen: Option<String>,
    server: String,
    fetch: String,
    browser: String,
    robots: bool,
    store: Option<String>,
    sources: String,
    variables: BTreeMap<String, String>,
}

/// A server that must be stopped: dropping a running one fails the test.
pub struct TestApp {
    pub address: SocketAddr,
    pub clock: Arc<TestClock>,
    app: Option<App>,
}

impl Builder {
    /// A server without sources, in memory, that may fetch from loopback.
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens elsewhere than on 127.0.0.1.
    pub fn with_listen(mut self, address: &str) -> Self {
        self.listen = Some(address.to_owned());
        self
    }

    /// Adds lines to `[server]`.
    pub fn with_server(mut self, lines: &str) -> Self {
        self.server += lines;
        self.server += "\n";
        self
    }

    /// Adds lines to `[fetch]`.
    pub fn with_fetch(mut self, lines: &str) -> Self {
        self.fetch += lines;
        self.fetch += "\n";
        self
    }

    /// Adds lines to `[browser]`.
    pub fn with_browser(mut self, lines: &str) -> Self {
        self.browser += lines;
        self.browser += "\n";
        self
    }

    /// Honours robots.txt, which others do not so that each request that they count is one of their own.
    pub fn with_robots(mut self) -> Self {
        self.robots = true;
        self
    }

    /// Keeps snapshots in a SQLite file in this folder.
    pub fn with_data(mut self, folder: &Path) -> Self {
        self.store = Some(format!("sqlite:{}/wellspring.db", folder.display()));
        self
    }

    /// Shares a store in Redis, with a copy of its own in memory.
    pub fn with_redis(mut self, url: &str) -> Self {
        self.store = Some(url.to_owned());
        self
    }

    /// Sets a variable of the environment that the config is read in.
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds source tables.
    pub fn with_source(mut self, toml: &str) -> Self {
        self.sources += toml;
        self.sources += "\n";
        self
    }

    /// The whole config.
    pub fn toml(&self) -> String {
        let store = self.store.as_deref().unwrap_or("memory:");
        let own = if store.starts_with("redis") { "own = \"memory:\"\n" } else { "" };
        format!(
            "[server]\nlisten = \"{}\"\ntimezone = \"Asia/Jakarta\"\n{}[store]\nurl = \"{store}\"\n{own}[fetch]\nallow_private = true\nrobots = {}\n{}\n[browser]\n{}\n{}",
            self.listen.as_deref().unwrap_or("127.0.0.1:0"),
            self.server,
            self.robots,
            self.fetch,
            self.browser,
            self.sources
        )
    }

    fn config(&self) -> Config {
        Config::parse("test.toml", &self.toml(), &|name| self.variables.get(name).cloned()).unwrap_or_else(|wrong| panic!("{}", wrong[0]))
    }

    /// Starts it.
    pub async fn start(&self) -> TestApp {
        self.start_with(|fetcher| fetcher).await
    }

    /// Starts it where the wall clock shows so much more than the machine's.
    pub async fn start_stepped(&self, by: SignedDuration) -> TestApp {
        let clock = TestClock::default();
        clock.step_wall(by);
        self.start_at(clock, |fetcher| fetcher).await
    }

    /// Starts it with another way out.
    pub async fn start_with(&self, around: impl FnOnce(Arc<dyn Fetcher>) -> Arc<dyn Fetcher>) -> TestApp {
        self.start_at(TestClock::default(), around).await
    }

    async fn start_at(&self, clock: TestClock, around: impl FnOnce(Arc<dyn Fetcher>) -> Arc<dyn Fetcher>) -> TestApp {
        let config = self.config();
        let recipes = app::recipes(&config).unwrap_or_else(|wrong| panic!("{}", wrong[0]));
        let clock = Arc::new(clock);
        let fetcher = around(app::fetcher_launching(&config, env!("CARGO_BIN_EXE_wellspring").into()).unwrap());
        let app = App::start(&config, recipes, clock.clone(), fetcher, Arc::new(program::extractor(|_| {}))).await.unwrap();
        TestApp { address: app.address, clock, app: Some(app) }
    }
}

impl TestApp {
    /// Starts a server with one source.
    pub async fn with_source(toml: &str) -> Self {
        Builder::new().with_source(toml).start().await
    }

    /// The server itself.
    pub fn app(&self) -> &App {
        self.app.as_ref().expect("it runs")
    }

    /// What its wall clock shows.
    pub fn clock_now(&self) -> Timestamp {
        self.clock.now().wall
    }

    /// GET on a connection of its own.
    pub async fn get(&self, path: &str) -> Reply {
        client::get(self.address, path).await
    }

    /// POST on a connection of its own.
    pub async fn post(&self, path: &str) -> Reply {
        client::post(self.address, path, &[]).await
    }

    /// POST with headers.
    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        client::post(self.address, path, headers).await
    }

    /// A request of any kind.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.connect().await.send(method, path, headers).await
    }

    /// A connection that is kept.
    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// The status of a source.
    pub async fn status(&self, source: &str) -> Value {
        self.get(&format!("/api/{source}/status")).await.json()
    }

    /// Waits until the status of a source satisfies a condition; the status.
    pub async fn until(&self, source: &str, condition: impl Fn(&Value) -> bool) -> Value {
        client::until(self.address, source, condition).await
    }

    /// Waits until nothing is refreshed and so many attempts were made.
    pub async fn until_attempts(&self, source: &str, attempts: usize) -> Value {
        let resting = |s: &Value| matches!(s["phase"].as_str(), Some("idle" | "backing_off" | "disabled"));
        self.until(source, |s| resting(s) && s["recent"].as_array().is_some_and(|r| r.len() >= attempts)).await
    }

    /// Exchanges the config.
    pub async fn reload(&self, builder: &Builder) {
        let config = builder.config();
        let recipes = app::recipes(&config).unwrap_or_else(|wrong| panic!("{}", wrong[0]));
        self.app().reload(&config, recipes).await;
    }

    /// Stops it as SIGTERM does.
    pub async fn stop(mut self) {
        if let Some(app) = self.app.take() {
            app.shutdown().await;
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        assert!(self.app.is_none() || std::thread::panicking(), "a test left its server running: call stop()");
    }
}
