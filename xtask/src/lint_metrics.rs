//! `cargo xtask lint-metrics`: what `/metrics` says and what is asked of it, judged by Prometheus' own `promtool`: the page, the alerts
//! with their tests, and every query of the dashboard and of the docs. What is asked for must be there, and what is there described.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::lint_http::{Origin, Server, built};
use crate::steps;

/// Told only where there is such a thing, which the server that is linted has not.
const SOMETIMES: [&str; 7] = [
    "wellspring_store_bytes",
    "wellspring_connections",
    // Where a store is shared.
    "wellspring_replicas",
    "wellspring_store_shared_up",
    "wellspring_store_alone_seconds",
    "wellspring_store_keys_waiting",
    "wellspring_refreshes_taken_over_total",
];
/// What samples of a family may be called besides.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

/// A check, and what it finds wrong.
type Judge<'a> = Box<dyn Fn() -> Vec<String> + 'a>;

/// Runs every check, also after one found fault.
///
/// # Errors
/// Where the server cannot be built or does not start.
pub(crate) fn run(words: &[String]) -> Result<ExitCode, String> {
    if !words.is_empty() {
        return Err("usage: cargo xtask lint-metrics".to_owned());
    }
    let root = steps::root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let leavings = target.join("lint-metrics");
    fs::create_dir_all(&leavings).map_err(|error| format!("{}: {error}", leavings.display()))?;
    let promtool = match promtool(&leavings) {
        Ok(promtool) => promtool,
        Err(why) => {
            println!("skipped: lint-metrics: {why}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let program = built(&root, &target)?;
    let origin = Origin::start().map_err(|error| format!("no origin: {error}"))?;
    let server = Server::start(&program, &leavings, &origin)?;
    let (status, page) = server.get("/metrics")?;
    let docs = root.join("docs");
    let read = |name: &str| fs::read_to_string(docs.join(name)).map_err(|error| format!("docs/{name}: {error}"));
    let (described, rules, dashboard) = (read("metrics.md")?, read("prometheus/rules.yml")?, read("grafana/wellspring.json")?);
    let parsed: Value = serde_json::from_str(&dashboard).map_err(|error| format!("docs/grafana/wellspring.json: {error}"))?;
    let queries: Vec<String> = asked_of_dashboard(&parsed).into_iter().chain(asked_in_docs(&described)).collect();
    let judges: [(&str, Judge<'_>); 5] = [
        (
            "metrics",
            Box::new(|| {
                if status == 200 { tell(&promtool, &docs, &["check", "metrics"], &page) } else { vec![format!("GET /metrics: {status}")] }
            }),
        ),
        ("rules", Box::new(|| tell(&promtool, &docs.join("prometheus"), &["check", "rules", "rules.yml"], ""))),
        ("alerts", Box::new(|| tell(&promtool, &root.join("xtask/lint"), &["test", "rules", "alerts.yml"], ""))),
        ("queries", Box::new(|| judge_queries(&promtool, &leavings, &queries))),
        ("names", Box::new(|| unknown(&page, &described, &[&rules, &dashboard, &described]))),
    ];
    let mut found = 0;
    for (name, judge) in judges {
        let begun = Instant::now();
        let faults = judge();
        println!("{name}: {} in {:.1} s", if faults.is_empty() { "nothing wrong" } else { "FAULTS" }, begun.elapsed().as_secs_f64());
        for fault in &faults {
            println!("  {fault}");
        }
        found += faults.len();
    }
    Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The tool: this machine's, or one unpacked here from the distribution's package, whose daemon nobody wants started.
fn promtool(leavings: &Path) -> Result<PathBuf, String> {
    let ours = leavings.join("prometheus/usr/bin/promtool");
    let works = |program: &Path| {
        let mut command = Command::new(program);
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if let Some(found) = [PathBuf::from("promtool"), ours.clone()].into_iter().find(|program| works(program)) {
        return Ok(found);
    }
    let fetch = "apt-get download prometheus && dpkg -x prometheus_*.deb prometheus && rm prometheus_*.deb";
    let fetched = Command::new("sh").args(["-c", fetch]).current_dir(leavings).stdin(Stdio::null()).output();
    if fetched.is_ok_and(|output| output.status.success()) && works(&ours) {
        return Ok(ours);
    }
    Err("it needs promtool: install prometheus, or be where apt-get can download it (after apt-get update)".to_owned())
}

/// What the tool says where it is not content; its warnings count, which it gives without failing.
fn tell(promtool: &Path, folder: &Path, words: &[&str], input: &str) -> Vec<String> {
    let ran = || -> std::io::Result<std::process::Output> {
        let mut command = Command::new(promtool);
        command.args(words).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(input.as_bytes())?;
        }
        child.wait_with_output()
    };
    match ran() {
        Err(error) => vec![format!("{}: {error}", promtool.display())],
        Ok(output) => {
            let warns = words == ["check", "metrics"] && !output.stderr.is_empty();
            if output.status.success() && !warns {
                return Vec::new();
            }
            let said = [output.stdout, output.stderr].concat();
            String::from_utf8_lossy(&said).lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
        }
    }
}

/// The queries of a dashboard, with something in place of its variables.
fn asked_of_dashboard(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let filled = |query: &str| {
        let ranges = [("$__rate_interval", "5m"), ("$__range", "1h"), ("$source", ".*"), ("$instance", ".*"), ("$job", ".*")];
        ranges.iter().fold(query.to_owned(), |query, (variable, value)| query.replace(variable, value))
    };
    targets.filter_map(|target| target["expr"].as_str()).map(filled).collect()
}

/// The queries of the table of questions.
fn asked_in_docs(text: &str) -> Vec<String> {
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.contains("? | `"));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2)).map(|query| query.replace("\\|", "|")).collect()
}

/// Each as a rule: the tool reads queries there.
fn judge_queries(promtool: &Path, leavings: &Path, queries: &[String]) -> Vec<String> {
    if queries.len() < 20 {
        return vec![format!("only {} queries were found", queries.len())];
    }
    let rules: Vec<Value> = queries.iter().enumerate().map(|(n, query)| json!({"record": format!("query:{n}"), "expr": query})).collect();
    // JSON is YAML.
    let file = json!({"groups": [{"name": "queries", "rules": rules}]}).to_string();
    match fs::write(leavings.join("queries.yml"), file) {
        Ok(()) => tell(promtool, leavings, &["check", "rules", "queries.yml"], ""),
        Err(error) => vec![error.to_string()],
    }
}

/// Names that are asked for and not there, or there and not described.
fn unknown(page: &str, described: &str, asking: &[&str]) -> Vec<String> {
    let families: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).chain(SOMETIMES).collect();
    let is_known = |name: &str| {
        families.contains(name) || SUFFIXES.iter().any(|suffix| name.strip_suffix(suffix).is_some_and(|name| families.contains(name)))
    };
    let asked: BTreeSet<&str> = asking.iter().flat_map(|text| names(text)).collect();
    let described: BTreeSet<&str> = names(described).collect();
    let absent = asked.into_iter().filter(|name| !is_known(name)).map(|name| format!("`{name}` is asked for and not there"));
    let ours = families.iter().filter(|name| name.starts_with("wellspring_") && !described.contains(*name));
    absent.chain(ours.map(|name| format!("`{name}` is not described in docs/metrics.md"))).collect()
}

/// Our names in a text.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("wellspring_") && word.len() > "wellspring_".len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn what_is_asked_for_and_not_there_is_found() {
        let page = "# TYPE wellspring_a_total counter\n# TYPE wellspring_b_seconds histogram\n";
        let described = "`wellspring_a_total` `wellspring_b_seconds`";
        assert!(
            super::unknown(page, &format!("{described} {}", super::SOMETIMES.join(" ")), &["rate(wellspring_b_seconds_bucket[5m])"])
                .is_empty()
        );
        let faults = super::unknown(page, "wellspring_a_total", &["wellspring_a > 1"]);
        assert_eq!(faults[0], "`wellspring_a` is asked for and not there");
        assert!(faults.contains(&"`wellspring_b_seconds` is not described in docs/metrics.md".to_owned()));
    }

    #[test]
    fn queries_are_found_with_their_variables_filled_in() {
        let dashboard = json!({"panels": [{"targets": [{"expr": "rate(a{s=~\"$source\"}[$__rate_interval])"}]}, {"type": "row"}]});
        assert_eq!(super::asked_of_dashboard(&dashboard), ["rate(a{s=~\".*\"}[5m])"]);
        assert_eq!(super::asked_in_docs("| What? | `a{b=~\"c\\|d\"}`, `e` |\n| `no` | question |"), ["a{b=~\"c|d\"}", "e"]);
    }
}
