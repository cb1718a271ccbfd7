//! One page: opened in a context of its own, driven until it is ready, read, and closed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use url::Url;
use wellspring_core::snapshot::Validator;
use wellspring_core::source::{AddressPattern, Page};

use super::pipe::CallError;
use super::proxy::Outlet;
use super::target::Target;
use super::watch::{Answer, Lost, text};
use super::{scripts, watch::Watched};
use crate::fetch::{FetchError, Rendered, Request, Response, Seen, SeenAnswer, shown_address, shown_host};

/// How long a page without `wait_for` is given for what it shows, once its document is read.
const SETTLES: Duration = Duration::from_secs(5);
/// How long nothing may be under way in a page that is ready.
const QUIET: Duration = Duration::from_millis(500);
/// How long a page may take to grow when it is scrolled to its end.
const GROWS: Duration = Duration::from_millis(1_500);
/// How long a page that is given up is asked what it was like.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Before a script is run again whose page went on to another document.
const AGAIN: Duration = Duration::from_millis(20);

/// A page that is being driven.
pub(super) struct Visit<'a> {
    request: &'a Request,
    page: &'a Page,
    url: Url,
    target: &'a Target,
    outlet: &'a Outlet,
    stage: Mutex<Stage>,
}

/// What a page is given time for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// The answer to its own address.
    Answer,
    /// Something that has to appear.
    Waiting(String),
    /// Whatever else.
    Ready,
}

impl<'a> Visit<'a> {
    pub(super) fn new(request: &'a Request, page: &'a Page, url: Url, target: &'a Target, outlet: &'a Outlet) -> Self {
        Self { request, page, url, target, outlet, stage: Mutex::new(Stage::Answer) }
    }

    /// Renders the page, for at most so long.
    pub(super) async fn render(&self, within: Duration) -> Result<Rendered, FetchError> {
        // Some of it is kept to ask a page that is given up what it was like, and to say so where it does not answer.
        let kept = LAST_WORDS.min(within / 4);
        let patience = within.saturating_sub(kept);
        let events = self.target.pipe().listen(self.target.session());
        tokio::select! {
            driven = self.drive() => driven,
            lost = self.watched().attend(events) => Err(self.lost(lost)),
            () = sleep(patience) => Err(self.overdue(kept * 4 / 5).await),
        }
    }

    fn watched(&self) -> &Watched {
        &self.target.watched
    }

    async fn drive(&self) -> Result<Rendered, FetchError> {
        self.navigate().await?;
        self.check_status()?;
        for selector in &self.page.click {
            self.wait_for(selector).await?;
            self.evaluate(scripts::CLICK, &[json!(selector)]).await?;
        }
        if self.page.scroll > 0 {
            self.settle().await?;
            self.scroll().await?;
        }
        if let Some(selector) = &self.page.wait_for {
            self.wait_for(selector).await?;
        }
        let captured = match &self.page.capture {
            Some(pattern) => Some(self.captured(pattern).await?),
            None => None,
        };
        if self.page.wait_for.is_none() && captured.is_none() {
            self.settle().await?;
        }
        self.check_status()?;
        self.read(captured).await
    }

    async fn navigate(&self) -> Result<(), FetchError> {
        let went = self.target.call("Page.navigate", json!({"url": self.url.as_str()})).await;
        let went = went.map_err(|error| self.refused(&error))?;
        let Some(error) = went["errorText"].as_str() else { return Ok(()) };
        Err(self.stopped().unwrap_or_else(|| match error {
            "net::ERR_ABORTED" => self.failed("its address gives a download and no page"),
            error if error.starts_with("net::ERR_CERT") || error.contains("SSL") => {
                FetchError::Tls { host: self.host(), reason: error.trim_start_matches("net::").to_owned() }
            }
            error => FetchError::Unreachable { host: self.host(), reason: error.trim_start_matches("net::").to_owned() },
        }))
    }

    /// Why the last attempt to reach an address failed, as the outlet knows.
    fn blame(&self, url: &Url) -> Option<FetchError> {
        self.outlet.blame(url, &shown_host(url, &self.request.url))
    }

    /// Why the page did not come to where it was going last, as the outlet knows.
    fn stopped(&self) -> Option<FetchError> {
        let heading = self.watched().log().heading.clone();
        self.blame(heading.and_then(|heading| heading.parse().ok()).as_ref().unwrap_or(&self.url))
    }

