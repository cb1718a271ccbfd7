//! What is told, as one message, and how each kind of receiver takes it.

use ::http::HeaderName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wellspring_core::failure::shown;
use wellspring_core::key::{Key, Params};
use wellspring_core::snapshot::{Attempts, Digest};
use wellspring_core::telling::{Change, News, Receiver};
use wellspring_core::template::Place;

use super::Hook;
use super::ledger::Name;

/// How much of a failure's words is told to people, in characters.
const TOLD: usize = 500;
/// The longest text that Discord takes, in characters.
const DISCORD: usize = 2_000;
/// The longest that ntfy shows, in bytes: what is longer becomes a file.
const NTFY: usize = 4_096;

/// One message, as receivers of JSON get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The same whenever this message is sent again: what a receiver had already, it may drop.
    pub id: String,
    /// When it was decided to tell it.
    pub at: Timestamp,
    /// The source.
    pub source: String,
    /// The key: the source and its parameters.
    pub key: String,
    /// `degraded`, `recovered`, `gate_held` or `test`.
    pub state: String,
    /// A stable word for what went wrong; absent where all is well.
    pub code: Option<String>,
    /// What went wrong, in words.
    pub message: Option<String>,
    /// Failures in a row.
    pub failures: u32,
    /// The last successful refresh before the trouble; absent where there was none.
    pub since: Option<Timestamp>,
    /// The revision that is served.
    pub revision: Option<u64>,
    /// How many items it has.
    pub items: Option<u32>,
    /// Where the key's status is.
    pub url: String,
}

/// What is served of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) checked_at: Option<Timestamp>,
    pub(super) revision: Option<u64>,
    pub(super) items: Option<u32>,
}

/// A message as it goes out.
pub(super) struct Written {
    pub(super) media_type: &'static str,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: String,
}

/// What is told is the same where this is, whichever replica tells it.
pub(super) fn identity((hook, key): &Name, news: News) -> Digest {
    let since = news.since.map(Timestamp::as_nanosecond).unwrap_or_default();
    Digest::of(format!("{hook} {key} {} since {since}", news.change.as_str()).as_bytes())
}

impl Message {
    pub(super) fn of(name @ (hook, key): &Name, news: News, at: Timestamp, attempts: &Attempts, facts: Facts, base: &str) -> Self {
        let state = news.change.as_str();
        let failure = attempts.last_failure.as_ref().filter(|_| news.change != Change::Recovered);
        let once = || Digest::of(format!("{hook} {key} {state} {}", at.as_nanosecond()).as_bytes());
        Self {
            id: news.since.map_or_else(once, |_| identity(name, news)).to_string(),
            at,
            source: key.source().to_owned(),
            key: key.to_string(),
            state: state.to_owned(),
            code: failure.map(|failure| failure.code.as_str().to_owned()),
            message: failure.map(|failure| shown(&failure.message, TOLD)),
            failures: if failure.is_some() { attempts.failures } else { 0 },
            since: news.since,
            revision: facts.revision,
            items: facts.items,
            url: address(base, key),
        }
    }

    /// One to try a receiver with.
    pub fn test(hook: &str, at: Timestamp, base: &str) -> Self {
        Self {
            id: Digest::of(format!("{hook} test {}", at.as_nanosecond()).as_bytes()).to_string(),
            at,
            source: "test".to_owned(),
            key: "test".to_owned(),
            state: "test".to_owned(),
            code: None,
            message: Some("this is how you would be told".to_owned()),
            failures: 0,
            since: None,
            revision: None,
            items: None,
            url: format!("{base}/api"),
        }
    }

