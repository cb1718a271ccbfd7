//! `cargo xtask soak`: the release build for an hour, readers of all kinds before it, failing upstreams behind it. What it holds must
//! not grow: memory, files, threads, tasks, the store. The figures go into a table and a picture.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::{steps, tools};

mod load;
mod origin;
mod plot;
mod sample;
mod verdict;

use load::{Connection, Load, Seen};
use plot::Chart;
use sample::{COLUMNS, Sample, descendants};

/// Those that every reader finds, from the first to the last.
const SOURCES: [&str; 6] = ["rows", "same", "large", "slow", "page", "feed"];
const TOKEN: &str = "let-me-refresh";
const MINUTES: u64 = 60;
/// So many looks at the server are spread over the run.
const LOOKS: u32 = 360;
/// The config is exchanged so often, for one that has a source more or less.
const RELOADS: Duration = Duration::from_secs(60);
/// Longer than the server drains.
const PATIENCE: Duration = Duration::from_secs(15);

const CHARTS: [Chart; 6] = [
    Chart { title: "resident memory of the server, MB", of: |s| s.memory },
    Chart { title: "the same of its workers and its browser, MB", of: |s| s.children },
    Chart { title: "open files and sockets", of: |s| s.files },
    Chart { title: "tasks, beside those of connections", of: |s| s.tasks },
    Chart { title: "folder of the store, MB", of: |s| s.store },
    Chart { title: "answers", of: |s| s.answers },
];