    fn check_status(&self) -> Result<(), FetchError> {
        let document = self.watched().log().document.clone();
        let Some(document) = document.filter(|document| !(200..300).contains(&document.status)) else { return Ok(()) };
        let url = document.address.parse::<Url>().unwrap_or_else(|_| self.url.clone());
        // A refusal of our own looks like the site's.
        if let Some(blame) = self.blame(&url) {
            return Err(blame);
        }
        let retry_after = document.retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        Err(FetchError::Status { host: shown_host(&url, &self.request.url), status: document.status, retry_after })
    }

    /// Waits until a selector matches, as long as there is time.
    async fn wait_for(&self, selector: &str) -> Result<(), FetchError> {
        self.enter(Stage::Waiting(format!("`{selector}`")));
        match self.evaluate(scripts::APPEARS, &[json!(selector), Value::Null]).await? {
            Value::String(words) => Err(self.failed(&format!("`{selector}` is no selector to it: {words}"))),
            _ => Ok(()),
        }
    }

    /// Waits until the page shows what is expected, or is quiet, or was given enough time.
    async fn settle(&self) -> Result<(), FetchError> {
        self.enter(Stage::Ready);
        let mut changes = self.watched().changes();
        while !self.watched().log().is_parsed {
            let _ = changes.changed().await;
        }
        if let Some(selector) = &self.page.expects {
            let patience = u64::try_from(SETTLES.as_millis()).unwrap_or(u64::MAX);
            self.evaluate(scripts::APPEARS, &[json!(selector), json!(patience)]).await?;
        }
        self.calm().await;
        Ok(())
    }

    /// Waits until nothing has been under way for a while, within bounds: some pages never rest.
    async fn calm(&self) {
        let mut changes = self.watched().changes();
        let calm = async {
            loop {
                let is_quiet = self.watched().log().is_quiet();
                match timeout(QUIET, changes.changed()).await {
                    Err(_) if is_quiet => return,
                    _ => {}
                }
            }
        };
        let _ = timeout(SETTLES, calm).await;
    }

    async fn scroll(&self) -> Result<(), FetchError> {
        let patience = u64::try_from(GROWS.as_millis()).unwrap_or(u64::MAX);
        for _ in 0..self.page.scroll {
            if self.evaluate(scripts::SCROLL, &[json!(patience)]).await? != Value::Bool(true) {
                break;
            }
            self.calm().await;
        }
        Ok(())
    }

    /// The answers that a pattern fits, once there is one and the page rests.
    async fn captured(&self, pattern: &AddressPattern) -> Result<Vec<Response>, FetchError> {
        self.enter(Stage::Waiting(format!("a JSON answer from `{pattern}`")));
        let mut changes = self.watched().changes();
        while self.watched().log().fitting(pattern).is_empty() {
            let _ = changes.changed().await;
        }
        self.enter(Stage::Ready);
        self.calm().await;
        let fitting = self.watched().log().fitting(pattern);
        let mut bodies = Vec::new();
        for answer in &fitting {
            bodies.push(self.body(answer).await?);
        }
        Ok(bodies)
    }

    async fn body(&self, answer: &Answer) -> Result<Response, FetchError> {
        let limit = self.request.max_body;
        let url = answer.address.parse::<Url>().map_err(|_| FetchError::BadAddress(self.request.url.to_string()))?;
        let host = || shown_host(&url, &self.request.url);
        if answer.bytes > limit {
            return Err(FetchError::TooLarge { host: host(), limit });
        }
        let body = self.target.call("Network.getResponseBody", json!({"requestId": answer.request})).await;
        let body = body.map_err(|error| match error {
            CallError::Gone => self.refused(&error),
            CallError::Refused(words) => self.failed(&format!("the answer from {} is not held any more ({words})", host())),
        })?;
        let body = match (body["base64Encoded"].as_bool(), text(&body["body"])) {
            (Some(true), encoded) => wellspring_extract::from_base64(encoded).unwrap_or_default(),
            (_, text) => text.to_owned(),
        };
        if body.len() as u64 > limit {
            return Err(FetchError::TooLarge { host: host(), limit });
        }
        Ok(Response {
            status: answer.status,
            url: shown_address(&url, &self.request.url),
            // As text it has been read already, whatever it came as.
            content_type: Some(format!("{}; charset=utf-8", answer.content_type)),
            body: Bytes::from(body),
            validator: Validator::default(),
        })
    }

