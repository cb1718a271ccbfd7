//! By which means a page is obtained: the cheap one or a browser, which of them is tried first, and what is remembered of that.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

use crate::failure::{Code, Failure};
use crate::moment::written;
use crate::source::Render;

#[cfg(test)]
mod tests;

/// However well a browser serves, plain HTTP is tried again after this.
const PLAIN_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// And it is tried by every so-many-th refresh.
const PLAIN_EVERY: u32 = 8;

/// A means of obtaining a page, the cheaper first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// One plain request.
    #[default]
    Http,
    /// A browser that runs the page's scripts.
    Browser,
}

impl Rung {
    /// As it stands in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Browser => "browser",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_http(&self) -> bool {
        *self == Self::Http
    }
}

/// What a key remembers of the means by which it was refreshed. Counts for the rules in force only, as validators do: by other rules
/// an alternative may be another one, or need no browser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rungs {
    /// What served the last successful refresh.
    #[serde(default, skip_serializing_if = "Rung::is_http")]
    served: Rung,
    /// Alternatives, from 0, of which plain HTTP was not enough when it was last tried.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "read_rendered")]
    rendered: BTreeMap<usize, Plain>,
}

/// When plain HTTP was last tried in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Plain {
    #[serde(deserialize_with = "written::deserialize")]
    tried_at: Timestamp,
    /// Refreshes that a browser has served since, without trying it.
    since: u32,
}

/// More alternatives than any source has are somebody else's.
const MOST_ALTERNATIVES: usize = 1_000;

fn read_rendered<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<usize, Plain>, D::Error> {
    let mut all = BTreeMap::deserialize(deserializer)?;
    all.retain(|alternative, _| *alternative < MOST_ALTERNATIVES);
    Ok(all)
}

impl Rungs {
    /// Of a key of which nothing is known but what served it last.
    pub fn of(served: Rung) -> Self {
        Self { served, rendered: BTreeMap::new() }
    }

    /// True where nothing is remembered that is not so anyway.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What served the last successful refresh.
    pub fn served(&self) -> Rung {
        self.served
    }

    /// By what means an alternative is tried at `now`, one after the other until one serves.
    pub fn ladder(&self, alternative: usize, render: Render, now: Timestamp) -> &'static [Rung] {
        match render {
            Render::Never => &[Rung::Http],
            Render::Always => &[Rung::Browser],
            Render::Auto => match self.rendered.get(&alternative) {
                Some(plain) if !plain.is_due(now) => &[Rung::Browser, Rung::Http],
                _ => &[Rung::Http, Rung::Browser],
            },
        }
    }

    /// What is remembered once the last of `tried` has served, at `now`, for this alternative.
    #[must_use]
    pub fn after(&self, alternative: usize, tried: &[Rung], now: Timestamp) -> Self {
        let mut after = Self { served: tried.last().copied().unwrap_or_default(), rendered: self.rendered.clone() };
        if after.served == Rung::Http {
            after.rendered.remove(&alternative);
        } else if tried.contains(&Rung::Http) {
            after.rendered.insert(alternative, Plain { tried_at: now, since: 0 });
        } else if let Some(plain) = after.rendered.get_mut(&alternative) {
            plain.since = plain.since.saturating_add(1);
        }
        after
    }
}

impl Plain {
    /// A time that lies ahead is of a clock that was set back since.
    fn is_due(self, now: Timestamp) -> bool {
        let passed = now.duration_since(self.tried_at);
        self.since.saturating_add(1) >= PLAIN_EVERY || passed.is_negative() || passed >= PLAIN_AFTER
    }
}

/// Whether the other means may serve where this one failed: what came was no good, or it is the browser's own fault. A host that is
/// down, an address that is gone, a refusal are no better by any other.
pub fn may_help(failure: &Failure) -> bool {
    matches!(failure.code, Code::GateFailed | Code::ExtractFailed) || is_of_the_browser(failure.code)
}

/// True for what went wrong with a browser or within it, and says nothing about the host that was asked.
pub fn is_of_the_browser(code: Code) -> bool {
    matches!(code, Code::BrowserMissing | Code::BrowserFailed | Code::PageFailed | Code::WaitFailed)
}

/// One failure for an alternative that was tried by each of these means in vain, told in their order: what decides is the browser's,
/// since plain HTTP was known not to do, unless the last one ended the attempt for a reason that both would meet.
pub fn joined(failed: &[(Rung, &Failure)]) -> Option<Failure> {
    let (_, last) = failed.last()?;
    let [(..), .., (..)] = failed else { return Some((*last).clone()) };
    let browser = failed.iter().find(|(rung, _)| *rung == Rung::Browser).map(|(_, failure)| failure);
    let decides = browser.filter(|_| may_help(last)).unwrap_or(last);
    let told = |(rung, failure): &(Rung, &Failure)| match (rung, failure.code) {
        (Rung::Http, _) => format!("plain HTTP: {failure}"),
        // These speak of the browser themselves.
        (Rung::Browser, Code::BrowserMissing | Code::BrowserFailed) => failure.to_string(),
        (Rung::Browser, _) => format!("in a browser: {failure}"),
    };
    let words = failed.iter().map(told).collect::<Vec<_>>().join("; ");
    let retry_after = failed.iter().filter_map(|(_, failure)| failure.retry_after).max();
    Some(Failure { retry_after, ..Failure::new(decides.kind, decides.code, words) })
}
