//! What the tests said, added up.

use std::fmt;

/// The mark of a test that cannot run here. It writes `skipped: why` to the real standard output, which libtest does not
/// capture, and returns.
const SKIPPED: &str = "skipped: ";

/// Tests counted over several runs of cargo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Passed, those that only skipped themselves included.
    ran: usize,
    /// Failed, and checks that failed.
    failed: usize,
    /// Ignored by libtest.
    ignored: usize,
    /// Said that they cannot run here.
    skipped: usize,
}

impl Tally {
    /// Takes one line of output into account.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.ran += count(counts, "passed");
            self.failed += count(counts, "failed");
            self.ignored += count(counts, "ignored");
        } else if line.starts_with(SKIPPED) || (line.starts_with("test ") && line.contains(&format!(" ... {SKIPPED}"))) {
            self.skipped += 1;
        }
    }

    /// Adds a failure that no line tells of.
    pub(crate) fn fail(&mut self) {
        self.failed += 1;
    }

    /// How many failed.
    pub(crate) fn failures(&self) -> usize {
        self.failed
    }

    /// Whether nothing ran at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.ran + self.failed == 0
    }
}

/// The closing line.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.ran.saturating_sub(self.skipped), self.failed)?;
        match self.ignored + self.skipped {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}

/// The number before a word, as in `12 passed; 0 failed`.
fn count(text: &str, word: &str) -> usize {
    let words: Vec<&str> = text.split([' ', ';', '.']).filter(|part| !part.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[track_caller]
    fn check(lines: &[&str], closing: &str) {
        let mut tally = Tally::default();
        for line in lines {
            tally.read(line);
        }
        assert_eq!(tally.to_string(), closing);
    }

    #[test]
    fn results_add_up() {
        check(
            &[
                "running 3 tests",
                "test a ... ok",
                "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.00s",
                "test result: FAILED. 39 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
            ],
            "42 passed, 2 failed",
        );
    }

    #[test]
    fn what_did_not_really_run_is_not_passed() {
        check(
            &[
                "skipped: ../shared/data is absent",
                "test feeds ... skipped: ../shared/data is absent",
                "test the_page_says_skipped ... ok",
                "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            ],
            "3 passed, 0 failed, 3 skipped",
        );
    }

    #[test]
    fn a_failed_check_is_a_failure() {
        let mut tally = Tally::default();
        assert!(tally.is_empty());
        tally.fail();
        assert!(!tally.is_empty());
        assert_eq!(tally.to_string(), "0 passed, 1 failed");
    }
}
