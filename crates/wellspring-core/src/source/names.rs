//! The names that may stand in places, as they become known from top to bottom.

use super::parse::Reader;
use super::{At, Param, Takes};
use crate::diagnostic::nearest;
use crate::key::{Params, is_word};

/// Names and what they stand for.
#[derive(Clone)]
pub(super) struct Names {
    known: Vec<Name>,
    /// Captures that are lists: they fill no place until they are asked for one by one.
    lists: Vec<String>,
    /// Whether items have names beside these, which their program or their JSON decides.
    any: bool,
    /// False of an alternative that is skipped: its variables are not read.
    pub(super) usable: bool,
}

#[derive(Clone)]
struct Name {
    word: String,
    sort: Sort,
    /// A value to try addresses with.
    sample: String,
    /// Whether whoever asks may fill in a host of their own.
    names_hosts: bool,
}

/// Hosts of somebody else, as far as patterns can tell.
const FOREIGN: [&str; 4] = ["foreign.example", "localhost", "example.com", "127.0.0.1"];

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// What a request gives. `bare` of a number or a truth value, which JSON writes without quotes.
    Parameter { bare: bool },
    /// A moment.
    Time,
    /// What a step found.
    Capture,
    /// What is asked for one by one.
    Each,
    /// What an item holds.
    Field,
}

impl Sort {
    fn words(self) -> &'static str {
        match self {
            Self::Parameter { .. } => "a parameter",
            Self::Time => "a time",
            Self::Capture => "a capture",
            Self::Each => "what is asked for by `each`",
            Self::Field => "a field",
        }
    }
}

impl Names {
    pub(super) fn new(params: &[Param], usable: bool) -> Self {
        let known = params.iter().map(|param| Name {
            word: param.name.clone(),
            sort: Sort::Parameter { bare: matches!(param.takes, Takes::Integer { .. } | Takes::Boolean) },
            sample: sample(param),
            names_hosts: matches!(&param.takes, Takes::Pattern(pattern) if FOREIGN.iter().any(|host| pattern.is_match(host))),
        });
        Self { known: known.collect(), lists: Vec::new(), any: false, usable }
    }

    /// These and the fields of an item. Without `fields` there is no telling what it holds.
    pub(super) fn with_fields<'n>(&self, fields: impl IntoIterator<Item = &'n str>, any: bool) -> Self {
        let mut names = Self { any, ..self.clone() };
        fields.into_iter().for_each(|name| names.add(name, Sort::Field));
        names
    }

    pub(super) fn texts(&self) -> Vec<&str> {
        self.known.iter().map(|known| known.word.as_str()).collect()
    }

    pub(super) fn lists(&self) -> &[String] {
        &self.lists
    }

    pub(super) fn takes_any(&self) -> bool {
        self.any
    }

    pub(super) fn has_fields(&self) -> bool {
        self.known.iter().any(|known| known.sort == Sort::Field)
    }

    pub(super) fn samples(&self) -> Params {
        self.known.iter().map(|known| (known.word.clone(), known.sample.clone())).collect()
    }

    /// What a name stands for; of two of one name the nearer, which is a field.
    pub(super) fn find(&self, name: &str) -> Option<Sort> {
        self.known.iter().rev().find(|known| known.word == name).map(|known| known.sort)
    }

    /// True of a parameter by which whoever asks could name a host of their own.
    pub(super) fn names_hosts(&self, name: &str) -> bool {
        self.known.iter().rev().find(|known| known.word == name).is_some_and(|known| known.names_hosts)
    }

    pub(super) fn is_list(&self, name: &str) -> bool {
        self.lists.iter().any(|list| list == name)
    }

    /// The name that was meant.
    pub(super) fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.texts())
    }

    pub(super) fn add(&mut self, name: &str, sort: Sort) {
        // Stands in a port, a host and a path alike.
        self.known.push(Name { word: name.to_owned(), sort, sample: "1".to_owned(), names_hosts: false });
    }

    pub(super) fn add_list(&mut self, name: &str) {
        self.lists.push(name.to_owned());
    }

    /// Makes each value of a list fill places.
    pub(super) fn unroll(&mut self, name: &str) {
        self.lists.retain(|list| list != name);
        self.add(name, Sort::Each);
    }
}

impl Reader<'_> {
    /// Complains about a new name that cannot be written as a place, or means something already.
    pub(super) fn new_name(&mut self, at: &At<String>, sort: Sort, names: &Names) {
        let name = at.value.escape_debug();
        if !is_word(&at.value) {
            let help = "it takes a lower-case letter, then letters, digits and `_` (64 at most): it is written as {name}";
            self.error(&at.span, format!("`{name}` is no name for {}", sort.words()), Some(help));
        } else if let Some(taken) = names.find(&at.value).or_else(|| names.is_list(&at.value).then_some(Sort::Capture)) {
            let help = format!("call it something else: {{{name}}} can mean one thing only");
            self.error(&at.span, format!("`{name}` is {} already", taken.words()), Some(&help));
        }
    }
}

/// A value that the parameter takes, as far as one can be told without a request.
fn sample(param: &Param) -> String {
    match (&param.default, &param.takes) {
        (Some(default), _) => default.clone(),
        (None, Takes::Values(values)) => values.first().cloned().unwrap_or_default(),
        // Stands in a port, a host and a path alike.
        (None, Takes::Pattern(_) | Takes::Boolean | Takes::Date) => "1".to_owned(),
        (None, Takes::Integer { min, max }) => 1.clamp(*min, *max).to_string(),
    }
}
