//! What is promised under faults and attacks, counted: each test tells its figures to whoever asks for them by `cargo xtask trust`.

use std::net::SocketAddr;
use std::time::Duration;

use wellspring::clock::{Clock as _, SystemClock};

use crate::support::client::Connection;
use crate::support::program::tell;

pub(crate) mod addresses;
mod bodies;
mod clocks;
mod configs;
pub(crate) mod dice;
mod flips;
mod full;
mod kills;
mod power;
mod replicas;
mod schedules;
mod slow;
mod stopping;
mod upstream;

/// Whether the full numbers are wanted, and latencies judged.
pub(crate) fn long() -> bool {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how long they may take")]
    let asked = std::env::var_os("WELLSPRING_TRUST");
    asked.is_some_and(|asked| asked == "long")
}

/// Tells a figure, and fails where it is not as promised.
#[track_caller]
pub(crate) fn judge(promise: &str, what: &str, figure: &str, bar: &str, held: bool) {
    say(promise, what, figure, bar, if held { "held" } else { "NOT HELD" });
    assert!(held, "{what}: {figure}, and not {bar}");
}

/// The same of a latency, which is judged only where the machine is asked for nothing else.
#[track_caller]
pub(crate) fn judge_time(promise: &str, what: &str, figure: &str, bar: &str, held: bool) {
    if long() { judge(promise, what, figure, bar, held) } else { say(promise, what, figure, bar, "not judged") }
}

pub(crate) fn say(promise: &str, what: &str, figure: &str, bar: &str, verdict: &str) {
    // The harness has begun a line of its own where tests run one by one.
    tell(&format!("\ntrust {promise} | {what} | {figure} | {bar} | {verdict}"));
}

/// Reads of one path over one kept connection, and how long each took.
pub(crate) struct Hits {
    connection: Connection,
    pub(crate) took: Vec<Duration>,
}

impl Hits {
    pub(crate) async fn of(address: SocketAddr) -> Self {
        Self { connection: Connection::open(address).await, took: Vec::new() }
    }

    /// One: its answer has to be 200.
    pub(crate) async fn hit(&mut self, path: &str) -> crate::support::client::Reply {
        let before = SystemClock.mono();
        let reply = self.connection.get(path).await;
        self.took.push(before.until(SystemClock.mono()));
        assert_eq!(reply.status, 200, "{path}");
        reply
    }
}

/// The 99th percentile.
pub(crate) fn p99(took: &mut [Duration]) -> Duration {
    took.sort_unstable();
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}

/// Milliseconds, for people.
pub(crate) fn ms(took: Duration) -> String {
    format!("{:.2} ms", took.as_secs_f64() * 1_000.0)
}
