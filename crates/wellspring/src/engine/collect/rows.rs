//! What gives the rows: one request, or one for each of several values. Conditional where all of them were asked before.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use wellspring_core::failure::{Code, Failure, shown};
use wellspring_core::key::Params;
use wellspring_core::rung::Rung;
use wellspring_core::snapshot::{Digest, Validator, Validators};
use wellspring_core::source::{Each, Field, Format, Method, Origin, Parse, Piece};
use wellspring_extract::Rows;

use super::abreast::abreast;
use super::alternative::{Answer, Collection, within};
use super::capture::Captures;
use super::story::{Asked, Try};
use crate::engine::extraction::Finished;
use crate::fetch::{Fetched, Response};

/// How much the rows of all answers may hold, in bytes: as much as those of one.
const MOST_HELD: usize = 64 << 20;

/// How much of a value is shown where its request is named, in characters: upstreams say what they like.
const SHOWN: usize = 80;

/// Where days are counted unless somebody says otherwise.
const UTC: &str = "UTC";

/// What the requests for rows came to.
#[derive(Debug)]
pub(super) enum Given {
    /// Every one of them was answered "not modified".
    NotModified(Validators),
    /// Items already: one answer and nothing to join.
    Finished {
        /// What came out.
        finished: Box<Finished>,
        /// What to ask with next time.
        validators: Validators,
    },
    /// Rows, in the order of the values.
    Rows {
        /// The rows.
        rows: Rows,
        /// What to ask with next time; empty where not every request can be asked that way.
        validators: Validators,
    },
}

/// One request for rows.
struct Wanted {
    label: String,
    values: Params,
    /// Identifies it among those of the source.
    digest: String,
}

/// What one request gave.
enum Got {
    Rows(Rows, Validator),
    Finished(Box<Finished>, Validator),
    NotModified(Validator),
    Nothing,
}

type Took = (Asked, Result<Got, Failure>);

