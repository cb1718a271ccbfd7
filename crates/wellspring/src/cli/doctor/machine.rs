//! What this machine has: config, variables, a zone, a clock.

use jiff::Timestamp;

use super::Finding;
use crate::cli::ADD_A_SOURCE;
use crate::config::Config;

/// No clock that is right shows less.
const EARLIEST: &str = "2025-01-01T00:00:00Z";

/// The config, which could be read, or nobody would ask.
pub(super) fn config(config: &Config) -> Finding {
    let file = config.file.as_ref().map_or_else(|| "no config file".to_owned(), |file| file.display().to_string());
    match (config.sources.len(), &config.file) {
        (0, _) => Finding::warn("config", format!("{file}: no source"), ADD_A_SOURCE),
        (n, None) => Finding::ok("config", format!("{file}: the {n} sources that ship")),
        (1, Some(_)) => Finding::ok("config", format!("{file}: 1 source")),
        (n, Some(_)) => Finding::ok("config", format!("{file}: {n} sources")),
    }
}

/// Which variables of the environment the config names. One that is needed and not set is a bad config.
pub(super) fn variables(config: &Config) -> Option<Finding> {
    // Where `listen` is not written, this one is looked for whether or not anybody uses it.
    let named = || config.variables.iter().filter(|variable| variable.is_set || variable.name != "PORT");
    let list = |is_set| named().filter(|v| v.is_set == is_set).map(|v| v.name.as_str()).collect::<Vec<_>>().join(", ");
    let words = match (list(true), list(false)) {
        (set, missing) if set.is_empty() && missing.is_empty() => return None,
        (set, missing) if missing.is_empty() => format!("{set}: set"),
        (set, missing) if set.is_empty() => format!("{missing}: not set, what needs it is skipped"),
        (set, missing) => format!("{set}: set; {missing}: not set, what needs it is skipped"),
    };
    Some(Finding::ok("variables", words))
}

/// The zone of what clients are shown.
pub(super) fn zone(config: &Config) -> Finding {
    match config.server.timezone.iana_name() {
        Some(name) => Finding::ok("zone", name),
        None if config.server.timezone.is_unknown() => {
            Finding::warn("zone", "this machine does not say which, so UTC is used", "write `timezone` under [server]")
        }
        None => Finding::ok("zone", "the system's"),
    }
}

/// A clock that shows less than when this program was made is wrong, and then certificates seem not to hold yet.
pub(super) fn clock(now: Timestamp, built: Option<Timestamp>) -> Finding {
    let earliest = built.into_iter().chain(EARLIEST.parse().ok()).max();
    let words = format!("{now:.0}");
    match earliest {
        Some(earliest) if now < earliest => {
            let words = format!("{words} is before this program was made ({earliest:.0})");
            Finding::warn("clock", words, "set the clock: certificates and freshness are judged by it")
        }
        _ => Finding::ok("clock", words),
    }
}

/// When the program's file was written.
pub(super) fn built() -> Option<Timestamp> {
    let file = std::env::current_exe().ok()?;
    Timestamp::try_from(file.metadata().ok()?.modified().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_the_program_was_made_is_told() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let told = |now: &str, built: Option<&str>| {
            let Finding { state, words, .. } = clock(at(now), built.map(at));
            format!("{} {words}", state.word())
        };
        insta::assert_snapshot!(
            [
                told("2026-05-01T10:00:00.5Z", Some("2026-04-01T00:00:00Z")),
                told("2026-03-01T10:00:00Z", Some("2026-04-01T00:00:00Z")),
                told("1970-01-01T00:00:07Z", Some("1970-01-01T00:00:00Z")),
                told("1970-01-01T00:00:07Z", None),
            ]
            .join("\n"),
            @"
            ok 2026-05-01T10:00:00Z
            warn 2026-03-01T10:00:00Z is before this program was made (2026-04-01T00:00:00Z)
            warn 1970-01-01T00:00:07Z is before this program was made (2025-01-01T00:00:00Z)
            warn 1970-01-01T00:00:07Z is before this program was made (2025-01-01T00:00:00Z)
            "
        );
    }
}
