//! What people read when a config is wrong.

use insta::assert_snapshot;

use super::*;

fn refused(text: &str) -> String {
    let found = parse(text).expect_err("this should be refused");
    assert!(found.iter().all(|d| d.place.is_some()), "{}", shown(&found));
    shown(&found)
}

const SOURCE: &str = "[source.a]\nurl = \"https://a.example\"\nfresh_for = \"1h\"\nformat = \"feed\"\n";

#[test]
fn of_sections() {
    assert_snapshot!(refused("[sever]\nlisten = \"127.0.0.1:1\"\n"), @"
    error: unknown key `sever`
      --> wellspring.toml:1:2
      |
    1 | [sever]
      |  ^^^^^
      = help: did you mean `server`?
    ");
    assert_snapshot!(refused("[server]\nlistn = \"127.0.0.1:1\"\n"), @r#"
    error: unknown key `listn`
      --> wellspring.toml:2:1
      |
    2 | listn = "127.0.0.1:1"
      | ^^^^^
      = help: did you mean `listen`?
    "#);
    assert_snapshot!(refused("listen = \"127.0.0.1:1\"\n"), @r#"
    error: unknown key `listen`
      --> wellspring.toml:1:1
      |
    1 | listen = "127.0.0.1:1"
      | ^^^^^^
      = help: it goes into [server]
    "#);
    assert_snapshot!(refused("timeout = \"5s\"\n"), @r#"
    error: unknown key `timeout`
      --> wellspring.toml:1:1
      |
    1 | timeout = "5s"
      | ^^^^^^^
      = help: it goes into [fetch]
    "#);
    assert_snapshot!(refused("use = [\"cinemas\"]\n"), @r#"
    error: `cinemas` is not known here
      --> wellspring.toml:1:8
      |
    1 | use = ["cinemas"]
      |        ^^^^^^^^^
      = help: did you mean `cinema`?
    "#);
    assert_snapshot!(refused("use = \"cinema\"\n"), @r#"
    error: expected a list in [ ], not a string
      --> wellspring.toml:1:7
      |
    1 | use = "cinema"
      |       ^^^^^^^^
    "#);
    assert_snapshot!(refused("server = 5\n"), @"
    error: expected a table, not a whole number
      --> wellspring.toml:1:10
      |
    1 | server = 5
      |          ^
    ");
}

#[test]
fn of_the_server() {
    assert_snapshot!(refused("[server]\nlisten = \"5500\"\n"), @r#"
    error: `5500` is nothing to listen on
      --> wellspring.toml:2:10
      |
    2 | listen = "5500"
      |          ^^^^^^
      = help: write an address and a port, as in 127.0.0.1:5500; 0.0.0.0:5500 listens on every interface
    "#);
    assert_snapshot!(refused("[server]\nlisten = \"${SECRET}:5500\"\n"), @r#"
    error: `${SECRET}:5500` is nothing to listen on
      --> wellspring.toml:2:10
      |
    2 | listen = "${SECRET}:5500"
      |          ^^^^^^^^^^^^^^^^
      = help: write an address and a port, as in 127.0.0.1:5500; 0.0.0.0:5500 listens on every interface
    "#);
    assert_snapshot!(refused("[server]\nadmin_token = \"${NOPE}\"\n"), @r#"
    error: the environment variable `NOPE` is not set
      --> wellspring.toml:2:15
      |
    2 | admin_token = "${NOPE}"
      |               ^^^^^^^^^
      = help: set it before the server starts, or write the value itself
    "#);
    assert_snapshot!(refused("[server]\nadmin_token = \"${EMPTY}\"\n"), @r#"
    error: the admin token is empty
      --> wellspring.toml:2:15
      |
    2 | admin_token = "${EMPTY}"
      |               ^^^^^^^^^^
      = help: anyone could show it: set it, or remove the line to allow local refreshes only
    "#);
    assert_snapshot!(refused("[server]\nreplica = \"the second\"\n"), @r#"
    error: `replica` is no name for a server
      --> wellspring.toml:2:11
      |
    2 | replica = "the second"
      |           ^^^^^^^^^^^^
      = help: write letters, digits and signs of ASCII without spaces, at most 64, as in replica-2 or ${HOSTNAME}
    "#);
    assert_snapshot!(refused("[server]\ntimezone = \"Asia/Jakrta\"\n"), @r#"
    error: there is no time zone `Asia/Jakrta`
      --> wellspring.toml:2:12
      |
    2 | timezone = "Asia/Jakrta"
      |            ^^^^^^^^^^^^^
      = help: did you mean `Asia/Jakarta`?
    "#);
    assert_snapshot!(refused("[server]\ntimezone = \"WIB\"\n"), @r#"
    error: there is no time zone `WIB`
      --> wellspring.toml:2:12
      |
    2 | timezone = "WIB"
      |            ^^^^^
      = help: write its IANA name, as in `Asia/Jakarta` or `UTC`
    "#);
    assert_snapshot!(refused("[server]\nhosts = [\"https://a.example/\"]\n"), @r#"
    error: `https://a.example/` is no host name
      --> wellspring.toml:2:10
      |
    2 | hosts = ["https://a.example/"]
      |          ^^^^^^^^^^^^^^^^^^^^
      = help: write it as browsers send it, as in data.example or data.example:8080
    "#);
    assert_snapshot!(refused("[server]\ncors_origins = [\"https://a.example/app\", \"a.example\"]\n"), @r#"
    error: `https://a.example/app` is more than an origin
      --> wellspring.toml:2:17
      |
    2 | cors_origins = ["https://a.example/app", "a.example"]
      |                 ^^^^^^^^^^^^^^^^^^^^^^^
      = help: write https://a.example

    error: `a.example` is no origin
      --> wellspring.toml:2:42
      |
    2 | cors_origins = ["https://a.example/app", "a.example"]
      |                                          ^^^^^^^^^^^
      = help: write it as in https://a.example, or "*" for any
    "#);
    assert_snapshot!(refused("[server]\nhosts = [\"${SECRET}\"]\n"), @r#"
    error: `${…}` is not read in `hosts`
      --> wellspring.toml:2:10
      |
    2 | hosts = ["${SECRET}"]
      |          ^^^^^^^^^^^
      = help: variables of the environment are read in admin_token, body, cookies, form, headers, json, listen, own, proxy, replica, url, user_agent
    "#);
}

#[test]
fn of_the_store() {
    assert_snapshot!(refused("[store]\nurl = \"redis://:${SECRET}@/0\"\n"), @r#"
    error: this is no address of a Redis
      --> wellspring.toml:2:7
      |
    2 | url = "redis://:${SECRET}@/0"
      |       ^^^^^^^^^^^^^^^^^^^^^^^
      = help: write redis://host:6379/0, or redis://user:${PASSWORD}@host:6379/0; signs like / and @ in a password as %2F and %40
    "#);
    assert_snapshot!(refused("[store]\nurl = \"data/wellspring.db\"\n"), @r#"
    error: `data/wellspring.db` is no store
      --> wellspring.toml:2:7
      |
    2 | url = "data/wellspring.db"
      |       ^^^^^^^^^^^^^^^^^^^^
      = help: write sqlite:data/wellspring.db, or memory: for one that ends with the process
    "#);
    assert_snapshot!(refused("[store]\nurl = \"sqlite:\"\n"), @r#"
    error: `sqlite:` needs the path of a file
      --> wellspring.toml:2:7
      |
    2 | url = "sqlite:"
      |       ^^^^^^^^^
      = help: write sqlite:data/wellspring.db, or memory: for one that ends with the process
    "#);
    assert_snapshot!(refused("[store]\nurl = \"${SECRET}\"\n"), @r#"
    error: `${SECRET}` is no store
      --> wellspring.toml:2:7
      |
    2 | url = "${SECRET}"
      |       ^^^^^^^^^^^
      = help: write sqlite:data/wellspring.db, or memory: for one that ends with the process
    "#);
}

#[test]
fn of_fetching() {
    assert_snapshot!(refused("[fetch]\ntimeout = \"0s\"\nper_host = 0\nproxy = \"127.0.0.1:9100\"\n"), @r#"
    error: `proxy` is no http address
      --> wellspring.toml:4:9
      |
    4 | proxy = "127.0.0.1:9100"
      |         ^^^^^^^^^^^^^^^^
      = help: write it in full, as in http://127.0.0.1:9100

    error: `timeout` must be longer than nothing
      --> wellspring.toml:2:11
      |
    2 | timeout = "0s"
      |           ^^^^
      = help: 30s is usual

    error: `per_host` must be at least 1
      --> wellspring.toml:3:12
      |
    3 | per_host = 0
      |            ^
      = help: 4 is usual
    "#);
    assert_snapshot!(refused("[fetch]\nmax_body = 8388608\n"), @r#"
    error: a size needs quotes and a unit
      --> wellspring.toml:2:12
      |
    2 | max_body = 8388608
      |            ^^^^^^^
      = help: write it as in "512KiB" or "8MiB", not as 8388608
    "#);
    assert_snapshot!(refused("[fetch]\nuser_agent = \"ä\\n\"\n"), @r#"
    error: this cannot be sent as a user agent
      --> wellspring.toml:2:14
      |
    2 | user_agent = "ä\n"
      |              ^^^^^
      = help: write a name and a way to reach you, as in "example-bot (+https://a.example)"
    "#);
    assert_snapshot!(refused("[browser]\nsandbox = \"no\"\n"), @r#"
    error: expected true or false, not a string
      --> wellspring.toml:2:11
      |
    2 | sandbox = "no"
      |           ^^^^
    "#);
}

#[test]
fn of_the_browser() {
    assert_snapshot!(refused("[browser]\npages = 0\nmemory = \"127MiB\"\n"), @r#"
    error: `pages` is a number from 1 to 8
      --> wellspring.toml:2:9
      |
    2 | pages = 0
      |         ^
      = help: each takes some 100 MB while it is rendered; 2 is usual

    error: `memory` must be at least 128MiB: no page fits into less
      --> wellspring.toml:3:10
      |
    3 | memory = "127MiB"
      |          ^^^^^^^^
      = help: 256MiB is usual
    "#);
    assert_snapshot!(refused("[browser]\npages = 9\nidle = \"0s\"\n"), @r#"
    error: `pages` is a number from 1 to 8
      --> wellspring.toml:2:9
      |
    2 | pages = 9
      |         ^
      = help: each takes some 100 MB while it is rendered; 2 is usual

    error: `idle` must be longer than nothing
      --> wellspring.toml:3:8
      |
    3 | idle = "0s"
      |        ^^^^
      = help: 30s is usual
    "#);
    assert_snapshot!(refused("[browser]\nmemory = 256\n"), @r#"
    error: a size needs quotes and a unit
      --> wellspring.toml:2:10
      |
    2 | memory = 256
      |          ^^^
      = help: write it as in "512KiB" or "8MiB", not as 256
    "#);
    assert_snapshot!(refused("pages = 2\n"), @"
    error: unknown key `pages`
      --> wellspring.toml:1:1
      |
    1 | pages = 2
      | ^^^^^
      = help: it goes into [browser]
    ");
}

#[test]
fn of_a_name_that_is_taken() {
    let files = files(SOURCE, &[("sources/mine.toml", &format!("# mine\n{SOURCE}"))]);
    assert_snapshot!(shown(&read(&files, &environment).unwrap_err()), @"
    error: source `a` is defined twice
      --> sources/mine.toml:2:9
      |
    2 | [source.a]
      |         ^
      = help: the first stands at wellspring.toml:1:9; rename or remove one of them
    ");
}

#[test]
fn of_several_files_at_once() {
    let files = files("[server]\nlistn = 1\n[source.x]\nurl = 5\n", &[("sources/b.toml", "[source.b]\nurl = \"https://b.example\"\n")]);
    assert_snapshot!(shown(&read(&files, &environment).unwrap_err()), @r#"
    error: unknown key `listn`
      --> wellspring.toml:2:1
      |
    2 | listn = 1
      | ^^^^^
      = help: did you mean `listen`?

    error: expected a string, not a whole number
      --> wellspring.toml:4:7
      |
    4 | url = 5
      |       ^

    error: source `b` does not say how long its data stays fresh
      --> sources/b.toml:1:9
      |
    1 | [source.b]
      |         ^
      = help: add fresh_for = "1h", or fresh_until = "00:00 Asia/Jakarta"

    error: this does not say what it is read as
      --> sources/b.toml:1:9
      |
    1 | [source.b]
      |         ^
      = help: add format = "html", "json" or "feed"; ical, jsonld, csv, xml and text are read too
    "#);
}

#[test]
fn an_admin_token_written_out_is_not_repeated() {
    for text in [
        format!("[server]\nadmin_token = \"{CANARY}\nlisten = 1"),
        format!("[server]\nadmin_token = [\"{CANARY}\"]"),
        format!("server = {{ admin_token = \"{CANARY}\", listn = 1 }}"),
        format!("[server]\nadmin_token = \"{CANARY} with a space\""),
        format!("[server]\nadmin_token = {CANARY}"),
    ] {
        // `parse` searches what it shows.
        let found = parse(&text).unwrap_err();
        assert!(found.iter().all(|d| d.place.is_some()), "{}", shown(&found));
    }
    assert!(parse(&format!("[server]\nadmin_token = \"{CANARY}\"\n{SOURCE}")).is_ok());
}

#[test]
fn of_a_proxy_in_front() {
    assert_snapshot!(refused("[server]\nbase_path = \"wells\"\ntrusted_proxies = [\"::1\", \"10.0.0.1/8\"]\n"), @r#"
    error: `wells` is no path
      --> wellspring.toml:2:13
      |
    2 | base_path = "wells"
      |             ^^^^^^^
      = help: begin it with a slash: /wells

    error: `10.0.0.1/8` is no network
      --> wellspring.toml:3:27
      |
    3 | trusted_proxies = ["::1", "10.0.0.1/8"]
      |                           ^^^^^^^^^^^^
      = help: write 10.0.0.0/8, or the address alone
    "#);
}
