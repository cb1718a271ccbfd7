//! What people read when keys do not fit together.

use insta::assert_snapshot;

use super::*;

#[test]
fn freshness_is_said_exactly_once_and_makes_sense() {
    assert_snapshot!(refused_with("fresh_until = \"00:00 Asia/Jakarta\"\n"), @r#"
    error: a source has either `fresh_for` or `fresh_until`
      --> sources/cinema.toml:7:15
      |
    7 | fresh_until = "00:00 Asia/Jakarta"
      |               ^^^^^^^^^^^^^^^^^^^^
      = help: keep one of them
    "#);
    assert_snapshot!(refused_where("fresh_for = \"6d\"\n", ""), @r#"
    error: source `cinema` does not say how long its data stays fresh
      --> sources/cinema.toml:1:9
      |
    1 | [source.cinema]
      |         ^^^^^^
      = help: add fresh_for = "1h", or fresh_until = "00:00 Asia/Jakarta"
    "#);
    assert_snapshot!(refused_where("\"6d\"", "\"0s\""), @r#"
    error: `fresh_for` must be longer than nothing
      --> sources/cinema.toml:3:13
      |
    3 | fresh_for = "0s"
      |             ^^^^
    "#);
    assert_snapshot!(refused_with("max_stale = \"5d\"\n"), @r#"
    error: data would expire before it is stale, which it is after 6d
      --> sources/cinema.toml:7:13
      |
    7 | max_stale = "5d"
      |             ^^^^
      = help: `max_stale` counts from the same moment as the period: make it longer
    "#);
    assert_snapshot!(refused_where("fresh_for = \"6d\"", "fresh_until = \"00:00 Asia/Jakrta\""), @r#"
    error: there is no time zone `Asia/Jakrta`
      --> sources/cinema.toml:3:15
      |
    3 | fresh_until = "00:00 Asia/Jakrta"
      |               ^^^^^^^^^^^^^^^^^^^
      = help: did you mean `Asia/Jakarta`?
    "#);
    assert_snapshot!(refused_where("fresh_for = \"6d\"", "fresh_until = \"00:00 jakarta\""), @r#"
    error: there is no time zone `jakarta`
      --> sources/cinema.toml:3:15
      |
    3 | fresh_until = "00:00 jakarta"
      |               ^^^^^^^^^^^^^^^
      = help: did you mean `Asia/Jakarta`?
    "#);
    assert_snapshot!(refused_where("fresh_for = \"6d\"", "fresh_until = \"24:00 UTC\""), @r#"
    error: `24:00 UTC` is no time of day with a zone
      --> sources/cinema.toml:3:15
      |
    3 | fresh_until = "24:00 UTC"
      |               ^^^^^^^^^^^
      = help: write a time of day and a zone, as in "00:00 Asia/Jakarta"
    "#);
    assert_snapshot!(refused_with("cold_wait = \"0s\"\n"), @r#"
    error: `cold_wait` must be longer than nothing
      --> sources/cinema.toml:7:13
      |
    7 | cold_wait = "0s"
      |             ^^^^
    "#);
}

#[test]
fn addresses_are_tried_before_they_are_needed() {
    assert_snapshot!(refused_where("https://a.example/", "a.example/list"), @r#"
    error: `url` is no http address: it must begin with http:// or https://
      --> sources/cinema.toml:2:7
      |
    2 | url = "a.example/list"
      |       ^^^^^^^^^^^^^^^^
      = help: write it in full, as in https://www.example.com/list
    "#);
    assert_snapshot!(refused_where("https://a.example/", "ftp://a.example/"), @r#"
    error: `url` is no http address: it must begin with http:// or https://
      --> sources/cinema.toml:2:7
      |
    2 | url = "ftp://a.example/"
      |       ^^^^^^^^^^^^^^^^^^
      = help: write it in full, as in https://www.example.com/list
    "#);
    assert_snapshot!(refused_where("https://a.example/", "https://a.example/${NOPE}"), @r#"
    error: the environment variable `NOPE` is not set
      --> sources/cinema.toml:2:7
      |
    2 | url = "https://a.example/${NOPE}"
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = help: set it, or put this address into a [[source.cinema.from]] with when_env = "NOPE"
    "#);
    assert_snapshot!(refused_where("https://a.example/", "https://a.example/?geo={geo}"), @r#"
    error: `{geo}` names nothing that is known here
      --> sources/cinema.toml:2:7
      |
    2 | url = "https://a.example/?geo={geo}"
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = help: declare it: [source.cinema.params.geo]
    "#);
    assert_snapshot!(refused_where("https://a.example/", "${KEY}"), @r#"
    error: `url` is no http address: it must begin with http:// or https://
      --> sources/cinema.toml:2:7
      |
    2 | url = "${KEY}"
      |       ^^^^^^^^
      = help: write it in full, as in https://www.example.com/list
    "#);
    assert_snapshot!(refused_with("proxy = \"socks5://127.0.0.1:1080\"\n"), @r#"
    error: `proxy` is no http address: it must begin with http:// or https://
      --> sources/cinema.toml:7:9
      |
    7 | proxy = "socks5://127.0.0.1:1080"
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^
      = help: write it in full, as in https://www.example.com/list
    "#);
    assert_snapshot!(refused_where("\"li\"", "\"li.${KEY}\""), @r#"
    error: `${…}` is not read in `items`
      --> sources/cinema.toml:5:9
      |
    5 | items = "li.${KEY}"
      |         ^^^^^^^^^^^
      = help: variables of the environment are read in admin_token, body, cookies, form, headers, json, listen, own, proxy, replica, url, user_agent
    "#);
}

#[test]
fn a_source_has_an_address_or_alternatives() {
    assert_snapshot!(refused_where("url = \"https://a.example/\"\n", ""), @r#"
    error: source `cinema` has no `url`
      --> sources/cinema.toml:1:9
      |
    1 | [source.cinema]
      |         ^^^^^^
      = help: add url = "https://…", or alternatives as [[source.NAME.from]]
    "#);
    assert_snapshot!(refused_with("[[source.cinema.from]]\nurl = \"https://b.example/\"\n"), @r#"
    error: a source has either a `url` or alternatives in `from`
      --> sources/cinema.toml:2:7
      |
    2 | url = "https://a.example/"
      |       ^^^^^^^^^^^^^^^^^^^^
      = help: move this address into an alternative of its own
    "#);
    assert_snapshot!(refused("[source.a]\nfresh_for = \"1h\"\nformat = \"feed\"\n[[source.a.from]]\nlimit = 5\n"), @r#"
    error: this alternative has no `url`
      --> sources/cinema.toml:4:1
      |
    4 | [[source.a.from]]
      | ^^^^^^^^^^^^^^^^^
      = help: add url = "https://…"
    "#);
    assert_snapshot!(refused("[source.a]\nfresh_for = \"1h\"\nfrom = []\n"), @"
    error: `from` lists no alternative
      --> sources/cinema.toml:3:8
      |
    3 | from = []
      |        ^^
      = help: add a [[source.NAME.from]] with a `url`
    ");
    assert_snapshot!(refused("[source.a]\nfresh_for = \"1h\"\nformat = \"feed\"\n[[source.a.from]]\nwhen_env = \"${KEY}\"\nurl = \"https://b.example/\"\n"), @r#"
    error: `${…}` is not read in `when_env`
      --> sources/cinema.toml:5:12
      |
    5 | when_env = "${KEY}"
      |            ^^^^^^^^
      = help: variables of the environment are read in admin_token, body, cookies, form, headers, json, listen, own, proxy, replica, url, user_agent
    "#);
}

#[test]
fn rules_fit_together() {
    assert_snapshot!(refused_with("unique_by = \"titel\"\nexpect.required = [\"title\", \"image\"]\n"), @r#"
    error: there is no field `titel`
      --> sources/cinema.toml:7:13
      |
    7 | unique_by = "titel"
      |             ^^^^^^^
      = help: did you mean `title`?

    error: there is no field `image`
      --> sources/cinema.toml:8:29
      |
    8 | expect.required = ["title", "image"]
      |                             ^^^^^^^
      = help: did you mean `img`?
    "#);
    assert_snapshot!(refused_with("limit = 0\n"), @"
    error: `limit` must be at least 1
      --> sources/cinema.toml:7:9
      |
    7 | limit = 0
      |         ^
    ");
    assert_snapshot!(refused_with("limit = 3\nexpect.min_items = 5\n"), @"
    error: at most 3 items can never be the 5 that are expected
      --> sources/cinema.toml:7:9
      |
    7 | limit = 3
      |         ^
      = help: `min_items` is judged after `limit`
    ");
    assert_snapshot!(refused_with("expect.max_drop = 50.0\n"), @"
    error: `max_drop` is a share between 0 and 1
      --> sources/cinema.toml:7:19
      |
    7 | expect.max_drop = 50.0
      |                   ^^^^
      = help: 0.5 lets half of the items go missing
    ");
    assert_snapshot!(refused_where("items = \"li\"\nfields = { title = \"a\", img = \"img@src\" }\n", ""), @r#"
    error: this page has no `items`
      --> sources/cinema.toml:1:9
      |
    1 | [source.cinema]
      |         ^^^^^^
      = help: add a CSS selector that matches each item: items = "ul.list > li"
    "#);
    assert_snapshot!(refused_where("format = \"html\"\n", ""), @r#"
    error: this does not say what it is read as
      --> sources/cinema.toml:1:9
      |
    1 | [source.cinema]
      |         ^^^^^^
      = help: add format = "html", "json" or "feed"; ical, jsonld, csv, xml and text are read too
    "#);
    assert_snapshot!(refused_where("\"a\"", "{ attr = \"href\" }"), @r#"
    error: `title` says nowhere to look
      --> sources/cinema.toml:6:20
      |
    6 | fields = { title = { attr = "href" }, img = "img@src" }
      |                    ^^^^^^^^^^^^^^^^^
      = help: add a place, as in select = "h2", or a default
    "#);
    assert_snapshot!(refused_where("\"a\"", "[\"a\", \"\"]"), @r#"
    error: a place must not be empty
      --> sources/cinema.toml:6:26
      |
    6 | fields = { title = ["a", ""], img = "img@src" }
      |                          ^^
      = help: "." is the item's own text
    "#);
    assert_snapshot!(refused_where("\"a\"", "{ select = \"a\", path = \"b\" }"), @r#"
    error: `select` and `path` mean the same
      --> sources/cinema.toml:6:43
      |
    6 | fields = { title = { select = "a", path = "b" }, img = "img@src" }
      |                                           ^^^
      = help: keep one of them
    "#);
    assert_snapshot!(refused_where("\"a\"", "{ select = \"a\", decimal = \",\" }"), @r#"
    error: `decimal` says how numbers are read, and this is read as text
      --> sources/cinema.toml:6:46
      |
    6 | fields = { title = { select = "a", decimal = "," }, img = "img@src" }
      |                                              ^^^
      = help: add parse = "number"
    "#);
    assert_snapshot!(refused_with("items_key = \"expired\"\n"), @r#"
    error: `expired` is a word of every answer
      --> sources/cinema.toml:7:13
      |
    7 | items_key = "expired"
      |             ^^^^^^^^^
      = help: call the list something else
    "#);
}
