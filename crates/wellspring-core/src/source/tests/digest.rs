//! What the rules digest covers.

use insta::assert_snapshot;

use super::*;

const JSON: &str = "[source.a]\nurl = 'https://a.example/'\nfresh_for = '1h'\nformat = 'json'\nrender = 'always'\n";

#[test]
fn the_digest_covers_the_rules_and_nothing_else() {
    let digest = |text: &str| one(text).rules;
    let usual = digest(SOUND);
    // Stable across runs and builds: another value here makes every stored snapshot stale.
    assert_snapshot!(usual, @"f59c67d3aa317794957beb04b67da78c");
    for same in [
        format!("# a comment\n{SOUND}\n\n"),
        SOUND.replace("6d", "1h").replace('"', "'"),
        SOUND.replace("items = \"li\"\nfields", "items = \"li\"   # rows\nfields"),
        format!(
            "{SOUND}description = 'Films'\nwarm = false\nmanual_refresh = false\nmax_keys = 3\nitems_key = 'films'\nrefresh = 'always'\nreport_age = true\nhttp_cache = 'shared'\n"
        ),
        format!(
            "{SOUND}max_stale = '60d'\ncold_wait = '1s'\ndeadline = '9s'\ntimeout = '2s'\nmax_body = '1MiB'\nmin_interval = '1s'\nproxy = 'http://127.0.0.1:1'\n"
        ),
        format!("{SOUND}feed = {{ title = 'title', image = 'img', language = 'id' }}\ncalendar.start = 'title'\n"),
        SOUND
            .replace(
                "[source.cinema]\n",
                "[source.cinema]\n[[source.cinema.from]]\nurl = 'https://no.example/?${X}'\nwhen_env = 'X'\n[[source.cinema.from]]\n",
            )
            .replace("fresh_for = \"6d\"\n", "")
            .replace("[source.cinema]\n", "[source.cinema]\nfresh_for = '6d'\nformat = 'html'\nitems = 'i'\nfields = { x = 'i' }\n"),
    ] {
        assert_eq!(digest(&same), usual, "{same}");
    }
    let mut seen = vec![usual];
    for other in [
        SOUND.replace("https://a.", "https://b."),
        SOUND.replace("\"li\"", "\"li.x\""),
        SOUND.replace("title = \"a\", img = \"img@src\"", "img = \"img@src\", title = \"a\""),
        SOUND.replace("\"a\"", "\"b\""),
        SOUND.replace("\"a\"", "{ select = \"a\", default = 1 }"),
        SOUND.replace("\"a\"", "{ select = \"a\", parse = \"number\" }"),
        SOUND.replace("\"a\"", "{ select = \"a\", parse = \"number\", decimal = \",\" }"),
        SOUND.replace("html", "json"),
        format!("{SOUND}unique_by = 'title'\n"),
        format!("{SOUND}limit = 17\n"),
        format!("{SOUND}render = 'auto'\n"),
        format!("{SOUND}render = 'auto'\nwait_for = 'li'\n"),
        format!("{SOUND}render = 'auto'\nclick = 'li'\n"),
        format!("{SOUND}render = 'auto'\nscroll = 2\n"),
        format!("{SOUND}render = 'auto'\nscroll = 3\n"),
        format!("{JSON}capture = '**/api/list'\n"),
        format!("{JSON}capture = '**/api/lists'\n"),
        format!("{SOUND}expect.required = ['title']\n"),
        format!("{SOUND}expect.min_items = 2\n"),
        format!("{SOUND}expect.allow_empty = true\n"),
        format!("{SOUND}expect.max_drop = 0.5\n"),
        format!("{SOUND}params.geo = {{ default = 'ID', values = ['ID'] }}\n"),
        SOUND.replace("https://a.example/", "https://a.example/${KEY}"),
    ] {
        let digest = digest(&other);
        assert!(!seen.contains(&digest), "{other}");
        seen.push(digest);
    }
}

#[test]
fn the_digest_knows_no_secret_but_knows_what_is_usable() {
    let text = "[source.a]\nfresh_for = '1h'\nformat = 'feed'\n[[source.a.from]]\nwhen_env = 'K'\nurl = 'https://a.example/${K}'\n[[source.a.from]]\nurl = 'https://b.example'\n";
    let with = |value: Option<&str>| {
        let environment = |_: &str| value.map(str::to_owned);
        parse_sources("f", text, Defaults::default(), &environment).unwrap().remove(0).value.rules
    };
    assert_eq!(with(Some("one")), with(Some("two")));
    assert_ne!(with(Some("one")), with(None));
    assert_eq!(with(None), with(Some("")));
}
