//! What a browser does with the page that gives the rows, and that a browser can have that page at all.

use std::ops::Range;

use super::names::Names;
use super::parse::Reader;
use super::raw::{RawAlternative, RawClick, RawMethod};
use super::{AddressPattern, At, Format, Page, Render};
use crate::template::places;

/// How often a page can be scrolled: each time may take as long as a request.
const SCROLLS: u32 = 50;

impl Reader<'_> {
    /// Complains about what is said of rendered pages where nothing renders. What a source says for its alternatives is for those of
    /// them that do.
    pub(super) fn rendered(&mut self, shapes: &[(RawAlternative, Range<usize>)]) {
        let (rendering, plain): (Vec<_>, Vec<_>) = shapes.iter().map(|(raw, _)| raw).partition(|raw| render(raw) != Render::Never);
        let heeded: Vec<_> = rendering.into_iter().flat_map(keys).collect();
        for (key, span) in plain.into_iter().flat_map(keys).filter(|key| !heeded.contains(key)) {
            let help = match key {
                "capture" => "add render = \"always\"",
                _ => "add render = \"auto\" (a browser where plain HTTP does not give the items) or render = \"always\"",
            };
            self.error(&span, format!("`{key}` is for pages that a browser renders, and none is rendered here"), Some(help));
        }
    }

    /// What a browser does, and the selectors it looks for, with their places. Nothing where none is taken.
    pub(super) fn page(&mut self, raw: &RawAlternative, names: &Names) -> (Page, Vec<At<String>>) {
        let Some(rendering) = raw.render.as_ref().filter(|at| at.value != Render::Never) else { return (Page::default(), Vec::new()) };
        self.sends_nothing(raw, rendering);
        if let Some(format) = raw.format.as_ref() {
            self.is_a_page(raw, rendering, format.value);
        }
        let click = raw.click.as_ref().map_or_else(Vec::new, |click| self.clicks(click));
        let wait_for = raw.wait_for.clone().filter(|at| self.selects("wait_for", at));
        if let Some(at) = raw.scroll.as_ref().filter(|at| !(1..=SCROLLS).contains(&at.value)) {
            let help = "it says how often the page is scrolled to its end, for lists that grow; leave it out for one that does not";
            self.error(&at.span, format!("`scroll` is a number from 1 to {SCROLLS}"), Some(help));
        }
        let items = raw.items.as_ref().filter(|_| raw.format.as_ref().is_some_and(|at| at.value == Format::Html));
        let page = Page {
            click: click.iter().map(|at| at.value.clone()).collect(),
            scroll: raw.scroll.as_ref().map_or(0, |at| at.value),
            wait_for: wait_for.as_ref().map(|at| at.value.clone()),
            expects: items.map(|at| at.value.clone()),
            capture: raw.capture.as_ref().and_then(|at| self.capture(at, rendering.value, raw, names)),
        };
        (page, click.into_iter().chain(wait_for).collect())
    }

    /// Complains about a request that no browser makes when it opens a page.
    fn sends_nothing(&mut self, raw: &RawAlternative, rendering: &At<Render>) {
        let form = raw.form.as_ref().map(|form| form.0.first().map_or(&rendering.span, |(name, _)| &name.span));
        let sent = raw.json.as_ref().map(|at| &at.span).or(form).or(raw.body.as_ref().map(|at| &at.span));
        let post = raw.method.as_ref().filter(|at| at.value == RawMethod::Post).map(|at| &at.span);
        if let Some(span) = sent.or(post) {
            let help = "leave `render` out, or write render = \"never\" where others render: plain HTTP sends it";
            self.error(span, "a browser opens a page by a GET, which sends nothing", Some(help));
        }
    }

    /// Complains about a body that no browser makes anything of.
    fn is_a_page(&mut self, raw: &RawAlternative, rendering: &At<Render>, format: Format) {
        let what = match format {
            Format::Html | Format::Jsonld => return,
            Format::Json => {
                if raw.script.is_none() && raw.variable.is_none() && raw.capture.is_none() {
                    let help = "leave `render` out: plain HTTP reads JSON; or name the JSON that a page loads: \
                                render = \"always\" and capture = \"**/api/list*\"";
                    self.error(&rendering.span, "a browser shows JSON as a page, from which it is not read", Some(help));
                }
                return;
            }
            Format::Feed => "a feed",
            Format::Ical => "a calendar",
            Format::Csv => "CSV",
            Format::Xml => "XML",
            Format::Text => "plain text",
        };
        let help = "leave `render` out, or write render = \"never\" where others render: plain HTTP reads it";
        self.error(&rendering.span, format!("a browser renders pages, and {what} is none"), Some(help));
    }

    fn clicks(&mut self, click: &At<RawClick>) -> Vec<At<String>> {
        let selectors = match &click.value {
            RawClick::One(selector) => vec![At { value: selector.clone(), span: click.span.clone() }],
            RawClick::Many(selectors) => selectors.clone(),
        };
        if selectors.is_empty() {
            self.error(&click.span, "`click` lists nothing", Some("name what is clicked, as in click = \"button.more\""));
        }
        selectors.into_iter().filter(|at| self.selects("click", at)).collect()
    }

    /// False of a selector that is empty, after a complaint.
    fn selects(&mut self, key: &str, at: &At<String>) -> bool {
        let selects = !at.value.trim().is_empty();
        if !selects {
            let help = format!("write a CSS selector, as in {key} = \"ul.list > li\"");
            self.error(&at.span, format!("`{key}` must not be empty"), Some(&help));
        }
        selects
    }

    fn capture(&mut self, at: &At<String>, render: Render, raw: &RawAlternative, names: &Names) -> Option<AddressPattern> {
        if render == Render::Auto {
            let message = "`capture` takes what a page's scripts load, and plain HTTP, which is tried first, runs none";
            self.error(&at.span, message, Some("write render = \"always\""));
        }
        if raw.format.as_ref().is_some_and(|format| format.value != Format::Json) {
            let help = "write format = \"json\", with JSONPath in `items` and `fields`";
            self.error(&at.span, "what `capture` takes is JSON, and the body is not read as JSON", Some(help));
        }
        if let Some(within) = raw.script.as_ref().or(raw.variable.as_ref()) {
            let message = "this says where in a page the JSON is, and `capture` takes JSON in place of the page";
            self.error(&within.span, message, Some("keep one of them"));
        }
        if let Some(name) = places(&at.value).find(|name| names.find(name).is_some()) {
            let span = self.document.within(&at.span, &format!("{{{name}}}"));
            self.error(
                &span,
                format!("`{{{name}}}` is not filled in here"),
                Some("write * in its place: it stands for anything but a slash"),
            );
        }
        let pattern = AddressPattern::parse(at.value.trim());
        if pattern.is_none() {
            let message = if at.value.trim().is_empty() { "`capture` must not be empty" } else { "this pattern is too long" };
            let help = "write a pattern of addresses, as in \"**/api/list*\": ** stands for anything, * for anything but a slash";
            self.error(&at.span, message, Some(help));
        }
        pattern
    }
}

fn render(raw: &RawAlternative) -> Render {
    raw.render.as_ref().map_or(Render::Never, |at| at.value)
}

/// What is said of rendered pages, with its places.
fn keys(raw: &RawAlternative) -> impl Iterator<Item = (&'static str, Range<usize>)> {
    let click = raw.click.as_ref().map(|at| ("click", at.span.clone()));
    let scroll = raw.scroll.as_ref().map(|at| ("scroll", at.span.clone()));
    let wait_for = raw.wait_for.as_ref().map(|at| ("wait_for", at.span.clone()));
    let capture = raw.capture.as_ref().map(|at| ("capture", at.span.clone()));
    [click, scroll, wait_for, capture].into_iter().flatten()
}
