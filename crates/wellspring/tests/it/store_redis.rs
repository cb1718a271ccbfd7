//! What a store in Redis does beside the contract: Redis wiped, away, refusing, stopped, of others, in the middle of a write.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use wellspring::clock::{Clock as _, SystemClock};
use wellspring::lifecycle::spawn;
use wellspring::store::redis::RedisStore;
use wellspring::store::{Change, Health, Lease, Replica, Retention, Slot, Store, StoreError};
use wellspring_core::snapshot::{Attempts, Digest, Items, Snapshot};

use crate::store_kit::{TTL, at, attempts, check, key, lease, put, renewal, snapshot, until};
use crate::support::redis::{Server, ask, database};

async fn open(url: &str) -> RedisStore {
    RedisStore::open(url, Retention::default()).await.unwrap()
}

fn degraded(store: &dyn Store) -> String {
    match store.health() {
        Health::Degraded(why) => why,
        Health::Ok => String::new(),
    }
}

async fn recovered(store: &dyn Store) {
    until("it is well again", async || store.health() == Health::Ok).await;
}

#[tokio::test]
async fn a_wiped_redis_reissues_no_fence() {
    let url = database();
    let store = open(&url).await;
    let cinema = key("cinema");
    put(&store, &cinema, 1).await;
    let held = lease(&store, &cinema).await;
    let () = ask(&url, &["FLUSHDB"]).await;
    let after = lease(&store, &cinema).await;
    assert!(after.fence > held.fence, "{} after {}", after.fence, held.fence);
    let late = store.put_if(&held, &snapshot(&cinema, 2, 0), &renewal(2), &Attempts::default()).await;
    assert_eq!(late, Err(StoreError::LeaseLost(cinema.clone())));
    store.put_if(&after, &snapshot(&cinema, 7, 0), &renewal(7), &Attempts::default()).await.unwrap();
    check(&store, &cinema, Some(7), &[7]).await;
    store.release(&after).await.unwrap();
    let high = after.fence + 1_000_000_000_000;
    let seen = store.acquire(&cinema, high, TTL, at(0)).await.unwrap().unwrap();
    assert_eq!(seen.fence, high + 1, "above what a caller has seen");
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let url = database();
    let store = open(&url).await;
    let cinema = key("cinema");
    let () = ask(&url, &["SET", "ws:{cinema}:i:cinema", "theirs"]).await;
    let size: u64 = ask(&url, &["DBSIZE"]).await;
    let why = store.acquire(&cinema, 0, TTL, at(0)).await.unwrap_err();
    insta::assert_snapshot!(why, @"Redis holds a string that is not ours under `ws:{cinema}:i:cinema`; remove it, or choose another database");
    store.record(&cinema, &attempts(1)).await.unwrap_err();
    store.evict(&cinema).await.unwrap_err();
    store.get(&cinema).await.unwrap_err();
    // The name of its source aside, which is no data.
    assert!(ask::<u64>(&url, &["DBSIZE"]).await <= size + 1);
    assert_eq!(ask::<String>(&url, &["GET", "ws:{cinema}:i:cinema"]).await, "theirs");
    put(&store, &key("events"), 1).await;
    let () = ask(&url, &["SADD", "ws:sources", "strange"]).await;
    let () = ask(&url, &["SET", "ws:{strange}:m", "theirs"]).await;
    assert_eq!(store.keys().await, Ok(vec![key("events")]));
    assert_eq!(store.list().await.unwrap().len(), 1);
    assert_eq!(store.heads(at(0)).await.unwrap().len(), 1);
    assert_eq!(store.health(), Health::Ok, "one key is no reason to call all of it sick");

    let url = database();
    let () = ask(&url, &["SET", "ws:sources", "theirs"]).await;
    let why = RedisStore::open(&url, Retention::default()).await.unwrap_err();
    insta::assert_snapshot!(why, @"Redis holds a string that is not ours under `ws:sources`; remove it, or choose another database");
    assert!(matches!(why, StoreError::Unusable(_)));
    assert_eq!(ask::<u64>(&url, &["DBSIZE"]).await, 1);
}

