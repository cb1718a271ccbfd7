//! When people are told how a key is: once for each change, to each who wants to know.
//!
//! What is looked at is the key as it stands, not what happened to it: whoever looks again, or looks after a restart, finds
//! nothing new and tells nothing. A success since something was told shows in another `checked_at`, whatever the clock did.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::Code;
use crate::snapshot::Attempts;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// So many refreshes failed in a row.
    Degraded,
    /// A refresh succeeded after that was told.
    Recovered,
    /// A result was held back by its gate; told once until one passes.
    GateHeld,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Degraded, Self::Recovered, Self::GateHeld];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Degraded => "degraded",
            Self::Recovered => "recovered",
            Self::GateHeld => "gate_held",
        }
    }
}

/// In which shape a receiver takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Receiver {
    /// One JSON object.
    #[default]
    Json,
    /// An incoming webhook of Slack, or of what takes the same (Mattermost, Rocket.Chat).
    Slack,
    /// A webhook of Discord.
    Discord,
    /// A topic of ntfy.
    Ntfy,
}

impl Receiver {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Ntfy => "ntfy",
        }
    }
}

/// What a template of a message may name.
pub const PLACES: [&str; 12] = ["id", "at", "source", "key", "state", "code", "message", "failures", "since", "revision", "items", "url"];

/// What was told of one key to one receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    degraded: Option<Episode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<Episode>,
}

/// Something that was told and is not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Episode {
    /// The last successful refresh before it: another one since ends it.
    checked_at: Option<Timestamp>,
    /// Whether it reached its receiver, or may have.
    said: bool,
}

/// A key as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its failures since the last success.
    pub attempts: &'a Attempts,
    /// The last success.
    pub checked_at: Option<Timestamp>,
}

/// Something to tell now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// What.
    pub change: Change,
    /// The last successful refresh before the trouble that this is about.
    pub since: Option<Timestamp>,
}

impl Told {
    /// True where nothing that was told is still going on: nothing needs to be remembered.
    pub fn is_empty(&self) -> bool {
        self.degraded.is_none() && self.held.is_none()
    }

    /// What is to be told of a key now, in this order; remembers that it is. `after`: how many failures in a row make `degraded`.
    pub fn step(&mut self, seen: Seen<'_>, after: u32) -> Vec<News> {
        let mut news = Vec::new();
        let over = |episode: &Episode| seen.checked_at.is_some() && episode.checked_at != seen.checked_at;
        if let Some(ended) = self.degraded.take_if(|episode| over(episode))
            && ended.said
        {
            news.push(News { change: Change::Recovered, since: ended.checked_at });
        }
        self.held.take_if(|episode| over(episode));
        let begins = || Episode { checked_at: seen.checked_at, said: true };
        let mut tell = |change, episode: &mut Option<Episode>| {
            if episode.is_none() {
                *episode = Some(begins());
                news.push(News { change, since: seen.checked_at });
            }
        };
        if seen.attempts.last_failure.as_ref().is_some_and(|failure| failure.code == Code::GateFailed) {
            tell(Change::GateHeld, &mut self.held);
        }
        if seen.attempts.failures >= after.max(1) {
            tell(Change::Degraded, &mut self.degraded);
        }
        news
    }

