//! A real Redis for tests: one for all of them, a database for each, or one of a test's own that may be stopped and killed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use redis::FromRedisValue;
use tempfile::TempDir;
use tokio::sync::broadcast;
use wellspring::lifecycle;
use wellspring::store::redis::RedisStore;
use wellspring::store::{Admission, Change, Entry, Figures, Head, Health, Lease, Retention, Revision, Slot, Store, StoreError};
use wellspring_core::key::Key;
use wellspring_core::moment::{Moment, Mono};
use wellspring_core::snapshot::{Attempts, Renewal, Snapshot};

/// Databases of the server that all tests share.
const DATABASES: u32 = 8_192;

/// Starts the server and ends it when nobody holds the shell's input any more: when the tests are over, however they ended.
const GUARD: &str = r#"folder=$1; after=$2; shift 2
server=$(command -v redis-server || command -v valkey-server) || { echo "redis-server is missing: apt-get install redis-server"; exit 1; }
"$server" "$@" --dir "$folder" 2>&1 </dev/null &
echo "pid $!"
cat >/dev/null
kill -CONT $! 2>/dev/null; kill -KILL $!
[ "$after" = keep ] || rm -rf "$folder""#;

/// A server of its own.
pub struct Server {
    folder: TempDir,
    options: Vec<String>,
    running: Mutex<Option<Running>>,
}

/// It ends with this.
struct Running {
    guard: Child,
    server: u32,
}

impl Running {
    fn start(folder: &Path, after: &str, options: &[String]) -> Self {
        let socket = folder.join("redis.sock");
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "guard"]).arg(folder).arg(after).args(options);
        command.args(["--unixsocket", socket.to_str().unwrap()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut guard = command.spawn().unwrap();
        let mut log = BufReader::new(guard.stdout.take().unwrap()).lines();
        let (mut server, mut said) = (0, String::new());
        loop {
            let line = log.next().unwrap_or_else(|| panic!("no Redis was started: {said}")).unwrap();
            if let Some(pid) = line.strip_prefix("pid ") {
                server = pid.parse().unwrap();
            }
            if line.contains("eady to accept connections") || line.contains("+monitor") {
                break;
            }
            said.push_str(&line);
            said.push('\n');
        }
        lifecycle::thread("redis log", move || log.map_while(Result::ok).for_each(drop)).unwrap();
        Self { guard, server }
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.server.to_string()]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        self.guard.wait().unwrap();
    }
}

impl Server {
    /// With options beside the usual ones.
    pub fn start(options: &[&str]) -> Self {
        let server = Self::prepared(options);
        server.revive();
        server
    }

    /// It does not run yet.
    pub fn prepared(options: &[&str]) -> Self {
        let usual = ["--port", "0", "--save", "", "--appendonly", "no", "--enable-debug-command", "local"];
        let options = usual.iter().chain(options).map(|&option| option.to_owned()).collect();
        Self { folder: TempDir::new().unwrap(), options, running: Mutex::new(None) }
    }

    /// A sentinel, by what its file says.
    pub fn sentinel(says: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, says).unwrap();
        let options = [file.to_str().unwrap().to_owned(), "--sentinel".to_owned()].into();
        let server = Self { folder, options, running: Mutex::new(None) };
        server.revive();
        server
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.path().join("redis.sock").display())
    }

    pub fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("redis.sock")
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops it where it stands, for `-STOP` and `-CONT`.
    pub fn signal(&self, signal: &str) {
        self.running().as_ref().unwrap().signal(signal);
    }

    /// With all it knows.
    pub fn kill(&self) {
        drop(self.running().take());
    }

    pub fn revive(&self) {
        self.revive_with(&[]);
    }

    /// With more options than before, this time.
    pub fn revive_with(&self, more: &[&str]) {
        let options: Vec<String> = self.options.iter().cloned().chain(more.iter().map(|&option| option.to_owned())).collect();
        *self.running() = Some(Running::start(self.folder.path(), "keep", &options));
    }
}

/// A database of the shared server that no other test has.
pub fn database() -> String {
    static SERVER: OnceLock<(Running, std::path::PathBuf)> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (_, folder) = SERVER.get_or_init(|| {
        let folder = TempDir::new().unwrap().keep();
        let databases = DATABASES.to_string();
        let options = ["--port", "0", "--save", "", "--appendonly", "no", "--databases", &databases].map(str::to_owned);
        (Running::start(&folder, "remove", &options), folder)
    });
    let database = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(database < DATABASES, "more databases are needed");
    format!("redis+unix://{}?db={database}", folder.join("redis.sock").display())
}

