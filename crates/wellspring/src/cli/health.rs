//! `wellspring health`: whether the server answers, for a container's or a supervisor's check.

use std::path::Path;
use std::process::ExitCode;

use http::{Method, StatusCode};
use url::Url;

use super::{client, output, runtime};
use crate::config::Config;

/// Asks `/health`. Exit code 1 where nobody answers, or another.
pub(super) fn run(config: Option<&Path>, server: Option<&Url>) -> ExitCode {
    // A config that has become wrong is no illness: the server goes on with the one that it has. Where it listens is then a guess.
    let config = match Config::load(config).or_else(|_| Config::bare()) {
        Ok(config) => config,
        Err(found) => {
            for diagnostic in found {
                eprintln!("{diagnostic}");
            }
            return ExitCode::FAILURE;
        }
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    match runtime.block_on(client::ask_within(client::GLANCE, &config, server, Method::GET, "/health")) {
        Ok((StatusCode::OK, answer)) if answer["status"] == "ok" => output::print("ok\n"),
        Ok((status, _)) => {
            eprintln!("error: the server answered {status} to /health");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
