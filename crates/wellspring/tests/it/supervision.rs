//! A flight that ends without a word is ended properly all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use wellspring::fetch::{FetchError, Fetched, Fetcher, Request};

use crate::support::app::Builder;
use crate::support::origin::{Answer, Origin};
use crate::support::tix;

/// Panics the first few times, then fetches for real.
#[derive(Debug)]
struct Panics {
    left: AtomicUsize,
    real: Arc<dyn Fetcher>,
}

#[async_trait]
impl Fetcher for Panics {
    async fn fetch(&self, request: &Request) -> Result<Fetched, FetchError> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        assert!(left.is_err(), "a panic on purpose");
        self.real.fetch(request).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flight_that_panics_is_a_failure_with_a_backoff() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let builder = Builder::new().with_fetch("at_once = 1\nper_host = 1").with_source(&tix::source(
        "cinema",
        &origin,
        "/",
        "fresh_for = \"1h\"\nwarm = false",
    ));
    let app = builder.start_through(|real| Arc::new(Panics { left: AtomicUsize::new(1), real })).await;
    // Its reader hears of it at once, not when its patience ends.
    let reply = app.get("/api/cinema").await;
    assert_eq!((reply.status.as_u16(), reply.member("type")), (503, serde_json::json!("urn:wellspring:problem:interrupted")));
    assert_eq!(app.status("cinema").await["phase"], "backing_off");
    // The place, the lease and the host's permit are free again: the next attempt gets through.
    app.clock.pass(Duration::from_secs(10));
    let reply = app.get("/api/cinema").await;
    assert_eq!((reply.status.as_u16(), reply.items("title")), (200, vec!["Dune".to_owned()]));
    app.stop().await;
}

/// Whatever ends a collection early gives its places back: else a host's places would be gone after as many deadlines.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_gives_every_place_back() {
    let origin = Origin::start().await;
    origin.script("/", Answer::hang());
    let lines = "fresh_for = \"1h\"\nwarm = false\ndeadline = \"300ms\"\nmin_interval = \"0s\"";
    let app = Builder::new().with_fetch("at_once = 1\nper_host = 1").with_source(&tix::source("cinema", &origin, "/", lines)).start().await;
    for _ in 0..3 {
        assert_eq!(app.post("/api/cinema/refresh").await.status, 503);
    }
    assert_eq!(origin.count("/"), 3);
    origin.script("/", tix::films(&["Dune"]));
    assert_eq!(app.post("/api/cinema/refresh").await.status, 200);
    app.stop().await;
}
