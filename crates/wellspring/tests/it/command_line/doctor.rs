//! `doctor`: what it finds, and what it says to do about it.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::*;
use crate::browser;
use crate::support::program::free_port;

/// What it says, without what depends on the disk and the day, on a machine without a browser.
fn doctor(folder: &Path, args: &[&str]) -> String {
    let output = output(command(folder).arg("doctor").args(args).env("PATH", folder).env("FILMS_KEY", "s3cret"));
    let said = said(&output, folder);
    let lines = said.lines().filter(|line| !line.starts_with("ok    disk") && !line.starts_with("ok    clock"));
    lines.fold(String::new(), |all, line| all + line + "\n")
}

fn feed(name: &str, url: &str, lines: &str) -> String {
    format!("[source.{name}]\nurl = \"{url}\"\nfresh_for = \"1h\"\nformat = \"feed\"\n{lines}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_machine_passes() {
    let origin = Origin::start().await;
    origin.script("/robots.txt", Answer::ok("User-agent: *\nAllow: /\n"));
    let sources = [feed("news", &origin.url("/rss?key=${FILMS_KEY}"), ""), feed("films", &origin.url("/films"), "")].concat();
    let folder = folder(&sources);
    assert_snapshot!(doctor(folder.path(), &[]), @"
    exit code 0
    --- stdout
    ok    config     wellspring.toml: 2 sources
    ok    variables  FILMS_KEY: set
    ok    store      data/wellspring.db: not there yet, the server makes it
    ok    reader     pages are read in a process of its own
    ok    browser    none, and no source needs one
    ok    zone       Asia/Jakarta
    ok    reach      http://127.0.0.1:PORT (films, news): answers, in TIME
    ");
    assert_eq!((origin.count("/robots.txt"), origin.total()), (1, 1), "one small request a host");
    assert!(!folder.path().join("data").exists(), "nothing is made");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_work_is_told_with_the_way_out() {
    let origin = Origin::start().await;
    origin.script("/robots.txt", Answer::status(503));
    let dead = format!("http://127.0.0.1:{}", free_port());
    let sources = [
        feed("late", &origin.url("/rss"), ""),
        feed("dead", &dead, ""),
        feed("local", "http://printer.internal/status", ""),
        feed("templated", "https://{city}.shops.example/rss", "params.city.pattern = \"[a-z]+\""),
        feed("rendered", &dead, "render = \"auto\"").replace("feed", "jsonld"),
        feed("behind", "https://far.example/", &format!("proxy = \"http://name:word@{}\"", dead.trim_start_matches("http://"))),
        "[source.paid]\nfresh_for = \"1h\"\nformat = \"feed\"\n[[source.paid.from]]\nwhen_env = \"PAID_KEY\"\nurl = \"https://a.example/${PAID_KEY}\"\n".to_owned(),
    ];
    let folder = folder(&sources.concat());
    let toml = std::fs::read_to_string(folder.path().join("wellspring.toml")).unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    write_config(
        folder.path(),
        &toml
            .replace("[fetch]", "[store]\nurl = \"sqlite:file/w.db\"\n[browser]\nexecutable = \"nowhere\"\n[fetch]")
            .replace("allow_private = true", ""),
    );
    assert_snapshot!(doctor(folder.path(), &[]), @"
    exit code 1
    --- stdout
    ok    config     wellspring.toml: 7 sources
    ok    variables  PAID_KEY: not set, what needs it is skipped
    FAIL  source     paid: no alternative of it can be used  → set PAID_KEY
    FAIL  store      file/w.db cannot be made: file is no folder  → choose another path as `url` under [store], or with --data
    ok    reader     pages are read in a process of its own
    FAIL  browser    there is no file nowhere  → mend or remove `executable` under [browser]
    ok    zone       Asia/Jakarta
    ok    reach      https://{city}.shops.example/rss (templated): only a refresh knows this host
    FAIL  proxy      http://127.0.0.1:PORT: connection refused (os error 111)  → start it, or mend or remove `proxy`
    FAIL  reach      http://127.0.0.1:PORT (late): 127.0.0.1:PORT is not fetched: it is a loopback address, which needs `allow_private = true` under [fetch]  → check the source's `url`
    FAIL  reach      http://127.0.0.1:PORT (dead, rendered): 127.0.0.1:PORT is not fetched: it is a loopback address, which needs `allow_private = true` under [fetch]  → check the source's `url`
    FAIL  reach      http://printer.internal (local): printer.internal is not fetched: it is a local name, which needs `allow_private = true` under [fetch]  → check the source's `url`
    FAIL  reach      https://far.example (behind): far.example: by the proxy 127.0.0.1:PORT: connection refused  → is it up, and may this machine reach it, or does it take a `proxy`?
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_use_is_judged_by_the_server_that_uses_it() {
    let origin = Origin::start().await;
    origin.script("/rss", Answer::status(503));
    let folder = folder(&feed("news", &origin.url("/rss"), ""));
    let server = Program::serve(folder.path());
    server.until("news", |s| s["phase"] == "backing_off").await;
    let told = |args: &[&str]| {
        let said = doctor(folder.path(), args);
        let lines = said.lines().filter(|line| line.contains("  store") || line.contains("  server"));
        lines.fold(String::new(), |all, line| all + line + "\n")
    };
    // It listens on a port of its own, of which the config knows nothing.
    assert!(told(&["--offline"]).contains("with another --listen"), "{}", told(&["--offline"]));
    let toml = std::fs::read_to_string(folder.path().join("wellspring.toml")).unwrap();
    write_config(folder.path(), &toml.replace("127.0.0.1:0", &server.address.to_string()));
    assert_snapshot!(replaced(&told(&["--offline"]), "wellspring.db: ", |c| c.is_ascii_alphanumeric() || ". ".contains(c), "SIZE"), @"
    ok    store    data/wellspring.db: SIZE, in use by a running server; 20 revisions a key are kept, at most 17 MB
    warn  server   it runs, and is degraded: news: 127.0.0.1:PORT answered 503 (upstream_status); nothing to serve yet  → `wellspring status` tells more
    ");
    server.signal("TERM");
    server.wait();
    assert_snapshot!(replaced(&told(&["--offline"]), "wellspring.db: ", |c| c.is_ascii_alphanumeric() || ".".contains(c), "SIZE"), @"ok    store    data/wellspring.db: SIZE KB, 0 snapshots of 1 key; 20 revisions a key are kept, at most 17 MB");
    std::fs::write(folder.path().join("data/wellspring.db"), "this was never a database, whatever its name says").unwrap();
    assert_snapshot!(told(&["--offline"]), @"warn  store    data/wellspring.db is corrupt (file is not a database)  → the server renames it, carries over what can be read and starts a new one; check the disk");
    let kept = std::fs::read_to_string(folder.path().join("data/wellspring.db")).unwrap();
    assert!(kept.starts_with("this was never"), "it is left as it is");
}

/// What it says of the browser, of which no process and no folder is left then. The way to one depends on the distribution.
fn of_the_browser(folder: &Path, sections: &str, sources: &str, change: impl FnOnce(&mut Command)) -> String {
    // The browser may run as another user, who keeps its folder and reads its program in here.
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    write_config(folder, &format!("{sections}\n{sources}"));
    let temporary = folder.join("temporary");
    std::fs::create_dir_all(&temporary).unwrap();
    let mut command = command(folder);
    command.args(["doctor", "--offline"]).env("TMPDIR", &temporary);
    change(&mut command);
    let output = output(&mut command);
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "its folder is removed");
    let mark = temporary.display().to_string();
    let lines = processes().into_iter().filter(|line| line.contains(&mark)).collect::<Vec<_>>();
    assert!(lines.is_empty(), "{lines:?}");
    let said = said(&output, folder);
    let line = said.lines().find(|line| line.contains("  browser  ")).unwrap();
    let line = timeless(line, "shows a page after ").replace(", as user 65534", "");
    format!("{}: {line}", said.lines().next().unwrap())
}

/// The command lines of everything that runs.
fn processes() -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}

fn rendered(name: &str, render: &str) -> String {
    feed(name, "https://a.example/", &format!("render = \"{render}\"")).replace("feed", "jsonld")
}

#[tokio::test]
async fn a_browser_is_started_and_ended() {
    let Some(_turn) = browser::turn().await else { return };
    let executable = wellspring::config::find_browser(None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let told = |sections: &str, source: &str| {
        let said = of_the_browser(folder.path(), sections, source, |_| {}).replace(&executable.display().to_string(), "BROWSER");
        replaced(&said, "BROWSER (", |c| c != ')', "VERSION")
    };
    assert_snapshot!(told("", &rendered("films", "always")), @"exit code 0: ok    browser  BROWSER (VERSION): shows a page after TIME, in its sandbox");
    // One that nobody asks for as well: it is there to be asked for.
    assert_snapshot!(told("", &feed("news", "https://a.example/", "")), @"exit code 0: ok    browser  BROWSER (VERSION): shows a page after TIME, in its sandbox");
    assert_snapshot!(told("[browser]\nsandbox = false\n", &rendered("films", "auto")), @"exit code 0: warn  browser  BROWSER (VERSION): shows a page after TIME, WITHOUT its sandbox: a page that breaks out of it can do whatever its user can  → allow user namespaces, and remove `sandbox = false` under [browser]");
}

#[test]
fn a_browser_that_does_not_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("browser");
    std::fs::write(&script, "#!/bin/sh\necho 'error while loading shared libraries: libnss3.so' >&2\nexit 127\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let told = |source: &str| of_the_browser(folder.path(), "[browser]\nexecutable = \"browser\"\n", source, |_| {});
    assert_snapshot!(told(&rendered("films", "auto")), @"exit code 1: FAIL  browser  FOLDER/browser does not start (exit code 127: error while loading shared libraries: libnss3.so)  → see what it says of itself; another one can be named as `executable` under [browser]");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_snapshot!(told(&rendered("films", "auto")), @"exit code 1: FAIL  browser  FOLDER/browser does not start (exit code 70: FOLDER/browser: Permission denied (os error 13))  → see what it says of itself; another one can be named as `executable` under [browser]");
}

#[test]
fn without_a_browser_it_matters_who_needs_one() {
    let folder = tempfile::tempdir().unwrap();
    let told = |sources: &[String]| {
        let nowhere = folder.path().join("temporary");
        let said = of_the_browser(folder.path(), "", &sources.concat(), |command| {
            command.env("PATH", nowhere);
        });
        said.split_once("  → ").map_or_else(
            || said.clone(),
            |(words, way_out)| {
                assert!(way_out.ends_with("or name one as `executable` under [browser]"), "{way_out}");
                words.to_owned()
            },
        )
    };
    assert_snapshot!(told(&[feed("news", "https://a.example/", "")]), @"exit code 0: ok    browser  none, and no source needs one");
    assert_snapshot!(told(&[rendered("films", "auto"), rendered("shows", "auto")]), @"exit code 0: warn  browser  none; films, shows may need one (`render`), and plain HTTP is all there is");
    assert_snapshot!(told(&[rendered("films", "auto"), rendered("shows", "always")]), @"exit code 1: FAIL  browser  none, and without one shows cannot be read (`render`)");
}

#[test]
fn programs_read_json_and_a_bad_config_is_its_own_code() {
    let folder = folder(&feed("news", "https://a.example/rss", ""));
    let output = output(command(folder.path()).args(["doctor", "--json", "--offline"]).env("PATH", folder.path()));
    assert_eq!((output.status.code(), output.stderr.is_empty()), (Some(0), true));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["passed"], true);
    assert_snapshot!(normal(&json["checks"][0].to_string(), folder.path()), @r#"{"state":"ok","what":"config","words":"wellspring.toml: 1 source","way_out":null}"#);
    write_config(folder.path(), "[source.news]\n");
    assert_eq!(run(folder.path(), &["doctor"]).status.code(), Some(2));
}