    async fn read(&self, captured: Option<Vec<Response>>) -> Result<Rendered, FetchError> {
        self.enter(Stage::Ready);
        let limit = self.request.max_body;
        let most = if captured.is_some() { 0 } else { limit };
        let document = self.evaluate(scripts::READ, &[json!(most)]).await?;
        let seen = self.seen(&document);
        if let Some(bodies) = captured {
            return Ok(Rendered { bodies, seen });
        }
        let address = text(&document["address"]);
        let url = address.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(url) = url else {
            return Err(
                self.failed(&format!("it went on to where nothing can be read ({})", address.split(':').next().unwrap_or_default()))
            );
        };
        let html = document["html"].as_str().filter(|html| html.len() as u64 <= limit);
        let Some(html) = html else { return Err(FetchError::TooLarge { host: self.host(), limit }) };
        let body = Response {
            status: self.watched().log().document.as_ref().map_or(200, |document| document.status),
            url: shown_address(&url, &self.request.url),
            content_type: Some("text/html; charset=utf-8".to_owned()),
            body: Bytes::copy_from_slice(html.as_bytes()),
            validator: Validator::default(),
        };
        Ok(Rendered { bodies: vec![body], seen: Seen { bytes: html.len() as u64, ..seen } })
    }

    /// What the page was like.
    fn seen(&self, document: &Value) -> Seen {
        let shown = |answer: &Answer| {
            let address = answer.address.parse::<Url>().map(|url| shown_address(&url, &self.request.url).to_string());
            SeenAnswer { address: address.unwrap_or_default(), status: answer.status, bytes: answer.bytes }
        };
        let answers = self.watched().log().answers.iter().map(shown).collect();
        Seen { title: text(&document["title"]).to_owned(), bytes: document["length"].as_u64().unwrap_or(0), answers }
    }

    /// Runs a script in the page, again where the page went on to another document meanwhile.
    async fn evaluate(&self, script: &str, arguments: &[Value]) -> Result<Value, FetchError> {
        loop {
            match self.target.evaluate(script, arguments).await {
                Ok(value) => return Ok(value),
                Err(CallError::Gone) => return Err(self.refused(&CallError::Gone)),
                Err(CallError::Refused(_)) => sleep(AGAIN).await,
            }
        }
    }

    /// What to say of a page whose time is over, but for these last words.
    async fn overdue(&self, last: Duration) -> FetchError {
        let within = self.request.within;
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // It went on to where there was nothing to be had: then nothing there could appear.
        if let Some(error) = self.stopped().or_else(|| self.check_status().err()) {
            return error;
        }
        if stage == Stage::Answer {
            return FetchError::Timeout { host: self.host(), within };
        }
        let Ok(Ok(document)) = timeout(last, self.target.evaluate(scripts::READ, &[json!(0)])).await else {
            return self.failed("its scripts never rest");
        };
        match stage {
            Stage::Waiting(what) => FetchError::NeverAppeared { host: self.host(), what, within, seen: self.seen(&document) },
            Stage::Answer | Stage::Ready => self.failed("it was not ready in time"),
        }
    }

    fn lost(&self, lost: Lost) -> FetchError {
        match lost {
            Lost::Crashed => self.failed("it crashed, or took more memory than a page may (`memory` under [browser])"),
            Lost::Silent if self.target.pipe().is_over() => self.refused(&CallError::Gone),
            Lost::Silent => self.failed("it causes more events than can be followed"),
        }
    }

    fn enter(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    fn refused(&self, error: &CallError) -> FetchError {
        match error {
            CallError::Gone => FetchError::BrowserFailed(format!("ended while it rendered {}", self.host())),
            CallError::Refused(words) => FetchError::BrowserFailed(format!("refused to render {}: {words}", self.host())),
        }
    }

    fn failed(&self, reason: &str) -> FetchError {
        FetchError::PageFailed { host: self.host(), reason: reason.to_owned() }
    }

    fn host(&self) -> String {
        shown_host(&self.url, &self.request.url)
    }
}
