//! A canary in every place that takes a secret, and every way to fail: nothing that anybody reads repeats it.

use std::fmt::Write as _;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use http::Method;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::app::{Builder, TestApp};
use crate::support::client::Reply;
use crate::support::origin::{Answer, Coding, Origin};
use crate::support::program;
use crate::trust::judge;

/// What every secret begins with, so that all of them are found at once.
const CANARY: &str = "Cnry7Qx9Wz";
/// What stands in each, so that it is written differently in an address, in JSON, in a form.
const ODD: &str = "\"+&/";
/// The places of a source that take one.
const SLOTS: [&str; 9] = ["QUERY", "PATH", "HEADER", "COOKIE", "JSON", "FORM", "BODY", "STEP", "PROXY"];

fn canary(slot: &str) -> String {
    // What stands in the user's part of an address, or as a name in it, cannot be odd.
    if matches!(slot, "PROXY" | "HOST" | "STORE") { format!("{CANARY}{slot}") } else { format!("{CANARY}{slot}{ODD}") }
}

/// Everything that the process logs while it is asked to.
struct Log {
    on: AtomicBool,
    text: Mutex<Vec<u8>>,
}

static LOG: Log = Log { on: AtomicBool::new(false), text: Mutex::new(Vec::new()) };

impl io::Write for &Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.on.load(Ordering::Relaxed) {
            self.text.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Logs;

impl<'a> MakeWriter<'a> for Logs {
    type Writer = &'static Log;

    fn make_writer(&'a self) -> &'static Log {
        &LOG
    }
}

/// All that was said, by whom.
#[derive(Default)]
struct Heard(Vec<(String, Vec<u8>)>);

impl Heard {
    fn note(&mut self, by: impl Into<String>, what: impl Into<Vec<u8>>) {
        self.0.push((by.into(), what.into()));
    }

    fn reply(&mut self, by: &str, reply: &Reply) {
        self.note(by, format!("{} {:?}\n{}", reply.status, reply.headers, String::from_utf8_lossy(&reply.body)));
    }

