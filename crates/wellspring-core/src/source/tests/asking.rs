//! Requests, steps, values that are asked for, details, moments.

use insta::assert_snapshot;

use super::*;
use crate::key::Params;

/// A source with everything that can be asked.
const ALL: &str = r#"
[source.plays]
fresh_for = "1h"
times.today = { zone = "Asia/Jakarta" }
headers = { Authorization = "Bearer {token}", X-Key = "${KEY}" }
cookies = { city = "{city}" }
user_agent = "plays/1 (${KEY})"
url = "https://api.example/{house}/plays"
json = { query = "query { plays { id } }", variables = { page = "{page}", day = "{today}", key = "${KEY}", first = 5 } }
each = "house"
format = "json"
items = "$.plays[*]"
fields = { title = "$.title", _id = "$.id", bookingUrl = { compose = "https://a.example/{house}/{_id}" } }
[[source.plays.steps]]
name = "login"
url = "https://api.example/login"
form = { key = "${KEY}", city = "{city}" }
capture = { token = { regex = "token=(\\w+)" } }
[[source.plays.steps]]
url = "https://api.example/houses"
headers = { Authorization = "Bearer {token}" }
format = "json"
capture.house = { path = "$[*].id", all = true }
[source.plays.details]
url = "{bookingUrl}"
headers = { X-Seen = "{_id}" }
format = "html"
fields = { cast = { select = "li", all = true }, page_of = { compose = "{title} in {city}" } }
limit = 5
[source.plays.params]
city = { default = "bandung", pattern = "[a-z]+" }
page = { type = "integer", min = 1, default = 1 }
"#;

