//! What a collection did, for people: kept beside what it gave, and never a secret in it.

use std::time::Duration;

use serde_json::Value;
use wellspring_core::failure::{Failure, shown};
use wellspring_core::gate::Gate;
use wellspring_core::rung::Rung;
use wellspring_core::source::Alternative;
use wellspring_core::template::Filled;

use crate::engine::extraction::Finished;
use crate::fetch::{Seen, SeenAnswer};

/// How much is shown of what a step captured, in characters.
const SHOWN: usize = 80;
/// How much of a text is looked through for secrets before it is shown: more than is shown, so that none is cut in two.
const LOOKED_AT: usize = 4_096;

/// One alternative that was tried, for `check` and the status.
#[derive(Debug)]
pub struct Try {
    /// Which, from 0.
    pub alternative: usize,
    /// By what means its rows were asked for.
    pub rung: Rung,
    /// What gives the rows, without secrets; places that are not known (yet), or differ, stand open.
    pub address: String,
    /// What was asked, in order.
    pub asked: Vec<Asked>,
    /// What was left out, a sentence each.
    pub cut: Vec<String>,
    /// What came out, as far as it went.
    pub finished: Option<Finished>,
    /// What the gates said.
    pub gates: Vec<Gate>,
    /// Why it does not serve.
    pub failure: Option<Failure>,
}

/// One request that was made.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What for: `step 1 (page)`, `items`, `items for date=2025-01-23`, `details of row 3`.
    pub label: String,
    /// Where, without secrets.
    pub address: String,
    /// By what means.
    pub rung: Rung,
    /// The size of what came, decoded.
    pub bytes: u64,
    /// How long it took, waiting for its place left out.
    pub took: Duration,
    /// What a step captured, shortened.
    pub captured: Vec<(String, String)>,
    /// What the page was like where a browser rendered it, without secrets.
    pub seen: Option<Seen>,
    /// What was particular: `not modified`, `404: no rows`.
    pub note: Option<String>,
}

/// What came from the environment, to be recognised where an upstream echoes it.
#[derive(Debug)]
pub(super) struct Secrets(Vec<Filled>);

impl Try {
    /// One that has only begun.
    pub(super) fn new(alternative: usize, rung: Rung) -> Self {
        Self {
            alternative,
            rung,
            address: String::new(),
            asked: Vec::new(),
            cut: Vec::new(),
            finished: None,
            gates: Vec::new(),
            failure: None,
        }
    }
}

impl Secrets {
    /// All that the requests of an alternative carry: what is shown may hold what an upstream said.
    pub(super) fn of(alternative: &Alternative) -> Self {
        let texts = alternative.asks().flat_map(|ask| ask.templates().map(|text| text.fill(&[].into())).collect::<Vec<_>>());
        Self(texts.filter(Filled::is_secret).collect())
    }

    /// A text as it may be shown, on one line and no longer than anyone reads.
    pub(super) fn veil(&self, text: &str) -> String {
        let looked_at = shown(text, LOOKED_AT);
        if self.repeated_by(&looked_at) { "***".to_owned() } else { looked_at }
    }

    /// A page as it may be told: its title and where it loaded things from are as the upstream likes.
    pub(super) fn veiled_page(&self, seen: &Seen) -> Seen {
        let answer = |answer: &SeenAnswer| SeenAnswer { address: self.veil(&answer.address), ..answer.clone() };
        Seen { title: self.veil(&seen.title), bytes: seen.bytes, answers: seen.answers.iter().map(answer).collect() }
    }

    /// A failure as it may be told: a body, an address that a page gave, a transform may repeat what was sent.
    pub(super) fn veiled(&self, failure: Failure) -> Failure {
        if !self.repeated_by(&failure.message) {
            return failure;
        }
        Failure { message: "what went wrong repeats a secret of this source, so it is not told".to_owned(), ..failure }
    }

    fn repeated_by(&self, text: &str) -> bool {
        self.0.iter().any(|secret| secret.gives_away(text))
    }

    /// A captured value as it is shown.
    pub(super) fn shorten(&self, value: &Value) -> String {
        let text = match value {
            Value::String(text) => text.chars().take(LOOKED_AT).collect(),
            Value::Array(list) => {
                let some = list.iter().take(SHOWN).map(super::capture::text).collect::<Vec<_>>().join(", ");
                format!("{} values: {}", list.len(), some.chars().take(LOOKED_AT).collect::<String>())
            }
            other => super::capture::text(other).chars().take(LOOKED_AT).collect(),
        };
        let text = self.veil(&text);
        if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN - 1).chain(['…']).collect() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wellspring_core::template::Template;

    use super::*;

    #[test]
    fn what_an_upstream_echoes_is_veiled_before_it_is_shortened() {
        let key = Template::expand("k=${KEY}", &|_| Some("s3cr3t-k3y".to_owned())).unwrap();
        let secrets = Secrets(vec![key]);
        assert_eq!(secrets.veil("https://a.example/?t=S3CR3T%2dk3y"), "***");
        assert_eq!(secrets.shorten(&json!(format!("{}s3cr3t-k3y", "x".repeat(75)))), "***");
        let failure = |words: &str| secrets.veiled(Failure::permanent(wellspring_core::failure::Code::ExtractFailed, words)).message;
        assert_eq!(failure("the transform failed: s3cr3t-k3y"), "what went wrong repeats a secret of this source, so it is not told");
        assert_eq!(failure("the transform failed: a"), "the transform failed: a");
        assert_eq!(secrets.shorten(&json!(["a", 2])), "2 values: a, 2");
        assert_eq!(secrets.shorten(&json!("ä".repeat(100))).chars().count(), 80);
    }
}
