//! A real site and real answers, captured and kept outside the project: what should come out of them does, and the whole life of a source
//! is walked through against the site played back as slowly as it was.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;
use wellspring::clock::{Clock as _, SystemClock};

use crate::browser;
use crate::support::client::{Reply, get};
use crate::support::program::{Program, Tool, free_port, run, tell, write_config};

/// How long the site takes for an answer.
const DELAY: Duration = Duration::from_secs(3);

/// What lies under `../shared` beside the repository, whichever checkout of it this is. `None`, said so, where it is absent.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    // Cargo says so when it runs us; what it said at build time is of another checkout where two of them share a target folder.
    #[expect(clippy::disallowed_methods, reason = "a test asks where its checkout is")]
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let path = package.join("../../../shared").join(path);
    if path.exists() {
        return path.canonicalize().ok();
    }
    tell(&format!("skipped: {} is absent", path.display()));
    None
}

/// A source that reads the castle's calendar from this address.
fn castle(url: &str, lines: &str) -> String {
    format!(
        "[source.castle]\nurl = \"{url}\"\nformat = \"html\"\nitems = \"a.performance-button[href*='/bookings/']\"\nunique_by = \"booking\"\n{lines}\n\
         [source.castle.fields]\nbooking = \"@href\"\n[source.castle.expect]\nmin_items = 50\nrequired = [\"booking\"]\n"
    )
}

/// What `check --input` makes of a captured file: its one JSON object.
fn check(folder: &Path, source: &str, input: &Path) -> Value {
    let output = run(folder, &["check", source, "--json", "--input", input.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_castles_calendar_gives_the_bookings_expected_of_it() {
    let Some(site) = shared("data/cinema/thecastlecinema.com") else { return };
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &castle("https://thecastlecinema.com/calendar/", "fresh_for = \"1h\""));
    let checked = check(folder.path(), "castle", &site.join("000.html"));
    let items = checked["items"].as_array().unwrap();
    let found: BTreeSet<&str> = items.iter().map(|item| item["booking"].as_str().unwrap()).collect();

    let films: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(site.join("expected.json")).unwrap()).unwrap();
    let performances = films.iter().flat_map(|film| film["performances"].as_array().unwrap());
    let expected: BTreeSet<&str> = performances.map(|performance| performance["bookingUrl"].as_str().unwrap()).collect();
    assert_eq!(expected.len(), 86);
    assert_eq!(items.len(), 86, "each once");
    assert_eq!(found, expected);
}

#[test]
fn the_castles_calendar_is_played_back_from_its_folder() {
    let Some(site) = shared("data/cinema/thecastlecinema.com") else { return };
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &castle("http://thecastlecinema.com/calendar/", "fresh_for = \"1h\""));
    let output = run(folder.path(), &["check", "--json", "--replay", site.to_str().unwrap()]);
    let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&checked["passed"], checked["items"].as_array().unwrap().len()), (&true.into(), 86));
}

/// With its own scripts and styles, which are asked for through the source's proxy and are not there.
#[tokio::test(flavor = "multi_thread")]
async fn the_castles_calendar_is_the_same_in_a_browser() {
    let (Some(_turn), Some(site)) = (browser::turn().await, Site::start()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let proxy = format!("[fetch]\nproxy = \"http://{}\"\nrobots = false\n", site.address);
    let source = castle("http://thecastlecinema.com/calendar/", "fresh_for = \"1h\"\nrender = \"always\"");
    write_config(folder.path(), &(proxy + &source));
    let output = run(folder.path(), &["check", "--json"]);
    let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&checked["rung"], checked["items"].as_array().unwrap().len()), (&"browser".into(), 86), "{checked}");
}

