//! How fields look into an element of a page.

use std::rc::Rc;

use scraper::{ElementRef, Html, Selector};
use serde_json::Value;
use url::Url;
use wellspring_core::source::{Anchor, At};

use super::heading::Headings;
use super::pick::{self, Pick};
use super::text::{self, Templates};
use crate::columns::Kind;
use crate::error::RuleError;

/// Pages.
pub(super) enum Page {}

/// An element and the page that it is part of.
#[derive(Clone)]
pub(super) struct Row<'b> {
    element: ElementRef<'b>,
    page: Rc<Around<'b>>,
}

/// A page as its rows see it.
struct Around<'b> {
    /// What its addresses are relative to.
    base: &'b Url,
    templates: Templates,
    headings: Headings<'b>,
}

/// These elements of a page as rows.
pub(super) fn rows<'b>(
    page: &'b Html,
    templates: Templates,
    base: &'b Url,
    elements: Vec<ElementRef<'b>>,
) -> impl Iterator<Item = Row<'b>> {
    let page = Rc::new(Around { base, templates, headings: Headings::of(page, templates) });
    elements.into_iter().map(move |element| Row { element, page: Rc::clone(&page) })
}

/// Where looking starts.
#[derive(Debug)]
pub(super) enum Start {
    /// The selector as it is written too: what the elements it finds are known by.
    Preceding(String, Selector),
    Ancestor(Selector),
}

impl Kind for Page {
    type Row<'b> = Row<'b>;
    type Place = Pick;
    type Nested = Selector;
    type Anchor = Start;

    fn place(at: &At<String>, attr: Option<&str>) -> Result<Pick, RuleError> {
        Pick::compile(attr, at)
    }

    fn markup(at: &At<String>) -> Result<Pick, RuleError> {
        Pick::markup(at)
    }

    fn nested(at: &At<String>) -> Result<Selector, RuleError> {
        pick::compile(at, at.value.trim())
    }

    fn anchor(anchor: &Anchor) -> Result<Start, RuleError> {
        match anchor {
            Anchor::Preceding(at) => pick::compile(at, at.value.trim()).map(|selector| Start::Preceding(at.value.clone(), selector)),
            Anchor::Ancestor(at) => pick::compile(at, at.value.trim()).map(Start::Ancestor),
            Anchor::Lookup { rows, .. } => {
                Err(RuleError::at(rows, "`lookup` is for JSON").help("on a page, use `preceding` or `ancestor`"))
            }
        }
    }

    fn look<'b: 'b>(row: &Row<'b>, place: &Pick) -> impl IntoIterator<Item = Value> {
        place.look(row.element, row.page.base, row.page.templates)
    }

    fn rows<'b: 'b>(row: &Row<'b>, nested: &Selector) -> Vec<Row<'b>> {
        let elements = row.element.select(nested).filter(|element| !row.page.templates.hide(*element));
        elements.map(|element| Row { element, page: Rc::clone(&row.page) }).collect()
    }

    fn start<'b: 'b>(row: &Row<'b>, anchor: &Start) -> Option<(usize, Row<'b>)> {
        let element = match anchor {
            Start::Ancestor(selector) => row.element.ancestors().filter_map(ElementRef::wrap).find(|element| selector.matches(element)),
            Start::Preceding(name, selector) => row.page.headings.before(row.element, name, selector),
        }?;
        Some((std::ptr::from_ref(element.value()).addr(), Row { element, page: Rc::clone(&row.page) }))
    }

    fn whole(row: &Row<'_>) -> Option<Value> {
        Some(text::of(row.element)).filter(|text| !text.is_empty()).map(Value::String)
    }
}
