//! The server that is linted.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::origin::Origin;
use super::{PATIENCE, routes};

/// The token that forces refreshes.
pub(super) const TOKEN: &str = "lint-http-token";

/// A running server; it ends with this.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts it and waits until it has the data that the judges want.
    pub(crate) fn start(program: &Path, leavings: &Path, origin: &Origin) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", program.display());
        // Free now, and nobody here asks for ports as they come.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).map_err(failed)?;
        let (config, log) = (leavings.join("wellspring.toml"), leavings.join("server.log"));
        fs::write(&config, routes::config(address, origin.address)).map_err(failed)?;
        let log = File::create(log).map_err(failed)?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(&config).env("LINT_TOKEN", TOKEN).current_dir(leavings);
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log).spawn().map_err(failed)?;
        let mut server = Self { child, address };
        let begun = Instant::now();
        while !routes::WARM.iter().all(|source| server.has_data(source)) {
            if begun.elapsed() > PATIENCE || server.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Err(format!("the server has no data; see {}", leavings.join("server.log").display()));
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(server)
    }

    fn has_data(&self, source: &str) -> bool {
        self.get(&format!("/api/{source}")).is_ok_and(|(status, _)| status == 200)
    }

    /// `http://127.0.0.1:…`
    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The status and the body of a plain GET.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, String), String> {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address)?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = ask().map_err(|error| format!("GET {path}: {error}"))?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        match (status, answer.split_once("\r\n\r\n")) {
            (Some(status), Some((_, body))) => Ok((status, body.to_owned())),
            _ => Err(format!("GET {path}: no HTTP")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
