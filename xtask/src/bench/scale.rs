//! What many keys cost: the start, memory, a hit, one key more.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::steps;

/// About so many bytes of items a key.
const BYTES: u64 = 2_000;
const FEW: u64 = 10_000;
const MANY: u64 = 100_000;
/// Keys that are added to a server that holds [`MANY`].
const ADDED: u64 = 10_000;
/// Hits a turn: what they cost the server is counted, not how long they take.
const HITS: usize = 20_032;
/// Connections that ask at the same time, as in `bench hit`: with one alone, waking the server would cost more than the hit.
const ABREAST: usize = 64;
/// The median of so many turns counts.
const TURNS: usize = 5;
/// Beyond this a server that does not answer is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the system counts a process's time in.
const TICKS_A_SECOND: f64 = 100.0;

/// A release binary that serves one source from a store of its own.
struct Server {
    process: Child,
    port: u16,
    began: Instant,
}

/// What was seen of a server with so many keys.
struct Seen {
    keys: u64,
    items: f64,
    file: f64,
    first: f64,
    start_cpu: f64,
    resident: f64,
    peak: f64,
    after_reads: f64,
    keyed: f64,
    plain: f64,
    /// Of the floor, for one of as many bodies.
    floor: f64,
}

pub(super) fn run() -> Result<ExitCode, String> {
    let root = steps::root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let build = |words: &[&str]| Command::new("cargo").current_dir(&root).args(["build", "--quiet", "--release"]).args(words).status();
    for words in [&["-p", "wellspring", "--bin", "wellspring", "--example", "fill"][..], &["-p", "xtask", "--example", "floor"]] {
        if !build(words).is_ok_and(|status| status.success()) {
            return Err("the programs do not build".to_owned());
        }
    }
    let folder = target.join("bench-scale");
    let _ = fs::remove_dir_all(&folder);
    let sizes = [1, FEW, MANY];
    let mut seen = Vec::new();
    let mut grown = f64::NAN;
    for keys in sizes {
        println!("{keys} keys");
        let place = folder.join(keys.to_string());
        let items = fill(&target, &place, keys)?;
        let file = fs::metadata(place.join("wellspring.db")).map_or(f64::NAN, |file| mb(file.len()));
        let server = Server::start(&target, &place, keys)?;
        seen.push(server.look(keys, items, file, || Server::floor(&target, &place, keys))?);
        if keys == MANY {
            grown = server.grow()?;
        }
    }
    let _ = fs::remove_dir_all(&folder);
    Ok(if tell(&seen, grown) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes the config and the store; how many megabytes of items that are.
fn fill(target: &Path, place: &Path, keys: u64) -> Result<f64, String> {
    fs::create_dir_all(place).map_err(|error| error.to_string())?;
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(|error| error.to_string())?;
    let store = place.join("wellspring.db");
    // Nothing listens on port 9: what is not held fails at once.
    let config = format!(
        "[server]\nlisten = \"{free}\"\n[store]\nurl = \"sqlite:{}\"\n[fetch]\nallow_private = true\nrobots = false\ngap = \"0s\"\n\
         [source.x]\nurl = \"http://127.0.0.1:9/{{id}}\"\nformat = \"json\"\nitems = \"$[*]\"\nfresh_for = \"30d\"\nwarm = false\n\
         cold_wait = \"1ms\"\nmax_keys = 1000000\n[source.x.fields]\ntitle = \"$.title\"\n\
         [source.x.params]\nid = {{ type = \"integer\", min = 0, default = 0 }}\n",
        store.display()
    );
    fs::write(place.join("wellspring.toml"), config).map_err(|error| error.to_string())?;
    let mut fill = Command::new(target.join("release/examples/fill"));
    fill.arg(place.join("wellspring.toml")).args([keys.to_string(), BYTES.to_string()]);
    let output = fill.output().map_err(|error| error.to_string())?;
    let told: Value = serde_json::from_slice(&output.stdout).map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?;
    told["bytes"].as_u64().map(mb).ok_or_else(|| "the example did not say how much it wrote".to_owned())
}

impl Server {
    /// Starts it and waits for its first 200, of the key that was written last.
    fn start(target: &Path, place: &Path, keys: u64) -> Result<Self, String> {
        let config = place.join("wellspring.toml");
        let text = fs::read_to_string(&config).map_err(|error| error.to_string())?;
        let port = text.split_once("127.0.0.1:").and_then(|(_, rest)| rest.split('"').next()).and_then(|port| port.parse().ok());
        let port = port.ok_or("the config has no port")?;
        let mut command = Command::new(target.join("release/wellspring"));
        Self::spawned(command.arg("serve").arg("--config").arg(config), port, &format!("/api/x?id={}", keys - 1))
    }

    /// The bare loop, with as many bodies.
    fn floor(target: &Path, place: &Path, keys: u64) -> Result<Self, String> {
        let body = place.join("body");
        fs::write(&body, vec![b' '; usize::try_from(BYTES).unwrap_or(0)]).map_err(|error| error.to_string())?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(|error| error.to_string())?;
        let mut command = Command::new(target.join("release/examples/floor"));
        Self::spawned(command.arg(free.port().to_string()).arg(body).arg(keys.to_string()), free.port(), "/")
    }

    /// Starts it and waits for its first 200.
    fn spawned(command: &mut Command, port: u16, path: &str) -> Result<Self, String> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let process = command.spawn().map_err(|error| error.to_string())?;
        let server = Self { process, port, began };
        while server.began.elapsed() < PATIENCE {
            if server.connect().is_ok_and(|mut connection| connection.get(path).is_ok_and(|status| status == 200)) {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(format!("no answer within {} s", PATIENCE.as_secs()))
    }

    fn look(&self, keys: u64, items: f64, file: f64, floor: impl FnOnce() -> Result<Self, String>) -> Result<Seen, String> {
        let (first, start_cpu) = (self.began.elapsed().as_secs_f64(), self.cpu());
        let (resident, peak) = (self.memory("VmRSS"), self.memory("VmHWM"));
        let mut connections = (0..ABREAST).map(|_| self.connect()).collect::<Result<Vec<_>, _>>()?;
        let mut ids = 0..keys;
        while ids.start < keys {
            let abreast = connections.len().min(usize::try_from(keys - ids.start).unwrap_or(usize::MAX));
            hits(&mut connections[..abreast], &mut || format!("/api/x?id={}", ids.next().unwrap_or(0)))?;
        }
        let after_reads = self.memory("VmRSS");
        self.settled();
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        let mut keyed = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            format!("/api/x?id={}", random % keys)
        };
        let floor = floor()?;
        let mut theirs = (0..ABREAST).map(|_| floor.connect()).collect::<Result<Vec<_>, _>>()?;
        let (mut by_key, mut bare, mut least) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TURNS {
            by_key.push(self.cost(&mut connections, &mut keyed)?);
            bare.push(self.cost(&mut connections, &mut || "/api/x".to_owned())?);
            least.push(floor.cost(&mut theirs, &mut keyed)?);
        }
        Ok(Seen {
            keys,
            items,
            file,
            first,
            start_cpu,
            resident,
            peak,
            after_reads,
            keyed: median(by_key),
            plain: median(bare),
            floor: median(least),
        })
    }

    /// Waits until the start's last work, the check of the whole file, has ended.
    fn settled(&self) {
        let mut before = f64::NAN;
        while (self.cpu() - before).abs() > 0.0 || before.is_nan() {
            before = self.cpu();
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// What a hit costs the server, in microseconds.
    fn cost(&self, connections: &mut [Connection], path: &mut dyn FnMut() -> String) -> Result<f64, String> {
        let before = self.on_cpu();
        for _ in 0..HITS / ABREAST {
            hits(connections, path)?;
        }
        Ok((self.on_cpu() - before) * 1e6 / HITS as f64)
    }

    /// Seconds that its threads have run so far, to the nanosecond; those that have ended are left out.
    fn on_cpu(&self) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).into_iter().flatten().flatten();
        let ran = threads.filter_map(|thread| {
            let told = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            told.split(' ').next()?.parse::<f64>().ok()
        });
        ran.sum::<f64>() / 1e9
    }

    /// What a key that is not held costs when it is asked for, in microseconds: it is held from then on.
    fn grow(&self) -> Result<f64, String> {
        let before = self.cpu();
        let mut connection = self.connect()?;
        for id in 0..ADDED {
            connection.get(&format!("/api/x?id={}", MANY + id))?;
        }
        Ok((self.cpu() - before) * 1e6 / ADDED as f64)
    }

    fn connect(&self) -> Result<Connection, String> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        Ok(Connection { stream: BufReader::new(stream), body: Vec::new() })
    }

    /// Seconds of its processor time so far.
    fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_A_SECOND
    }

    /// A line of its `status`, in MB.
    fn memory(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(f64::NAN, |kb| mb(kb * 1024))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection that stays open.
struct Connection {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

/// Asks over all of them at once, and reads all answers, each of which has to be 200.
fn hits(connections: &mut [Connection], path: &mut dyn FnMut() -> String) -> Result<(), String> {
    for connection in connections.iter_mut() {
        connection.ask(&path())?;
    }
    for connection in connections {
        match connection.hear("a hit")? {
            200 => {}
            status => return Err(format!("a hit was answered by {status}")),
        }
    }
    Ok(())
}

impl Connection {
    /// Asks, reads all of the answer, and returns its status.
    fn get(&mut self, path: &str) -> Result<u16, String> {
        self.ask(path)?;
        self.hear(path)
    }

    fn ask(&mut self, path: &str) -> Result<(), String> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        self.stream.get_mut().write_all(head.as_bytes()).map_err(|error| format!("{path}: {error}"))
    }

    fn hear(&mut self, path: &str) -> Result<u16, String> {
        let broken = |error: std::io::Error| format!("{path}: {error}");
        let mut status = None;
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line).map_err(broken)? == 0 {
                return Err(format!("{path}: the connection was closed"));
            }
            let said = line.trim_end().to_ascii_lowercase();
            if said.is_empty() {
                break;
            }
            if status.is_none() {
                status = said.split(' ').nth(1).and_then(|word| word.parse().ok());
            }
            if let Some(bytes) = said.strip_prefix("content-length:") {
                length = bytes.trim().parse().map_err(|_| format!("{path}: {said}"))?;
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).map_err(broken)?;
        status.ok_or_else(|| format!("{path}: no status"))
    }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints what was measured; true where every bar is held.
fn tell(seen: &[Seen], grown: f64) -> bool {
    println!("\n{:<44} {}", "", seen.iter().map(|seen| format!("{:>10}", seen.keys)).collect::<Vec<_>>().concat());
    let row = |what: &str, value: &dyn Fn(&Seen) -> f64| {
        println!("{what:<44} {}", seen.iter().map(|seen| format!("{:>10.2}", value(seen))).collect::<Vec<_>>().concat());
    };
    row("items, MB", &|seen| seen.items);
    row("store's file, MB", &|seen| seen.file);
    row("exec to the first 200, s", &|seen| seen.first);
    row("  processor time of that, s", &|seen| seen.start_cpu);
    row("resident then, MB", &|seen| seen.resident);
    row("  the most before that", &|seen| seen.peak);
    row("resident after a read of each key, MB", &|seen| seen.after_reads);
    row("hit of a random key, µs of processor time", &|seen| seen.keyed);
    row("hit without a query, µs", &|seen| seen.plain);
    row("the floor's, one of as many bodies, µs", &|seen| seen.floor);
    println!("{:<44} {grown:>30.0}\n", "a key more (and its failing fetch), µs");
    let of = |keys: u64, value: &dyn Fn(&Seen) -> f64| seen.iter().find(|seen| seen.keys == keys).map_or(f64::NAN, value);
    // What an idle server takes is no cost of keys.
    let idle = of(1, &|seen| seen.resident);
    let bars = [
        ("start with 10,000 keys, s", of(FEW, &|seen| seen.first), 1.0),
        ("start with 100,000 keys, s", of(MANY, &|seen| seen.first), 10.0),
        ("memory of 100,000 keys, times their bytes", of(MANY, &|seen| (seen.resident - idle) / seen.items), 2.0),
        ("  after a read of each", of(MANY, &|seen| (seen.after_reads - idle) / seen.items), 2.0),
        ("hit without a query, times that at 1", of(MANY, &|seen| seen.plain) / of(1, &|seen| seen.plain), 1.1),
        ("hit of a random key, times the floor's", of(MANY, &|seen| seen.keyed / seen.floor), 1.3),
    ];
    let mut held = true;
    for (what, value, bar) in bars {
        // What was not measured holds no bar.
        let is_held = value <= bar;
        held &= is_held;
        println!("{what:<44} {value:>10.2}  at most {bar}: {}", if is_held { "held" } else { "NOT HELD" });
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(keys: u64, resident: f64) -> Seen {
        let (items, file, first, start_cpu, peak, after_reads) = (100.0, 150.0, 0.5, 0.5, resident, resident);
        Seen { keys, items, file, first, start_cpu, resident, peak, after_reads, keyed: 10.0, plain: 9.0, floor: 8.0 }
    }

    #[test]
    fn bars_are_judged_without_what_an_idle_server_takes() {
        assert!(tell(&[seen(1, 20.0), seen(FEW, 40.0), seen(MANY, 219.0)], 50.0));
        assert!(!tell(&[seen(1, 20.0), seen(FEW, 40.0), seen(MANY, 221.0)], 50.0));
    }

    #[test]
    fn what_was_not_measured_is_not_held() {
        assert!(!tell(&[], 1.0));
    }
}
