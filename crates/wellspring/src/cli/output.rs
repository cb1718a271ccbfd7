//! What commands print for whoever asked.

use std::io::{ErrorKind, Write as _, stdout};
use std::process::ExitCode;

/// Prints to standard output. A reader that stops early (`| head`) has read enough: that is no failure.
pub(super) fn print(text: impl AsRef<[u8]>) -> ExitCode {
    let mut out = stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write to standard output: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
