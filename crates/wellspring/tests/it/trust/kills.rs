//! T1: the program is killed at any moment, again and again, and nothing that anybody was told is lost by it.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use wellspring::clock::{Clock as _, SystemClock};

use super::dice::{Dice, pass};
use super::{judge, long};
use crate::support::client::Connection;
use crate::support::origin::Origin;
use crate::support::program::{Program, command, write_config};

mod ledger;
mod start;

use ledger::{Ledger, rows};

const SEED: u64 = 0x7E11;
/// All but the last write a few pages of the database, the last as many as make a checkpoint due soon.
const SOURCES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "big"];
/// How many kills in the short form, and how long it takes at most; the same in the long form.
const SHORT: (usize, Duration) = (50, Duration::from_secs(11));
const LONG: (usize, Duration) = (1_000, Duration::from_secs(480));
/// After so many kills everything has to be refreshed once before the next.
const CALM: usize = 10;

/// Where a server keeps what it has.
const KEPT: &str = "sqlite:data/wellspring.db";

/// When a life ends.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after it was started, whether it serves or not.
    StartUp(Duration),
    /// So long after it was told to read its config again.
    Reload(Duration),
    /// So long after an upstream has answered: what it said is being stored.
    Storing(&'static str, Duration),
    /// So long after it served.
    Any(Duration),
}

impl Moment {
    fn draw(dice: &mut Dice) -> Self {
        let mut within = |millis: usize| Duration::from_micros(u64::try_from(dice.below(millis * 1_000)).unwrap());
        let moments = [
            Self::StartUp(within(120)),
            Self::Reload(within(40)),
            Self::Storing("big", within(60)),
            Self::Storing("a", within(15)),
            Self::Storing("b", within(15)),
            Self::Any(within(150)),
            Self::Any(within(300)),
        ];
        *dice.pick(&moments)
    }
}

fn configure(folder: &Path, origin: &Origin, period: u64, store: &str) {
    let source = |name: &&str| {
        format!(
            "[source.{name}]\nurl = \"{}\"\nformat = \"json\"\nitems = \"$.rows[*]\"\nfresh_for = \"{period}ms\"\nmin_interval = \"0s\"\n\
             fields = {{ n = \"$.n\", row = \"$.row\", of = \"$.of\", sum = \"$.sum\", filler = \"$.filler\" }}\n",
            origin.url(&format!("/{name}"))
        )
    };
    let sources: String = SOURCES.iter().map(source).collect();
    write_config(
        folder,
        &format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"{store}\"\n[fetch]\nrobots = false\nallow_private = true\nper_host = 8\n{sources}"
        ),
    );
}

/// Clients of one life, which end with it.
async fn clients(server: &Program, ledger: &Arc<Ledger>, dice: &mut Dice) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for client in 0..6 {
        let (mut connection, ledger) = (Connection::open(server.address).await, Arc::clone(ledger));
        let mut dice = Dice::new(u64::try_from(dice.below(1 << 30)).unwrap());
        clients.spawn(async move {
            loop {
                let source = *dice.pick(&SOURCES);
                let (method, path) = match client {
                    0 => (Method::GET, format!("/api/{source}/status")),
                    1 | 2 => (Method::GET, format!("/api/{source}")),
                    _ => (Method::POST, format!("/api/{source}/refresh")),
                };
                let Ok(reply) = connection.try_send(method, &path, &[]).await else { return };
                // The first refresh of all may not have ended.
                match (client, reply.status.as_u16()) {
                    (0, _) => ledger.hear_status(source, &reply.json()),
                    (_, 503 | 202) => {}
                    _ => drop(ledger.hear(source, &reply)),
                }
            }
        });
    }
    let (address, ledger) = (server.address, Arc::clone(ledger));
    clients.spawn(async move { drop(follow(address, &ledger).await) });
    clients
}

async fn follow(address: std::net::SocketAddr, ledger: &Ledger) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET /api/stream HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).await?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        let Some(Ok(event)) = line.strip_prefix("data: ").map(serde_json::from_str::<serde_json::Value>) else { continue };
        if let Some(source) = event["source"].as_str() {
            ledger.hear_status(source, &event);
        }
    }
    Ok(())
}

