//! What people read when words, names and TOML are wrong.

use insta::assert_snapshot;

use super::*;

#[test]
fn unknown_keys_are_named_with_the_nearest_right_word() {
    assert_snapshot!(refused_with("fresh_fro = \"6d\"\n"), @r#"
    error: unknown key `fresh_fro`
      --> sources/cinema.toml:7:1
      |
    7 | fresh_fro = "6d"
      | ^^^^^^^^^
      = help: did you mean `fresh_for`?
    "#);
    assert_snapshot!(refused_with("ttl = \"6d\"\n"), @r#"
    error: unknown key `ttl`
      --> sources/cinema.toml:7:1
      |
    7 | ttl = "6d"
      | ^^^
      = help: did you mean `fresh_for`?
    "#);
    assert_snapshot!(refused_with("expect = { requird = [\"title\"] }\n"), @r#"
    error: unknown key `requird`
      --> sources/cinema.toml:7:12
      |
    7 | expect = { requird = ["title"] }
      |            ^^^^^^^
      = help: did you mean `required`?
    "#);
    assert_snapshot!(refused_with("when_env = \"KEY\"\n"), @r#"
    error: unknown key `when_env`
      --> sources/cinema.toml:7:1
      |
    7 | when_env = "KEY"
      | ^^^^^^^^
      = help: it goes into an alternative: [[source.NAME.from]]
    "#);
    assert_snapshot!(refused_where("\"a\"", "{ slect = \"a\" }"), @r#"
    error: unknown key `slect`
      --> sources/cinema.toml:6:22
      |
    6 | fields = { title = { slect = "a" }, img = "img@src" }
      |                      ^^^^^
      = help: did you mean `select`?
    "#);
    assert_snapshot!(refused_with("http_coat = \"shared\"\n"), @r#"
    error: unknown key `http_coat`
      --> sources/cinema.toml:7:1
      |
    7 | http_coat = "shared"
      | ^^^^^^^^^
      = help: known here: description, fresh_for, fresh_until, max_stale, cold_wait, deadline, min_interval, manual_refresh, report_age, http_cache, refresh, warm, max_keys, items_key, feed, calendar, params, from, url, method, headers, cookies, json, form, body, steps, each, details, times, render, wait_for, click, scroll, capture, format, script, variable, items, fields, transform, unique_by, limit, delimiter, back, ahead, expect, robots, user_agent, proxy, timeout, max_body
    "#);
}

#[test]
fn unknown_words_are_answered_with_the_known_ones() {
    assert_snapshot!(refused_where("html", "docx"), @r#"
    error: `docx` is not known here
      --> sources/cinema.toml:4:10
      |
    4 | format = "docx"
      |          ^^^^^^
      = help: it is one of: html, json, feed, ical, jsonld, csv, xml, text
    "#);
    assert_snapshot!(refused_with("render = \"sometimes\"\n"), @r#"
    error: `sometimes` is not known here
      --> sources/cinema.toml:7:10
      |
    7 | render = "sometimes"
      |          ^^^^^^^^^^^
      = help: it is one of: never, auto, always
    "#);
    assert_snapshot!(refused_where("\"a\"", "{ select = \"a\", parse = \"dates\" }"), @r#"
    error: `dates` is not known here
      --> sources/cinema.toml:6:44
      |
    6 | fields = { title = { select = "a", parse = "dates" }, img = "img@src" }
      |                                            ^^^^^^^
      = help: did you mean `date`?
    "#);
}

#[test]
fn values_of_a_wrong_kind_are_told_what_is_taken() {
    assert_snapshot!(refused_where("\"6d\"", "6"), @r#"
    error: a period needs quotes and a unit
      --> sources/cinema.toml:3:13
      |
    3 | fresh_for = 6
      |             ^
      = help: write it as in "30s" or "6d", not as 6
    "#);
    assert_snapshot!(refused_where("\"6d\"", "\"6 days\""), @r#"
    error: `6 days` is no period: write a whole number and a unit (ms, s, m, h, d, w), as in `30s`, `24h` or `6d`
      --> sources/cinema.toml:3:13
      |
    3 | fresh_for = "6 days"
      |             ^^^^^^^^
    "#);
    assert_snapshot!(refused_with("max_body = \"8MB\"\n"), @r#"
    error: `8MB` is no size: write a whole number and a unit (B, KiB, MiB), as in `8MiB`
      --> sources/cinema.toml:7:12
      |
    7 | max_body = "8MB"
      |            ^^^^^
    "#);
    assert_snapshot!(refused_with("limit = \"17\"\n"), @r#"
    error: expected a whole number from 0 up, not a string
      --> sources/cinema.toml:7:9
      |
    7 | limit = "17"
      |         ^^^^
    "#);
    assert_snapshot!(refused_with("limit = -1\n"), @"
    error: expected a whole number from 0 up
      --> sources/cinema.toml:7:9
      |
    7 | limit = -1
      |         ^^
    ");
    assert_snapshot!(refused_where("\"a\"", "5"), @r#"
    error: expected a place (a string), a list of places, or a table such as { select = "…", default = "…" }, not a whole number
      --> sources/cinema.toml:6:20
      |
    6 | fields = { title = 5, img = "img@src" }
      |                    ^
    "#);
    assert_snapshot!(refused_where("\"html\"", "true"), @"
    error: expected a string
      --> sources/cinema.toml:4:10
      |
    4 | format = true
      |          ^^^^
    ");
    assert_snapshot!(refused_with("warm = \"yes\"\n"), @r#"
    error: expected true or false, not a string
      --> sources/cinema.toml:7:8
      |
    7 | warm = "yes"
      |        ^^^^^
    "#);
    assert_snapshot!(refused_with("expect = 5\n"), @"
    error: expected a table, not a whole number
      --> sources/cinema.toml:7:10
      |
    7 | expect = 5
      |          ^
    ");
}

#[test]
fn names_are_words() {
    assert_snapshot!(refused("[source.stream]\nurl = \"https://a.example/\"\nfresh_for = \"1h\"\nformat = \"feed\"\n"), @"
    error: `stream` is no source name: it takes a lower-case letter, then letters, digits and `_` (64 at most), and not `stream`
      --> sources/cinema.toml:1:9
      |
    1 | [source.stream]
      |         ^^^^^^
    ");
    assert_snapshot!(refused("[source.\"Now Showing\"]\nurl = \"https://a.example/\"\nfresh_for = \"1h\"\nformat = \"feed\"\n"), @r#"
    error: `Now Showing` is no source name: it takes a lower-case letter, then letters, digits and `_` (64 at most), and not `stream`
      --> sources/cinema.toml:1:9
      |
    1 | [source."Now Showing"]
      |         ^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused("[source]\nurl = \"https://a.example/\"\n"), @r#"
    error: `url` is no table of a source
      --> sources/cinema.toml:2:1
      |
    2 | url = "https://a.example/"
      | ^^^
      = help: write [source.NAME] above a source's keys
    "#);
    assert_snapshot!(refused("[server]\nlisten = \"127.0.0.1:1\"\n"), @"
    error: `server` does not belong here: this file holds [source.NAME] tables only
      --> sources/cinema.toml:1:2
      |
    1 | [server]
      |  ^^^^^^
      = help: server, store, fetch, browser and use go into wellspring.toml
    ");
}

#[test]
fn parameters_say_what_they_take() {
    assert_snapshot!(refused_with("params.limit = { default = \"5\", pattern = \"[0-9]+\" }\n"), @r#"
    error: `limit` is no parameter name: every read has its own `limit`
      --> sources/cinema.toml:7:8
      |
    7 | params.limit = { default = "5", pattern = "[0-9]+" }
      |        ^^^^^
    "#);
    assert_snapshot!(refused_with("params.Geo = { values = [\"ID\"] }\n"), @r#"
    error: `Geo` is no parameter name
      --> sources/cinema.toml:7:8
      |
    7 | params.Geo = { values = ["ID"] }
      |        ^^^
      = help: it takes a lower-case letter, then letters, digits and `_` (64 at most)
    "#);
    assert_snapshot!(refused_with("params.geo = { default = \"US\", values = [\"ID\", \"SG\"] }\n"), @r#"
    error: the default of `geo` is not one that it takes
      --> sources/cinema.toml:7:26
      |
    7 | params.geo = { default = "US", values = ["ID", "SG"] }
      |                          ^^^^
      = help: it takes ID, SG
    "#);
    assert_snapshot!(refused_with("params.geo = { default = \"id\", pattern = \"[A-Z]{2}\" }\n"), @r#"
    error: the default of `geo` is not one that it takes
      --> sources/cinema.toml:7:26
      |
    7 | params.geo = { default = "id", pattern = "[A-Z]{2}" }
      |                          ^^^^
      = help: it takes what matches [A-Z]{2}
    "#);
    assert_snapshot!(refused_with("params.geo = { pattern = \"[A-Z\" }\n"), @r#"
    error: this pattern cannot be read: unclosed character class
      --> sources/cinema.toml:7:26
      |
    7 | params.geo = { pattern = "[A-Z" }
      |                          ^^^^^^
    "#);
    assert_snapshot!(refused_with("params.geo = { pattern = \"a)|(?:b\" }\n"), @r#"
    error: this pattern cannot be read: unopened group
      --> sources/cinema.toml:7:26
      |
    7 | params.geo = { pattern = "a)|(?:b" }
      |                          ^^^^^^^^^
    "#);
    assert_snapshot!(refused_with("params.geo = { pattern = \"(?:a{999}){999}\" }\n"), @r#"
    error: this pattern cannot be read: Compiled regex exceeds size limit of 1048576 bytes
      --> sources/cinema.toml:7:26
      |
    7 | params.geo = { pattern = "(?:a{999}){999}" }
      |                          ^^^^^^^^^^^^^^^^^
    "#);
    assert!(parse(&format!("{SOUND}params.city = {{ pattern = \"(?i)[\\\\p{{L}} ]+\" }}\n")).is_ok());
    assert_snapshot!(refused_with("params.geo = { default = \"ID\" }\n"), @r#"
    error: `geo` does not say what it takes
      --> sources/cinema.toml:7:8
      |
    7 | params.geo = { default = "ID" }
      |        ^^^
      = help: add values = ["…"], a pattern = "…" that the whole value must match, or type = "integer"
    "#);
    assert_snapshot!(refused_with("params.geo = { values = [\"ID\"], pattern = \"ID\" }\n"), @r#"
    error: `geo` has both `values` and `pattern`
      --> sources/cinema.toml:7:43
      |
    7 | params.geo = { values = ["ID"], pattern = "ID" }
      |                                           ^^^^
      = help: keep one of them
    "#);
    assert_snapshot!(refused_with("params.geo = { values = [] }\n"), @"
    error: `geo` takes no value at all
      --> sources/cinema.toml:7:25
      |
    7 | params.geo = { values = [] }
      |                         ^^
      = help: list at least one
    ");
}

#[test]
fn broken_toml_is_pointed_at() {
    assert_snapshot!(refused("[source.a\nurl = \"x\"\n"), @"
    error: unclosed table, expected `]`
      --> sources/cinema.toml:1:10
      |
    1 | [source.a
      |          ^
    ");
    assert_snapshot!(refused_with("limit = \n"), @"
    error: the value is missing
      --> sources/cinema.toml:7:9
      |
    7 | limit =
      |         ^
    ");
    assert_snapshot!(refused_with("items_key = films\n"), @"
    error: this is neither true nor false
      --> sources/cinema.toml:7:13
      |
    7 | items_key = films
      |             ^^^^^
      = help: strings are written in quotes
    ");
    assert_snapshot!(refused_with("title = \"unclosed\n"), @r#"
    error: this string is not closed
      --> sources/cinema.toml:7:18
      |
    7 | title = "unclosed
      |                  ^
      = help: add a " at its end
    "#);
    assert_snapshot!(refused_with("url = \"https://b.example/\"\n"), @r#"
    error: this is defined twice
      --> sources/cinema.toml:7:1
      |
    7 | url = "https://b.example/"
      | ^^^
      = help: the first stands at sources/cinema.toml:2:1
    "#);
    assert_snapshot!(refused_with("[source.b]\n\n[source.cinema] # again\n"), @"
    error: this is defined twice
      --> sources/cinema.toml:9:9
      |
    9 | [source.cinema] # again
      |         ^^^^^^
      = help: the first stands at sources/cinema.toml:1:1
    ");
}

#[test]
fn every_source_of_a_file_is_judged() {
    let text =
        format!("{SOUND}limit = 0\n[source.b]\nurl = 'x'\nlimt = 5\n[source.c]\nurl = 'nowhere'\nfresh_for = '1h'\nformat = 'feed'\n");
    assert_snapshot!(refused(&text), @"
    error: `limit` must be at least 1
      --> sources/cinema.toml:7:9
      |
    7 | limit = 0
      |         ^

    error: unknown key `limt`
      --> sources/cinema.toml:10:1
       |
    10 | limt = 5
       | ^^^^
       = help: did you mean `limit`?

    error: `url` is no http address: it must begin with http:// or https://
      --> sources/cinema.toml:12:7
       |
    12 | url = 'nowhere'
       |       ^^^^^^^^^
       = help: write it in full, as in https://www.example.com/list
    ");
}
