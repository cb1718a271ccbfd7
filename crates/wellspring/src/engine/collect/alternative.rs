//! One alternative of a source, from its first step to the gates.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use wellspring_core::failure::{Code, Failure};
use wellspring_core::gate;
use wellspring_core::key::Params;
use wellspring_core::rung::{Rung, Rungs};
use wellspring_core::snapshot::{How, Validator};
use wellspring_core::source::{Alternative, Ask, Page, Step};

use super::capture::Captures;
use super::places::{Miss, Sent, Terms};
use super::request::{self, Homes};
use super::rows::Given;
use super::story::{Asked, Secrets, Try};
use super::{Collector, Harvest};
use crate::engine::catalog::Recipe;
use crate::engine::extraction::{Finished, Ruled, RuledAlternative, Setting};
use crate::engine::limits::Permit;
use crate::engine::manners;
use crate::fetch::cookies::Jar;
use crate::fetch::{Fetched, Response};
use wellspring_extract::Rows;

/// How much one refresh reads in all, in bytes.
const MOST_READ: u64 = 256 << 20;

/// An alternative that is being collected.
#[derive(Debug)]
pub(super) struct Collection<'a> {
    collector: &'a Collector,
    pub(super) alternative: &'a Alternative,
    /// Which it is, from 0.
    pub(super) index: usize,
    /// By what means it is tried, after those before it.
    tried: &'a [Rung],
    pub(super) rules: &'a RuledAlternative,
    pub(super) terms: Terms<'a>,
    /// Parameters and times.
    pub(super) values: Params,
    jar: Jar,
    homes: Homes,
    pub(super) secrets: Secrets,
    /// Bytes read so far.
    read: AtomicU64,
}

/// A request that was made, and what is told of it.
#[derive(Debug)]
pub(super) struct Answer {
    pub asked: Asked,
    pub fetched: Result<Fetched, Miss>,
    /// Held until what came is extracted.
    pub permit: Option<Permit>,
}

impl<'a> Collection<'a> {
    /// Of the alternative at `index` by the last of these means, with these parameters.
    pub(super) fn new(
        collector: &'a Collector,
        recipe: &'a Recipe,
        index: usize,
        tried: &'a [Rung],
        params: &Params,
        terms: Terms<'a>,
    ) -> Self {
        let alternative = &recipe.spec.alternatives[index];
        let mut values = params.clone();
        values.extend(alternative.times.iter().map(|time| (time.name.clone(), time.fill(terms.started.wall))));
        Self {
            collector,
            alternative,
            index,
            tried,
            rules: &recipe.compiled[index],
            terms,
            homes: Homes::of(alternative, &values, terms.started.wall),
            secrets: Secrets::of(alternative),
            values,
            jar: Jar::default(),
            read: AtomicU64::new(0),
        }
    }

    /// Asks for everything in turn, and judges what comes.
    pub(super) async fn run(&self, attempt: &mut Try) -> Result<Harvest, Failure> {
        let harvest = self.gather(attempt).await;
        attempt.cut.iter_mut().for_each(|words| *words = self.secrets.veil(words));
        harvest.map_err(|failure| self.secrets.veiled(failure))
    }

    async fn gather(&self, attempt: &mut Try) -> Result<Harvest, Failure> {
        let mut captures = Captures { values: self.values.clone(), ..Captures::default() };
        attempt.address = self.address(&captures.values);
        for (number, (step, rules)) in self.alternative.steps.iter().zip(&self.rules.steps).enumerate() {
            let label = match &step.name {
                Some(name) => format!("step {} ({name})", number + 1),
                None => format!("step {}", number + 1),
            };
            self.step(step, rules, &label, &mut captures, attempt).await.map_err(|failure| within(&label, failure))?;
        }
        attempt.address = self.address(&captures.values);
        let (finished, validators) = match self.rows(&captures, attempt).await? {
            Given::NotModified(validators) => return Ok(Harvest::NotModified { validators, rungs: self.rungs() }),
            Given::Finished { finished, validators } => (*finished, validators),
            Given::Rows { mut rows, validators } => {
                if let (Some(details), Some(rules)) = (&self.alternative.details, &self.rules.details) {
                    self.details(details, rules, &mut rows, &captures.values, attempt).await?;
                }
                (self.collector.extractor.finish(&self.rules.rows, rows, &self.setting(captures.values)).await?, validators)
            }
        };
        attempt.gates = gate::judge(&self.alternative.expect, finished.tally, self.terms.known.count);
        let items = finished.items.clone();
        attempt.finished = Some(finished);
        if let Some(gate) = gate::refusal(&attempt.gates) {
            return Err(Failure::retryable(Code::GateFailed, format!("{}: {}", gate.name, gate.message)));
        }
        let took = self.collector.clock.mono().since(self.terms.started.mono);
        let alternative = u32::try_from(self.index).unwrap_or(u32::MAX);
        let how = How { alternative, took, bytes: self.read.load(Ordering::Relaxed), rung: self.rung() };
        Ok(Harvest::Items { items, how, validators, rungs: self.rungs() })
    }

    /// By what means the rows are asked for.
    pub(super) fn rung(&self) -> Rung {
        self.tried.last().copied().unwrap_or_default()
    }

    /// What is remembered once this has served.
    fn rungs(&self) -> Rungs {
        self.terms.known.rungs.after(self.index, self.tried, self.now())
    }

