//! Logs: people's words on a terminal, JSON where a machine reads.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use super::LogFormat;

/// Starts logging to standard error. A server tells what it does; other commands tell only what goes wrong.
pub(super) fn init(format: Option<LogFormat>, serves: bool) {
    let level = if serves { "info" } else { "warn" };
    let filter = EnvFilter::new(format!("warn,wellspring={level}"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A line that cannot be written is lost. To say so on standard error, which is what cannot be written, would be a panic: a
    // full disk under a redirected log would end the server.
    let builder = builder.log_internal_errors(false);
    match format {
        Some(LogFormat::Json) => builder.json().flatten_event(true).init(),
        // On a terminal by default, unless `NO_COLOR` says otherwise.
        _ if std::io::stderr().is_terminal() => builder.init(),
        _ => builder.with_ansi(false).init(),
    }
}
