//! What each crate may depend on, and that the workspace alone states versions and lints.

use super::finding;
use super::tokens::{Kind, Token, tokens};
use super::tree::{self, File};

/// All that deciding needs.
const CORE: &[&str] = &["jiff", "regex", "schemars", "serde", "serde_json", "sha2", "strsim", "thiserror", "toml", "url"];

/// Crates that touch the world, by name or by the part before the first `-` or `_`.
const WORLD: &[&str] = &[
    "axum", "curl", "h2", "hyper", "mio", "notify", "redis", "reqwest", "rusqlite", "rustix", "rustls", "socket2", "tempfile", "tokio",
    "tower", "ureq",
];

/// What every package takes from the workspace.
const INHERITED: &[&str] = &["edition", "license", "publish", "rust-version", "version"];

/// One `key = value` of a manifest.
struct Entry<'a> {
    section: &'a str,
    key: &'a str,
    value: &'a str,
    line: usize,
}

fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut section = "";
    let mut entries = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.trim();
        if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim_matches(['[', ']']).trim();
        } else if let Some((key, value)) = content.split_once('=').filter(|_| !content.starts_with('#')) {
            entries.push(Entry { section, key: key.trim(), value: value.trim(), line });
        }
    }
    entries
}

/// The crate that an entry depends on, and the kind of dependency: `dependencies`, `dev-dependencies`, ….
fn dependency<'a>(entry: &Entry<'a>) -> Option<(&'a str, &'a str)> {
    let kinds = ["build-dependencies", "dev-dependencies", "dependencies"];
    let kind = |name: &'a str| name.rsplit('.').next().filter(|last| kinds.contains(last));
    if let Some(kind) = kind(entry.section) {
        return Some((entry.key.split('.').next()?, kind));
    }
    let (outer, name) = entry.section.rsplit_once('.')?;
    kind(outer).map(|kind| (name, kind))
}

fn check(file: &File) -> Vec<String> {
    let Some(folder) = file.path.strip_suffix("/Cargo.toml").filter(|folder| *folder == "xtask" || folder.starts_with("crates/")) else {
        return Vec::new();
    };
    let entries = entries(&file.text);
    let mut findings = Vec::new();
    for entry in &entries {
        let Some((name, kind)) = dependency(entry) else { continue };
        let inherits = entry.key.ends_with("workspace") && entry.value == "true" || entry.value.contains("workspace = true");
        let is_extra = entry.section.ends_with(&format!(".{name}")) && ["features", "optional"].contains(&entry.key);
        if !inherits && !is_extra {
            findings.push(finding(file, entry.line, &format!("`{name}` is not taken from the workspace: write `{name}.workspace = true`")));
        }
        let family = name.split(['-', '_']).next().unwrap_or(name);
        let is_world = WORLD.contains(&family) || name == "wellspring";
        if kind != "dev-dependencies" {
            if folder == "crates/wellspring-core" && !CORE.contains(&name) {
                findings.push(finding(file, entry.line, &format!("deciding does not need `{name}`")));
            }
            if folder == "crates/wellspring-extract" && is_world {
                findings.push(finding(file, entry.line, &format!("transforming does no IO; `{name}` does")));
            }
        }
    }
    let states =
        |section: &str, key: &str| entries.iter().any(|entry| entry.section == section && entry.key == key && entry.value == "true");
    for key in INHERITED.iter().filter(|key| !states("package", &format!("{key}.workspace"))) {
        findings.push(finding(file, 1, &format!("write `{key}.workspace = true` under [package]")));
    }
    if !states("lints", "workspace") {
        findings.push(finding(file, 1, "write `workspace = true` under [lints]"));
    }
    findings
}

