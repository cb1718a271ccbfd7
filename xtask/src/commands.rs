//! The commands: which there are, and which was meant.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::{bench, book, deep, dist, fuzz, lint_http, lint_metrics, lint_packaging, lint_page, score, soak, test, trust};

/// The exit code for a command line that makes no sense.
const MISUSED: u8 = 2;

struct Command {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<ExitCode, String>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "test",
        usage: "test [FILTER]",
        about: "what CI runs: formatting, lints, docs, tidiness, every test; with FILTER only the tests whose names contain it",
        run: test::run,
    },
    Command {
        name: "deep",
        usage: "deep [PART …]",
        about: "all that takes long, by hand: the promises in full, fuzzers, dependencies, benchmarks; a line each",
        run: deep::run,
    },
    Command {
        name: "fuzz",
        usage: "fuzz [TARGET …]",
        about: "the fuzzers of `fuzz/`, five minutes each (--seconds N); needs nightly and cargo-fuzz",
        run: fuzz::run,
    },
    Command {
        name: "dependencies",
        usage: "dependencies",
        about: "licences, bans, sources and advisories of all dependencies, by cargo-deny",
        run: deep::dependencies,
    },
    Command {
        name: "bench",
        usage: "bench extract",
        about: "speed beside peers in one run: pages a second beside parsel and BeautifulSoup",
        run: bench::run,
    },
    Command {
        name: "bench",
        usage: "bench hit",
        about: "what an answer costs, beside a bare epoll loop, nginx and Varnish, against the bars",
        run: bench::run,
    },
    Command {
        name: "bench",
        usage: "bench render",
        about: "pages in this machine's browser: time, memory, and what is left of them, against the bars",
        run: bench::run,
    },
    Command {
        name: "bench",
        usage: "bench scale",
        about: "a server with 1, 10,000 and 100,000 keys: start, memory, what a hit and a key more cost, against the bars",
        run: bench::run,
    },
    Command {
        name: "score",
        usage: "score [SET …]",
        about: "real captured input through the program, compared with what should come out; needs ../shared",
        run: score::run,
    },
    Command {
        name: "lint-http",
        usage: "lint-http",
        about: "the server's HTTP judged by others: REDbot, Schemathesis, readers of feeds, calendars and CSV",
        run: lint_http::run,
    },
    Command {
        name: "lint-metrics",
        usage: "lint-metrics",
        about: "the metrics, the alerts, the dashboard and the queries in the docs, judged by promtool",
        run: lint_metrics::run,
    },
    Command {
        name: "lint-packaging",
        usage: "lint-packaging",
        about: "Dockerfile, compose file and systemd units judged by hadolint, the Compose schema and systemd-analyze",
        run: lint_packaging::run,
    },
    Command {
        name: "trust",
        usage: "trust [T3 …] [--long]",
        about: "what is promised under faults and attacks, a line each, held or not; with --long the full numbers, latencies judged",
        run: trust::run,
    },
    Command {
        name: "soak",
        usage: "soak [--minutes N]",
        about: "an hour of readers and failing upstreams: memory, files, tasks and the store must stay flat; --picture renews the one in docs",
        run: soak::run,
    },
    Command {
        name: "book",
        usage: "book",
        about: "the documents as a book, into target/book; builds mdBook once where it is not there",
        run: book::run,
    },
    Command {
        name: "dist",
        usage: "dist",
        about: "the program as it is given away: built, judged by its size (25 MB), packed into target/dist",
        run: dist::run,
    },
    Command {
        name: "lint-page",
        usage: "lint-page",
        about: "the pages in a real browser: states, live changes, refreshing, policy, accessibility; needs node and npm",
        run: lint_page::run,
    },
    Command {
        name: "look",
        usage: "look [DIR]",
        about: "pictures of the pages, at phone and desktop width, light and dark",
        run: lint_page::look,
    },
    Command { name: "help", usage: "help", about: "this list", run: |_| Ok(help()) },
];

/// Runs what the words ask for.
pub(crate) fn dispatch(words: &[String]) -> ExitCode {
    let Some((name, rest)) = words.split_first() else {
        eprint!("{}", listing());
        return ExitCode::from(MISUSED);
    };
    if ["-h", "--help"].contains(&name.as_str()) || rest.iter().any(|word| word == "-h" || word == "--help") {
        return help();
    }
    let outcome = match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(rest),
        None => Err(unknown(name)),
    };
    outcome.unwrap_or_else(|complaint| {
        eprintln!("{complaint}");
        ExitCode::from(MISUSED)
    })
}

fn help() -> ExitCode {
    print!("{}", listing());
    ExitCode::SUCCESS
}

fn listing() -> String {
    let mut text = String::from("Usage: cargo xtask COMMAND\n\n");
    for command in COMMANDS {
        let _ = writeln!(text, "  {:<16} {}", command.usage, command.about);
    }
    text
}

fn unknown(name: &str) -> String {
    let nearest = COMMANDS.iter().map(|command| command.name).min_by_key(|known| distance(name, known));
    match nearest.filter(|known| distance(name, known) <= 2) {
        Some(known) => format!("there is no command `{name}`; did you mean `cargo xtask {known}`?"),
        None => format!("there is no command `{name}`\n\n{}", listing()),
    }
}

/// How many letters must be changed, added or dropped to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, unknown};

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("test", "test"), 0);
        assert_eq!(distance("tset", "test"), 2);
        assert_eq!(distance("tests", "test"), 1);
        assert_eq!(distance("", "help"), 4);
    }

    #[test]
    fn a_slip_names_the_nearest_command_and_nonsense_gets_the_list() {
        assert_eq!(unknown("tets"), "there is no command `tets`; did you mean `cargo xtask test`?");
        assert!(unknown("frobnicate").contains("test [FILTER]"));
    }
}
