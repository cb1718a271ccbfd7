//! What a hit costs, beside peers, in turns: the same body, each server on core 0, the load on core 1.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use super::TURNS;
use crate::{steps, tools};

mod load;
mod servers;
mod wire;

use load::Load;
use servers::Server;
use wire::Origin;

/// The bars: CPU per request beside the floor's and nginx's, a stale hit's beside a fresh one's, the log's beside none.
const FLOOR: f64 = 1.3;
const NGINX: f64 = 0.5;
const STALE: f64 = 1.05;
const LOG: f64 = 1.05;

/// What is asked for: a name, connections, a header, and which of a server's paths.
struct Scenario {
    name: &'static str,
    connections: u32,
    header: &'static str,
    path: usize,
    /// Who takes part.
    sides: &'static [&'static str],
}

const SCENARIOS: [Scenario; 7] = [
    Scenario {
        name: "plain, 64",
        connections: 64,
        header: "",
        path: 0,
        sides: &["floor", "nginx", "nginx + log", "varnish", "us", "us + log"],
    },
    Scenario { name: "plain, 1000", connections: 1_000, header: "", path: 0, sides: &["floor", "nginx", "varnish", "us"] },
    Scenario { name: "gzip", connections: 64, header: "Accept-Encoding: gzip", path: 0, sides: &["nginx+gzip", "varnish", "us"] },
    Scenario { name: "br", connections: 64, header: "Accept-Encoding: br", path: 0, sides: &["us"] },
    Scenario { name: "zstd", connections: 64, header: "Accept-Encoding: zstd", path: 0, sides: &["us"] },
    Scenario { name: "304", connections: 64, header: "If-None-Match: ", path: 0, sides: &["nginx", "varnish", "us"] },
    Scenario { name: "stale", connections: 64, header: "", path: 1, sides: &["nginx", "varnish", "us"] },
];