#[tokio::test]
async fn what_a_newer_version_wrote_is_left_alone() {
    let url = database();
    let () = ask(&url, &["SET", "ws:format", "2"]).await;
    let why = RedisStore::open(&url, Retention::default()).await.unwrap_err();
    insta::assert_snapshot!(why, @"the store in Redis is of format 2, which a newer version wrote; upgrade this one, or choose another database");
    assert!(matches!(why, StoreError::Unusable(_)));
    assert_eq!(ask::<u64>(&url, &["DBSIZE"]).await, 1);

    let url = database();
    let store = open(&url).await;
    let (cinema, events) = (key("cinema"), key("events"));
    put(&store, &cinema, 1).await;
    put(&store, &events, 1).await;
    let () = ask(&url, &["HSET", "ws:{cinema}:e:cinema", "format", "2"]).await;
    let before: HashMap<String, String> = ask(&url, &["HGETALL", "ws:{cinema}:e:cinema"]).await;
    let why = store.get(&cinema).await.unwrap_err();
    insta::assert_snapshot!(why, @"`cinema` in Redis is of format 2, which a newer version wrote; upgrade this one, or choose another database");
    for answer in [store.record(&cinema, &attempts(1)).await, store.acquire(&cinema, 0, TTL, at(0)).await.map(drop)] {
        assert_eq!(answer, Err(why.clone()));
    }
    assert_eq!(ask::<HashMap<String, String>>(&url, &["HGETALL", "ws:{cinema}:e:cinema"]).await, before);
    let listed: Vec<_> = store.list().await.unwrap().into_iter().map(|entry| entry.key).collect();
    assert_eq!(listed, [events]);
}

#[tokio::test]
async fn a_bad_row_is_replaced_by_what_came_before() {
    let url = database();
    let store = open(&url).await;
    let cinema = key("cinema");
    put(&store, &cinema, 1).await;
    put(&store, &cinema, 2).await;
    let () = ask(&url, &["HSET", "ws:{cinema}:i:cinema", "2", "damage"]).await;
    let latest = store.get(&cinema).await.unwrap().unwrap().latest.unwrap();
    assert_eq!((latest.snapshot, latest.renewal.rules), (snapshot(&cinema, 1, 0), Digest::of(b"")));
    check(&store, &cinema, Some(1), &[1]).await;
    put(&store, &cinema, 2).await;
    check(&store, &cinema, Some(2), &[2, 1]).await;
    let () = ask(&url, &["HSET", "ws:{cinema}:e:cinema", "attempts", "{}"]).await;
    assert_eq!(check(&store, &cinema, Some(2), &[2, 1]).await.unwrap().attempts, Attempts::default());
    let () = ask(&url, &["HSET", "ws:{cinema}:e:cinema", "renewal", "{}"]).await;
    let latest = check(&store, &cinema, Some(2), &[2, 1]).await.unwrap().latest.unwrap();
    assert_eq!(latest.renewal.rules, Digest::of(b""));
}