/// What is listed and named nowhere: by a crate in its code (what it needs beside its tests outside of them), by the workspace in a
/// crate's manifest.
fn unused(files: &[File]) -> Vec<String> {
    let manifests: Vec<(&File, Vec<Entry<'_>>)> =
        files.iter().filter(|file| file.name() == "Cargo.toml").map(|file| (file, entries(&file.text))).collect();
    let mut findings = Vec::new();
    for (manifest, entries) in &manifests {
        let folder = manifest.path.trim_end_matches("Cargo.toml");
        for entry in entries {
            let Some((name, kind)) = dependency(entry) else { continue };
            let is_used = if folder.is_empty() {
                manifests.iter().any(|(member, listed)| {
                    member.path != manifest.path && listed.iter().filter_map(dependency).any(|(other, _)| other == name)
                })
            } else {
                let code = files.iter().filter(|file| file.is_rust() && file.path.starts_with(folder));
                code.into_iter().any(|file| names(file, &name.replace('-', "_"), kind == "dev-dependencies"))
            };
            if !is_used {
                findings.push(finding(manifest, entry.line, &format!("nothing uses `{name}`")));
            }
        }
    }
    findings
}

/// Whether a file names a crate: before a `::`, or whole after `use`.
fn names(file: &File, name: &str, tests_count: bool) -> bool {
    if file.is_test() && !tests_count {
        return false;
    }
    let tokens = tokens(&file.text);
    let is_named = |at: usize, token: &Token<'_>| {
        token.word() == Some(name)
            && (tests_count || !token.in_test)
            && (tokens.get(at + 1).is_some_and(|next| next.kind == Kind::Separator) || (at > 0 && tokens[at - 1].word() == Some("use")))
    };
    tokens.iter().enumerate().any(|(at, token)| is_named(at, token))
}

#[test]
fn nothing_is_listed_that_nothing_uses() {
    let findings = unused(&tree::files());
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn what_nothing_uses_is_found() {
    let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
    let findings = unused(&[
        file("Cargo.toml", "[workspace.dependencies]\nurl = \"2\"\nbytes = \"1\"\ninsta = \"1\"\nhttp-body = \"1\""),
        file(
            "crates/a/Cargo.toml",
            "[dependencies]\nurl.workspace = true\nhttp-body.workspace = true\n[dev-dependencies]\ninsta.workspace = true",
        ),
        file("crates/a/src/lib.rs", "use http_body;\n// url::Url\n#[cfg(test)]\nmod tests { use url::Url; }"),
        file("crates/a/tests/it/main.rs", "fn f() { insta::assert_snapshot!(\"\"); }"),
    ]);
    assert_eq!(findings, ["Cargo.toml:3: nothing uses `bytes`", "crates/a/Cargo.toml:2: nothing uses `url`"]);
}

#[test]
fn manifests_take_everything_from_the_workspace_and_keep_to_their_crate() {
    super::tree_passes(check);
}

#[test]
fn a_manifest_that_strays_is_found() {
    let head = "[package]\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n[lints]\nworkspace = true\n";
    let check =
        |name: &str, rest: &str, lines: &[usize]| super::plants(check, &format!("{name}/Cargo.toml"), &format!("{head}{rest}"), lines);
    check("crates/wellspring", "[dependencies]\ntokio.workspace = true\nurl = { workspace = true, features = [\"serde\"] }", &[]);
    check("crates/wellspring", "[dependencies]\ntokio = \"1\"\n[target.'cfg(unix)'.dependencies]\nnix = { version = \"1\" }", &[10, 12]);
    check("crates/wellspring", "[dependencies.url]\nversion = \"2\"\nfeatures = []", &[10]);
    check(
        "crates/wellspring-core",
        "[dependencies]\nserde.workspace = true\nbytes.workspace = true\n[dev-dependencies]\ninsta.workspace = true",
        &[11],
    );
    check(
        "crates/wellspring-extract",
        "[dependencies]\nscraper.workspace = true\ntokio-stream.workspace = true\nwellspring.workspace = true",
        &[11, 12],
    );
    super::plants(super::manifests::check, "xtask/Cargo.toml", "[package]\nversion = \"1\"", &[1; 6]);
}
