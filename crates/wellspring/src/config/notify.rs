//! `[[notify]]`: who is told how sources are.

use std::collections::BTreeSet;

use ::http::{HeaderName, HeaderValue};
use url::Url;
use wellspring_core::diagnostic::{Diagnostic, nearest};
use wellspring_core::source::{At, Document};
use wellspring_core::telling::{Change, PLACES, Receiver};
use wellspring_core::template::{BadTemplate, Environment, Filled, Template};

use super::raw::RawNotify;

/// One who is told.
#[derive(Clone, Debug)]
pub struct Notify {
    /// By which it is known in the log and to `wellspring notify`, and by which it is remembered what was told.
    pub name: String,
    /// In which shape.
    pub receiver: Receiver,
    /// Where to.
    pub url: Filled,
    /// Further headers.
    pub headers: Vec<(HeaderName, Filled)>,
    /// Of which sources; empty: of all.
    pub sources: Vec<String>,
    /// What of.
    pub on: Vec<Change>,
    /// Failures in a row before `degraded` is told.
    pub after: u32,
    /// In which words, where not in the usual ones.
    pub template: Option<Template>,
    /// Whether it may be at a private address, whatever holds for sources.
    pub allow_private: bool,
}

/// What is read of all of them.
pub(super) struct Hooks<'a> {
    document: Document<'a>,
    environment: Environment<'a>,
    found: Vec<Diagnostic>,
    names: BTreeSet<String>,
}

/// Those of a file, with the places of the sources that they name.
pub(super) type Read = Vec<(Notify, Vec<At<String>>)>;

impl<'a> Hooks<'a> {
    pub(super) fn new(document: Document<'a>, environment: Environment<'a>) -> Self {
        Self { document, environment, found: Vec::new(), names: BTreeSet::new() }
    }

    /// Reads them, or says what is wrong.
    pub(super) fn read(mut self, raw: Vec<RawNotify>) -> Result<Read, Vec<Diagnostic>> {
        let taken: BTreeSet<String> = raw.iter().filter_map(|raw| raw.name.as_ref().map(|name| name.value.clone())).collect();
        let hooks = raw.into_iter().map(|raw| self.hook(raw, &taken)).collect::<Vec<_>>();
        if self.found.is_empty() { Ok(hooks.into_iter().flatten().collect()) } else { Err(self.found) }
    }

    fn hook(&mut self, raw: RawNotify, taken: &BTreeSet<String>) -> Option<(Notify, Vec<At<String>>)> {
        let receiver = raw.kind.unwrap_or_default();
        let name = self.name(raw.name.as_ref(), receiver, taken);
        let url = self.url(&raw.url);
        if let Some(at) = raw.after.as_ref().filter(|at| at.value == 0) {
            self.error(at, "`after` must be at least 1", "3 is usual: one failure alone passes by itself as a rule");
        }
        let headers = raw.headers.unwrap_or_default().0.iter().filter_map(|(name, value)| self.header(name, value)).collect();
        let template = raw.template.as_ref().and_then(|at| self.template(at));
        let sources = raw.sources.unwrap_or_default();
        let notify = Notify {
            name,
            receiver,
            url: url?,
            headers,
            sources: sources.iter().map(|at| at.value.clone()).collect(),
            on: raw.on.unwrap_or_else(|| Change::ALL.to_vec()),
            after: raw.after.map_or(3, |at| at.value),
            template,
            allow_private: raw.allow_private.unwrap_or(false),
        };
        Some((notify, sources))
    }

    /// Its name; the kind where it has none, with a number from the second on.
    fn name(&mut self, given: Option<&At<String>>, receiver: Receiver, taken: &BTreeSet<String>) -> String {
        let Some(at) = given else {
            let free = |name: &String| !self.names.contains(name) && !taken.contains(name);
            let kind = receiver.as_str();
            let numbered = (2..).map(|n| format!("{kind}-{n}"));
            let name = std::iter::once(kind.to_owned()).chain(numbered).find(free).unwrap_or_default();
            self.names.insert(name.clone());
            return name;
        };
        let sound = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-');
        if at.value.is_empty() || at.value == "all" || !at.value.bytes().all(sound) {
            self.error(
                at,
                format!("`{}` cannot be a name", at.value.escape_debug()),
                "use letters, digits, `-` and `_`; `all` means all of them",
            );
        } else if !self.names.insert(at.value.clone()) {
            self.error(
                at,
                format!("`{}` is the name of another [[notify]]", at.value),
                "it is remembered by this name what was told: rename one",
            );
        }
        at.value.clone()
    }

    fn url(&mut self, at: &At<String>) -> Option<Filled> {
        let url = self.expand(at)?;
        if Url::parse(url.expose()).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Some(url);
        }
        self.error(at, "`url` is no http address", "write it in full, as in https://hooks.example/services/…");
        None
    }

    fn header(&mut self, name: &At<String>, value: &At<String>) -> Option<(HeaderName, Filled)> {
        let Ok(known) = HeaderName::try_from(name.value.as_str()) else {
            self.error(name, format!("`{}` is no header", name.value.escape_debug()), "write it as in Authorization");
            return None;
        };
        let filled = self.expand(value)?;
        if HeaderValue::from_str(filled.expose()).is_err() {
            self.error(value, "this holds characters that no header can carry", "use visible characters of ASCII");
            return None;
        }
        Some((known, filled))
    }

    fn template(&mut self, at: &At<String>) -> Option<Template> {
        let bad = match Template::parse(&at.value, &PLACES, self.environment) {
            Ok(template) => return Some(template),
            Err(bad) => bad,
        };
        let known = || format!("known here: {}", PLACES.map(|place| format!("{{{place}}}")).join(", "));
        let help = match &bad {
            BadTemplate::UnknownParameter(name) => {
                nearest(name, PLACES).map_or_else(known, |near| format!("did you mean `{{{near}}}`? {}", known()))
            }
            _ => known(),
        };
        self.error(at, bad.to_string(), &help);
        None
    }

    fn expand(&mut self, at: &At<String>) -> Option<Filled> {
        Template::expand(&at.value, self.environment)
            .map_err(|bad| self.error(at, bad.to_string(), "set it before the server starts, or write the value itself"))
            .ok()
    }

    fn error<T>(&mut self, at: &At<T>, message: impl Into<String>, help: &str) {
        self.found.push(self.document.error(at.span.clone(), message).help(help));
    }
}

/// What is wrong with the sources that hooks name, now that all sources are known.
pub(super) fn unknown_sources(document: &Document<'_>, hooks: &Read, known: &[&str]) -> Vec<Diagnostic> {
    let named = hooks.iter().flat_map(|(_, sources)| sources);
    let unknown = named.filter(|at| !known.contains(&at.value.as_str()));
    let complain = |at: &At<String>| {
        let help = match nearest(&at.value, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("configured: {}", known.join(", ")),
        };
        document.error(at.span.clone(), format!("there is no source `{}`", at.value.escape_debug())).help(help)
    };
    unknown.map(complain).collect()
}
