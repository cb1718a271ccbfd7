//! What a config's author writes, and what is answered.

use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use wellspring_core::policy::Fresh;
use wellspring_core::source::{Format, Render};

use super::files::{File, Files};
use super::*;

mod complaints;
mod notify;

/// The example of the design, as written there.
const CONTRACT: &str = include_str!("contract.toml");
/// What every secret of these tests is: it must never be shown.
const CANARY: &str = "canary-7f3a91";

fn environment(name: &str) -> Option<String> {
    match name {
        "WELLSPRING_TOKEN" | "SERPAPI_KEY" | "SECRET" => Some(CANARY.to_owned()),
        "EMPTY" => Some(String::new()),
        "LISTEN_PORT" => Some("8080".to_owned()),
        _ => None,
    }
}

fn files(main: &str, sources: &[(&str, &str)]) -> Files {
    Files {
        main: Some(("wellspring.toml".into(), File::new("wellspring.toml", main))),
        sources: sources.iter().map(|(name, text)| File::new(name, text)).collect(),
    }
}

/// Reads some files; whatever comes of it shows no secret.
fn read(files: &Files, environment: Environment<'_>) -> Result<Config, Vec<Diagnostic>> {
    let result = read::read(files, environment, Some(4 << 30));
    let shown = match &result {
        Ok(config) => format!("{config:?}"),
        Err(found) => format!("{}\n{found:?}", shown(found)),
    };
    assert!(!shown.contains(CANARY), "a secret is shown: {shown}");
    result
}

fn parse(text: &str) -> Result<Config, Vec<Diagnostic>> {
    read(&files(text, &[]), &environment)
}

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|found| panic!("{}", shown(&found)))
}

fn shown(found: &[Diagnostic]) -> String {
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}

fn names(config: &Config) -> Vec<&str> {
    config.sources.iter().map(|source| source.spec.name.as_str()).collect()
}

#[test]
fn the_example_of_the_design_works_as_written() {
    let config = good(CONTRACT);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:5500");
    assert_eq!(config.server.admin_token.as_ref().map(Secret::expose), Some(CANARY));
    assert_eq!(config.store.path(), Some(Path::new("data/wellspring.db")));
    assert_eq!((config.fetch.timeout, config.fetch.max_body, config.fetch.per_host), (Duration::from_secs(30), 8 << 20, 4));
    assert_eq!(config.fetch.proxy.as_ref().map(Filled::expose), Some("http://127.0.0.1:9100"));
    assert_eq!(names(&config), ["cinema", "google_trend"]);
    let trend = &config.sources[1].spec;
    assert!(!trend.manual_refresh && trend.report_age && trend.alternatives.iter().all(|a| a.usable));
    let key = trend.default_key().unwrap();
    let filled = trend.alternatives[0].ask.url.fill(&key.params());
    assert!(filled.expose().ends_with(&format!("&geo=ID&hl=id&api_key={CANARY}")) && filled.to_string().ends_with("${SERPAPI_KEY}"));
    // Where the schema of the design and the copy tested here part ways, say so.
    if let Ok(design) = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/design/contract.md")) {
        assert!(design.contains(CONTRACT), "the copy of the example is not the one in the design");
    } else {
        println!("skipped the comparison with the design: it is not here");
    }
}

#[test]
fn without_a_file_the_shipped_sources_run() {
    let config = read(&Files::default(), &|_| None).unwrap_or_else(|found| panic!("{}", shown(&found)));
    assert_eq!(names(&config), ["cinema", "events", "google_trend"]);
    assert_eq!((config.server.listen.to_string().as_str(), config.server.listen_from_port), ("127.0.0.1:5500", false));
    assert_eq!(config.store.path(), Some(Path::new("data/wellspring.db")));
    assert!(config.file.is_none() && config.server.admin_token.is_none() && !config.fetch.allow_private && config.browser.sandbox);
}