    /// As a hook takes it.
    pub(super) fn write(&self, hook: &Hook) -> Written {
        let json = |value: Value| Written { media_type: "application/json", headers: Vec::new(), body: value.to_string() };
        match hook.receiver {
            Receiver::Json => match &hook.template {
                None => json(serde_json::to_value(self).unwrap_or_default()),
                Some(template) => {
                    let body = self.params(str::to_owned);
                    // The template is somebody's JSON: what is filled in stands between its quotes.
                    let body = body.into_iter().map(|(name, value)| (name, Place::Json.encode(&value))).collect();
                    Written { body: template.fill_as(Place::Verbatim, &body).expose().to_owned(), ..json(Value::Null) }
                }
            },
            Receiver::Slack => json(json!({"text": self.text(hook, slack)})),
            Receiver::Discord => {
                // Nobody is called by what an upstream said.
                json(json!({"content": cut(self.text(hook, discord), DISCORD), "allowed_mentions": {"parse": []}}))
            }
            Receiver::Ntfy => Written {
                media_type: "text/plain; charset=utf-8",
                headers: self.ntfy_headers(),
                body: {
                    let text = self.text(hook, str::to_owned);
                    let fits = (0..=NTFY.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                    text[..fits].to_owned()
                },
            },
        }
    }

    fn ntfy_headers(&self) -> Vec<(HeaderName, String)> {
        let (tag, priority) = match &*self.state {
            "recovered" => ("white_check_mark", "default"),
            "test" => ("wave", "default"),
            "gate_held" => ("no_entry", "default"),
            _ => ("warning", "high"),
        };
        let header = |name, value: &str| (HeaderName::from_static(name), value.to_owned());
        // A source's name is of letters and digits, so it fits into a header.
        let title = format!("{}: {}", self.source, self.state.replace('_', " "));
        vec![header("title", &title), header("tags", tag), header("priority", priority), header("click", &self.url)]
    }

    /// In words, what came from elsewhere escaped as the receiver needs it.
    fn text(&self, hook: &Hook, escape: fn(&str) -> String) -> String {
        if let Some(template) = &hook.template {
            return template.fill_as(Place::Verbatim, &self.params(escape)).expose().to_owned();
        }
        let key = escape(&self.key);
        let why = escape(self.message.as_deref().unwrap_or_default());
        let since = self.since.map_or_else(
            || "there is nothing to serve yet".to_owned(),
            |since| format!("the data of {} is served", since.strftime("%Y-%m-%d %H:%M UTC")),
        );
        match &*self.state {
            "recovered" => {
                let items = self.items.map_or_else(String::new, |items| format!(": {items} items"));
                format!("{key} has recovered{items}")
            }
            "gate_held" => format!("{key}: a result was held back, {why}; {since}\n{}", self.url),
            "test" => format!("{key}: {why}"),
            _ => {
                let code = self.code.as_deref().unwrap_or_default();
                format!("{key} is degraded: {why} ({code}, failures in a row: {}); {since}\n{}", self.failures, self.url)
            }
        }
    }

    /// What a template may name.
    fn params(&self, escape: fn(&str) -> String) -> Params {
        let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
        let values = [
            ("id", self.id.clone()),
            ("at", self.at.to_string()),
            ("source", self.source.clone()),
            ("key", self.key.clone()),
            ("state", self.state.clone()),
            ("code", self.code.clone().unwrap_or_default()),
            ("message", self.message.clone().unwrap_or_default()),
            ("failures", self.failures.to_string()),
            ("since", self.since.map(|since| since.to_string()).unwrap_or_default()),
            ("revision", number(self.revision)),
            ("items", number(self.items.map(u64::from))),
            ("url", self.url.clone()),
        ];
        // All others are our own words.
        let foreign = ["key", "message"];
        values.into_iter().map(|(name, value)| (name.to_owned(), if foreign.contains(&name) { escape(&value) } else { value })).collect()
    }
}

/// Where the status of a key is: the key's canonical text is its query.
fn address(base: &str, key: &Key) -> String {
    let text = key.as_str();
    let query = text.split_once('?').map_or_else(String::new, |(_, query)| format!("?{query}"));
    format!("{base}/api/{}/status{query}", key.source())
}

/// The signs by which Slack knows links and mentions.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The signs by which Discord knows links, mentions and type.
fn discord(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\`*_~|[]()<>#@".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn cut(text: String, most: usize) -> String {
    if text.chars().count() <= most { text } else { text.chars().take(most - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_upstream_says_makes_no_link_and_calls_nobody() {
        let said = "gzip [Log in](https://evil.example/a_b) @everyone `x` <@1>";
        assert_eq!(discord(said), r"gzip \[Log in\]\(https://evil.example/a\_b\) \@everyone \`x\` \<\@1\>");
        assert_eq!(slack("<https://evil.example|Log in> & <!here>"), "&lt;https://evil.example|Log in&gt; &amp; &lt;!here&gt;");
    }
}
