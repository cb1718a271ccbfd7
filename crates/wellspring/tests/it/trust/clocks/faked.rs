//! The program itself by another clock: libfaketime stands between it and the system's, and steps while it runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use wellspring::clock::{Clock as _, SystemClock};

use super::senseless;
use crate::support::origin::{Answer, Origin};
use crate::support::program::{Program, command, tell, write_config};
use crate::support::tix;
use crate::trust::judge;

/// Where Debian's package `faketime` puts it.
fn library() -> Option<PathBuf> {
    let folders = ["x86_64-linux-gnu", "aarch64-linux-gnu", "."].map(|part| Path::new("/usr/lib").join(part).join("faketime"));
    // The one for programs of many threads.
    let names = ["libfaketimeMT.so.1", "libfaketime.so.1"];
    folders.iter().flat_map(|folder| names.map(|name| folder.join(name))).find(|path| path.exists())
}

const SOURCES: [&str; 3] = ["demanded", "always", "daily"];
/// Seconds from the right time, in the order in which a clock goes there; 1970 is meant by the least number.
const STEPS: [(&str, i64); 7] = [
    ("+1 h", 3_600),
    ("-1 h", -3_600),
    ("+1 d", 86_400),
    ("-1 d", -86_400),
    ("2038", 400_000_000),
    ("1970", i64::MIN),
    ("2106", 2_600_000_000),
];

/// Says by how much the clock is off.
fn set(file: &Path, by: i64) {
    // Replaced in one move: half of it must not be read.
    let next = file.with_extension("next");
    std::fs::write(&next, format!("{by:+}")).unwrap();
    std::fs::rename(next, file).unwrap();
}

fn serve(folder: &Path, library: &Path, offset: &Path) -> Program {
    let mut command = command(folder);
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Program::start(command.args(["serve", "--log", "json"]))
}

/// Waits until its clock shows what it is to, by the `Date` of an answer of either way, which is read once a second.
async fn shows(server: &Program, by: i64, path: &str) -> bool {
    let shown = async {
        loop {
            let reply = server.get(path).await;
            let date = jiff::fmt::rfc2822::parse(reply.header("date")).unwrap().timestamp().as_second();
            if (date - (SystemClock.now().wall.as_second() + by)).abs() < 60 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), shown).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_by_a_clock_that_steps() {
    let Some(library) = library() else {
        tell("skipped: there is no libfaketime");
        return;
    };
    let (origin, folder) = (Origin::start().await, TempDir::new().unwrap());
    let offset = folder.path().join("offset");
    let mut toml = "[server]\nlisten = \"127.0.0.1:0\"\n[fetch]\nrobots = false\nallow_private = true\n".to_owned();
    for source in SOURCES {
        origin.script_rising(&format!("/{source}"), |_, number| Answer::html(tix::page(&["Dune", &format!("Film {number}")])));
        let lines = match source {
            "daily" => "fresh_until = \"00:00 UTC\"",
            "always" => "fresh_for = \"2h\"\nrefresh = \"always\"\nhttp_cache = \"shared\"",
            _ => "fresh_for = \"2h\"",
        };
        toml += &tix::source(source, &origin, &format!("/{source}"), &format!("{lines}\nreport_age = true\nmin_interval = \"0s\""));
    }
    write_config(folder.path(), &toml);
    set(&offset, 0);
    let (mut wrong, mut worst, mut cases) = (Vec::new(), 0, 0);
    let mut server = serve(folder.path(), &library, &offset);
    for source in SOURCES {
        server.until_fresh(source).await;
    }
    for (step, by) in STEPS {
        let by = if by == i64::MIN { 60 - SystemClock.now().wall.as_second() } else { by };
        for restarts in [false, true] {
            if restarts {
                // By the right clock until now, by the wrong one from the first moment on.
                set(&offset, 0);
                for source in SOURCES {
                    server.post(&format!("/api/{source}/refresh")).await;
                }
            }
            let counts = SOURCES.map(|source| origin.count(&format!("/{source}")));
            if restarts {
                server.kill();
                set(&offset, by);
                server = serve(folder.path(), &library, &offset);
            } else {
                set(&offset, by);
            }
            for path in ["/health", "/api/demanded"] {
                if !shows(&server, by, path).await {
                    wrong.push(format!("{step}: the `Date` of {path} does not move"));
                }
            }
            for source in SOURCES {
                let path = format!("/api/{source}");
                wrong.extend(senseless(&format!("{step}: {source}"), &server.get(&path).await));
                server.until_fresh(source).await;
                wrong.extend(senseless(&format!("{step}: {source}"), &server.get(&path).await));
                let extra = origin.count(&path[4..]) - counts[SOURCES.iter().position(|other| *other == source).unwrap()];
                (worst, cases) = (worst.max(extra), cases + 1);
                // A forced one by this clock is served at once and tells this clock's time.
                let forced = server.post(&format!("{path}/refresh")).await;
                wrong.extend(senseless(&format!("{step}: {source} forced"), &forced));
                let fetched_at: Timestamp = forced.json()["fetched_at"].as_str().unwrap().parse().unwrap();
                if (fetched_at.as_second() - SystemClock.now().wall.as_second() - by).abs() > 60 {
                    wrong.push(format!("{step}: {source} was fetched at {fetched_at}"));
                }
            }
        }
    }
    if server.log().iter().any(|line| line.contains("panicked") || line.contains("\"ERROR\"")) {
        wrong.push("the log has an error".to_owned());
    }
    wrong.iter().take(20).for_each(|wrong| println!("{wrong}"));
    let figure = format!("{cases} cases, {worst} more fetches of a source at most, {} wrong", wrong.len());
    judge("T13", "the program under faketime", &figure, "at most 1, no age below 0", worst <= 1 && wrong.is_empty());
}
