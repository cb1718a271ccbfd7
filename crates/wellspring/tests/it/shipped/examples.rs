//! The examples that people start from: each loads, its rules compile, and its source is called as its file.

use std::fs;
use std::path::{Path, PathBuf};

use wellspring::app;
use wellspring::config::Config;

use crate::support::program::{run, write_config};

fn files(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, kind));
        } else if path.extension().is_some_and(|extension| extension == kind) {
            found.push(path);
        }
    }
    found
}

/// The sources of a config, whose rules compile.
fn sources(name: &str, text: &str) -> Vec<String> {
    let shown = |found: Vec<_>| found.iter().map(ToString::to_string).collect::<Vec<String>>().join("\n");
    let secret = |variable: &str| match variable {
        "WELLSPRING_TOKEN" | "HARBOUR_KEY" | "TOKEN" => Some("t0ken".to_owned()),
        "SLACK_WEBHOOK" => Some("https://hooks.example/t0ken".to_owned()),
        _ => None,
    };
    let config = Config::parse(name, text, &secret).unwrap_or_else(|found| panic!("{}", shown(found)));
    let recipes = app::recipes(&config).unwrap_or_else(|found| panic!("{}", shown(found)));
    recipes.iter().map(|recipe| recipe.spec.name.to_string()).collect()
}

#[test]
fn what_the_documents_show_compiles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut showing = Vec::new();
    for document in files(&root.join("docs"), "md").into_iter().chain([root.join("README.md")]) {
        let name = document.strip_prefix(&root).unwrap().display().to_string();
        let text = fs::read_to_string(&document).unwrap();
        let shown: usize = blocks(&text, "toml").iter().map(|example| sources(&name, example).len()).sum();
        showing.extend((shown > 0).then_some(name));
    }
    for name in [
        "README.md",
        "docs/README.md",
        "docs/config.md",
        "docs/formats.md",
        "docs/check.md",
        "docs/notify.md",
        "docs/tutorial.md",
        "docs/recipes/proxies.md",
    ] {
        assert!(showing.iter().any(|shows| shows == name), "{name} shows no source; there are some in {showing:?}");
    }
}

/// What stands in a document between fences of this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_tutorial_gives_what_it_says() {
    let text = include_str!("../../../../../docs/tutorial.md");
    let site = blocks(text, "sh")[0].split_once("<<'END'\n").unwrap().1.split_once("END\n").unwrap().0;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("site.html"), site).unwrap();
    let configs: Vec<_> = blocks(text, "toml").into_iter().filter(|config| config.contains("[source.lantern]")).collect();
    assert_eq!(configs.len(), 2, "at first, and at last");
    for (config, said) in configs.into_iter().zip(["seats  0 found  ← in no row", "at least 3 expected"]) {
        write_config(folder.path(), config);
        let output = run(folder.path(), &["check", "lantern", "--input", "site.html"]);
        let words = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && words.contains("passed: 3 items") && words.contains(said), "{words}");
    }
}

#[test]
fn every_example_loads_and_compiles() {
    let examples = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples"), "toml");
    assert!(examples.len() >= 21, "{examples:?}");
    for example in examples {
        let name = example.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&example).unwrap();
        assert_eq!(sources(name, &text), [name.trim_end_matches(".toml")]);
        assert!(text.lines().all(|line| line.len() <= 160), "{name} has a line that nobody reads to its end");
    }
}
