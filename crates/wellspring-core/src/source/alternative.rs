//! Alternatives.

use std::sync::Arc;

use super::asking::Asking;
use super::names::Names;
use super::parse::Reader;
use super::raw::{RawAlternative, RawExpect, RawSource};
use super::{Alternative, At, Param, Render};
use crate::gate::Expect;

impl Reader<'_> {
    /// The alternatives, each with the shape it was read from, the source's own keys filled in.
    pub(super) fn alternatives(&mut self, raw: &RawSource, params: &[Param]) -> Vec<(Alternative, RawAlternative)> {
        let own = match (&raw.url, &raw.from) {
            (Some(url), None) => vec![At { value: RawAlternative::of_url(url.clone()), span: self.name.span.clone() }],
            (None, Some(from)) => {
                if from.value.is_empty() {
                    self.error(&from.span, "`from` lists no alternative", Some("add a [[source.NAME.from]] with a `url`"));
                }
                from.value.clone()
            }
            (Some(url), Some(_)) => {
                let help = "move this address into an alternative of its own";
                self.error(&url.span, "a source has either a `url` or alternatives in `from`", Some(help));
                return Vec::new();
            }
            (None, None) => {
                let message = format!("source `{}` has no `url`", self.name.value.escape_debug());
                self.error(&self.name.span.clone(), message, Some("add url = \"https://…\", or alternatives as [[source.NAME.from]]"));
                return Vec::new();
            }
        };
        let shapes: Vec<_> = own.into_iter().map(|At { value, span }| (raw.completing(value), span)).collect();
        self.rendered(&shapes);
        let mut alternatives = Vec::new();
        for (shape, span) in shapes {
            if let Some(alternative) = self.alternative(&shape, &At { value: (), span }, params) {
                alternatives.push((alternative, shape));
            }
        }
        alternatives
    }

    fn alternative(&mut self, raw: &RawAlternative, at: &At<()>, params: &[Param]) -> Option<Alternative> {
        let usable = self.is_usable(raw);
        let mut names = Names::new(params, usable);
        let times = raw.times.as_ref().map_or(Some(Vec::new()), |times| self.times(times, &mut names));
        let steps = raw.steps.as_ref().map_or(Some(Vec::new()), |steps| self.steps(steps, raw, &mut names));
        let each = raw.each.as_ref().map_or(Some(None), |each| self.each(each, &mut names).map(Some));
        let rules = self.rules(raw, at, &names);
        let ask = if raw.url.is_some() {
            self.ask(&Asking::of_alternative(raw), &names)
        } else {
            self.error(&at.span, "this alternative has no `url`", Some("add url = \"https://…\""));
            None
        };
        let details = match (&raw.details, &rules) {
            (Some(details), Some(rules)) => self.details(details, raw, rules, &names).map(Some),
            _ => Some(None),
        };
        let (page, page_selectors) = self.page(raw, &names);
        let expect = expect(raw.expect.as_ref());
        Some(Alternative {
            when_env: raw.when_env.as_ref().map(|at| at.value.clone()),
            usable,
            times: times?,
            steps: steps?,
            ask: ask?,
            each: each?,
            details: details?,
            render: raw.render.as_ref().map_or(Render::Never, |at| at.value),
            page: Arc::new(page),
            page_selectors,
            robots: raw.robots,
            rules: rules?,
            expect,
        })
    }

    fn is_usable(&mut self, raw: &RawAlternative) -> bool {
        let Some(name) = &raw.when_env else { return true };
        if !is_variable(&name.value) {
            let message = format!("`{}` is no name of a variable", name.value.escape_debug());
            self.error(&name.span, message, Some("write the bare name, as in when_env = \"API_KEY\""));
            return false;
        }
        (self.environment)(&name.value).is_some_and(|value| !value.is_empty())
    }
}

pub(super) fn expect(raw: Option<&RawExpect>) -> Expect {
    let Some(raw) = raw else { return Expect::default() };
    Expect {
        min_items: raw.min_items.as_ref().map_or(Expect::default().min_items, |at| at.value),
        required: raw.required.iter().map(|at| at.value.clone()).collect(),
        allow_empty: raw.allow_empty.unwrap_or(false),
        max_drop: raw.max_drop.as_ref().map(|at| at.value),
    }
}

/// True for what a shell takes as a variable's name.
fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
