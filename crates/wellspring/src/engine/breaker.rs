//! A circuit breaker a host: after a run of failures, or when the host asks for it, none of its keys asks it for a while.
//! Backoffs are a key's own; without this a thousand keys would each find out by themselves that their host is down.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wellspring_core::failure::{Code, Failure, Kind};
use wellspring_core::moment::Mono;
use wellspring_core::period::format_period;
use wellspring_core::rung::is_of_the_browser;

/// So many failures in a row, of whatever keys, and the host is left alone.
const RUN: u32 = 5;
/// For how long at first; doubled with every further failure.
const FIRST_REST: Duration = Duration::from_secs(10);
/// For how long at most.
const LONGEST_REST: Duration = Duration::from_secs(300);
/// For how long at most when the host itself asks for it (`Retry-After`), for it may have meant one address.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);
/// How long the one who tries after a rest keeps the others away.
const TRIAL: Duration = Duration::from_secs(30);

/// The hosts that are in trouble.
#[derive(Debug, Default)]
pub struct Breaker {
    hosts: Mutex<HashMap<Arc<str>, Trouble>>,
    seed: RandomState,
}

#[derive(Debug)]
struct Trouble {
    failures: u32,
    /// Digests of the addresses whose own errors are among them.
    blamed: Vec<u64>,
    rests_until: Mono,
}

impl Breaker {
    /// Why a host is not asked now; `None` where it may be. After a rest one asker is let through, to try.
    pub fn refusal(&self, host: &str, now: Mono) -> Option<Failure> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = hosts.get_mut(host)?;
        if now >= trouble.rests_until {
            if trouble.failures >= RUN {
                trouble.rests_until = now.after(TRIAL);
            }
            return None;
        }
        let wait = now.until(trouble.rests_until);
        let words = format!("{host} is left alone for another {} after {} failures", format_period(wait), trouble.failures);
        Some(Failure { retry_after: Some(wait), ..Failure::retryable(Code::HostResting, words) })
    }

    /// What asking a host for `address` came to. What a browser does by itself says nothing of the host, neither good nor bad. An
    /// error that one address answers over and over counts once: it must not take its neighbours offline.
    pub fn report(&self, host: &Arc<str>, address: &str, failure: Option<&Failure>, now: Mono) {
        if failure.is_some_and(|failure| is_of_the_browser(failure.code)) {
            return;
        }
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failure) = failure.filter(|f| is_of_the_host(f)) else {
            hosts.remove(host);
            return;
        };
        let trouble = hosts.entry(Arc::clone(host)).or_insert(Trouble { failures: 0, blamed: Vec::new(), rests_until: now });
        if trouble.failures < RUN && may_be_of_one_address(failure) {
            let digest = self.seed.hash_one(address);
            if trouble.blamed.contains(&digest) {
                return;
            }
            trouble.blamed.push(digest);
        }
        trouble.failures = trouble.failures.saturating_add(1);
        let rest = match trouble.failures.checked_sub(RUN) {
            Some(more) => FIRST_REST.saturating_mul(1 << more.min(20)).min(LONGEST_REST),
            None => Duration::ZERO,
        };
        let asked = failure.retry_after.unwrap_or_default().min(LONGEST_ASKED);
        trouble.rests_until = now.after(rest.max(asked));
    }
}

/// True for an error that an address answers (a 500), where the host does not ask to be left alone.
fn may_be_of_one_address(failure: &Failure) -> bool {
    failure.code == Code::UpstreamStatus && failure.kind == Kind::Retryable && failure.retry_after.is_none()
}