    /// The refresh's own time.
    pub(super) fn now(&self) -> Timestamp {
        self.terms.started.wall
    }

    /// What gives the rows, as it may be shown.
    fn address(&self, values: &Params) -> String {
        let url = &self.alternative.ask.url;
        let known = url.names().all(|name| values.contains_key(name));
        self.secrets.veil(&if known { url.fill(values).to_string() } else { url.to_string() })
    }

    async fn step(&self, step: &Step, rules: &Arc<Ruled>, label: &str, captures: &mut Captures, attempt: &mut Try) -> Result<(), Failure> {
        let Answer { mut asked, fetched, permit } =
            self.ask(&step.ask, &captures.values, Validator::default(), None, label.to_owned()).await?;
        let read = match fetched {
            // A step that captures nothing was asked for its cookies: whatever it is, it is not read.
            Ok(Fetched::Body(_)) if step.rules.fields.is_empty() => Ok(()),
            Ok(Fetched::Body(response)) => self.capture(step, rules, response, captures, &mut asked).await,
            // Nothing that would answer so was asked.
            Ok(Fetched::NotModified(_) | Fetched::Rendered(_)) => Ok(()),
            Err(miss) => Err(miss.failure),
        };
        drop(permit);
        attempt.asked.push(asked.failing(read.as_ref().err()));
        read
    }

    async fn capture(
        &self,
        step: &Step,
        rules: &Arc<Ruled>,
        response: Response,
        captures: &mut Captures,
        asked: &mut Asked,
    ) -> Result<(), Failure> {
        let address = self.secrets.veil(response.url.as_str());
        let rows = self.extract(rules, response, captures.values.clone()).await?;
        let row = rows.rows.first();
        let found = |name: &String| row.and_then(|row| row.get(name)).filter(|value| !super::capture::is_blank(value));
        let fields = step.rules.fields.iter().map(|field| &field.name);
        asked.captured = fields.filter_map(|name| Some((name.clone(), self.secrets.shorten(found(name)?)))).collect();
        captures.add(&step.rules, row, &address)
    }

    /// Makes one request, in a browser where it is told what that does with it.
    ///
    /// # Errors
    /// Where it cannot be made at all.
    pub(super) async fn ask(
        &self,
        ask: &Ask,
        values: &Params,
        validator: Validator,
        page: Option<&Arc<Page>>,
        label: String,
    ) -> Result<Answer, Failure> {
        let mut request = request::filled(ask, values, validator, self.terms.bounds, &self.jar, &self.homes)?;
        request.page = page.map(Arc::clone);
        let rung = if page.is_some() { Rung::Browser } else { Rung::Http };
        let address = self.secrets.veil(&request.url.to_string());
        let heeds = manners::heeds(self.alternative, ask, self.terms.bounds);
        let Sent { permit, took, mut fetched } = self.collector.send(request, heeds, self.terms).await;
        let (bodies, seen) = match &fetched {
            Ok(Fetched::Body(response)) => (std::slice::from_ref(response), None),
            Ok(Fetched::Rendered(rendered)) => (&rendered.bodies[..], Some(&rendered.seen)),
            Ok(Fetched::NotModified(_)) => (&[][..], None),
            Err(miss) => (&[][..], miss.seen.as_ref()),
        };
        let bytes = bodies.iter().map(|response| response.body.len() as u64).sum();
        let seen = seen.map(|seen| self.secrets.veiled_page(seen));
        if self.read.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > MOST_READ {
            let words = format!("the answers of this refresh come to more than {} MiB", MOST_READ >> 20);
            fetched = Err(Failure::permanent(Code::BodyTooLarge, words).into());
        }
        let asked = Asked { label, address, rung, bytes, took, captured: Vec::new(), seen, note: None };
        Ok(Answer { asked, fetched, permit })
    }

    /// Reads a body by some rules.
    pub(super) async fn extract(&self, rules: &Arc<Ruled>, response: Response, values: Params) -> Result<Rows, Failure> {
        self.collector.extractor.read(rules, response, &self.setting(values)).await
    }

    /// Reads the one body there is and finishes its rows.
    pub(super) async fn finished(&self, rules: &Arc<Ruled>, response: Response, values: Params) -> Result<Finished, Failure> {
        self.collector.extractor.extract(rules, response, &self.setting(values)).await
    }

    fn setting(&self, values: Params) -> Setting {
        Setting { now: self.now(), values: Arc::new(values) }
    }
}

impl Asked {
    /// A request that was not made.
    pub(super) fn refused(label: &str, rung: Rung, failure: &Failure) -> Self {
        let asked = Self {
            label: label.to_owned(),
            address: String::new(),
            rung,
            bytes: 0,
            took: Duration::ZERO,
            captured: Vec::new(),
            seen: None,
            note: None,
        };
        asked.failing(Some(failure))
    }

    /// Says that it failed, where it did.
    pub(super) fn failing(mut self, failure: Option<&Failure>) -> Self {
        if let Some(failure) = failure {
            self.note = Some(format!("failed ({})", failure.code));
        }
        self
    }
}

/// A failure and what it was about.
pub(super) fn within(label: &str, mut failure: Failure) -> Failure {
    let separator = if failure.code == Code::CaptureFailed { "," } else { ":" };
    failure.message.insert_str(0, &format!("{label}{separator} "));
    failure
}
