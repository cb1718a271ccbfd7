//! What is depended on: deny.toml, held to without the tool that it is written for, which takes minutes to build. What needs the
//! network (advisories) and what reads the texts of licences is left to `cargo deny`, in `cargo xtask deep`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde::Deserialize;

use crate::steps::root;

/// As much of deny.toml as is held to here.
#[derive(Debug, Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Named>,
    skip: Vec<Named>,
}

/// A crate, or with `@` some versions of one.
#[derive(Debug, Deserialize)]
struct Named {
    #[serde(rename = "crate")]
    krate: String,
    reason: String,
}

/// A line of `cargo tree`.
#[derive(Debug, PartialEq, Eq)]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    /// Where it comes from, where that is not crates.io.
    from: Option<&'a str>,
    license: &'a str,
}

impl<'a> Package<'a> {
    /// Reads `name v1.2.3 (proc-macro) (/path)|licence`.
    fn read(line: &'a str) -> Option<Self> {
        let (package, license) = line.split_once('|')?;
        let mut words = package.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        let from = words.find(|word| *word != "(proc-macro)" && *word != "(*)");
        Some(Self { name, version, from, license: license.trim_end_matches(" (*)") })
    }
}

/// Whether an SPDX expression, or one with the slash of old, can be lived with: AND binds closer than OR.
fn is_allowed(expression: &str, allow: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    if let Some(open) = expression.find('(') {
        let Some(close) = expression[open..].find(')').map(|at| open + at) else { return false };
        let inner = if is_allowed(&expression[open + 1..close], allow) { "yes" } else { "no" };
        return is_allowed(&format!("{}{inner}{}", &expression[..open], &expression[close + 1..]), allow);
    }
    let fits = |license: &str| license == "yes" || allow.contains(license);
    expression.split(" OR ").any(|all| all.split(" AND ").all(|license| fits(license.trim())))
}

fn check(deny: &Deny, tree: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let Some(package) = Package::read(line) else {
            findings.push(format!("not understood: {line}"));
            continue;
        };
        versions.entry(package.name).or_default().insert(package.version);
        let ours = package.from.is_some_and(|from| from.starts_with("(/"));
        if package.from.is_some() && !ours {
            findings.push(format!("{}: from {}, not from crates.io", package.name, package.from.unwrap_or_default()));
        }
        if !is_allowed(package.license, &deny.licenses.allow) {
            findings.push(format!("{} {}: its licence `{}` is not in deny.toml", package.name, package.version, package.license));
        }
        if let Some(banned) = deny.bans.deny.iter().find(|banned| banned.krate == package.name) {
            findings.push(format!("{}: banned, for {}", package.name, banned.reason));
        }
    }
    for (name, versions) in &versions {
        let told = |version: &&&str| {
            let skipped =
                |named: &Named| named.krate.split_once('@').is_some_and(|(krate, begins)| krate == *name && is_of(version, begins));
            deny.bans.skip.iter().any(skipped)
        };
        if versions.iter().filter(|version| !told(version)).count() > 1 {
            findings.push(format!("{name}: {versions:?}; say in deny.toml why there are two"));
        }
    }
    for Named { krate, reason } in deny.bans.skip.iter().chain(&deny.bans.deny) {
        let is_there = krate.split_once('@').is_none_or(|(name, begins)| {
            versions.get(name).is_some_and(|versions| versions.len() > 1 && versions.iter().any(|version| is_of(version, begins)))
        });
        if !is_there || reason.is_empty() {
            findings.push(format!("{krate}: there are no two of it any more, or no reason is given"));
        }
    }
    findings
}

fn is_of(version: &str, begins: &str) -> bool {
    version.strip_prefix(begins).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[test]
fn dependencies_are_licensed_wanted_and_from_one_place() {
    let deny: Deny = toml::from_str(&fs::read_to_string(root().join("deny.toml")).unwrap()).unwrap();
    let words = ["tree", "--workspace", "--locked", "--offline", "--target", "all", "--prefix", "none", "--format", "{p}|{l}"];
    let tree = Command::new("cargo").args(words).current_dir(root()).output().unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.lines().count() > 100 && tree.contains("\ntokio v"), "{tree}");
    let findings: BTreeSet<String> = check(&deny, &tree).into_iter().collect();
    assert!(findings.is_empty(), "\n{}\n", findings.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_may_not_be_depended_on_is_found() {
    let deny: Deny = toml::from_str(
        "licenses.allow = ['MIT', 'ISC']\n[bans]\ndeny = [{ crate = 'openssl', reason = 'rustls' }]\n\
         skip = [{ crate = 'syn@1', reason = 'old' }, { crate = 'gone@1', reason = 'was' }]",
    )
    .unwrap();
    let tree = "a v1.0.0 (/home/a)|MIT\nb v1.0.0|GPL-3.0\nc v0.1.0 (proc-macro)|Apache-2.0/MIT\nd v1.0.0 (https://git.example/d#1)|MIT\n\
        openssl v0.1.0|MIT\nsyn v1.9.0|MIT\nsyn v2.0.0|MIT\ne v1.0.0|ISC\ne v2.0.0|(GPL-2.0 OR ISC) AND MIT (*)";
    assert_eq!(
        check(&deny, tree),
        [
            "b 1.0.0: its licence `GPL-3.0` is not in deny.toml",
            "d: from (https://git.example/d#1), not from crates.io",
            "openssl: banned, for rustls",
            "e: {\"1.0.0\", \"2.0.0\"}; say in deny.toml why there are two",
            "gone@1: there are no two of it any more, or no reason is given",
        ]
    );
    for (expression, expected) in [("MIT AND GPL-2.0", false), ("GPL-2.0 OR MIT AND ISC", true), ("MIT AND (X OR Y)", false), ("", false)] {
        assert_eq!(is_allowed(expression, &deny.licenses.allow), expected, "{expression}");
    }
}
