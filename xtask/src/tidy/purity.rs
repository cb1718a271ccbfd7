//! What decides and what transforms do no IO: it can fail for no reason outside its arguments.

use super::finding;
use super::paths::named;
use super::tree::File;

/// Paths that touch the world. Tests may: they read fixtures.
const WORLD: &[&str] = &[
    "tokio",
    "reqwest",
    "rusqlite",
    "hyper",
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

fn check(file: &File) -> Vec<String> {
    if file.is_test() || !["wellspring-core", "wellspring-extract"].iter().any(|name| file.within(name).is_some()) {
        return Vec::new();
    }
    let touches = |path: &super::paths::Named| WORLD.iter().any(|world| path.is_under(world));
    let paths = if file.is_rust() { named(file) } else { Vec::new() };
    paths
        .iter()
        .filter(|path| !path.in_test && touches(path))
        .map(|path| finding(file, path.line, &format!("`{}` touches the world; take what it gives as an argument", path.text())))
        .collect()
}

#[test]
fn deciding_and_transforming_touch_nothing() {
    super::tree_passes(check);
}

#[test]
fn a_touch_is_found() {
    let text =
        "use std::{fs, time::Duration};\nuse std::time;\nfn f() { time::Instant::now(); }\n// std::env\nfn g() { std::env::var(\"X\"); }
#[cfg(test)]\nmod tests { use std::fs; }";
    super::plants(check, "crates/wellspring-core/src/key.rs", text, &[1, 3, 5]);
    super::plants(check, "crates/wellspring-extract/src/html.rs", "async fn f() { tokio::spawn(g()); }", &[1]);
    super::plants(check, "crates/wellspring-extract/src/html.rs", "use std::time::*;\nuse std::time::Duration;\nuse super::*;", &[1]);
    super::plants(check, "crates/wellspring/src/store/sqlite.rs", "use std::fs;", &[]);
}