#[tokio::test]
async fn a_wrong_password_is_said_without_it() {
    let server = Server::start(&["--requirepass", "richtig"]);
    for url in [server.url() + "?pass=geheim", server.url()] {
        let why = RedisStore::open(&url, Retention::default()).await.unwrap_err();
        assert_eq!(why, StoreError::Unusable("Redis refuses the user or the password; mend them in its address, or the user in Redis (`wellspring doctor` tells what is needed)".into()));
    }
    let url = server.url() + "?pass=richtig";
    let store = open(&url).await;
    put(&store, &key("cinema"), 1).await;
    assert!(!format!("{store:?}").contains("richtig"));
    let () = ask(&url, &["CONFIG", "SET", "requirepass", "anders"]).await;
    let () = ask(&(server.url() + "?pass=anders"), &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    until("it is refused", async || degraded(&store).contains("password")).await;
    assert_eq!(store.get(&key("cinema")).await, Err(StoreError::Unavailable("Redis refuses the user or the password".into())));
    let () = ask(&(server.url() + "?pass=anders"), &["CONFIG", "SET", "requirepass", "richtig"]).await;
    recovered(&store).await;
    check(&store, &key("cinema"), Some(1), &[1]).await;
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_said_and_read() {
    let server = Server::start(&[]);
    let (url, cinema) = (server.url(), key("cinema"));
    let store = open(&url).await;
    put(&store, &cinema, 1).await;
    let held = lease(&store, &cinema).await;
    for (sick, why, well) in [
        (["REPLICAOF", "127.0.0.1", "1"], "Redis is a read-only replica", ["REPLICAOF", "NO", "ONE"]),
        (["CONFIG SET", "maxmemory", "1"], "Redis has no memory left (`maxmemory`)", ["CONFIG SET", "maxmemory", "0"]),
    ] {
        let words = |words: [&str; 3]| words.iter().flat_map(|word| word.split(' ')).map(str::to_owned).collect::<Vec<_>>();
        let say = async |line: [&str; 3]| {
            let words = words(line);
            let () = ask(&url, &words.iter().map(String::as_str).collect::<Vec<_>>()).await;
        };
        say(sick).await;
        let refused = store.put_if(&held, &snapshot(&cinema, 2, 0), &renewal(2), &Attempts::default()).await;
        assert_eq!(refused, Err(StoreError::Unavailable(why.into())));
        assert_eq!(degraded(&store), why);
        check(&store, &cinema, Some(1), &[1]).await;
        assert_eq!(degraded(&store), why, "that it can be read shows nothing");
        let other = open(&url).await;
        assert_eq!(degraded(&other), why, "opened all the same");
        say(well).await;
        recovered(&store).await;
        recovered(&other).await;
    }
    store.put_if(&held, &snapshot(&cinema, 2, 0), &renewal(2), &Attempts::default()).await.unwrap();
}

#[tokio::test]
async fn it_opens_before_redis_is_there() {
    let server = Server::prepared(&[]);
    let store = open(&server.url()).await;
    assert_eq!(degraded(&store), "Redis cannot be reached: connection refused");
    assert_eq!(store.get(&key("cinema")).await, Err(StoreError::Unavailable(degraded(&store))));
    let mut hints = store.watch();
    server.revive();
    recovered(&store).await;
    assert_eq!(hints.recv().await, Ok(Change::Missed));
    put(&store, &key("cinema"), 1).await;
    check(&store, &key("cinema"), Some(1), &[1]).await;
}

#[tokio::test]
async fn a_redis_that_says_nothing_holds_no_call() {
    let server = Server::start(&[]);
    let store = Arc::new(open(&server.url()).await);
    let (cinema, events) = (key("cinema"), key("events"));
    put(&*store, &cinema, 1).await;
    let mut hints = store.watch();
    server.signal("-STOP");
    let clock = SystemClock;
    let began = clock.mono();
    let slow = spawn({
        let (store, cinema) = (Arc::clone(&store), cinema.clone());
        async move { store.get(&cinema).await }
    });
    store.acquire(&events, 0, TTL, at(0)).await.unwrap_err();
    slow.await.unwrap().unwrap_err();
    let slot = Slot { host: "a.example".into(), owner: 1 };
    let more: [Result<(), StoreError>; 4] = [
        store.heads(at(0)).await.map(drop),
        store.list().await.map(drop),
        store.leave(&slot).await,
        store.record(&cinema, &attempts(1)).await,
    ];
    assert!(more.iter().all(Result::is_err), "{more:?}");
    let took = clock.mono().since(began);
    assert!(took < Duration::from_secs(4), "{took:?}");
    println!("six calls while Redis was stopped: {took:?}");
    assert!(!degraded(&*store).is_empty());
    server.signal("-CONT");
    recovered(&*store).await;
    assert_eq!(hints.recv().await, Ok(Change::Missed));
    // The lease that was asked for before may have been granted then: nobody waits until its time has run out.
    until("it can be taken", async || store.acquire(&events, 0, TTL, at(0)).await.is_ok_and(|lease| lease.is_some())).await;
}

#[tokio::test]
async fn a_redis_that_went_is_found_again() {
    let server = Server::start(&[]);
    let store = open(&server.url()).await;
    let cinema = key("cinema");
    put(&store, &cinema, 1).await;
    let held = lease(&store, &cinema).await;
    server.kill();
    until("that is seen", async || degraded(&store).starts_with("Redis cannot be reached")).await;
    server.revive();
    recovered(&store).await;
    assert_eq!(store.get(&cinema).await, Ok(None), "it kept nothing");
    let late = store.put_if(&held, &snapshot(&cinema, 2, 0), &renewal(2), &Attempts::default()).await;
    assert_eq!(late, Err(StoreError::LeaseLost(cinema.clone())));
    assert!(lease(&store, &cinema).await.fence > held.fence);
    assert!(store.figures().errors > 0);
}

#[tokio::test]
async fn hints_come_from_other_stores() {
    let url = database();
    let (one, other) = (open(&url).await, open(&url).await);
    let elsewhere = open(&database()).await;
    let (mut near, mut far, mut none) = (one.watch(), other.watch(), elsewhere.watch());
    let cinema = key("cinema");
    put(&one, &cinema, 1).await;
    let held = lease(&one, &cinema).await;
    one.touch_if(&held, &renewal(2), &attempts(1)).await.unwrap();
    one.record(&cinema, &attempts(2)).await.unwrap();
    one.release(&held).await.unwrap();
    other.record(&cinema, &attempts(3)).await.unwrap();
    let name = || cinema.clone();
    let (started, ended, recorded) = (Change::Started(name()), Change::Ended(name()), Change::Recorded(name()));
    let expected =
        [started.clone(), Change::Revision(name(), 1), ended.clone(), started, Change::Touched(name()), recorded.clone(), ended, recorded];
    for change in expected {
        assert_eq!(far.recv().await, Ok(change.clone()));
        assert_eq!(near.recv().await, Ok(change));
    }
    assert!(near.is_empty() && far.is_empty(), "nothing is told twice");
    assert!(none.try_recv().is_err(), "another database has its own");
}

#[tokio::test]
async fn whoever_may_have_missed_hints_is_told() {
    let server = Server::start(&[]);
    let url = server.url();
    let store = open(&url).await;
    let mut hints = store.watch();
    let () = ask(&url, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert_eq!(hints.recv().await, Ok(Change::Missed));
    put(&open(&url).await, &key("cinema"), 1).await;
    assert_eq!(hints.recv().await, Ok(Change::Started(key("cinema"))), "it listens again");
    assert_eq!(store.health(), Health::Ok);
}

#[tokio::test]
async fn what_redis_forgot_to_run_is_sent_again() {
    let url = database();
    let store = open(&url).await;
    put(&store, &key("cinema"), 1).await;
    let () = ask(&url, &["SCRIPT", "FLUSH"]).await;
    check(&store, &key("cinema"), Some(1), &[1]).await;
    put(&store, &key("cinema"), 2).await;
    check(&store, &key("cinema"), Some(2), &[2, 1]).await;
}

/// Lets so many bytes through to a server, then cuts the connection.
async fn cutter(server: &Server, bytes: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let socket = server.socket();
    spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = UnixStream::connect(&socket).await.unwrap();
            let bytes = Arc::clone(&bytes);
            spawn(async move {
                let (mut near_in, mut near_out) = near.into_split();
                let (mut far_in, mut far_out) = far.into_split();
                let back = spawn(async move { tokio::io::copy(&mut far_in, &mut near_out).await });
                let mut buffer = vec![0; 512];
                while let Ok(read) = near_in.read(&mut buffer).await {
                    let left = bytes.load(Ordering::SeqCst);
                    let passed = read.min(left);
                    if read == 0 || far_out.write_all(&buffer[..passed]).await.is_err() || passed < read {
                        break;
                    }
                    if left != usize::MAX {
                        bytes.store(left - passed, Ordering::SeqCst);
                    }
                }
                back.abort();
            });
        }
    });
    url
}

