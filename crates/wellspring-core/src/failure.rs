//! Why a refresh did not give new data: a value with a kind, a stable code and words for people.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

/// The longest message, in characters: it stands in answers, in the log and in the store.
const LONGEST: usize = 2_000;
/// The longest that an upstream may ask for, whatever it asks for.
pub const LONGEST_WISH: Duration = Duration::from_secs(365 * 86_400);

/// What kind of failure it is: decides what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Likely to pass: try again after a backoff.
    Retryable,
    /// Will not pass by itself soon (a 404, a page that is not what the rules expect): wait the longest backoff.
    Permanent,
    /// Refused by our own guard or by the upstream's wish: wait the longest backoff.
    Blocked,
    /// Stopped by us (shutdown, reload): says nothing about the upstream.
    Cancelled,
}

/// Stable words that clients may match on (`degraded.code`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The result was read but is not good enough to replace the last one.
    GateFailed,
    /// The body is not what the rules can read (not JSON, not a feed, …).
    ExtractFailed,
    /// A step found nothing of what the requests after it need.
    CaptureFailed,
    /// The upstream answered with a status that is not a success.
    UpstreamStatus,
    /// No connection, or it broke while the body was read.
    UpstreamUnreachable,
    /// The host's name did not resolve.
    DnsFailed,
    /// The certificate or the handshake was refused.
    TlsFailed,
    /// One request took longer than `timeout`.
    Timeout,
    /// The whole refresh took longer than `deadline`.
    DeadlinePassed,
    /// The body is larger than `max_body` after decompression.
    BodyTooLarge,
    /// More than five redirects, or one that leads nowhere.
    BadRedirect,
    /// There is no browser to render a page with.
    BrowserMissing,
    /// The browser does not start, or is no more.
    BrowserFailed,
    /// The page did not come to an end in the browser: it hung, crashed, or took too much memory.
    PageFailed,
    /// What a rendered page is waited for never appeared.
    WaitFailed,
    /// The host failed so often, or asked for so long a rest, that it is not asked now.
    HostResting,
    /// The address is not one that may be fetched.
    AddressRefused,
    /// The host's robots.txt asks us not to read that address.
    RobotsRefused,
    /// No alternative of the source can be used (all lack their `when_env`).
    NoAlternative,
    /// The store refused or lost the result.
    StoreFailed,
    /// Another holder took over the lease of this key.
    LeaseLost,
    /// A forced refresh came before `min_interval` had passed.
    TooSoon,
    /// The refresh ended without a word (a panic); it is tried again.
    Interrupted,
    /// The server is shutting down or the source was reconfigured.
    Cancelled,
}

impl Code {
    /// The stable word, as in `degraded.code`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GateFailed => "gate_failed",
            Self::ExtractFailed => "extract_failed",
            Self::CaptureFailed => "capture_failed",
            Self::UpstreamStatus => "upstream_status",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::DnsFailed => "dns_failed",
            Self::TlsFailed => "tls_failed",
            Self::Timeout => "timeout",
            Self::DeadlinePassed => "deadline_passed",
            Self::BodyTooLarge => "body_too_large",
            Self::BadRedirect => "bad_redirect",
            Self::BrowserMissing => "browser_missing",
            Self::BrowserFailed => "browser_failed",
            Self::PageFailed => "page_failed",
            Self::WaitFailed => "wait_failed",
            Self::HostResting => "host_resting",
            Self::AddressRefused => "address_refused",
            Self::RobotsRefused => "robots_refused",
            Self::NoAlternative => "no_alternative",
            Self::StoreFailed => "store_failed",
            Self::LeaseLost => "lease_lost",
            Self::TooSoon => "too_soon",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One failure of one refresh. Its message never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Decides what happens next.
    pub kind: Kind,
    /// A stable word.
    pub code: Code,
    /// One sentence for people, without a full stop.
    #[serde(deserialize_with = "read_message")]
    pub message: String,
    /// How long the upstream asked us to stay away (`Retry-After`).
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "read_wish")]
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure without a `Retry-After`. Messages quote what upstreams say, so they are kept short and on one line.
    pub fn new(kind: Kind, code: Code, message: impl Into<String>) -> Self {
        Self { kind, code, message: fitting(message.into()), retry_after: None }
    }

    /// A failure that is likely to pass.
    pub fn retryable(code: Code, message: impl Into<String>) -> Self {
        Self::new(Kind::Retryable, code, message)
    }

    /// A failure that will not pass by itself soon.
    pub fn permanent(code: Code, message: impl Into<String>) -> Self {
        Self::new(Kind::Permanent, code, message)
    }

    /// True where only a change of the configuration can help, so that no timer tries again.
    pub fn is_final(&self) -> bool {
        self.code == Code::NoAlternative
    }
}

/// As it is where it fits; what this made fits.
fn fitting(message: String) -> String {
    let fits = message.len() <= LONGEST && !message.contains(char::is_control);
    if fits { message } else { shown(&message, LONGEST) }
}

/// What was written down is held to what is written.
fn read_message<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(fitting)
}

fn read_wish<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Option::<Duration>::deserialize(deserializer).map(|wish| wish.map(|wish| wish.min(LONGEST_WISH)))
}

/// The first `most` characters of a text, with blanks for those that would break a line or speak to a terminal.
pub fn shown(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_upstream_says_fits_on_one_line() {
        let message = |text: &str| Failure::permanent(Code::ExtractFailed, text).message;
        assert_eq!(message("no `é` here"), "no `é` here");
        assert_eq!(message("a\r\n\x1b[2Jb"), "a   [2Jb");
        assert_eq!(message(&"é".repeat(3_000_000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn what_was_written_down_is_held_to_the_same() {
        let read = |message: &str, seconds: u64| -> Failure {
            let text = serde_json::json!({
                "kind": "permanent", "code": "extract_failed", "message": message, "retry_after": {"secs": seconds, "nanos": 0}
            });
            serde_json::from_value(text).unwrap()
        };
        let hostile = read(&format!("a\r\n\x1b[2J{}", "x".repeat(100_000)), u64::MAX);
        assert!(hostile.message.starts_with("a   [2Jx") && hostile.message.len() < 2_100, "{:.20}", hostile.message);
        assert_eq!(hostile.retry_after, Some(LONGEST_WISH));
        // What is of ours comes back as it was, the longest too.
        for words in ["no `é` here", &"é".repeat(LONGEST), &"é".repeat(3_000)] {
            let ours = Failure { retry_after: Some(Duration::from_secs(7)), ..Failure::permanent(Code::ExtractFailed, words) };
            assert_eq!(read(&ours.message, 7), ours);
        }
    }
}
