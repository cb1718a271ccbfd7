//! HTML pages: `items` and fields are CSS selectors.

use scraper::{ElementRef, Html as Page, Selector};
use url::Url;
use wellspring_core::source::Rules;

use crate::columns::{Columns, Items};
use crate::error::{ExtractError, RuleError, is_binary};
use crate::{Body, Context, charset, value};

mod depth;
mod heading;
mod live;
mod pick;
mod row;
mod text;

pub(crate) use depth::parse;
pub(crate) use live::check as check_live;
pub(crate) use pick::compile as selector;
pub(crate) use text::{Templates, lines};

pub(crate) const EXPECTED: &str = "HTML";

/// Rules for a page.
#[derive(Debug)]
pub(crate) struct Html {
    /// `None`: the whole page is one row.
    items: Option<Selector>,
    fields: Columns<row::Page>,
}

impl Html {
    pub(crate) fn compile(rules: &Rules) -> Result<Self, RuleError> {
        let items = rules.items.as_ref().map(|at| pick::compile(at, at.value.trim())).transpose()?;
        if rules.fields.is_empty() {
            let span = rules.items.as_ref().map_or(0..0, |at| at.span.clone());
            return Err(RuleError::new(span, "a page's items need fields").help("add `fields = { title = \"h2\" }`"));
        }
        Ok(Self { items, fields: Columns::compile(&rules.fields)? })
    }

    pub(crate) fn read(&self, body: &Body<'_>, context: &Context<'_>) -> Result<Items, ExtractError> {
        let source = charset::html(body);
        refuse_other_formats(&source)?;
        let (page, seen) = depth::parse_noting(&source)?;
        // Most pages have neither, and to look through a whole tree for them costs.
        let base = if seen.base { base(&page, body.url) } else { body.url.clone() };
        let templates = if seen.template { Templates::of(&page) } else { Templates::default() };
        let rows: Vec<ElementRef<'_>> = match &self.items {
            Some(items) => page.select(items).filter(|element| !templates.hide(*element)).collect(),
            None => vec![page.root_element()],
        };
        self.fields.fill(row::rows(&page, templates, &base, rows), &base, context)
    }
}

/// The text that a piece of markup shows; `None` where it is nested or long as no markup is.
pub(crate) fn shown(markup: &str) -> Option<String> {
    if !markup.contains(['<', '&']) {
        return Some(value::collapse(markup));
    }
    parse(markup).ok().map(|page| text::of(page.root_element()))
}

/// Anything parses as HTML, so what is certainly something else is refused before it passes for a page without items.
pub(crate) fn refuse_other_formats(source: &str) -> Result<(), ExtractError> {
    let text = source.trim();
    let is_json = text.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if text.is_empty() || is_json || is_binary(text) {
        return Err(ExtractError::unlike(text, EXPECTED));
    }
    Ok(())
}

/// What the page's addresses are relative to: its first `<base href>`, where that leads to the web.
pub(crate) fn base(page: &Page, url: &Url) -> Url {
    let href = page
        .tree
        .nodes()
        .filter_map(ElementRef::wrap)
        .find_map(|element| (element.value().name() == "base").then(|| element.attr("href")).flatten());
    href.and_then(|href| url.join(href.trim()).ok()).filter(|base| matches!(base.scheme(), "http" | "https")).unwrap_or_else(|| url.clone())
}