#[tokio::test]
async fn a_write_that_is_cut_is_whole_or_nothing() {
    let server = Server::start(&[]);
    let direct = open(&server.url()).await;
    let bytes = Arc::new(AtomicUsize::new(usize::MAX));
    let store = open(&cutter(&server, Arc::clone(&bytes)).await).await;
    let cinema = key("cinema");
    // The script is known then, so that what is cut is the write.
    put(&direct, &cinema, 1).await;
    let (mut latest, mut whole, mut nothing) = (1, 0, 0);
    for cut in (0..6_000).step_by(293) {
        recovered(&store).await;
        let held: Lease = lease(&store, &cinema).await;
        let offered = latest + 1;
        bytes.store(cut, Ordering::SeqCst);
        let put = store.put_if(&held, &snapshot(&cinema, offered, 900), &renewal(9), &Attempts::default()).await;
        bytes.store(usize::MAX, Ordering::SeqCst);
        let entry = direct.get(&cinema).await.unwrap();
        let stored = entry.as_ref().and_then(|entry| entry.latest.as_ref()).map_or(0, |latest| latest.snapshot.revision);
        if let Some(entry) = &entry {
            assert_eq!(entry.latest.as_ref().unwrap().snapshot, snapshot(&cinema, stored, if stored == 1 { 0 } else { 900 }));
        }
        match put {
            Ok(()) => assert_eq!(stored, offered, "cut after {cut}"),
            Err(_) => assert!(stored == latest || stored == offered, "cut after {cut}: {stored}"),
        }
        if stored == offered {
            whole += 1;
        } else {
            nothing += 1;
        }
        latest = stored;
        direct.release(&held).await.unwrap();
    }
    assert!(whole > 0 && nothing > 0, "{whole} whole, {nothing} not at all: nothing was cut");
}