impl Collection<'_> {
    pub(super) async fn rows(&self, captures: &Captures, attempt: &mut Try) -> Result<Given, Failure> {
        let wanted = self.wanted(captures, &mut attempt.cut);
        let digests: BTreeSet<&String> = wanted.iter().map(|one| &one.digest).collect();
        // What a browser made of an answer, and asked for besides, is nothing that an upstream can say is still so.
        let plain = self.rung() == Rung::Http;
        let repeatable = plain && self.alternative.details.is_none() && self.alternative.ask.method == Method::Get && !digests.is_empty();
        let conditional = repeatable && self.terms.known.validators.keys().eq(digests.iter().copied());
        // Once one of them has changed, asking the rest whether they have is of no use.
        let changed = AtomicBool::new(!conditional);
        let held = AtomicUsize::new(0);
        let all: Vec<usize> = (0..wanted.len()).collect();
        let mut got = self.all_of(&wanted, &all, &changed, &held, attempt).await?;
        let unmodified: Vec<usize> = (0..got.len()).filter(|index| matches!(got[*index], Got::NotModified(_))).collect();
        if !unmodified.is_empty() && unmodified.len() == got.len() {
            let validators = wanted.into_iter().zip(got).filter_map(|(one, got)| match got {
                Got::NotModified(validator) => Some((one.digest, validator)),
                _ => None,
            });
            return Ok(Given::NotModified(validators.collect()));
        }
        // Rows of those that have not changed are needed beside those of the others.
        for (index, again) in unmodified.iter().zip(self.all_of(&wanted, &unmodified, &changed, &held, attempt).await?) {
            got[*index] = again;
        }
        let count = wanted.len();
        let mut gathered = Rows::default();
        let mut whole = None;
        let mut validators = Validators::new();
        for (one, got) in wanted.into_iter().zip(got) {
            let validator = match got {
                Got::Rows(rows, validator) => {
                    gathered.append(rows);
                    validator
                }
                Got::Finished(finished, validator) => {
                    whole = Some(finished);
                    validator
                }
                Got::NotModified(_) | Got::Nothing => continue,
            };
            if !validator.is_empty() {
                validators.insert(one.digest, validator);
            }
        }
        if !repeatable || validators.len() != count {
            validators.clear();
        }
        Ok(match whole {
            Some(finished) => Given::Finished { finished, validators },
            None => Given::Rows { rows: gathered, validators },
        })
    }

    /// Every request for rows, in order.
    fn wanted(&self, captures: &Captures, cut: &mut Vec<String>) -> Vec<Wanted> {
        let own = if self.alternative.steps.is_empty() { String::new() } else { "items".to_owned() };
        let one = |label: String, values: Params| Wanted { digest: self.fingerprint(&values), label, values };
        let Some(each) = &self.alternative.each else { return vec![one(own, captures.values.clone())] };
        let with = |value: &String| {
            let mut values = captures.values.clone();
            values.insert(each.name.clone(), value.clone());
            one(format!("items for {}={}", each.name, shown(&self.secrets.veil(value), SHOWN)), values)
        };
        self.values(each, captures, cut).iter().map(with).collect()
    }

    /// The values that are asked for, each once.
    fn values(&self, each: &Each, captures: &Captures, cut: &mut Vec<String>) -> Vec<String> {
        let all = each.values.known(self.now()).or_else(|| captures.lists.get(&each.name).cloned()).unwrap_or_default();
        let mut seen = HashSet::new();
        let mut distinct: Vec<String> = all.into_iter().filter(|value| seen.insert(value.clone())).collect();
        if distinct.len() > each.limit {
            let (left, all) = (distinct.len() - each.limit, distinct.len());
            cut.push(format!("each: {left} of {all} values left out (`limit` = {})", each.limit));
            distinct.truncate(each.limit);
        }
        distinct
    }

    /// Makes some of the requests, as many at once as a host bears. The first failure is everyone's.
    async fn all_of(
        &self,
        wanted: &[Wanted],
        which: &[usize],
        changed: &AtomicBool,
        held: &AtomicUsize,
        attempt: &mut Try,
    ) -> Result<Vec<Got>, Failure> {
        let width = usize::try_from(self.terms.bounds.per_host.at_once).unwrap_or(1);
        let took =
            abreast(width, which.len(), |index| self.one(&wanted[which[index]], changed, held), |(_, got): &Took| got.is_err()).await;
        let missing =
            |(asked, got): &Took| matches!(got, Ok(Got::Nothing)).then(|| asked.label.trim_start_matches("items for ").to_owned());
        let gone: Vec<String> = took.iter().filter_map(missing).collect();
        if !gone.is_empty() {
            attempt.cut.push(format!("each: no rows for {} of {} values (404 or 410): {}", gone.len(), wanted.len(), few(&gone)));
        }
        let (asked, got): (Vec<_>, Vec<_>) = took.into_iter().unzip();
        attempt.asked.extend(asked);
        got.into_iter().collect()
    }

    async fn one(&self, wanted: &Wanted, changed: &AtomicBool, held: &AtomicUsize) -> Took {
        let told = |failure| if wanted.label.is_empty() { failure } else { within(&wanted.label, failure) };
        let asking = !changed.load(Ordering::Relaxed);
        let validator = self.terms.known.validators.get(&wanted.digest).filter(|_| asking).cloned().unwrap_or_default();
        let label = if wanted.label.is_empty() { "items".to_owned() } else { wanted.label.clone() };
        let page = Some(&self.alternative.page).filter(|_| self.rung() == Rung::Browser);
        let (mut asked, fetched, permit) = match self.ask(&self.alternative.ask, &wanted.values, validator, page, label.clone()).await {
            Ok(Answer { asked, fetched, permit }) => (asked, fetched, permit),
            Err(failure) => return (Asked::refused(&label, self.rung(), &failure), Err(told(failure))),
        };
        let got = match fetched {
            Ok(Fetched::NotModified(validator)) => {
                asked.note = Some("not modified".to_owned());
                Ok(Got::NotModified(validator))
            }
            Ok(Fetched::Body(response)) => {
                changed.store(true, Ordering::Relaxed);
                self.read(vec![response], &wanted.values, held).await
            }
            Ok(Fetched::Rendered(rendered)) => self.read(rendered.bodies, &wanted.values, held).await,
            Err(miss) if self.alternative.each.is_some() && miss.is_gone() => {
                changed.store(true, Ordering::Relaxed);
                asked.note = miss.status.map(|status| format!("{status}: no rows"));
                Ok(Got::Nothing)
            }
            Err(miss) => Err(miss.failure),
        };
        drop(permit);
        let got = got.map_err(told);
        (asked.failing(got.as_ref().err()), got)
    }

    /// What the answer to one request gives: one body, or several that a page has loaded, whose rows follow one another.
    async fn read(&self, mut bodies: Vec<Response>, values: &Params, held: &AtomicUsize) -> Result<Got, Failure> {
        let count = bodies.len();
        let is_all = count == 1 && self.alternative.each.is_none() && self.alternative.details.is_none();
        if let Some(response) = bodies.pop_if(|_| is_all) {
            // Read and finished in one go, its rows never come here.
            let validator = response.validator.clone();
            let finished = self.finished(&self.rules.rows, response, values.clone()).await?;
            return Ok(Got::Finished(Box::new(finished), validator));
        }
        let mut gathered = Rows::default();
        let mut validator = Validator::default();
        for (index, response) in bodies.into_iter().enumerate() {
            validator = response.validator.clone();
            let rows = self.extract(&self.rules.rows, response, values.clone()).await.and_then(|rows| hold(rows, held));
            let told = |failure| if count == 1 { failure } else { within(&format!("answer {} of {count}", index + 1), failure) };
            gathered.append(rows.map_err(told)?);
        }
        Ok(Got::Rows(gathered, validator))
    }

    /// Identifies a request among those of a source without telling its secrets: by what is asked, and by what its rows are made
    /// of beside the answer.
    fn fingerprint(&self, values: &Params) -> String {
        let ask = &self.alternative.ask;
        let method = if ask.method == Method::Post { "POST" } else { "GET" };
        let mut text = format!("{} {method} {}", self.index, ask.url.fill(values).expose());
        if let Some(payload) = &ask.payload {
            text.push('\n');
            text.push_str(payload.fill(values).expose());
        }
        let rules = &self.alternative.rules;
        for (name, value) in values.iter().filter(|(name, _)| rules.fields.iter().any(|field| composes(field, name))) {
            let _infallible = write!(text, "\n{name}={value}");
        }
        // An upstream that is asked by headers may give each of them something else. What a step captured there is a key of the moment.
        let places = ask.headers.iter().chain(&ask.cookies).flat_map(|(_, line)| line.names());
        let is_asked =
            |name: &&str| self.values.contains_key(*name) || self.alternative.each.as_ref().is_some_and(|each| each.name == **name);
        for name in places.filter(is_asked) {
            let _infallible = write!(text, "\n{name}={}", values.get(name).map_or("", String::as_str));
        }
        // Which occurrences are items depends on the day, and so does what `today` and a date without a year mean, wherever they are read.
        let mut zones: BTreeSet<&str> = rules.fields.iter().flat_map(zones_of_dates).collect();
        if rules.format == Format::Ical {
            zones.insert(UTC);
        }
        for zone in zones {
            let day = self.now().in_tz(zone).map_or_else(|_| self.now().strftime("%F").to_string(), |now| now.date().to_string());
            let _infallible = write!(text, "\n{day}");
        }
        if let Some(program) = &rules.transform {
            // One that asks for the time gives something else each time, whatever the upstream says.
            if program.value.contains("now") {
                let _infallible = write!(text, "\n{}", self.now());
            }
            if program.value.contains("$values") {
                let _infallible = write!(text, "\n{values:?}");
            }
        }
        Digest::of(text.as_bytes()).to_string()
    }
}

