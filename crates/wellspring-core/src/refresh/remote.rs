//! What another replica has stored, and what of it is ours.

use std::time::Duration;

use jiff::Timestamp;

use super::{Effect, NewStanding, Phase, Remote, RemoteLatest, State, Trigger};
use crate::moment::{Moment, Mono};
use crate::policy::{LONGEST_RETRY_AFTER, Policy};
use crate::snapshot::Attempts;

impl State {
    /// Takes over what is newer than what we have. A flight that has not begun to fetch ends where that leaves nothing to do.
    pub(super) fn learn(&mut self, policy: &Policy, remote: Remote, now: Moment) -> Vec<Effect> {
        let Remote { latest, attempts, since } = remote;
        let before = self.phase.clone();
        let newer = latest.filter(|new| self.is_newer(new));
        let mut effects = Vec::new();
        if let (Phase::Storing { standing: ours, .. }, Some(new)) = (&self.phase, &newer)
            && (new.revision > ours.revision || new.digest != ours.digest)
        {
            // Our result would contradict what is already there under a newer lease: let it go.
            self.phase = Phase::Idle;
            effects.push(Effect::Release);
        }
        let forced = self.heard_of_force(&attempts, since, now);
        let failed = self.take_attempts(newer.is_some(), attempts, forced.is_some());
        if let Some(forced) = forced
            && before.trigger() != Some(Trigger::Forced)
        {
            self.forced = self.forced.max(Some(forced));
        }
        let until = if failed { self.held_back(policy, since, now) } else { None };
        let is_final = failed && until.is_none() && self.degraded().is_some_and(crate::failure::Failure::is_final);
        match self.phase {
            Phase::Acquiring { trigger } | Phase::Following { trigger } => {
                // Judged with the new snapshot in its place.
                let stands = self.stand_as(policy, newer, since, now);
                let is_fresh = !self.wants_refresh(now);
                // Whoever forces one wants what his rules read.
                let stays = |new: RemoteLatest| new.rules == self.rules || (self.rules_applied && trigger != Trigger::Forced);
                let brought = matches!(before, Phase::Following { .. }) && (failed || newer.is_some_and(stays));
                let done = match trigger {
                    Trigger::Forced => brought || forced.is_some_and(|at| now.mono < at.after(policy.min_interval)),
                    _ => brought || is_fresh || until.is_some() || is_final,
                };
                if !done {
                    effects.extend(stands);
                    return effects;
                }
                if trigger == Trigger::Forced {
                    self.forced = forced.or(self.forced);
                }
                effects.push(Effect::Release);
                self.rest(until, is_final, &mut effects);
                effects.extend(self.next_timer(policy, now));
            }
            Phase::Collecting { .. } | Phase::Storing { .. } => effects.extend(self.stand_as(policy, newer, since, now)),
            Phase::Idle | Phase::BackingOff { .. } | Phase::Disabled => {
                if newer.is_some() || until.is_some() || is_final {
                    self.rest(until, is_final, &mut effects);
                }
                effects.extend(self.stand_as(policy, newer, since, now));
            }
        }
        effects
    }

    /// Ends a flight whose work another replica has done.
    pub(super) fn let_go(&mut self, policy: &Policy, now: Moment) -> Vec<Effect> {
        self.phase = Phase::Idle;
        self.attempts = self.cleared();
        [Effect::Release].into_iter().chain(self.next_timer(policy, now)).collect()
    }

    /// True where what is stored takes the place of what we have.
    /// A confirmation under a later lease that was made when ours was is the same one, told once more: it makes nothing fresher.
    pub fn is_newer(&self, new: &RemoteLatest) -> bool {
        self.standing.is_none_or(|s| {
            let is_told_again = new.checked_at == s.checked_at && (new.rules == self.rules) == s.rules_current;
            new.revision > s.revision || (new.revision == s.revision && new.digest == s.digest && new.is_later && !is_told_again)
        })
    }

