//! Why hosts could not be reached, kept until somebody wants to know: a browser only says that they could not.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use url::{Host, Url};

use super::super::super::FetchError;
use super::target::Target;

/// How many are kept, the latest. A page that meets more of them is none whose fate hangs on one.
const KEPT: usize = 128;

/// The last failure of each host and port that was tried and not reached since.
#[derive(Default)]
pub(super) struct Failures(Mutex<VecDeque<Failed>>);

struct Failed {
    host: Host<String>,
    port: u16,
    error: FetchError,
}

impl Failures {
    pub(super) fn note(&self, target: &Target, error: FetchError) {
        self.clear(target);
        let mut known = self.lock();
        if known.len() == KEPT {
            known.pop_front();
        }
        known.push_back(Failed { host: target.host(), port: target.port(), error });
    }

    pub(super) fn clear(&self, target: &Target) {
        let mut known = self.lock();
        if !known.is_empty() {
            let (host, port) = (target.host(), target.port());
            known.retain(|failed| failed.port != port || failed.host != host);
        }
    }

    /// The failure of an address's host and port, with the host called `shown`.
    pub(super) fn of(&self, url: &Url, shown: &str) -> Option<FetchError> {
        let (host, port) = (url.host()?.to_owned(), url.port_or_known_default()?);
        let known = self.lock();
        let failed = known.iter().find(|failed| failed.port == port && failed.host == host)?;
        let mut error = failed.error.clone();
        // A name that did not resolve may also be the upstream's, which is fit to be shown as it is.
        if let FetchError::Refused { address: said, .. } | FetchError::Dns { host: said, .. } | FetchError::Unreachable { host: said, .. } =
            &mut error
            && said.strip_prefix(host.to_string().as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        {
            shown.clone_into(said);
        }
        Some(error)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Failed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