/// True for failures that another address of the same host would likely meet too.
fn is_of_the_host(failure: &Failure) -> bool {
    match failure.code {
        Code::DnsFailed | Code::TlsFailed | Code::UpstreamUnreachable | Code::Timeout => true,
        Code::UpstreamStatus => failure.kind == Kind::Retryable,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Mono = Mono::from_nanos(0);

    fn broken() -> Failure {
        Failure::retryable(Code::UpstreamUnreachable, "connection refused")
    }

    fn after(seconds: u64) -> Mono {
        NOW.after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_run_of_failures_gives_a_host_a_rest_and_a_success_ends_it() {
        let (breaker, host) = (Breaker::default(), Arc::from("a"));
        for _ in 0..4 {
            breaker.report(&host, "/", Some(&broken()), NOW);
            assert_eq!(breaker.refusal(&host, NOW), None);
        }
        breaker.report(&host, "/", Some(&broken()), NOW);
        assert_eq!(breaker.refusal(&host, after(9)).unwrap().retry_after, Some(Duration::from_secs(1)));
        assert_eq!(breaker.refusal("b", NOW), None, "another host is another matter");
        // One tries; the others wait for what comes of it.
        assert_eq!(breaker.refusal(&host, after(10)), None);
        assert!(breaker.refusal(&host, after(10)).is_some());
        breaker.report(&host, "/", Some(&broken()), after(11));
        assert_eq!(breaker.refusal(&host, after(11)).unwrap().retry_after, Some(Duration::from_secs(20)));
        breaker.report(&host, "/", None, after(12));
        assert_eq!(breaker.refusal(&host, after(12)), None);
    }

    #[test]
    fn a_host_that_asks_for_a_rest_gets_it_at_once() {
        let (breaker, host) = (Breaker::default(), Arc::from("a"));
        let asked =
            |seconds| Failure { retry_after: Some(Duration::from_secs(seconds)), ..Failure::retryable(Code::UpstreamStatus, "429") };
        breaker.report(&host, "/", Some(&asked(60)), NOW);
        assert!(breaker.refusal(&host, after(59)).is_some());
        assert_eq!(breaker.refusal(&host, after(60)), None);
        breaker.report(&host, "/", Some(&asked(1_000_000)), NOW);
        assert_eq!(breaker.refusal(&host, after(3_600)), None);
    }

    #[test]
    fn what_a_browser_does_by_itself_neither_counts_nor_clears() {
        let (breaker, host) = (Breaker::default(), Arc::from("a"));
        let by_itself = [Code::BrowserMissing, Code::BrowserFailed, Code::PageFailed, Code::WaitFailed];
        for code in by_itself.into_iter().cycle().take(20) {
            breaker.report(&host, "/", Some(&Failure::retryable(code, "")), NOW);
        }
        assert_eq!(breaker.refusal(&host, NOW), None);
        for _ in 0..5 {
            breaker.report(&host, "/", Some(&broken()), NOW);
            breaker.report(&host, "/", Some(&Failure::retryable(Code::PageFailed, "")), NOW);
        }
        assert!(breaker.refusal(&host, NOW).is_some());
    }

    #[test]
    fn what_is_wrong_with_one_address_is_not_held_against_its_host() {
        let (breaker, host) = (Breaker::default(), Arc::from("a"));
        for _ in 0..20 {
            breaker.report(&host, "/", Some(&Failure::permanent(Code::UpstreamStatus, "404")), NOW);
            breaker.report(&host, "/", Some(&Failure::retryable(Code::GateFailed, "0 items")), NOW);
        }
        assert_eq!(breaker.refusal(&host, NOW), None);
    }

    #[test]
    fn an_address_that_answers_errors_counts_once_and_several_are_the_host() {
        let (breaker, host) = (Breaker::default(), Arc::from("a"));
        let error = Failure::retryable(Code::UpstreamStatus, "500");
        for _ in 0..20 {
            breaker.report(&host, "/broken", Some(&error), NOW);
        }
        assert_eq!(breaker.refusal(&host, NOW), None);
        for path in ["/a", "/b", "/c", "/d"] {
            assert_eq!(breaker.refusal(&host, NOW), None);
            breaker.report(&host, path, Some(&error), NOW);
        }
        assert!(breaker.refusal(&host, NOW).is_some());
    }
}
