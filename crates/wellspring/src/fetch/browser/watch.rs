//! What happens in a page while it is rendered: attended to as it comes, and noted.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ::http::Method;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use url::Url;
use wellspring_core::source::AddressPattern;

use super::pipe::{Event, Pipe};

/// How many JSON answers of one page are noted. A page that asks for more is polling.
const NOTED: usize = 200;
/// Kinds of requests that a page is not ready without. Streams and beacons never end, or matter to nobody.
const AWAITED: [&str; 5] = ["Document", "Stylesheet", "Script", "XHR", "Fetch"];

/// A page that is watched.
#[derive(Debug)]
pub(super) struct Watched {
    pub pipe: Pipe,
    pub session: String,
    /// Headers of its own address, which go to that origin only.
    pub headers: Vec<(String, String)>,
    pub origin: url::Origin,
    log: Mutex<Log>,
    changed: watch::Sender<()>,
}

/// What was noted so far.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The answer that gave the document.
    pub document: Option<Document>,
    /// Whether the document is read to its end.
    pub is_parsed: bool,
    /// JSON that scripts loaded, in order.
    pub answers: Vec<Answer>,
    under_way: HashSet<String>,
    /// The page's own frame.
    frame: String,
    /// Where that was going last, whether or not it came there.
    pub heading: Option<String>,
}

/// The answer that gave a document.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub address: String,
    pub status: u16,
    pub retry_after: Option<String>,
}

/// JSON that a script loaded.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub request: String,
    pub address: String,
    pub status: u16,
    pub content_type: String,
    /// Decoded, so far.
    pub bytes: u64,
    pub is_whole: bool,
}

/// Why a page cannot be watched any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Its process crashed.
    Crashed,
    /// It causes more than can be followed, or was closed.
    Silent,
}

impl Log {
    /// True where nothing is under way that the page would be without.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_parsed && self.under_way.is_empty()
    }

    /// Whole answers whose address a pattern fits.
    pub(super) fn fitting(&self, pattern: &AddressPattern) -> Vec<Answer> {
        let fits = |answer: &&Answer| answer.is_whole && (200..300).contains(&answer.status) && pattern.matches(&answer.address);
        self.answers.iter().filter(fits).cloned().collect()
    }
}

impl Watched {
    pub(super) fn new(pipe: Pipe, session: String, frame: String, headers: Vec<(String, String)>, origin: url::Origin) -> Self {
        let log = Mutex::new(Log { frame, ..Log::default() });
        Self { pipe, session, headers, origin, log, changed: watch::Sender::new(()) }
    }

    /// What was noted.
    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Told whenever something was noted.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// What has to be intercepted: kinds that are not loaded, and documents where headers are to be added.
    pub(super) fn interception(&self) -> Value {
        let mut kinds = vec!["Image", "Font", "Media"];
        if !self.headers.is_empty() {
            kinds.push("Document");
        }
        let patterns: Vec<Value> = kinds.into_iter().map(|kind| json!({"urlPattern": "*", "resourceType": kind})).collect();
        json!({"patterns": patterns})
    }

    /// Attends to what happens until nothing more can.
    pub(super) async fn attend(&self, mut events: mpsc::Receiver<Event>) -> Lost {
        while let Some(event) = events.recv().await {
            if event.method == "Inspector.targetCrashed" {
                return Lost::Crashed;
            }
            self.answer(&event);
            if self.log().note(&event) {
                self.changed.send_replace(());
            }
        }
        Lost::Silent
    }

    /// What the page waits for us to decide.
    fn answer(&self, event: &Event) {
        let tell = |method: &str, params: Value| self.pipe.tell(Some(&self.session), method, &params);
        match event.method.as_str() {
            "Fetch.requestPaused" => {
                let id = &event.params["requestId"];
                if event.params["resourceType"] == "Document" {
                    tell("Fetch.continueRequest", self.continued(id, &event.params["request"]));
                } else {
                    tell("Fetch.failRequest", json!({"requestId": id, "errorReason": "BlockedByClient"}));
                }
            }
            "Page.javascriptDialogOpening" => tell("Page.handleJavaScriptDialog", json!({"accept": false})),
            _ => {}
        }
    }

    fn continued(&self, id: &Value, request: &Value) -> Value {
        let is_home = text(&request["url"]).parse::<Url>().is_ok_and(|url| url.origin() == self.origin);
        if !is_home || text(&request["method"]) != Method::GET.as_str() {
            return json!({"requestId": id});
        }
        let own = |name: &str| self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        let given = request["headers"].as_object().into_iter().flatten().filter(|(name, _)| !own(name));
        let given = given.map(|(name, value)| json!({"name": name, "value": value}));
        let added = self.headers.iter().map(|(name, value)| json!({"name": name, "value": value}));
        json!({"requestId": id, "headers": given.chain(added).collect::<Vec<_>>()})
    }
}

impl Log {
    /// Notes what happened; true where anybody may care.
    fn note(&mut self, Event { method, params }: &Event) -> bool {
        let request = || text(&params["requestId"]).to_owned();
        let kind = text(&params["type"]);
        match method.as_str() {
            "Page.frameNavigated" if params["frame"]["parentId"].is_null() => {
                self.is_parsed = false;
                self.under_way.clear();
            }
            "Page.domContentEventFired" => self.is_parsed = true,
            "Network.requestWillBeSent" if AWAITED.contains(&kind) => {
                if self.is_own_document(params) {
                    self.heading = params["request"]["url"].as_str().map(str::to_owned);
                }
                self.under_way.insert(request());
            }
            "Network.responseReceived" => self.received(request(), kind, &params["response"], params),
            "Network.dataReceived" => {
                if let Some(answer) = self.answers.iter_mut().rev().find(|answer| answer.request == params["requestId"]) {
                    answer.bytes += params["dataLength"].as_u64().unwrap_or(0);
                }
                return false;
            }
            "Network.loadingFinished" => {
                if let Some(answer) = self.answers.iter_mut().rev().find(|answer| answer.request == params["requestId"]) {
                    answer.is_whole = true;
                }
                self.under_way.remove(&request());
            }
            "Network.loadingFailed" => {
                self.under_way.remove(&request());
            }
            _ => return false,
        }
        true
    }

    /// True of the request that gives the page its document: it bears the document's own name. What frames within the page answer is
    /// their business.
    fn is_own_document(&self, params: &Value) -> bool {
        params["requestId"] == params["loaderId"] && params["frameId"] == self.frame
    }

    fn received(&mut self, request: String, kind: &str, response: &Value, params: &Value) {
        let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
        let address = text(&response["url"]).to_owned();
        if kind == "Document" && self.is_own_document(params) {
            let headers = response["headers"].as_object().into_iter().flatten();
            let retry_after = headers.clone().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
            self.document = Some(Document { address, status, retry_after: retry_after.map(|(_, value)| text(value).to_owned()) });
            return;
        }
        let content_type = text(&response["mimeType"]);
        if matches!(kind, "XHR" | "Fetch") && content_type.contains("json") && self.answers.len() < NOTED {
            let content_type = content_type.to_owned();
            self.answers.push(Answer { request, address, status, content_type, bytes: 0, is_whole: false });
        }
    }
}

/// A text, or nothing.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
