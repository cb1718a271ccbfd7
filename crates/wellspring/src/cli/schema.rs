//! `wellspring schema`: the JSON Schema of the config file.

use std::process::ExitCode;

use super::output;

/// Prints it.
pub(super) fn run() -> ExitCode {
    output::print(format!("{:#}\n", crate::config::schema()))
}
