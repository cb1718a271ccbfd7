//! `doctor` of a Redis: a real one, made as unwise as each finding wants it.

use wellspring::store::redis::RedisStore;
use wellspring::store::{Retention, Store as _};

use super::*;
use crate::store_kit::{key, put};
use crate::support::redis::{Server, ask, database};

/// What it says of Redis and of the copy, without what differs between two runs.
fn look(url: &str) -> String {
    let folder = folder("[source.cinema]\nurl = \"http://127.0.0.1:1/\"\nfresh_for = \"1h\"\nformat = \"feed\"\n");
    let toml = std::fs::read_to_string(folder.path().join("wellspring.toml")).unwrap();
    write_config(folder.path(), &format!("[store]\nurl = \"{url}\"\n{toml}"));
    let output = output(command(folder.path()).args(["doctor", "--offline"]).env("PATH", folder.path()));
    let said = said(&output, folder.path());
    assert!(!said.contains("geheim"), "{said}");
    let lines = said.lines().filter(|line| line.contains("  redis  ") || line.contains("  store  ") || line.contains("exit"));
    let text = lines.fold(String::new(), |all, line| all + line + "\n");
    let socket = url.trim_start_matches("redis+unix://").split('?').next().unwrap();
    let text = replaced(&text.replace(socket, "SOCKET"), "database ", |c| c.is_ascii_digit(), "N");
    let text = replaced(&text, "Redis 7", |c| c.is_ascii_digit() || c == '.', ".X");
    let text = replaced(&text, "answers in ", |c| c.is_ascii_digit() || c == '.', "TIME");
    // A machine that is busy may be slow.
    let text = text.replace("warn  redis      SOCKET", "ok    redis      SOCKET");
    let text = text.replace(
        "  → each refresh asks it some five times: bring it nearer to the replicas, or see what keeps it busy (`SLOWLOG GET`)",
        "",
    );
    text.lines().fold(String::new(), |all, line| {
        let used = line.split_once(" of memory used").map(|(before, after)| (before.split("redis").next().unwrap(), after));
        all + &used.map_or_else(|| line.to_owned(), |(before, after)| format!("{before}redis      SIZE of memory used{after}")) + "\n"
    })
}

