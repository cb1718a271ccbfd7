//! The refresh machine of one key: [`step`] takes what happened and says what to do. It performs nothing itself.
//!
//! A state is rebuilt from stored metadata after a restart ([`State::restore`]) and never persisted itself.

use jiff::Timestamp;

use crate::failure::{Code, Failure};
use crate::freshness::{Freshness, Horizon, freshness};
use crate::moment::{Moment, Mono};
use crate::period::format_period;
use crate::policy::Policy;
use crate::snapshot::{Attempts, Digest};

mod remote;
mod restore;
#[cfg(test)]
mod tests;
mod transitions;
#[cfg(test)]
mod walk;

pub use restore::Remembered;

/// Why a refresh runs; the smaller goes first when slots are short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// Asked for by `POST …/refresh`.
    Forced,
    /// A reader waits for a key without a snapshot.
    Cold,
    /// A reader found the key stale, or it is kept fresh unasked.
    Stale,
    /// A failed refresh is tried again.
    Retry,
    /// Unasked, at start or after a reload.
    WarmUp,
}

impl Trigger {
    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forced => "forced",
            Self::Cold => "cold",
            Self::Stale => "stale",
            Self::Retry => "retry",
            Self::WarmUp => "warm_up",
        }
    }
}

/// Where the refresh of a key stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing runs.
    Idle,
    /// Waiting for a place and the lease.
    Acquiring {
        /// Why.
        trigger: Trigger,
    },
    /// Another replica holds the lease: what it brings is ours too.
    Following {
        /// Why.
        trigger: Trigger,
    },
    /// Fetching and extracting, under a lease.
    Collecting {
        /// Why.
        trigger: Trigger,
        /// The end of patience.
        deadline: Mono,
    },
    /// A good result is being made durable.
    Storing {
        /// Why.
        trigger: Trigger,
        /// The end of patience.
        deadline: Mono,
        /// What the store will hold.
        standing: NewStanding,
    },
    /// The last refresh failed; only a forced one starts before `until`.
    BackingOff {
        /// When the next attempt is due.
        until: Mono,
    },
    /// Only a changed configuration or a forced refresh can help.
    Disabled,
}

impl Phase {
    /// One word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Acquiring { .. } | Self::Following { .. } => "queued",
            Self::Collecting { .. } => "collecting",
            Self::Storing { .. } => "storing",
            Self::BackingOff { .. } => "backing_off",
            Self::Disabled => "disabled",
        }
    }

    /// Why a refresh runs, while one does.
    pub fn trigger(&self) -> Option<Trigger> {
        match self {
            Self::Acquiring { trigger }
            | Self::Following { trigger }
            | Self::Collecting { trigger, .. }
            | Self::Storing { trigger, .. } => Some(*trigger),
            _ => None,
        }
    }
}

/// What a result will be once it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewStanding {
    /// Its revision: the old one where the items are equal.
    pub revision: u64,
    /// The digest of its items.
    pub digest: Digest,
    /// When it was collected.
    pub checked_at: Timestamp,
}

/// The snapshot that is served, as far as decisions need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its revision.
    pub revision: u64,
    /// The digest of its items.
    pub digest: Digest,
    /// The last successful refresh.
    pub checked_at: Timestamp,
    /// When it turns stale and expired.
    pub horizon: Horizon,
    /// Whether it was read by the rules in force; if not, the upstream is asked without validators.
    pub rules_current: bool,
}