    /// Notes that `degraded` never reached its receiver, who then has no use for `recovered`.
    pub fn unsay(&mut self) {
        if let Some(episode) = &mut self.degraded {
            episode.said = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::failure::Failure;

    /// A key that refreshes come to.
    #[derive(Clone, Debug, Default)]
    struct Key {
        attempts: Attempts,
        checked_at: Option<Timestamp>,
        clock: i64,
    }

    /// How a refresh came out.
    #[derive(Clone, Copy, Debug)]
    enum Outcome {
        Good,
        Bad,
        Held,
        /// Other rules, which forget the failures of those before.
        Reconfigured,
    }

    impl Key {
        fn come(&mut self, outcome: Outcome) {
            self.clock += 1;
            let code = match outcome {
                Good => {
                    self.attempts = Attempts::default();
                    self.checked_at = Some(Timestamp::from_second(self.clock).unwrap());
                    return;
                }
                Reconfigured => {
                    self.attempts = Attempts::default();
                    return;
                }
                Bad => Code::Timeout,
                Held => Code::GateFailed,
            };
            self.attempts.failures += 1;
            self.attempts.last_failure = Some(Failure::retryable(code, "x"));
        }

        fn told(&self, told: &mut Told, after: u32) -> Vec<Change> {
            let seen = Seen { attempts: &self.attempts, checked_at: self.checked_at };
            told.step(seen, after).into_iter().map(|news| news.change).collect()
        }
    }

    use Change::{Degraded, GateHeld, Recovered};
    use Outcome::{Bad, Good, Held, Reconfigured};

    #[track_caller]
    fn check(outcomes: &[Outcome], expected: &[&[Change]]) {
        let (mut key, mut told) = (Key::default(), Told::default());
        let changes: Vec<Vec<Change>> = outcomes
            .iter()
            .map(|outcome| {
                key.come(*outcome);
                key.told(&mut told, 2)
            })
            .collect();
        assert_eq!(changes, expected, "{outcomes:?}");
    }

    #[test]
    fn each_change_is_told_once() {
        check(&[Good, Bad, Bad, Bad, Good, Good], &[&[], &[], &[Degraded], &[], &[Recovered], &[]]);
        check(&[Good, Bad, Good, Bad, Good], &[&[], &[], &[], &[], &[]]);
        check(&[Bad, Bad, Good, Bad, Bad], &[&[], &[Degraded], &[Recovered], &[], &[Degraded]]);
    }

    #[test]
    fn a_gate_that_holds_is_told_once_until_something_passes() {
        check(&[Good, Held, Held, Bad, Held, Good, Held], &[&[], &[GateHeld], &[Degraded], &[], &[], &[Recovered], &[GateHeld]]);
    }

    #[test]
    fn failures_that_other_rules_forget_are_no_recovery() {
        check(&[Good, Bad, Bad, Reconfigured, Bad, Bad, Good], &[&[], &[], &[Degraded], &[], &[], &[], &[Recovered]]);
    }

    #[test]
    fn who_never_heard_of_the_trouble_does_not_hear_of_its_end() {
        let (mut key, mut told) = (Key::default(), Told::default());
        key.come(Bad);
        assert_eq!(key.told(&mut told, 1), [Degraded]);
        told.unsay();
        key.come(Good);
        assert_eq!(key.told(&mut told, 1), []);
        assert!(told.is_empty());
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![Just(Good), Just(Bad), Just(Held), Just(Reconfigured)]
    }

    proptest! {
        /// Whatever happens, and whenever one looks: `degraded` and `recovered` take turns, looking twice tells nothing, and what is
        /// read back after a restart tells nothing either.
        #[test]
        fn changes_take_turns(steps in prop::collection::vec((outcome(), any::<bool>(), any::<bool>()), 0..60), after in 1_u32..4) {
            let (mut key, mut told) = (Key::default(), Told::default());
            let (mut degraded, mut held) = (false, false);
            for (outcome, looks, restarts) in steps {
                key.come(outcome);
                if restarts {
                    told = serde_json::from_str(&serde_json::to_string(&told).unwrap()).unwrap();
                }
                if !looks {
                    continue;
                }
                let success = matches!(outcome, Good);
                for change in key.told(&mut told, after) {
                    match change {
                        Degraded => prop_assert!(!std::mem::replace(&mut degraded, true) && key.attempts.failures >= after),
                        Recovered => prop_assert!(std::mem::replace(&mut degraded, false)),
                        GateHeld => held = true,
                    }
                }
                prop_assert!(degraded || key.attempts.failures < after, "trouble that nobody was told of");
                prop_assert!(!(success && degraded), "an end that nobody was told of");
                prop_assert!(held || key.attempts.last_failure.as_ref().is_none_or(|f| f.code != Code::GateFailed));
                prop_assert_eq!(key.told(&mut told, after), []);
            }
        }
    }
}
