//! Renders pages in this machine's browser and tells what that takes, for `cargo xtask bench render`.
//!
//! Usage: renders LAUNCHER, where the launcher is the program `wellspring`. Prints one JSON object. The pages come from this process
//! itself, which stands for the server, so what they take in memory is counted too.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that fails panics")]

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wellspring::clock::{Clock as _, SystemClock};
use wellspring::config::find_browser;
use wellspring::fetch::browser::{Browser, Options};
use wellspring::fetch::guard::Guard;
use wellspring::fetch::http::USER_AGENT;
use wellspring::fetch::{FetchError, Rendered, Request};
use wellspring::lifecycle;
use wellspring_core::snapshot::Validator;
use wellspring_core::source::Page;
use wellspring_core::template::Filled;

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../tests/it/browser/census/processes.rs"]
mod processes;

use processes::{held_by, main_of, of, zombies_of};

const LATE: &str = "setTimeout(() => { document.querySelector('ul').innerHTML = '<li>One</li><li>Two</li>' }, 800)";
const HEAVY: &str = "const ul = document.querySelector('ul'); for (let i = 0; i < 3000; i++) {
  const li = document.createElement('li'); li.className = 'item';
  li.innerHTML = `<h2>Film ${i}</h2><a href='/film/${i}'><span>Screen ${i % 9}</span></a><p>${'words '.repeat(12)}</p>`; ul.append(li) }
  ul.dataset.done = table.filter((part, i) => i % 10 === 0 && part(i, i)).length";
/// Kinds of greed: buffers outside of the script's heap, its heap, and the document.
const BOMBS: [(&str, &str); 3] = [
    ("buffers", "const all = []; setInterval(() => all.push(new Uint8Array(16 << 20).fill(7)), 1)"),
    ("objects", "const all = []; setInterval(() => { for (let i = 0; i < 2e5; i++) all.push({ i, s: 'x' + i }) }, 1)"),
    (
        "document",
        "setInterval(() => { const d = document.createElement('div'); d.innerHTML = '<p>word <b>word</b></p>'.repeat(2e4);
      document.body.append(d) }, 1)",
    ),
];
const HANGS: &str = "for (;;);";
const STUCK: &str = "fetch('/never')";

/// A browser and the pages.
struct Bench {
    origin: SocketAddr,
    launcher: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match &words[..] {
        [launcher] => {
            let told = runtime.block_on(measure(launcher.into()));
            println!("{told}");
            Ok(())
        }
        // A server that is killed in the middle of a page.
        [launcher, origin, path] => {
            let bench = Bench { origin: origin.parse()?, launcher: launcher.into() };
            let _ = runtime.block_on(bench.render(&bench.browser(|_| {}), path, 60));
            Ok(())
        }
        _ => Err("usage: renders LAUNCHER".into()),
    }
}

