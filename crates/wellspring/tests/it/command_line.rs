//! What the program says to whoever types its commands: the real program, in a process of its own.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Output;

use insta::assert_snapshot;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::origin::{Answer, Origin};
use crate::support::program::{Program, command, output, run, write_config};
use crate::support::tix;

mod complaints;
mod doctor;
mod doctor_redis;
mod help;
mod keeping;
mod running;
mod sharing;

/// A folder with a config file that may read from loopback.
fn folder(sources: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_config(
        folder.path(),
        &format!("[server]\nlisten = \"127.0.0.1:0\"\ntimezone = \"Asia/Jakarta\"\n[fetch]\nallow_private = true\n{sources}"),
    );
    folder
}

/// The exit code and what was said on standard output and standard error, with what differs between two runs replaced.
fn said(output: &Output, folder: &Path) -> String {
    let mut text = format!("exit code {}\n", output.status.code().map_or_else(|| "none".to_owned(), |code| code.to_string()));
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let words = std::str::from_utf8(bytes).unwrap();
        if !words.is_empty() {
            let _infallible = write!(text, "--- {name}\n{words}");
        }
    }
    normal(&text, folder)
}

/// Replaces the folder, ports, durations and moments.
fn normal(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.display().to_string(), "FOLDER");
    let usual = "127.0.0.1:5500";
    let text = text.replace(usual, "USUAL");
    let text = replaced(&text, "127.0.0.1:", |c| c.is_ascii_digit(), "PORT").replace("USUAL", usual);
    let text =
        [" B in ", " KB in ", " MB in ", "answers, in ", "robots.txt, in "].iter().fold(text, |text, before| timeless(&text, before));
    replaced(&text, "fresh until ", |c| c.is_ascii_digit() || "-: ".contains(c), "MOMENT")
}

/// Replaces the durations that stand behind `before`.
fn timeless(text: &str, before: &str) -> String {
    let mut parts = text.split(before);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        let unit = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let rest = unit.strip_prefix(" ms").or_else(|| unit.strip_prefix(" s")).unwrap_or(part);
        all + before + if rest.len() == part.len() { "" } else { "TIME" } + rest
    })
}

/// Replaces what follows `after` for as long as it consists of such characters.
fn replaced(text: &str, after: &str, of: impl Fn(char) -> bool + Copy, with: &str) -> String {
    let mut parts = text.split(after);
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(of);
        all += after;
        all += if rest.len() == part.len() { "" } else { with };
        all += rest;
    }
    all
}

