//! Reloads while many read: sources that stay, that come and go, and that change.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::client::Connection;
use crate::support::origin::Origin;
use crate::support::program::{Program, write_config};
use crate::support::tix;
use crate::trust::{judge, long};

const READERS: usize = 100;
/// How many there are of each kind.
const EACH: usize = 4;

/// The config of one round: those that stay, those that are there every other time, and those that read by other rules each time.
fn configure(folder: &Path, origin: &Origin, round: usize) {
    let mut toml = "[server]\nlisten = \"127.0.0.1:0\"\n[fetch]\nrobots = false\nallow_private = true\nper_host = 16\n".to_owned();
    for n in 0..EACH {
        let source = |name: &str, lines: &str| tix::source(&format!("{name}_{n}"), origin, &format!("/{name}_{n}"), lines);
        toml += &source("stays", "fresh_for = \"6d\"");
        if round.is_multiple_of(2) {
            toml += &source("comes", "fresh_for = \"6d\"");
        }
        // Other rules for the same rows.
        let changed = source("changes", "fresh_for = \"6d\"").replace("limit = 17", &format!("limit = {}", 5 + round % 2));
        let _ = write!(toml, "{changed}");
    }
    write_config(folder, &toml);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_read_while_sources_come_change_and_go() {
    let origin = Origin::start().await;
    let folder = TempDir::new().unwrap();
    for n in 0..EACH {
        for kind in ["stays", "comes", "changes"] {
            origin.script(&format!("/{kind}_{n}"), tix::films(&["Dune", kind]));
        }
    }
    configure(folder.path(), &origin, 0);
    let server = Program::serve(folder.path());
    for kind in ["stays", "comes", "changes"] {
        for n in 0..EACH {
            server.until_fresh(&format!("{kind}_{n}")).await;
        }
    }
    let (over, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut readers = JoinSet::new();
    for reader in 0..READERS {
        let (over, reads, address) = (Arc::clone(&over), Arc::clone(&reads), server.address);
        readers.spawn(async move {
            let kind = ["stays", "comes", "changes"][reader % 3];
            let path = format!("/api/{kind}_{}", reader / 3 % EACH);
            let mut connection = Connection::open(address).await;
            let mut wrong = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let reply = connection.get(&path).await;
                let is_gone = kind == "comes" && reply.status == 404;
                if !is_gone && (reply.status != 200 || reply.items("title") != ["Dune", kind]) {
                    wrong.push(format!("{path}: {} {:?}", reply.status, reply.body));
                }
                reads.fetch_add(1, Ordering::Relaxed);
            }
            wrong
        });
    }
    let rounds = if long() { 200 } else { 20 };
    for round in 1..=rounds {
        configure(folder.path(), &origin, round);
        server.signal("HUP");
        server.wait_for_lines(round, &["the config is reloaded"]);
    }
    for n in 0..EACH {
        server.until(&format!("changes_{n}"), |status| status["phase"] == "idle").await;
    }
    over.store(true, Ordering::Relaxed);
    let mut wrong: Vec<String> = readers.join_all().await.concat();
    let refused = server.log().iter().filter(|line| line.contains("the old one goes on")).count();
    // What only went away is what it was; what changed was read by each of its rules at most once.
    for (kind, most) in [("stays", 1), ("comes", 1), ("changes", 1 + rounds)] {
        for n in 0..EACH {
            let fetched = origin.count(&format!("/{kind}_{n}"));
            if fetched > most {
                wrong.push(format!("{kind}_{n} was fetched {fetched} times"));
            }
        }
    }
    wrong.iter().take(20).for_each(|wrong| println!("{wrong:.1000}"));
    let figure = format!("{rounds} reloads, {READERS} readers, {} reads, {} wrong", reads.load(Ordering::Relaxed), wrong.len() + refused);
    judge("T16", "reloads under load", &figure, "no wrong status, no snapshot lost, one fetch each", wrong.is_empty() && refused == 0);
}
