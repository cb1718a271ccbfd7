//! What a server looks for in its Redis while it runs, and what it says of it.

use std::sync::Arc;

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
