//! Extraction in child processes: what they may not do, how they end, and that nothing is left of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use wellspring::config::Config;
use wellspring::engine::extraction::{Extractor, Ruled, Setting};
use wellspring::fetch::Response;
use wellspring_core::failure::{Code, Failure, Kind};
use wellspring_core::snapshot::Validator;

use crate::support::origin::Origin;
use crate::support::program::{Program, command, extractor, output, run, signal, write_config};
use crate::support::tix;

/// A pool of one.
fn one() -> Extractor {
    extractor(|options| options.at_most = 1)
}

fn rules(lines: &str) -> Arc<Ruled> {
    let toml = format!("[source.a]\nurl = \"https://a.example/\"\nfresh_for = \"1h\"\n{lines}");
    let config = Config::parse("test.toml", &toml, &|_| None).unwrap_or_else(|wrong| panic!("{}", wrong[0]));
    Ruled::compile(&config.sources[0].spec.alternatives[0].rules).unwrap()
}

fn html() -> Arc<Ruled> {
    rules("format = \"html\"\nitems = \"b\"\nfields = { title = \".\" }")
}

fn response(body: impl Into<Bytes>) -> Response {
    let url = "https://a.example/".parse().unwrap();
    Response { status: 200, url, content_type: None, body: body.into(), validator: Validator::default() }
}

fn setting() -> Setting {
    Setting { now: "2025-01-23T12:00:00Z".parse().unwrap(), values: Arc::new(BTreeMap::new()) }
}

async fn extract(extractor: &Extractor, body: impl Into<Bytes>) -> Result<String, Failure> {
    extractor.extract(&html(), response(body), &setting()).await.map(|finished| finished.items.json().to_string())
}

async fn works(extractor: &Extractor) {
    assert_eq!(extract(extractor, "<b>Dune</b>").await.unwrap(), r#"[{"title":"Dune"}]"#);
}

/// The one child that has nothing to do.
fn idle(extractor: &Extractor) -> u32 {
    let Extractor::Workers(workers) = extractor else { panic!("no workers") };
    workers.idle()[0]
}

/// A page that takes long: a second where the program is built to be shipped, ten where it is built for tests.
fn heavy() -> String {
    "<b></x>".repeat((8 << 20) / 7)
}

fn process(id: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{id}"))
}

/// The processes that a process has started and not reaped yet.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let is_child = |id: &u32| {
        let stat = std::fs::read_to_string(process(*id).join("stat")).unwrap_or_default();
        // After the name, which may hold anything: state, parent.
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok()) == Some(parent)
    };
    let ids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    ids.filter(is_child).collect()
}

/// True of one that has ended with all its threads, reaped or not: under a process 1 that reaps nobody it stays a zombie.
fn is_dead(id: u32) -> bool {
    let threads = std::fs::read_dir(process(id).join("task")).map_or(0, Iterator::count);
    std::fs::read_to_string(process(id).join("stat")).map_or(true, |stat| stat.contains(") Z ") && threads < 2)
}

/// Stops a process, and waits until all its threads have: one that is woken by the signal may read what is there first.
async fn stop(id: u32) {
    signal(id, "STOP");
    let is_stopped = |thread: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(thread.unwrap().path().join("stat")).is_ok_and(|stat| stat.contains(") T "))
    };
    until("it is stopped", || std::fs::read_dir(process(id).join("task")).unwrap().all(is_stopped)).await;
}

