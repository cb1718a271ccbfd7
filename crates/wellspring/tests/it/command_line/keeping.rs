//! Raw answers that `check` keeps and plays back.

use super::*;

/// As long as its `${FILMS_KEY}`, so that sizes stay.
const SECRET: &str = "open-sesame7";

/// A source whose first upstream refuses and whose second one echoes what it was sent.
async fn upstreams() -> (Origin, TempDir) {
    let origin = Origin::start().await;
    origin.script("/refuses", Answer::status(503));
    let echo = format!(r#"[{{"name": "Dune"}}, {{"name": "Up"}}, {{"you": "{SECRET}", "sent": "open-sesame7"}}]"#);
    origin.script("/list", Answer::json(echo).header("Set-Cookie", "session=5").header("ETag", "\"7\""));
    let toml = format!(
        "[source.films]\nfresh_for = \"1h\"\nformat = \"json\"\nitems = \"$[?@.name]\"\n[[source.films.from]]\nurl = \"{}\"\n\
         [[source.films.from]]\nurl = \"{}?key=${{FILMS_KEY}}&page=2\"\n",
        origin.url("/refuses"),
        origin.url("/list")
    );
    let folder = folder(&toml);
    (origin, folder)
}

fn with_key(folder: &Path, args: &[&str]) -> Output {
    output(command(folder).args(args).env("FILMS_KEY", SECRET))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_saved_plays_back_without_an_upstream() {
    let (origin, folder) = upstreams().await;
    let path = folder.path();
    let saved = with_key(path, &["check", "--save", "saved"]);
    assert_snapshot!(said(&saved, path), @r#"
    exit code 0
    --- stdout
    films
      alternative 1
        items    http://127.0.0.1:PORT/refuses      failed (upstream_status)
        failed   127.0.0.1:PORT answered 503
      alternative 2
        items    http://127.0.0.1:PORT/list?key=${FILMS_KEY}&page=2   83 B in TIME
        rows     2 found, 2 kept
        gates    ok   required: 0 of 2 rows lack a required field (at most a fifth may)
                 ok   min_items: 2 items, at least 1 expected
        sample   {"name":"Dune"}
                 {"name":"Up"}
      passed: 2 items from 83 B in TIME; fresh until MOMENT
    --- stderr
    films: fetching …
      000.bin  GET http://127.0.0.1:PORT/robots.txt  status 404
      001.bin  GET http://127.0.0.1:PORT/refuses  status 503
      002.json  GET http://127.0.0.1:PORT/list?key=${FILMS_KEY}&page=2  83 B
    3 answers are kept in `saved`: --replay saved reads what is there
    "#);
    let asked = origin.total();
    let replayed = with_key(path, &["check", "--replay", "saved"]);
    assert_eq!(said(&replayed, path), said(&saved, path).split("--- stderr").next().unwrap());
    assert_eq!(origin.total(), asked, "nobody was asked");

    let index = std::fs::read_to_string(path.join("saved/index.json")).unwrap();
    assert_snapshot!(normal(&index, path), @r#"
    [
      {
        "file": "000.bin",
        "method": "GET",
        "url": "http://127.0.0.1:PORT/robots.txt",
        "status": 404,
        "mime": "",
        "headers": [],
        "post": null
      },
      {
        "file": "001.bin",
        "method": "GET",
        "url": "http://127.0.0.1:PORT/refuses",
        "status": 503,
        "mime": "",
        "headers": [],
        "post": null
      },
      {
        "file": "002.json",
        "method": "GET",
        "url": "http://127.0.0.1:PORT/list?key=${FILMS_KEY}&page=2",
        "status": 200,
        "mime": "application/json",
        "headers": [
          [
            "content-type",
            "application/json"
          ],
          [
            "etag",
            "\"7\""
          ]
        ],
        "post": null
      }
    ]
    "#);
    for file in std::fs::read_dir(path.join("saved")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!["sesame", "session"].iter().any(|word| text.contains(word)), "{text}");
    }
    let json = with_key(path, &["check", "--json", "--save", "again"]);
    assert!(json.stderr.is_empty(), "programs are told nothing beside the JSON");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_used_is_told() {
    let (_origin, folder) = upstreams().await;
    let path = folder.path();
    std::fs::create_dir_all(path.join("saved")).unwrap();
    std::fs::write(path.join("saved/index.json"), "[]").unwrap();
    std::fs::create_dir_all(path.join("odd")).unwrap();
    std::fs::write(path.join("odd/index.json"), r#"[{"file": "../wellspring.toml", "url": "https://a.example/"}]"#).unwrap();
    let said = |args: &[&str]| said(&with_key(path, &[&["check"], args].concat()), path);
    assert_snapshot!(said(&["--save", "saved"]), @"
    exit code 2
    --- stderr
    error: `saved` holds answers that were saved before; name a new folder with --save, or play it back with --replay
    ");
    assert_snapshot!(said(&["--save", "."]), @"
    exit code 2
    --- stderr
    error: the folder `.` is not empty; name a new one with --save
    ");
    assert_snapshot!(said(&["--save", "wellspring.toml"]), @"
    exit code 2
    --- stderr
    error: the folder `wellspring.toml` cannot be written: File exists (os error 17); name another one with --save
    ");
    assert_snapshot!(said(&["--replay", "nowhere"]), @"
    exit code 2
    --- stderr
    error: `nowhere/index.json` cannot be read: No such file or directory (os error 2); name a folder that --save has written
    ");
    assert_snapshot!(said(&["--replay", "odd"]), @"
    exit code 2
    --- stderr
    error: `odd/index.json` names the file `../wellspring.toml`, which is not in the same folder
    ");
    assert_snapshot!(said(&["--replay", "saved", "--input", "a.json"]), @"
    exit code 2
    --- stderr
    error: the argument '--replay <DIR>' cannot be used with '--input <FILE>'

    Usage: wellspring check --replay <DIR> [SOURCE]...

    For more information, try '--help'.
    ");
    assert_snapshot!(said(&["--replay", "saved"]), @"
    exit code 1
    --- stdout
    films
      alternative 1
        items    http://127.0.0.1:PORT/refuses      failed (address_refused)
        failed   GET http://127.0.0.1:PORT/refuses is not fetched: `saved` holds no answer to it, nor to anything else
      alternative 2
        items    http://127.0.0.1:PORT/list?key=${FILMS_KEY}&page=2      failed (address_refused)
        failed   GET http://127.0.0.1:PORT/list?key=${FILMS_KEY}&page=2 is not fetched: `saved` holds no answer to it, nor to anything else
      FAILED (address_refused): none of its alternatives passes
    ");
}

#[test]
fn one_file_is_no_answer_to_several_requests() {
    let folder = folder(
        "[source.films]\nurl = \"https://a.example/list?token={token}\"\nfresh_for = \"1h\"\nformat = \"json\"\n\
         [[source.films.steps]]\nurl = \"https://a.example/\"\nformat = \"html\"\ncapture.token = \"meta@content\"\n",
    );
    assert_snapshot!(check(folder.path(), &["check", "--input", "wellspring.toml"]), @"
    exit code 2
    --- stderr
    error: `--input` is read as one answer, and films asks for several: save them with --save DIR, read them with --replay DIR
    ");
}

/// The commands of `docs/check.md` do what it says.
#[test]
fn the_worked_example_holds() {
    let text = include_str!("../../../../../docs/check.md");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("saved")).unwrap();
    let mut blocks = text.split("```").skip(1).step_by(2);
    let mut ran = 0;
    blocks.by_ref().filter_map(|block| block.split_once('\n')).for_each(|(kind, block)| match kind {
        "toml" => write_config(folder.path(), block),
        "html" => std::fs::write(folder.path().join("saved/000.html"), block).unwrap(),
        "json" => std::fs::write(folder.path().join("saved/index.json"), block).unwrap(),
        "console" => {
            let (line, expected) = block.split_once('\n').unwrap();
            let args: Vec<&str> = line.strip_prefix("$ wellspring ").unwrap().split(' ').collect();
            let output = run(folder.path(), &args);
            assert_eq!(
                normal(std::str::from_utf8(&output.stdout).unwrap(), folder.path()),
                normal(expected, folder.path()),
                "{line}: {output:?}"
            );
            ran += 1;
        }
        _ => {}
    });
    assert_eq!(ran, 2);
}
