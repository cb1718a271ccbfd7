//! robots.txt (RFC 9309): what a host asks robots to leave alone, as far as it concerns one of them.
//!
//! A file is hostile input: it is read up to a bound, and matching takes time in proportion to the rules and the address.

use std::fmt;
use std::time::Duration;

use lines::{Line, Lines, Record};
use pattern::{Pattern, normalised_path};

mod lines;
mod pattern;
#[cfg(test)]
mod tests;

/// So much of a file is read, in bytes: what RFC 9309 (2.5) asks of every reader at least.
pub const MOST_BYTES: usize = 500 << 10;
/// So many rules are kept; those after them say nothing.
const MOST_RULES: usize = 10_000;
/// So much of a rule is shown, in characters.
const SHOWN: usize = 120;

/// The rules of a host for one robot.
#[derive(Clone, Debug, Default)]
pub struct Robots {
    rules: Vec<Rule>,
    crawl_delay: Option<Duration>,
}

/// One line that allows or disallows. Shows as `line 3: Disallow: /path`.
#[derive(Clone, Debug)]
pub struct Rule {
    line: usize,
    allows: bool,
    pattern: Pattern,
    /// The pattern as it was written, shortened.
    written: String,
}

/// What a host says of one address.
#[derive(Clone, Copy, Debug)]
pub enum Verdict<'a> {
    /// It may be asked for.
    Allowed,
    /// It should be left alone, because of this line.
    Disallowed(&'a Rule),
}

/// The name by which a robot is addressed in a robots.txt: what its `User-Agent` begins with, as far as letters, digits, `-` and `_` go.
///
/// RFC 9309 knows no digits in it; names that robots have do.
pub fn product_token(user_agent: &str) -> &str {
    let end = user_agent.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))).unwrap_or(user_agent.len());
    &user_agent[..end]
}

impl Robots {
    /// Reads what concerns `agent`, a product token: the groups that name it, together; where none does, those for `*`.
    /// Whatever cannot be read says nothing, so an HTML page has no rules.
    pub fn parse(file: &[u8], agent: &str) -> Self {
        let mut reading = Reading { agent, ..Reading::default() };
        for line in Lines::of(file) {
            reading.take(&line);
        }
        if reading.is_named { reading.own } else { reading.everyone }
    }

    /// What is said of a path with its query. The longest pattern that matches decides, and of equally long ones that which allows.
    pub fn verdict(&self, path_and_query: &str) -> Verdict<'_> {
        let path = normalised_path(path_and_query);
        // Whoever may not read the rules cannot keep them.
        if path == "/robots.txt" {
            return Verdict::Allowed;
        }
        let matching = self.rules.iter().filter(|rule| rule.pattern.matches(&path));
        // Of equal ones the last is the greatest, and whatever allows is greater than what does not.
        match matching.max_by_key(|rule| (rule.pattern.len(), rule.allows)) {
            Some(rule) if !rule.allows => Verdict::Disallowed(rule),
            _ => Verdict::Allowed,
        }
    }

    /// True where it says nothing of any address.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How long the host asks to be left alone between two requests (`Crawl-delay`, which is no part of RFC 9309). The longest counts.
    pub fn crawl_delay(&self) -> Option<Duration> {
        self.crawl_delay
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.allows { "Allow" } else { "Disallow" };
        write!(f, "line {}: {word}: {}", self.line, self.written)
    }
}

/// A file being read.
#[derive(Default)]
struct Reading<'a> {
    agent: &'a str,
    /// The groups that name the agent.
    own: Robots,
    /// The groups for `*`.
    everyone: Robots,
    /// Whether the agent was named at all, be it without rules.
    is_named: bool,
    /// The group that is being read: whom it is for, and whether its list of agents goes on.
    for_agent: bool,
    for_everyone: bool,
    listing: bool,
}

impl Reading<'_> {
    fn take(&mut self, line: &Line<'_>) {
        match line.record {
            Record::UserAgent(name) => {
                if !self.listing {
                    (self.for_agent, self.for_everyone, self.listing) = (false, false, true);
                }
                self.for_everyone |= name == b"*" || name.starts_with(b"* ") || name.starts_with(b"*\t");
                if std::str::from_utf8(name).is_ok_and(|name| names(name, self.agent)) {
                    (self.for_agent, self.is_named) = (true, true);
                }
            }
            Record::Rule { allows, pattern } => {
                self.listing = false;
                if let Some(robots) = self.group().filter(|robots| robots.rules.len() < MOST_RULES)
                    && let Some(read) = Pattern::read(pattern)
                {
                    robots.rules.push(Rule { line: line.number, allows, pattern: read, written: shown(pattern) });
                }
            }
            Record::CrawlDelay(delay) => {
                self.listing = false;
                if let Some(robots) = self.group() {
                    robots.crawl_delay = robots.crawl_delay.max(Some(delay));
                }
            }
        }
    }

    /// Whose rules are being read. What names the agent beside `*` is its own.
    fn group(&mut self) -> Option<&mut Robots> {
        if self.for_agent {
            Some(&mut self.own)
        } else if self.for_everyone {
            Some(&mut self.everyone)
        } else {
            None
        }
    }
}

/// True where a line names this agent: whole names are compared, so that `foo` is not meant by `foobot`.
fn names(name: &str, agent: &str) -> bool {
    let token = product_token(name);
    !token.is_empty() && token.eq_ignore_ascii_case(agent)
}

fn shown(pattern: &[u8]) -> String {
    let text = String::from_utf8_lossy(pattern);
    let mut shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
