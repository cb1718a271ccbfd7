//! What Redis answers instead, in words that name no secret.

use redis::{ErrorKind, RedisError, ServerErrorKind};
use wellspring_core::key::Key;

use crate::store::StoreError;

/// So many characters are told of what others wrote: it may be of any length.
const SHOWN: usize = 120;

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection failed, or nothing was heard in time.
    Away(String),
    /// The server answers and refuses: it will refuse others too until somebody changes it.
    Refused(String),
    /// It takes no writes. Behind sentinels there is another one that does.
    Replica,
    /// It cannot be used as it is: what is stored there is of a newer version, or not ours.
    Unusable(String),
    /// There is no connection: nothing was sent.
    Unsent(String),
    /// This call alone failed.
    Failed(String),
    /// The server does not know a script yet.
    NoScript,
    /// The store was closed.
    Closed,
}

impl Fault {
    pub(super) fn of(error: &RedisError) -> Self {
        // Of many commands in one round trip the first that failed says why: the error of all of them has no code of its own.
        let first = error.clone().into_server_errors().and_then(|all| all.first().cloned());
        let error = &first.map_or_else(|| error.clone(), |(_, first)| RedisError::from(first));
        let detail = || error.detail().unwrap_or_default().trim();
        if error.kind() == ErrorKind::AuthenticationFailed {
            return Self::Refused("Redis refuses the user or the password".to_owned());
        }
        match error.code() {
            Some("WRONGPASS" | "NOAUTH") => Self::Refused("Redis refuses the user or the password".to_owned()),
            Some("NOPERM") => Self::Refused(format!("Redis does not allow this user what is needed ({})", detail())),
            Some("READONLY") => Self::Replica,
            Some("OOM") => Self::Refused("Redis has no memory left (`maxmemory`)".to_owned()),
            Some("MISCONF" | "NOREPLICAS") => Self::Refused(format!("Redis refuses to write ({})", detail())),
            Some("WRONGTYPE") => Self::Failed("Redis holds something else under a name of ours".to_owned()),
            Some("NOSCRIPT") => Self::NoScript,
            Some("LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "BUSY") => Self::Away("Redis is not ready yet".to_owned()),
            None if matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError)) => {
                Self::Failed(format!("Redis answered `{}`", detail()))
            }
            Some(code) => Self::Failed(format!("Redis answered `{code} {}`", detail())),
            None if error.is_timeout() => Self::late(),
            None if error.is_connection_refusal() => Self::Away("Redis cannot be reached: connection refused".to_owned()),
            None if error.kind() == ErrorKind::Parse => Self::Away("Redis cannot be reached: an answer broke off".to_owned()),
            None if error.is_io_error() || error.is_unrecoverable_error() => {
                let why = if detail().is_empty() { error.to_string() } else { detail().to_owned() };
                Self::Away(format!("Redis cannot be reached: {why}"))
            }
            None => Self::Failed(format!("Redis gave an answer that makes no sense ({})", error.category())),
        }
    }

    pub(super) fn late() -> Self {
        Self::Away("Redis did not answer in time".to_owned())
    }

    pub(super) fn why(&self) -> &str {
        match self {
            Self::Away(why) | Self::Refused(why) | Self::Unsent(why) | Self::Unusable(why) | Self::Failed(why) => why,
            Self::Replica => "Redis is a read-only replica",
            Self::NoScript => "Redis forgets its scripts",
            Self::Closed => "the store is closed",
        }
    }
}

/// Why a store cannot be opened, and what to do.
pub(super) fn unusable(fault: &Fault) -> StoreError {
    let why = fault.why();
    StoreError::Unusable(match fault {
        Fault::Refused(_) => format!("{why}; mend them in its address, or the user in Redis (`wellspring doctor` tells what is needed)"),
        _ => why.to_owned(),
    })
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unusable(why) => Self::Unusable(why),
            Fault::Failed(why) => Self::Unfit(why),
            other => Self::Unavailable(other.why().to_owned()),
        }
    }
}

/// What a script answered: a word, then what belongs to it.
#[derive(Debug)]
pub(super) struct Reply(pub(super) Vec<Option<Vec<u8>>>);

impl Reply {
    /// As text; nothing where there is none.
    pub(super) fn text(&self, at: usize) -> &str {
        self.0.get(at).and_then(Option::as_deref).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// A number; 0 where there is none.
    pub(super) fn number(&self, at: usize) -> u64 {
        self.text(at).parse().unwrap_or_default()
    }

    /// The answer of a script of a key, where it went through or was held off by another holder.
    pub(super) fn judged(self, key: &Key, offered: u64) -> Result<Self, StoreError> {
        match self.text(0) {
            "lost" => Err(StoreError::LeaseLost(key.clone())),
            "outdated" => {
                let stored = self.text(1).parse().unwrap_or(u64::MAX);
                Err(StoreError::Outdated { key: key.clone(), offered, stored })
            }
            "newer" => Err(StoreError::Unfit(newer(&format!("`{key}`"), self.text(1)))),
            _ => self.sound(),
        }
    }

    /// The answer of a script of no key.
    pub(super) fn sound(self) -> Result<Self, StoreError> {
        match self.text(0) {
            "ok" | "held" | "again" | "none" | "full" | "after" => Ok(self),
            "foreign" => Err(StoreError::Unfit(foreign(self.text(1), self.text(2)))),
            other => Err(StoreError::Unfit(format!("Redis gave an answer that makes no sense (`{}`)", shown(other)))),
        }
    }
}

/// What somebody else wrote, so that it can be told: without what steers a terminal, and not all of it where that is long.
pub(super) fn shown(foreign: &str) -> String {
    let mut shown: String = foreign.escape_debug().take(SHOWN).collect();
    if foreign.escape_debug().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// What to do about what a newer version wrote.
pub(super) fn newer(what: &str, format: &str) -> String {
    let format = shown(format);
    format!("{what} in Redis is of format {format}, which a newer version wrote; upgrade this one, or choose another database")
}

/// What to do about what somebody else wrote.
pub(super) fn foreign(name: &str, kind: &str) -> String {
    let (name, kind) = (shown(name), shown(kind));
    format!("Redis holds a {kind} that is not ours under `{name}`; remove it, or choose another database")
}

#[cfg(test)]
mod tests {
    use super::{SHOWN, shown};

    #[test]
    fn what_others_wrote_is_told_in_part_and_steers_nothing() {
        assert_eq!(shown("plain"), "plain");
        assert_eq!(shown("\u{1b}[2J\nline"), r"\u{1b}[2J\nline");
        assert_eq!(shown(&"x".repeat(SHOWN)), "x".repeat(SHOWN));
        assert_eq!(shown(&"x".repeat(1 << 20)), format!("{}…", "x".repeat(SHOWN)));
    }
}
