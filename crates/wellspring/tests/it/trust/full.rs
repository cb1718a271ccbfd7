//! The disk is full, or breaks: every read is answered, refreshes are served from memory and said not to be durable, and once the
//! disk works again all of it is on it.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use rusqlite::Connection;
use tokio::task::JoinHandle;
use wellspring::clock::{Clock as _, SystemClock};
use wellspring::lifecycle::spawn;

use super::{Hits, judge, judge_time, long, ms, p99};
use crate::support::client;
use crate::support::disk::Disk;
use crate::support::origin::Origin;
use crate::support::program::{Program, command, free_port, write_config};
use crate::support::tix;

const SOURCES: usize = 3;

/// A server on a disk that can fail, and an origin that it reads.
struct Lab {
    disk: Disk,
    origin: Origin,
    /// How many pages the origin has given.
    page: usize,
}

/// What was seen.
#[derive(Default)]
struct Seen {
    hits: usize,
    quiet: Vec<Duration>,
    during: Vec<Duration>,
    degraded: Vec<Duration>,
    recovered: Vec<Duration>,
}

impl Lab {
    async fn new() -> Option<Self> {
        let (disk, origin) = (Disk::new()?, Origin::start().await);
        let mut config = "[server]\nlisten = \"127.0.0.1:0\"\n[fetch]\nallow_private = true\nrobots = false\n".to_owned();
        for n in 0..SOURCES {
            config += &tix::source(&format!("s{n}"), &origin, &format!("/{n}"), "fresh_for = \"6d\"\nmin_interval = \"0s\"\nwarm = false");
        }
        write_config(&disk.folder(), &config);
        Some(Self { disk, origin, page: 0 })
    }

    fn serve(&self) -> Program {
        Program::start(self.disk.under(command(&self.disk.folder()).args(["serve", "--log", "json"])))
    }

    /// New data for each source, `weight` bytes of it, and that they are served.
    async fn refresh(&mut self, server: &Program, weight: usize) {
        self.page += 1;
        let titles = self.titles(weight);
        for n in 0..SOURCES {
            self.origin.script(&format!("/{n}"), tix::films(&titles.iter().map(String::as_str).collect::<Vec<_>>()));
            let reply = server.post(&format!("/api/s{n}/refresh")).await;
            assert_eq!((reply.status.as_u16(), reply.degraded()), (200, String::new()), "{:?}", reply.body);
            assert_eq!(server.get(&format!("/api/s{n}")).await.items("title"), titles);
        }
    }

    fn titles(&self, weight: usize) -> Vec<String> {
        vec![format!("Page {}", self.page), "x".repeat(weight.max(1))]
    }

    /// Everything that was served last is served by whoever starts on what the last one left; nothing is asked of the origin.
    async fn holds(&self, weight: usize) {
        let before = self.origin.total();
        let server = self.serve();
        for n in 0..SOURCES {
            assert_eq!(server.get(&format!("/api/s{n}")).await.items("title"), self.titles(weight));
        }
        assert_eq!(self.origin.total(), before);
        server.kill();
        let verdict: String = self.database().query_row("PRAGMA quick_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok");
    }

    fn database(&self) -> Connection {
        Connection::open(self.disk.folder().join("data/wellspring.db")).unwrap()
    }
}

/// Reads that never pause, until they are told to end.
fn reading(server: &Program) -> (Arc<AtomicBool>, JoinHandle<Vec<Duration>>) {
    let over = Arc::new(AtomicBool::new(false));
    let (told, address) = (Arc::clone(&over), server.address);
    let reading = spawn(async move {
        let mut hits = Hits::of(address).await;
        while !told.load(Ordering::Relaxed) {
            hits.hit(&format!("/api/s{}", hits.took.len() % SOURCES)).await;
        }
        hits.took
    });
    (over, reading)
}

/// Waits until `/ready` says so, and how long that took.
async fn until_ready(server: &Program, status: &str) -> (Duration, String) {
    let begun = SystemClock.mono();
    let mut connection = client::Connection::open(server.address).await;
    let asking = async {
        loop {
            let reply = connection.get("/ready").await;
            assert_eq!(reply.status, 200);
            if reply.member("status") == status {
                return reply.member("reasons")[0].as_str().unwrap_or_default().to_owned();
            }
            tokio::task::yield_now().await;
        }
    };
    let why = tokio::time::timeout(Duration::from_secs(60), asking).await.unwrap_or_else(|_| panic!("never {status}"));
    (SystemClock.mono().since(begun), why)
}