/// The state of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Where its refresh stands.
    pub phase: Phase,
    /// The snapshot that is served.
    pub standing: Option<Standing>,
    /// Failures, backoff, forced fetches: what the store remembers beside the snapshot.
    pub attempts: Attempts,
    /// The rules in force.
    rules: Digest,
    /// What is stored was read by them at some time since: where it no longer is, other replicas have other rules, and what they read
    /// stands for its period. Else replicas that do not agree on their rules would ask the upstream in turn, without end.
    rules_applied: bool,
    /// `attempts.forced_at` on the monotonic clock.
    forced: Option<Mono>,
    /// What `attempts.forced_at` was before the flight that was forced here: so old news of it is not taken for another's.
    forced_before: Option<Timestamp>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A timer fired; harmless when it fires for nothing.
    Due,
    /// A reader found the key stale or absent.
    Nudged,
    /// A forced refresh was asked for (and [`State::refuses_force`] did not refuse it).
    Forced,
    /// The lease is ours.
    LeaseGranted,
    /// Another replica holds the lease, and is followed: what it stores arrives as [`Event::Remote`].
    HeldElsewhere,
    /// Another holder has the lease, and is not followed, or not any longer.
    LeaseDenied,
    /// The collection gave items that passed their gates.
    Collected {
        /// Their digest.
        digest: Digest,
    },
    /// The upstream said that nothing changed, in every step.
    NotModified,
    /// The store holds the result.
    Stored,
    /// A gate refused the result.
    Rejected(Failure),
    /// A step failed.
    Failed(Failure),
    /// The refresh took longer than its policy allows.
    DeadlinePassed,
    /// Another holder took the lease over.
    LeaseLost,
    /// Stopped by us.
    Cancelled,
    /// What is stored was looked at, which another replica may have written.
    Remote(Box<Remote>),
}

/// What is stored of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its snapshot, where there is one.
    pub latest: Option<RemoteLatest>,
    /// The failures, backoff and forced fetches beside it.
    pub attempts: Attempts,
    /// When we last knew what was stored: what is new has happened since, whatever the clocks of others say.
    pub since: Mono,
}

/// A snapshot that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteLatest {
    /// Its revision.
    pub revision: u64,
    /// The digest of its items.
    pub digest: Digest,
    /// When it was last confirmed, by the clock of whoever did.
    pub checked_at: Timestamp,
    /// The rules it was read by: one by others than ours is stale at once, where none was read by ours since they are in force.
    pub rules: Digest,
    /// It was written under a later lease than what we have, or later under the same one.
    pub is_later: bool,
    /// It was told when it was over for long, by a replica that had been alone: when it was confirmed is known by its clock only.
    pub told_late: bool,
}

/// What to do about it, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Wait for a place, then take the lease.
    Acquire,
    /// Fetch and extract.
    Collect {
        /// Whether to send the validators of the last refresh.
        conditional: bool,
        /// The end of patience.
        deadline: Mono,
    },
    /// Store the result as a new revision.
    Store,
    /// Store that the snapshot still holds.
    Touch,
    /// Give the lease back, if we have it.
    Release,
    /// Remember the attempts.
    Record,
    /// Send [`Event::Due`] at this moment.
    WakeAt(Mono),
}

