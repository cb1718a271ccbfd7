//! Where bodies become rows: the compiled rules of a source and who runs them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use wellspring_core::failure::{Code, Failure};
use wellspring_core::gate::Tally;
use wellspring_core::snapshot::{Digest, Items};
use wellspring_core::source::{Alternative, Rules};
use wellspring_extract::{Body, Compiled, Context, ExtractError, Extraction, Report, Rows, RuleError, check_live_selector};

use super::worker::protocol::{Origin, Outcome, Task};
use super::worker::{self, Workers};
use crate::fetch::Response;
use crate::lifecycle;

/// Rules and what they were compiled to.
#[derive(Debug)]
pub struct Ruled {
    /// As written.
    pub rules: Rules,
    /// Ready to be used.
    pub compiled: Compiled,
    /// The digest of the rules, by which a worker knows them.
    pub digest: Digest,
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
    /// In child processes, which can be ended.
    Workers(Workers),
    /// In a thread of this process, a small body at once: one that takes for ever takes the thread, and one that ends its process ends this one. For
    /// tests of what stands around it.
    InProcess,
}

impl Ruled {
    /// Compiles rules.
    ///
    /// # Errors
    /// [`RuleError`] for the first rule that cannot be read.
    pub fn compile(rules: &Rules) -> Result<Arc<Self>, RuleError> {
        // Rules are texts and numbers, so encoding them cannot fail.
        let digest = Digest::of(&serde_json::to_vec(rules).unwrap_or_default());
        Ok(Arc::new(Self { compiled: compile(rules)?, rules: rules.clone(), digest }))
    }
}

impl RuledAlternative {
    /// Compiles an alternative's rules, and checks the selectors that a browser will look for.
    ///
    /// # Errors
    /// [`RuleError`] for the first rule that cannot be read.
    pub fn compile(alternative: &Alternative) -> Result<Self, RuleError> {
        alternative.page_selectors.iter().try_for_each(check_live_selector)?;
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
    /// Extraction in child processes.
    ///
    /// # Errors
    /// Where the system refuses another thread.
    pub fn workers(options: worker::Options) -> io::Result<Self> {
        Workers::new(options).map(Self::Workers)
    }

    /// Reads a body's items. Cheaper than reading rows and finishing them: they need not come here in between.
    ///
    /// # Errors
    /// The failure that the refresh ends with.
    pub async fn extract(&self, rules: &Arc<Ruled>, response: Response, setting: &Setting) -> Result<Finished, Failure> {
        match self {
            Self::InProcess => {
                let bytes = response.body.len();
                here(rules, setting, bytes, move |compiled, context| finished(compiled.extract(&body(&response), context))).await
            }
            Self::Workers(workers) => items(workers.run(rules, setting, Task::Extract(origin(&response)), &response.body).await?).await,
        }
    }

    /// Reads a body's rows.
    ///
    /// # Errors
    /// The failure that the refresh ends with.
    pub async fn read(&self, rules: &Arc<Ruled>, response: Response, setting: &Setting) -> Result<Rows, Failure> {
        match self {
            Self::InProcess => {
                let bytes = response.body.len();
                here(rules, setting, bytes, move |compiled, context| compiled.read(&body(&response), context)).await
            }
            Self::Workers(workers) => match workers.run(rules, setting, Task::Read(origin(&response)), &response.body).await? {
                (Outcome::Rows(fields), rows) => {
                    let rows = off(rows.len(), move || serde_json::from_slice(&rows)).await?;
                    Ok(Rows {
                        rows: rows.map_err(|e| Failure::permanent(Code::ExtractFailed, format!("the rows cannot be held: {e}")))?,
                        fields,
                    })
                }
                (outcome, _) => Err(unasked(outcome)),
            },
        }
    }

    /// The last steps, for the rows of all bodies together.
    ///
    /// # Errors
    /// The failure that the refresh ends with.
    pub async fn finish(&self, rules: &Arc<Ruled>, rows: Rows, setting: &Setting) -> Result<Finished, Failure> {
        match self {
            Self::InProcess => here(rules, setting, usize::MAX, move |compiled, context| finished(compiled.finish(rows, context))).await,
            Self::Workers(workers) => {
                let (fields, rows) = (rows.fields, rows.rows);
                let rows = off(usize::MAX, move || Items::encode(&rows)).await?;
                items(workers.run(rules, setting, Task::Finish(fields.into()), rows.json().as_bytes()).await?).await
            }
        }
    }

    /// Ends what runs for it.
    pub async fn close(&self) {
        match self {
            Self::InProcess => {}
            Self::Workers(workers) => workers.close().await,
        }
    }
}

/// Compiles rules: those with a program where there is stack enough for any, for used up, a stack would end the server that reloads.
fn compile(rules: &Rules) -> Result<Compiled, RuleError> {
    let Some(program) = &rules.transform else { return Compiled::compile(rules) };
    lifecycle::on_stack(wellspring_extract::STACK, || Compiled::compile(rules)).unwrap_or_else(|error| {
        let message = format!("the jq program cannot be compiled: no thread for it ({error})");
        Err(RuleError { span: program.span.clone(), message, help: None })
    })
}

/// Runs compiled rules in a thread of this process, one that may be held up where there are many bytes.
async fn here<T: Send + 'static>(
    rules: &Arc<Ruled>,
    setting: &Setting,
    bytes: usize,
    work: impl FnOnce(&Compiled, &Context<'_>) -> Result<T, ExtractError> + Send + 'static,
) -> Result<T, Failure> {
    let (rules, setting) = (Arc::clone(rules), setting.clone());
    off(bytes, move || work(&rules.compiled, &setting.context())).await?.map_err(|e| e.failure())
}

/// Runs what takes long enough to hold up a thread that answers requests in another, where there are many bytes to it.
async fn off<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    const MANY: usize = 128 * 1024;
    if bytes < MANY {
        return Ok(work());
    }
    let broke_off = |_| Failure::permanent(Code::Interrupted, "the extraction broke off");
    lifecycle::blocking(work).await.map_err(broke_off)
}

