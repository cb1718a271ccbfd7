//! Pages in a real browser. Skipped, loudly, where this machine has none.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use wellspring::clock::SystemClock;
use wellspring::config;
use wellspring::fetch::browser::{Browser, Options, Wear};
use wellspring::fetch::guard::Guard;
use wellspring::fetch::http::USER_AGENT;
use wellspring::fetch::{FetchError, Rendered, Request};
use wellspring_core::snapshot::Validator;
use wellspring_core::source::Page;
use wellspring_core::template::Filled;

use crate::support::origin::{Answer, Origin};
use crate::support::program::tell;

mod answers;
mod canary;
mod census;
mod confined;
mod hostile;
mod pages;
mod tricks;
mod waits;

/// One browser at a time on this machine, however many tests run.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A browser, and its turn.
struct Lab {
    browser: Browser,
    _turn: tokio::sync::MutexGuard<'static, ()>,
}

impl Lab {
    /// Where this machine has a browser, one that may reach these origins on loopback and nothing else there.
    async fn open(origins: &[&Origin]) -> Option<Self> {
        Self::open_with(origins, |_| {}).await
    }

    async fn open_with(origins: &[&Origin], change: impl FnOnce(&mut Options)) -> Option<Self> {
        Self::wearing(origins, Wear::default(), change).await
    }

    async fn wearing(origins: &[&Origin], wear: Wear, change: impl FnOnce(&mut Options)) -> Option<Self> {
        let turn = turn().await?;
        let mut options = options()?;
        change(&mut options);
        let guard = Guard::new(false).except(origins.iter().map(|origin| origin.address()));
        let browser = Browser::wearing(options, wear, guard, Arc::new(SystemClock)).unwrap();
        Some(Self { browser, _turn: turn })
    }

    async fn render(&self, url: &str, page: Page) -> Result<Rendered, FetchError> {
        self.browser.render(&request(url, page)).await
    }

    async fn close(self) {
        self.browser.close().await;
    }
}

/// A turn with the browser of this machine, where it has one.
pub(crate) async fn turn() -> Option<tokio::sync::MutexGuard<'static, ()>> {
    options()?;
    Some(TURN.lock().await)
}

/// How this machine's browser is run, where it has one.
fn options() -> Option<Options> {
    let Ok(executable) = config::find_browser(None) else {
        tell("skipped: this machine has no browser");
        return None;
    };
    Some(Options {
        locate: Arc::new(move || Ok(executable.clone())),
        launcher: env!("CARGO_BIN_EXE_wellspring").into(),
        sandbox: true,
        idle: Duration::from_secs(30),
        pages: 1,
        memory: 256 << 20,
        user_agent: USER_AGENT.to_owned(),
    })
}

fn request(url: &str, page: Page) -> Request {
    Request {
        method: Method::GET,
        url: Filled::plain(url),
        headers: Vec::new(),
        body: None,
        validator: Validator::default(),
        jar: None,
        proxy: None,
        within: Duration::from_secs(20),
        max_body: 8 << 20,
        page: Some(Arc::new(page)),
    }
}

/// The document of a page with one.
fn document(rendered: &Rendered) -> String {
    assert_eq!(rendered.bodies.len(), 1);
    String::from_utf8(rendered.bodies[0].body.to_vec()).unwrap()
}

/// A page whose script is this.
fn scripted(script: &str) -> Answer {
    Answer::html(format!("<!doctype html><title>Scripted</title><ul></ul><script>{script}</script>"))
}