pub(super) fn run() -> Result<ExitCode, String> {
    tools::prepare_benches();
    for (tool, words) in [("wrk", ["wrk", "-v"]), ("taskset", ["taskset", "--version"])] {
        if Command::new(words[0]).arg(words[1]).output().is_err() {
            println!("skipped: {tool} is absent");
            return Ok(ExitCode::SUCCESS);
        }
    }
    let root = steps::root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let build = |words: &[&str]| Command::new("cargo").current_dir(&root).args(["build", "--quiet", "--release"]).args(words).status();
    for words in [["-p", "wellspring", "--bin", "wellspring"], ["-p", "xtask", "--example", "floor"]] {
        if !build(&words).is_ok_and(|status| status.success()) {
            return Err("the programs do not build".to_owned());
        }
    }
    let folder = target.join(format!("bench-hit-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let held = compare(&folder, &target.join("release"));
    let _removed = std::fs::remove_dir_all(&folder);
    Ok(if held? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn compare(folder: &Path, programs: &Path) -> Result<bool, String> {
    let origin = Origin::default();
    let rows: Vec<String> = (0..20)
        .map(|n| format!(r#"{{"img":"https://a.example/poster/{}.webp","title":"Film {n} of a list, as lists go"}}"#, n * 7_919))
        .collect();
    let port = origin.start(format!(r#"{{"items":[{}]}}"#, rows.join(",")).as_bytes())?;
    let ours = |log| servers::ours(folder, &programs.join("wellspring"), port, log);
    let mut running = vec![ours(false)?, ours(true)?];
    let body = wire::until(running[0].port, &running[0].paths[0], "", |_| true).ok_or("we do not answer")?.body;
    // Everybody serves what we do, metadata and all.
    origin.serve(&body);
    let file = folder.join("body.json");
    std::fs::write(&file, &body).map_err(|error| error.to_string())?;
    running.push(servers::floor(&programs.join("examples/floor"), &file)?);
    for peer in [
        servers::nginx(folder, port, "nginx"),
        servers::nginx(folder, port, "nginx + log"),
        servers::nginx(folder, port, "nginx+gzip"),
        servers::varnish(folder, port),
    ] {
        match peer {
            Ok(peer) => running.push(peer),
            Err(why) => println!("skipped: {why}"),
        }
    }
    println!(
        "a body of {} bytes; median of {TURNS} turns of {} s each, in turns, server on core 0, load on core 1",
        body.len(),
        load::SECONDS
    );
    let mut held = true;
    let mut plain = Vec::new();
    for scenario in &SCENARIOS {
        let runs = measure(scenario, &running)?;
        held &= tell(scenario, &runs, &mut plain);
    }
    stalls(&running);
    Ok(held)
}

/// Every side's measurements of a scenario, the median of each.
fn measure(scenario: &Scenario, running: &[Server]) -> Result<Vec<(&'static str, Load)>, String> {
    let sides: Vec<&Server> = scenario.sides.iter().filter_map(|name| running.iter().find(|server| server.name == *name)).collect();
    let mut runs: Vec<Vec<Load>> = sides.iter().map(|_| Vec::new()).collect();
    for turn in 0..TURNS {
        for (server, runs) in sides.iter().zip(&mut runs) {
            let path = if server.name == "varnish" && scenario.name == "gzip" { "/fresh?gzip" } else { &server.paths[scenario.path] };
            let header = ready(scenario, server, path, turn).ok_or_else(|| format!("{}: {} is not served", server.name, scenario.name))?;
            runs.push(load::run(server, path, &header, scenario.connections)?);
        }
    }
    Ok(sides.iter().zip(runs).map(|(server, runs)| (server.name, Load::median(&runs))).collect())
}

/// Brings a server to where the scenario begins; the header to ask with.
fn ready(scenario: &Scenario, server: &Server, path: &str, turn: usize) -> Option<String> {
    let first = wire::until(server.port, path, "", |answer| answer.head.starts_with("http/1.1 200"))?;
    if scenario.path == 1 && turn == 0 {
        std::thread::sleep(wire::TURNS_STALE);
        // Starts the refresh that stays out.
        let _stale = wire::until(server.port, path, "", |_| true)?;
    }
    if scenario.name == "304" {
        return Some(format!("If-None-Match: {}", first.header("etag")?));
    }
    if let Some(coding) = scenario.header.strip_prefix("Accept-Encoding: ") {
        let header = format!("{}\r\n", scenario.header);
        wire::until(server.port, path, &header, |answer| answer.header("content-encoding") == Some(coding))?;
    }
    Some(scenario.header.to_owned())
}

/// Prints a scenario; true where its bars are held. `plain` remembers what the first one gave.
fn tell(scenario: &Scenario, runs: &[(&'static str, Load)], plain: &mut Vec<(&'static str, Load)>) -> bool {
    println!("\n{:<18} {:>8} {:>10} {:>9} {:>9}", scenario.name, "µs CPU", "requests/s", "p50 ms", "p99 ms");
    for (name, load) in runs {
        if load.rate == 0.0 {
            println!("{name:<18} no answer");
            continue;
        }
        println!("{name:<18} {:>8.2} {:>10.0} {:>9.2} {:>9.2}", load.cpu, load.rate, load.p50, load.p99);
    }
    if plain.is_empty() {
        plain.extend(runs.iter().copied());
    }
    let of = |runs: &[(&str, Load)], name: &str| runs.iter().find(|(n, _)| *n == name).map(|(_, load)| *load);
    let Some(us) = of(runs, "us") else { return false };
    let mut held = true;
    let mut bar = |what: &str, ours: f64, theirs: Option<f64>, bar: f64| {
        let Some(theirs) = theirs else { return };
        let is_held = ours <= theirs * bar;
        held &= is_held;
        println!("  {what}: {:.2}, at most {bar}: {}", ours / theirs, if is_held { "held" } else { "NOT HELD" });
    };
    let nginx = of(runs, "nginx").or(of(runs, "nginx+gzip"));
    let floor = of(runs, "floor").or(of(plain, "floor"));
    bar("CPU beside the floor's", us.cpu, floor.map(|l| l.cpu), FLOOR);
    bar("CPU beside nginx's", us.cpu, nginx.map(|l| l.cpu), NGINX);
    bar("p99 beside nginx's", us.p99, nginx.map(|l| l.p99), 1.0);
    if scenario.name == "stale" {
        bar("CPU beside a fresh hit's", us.cpu, of(plain, "us").map(|l| l.cpu), STALE);
    }
    if let Some(logged) = of(runs, "us + log") {
        bar("CPU with the access log", logged.cpu, Some(us.cpu), LOG);
        bar("CPU beside nginx's, both with an access log", logged.cpu, of(runs, "nginx + log").map(|l| l.cpu), NGINX);
    }
    held
}

/// The request after the one that met a stale entry, on the same connection.
fn stalls(running: &[Server]) {
    println!("\nthe next request on the connection that met a stale entry, while the refresh takes {} ms:", wire::STALL.as_millis());
    for server in running.iter().filter(|server| matches!(server.name, "us" | "nginx" | "varnish")) {
        let path = &server.paths[2];
        let _primed = wire::until(server.port, path, "", |answer| answer.head.starts_with("http/1.1 200"));
        std::thread::sleep(wire::TURNS_STALE);
        let waited = wire::second_after_stale(server.port, path);
        println!("{:<18} {}", server.name, waited.map_or("no answer".to_owned(), |w| format!("{:.1} ms", w.as_secs_f64() * 1e3)));
    }
}