/// A disk that fails so, under a server that is read and refreshed all the while.
async fn through(words: &str, why: [&str; 2], seen: &mut Seen) {
    let Some(mut lab) = Lab::new().await else { return };
    let server = lab.serve();
    lab.refresh(&server, 2_000).await;
    let (over, quiet) = reading(&server);
    for _ in 0..5 {
        lab.refresh(&server, 2_000).await;
    }
    over.store(true, Ordering::Relaxed);
    seen.quiet.extend(quiet.await.unwrap());
    assert_eq!(until_ready(&server, "ok").await.1, "");

    let (over, during) = reading(&server);
    lab.disk.fails(words);
    let begun = SystemClock.mono();
    // A failing disk shows when something is written: here by the first refresh, or the one that finds no more room.
    while server.get("/ready").await.member("status") == "ok" {
        lab.refresh(&server, 20_000).await;
    }
    let (_, said) = until_ready(&server, "degraded").await;
    seen.degraded.push(SystemClock.mono().since(begun));
    assert!(said.contains("wellspring.db` (") && why.iter().any(|why| said.contains(why)), "{words}: {said}");
    for _ in 0..5 {
        lab.refresh(&server, 20_000).await;
    }
    let last = server.get("/api/s0/status").await.member("recent")[0].clone();
    assert_eq!(last["outcome"], "stored", "{last}");
    assert!(last["message"].as_str().is_some_and(|message| message.starts_with("in memory only, not durable yet")), "{last}");
    server.wait_for_log("\"durable\":false");
    let page = client::Connection::open(server.address).await.send(Method::GET, "/", &[("accept", "text/html")]).await;
    assert!(String::from_utf8_lossy(&page.body).contains("What is new is in memory only"), "the page says so");
    assert!(String::from_utf8_lossy(&server.get("/metrics").await.body).contains("\nwellspring_store_up 0\n"));

    lab.disk.fails("");
    let (recovered, _) = until_ready(&server, "ok").await;
    seen.recovered.push(recovered);
    over.store(true, Ordering::Relaxed);
    let during = during.await.unwrap();
    seen.hits += during.len();
    seen.during.extend(during);
    server.kill();
    lab.holds(20_000).await;
}

/// How SQLite and the system say that a disk is full, and that it is broken.
const FULL: [&str; 2] = ["No space left", "full"];
const BROKEN: [&str; 2] = ["Input/output error", "disk I/O error"];

