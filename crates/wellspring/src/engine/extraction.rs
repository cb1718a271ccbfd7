//! Where bodies become rows: the compiled rules of a source and who runs them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use wellspring_core::failure::{Code, Failure};
use wellspring_core::gate::Tally;
use wellspring_core::snapshot::Items;
use wellspring_core::source::{Alternative, Rules};
use wellspring_extract::{Body, Compiled, Context, Report, Rows, RuleError};

use crate::fetch::Response;
use crate::lifecycle;

/// Rules and what they were compiled to.
#[derive(Debug)]
pub struct Ruled {
    /// As written.
    pub rules: Rules,
    /// Ready to be used.
    pub compiled: Compiled,
}

/// The rules of one alternative.
#[derive(Debug)]
pub struct RuledAlternative {
    /// What its steps capture, in their order.
    pub steps: Vec<Arc<Ruled>>,
    /// What gives the rows.
    pub rows: Arc<Ruled>,
    /// What joins them.
    pub details: Option<Arc<Ruled>>,
}

/// What values are read by beside the body.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The refresh's own time.
    pub now: Timestamp,
    /// Parameters, captures and times by name.
    pub values: Arc<BTreeMap<String, String>>,
}

/// What an extraction gave.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The items, encoded.
    pub items: Items,
    /// What the gates judge.
    pub tally: Tally,
    /// How it came about, for people.
    pub report: Report,
}

/// Runs rules on bodies.
#[derive(Debug)]
pub enum Extractor {
    /// In a thread of this process: a body that takes for ever takes the thread.
    InProcess,
}

impl Ruled {
    /// Compiles rules.
    ///
    /// # Errors
    /// [`RuleError`] for the first rule that cannot be read.
    pub fn compile(rules: &Rules) -> Result<Arc<Self>, RuleError> {
        Ok(Arc::new(Self { compiled: Compiled::compile(rules)?, rules: rules.clone() }))
    }
}

impl RuledAlternative {
    /// Compiles an alternative's rules.
    ///
    /// # Errors
    /// [`RuleError`] for the first rule that cannot be read.
    pub fn compile(alternative: &Alternative) -> Result<Self, RuleError> {
        Ok(Self {
            steps: alternative.steps.iter().map(|step| Ruled::compile(&step.rules)).collect::<Result<_, _>>()?,
            rows: Ruled::compile(&alternative.rules)?,
            details: alternative.details.as_ref().map(|details| Ruled::compile(&details.rules)).transpose()?,
        })
    }
}

impl Setting {
    fn context(&self) -> Context<'_> {
        Context { now: self.now, values: &self.values }
    }
}

impl Extractor {
    /// Reads a body's rows.
    ///
    /// # Errors
    /// The failure that the refresh ends with.
    pub async fn read(&self, rules: &Arc<Ruled>, response: Response, setting: &Setting) -> Result<Rows, Failure> {
        let (rules, setting) = (Arc::clone(rules), setting.clone());
        // Parsing a large page takes long enough to hold up a thread that answers requests.
        let read = lifecycle::blocking(move || {
            let body = Body { bytes: &response.body, content_type: response.content_type.as_deref(), url: &response.url };
            rules.compiled.read(&body, &setting.context()).map_err(|e| e.failure())
        });
        read.await.map_err(|_| broke_off())?
    }

    /// The last steps, for the rows of all bodies together.
    ///
    /// # Errors
    /// The failure that the refresh ends with.
    pub async fn finish(&self, rules: &Arc<Ruled>, rows: Rows, setting: &Setting) -> Result<Finished, Failure> {
        let (rules, setting) = (Arc::clone(rules), setting.clone());
        let finished = lifecycle::blocking(move || {
            let extraction = rules.compiled.finish(rows, &setting.context()).map_err(|e| e.failure())?;
            Ok(Finished { items: Items::encode(&extraction.rows), tally: extraction.tally, report: extraction.report })
        });
        finished.await.map_err(|_| broke_off())?
    }
}

fn broke_off() -> Failure {
    Failure::permanent(Code::Interrupted, "the extraction broke off")
}