/// A life: what it begins with is judged, then it is used until its moment has come. Whether it got as far as to serve.
async fn live(folder: &Path, origin: &Origin, ledger: &Arc<Ledger>, moment: Moment, is_calm: bool, dice: &mut Dice) -> bool {
    if let Moment::StartUp(after) = moment {
        let mut child = command(folder).args(["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        pass(after).await;
        child.kill().unwrap();
        child.wait().unwrap();
        return false;
    }
    let server = Program::serve(folder);
    let mut connection = Connection::open(server.address).await;
    let mut numbers = Vec::new();
    for source in SOURCES {
        let reply = connection.get(&format!("/api/{source}")).await;
        let status = connection.get(&format!("/api/{source}/status")).await.json();
        numbers.push(ledger.after_a_start(source, &reply, &status));
    }
    if is_calm {
        // Whatever was under way when it was killed is so again, because somebody reads.
        for (source, before) in SOURCES.iter().zip(numbers) {
            let path = format!("/api/{source}");
            let refreshed = async { while ledger.hear(source, &connection.get(&path).await).is_some_and(|number| number <= before) {} };
            if tokio::time::timeout(Duration::from_secs(30), refreshed).await.is_err() {
                ledger.wrong(format!("stuck: {source} is not refreshed after a kill"));
            }
        }
    }
    let clients = clients(&server, ledger, dice).await;
    let after = match moment {
        Moment::Reload(after) => {
            configure(folder, origin, 200 + u64::try_from(dice.below(200)).unwrap(), KEPT);
            server.signal("HUP");
            after
        }
        Moment::Storing(source, after) => {
            let path = format!("/{source}");
            // What readers ask for is fetched where it is stale; this one is.
            let answered = origin.answered(&path);
            let forced = wellspring::lifecycle::spawn(async move {
                drop(connection.try_send(Method::POST, &format!("/api/{source}/refresh"), &[]).await);
            });
            origin.wait_for_answers(&path, answered + 1).await;
            drop(forced);
            after
        }
        Moment::StartUp(after) | Moment::Any(after) => after,
    };
    pass(after).await;
    for line in server.log().iter().filter(|line| line.contains("\"ERROR\"") || line.contains("bad row") || line.contains("aside")) {
        ledger.wrong(format!("said: {line}"));
    }
    server.kill();
    // What was said before counts, also where it was not read yet.
    clients.join_all().await;
    true
}

/// An origin whose rows rise, and a folder in which a server has everything once.
async fn scene(store: &str) -> (Origin, TempDir, Program) {
    let origin = Origin::start().await;
    for source in SOURCES {
        origin.script_rising(&format!("/{source}"), rows);
    }
    let folder = TempDir::new().unwrap();
    configure(folder.path(), &origin, 300, store);
    let server = Program::serve(folder.path());
    for source in SOURCES {
        server.until(source, |status| status["revision"].as_u64() >= Some(1)).await;
    }
    (origin, folder, server)
}

/// The same with a server that keeps nothing: what it loses has to be found.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_keeps_nothing_is_found_out() {
    let (_origin, folder, server) = scene("memory:").await;
    let ledger = Ledger::default();
    for _ in 0..3 {
        ledger.hear("a", &server.post("/api/a/refresh").await);
    }
    server.kill();
    let server = Program::serve(folder.path());
    let status = server.until("a", |status| status["revision"].as_u64() >= Some(1)).await;
    ledger.after_a_start("a", &server.get("/api/a").await, &status);
    let (_, wrong) = ledger.found();
    assert!(wrong.iter().any(|wrong| wrong.starts_with("lost")), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_acknowledged_is_lost_by_kills() {
    let (origin, folder, server) = scene(KEPT).await;
    server.kill();

    let (most, time) = if long() { LONG } else { SHORT };
    let (begun, mut dice, ledger) = (SystemClock.mono(), Dice::new(SEED), Arc::new(Ledger::default()));
    let (mut kills, mut unserved) = (0, 0);
    while kills < most && begun.until(SystemClock.mono()) < time {
        let moment = Moment::draw(&mut dice);
        let served = live(folder.path(), &origin, &ledger, moment, kills % CALM == CALM - 1, &mut dice).await;
        kills += 1;
        unserved += usize::from(!served);
        let (_, wrong) = ledger.found();
        assert!(wrong.is_empty(), "kill {kills}, {moment:?}: {wrong:#?}");
    }
    // A last life, which has to be as good as any.
    live(folder.path(), &origin, &ledger, Moment::Any(Duration::ZERO), true, &mut dice).await;
    let data = std::fs::read_dir(folder.path().join("data")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for file in
        data.filter(|name| !["wellspring.db", "wellspring.db-wal", "wellspring.db-shm", "wellspring.db.lock"].contains(&name.as_str()))
    {
        ledger.wrong(format!("left: {file}"));
    }
    let (acknowledged, wrong) = ledger.found();
    let figure = format!("{kills} kills ({unserved} while it started), {acknowledged} acknowledgements, {} wrong", wrong.len());
    judge("T1", "kill -9 at any moment", &figure, "none lost, torn or prolonged, no failed start", wrong.is_empty() && kills > 0);
}
