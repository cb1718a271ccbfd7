//! What hosts ask of robots: each host's robots.txt (RFC 9309) is read before it is asked for anything else, once for everyone who wants
//! it, and kept for a day. What it disallows is not asked for; what it says of a pace holds for all requests to the host.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::info;
use wellspring_core::failure::{Code, Failure, Kind};
use wellspring_core::moment::Mono;
use wellspring_core::period::format_period;
use wellspring_core::robots::Robots;
use wellspring_core::snapshot::{Digest, Validator};
use wellspring_core::source::{Alternative, Ask, SourceSpec};

use super::collect::{Bounds, Collector};
use super::limits::Permit;
use crate::fetch::{Fetched, Request};
use target::Target;

mod target;

/// How long a copy is used unasked (RFC 9309, 2.4).
const FRESH: Duration = Duration::from_secs(24 * 3_600);
/// How long it is used at most while no other can be had.
const USABLE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// When another is asked for again after that failed.
const AGAIN: Duration = Duration::from_secs(600);
/// The slowest pace that is kept: a slower one would let no refresh with several requests come to its end.
const SLOWEST: Duration = Duration::from_secs(30);
/// So many hosts are remembered; past that the one that was asked longest ago is asked anew.
const MOST_HOSTS: usize = 512;
/// A larger robots.txt than this is none. Of what is less, as much is read as RFC 9309 asks for.
const MOST_BYTES: u64 = 2 << 20;

/// The robots.txt of every host that was asked lately.
#[derive(Debug, Default)]
pub struct Manners {
    hosts: Mutex<HashMap<Digest, (Mono, Arc<Host>)>>,
}

/// What is known of one host.
#[derive(Debug, Default)]
struct Host {
    copy: Mutex<Option<Arc<Copied>>>,
    /// Held by the one who asks the host, while the others wait. Where that one is cut off, the next takes over.
    turn: tokio::sync::Mutex<Option<Failed>>,
}

/// A robots.txt that was read.
#[derive(Debug)]
struct Copied {
    rules: Arc<Robots>,
    validator: Validator,
    read_at: Mono,
    /// When it is asked for again.
    again_at: Mono,
}

/// What asking came to the last time, for those who waited meanwhile: they share the failure instead of asking one after the other.
#[derive(Debug)]
struct Failed {
    at: Mono,
    failure: Failure,
}

/// True where a request heeds robots.txt: unless the source or else the server says otherwise, or it carries a secret, for then its host
/// has given us a key.
pub(super) fn heeds(alternative: &Alternative, ask: &Ask, bounds: &Bounds) -> bool {
    alternative.robots.unwrap_or(bounds.robots) && !ask.is_secret()
}

/// True where the configuration of a source, or else of the server (`robots`), says that robots.txt is to be ignored.
pub fn ignores(spec: &SourceSpec, robots: bool) -> bool {
    spec.alternatives.iter().any(|alternative| alternative.usable && !alternative.robots.unwrap_or(robots))
}

/// Says which sources ignore robots.txt.
pub(super) fn tell<'a>(specs: impl Iterator<Item = &'a SourceSpec>, robots: bool) {
    let ignoring: Vec<&str> = specs.filter(|spec| ignores(spec, robots)).map(|spec| spec.name.as_str()).collect();
    if !ignoring.is_empty() {
        info!(sources = ignoring.join(", "), "robots.txt is ignored for these sources (`robots = false`)");
    }
}

impl Manners {
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, (Mono, Arc<Host>)>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn host(&self, target: &Target, now: Mono) -> Arc<Host> {
        let mut hosts = self.lock();
        let id = target.id();
        if hosts.len() >= MOST_HOSTS && !hosts.contains_key(&id) {
            let oldest = hosts.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id);
            oldest.and_then(|oldest| hosts.remove(&oldest));
        }
        let (used, host) = hosts.entry(id).or_insert_with(|| (now, Arc::default()));
        *used = now;
        Arc::clone(host)
    }
}

impl Host {
    fn copy(&self) -> MutexGuard<'_, Option<Arc<Copied>>> {
        self.copy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copy, where no other needs to be asked for.
    fn current(&self, now: Mono) -> Option<Arc<Copied>> {
        self.copy().clone().filter(|copied| now < copied.again_at)
    }

    fn keep(&self, rules: Arc<Robots>, validator: Validator, now: Mono) -> Arc<Copied> {
        let copied = Arc::new(Copied { rules, validator, read_at: now, again_at: now.after(FRESH) });
        *self.copy() = Some(Arc::clone(&copied));
        copied
    }

    /// Uses the copy a little longer, where there is one that is not too old.
    fn keep_old(&self, now: Mono) -> Option<Arc<Copied>> {
        let mut copy = self.copy();
        let old = copy.as_ref().filter(|copied| now.since(copied.read_at) < USABLE)?;
        let Copied { rules, validator, read_at, .. } = &**old;
        let copied =
            Arc::new(Copied { rules: Arc::clone(rules), validator: validator.clone(), read_at: *read_at, again_at: now.after(AGAIN) });
        *copy = Some(Arc::clone(&copied));
        Some(copied)
    }
}

