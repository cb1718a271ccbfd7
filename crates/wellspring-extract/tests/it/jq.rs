//! jq programs over the items.

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;
use wellspring_core::source::{At, Format, Rules};
use wellspring_extract::{Body, Compiled, Context};

use crate::support::{at, context, field, items, refusal, rules};

const FILMS: &str = r#"[
    {"title": "Dune", "at": "2025-01-23T18:00:00Z", "id": 1737655200000, "price": 9.5, "genres": ["b", "a"]},
    {"title": "Alien", "at": "2025-01-24T20:30:00+01:00", "id": 9007199254740993, "price": 12.0, "genres": []},
    {"title": "Dune", "at": "2025-01-25T18:00:00Z", "id": 18446744073709551615, "price": 1e300, "genres": null}
]"#;

fn program(text: &str) -> Rules {
    Rules { transform: Some(at(text)), ..rules(Format::Json) }
}

fn check(text: &str) -> String {
    items(&program(text), FILMS)
}

#[test]
fn items_go_in_and_a_list_comes_out() {
    insta::assert_snapshot!(check("."), @r#"
    {"title":"Dune","at":"2025-01-23T18:00:00Z","id":1737655200000,"price":9.5,"genres":["b","a"]}
    {"title":"Alien","at":"2025-01-24T20:30:00+01:00","id":9007199254740993,"price":12,"genres":[]}
    {"title":"Dune","at":"2025-01-25T18:00:00Z","id":18446744073709551615,"price":1e+300,"genres":null}
    "#);
    insta::assert_snapshot!(check("map(select(.genres != null) | {z: .title, a: .id})"), @r#"
    {"z":"Dune","a":1737655200000}
    {"z":"Alien","a":9007199254740993}
    "#);
    insta::assert_snapshot!(check("sort_by(.title) | map(.title)"), @r#"
    "Alien"
    "Dune"
    "Dune"
    "#);
    insta::assert_snapshot!(check("unique_by(.title) | map(.title)"), @r#"
    "Alien"
    "Dune"
    "#);
    insta::assert_snapshot!(check("group_by(.title) | map({title: .[0].title, count: length, ids: map(.id)})"), @r#"
    {"title":"Alien","count":1,"ids":[9007199254740993]}
    {"title":"Dune","count":2,"ids":[1737655200000,18446744073709551615]}
    "#);
    insta::assert_snapshot!(check("[.[] as $film | $film.genres[]? | {title: $film.title, genre: .}] | reverse"), @r#"
    {"title":"Dune","genre":"a"}
    {"title":"Dune","genre":"b"}
    "#);
    insta::assert_snapshot!(check("[{sum: ([.[:2][].price] | add), first: first.title, ids: [limit(2; .[].id)], least: (min_by(.price) | .title)}]"), @r#"{"sum":21.5,"first":"Dune","ids":[1737655200000,9007199254740993],"least":"Dune"}"#);
    insta::assert_snapshot!(items(&Rules { fields: vec![field("t", &["$.title"])], unique_by: Some(at("u")), limit: Some(1), ..program("map({u: .t}) + [{u: 1}]") }, FILMS), @r#"{"u":"Dune"}"#);
    insta::assert_snapshot!(items(&program(". + [{a: 1}]"), "[]"), @r#"{"a":1}"#);
}

#[test]
fn numbers_stay_what_they_are() {
    insta::assert_snapshot!(check("[.[].id, .[].id + 1, 1737655200000 / 1000, 3 / 2, 1e3, 1.0, (0.1 + 0.2), 1e1000, nan, ([1.5, 2.5] | map(floor, round))]"), @"
    1737655200000
    9007199254740993
    18446744073709551615
    1737655200001
    9007199254740994
    1.8446744073709552e+19
    1737655200
    1.5
    1000
    1
    0.30000000000000004
    null
    null
    [1,2,2,3]
    ");
    insta::assert_snapshot!(check("[(.[0].id | . / 1000 | todate), (4 | sqrt), pow(2; 10), (-7 % 3), (\"1737655200000\" | tonumber), (1 | tostring)]"), @r#"
    "2025-01-23T18:00:00Z"
    2
    1024
    -1
    1737655200000
    "1"
    "#);
}

#[test]
fn dates_are_read_and_written() {
    insta::assert_snapshot!(check("[.[0].at | fromdate, (fromdate | todate), (fromdate | strftime(\"%d %b %Y\")), (fromdate | gmtime), (fromdate | gmtime | mktime)]"), @r#"
    1737655200
    "2025-01-23T18:00:00Z"
    "23 Jan 2025"
    [2025,0,23,18,0,0,4,22]
    1737655200
    "#);
    insta::assert_snapshot!(check("[\"23 Jan 2025 18:00\" | strptime(\"%d %b %Y %H:%M\") | ., mktime]"), @"
    [2025,0,23,18,0,0,4,22]
    1737655200
    ");
    insta::assert_snapshot!(check("[\"2025-01-23\" | strptime(\"%Y-%m-%d\") | mktime | todate]"), @r#""2025-01-23T00:00:00Z""#);
    insta::assert_snapshot!(check("[\"2025-01-23T18:00:00+0100\" | strptime(\"%Y-%m-%dT%H:%M:%S%z\") | mktime | todate]"), @r#""2025-01-23T17:00:00Z""#);
    insta::assert_snapshot!(check("map(.at | fromdate) + [1.5 | todate]"), @r#"
    1737655200
    1737747000
    1737828000
    "1970-01-01T00:00:01.5Z"
    "#);
    insta::assert_snapshot!(check("[\"yesterday\" | fromdate]"), @"Permanent: the transform failed: `yesterday` is no RFC 3339 moment (2025-01-23T18:00:00Z)");
    insta::assert_snapshot!(check("[\"yesterday\" | strptime(\"%Y\")]"), @"Permanent: the transform failed: `yesterday` by `%Y`: strptime parsing failed: %Y failed: failed to parse year: invalid number, no digits found");
}

#[test]
fn patterns_and_formats_are_known() {
    insta::assert_snapshot!(check("[.[].title | test(\"^d\"; \"i\"), (capture(\"(?<one>.)(?<rest>.*)\")), (sub(\"(?<x>[aeiou])\"; \"<\\(.x)>\")), ([match(\"[a-z]\"; \"g\").offset]), ([scan(\"[aeiou]\")] | join(\"+\"))] | .[:5]"), @r#"
    true
    {"one":"D","rest":"une"}
    "D<u>ne"
    [1,2,3]
    "u+e"
    "#);
    insta::assert_snapshot!(check("[\"a, b;c\" | split(\"[,;] *\"; null), split(\", \"), ([splits(\";\")]), gsub(\" \"; \"\"), ascii_upcase, ltrimstr(\"a\"), (explode | length)]"), @r#"
    ["a","b","c"]
    ["a","b;c"]
    ["a, b","c"]
    "a,b;c"
    "A, B;C"
    ", b;c"
    6
    "#);
    insta::assert_snapshot!(check("[\"é<&'\\\"> b/c\" | @uri, @html, @base64, (@base64 | @base64d), (@uri | @urid), @json, (. | @sh)] + [[1, \"a\\\"b\", null] | @csv, @tsv]"), @r#"
    "%C3%A9%3C%26%27%22%3E%20b%2Fc"
    "é&lt;&amp;&#39;&quot;&gt; b/c"
    "w6k8JiciPiBiL2M="
    "é<&'\"> b/c"
    "é<&'\"> b/c"
    "\"é<&'\\\"> b/c\""
    "'é<&'\\''\"> b/c'"
    "1,\"a\"\"b\","
    "1\ta\"b\t"
    "#);
    insta::assert_snapshot!(check("[\"ab\" | match(\"(x)?(?<n>y)?a\") | .captures]"), @r#"[{"offset":-1,"length":0,"string":null,"name":"n"}]"#);
    insta::assert_snapshot!(check("[.[0].title | test(\"(\")]"), @"Permanent: the transform failed: the pattern `(` cannot be read: unclosed group");
    insta::assert_snapshot!(check("[.[0].title | test(\"a\"; \"q\")]"), @"Permanent: the transform failed: `q` is no flag of a regular expression");
}

#[test]
fn trap_a_program_sees_nothing_of_the_machine() {
    insta::assert_snapshot!(check("[env, $ENV, $ENV.PATH, env.HOME]"), @"
    {}
    {}
    null
    null
    ");
    insta::assert_snapshot!(check("[now, $now, (now | todate), (now | localtime | mktime), (now | strflocaltime(\"%H %Z\"))]"), @r#"
    1737633600
    1737633600
    "2025-01-23T12:00:00Z"
    1737633600
    "12 UTC"
    "#);
    insta::assert_snapshot!(check("[.[0] | debug, debug(.title), stderr] | map(.title)"), @r#"
    "Dune"
    "Dune"
    "Dune"
    "#);
    for text in [
        "[input]",
        "[inputs]",
        "[input_filename]",
        "halt",
        "halt_error",
        "[$__prog_args]",
        "[get_search_list]",
        "import \"a\" as a; .",
        "include \"a\"; .",
    ] {
        assert!(Compiled::compile(&program(text)).is_err(), "{text}");
    }
}

#[test]
fn values_of_the_refresh_are_variables() {
    let values = BTreeMap::from([("city".to_owned(), "Jakarta".to_owned()), ("page".to_owned(), "2".to_owned())]);
    let url = Url::parse("https://example.org/").unwrap();
    let body = Body { bytes: b"[1]", content_type: None, url: &url };
    let compiled = Compiled::compile(&program("map({city: $values.city, page: ($values.page | tonumber), gone: $values.gone})")).unwrap();
    let rows = compiled.extract(&body, &Context { now: context().now, values: &values }).unwrap().rows;
    insta::assert_snapshot!(Value::from(rows), @r#"[{"city":"Jakarta","page":2,"gone":null}]"#);
}

#[test]
fn what_is_no_list_is_named() {
    for (text, said) in [
        ("{a: 1}", "gave an object where one list was expected"),
        (".[]", "gave an object where one list was expected"),
        ("., .", "gave several values where one list was expected; `[ … ]` around the program makes one of them"),
        ("empty", "gave nothing where one list was expected"),
        ("first.title", "gave a text where one list was expected"),
        ("length", "gave a number where one list was expected"),
        ("[{(1|tostring): 1}, {\"a\": 2}] | map(keys) | null", "gave null where one list was expected"),
    ] {
        assert_eq!(check(text), format!("Permanent: the transform {said}"), "{text}");
    }
}

#[test]
fn failures_are_in_the_programs_own_words() {
    insta::assert_snapshot!(check("map(.title + 1)"), @r#"Permanent: the transform failed: cannot calculate "Dune" + 1"#);
    insta::assert_snapshot!(check("map(.title | tonumber)"), @r#"Permanent: the transform failed: cannot parse "Dune" as JSON: byte offset 0: value expected"#);
    insta::assert_snapshot!(check("error(\"no films today\")"), @"Permanent: the transform failed: no films today");
    insta::assert_snapshot!(check("map(if .price > 100 then error(\"too dear: \\(.title)\") else . end)"), @"Permanent: the transform failed: too dear: Dune");
    insta::assert_snapshot!(check("map(.title.x)"), @r#"Permanent: the transform failed: cannot index "Dune" with "x""#);
    insta::assert_snapshot!(check("(\"x\" * 5000) | .a"), @r#"Permanent: the transform failed: cannot index "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"#);
}

#[test]
fn programs_that_cannot_be_read_are_refused_with_their_place() {
    insta::assert_snapshot!(refusal(&program("map(.title")), @"
    21..21: the jq program cannot be read: expected closing parenthesis at its end
    help: -
    ");
    insta::assert_snapshot!(refusal(&program("map(.title) | nosuch(1)")), @"
    25..31: jq has no `nosuch/1` here
    help: -
    ");
    insta::assert_snapshot!(refusal(&program("map($film)")), @"
    15..20: jq has no variable `$film` here
    help: beside its own variables a program has $values and $now
    ");
    insta::assert_snapshot!(refusal(&program("map(.a) |")), @"
    20..20: the jq program cannot be read: expected term at its end
    help: -
    ");
    insta::assert_snapshot!(refusal(&program("map(.a; .b))")), @"
    22..23: the jq program cannot be read: nothing can begin at `)`
    help: -
    ");
    insta::assert_snapshot!(refusal(&program("[inputs]")), @"
    12..18: jq has no `inputs` here
    help: the items are the input: `.`
    ");
    insta::assert_snapshot!(refusal(&program("halt")), @r#"
    11..15: jq has no `halt` here
    help: `error("…")` ends a transform that cannot go on
    "#);
    insta::assert_snapshot!(refusal(&program("§")), @"
    11..13: the jq program cannot be read: nothing can begin at `§`
    help: -
    ");
    insta::assert_snapshot!(refusal(&program("")), @"
    11..11: the jq program cannot be read: expected term at its end
    help: -
    ");
    insta::assert_snapshot!(refusal(&program("import \"a\" as a; .")), @"
    19..20: a transform cannot load modules
    help: -
    ");
    let three_quotes = At { value: "map(.a)\n| nosuch\n".to_owned(), span: 100..124 };
    insta::assert_snapshot!(refusal(&Rules { transform: Some(three_quotes), ..rules(Format::Json) }), @"
    114..120: jq has no `nosuch` here
    help: -
    ");
}

#[test]
fn a_program_has_a_length_that_can_be_compiled() {
    insta::assert_snapshot!(refusal(&program(&"-".repeat(9_000))), @"
    10..9012: a transform is at most 8 KiB long
    help: -
    ");
}

#[test]
fn items_of_a_program_are_bounded() {
    insta::assert_snapshot!(check("reduce range(60) as $i ([1]; [., .])"), @"Permanent: the transform gave items of more than 64 MiB");
    insta::assert_snapshot!(check("reduce range(1000) as $i ([1]; [.])"), @"Permanent: the transform gave items nested deeper than 100 levels");
    insta::assert_snapshot!(check("[range(3000000)]"), @"Permanent: the transform gave items of more than 64 MiB");
}
