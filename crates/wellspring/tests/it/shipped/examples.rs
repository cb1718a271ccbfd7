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

#[test]
fn every_example_loads_and_compiles() {
    let examples = tomls(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples"));
    assert!(examples.len() >= 19, "{examples:?}");
    for example in examples {
        let name = example.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&example).unwrap();
        let shown = |found: Vec<_>| found.iter().map(ToString::to_string).collect::<Vec<String>>().join("\n");
        let config = Config::parse(name, &text, &|_| None).unwrap_or_else(|found| panic!("{}", shown(found)));
        let recipes = app::recipes(&config).unwrap_or_else(|found| panic!("{}", shown(found)));
        let sources: Vec<&str> = recipes.iter().map(|recipe| recipe.spec.name.as_str()).collect();
        assert_eq!(sources, [name.trim_end_matches(".toml")]);
        assert!(text.lines().all(|line| line.len() <= 160), "{name} has a line that nobody reads to its end");
    }
}
