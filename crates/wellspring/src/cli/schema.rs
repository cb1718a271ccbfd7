//! `wellspring schema`: the JSON Schema of the config file.

use std::process::ExitCode;

/// Prints it.
pub(super) fn run() -> ExitCode {
    println!("{:#}", crate::config::schema());
    ExitCode::SUCCESS
}
