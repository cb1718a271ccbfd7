//! What a server with a copy of its own does where others wrote into its Redis: what is wrong with a key stays with that key.

use std::sync::Arc;

use wellspring::clock::SystemClock;
use wellspring::store::memory::MemoryStore;
use wellspring::store::paired::Paired;
use wellspring::store::redis::RedisStore;
use wellspring::store::{Health, Retention, Store, StoreError};
use wellspring_core::key::Key;

use crate::store_kit::{TTL, at, key, lease, put, until};
use crate::support::redis::{Server, ask, database};

async fn redis(url: &str) -> RedisStore {
    RedisStore::open(url, Retention::default()).await.unwrap()
}

async fn pair(url: &str) -> Paired {
    let local = Arc::new(MemoryStore::new(Retention::default()));
    Paired::open(Arc::new(redis(url).await), local, Arc::new(SystemClock)).await
}

async fn revision(store: &dyn Store, key: &Key) -> u64 {
    store.get(key).await.unwrap().and_then(|entry| entry.latest).map_or(0, |latest| latest.snapshot.revision)
}

#[tokio::test]
async fn what_is_wrong_with_a_key_stays_with_it() {
    let (long, plain) = (key("long"), key("plain"));
    let spoilt: [(&[&[&str]], &[&[&str]]); 2] = [
        (&[&["DEL", "ws:{long}:f"], &["RPUSH", "ws:{long}:f", "x"]], &[&["DEL", "ws:{long}:f"]]),
        (&[&["HSET", "ws:{long}:e:long", "format", "99"]], &[&["HSET", "ws:{long}:e:long", "format", "1"]]),
    ];
    for (spoil, mend) in spoilt {
        let url = database();
        let (pair, direct) = (pair(&url).await, redis(&url).await);
        put(&pair, &long, 1).await;
        for words in spoil {
            let () = ask(&url, words).await;
        }
        put(&pair, &long, 2).await;
        put(&pair, &plain, 1).await;
        assert!(!pair.is_alone(), "{spoil:?}");
        assert_eq!(revision(&pair, &long).await, 2, "it goes on here");
        assert_eq!(revision(&direct, &plain).await, 1, "the other goes on everywhere");
        let Health::Degraded(why) = pair.health() else { panic!("it is not said") };
        assert!(why.contains("`long`") && !why.contains("plain"), "{why}");
        for words in mend {
            let () = ask(&url, words).await;
        }
        until("it is told", async || revision(&direct, &long).await == 2).await;
        until("it is well", async || pair.health() == Health::Ok).await;
    }
}

#[tokio::test]
async fn a_fence_of_nobody_starts_no_storm_and_holds_no_key() {
    let long = key("long");
    for fence in ["999999999999999998", "999999999999999999", "1000000000000000000", "9223372036854775806", "4503599627370496"] {
        let url = database();
        let (one, two) = (pair(&url).await, pair(&url).await);
        let () = ask(&url, &["SET", "ws:{long}:f", fence]).await;
        for (revision, pair) in [(1, &one), (2, &two), (3, &one)] {
            put(pair, &long, revision).await;
        }
        redis(&url).await.evict(&long).await.unwrap();
        for (revision, pair) in [(4, &two), (5, &one)] {
            put(pair, &long, revision).await;
            let held = lease(pair, &long).await;
            assert!(held.fence <= (1 << 52) + 1, "{fence}: {}", held.fence);
            pair.release(&held).await.unwrap();
        }
        for pair in [&one, &two] {
            pair.heads(at(0)).await.unwrap();
            pair.get(&long).await.unwrap();
        }
        until("nothing is told any more", async || [&one, &two].iter().all(|pair| pair.partner().unwrap().waiting == 0)).await;
        let calls = async || {
            let text: String = ask(&url, &["INFO", "commandstats"]).await;
            text.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")?.split(',').next()?.parse::<u64>().ok()).unwrap()
        };
        let before = calls().await;
        for pair in [&one, &two] {
            pair.heads(at(0)).await.unwrap();
            assert_eq!(pair.partner().unwrap().waiting, 0, "{fence}: nothing has fallen behind");
            assert_eq!(revision(pair, &long).await, 5);
        }
        println!("{fence}: {} scripts for two looks", calls().await - before);
    }
}

#[tokio::test]
async fn a_lease_that_never_ends_is_replaced() {
    let (url, cinema) = (database(), key("cinema"));
    let store = redis(&url).await;
    for spoil in [&["SET", "ws:{cinema}:l:cinema", "deadbeef:5"][..], &["SET", "ws:{cinema}:l:cinema", "deadbeef:5", "EX", "86400"]] {
        let () = ask(&url, spoil).await;
        let held = lease(&store, &cinema).await;
        assert_eq!(store.acquire(&cinema, 0, TTL, at(0)).await, Ok(None), "one of ours is left alone");
        store.release(&held).await.unwrap();
    }
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
        assert_eq!(revision(&direct, &long).await, 2, "what was refreshed meanwhile is told");
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