#[test]
fn the_trends_feed_gives_ten_trends_by_the_shipped_rules() {
    let Some(feed) = shared("data/trends/captured-2026-10-01/trending_rss.xml") else { return };
    let checked = check(tempfile::tempdir().unwrap().path(), "google_trend", &feed);
    let items = checked["items"].as_array().unwrap();
    let whole = |item: &Value| {
        item["query"].as_str().is_some_and(|q| !q.is_empty()) && item["search_volume"].is_u64() && item["category"] == "Unknown"
    };
    assert!(items.len() == 10 && items.iter().all(whole), "{items:#?}");
}

#[test]
fn the_stored_trends_give_ten_with_categories_by_the_shipped_rules() {
    let Some(seed) = shared("data/seed") else { return };
    let files: Vec<PathBuf> = std::fs::read_dir(seed).unwrap().map(|entry| entry.unwrap().path()).collect();
    let files: Vec<&PathBuf> = files.iter().filter(|path| path.to_str().unwrap().ends_with("trending_now.json")).collect();
    assert_eq!(files.len(), 2);
    for file in files {
        let checked = check(tempfile::tempdir().unwrap().path(), "google_trend", file);
        let items = checked["items"].as_array().unwrap();
        let whole = |item: &Value| {
            item["query"].is_string() && item["search_volume"].is_u64() && item["category"].as_str().is_some_and(|c| c != "Unknown")
        };
        assert!(items.len() == 10 && items.iter().all(whole), "{items:#?}");
    }
}

/// The captured site, played back on a port of its own.
struct Site {
    _process: Tool,
    address: SocketAddr,
}

impl Site {
    /// Starts it. `None`, said so, where the captured data or Python is absent.
    fn start() -> Option<Self> {
        let (tool, data) = (shared("tools/replay.py")?, shared("data/cinema/thecastlecinema.com")?);
        let port = free_port();
        let mut command = Command::new("python3");
        command.arg(tool).args(["--port", &port.to_string(), "--delay", &DELAY.as_secs().to_string()]).arg(data);
        let address = ([127, 0, 0, 1], port).into();
        match Tool::start(&mut command, address) {
            Ok(process) => Some(Self { _process: process, address }),
            Err(error) => {
                tell(&format!("skipped: python3 cannot be run: {error}"));
                None
            }
        }
    }

    /// How often its calendar was asked for.
    async fn asked(&self) -> u64 {
        let count = get(self.address, "/-/count").await.json();
        count["by_url"]["GET thecastlecinema.com/calendar/"].as_u64().unwrap_or(0)
    }

