//! What readers see while a server is given one bad config after the other.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{SEED, good, mutated, odd_file};
use crate::support::client::Connection;
use crate::support::origin::Origin;
use crate::support::program::{Program, command};
use crate::support::tix;
use crate::trust::dice::Dice;
use crate::trust::{judge, long};

/// Sources that every config has, in a file that stays.
const KEPT: usize = 6;
const READERS: usize = 12;
/// What a log says at the end of each reload.
const ENDS: [&str; 2] = ["the config is reloaded", "the old one goes on"];

/// The same text with no way out of this machine.
fn at_home(text: &str, origin: &Origin) -> String {
    let here = origin.url("/");
    let text = text.replace("https://", &here).replace("use = ", "# use = ");
    text.replace("robots = true", "robots = false").replace("http://127.0.0.1:9100", &here)
}

/// What a server is like, without what differs from moment to moment.
async fn likeness(server: &Program) -> Vec<Value> {
    let mut connection = Connection::open(server.address).await;
    let mut all = Vec::new();
    let kept: Vec<String> = (0..KEPT).map(|n| format!("/api/kept_{n}")).collect();
    for path in kept.iter().map(String::as_str).chain(["/api", "/openapi.json", "/api/nobody", "/ready"]) {
        let reply = connection.get(path).await;
        let mut body = reply.json();
        if let Some(sources) = body["sources"].as_array_mut() {
            for source in sources {
                source["age_seconds"] = Value::Null;
            }
        }
        all.push(serde_json::json!([path, reply.status.as_u16(), body]));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hears_of_bad_configs() {
    let origin = Origin::start().await;
    let folder = TempDir::new().unwrap();
    let (main, sources) = (folder.path().join("wellspring.toml"), folder.path().join("sources"));
    std::fs::create_dir(&sources).unwrap();
    let mut kept = String::new();
    for n in 0..KEPT {
        origin.script(&format!("/kept_{n}"), tix::films(&["Dune", &format!("Film {n}")]));
        kept += &tix::source(&format!("kept_{n}"), &origin, &format!("/kept_{n}"), "fresh_for = \"6d\"");
    }
    std::fs::write(sources.join("kept.toml"), kept).unwrap();
    let first = "[server]\nlisten = \"127.0.0.1:0\"\n[fetch]\nrobots = false\nallow_private = true\n";
    std::fs::write(&main, first).unwrap();
    let mut start = command(folder.path());
    for (name, value) in
        [("SLACK_WEBHOOK", origin.url("/hook")), ("SERPAPI_KEY", "key".to_owned()), ("WELLSPRING_TOKEN", "token".to_owned())]
    {
        start.env(name, value);
    }
    let server = Program::start(start.args(["serve", "--log", "json"]));
    for n in 0..KEPT {
        server.until_fresh(&format!("kept_{n}")).await;
    }
    let before = likeness(&server).await;

    let (over, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut readers = JoinSet::new();
    for reader in 0..READERS {
        let (over, reads, address) = (Arc::clone(&over), Arc::clone(&reads), server.address);
        readers.spawn(async move {
            let mut connection = Connection::open(address).await;
            let source = reader % KEPT;
            let mut wrong = Vec::new();
            while !over.load(Ordering::Relaxed) {
                // By the short way and by the long one.
                let path = format!("/api/kept_{source}{}", if reader < KEPT { "" } else { "?limit=2" });
                let reply = connection.get(&path).await;
                if reply.status != 200 || reply.items("title") != ["Dune".to_owned(), format!("Film {source}")] {
                    wrong.push(format!("{path}: {} {:?}", reply.status, reply.body));
                }
                reads.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            wrong
        });
    }
    let good: Vec<String> = good().iter().map(|text| at_home(text, &origin)).collect();
    let reloads = if long() { 1_000 } else { 100 };
    for number in 0..reloads {
        give(&main, &sources, first, &good, number);
        server.signal("HUP");
        server.wait_for_lines(number + 1, &ENDS);
    }
    std::fs::write(&main, first).unwrap();
    drop(std::fs::remove_file(sources.join("more.toml")));
    clear_odd(&sources);
    server.signal("HUP");
    let last = server.wait_for_lines(reloads + 1, &ENDS);
    over.store(true, Ordering::Relaxed);
    let mut wrong: Vec<String> = readers.join_all().await.concat();
    if !last.contains(ENDS[0]) {
        wrong.push(format!("the first config is refused: {last}"));
    }
    let log = server.log();
    let applied = log.iter().filter(|line| line.contains(ENDS[0])).count() - 1;
    wrong.extend(log.iter().filter(|line| line.contains("panicked") || serde_json::from_str::<Value>(line).is_err()).cloned());
    let after = likeness(&server).await;
    wrong.extend(
        before.iter().zip(&after).filter(|(before, after)| before != after).map(|(before, after)| format!("{before}\nis now\n{after}")),
    );
    for n in 0..KEPT {
        let fetched = origin.count(&format!("/kept_{n}"));
        if fetched != 1 {
            wrong.push(format!("kept_{n} was fetched {fetched} times"));
        }
    }
    wrong.iter().take(20).for_each(|wrong| println!("{wrong:.1000}"));
    let figure = format!("{reloads} reloads ({applied} applied), {} reads, {} wrong", reads.load(Ordering::Relaxed), wrong.len());
    judge(
        "T16",
        "mutated configs given to a server",
        &figure,
        "every read 200, nothing fetched again, the first config as before",
        wrong.is_empty(),
    );
}

/// Writes another config beside what is kept.
fn give(main: &Path, sources: &Path, first: &str, good: &[String], number: usize) {
    let mut dice = Dice::new(SEED + 1_000_000 + u64::try_from(number).unwrap());
    clear_odd(sources);
    let text = match dice.below(4) {
        0 | 1 => format!("{first}{}", dice.pick(&good[1..])).into_bytes(),
        2 => [first.as_bytes(), &mutated(&good[1..], &mut dice)].concat(),
        _ => mutated(good, &mut dice),
    };
    std::fs::write(main, text).unwrap();
    std::fs::write(sources.join("more.toml"), if dice.below(4) > 0 { Vec::new() } else { mutated(&good[1..], &mut dice) }).unwrap();
    if dice.below(10) == 0 {
        odd_file(sources, &mut dice);
    }
}

fn clear_odd(sources: &Path) {
    let odd = sources.join("odd.toml");
    if std::fs::remove_file(&odd).is_err() {
        drop(std::fs::remove_dir(&odd));
    }
}
