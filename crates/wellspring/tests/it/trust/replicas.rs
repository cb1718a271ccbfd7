//! T17 with real parts: three servers, one Redis, clients that never stop asking, and signals that stop one or the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinSet;
use wellspring::clock::{Clock as _, SystemClock};

use super::dice::pass;
use super::{Hits, judge, judge_time, long, ms, p99};
use crate::support::client::{get, post};
use crate::support::origin::{Answer, Origin};
use crate::support::program::{Program, command, write_config};
use crate::support::redis::Server as Redis;
use crate::support::tix;

const REPLICAS: usize = 3;
const PERIOD: Duration = Duration::from_secs(1);

/// Three servers on one Redis, each with a folder of its own, and their origin.
struct Scene {
    origin: Origin,
    redis: Redis,
    replicas: Vec<(Program, TempDir)>,
}

/// Another list each time.
fn numbered(_: &str, number: u64) -> Answer {
    tix::films(&[&format!("Film {number}")])
}

fn config(origin: &Origin, redis: &Redis) -> String {
    let source = tix::source("cinema", origin, "/", "fresh_for = \"1s\"\ndeadline = \"2s\"");
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"{}\"\n[fetch]\nrobots = false\nallow_private = true\n{source}",
        redis.url()
    )
}

impl Scene {
    async fn set() -> Self {
        let (origin, redis) = (Origin::start().await, Redis::start(&["--appendonly", "yes", "--appendfsync", "everysec"]));
        origin.script_rising("/", numbered);
        let replicas = (0..REPLICAS).map(|_| Self::replica(&config(&origin, &redis))).collect();
        Self { origin, redis, replicas }
    }

    fn replica(config: &str) -> (Program, TempDir) {
        let folder = TempDir::new().unwrap();
        write_config(folder.path(), config);
        (Program::serve(folder.path()), folder)
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.replicas.iter().map(|(program, _)| program.address).collect()
    }

    /// What each serves: its revision and its entity tag's first part, which is the revision with a digest.
    async fn served(&self) -> Vec<(u64, Vec<String>)> {
        let mut served = Vec::new();
        for address in self.addresses() {
            let reply = get(address, "/api/cinema").await;
            let status = get(address, "/api/cinema/status").await.json();
            served.push((status["revision"].as_u64().unwrap_or(0), reply.items("title")));
        }
        served
    }

    /// Waits until all serve one revision while nothing is fetched; how long that took.
    async fn until_one(&self) -> Duration {
        let begun = SystemClock.mono();
        loop {
            let served = self.served().await;
            if served.iter().all(|one| *one == served[0]) {
                return begun.until(SystemClock.mono());
            }
            assert!(begun.until(SystemClock.mono()) < Duration::from_secs(30), "they never serve one revision: {served:?}");
            tokio::task::yield_now().await;
        }
    }
}

/// Clients that ask until they are told to stop. None may ever hear anything but 200.
struct Crowd {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Vec<Duration>>,
}

impl Crowd {
    fn of(count: usize, addresses: &[SocketAddr]) -> Self {
        let (stop, mut clients) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        // Together some hundreds of reads a second, however many they are.
        let pause = Duration::from_millis(4 * count as u64);
        for number in 0..count {
            let (stop, address) = (Arc::clone(&stop), addresses[number % addresses.len()]);
            clients.spawn(async move {
                let mut hits = Hits::of(address).await;
                // Not all at the same moment.
                pass(pause * u32::try_from(number).unwrap() / u32::try_from(count).unwrap()).await;
                while !stop.load(Ordering::Relaxed) {
                    hits.hit("/api/cinema").await;
                    pass(pause).await;
                }
                hits.took
            });
        }
        Self { stop, clients }
    }