#[tokio::test]
async fn an_address_without_sense_is_said() {
    for url in ["redis://", "redis://:geheim@host/one", "redis+sentinel://:geheim@host/"] {
        let why = RedisStore::open(url, Retention::default()).await.unwrap_err();
        assert!(matches!(&why, StoreError::Unusable(why) if !why.contains("geheim")), "{why}");
    }
}

#[tokio::test]
async fn ten_thousand_heads_in_one_go() {
    let url = database();
    let store = Arc::new(open(&url).await);
    let clock = SystemClock;
    let writers: Vec<_> = (0..10)
        .map(|writer| {
            let store = Arc::clone(&store);
            spawn(async move {
                for number in 0..1_000 {
                    store.record(&key(&format!("source_{writer}?number={number}")), &attempts(1)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let held = lease(&*store, &key("source_3?number=7")).await;
    let began = clock.mono();
    let heads = store.heads(at(0)).await.unwrap();
    println!("heads of {} keys: {:?}", heads.len(), clock.mono().since(began));
    assert_eq!(heads.len(), 10_000);
    assert_eq!(heads.iter().filter(|head| head.refreshing).map(|head| &head.key).collect::<Vec<_>>(), [&held.key]);
    let began = clock.mono();
    assert_eq!(store.list().await.unwrap().len(), 10_000);
    println!("all of them: {:?}", clock.mono().since(began));
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn sentinels_name_the_master() {
    let (first_port, second_port, port) = (free_port().to_string(), free_port().to_string(), free_port().to_string());
    let first = Server::start(&["--port", &first_port, "--requirepass", "geheim", "--masterauth", "geheim"]);
    let second = Server::start(&[
        "--port",
        &second_port,
        "--requirepass",
        "geheim",
        "--masterauth",
        "geheim",
        "--replicaof",
        &format!("127.0.0.1 {first_port}"),
        "--repl-diskless-sync-delay",
        "0",
    ]);
    let watched = format!("sentinel monitor wells 127.0.0.1 {first_port} 1\nsentinel auth-pass wells geheim\n");
    let quick = "sentinel down-after-milliseconds wells 500\nsentinel failover-timeout wells 1000\n";
    let _sentinel = Server::sentinel(&format!("port {port}\n{watched}{quick}"));
    let in_step = async || ask::<String>(&(second.url() + "?pass=geheim"), &["INFO", "replication"]).await.contains("link_status:up");
    until("the replica has followed", in_step).await;
    let sentinel = format!("redis://127.0.0.1:{port}");
    let replicas = async || ask::<Vec<HashMap<String, String>>>(&sentinel, &["SENTINEL", "REPLICAS", "wells"]).await;
    until("the sentinel knows it", async || replicas().await.iter().any(|one| one["flags"] == "slave")).await;

    let store = open(&format!("redis+sentinel://:geheim@127.0.0.1:{},127.0.0.1:{port}/wells/0", free_port())).await;
    let cinema = key("cinema");
    put(&store, &cinema, 1).await;
    let in_step = async || ask::<u64>(&(second.url() + "?pass=geheim"), &["EXISTS", "ws:{cinema}:e:cinema"]).await == 1;
    until("the write has followed", in_step).await;
    let held = lease(&store, &cinema).await;
    first.kill();
    until("that is seen", async || !degraded(&store).is_empty()).await;
    recovered(&store).await;
    check(&store, &cinema, Some(1), &[1]).await;
    put(&store, &key("events"), 1).await;
    // What was given out before may have been lost with its master, or not; what comes after lies above it.
    store.evict(&cinema).await.unwrap();
    assert!(lease(&store, &cinema).await.fence > held.fence);
}

#[tokio::test]
async fn a_refresh_costs_little() {
    let server = Server::start(&[]);
    let url = server.url();
    let store = open(&url).await;
    let figure = async |section: &str, name: &str| {
        let text: String = ask(&url, &["INFO", section]).await;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim_start_matches(':').to_owned();
        line.parse::<u64>().unwrap()
    };
    put(&store, &key("warm"), 1).await;
    let rounds = if crate::trust::long() { 5_000 } else { 500 };
    let memory = figure("memory", "used_memory_dataset").await;
    let carried = figure("stats", "total_net_input_bytes").await + figure("stats", "total_net_output_bytes").await;
    let calls = figure("stats", "total_commands_processed").await;
    let clock = SystemClock;
    let mut took = Vec::new();
    for number in 0..rounds {
        let key = key(&format!("source?number={number}"));
        let began = clock.mono();
        let held = lease(&store, &key).await;
        store.put_if(&held, &noise(&key, number), &renewal(1), &Attempts::default()).await.unwrap();
        store.release(&held).await.unwrap();
        took.push(clock.mono().since(began));
    }
    took.sort_unstable();
    let calls = figure("stats", "total_commands_processed").await - calls;
    let carried = figure("stats", "total_net_input_bytes").await + figure("stats", "total_net_output_bytes").await - carried;
    let memory = figure("memory", "used_memory_dataset").await.saturating_sub(memory);
    let at = |share: usize| took[took.len() * share / 100];
    println!(
        "a refresh of 2 KB: p50 {:?}, p99 {:?}, {} commands within scripts and without, {} bytes both ways",
        at(50),
        at(99),
        calls / rounds,
        carried / rounds
    );
    println!("a key of 2 KB: {} bytes", memory / rounds);
    assert!(calls / rounds < 60, "{}", calls / rounds);
    assert!(carried / rounds < 16_000, "{}", carried / rounds);
    assert_eq!(store.keys().await.unwrap().len() as u64, rounds + 1);
}

/// About 2 KB that hardly get smaller.
fn noise(key: &wellspring_core::key::Key, seed: u64) -> Snapshot {
    let texts: Vec<_> = (0..60).map(|part| Digest::of(format!("{seed} {part}").as_bytes()).to_string()).collect();
    let items = Items::encode(&[serde_json::json!({ "texts": texts })]);
    Snapshot { digest: items.digest(), items, ..snapshot(key, 1, 0) }
}

#[tokio::test]
async fn a_certificate_of_nobody_is_not_believed() {
    let folder = tempfile::TempDir::new().unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key_file) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, own.cert.pem()).unwrap();
    std::fs::write(&key_file, own.signing_key.serialize_pem()).unwrap();
    let (port, cert, key_file) = (free_port().to_string(), cert.to_str().unwrap(), key_file.to_str().unwrap());
    let _server = Server::start(&["--tls-port", &port, "--tls-cert-file", cert, "--tls-key-file", key_file, "--tls-auth-clients", "no"]);
    let store = open(&format!("rediss://localhost:{port}")).await;
    assert!(degraded(&store).contains("certificate"), "{}", degraded(&store));
}

fn replica(name: &str) -> Replica {
    Replica { name: name.to_owned(), version: "1".to_owned(), since: at(0).wall, keys: 3 }
}

#[tokio::test]
async fn replicas_say_that_they_are_there_and_are_forgotten() {
    let url = database();
    let (one, two) = (open(&url).await, open(&url).await);
    let names = |seen: Vec<Replica>| seen.into_iter().map(|replica| replica.name).collect::<Vec<_>>();
    assert_eq!(one.present(&replica("b")).await.unwrap(), [replica("b")]);
    assert_eq!(names(two.present(&replica("a")).await.unwrap()), ["a", "b"]);
    // One that said so long ago by the server's clock, one from ahead of it, and what is none.
    let told = serde_json::to_string(&replica("dead")).unwrap();
    for (field, said) in [("x", format!("1 {told}")), ("y", format!("99999999999999 {told}")), ("z", "nonsense".to_owned())] {
        let () = ask(&url, &["HSET", "ws:replicas", field, &said]).await;
    }
    assert_eq!(names(one.present(&replica("b")).await.unwrap()), ["a", "b"]);
    assert_eq!(ask::<u32>(&url, &["HLEN", "ws:replicas"]).await, 2);
    let left: i64 = ask(&url, &["PTTL", "ws:replicas"]).await;
    assert!((1..=30_000).contains(&left), "{left}");
    two.close().await;
    assert_eq!(names(one.present(&replica("b")).await.unwrap()), ["b"]);
    let () = ask(&url, &["SET", "ws:replicas", "other"]).await;
    assert!(one.present(&replica("b")).await.unwrap_err().to_string().contains("not ours"));
    assert_eq!(one.health(), Health::Ok, "it stores all the same");
}
