//! What Redis answers instead, in words that name no secret.

use redis::{ErrorKind, RedisError, ServerErrorKind};
use wellspring_core::key::Key;

use crate::store::StoreError;

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection failed, or nothing was heard in time.
    Away(String),
    /// The server answers and refuses: it will refuse others too until somebody changes it.
    Refused(String),
    /// What is stored there is of a newer version.
    Newer(String),
    /// This call alone failed.
    Failed(String),
}

impl Fault {
    pub(super) fn of(error: &RedisError) -> Self {
        let detail = || error.detail().unwrap_or_default().trim();
        if error.kind() == ErrorKind::AuthenticationFailed {
            return Self::Refused("Redis refuses the user or the password".to_owned());
        }
        match error.code() {
            Some("WRONGPASS" | "NOAUTH") => Self::Refused("Redis refuses the user or the password".to_owned()),
            Some("NOPERM") => Self::Refused(format!("Redis does not allow this user what is needed ({})", detail())),
            Some("READONLY") => Self::Refused("Redis is a read-only replica".to_owned()),
            Some("OOM") => Self::Refused("Redis has no memory left (`maxmemory`)".to_owned()),
            Some("MISCONF" | "NOREPLICAS") => Self::Refused(format!("Redis refuses to write ({})", detail())),
            Some("WRONGTYPE") => Self::Failed("Redis holds something else under a name of ours".to_owned()),
            Some("LOADING" | "MASTERDOWN" | "CLUSTERDOWN") => Self::Away("Redis is not ready yet".to_owned()),
            Some(code) => Self::Failed(format!("Redis answered `{code} {}`", detail())),
            None if matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError)) => {
                Self::Failed(format!("Redis answered `{}`", detail()))
            }
            None if error.is_timeout() => Self::late(),
            None if error.is_connection_refusal() => Self::Away("Redis cannot be reached: connection refused".to_owned()),
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
            Self::Away(why) | Self::Refused(why) | Self::Newer(why) | Self::Failed(why) => why,
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Newer(why) => Self::Unusable(why),
            Fault::Away(why) | Fault::Refused(why) | Fault::Failed(why) => Self::Unavailable(why),
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

    /// The answer of a script of a key, where it went through or was held off by another holder.
    pub(super) fn judged(self, key: &Key, offered: u64) -> Result<Self, StoreError> {
        match self.text(0) {
            "ok" | "held" | "again" | "none" => Ok(self),
            "lost" => Err(StoreError::LeaseLost(key.clone())),
            "outdated" => {
                let stored = self.text(1).parse().unwrap_or(u64::MAX);
                Err(StoreError::Outdated { key: key.clone(), offered, stored })
            }
            "newer" => Err(StoreError::Unusable(newer(&format!("`{key}`"), self.text(1)))),
            "foreign" => Err(StoreError::Unavailable(format!(
                "Redis holds a {} that is not ours under `{}`; remove it, or choose another database",
                self.text(2),
                self.text(1)
            ))),
            other => Err(StoreError::Unavailable(format!("Redis gave an answer that makes no sense (`{}`)", other.escape_debug()))),
        }
    }
}

/// What to do about what a newer version wrote.
pub(super) fn newer(what: &str, format: &str) -> String {
    format!("{what} in Redis is of format {format}, which a newer version wrote; upgrade this one, or choose another database")
}
