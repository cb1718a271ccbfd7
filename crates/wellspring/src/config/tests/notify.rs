//! `[[notify]]` as people write it.

use insta::assert_snapshot;
use wellspring_core::telling::{Change, Receiver};

use super::*;

const SOURCE: &str = "[source.cinema]\nurl = \"https://a.example\"\nfresh_for = \"1h\"\nformat = \"feed\"\n";

fn refused(lines: &str) -> String {
    shown(&parse(&format!("[[notify]]\n{lines}\n{SOURCE}")).expect_err("this should be refused"))
}

#[test]
fn what_is_left_out_is_as_usual() {
    let config =
        parse(&format!("[[notify]]\nurl = \"https://a.example/hook\"\n[[notify]]\nurl = \"https://b.example\"\n{SOURCE}")).unwrap();
    let [first, second] = &config.notify[..] else { panic!("{:?}", config.notify) };
    assert_eq!((&*first.name, &*second.name, first.receiver, first.after), ("json", "json-2", Receiver::Json, 3));
    assert_eq!((&first.on[..], first.sources.len(), first.allow_private), (&Change::ALL[..], 0, false));
}

#[test]
fn everything_can_be_said() {
    let lines = r#"
name = "ops"
url = "https://a.example/hook"
kind = "slack"
sources = ["cinema"]
on = ["degraded", "gate_held"]
after = 1
template = "{source}: {state} — {message} {failures} {since} {url}"
headers = { Authorization = "Bearer x" }
allow_private = true
"#;
    let config = parse(&format!("[[notify]]\n{lines}\n{SOURCE}")).unwrap();
    let ops = &config.notify[0];
    assert_eq!((&*ops.name, ops.receiver, ops.after, &ops.sources[..]), ("ops", Receiver::Slack, 1, &["cinema".to_owned()][..]));
    assert_eq!(ops.on, [Change::Degraded, Change::GateHeld]);
    assert_eq!((ops.headers[0].0.as_str(), ops.allow_private), ("authorization", true));
}

#[test]
fn what_came_from_the_environment_is_not_printed() {
    let lines = format!("[[notify]]\nurl = \"https://a.example/${{HOOK}}\"\nheaders = {{ X-Key = \"${{HOOK}}\" }}\n{SOURCE}");
    let config = Config::parse("wellspring.toml", &lines, &|name| (name == "HOOK").then(|| "s3cret-hook".to_owned())).unwrap();
    assert_eq!(config.notify[0].url.expose(), "https://a.example/s3cret-hook");
    assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
}

#[test]
fn of_wrong_words() {
    assert_snapshot!(refused("url = \"https://a.example\"\nafer = 2"), @"
    error: unknown key `afer`
      --> wellspring.toml:3:1
      |
    3 | afer = 2
      | ^^^^
      = help: did you mean `after`?
    ");
    assert_snapshot!(refused("after = 2"), @"
    error: `url` is missing here
      --> wellspring.toml:1:1
      |
    1 | [[notify]]
      | ^^^^^^^^^^
    ");
    assert_snapshot!(refused("url = \"https://a.example\"\nkind = \"slck\""), @r#"
    error: `slck` is not known here
      --> wellspring.toml:3:8
      |
    3 | kind = "slck"
      |        ^^^^^^
      = help: did you mean `slack`?
    "#);
    assert_snapshot!(refused("url = \"https://a.example\"\non = [\"recoverd\"]"), @r#"
    error: `recoverd` is not known here
      --> wellspring.toml:3:7
      |
    3 | on = ["recoverd"]
      |       ^^^^^^^^^^
      = help: did you mean `recovered`?
    "#);
    assert_snapshot!(refused("url = \"https://a.example\"\nafter = 0"), @"
    error: `after` must be at least 1
      --> wellspring.toml:3:9
      |
    3 | after = 0
      |         ^
      = help: 3 is usual: one failure alone passes by itself as a rule
    ");
    assert_snapshot!(refused("url = \"https://a.example\"\nsources = [\"cinma\"]"), @r#"
    error: there is no source `cinma`
      --> wellspring.toml:3:12
      |
    3 | sources = ["cinma"]
      |            ^^^^^^^
      = help: did you mean `cinema`?
    "#);
    assert_snapshot!(refused("url = \"ftp://a.example\""), @r#"
    error: `url` is no http address
      --> wellspring.toml:2:7
      |
    2 | url = "ftp://a.example"
      |       ^^^^^^^^^^^^^^^^^
      = help: write it in full, as in https://hooks.example/services/…
    "#);
    assert_snapshot!(refused("url = \"https://a.example/${NOPE}\""), @r#"
    error: the environment variable `NOPE` is not set
      --> wellspring.toml:2:7
      |
    2 | url = "https://a.example/${NOPE}"
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = help: set it before the server starts, or write the value itself
    "#);
    assert_snapshot!(refused("url = \"https://a.example\"\nname = \"all\""), @r#"
    error: `all` cannot be a name
      --> wellspring.toml:3:8
      |
    3 | name = "all"
      |        ^^^^^
      = help: use letters, digits, `-` and `_`; `all` means all of them
    "#);
    assert_snapshot!(refused("url = \"https://a.example\"\nname = \"a\"\n[[notify]]\nurl = \"https://a.example\"\nname = \"a\""), @r#"
    error: `a` is the name of another [[notify]]
      --> wellspring.toml:6:8
      |
    6 | name = "a"
      |        ^^^
      = help: it is remembered by this name what was told: rename one
    "#);
}

#[test]
fn of_an_unknown_place() {
    assert_snapshot!(refused("url = \"https://a.example\"\ntemplate = \"{sorce} is down\""), @r#"
    error: `{sorce}` names nothing that is known here
      --> wellspring.toml:3:12
      |
    3 | template = "{sorce} is down"
      |            ^^^^^^^^^^^^^^^^^
      = help: did you mean `{source}`? known here: {id}, {at}, {source}, {key}, {state}, {code}, {message}, {failures}, {since}, {revision}, {items}, {url}
    "#);
    assert_snapshot!(refused("url = \"https://a.example\"\ntemplate = \"{weather}\""), @r#"
    error: `{weather}` names nothing that is known here
      --> wellspring.toml:3:12
      |
    3 | template = "{weather}"
      |            ^^^^^^^^^^^
      = help: known here: {id}, {at}, {source}, {key}, {state}, {code}, {message}, {failures}, {since}, {revision}, {items}, {url}
    "#);
}