/// Takes what happened and says what to do. `seed` spreads backoffs; it decides nothing else.
pub fn step(mut state: State, policy: &Policy, event: Event, now: Moment, seed: u64) -> (State, Vec<Effect>) {
    let effects = match (event, state.phase.clone()) {
        (Event::Due | Event::Nudged, Phase::BackingOff { until }) if now.mono < until => vec![Effect::WakeAt(until)],
        (Event::Due, Phase::BackingOff { .. }) if state.wants_refresh(now) => state.start(Trigger::Retry),
        (Event::Due, Phase::Idle | Phase::BackingOff { .. }) => state.due(policy, now),
        (Event::Nudged, Phase::Idle | Phase::BackingOff { .. }) => match state.freshness(now.mono) {
            Freshness::Absent => state.start(Trigger::Cold),
            Freshness::Stale | Freshness::Expired => state.start(Trigger::Stale),
            Freshness::Fresh => state.settle(),
        },
        (Event::Forced, Phase::Idle | Phase::BackingOff { .. } | Phase::Disabled) => {
            state.forced = Some(now.mono);
            state.forced_before = state.attempts.forced_at.replace(now.wall);
            state.start(Trigger::Forced)
        }
        (Event::LeaseGranted, Phase::Acquiring { trigger } | Phase::Following { trigger }) => {
            let deadline = now.mono.after(policy.deadline);
            state.phase = Phase::Collecting { trigger, deadline };
            vec![Effect::Collect { conditional: state.standing.is_some_and(|s| s.rules_current), deadline }]
        }
        (Event::LeaseGranted, _) => vec![Effect::Release],
        (Event::HeldElsewhere, Phase::Acquiring { trigger }) => {
            state.phase = Phase::Following { trigger };
            Vec::new()
        }
        (Event::LeaseDenied, Phase::Acquiring { .. } | Phase::Following { .. }) => state.stand_back(policy, now, seed),
        (Event::Collected { digest }, Phase::Collecting { trigger, deadline }) => state.store(trigger, deadline, Some(digest), now),
        (Event::NotModified, Phase::Collecting { trigger, deadline }) => match state.standing {
            Some(standing) if standing.rules_current => state.store(trigger, deadline, None, now),
            _ => {
                state.fail(policy, Failure::retryable(Code::UpstreamStatus, "the upstream said 304 to an unconditional request"), now, seed)
            }
        },
        (Event::Stored, Phase::Storing { standing, .. }) => state.succeed(policy, standing, now),
        (Event::Cancelled, phase) if phase.trigger().is_some() => {
            state.phase = Phase::Idle;
            vec![Effect::Release]
        }
        (Event::Rejected(failure) | Event::Failed(failure), phase) if phase.trigger().is_some() => state.fail(policy, failure, now, seed),
        (Event::DeadlinePassed, phase) if phase.trigger().is_some() => {
            let limit = format_period(policy.deadline);
            state.fail(
                policy,
                Failure::retryable(Code::DeadlinePassed, format!("the refresh took longer than {limit} (`deadline`)")),
                now,
                seed,
            )
        }
        (Event::LeaseLost, Phase::Collecting { trigger, .. } | Phase::Storing { trigger, .. })
            if trigger != Trigger::Forced && !state.wants_refresh(now) =>
        {
            // Whoever has taken it over has stored what we wanted, as `Remote` said.
            state.let_go(policy, now)
        }
        (Event::LeaseLost, Phase::Collecting { .. }) => {
            // Whoever has taken it over is at it: nothing has failed.
            let mut effects = vec![Effect::Release];
            effects.extend(state.stand_back(policy, now, seed));
            effects
        }
        (Event::LeaseLost, phase) if phase.trigger().is_some() => {
            state.fail(policy, Failure::retryable(Code::LeaseLost, "another holder took over the lease of this key"), now, seed)
        }
        (Event::Remote(remote), _) => state.learn(policy, *remote, now),
        // What is left is late (a result after its deadline) or early (a nudge while a refresh runs): nothing to do.
        _ => Vec::new(),
    };
    (state, effects)
}

impl State {
    /// What its snapshot is to a reader.
    pub fn freshness(&self, now: Mono) -> Freshness {
        freshness(self.standing.as_ref().map(|s| &s.horizon), now)
    }

    /// True while a refresh is queued or runs.
    pub fn is_refreshing(&self) -> bool {
        self.phase.trigger().is_some()
    }

    /// Why the last refresh failed, until one succeeds.
    pub fn degraded(&self) -> Option<&Failure> {
        self.attempts.last_failure.as_ref()
    }

    /// From when on a reader that finds the key stale should nudge.
    pub fn nudge_from(&self) -> Mono {
        match self.phase {
            Phase::Idle => Mono::from_nanos(i64::MIN),
            Phase::BackingOff { until } => until,
            _ => Mono::NEVER,
        }
    }

    /// When the next attempt is due, where a timer waits for one.
    pub fn next_attempt(&self) -> Option<Mono> {
        match self.phase {
            Phase::BackingOff { until } => Some(until),
            _ => None,
        }
    }

    /// Why a forced refresh is refused now: one was fetched less than `min_interval` ago. Joining one is never refused.
    pub fn refuses_force(&self, policy: &Policy, now: Mono) -> Option<Failure> {
        let again = self.forced?.after(policy.min_interval);
        (!self.is_refreshing() && now < again).then(|| {
            let wait = now.until(again);
            let (least, again) = (format_period(policy.min_interval), format_period(wait));
            let words = format!("forced again before `min_interval` ({least}) had passed; it may be forced again in {again}");
            Failure { retry_after: Some(wait), ..Failure::retryable(Code::TooSoon, words) }
        })
    }
}
