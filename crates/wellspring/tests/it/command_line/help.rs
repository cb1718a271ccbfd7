//! What the program says of itself.

use super::*;

#[test]
fn help_reads_well_to_a_newcomer() {
    let folder = tempfile::tempdir().unwrap();
    assert_snapshot!(check(folder.path(), &["--help"]), @"
    exit code 0
    --- stdout
    Turns slow sources into APIs that answer at once, stay fresh by themselves and never show broken
    data

    Usage: wellspring [OPTIONS] <COMMAND>

    Commands:
      serve        Serve the configured sources
      demo         Watch it work without a network: three slow sites, built in, and the server in front
                   of them
      check        Collect sources once and explain what came out; nothing is stored
      status       Ask the running server how its sources are
      health       Ask the running server whether it answers, as containers and supervisors do
      refresh      Have the running server refresh a source now, and wait for it
      notify       Send a test message to who is told how sources are, and say what came back
      doctor       Look for what keeps it from working: config, store, sources' hosts, clock
      export       Write all that is stored into one file, also while a server serves it
      import       Take what `export` wrote over into the store
      evict        Forget what is stored of sources
      schema       Print the JSON Schema of the config file, for editors
      completions  Print completions for a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
          --config <FILE>
              Read this config [default: wellspring.toml if there is one, else the sources that ship]

          --log <FORMAT>
              Write the log in this format [default: text]

              Possible values:
              - text: For people
              - json: One JSON object a line

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    First steps:
      wellspring demo           watch it work: no network, nothing stored
      wellspring serve          serve the sources that ship on http://127.0.0.1:5500
      wellspring check cinema   see what a source gives, and why
    ");
    assert_snapshot!(check(folder.path(), &["serve", "--help"]), @"
    exit code 0
    --- stdout
    Serve the configured sources

    Runs until SIGTERM or Ctrl-C, which finish what is open first. SIGHUP reads the config again; a bad
    one is refused and the old one goes on.

    Usage: wellspring serve [OPTIONS]

    Options:
          --config <FILE>
              Read this config [default: wellspring.toml if there is one, else the sources that ship]

          --listen <ADDR>
              Listen here, whatever the config says, as in 127.0.0.1:5500

          --data <DIR>
              Keep data in this folder, whatever the config says

          --log <FORMAT>
              Write the log in this format [default: text]

              Possible values:
              - text: For people
              - json: One JSON object a line

          --access-log
              Write a JSON line for each request to standard output, whatever the config says

      -h, --help
              Print help (see a summary with '-h')
    ");
    assert_snapshot!(check(folder.path(), &["check", "-h"]), @"
    exit code 0
    --- stdout
    Collect sources once and explain what came out; nothing is stored

    Usage: wellspring check [OPTIONS] [SOURCE]...

    Arguments:
      [SOURCE]...  Sources, or keys such as 'google_trend?geo=ID' [default: every configured source]

    Options:
          --config <FILE>  Read this config [default: wellspring.toml if there is one, else the sources
                           that ship]
          --input <FILE>   Read this file instead of fetching
          --log <FORMAT>   Write the log in this format [default: text] [possible values: text, json]
          --save <DIR>     Keep every raw answer in this new folder, without secrets
          --replay <DIR>   Read answers that were saved in this folder instead of fetching
          --now <RFC3339>  Judge as if it were this time, as in 2026-01-31T10:00:00Z
          --json           Print one JSON object a line for each source
      -h, --help           Print help (see more with '--help')
    ");
    assert_snapshot!(check(folder.path(), &["doctor", "-h"]), @"
    exit code 0
    --- stdout
    Look for what keeps it from working: config, store, sources' hosts, clock

    Usage: wellspring doctor [OPTIONS]

    Options:
          --config <FILE>  Read this config [default: wellspring.toml if there is one, else the sources
                           that ship]
          --offline        Ask no host
          --json           Print one JSON object
          --log <FORMAT>   Write the log in this format [default: text] [possible values: text, json]
      -h, --help           Print help (see more with '--help')
    ");
    assert_snapshot!(check(folder.path(), &["status", "-h"]), @"
    exit code 0
    --- stdout
    Ask the running server how its sources are

    Usage: wellspring status [OPTIONS]

    Options:
          --config <FILE>  Read this config [default: wellspring.toml if there is one, else the sources
                           that ship]
          --server <URL>   Ask this server, whatever the config says, as in http://127.0.0.1:5500
          --log <FORMAT>   Write the log in this format [default: text] [possible values: text, json]
      -h, --help           Print help (see more with '--help')
    ");
    assert_snapshot!(check(folder.path(), &["refresh", "-h"]), @"
    exit code 0
    --- stdout
    Have the running server refresh a source now, and wait for it

    Usage: wellspring refresh [OPTIONS] <SOURCE>

    Arguments:
      <SOURCE>  The source, or a key such as 'google_trend?geo=ID'

    Options:
          --config <FILE>  Read this config [default: wellspring.toml if there is one, else the sources
                           that ship]
          --server <URL>   Ask this server, whatever the config says, as in http://127.0.0.1:5500
          --log <FORMAT>   Write the log in this format [default: text] [possible values: text, json]
      -h, --help           Print help (see more with '--help')
    ");
    assert_eq!(check(folder.path(), &["--version"]), format!("exit code 0\n--- stdout\nwellspring {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_know_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for (shell, sign) in [("bash", "complete -F _wellspring"), ("zsh", "#compdef wellspring"), ("fish", "complete -c wellspring")] {
        let output = run(folder.path(), &["completions", shell]);
        let script = std::str::from_utf8(&output.stdout).unwrap();
        assert!(
            output.status.success() && script.contains(sign) && ["refresh", "doctor", "replay"].iter().all(|word| script.contains(word)),
            "{shell}: {script}"
        );
    }
}
