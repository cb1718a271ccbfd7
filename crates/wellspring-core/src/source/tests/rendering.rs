//! Pages that a browser renders.

use insta::assert_snapshot;

use super::*;

const JSON: &str = "[source.a]\nurl = 'https://a.example/'\nfresh_for = '1h'\nformat = 'json'\n";

fn told_of_json<'t>(lines: impl IntoIterator<Item = &'t str>) -> String {
    told_of("json", lines)
}

fn page_of(text: &str) -> String {
    let alternative = one(text).alternatives.remove(0);
    let places: Vec<&str> = alternative.page_selectors.iter().map(|at| &text[at.span.clone()]).collect();
    format!("{:?} {:?}\n{}", alternative.render, alternative.page, places.join(" "))
}

#[test]
fn what_a_browser_does_is_read() {
    let all = format!("{SOUND}render = 'always'\nwait_for = 'ul > li'\nscroll = 50\nclick = ['#ok', 'button']\n");
    assert_snapshot!(page_of(&all), @r##"
    Always Page { click: ["#ok", "button"], scroll: 50, wait_for: Some("ul > li"), expects: Some("li"), capture: None }
    '#ok' 'button' 'ul > li'
    "##);
    assert_snapshot!(page_of(&format!("{SOUND}render = 'auto'\nclick = '#ok'\n")), @r##"
    Auto Page { click: ["#ok"], scroll: 0, wait_for: None, expects: Some("li"), capture: None }
    '#ok'
    "##);
    assert_snapshot!(page_of(&format!("{JSON}render = 'always'\ncapture = '**/api/list*'\nwait_for = 'li'\n")), @r#"
    Always Page { click: [], scroll: 0, wait_for: Some("li"), expects: None, capture: Some("**/api/list*") }
    'li'
    "#);
    // A secret in an address or a header goes where the address leads, by a browser too.
    let secret = SOUND.replace("https://a.example/", "https://a.example/?key=${KEY}");
    assert_eq!(page_of(&format!("{secret}headers.X-Key = '${{KEY}}'\nrender = 'always'\n")).lines().count(), 1);
    for page in ["html'\nitems = 'li'\nfields = { a = 'a' }", "jsonld'", "json'\nscript = 'script'", "json'\nvariable = 'a'"] {
        for render in ["auto", "always"] {
            one(&format!("[source.a]\nurl = 'https://a.example/'\nfresh_for = '1h'\nrender = '{render}'\nformat = '{page}\n"));
        }
    }
}

#[test]
fn what_is_said_of_rendered_pages_needs_some() {
    assert_snapshot!(told_with(["wait_for = 'li'", "render = 'never'\nclick = 'a'\nscroll = 1"]), @r#"
    'li'  `wait_for` is for pages that a browser renders, and none is rendered here
        add render = "auto" (a browser where plain HTTP does not give the items) or render = "always"
    'a'  `click` is for pages that a browser renders, and none is rendered here
        add render = "auto" (a browser where plain HTTP does not give the items) or render = "always"
    1  `scroll` is for pages that a browser renders, and none is rendered here
        add render = "auto" (a browser where plain HTTP does not give the items) or render = "always"
    "#);
    assert_snapshot!(told_of_json(["capture = '**/list'"]), @r#"
    '**/list'  `capture` is for pages that a browser renders, and none is rendered here
        add render = "always"
    "#);
    let from = "[[source.cinema.from]]\nurl = 'https://b.example/'\n";
    let several = |own: &str, first: &str, second: &str| {
        format!("{}{own}\n{from}{first}\n{from}{second}\n", SOUND.replace("url = \"https://a.example/\"\n", ""))
    };
    // What stands on the source is for whoever renders.
    one(&several("wait_for = 'li'", "render = 'always'", "render = 'never'"));
    let spec = one(&several("render = 'auto'\nscroll = 2", "", "render = 'never'"));
    assert_eq!(spec.alternatives.iter().map(|a| a.page.scroll).collect::<Vec<_>>(), [2, 0]);
    assert_snapshot!(told([
        several("wait_for = 'li'", "", "render = 'never'"),
        several("render = 'auto'", "wait_for = 'a'", "wait_for = 'b'\nrender = 'never'"),
    ]), @r#"
    'li'  `wait_for` is for pages that a browser renders, and none is rendered here
        add render = "auto" (a browser where plain HTTP does not give the items) or render = "always"
    'b'  `wait_for` is for pages that a browser renders, and none is rendered here
        add render = "auto" (a browser where plain HTTP does not give the items) or render = "always"
    "#);
}

#[test]
fn what_a_browser_does_can_be_done() {
    assert_snapshot!(told_with([
        "render = 'auto'\nwait_for = ' '",
        "render = 'auto'\nclick = ''",
        "render = 'auto'\nclick = []",
        "render = 'auto'\nclick = ['a', '']",
        "render = 'auto'\nclick = { a = 'b' }",
        "render = 'auto'\nscroll = 0",
        "render = 'auto'\nscroll = 51",
        "render = 'auto'\nscroll = true",
        "render = 'sometimes'",
        "render = 'auto'\nwait_for = '${KEY}'",
        "render = 'auto'\nwaitfor = 'a'",
    ]), @r#"
    ' '  `wait_for` must not be empty
        write a CSS selector, as in wait_for = "ul.list > li"
    ''  `click` must not be empty
        write a CSS selector, as in click = "ul.list > li"
    []  `click` lists nothing
        name what is clicked, as in click = "button.more"
    ''  `click` must not be empty
        write a CSS selector, as in click = "ul.list > li"
    { a = 'b' }  expected a CSS selector or a list of them, not a table
    0  `scroll` is a number from 1 to 50
        it says how often the page is scrolled to its end, for lists that grow; leave it out for one that does not
    51  `scroll` is a number from 1 to 50
        it says how often the page is scrolled to its end, for lists that grow; leave it out for one that does not
    true  expected a whole number from 0 up, not true or false
    'sometimes'  `sometimes` is not known here
        it is one of: never, auto, always
    '${KEY}'  `${…}` is not read in `wait_for`
        variables of the environment are read in admin_token, body, cookies, form, headers, json, listen, own, proxy, replica, url, user_agent
    waitfor  unknown key `waitfor`
        did you mean `wait_for`?
    "#);
}

#[test]
fn a_browser_opens_pages_and_sends_nothing() {
    assert_snapshot!(told_with([
        "render = 'always'\nmethod = 'POST'",
        "render = 'auto'\njson = { a = 1 }",
        "render = 'auto'\nmethod = 'POST'\nform = { a = 'b' }",
        "render = 'auto'\nbody = 'a'",
        "render = 'auto'\nform = {}",
    ]), @r#"
    'POST'  a browser opens a page by a GET, which sends nothing
        leave `render` out, or write render = "never" where others render: plain HTTP sends it
    { a = 1 }  a browser opens a page by a GET, which sends nothing
        leave `render` out, or write render = "never" where others render: plain HTTP sends it
    a  a browser opens a page by a GET, which sends nothing
        leave `render` out, or write render = "never" where others render: plain HTTP sends it
    'a'  a browser opens a page by a GET, which sends nothing
        leave `render` out, or write render = "never" where others render: plain HTTP sends it
    'auto'  a browser opens a page by a GET, which sends nothing
        leave `render` out, or write render = "never" where others render: plain HTTP sends it
    "#);
    one_with("render = 'auto'\nmethod = 'GET'\nsteps = [{ url = 'https://a.example/', form = { a = 'b' } }]\n");
}

#[test]
fn what_is_rendered_is_a_page() {
    for format in ["feed", "ical", "csv", "xml", "text", "json"] {
        let lines = match format {
            "xml" => "items = 'a'\nfields.a = 'a'\nrender = 'auto'",
            "text" => "fields.a.regex = 'a'\nrender = 'always'",
            _ => "render = 'auto'",
        };
        let told = told_of(format, [lines]);
        assert_eq!(told.lines().count(), 2, "{told}");
    }
    assert_snapshot!(told_of("feed", ["render = 'auto'"]), @r#"
    'auto'  a browser renders pages, and a feed is none
        leave `render` out, or write render = "never" where others render: plain HTTP reads it
    "#);
    assert_snapshot!(told_of_json(["render = 'always'"]), @r#"
    'always'  a browser shows JSON as a page, from which it is not read
        leave `render` out: plain HTTP reads JSON; or name the JSON that a page loads: render = "always" and capture = "**/api/list*"
    "#);
}

#[test]
fn what_is_captured_is_json_that_scripts_load() {
    assert_snapshot!(told_of_json([
        "render = 'auto'\ncapture = '**/list'",
        "render = 'always'\ncapture = ''",
        "render = 'always'\ncapture = '**/list'\nscript = 'script'",
        "render = 'always'\ncapture = ['**/list']",
        "render = 'always'\ncapture = '**/{city}/list'\nparams.city.values = ['a']",
    ]), @r#"
    '**/list'  `capture` takes what a page's scripts load, and plain HTTP, which is tried first, runs none
        write render = "always"
    ''  `capture` must not be empty
        write a pattern of addresses, as in "**/api/list*": ** stands for anything, * for anything but a slash
    'script'  this says where in a page the JSON is, and `capture` takes JSON in place of the page
        keep one of them
    ['**/list']  expected a string, not a list
    {city}  `{city}` is not filled in here
        write * in its place: it stands for anything but a slash
    "#);
    assert_snapshot!(told_with(["render = 'always'\ncapture = '**/list'"]), @r#"
    '**/list'  what `capture` takes is JSON, and the body is not read as JSON
        write format = "json", with JSONPath in `items` and `fields`
    "#);
    let long = told_of_json([format!("render = 'always'\ncapture = '{}'", "é*".repeat(100_000)).as_str()]);
    assert!(long.contains("this pattern is too long"));
    // It fits no address, and braces that name nothing are just braces.
    one(&format!("{JSON}render = 'always'\ncapture = 'list{{1}}'\n"));
}