    /// Where a canary is seen, however it is written.
    fn sightings(&self) -> Vec<String> {
        let wanted = forms();
        let mut seen = Vec::new();
        for (by, what) in &self.0 {
            let text = what.to_ascii_lowercase();
            for form in &wanted {
                if let Some(at) = text.windows(form.len()).position(|window| window == form.to_ascii_lowercase().as_bytes()) {
                    let around = &what[at.saturating_sub(160)..(at + 60).min(what.len())];
                    seen.push(format!("{by}: {}", String::from_utf8_lossy(around)));
                }
            }
        }
        seen
    }
}

/// The canary in plain, percent-encoded, as hexadecimal digits, escaped for JSON, backward, and in base64 wherever it begins.
fn forms() -> Vec<String> {
    let each = |write: fn(u8) -> String| CANARY.bytes().map(write).collect::<String>();
    let mut forms = vec![CANARY.to_owned(), CANARY.chars().rev().collect(), each(|b| format!("%{b:02x}")), each(|b| format!("{b:02x}"))];
    forms.push(each(|b| format!("\\u{b:04x}")));
    forms.extend((0..3).map(|before| {
        let encoded = base64(&[&vec![b' '; before][..], CANARY.as_bytes()].concat());
        // The first and the last digits hold bits of what stands around it.
        encoded[[0, 2, 3][before]..encoded.len() - 4].to_owned()
    }));
    forms
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().chain(&[0, 0]).take(3).fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        for digit in 0..4 {
            text.push(if digit <= three.len() { char::from(DIGITS[number >> (18 - 6 * digit) & 63]) } else { '=' });
        }
    }
    text
}

/// What an upstream that means ill, or only well, says back: each secret, in whatever way.
fn echo() -> String {
    let mut all = String::new();
    for slot in SLOTS {
        let secret = canary(slot);
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let quoted = serde_json::Value::from(secret.as_str());
        write!(all, "{secret} {encoded} {quoted} ").unwrap();
    }
    all
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Ways to fail: a name, what the upstream answers, and in which format it is read by which lines.
fn faults(origin: &Origin) -> Vec<(&'static str, Answer, String)> {
    let echo = echo();
    let json = "format = \"json\"\nitems = \"$.rows[*]\"\nfields = { title = \"$.title\" }\nexpect = { required = [\"title\"] }".to_owned();
    let reads = |format: &str, rest: &str| format!("format = \"{format}\"\n{rest}");
    let told = canary("HOST");
    let host = format!("http://{told}.invalid/");
    let rows = |row: &str| Answer::json(format!("{{\"rows\":[{row}]}}"));
    let mut all: Vec<(&str, Answer, String)> = Vec::new();
    for (name, status) in
        [("s400", 400), ("s401", 401), ("s403", 403), ("s404", 404), ("s407", 407), ("s418", 418), ("s429", 429), ("s500", 500)]
    {
        all.push((name, Answer::html(echo.clone()).with_status(status).header("x-echo", canary("HEADER")), json.clone()));
    }
    all.extend([
        ("to_host", Answer::redirect(302, host), json.clone()),
        ("to_ftp", Answer::redirect(302, format!("ftp://{told}@x/{told}")), json.clone()),
        ("to_port", Answer::redirect(302, format!("http://127.0.0.1:1/{told}?{told}")), json.clone()),
        ("to_user", Answer::redirect(302, format!("http://{told}:{told}@127.0.0.1:1/")), json.clone()),
        ("to_itself", Answer::redirect(302, origin.url(&format!("/to_itself?{told}"))), json.clone()),
        ("to_nowhere", Answer::redirect(302, format!("http://[{told}")), json.clone()),
        ("garbage", Answer::json(echo.clone()), json.clone()),
        ("no_rows", Answer::json(format!("{{{}: 1}}", quoted(&echo))), json.clone()),
        ("no_title", rows(&format!("{{\"other\": {}}}", quoted(&echo))), json.clone()),
        ("no_number", rows(&format!("{{\"title\": {}}}", quoted(&echo))), reads(
            "json",
            "items = \"$.rows[*]\"\nfields = { title = { path = \"$.title\", parse = \"number\" } }\nexpect = { required = [\"title\"] }",
        )),
        ("no_date", rows(&format!("{{\"title\": {}}}", quoted(&echo))), reads(
            "json",
            "items = \"$.rows[*]\"\nfields = { title = { path = \"$.title\", parse = \"date\" } }\nexpect = { required = [\"title\"] }",
        )),
        ("jq_error", rows(&format!("{{\"title\": {}}}", quoted(&echo))), json.clone() + "\ntransform = \"error(.[0].title)\""),
        ("jq_type", rows(&format!("{{\"title\": {}}}", quoted(&echo))), json.clone() + "\ntransform = \".[0].title + 1\""),
        ("html", Answer::html(format!("<title>{echo}</title><p>{echo}")), reads("html", "items = \"li\"\nfields = { title = \"a\" }")),
        ("feed", Answer::ok(format!("<rss><{echo}")).header("content-type", "text/xml"), reads("feed", "")),
        ("xml", Answer::ok(format!("<a><b>{echo}</c></a>")).header("content-type", "text/xml"), reads("xml", "items = \"//b\"\nfields = { title = \"c\" }")),
        ("ical", Answer::ok(format!("BEGIN:{echo}")).header("content-type", "text/calendar"), reads("ical", "")),
        ("csv", Answer::ok(format!("a,b\n\"{echo}")).header("content-type", "text/csv"), reads("csv", "expect = { required = [\"c\"] }\nfields = { c = \"c\" }")),
        ("jsonld", Answer::html(format!("<script type='application/ld+json'>{{{echo}</script>")), reads("jsonld", "items = \"Movie\"\nfields = { title = \"$.name\" }")),
        ("raw", Answer::raw(format!("HTTP/1.1 {echo}\r\n{echo}: {echo}\r\n\r\n")), json.clone()),
        ("charset", Answer::ok(echo.clone()).header("content-type", format!("application/json; charset={told}")), json.clone()),
        ("truncated", Answer::json(echo.clone()).truncated(), json.clone()),
        ("reset", Answer::json(echo.clone()).reset(), json.clone()),
        ("closed", Answer::close(), json.clone()),
        ("endless", Answer::endless(), json.clone()),
        ("hang", Answer::hang(), json.clone()),
        ("bomb", Answer::bomb(Coding::Gzip, 4 << 20), json.clone()),
        ("no_gzip", Answer::json(echo.clone()).header("content-encoding", "gzip"), json),
    ]);
    all
}

/// A source of which every place that takes a secret has one.
fn source(name: &str, base: &str, body: &str, lines: &str) -> String {
    format!(
        "[source.{name}]\nurl = \"{base}/{name}/${{PATH}}?key=${{QUERY}}&pass=${{QUERY}}\"\nfresh_for = \"1h\"\nmin_interval = \"0s\"\nwarm = false\ntimeout = \"2s\"\ndeadline = \"4s\"\n\
         max_body = \"64KiB\"\nheaders = {{ Authorization = \"Bearer ${{HEADER}}\", X-Api-Key = \"{CANARY}literal\", X-Host = \"${{HOST}}\" }}\ncookies = {{ session = \"${{COOKIE}}\" }}\n{body}\n{lines}\n"
    )
}

const BODIES: [&str; 3] =
    ["json = { key = \"${JSON}\", list = [\"x${JSON}y\"] }", "form = { key = \"${FORM}\" }", "body = \"key=${BODY}\""];

struct Lab {
    _origin: Origin,
    builder: Builder,
    names: Vec<String>,
}

async fn lab() -> Lab {
    let origin = Origin::start().await;
    let mut builder = Builder::new().with_server("admin_token = \"${TOKEN}\"\naccess_log = false");
    let mut names = Vec::new();
    let mut add = |builder: Builder, name: &str, toml: String| {
        names.push(name.to_owned());
        builder.with_source(&toml)
    };
    for (index, (name, answer, lines)) in faults(&origin).into_iter().enumerate() {
        for path in [format!("/{name}"), target(name)] {
            origin.script(&path, answer.clone());
        }
        builder = add(builder, name, source(name, &origin.url(""), BODIES[index % BODIES.len()], &lines));
    }
    let json = "format = \"json\"\nitems = \"$.rows[*]\"";
    // Ways that need no answer.
    for (name, base, lines) in [
        ("no_port", "http://127.0.0.1:1".to_owned(), json.to_owned()),
        ("no_host", "http://${HOST}.invalid".to_owned(), json.to_owned()),
        ("no_tls", origin.url("").replace("http:", "https:"), json.to_owned()),
        ("proxy", origin.url(""), format!("{json}\nproxy = \"http://${{PROXY}}:${{PROXY}}@127.0.0.1:1\"")),
        ("proxy_says_no", origin.url(""), format!("{json}\nproxy = \"http://u:{CANARY}literal@127.0.0.1:1\"")),
        (
            "page",
            origin.url(""),
            "format = \"html\"\nitems = \"li\"\nfields = { title = \"a\" }\nrender = \"never\"\nexpect = { min_items = 5 }".to_owned(),
        ),
    ] {
        builder = add(builder, name, source(name, &base, "", &lines));
    }
    let step = format!(
        "[source.stepped]\nurl = \"{}/{{link}}\"\nfresh_for = \"1h\"\nwarm = false\nmin_interval = \"0s\"\n{json}\n[[source.stepped.steps]]\nname = \"first\"\n\
         url = \"{}/first?key=${{STEP}}\"\nheaders = {{ X-Key = \"${{STEP}}\" }}\nformat = \"json\"\ncapture = {{ link = \"$.link\" }}\n",
        origin.url(""),
        origin.url("")
    );
    origin.script("/first", Answer::json(format!("{{\"link\":{}}}", quoted(&canary("STEP")))));
    let hook = format!(
        "\n[[notify]]\nname = \"hook\"\nurl = \"{}/hook?key=${{HOOK}}\"\nafter = 1\nheaders = {{ X-Key = \"${{HOOK}}\" }}\ntemplate = '{{\"text\": \"{{source}} {{message}}\"}}'\nkind = \"json\"\n",
        origin.url("")
    );
    builder = add(builder, "stepped", step).with_source(&hook);
    for slot in SLOTS.iter().chain(&["TOKEN", "HOST", "HOOK"]) {
        builder = builder.with_variable(slot, &canary(slot));
    }
    Lab { _origin: origin, builder, names }
}

/// The path of a source's requests as they arrive.
fn target(name: &str) -> String {
    format!("/{name}/{}", canary("PATH").replace('"', "%22"))
}

async fn ask(app: &TestApp, heard: &mut Heard, method: Method, path: &str, headers: &[(&str, &str)]) {
    let reply = app.send(method.clone(), path, headers).await;
    heard.reply(&format!("{method} {path}"), &reply);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_secret_is_told_whatever_fails() {
    // Of other crates the program never tells more than warnings, and has no setting for it.
    let filter = tracing_subscriber::EnvFilter::new("warn,wellspring=trace,wellspring_core=trace,wellspring_extract=trace");
    let _other = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Logs).try_init();
    LOG.on.store(true, Ordering::Relaxed);
    let Lab { _origin, builder, names } = lab().await;
    let app = builder.start().await;
    let mut heard = Heard::default();
    let bearer = format!("Bearer {}", canary("TOKEN"));
    let html = [("accept", "text/html")];
    let (mut failed, mut codes) = (0, std::collections::BTreeSet::new());
    for name in &names {
        ask(&app, &mut heard, Method::POST, &format!("/api/{name}/refresh"), &[("authorization", &bearer)]).await;
        ask(&app, &mut heard, Method::POST, &format!("/api/{name}/refresh"), &[("authorization", "Bearer wrong")]).await;
        for path in [format!("/api/{name}"), format!("/api/{name}/status"), format!("/api/{name}/history"), format!("/api/{name}.csv")] {
            ask(&app, &mut heard, Method::GET, &path, &[]).await;
        }
        ask(&app, &mut heard, Method::GET, &format!("/sources/{name}"), &html).await;
        let status = app.status(name).await;
        let attempt = &status["recent"][0];
        failed += usize::from(attempt["outcome"] != "stored");
        codes.insert(attempt["outcome"].to_string());
    }
    for path in ["/", "/api", "/ready", "/metrics", "/openapi.json", "/docs", "/demo", "/nowhere"] {
        ask(&app, &mut heard, Method::GET, path, &html).await;
        ask(&app, &mut heard, Method::GET, path, &[]).await;
    }
    app.stop().await;
    LOG.on.store(false, Ordering::Relaxed);
    let log = std::mem::take(&mut *LOG.text.lock().unwrap_or_else(PoisonError::into_inner));
    assert!(log.len() > 2_000, "everything is logged: {}", String::from_utf8_lossy(&log));
    for line in log.split(|byte| *byte == b'\n') {
        heard.note("log", line);
    }
    assert!(failed >= 30, "{failed} failures: {codes:?}");
    let seen = heard.sightings();
    for sighting in &seen {
        program::tell(sighting);
    }
    let figure = format!("{} in {} texts about {failed} failures of {} kinds", seen.len(), heard.0.len(), codes.len());
    judge("T10", "sightings of secrets", &figure, "0", seen.is_empty());
}

#[test]
fn what_is_looked_for_is_found() {
    for form in [
        canary("HEADER"),
        canary("HEADER").to_uppercase(),
        base64(canary("QUERY").as_bytes()),
        base64(format!("u:{}", canary("QUERY")).as_bytes()),
        base64(format!("us:{}", canary("QUERY")).as_bytes()),
        canary("PATH").bytes().map(|b| format!("%{b:02X}")).collect::<Vec<_>>().concat(),
    ] {
        let mut heard = Heard::default();
        heard.note("x", format!("before {form} after"));
        assert_eq!(heard.sightings().len(), 1, "{form}");
    }
    assert_eq!(base64(b"Many hands"), "TWFueSBoYW5kcw==");
}

/// The program with every secret in its environment; its exit code and all that it said.
fn run(folder: &std::path::Path, args: &[&str]) -> (Option<i32>, Vec<u8>) {
    let mut command = program::command(folder);
    for slot in SLOTS.iter().chain(&["TOKEN", "HOST", "HOOK", "STORE"]) {
        command.env(slot, canary(slot));
    }
    let output = program::output(command.args(args));
    (output.status.code(), [output.stdout, output.stderr].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tells_no_secret() {
    let Lab { _origin, builder, names } = lab().await;
    let folder = tempfile::tempdir().unwrap();
    program::write_config(folder.path(), &builder.toml());
    let mut heard = Heard::default();
    let folder = folder.path().to_owned();
    let heard = tokio::task::block_in_place(move || {
        let told = |heard: &mut Heard, args: &[&str]| {
            let (code, said) = run(&folder, args);
            assert!(args[0] != "check" || matches!(code, Some(0 | 1)), "{args:?}: {code:?} {}", String::from_utf8_lossy(&said));
            heard.note(args.join(" "), said);
        };
        for name in names.iter().filter(|name| !matches!(name.as_str(), "hang" | "endless")) {
            told(&mut heard, &["check", name]);
            told(&mut heard, &["check", name, "--json"]);
        }
        for args in [&["doctor"][..], &["schema"], &["status"], &["notify"], &["refresh", "s400"], &["check", "--save", "saved"]] {
            told(&mut heard, args);
        }
        for file in walk(&folder.join("saved")) {
            heard.note(format!("saved {}", file.display()), std::fs::read(&file).unwrap());
        }
        // Configs that are wrong where a secret stands, or beside it.
        let wrong = [
            "[server]\nlisten = \"${TOKEN}\"",
            "[server]\nadmin_token = \"${TOKEN} x\"",
            "[server]\nadmin_token = \"${TOKEN}\\u0007\"",
            "[server]\ntokn = \"${TOKEN}\"",
            "[store]\nurl = \"redis://user:${STORE}@/0\"",
            "[store]\nurl = \"${STORE}\"",
            "[fetch]\nproxy = \"${PROXY}\"",
            "[fetch]\nproxy = \"ftp://u:${PROXY}@x/\"",
            "[fetch]\nuser_agent = \"${HEADER}\\n\"",
            "[[notify]]\nurl = \"${HOOK}\"",
            "[[notify]]\nurl = \"ftp://${HOOK}\"",
            "[[notify]]\nurl = \"http://127.0.0.1:1\"\nheaders = { X = \"${HOOK}\\n\" }",
            "[source.a]\nurl = \"${PATH}\"\nfresh_for = \"1h\"",
            "[source.a]\nurl = \"http://x.example/${QUERY}\"\nfresh_for = \"1h\"\nheaders = { X = \"${HEADER}\\n\" }",
            "[source.a]\nurl = \"http://x.example/${QUERY}\"\nfresh_for = \"1h\"\nheaders = { \"${HEADER}\" = \"x\" }",
            "[source.a]\nurl = \"http://x.example/${QUERY}\"\nfresh_for = \"1h\"\ncookies = { \"a b\" = \"${COOKIE};\" }",
            "[source.a]\nurl = \"http://x.example/${QUERY}{place}\"\nfresh_for = \"1h\"",
            "[source.a]\nurl = \"http://${HOST}:x/\"\nfresh_for = \"1h\"",
            "[source.a]\nurl = \"http://x.example/${QUERY}\"\nfresh_for = \"1h\"\nproxy = \"${PROXY}\"",
            "[source.a]\nurl = \"${QUERY}\nfresh_for",
            "[source.a]\nurl = \"http://x.example/${QUERY}\"\nfresh_for = \"1h\"\nbody = \"${BODY}\"\njson = { a = \"${JSON}\" }",
        ];
        for toml in wrong {
            program::write_config(&folder, toml);
            for args in [&["check"][..], &["doctor"], &["serve"], &["status"]] {
                let (code, said) = run(&folder, args);
                assert!(code != Some(0) || args[0] == "doctor", "{toml}: {}", String::from_utf8_lossy(&said));
                heard.note(format!("{} of {toml}", args[0]), said);
            }
        }
        heard
    });
    let seen = heard.sightings();
    for sighting in &seen {
        program::tell(sighting);
    }
    judge("T10", "sightings on the command line", &format!("{} in {} outputs", seen.len(), heard.0.len()), "0", seen.is_empty());
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .flat_map(|entry| entry.map(|entry| entry.path()))
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}