#[test]
fn what_is_asked_is_read_in_order() {
    let spec = one(ALL);
    let alternative = &spec.alternatives[0];
    let shown: Vec<String> = alternative
        .asks()
        .map(|ask| format!("{:?} {} {:?} {:?} {:?}", ask.method, ask.url, ask.headers, ask.cookies, ask.payload))
        .collect();
    assert_snapshot!(shown.join("\n"), @r#"
    Post https://api.example/login [("user-agent", "plays/1 (${KEY})")] [] Some(Form([("key", "${KEY}"), ("city", "{city}")]))
    Get https://api.example/houses [("authorization", "Bearer {token}"), ("user-agent", "plays/1 (${KEY})")] [] None
    Post https://api.example/{house}/plays [("authorization", "Bearer {token}"), ("x-key", "${KEY}"), ("user-agent", "plays/1 (${KEY})")] [("city", "{city}")] Some(Json(Object([("query", Text("query { plays { id } }")), ("variables", Object([("page", Bare("page")), ("day", Text("{today}")), ("key", Text("${KEY}")), ("first", Plain(Number(5)))]))])))
    Get {bookingUrl} [("x-seen", "{_id}"), ("user-agent", "plays/1 (${KEY})")] [] None
    "#);
    assert_snapshot!(format!("{:?}\n{:?}\n{:?}", alternative.times, alternative.each, alternative.steps[1].rules.fields), @r#"
    [Time { name: "today", format: "%Y-%m-%d", zone: TimeZone(TZif("Asia/Jakarta")), offset: 0 }]
    Some(Each { name: "house", values: Captured, limit: 50 })
    [Field { name: "house", origin: Places(Places { candidates: ["$[*].id"], attr: None, anchor: None }), regex: None, parse: Text, many: Some(List), default: None }]
    "#);
    let details = alternative.details.as_ref().unwrap();
    assert_eq!((details.limit, details.rules.fields.len(), details.rules.items.is_none()), (5, 2, true));
    assert_eq!(spec.params[1].default.as_deref(), Some("1"));
}

#[test]
fn no_secret_is_shown_or_decides() {
    let with = |secret: &str| {
        let environment = |_: &str| Some(secret.to_owned());
        parse_sources("f", ALL, Defaults::default(), &environment).unwrap().remove(0).value
    };
    let (one, other) = (with("canary-of-one"), with("canary-of-other"));
    assert_eq!(one.rules, other.rules);
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
    assert!(!format!("{one:#?}").contains("canary"));
    let asks: Vec<_> = one.alternatives[0].asks().flat_map(Ask::templates).map(|text| text.fill(&Params::new())).collect();
    assert_eq!(asks.iter().filter(|filled| filled.is_secret()).count(), 7);
    assert!(asks.iter().all(|filled| !filled.to_string().contains("canary")));
    let source = |text: &str| {
        parse_sources("f", &text.replace("first = 5", "first = 6"), Defaults::default(), &|_| Some(String::new())).unwrap().remove(0)
    };
    assert_ne!(source(ALL).value.rules, one.rules);
}

#[test]
fn requests_hold_what_can_be_sent() {
    assert_snapshot!(told_with([
        "method = 'GET'\nbody = 'a'",
        "form = { a = 'b' }\nbody = 'a'",
        "method = 'PUT'",
        "headers = { 'X Y' = 'a' }",
        "headers = { Host = 'a', Cookie = 'b' }",
        "headers = { Accept = 'a', accept = 'b' }",
        "headers = { User-Agent = 'a' }\nuser_agent = 'b'",
        "user_agent = ' '",
        "headers = { X-Key = \"a\\nb\" }",
        "headers = { X-Key = '${NOPE}' }",
        "cookies = { 'a;b' = 'c', d = 'e;f' }",
        "json = { query = '{id}', geo = '${NOPE}' }",
        "body = '{name}'\nparams.nane.values = ['a']",
        "body = '${KEY'",
    ]), @r#"
    'GET'  a GET sends nothing
        leave `method` out: what sends something is a POST
    'a'  a request sends one thing
        keep one of `json`, `form` and `body`
    'PUT'  `PUT` is not known here
        did you mean `POST`?
    'X Y'  `X Y` is no name of a header
    Host  `Host` is not for a source to set
    Cookie  `Cookie` is not for a source to set
        cookies go into cookies = { name = "value" }
    accept  the header `accept` is given twice
        keep one of them: capitals make no difference
    'b'  `user_agent` and the header `User-Agent` mean the same
        keep one of them
    ' '  `user_agent` must not be empty
        leave it out to ask as the server does
    "a\nb"  this holds a character that a header cannot carry
        write it in one line
    ${NOPE}  the environment variable `NOPE` is not set
        set it before the server starts
    'a;b'  `a;b` is no name of a cookie
    'e;f'  this holds a character that a cookie cannot carry
        write it in one line
    {id}  `{id}` names nothing that is known here
        declare it: [source.cinema.params.id]; where braces are meant, write { id } with blanks
    {name}  `{name}` names nothing that is known here
        did you mean `{nane}`? Where braces are meant, write { name } with blanks
    ${  `${` is not closed by `}`
        write ${NAME}
    "#);
    // A body that begins under a header of its own is pointed into all the same.
    assert_snapshot!(refused_with("[source.cinema.json]\nsmall = 1\nquery = '''query {\n  films { id } {nope}\n}'''\n"), @"
    error: `{nope}` names nothing that is known here
      --> sources/cinema.toml:10:16
       |
    10 |   films { id } {nope}
       |                ^^^^^^
       = help: declare it: [source.cinema.params.nope]; where braces are meant, write { nope } with blanks
    ");
    for sound in
        ["json = { query = 'query { films { id name } }' }", "body = '{\"a\": {}}'", "form = { a = '{}', b = '{1}' }", "method = 'POST'"]
    {
        one_with(&format!("{sound}\n"));
    }
}

#[test]
fn an_address_is_not_left_to_readers() {
    let url = |text: &str| SOUND.replace("https://a.example/", text);
    let params = "params.page.pattern = '.*'\ntimes.today = {}\n";
    assert_snapshot!(told([
        format!("{}{params}", url("{page}")),
        format!("{}{params}", url("{today}.example")),
        format!("{}{params}", url("https://{page}:x/")),
        format!("{}{params}", url("https://{page}/list")),
        format!("{}{params}", url("https://www.{page}.example:80/")),
    ]), @r#"
    "{page}"  `{page}` cannot begin an address: readers would choose what is fetched
        write the host out, as in https://www.example.com/{page}
    "{today}.example"  `{today}` cannot begin an address: readers would choose what is fetched
        write the host out, as in https://www.example.com/{today}
    "https://{page}:x/"  `url` is no http address: invalid port number
        write it in full, as in https://www.example.com/list
    "https://{page}/list"  `{page}` takes any host: readers would choose what is fetched
        list what `page` takes by values = ["…"], or end the host in a domain: {page}.shops.example
    "https://www.{page}.example:80/"  `{page}` takes any host: readers would choose what is fetched
        list what `page` takes by values = ["…"], or end the host in a domain: {page}.shops.example
    "#);
    one(&format!("{}params.page.pattern = '[a-z]{{3}}'\n", url("https://{page}.example/")));
    one(&format!("{}params.page.values = ['foreign.example']\n", url("https://{page}/")));
    assert_eq!(one(&format!("{}{params}", url("https://{page}.films.example/{today}"))).alternatives[0].ask.url.names().count(), 2);
}

#[test]
fn steps_say_what_they_find() {
    let step = "[[source.cinema.steps]]\nurl = 'https://a.example/'\n";
    let steps = |lines: &[&str]| lines.iter().map(|lines| format!("{step}{lines}")).collect::<Vec<_>>().join("\n");
    assert_snapshot!(told_with([
        steps(&["capture.token = 'b'"]),
        steps(&["capture.token = { select = 'b', regex = 'c' }\nscript = 'script'"]),
        steps(&["format = 'text'\ncapture.token = 'b'"]),
        steps(&["capture.Token = { regex = 'b' }"]),
        steps(&["capture.token = { regex = 'b' }", "capture.token = { regex = 'b' }"]),
        format!("params.token.values = ['a']\n{}", steps(&["capture.token = { regex = 'b' }"])),
        steps(&["format = 'json'\ncapture.token = { items = '$', fields = { a = '$' } }"]),
        steps(&["capture.token = {}"]),
        steps(&["fields.token = 'b'"]),
        steps(&["format = 'json'\ncapture.day = { path = '$', all = true }", "headers = { X-Day = '{day}' }"]),
        steps(&["headers = { X-Token = '{token}' }", "capture.token = { regex = 'b' }"]),
        steps(&[""; 11]),
    ].iter().map(String::as_str)), @r#"
    [[source.cinema.steps]]  this step does not say what its body is read as
        add format = "html" or "json"; without a format captures are found by `regex` only
    [[source.cinema.steps]]  this step does not say what its body is read as
        add format = "html" or "json"; without a format captures are found by `regex` only
    'b'  plain text has no places to look at
        take it by a pattern: token = { regex = "…" }
    Token  `Token` is no name for a capture
        it takes a lower-case letter, then letters, digits and `_` (64 at most): it is written as {name}
    token  `token` is a capture already
        call it something else: {token} can mean one thing only
    token  `token` is a parameter already
        call it something else: {token} can mean one thing only
    token  a capture is a text or a list of texts
        take one part of it, with all = true for a list
    {}  `token` says nowhere to look
        add a place, as in select = "h2", or a default
    fields  unknown key `fields`
        did you mean `capture`?
    {day}  `{day}` names nothing that is known here
        it is a list: ask once for each of it by each = "day"
    {token}  `{token}` names nothing that is known here
        declare it: [source.cinema.params.token]; where braces are meant, write { token } with blanks
    [[source.cinema.steps]]  a source takes at most 10 steps
    "#);
    let hidden = steps(&["capture._a = { regex = 'a' }\ncapture.b = { compose = '{_a}!' }"]);
    assert_eq!(one_with(&hidden).alternatives[0].steps[0].rules.fields.len(), 2);
}

#[test]
fn what_is_asked_for_one_by_one_is_known() {
    let step = "\n[[source.cinema.steps]]\nurl = 'https://a.example/'\nformat = 'json'\ncapture.day = { path = '$', all = true }\ncapture.one = '$'";
    assert_snapshot!(told_with([
        "each = 'day'",
        &format!("each = 'one'{step}"),
        &format!("each = 'days'{step}"),
        &format!("each = {{ name = 'day', values = ['a'] }}{step}"),
        "each = { name = 'day', values = [] }",
        "each = { name = 'day', values = ['a'], days = 3 }",
        "each = { name = 'day', days = 0 }",
        "each = { name = 'day', days = 400 }",
        "each = { name = 'day', days = 3, limit = 0 }",
        "each = { name = 'day', days = 3, limit = 5000 }",
        "each = { name = 'day', days = 3, zone = 'Jakarta' }",
        "each = { name = 'day', days = 3, format = '%Y-%' }",
        "each = { name = 'day', values = ['a'], format = '%Y' }",
        "each = { name = 'Day', days = 3 }",
        "each = { name = 'day', days = 3 }\nparams.day.values = ['a']",
        "each = { days = 3 }",
        "each = 5",
        // Its place is not complained about as well.
        "each = 'date'\nheaders = { X-Day = '{date}' }",
        "each = { name = 'date', days = 3, zone = 'Mars' }\nheaders = { X-Day = '{date}' }",
    ]), @r#"
    'day'  no step captures a list called `day`
        write capture.day = { path = "…", all = true } in a step, or give `values` or `days`
    'one'  `one` is one value and no list
        add all = true to its capture: capture.one = { path = "…", all = true }
    'days'  no step captures a list called `days`
        did you mean `day`?
    'day'  `day` is a capture already
        call it something else: {day} can mean one thing only
    []  there is no value to ask for
        list at least one
    3  `values` and `days` both say what is asked for
        keep one of them
    0  `days` is a number from 1 to 366
        today counts as the first
    400  `days` is a number from 1 to 366
        today counts as the first
    0  `limit` is a number from 1 to 1000
        it says how many requests a refresh makes; without it, 3
    5000  `limit` is a number from 1 to 1000
        it says how many requests a refresh makes; without it, 3
    'Jakarta'  there is no time zone `Jakarta`
        did you mean `Asia/Jakarta`?
    '%Y-%'  nothing can be written in this format: strftime formatting failed: invalid format string, expected byte after `%`, but found end of format string
        write it as in "%Y-%m-%d" or "%d/%m/%Y %H:%M"; %% is a percent sign
    '%Y'  this says how days are written, and no `days` are asked for
        add days = 7
    'Day'  `Day` is no name for what is asked for by `each`
        it takes a lower-case letter, then letters, digits and `_` (64 at most): it is written as {name}
    'day'  `day` is a parameter already
        call it something else: {day} can mean one thing only
    { days = 3 }  `name` is missing here
    5  expected the name of a capture, or a table such as { name = "date", days = 7 }, not a whole number
    'date'  no step captures a list called `date`
        write capture.date = { path = "…", all = true } in a step, or give `values` or `days`
    'Mars'  there is no time zone `Mars`
        write its IANA name, as in `Asia/Jakarta` or `UTC`
    "#);
    let limit = |lines: &str| one_with(&format!("{lines}\n")).alternatives[0].each.as_ref().unwrap().limit;
    assert_eq!(
        [
            limit("each = { name = 'day', days = 90 }"),
            limit("each = { name = 'a', values = ['b'] }"),
            limit(&format!("each = 'day'{step}"))
        ],
        [90, 1, 50]
    );
}

#[test]
fn moments_are_written_in_formats_that_work() {
    assert_snapshot!(told_with([
        "times.Today = {}",
        "times.today = { format = '%Y-%m-%é' }",
        "times.today = { format = '' }",
        "times.today = { zone = 'Asia/Jakata' }",
        "times.today = { ahead = '1d', back = '2d' }",
        "times.today = { offset = '1d' }",
        "times.geo = {}\nparams.geo.values = ['a']",
    ]), @r#"
    Today  `Today` is no name for a time
        it takes a lower-case letter, then letters, digits and `_` (64 at most): it is written as {name}
    '%Y-%m-%é'  nothing can be written in this format: strftime formatting failed: found unrecognized specifier directive `\xC3`
        write it as in "%Y-%m-%d" or "%d/%m/%Y %H:%M"; %% is a percent sign
    ''  this format writes nothing
        write it as in "%Y-%m-%d"
    'Asia/Jakata'  there is no time zone `Asia/Jakata`
        did you mean `Asia/Jakarta`?
    '2d'  a moment is `ahead` or `back`
        keep one of them
    offset  unknown key `offset`
        did you mean `ahead`?
    geo  `geo` is a parameter already
        call it something else: {geo} can mean one thing only
    "#);
}

#[test]
fn details_join_what_they_say() {
    let details = |lines: &str| format!("details = {{ url = 'https://a.example/{{title}}', format = 'html', {lines} }}");
    assert_snapshot!(told_with([
        "details = { url = 'https://a.example/{slug}', format = 'html', fields = { a = 'p' } }",
        "details = { url = 'https://a.example/', fields = { a = 'p' } }",
        &details("fields = {}"),
        &details("fields = { a = 'p' }, limit = 0"),
        &details("fields = { a = 'p' }, script = 'script'"),
        &details("fields = { a = { compose = '{slug}' } }"),
        &details("fields = { a = { lookup = 'a', key = 'b', equals = 'c' } }"),
    ].into_iter()), @r#"
    'https://a.example/{slug}'  `{slug}` names nothing that is known here
        known here: title, img
    { url = 'https://a.example/', fields = { a = 'p' } }  `format` is missing here
    { url = 'https://a.example/{title}', format = 'html', fields = {} }  these details have no `fields`
        say what joins the item: fields = { summary = "p.intro" }
    0  `limit` is a number from 1 to 1000
        it says how many requests a refresh makes; without it, 50
    'script'  this says where in a page the JSON is, and the body is not read as JSON
        write format = "json"
    '{slug}'  `{slug}` names no field, parameter or capture
        known here: title, img
    'a'  only in JSON are rows looked up
        it needs format = "json"
    "#);
    // What JSON holds by itself may be called anything; and what the details give may be required.
    one(
        "[source.a]\nurl = 'https://a.example/'\nfresh_for = '1h'\nformat = 'json'\ndetails = { url = 'https://a.example/{anyThing}', format = 'html', fields = { a = 'p' } }\n",
    );
    one_with(&format!("{}\nexpect.required = ['a']\n", details("fields = { a = 'p' }")));
}
