//! How fields look into an element of a page.

use ego_tree::NodeRef;
use scraper::{ElementRef, Node, Selector};
use serde_json::Value;
use url::Url;
use wellspring_core::source::{Anchor, At};

use super::pick::{self, Pick};
use super::text;
use crate::columns::Kind;
use crate::error::RuleError;

/// Pages.
pub(super) enum Page {}

/// An element and what its addresses are relative to.
#[derive(Clone)]
pub(super) struct Row<'b> {
    pub(super) element: ElementRef<'b>,
    pub(super) base: &'b Url,
}

/// Where looking starts.
#[derive(Debug)]
pub(super) enum Start {
    Preceding(Selector),
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

    fn nested(at: &At<String>) -> Result<Selector, RuleError> {
        pick::compile(at, at.value.trim())
    }

    fn anchor(anchor: &Anchor) -> Result<Start, RuleError> {
        match anchor {
            Anchor::Preceding(at) => pick::compile(at, at.value.trim()).map(Start::Preceding),
            Anchor::Ancestor(at) => pick::compile(at, at.value.trim()).map(Start::Ancestor),
            Anchor::Lookup { rows, .. } => {
                Err(RuleError::at(rows, "`lookup` is for JSON").help("on a page, use `preceding` or `ancestor`"))
            }
        }
    }

    fn look(row: &Row<'_>, place: &Pick, all: bool) -> Vec<Value> {
        place.look(row.element, row.base, all)
    }

    fn rows<'b: 'b>(row: &Row<'b>, nested: &Selector) -> Vec<Row<'b>> {
        let elements = row.element.select(nested).filter(|element| !text::is_in_template(*element));
        elements.map(|element| Row { element, base: row.base }).collect()
    }

    fn start<'b: 'b>(row: &Row<'b>, anchor: &Start) -> Option<Row<'b>> {
        let element = match anchor {
            Start::Ancestor(selector) => row.element.ancestors().filter_map(ElementRef::wrap).find(|element| selector.matches(element)),
            Start::Preceding(selector) => before(*row.element).filter_map(ElementRef::wrap).find(|element| selector.matches(element)),
        };
        Some(Row { element: element?, base: row.base })
    }

    fn whole(row: &Row<'_>) -> Option<Value> {
        Some(text::of(row.element)).filter(|text| !text.is_empty()).map(Value::String)
    }
}

/// All nodes before this one in the order of the page, nearest first, those around it left out.
fn before(node: NodeRef<'_, Node>) -> impl Iterator<Item = NodeRef<'_, Node>> {
    let mut at = Some(node);
    std::iter::from_fn(move || {
        loop {
            let current = at?;
            if let Some(mut previous) = current.prev_sibling() {
                // The last of what lies in it comes first.
                while let Some(last) = previous.last_child() {
                    previous = last;
                }
                at = Some(previous);
                return at;
            }
            let parent = current.parent()?;
            at = Some(parent);
            // A node within a sibling has its parent before it; one around the row has not.
            if !node.ancestors().any(|around| around.id() == parent.id()) {
                return at;
            }
        }
    })
}
