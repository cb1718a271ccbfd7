//! The examples that people start from: each loads, its rules compile, and its source is called as its file.

use std::fs;
use std::path::{Path, PathBuf};

use wellspring::app;
use wellspring::config::Config;

fn tomls(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tomls(&path));
        } else if path.extension().is_some_and(|extension| extension == "toml") {
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
    for (name, text) in [
        ("README.md", include_str!("../../../../../README.md")),
        ("docs/config.md", include_str!("../../../../../docs/config.md")),
        ("docs/formats.md", include_str!("../../../../../docs/formats.md")),
        ("docs/notify.md", include_str!("../../../../../docs/notify.md")),
        ("docs/check.md", include_str!("../../../../../docs/check.md")),
    ] {
        let examples = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
        let shown: usize = examples.map(|example| sources(name, example).len()).sum();
        assert!(shown >= 1, "{name} shows {shown} sources");
    }
}

#[test]
fn every_example_loads_and_compiles() {
    let examples = tomls(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples"));
    assert!(examples.len() >= 21, "{examples:?}");
    for example in examples {
        let name = example.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&example).unwrap();
        assert_eq!(sources(name, &text), [name.trim_end_matches(".toml")]);
        assert!(text.lines().all(|line| line.len() <= 160), "{name} has a line that nobody reads to its end");
    }
}
