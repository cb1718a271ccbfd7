//! What a server looks for in its Redis while it runs, and what it says of it.

use std::sync::{Arc, Mutex};

use wellspring::clock::SystemClock;
use wellspring::store::memory::MemoryStore;
use wellspring::store::paired::Paired;
use wellspring::store::redis::RedisStore;
use wellspring::store::{Health, Retention, Store, StoreError};

use crate::store_kit::{TTL, at, key, put, until};
use crate::support::redis::{Server, ask, database};

async fn redis(url: &str) -> RedisStore {
    RedisStore::open(url, Retention::default()).await.unwrap()
}

async fn pair(url: &str) -> Paired {
    let local = Arc::new(MemoryStore::new(Retention::default()));
    Paired::open(Arc::new(redis(url).await), local, Arc::new(SystemClock)).await
}

/// What is put there while it runs is noticed, nothing is written beside it, and when it is gone all is as before.
#[tokio::test]
async fn what_is_foreign_in_the_whole_is_noticed_and_over_when_it_is_gone() {
    let long = key("long");
    let away = |health: Health| if let Health::Degraded(why) = health { why } else { String::new() };
    let newer = "the store in Redis is of format 99, which a newer version wrote; upgrade this one, or choose another database";
    let foreign =
        |kind: &str, name: &str| format!("Redis holds a {kind} that is not ours under `{name}`; remove it, or choose another database");
    let cases = [
        ("ws:format", ["SET", "ws:format", "99"], newer.to_owned()),
        ("ws:format", ["RPUSH", "ws:format", "x"], foreign("list", "ws:format")),
        ("ws:sources", ["SET", "ws:sources", "x"], foreign("string", "ws:sources")),
        ("ws:notes", ["SADD", "ws:notes", "x"], foreign("set", "ws:notes")),
    ];
    for (name, spoil, why) in cases {
        let url = database();
        let (pair, direct) = (pair(&url).await, redis(&url).await);
        put(&pair, &long, 1).await;
        direct.note("who", Some("we")).await.unwrap();
        let () = ask(&url, &["RENAME", name, "kept"]).await;
        let () = ask(&url, &spoil).await;
        until("it is noticed", async || away(direct.health()) == why && away(pair.health()).contains(&why)).await;
        let before: Vec<String> = ask(&url, &["HKEYS", "ws:{long}:h:long"]).await;
        put(&pair, &long, 2).await;
        assert!(pair.is_alone() && away(pair.health()).contains(&why), "{:?}", pair.health());
        assert!(matches!(direct.get(&long).await, Err(StoreError::Unusable(told)) if told == why));
        assert!(matches!(direct.acquire(&long, 0, TTL, at(0)).await, Err(StoreError::Unusable(_))));
        assert_eq!(ask::<Vec<String>>(&url, &["HKEYS", "ws:{long}:h:long"]).await, before, "nothing is written");
        let () = ask(&url, &["RENAME", "kept", name]).await;
        until("it is well", async || pair.health() == Health::Ok && direct.health() == Health::Ok).await;
        assert_eq!(direct.revisions(&long).await.unwrap()[0].revision, 2, "what was refreshed meanwhile is told");
    }
}

/// What is told is why it is away now.
#[tokio::test]
async fn the_latest_reason_is_told_since_the_first_moment() {
    let server = Server::start(&[]);
    let said = |pair: &Paired| if let Health::Degraded(why) = pair.health() { why } else { String::new() };
    let since = |told: &str| told.split_once(" since ").unwrap().1.split(' ').next().unwrap().to_owned();
    server.kill();
    let pair = pair(&server.url()).await;
    assert!(said(&pair).contains("(Redis cannot be reached: "), "{}", said(&pair));
    server.revive();
    until("it is back", async || pair.health() == Health::Ok).await;

    server.kill();
    let _away = pair.get(&key("long")).await;
    let first = said(&pair);
    until("nobody listens there", async || said(&pair).contains("connection refused")).await;
    server.revive_with(&["--requirepass", "anders"]);
    until("it is refused", async || said(&pair).contains("(Redis refuses the user or the password)")).await;
    server.kill();
    server.revive_with(&["--replicaof", "127.0.0.1 1"]);
    until("it takes no writes", async || said(&pair).contains("(Redis is a read-only replica)")).await;
    assert_eq!(since(&said(&pair)), since(&first));
    let () = ask(&server.url(), &["REPLICAOF", "NO", "ONE"]).await;
    until("it is well", async || pair.health() == Health::Ok).await;
}

/// What was logged by this thread.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Logged {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Each replica meets it every few seconds, and it may be of any length.
#[tokio::test]
async fn what_others_wrote_is_logged_once_and_in_part() {
    let logged = Logged::default();
    let writer = logged.clone();
    let log = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).with_max_level(tracing::Level::WARN).finish();
    let _until_it_ends = tracing::subscriber::set_default(log);
    let url = database();
    let (store, long) = (redis(&url).await, key("long"));
    put(&store, &long, 1).await;
    let lines = || String::from_utf8(logged.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let theirs = format!("\u{1b}[2J{}", "x".repeat(10_000));
    let () = ask(&url, &["HSET", "ws:{long}:m", &theirs, &theirs, "other", "1"]).await;
    for _ in 0..3 {
        assert_eq!(store.heads(at(0)).await.unwrap().len(), 1);
    }
    assert!(lines().len() == 1 && lines()[0].contains("is left out of its index in Redis"), "{:#?}", lines());
    let () = ask(&url, &["HDEL", "ws:{long}:m", &theirs, "other"]).await;
    store.heads(at(0)).await.unwrap();
    let () = ask(&url, &["HSET", "ws:{long}:m", "other", "1"]).await;
    store.heads(at(0)).await.unwrap();
    assert_eq!(lines().len(), 2, "it is news again: {:#?}", lines());
    let () = ask(&url, &["HSET", "ws:{long}:h:long", &theirs, "{}"]).await;
    assert_eq!(store.revisions(&long).await.unwrap().len(), 1);
    assert!(lines().len() == 3 && lines()[2].contains("is skipped"), "{:#?}", lines());
    assert!(lines().iter().all(|line| line.len() < 400 && !line.contains('\u{1b}')), "{:#?}", lines());
    // What is no text takes nothing else with it.
    let () = ask(&url, &["EVAL", r"redis.call('HSET', 'ws:{long}:m', '\255', '\255')", "0"]).await;
    assert_eq!(store.keys().await.unwrap(), [long]);
}
