//! The servers that are compared: each started with its own config in a folder of its own, on core 0.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server that runs until it is dropped.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) port: u16,
    /// The path of the body that is asked for, and of the one that stays stale and the one that stalls.
    pub(super) paths: [String; 3],
    child: Child,
}

pub(super) fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
    listener.map(|address| address.port()).map_err(|error| error.to_string())
}

fn start(name: &'static str, port: u16, paths: [String; 3], program: &str, words: &[&str]) -> Result<Server, String> {
    begin(name, port, paths, program, words, Stdio::null())
}

fn begin(name: &'static str, port: u16, paths: [String; 3], program: &str, words: &[&str], out: Stdio) -> Result<Server, String> {
    let mut command = Command::new("taskset");
    command.args(["-c", "0", program]).args(words).stdin(Stdio::null()).stdout(out).stderr(Stdio::null());
    let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
    let server = Server { name, port, paths, child };
    super::wire::until(port, &server.paths[0], "", |answer| answer.head.starts_with("http/1.1 200"))
        .ok_or(format!("{name} does not answer"))?;
    Ok(server)
}

pub(super) fn floor(program: &Path, body: &Path) -> Result<Server, String> {
    let port = free_port()?;
    let paths = ["/"; 3].map(str::to_owned);
    start("floor", port, paths, &program.to_string_lossy(), &[&port.to_string(), &body.to_string_lossy()])
}

fn own_paths(name: &str) -> [String; 3] {
    ["fresh", "slow", "stall"].map(|path| format!("/{path}?{name}"))
}

/// By its name with gzip, or with an access log as most have it: combined, buffered.
pub(super) fn nginx(folder: &Path, origin: u16, name: &'static str) -> Result<Server, String> {
    let word = name.replace([' ', '+'], "");
    let (port, folder) = (free_port()?, folder.join(&word));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let (at, switch) = (folder.display(), if name == "nginx+gzip" { "on" } else { "off" });
    let log = if name == "nginx + log" { format!("{at}/access.log combined buffer=64k flush=1s") } else { "off".to_owned() };
    let config = format!(
        "daemon off; user root; worker_processes 1; error_log {at}/error.log; pid {at}/pid;\nevents {{ worker_connections 8192; }}\n\
         http {{ access_log {log}; keepalive_requests 1000000000; default_type application/json; tcp_nodelay on;\n\
         gzip {switch}; gzip_types application/json; gzip_proxied any; gzip_vary on;\n\
         proxy_cache_path {at}/cache keys_zone=c:10m; proxy_temp_path {at}/proxy; client_body_temp_path {at}/body;\n\
         fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
         server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_http_version 1.1;\n\
         proxy_cache c; proxy_cache_use_stale updating; proxy_cache_background_update on; proxy_cache_lock on; }} }} }}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config).map_err(|error| error.to_string())?;
    start(name, port, own_paths(&word), "nginx", &["-c", &file.to_string_lossy()])
}

pub(super) fn varnish(folder: &Path, origin: u16) -> Result<Server, String> {
    let (port, folder) = (free_port()?, folder.join("varnish"));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let file = folder.join("default.vcl");
    let vcl = format!(
        "vcl 4.1;\nbackend default {{ .host = \"127.0.0.1\"; .port = \"{origin}\"; .first_byte_timeout = 60s; }}\n\
         sub vcl_backend_response {{ set beresp.grace = 1h; if (bereq.url ~ \"gzip\") {{ set beresp.do_gzip = true; }} }}\n"
    );
    fs::write(&file, vcl).map_err(|error| error.to_string())?;
    let listen = format!("127.0.0.1:{port}");
    let (work, vcl) = (folder.join("work"), file.to_string_lossy().into_owned());
    let words = ["-F", "-j", "none", "-a", &listen, "-f", &vcl, "-n", &work.to_string_lossy(), "-s", "malloc,64m"];
    let pool = ["-p", "thread_pools=1", "-p", "thread_pool_min=5", "-p", "thread_pool_max=100", "-p", "listen_depth=4096"];
    start("varnish", port, own_paths("varnish"), "varnishd", &[&words[..], &pool[..]].concat())
}

pub(super) fn ours(folder: &Path, program: &Path, origin: u16, log: bool) -> Result<Server, String> {
    let name = if log { "us + log" } else { "us" };
    let port = free_port()?;
    let source = |name: &str, path: &str, fresh: &str| {
        format!(
            "[source.{name}]\nurl = \"http://127.0.0.1:{origin}/{path}?us{log}\"\nformat = \"json\"\nitems = \"$.items[*]\"\n\
             fresh_for = \"{fresh}\"\ntimeout = \"60s\"\n"
        )
    };
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\ntimezone = \"UTC\"\naccess_log = {log}\n[store]\nurl = \"memory:\"\n[fetch]\n\
         allow_private = true\nrobots = false\n{}{}{}",
        source("fresh", "fresh", "1d"),
        source("slow", "slow", "1s"),
        source("stall", "stall", "1s")
    );
    let file = folder.join(if log { "logged.toml" } else { "plain.toml" });
    fs::write(&file, config).map_err(|error| error.to_string())?;
    let paths = ["fresh", "slow", "stall"].map(|name| format!("/api/{name}"));
    let words = ["serve", "--config", &file.to_string_lossy()];
    // Where there is a log, it goes where nginx's goes: into a file.
    let out = fs::File::create(file.with_extension("log")).map_err(|error| error.to_string())?;
    begin(name, port, paths, &program.to_string_lossy(), &words, out.into())
}

impl Server {
    /// How long it and its children have computed.
    pub(super) fn cpu(&self) -> Duration {
        let mut family = vec![self.child.id()];
        let mut ticks = 0;
        let stats: Vec<(u32, u32, u64)> = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|e| stat(&e.path())).collect();
        // Children have higher numbers than their parents, but for once in a while.
        for _ in 0..3 {
            for (pid, parent, _) in &stats {
                if family.contains(parent) && !family.contains(pid) {
                    family.push(*pid);
                }
            }
        }
        for (pid, _, spent) in &stats {
            if family.contains(pid) {
                ticks += spent;
            }
        }
        // USER_HZ is 100 on every Linux there is.
        Duration::from_millis(ticks * 10)
    }
}

/// A process: its number, its parent's, and the ticks it has computed.
fn stat(folder: &Path) -> Option<(u32, u32, u64)> {
    let text = fs::read_to_string(folder.join("stat")).ok()?;
    let pid = text.split(' ').next()?.parse().ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some((pid, fields.get(1)?.parse().ok()?, fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?))
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked, not killed: nginx and Varnish take their children along.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _gone = self.child.kill();
        }
        let _buried = self.child.wait();
    }
}
