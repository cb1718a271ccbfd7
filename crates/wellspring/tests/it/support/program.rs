//! The real program in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The program, ready for arguments, with an environment that says nothing.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wellspring"));
    command.current_dir(folder).env_remove("PORT").env_remove("SERPAPI_KEY").env_remove("RUST_LOG");
    command
}

/// Runs it to its end.
pub fn run(folder: &Path, args: &[&str]) -> Output {
    command(folder).args(args).output().unwrap()
}

/// A server in a process of its own; killed when dropped.
pub struct Program {
    pub address: SocketAddr,
    child: Child,
}

impl Program {
    /// Starts `serve` with a config file in `folder` and waits until it serves.
    pub fn serve(folder: &Path) -> Self {
        let child = command(folder).args(["serve", "--config", "wellspring.toml", "--log", "json"]).stderr(Stdio::piped()).spawn().unwrap();
        Self::ready(child)
    }

    /// Waits for the line that tells the address.
    pub fn ready(mut child: Child) -> Self {
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = serde_json::from_str::<serde_json::Value>(&line).ok()?["address"].as_str()?.parse().ok();
            said += &line;
            address
        });
        // Read on, so that the program never waits for its log to be read.
        wellspring::lifecycle::thread("log of the program", move || lines.map_while(Result::ok).for_each(drop)).unwrap();
        Self { address: address.unwrap_or_else(|| panic!("it never served: {said}")), child }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Kills it as a power cut does a process, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended by itself; its exit code.
    pub fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
