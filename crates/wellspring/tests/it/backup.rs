//! `export`, `import` and `evict` as their users meet them: the real program, its files, and a server that goes on meanwhile.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use insta::assert_snapshot;
use tempfile::TempDir;
use wellspring::store::archive::{Piece, Reader};
use wellspring::store::{Retention, Store as _};
use wellspring_core::snapshot::Attempts;

use crate::store_kit::{archived, attempts, key, lease, open, put, renewal, snapshot, until};
use crate::support::disk::Disk;
use crate::support::origin::{Answer, Origin};
use crate::support::program::{Program, command, free_port, output, run, write_config};

/// A folder whose config serves these sources at this port from `data/wellspring.db`.
fn folder(port: u16, more: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let server = format!("[server]\nlisten = \"127.0.0.1:{port}\"\n");
    write_config(folder.path(), &format!("{server}{more}"));
    folder
}

/// Source tables that nobody fetches by itself.
fn sources(names: &[&str]) -> String {
    let table =
        |name: &&str| format!("[source.{name}]\nurl = \"http://127.0.0.1:9/\"\nfresh_for = \"1h\"\nformat = \"json\"\nwarm = false\n");
    format!("[fetch]\nallow_private = true\n{}", names.iter().map(table).collect::<String>())
}

/// A stopped store with three keys of two sources and a past.
async fn fill(folder: &Path) {
    fs::create_dir_all(folder.join("data")).unwrap();
    let store = open(&folder.join("data/wellspring.db")).unwrap();
    for revision in 1..=3 {
        put(&store, &key("films"), revision).await;
    }
    put(&store, &key("day?d=mo"), 7).await;
    store.record(&key("day?d=tu"), &attempts(2)).await.unwrap();
    store.close().await;
}

/// What a command said and how it ended, with what differs between two runs replaced.
fn check(folder: &Path, args: &[&str]) -> String {
    said(&run(folder, args), folder)
}

