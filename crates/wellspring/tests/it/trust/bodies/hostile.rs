//! Each hostile body, with rules that would find something in an honest one.

use std::io::Read as _;

use super::{Answer, Coding};

/// One of them.
pub(super) struct Hostile {
    pub(super) name: &'static str,
    /// Lines of the source that reads it.
    pub(super) rules: String,
    pub(super) answer: Answer,
}

/// What the largest body may be, about: those that are to be read stay below.
const LARGE: usize = 7 << 20;

const HTML: &str = "format = \"html\"\nitems = \"b\"\nfields = { never = \"u\" }";
const JSON: &str = "format = \"json\"\nfields = { never = \"$.never\" }";
const XML: &str = "format = \"xml\"\nitems = \"a\"\nfields = { never = \"never\" }";
const FEED: &str = "format = \"feed\"\nfields = { never = \"x:never\" }";
const CSV: &str = "format = \"csv\"\nfields = { never = \"never\" }";

fn one(name: &'static str, rules: &str, answer: Answer) -> Hostile {
    Hostile { name, rules: rules.to_owned(), answer }
}

pub(super) fn all() -> Vec<Hostile> {
    [on_the_wire(), of_markup(), of_data(), of_rules()].into_iter().flatten().collect()
}

/// What never reaches a worker, or should not.
fn on_the_wire() -> Vec<Hostile> {
    const SIZE: usize = 64 << 20;
    let mut window = zstd::Encoder::new(Vec::new(), 1).unwrap();
    window.window_log(27).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(SIZE as u64), &mut window).unwrap();
    let window = Answer::ok(window.finish().unwrap()).header("content-encoding", "zstd");
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n";
    vec![
        one("a bomb in gzip", HTML, Answer::bomb(Coding::Gzip, SIZE)),
        one("a bomb in deflate", HTML, Answer::bomb(Coding::Deflate, SIZE)),
        one("a bomb in brotli", HTML, Answer::bomb(Coding::Brotli, SIZE)),
        one("a bomb in zstd", HTML, Answer::bomb(Coding::Zstd, SIZE)),
        one("a bomb in zstd with the largest window", HTML, window),
        one("gzip in gzip", HTML, Answer::ok(vec![0; SIZE]).layered(&[Coding::Gzip, Coding::Gzip])),
        one("brotli in zstd in gzip", HTML, Answer::ok(vec![0; SIZE]).layered(&[Coding::Brotli, Coding::Zstd, Coding::Gzip])),
        one("chunks without end", HTML, Answer::endless()),
        one("a byte now and then", HTML, Answer::drip()),
        one("100,000 headers", HTML, Answer::raw(format!("{head}{}\r\n", "h: 1\r\n".repeat(100_000)))),
        one("a header of 16 MiB", HTML, Answer::raw(format!("{head}h: {}\r\n\r\n", "x".repeat(16 << 20)))),
        one("headers without end", HTML, Answer::flood("x: y\r\n".repeat(1_000))),
        one("a chunk's extension of 16 MiB", HTML, Answer::raw(format!("{chunked}1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(16 << 20)))),
        one("a million trailers", HTML, Answer::raw(format!("{chunked}3\r\n<b>\r\n0\r\n{}\r\n", "t: 1\r\n".repeat(1_000_000)))),
        one("a chunk larger than anything", HTML, Answer::raw(format!("{chunked}ffffffffffffffff\r\nx"))),
    ]
}

fn of_markup() -> Vec<Hostile> {
    let laughs = (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect::<Vec<String>>().concat();
    let laughs = format!("<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY l0 \"lol\">{laughs}]><r><a>&l9;</a></r>");
    let long = "x".repeat(100_000);
    let quadratic = format!("<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY l \"{long}\">]><r><a>{}</a></r>", "&l;".repeat(100_000));
    let outside = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY l SYSTEM \"file:///etc/passwd\">]><r><a>&l;</a></r>";
    let attributes = (0..600_000).map(|n| format!(" a{n}=1")).collect::<Vec<String>>().concat();
    let nested = |open: &str, count: usize| open.repeat(count);
    let cdata = format!("<rss version=\"2.0\"><channel><item><title><![CDATA[{}]]></title></item></channel></rss>", "x".repeat(LARGE));
    let entries = format!("<rss version=\"2.0\"><channel>{}</channel></rss>", "<item><title>a</title></item>".repeat(LARGE / 30));
    vec![
        one("200,000 nested tags", HTML, Answer::html(nested("<div>", 200_000))),
        one("formatting that is reopened", HTML, Answer::html(nested("<b></x>", LARGE / 7))),
        one("paragraphs in formatting", HTML, Answer::html(nested("<a href=1><font><p>", LARGE / 20))),
        one("600,000 attributes", HTML, Answer::html(format!("<b{attributes}>x</b>"))),
        one("a million siblings", HTML, Answer::html(nested("<b>", 1_000_000).replace("<b>", "<b>x</b>").split_off(LARGE / 7))),
        one("a comment that never ends", HTML, Answer::html(format!("<b>x</b><!--{}", "<!--".repeat(LARGE / 4)))),
        one("tables in tables", HTML, Answer::html(nested("<table><tr><td>", 100_000))),
        one("invalid UTF-8", HTML, Answer::html(vec![0xff; LARGE])),
        one("a billion laughs", XML, Answer::ok(laughs)),
        one("entities of quadratic size", XML, Answer::ok(quadratic)),
        one("an entity from outside", XML, Answer::ok(outside)),
        one("200,000 nested elements", XML, Answer::ok(nested("<a>", 200_000))),
        one("a feed of one huge CDATA", FEED, Answer::ok(cdata)),
        one("a feed of a quarter million entries", FEED, Answer::ok(entries)),
        one("a feed of 200,000 nested elements", FEED, Answer::ok(format!("<rss><channel><item>{}", nested("<a>", 200_000)))),
    ]
}

fn of_data() -> Vec<Hostile> {
    let million = (0..900_000).map(|n| format!("{n},")).collect::<Vec<String>>().concat();
    let keys = (0..700_000).map(|n| format!("\"{n}\":1,")).collect::<Vec<String>>().concat();
    let calendar = |events: String| Answer::ok(format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n"));
    let event = |n: usize, rule: &str| {
        format!("BEGIN:VEVENT\r\nUID:{n}\r\nDTSTART:20200101T000000Z\r\nRRULE:{rule}\r\nSUMMARY:x\r\nEND:VEVENT\r\n")
    };
    let ical = "format = \"ical\"\nahead = \"365d\"\nfields = { never = \"x-never\" }";
    let seconds = event(0, "FREQ=SECONDLY;INTERVAL=1");
    let never = event(0, "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=25;BYSETPOS=366");
    let crowd = (0..40_000).map(|n| event(n, "FREQ=MINUTELY;BYDAY=MO,TU;BYSETPOS=-1")).collect::<Vec<String>>().concat();
    let linked = format!("<script type=\"application/ld+json\">{}{}</script>", "{\"@graph\":[".repeat(100_000), "1");
    vec![
        one("JSON 100,000 deep", JSON, Answer::json("[".repeat(100_000))),
        one("JSON objects 100,000 deep", JSON, Answer::json("{\"a\":".repeat(100_000))),
        one("an array of millions", JSON, Answer::json(format!("[{}1]", "1,".repeat(LARGE / 2)))),
        one("a number of 7 MiB", JSON, Answer::json(format!("[{{\"never\":{}}}]", "9".repeat(LARGE)).replace("never", "other"))),
        one("a text of 7 MiB in escapes", JSON, Answer::json(format!("[{{\"a\":\"{}\"}}]", "\\u0000".repeat(LARGE / 6)))),
        one("an object of 700,000 keys", JSON, Answer::json(format!("[{{{keys}\"a\":1}}]"))),
        one("objects without number", JSON, Answer::json(format!("[{}{{}}]", "{},".repeat(LARGE / 3)))),
        one("JSON nearly right, all through", JSON, Answer::json(format!("[{}", "{a:'1',}/*".repeat(LARGE / 10)))),
        one("a million columns", CSV, Answer::ok(format!("{million}\n{}\n", ",".repeat(900_000)))),
        one("a quote that never closes", CSV, Answer::ok(format!("a,b\n\"{}", "x\"\"\n".repeat(LARGE / 5)))),
        one("millions of lines", CSV, Answer::ok("a\n".repeat(LARGE / 2))),
        one("an event each second", ical, calendar(seconds)),
        one("an event that never comes", ical, calendar(never)),
        one("40,000 events each minute", ical, calendar(crowd)),
        one("a folded line of 7 MiB", ical, calendar(format!("BEGIN:VEVENT\r\nSUMMARY:x\r\n{}END:VEVENT\r\n", " y\r\n".repeat(LARGE / 4)))),
        one("JSON-LD 100,000 deep", "format = \"jsonld\"\nfields = { never = \"$.never\" }", Answer::html(linked)),
        one(
            "a state that never closes",
            "format = \"json\"\nvariable = \"window.state\"\nfields = { never = \"$.never\" }",
            Answer::html(format!("<script>{}</script>", "window.state = {'a': [".repeat(LARGE / 22))),
        ),
    ]
}

/// Honest rules that are worst on such a body.
fn of_rules() -> Vec<Hostile> {
    let deep = format!("{}{}", "<div class=a>".repeat(400), "<i class=a>x</i>".repeat(LARGE / 20));
    let selector = "format = \"html\"\nitems = \".a .a .a .a .a .a .a .a .a:has(~ .a ~ .b)\"\nfields = { never = \"u\" }";
    let nesting = "format = \"text\"\nitems = '(?:(?:a|a)*)*b'\nfields = { never = { regex = '((a+)+)+z' } }";
    let counted = "format = \"text\"\nitems = '(?:a{1,99}){1,9}$'\nfields = { never = { regex = 'z' } }";
    let looping = "format = \"json\"\ntransform = 'def f: if length > 0 then f else . end; f'\nfields = { never = \"$.never\" }";
    let growing = "format = \"json\"\ntransform = 'until(false; . + .)'\nfields = { never = \"$.never\" }";
    let paired = "format = \"json\"\ntransform = '[.[] as $a | .[] as $b | .[] as $c | [$a, $b, $c]]'";
    vec![
        one("a selector's worst page", selector, Answer::html(deep)),
        one("a pattern's worst text", nesting, Answer::ok("a".repeat(LARGE)).header("content-type", "text/plain")),
        one("a pattern that begins everywhere", counted, Answer::ok("a".repeat(LARGE) + "b").header("content-type", "text/plain")),
        one("a transform that never ends on it", looping, Answer::json("[{\"a\":1}]")),
        one("a transform that doubles it", growing, Answer::json("[{\"a\":1}]")),
        one("a transform that multiplies it", paired, Answer::json(format!("[{}{{}}]", "{},".repeat(5_000)))),
    ]
}