/// What a command answers, past all stores.
pub async fn ask<T: FromRedisValue>(url: &str, words: &[&str]) -> T {
    let mut connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::Cmd::new();
    command.arg(words);
    command.query_async(&mut connection).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// Lets time pass for what in a database has such a name (`*` for any text): what ends by the server's clock ends so much sooner.
pub async fn pass(url: &str, names: &str, time: Duration) {
    const AGE: &str = r"
        local by = tonumber(ARGV[2])
        for _, name in ipairs(redis.call('KEYS', ARGV[1])) do
            local left = redis.call('PTTL', name)
            if left >= 0 and left <= by then
                redis.call('DEL', name)
            elseif left > by then
                redis.call('PEXPIRE', name, left - by)
            end
            if redis.call('TYPE', name).ok == 'zset' then
                for _, member in ipairs(redis.call('ZRANGE', name, 0, -1)) do redis.call('ZINCRBY', name, -by, member) end
            end
        end";
    let () = ask(url, &["EVAL", AGE, "0", names, &time.as_millis().to_string()]).await;
}

/// A store whose moments pass in Redis too, whose own clock no test can move. Each key and each host has its own time: for one of
/// them it only goes on.
#[derive(Debug)]
pub struct Timed {
    inner: RedisStore,
    url: String,
    /// What the names have in common that such a time is of, and how far it has come.
    times: tokio::sync::Mutex<BTreeMap<String, Mono>>,
}

impl Timed {
    /// Blocks: within a runtime of several threads.
    pub fn open(url: &str, retention: Retention) -> Self {
        let opening = RedisStore::open(url, retention);
        let inner = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(opening)).unwrap();
        Self { inner, url: url.to_owned(), times: tokio::sync::Mutex::default() }
    }

    /// It is now for a key or a host.
    async fn at(&self, names: String, now: Moment) {
        let mut times = self.times.lock().await;
        let last = times.entry(names.clone()).or_insert(now.mono);
        if now.mono > *last {
            pass(&self.url, &names, last.until(now.mono)).await;
            *last = now.mono;
        }
    }
}

#[async_trait]
impl Store for Timed {
    async fn list(&self) -> Result<Vec<Entry>, StoreError> {
        self.inner.list().await
    }

    async fn each(&self, show: &mut (dyn for<'e> FnMut(&'e Entry) + Send)) -> Result<(), StoreError> {
        self.inner.each(show).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.inner.get(key).await
    }

    async fn put_if(&self, lease: &Lease, snapshot: &Snapshot, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        self.inner.put_if(lease, snapshot, renewal, attempts).await
    }

    async fn touch_if(&self, lease: &Lease, renewal: &Renewal, attempts: &Attempts) -> Result<(), StoreError> {
        self.inner.touch_if(lease, renewal, attempts).await
    }

    async fn record(&self, key: &Key, attempts: &Attempts) -> Result<(), StoreError> {
        self.inner.record(key, attempts).await
    }

    async fn keys(&self) -> Result<Vec<Key>, StoreError> {
        self.inner.keys().await
    }

    async fn heads(&self, now: Moment) -> Result<Vec<Head>, StoreError> {
        let names: Vec<String> = self.times.lock().await.keys().cloned().collect();
        for names in names {
            self.at(names, now).await;
        }
        self.inner.heads(now).await
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, StoreError> {
        self.inner.revisions(key).await
    }

    async fn revision(&self, key: &Key, revision: u64) -> Result<Option<Snapshot>, StoreError> {
        self.inner.revision(key, revision).await
    }

    async fn as_of(&self, key: &Key, at: Timestamp) -> Result<Option<Snapshot>, StoreError> {
        self.inner.as_of(key, at).await
    }

    async fn evict(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.evict(key).await
    }

    async fn acquire(&self, key: &Key, seen: u64, ttl: Duration, now: Moment) -> Result<Option<Lease>, StoreError> {
        self.at(format!("*:l:{key}"), now).await;
        self.inner.acquire(key, seen, ttl, now).await
    }

    async fn extend(&self, lease: &Lease, ttl: Duration, now: Moment) -> Result<(), StoreError> {
        self.at(format!("*:l:{}", lease.key), now).await;
        self.inner.extend(lease, ttl, now).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.inner.release(lease).await
    }

    async fn slot(&self, host: &str, at_once: u32, gap: Duration, ttl: Duration, now: Moment) -> Result<Admission, StoreError> {
        self.at(format!("*slot:{host}*"), now).await;
        self.inner.slot(host, at_once, gap, ttl, now).await
    }

    async fn stay(&self, slot: &Slot, ttl: Duration, now: Moment) -> Result<(), StoreError> {
        self.at(format!("*slot:{}*", slot.host), now).await;
        self.inner.stay(slot, ttl, now).await
    }

    async fn leave(&self, slot: &Slot) -> Result<(), StoreError> {
        self.inner.leave(slot).await
    }

    async fn notes(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.inner.notes().await
    }

    async fn note(&self, name: &str, text: Option<&str>) -> Result<(), StoreError> {
        self.inner.note(name, text).await
    }

    fn watch(&self) -> broadcast::Receiver<Change> {
        self.inner.watch()
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    fn figures(&self) -> Figures {
        self.inner.figures()
    }

    async fn restore(&self, entry: &Entry, history: &[Snapshot]) -> Result<(), StoreError> {
        self.inner.restore(entry, history).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