    /// How long each answer took.
    async fn ended(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await.into_iter().flatten().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_refresh_as_one_and_outlive_their_redis() {
    let scene = Scene::set().await;
    let addresses = scene.addresses();
    for (program, _) in &scene.replicas {
        program.until("cinema", |status| status["revision"].as_u64().is_some()).await;
    }
    let (clients, periods, kills) = if long() { (1_000, 50, 10) } else { (60, 6, 2) };

    // All is well: one fetch a period.
    let crowd = Crowd::of(clients, &addresses);
    scene.origin.wait_for_requests("/", scene.origin.count("/") + 1).await;
    let (before, begun) = (scene.origin.count("/"), SystemClock.mono());
    while scene.origin.count("/") < before + periods {
        pass(Duration::from_millis(5)).await;
    }
    let (fetches, took) = (scene.origin.count("/") - before, begun.until(SystemClock.mono()));
    let mut quiet = crowd.ended().await;
    let most = usize::try_from(took.as_millis() / PERIOD.as_millis()).unwrap();
    let figure = format!("{fetches} fetches in {:.1} s, periods of 1 s, {} hits all 200", took.as_secs_f64(), quiet.len());
    judge("T17", "three replicas, one Redis", &figure, "one a period", fetches == periods && most >= periods && most <= periods * 3 / 2);

    // Forced at all of them at once: one fetch.
    scene.origin.hold("/");
    let before = scene.origin.count("/");
    let forced: Vec<_> = addresses.iter().map(|address| wellspring::lifecycle::spawn(forced(*address))).collect();
    scene.origin.wait_for_requests("/", before + 1).await;
    for address in &addresses {
        while !get(*address, "/api/cinema").await.flags().2 {
            tokio::task::yield_now().await;
        }
    }
    scene.origin.release("/");
    for forced in forced {
        assert_eq!(forced.await.unwrap(), 200);
    }
    let fetches = scene.origin.count("/") - before;
    judge("T17", "forced at three replicas at once, seen by all of them", &format!("{fetches} fetch"), "1", fetches == 1);

    // Redis is killed and comes back.
    let crowd = Crowd::of(clients, &addresses);
    let (mut worst, mut longest) = (0.0_f64, Duration::ZERO);
    for _ in 0..kills {
        scene.redis.kill();
        let (before, begun) = (scene.origin.count("/"), SystemClock.mono());
        // Each goes on by itself.
        scene.origin.wait_for_requests("/", before + 2 * REPLICAS).await;
        let took = begun.until(SystemClock.mono());
        let fetches = scene.origin.count("/") - before;
        let periods = 1.0 + took.as_secs_f64() / PERIOD.as_secs_f64();
        worst = worst.max(fetches as f64 / (periods * REPLICAS as f64));
        scene.redis.revive();
        // What is refreshed meanwhile makes them differ for a moment: one that all have is waited for.
        longest = longest.max(scene.until_one().await);
    }
    let mut faulty = crowd.ended().await;
    let figure = format!("{worst:.2} at most, {} hits all 200", faulty.len());
    judge("T17", "fetches a replica and period while Redis is away", &figure, "<= 1", worst <= 1.0);
    judge("T17", "one revision everywhere after its return", &ms(longest), "within 5 s", longest < Duration::from_secs(5));
    let (quiet, faulty) = (p99(&mut quiet), p99(&mut faulty));
    judge_time("T17", "hit p99 meanwhile", &format!("{} beside {} quiet", ms(faulty), ms(quiet)), "2 × quiet", faulty <= 2 * quiet);
}

async fn forced(address: SocketAddr) -> u16 {
    post(address, "/api/cinema/refresh?wait=20s", &[]).await.status.as_u16()
}

/// A holder is stopped for longer than its lease lasts, another one fetches newer data, and the first wakes with the older in its hands.
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_wakes_after_its_lease_overwrites_nothing() {
    let mut scene = Scene::set().await;
    for (program, _) in &scene.replicas {
        program.until("cinema", |status| status["revision"].as_u64().is_some()).await;
    }
    scene.until_one().await;
    // The rest of the test has but two: whoever asks is the holder.
    drop(scene.replicas.pop());
    let (holder, other) = (scene.replicas[0].0.address, scene.replicas[1].0.address);
    scene.origin.hold("/");
    let before = scene.origin.count("/");
    let asking = wellspring::lifecycle::spawn(async move { get(holder, "/api/cinema?max_age=0s").await });
    scene.origin.wait_for_requests("/", before + 1).await;
    scene.replicas[0].0.signal("STOP");
    // Answered to one that is stopped, so that it has the older in its hands when it wakes.
    scene.origin.release("/");
    scene.origin.wait_for_answers("/", before + 1).await;
    let begun = SystemClock.mono();
    while scene.origin.count("/") < before + 2 {
        get(other, "/api/cinema").await;
        pass(Duration::from_millis(50)).await;
        assert!(begun.until(SystemClock.mono()) < Duration::from_secs(90), "the other never took over");
    }
    let took_over = begun.until(SystemClock.mono());
    let newer = format!("Film {}", before + 2);
    while !get(other, "/api/cinema").await.items("title").contains(&newer) {
        tokio::task::yield_now().await;
    }
    scene.origin.hold("/");
    scene.replicas[0].0.signal("CONT");
    assert_eq!(asking.await.unwrap().status, 200);
    let apart = scene.until_one().await;
    let served = scene.served().await;
    let held = served.iter().all(|(_, titles)| titles.contains(&newer));
    let figure = format!("taken over after {:.1} s, one revision {} after it woke", took_over.as_secs_f64(), ms(apart));
    judge("T17", "old over new by a holder that slept", &figure, "never", held);
    scene.origin.release("/");
}

/// A server starts on what it kept itself, and says that it does, where Redis is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_starts_warm_while_redis_is_away() {
    let mut scene = Scene::set().await;
    for (program, _) in &scene.replicas {
        program.until("cinema", |status| status["revision"].as_u64().is_some()).await;
    }
    let (program, folder) = scene.replicas.pop().unwrap();
    program.signal("TERM");
    assert_eq!(program.wait().0, Some(0));
    scene.redis.kill();
    scene.origin.hold("/");
    let begun = SystemClock.mono();
    let program = Program::start(command(folder.path()).args(["serve", "--log", "json"]));
    let reply = program.get("/api/cinema").await;
    let took = begun.until(SystemClock.mono());
    assert_eq!((reply.status.as_u16(), reply.items("title").len()), (200, 1), "{:?}", reply.body);
    let ready = program.get("/ready").await;
    assert_eq!((ready.status.as_u16(), ready.json()["status"].as_str()), (200, Some("degraded")));
    judge("T17", "start without Redis, to the first answer", &ms(took), "served from its own copy", took < Duration::from_secs(10));
    scene.origin.release("/");
}

/// What a server costs that shares its store, beside one that does not.
#[tokio::test(flavor = "multi_thread")]
async fn sharing_costs_a_refresh_little_and_a_hit_nothing() {
    let (origin, redis) = (Origin::start().await, Redis::start(&[]));
    origin.script_rising("/", numbered);
    let quick = |text: String| text.replace("fresh_for = \"1s\"", "fresh_for = \"6d\"\nmin_interval = \"0s\"");
    let shared = quick(config(&origin, &redis));
    let alone = shared.replace(&redis.url(), "sqlite:alone.db");
    let both = [Scene::replica(&alone), Scene::replica(&shared)];
    let mut refreshes = [Vec::new(), Vec::new()];
    let mut hits = [Duration::ZERO; 2];
    for (program, _) in &both {
        program.until_fresh("cinema").await;
    }
    let rounds = if long() { 200 } else { 20 };
    for _ in 0..rounds {
        for (place, (program, _)) in both.iter().enumerate() {
            let begun = SystemClock.mono();
            assert_eq!(forced(program.address).await, 200);
            refreshes[place].push(begun.until(SystemClock.mono()));
        }
    }
    for _ in 0..10 {
        for (place, (program, _)) in both.iter().enumerate() {
            let mut reader = Hits::of(program.address).await;
            let before = on_cpu(program.id());
            for _ in 0..rounds * 10 {
                reader.hit("/api/cinema").await;
            }
            hits[place] += on_cpu(program.id()).saturating_sub(before);
        }
    }
    let [alone, shared] = refreshes.map(|mut took| {
        took.sort_unstable();
        took[took.len() / 2]
    });
    let more = shared.saturating_sub(alone);
    let figure = format!("{} beside {}", ms(shared), ms(alone));
    // An unoptimised build spends twice that on its own side of the calls.
    let bar = Duration::from_millis(if cfg!(debug_assertions) { 4 } else { 2 });
    judge_time("T17", "a forced refresh with a shared store, median", &figure, "at most 2 ms more, 4 unoptimised", more <= bar);
    let ratio = hits[1].as_secs_f64() / hits[0].as_secs_f64();
    judge_time("T17", "processor time of a hit, times that alone", &format!("{ratio:.2}"), "<= 1.1", ratio <= 1.1);
}

/// How long the threads of a process have run.
fn on_cpu(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    let ran =
        threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok()?.split(' ').next()?.parse::<u64>().ok());
    Duration::from_nanos(ran.sum())
}
