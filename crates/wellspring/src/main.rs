//! The `wellspring` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    wellspring::cli::main()
}