    /// True where a replica that has other rules has read this since it was read by ours.
    pub fn is_of_other_rules(&self, new: &RemoteLatest) -> bool {
        self.rules_applied && new.rules != self.rules
    }

    /// When another replica was forced, where that is news: never before what we knew was written.
    fn heard_of_force(&self, attempts: &Attempts, since: Mono, now: Moment) -> Option<Mono> {
        let at = attempts.forced_at.filter(|at| Some(*at) != self.attempts.forced_at && Some(*at) != self.forced_before)?;
        Some(clamped(at, since, now))
    }

    /// True where a failure of another replica is ours now.
    fn take_attempts(&mut self, with_snapshot: bool, attempts: Attempts, forced: bool) -> bool {
        let ours = &self.attempts;
        if matches!(self.phase, Phase::Collecting { .. } | Phase::Storing { .. }) {
            return false;
        }
        let later = attempts.failed_at.is_some_and(|at| ours.failed_at.is_none_or(|ours| at > ours));
        let by_ours = attempts.rules.is_none_or(|failed| failed == self.rules);
        let failed = attempts.last_failure.is_some() && later && by_ours;
        // A flight that was forced here remembers its own.
        let own_force = self.phase.trigger() == Some(Trigger::Forced);
        let forced_at = if forced && !own_force { attempts.forced_at } else { ours.forced_at };
        if failed {
            self.attempts = Attempts { forced_at, ..attempts };
        } else if with_snapshot {
            self.attempts = Attempts { forced_at, ..Attempts::default() };
        } else {
            self.attempts.forced_at = forced_at;
        }
        failed
    }

    /// Until when the failure that was taken over keeps us from trying, by our own clock.
    fn held_back(&self, policy: &Policy, since: Mono, now: Moment) -> Option<Mono> {
        let Attempts { failed_at: Some(from), not_before: Some(to), .. } = &self.attempts else { return None };
        // By our own policy, which may be another: never past a retry well before the next period, but for what the upstream asked for.
        let asked = self.degraded().and_then(|failure| failure.retry_after).unwrap_or_default().min(LONGEST_RETRY_AFTER);
        let length = Duration::try_from(to.duration_since(*from)).unwrap_or_default().min(policy.longest_backoff().max(asked));
        let until = clamped(*from, since, now).after(length);
        (until > now.mono).then_some(until)
    }

    fn rest(&mut self, until: Option<Mono>, is_final: bool, effects: &mut Vec<Effect>) {
        self.phase = match until {
            Some(until) => {
                effects.push(Effect::WakeAt(until));
                Phase::BackingOff { until }
            }
            None if is_final => Phase::Disabled,
            None => Phase::Idle,
        };
    }

    fn stand_as(&mut self, policy: &Policy, new: Option<RemoteLatest>, since: Mono, now: Moment) -> Vec<Effect> {
        let Some(RemoteLatest { revision, digest, checked_at, rules, told_late, .. }) = new else { return Vec::new() };
        let confirmed = if told_late { now.mono_of(checked_at).min(now.mono) } else { clamped(checked_at, since, now) };
        let age = now.mono.since(confirmed);
        let confirmed = now.wall.checked_sub(age).unwrap_or(checked_at);
        self.stand(policy, NewStanding { revision, digest, checked_at }, confirmed, rules == self.rules, now)
    }

    /// Kept fresh unasked: when it is next due.
    fn next_timer(&self, policy: &Policy, now: Moment) -> Option<Effect> {
        let unasked = policy.mode == crate::policy::RefreshMode::Always && self.phase == Phase::Idle;
        self.standing.filter(|_| unasked).map(|s| Effect::WakeAt(s.horizon.stale_at.max(now.mono)))
    }
}

/// When something happened, on our own clock: not before we last looked and not after now.
fn clamped(at: Timestamp, since: Mono, now: Moment) -> Mono {
    now.mono_of(at).max(since).min(now.mono)
}
