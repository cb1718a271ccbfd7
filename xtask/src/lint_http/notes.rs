//! What REDbot's notes come to: nothing bad, and no warning that nobody has explained.

use serde_json::Value;

/// A warning that stays.
struct Explained {
    /// The name of the note in REDbot.
    note: &'static str,
    /// Of which header or part, `*` of any.
    subject: &'static str,
    /// On which routes: the beginning of their paths; a final `$` for all of one.
    routes: &'static [&'static str],
    /// Why it stays.
    why: &'static str,
    /// It is said only where the machine is slow enough.
    by_chance: bool,
}

/// Each of them applies somewhere in every run, unless by chance, or it goes.
const EXPLAINED: &[Explained] = &[
    Explained {
        note: "IMS_FULL",
        subject: "*",
        routes: &["/api/"],
        why: "the date is of the last check, in whole seconds, and a body may change without it: only the entity tag gives a 304",
        by_chance: false,
    },
    Explained {
        note: "STORE_PUBLIC_UNNECESSARY",
        subject: "*",
        routes: &["/api/shared"],
        why: "requests may come with an `Authorization` that no read asks for, and without the word no CDN could keep their answers",
        by_chance: false,
    },
    Explained {
        note: "AGE_PENALTY",
        subject: "*",
        routes: &["/api/shared"],
        why: "the age is of the data since their last check, the date is of this message: a cache goes by the greater (RFC 9111 §4.2.3)",
        by_chance: true,
    },
    Explained {
        note: "STATUS_BAD_REQUEST",
        subject: "*",
        routes: &["/api/talks?nope=1$", "/api/asked$"],
        why: "that is what was asked for",
        by_chance: false,
    },
];

/// What was said of one route.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    route: String,
    status: String,
    /// Empty where nothing was found.
    note: String,
    level: String,
    subject: String,
    summary: String,
}

impl Said {
    /// A line of the script.
    pub(super) fn of(line: &Value) -> Self {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        Self {
            route: text("route"),
            status: text("status"),
            note: text("note"),
            level: text("level"),
            subject: text("subject"),
            summary: text("summary"),
        }
    }
}

/// What is wrong: bad notes, warnings without an explanation, explanations without a warning.
pub(super) fn judge(said: &[Said]) -> Vec<String> {
    judge_by(EXPLAINED, said)
}

fn judge_by(explained: &[Explained], said: &[Said]) -> Vec<String> {
    let mut used = vec![false; explained.len()];
    let mut faults = Vec::new();
    if said.is_empty() {
        faults.push("no route was looked at".to_owned());
    }
    for said in said.iter().filter(|said| !said.note.is_empty()) {
        let known = explained.iter().position(|known| said.level != "bad" && known.covers(said));
        match known {
            Some(index) => used[index] = true,
            None => faults
                .push(format!("{} ({}): {}: {} [{} of {}]", said.route, said.status, said.level, said.summary, said.note, said.subject)),
        }
    }
    let idle = explained.iter().zip(&used).filter(|(known, used)| !known.by_chance && !**used);
    faults.extend(idle.map(|(known, _)| format!("nothing is said any more that needs: {} ({})", known.note, known.why)));
    faults
}

impl Explained {
    fn covers(&self, said: &Said) -> bool {
        let here = |route: &&str| route.strip_suffix('$').map_or_else(|| said.route.starts_with(*route), |whole| said.route == whole);
        self.note == said.note && ["*", &*said.subject].contains(&self.subject) && self.routes.iter().any(here)
    }
}

#[cfg(test)]
mod tests {
    use super::{Explained, Said, judge_by};

    fn said(route: &str, level: &str, note: &str) -> Said {
        let text = |text: &str| text.to_owned();
        Said { route: text(route), level: text(level), note: text(note), status: text("200"), ..Said::default() }
    }

    #[track_caller]
    fn check(said: &[Said], faults: &[&str]) {
        let known = Explained { note: "ODD", subject: "*", routes: &["/api/", "/$"], why: "it is meant", by_chance: false };
        assert_eq!(judge_by(&[known], said), faults);
    }

    #[test]
    fn only_explained_warnings_pass() {
        check(&[said("/api/x", "warning", "ODD"), said("/api/y", "good", "")], &[]);
        check(&[said("/", "warning", "ODD")], &[]);
        check(&[said("/api/x", "warning", "ODD"), said("/health", "warning", "ODD")], &["/health (200): warning:  [ODD of ]"]);
        check(&[said("/api/x", "warning", "ODD"), said("/api/x", "bad", "ODD")], &["/api/x (200): bad:  [ODD of ]"]);
    }

    #[test]
    fn an_explanation_of_nothing_fails_and_so_does_silence() {
        check(&[said("/api/x", "good", "")], &["nothing is said any more that needs: ODD (it is meant)"]);
        check(&[], &["no route was looked at", "nothing is said any more that needs: ODD (it is meant)"]);
        let chance = Explained { note: "ODD", subject: "*", routes: &["/api/"], why: "it is meant", by_chance: true };
        assert!(judge_by(&[chance], &[said("/api/x", "good", "")]).is_empty());
    }
}
