//! `cargo xtask lint-http`: what the server says over HTTP, judged by others: REDbot, Schemathesis, a validator of OpenAPI and
//! readers of feeds, calendars and CSV. All of them look at a server of our own with an origin of our own.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{python, steps};
pub(crate) use origin::Origin;
pub(crate) use server::Server;

mod notes;
mod origin;
mod routes;
mod server;

/// What is installed, from the Python package index. A change here installs anew.
const PACKAGES: [&str; 7] = [
    "redbot==2.7.1",
    "httplint==2026.10.4",
    "schemathesis==4.32.5",
    "openapi-spec-validator==0.9.0",
    "feedparser==6.0.14",
    "fastfeedparser==0.6.5",
    "icalendar==7.3.0",
];
/// How many requests Schemathesis makes up for each operation and phase.
const EXAMPLES: &str = "25";
/// The same ones in every run.
const SEED: &str = "20251128";

/// Where things are.
struct Places {
    /// The scripts.
    scripts: PathBuf,
    /// What the run leaves behind, for whoever looks into a failure.
    leavings: PathBuf,
    /// The Python of the environment.
    python: PathBuf,
}

/// Runs every judge, also after one found fault: one run shows all there is to mend.
///
/// # Errors
/// Where the server cannot be built or does not start.
pub(crate) fn run(words: &[String]) -> Result<ExitCode, String> {
    if !words.is_empty() {
        return Err("usage: cargo xtask lint-http".to_owned());
    }
    let root = steps::root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let leavings = target.join("lint-http");
    fs::create_dir_all(&leavings).map_err(|error| format!("{}: {error}", leavings.display()))?;
    let python = match python::environment(&leavings, &PACKAGES) {
        Ok(python) => python,
        Err(why) => {
            println!("skipped: lint-http: {why}");
            println!("trust T15 | faults found by REDbot, Schemathesis and readers | skipped | 0 | not judged");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let program = built(&root, &target)?;
    let origin = Origin::start().map_err(|error| format!("no origin: {error}"))?;
    let server = Server::start(&program, &leavings, &origin)?;
    let places = Places { scripts: root.join("xtask/lint"), leavings, python };
    let judges: [(&str, Judge); 4] = [("OpenAPI", document), ("REDbot", redbot), ("readers", readers), ("Schemathesis", schemathesis)];
    let mut found = 0;
    for (name, judge) in judges {
        let begun = Instant::now();
        let faults = judge(&places, &server)?;
        println!("{name}: {} in {:.1} s", if faults.is_empty() { "nothing wrong" } else { "FAULTS" }, begun.elapsed().as_secs_f64());
        for fault in &faults {
            println!("  {fault}");
        }
        found += faults.len();
        let verdict = if faults.is_empty() { "held" } else { "NOT HELD" };
        println!("trust T15 | faults found by {name} | {} | 0 | {verdict}", faults.len());
    }
    Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type Judge = fn(&Places, &Server) -> Result<Vec<String>, String>;

/// The server's debug build.
pub(crate) fn built(root: &Path, target: &Path) -> Result<PathBuf, String> {
    let built = Command::new("cargo").current_dir(root).args(["build", "--quiet", "-p", "wellspring", "--bin", "wellspring"]).status();
    if built.is_ok_and(|status| status.success()) {
        Ok(target.join("debug/wellspring"))
    } else {
        Err("the server does not build".to_owned())
    }
}

/// The document is valid, and what is described is what is answered.
fn document(places: &Places, server: &Server) -> Result<Vec<String>, String> {
    let file = places.leavings.join("openapi.json");
    let (status, text) = server.get("/openapi.json")?;
    if status != 200 {
        return Ok(vec![format!("GET /openapi.json: {status}")]);
    }
    fs::write(&file, text).map_err(|error| error.to_string())?;
    let mut script = places.script("document.py");
    lines(script.arg(&file).arg(server.base()))
}

/// No route is badly answered, and each warning is one that we know.
fn redbot(places: &Places, server: &Server) -> Result<Vec<String>, String> {
    let routes: Vec<Value> = routes::LINTED
        .iter()
        .map(|route| json!({"name": route.path, "method": route.method, "url": format!("{}{}", server.base(), route.path)}))
        .collect();
    let mut script = places.script("notes.py");
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(Value::Array(routes).to_string().as_bytes()).map_err(|error| error.to_string())?;
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let said: Vec<notes::Said> = serde_json::from_slice::<Vec<Value>>(&output.stdout)
        .map_err(|_| "notes.py says nothing".to_owned())?
        .iter()
        .map(notes::Said::of)
        .collect();
    Ok(notes::judge(&said))
}

/// What is written for readers reads as what the JSON says.
fn readers(places: &Places, server: &Server) -> Result<Vec<String>, String> {
    let mut script = places.script("feeds.py");
    lines(script.arg(server.base()).args(routes::READ_BACK))
}

/// What is described is taken, what is not is refused, nothing breaks.
fn schemathesis(places: &Places, server: &Server) -> Result<Vec<String>, String> {
    let (described, config) = (places.leavings.join("strict.json"), places.leavings.join("schemathesis.toml"));
    let (_, text) = server.get("/openapi.json")?;
    let mut document: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    forget_defaults(&mut document);
    fs::write(&described, document.to_string()).map_err(|error| error.to_string())?;
    let hooks = places.scripts.join("refusals.py");
    fs::write(&config, format!("hooks = '{}'\n\n{}", hooks.display(), routes::SCHEMATHESIS)).map_err(|error| error.to_string())?;
    let mut command = Command::new(places.python.with_file_name("schemathesis"));
    command.current_dir(&places.leavings).arg("--config-file").arg(&config).arg("run").arg(&described);
    command.args(["--url", &server.base(), "--header", &format!("Authorization: Bearer {}", server::TOKEN)]);
    command.args(["--checks", "all", "--mode", "all", "--max-examples", EXAMPLES, "--seed", SEED, "--generation-database", "none"]);
    command.args(["--continue-on-failure", "--request-timeout", "30", "--no-color", "--warnings", "off"]);
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(Vec::new());
    }
    let told = String::from_utf8_lossy(&output.stdout);
    // From the failures on: what comes before is progress.
    let from = told.find("= FAILURES =").or_else(|| told.find("= ERRORS =")).unwrap_or(0);
    Ok(vec![format!("{}{}", &told[from..], String::from_utf8_lossy(&output.stderr))])
}

/// Takes `default` from every answer: it would cover a status that nobody described.
fn forget_defaults(document: &mut Value) {
    let operations = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in operations.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut()) {
        if let Some(responses) = operation["responses"].as_object_mut() {
            responses.remove("default");
        }
    }
}

impl Places {
    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(self.scripts.join(name));
        command
    }
}

/// What a script says, a line a fault; one that breaks is one.
fn lines(command: &mut Command) -> Result<Vec<String>, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let mut faults: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    if !output.status.success() {
        faults.push(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(faults)
}

/// How long the server may take to have the data that the judges want.
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_default_answer_covers_nothing() {
        let mut document = json!({"paths": {"/api": {"get": {"responses": {"200": {}, "default": {}}}}}});
        super::forget_defaults(&mut document);
        assert_eq!(document, json!({"paths": {"/api": {"get": {"responses": {"200": {}}}}}}));
    }
}
