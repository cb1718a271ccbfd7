//! Bodies that are weapons: each ends in time, in bounds, with nothing stored, and readers of other things notice nothing.

use std::fmt::Write as _;
use std::time::Duration;

use wellspring::clock::{Clock as _, SystemClock};

use crate::support::client;
use crate::support::origin::{Answer, Coding, Origin};
use crate::support::program::{Program, write_config};
use crate::support::tix;
use crate::worker::children;

use super::{Hits, judge, judge_time, long, ms, p99};

mod hostile;

use hostile::Hostile;

/// How long a refresh may take here.
const DEADLINE: Duration = Duration::from_secs(3);
/// What may come on top of it.
const GRACE: Duration = Duration::from_millis(500);
/// The same on a machine that is busy with other tests.
const AT_ALL: Duration = Duration::from_secs(10);
/// What the server may hold more than at rest, in KiB.
const MORE: u64 = 64 << 10;
/// What a worker may hold, in KiB: its bound on data (576 MiB), and the program itself.
const WORKER: u64 = (576 + 32) << 10;

/// What a process holds or has held at most, in KiB; 0 where it is gone.
fn memory(id: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    line.map_or(0, |line| line.trim_matches([':', ' ', '\t']).trim_end_matches(" kB").parse().unwrap())
}

/// Forgets the most that a process has held.
fn forget_peak(id: u32) {
    std::fs::write(format!("/proc/{id}/clear_refs"), "5").unwrap();
}

/// The worst of what was seen.
#[derive(Debug, Default)]
struct Worst {
    late: (Duration, &'static str),
    server: (u64, &'static str),
    worker: (u64, &'static str),
}

/// Lets one loose on its source, while another is read.
async fn check(server: &Program, n: usize, name: &'static str, hits: &mut Hits, worst: &mut Worst) {
    forget_peak(server.id());
    let held_before = memory(server.id(), "VmRSS");
    let address = server.address;
    let before = SystemClock.mono();
    let mut refreshing = wellspring::lifecycle::spawn(async move { client::post(address, &format!("/api/h{n}/refresh"), &[]).await });
    let mut made = 0;
    let least = if long() { 1_000 } else { 50 };
    let mut ended = None;
    while ended.is_none() || made < least {
        hits.hit("/api/quiet").await;
        made += 1;
        if made % 50 == 1 {
            let held = children(server.id()).into_iter().map(|id| memory(id, "VmHWM")).max().unwrap_or_default();
            worst.worker = worst.worker.max((held, name));
        }
        if ended.is_none() {
            tokio::select! {
                biased;
                reply = &mut refreshing => ended = Some((reply.unwrap(), before.until(SystemClock.mono()))),
                () = std::future::ready(()) => {}
            }
        }
    }
    let (reply, took) = ended.unwrap();
    let status = client::until(server.address, &format!("h{n}"), |status| {
        !matches!(status["phase"].as_str(), Some("queued" | "collecting" | "storing"))
    })
    .await;
    assert!(reply.status == 503 && status["revision"].is_null(), "{name} was stored: {status:#}");
    worst.late = worst.late.max((took, name));
    worst.server = worst.server.max((memory(server.id(), "VmHWM").saturating_sub(held_before), name));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bodies_end_in_time_and_in_bounds() {
    let all = hostile::all();
    let quiet = Origin::start().await;
    quiet.script("/", tix::films(&["Dune"]));
    let mut config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"memory:\"\n[fetch]\nallow_private = true\nrobots = false\n\
         timeout = \"2s\"\ndeadline = \"3s\"\n{}",
        tix::source("quiet", &quiet, "/", "fresh_for = \"6d\"\nwarm = false")
    );
    let mut origins = Vec::new();
    for (n, Hostile { rules, answer, .. }) in all.iter().enumerate() {
        let origin = Origin::start().await;
        origin.script("/", answer.clone());
        let _ = write!(
            config,
            "[source.h{n}]\nurl = \"{}\"\nfresh_for = \"6d\"\nmin_interval = \"0s\"\nwarm = false\n{rules}\n[source.h{n}.expect]\nrequired = [\"never\"]\n",
            origin.url("/")
        );
        origins.push(origin);
    }
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &config);
    let server = Program::serve(folder.path());
    let mut hits = Hits::of(server.address).await;
    hits.hit("/api/quiet").await;
    let at_rest = memory(server.id(), "VmRSS");
    hits.took.clear();
    let mut worst = Worst::default();
    for (n, hostile) in all.iter().enumerate() {
        check(&server, n, hostile.name, &mut hits, &mut worst).await;
        assert!(origins[n].total() > 0, "{} was never asked for", hostile.name);
    }
    let count = all.len();
    judge("T6", "hostile bodies of which nothing was stored", &format!("{count} of {count}"), "25, all", count >= 25);
    let (late, name) = worst.late;
    assert!(late <= DEADLINE + AT_ALL, "{name} ended after {late:?}");
    judge_time("T6", "the last ended after", &format!("{} ({name})", ms(late)), "deadline 3 s + 0.5 s", late <= DEADLINE + GRACE);
    let ((held, name), kept) = (worst.server, memory(server.id(), "VmRSS").saturating_sub(at_rest));
    let figure = format!("{} MiB ({name}), {} MiB after all of them", held >> 10, kept >> 10);
    judge("T6", "the server held more by", &figure, "64 MiB", held <= MORE && kept <= MORE);
    let (held, name) = worst.worker;
    judge("T6", "a worker held", &format!("{} MiB ({name})", held >> 10), "608 MiB", held <= WORKER);
    let p99 = p99(&mut hits.took);
    judge_time("T6", "other hits' p99", &ms(p99), "5 ms", p99 < Duration::from_millis(5));
}