impl Copied {
    fn pace(&self) -> Duration {
        self.rules.crawl_delay().unwrap_or_default().min(SLOWEST)
    }
}

impl Collector {
    /// Whether a request may be sent, as its host's robots.txt has it. Asks for that where it is not known, within the limits of the host:
    /// one visit then, with one place for both requests, which is left in `place`.
    ///
    /// # Errors
    /// [`Code::RobotsRefused`] for what is disallowed; why robots.txt could not be read, which is no refusal.
    pub(super) async fn may_ask(
        &self,
        request: &Request,
        bounds: &Bounds,
        deadline: Mono,
        forced: bool,
        place: &mut Option<Permit>,
    ) -> Result<(), Failure> {
        let (Some(manners), Some(target)) = (&self.manners, Target::of(request, bounds)) else { return Ok(()) };
        let since = self.clock.mono();
        let host = manners.host(&target, since);
        let mut copied = host.current(since);
        let mut just_read = false;
        if copied.is_none() {
            // Before the turn: whoever has it must not wait for a place that one who waits for the turn holds.
            let permit = match place.take().filter(|permit| permit.host() == &*target.host) {
                Some(permit) => permit,
                None => self.enter(&target.host, bounds.per_host).await,
            };
            *place = Some(permit);
            let mut last = host.turn.lock().await;
            copied = host.current(self.clock.mono());
            if copied.is_none() {
                if let Some(Failed { failure, .. }) = last.as_ref().filter(|failed| failed.at >= since) {
                    return Err(failure.clone());
                }
                copied = self.read_robots(&target, &host, request, bounds, deadline, forced, &mut last).await?;
                just_read = true;
            }
        }
        // Without one there is nothing to heed, and what is wrong the request itself finds out.
        let Some(copied) = copied else { return Ok(()) };
        let (pace, now) = (copied.pace(), self.clock.mono());
        self.limits.pace(&target.host, pace, if just_read { now } else { copied.read_at });
        // A place that was given before the pace was known came too early.
        if !pace.is_zero() && !just_read {
            place.take_if(|permit| permit.since() <= copied.read_at);
        }
        target.judge(&copied.rules)
    }

    /// Asks for robots.txt. `None` where it is not for robots.txt to say that the address may not be asked for.
    #[expect(clippy::too_many_arguments, reason = "what a request needs")]
    async fn read_robots(
        &self,
        target: &Target,
        host: &Host,
        request: &Request,
        bounds: &Bounds,
        deadline: Mono,
        forced: bool,
        last: &mut Option<Failed>,
    ) -> Result<Option<Arc<Copied>>, Failure> {
        let validator = host.copy().as_ref().map(|copied| copied.validator.clone()).unwrap_or_default();
        let left = self.clock.mono().until(deadline);
        let asking = target.request(request, validator, bounds.timeout.min(left), MOST_BYTES);
        let (_, asked) = self.visit(asking, &target.host, bounds.per_host, deadline, forced).await;
        let now = self.clock.mono();
        let failure = match asked.map_err(|miss| miss.failure) {
            Ok(Fetched::Body(response)) => {
                let rules = Robots::parse(&response.body, &target.agent);
                if let Some(delay) = rules.crawl_delay().filter(|delay| *delay > SLOWEST) {
                    let (asked, kept) = (format_period(delay), format_period(SLOWEST));
                    info!(robots = target.robots, "robots.txt asks for {asked} between two requests; {kept} are kept");
                }
                return Ok(Some(host.keep(Arc::new(rules), response.validator, now)));
            }
            Ok(Fetched::NotModified(validator)) => {
                let rules = host.copy().as_ref().map(|copied| Arc::clone(&copied.rules)).unwrap_or_default();
                return Ok(Some(host.keep(rules, validator, now)));
            }
            Ok(Fetched::Rendered(_)) => return Ok(None),
            // There is none, or none that is meant for us: nothing is disallowed (RFC 9309, 2.3.1.3).
            Err(failure) if is_unavailable(&failure) => return Ok(Some(host.keep(Arc::default(), Validator::default(), now))),
            // Our own guard refuses; it does so for the page too, unless robots.txt leads elsewhere.
            Err(failure) if failure.code == Code::AddressRefused => return Ok(None),
            Err(failure) => failure,
        };
        // Nobody knows what it says now. What it said before holds, for a while (2.3.1.4).
        if let Some(copied) = host.keep_old(now) {
            return Ok(Some(copied));
        }
        let failure = match failure.code {
            Code::HostResting => failure,
            _ => Failure { message: format!("{} could not be read: {failure}", target.robots), ..failure },
        };
        // One who had little time left speaks for itself alone.
        *last = (left >= bounds.timeout).then(|| Failed { at: now, failure: failure.clone() });
        Err(failure)
    }
}

/// True for answers that say that there is no robots.txt: 4xx but for those that ask to come again, a redirect into nothing, what is far
/// too large.
fn is_unavailable(failure: &Failure) -> bool {
    match failure.code {
        Code::UpstreamStatus => failure.kind == Kind::Permanent,
        Code::BadRedirect | Code::BodyTooLarge => true,
        _ => false,
    }
}
