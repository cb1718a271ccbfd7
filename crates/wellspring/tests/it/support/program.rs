//! The real program in a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::Value;
use wellspring::engine::extraction::Extractor;
use wellspring::engine::worker;

use super::client::{self, Reply};

/// How long a test waits for what must come: far longer than it takes, so that a slow machine is no failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, ready for arguments, with an environment that says nothing.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wellspring"));
    command.current_dir(folder).stdin(Stdio::null());
    for variable in ["PORT", "SERPAPI_KEY", "RUST_LOG", "COLUMNS", "NO_COLOR", "WELLSPRING_TOKEN"] {
        command.env_remove(variable);
    }
    command
}

/// Extraction in children of this process, which run the program.
pub fn extractor(change: impl FnOnce(&mut worker::Options)) -> Extractor {
    let mut options = worker::Options::new(env!("CARGO_BIN_EXE_wellspring").into());
    change(&mut options);
    Extractor::workers(options).unwrap()
}

/// Runs it to its end.
pub fn run(folder: &Path, args: &[&str]) -> Output {
    output(command(folder).args(args))
}

/// Runs a command to its end. One that goes on for ever (a server that should have refused to start) is ended, and fails the test.
pub fn output(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    wellspring::lifecycle::thread("output of the program", move || drop(sender.send(child.wait_with_output().unwrap()))).unwrap();
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        signal(id, "KILL");
        panic!("it never ended: {command:?} said {:?}", receiver.recv().unwrap());
    })
}

/// Says something past the test harness, which keeps what a passing test prints to itself.
pub fn tell(words: &str) {
    let mut out = std::io::stdout();
    out.write_all(format!("{words}\n").as_bytes()).unwrap();
}

/// A port of 127.0.0.1 that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Writes the config file of a folder.
pub fn write_config(folder: &Path, toml: &str) {
    std::fs::write(folder.join("wellspring.toml"), toml).unwrap();
}

/// A server in a process of its own; killed when dropped.
pub struct Program {
    pub address: SocketAddr,
    child: Child,
    log: Arc<Log>,
}

/// What a program said so far, line by line.
#[derive(Default)]
struct Log {
    said: Mutex<Said>,
    more: Condvar,
}

#[derive(Default)]
struct Said {
    lines: Vec<String>,
    over: bool,
}

impl Program {
    /// Starts `serve` with the config file in `folder` and waits until it serves.
    pub fn serve(folder: &Path) -> Self {
        Self::start(command(folder).args(["serve", "--log", "json"]))
    }

    /// Starts a command that serves and waits until it does.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::follow(&mut child);
        let serving = log.wait("its address", |lines| {
            let mut serving = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            serving.find_map(|line| line["address"].as_str()?.parse().ok())
        });
        Self { address: serving, child, log }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// GET on a connection of its own.
    pub async fn get(&self, path: &str) -> Reply {
        client::get(self.address, path).await
    }

    /// POST on a connection of its own.
    pub async fn post(&self, path: &str) -> Reply {
        client::post(self.address, path, &[]).await
    }

    /// Waits until the status of a source satisfies a condition; the status.
    pub async fn until(&self, source: &str, condition: impl Fn(&Value) -> bool) -> Value {
        client::until(self.address, source, condition).await
    }

    /// Waits until a source has data that is fresh and nothing is under way.
    pub async fn until_fresh(&self, source: &str) -> Value {
        self.until(source, |s| s["freshness"] == "fresh" && s["phase"] == "idle").await
    }

    /// Waits until a line of the log holds these words; the line.
    pub fn wait_for_log(&self, words: &str) -> String {
        self.log.wait(words, |lines| lines.iter().find(|line| line.contains(words)).cloned())
    }

    /// Waits until so many lines of the log hold one of these words; the last of them.
    pub fn wait_for_lines(&self, count: usize, words: &[&str]) -> String {
        let found = |lines: &[String]| lines.iter().filter(|line| words.iter().any(|words| line.contains(words))).nth(count - 1).cloned();
        self.log.wait(&format!("{count} times {words:?}"), found)
    }

    /// The log so far.
    pub fn log(&self) -> Vec<String> {
        self.log.said.lock().unwrap().lines.clone()
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Kills it as a power cut does a process, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended by itself; its exit code and its whole log.
    pub fn wait(mut self) -> (Option<i32>, Vec<String>) {
        let lines = self.log.wait_for_end();
        (self.child.wait().unwrap().code(), lines)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "the program's log:\n{}", self.log().join("\n"));
        }
    }
}

/// Sends a signal to a process.
pub fn signal(id: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().unwrap();
    assert!(sent.success());
}

impl Log {
    /// Reads a child's standard error from now on, so that it never waits for its log to be read.
    fn follow(child: &mut Child) -> Arc<Self> {
        let log = Arc::new(Self::default());
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let shared = Arc::clone(&log);
        wellspring::lifecycle::thread("log of the program", move || {
            for line in lines.by_ref().map_while(Result::ok) {
                shared.change(|said| said.lines.push(line));
            }
            shared.change(|said| said.over = true);
        })
        .unwrap();
        log
    }

    fn change(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.said.lock().unwrap());
        self.more.notify_all();
    }

    /// Waits until the lines give something.
    fn wait<T>(&self, what: &str, mut look: impl FnMut(&[String]) -> Option<T>) -> T {
        let mut found = None;
        let waiting = |said: &mut Said| {
            found = look(&said.lines);
            found.is_none() && !said.over
        };
        let (said, timeout) = self.more.wait_timeout_while(self.said.lock().unwrap(), PATIENCE, waiting).unwrap();
        let why = if timeout.timed_out() { "in time" } else { "before it ended" };
        let lines = said.lines.join("\n");
        drop(said);
        found.unwrap_or_else(|| panic!("it never said {what} {why}:\n{lines}"))
    }

    fn wait_for_end(&self) -> Vec<String> {
        let (said, timeout) = self.more.wait_timeout_while(self.said.lock().unwrap(), PATIENCE, |said| !said.over).unwrap();
        let lines = said.lines.clone();
        drop(said);
        assert!(!timeout.timed_out(), "it never ended:\n{}", lines.join("\n"));
        lines
    }
}

/// A tool that serves; killed when dropped.
pub struct Tool {
    child: Child,
}

impl Tool {
    /// Starts it, and waits for the first line that it prints and until it listens.
    pub fn start(command: &mut Command, address: SocketAddr) -> std::io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{command:?} ended without a word");
        // Read on, so that it never waits for its words to be read.
        wellspring::lifecycle::thread("words of the tool", move || drop(out.read_to_end(&mut Vec::new()))).unwrap();
        let mut tool = Self { child };
        while TcpStream::connect(address).is_err() {
            assert!(tool.child.try_wait()?.is_none(), "{command:?} ended before it listened");
            std::thread::yield_now();
        }
        Ok(tool)
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
