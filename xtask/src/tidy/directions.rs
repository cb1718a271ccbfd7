//! Who may import whom inside `wellspring`: `http → engine → {fetch, store}`, never back, never sideways.

use super::finding;
use super::paths::named;
use super::tree::File;

/// Rooms that anyone may enter and that enter no other.
const BASE: &[&str] = &["clock", "error", "lifecycle"];

/// Every room, and which others it may import besides the base ones. Nobody but `app` and `cli` reads `config`: what a
/// room can be told is a struct of its own, which `app` fills in.
const ROOMS: &[(&str, &[&str])] = &[
    ("main", ANY),
    ("lib", ANY),
    ("app", ANY),
    ("cli", ANY),
    ("fuzzing", ANY),
    ("http", &["engine", "fetch", "store"]),
    ("engine", &["fetch", "store"]),
    ("notify", &["engine", "fetch", "store"]),
    ("fetch", &[]),
    ("store", &[]),
    ("config", &[]),
    ("clock", &[]),
    ("error", &[]),
    ("lifecycle", &[]),
];

const ANY: &[&str] = &["app", "cli", "config", "engine", "fetch", "http", "notify", "store"];

fn check(file: &File) -> Vec<String> {
    let Some(inside) = file.within("wellspring").filter(|_| file.is_rust()) else { return Vec::new() };
    let room = inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs");
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![finding(
            file,
            1,
            &format!("`{room}` is no room that ARCHITECTURE.md knows; give it a place there and in {}", file!()),
        )];
    };
    let mut findings = Vec::new();
    for path in named(file).iter().filter(|path| path.is_under("crate") || path.is_under("wellspring")) {
        let Some(target) = path.segments.get(1).map(String::as_str) else { continue };
        if target != room && !BASE.contains(&target) && !allowed.contains(&target) {
            findings.push(finding(file, path.line, &format!("`{room}` may not import `{}`", path.text())));
        }
    }
    findings
}

#[test]
fn imports_point_downward() {
    super::tree_passes(check);
}

#[test]
fn an_import_upward_or_sideways_is_found() {
    let check = |path, text, lines: &[usize]| super::plants(check, path, text, lines);
    check("crates/wellspring/src/fetch/http.rs", "use super::guard;\nuse crate::store::Lease;\nuse crate::{clock, engine};", &[2, 3]);
    check("crates/wellspring/src/store/mod.rs", "fn f() {\n super::fetch::g() }", &[2]);
    check("crates/wellspring/src/engine/queue.rs", "use crate::{fetch, store, lifecycle, error, clock};\nuse crate::http::render;", &[2]);
    check("crates/wellspring/src/engine/mod.rs", "use crate::config::Config;", &[1]);
    check("crates/wellspring/src/http/read.rs", "use crate::engine::Engine;\nuse crate::cli::serve;\nuse crate::app;", &[2, 3]);
    check("crates/wellspring/src/clock.rs", "// crate::store\nuse crate::store::Lease;", &[2]);
    check("crates/wellspring/src/app.rs", "use crate::{cli, config, engine, fetch, http, store};", &[]);
    check("crates/wellspring/src/gadgets/mod.rs", "", &[1]);
    check("crates/wellspring/tests/it/main.rs", "use wellspring::store;", &[]);
}
