//! Six cinemas, each from one TOML file: title, booking address and time of every showing.

use std::process::Command;

use serde_json::Value;

use super::Score;
use super::lab::{self, Lab};

/// The source's name and the captured site.
const CINEMAS: [(&str, &str); 6] = [
    ("castle", "thecastlecinema.com"),
    ("curzon", "curzon.com-soho"),
    ("electric", "electriccinema.co.uk-portobello"),
    ("odeon", "odeon.co.uk-west-end"),
    ("phoenix", "phoenixcinema.co.uk"),
    ("rio", "riocinema.org.uk"),
];

/// When the sites were captured.
const NOW: &str = "2025-01-23T12:00:00Z";

pub(super) fn run(lab: &Lab) -> Result<Vec<Score>, String> {
    CINEMAS.iter().map(|(name, site)| cinema(lab, name, site)).collect()
}

fn cinema(lab: &Lab, name: &str, site: &str) -> Result<Score, String> {
    let site = lab.data("cinema").join(site);
    let source = lab::text(&Lab::own("examples/cinemas").join(name).with_extension("toml"))?;
    let checked = lab.check(&site, &source, &[name, "--now", NOW])?.remove(0);
    if let Some(error) = checked.get("error") {
        return Ok(Score { what: name.to_owned(), got: 0.0, bar: 0.99, cases: 1, wrong: vec![error.to_string()] });
    }
    let actual = lab.folder()?.join("actual.json");
    lab::write(&actual, &checked.to_string())?;
    let scored = Command::new("python3").arg(lab.tool("score.py")).arg(site.join("expected.json")).arg(&actual).output();
    let scored = scored.map_err(|error| format!("python3: {error}"))?;
    let scored: Value = serde_json::from_slice(&scored.stdout).map_err(|error| format!("score.py: {error}"))?;
    let share = |key: &str| scored[key].as_f64().unwrap_or(0.0);
    let (recall, precision) = (share("recall"), share("precision"));
    Ok(Score {
        what: format!("{name}: recall {recall:.4}, precision {precision:.4}"),
        got: recall.min(precision),
        bar: 0.99,
        cases: usize::try_from(scored["expected"].as_u64().unwrap_or(0)).unwrap_or(0),
        wrong: vec![format!("missing {}", scored["missing"]), format!("extra {}", scored["extra"])],
    })
}