#[test]
fn the_shipped_sources_are_as_the_contract_says() {
    let config = read(&Files::default(), &environment).unwrap();
    let lines: Vec<String> = config
        .sources
        .iter()
        .flat_map(|source| source.spec.alternatives.iter().map(move |a| (&source.spec, a)))
        .map(|(spec, a)| {
            let fields: Vec<_> = a.rules.fields.iter().map(|f| f.name.as_str()).collect();
            let Fresh::For(period) = spec.policy.fresh else { panic!("{spec:?}") };
            format!(
                "{} {} {:?} {:?} {}h {} limit {:?} unique {:?} refresh {} age {}",
                spec.name,
                a.ask.url,
                a.rules.format,
                a.render,
                period.as_secs() / 3_600,
                fields.join(","),
                a.rules.limit.unwrap(),
                a.rules.unique_by.as_ref().map(|at| at.value.as_str()),
                spec.manual_refresh,
                spec.report_age
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    cinema https://www.tix.id/ Html Auto 144h img,title limit 17 unique Some("title") refresh true age false
    events https://www.tix.id/tix-events/ Html Auto 120h poster,event_title limit 19 unique None refresh true age false
    google_trend https://serpapi.com/search.json?engine=google_trends_trending_now&geo={geo}&hl=id&api_key=${SERPAPI_KEY} Json Never 24h query,search_volume,category limit 10 unique None refresh false age true
    google_trend https://trends.google.com/trending/rss?geo={geo} Feed Never 24h query,search_volume,category limit 10 unique None refresh false age true
    "#);
    // The example and the shipped file are one source.
    let rules = |config: &Config, name: &str| config.sources.iter().find(|s| s.spec.name.as_str() == name).unwrap().spec.rules;
    assert_eq!(rules(&config, "cinema"), rules(&good(CONTRACT), "cinema"));
    let cinema = &config.sources[0].spec.alternatives[0];
    assert_eq!((cinema.rules.format, cinema.render), (Format::Html, Render::Auto));
}

#[test]
fn an_alternative_without_its_variable_is_skipped_unread() {
    let without = read(&Files::default(), &|_| None).unwrap();
    let trend = &without.sources[2].spec;
    assert_eq!(trend.alternatives.iter().map(|a| a.usable).collect::<Vec<_>>(), [false, true]);
    assert_eq!(trend.alternatives[0].ask.url.to_string(), "");
    let with = read(&Files::default(), &environment).unwrap();
    assert_ne!(with.sources[2].spec.rules, trend.rules);
}

#[test]
fn a_table_of_ones_own_replaces_a_shipped_one_and_never_merges() {
    let own = "use = [\"events\", \"cinema\"]\n[source.cinema]\nurl = \"https://a.example\"\nfresh_for = \"1h\"\nformat = \"feed\"\n";
    let config = good(own);
    assert_eq!(names(&config), ["cinema", "events"]);
    assert!(config.sources[0].spec.alternatives[0].rules.fields.is_empty());
    assert_eq!(config.sources[0].spec.policy.max_stale, None);
    assert_eq!(names(&good("[server]\n")), Vec::<&str>::new());
}

#[test]
fn port_counts_where_nothing_says_where_to_listen() {
    let with_port = |name: &str| (name == "PORT").then(|| "8080".to_owned());
    let listen = |files: &Files| {
        let server = read(files, &with_port).unwrap().server;
        (server.listen.to_string(), server.listen_from_port)
    };
    assert_eq!(listen(&Files::default()), ("0.0.0.0:8080".to_owned(), true));
    assert_eq!(listen(&files("[server]\nhosts = [\"a.example\"]\n", &[])), ("0.0.0.0:8080".to_owned(), true));
    assert_eq!(listen(&files("[server]\nlisten = \"localhost:1\"\n", &[])), ("127.0.0.1:1".to_owned(), false));
    let found = read(&Files::default(), &|name| (name == "PORT").then(|| CANARY.to_owned())).unwrap_err();
    insta::assert_snapshot!(shown(&found), @"
    error: the environment variable `PORT` is no port number
      --> the environment
      help: set it to 1 to 65535, or write a `listen` setting
    ");
}

#[test]
fn a_store_in_redis_is_named_without_its_password() {
    for url in ["redis://u:${SECRET}@host:6379/0", "rediss://host", "redis+unix:///run/redis.sock?db=1", "redis+sentinel://a,b:1/name/0"] {
        let config =
            good(&format!("[store]\nurl = \"{url}\"\n[source.a]\nurl = \"https://a.example\"\nformat = \"feed\"\nfresh_for = \"1h\"\n"));
        assert!(config.store.shared().is_some() && config.store.path() == Some(Path::new("data/wellspring.db")), "{url}");
        assert!(!format!("{:?}", config.store).contains(CANARY), "{url}");
    }
}

#[test]
fn settings_are_read_into_values() {
    let config = good(
        r#"
[server]
listen = "[::1]:${LISTEN_PORT}"
timezone = "Asia/Jakarta"
hosts = ["Data.Example", "data.example:8080"]
cors_origins = ["https://a.example", "http://b.example:8080"]
[store]
url = "memory:"
[fetch]
allow_private = true
deadline = "1m"
gap = "200ms"
at_once = 2
user_agent = "example-bot"
[browser]
sandbox = false
executable = "/usr/bin/chromium"
idle = "5s"
pages = 8
memory = "128MiB"
[source.a]
url = "https://a.example"
fresh_for = "1h"
format = "feed"
[source.b]
url = "https://a.example"
fresh_for = "1h"
format = "feed"
deadline = "9s"
"#,
    );
    assert_eq!((config.server.listen.to_string().as_str(), config.server.timezone.iana_name()), ("[::1]:8080", Some("Asia/Jakarta")));
    assert_eq!(config.server.hosts, ["data.example", "data.example:8080"]);
    assert_eq!(config.server.cors_origins, CorsOrigins::List(vec!["https://a.example".into(), "http://b.example:8080".into()]));
    assert_eq!((config.store.path(), config.fetch.gap, config.fetch.at_once), (None, Duration::from_millis(200), 2));
    assert!(config.fetch.allow_private && !config.browser.sandbox);
    assert_eq!(config.browser.executable.as_deref(), Some(Path::new("/usr/bin/chromium")));
    let browser = &config.browser;
    assert_eq!((browser.idle, browser.pages, browser.memory), (Duration::from_secs(5), 8, 128 << 20));
    let deadlines: Vec<_> = config.sources.iter().map(|s| s.spec.policy.deadline.as_secs()).collect();
    assert_eq!(deadlines, [60, 9]);
    assert_eq!(good("[server]\ncors_origins = \"*\"\n").server.cors_origins, CorsOrigins::Any);
    assert_eq!(good("[server]\ncors_origins = []\n").server.cors_origins, CorsOrigins::List(Vec::new()));
}

#[test]
fn a_small_machine_renders_one_page_at_a_time() {
    let pages = |text: &str, memory: Option<u64>| read::read(&files(text, &[]), &environment, memory).unwrap().browser.pages;
    let (small, large) = (Some((1 << 30) - 1), Some(1 << 30));
    assert_eq!([pages("", small), pages("", large), pages("", None)], [1, 2, 2]);
    assert_eq!([pages("[browser]\npages = 3", small), pages("[browser]\nidle = '1s'", small)], [3, 1]);
    assert_eq!(read::read(&Files::default(), &environment, small).unwrap().browser.pages, 1);
    assert_eq!(good("").browser.memory, 256 << 20);
}

#[test]
fn paths_of_stores() {
    for (url, path) in
        [("sqlite:a.db", "a.db"), ("sqlite:/var/a.db", "/var/a.db"), ("sqlite:///var/a.db", "/var/a.db"), ("sqlite://a.db", "a.db")]
    {
        assert_eq!(good(&format!("[store]\nurl = '{url}'\n")).store.path(), Some(Path::new(path)), "{url}");
    }
    assert_eq!(good("[store]\nurl = 'sqlite:${SECRET}/a.db'\n").store.path(), Some(Path::new(&format!("{CANARY}/a.db"))));
}

#[test]
fn a_folder_is_read_with_the_files_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let source = |name: &str| format!("[source.{name}]\nurl = 'https://a.example'\nfresh_for = '1h'\nformat = 'feed'\n");
    fs::create_dir(at("sources")).unwrap();
    fs::write(at("wellspring.toml"), source("main")).unwrap();
    fs::write(at("sources/b.toml"), source("second")).unwrap();
    fs::write(at("sources/a.toml"), source("first")).unwrap();
    fs::write(at("sources/.a.toml"), "not [ toml").unwrap();
    fs::write(at("sources/notes.txt"), "not [ toml").unwrap();
    let config = Config::load_with(Some(&at("wellspring.toml")), &environment).unwrap();
    assert_eq!(names(&config), ["main", "first", "second"]);
    assert_eq!(config.file.as_deref(), Some(&*at("wellspring.toml")));

    fs::write(at("sources/c.toml"), [b'[', 0xff]).unwrap();
    let found = Config::load_with(Some(&at("wellspring.toml")), &environment).unwrap_err();
    assert_eq!((found.len(), found[0].message.as_str()), (1, "this file is not UTF-8 text"));
    let found = Config::load_with(Some(&at("nowhere.toml")), &environment).unwrap_err();
    assert!(found[0].message.starts_with("this file cannot be read") && found[0].file.ends_with("nowhere.toml"), "{found:?}");
}

#[test]
fn what_is_found_later_is_shown_at_its_place() {
    let config = good(CONTRACT);
    let cinema = &config.sources[0];
    let items = cinema.spec.alternatives[0].rules.items.as_ref().unwrap();
    let shown =
        config.diagnose(&cinema.spec.name, items.span.clone(), "this selector cannot be read", Some("close the bracket")).to_string();
    insta::assert_snapshot!(shown, @r#"
    error: this selector cannot be read
      --> wellspring.toml:23:9
       |
    23 | items = "ul.glide__slides li.glide__slide:has(a[href*='movie-detail'])"
       |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = help: close the bracket
    "#);
    assert_eq!(&CONTRACT[cinema.span.clone()], "cinema");
}

#[test]
fn how_much_of_the_past_is_kept_can_be_said() {
    let keep = |text: &str| good(text).keep;
    assert_eq!((keep("").revisions, keep("").bytes), (20, 16 << 20));
    let said = keep("[store]\nkeep_revisions = 3\nkeep_bytes = \"1MiB\"\n");
    assert_eq!((said.revisions, said.bytes), (3, 1 << 20));
    for odd in ["keep_revisions = 0", "keep_bytes = 0", "keep_bytes = \"0B\"", "keep_revisions = -1", "keep = 1"] {
        let found = Config::parse("wellspring.toml", &format!("[store]\n{odd}\n"), &|_| None);
        assert!(found.is_err(), "{odd}");
    }
}

#[test]
fn the_schema_describes_every_key() {
    let schema = schema();
    let sections: Vec<_> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(sections, raw::SECTIONS);
    let definitions = schema["definitions"].as_object().unwrap();
    insta::assert_snapshot!(definitions.keys().cloned().collect::<Vec<_>>().join(" "), @"Shipped Server Store Size Fetch Period Browser Notify Receiver Change Source HttpCache RefreshMode FeedMapping CalendarMapping Parameter Alternative Step Format FieldPlace Field DateOutput EachOf Each Details Time Render Expect");
    for (name, definition) in definitions {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].as_str().is_some_and(|text| text.len() > 10), "{name}.{key}: {property}");
        }
    }
    assert!(!schema.to_string().contains("null"), "{schema:#}");
    insta::assert_snapshot!(serde_json::to_string_pretty(&definitions["Parameter"]).unwrap(), @r#"
    {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "default": {
          "description": "Its value where a request gives none; without one the request must."
        },
        "values": {
          "type": "array",
          "items": {
            "type": "string"
          },
          "description": "The values it takes."
        },
        "pattern": {
          "type": "string",
          "description": "A regular expression that the whole value must match."
        },
        "type": {
          "description": "What it is, in place of `values` or `pattern`: `integer`, `boolean` or `date`.",
          "oneOf": [
            {
              "type": "string",
              "const": "integer",
              "description": "A whole number, between `min` and `max`."
            },
            {
              "type": "string",
              "const": "boolean",
              "description": "`true` or `false`."
            },
            {
              "type": "string",
              "const": "date",
              "description": "A day, as `2025-01-23`."
            }
          ]
        },
        "min": {
          "type": "integer",
          "format": "int64",
          "description": "The least integer it takes."
        },
        "max": {
          "type": "integer",
          "format": "int64",
          "description": "The most it takes."
        }
      },
      "description": "A parameter that a request may give. It says what it takes by `values`, `pattern` or `type`."
    }
    "#);
    insta::assert_snapshot!(serde_json::to_string_pretty(&definitions["Source"]["properties"]["format"]).unwrap(), @r##"
    {
      "description": "What the body is read as.",
      "allOf": [
        {
          "$ref": "#/definitions/Format"
        }
      ]
    }
    "##);
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema["properties"]["use"]).unwrap(), @r##"
    {
      "type": "array",
      "items": {
        "$ref": "#/definitions/Shipped"
      },
      "description": "Shipped sources to run beside one's own."
    }
    "##);
    insta::assert_snapshot!(serde_json::to_string_pretty(&definitions["Alternative"]["properties"]["fields"]).unwrap(), @r##"
    {
      "type": "object",
      "additionalProperties": {
        "$ref": "#/definitions/FieldPlace"
      },
      "description": "An item's fields and where each is found. Without any, JSON items, feed entries and the like are taken whole."
    }
    "##);
}

/// One edit of some bytes.
#[derive(Clone, Debug)]
enum Edit {
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    Swap(usize, usize),
    /// Only where a letter or digit stands, so that the text often stays TOML.
    Letter(usize, u8),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let place = 0..CONTRACT.len();
    let edit = prop_oneof![
        (place.clone(), 1..40_usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        (place.clone(), proptest::collection::vec(any::<u8>(), 1..4)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (place.clone(), "[\\[\\]{}\"'=#.\n$0-9]{1,3}").prop_map(|(at, text)| Edit::Insert(at, text.into_bytes())),
        (place.clone(), b'0'..b'z').prop_map(|(at, letter)| Edit::Letter(at, letter)),
        (place.clone(), place).prop_map(|(one, other)| Edit::Swap(one, other)),
    ];
    proptest::collection::vec(edit, 1..4)
}

fn edited(edits: &[Edit]) -> String {
    let mut bytes = CONTRACT.as_bytes().to_vec();
    for edit in edits {
        match edit {
            Edit::Remove(at, count) => drop(bytes.drain((*at).min(bytes.len())..(at + count).min(bytes.len()))),
            Edit::Insert(at, new) => drop(bytes.splice((*at).min(bytes.len())..(*at).min(bytes.len()), new.iter().copied())),
            Edit::Swap(one, other) if *one < bytes.len() && *other < bytes.len() => bytes.swap(*one, *other),
            Edit::Letter(at, letter) if bytes.get(*at).is_some_and(u8::is_ascii_alphanumeric) && letter.is_ascii_alphanumeric() => {
                bytes[*at] = *letter;
            }
            Edit::Swap(..) | Edit::Letter(..) => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn a_mutated_config_is_read_or_pointed_at(edits in edits()) {
        if let Err(found) = parse(&edited(&edits)) {
            prop_assert!(!found.is_empty() && found.iter().all(|d| d.place.is_some()), "{}", shown(&found));
        }
    }
}

/// The reference shows every key, and every one of its examples loads as it is written.
#[test]
fn the_reference_loads_as_written() {
    let reference = concat!(
        include_str!("../../../../../docs/config.md"),
        include_str!("../../../../../docs/formats.md"),
        include_str!("../../../../../docs/notify.md")
    );
    let environment = |name: &str| match name {
        "WELLSPRING_TOKEN" | "HARBOUR_KEY" | "TOKEN" => Some("t0ken".to_owned()),
        "SLACK_WEBHOOK" => Some("https://hooks.example/t0ken".to_owned()),
        _ => None,
    };
    let examples: Vec<&str> = reference.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() > 10, "{}", examples.len());
    for example in &examples {
        Config::parse("docs/config.md", example, &environment).unwrap_or_else(|found| panic!("{}", found[0]));
    }
    let schema = schema();
    let definitions = schema["definitions"].as_object().unwrap();
    let known = [
        "Server",
        "Store",
        "Fetch",
        "Browser",
        "Source",
        "Parameter",
        "Alternative",
        "Step",
        "Each",
        "Details",
        "Time",
        "Field",
        "Expect",
        "FeedMapping",
        "CalendarMapping",
        "Notify",
    ];
    for key in known.iter().flat_map(|name| definitions[*name]["properties"].as_object().unwrap().keys()) {
        let is_key = |line: &str| line.split([' ', '{', '[', '.']).any(|word| word == key) && line.contains('=');
        let shown = examples.iter().flat_map(|example| example.lines()).any(|line| is_key(line) || line.contains(&format!(".{key}")));
        assert!(shown, "the reference does not show `{key}`");
    }
}

#[test]
fn a_server_is_called_what_it_is_told_or_what_its_machine_is() {
    let named = |lines: &str| {
        good(&format!("[server]\n{lines}\n[source.a]\nurl = \"https://a.example/\"\nfresh_for = \"1h\"\nformat = \"feed\"\n"))
            .server
            .replica
    };
    assert_eq!(named("replica = \"replica-${LISTEN_PORT}\""), "replica-8080");
    let machine = named("");
    assert!(!machine.is_empty() && machine.len() <= 64, "{machine}");
}