/// What fails, and what `/ready` has to say of it.
const FAULTS: [(&str, [&str; 2]); 6] = [
    ("write ENOSPC", FULL),
    ("write EIO", BROKEN),
    ("sync EIO", BROKEN),
    // The log grows until there is no more room.
    ("grow ENOSPC 300000", FULL),
    ("grow EIO 1000\nsync EIO\ntruncate EIO\ncreate EIO", BROKEN),
    ("grow ENOSPC 0\ncreate ENOSPC", FULL),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_stops_no_answer_and_is_caught_up_with() {
    let mut seen = Seen::default();
    let rounds = if long() { 5 } else { 1 };
    let faults = if long() { &FAULTS[..] } else { &FAULTS[..4] };
    for _ in 0..rounds {
        for (words, why) in faults {
            through(words, *why, &mut seen).await;
        }
    }
    if seen.recovered.is_empty() {
        return;
    }
    let figure = format!("{} of {} in {} failures", seen.hits, seen.hits, seen.recovered.len());
    judge("T7", "reads answered 200 while the disk was full or broken", &figure, "all", seen.hits > 1_000);
    let figure = format!("{} of {}", seen.recovered.len(), rounds * faults.len());
    judge(
        "T7",
        "failures after which a killed server still had what was served",
        &figure,
        "all",
        seen.recovered.len() == rounds * faults.len(),
    );
    let (degraded, recovered) = (seen.degraded.iter().max().unwrap(), seen.recovered.iter().max().unwrap());
    judge_time("T7", "/ready degraded within", &ms(*degraded), "2 s", degraded.as_secs_f64() <= 2.0);
    judge_time("T7", "recovered within", &ms(*recovered), "5 s of the repair", recovered.as_secs_f64() <= 5.0);
    let (quiet, during) = (p99(&mut seen.quiet), p99(&mut seen.during));
    judge_time("T7", "hit p99 meanwhile", &format!("{} beside {} quiet", ms(during), ms(quiet)), "5 ms", during.as_millis() < 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_on_a_full_disk_and_serves_what_it_has() {
    let Some(mut lab) = Lab::new().await else { return };
    let server = lab.serve();
    lab.refresh(&server, 2_000).await;
    server.kill();
    lab.disk.fails("write ENOSPC\ncreate ENOSPC");
    lab.holds(2_000).await;
    // That has looked at the database and so closed it well: now there is no log, and no room for one.
    assert!(!lab.disk.folder().join("data/wellspring.db-wal").exists());
    let server = lab.serve();
    lab.refresh(&server, 2_000).await;
    let (_, why) = until_ready(&server, "degraded").await;
    assert!(FULL.iter().any(|full| why.contains(full)), "{why}");
    lab.disk.fails("");
    until_ready(&server, "ok").await;
    server.kill();
    lab.holds(2_000).await;
}

/// What is corrupt stays where it is until something whole can take its place, so no restart finds nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_store_on_a_full_disk_is_kept_until_it_can_be_replaced() {
    let Some(mut lab) = Lab::new().await else { return };
    let server = lab.serve();
    lab.refresh(&server, 2_000).await;
    server.kill();
    drop(lab.database());
    let file = lab.disk.folder().join("data/wellspring.db");
    corrupt_notes(&file);
    let aside = file.with_file_name("wellspring.db.corrupt-1");
    lab.disk.fails("write ENOSPC");
    for _ in 0..3 {
        let server = lab.serve();
        until_ready(&server, "degraded").await;
        for n in 0..SOURCES {
            assert_eq!(server.get(&format!("/api/s{n}")).await.items("title"), lab.titles(2_000));
        }
        assert!(!aside.exists());
        server.kill();
    }
    lab.disk.fails("");
    let server = lab.serve();
    until_ready(&server, "ok").await;
    server.wait_for_log("it was renamed");
    assert!(aside.exists());
    server.kill();
    lab.holds(2_000).await;
}

/// The page of the table that nothing is served from.
fn corrupt_notes(file: &Path) {
    let conn = Connection::open(file).unwrap();
    let root: u64 = conn
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'note'", [], |row| row.get::<_, i64>(0))
        .unwrap()
        .try_into()
        .unwrap();
    drop(conn);
    let file = std::fs::File::options().write(true).open(file).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xA5; 4_096], (root - 1) * 4_096).unwrap();
}

/// Logs that cannot be written: `/dev/full` takes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_stops_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let port = free_port();
    let config = format!("[server]\nlisten = \"127.0.0.1:{port}\"\naccess_log = true\n[fetch]\nallow_private = true\nrobots = false\n");
    write_config(folder.path(), &(config + &tix::source("s0", &origin, "/", "fresh_for = \"6d\"\nmin_interval = \"0s\"")));
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap());
    let mut child = command(folder.path()).arg("serve").stdout(full()).stderr(full()).spawn().unwrap();
    let address = ([127, 0, 0, 1], port).into();
    let starting = async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert_eq!(child.try_wait().unwrap(), None, "it ended");
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), starting).await.unwrap();
    client::until(address, "s0", |status| status["freshness"] == "fresh" && status["phase"] == "idle").await;
    let mut hits = Hits::of(address).await;
    for n in 0..500 {
        if n % 50 == 0 {
            let reply = client::post(address, "/api/s0/refresh", &[]).await;
            assert_eq!(reply.status, 200, "{:?}", reply.body);
        }
        assert_eq!(hits.hit("/api/s0").await.items("title"), ["Dune"]);
    }
    let alive = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    let figure = format!("{} of {}", hits.took.len(), hits.took.len());
    judge("T7", "reads answered while no line of the log could be written", &figure, "all", alive);
}