    /// How every next answer behaves.
    fn behave(&self, how: &str) {
        let mut connection = TcpStream::connect(self.address).unwrap();
        write!(connection, "POST /-/behave HTTP/1.1\r\nhost: site\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{how}", how.len())
            .unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// A folder with a server's config that reads the site by this address.
    fn folder(url: &str, fetch: &str, lines: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        write_config(
            folder.path(),
            &format!("[server]\nlisten = \"127.0.0.1:0\"\n[fetch]\nallow_private = true\n{fetch}\n{}", castle(url, lines)),
        );
        folder
    }
}

/// An answer and how long it took.
async fn timed(what: &str, answer: impl Future<Output = Reply>) -> (Reply, Duration) {
    let begun = SystemClock.mono();
    let reply = answer.await;
    let took = SystemClock.mono().since(begun);
    tell(&format!("castle, played back with {} s a page: {what}: {:.1} ms", DELAY.as_secs(), took.as_secs_f64() * 1_000.0));
    (reply, took)
}

fn bookings(reply: &Reply) -> usize {
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    reply.items("booking").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_site_is_served_through_its_whole_life() {
    let Some(site) = Site::start() else { return };
    let url = format!("http://{}/thecastlecinema.com/calendar/", site.address);
    let folder = Site::folder(&url, "", "fresh_for = \"4s\"\nwarm = false\nmin_interval = \"0s\"");
    let server = Program::serve(folder.path());

    let (cold, took) = timed("cold", server.get("/api/castle")).await;
    assert_eq!((bookings(&cold), cold.flags(), site.asked().await), (86, (false, true, false), 1));
    assert!(took >= DELAY, "the first answer waits for the site: {took:?}");

    let (warm, _) = timed("warm", server.get("/api/castle")).await;
    assert_eq!((bookings(&warm), warm.flags(), site.asked().await), (86, (true, true, false), 1));

    // Stale: answered while the site, which takes its time, is still being asked.
    server.until("castle", |s| s["freshness"] == "stale").await;
    let (stale, _) = timed("stale", server.get("/api/castle")).await;
    assert_eq!((bookings(&stale), stale.flags()), (86, (true, false, true)));
    let phase = server.get("/api/castle/status").await.member("phase");
    assert!(phase == "queued" || phase == "collecting", "the answer did not wait: {phase}");
    server.until("castle", |s| s["freshness"] == "fresh" && s["phase"] == "idle").await;
    assert_eq!(site.asked().await, 2);

    // A crowd finds it stale: one request goes up.
    server.until("castle", |s| s["freshness"] == "stale").await;
    let mut crowd = JoinSet::new();
    for _ in 0..1_000 {
        crowd.spawn(get(server.address, "/api/castle"));
    }
    let crowd = async {
        let replies = crowd.join_all().await;
        assert!(replies.iter().all(|reply| bookings(reply) == 86 && reply.flags().0), "nobody waits for the site");
        replies.into_iter().next_back().unwrap()
    };
    timed("a crowd of 1,000 stale readers, together", crowd).await;
    server.until("castle", |s| s["freshness"] == "fresh" && s["phase"] == "idle").await;
    assert_eq!(site.asked().await, 3, "one request went up for all of them");

    let (forced, took) = timed("forced", server.post("/api/castle/refresh")).await;
    assert_eq!((bookings(&forced), forced.flags(), forced.member("force_refreshed")), (86, (false, true, false), true.into()));
    assert_eq!(site.asked().await, 4);
    assert!(took >= DELAY, "a forced refresh waits for the site: {took:?}");

    // The site dies: what is there stays, and is said to be old.
    site.behave(r#"{"status": 500, "delay": 0}"#);
    server.until("castle", |s| s["freshness"] == "stale").await;
    server.get("/api/castle").await;
    server.until("castle", |s| s["failures"].as_u64().is_some_and(|n| n > 0) && s["phase"] == "backing_off").await;
    let (dead, _) = timed("while the site is dead", server.get("/api/castle")).await;
    assert_eq!((bookings(&dead), dead.degraded()), (86, "upstream_status".to_owned()));
    assert_eq!(dead.member("cache_date"), forced.member("cache_date"));

    // So does the machine.
    server.kill();
    let server = Program::serve(folder.path());
    let (again, _) = timed("after kill -9 and a restart", server.get("/api/castle")).await;
    assert_eq!((bookings(&again), again.member("cache_date")), (86, forced.member("cache_date")));
    assert_eq!(again.member("cache_valid"), false);

    // Both live again.
    site.behave("{}");
    server.until("castle", |s| s["freshness"] == "fresh").await;
    let (alive, _) = timed("when the site is back", server.get("/api/castle")).await;
    assert_eq!((bookings(&alive), alive.degraded()), (86, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_site_is_read_through_a_proxy() {
    let Some(site) = Site::start() else { return };
    site.behave(r#"{"delay": 0}"#);
    let proxy = format!("proxy = \"http://{}\"", site.address);
    let folder = Site::folder("http://thecastlecinema.com/calendar/", &proxy, "fresh_for = \"1h\"");
    let server = Program::serve(folder.path());
    server.until_fresh("castle").await;
    let reply = server.get("/api/castle").await;
    assert_eq!((bookings(&reply), site.asked().await), (86, 1));
    assert!(reply.items("booking")[0].starts_with("http://thecastlecinema.com/bookings/"), "addresses are the site's, not the proxy's");
}