async fn filled(url: &str, keys: &[&str]) {
    let store = RedisStore::open(url, Retention::default()).await.unwrap();
    for name in keys {
        put(&store, &key(name), 1).await;
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_keeps_nothing_on_disk_is_unwise() {
    let url = database();
    filled(&url, &["cinema", "old", "old?day=2"]).await;
    let before: Vec<String> = ask(&url, &["KEYS", "*"]).await;
    assert_snapshot!(look(&url), @"
    exit code 0
    ok    redis    SOCKET, database N: Redis 7.X, answers in TIME ms
    ok    redis    the user default may do all that is needed
    ok    redis      SIZE of memory used, without a limit
    warn  redis    it keeps nothing on disk: it is empty after a restart, and replicas fill it again from their own copies  → CONFIG SET appendonly yes, and the same in its config
    ok    redis    3 keys of 2 sources
    warn  redis    2 keys of sources that are not configured here: old  → where no other replica has them, `wellspring evict --unconfigured` drops them
    ok    store    data/wellspring.db: not there yet, the server makes it
    ");
    let after: Vec<String> = ask(&url, &["KEYS", "*"]).await;
    assert_eq!(before.len(), after.len(), "nothing is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_lose_data_are_told() {
    let server = Server::start(&["--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    assert_snapshot!(look(&server.url()), @"
    exit code 0
    ok    redis    SOCKET, database N: Redis 7.X, answers in TIME ms
    ok    redis    the user default may do all that is needed
    warn  redis      SIZE of memory used of 105 MB (`maxmemory`), and allkeys-lru evicts what is ours: it is fetched again, and its history is lost  → CONFIG SET maxmemory-policy noeviction, with memory for all that is kept
    ok    redis    it logs what changes (`appendonly`)
    ok    redis    0 keys of 0 sources
    ok    store    data/wellspring.db: not there yet, the server makes it
    ");
    let () = ask(&server.url(), &["CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1"]).await;
    let said = look(&server.url());
    assert!(said.contains("nearly full  → raise `maxmemory`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_may_not_do_names_the_rule() {
    let server = Server::start(&["--save", "60 1"]);
    let url = server.url();
    // As little as is needed.
    let least: Vec<&str> = vec!["ACL", "SETUSER", "wells", "on", ">geheim", "~ws:*", "&ws:changes:0", "+@all", "-@admin", "-@dangerous"];
    let () = ask(&url, &least).await;
    let () = ask(&url, &["ACL", "SETUSER", "blind", "on", ">geheim", "~ws:s*", "+@all", "-acl", "-hset", "-@dangerous"]).await;
    let () = ask(&url, &["ACL", "SETUSER", "seen", "on", ">geheim", "~ws:*", "+@all", "-evalsha"]).await;
    assert_snapshot!(look(&format!("{url}?user=wells&pass=geheim")), @"
    exit code 0
    ok    redis    SOCKET, database N: Redis 7.X, answers in TIME ms
    ok    redis    the user wells may do all that is needed
    ok    redis    its memory could not be seen
    ok    redis    whether it keeps anything on disk could not be seen
    ok    redis    0 keys of 0 sources
    ok    store    data/wellspring.db: not there yet, the server makes it
    ");
    assert_snapshot!(look(&format!("{url}?user=blind&pass=geheim")), @"
    exit code 1
    ok    redis    SOCKET, database N: Redis 7.X, answers in TIME ms
    FAIL  redis    the user may not do all that is needed  → ACL SETUSER NAME &ws:changes:0 ~ws:* +hset
    ok    redis    its memory could not be seen
    ok    redis    whether it keeps anything on disk could not be seen
    ok    redis    0 keys of 0 sources
    ok    store    data/wellspring.db: not there yet, the server makes it
    ");
    assert_snapshot!(look(&format!("{url}?user=seen&pass=geheim")), @"
    exit code 1
    ok    redis    SOCKET, database N: Redis 7.X, answers in TIME ms
    FAIL  redis    the user seen may not do all that is needed  → ACL SETUSER seen &ws:changes:0 +evalsha
    ok    redis      SIZE of memory used, without a limit
    ok    redis    it saves snapshots of itself: what came after the last one, replicas fill it again from their own copies
    ok    redis    0 keys of 0 sources
    ok    store    data/wellspring.db: not there yet, the server makes it
    ");
    assert_snapshot!(look(&format!("{url}?user=wells&pass=geheim2")), @"
    exit code 1
    FAIL  redis    SOCKET, database N: Redis refuses the user or the password  → mend the user and the password in `url` under [store], or the user's rules
    ok    store    data/wellspring.db: not there yet, the server makes it
    ");
    // With exactly these rules the store works.
    let store = RedisStore::open(&format!("{url}?user=wells&pass=geheim"), Retention::default()).await.unwrap();
    put(&store, &key("cinema"), 1).await;
    assert_eq!(store.health(), wellspring::store::Health::Ok);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_from_fails() {
    let replica = Server::start(&["--replicaof", "127.0.0.1 1"]);
    assert_snapshot!(look(&replica.url()), @"
    exit code 1
    ok    redis    SOCKET, database N: Redis 7.X, answers in TIME ms
    FAIL  redis    it is a read-only replica  → name its master as `url` under [store], or the sentinels that know it: redis+sentinel://host:26379/name
    ok    redis    the user default may do all that is needed
    ok    redis      SIZE of memory used, without a limit
    warn  redis    it keeps nothing on disk: it is empty after a restart, and replicas fill it again from their own copies  → CONFIG SET appendonly yes, and the same in its config
    ok    redis    0 keys of 0 sources
    ok    store    data/wellspring.db: not there yet, the server makes it
    ");
    let url = database();
    let () = ask(&url, &["SET", "ws:format", "9"]).await;
    let () = ask(&url, &["RPUSH", "ws:{cinema}:m", "x"]).await;
    let () = ask(&url, &["SET", "other:cinema", "x"]).await;
    assert_snapshot!(look(&url), @"
    exit code 1
    ok    redis    SOCKET, database N: Redis 7.X, answers in TIME ms
    ok    redis    the user default may do all that is needed
    ok    redis      SIZE of memory used, without a limit
    warn  redis    it keeps nothing on disk: it is empty after a restart, and replicas fill it again from their own copies  → CONFIG SET appendonly yes, and the same in its config
    FAIL  redis    Redis holds a list that is not ours under `ws:{cinema}:m`  → remove it, or choose another database
    FAIL  redis    the store in Redis is of format 9, which a newer version wrote  → upgrade this one, or choose another database
    ok    redis    0 keys of 0 sources
    ok    store    data/wellspring.db: not there yet, the server makes it
    ");
    replica.kill();
    assert_snapshot!(look(&replica.url()), @"
    exit code 1
    FAIL  redis    SOCKET, database N: Redis cannot be reached: connection refused  → start it, or mend `url` under [store]; until then each replica serves and refreshes from its own copy
    ok    store    data/wellspring.db: not there yet, the server makes it
    ");
}
