//! A browser context with one page in it, as the browser knows it.

use serde_json::{Value, json};
use url::Url;

use super::pipe::{CallError, Pipe};
use super::watch::{Watched, text};

/// How much of what scripts load the browser holds for us at most, in bytes.
const HELD: u64 = 32 << 20;

/// An open page. It stays open until its context is disposed of.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) watched: Watched,
    frame: String,
}

/// What a page is opened with.
#[derive(Debug)]
pub(super) struct Opening<'a> {
    /// The context, which is disposed of with all that is in it.
    pub context: &'a str,
    /// The address that it will be sent to.
    pub url: &'a Url,
    /// Headers for that origin.
    pub headers: Vec<(String, String)>,
    /// Cookies for its host: whatever path, as a session's are, but no plain HTTP where the address is none.
    pub cookies: Vec<(String, String)>,
    /// What it calls itself.
    pub user_agent: String,
    /// The largest JSON answer that is held, in bytes; none where nothing is captured.
    pub largest: Option<u64>,
}

/// Makes a context: its own cookies, storage and cache, in memory, and its own way out.
pub(super) async fn context(pipe: &Pipe, proxy: &str) -> Result<String, CallError> {
    let context = pipe
        .call(None, "Target.createBrowserContext", json!({"disposeOnDetach": true, "proxyServer": proxy, "proxyBypassList": "<-loopback>"}))
        .await?;
    Ok(text(&context["browserContextId"]).to_owned())
}

impl Target {
    /// Opens an empty page, ready to be sent somewhere.
    pub(super) async fn open(pipe: &Pipe, opening: Opening<'_>) -> Result<Self, CallError> {
        let context = json!(opening.context);
        let made = pipe.call(None, "Target.createTarget", json!({"url": "about:blank", "browserContextId": context})).await?;
        let attached = pipe.call(None, "Target.attachToTarget", json!({"targetId": made["targetId"], "flatten": true})).await?;
        let session = text(&attached["sessionId"]).to_owned();
        // A page's main frame bears the name of its target.
        let frame = text(&made["targetId"]).to_owned();
        let watched = Watched::new(pipe.clone(), session, frame.clone(), opening.headers, opening.url.origin());
        let target = Self { watched, frame };
        let largest = opening.largest.unwrap_or(1);
        let buffers = json!({"maxTotalBufferSize": largest.saturating_mul(2).min(HELD), "maxResourceBufferSize": largest.min(HELD)});
        let mut preparing = vec![
            ("Inspector.enable", json!({})),
            ("Page.enable", json!({})),
            ("Network.enable", buffers),
            ("Network.setCacheDisabled", json!({"cacheDisabled": true})),
            ("Network.setBypassServiceWorker", json!({"bypass": true})),
            ("Fetch.enable", target.watched.interception()),
            // Said here even where it is the usual, since client hints tell what kind of browser it is otherwise.
            ("Emulation.setUserAgentOverride", json!({"userAgent": opening.user_agent})),
        ];
        let secure = opening.url.scheme() == "https";
        let cookie = |(name, value): &(String, String)| json!({"name": name, "value": value, "url": opening.url.as_str(), "path": "/", "secure": secure});
        if !opening.cookies.is_empty() {
            preparing.push(("Network.setCookies", json!({"cookies": opening.cookies.iter().map(cookie).collect::<Vec<_>>()})));
        }
        for (method, params) in preparing {
            target.call(method, params).await?;
        }
        let denied = json!({"behavior": "deny", "browserContextId": context});
        pipe.call(None, "Browser.setDownloadBehavior", denied).await?;
        Ok(target)
    }

    pub(super) fn pipe(&self) -> &Pipe {
        &self.watched.pipe
    }

    pub(super) fn session(&self) -> &str {
        &self.watched.session
    }

    /// Calls a method of the page.
    pub(super) async fn call(&self, method: &str, params: Value) -> Result<Value, CallError> {
        self.pipe().call(Some(self.session()), method, params).await
    }

    /// Runs a function in the page's document, in a world that the page's own scripts do not share.
    ///
    /// # Errors
    /// Where the document went away meanwhile, or the function threw.
    pub(super) async fn evaluate(&self, function: &str, arguments: &[Value]) -> Result<Value, CallError> {
        let world = self.call("Page.createIsolatedWorld", json!({"frameId": self.frame, "worldName": "wellspring"})).await?;
        let arguments: Vec<Value> = arguments.iter().map(|value| json!({"value": value})).collect();
        let run = json!({
            "functionDeclaration": function,
            "arguments": arguments,
            "executionContextId": world["executionContextId"],
            "awaitPromise": true,
            "returnByValue": true,
        });
        let mut given = self.call("Runtime.callFunctionOn", run).await?;
        if let Some(exception) = given.get("exceptionDetails") {
            let words = exception["exception"]["description"].as_str().unwrap_or("an exception");
            return Err(CallError::Refused(words.to_owned()));
        }
        Ok(given["result"]["value"].take())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.pipe().ignore(self.session());
    }
}
