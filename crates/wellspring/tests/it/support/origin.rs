//! A scripted upstream on a real socket. It answers by path, breaks off where told, and remembers what it was asked.
//!
//! Nothing here sleeps for a test's sake: a held answer waits until it is released, and a test waits on a condition.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;
use wellspring::lifecycle;

pub use answer::{Answer, Coding};
pub use wire::Recorded;

mod answer;
mod wire;

/// How long a test waits for what must come: far longer than it takes, so that a slow machine is no failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// The upstream. Stops listening when dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    state: Arc<State>,
    listening: JoinHandle<()>,
}

/// What an origin knows, shared with its connections.
#[derive(Debug)]
struct State {
    script: Mutex<Script>,
    /// Bumped at every change of the script; whoever waits looks again.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Script {
    paths: HashMap<String, Path>,
    connections: usize,
}

#[derive(Debug, Default)]
struct Path {
    standing: Option<Answer>,
    /// Makes an answer of its path and a number of its own, instead of the standing one.
    rising: Option<fn(&str, u64) -> Answer>,
    /// How many of those there were.
    risen: u64,
    /// Answered once each, before the standing one.
    queued: std::collections::VecDeque<Answer>,
    held: bool,
    requests: Vec<Recorded>,
    answered: usize,
}

impl Origin {
    /// Listens on a free port of 127.0.0.1. Answers 404 until told otherwise.
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1").await
    }

    /// The same on another address of this machine.
    pub async fn start_at(host: &str) -> Self {
        Self::listen(TcpListener::bind((host, 0)).await.unwrap())
    }

    /// The same where another one listened until a moment ago.
    pub async fn start_again(address: SocketAddr) -> Self {
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => return Self::listen(listener),
                // The old one closes when its task has ended.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    fn listen(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { script: Mutex::default(), changed: watch::Sender::new(0) });
        let shared = state.clone();
        let listening = lifecycle::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                shared.change(|script| script.connections += 1);
                let state = shared.clone();
                // Dropped with the set when the origin is dropped.
                connections.spawn(async move { drop(wire::serve(stream, &state).await) });
            }
        });
        Self { address, state, listening }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The same, read.
    pub fn at(&self, path: &str) -> Url {
        self.url(path).parse().unwrap()
    }

    /// What a path answers from now on. A path is the target of a request without its query; for what comes to the origin as to a
    /// proxy, the whole address without its query, or `host:port` of a tunnel.
    pub fn script(&self, path: &str, answer: Answer) {
        self.state.path(path, |path| path.standing = Some(answer));
    }

    /// The same by what makes it of the path and a number that rises by one with each answer.
    pub fn script_rising(&self, path: &str, make: fn(&str, u64) -> Answer) {
        self.state.path(path, |path| path.rising = Some(make));
    }

    /// What a path answers once, in order, before what it answers from now on.
    pub fn once(&self, path: &str, answer: Answer) {
        self.state.path(path, |path| path.queued.push_back(answer));
    }

    /// Holds a path's answers back until they are released. Requests are recorded all the same.
    pub fn hold(&self, path: &str) {
        self.state.path(path, |path| path.held = true);
    }

    /// Lets a path's held answers go, and those to come.
    pub fn release(&self, path: &str) {
        self.state.path(path, |path| path.held = false);
    }

    /// How many requests a path has had, held ones included.
    pub fn count(&self, path: &str) -> usize {
        self.requests(path).len()
    }

    /// How many answers a path has finished.
    pub fn answered(&self, path: &str) -> usize {
        self.state.path(path, |path| path.answered)
    }

    /// What a path was asked, in order.
    pub fn requests(&self, path: &str) -> Vec<Recorded> {
        self.state.lock().paths.get(path).map(|path| path.requests.clone()).unwrap_or_default()
    }

    /// The last request of a path.
    pub fn last(&self, path: &str) -> Recorded {
        self.requests(path).pop().unwrap_or_else(|| panic!("{path} was never asked"))
    }

    /// How many connections were ever accepted.
    pub fn connections(&self) -> usize {
        self.state.lock().connections
    }

    /// How many requests there were in all.
    pub fn total(&self) -> usize {
        self.state.lock().paths.values().map(|path| path.requests.len()).sum()
    }

    /// Waits until a path has had so many requests.
    pub async fn wait_for_requests(&self, path: &str, count: usize) {
        self.wait(&format!("{count} requests of {path}"), |script| script.paths.get(path).is_some_and(|path| path.requests.len() >= count))
            .await;
    }

    /// Waits until a path has finished so many answers.
    pub async fn wait_for_answers(&self, path: &str, count: usize) {
        self.wait(&format!("{count} answers of {path}"), |script| script.paths.get(path).is_some_and(|path| path.answered >= count)).await;
    }

    async fn wait(&self, what: &str, condition: impl Fn(&Script) -> bool) {
        let waiting = self.state.until(|script| condition(script).then_some(()));
        let came = tokio::time::timeout(PATIENCE, waiting).await.is_ok();
        assert!(came, "waited {PATIENCE:?} for {what}; had {:?}", self.state.counts());
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.send_modify(|version| *version += 1);
        result
    }

    fn path<T>(&self, path: &str, change: impl FnOnce(&mut Path) -> T) -> T {
        self.change(|script| change(script.paths.entry(path.to_owned()).or_default()))
    }

    /// Waits until the script gives something.
    async fn until<T>(&self, mut look: impl FnMut(&mut Script) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            // The sender lives as long as the state.
            changed.changed().await.unwrap();
        }
    }

    /// Records a request and waits for its answer to be let go.
    async fn answer(&self, recorded: Recorded) -> Answer {
        let path = recorded.path.clone();
        self.path(&path, |path| path.requests.push(recorded));
        self.until(|script| {
            let name = &path;
            let path = script.paths.get_mut(name)?;
            if path.held {
                return None;
            }
            let risen = path.rising.map(|make| {
                path.risen += 1;
                make(name, path.risen)
            });
            let next = path.queued.pop_front().or(risen).or_else(|| path.standing.clone());
            Some(next.unwrap_or_else(|| Answer::status(404)))
        })
        .await
    }

    fn counts(&self) -> Vec<(String, usize, usize)> {
        self.lock().paths.iter().map(|(name, path)| (name.clone(), path.requests.len(), path.answered)).collect()
    }
}