fn check(folder: &Path, args: &[&str]) -> String {
    said(&run(folder, args), folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn check_explains_what_came_out() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune", "Up", "Dune"]));
    let folder = folder(&tix::source("cinema", &origin, "/", "fresh_for = \"6d\""));
    assert_snapshot!(check(folder.path(), &["check"]), @r#"
    exit code 0
    --- stdout
    cinema
      items    http://127.0.0.1:PORT/   373 B in TIME
      rows     3 found, 1 duplicate, 2 kept
      fields   img    3 found
               title  3 found, all by "a span"
      gates    ok   required: 0 of 3 rows lack a required field (at most a fifth may)
               ok   min_items: 2 items, at least 1 expected
      sample   {"img":"http://127.0.0.1:PORT/poster/dune.webp","title":"Dune"}
               {"img":"http://127.0.0.1:PORT/poster/up.webp","title":"Up"}
      passed: 2 items from 373 B in TIME; fresh until MOMENT
    --- stderr
    cinema: fetching …
    "#);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_which_gate_refuses() {
    let origin = Origin::start().await;
    origin.script("/", Answer::html("<ul class=glide__slides><li class=glide__slide><a href=/movie-detail/up><span>Up</span></a></ul>"));
    origin.script("/gone", Answer::status(503));
    let folder = folder(&format!(
        "{}{}",
        tix::source("cinema", &origin, "/", "fresh_for = \"6d\""),
        tix::source("gone", &origin, "/gone", "fresh_for = \"6d\"")
    ));
    assert_snapshot!(check(folder.path(), &["check", "cinema"]), @r#"
    exit code 1
    --- stdout
    cinema
      items    http://127.0.0.1:PORT/   96 B in TIME
      rows     1 found, 1 dropped, 0 kept
      fields   img    0 found  ← in no row: is this rule right?
               title  1 found, all by "a span"
      dropped  row 1 "Up" lacks img
      gates    FAIL required: 1 of 1 rows lack a required field (at most a fifth may)
               FAIL min_items: 0 items, at least 1 expected
      FAILED (gate_failed): required: 1 of 1 rows lack a required field (at most a fifth may)
    --- stderr
    cinema: fetching …
    "#);
    assert_snapshot!(check(folder.path(), &["check", "gone"]), @"
    exit code 1
    --- stdout
    gone
      items    http://127.0.0.1:PORT/gone      failed (upstream_status)
      FAILED (upstream_status): 127.0.0.1:PORT answered 503
    --- stderr
    gone: fetching …
    ");
}

/// Films of which one has no name and two have it elsewhere.
const ODD_FILMS: &str = r#"<ul><li class=film><span>Dune</span><b>12:00</b></li><li class=film><img alt="Up"><b>13:00</b></li>
    <li class=film><b>14:00</b></li><li class=film><img alt="Arrival"><b>15:00</b></li>
    <li class=film><span>Solaris</span><b>16:00</b></li></ul>"#;

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_what_found_a_field_and_which_row_lacks_it() {
    let origin = Origin::start().await;
    origin.script("/", Answer::html(ODD_FILMS));
    origin.script("/api", Answer::ok(r#"[{"name": "Dune", "shows": [{"at": "12:00"}, {"at": "18:00"}]}, {"name": "Up", "shows": []}]"#));
    let folder = folder(&format!(
        "[source.films]\nurl = \"{}\"\nfresh_for = \"1h\"\nformat = \"html\"\nitems = \"li.film\"\n\
         fields = {{ time = \"b\", title = [\"span\", \"img@alt\", \"i\"], _poster = {{ select = \"img\", attr = \"src\" }} }}\nexpect.required = [\"title\"]\n\
         [source.nested]\nurl = \"{}\"\nfresh_for = \"1h\"\nformat = \"json\"\nitems = \"$[*]\"\n\
         fields = {{ name = \"$.name\", shows = {{ items = \"$.shows[*]\", fields = {{ at = \"$.at\", hall = \"$.hall\" }} }} }}\n",
        origin.url("/"),
        origin.url("/api")
    ));
    assert_snapshot!(check(folder.path(), &["check"]), @r#"
    exit code 0
    --- stdout
    films
      items    http://127.0.0.1:PORT/   249 B in TIME
      rows     5 found, 1 dropped, 4 kept
      fields   time     5 found
               title    4 found: 2 by "span", 2 by "img@alt"
               _poster  0 found  ← in no row: is this rule right?
      dropped  row 3 "14:00" lacks title
      gates    ok   required: 1 of 5 rows lack a required field (at most a fifth may)
               ok   min_items: 4 items, at least 1 expected
      sample   {"time":"12:00","title":"Dune"}
               {"time":"13:00","title":"Up"}
               {"time":"15:00","title":"Arrival"}
               {"time":"16:00","title":"Solaris"}
      passed: 4 items from 249 B in TIME; fresh until MOMENT
    nested
      items    http://127.0.0.1:PORT/api   92 B in TIME
      rows     2 found, 2 kept
      fields   name        2 found
               shows       1 found
               shows.at    2 found
               shows.hall  0 found  ← in no row: is this rule right?
      gates    ok   required: 0 of 2 rows lack a required field (at most a fifth may)
               ok   min_items: 2 items, at least 1 expected
      sample   {"name":"Dune","shows":[{"at":"12:00","hall":null},{"at":"18:00","hall":null}]}
               {"name":"Up","shows":[]}
      passed: 2 items from 92 B in TIME; fresh until MOMENT
    --- stderr
    films: fetching …
    nested: fetching …
    "#);
    let json: Value = serde_json::from_slice(&run(folder.path(), &["check", "films", "--json"]).stdout).unwrap();
    assert_snapshot!(json["dropped"], @r#"[{"row":3,"missing":["title"],"begins":"14:00"}]"#);
    assert_snapshot!(json["fields"]["title"], @r#"{"found":4,"candidates":["span","img@alt","i"],"by_candidate":[2,2,0],"defaulted":0}"#);
    let request = &json["requests"][0];
    assert_eq!((&request["label"], &request["bytes"]), (&"items".into(), &ODD_FILMS.len().into()));
    assert_eq!(json["cut"], Value::Array(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_one_json_object_a_line() {
    let origin = Origin::start().await;
    origin.script("/", tix::films(&["Dune", "Up", "A", "B", "C", "D"]));
    let folder = folder(&format!(
        "{}{}",
        tix::source("cinema", &origin, "/", "fresh_for = \"6d\""),
        tix::source("gone", &origin, "/gone", "fresh_for = \"6d\"")
    ));
    let page = tix::page(&["Dune", "Up", "A", "B", "C", "D"]).replace("<img src=\"/poster/up.webp\">", "");
    origin.script("/", Answer::html(page));

    let output = run(folder.path(), &["check", "--json"]);
    assert_eq!((output.status.code(), output.stderr.is_empty()), (Some(1), true), "one of the two failed, which the lines tell");
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap());
    let [cinema, gone]: [Value; 2] = lines.collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(
        (&cinema["source"], &cinema["items"][0]["title"], cinema["items"].as_array().unwrap().len()),
        (&"cinema".into(), &"Dune".into(), 5)
    );
    insta::assert_json_snapshot!(cinema["fields"], @r#"
    {
      "img": {
        "found": 5,
        "candidates": [
          "a img@src"
        ],
        "by_candidate": [
          5
        ],
        "defaulted": 0
      },
      "title": {
        "found": 6,
        "candidates": [
          "a span",
          "a@title",
          "img@alt",
          "a",
          "."
        ],
        "by_candidate": [
          6,
          0,
          0,
          0,
          0
        ],
        "defaulted": 0
      }
    }
    "#);
    insta::assert_json_snapshot!(cinema["gates"], @r#"
    [
      {
        "name": "required",
        "passed": true,
        "message": "1 of 6 rows lack a required field (at most a fifth may)"
      },
      {
        "name": "min_items",
        "passed": true,
        "message": "5 items, at least 1 expected"
      }
    ]
    "#);
    insta::assert_json_snapshot!(cinema["dropped"], @r#"
    [
      {
        "row": 2,
        "missing": [
          "img"
        ],
        "begins": "Up"
      }
    ]
    "#);
    assert_eq!((&cinema["passed"], &cinema["error"]), (&true.into(), &Value::Null));
    assert_eq!((&gone["source"], &gone["passed"], &gone["items"]), (&"gone".into(), &false.into(), &Value::Array(Vec::new())));
    assert_snapshot!(normal(&gone["error"].to_string(), folder.path()), @r#"{"code":"upstream_status","message":"127.0.0.1:PORT answered 404"}"#);
}

/// An answer of SerpApi's kind.
const TRENDING_NOW: &str = r#"{"trending_searches": [
    {"query": "lunar eclipse", "search_volume": 200000, "categories": [{"id": 15, "name": "Science"}]},
    {"query": "rice price", "search_volume": 2000, "categories": []}]}"#;

/// A feed of Google's kind.
const TRENDING_RSS: &str = r#"<?xml version="1.0"?><rss version="2.0" xmlns:ht="https://trends.google.com/trending/rss"><channel>
    <item><title>lunar eclipse</title><ht:approx_traffic>200K+</ht:approx_traffic></item>
    <item><title>rice price</title><ht:approx_traffic>2,000+</ht:approx_traffic></item></channel></rss>"#;

#[test]
fn the_shipped_trends_read_either_file_without_a_key() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("now.json"), TRENDING_NOW).unwrap();
    std::fs::write(folder.path().join("now.rss"), TRENDING_RSS).unwrap();
    assert_snapshot!(check(folder.path(), &["check", "google_trend", "--input", "now.json"]), @r#"
    exit code 0
    --- stdout
    google_trend?geo=ID
      alternative 1
        items    now.json   198 B in TIME
        rows     2 found, 2 kept
        fields   query          2 found
                 search_volume  2 found
                 category       1 found, 1 by default
        gates    ok   required: 0 of 2 rows lack a required field (at most a fifth may)
                 ok   min_items: 2 items, at least 1 expected
        sample   {"query":"lunar eclipse","search_volume":200000,"category":"Science"}
                 {"query":"rice price","search_volume":2000,"category":"Unknown"}
      passed: 2 items from 198 B in TIME; fresh until MOMENT
    "#);
    assert_snapshot!(check(folder.path(), &["check", "google_trend", "--input", "now.rss"]), @r#"
    exit code 0
    --- stdout
    google_trend?geo=ID
      alternative 1
        items    now.rss   293 B in TIME   failed (extract_failed)
        failed   the body is a feed, not JSON: it begins `<?xml versio…`
      alternative 2
        items    now.rss, in place of https://trends.google.com/trending/rss?geo=ID   293 B in TIME
        rows     2 found, 2 kept
        fields   query          2 found
                 search_volume  2 found
                 category       0 found, 2 by default
        gates    ok   required: 0 of 2 rows lack a required field (at most a fifth may)
                 ok   min_items: 2 items, at least 1 expected
        sample   {"query":"lunar eclipse","search_volume":200000,"category":"Unknown"}
                 {"query":"rice price","search_volume":2000,"category":"Unknown"}
      passed: 2 items from 293 B in TIME; fresh until MOMENT
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_which_alternative_was_skipped_and_why() {
    let origin = Origin::start().await;
    origin.script("/rss", Answer::ok(TRENDING_RSS));
    let trends = format!(
        "[source.trends]\nfresh_for = \"1h\"\n[[source.trends.from]]\nwhen_env = \"TRENDS_KEY\"\nurl = \"{}?key=${{TRENDS_KEY}}\"\nformat = \"json\"\n\
         items = \"$.trending_searches[*]\"\nfields = {{ query = \"$.query\" }}\n[[source.trends.from]]\nurl = \"{}\"\nformat = \"feed\"\nfields = {{ query = \"title\" }}\n",
        origin.url("/now"),
        origin.url("/rss")
    );
    let folder = folder(&trends);
    assert_snapshot!(check(folder.path(), &["check"]), @r#"
    exit code 0
    --- stdout
    trends
      alternative 1 · skipped: TRENDS_KEY is not set
      alternative 2
        items    http://127.0.0.1:PORT/rss   293 B in TIME
        rows     2 found, 2 kept
        fields   query  2 found
        gates    ok   required: 0 of 2 rows lack a required field (at most a fifth may)
                 ok   min_items: 2 items, at least 1 expected
        sample   {"query":"lunar eclipse"}
                 {"query":"rice price"}
      passed: 2 items from 293 B in TIME; fresh until MOMENT
    --- stderr
    trends: fetching …
    "#);
    let with_key = output(command(folder.path()).arg("check").env("TRENDS_KEY", "s3cret"));
    assert_snapshot!(said(&with_key, folder.path()), @r#"
    exit code 0
    --- stdout
    trends
      alternative 1
        items    http://127.0.0.1:PORT/now?key=${TRENDS_KEY}      failed (upstream_status)
        failed   127.0.0.1:PORT answered 404
      alternative 2
        items    http://127.0.0.1:PORT/rss   293 B in TIME
        rows     2 found, 2 kept
        fields   query  2 found
        gates    ok   required: 0 of 2 rows lack a required field (at most a fifth may)
                 ok   min_items: 2 items, at least 1 expected
        sample   {"query":"lunar eclipse"}
                 {"query":"rice price"}
      passed: 2 items from 293 B in TIME; fresh until MOMENT
    --- stderr
    trends: fetching …
    "#);
}

#[test]
fn check_judges_as_if_it_were_another_time() {
    let daily = "[source.trends]\nurl = \"https://a.example/rss\"\nformat = \"feed\"\nfresh_until = \"00:00 Asia/Jakarta\"\n";
    let folder = folder(daily);
    std::fs::write(folder.path().join("now.rss"), TRENDING_RSS).unwrap();
    let fresh_until = |now: &str| {
        let output = run(folder.path(), &["check", "--input", "now.rss", "--json", "--now", now]);
        assert_eq!(output.status.code(), Some(0));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["fresh_until"].as_str().unwrap().to_owned()
    };
    assert_eq!(fresh_until("2026-01-31T16:59:59Z"), "2026-01-31T17:00:00Z");
    assert_eq!(fresh_until("2026-02-01T00:00:00+07:00"), "2026-02-01T17:00:00Z");
}

#[test]
fn arguments_that_make_no_sense_are_told_with_the_way_out() {
    let two = "[source.cinema]\nurl = \"https://a.example\"\nfresh_for = \"1h\"\nformat = \"feed\"\n[source.trends]\nurl = \"https://b.example/{geo}\"\nfresh_for = \"1h\"\nformat = \"feed\"\nparams.geo.values = [\"ID\", \"US\"]\n";
    let folder = folder(two);
    let check = |args: &[&str]| check(folder.path(), args);
    assert_snapshot!(check(&["check", "cinma"]), @"
    exit code 2
    --- stderr
    error: no source is called `cinma`; did you mean `cinema`?
    ");
    assert_snapshot!(check(&["check", "weather"]), @"
    exit code 2
    --- stderr
    error: no source is called `weather`; configured: cinema, trends
    ");
    assert_snapshot!(check(&["check", "trends"]), @"
    exit code 2
    --- stderr
    error: trends: `geo` is needed; it takes ID, US; write `trends?geo=…`
    ");
    assert_snapshot!(check(&["check", "trends?geo=XX"]), @"
    exit code 2
    --- stderr
    error: trends: `geo` does not take this value; it takes ID, US
    ");
    assert_snapshot!(check(&["check", "trends?region=ID"]), @"
    exit code 2
    --- stderr
    error: trends: `region` is no parameter of this source; it takes geo
    ");
    assert_snapshot!(check(&["check", "cinema", "--input", "nowhere.html"]), @"
    exit code 2
    --- stderr
    error: the input `nowhere.html` cannot be read: No such file or directory (os error 2)
    ");
    assert_snapshot!(check(&["check", "--input", "wellspring.toml"]), @"
    exit code 2
    --- stderr
    error: `--input` is read as one source's answer: name that source; configured: cinema, trends
    ");
    assert_snapshot!(check(&["check", "--now", "yesterday"]), @"
    exit code 2
    --- stderr
    error: invalid value 'yesterday' for '--now <RFC3339>': write a date, a time and an offset, as in 2026-01-31T10:00:00Z or 2026-01-31T17:00:00+07:00

    For more information, try '--help'.
    ");
    assert_snapshot!(check(&["serve", "--listen", "5500"]), @"
    exit code 2
    --- stderr
    error: invalid value '5500' for '--listen <ADDR>': write an address and a port, as in 127.0.0.1:5500; 0.0.0.0:5500 listens on every interface

    For more information, try '--help'.
    ");
    assert_snapshot!(check(&["chek"]), @"
    exit code 2
    --- stderr
    error: unrecognized subcommand 'chek'

      tip: some similar subcommands exist: 'schema', 'check'

    Usage: wellspring [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
}

#[test]
fn the_schema_is_json_and_knows_the_sections() {
    let output = run(tempfile::tempdir().unwrap().path(), &["schema"]);
    assert_eq!((output.status.code(), output.stderr.is_empty()), (Some(0), true));
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sections: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(sections, ["use", "server", "store", "fetch", "browser", "notify", "source"]);
}

#[test]
fn a_reader_that_stops_early_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("now.json"), TRENDING_NOW).unwrap();
    for args in [&["schema"][..], &["completions", "bash"], &["check", "google_trend", "--input", "now.json"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(folder.path()).args(args).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), std::str::from_utf8(&output.stderr).unwrap().contains("panicked")), (Some(0), false), "{args:?}");
    }
}
