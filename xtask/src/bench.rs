//! Benchmarks beside peers, in one run: these machines are noisy, ratios are not.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::{Value, json};

use crate::steps;

mod hit;
mod render;
mod scale;

/// How long each side runs in a turn, in seconds.
const TURN: &str = "4";
/// How many turns; the median counts.
const TURNS: usize = 3;

/// A side of the comparison.
struct Side {
    name: &'static str,
    /// How many times faster we must be.
    bar: Option<f64>,
}

const SIDES: [Side; 4] = [
    Side { name: "wellspring", bar: None },
    Side { name: "parsel", bar: Some(1.5) },
    Side { name: "bs4", bar: Some(15.0) },
    // Its fastest: shown, for whoever uses it so.
    Side { name: "bs4+lxml", bar: None },
];

/// `cargo xtask bench extract | hit | render | scale`
pub(crate) fn run(words: &[String]) -> Result<ExitCode, String> {
    match words {
        [name] if name == "extract" => extract(),
        [name] if name == "hit" => hit::run(),
        [name] if name == "render" => render::run(),
        [name] if name == "scale" => scale::run(),
        _ => Err("usage: cargo xtask bench extract | hit | render | scale".to_owned()),
    }
}

fn extract() -> Result<ExitCode, String> {
    let root = steps::root();
    let data = root.join("../shared/data");
    if !data.is_dir() {
        println!("skipped: ../shared/data is absent: there are no captured pages to measure on");
        return Ok(ExitCode::SUCCESS);
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let python = peers(&target)?;
    let job = target.join("bench-extract.json");
    let pages = job_of(&data)?;
    std::fs::write(&job, pages.to_string()).map_err(|error| error.to_string())?;
    let mut build = Command::new("cargo");
    build.current_dir(&root).args(["build", "--quiet", "--profile", "dist", "-p", "xtask", "--example", "pages_per_second"]);
    if !build.status().is_ok_and(|status| status.success()) {
        return Err("the example does not build".to_owned());
    }
    let ours = target.join("dist/examples/pages_per_second");
    let script = root.join("xtask/bench/pages_per_second.py");
    let mut runs: Vec<Vec<Value>> = SIDES.iter().map(|_| Vec::new()).collect();
    for turn in 1..=TURNS {
        for (side, runs) in SIDES.iter().zip(&mut runs) {
            println!("turn {turn} of {TURNS}: {}", side.name);
            let own = side.name == SIDES[0].name;
            let mut command = if own { Command::new(&ours) } else { Command::new(&python) };
            if !own {
                command.arg(&script).arg(side.name);
            }
            let output = command.arg(&job).arg(TURN).output().map_err(|error| format!("{}: {error}", side.name))?;
            let line = serde_json::from_slice(&output.stdout);
            runs.push(line.map_err(|_| format!("{}: {}", side.name, String::from_utf8_lossy(&output.stderr)))?);
        }
    }
    Ok(if tell(pages.as_array().map_or(0, Vec::len), &runs) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints the comparison; true where we are fast enough.
fn tell(pages: usize, runs: &[Vec<Value>]) -> bool {
    let rate = |runs: &[Value]| {
        let mut rates: Vec<f64> = runs.iter().filter_map(|run| run["pages_per_second"].as_f64()).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or(0.0)
    };
    let ours = rate(&runs[0]);
    let mut held = true;
    println!("\n{pages} captured pages; median of {TURNS} turns of {TURN} s each, side by side");
    println!("{:<12} {:>11} {:>9} {:>8} {:>11} {:>9}", "", "pages/CPU s", "ratio", "rows", "characters", "peak MiB");
    for (side, runs) in SIDES.iter().zip(runs) {
        let (rate, first) = (rate(runs), &runs[0]);
        let ratio = ours / rate;
        let mib = first["peak_kb"].as_f64().unwrap_or(0.0) / 1024.0;
        let verdict = side.bar.map_or_else(String::new, |bar| {
            held &= ratio >= bar;
            format!("  at least {bar}: {}", if ratio >= bar { "held" } else { "NOT HELD" })
        });
        println!("{:<12} {rate:>11.1} {ratio:>9.2} {:>8} {:>11} {mib:>9.1}{verdict}", side.name, first["rows"], first["characters"]);
    }
    held
}

/// A Python with the peers, set up once.
fn peers(target: &Path) -> Result<PathBuf, String> {
    let venv = target.join("bench-python");
    let python = venv.join("bin/python");
    let installed = || Command::new(&python).args(["-c", "import parsel, bs4, lxml"]).output().is_ok_and(|output| output.status.success());
    if !installed() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).status();
        let got =
            made.and_then(|_| Command::new(&python).args(["-m", "pip", "install", "--quiet", "parsel", "beautifulsoup4", "lxml"]).status());
        if !got.is_ok_and(|status| status.success()) || !installed() {
            return Err("parsel and BeautifulSoup could not be installed: `python3 -m venv` and the package index are needed".to_owned());
        }
    }
    Ok(python)
}

/// What is extracted: the cinema's listings by their own rules, every other page's links.
fn job_of(data: &Path) -> Result<Value, String> {
    let mut pages = Vec::new();
    let castle = data.join("cinema/thecastlecinema.com/000.html");
    let fields = json!([["title", "h1"], ["link", "a@href"], ["text", ".tile-subname"], ["picture", "img@src"]]);
    pages.push(json!({"file": castle, "items": ".programme-tile", "fields": fields}));
    for folder in ["meetings/pages", "recipes", "redesigns"] {
        for file in html(&data.join(folder)) {
            pages.push(json!({"file": file, "items": "a[href]", "fields": [["text", "."], ["link", "@href"]]}));
        }
    }
    if pages.len() < 50 { Err(format!("only {} captured pages were found", pages.len())) } else { Ok(Value::Array(pages)) }
}

fn html(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(html(&path));
        } else if path.extension().is_some_and(|extension| extension == "html") && is_page(&path) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// True of what is a page and not JSON under the name of one.
fn is_page(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| !bytes.trim_ascii_start().starts_with(b"{"))
}
