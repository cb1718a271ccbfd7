//! Bad input gets a pointed message, and nothing is started or left behind.

use std::net::TcpListener;

use super::*;

/// `serve` and `check` with this config end with code 2 and the same message, and leave no file behind.
fn refused(toml: &str) -> String {
    refused_with(toml, &[])
}

fn refused_with(toml: &str, beside: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), toml);
    for (name, text) in beside {
        std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let before = files(folder.path());
    let served = run(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let checked = run(folder.path(), &["check"]);
    assert_eq!((served.status.code(), checked.status.code()), (Some(2), Some(2)), "{}", said(&served, folder.path()));
    assert_eq!((&served.stderr, served.stdout.len()), (&checked.stderr, checked.stdout.len()));
    assert_eq!(files(folder.path()), before, "nothing was started");
    std::str::from_utf8(&served.stderr).unwrap().to_owned()
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const FEED: &str = "[source.news]\nurl = \"https://a.example/rss\"\nfresh_for = \"1h\"\nformat = \"feed\"\n";

#[test]
fn a_bad_config_is_refused_with_its_place() {
    assert_snapshot!(refused("[server\nlisten = 1\n"), @"
    error: unclosed table, expected `]`
      --> wellspring.toml:1:8
      |
    1 | [server
      |        ^
    ");
    assert_snapshot!(refused("[source.news]\nurl = \"https://a.example/rss\nfresh_for = \"1h\"\n"), @r#"
    error: this string is not closed
      --> wellspring.toml:2:29
      |
    2 | url = "https://a.example/rss
      |                             ^
      = help: add a " at its end
    "#);
    assert_snapshot!(refused(&FEED.replace("fresh_for", "fresh_fro")), @r#"
    error: unknown key `fresh_fro`
      --> wellspring.toml:3:1
      |
    3 | fresh_fro = "1h"
      | ^^^^^^^^^
      = help: did you mean `fresh_for`?
    "#);
    assert_snapshot!(refused(&FEED.replace("1h", "1 fortnight")), @r#"
    error: `1 fortnight` is no period: write a whole number and a unit (ms, s, m, h, d, w), as in `30s`, `24h` or `6d`
      --> wellspring.toml:3:13
      |
    3 | fresh_for = "1 fortnight"
      |             ^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(&FEED.replace("\"1h\"", "3600")), @r#"
    error: a period needs quotes and a unit
      --> wellspring.toml:3:13
      |
    3 | fresh_for = 3600
      |             ^^^^
      = help: write it as in "30s" or "6d", not as 3600
    "#);
    assert_snapshot!(refused(&FEED.replace("\"feed\"", "\"rss\"")), @r#"
    error: `rss` is not known here
      --> wellspring.toml:4:10
      |
    4 | format = "rss"
      |          ^^^^^
      = help: it is one of: html, json, feed, ical, jsonld, csv, xml, text
    "#);
    assert_snapshot!(refused(&FEED.replace("https://a.example/rss", "a.example/rss")), @r#"
    error: `url` is no http address: it must begin with http:// or https://
      --> wellspring.toml:2:7
      |
    2 | url = "a.example/rss"
      |       ^^^^^^^^^^^^^^^
      = help: write it in full, as in https://www.example.com/list
    "#);
    assert_snapshot!(refused(&FEED.replace("[source.news]", "[source.News-1]")), @"
    error: `News-1` is no source name: it takes a lower-case letter, then letters, digits and `_` (64 at most), and not `stream`
      --> wellspring.toml:1:9
      |
    1 | [source.News-1]
      |         ^^^^^^
    ");
    assert_snapshot!(refused(&FEED.replace("a.example/rss", "a.example/rss?key=${NEWS_KEY}")), @r#"
    error: the environment variable `NEWS_KEY` is not set
      --> wellspring.toml:2:7
      |
    2 | url = "https://a.example/rss?key=${NEWS_KEY}"
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = help: set it, or put this address into a [[source.news.from]] with when_env = "NEWS_KEY"
    "#);
    assert_snapshot!(refused(&format!("{FEED}{FEED}")), @"
    error: this is defined twice
      --> wellspring.toml:5:9
      |
    5 | [source.news]
      |         ^^^^
      = help: the first stands at wellspring.toml:1:1
    ");
    assert_snapshot!(refused("use = [\"cinema\", \"trends\"]\n"), @r#"
    error: `trends` is not known here
      --> wellspring.toml:1:18
      |
    1 | use = ["cinema", "trends"]
      |                  ^^^^^^^^
      = help: it is one of: cinema, events, google_trend, sembako, arrivals, hacker_news, earthquakes, exchange_rates, holidays
    "#);
}

#[test]
fn bad_rules_are_refused_with_their_place() {
    let page = "[source.films]\nurl = \"https://a.example\"\nfresh_for = \"1h\"\nformat = \"html\"\nitems = \"li:hsa(a[href*='film'])\"\nfields = { title = \"a span\" }\n";
    assert_snapshot!(refused(page), @r#"
    error: `li:hsa(a[href*='film'])` is no CSS selector: it has a pseudo-class or pseudo-element that is not known here
      --> wellspring.toml:5:9
      |
    5 | items = "li:hsa(a[href*='film'])"
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(&page.replace("hsa", "has").replace("\"a span\"", "\"a >> span\"")), @r#"
    error: `a >> span` is no CSS selector: a part of it is empty
      --> wellspring.toml:6:20
      |
    6 | fields = { title = "a >> span" }
      |                    ^^^^^^^^^^^
    "#);
    let api = "[source.prices]\nurl = \"https://a.example\"\nfresh_for = \"1h\"\nformat = \"json\"\nitems = \"$.data[*\"\nfields = { price = \"$.price\" }\n";
    assert_snapshot!(refused(api), @r#"
    error: `$.data[*` is no JSONPath: in long-hand segment, expected closing ']'
      --> wellspring.toml:5:17
      |
    5 | items = "$.data[*"
      |                 ^
    "#);
    assert_snapshot!(refused(&api.replace("[*\"", "[*]\"").replace("$.price", "price")), @r#"
    error: `price` is no JSONPath: something stands where JSONPath has no place for it
      --> wellspring.toml:6:20
      |
    6 | fields = { price = "price" }
      |                    ^^^^^^^
      = help: a JSONPath begins with `$`: `$.price`
    "#);
}

/// What nests deeper than anybody writes takes neither the stack of whoever reads it nor an age: a server that reloads stays up.
#[test]
fn rules_that_nest_without_end_are_refused() {
    let source = |rule: &str| format!("[source.a]\nurl = \"https://a.example\"\nfresh_for = \"1h\"\nformat = \"json\"\n{rule}\n");
    let first = |rule: &str| refused(&source(rule)).lines().next().unwrap_or_default().to_owned();
    for (open, close) in [("[?@", "]"), ("[?(", ")]"), ("[?length(", ")]")] {
        let told = first(&format!("items = \"${}{}\"", open.repeat(20_000), close.repeat(20_000)));
        assert_eq!(told, "error: this JSONPath is nested deeper than 10 levels", "{open}");
    }
    assert_eq!(first(&format!("transform = \"{}\"", "[".repeat(20_000))), "error: a transform is at most 8 KiB long");
    for deep in ["[".repeat(8_000), "-".repeat(8_000), ".|".repeat(4_000), "if . then ".repeat(800), "\\\"\\\\(".repeat(2_000)] {
        assert!(first(&format!("transform = \"{deep}\"")).starts_with("error: the jq program cannot be read: "), "{}", &deep[..10]);
    }
}

#[test]
fn the_same_source_in_two_files_is_refused() {
    assert_snapshot!(refused_with(FEED, &[("sources/more.toml", FEED)]), @"
    error: source `news` is defined twice
      --> sources/more.toml:1:9
      |
    1 | [source.news]
      |         ^^^^
      = help: the first stands at wellspring.toml:1:9; rename or remove one of them
    ");
}

#[test]
fn a_config_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    assert_snapshot!(check(folder.path(), &["serve", "--config", "nowhere.toml"]), @"
    exit code 2
    --- stderr
    error: this file cannot be read: No such file or directory (os error 2)
      --> nowhere.toml
      help: name another one with --config FILE
    ");
    std::fs::write(folder.path().join("wellspring.toml"), b"# caf\xe9\n").unwrap();
    assert_snapshot!(check(folder.path(), &["serve"]), @"
    exit code 2
    --- stderr
    error: this file is not UTF-8 text
      --> wellspring.toml:1:6
      |
    1 | # caf�
      |      ^
      = help: save it as UTF-8
    ");
}

#[test]
fn a_config_without_sources_is_told() {
    let folder = folder("");
    assert_snapshot!(check(folder.path(), &["check"]), @r#"
    exit code 2
    --- stderr
    error: no source is configured, so there is nothing to check: add a [source.NAME] table to the config, or one that ships with `use = ["cinema"]`
    "#);
    let server = Program::serve(folder.path());
    assert!(server.wait_for_log("no source is configured").contains("WARN"));
    assert_snapshot!(check_running(&server, &["status"]), @r#"
    exit code 0
    --- stdout
    the server has no source: add a [source.NAME] table to the config, or one that ships with `use = ["cinema"]`
    "#);
}

/// A command that asks this server.
fn check_running(server: &Program, args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &format!("[server]\nlisten = \"{}\"\n", server.address));
    check(folder.path(), args)
}

#[test]
fn a_port_in_use_is_told_before_anything_is_touched() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder(FEED);
    assert_snapshot!(check(folder.path(), &["serve", "--listen", &taken.local_addr().unwrap().to_string()]), @"
    exit code 1
    --- stderr
    error: cannot listen on 127.0.0.1:PORT: Address already in use (os error 98); another program listens there: stop it, or choose another address with --listen
    ");
    assert_eq!(files(folder.path()), ["wellspring.toml"]);
    assert_snapshot!(check(folder.path(), &["demo", "--listen", &taken.local_addr().unwrap().to_string()]), @"
    exit code 1
    --- stderr
    error: cannot listen on 127.0.0.1:PORT: Address already in use (os error 98); another program listens there: stop it, or choose another address with --listen
    ");
}

#[test]
fn a_data_folder_that_cannot_be_made_is_told() {
    let folder = folder(FEED);
    std::fs::write(folder.path().join("file"), "").unwrap();
    assert_snapshot!(check(folder.path(), &["serve", "--data", "file/data"]), @"
    exit code 1
    --- stderr
    error: the folder `file/data` for the store cannot be made (Not a directory (os error 20)); choose another with --data
    ");
    std::fs::create_dir_all(folder.path().join("data/wellspring.db")).unwrap();
    assert_snapshot!(check(folder.path(), &["serve"]), @"
    exit code 1
    --- stderr
    error: the store `data/wellspring.db` is a folder; name a file in it, such as `data/wellspring.db/wellspring.db`
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_database_is_set_aside_and_said_so() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune"]));
    let folder = folder(&tix::source("cinema", &origin, "/", "fresh_for = \"6d\""));
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/wellspring.db"), "this was never a database, whatever its name says").unwrap();
    let server = Program::serve(folder.path());
    let line: Value = serde_json::from_str(&server.wait_for_log("corrupt")).unwrap();
    let words = ["message", "path", "aside"].map(|name| line[name].as_str().unwrap()).join(" | ");
    assert_snapshot!(normal(&words, folder.path()), @"the store's file is corrupt: it was renamed, and a new one is started | FOLDER/data/wellspring.db | FOLDER/data/wellspring.db.corrupt-1");
    server.until_fresh("cinema").await;
    assert_eq!(server.get("/api/cinema").await.items("title"), ["Dune"]);
    let aside = std::fs::read_to_string(folder.path().join("data/wellspring.db.corrupt-1")).unwrap();
    assert!(aside.starts_with("this was never"), "it is kept as it was");
}