fn said(output: &std::process::Output, folder: &Path) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&folder.display().to_string(), "FOLDER");
    format!("{}: {}{}", output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_imported_elsewhere() {
    let from = folder(0, &sources(&["films", "day"]));
    fill(from.path()).await;
    let before = fs::read(from.path().join("data/wellspring.db")).unwrap();
    assert!(check(from.path(), &["export", "all.jsonl"]).starts_with("0: exported 3 keys with 4 revisions to all.jsonl ("));
    assert!(check(from.path(), &["export", "all.jsonl.zst"]).starts_with("0: exported 3 keys with 4 revisions to all.jsonl.zst ("));
    assert_eq!(fs::read(from.path().join("data/wellspring.db")).unwrap(), before, "an export changes nothing");
    let some = run(from.path(), &["export", "-", "--source", "day"]);
    let expected = "exported 2 keys with 1 revision to standard output\n";
    assert_eq!((some.status.code(), String::from_utf8_lossy(&some.stderr).as_ref()), (Some(0), expected));
    assert_eq!(Reader::new(&some.stdout[..]).unwrap().check().unwrap().keys, 2);
    let header = |text: &str| text.split_once('\n').unwrap().1.rsplit_once("{\"end\"").unwrap().0.to_owned();
    let all = fs::read_to_string(from.path().join("all.jsonl")).unwrap();
    for name in ["all.jsonl", "all.jsonl.zst", "-"] {
        let to = folder(0, &sources(&["films"]));
        fs::copy(from.path().join(name.replace('-', "all.jsonl")), to.path().join("archive")).unwrap();
        let words = if name == "-" {
            let mut child = command(to.path()).args(["import", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(all.as_bytes()).unwrap();
            said(&child.wait_with_output().unwrap(), to.path()).replace("standard input", "archive")
        } else {
            check(to.path(), &["import", "archive"])
        };
        let expected =
            "imported 3 keys with 4 revisions from archive into data/wellspring.db\nnot configured, and kept for when they are: day\n";
        assert_eq!(words, format!("0: {expected}"));
        let store = open(&to.path().join("data/wellspring.db")).unwrap();
        assert_eq!(header(&archived(&store).await), header(&all), "through {name}");
        store.close().await;
        assert_eq!(names(&to.path().join("data")), ["wellspring.db", "wellspring.db.lock"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_says_what_it_did_and_what_it_left() {
    let from = folder(0, &sources(&["films", "day"]));
    fill(from.path()).await;
    check(from.path(), &["export", "all.jsonl"]);
    let path = from.path().join("data/wellspring.db");
    let store = open(&path).unwrap();
    put(&store, &key("films"), 9).await;
    store.close().await;
    assert_snapshot!(check(from.path(), &["import", "all.jsonl"]), @"
    0: imported 2 keys with 1 revision from all.jsonl into data/wellspring.db
    kept 1 key, of which the store holds something newer (--replace takes the archive's): films
    ");
    assert_snapshot!(check(from.path(), &["import", "all.jsonl", "--replace"]), @"0: imported 3 keys with 4 revisions from all.jsonl into data/wellspring.db");
    let few = folder(0, &format!("[store]\nkeep_revisions = 2\n{}", sources(&[])));
    fs::copy(from.path().join("all.jsonl"), few.path().join("all.jsonl")).unwrap();
    assert_snapshot!(check(few.path(), &["import", "all.jsonl"]), @"
    0: imported 3 keys with 3 revisions from all.jsonl into data/wellspring.db
    left out 1 older revision beyond `keep_revisions` and `keep_bytes` under [store]
    not configured, and kept for when they are: day, films
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_imported_changes_nothing() {
    let from = folder(0, &sources(&["films", "day"]));
    fill(from.path()).await;
    check(from.path(), &["export", "all.jsonl"]);
    let path = from.path().join("data/wellspring.db");
    let before = fs::read(&path).unwrap();
    let all = fs::read_to_string(from.path().join("all.jsonl")).unwrap();
    fs::write(from.path().join("cut.jsonl"), &all[..all.len() / 2]).unwrap();
    fs::write(from.path().join("altered.jsonl"), all.replacen("№ 2", "№ 8", 1)).unwrap();
    fs::write(from.path().join("newer.jsonl"), all.replacen("archive\":1", "archive\":2", 1)).unwrap();
    let first = all.split_once('\n').unwrap().0;
    fs::write(from.path().join("hostile.jsonl"), format!("{first}\n{{\"key\":\"films\",\"\\u001b[2J\":1}}\n")).unwrap();
    fs::write(from.path().join("foreign.jsonl"), fs::read(from.path().join("wellspring.toml")).unwrap()).unwrap();
    let all = ["cut.jsonl", "altered.jsonl", "newer.jsonl", "hostile.jsonl", "foreign.jsonl", "nowhere.jsonl", "data"];
    let words: String = all.map(|name| check(from.path(), &["import", name, "--replace"])).concat();
    assert_snapshot!(words, @"
    1: error: cut.jsonl:5: it ends in the middle of this line: it is truncated; nothing was taken over
    1: error: altered.jsonl:7: the items of revision 2 of `films` do not match their digest: they were altered; nothing was taken over
    1: error: newer.jsonl:1: a newer version wrote this (archive format 2, this one knows 1); import it with that version; nothing was taken over
    1: error: hostile.jsonl:2: it cannot be read (unknown field `�[2J`, expected one of `key`, `latest`, `fence`, `renewal`, `attempts` at column 26); nothing was taken over
    1: error: foreign.jsonl:1: this is no archive that `wellspring export` wrote; nothing was taken over
    1: error: `nowhere.jsonl` cannot be read (No such file or directory (os error 2))
    1: error: `data` cannot be read (it is a folder)
    ");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(names(&from.path().join("data")), ["wellspring.db", "wellspring.db.lock"]);
    let nowhere = folder(0, "");
    fs::copy(from.path().join("cut.jsonl"), nowhere.path().join("cut.jsonl")).unwrap();
    assert!(check(nowhere.path(), &["import", "cut.jsonl"]).starts_with("1: error: cut.jsonl:"));
    assert_eq!(names(nowhere.path()), ["cut.jsonl", "wellspring.toml"], "not even a folder is made");
    let memory = folder(0, "[store]\nurl = \"memory:\"\n");
    assert_snapshot!(check(memory.path(), &["import", "all.jsonl"]), @"1: error: a store in memory keeps nothing beyond its server; name a file as `url` under [store], or a folder with --data");
    assert_snapshot!(check(nowhere.path(), &["export", "all.jsonl"]), @"1: error: there is no store at `data/wellspring.db`; say which with --config, or with --data");
    assert_snapshot!(check(nowhere.path(), &["evict", "films"]), @"1: error: there is no store at `data/wellspring.db`; say which with --config, or with --data");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_restores_is_the_servers() {
    let folder = folder(0, &sources(&["films", "day"]));
    fill(folder.path()).await;
    check(folder.path(), &["export", "all.jsonl"]);
    // After an accident: the folder is there, and who it belongs to, and nothing in it.
    let data = folder.path().join("data");
    fs::remove_dir_all(&data).unwrap();
    fs::create_dir(&data).unwrap();
    // Only root can make it another's; anybody else finds their own files here.
    let _ = chown(&data, Some(65_534), Some(65_534));
    let owner = |path: &Path| fs::metadata(path).map(|meta| (meta.uid(), meta.gid())).unwrap();
    assert!(check(folder.path(), &["import", "all.jsonl"]).starts_with("0: imported 3 keys"));
    for name in ["wellspring.db", "wellspring.db.lock"] {
        assert_eq!(owner(&data.join(name)), owner(&data), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_no_source_has_is_shown_as_any() {
    let port = free_port();
    let folder = folder(port, &sources(&["films"]));
    fs::create_dir_all(folder.path().join("data")).unwrap();
    let store = open(&folder.path().join("data/wellspring.db")).unwrap();
    let films = key("films");
    let mut last = snapshot(&films, 1, 0);
    last.how.alternative = u32::MAX;
    let lease = lease(&store, &films).await;
    store.put_if(&lease, &last, &renewal(1), &Attempts::default()).await.unwrap();
    store.close().await;
    let program = Program::serve(folder.path());
    assert_eq!(program.get("/api/films/status").await.json()["alternative"], u32::MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_what_cannot_be_read_now_is_refused_with_the_reason() {
    let port = free_port();
    let folder = folder(port, &sources(&["films", "day"]));
    fill(folder.path()).await;
    let program = Program::serve(folder.path());
    let data = folder.path().join("data");
    fs::remove_dir_all(&data).unwrap();
    fs::write(&data, "in the way").unwrap();
    program.wait_for_log("not durable");
    let words = check(folder.path(), &["export", "a.jsonl", "--server", &format!("127.0.0.1:{port}")]);
    assert!(words.starts_with("1: error: history cannot be read now") && words.contains("it tries again every second"), "{words}");
    assert_eq!(program.get("/admin/export").await.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_taken_while_it_serves() {
    let origin = Origin::start().await;
    let number = Arc::new(AtomicU64::new(0));
    origin.script("/films", Answer::json("[{\"n\": 0}]"));
    let port = free_port();
    let source =
        format!("[source.films]\nurl = \"{}\"\nfresh_for = \"1h\"\nformat = \"json\"\nmin_interval = \"0s\"\n", origin.url("/films"));
    let folder = folder(port, &format!("[fetch]\nallow_private = true\n{source}"));
    let program = Program::serve(folder.path());
    program.until_fresh("films").await;
    let over = AtomicBool::new(false);
    let refreshing = async {
        while !over.load(Ordering::Relaxed) {
            let n = number.fetch_add(1, Ordering::Relaxed) + 1;
            origin.script("/films", Answer::json(format!("[{{\"n\": {n}}}]")));
            let answer = program.post("/api/films/refresh").await;
            assert_eq!((answer.status.as_u16(), answer.json()["force_refreshed"].as_bool()), (200, Some(true)));
        }
    };
    let reading = async {
        while !over.load(Ordering::Relaxed) {
            assert_eq!(program.get("/api/films").await.status, 200);
        }
    };
    let path = folder.path().to_owned();
    let exporting = async {
        let mut last = 0;
        for _ in 0..10 {
            let path = path.clone();
            let words = wellspring::lifecycle::blocking(move || check(&path, &["export", "copy.jsonl"])).await.unwrap();
            assert!(words.starts_with("0: exported 1 key with "), "{words}");
            let text = fs::read_to_string(folder.path().join("copy.jsonl")).unwrap();
            let mut archive = Reader::new(text.as_bytes()).unwrap();
            let mut revisions = Vec::new();
            while let Some(piece) = archive.next_piece().unwrap() {
                if let Piece::Revision(snapshot) = piece {
                    revisions.push(snapshot.revision);
                }
            }
            assert!(revisions.last() >= Some(&last) && !revisions.is_empty(), "{revisions:?}");
            last = *revisions.last().unwrap();
        }
        over.store(true, Ordering::Relaxed);
        last
    };
    let ((), (), last) = tokio::join!(refreshing, reading, exporting);
    assert!(last > 1, "it was refreshed meanwhile");
    assert_eq!(names(folder.path()), ["copy.jsonl", "data", "wellspring.toml"]);
    assert_snapshot!(check(folder.path(), &["import", "copy.jsonl"]), @"1: error: the store `data/wellspring.db` is in use by a running server; stop it first (`systemctl stop wellspring`, `docker compose stop`, or Ctrl-C where it runs), then start it again");
    assert_snapshot!(check(folder.path(), &["export", "-", "--source", "film"]), @"1: error: no source is called `film`; did you mean `films`?");
    program.signal("TERM");
    assert_eq!(program.wait().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_force_a_refresh_gets_no_archive() {
    let port = free_port();
    let program = folder(port, &format!("admin_token = \"right\"\n{}", sources(&["films"])));
    let server = Program::serve(program.path());
    let stranger = folder(port, "[store]\nurl = \"memory:\"\n");
    assert_snapshot!(check(stranger.path(), &["export", "a.jsonl"]), @"1: error: an export needs `Authorization: Bearer` with the configured `admin_token`; this command sends the one of its own config: give it the server's with --config FILE");
    let knowing = folder(port, "admin_token = \"right\"\n[store]\nurl = \"memory:\"\n");
    assert!(check(knowing.path(), &["export", "a.jsonl"]).starts_with("0: exported 0 keys with 0 revisions to a.jsonl ("));
    drop(server);
    assert!(
        check(knowing.path(), &["export", "b.jsonl"]).contains("a store in memory is only there while its server runs: no server answers")
    );
    assert_eq!(names(knowing.path()), ["a.jsonl", "wellspring.toml"]);
}

/// A disk on which nothing more can be written, under a command that gives up.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_why_and_nothing_else_is_said() {
    let Some(disk) = Disk::new() else { return };
    let path = disk.folder();
    write_config(&path, &sources(&["films", "day"]));
    fill(&path).await;
    check(&path, &["export", "all.jsonl"]);
    let full = |args: &[&str]| {
        disk.fails("write ENOSPC");
        let said = output(disk.under(command(&path).args(args)));
        disk.fails("");
        let words = String::from_utf8(said.stderr).unwrap().replace(&path.display().to_string(), "DISK");
        (said.status.code(), words.lines().filter(|line| line.starts_with("error")).collect::<Vec<_>>().join("\n"))
    };
    let (code, words) = full(&["evict", "films"]);
    assert_eq!(code, Some(1));
    assert_snapshot!(words, @"error: the store cannot write `DISK/data/wellspring.db` (database or disk is full); mend that and evict again");
    let (code, words) = full(&["import", "all.jsonl", "--replace"]);
    assert_eq!(code, Some(1));
    assert_snapshot!(words, @"error: the store cannot write `DISK/data/wellspring.db` (database or disk is full); mend that and import again: what was taken over until then stays, and taking it over again is no harm");
    assert!(check(&path, &["import", "all.jsonl", "--replace"]).starts_with("0: imported 3 keys"));
}

/// A whole key has its defaults in its name.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_named_in_full_is_named() {
    let keyed = "[source.keyed]\nurl = \"http://127.0.0.1:9/{k}\"\nformat = \"json\"\nfresh_for = \"1h\"\nwarm = false\n\
        [source.keyed.params]\nk = { pattern = \".*\" }\nn = { type = \"integer\", default = 3 }\n";
    let folder = folder(0, keyed);
    fs::create_dir_all(folder.path().join("data")).unwrap();
    let store = open(&folder.path().join("data/wellspring.db")).unwrap();
    put(&store, &key("keyed?k=k1&n=3"), 1).await;
    store.close().await;
    assert_snapshot!(check(folder.path(), &["evict", "keyed?k=k1"]), @"1: error: nothing is stored of `keyed?k=k1`; with all its parameters it is `keyed?k=k1&n=3`, and of that something is");
    assert_snapshot!(check(folder.path(), &["evict", "keyed?k=k2"]), @"1: error: nothing is stored of `keyed?k=k2`, which with all its parameters is `keyed?k=k2&n=3`");
    assert_snapshot!(check(folder.path(), &["evict", "keyed?k=k1&n=4"]), @"1: error: nothing is stored of `keyed?k=k1&n=4`");
    assert!(check(folder.path(), &["evict", "keyed?k=k1&n=3"]).starts_with("0: evicted 1 key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_interrupted_while_it_checks_took_nothing_over() {
    let folder = folder(0, &sources(&["films"]));
    // Enough to be at it for a while.
    let file = folder.path().join("long.jsonl");
    let header = "{\"wellspring_archive\":1,\"version\":\"0\",\"made_at\":\"2026-01-01T00:00:00Z\"}\n";
    let key = |number: usize| format!("{{\"key\":\"films?n={number:09}\",\"attempts\":{{}}}}\n");
    fs::write(&file, header.to_owned() + &(0..2_000_000).map(key).collect::<String>()).unwrap();
    let child = command(folder.path()).args(["import", "long.jsonl"]).stderr(Stdio::piped()).spawn().unwrap();
    let opened = format!("/proc/{}/fd", child.id());
    let is_open =
        || fs::read_dir(&opened).is_ok_and(|mut all| all.any(|one| fs::read_link(one.unwrap().path()).is_ok_and(|to| to == file)));
    until("it has begun", async || is_open()).await;
    crate::support::program::signal(child.id(), "INT");
    assert_eq!(said(&child.wait_with_output().unwrap(), folder.path()), "1: error: interrupted; nothing was taken over\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_goes_nowhere_is_none() {
    let folder = folder(0, &sources(&["films", "day"]));
    fill(folder.path()).await;
    let shell = |redirection: &str| {
        let program = command(folder.path()).get_program().display().to_string();
        let mut shell = std::process::Command::new("sh");
        shell.current_dir(folder.path()).args(["-c", &format!("exec {program} export - {redirection}")]);
        said(&output(&mut shell), folder.path())
    };
    assert_snapshot!(shell(">&-"), @"1: error: standard output cannot be written (it is closed)");
    assert_snapshot!(shell(">/dev/full"), @"1: error: No space left on device (os error 28)");
    // On purpose: whether it can be taken at all.
    assert_snapshot!(shell(">/dev/null"), @"0: exported 3 keys with 4 revisions to standard output");
}

/// The store that was named is in use, and the config is another server's.
#[tokio::test(flavor = "multi_thread")]
async fn no_other_store_is_exported_than_the_one_that_was_named() {
    let folders = [folder(free_port(), &sources(&["films"])), folder(free_port(), &sources(&["films", "day"]))];
    for folder in &folders {
        fill(folder.path()).await;
    }
    let servers = folders.each_ref().map(|folder| Program::serve(folder.path()));
    let [one, other] = folders.each_ref().map(TempDir::path);
    let data = other.join("data").display().to_string();
    let port = servers[0].address.port().to_string();
    let words = check(one, &["export", "a.jsonl", "--data", &data]).replace(&port, "PORT").replace(&other.display().to_string(), "OTHER");
    assert_snapshot!(words, @"1: error: the store `OTHER/data/wellspring.db` is in use, and the server on 127.0.0.1:PORT does not say that it is its own; name the right one with --server URL, or its config with --config FILE");
    assert_eq!(names(one), ["data", "wellspring.toml"]);
    let own = one.join("data").display().to_string();
    assert!(check(one, &["export", "a.jsonl", "--data", &own]).starts_with("0: exported 3 keys"));
    // Asked for by name, it is meant.
    let server = servers[1].address.to_string();
    assert!(check(one, &["export", "b.jsonl", "--data", &own, "--server", &server]).starts_with("0: exported 3 keys"));
}

/// A server that sends this, once, and closes.
fn sends(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 4096];
        assert!(stream.read(&mut asked).unwrap() > 0);
        // Who has read enough goes.
        let _ = stream.write_all(&answer);
    };
    wellspring::lifecycle::thread("half a server", serve).unwrap();
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_breaks_off_leaves_what_was_there() {
    let from = folder(0, &sources(&["films", "day"]));
    fill(from.path()).await;
    check(from.path(), &["export", "all.jsonl"]);
    let all = fs::read(from.path().join("all.jsonl")).unwrap();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let half = &all[..all.len() / 2];
    let without_end = &all[..all.windows(6).position(|w| w == b"{\"end\"").unwrap()];
    let long = [b"{\"wellspring_archive\":1,".as_slice(), &vec![b' '; 20 << 20]].concat();
    let mut words = Vec::new();
    for body in [
        chunk(half),
        [chunk(half), b"0\r\n\r\n".to_vec()].concat(),
        [chunk(without_end), b"0\r\n\r\n".to_vec()].concat(),
        [chunk(b"hello\n"), b"0\r\n\r\n".to_vec()].concat(),
        b"0\r\n\r\n".to_vec(),
        chunk(&long),
    ] {
        let port = sends([head.as_bytes(), &body].concat());
        words.push(
            check(from.path(), &["export", "all.jsonl", "--server", &format!("127.0.0.1:{port}")]).replace(&port.to_string(), "PORT"),
        );
        assert_eq!(fs::read(from.path().join("all.jsonl")).unwrap(), all);
        assert_eq!(names(from.path()), ["all.jsonl", "data", "wellspring.toml"]);
    }
    assert_snapshot!(words.concat(), @"
    1: error: the server on 127.0.0.1:PORT broke off (error reading a body from connection)
    1: error: the server broke off (it ends before its last line: it is truncated)
    1: error: the server broke off (it ends before its last line: it is truncated)
    1: error: what the server sent is no archive (line 1: this is no archive that `wellspring export` wrote)
    1: error: the server broke off (it is empty)
    1: error: what the server sent is no archive (line 1: it is longer than any line of an archive: this is none, or it was altered)
    ");
    assert_snapshot!(check(from.path(), &["export", "/dev/full"]), @"1: error: `/dev/full` cannot be written (No space left on device (os error 28))");
    assert_snapshot!(check(from.path(), &["export", "data"]), @"1: error: `data` cannot be written (it is a folder)");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_configured_is_told_and_can_be_dropped() {
    let folder = folder(0, &sources(&["films"]));
    fill(folder.path()).await;
    let store = |words: String| words.lines().filter(|line| line.contains("store")).collect::<Vec<_>>().join("\n");
    assert_snapshot!(store(check(folder.path(), &["doctor", "--offline"])), @"
    ok    store    data/wellspring.db: 20 KB, 4 snapshots of 3 keys; 20 revisions a key are kept, at most 17 MB
    warn  store    2 keys, 40 B, of sources that are not configured: day  → `wellspring export FILE` keeps them, `wellspring evict --unconfigured` drops them
    ");
    let program = Program::serve(folder.path());
    let line = program.wait_for_log("stored of sources that are not configured");
    assert!(line.contains("\"keys\":2") && line.contains("\"sources\":\"day\""), "{line}");
    assert_snapshot!(check(folder.path(), &["evict", "day"]), @"1: error: the store `data/wellspring.db` is in use by a running server; stop it first (`systemctl stop wellspring`, `docker compose stop`, or Ctrl-C where it runs), then start it again");
    program.signal("TERM");
    assert_eq!(program.wait().0, Some(0));
    assert_snapshot!(check(folder.path(), &["evict", "nothing"]), @"1: error: nothing is stored of `nothing`, and no source of that name is configured here");
    assert_snapshot!(check(folder.path(), &["evict", "--unconfigured"]), @"0: evicted 2 keys; data/wellspring.db takes 20 KB, 20 KB before");
    assert_snapshot!(check(folder.path(), &["evict", "films"]), @"0: evicted 1 key; data/wellspring.db takes 20 KB, 20 KB before");
    assert_snapshot!(check(folder.path(), &["evict"]), @"
    2: error: the following required arguments were not provided:
      <SOURCE>...

    Usage: wellspring evict <SOURCE>...

    For more information, try '--help'.
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_export_leaves_nothing() {
    let folder = folder(0, &sources(&["films"]));
    fill(folder.path()).await;
    // Who reads from the pipe takes nothing, so the export waits for the server, which sends nothing more.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let child = command(folder.path()).args(["export", "a.jsonl", "--server", &server]).stderr(Stdio::piped()).spawn().unwrap();
    let (_stream, _) = listener.accept().unwrap();
    assert_eq!(names(folder.path()).len(), 3, "it has begun: {:?}", names(folder.path()));
    crate::support::program::signal(child.id(), "INT");
    assert_eq!(said(&child.wait_with_output().unwrap(), folder.path()), "1: error: interrupted\n");
    assert_eq!(names(folder.path()), ["data", "wellspring.toml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smaller_retention_is_applied_at_start() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("wellspring.db");
    let store = open(&path).unwrap();
    let keys: Vec<_> = (0..50).map(|number| key(&format!("source_{number}"))).collect();
    for key in &keys {
        for revision in 1..=6 {
            put(&store, key, revision).await;
        }
    }
    store.close().await;
    let few = Retention { revisions: 2, ..Retention::default() };
    let store = wellspring::store::sqlite::SqliteStore::open(&path, few).unwrap();
    until("all are pruned", async || {
        let mut kept = 0;
        for key in &keys {
            kept += store.revisions(key).await.unwrap().len();
        }
        kept == 2 * keys.len()
    })
    .await;
    for key in &keys {
        crate::store_kit::check(&store, key, Some(6), &[6, 5]).await;
    }
    store.close().await;
}

/// Pages that are no longer used are used again.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_does_not_grow_with_the_number_of_revisions() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("wellspring.db");
    let store = wellspring::store::sqlite::SqliteStore::open(&path, Retention { revisions: 5, ..Retention::default() }).unwrap();
    let keys: Vec<_> = (0..8).map(|number| key(&format!("source_{number}"))).collect();
    let mut sizes = Vec::new();
    let rounds = if crate::trust::long() { 2_000 } else { 300 };
    for revision in 1..=rounds {
        let writes = keys.iter().map(|key| async {
            // Of all sizes, so that what is free never quite fits.
            let filler = usize::try_from(revision * 7_919 % 30_000).unwrap();
            let held = lease(&store, key).await;
            store.put_if(&held, &snapshot(key, revision, filler), &renewal(1), &Attempts::default()).await.unwrap();
            store.release(&held).await.unwrap();
        });
        for write in writes {
            write.await;
        }
        if revision % (rounds / 10) == 0 {
            sizes.push(path.metadata().unwrap().len());
        }
    }
    let log = path.with_file_name("wellspring.db-wal").metadata().unwrap().len();
    // What is kept: 8 keys of 5 revisions of at most 30 KB.
    let most = 8 * 6 * 34_000;
    assert!(sizes.iter().all(|size| *size <= most) && sizes[2..].iter().all(|size| *size <= sizes[1] * 5 / 4), "{sizes:?}");
    assert!(log <= 17 << 20, "{log}");
    let (revisions, last) = (rounds * 8, sizes[9]);
    crate::trust::judge(
        "T1",
        &format!("store's file after {revisions} revisions of 8 keys that keep 5"),
        &format!("{last} bytes"),
        "bounded",
        last <= most,
    );
    for key in &keys {
        store.evict(key).await.unwrap();
    }
    store.compact().await.unwrap();
    assert!(path.metadata().unwrap().len() < 64 << 10);
    store.close().await;
}
