//! What a server with a copy of its own does where others wrote into its Redis: what is wrong with a key stays with that key.

use std::sync::Arc;

use wellspring::clock::SystemClock;
use wellspring::store::memory::MemoryStore;
use wellspring::store::paired::Paired;
use wellspring::store::redis::RedisStore;
use wellspring::store::{Health, Retention, Store};
use wellspring_core::key::Key;

use crate::store_kit::{TTL, at, key, lease, put, until};
use crate::support::redis::{ask, database};

type Words = &'static [&'static [&'static str]];

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
    let spoilt: [(Words, Words); 2] = [
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

/// Whoever removes names and lines by hand takes from nobody's sight what they stand for.
#[tokio::test]
async fn lines_and_names_that_were_removed_are_put_back() {
    let (long, other) = (key("long"), key("long?a=1"));
    let spoilt: [Words; 4] = [
        &[&["DEL", "ws:{long}:m"]],
        &[&["SREM", "ws:sources", "long"]],
        &[&["DEL", "ws:sources"], &["SADD", "ws:sources", "\u{1}no source"]],
        &[&["HDEL", "ws:{long}:m", "long?a=1"], &["DEL", "ws:sources"]],
    ];
    for restarts in [false, true] {
        for spoil in spoilt {
            let url = database();
            let local: Arc<dyn Store> = Arc::new(MemoryStore::new(Retention::default()));
            let open = async || Paired::open(Arc::new(redis(&url).await), Arc::clone(&local), Arc::new(SystemClock)).await;
            let first = open().await;
            for key in [&long, &other] {
                put(&first, key, 1).await;
            }
            first.heads(at(0)).await.unwrap();
            let stays = (!restarts).then_some(first);
            for words in spoil {
                let () = ask(&url, words).await;
            }
            let pair = if let Some(pair) = stays { pair } else { open().await };
            let reader = redis(&url).await;
            until("all are listed again", async || {
                pair.heads(at(0)).await.unwrap();
                reader.keys().await.unwrap() == [long.clone(), other.clone()]
            })
            .await;
            assert_eq!(reader.list().await.unwrap().len(), 2, "{spoil:?}");
            assert_eq!(pair.partner().unwrap().waiting, 0, "nothing was written anew for it");
        }
    }
}

/// What was evicted elsewhere stays away.
#[tokio::test]
async fn what_was_evicted_elsewhere_is_not_put_back() {
    let (url, long, other) = (database(), key("long"), key("other"));
    let (pair, reader) = (pair(&url).await, redis(&url).await);
    for key in [&long, &other] {
        put(&pair, key, 1).await;
    }
    pair.heads(at(0)).await.unwrap();
    reader.evict(&long).await.unwrap();
    for _ in 0..3 {
        pair.heads(at(0)).await.unwrap();
        assert_eq!(pair.partner().unwrap().waiting, 0, "it is not told again");
    }
    assert_eq!(reader.keys().await.unwrap(), [other]);
}