/// Waits for a condition that no event tells of.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("in time: {what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_gives_what_a_thread_gives() {
    let workers = one();
    let rules = rules(
        "format = \"html\"\nitems = \"b\"\nunique_by = \"title\"\nlimit = 2\nfields = { title = [\"i\", \".\"], at = { select = \"a@href\", default = \"none\" } }\n[source.a.expect]\nrequired = [\"title\"]",
    );
    let page = "<b><i>Dune</i><a href=/1>x</a></b><b>Dune</b><b></b><b>Ärger</b><b>Tár</b>";
    let (inside, outside) = (Extractor::InProcess, &workers);
    let here = inside.extract(&rules, response(page), &setting()).await.unwrap();
    let there = outside.extract(&rules, response(page), &setting()).await.unwrap();
    insta::assert_snapshot!(there.items.json(), @r#"[{"title":"Dune","at":"https://a.example/1"},{"title":"Ärger","at":"none"}]"#);
    assert_eq!((&here.items, here.tally), (&there.items, there.tally));
    assert_eq!(format!("{:?}", here.report), format!("{:?}", there.report));

    let rows = outside.read(&rules, response(page), &setting()).await.unwrap();
    assert_eq!(rows, inside.read(&rules, response(page), &setting()).await.unwrap());
    let finished = outside.finish(&rules, rows, &setting()).await.unwrap();
    assert_eq!((&finished.items, format!("{:?}", finished.report)), (&here.items, format!("{:?}", here.report)));

    let json = self::rules("format = \"json\"");
    let refused = outside.extract(&json, response("<html>"), &setting()).await.unwrap_err();
    assert_eq!(refused, inside.extract(&json, response("<html>"), &setting()).await.unwrap_err());
    workers.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_remembers_rules_and_forgets_them_before_they_are_too_many() {
    let workers = one();
    let other = |n: usize| rules(&format!("format = \"json\"\nfields = {{ a{n} = \"$.a\" }}"));
    for round in 0..2 {
        for n in 0..70 {
            let finished = workers.extract(&other(n), response("[{\"a\":1}]"), &setting()).await.unwrap();
            assert_eq!(&**finished.items.json(), format!("[{{\"a{n}\":1}}]"), "round {round}");
        }
    }
    workers.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_away_is_killed_and_the_next_job_works() {
    let workers = extractor(|options| (options.at_most, options.patience) = (1, Duration::from_secs(2)));
    works(&workers).await;
    // Stopped, it never answers, however fast the machine is.
    let stuck = idle(&workers);
    stop(stuck).await;
    let failure = extract(&workers, "<b>Dune</b>").await.unwrap_err();
    assert_eq!((failure.kind, failure.code), (Kind::Permanent, Code::ExtractFailed));
    insta::assert_snapshot!(failure, @"the extraction took longer than 2s and was ended");
    works(&workers).await;
    assert_ne!(idle(&workers), stuck);
    until("it is reaped", || !process(stuck).exists()).await;
    workers.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_waiting_ends_the_work() {
    let workers = one();
    works(&workers).await;
    let busy = idle(&workers);
    let waiting = tokio::time::timeout(Duration::from_millis(100), extract(&workers, heavy())).await;
    assert!(waiting.is_err(), "such a page takes longer");
    until("it is reaped", || !process(busy).exists()).await;
    works(&workers).await;
    workers.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_fails_its_job_by_name() {
    let workers = one();
    for (name, kind, code) in [("ABRT", Kind::Permanent, Code::ExtractFailed), ("KILL", Kind::Retryable, Code::Interrupted)] {
        works(&workers).await;
        let id = idle(&workers);
        // It dies with the job half read.
        stop(id).await;
        let job = extract(&workers, heavy());
        let (failed, ()) = tokio::join!(job, async {
            let Extractor::Workers(pool) = &workers else { panic!("no workers") };
            until("it is busy", || pool.idle().is_empty()).await;
            signal(id, name);
            signal(id, "CONT");
        });
        let failure = failed.unwrap_err();
        assert_eq!((failure.kind, failure.code), (kind, code), "{failure}");
        let number = if name == "KILL" { 9 } else { 6 };
        assert_eq!(failure.message, format!("the process that extracts ended (signal {number})"));
        assert!(!process(id).exists(), "it is reaped by then");
    }
    // One that dies with nothing to do, and one that is asked to end as a supervisor asks all of a service, fail nobody's job.
    works(&workers).await;
    let id = idle(&workers);
    signal(id, "KILL");
    until("it is dead", || is_dead(id)).await;
    works(&workers).await;
    let id = idle(&workers);
    stop(id).await;
    let job = extract(&workers, "<b>Dune</b>");
    let (given, ()) = tokio::join!(job, async {
        let Extractor::Workers(pool) = &workers else { panic!("no workers") };
        until("it is busy", || pool.idle().is_empty()).await;
        signal(id, "TERM");
        signal(id, "CONT");
    });
    assert!(given.is_ok(), "{given:?}");
    workers.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_bounded_by_the_system() {
    let workers = one();
    works(&workers).await;
    let id = idle(&workers);
    let limits = std::fs::read_to_string(process(id).join("limits")).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(limit("Max data size"), ["603979776"; 2]);
    assert_eq!(limit("Max address space"), ["2147483648"; 2]);
    assert_eq!(limit("Max open files"), ["16"; 2]);
    assert_eq!(limit("Max file size"), ["0"; 2]);
    assert_eq!(limit("Max core file size"), ["0"; 2]);
    assert_eq!(limit("Max processes"), ["0"; 2]);
    assert!(limit("Max cpu time")[0].parse::<u64>().is_ok_and(|seconds| seconds <= 40), "{limits}");
    let status = std::fs::read_to_string(process(id).join("status")).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert_eq!(std::fs::read_to_string(process(id).join("oom_score_adj")).unwrap().trim(), "500");
    workers.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_past_the_limit_ends_the_worker_and_says_so() {
    let workers = extractor(|options| (options.at_most, options.patience) = (1, Duration::from_secs(60)));
    let json = rules("format = \"json\"");
    let body = format!("[{}1]", "1,".repeat(8 << 20));
    let failure = workers.extract(&json, response(body), &setting()).await.unwrap_err();
    assert_eq!((failure.kind, failure.code), (Kind::Permanent, Code::ExtractFailed));
    assert!(failure.message.starts_with("the process that extracts ended (signal 6: memory allocation of "), "{failure}");
    works(&workers).await;
    workers.close().await;
}

fn program(jq: &str) -> Arc<Ruled> {
    rules(&format!("format = \"json\"\ntransform = '{jq}'"))
}

async fn transformed(workers: &Extractor, jq: &str) -> Result<String, Failure> {
    workers.extract(&program(jq), response("[1,2]"), &setting()).await.map(|finished| finished.items.json().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_runs_away_is_killed_and_the_next_works() {
    let workers = extractor(|options| (options.at_most, options.patience) = (1, Duration::from_secs(2)));
    assert_eq!(transformed(&workers, "map(. + 1)").await.unwrap(), "[2,3]");
    for runaway in ["def f: f; f", "reduce repeat(1) as $n (.; .)", "[last(range(infinite))]", "[\"9\" * 9000000 | tonumber]"] {
        let busy = idle(&workers);
        let failure = transformed(&workers, runaway).await.unwrap_err();
        assert_eq!((failure.kind, failure.code), (Kind::Permanent, Code::ExtractFailed), "{runaway}");
        assert_eq!(failure.message, "the extraction took longer than 2s and was ended", "{runaway}");
        assert_eq!(transformed(&workers, "map(. + 1)").await.unwrap(), "[2,3]");
        until("it is reaped", || !process(busy).exists()).await;
    }
    workers.close().await;
}

/// What a program uses up is its worker's and not the server's.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_takes_all_memory_or_stack_ends_its_worker_by_name() {
    let workers = extractor(|options| (options.at_most, options.patience) = (1, Duration::from_secs(60)));
    for (greedy, told) in [
        ("[\"x\" * 1000000000]", "signal 6: memory allocation of 1000000000 bytes failed"),
        ("[2] | until(false; [.[0] * .[0]])", "signal 6: memory allocation of "),
        ("def f: 1 + f; [f]", "has overflowed its stack"),
        ("[\"[\" * 1000000 | fromjson]", "has overflowed its stack"),
    ] {
        let failure = transformed(&workers, greedy).await.unwrap_err();
        assert_eq!((failure.kind, failure.code), (Kind::Permanent, Code::ExtractFailed), "{greedy}");
        assert!(failure.message.starts_with("the process that extracts ended (signal 6: ") && failure.message.contains(told), "{failure}");
        assert_eq!(transformed(&workers, ".").await.unwrap(), "[1,2]");
    }
    workers.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_sees_nothing_of_the_machine() {
    let workers = one();
    assert_eq!(transformed(&workers, "[env, $ENV, now, $values]").await.unwrap(), "[{},{},1737633600,{}]");
    // What it says on the side does not fill the pipe that nobody reads.
    let said = transformed(&workers, "[range(300)] | map(debug(\"x\" * 1000), stderr) | length | [.]").await;
    assert!(said.is_ok_and(|items| items == "[600]"));
    workers.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_nothing_to_do_is_closed() {
    let workers = extractor(|options| (options.at_most, options.idle) = (2, Duration::from_secs(1)));
    works(&workers).await;
    let id = idle(&workers);
    until("it is closed and reaped", || !process(id).exists()).await;
    works(&workers).await;
    assert_ne!(idle(&workers), id);
    let id = idle(&workers);
    workers.close().await;
    assert!(!process(id).exists(), "closing waits until all are reaped");
    assert_eq!(extract(&workers, "").await.unwrap_err().kind, Kind::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_jobs_shares_two_workers() {
    let workers = Arc::new(extractor(|options| options.at_most = 2));
    let mut jobs = JoinSet::new();
    for n in 0..50 {
        let workers = Arc::clone(&workers);
        jobs.spawn(async move { (n, extract(&workers, format!("<b>{n}</b>")).await.unwrap()) });
    }
    for (n, items) in jobs.join_all().await {
        assert_eq!(items, format!("[{{\"title\":\"{n}\"}}]"));
    }
    let Extractor::Workers(pool) = &*workers else { panic!("no workers") };
    assert!((1..=2).contains(&pool.idle().len()));
    workers.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_be_run_is_said() {
    let workers = extractor(|options| options.program = "/nowhere/wellspring".into());
    let failure = extract(&workers, "<b>").await.unwrap_err();
    assert_eq!((failure.kind, failure.code), (Kind::Retryable, Code::Interrupted));
    insta::assert_snapshot!(failure, @"the process that extracts cannot be started: No such file or directory (os error 2)");

    let workers = extractor(|options| options.program = "/bin/false".into());
    let failure = extract(&workers, "<b>").await.unwrap_err();
    assert_eq!(failure.message, "the process that extracts ended (exit code 1)");
}

/// A server whose one source reads a page, in a process of its own, that has read it.
async fn serving(folder: &Path, origin: &Origin, secret: &str) -> Program {
    origin.script("/", tix::films(&["Dune"]));
    write_config(
        folder,
        &format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[fetch]\nallow_private = true\n{}",
            tix::source("cinema", origin, "/", "fresh_for = \"6d\"\nmin_interval = \"0s\"")
        ),
    );
    let server = Program::start(command(folder).args(["serve", "--log", "json"]).env("SECRET", secret));
    server.until_fresh("cinema").await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_knows_no_secret_and_ends_with_the_server() {
    let origin = Origin::start().await;
    let folder = tempfile::tempdir().unwrap();
    let server = serving(folder.path(), &origin, "canary-1f3b").await;
    let ids = children(server.id());
    assert_eq!(ids.len(), 1, "{ids:?}");
    let read = |what: &str| std::fs::read(process(ids[0]).join(what)).unwrap();
    assert!(read("environ").is_empty());
    assert_eq!(String::from_utf8(read("cmdline")).unwrap(), format!("wellspring\0__worker\0{}\0", server.id()));
    assert_eq!(read("comm"), b"wellspring\n");
    assert_eq!(std::fs::read_link(process(ids[0]).join("cwd")).unwrap(), Path::new("/"));

    // It dies with nothing to do: the next refresh has another.
    signal(ids[0], "KILL");
    until("it is dead", || is_dead(ids[0])).await;
    origin.script("/", tix::films(&["Arrival"]));
    assert_eq!(server.post("/api/cinema/refresh").await.items("title"), ["Arrival"]);
    let ids = children(server.id());
    assert_eq!(ids.len(), 1, "the one that died is reaped: {ids:?}");

    server.kill();
    let left = tokio::time::timeout(Duration::from_secs(2), until("it is dead", || is_dead(ids[0]))).await;
    assert!(left.is_ok(), "it outlives its server by two seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_leaves_no_worker() {
    let origin = Origin::start().await;
    let folder = tempfile::tempdir().unwrap();
    let server = serving(folder.path(), &origin, "").await;
    let ids = children(server.id());
    assert_eq!(ids.len(), 1, "{ids:?}");
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    assert!(!process(ids[0]).exists(), "reaped by the server itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_whose_worker_dies_keeps_what_was_good() {
    let origin = Origin::start().await;
    let folder = tempfile::tempdir().unwrap();
    let server = serving(folder.path(), &origin, "").await;
    let ids = children(server.id());
    stop(ids[0]).await;
    origin.script("/", tix::films(&["Arrival"]));
    let address = server.address;
    let asked = wellspring::lifecycle::spawn(async move { crate::support::client::post(address, "/api/cinema/refresh", &[]).await });
    // Killed before, it would merely be replaced.
    until("the job waits in its pipe", || std::fs::read_to_string(process(ids[0]).join("stat")).is_ok() && pipe_holds_bytes(ids[0])).await;
    signal(ids[0], "KILL");
    let reply = asked.await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.items("title")), (200, vec!["Dune".to_owned()]));
    assert_eq!(reply.member("degraded")["code"], "interrupted");
    assert_eq!(reply.member("degraded")["message"], "the process that extracts ended (signal 9)");
    assert_eq!(server.post("/api/cinema/refresh").await.items("title"), ["Arrival"]);
}

/// True where something waits to be read on a process's standard input.
fn pipe_holds_bytes(id: u32) -> bool {
    std::fs::File::open(process(id).join("fd/0")).is_ok_and(|input| rustix::io::ioctl_fionread(input).is_ok_and(|bytes| bytes > 0))
}

#[test]
fn by_hand_it_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let told = run(folder.path(), &["__worker"]);
    assert_eq!((told.status.code(), told.stdout.len()), (Some(2), 0));
    insta::assert_snapshot!(String::from_utf8(told.stderr).unwrap(), @"error: `__worker` is internal: the server starts it for itself, to read bodies in; see `wellspring --help`");
    for hidden in [&["--help"][..], &["completions", "bash"], &["completions", "zsh"], &["completions", "fish"]] {
        assert!(!String::from_utf8(run(folder.path(), hidden).stdout).unwrap().contains("__worker"), "{hidden:?}");
    }
    // A parent that is none of its own.
    let told = output(command(folder.path()).args(["__worker", "1"]).stdin(Stdio::piped()));
    assert_eq!(told.status.code(), Some(70));
    assert_eq!(String::from_utf8(told.stderr).unwrap(), "the server that started this process has ended\n");
}
