//! Where sets are run: the captured data, the program, and a proxy that plays answers back.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::steps;

/// What a run needs.
pub(super) struct Lab {
    data: PathBuf,
    tools: PathBuf,
    program: PathBuf,
    scratch: PathBuf,
    made: AtomicU32,
}

/// A captured answer under an address of our choice.
pub(super) struct Answer {
    pub(super) url: String,
    pub(super) file: PathBuf,
    pub(super) mime: &'static str,
}

/// The proxy, until dropped.
struct Replay {
    child: Child,
    port: u16,
}

impl Drop for Replay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

impl Lab {
    /// Builds the program and finds the data. The inner error is what is absent here, which is no failure.
    pub(super) fn open(debug: bool) -> Result<Result<Self, String>, String> {
        let root = steps::root();
        let shared = root.join("../shared");
        let (data, tools) = (shared.join("data"), shared.join("tools"));
        if !data.is_dir() || !tools.is_dir() {
            return Ok(Err("../shared is absent: there is no captured data to score on".to_owned()));
        }
        if Command::new("python3").arg("--version").output().is_err() {
            return Ok(Err("python3 is absent: nothing can play the captured answers back".to_owned()));
        }
        let mut build = Command::new("cargo");
        build.current_dir(&root).args(["build", "--quiet", "-p", "wellspring"]).args((!debug).then_some("--release"));
        let built = build.status().map_err(|error| format!("cargo did not run: {error}"))?;
        if !built.success() {
            return Err("the program does not build".to_owned());
        }
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let program = target.join(if debug { "debug" } else { "release" }).join("wellspring");
        let scratch = std::env::temp_dir().join(format!("wellspring-score-{}", std::process::id()));
        fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
        let data = data.canonicalize().map_err(|error| error.to_string())?;
        Ok(Ok(Self { data, tools, program, scratch, made: AtomicU32::new(0) }))
    }

    /// A captured file or folder.
    pub(super) fn data(&self, path: &str) -> PathBuf {
        self.data.join(path)
    }

    /// A tool kept beside the data.
    pub(super) fn tool(&self, name: &str) -> PathBuf {
        self.tools.join(name)
    }

    /// A folder of the project's own.
    pub(super) fn own(path: &str) -> PathBuf {
        steps::root().join(path)
    }

    /// Every file below a captured folder with one of these extensions, in order.
    pub(super) fn files(&self, path: &str, extensions: &[&str]) -> Vec<PathBuf> {
        let mut found = BTreeSet::new();
        walk(&self.data(path), extensions, &mut found);
        found.into_iter().collect()
    }

    /// A fresh folder.
    pub(super) fn folder(&self) -> Result<PathBuf, String> {
        let folder = self.scratch.join(self.made.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(folder)
    }

    /// A folder that plays these answers back, to whatever method they are asked for with.
    pub(super) fn site(&self, answers: &[Answer]) -> Result<PathBuf, String> {
        let folder = self.folder()?;
        let entry = |answer: &Answer, method| json!({"file": answer.file, "method": method, "url": answer.url, "status": 200, "mime": answer.mime, "headers": [], "post": null});
        let index = Value::Array(answers.iter().flat_map(|answer| ["GET", "POST"].map(|method| entry(answer, method))).collect());
        write(&folder.join("index.json"), &index.to_string())?;
        Ok(folder)
    }

    /// Checks all sources of a config against captured folders: one object of `check --json` a source. Its addresses are asked
    /// for by plain HTTP, as the proxy has no certificates to show.
    pub(super) fn check(&self, site: &Path, sources: &str, more: &[&str]) -> Result<Vec<Value>, String> {
        let replay = self.replay(site)?;
        let mut config = format!("[fetch]\nproxy = \"http://127.0.0.1:{}\"\ntimeout = \"60s\"\ndeadline = \"5m\"\n\n", replay.port);
        let _infallible = write!(config, "{}", sources.replace("https://", "http://"));
        let folder = self.folder()?;
        let file = folder.join("wellspring.toml");
        write(&file, &config)?;
        self.run(&file, &folder, more)
    }

    /// Checks a config without a proxy.
    pub(super) fn check_file(&self, config: &str, more: &[&str]) -> Result<Vec<Value>, String> {
        let folder = self.folder()?;
        let file = folder.join("wellspring.toml");
        write(&file, config)?;
        self.run(&file, &folder, more)
    }

    fn run(&self, config: &Path, folder: &Path, more: &[&str]) -> Result<Vec<Value>, String> {
        let mut command = Command::new(&self.program);
        command.args(["check", "--json", "--config"]).arg(config).args(more).current_dir(folder);
        let output = command.output().map_err(|error| format!("{}: {error}", self.program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let found: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
        match found {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(format!("check printed something else: {error}")),
        }
    }

    fn replay(&self, site: &Path) -> Result<Replay, String> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(|error| error.to_string())?.port();
        let mut command = Command::new("python3");
        command.arg(self.tool("replay.py")).args(["--delay", "0", "--port", &port.to_string()]).arg(site);
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("python3: {error}"))?;
        let stdout = child.stdout.take();
        let replay = Replay { child, port };
        let mut line = String::new();
        stdout.map(|stdout| BufReader::new(stdout).read_line(&mut line)).transpose().map_err(|error| error.to_string())?;
        if line.contains("captured answers") { Ok(replay) } else { Err("the captured answers could not be played back".to_owned()) }
    }
}

fn walk(folder: &Path, extensions: &[&str], found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, extensions, found);
        } else if path.extension().is_some_and(|known| extensions.iter().any(|extension| known == *extension)) {
            found.insert(path);
        }
    }
}

/// Reads a JSON file.
pub(super) fn json(path: &Path) -> Result<Value, String> {
    let text = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads a text file.
pub(super) fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes a text file.
pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
