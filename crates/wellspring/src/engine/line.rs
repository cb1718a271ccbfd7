//! The story of a refresh in one line of the log, told at its end.

use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};
use wellspring_core::failure::{Code, Failure};
use wellspring_core::key::Key;
use wellspring_core::rung::Rung;

use super::cell::outcome_word;

/// What is told of a refresh. What it did not come to is left out.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) key: &'a Key,
    /// Why it ran.
    pub(super) trigger: &'static str,
    /// How it came out: whether there is a new revision, or why there is none.
    pub(super) outcome: &'a Result<bool, Failure>,
    /// Whether what came of it outlives the process already.
    pub(super) durable: bool,
    /// The revision that is served now.
    pub(super) revision: Option<u64>,
    pub(super) items: Option<u32>,
    /// From its turn to its end.
    pub(super) took: Duration,
    /// How long it had waited for its turn.
    pub(super) queued: Duration,
    pub(super) asked: Asked,
    /// By what means the page was asked for that decided.
    pub(super) rung: Option<Rung>,
    /// Which alternative decided, from 1.
    pub(super) alternative: Option<usize>,
    /// When a timer tries again.
    pub(super) next_attempt: Option<Timestamp>,
}

/// What upstreams were asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) requests: usize,
    /// What came, decoded.
    pub(super) bytes: u64,
    /// How long the requests took, added up: those that ran side by side may come to more than the refresh took.
    pub(super) took: Duration,
}

impl Line<'_> {
    /// Writes it: good news as information, a failure as a warning.
    pub(super) fn write(&self) {
        let Self { key, trigger, revision, items, rung, alternative, .. } = self;
        let (source, outcome, trigger) = (key.source(), outcome_word(self.outcome), *trigger);
        let (took_ms, queued_ms) = (millis(self.took), millis(self.queued));
        let asked = self.asked;
        let requests = (asked.requests > 0).then_some(asked.requests);
        let (fetch_ms, bytes) = (requests.map(|_| millis(asked.took)), requests.map(|_| asked.bytes));
        let (rung, next_attempt) = (rung.map(Rung::as_str), self.next_attempt.map(tracing::field::display));
        // Told where it is not so: else `outcome` says all.
        let durable = (!self.durable).then_some(false);
        match self.outcome {
            Ok(_) => info!(
                source, %key, trigger, outcome, durable, revision, items, took_ms, queued_ms, fetch_ms, requests, bytes, rung, alternative, "refreshed"
            ),
            Err(failure) if failure.code == Code::Cancelled => {
                info!(source, %key, trigger, outcome, revision, took_ms, queued_ms, requests, "refresh stopped");
            }
            Err(failure) => {
                let serves = if revision.is_some() { "what was served stays" } else { "there is nothing to serve yet" };
                warn!(
                    source,
                    %key,
                    trigger,
                    outcome,
                    error = failure.message,
                    revision,
                    items,
                    took_ms,
                    queued_ms,
                    fetch_ms,
                    requests,
                    bytes,
                    rung,
                    alternative,
                    next_attempt,
                    "refresh failed; {serves}"
                );
            }
        }
    }
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Page {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// The line as a terminal shows it, and as a machine reads it.
    fn told(outcome: &Result<bool, Failure>, durable: bool) -> String {
        let key = Key::parse("cinema?city=jakarta").unwrap();
        let failed = outcome.is_err();
        let line = Line {
            key: &key,
            trigger: "stale",
            outcome,
            durable,
            revision: Some(7),
            items: Some(17),
            took: Duration::from_millis(1_234),
            queued: Duration::from_millis(12),
            asked: Asked { requests: 2, bytes: 48_213, took: Duration::from_millis(1_100) },
            rung: Some(Rung::Browser),
            alternative: Some(1),
            next_attempt: failed.then(|| "2025-11-28T03:30:10Z".parse().unwrap()),
        };
        let page = Page::default();
        let plain = tracing_subscriber::fmt().with_writer(page.clone()).with_target(false).with_ansi(false).without_time();
        tracing::subscriber::with_default(plain.finish(), || line.write());
        let json = tracing_subscriber::fmt().with_writer(page.clone()).with_target(false).without_time().json().flatten_event(true);
        tracing::subscriber::with_default(json.finish(), || line.write());
        let written = page.0.lock().unwrap().clone();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn a_success_is_one_line() {
        insta::assert_snapshot!(told(&Ok(true), true), @r#"
         INFO refreshed source="cinema" key=cinema?city=jakarta trigger="stale" outcome="stored" revision=7 items=17 took_ms=1234 queued_ms=12 fetch_ms=1100 requests=2 bytes=48213 rung="browser" alternative=1
        {"level":"INFO","message":"refreshed","source":"cinema","key":"cinema?city=jakarta","trigger":"stale","outcome":"stored","revision":7,"items":17,"took_ms":1234,"queued_ms":12,"fetch_ms":1100,"requests":2,"bytes":48213,"rung":"browser","alternative":1}
        "#);
    }

    #[test]
    fn what_is_not_durable_yet_is_said_to_be_so() {
        let told = told(&Ok(true), false);
        assert!(told.contains("outcome=\"stored\" durable=false"), "{told}");
        assert!(told.contains("\"outcome\":\"stored\",\"durable\":false"), "{told}");
    }

    #[test]
    fn a_failure_is_one_line_and_says_when_it_is_tried_again() {
        insta::assert_snapshot!(told(&Err(Failure::retryable(Code::WaitFailed, "li.film never appeared")), true), @r#"
         WARN refresh failed; what was served stays source="cinema" key=cinema?city=jakarta trigger="stale" outcome="wait_failed" error="li.film never appeared" revision=7 items=17 took_ms=1234 queued_ms=12 fetch_ms=1100 requests=2 bytes=48213 rung="browser" alternative=1 next_attempt=2025-11-28T03:30:10Z
        {"level":"WARN","message":"refresh failed; what was served stays","source":"cinema","key":"cinema?city=jakarta","trigger":"stale","outcome":"wait_failed","error":"li.film never appeared","revision":7,"items":17,"took_ms":1234,"queued_ms":12,"fetch_ms":1100,"requests":2,"bytes":48213,"rung":"browser","alternative":1,"next_attempt":"2025-11-28T03:30:10Z"}
        "#);
    }

    #[test]
    fn what_we_ended_ourselves_is_no_warning() {
        insta::assert_snapshot!(told(&Err(super::super::execute::stopped()), true), @r#"
         INFO refresh stopped source="cinema" key=cinema?city=jakarta trigger="stale" outcome="cancelled" revision=7 took_ms=1234 queued_ms=12 requests=2
        {"level":"INFO","message":"refresh stopped","source":"cinema","key":"cinema?city=jakarta","trigger":"stale","outcome":"cancelled","revision":7,"took_ms":1234,"queued_ms":12,"requests":2}
        "#);
    }
}