async fn measure(launcher: PathBuf) -> Value {
    if let Err(way_out) = find_browser(None) {
        return json!({ "none": way_out });
    }
    let bench = Bench { origin: serve().await, launcher };
    let (mut launches, mut lists, mut heavies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        let browser = bench.browser(|_| {});
        launches.push(bench.timed(&browser, "/fine").await);
        browser.close().await;
    }
    let browser = bench.browser(|_| {});
    bench.timed(&browser, "/fine").await;
    for _ in 0..9 {
        lists.push(bench.timed(&browser, "/late").await - 800.0);
    }
    for _ in 0..5 {
        heavies.push(bench.timed(&browser, "/heavy").await);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (rest, own) = (pss(), share(std::process::id()));
    let heavy_peak = peak(async { bench.timed(&browser, "/heavy").await }).await.1;
    let mut bombs = Vec::new();
    for (name, _) in BOMBS {
        let path = format!("/bomb/{name}");
        let ((outcome, ms), peak) = peak(async {
            let started = SystemClock.mono();
            let outcome = bench.render(&browser, &path, 20).await;
            (outcome, millis(started))
        })
        .await;
        let said = outcome.err().map_or_else(|| "was rendered".to_owned(), |error| error.to_string());
        bench.timed(&browser, "/fine").await;
        bombs.push(json!({"name": name, "ms": ms, "peak_mb": peak, "said": said}));
    }
    browser.close().await;
    json!({
        "first_ms": median(launches), "list_ms": median(lists), "heavy_ms": median(heavies), "rest_mb": rest, "own_mb": own,
        "heavy_mb": heavy_peak, "bombs": bombs, "four": Box::pin(bench.four()).await, "idle": bench.idle().await,
        "hundred": bench.hundred().await, "killed": [bench.killed("/stuck").await, bench.killed("/hangs").await],
    })
}

impl Bench {
    fn browser(&self, change: impl FnOnce(&mut Options)) -> Browser {
        let mut options = Options {
            locate: Arc::new(|| find_browser(None)),
            launcher: self.launcher.clone(),
            sandbox: true,
            idle: Duration::from_secs(30),
            pages: 1,
            memory: 256 << 20,
            user_agent: USER_AGENT.to_owned(),
        };
        change(&mut options);
        Browser::new(options, Guard::new(false).except([self.origin]), Arc::new(SystemClock)).unwrap()
    }

    async fn render(&self, browser: &Browser, path: &str, within: u64) -> Result<Rendered, FetchError> {
        let request = Request {
            method: Method::GET,
            url: Filled::plain(format!("http://{}{path}", self.origin)),
            headers: Vec::new(),
            body: None,
            validator: Validator::default(),
            jar: None,
            proxy: None,
            within: Duration::from_secs(within),
            max_body: 16 << 20,
            page: Some(Arc::new(Page { wait_for: Some("ul li".to_owned()), ..Page::default() })),
        };
        browser.render(&request).await
    }

    /// The time that a page takes, in milliseconds.
    async fn timed(&self, browser: &Browser, path: &str) -> f64 {
        let started = SystemClock.mono();
        let rendered = self.render(browser, path, 20).await;
        assert!(rendered.is_ok(), "{path}: {rendered:?}");
        millis(started)
    }

    /// Four heavy pages at once.
    async fn four(&self) -> Value {
        let browser = self.browser(|options| options.pages = 4);
        self.timed(&browser, "/fine").await;
        let four = async {
            let started = SystemClock.mono();
            let page = || self.timed(&browser, "/heavy");
            tokio::join!(page(), page(), page(), page());
            millis(started)
        };
        let (ms, peak) = peak(Box::pin(four)).await;
        browser.close().await;
        json!({"ms": ms, "peak_mb": peak})
    }

    async fn idle(&self) -> Value {
        let browser = self.browser(|options| options.idle = Duration::from_millis(300));
        self.timed(&browser, "/fine").await;
        let main = main_of(std::process::id()).unwrap();
        let ms = until(Duration::from_secs(5), || of(main).is_empty()).await;
        let left = of(main).len();
        browser.close().await;
        json!({"left": left, "ms": ms})
    }

    /// A hundred pages, of which a tenth crashes or hangs.
    async fn hundred(&self) -> Value {
        let browser = self.browser(|_| {});
        self.timed(&browser, "/fine").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (first, started) = (main_of(std::process::id()).unwrap(), SystemClock.mono());
        let (count, held, mut mains, mut zombies, mut wrong) = (of(first).len(), held_by(first), vec![first], 0, 0);
        for round in 0..100 {
            let is_bad = match round % 20 {
                9 => {
                    let striking = async {
                        // Once the page's own renderer computes for ever or waits.
                        tokio::time::sleep(Duration::from_millis(500)).await;
                        let main = main_of(std::process::id()).unwrap_or(first);
                        for renderer in of(main).iter().filter(|process| process.is_renderer()) {
                            let _ = Command::new("kill").args(["-KILL", &renderer.id.to_string()]).stderr(Stdio::null()).status();
                        }
                    };
                    tokio::join!(self.render(&browser, "/stuck", 20), striking).0.is_err()
                }
                19 => self.render(&browser, "/hangs", 3).await.is_err(),
                _ => self.render(&browser, "/fine", 20).await.is_ok(),
            };
            wrong += usize::from(!is_bad);
            let main = main_of(std::process::id()).unwrap_or(first);
            if mains.last() != Some(&main) {
                mains.push(main);
            }
            zombies += zombies_of(std::process::id(), main).len();
        }
        let ms = millis(started);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let last = *mains.last().unwrap_or(&first);
        let grown = (held_by(last).cast_signed() - held.cast_signed()) / 1024;
        let (more, browsers) = (of(last).len().cast_signed() - count.cast_signed(), mains.len());
        browser.close().await;
        let left: usize = mains.iter().map(|main| of(*main).len()).sum();
        json!({"ms": ms, "wrong": wrong, "zombies": zombies, "browsers": browsers, "grown_mb": grown, "processes": more, "left": left})
    }

    /// A server that is killed while it renders.
    async fn killed(&self, path: &str) -> Value {
        let mut server = Command::new(std::env::current_exe().unwrap());
        let mut server = server.arg(&self.launcher).arg(self.origin.to_string()).arg(path).stdout(Stdio::null()).spawn().unwrap();
        until(Duration::from_secs(10), || main_of(server.id()).is_some_and(|main| of(main).iter().any(processes::Process::is_renderer)))
            .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let main = main_of(server.id()).unwrap();
        let before = of(main).len();
        server.kill().unwrap();
        // What this process has adopted and not reaped is dead all the same.
        let alive = || of(main).iter().filter(|process| !process.is_zombie()).count();
        let ms = until(Duration::from_secs(2), || alive() == 0).await;
        server.wait().unwrap();
        json!({"path": path, "before": before, "left": alive(), "ms": ms})
    }
}

/// Waits until something is so, or for so long; for how many milliseconds.
async fn until(within: Duration, mut is_so: impl FnMut() -> bool) -> f64 {
    let started = SystemClock.mono();
    while !is_so() && SystemClock.mono().since(started) < within {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    millis(started)
}

fn millis(started: wellspring_core::moment::Mono) -> f64 {
    SystemClock.mono().since(started).as_secs_f64() * 1_000.0
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// What this process and its browser hold by their shares (PSS), in MB.
fn pss() -> u64 {
    let own = std::process::id();
    let browser = main_of(own).map(of).unwrap_or_default();
    share(own) + browser.iter().map(|process| share(process.id)).sum::<u64>()
}

/// What a process holds by its share, in MB.
fn share(id: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).and_then(|line| line.split_whitespace().next()?.parse().ok());
    line.unwrap_or(0_u64) * 1_024 / 1_000_000
}

/// The most that was held while something was done, looked at every 20 ms, in MB.
async fn peak<T>(work: impl Future<Output = T>) -> (T, u64) {
    let (most, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (seen, ended) = (Arc::clone(&most), Arc::clone(&over));
    let looking = lifecycle::thread("census", move || {
        while !ended.load(Ordering::Acquire) {
            seen.fetch_max(pss(), Ordering::AcqRel);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let done = work.await;
    over.store(true, Ordering::Release);
    looking.unwrap().join().unwrap();
    (done, most.load(Ordering::Acquire))
}

/// Serves the pages.
async fn serve() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    // 1.6 MB of script, as a framework is: functions, of which a page calls a few.
    let function =
        |i: u32| format!("table.push(function part{i:05}(a, b) {{ const c = a * {i} + b; return c > 9 ? 'part {i}' + c : [a, b, c] }});\n");
    let functions: String = (0..14_600).map(function).collect();
    let table: Arc<str> = format!("const table = [];\n{functions}").into();
    assert!((1_550_000..1_700_000).contains(&table.len()), "{}", table.len());
    lifecycle::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let table = Arc::clone(&table);
            lifecycle::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && matches!(stream.read_buf(&mut head).await, Ok(1..)) {}
                let head = String::from_utf8_lossy(&head);
                let path = head.split(' ').nth(1).unwrap_or_default();
                let (kind, body) = match path {
                    "/never" => std::future::pending().await,
                    "/table.js" => ("text/javascript", table.to_string()),
                    path => ("text/html", page(path)),
                };
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            });
        }
    });
    address
}

fn page(path: &str) -> String {
    let script = match path {
        "/late" => LATE,
        "/heavy" => HEAVY,
        "/hangs" => HANGS,
        "/stuck" => STUCK,
        "/fine" => "document.querySelector('ul').innerHTML = '<li>One</li>'",
        path => BOMBS.iter().find(|(name, _)| path.ends_with(name)).map_or("", |(_, script)| script),
    };
    let table = if path == "/heavy" { "<script src=/table.js></script>" } else { "" };
    format!("<!doctype html><title>Page</title><ul></ul>{table}<script>{script}</script>")
}
