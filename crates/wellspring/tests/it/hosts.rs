//! Many sources on one host, and hosts beside one another.

use std::time::Duration;

use crate::support::app::Builder;
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

/// lychee: waiting for a rate limit while holding a permit starves everyone.
#[tokio::test(flavor = "multi_thread")]
async fn trap_waiting_for_a_rate_limit_while_holding_a_permit() {
    let (slow, quick) = (Origin::start().await, Origin::start().await);
    let mut builder = Builder::new().with_fetch("per_host = 1\nat_once = 2");
    for i in 0..8 {
        slow.script(&format!("/{i}"), tix::films(&["Dune"]));
        slow.hold(&format!("/{i}"));
        builder = builder.with_source(&tix::source(
            &format!("slow{i}"),
            &slow,
            &format!("/{i}"),
            "fresh_for = \"1h\"\nwarm = false\ncold_wait = \"10ms\"",
        ));
    }
    quick.script("/", tix::films(&["Up"]));
    // Another name of the same machine: another host.
    let source = tix::source("quick", &quick, "/", "fresh_for = \"1h\"\nwarm = false").replace("127.0.0.1", "localhost");
    let app = builder.with_source(&source).start().await;
    for i in 0..8 {
        assert_eq!(app.get(&format!("/api/slow{i}")).await.status, 503);
    }
    assert_eq!(app.get("/api/quick").await.items("title"), ["Up"]);
    assert_eq!(slow.total(), 1, "one request at once for the slow host");
    for i in 0..8 {
        slow.release(&format!("/{i}"));
    }
    app.until_attempts("slow7", 1).await;
    app.stop().await;
}

/// One dead host, many keys: each finds out by itself that it is down. Here a few do, and the others leave it alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_host_is_left_alone_by_all_its_keys() {
    let origin = Origin::start().await;
    let mut builder = Builder::new().with_fetch("at_once = 1");
    for i in 0..12 {
        origin.script(&format!("/{i}"), Answer::status(500));
        builder = builder.with_source(&tix::source(&format!("s{i}"), &origin, &format!("/{i}"), "fresh_for = \"1h\"\nwarm = false"));
    }
    let app = builder.start().await;
    let mut codes = Vec::new();
    for i in 0..12 {
        let reply = app.get(&format!("/api/s{i}")).await;
        assert_eq!(reply.status, 503);
        codes.push(reply.member("type").as_str().unwrap().rsplit(':').next().unwrap().to_owned());
    }
    assert_eq!((codes[4].as_str(), codes[5].as_str(), codes[11].as_str()), ("upstream_status", "host_resting", "host_resting"));
    assert_eq!(origin.total(), 5);
    // Whoever forces asks all the same, and a success opens the host to everyone.
    origin.script("/11", tix::films(&["Dune"]));
    origin.script("/10", tix::films(&["Up"]));
    assert_eq!(app.post("/api/s11/refresh").await.status, 200);
    app.clock.pass(Duration::from_secs(20));
    assert_eq!(app.get("/api/s10").await.items("title"), ["Up"]);
    app.stop().await;
}
