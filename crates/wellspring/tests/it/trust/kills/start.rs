//! How soon after its start a server that has much to serve does so.

use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::net::TcpStream;
use wellspring::clock::{Clock as _, SystemClock};
use wellspring::config::Config;
use wellspring::store::Retention;
use wellspring::store::Store as _;
use wellspring::store::memory::MemoryStore;
use wellspring_core::snapshot::{Attempts, Renewal};

use crate::store_kit::{key, lease, open, renewal, snapshot};
use crate::support::client::Connection;
use crate::support::program::{Program, command, write_config};
use crate::trust::dice::pass;
use crate::trust::{judge_time, ms, say};

const KEYS: usize = 10_000;
/// Bytes of items in each.
const SIZE: usize = 2_000;
const BAR: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_snapshots_are_served_soon() {
    let folder = TempDir::new().unwrap();
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[fetch]\nrobots = false\nallow_private = true\n[source.many]\nurl = \"http://127.0.0.1:1/{{n}}\"\nformat = \"json\"\nwarm = false\n\
         fresh_for = \"6d\"\nmax_keys = {KEYS}\nparams.n = {{ pattern = \"[0-9]+\" }}\nfields = {{ title = \"$.title\", filler = \"$.filler\" }}\n"
    );
    write_config(folder.path(), &config);
    let read = Config::parse("wellspring.toml", &config, &|_| None).unwrap_or_else(|wrong| panic!("{}", wrong[0]));
    let rules = read.sources[0].spec.rules;
    let memory = MemoryStore::new(Retention::default());
    let now: Timestamp = SystemClock.now().wall;
    for number in 0..KEYS {
        let key = key(&format!("many?n={number}"));
        let held = lease(&memory, &key).await;
        let renewal = Renewal { checked_at: now, rules, ..renewal(1) };
        memory.put_if(&held, &snapshot(&key, 1, SIZE), &renewal, &Attempts::default()).await.unwrap();
    }
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    let store = open(&folder.path().join("data/wellspring.db")).unwrap();
    memory.copy_to(&store).await.unwrap();
    store.close().await;

    let mut took = Vec::new();
    for _ in 0..3 {
        let port = crate::support::program::free_port();
        let address = ([127, 0, 0, 1], port).into();
        let begun = SystemClock.mono();
        let waiting = wellspring::lifecycle::spawn(async move {
            // Asks as soon as somebody listens, and again as long as it is told to come back.
            loop {
                if TcpStream::connect(address).await.is_err() {
                    pass(Duration::from_millis(1)).await;
                    continue;
                }
                let mut connection = Connection::open(address).await;
                if connection.get("/api/many?n=7").await.status == 200 {
                    return SystemClock.mono();
                }
                pass(Duration::from_millis(1)).await;
            }
        });
        let server = Program::start(command(folder.path()).args(["serve", "--log", "json", "--listen", &format!("127.0.0.1:{port}")]));
        took.push(begun.until(waiting.await.unwrap()));
        let last = server.get(&format!("/api/many?n={}", KEYS - 1)).await;
        assert_eq!((last.status.as_u16(), last.flags()), (200, (true, true, false)));
        server.kill();
    }
    took.sort_unstable();
    let (what, figure) = (format!("first answer of {KEYS} snapshots of 2 KB after exec"), ms(took[1]));
    if cfg!(debug_assertions) {
        // What nobody runs is told and not judged.
        say("T1", &what, &figure, "1 s", "not judged");
    } else {
        judge_time("T1", &what, &figure, "1 s", took[1] < BAR);
    }
}
