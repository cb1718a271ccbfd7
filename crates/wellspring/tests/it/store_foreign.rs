//! What a server with a copy of its own does where others wrote into its Redis: what is wrong with a key stays with that key.

use std::sync::Arc;

use wellspring::clock::SystemClock;
use wellspring::store::memory::MemoryStore;
use wellspring::store::paired::Paired;
use wellspring::store::redis::RedisStore;
use wellspring::store::{Health, Retention, Store};
use wellspring_core::key::Key;

use crate::store_kit::{key, put, until};
use crate::support::redis::{ask, database};

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