/// Where the dates of a field are read.
fn zones_of_dates(field: &Field) -> Vec<&str> {
    match &field.parse {
        Parse::Date(rule) => vec![rule.zone.as_deref().unwrap_or(UTC)],
        _ => field.within().iter().flat_map(zones_of_dates).collect(),
    }
}

fn composes(field: &Field, name: &str) -> bool {
    match &field.origin {
        Origin::Compose(ways) => ways.iter().flatten().any(|piece| matches!(piece, Piece::Name(piece) if piece == name)),
        Origin::Places(_) | Origin::Rows(_) | Origin::Object(_) => field.within().iter().any(|field| composes(field, name)),
    }
}

/// Lets rows through while there is room for them beside those of the other answers.
pub(super) fn hold(rows: Rows, held: &AtomicUsize) -> Result<Rows, Failure> {
    let weight = rows.weight();
    if held.fetch_add(weight, Ordering::Relaxed).saturating_add(weight) > MOST_HELD {
        let words = format!("the rows of all answers come to more than {} MiB, which is not kept", MOST_HELD >> 20);
        return Err(Failure::permanent(Code::ExtractFailed, words));
    }
    Ok(rows)
}

/// The first few of a list, and how many more there are.
pub(super) fn few(all: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = all.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if all.len() > SHOWN { format!("{shown} and {} more", all.len() - SHOWN) } else { shown }
}
