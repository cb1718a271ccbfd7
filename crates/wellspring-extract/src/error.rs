//! What can be wrong with a rule, and with a body.

use std::ops::Range;

use wellspring_core::failure::{Code, Failure};
use wellspring_core::source::At;

pub(crate) use wellspring_core::failure::shown;

/// A rule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RuleError {
    /// The bytes of the TOML to point at; empty where the fault is something missing.
    pub span: Range<usize>,
    /// One sentence, without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl RuleError {
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    pub(crate) fn at(rule: &At<String>, message: impl Into<String>) -> Self {
        Self::new(rule.span.clone(), message)
    }

    /// The fault is in a part of the rule's text. Its place in the TOML is known where the text stands there as it is, between one
    /// quote or three each.
    pub(crate) fn within(rule: &At<String>, part: Range<usize>, message: impl Into<String>) -> Self {
        // A line break right after three quotes is no part of the text.
        let quotes = match rule.span.len().checked_sub(rule.value.len()) {
            Some(2) => 1,
            Some(6) => 3,
            Some(7) => 4,
            _ => return Self::at(rule, message),
        };
        let start = rule.span.start + quotes;
        Self::new(start + part.start..start + part.end, message)
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Why a body gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// Nothing but white space. Retryable.
    #[error("the body is empty, {expected} was expected")]
    Empty {
        /// What the rules read.
        expected: &'static str,
    },
    /// Something else altogether. Permanent.
    #[error("the body is {looks}, not {expected}: it begins `{begins}`")]
    Unlike {
        /// What it looks like.
        looks: &'static str,
        /// What the rules read.
        expected: &'static str,
        /// Its first characters.
        begins: String,
    },
    /// It ends in the middle. Retryable.
    #[error("the body ends too early to be {expected}: {reason}")]
    CutShort {
        /// What the rules read.
        expected: &'static str,
        /// The parser's words.
        reason: String,
    },
    /// What the rules read, but broken. Permanent.
    #[error("the body is broken {expected}: {reason}")]
    Broken {
        /// What the rules read.
        expected: &'static str,
        /// The parser's words.
        reason: String,
    },
    /// Nested deeper than any real document. Permanent.
    #[error("the body is {expected} nested deeper than {limit} levels, which is not read")]
    TooDeep {
        /// What the rules read.
        expected: &'static str,
        /// The limit.
        limit: usize,
    },
    /// More elements than any real document has. Permanent.
    #[error("the body is {expected} of more than {limit} nodes, which is not read")]
    TooMany {
        /// What the rules read.
        expected: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Items that come to more than is kept: rows within rows. Permanent.
    #[error("the items come to more than {limit} MiB, which is not kept; `items` may select rows within rows")]
    TooMuch {
        /// The limit in MiB.
        limit: usize,
    },
    /// A page without the JSON that `script` or `variable` names. Permanent.
    #[error("{missing}; {instead}")]
    NotWithin {
        /// What was looked for.
        missing: String,
        /// What there is instead.
        instead: String,
    },
    /// XML that declares entities, the means of an entity bomb. Permanent.
    #[error("the body is {expected} that declares entities of its own (`<!ENTITY`), which are not read")]
    DeclaresEntities {
        /// What the rules read.
        expected: &'static str,
    },
    /// A calendar whose events come to more occurrences than are kept, or take more steps to find. Permanent.
    #[error("the events of the calendar recur too often: at most {limit} occurrences are read; a shorter `ahead` finds fewer")]
    TooOften {
        /// The limit.
        limit: usize,
    },
    /// The jq program failed, or did not give a list. Permanent.
    #[error("the transform {reason}")]
    Transform {
        /// What it did, in the program's own words where it has any.
        reason: String,
    },
    /// JSON without `items` whose root is neither a list nor an object. Permanent.
    #[error("the body is JSON, but {found} at its root where a list or an object was expected")]
    NoRows {
        /// What is there.
        found: &'static str,
    },
}

impl ExtractError {
    /// Its kind, code and words for the machine and for people.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Empty { .. } | Self::CutShort { .. } => Failure::retryable(Code::ExtractFailed, self.to_string()),
            _ => Failure::permanent(Code::ExtractFailed, self.to_string()),
        }
    }

    /// The error for a body that is not what was expected.
    pub(crate) fn unlike(text: &str, expected: &'static str) -> Self {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Self::Empty { expected };
        }
        Self::Unlike { looks: looks_like(trimmed), expected, begins: beginning(trimmed) }
    }
}

/// What a body looks like, judged by how it begins. `text` is trimmed and not empty.
fn looks_like(text: &str) -> &'static str {
    let head: String = text.chars().take(400).collect::<String>().to_ascii_lowercase();
    if is_binary(text) {
        "binary data"
    } else if head.starts_with("<!doctype html") || head.starts_with("<html") || head.contains("<head") || head.contains("<body") {
        "HTML"
    } else if ["<rss", "<feed", "<rdf:rdf"].iter().any(|root| head.contains(root)) {
        "a feed"
    } else if head.starts_with("<?xml") {
        "XML"
    } else if head.starts_with('<') {
        "markup"
    } else if head.starts_with(['{', '[']) {
        "JSON or like it"
    } else {
        "plain text"
    }
}

/// True of a picture, an archive, a PDF: no text has these characters near its beginning.
pub(crate) fn is_binary(text: &str) -> bool {
    text.starts_with("%PDF-") || text.chars().take(400).any(|c| matches!(c, '\0'..='\u{8}' | '\u{e}'..='\u{1a}'))
}

/// Its first characters, on one line.
pub(crate) fn beginning(text: &str) -> String {
    shown(text, 12)
}