/// Runs it.
///
/// # Errors
/// Where it cannot be set up.
pub(crate) fn run(words: &[String]) -> Result<ExitCode, String> {
    const USAGE: &str = "usage: cargo xtask soak [--minutes N] [--built] [--picture]";
    let (mut minutes, mut keep, mut built) = (MINUTES, false, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--picture" => keep = true,
            // The program as it was built last.
            "--built" => built = true,
            "--minutes" => minutes = words.next().and_then(|n| n.parse().ok()).filter(|n| (1..=1_440).contains(n)).ok_or(USAGE)?,
            _ => return Err(USAGE.to_owned()),
        }
    }
    let root = steps::root();
    let mut build = Command::new("cargo");
    build.current_dir(&root).args(["build", "--quiet", "--release", "-p", "wellspring", "--bin", "wellspring"]);
    if !built && !build.status().is_ok_and(|status| status.success()) {
        return Err("the program does not build".to_owned());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let folder = target.join("soak");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("data")).map_err(|error| error.to_string())?;
    let run = Run::start(&target.join("release/wellspring"), &folder)?;
    let (samples, seen, gone) = run.go(Duration::from_secs(minutes * 60))?;
    let csv = folder.join("samples.csv");
    fs::write(&csv, table(&samples)).map_err(|error| error.to_string())?;
    let good = seen.good.load(Ordering::Relaxed);
    let title = format!("{minutes} min, {good} reads, an upstream failing in 16 ways, a reload a minute");
    let picture = if keep { root.join("docs/pictures/soak.svg") } else { folder.join("soak.svg") };
    fs::write(&picture, plot::picture(&title, &CHARTS, &samples)).map_err(|error| error.to_string())?;
    println!("{} and {}", csv.display(), picture.display());
    let flat = verdict::judge(&samples);
    Ok(if tell(&seen, &gone) && flat { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A server with its upstreams.
struct Run {
    server: Child,
    address: SocketAddr,
    origins: Origins,
    config: PathBuf,
    data: PathBuf,
}

/// One that is well, and one that fails.
#[derive(Clone, Copy)]
struct Origins {
    well: SocketAddr,
    failing: SocketAddr,
}

/// How the server went.
struct Gone {
    /// Its exit code, where it ended by itself.
    code: Option<i32>,
    took: Duration,
    /// Of its processes, those that outlived it.
    left: usize,
}

impl Run {
    fn start(program: &Path, folder: &Path) -> Result<Self, String> {
        let origin = |last| origin::start(Ipv4Addr::new(127, 0, 0, last)).map_err(|error| error.to_string());
        let origins = Origins { well: origin(1)?, failing: origin(2)? };
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let address = free.map_err(|error| error.to_string())?;
        let (config, data) = (folder.join("wellspring.toml"), folder.join("data"));
        fs::write(&config, configured(address, origins, &data, false)).map_err(|error| error.to_string())?;
        let log = fs::File::create(folder.join("log")).map_err(|error| error.to_string())?;
        let server = Command::new(program)
            .args(["serve", "--log", "json", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut run = Self { server, address, origins, config, data };
        let begun = Instant::now();
        let serves = |name: &&str| {
            let asked = Connection::open(address).and_then(|mut connection| connection.ask(&format!("GET /api/{name}"), ""));
            asked.is_ok_and(|status| status == 200)
        };
        while !SOURCES.iter().all(serves) {
            if begun.elapsed() > PATIENCE || run.server.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Err(format!("the server does not serve; {} says why", folder.join("log").display()));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(run)
    }

    fn go(mut self, lasts: Duration) -> Result<(Vec<Sample>, std::sync::Arc<Seen>, Gone), String> {
        let load = Load::start(self.address, TOKEN);
        let (begun, between) = (Instant::now(), lasts / LOOKS);
        let mut samples: Vec<Sample> = Vec::new();
        let (mut reloaded, mut more) = (begun, false);
        while begun.elapsed() < lasts {
            thread::sleep(between.saturating_sub(begun.elapsed().saturating_sub(between * u32::try_from(samples.len()).unwrap_or(0))));
            if let Ok(Some(ended)) = self.server.try_wait() {
                return Err(format!("the server ended by itself after {} s: {ended}", begun.elapsed().as_secs()));
            }
            let answers = load.seen.good.load(Ordering::Relaxed) as f64;
            let sample = Sample::of(self.server.id(), &self.data, begun.elapsed().as_secs_f64(), self.tasks(), answers);
            eprint!(
                "\r{:>5.0} of {} s: {:.0} answers, {:.1} MB, {:.0} files, {:.0} tasks, store {:.1} MB   ",
                sample.at,
                lasts.as_secs(),
                sample.answers,
                sample.memory,
                sample.files,
                sample.tasks,
                sample.store
            );
            samples.push(sample);
            if reloaded.elapsed() >= RELOADS {
                (reloaded, more) = (Instant::now(), !more);
                fs::write(&self.config, configured(self.address, self.origins, &self.data, more)).map_err(|error| error.to_string())?;
                self.signal("HUP");
            }
        }
        eprintln!();
        let seen = load.end();
        Ok((samples, seen, self.end()))
    }

    /// As the metrics tell them.
    fn tasks(&self) -> f64 {
        let told = Connection::open(self.address).and_then(|mut connection| connection.ask("GET /metrics", "").map(|_| connection.body()));
        let told = told.unwrap_or_default();
        let line = told.lines().find_map(|line| line.strip_prefix("wellspring_tasks "));
        line.and_then(|figure| figure.trim().parse().ok()).unwrap_or(f64::NAN)
    }

    fn signal(&self, name: &str) {
        let _ = Command::new("kill").args([&format!("-{name}"), &self.server.id().to_string()]).status();
    }

    fn end(mut self) -> Gone {
        let all = descendants(self.server.id());
        let begun = Instant::now();
        self.signal("TERM");
        let mut code = None;
        while code.is_none() && begun.elapsed() < PATIENCE {
            code = self.server.try_wait().ok().flatten().and_then(|ended| ended.code());
            thread::sleep(Duration::from_millis(20));
        }
        let took = begun.elapsed();
        thread::sleep(Duration::from_secs(2));
        let left = all.into_iter().filter(|id| Path::new(&format!("/proc/{id}/exe")).exists()).count();
        Gone { code, took, left }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn configured(address: SocketAddr, origins: Origins, data: &Path, more: bool) -> String {
    let Origins { well: origin, failing } = origins;
    let json = |name: &str, path: &str, fresh: &str, rest: &str| {
        let origin = if name == "faulty" { failing } else { origin };
        format!("[source.{name}]\nurl = \"http://{origin}{path}\"\nformat = \"json\"\nfresh_for = \"{fresh}\"\n{rest}\n")
    };
    let rendered = tools::browser().map_or_else(String::new, |_| {
        format!("[source.app]\nurl = \"http://{origin}/app\"\nrender = \"always\"\nrefresh = \"always\"\nfresh_for = \"20s\"\nformat = \"html\"\nitems = \"li.row\"\nfields = {{ title = \"a\" }}\n")
    });
    [
        format!(
            "[server]\nlisten = \"{address}\"\nadmin_token = \"{TOKEN}\"\n[store]\nurl = \"sqlite:{}\"\n\
             [fetch]\nallow_private = true\nrobots = false\ntimeout = \"3s\"\nmax_body = \"2MiB\"\ngap = \"10ms\"\n[browser]\nidle = \"5s\"\n",
            data.join("wellspring.db").display()
        ),
        json("rows", "/rows", "2s", "min_interval = \"1s\""),
        json("same", "/same", "3s", ""),
        json("large", "/large", "5s", "refresh = \"always\""),
        json("slow", "/slow", "4s", ""),
        json("faulty", "/faulty", "1s", "min_interval = \"1s\""),
        json("keyed", "/key?id={id}", "30s", "max_keys = 200\nwarm = false\nparams = { id = { type = \"integer\", min = 0, default = 0 } }"),
        format!("[source.page]\nurl = \"http://{origin}/page\"\nfresh_for = \"3s\"\nformat = \"html\"\nitems = \"li.row\"\nfields = {{ title = \"a\", img = \"img@src\" }}\n"),
        format!("[source.feed]\nurl = \"http://{origin}/feed\"\nformat = \"feed\"\nfresh_for = \"3s\"\n"),
        rendered,
        if more { json("passing", "/rows", "2s", "refresh = \"always\"") } else { String::new() },
    ]
    .concat()
}

fn table(samples: &[Sample]) -> String {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let line = |sample: &Sample| COLUMNS.iter().map(|(_, of)| format!("{:.2}", of(sample))).collect::<Vec<_>>().join(",");
    let lines: Vec<String> = samples.iter().map(line).collect();
    format!("{}\n{}\n", names.join(","), lines.join("\n"))
}

/// Prints how its readers fared and how it went; true where that is as it should be.
fn tell(seen: &Seen, gone: &Gone) -> bool {
    let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
    let Seen { good, bad, events, forced, longest } = seen;
    println!(
        "answers as they should be {}, others {}; events {}; forced refreshes {}",
        count(good),
        count(bad),
        count(events),
        count(forced)
    );
    println!("longest wait for what is stored {:.1} ms", count(longest) as f64 / 1e3);
    println!("ended with {:?} in {:.1} s; processes left {}", gone.code, gone.took.as_secs_f64(), gone.left);
    count(bad) == 0 && count(good) > 0 && gone.code == Some(0) && gone.left == 0
}
