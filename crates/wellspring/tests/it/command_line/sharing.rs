//! What commands say where the store is in Redis: where that is, what to do, and nothing of what is secret in its address.

use wellspring::store::redis::RedisStore;
use wellspring::store::{Retention, Store as _};

use super::*;
use crate::store_kit::{key, put, until};
use crate::support::redis::{Server, ask};

const SOURCE: &str = "[source.cinema]\nurl = \"http://127.0.0.1:1/\"\nfresh_for = \"1h\"\nformat = \"feed\"\nwarm = false\n";

fn server(name: &str, url: &str, own: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("[store]\nurl = \"{url}\"\nown = \"{own}\"\n");
    let toml = format!("[server]\nlisten = \"127.0.0.1:0\"\nreplica = \"{name}\"\n{store}[fetch]\nallow_private = true\n{SOURCE}");
    write_config(folder.path(), &toml);
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_on_a_shared_store_say_where_it_is_and_what_to_do() {
    let redis = Server::start(&["--requirepass", "geheim"]);
    let socket = redis.socket().display().to_string();
    let told = |folder: &TempDir, args: &[&str]| {
        let said = said(&run(folder.path(), args), folder.path()).replace(&socket, "SOCKET");
        assert!(!said.contains("geheim") && !said.contains("falsch"), "{said}");
        said
    };
    let wrong = server("wrong", &format!("{}?pass=falsch", redis.url()), "sqlite:own.db");
    for args in [&["serve"][..], &["evict", "cinema"]] {
        assert_eq!(told(&wrong, args), told(&wrong, &["evict", "cinema"]));
    }
    assert_snapshot!(told(&wrong, &["serve"]), @"
    exit code 1
    --- stderr
    error: `url` under [store], Redis at SOCKET, database 0: Redis refuses the user or the password; mend them in its address, or the user in Redis (`wellspring doctor` tells what is needed)
    ");

    let url = format!("{}?pass=geheim", redis.url());
    let one = server("replica-1", &url, "sqlite:own.db");
    assert_snapshot!(told(&one, &["evict", "nosuch"]), @"
    exit code 1
    --- stderr
    error: nothing is stored of `nosuch`, and no source of that name is configured here
    ");
    assert_snapshot!(told(&one, &["evict", "cinema"]), @"
    exit code 1
    --- stderr
    error: nothing is stored of `cinema`
    ");
    let store = RedisStore::open(&url, Retention::default()).await.unwrap();
    put(&store, &key("cinema"), 1).await;
    assert_snapshot!(told(&one, &["evict", "cinema"]), @"
    exit code 0
    --- stdout
    evicted 1 key from Redis at SOCKET, database 0; servers that run go on with their own copies until they refresh them
    ");
    assert_eq!(store.keys().await, Ok(vec![]));
    put(&store, &key("cinema"), 1).await;
    std::fs::write(one.path().join("empty.jsonl"), run(one.path(), &["export", "-"]).stdout).unwrap();

    let program = Program::serve(one.path());
    let same = server("replica-2", &url, &format!("sqlite:{}", one.path().join("own.db").display()));
    assert_snapshot!(told(&same, &["serve"]).replace(&one.path().display().to_string(), "ONE"), @"
    exit code 1
    --- stderr
    error: the store `ONE/own.db` is in use by another running server; stop that one, or choose another folder with --data; it is `own` under [store], the copy that a server has of what is shared: each needs a file of its own
    ");
    let address = program.address.to_string();
    let status = || told(&one, &["status", "--server", &address]);
    until("it has seen itself", async || status().contains("replica-1  this one\n")).await;
    assert_snapshot!(status().split_once("REPLICA\n").unwrap().1, @"replica-1  this one");
    drop(program);

    let () = ask(&url, &["SET", "ws:format", "99"]).await;
    assert_snapshot!(told(&one, &["evict", "cinema"]), @"
    exit code 1
    --- stderr
    error: `url` under [store], Redis at SOCKET, database 0: the store in Redis is of format 99, which a newer version wrote; upgrade this one, or choose another database
    ");
    redis.kill();
    assert_snapshot!(told(&one, &["evict", "cinema"]), @"
    exit code 1
    --- stderr
    error: Redis at SOCKET, database 0: Redis cannot be reached: connection refused; mend that and evict again
    ");
    assert_snapshot!(told(&one, &["import", "empty.jsonl"]), @"
    exit code 1
    --- stderr
    error: Redis at SOCKET, database 0: Redis cannot be reached: connection refused; mend that and import again: what was taken over until then stays, and taking it over again is no harm
    ");
}
