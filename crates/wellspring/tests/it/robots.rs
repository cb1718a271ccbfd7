//! robots.txt as others read it: cases of a widely used reader, and files of real sites, kept outside the project.

use serde_json::Value;
use url::{Position, Url};
use wellspring_core::robots::{Robots, Verdict};

use crate::captured::shared;
use crate::support::program::tell;

fn allows(file: &[u8], agent: &str, url: &str) -> bool {
    let url = Url::parse(url).unwrap();
    matches!(Robots::parse(file, agent).verdict(&url[Position::BeforePath..Position::AfterQuery]), Verdict::Allowed)
}

/// One case is decided otherwise, on purpose: it wants `/%62%61%7A` to differ from `/baz`, of which RFC 9309 (2.2.2) says that they are the
/// same.
#[test]
fn cases_are_decided_as_expected() {
    let Some(cases) = shared("data/conformance/robotstxt/cases.json") else { return };
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(cases).unwrap()).unwrap();
    let text = |case: &Value, name: &str| case[name].as_str().unwrap().to_owned();
    let differs = |case: &&Value| {
        let (robots, agent, url) = (text(case, "robots"), text(case, "agent"), text(case, "url"));
        allows(robots.as_bytes(), &agent, &url) != case["allowed"].as_bool().unwrap()
    };
    let differing: Vec<&Value> = cases.iter().filter(differs).collect();
    let as_expected = cases.len() - differing.len();
    tell(&format!("robots.txt: {as_expected} of {} cases as expected", cases.len()));
    let unexpected: Vec<_> = differing.iter().filter(|case| !text(case, "robots").contains("%62%61%7A")).collect();
    assert!(unexpected.is_empty() && differing.len() <= 1 && cases.len() > 50, "{differing:#?}");
}

#[test]
fn files_of_real_sites_are_read() {
    let Some(folder) = shared("data/conformance/protego/robots") else { return };
    let (mut files, mut with_rules, mut with_delay) = (0, 0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = std::fs::read(entry.unwrap().path()).unwrap();
        let robots = Robots::parse(&file, "wellspring");
        // Whatever is cut off, and wherever, the rest is read.
        for part in file.chunks(file.len().div_ceil(7).max(1)) {
            let _ = Robots::parse(part, "wellspring").verdict("/a/b?c=d");
        }
        files += 1;
        with_rules += usize::from(!robots.is_empty());
        with_delay += usize::from(robots.crawl_delay().is_some());
    }
    tell(&format!("robots.txt: {files} real files read, {with_rules} with rules for everyone, {with_delay} with a crawl delay"));
    assert!(files > 100 && with_rules * 10 > files * 7);
}
