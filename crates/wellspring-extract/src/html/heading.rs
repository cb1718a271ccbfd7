//! The nearest element before a row that matches a selector: the date above a list of times.
//!
//! Walking back from each row would cost the square of a page without any such element, so the elements of a selector are found
//! once and searched.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

use ego_tree::NodeId;
use ego_tree::iter::Edge;
use scraper::{ElementRef, Html, Selector};

use super::text::Templates;

/// The headings of a page that were asked for so far.
pub(super) struct Headings<'b> {
    page: &'b Html,
    templates: Templates,
    places: OnceCell<HashMap<NodeId, Place>>,
    found: RefCell<HashMap<String, Vec<(Place, ElementRef<'b>)>>>,
}

/// Where an element begins and ends, in tags from the beginning of the page.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
}

impl<'b> Headings<'b> {
    pub(super) fn of(page: &'b Html, templates: Templates) -> Self {
        Self { page, templates, places: OnceCell::new(), found: RefCell::default() }
    }

    /// The last element of the selector, known by `name`, that ends before this one begins.
    pub(super) fn before(&self, element: ElementRef<'b>, name: &str, selector: &Selector) -> Option<ElementRef<'b>> {
        let start = self.places().get(&element.id())?.start;
        let mut found = self.found.borrow_mut();
        if !found.contains_key(name) {
            found.insert(name.to_owned(), self.all(selector));
        }
        let all = found.get(name)?;
        let begun = all.partition_point(|(place, _)| place.start < start);
        // Those that have not ended are around it: no more than a page is deep.
        all[..begun].iter().rev().find(|(place, _)| place.end < start).map(|(_, element)| *element)
    }

    /// In the order of the page.
    fn all(&self, selector: &Selector) -> Vec<(Place, ElementRef<'b>)> {
        let elements = self.page.select(selector).filter(|element| !self.templates.hide(*element));
        let mut all: Vec<_> = elements.filter_map(|element| Some((*self.places().get(&element.id())?, element))).collect();
        // The parser made misplaced elements in another order.
        all.sort_by_key(|(place, _)| place.start);
        all
    }

    fn places(&self) -> &HashMap<NodeId, Place> {
        self.places.get_or_init(|| {
            let mut places: HashMap<NodeId, Place> = HashMap::new();
            for (at, edge) in self.page.tree.root().traverse().enumerate() {
                match edge {
                    Edge::Open(node) if node.value().is_element() => {
                        places.insert(node.id(), Place { start: at, end: at });
                    }
                    Edge::Close(node) => {
                        if let Some(place) = places.get_mut(&node.id()) {
                            place.end = at;
                        }
                    }
                    Edge::Open(_) => {}
                }
            }
            places
        })
    }
}
