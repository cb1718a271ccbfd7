//! Who goes first when places are short.

use std::time::Duration;

use crate::support::app::Builder;
use crate::support::client::{get, post};
use crate::support::origin::Origin;
use crate::support::tix;

#[tokio::test(flavor = "multi_thread")]
async fn forced_goes_before_cold_and_cold_before_stale() {
    let origin = Origin::start().await;
    let mut builder = Builder::new().with_fetch("at_once = 1");
    for name in ["blocker", "warm", "stale", "cold", "forced"] {
        origin.script(&format!("/{name}"), tix::films(&["Dune"]));
        let lines = if name == "warm" { "fresh_for = \"1h\"" } else { "fresh_for = \"1h\"\nwarm = false\ncold_wait = \"10s\"" };
        builder = builder.with_source(&tix::source(name, &origin, &format!("/{name}"), lines));
    }
    origin.hold("/warm");
    let app = builder.start().await;
    // Warm-up comes at once at start: let it take the only place, so that all others have to stand in line.
    origin.wait_for_requests("/warm", 1).await;
    origin.release("/warm");
    app.until_attempts("warm", 1).await;
    app.get("/api/stale").await;
    app.clock.pass(Duration::from_secs(3_600));

    origin.hold("/blocker");
    let address = app.address;
    let blocker = wellspring::lifecycle::spawn(get(address, "/api/blocker"));
    origin.wait_for_requests("/blocker", 1).await;
    // In the reverse order of their urgency.
    app.get("/api/stale").await;
    app.until("stale", |s| s["phase"] == "queued").await;
    let cold = wellspring::lifecycle::spawn(get(address, "/api/cold"));
    app.until("cold", |s| s["phase"] == "queued").await;
    let forced = wellspring::lifecycle::spawn(post(address, "/api/forced/refresh", &[]));
    app.until("forced", |s| s["phase"] == "queued").await;
    for name in ["forced", "stale", "cold"] {
        origin.hold(&format!("/{name}"));
    }
    origin.release("/blocker");
    origin.wait_for_requests("/forced", 1).await;
    assert_eq!((origin.count("/stale"), origin.count("/cold")), (1, 0));
    origin.release("/forced");
    origin.wait_for_requests("/cold", 1).await;
    assert_eq!(origin.count("/stale"), 1);
    origin.release("/cold");
    origin.wait_for_requests("/stale", 2).await;
    origin.release("/stale");
    for waiter in [blocker, cold, forced] {
        assert_eq!(waiter.await.unwrap().status, 200);
    }
    app.stop().await;
}