fn body(response: &Response) -> Body<'_> {
    Body { bytes: &response.body, content_type: response.content_type.as_deref(), url: &response.url }
}

fn origin(response: &Response) -> Origin<'_> {
    Origin { url: Cow::Borrowed(&response.url), content_type: response.content_type.as_deref().map(Cow::Borrowed) }
}

fn finished(extraction: Result<Extraction, ExtractError>) -> Result<Finished, ExtractError> {
    extraction.map(|e| Finished { items: Items::encode(&e.rows), tally: e.tally, report: e.report })
}

async fn items((outcome, json): (Outcome, Vec<u8>)) -> Result<Finished, Failure> {
    let Outcome::Items { tally, report } = outcome else { return Err(unasked(outcome)) };
    let decoded = off(json.len(), move || String::from_utf8(json).map(|json| Items::from_stored(json, tally.kept))).await?;
    let items = decoded.map_err(|e| Failure::permanent(Code::ExtractFailed, format!("the items cannot be held: {e}")))?;
    Ok(Finished { items, tally, report })
}

/// A failure, or something else than was asked for.
fn unasked(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        _ => Failure::permanent(Code::ExtractFailed, "the process that extracts answered something else"),
    }
}

#[cfg(test)]
mod tests {
    use wellspring_core::source::{At, Defaults, Format, parse_sources};

    use super::*;

    #[test]
    fn what_a_browser_looks_for_is_checked() {
        let compile = |lines: &str| {
            let text = format!("[source.a]\nurl = 'https://a.example/'\nfresh_for = '1h'\nformat = 'jsonld'\nrender = 'auto'\n{lines}");
            let spec = parse_sources("f", &text, Defaults::default(), &|_| None).unwrap().remove(0).value;
            RuledAlternative::compile(&spec.alternatives[0]).err().map(|error| text[error.span].to_owned())
        };
        assert_eq!(compile("click = ['#ok', 'button:enabled']\nwait_for = 'ul > li'"), None);
        assert_eq!(compile("click = ['#ok', 'button:contains(More)']").as_deref(), Some("'button:contains(More)'"));
        assert_eq!(compile("wait_for = 'li@href'").as_deref(), Some("'li@href'"));
    }

    #[test]
    fn a_program_that_nests_compiles_without_ending_the_process() {
        let nested = format!("{}{}", "[".repeat(4_000), "]".repeat(4_000));
        let rules = Rules { transform: Some(At { span: 0..nested.len(), value: nested }), ..Rules::whole(Format::Json, Vec::new()) };
        assert!(Ruled::compile(&rules).is_ok());
    }
}
