//! What a person or CI runs on this repository. `cargo xtask help` lists it.

mod bench;
mod book;
mod commands;
mod deep;
mod dist;
mod fuzz;
mod lint_http;
mod lint_metrics;
mod lint_packaging;
mod lint_page;
mod python;
mod report;
mod score;
mod shim;
mod soak;
mod steps;
mod test;
#[cfg(test)]
mod tidy;
mod tools;
mod trust;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    commands::dispatch(&words)
}
