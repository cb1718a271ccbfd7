//! What the proofs of one promise said.

use std::fmt;

/// Before each line that counts.
const MARK: &str = "trust ";

/// The figures of a promise.
#[derive(Debug, Default)]
pub(super) struct Said {
    figures: Vec<Figure>,
    /// What kept a proof from being one.
    broken: Vec<String>,
}

#[derive(Debug)]
struct Figure {
    what: String,
    seen: String,
    bar: String,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Held,
    NotHeld,
    NotJudged,
}

impl Said {
    /// Takes in the lines of a proof that are of this promise; how many there were.
    pub(super) fn listen(&mut self, id: &str, output: &str) -> usize {
        let before = self.figures.len();
        // The harness has begun a line of its own where a test speaks.
        let lines = output.lines().filter_map(|line| line.find(MARK).map(|at| &line[at + MARK.len()..]));
        self.figures.extend(lines.filter_map(|line| Figure::read(id, line)));
        self.figures.len() - before
    }

    /// A proof that is none.
    pub(super) fn broke(&mut self, why: &str) {
        self.broken.push(why.to_owned());
    }

    /// Whether there is nothing against it and something for it.
    pub(super) fn held(&self) -> bool {
        self.broken.is_empty()
            && self.figures.iter().any(|figure| figure.verdict == Verdict::Held)
            && self.figures.iter().all(|figure| figure.verdict != Verdict::NotHeld)
    }
}

impl Figure {
    /// `T3 | what | figure | bar | held`, where it is of this promise.
    fn read(id: &str, line: &str) -> Option<Self> {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [of, what, seen, bar, verdict] = parts[..] else { return None };
        let verdict = match verdict {
            "held" => Verdict::Held,
            "not judged" => Verdict::NotJudged,
            _ => Verdict::NotHeld,
        };
        (of == id).then(|| Self { what: what.to_owned(), seen: seen.to_owned(), bar: bar.to_owned(), verdict })
    }
}

/// All on one line: `what figure (bar)`, what was not held after it, then the verdict.
impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        for Figure { what, seen, bar, verdict } in &self.figures {
            let mark = match verdict {
                Verdict::Held => "",
                Verdict::NotHeld => ", NOT HELD",
                Verdict::NotJudged => ", not judged",
            };
            parts.push(format!("{what} {seen} (bar: {bar}{mark})"));
        }
        parts.extend(self.broken.iter().cloned());
        write!(f, "{}: {}", parts.join("; "), if self.held() { "held" } else { "NOT HELD" })
    }
}

#[cfg(test)]
mod tests {
    use super::Said;

    #[track_caller]
    fn check(output: &str, broken: Option<&str>, line: &str) {
        let mut said = Said::default();
        said.listen("T3", output);
        if let Some(why) = broken {
            said.broke(why);
        }
        assert_eq!(said.to_string(), line);
    }

    #[test]
    fn a_promise_is_held_where_all_that_was_said_is() {
        let two = "noise\ntest a::b ... trust T3 | faults | 25 of 25 | all | held\ntrust T5 | other | 1 | 0 | NOT HELD\n\
                   trust T3 | hit p99 | 3 ms | 2 ms | not judged\n";
        check(two, None, "faults 25 of 25 (bar: all); hit p99 3 ms (bar: 2 ms, not judged): held");
        check("trust T3 | faults | 24 of 25 | all | NOT HELD", None, "faults 24 of 25 (bar: all, NOT HELD): NOT HELD");
    }

    #[test]
    fn silence_half_a_line_and_a_failed_test_hold_nothing() {
        check("", None, ": NOT HELD");
        check("trust T3 | faults | 25", None, ": NOT HELD");
        check("trust T3 | hit p99 | 3 ms | 2 ms | not judged", None, "hit p99 3 ms (bar: 2 ms, not judged): NOT HELD");
        check("trust T3 | a | 1 | 1 | held", Some("the tests `x` failed"), "a 1 (bar: 1); the tests `x` failed: NOT HELD");
    }
}
