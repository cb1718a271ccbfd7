//! Microdata, by the algorithm of its standard: what `itemprop` elements within an `itemscope` say, rendered as JSON-LD would.

use std::collections::{HashMap, HashSet};

use ego_tree::iter::Edge;
use ego_tree::{NodeId, NodeRef};
use scraper::{ElementRef, Html as Page, Node};
use serde_json::{Map, Value};
use url::Url;

use super::kind::short;
use crate::columns::Budget;
use crate::error::ExtractError;
use crate::html;

mod property;

/// How deep items may lie within each other; deeper ones are left out. Real pages have five.
const MAX_DEPTH: usize = 32;

/// What a node costs beside its text, in bytes.
const NODE: usize = 32;

/// The items of a page that are no part of others, in its order.
///
/// # Errors
/// [`ExtractError::TooMuch`] where items refer to each other so that a page multiplies.
pub(super) fn read(page: &Page, base: &Url) -> Result<Vec<Value>, ExtractError> {
    let mut crawl = Crawl { by_id: HashMap::new(), base, around: Vec::new(), budget: Budget::default() };
    let mut referred = HashSet::new();
    for element in page.root_element().descendants().filter_map(ElementRef::wrap) {
        if let Some(id) = element.attr("id") {
            crawl.by_id.entry(id).or_insert(element);
        }
        referred.extend(element.attr("itemref").into_iter().flat_map(str::split_whitespace));
    }
    let templates = html::Templates::of(page);
    let mut items = Vec::new();
    // How many items, or parts of items, are open.
    let mut open = 0_usize;
    for edge in page.tree.root().traverse() {
        let (node, opens) = match edge {
            Edge::Open(node) => (node, true),
            Edge::Close(node) => (node, false),
        };
        let Some(element) = ElementRef::wrap(node) else { continue };
        let is_item = element.attr("itemscope").is_some();
        let is_referred = element.attr("id").is_some_and(|id| referred.contains(id));
        if !is_item && !is_referred {
            continue;
        }
        if !opens {
            open = open.saturating_sub(1);
            continue;
        }
        // A property of nothing is an item of its own: better than none.
        let stands_alone = element.attr("itemprop").is_none() || (open == 0 && !is_referred);
        if is_item && stands_alone && !templates.hide(element) {
            items.extend(crawl.item(element)?);
        }
        open += 1;
    }
    Ok(items)
}

struct Crawl<'p> {
    by_id: HashMap<&'p str, ElementRef<'p>>,
    base: &'p Url,
    /// The items that the one in hand is part of.
    around: Vec<NodeId>,
    /// Bytes and nodes that may still be looked at.
    budget: Budget,
}

impl<'p> Crawl<'p> {
    /// The item that this element is; `None` within itself or too deep within others.
    fn item(&mut self, element: ElementRef<'p>) -> Result<Option<Value>, ExtractError> {
        if self.around.len() >= MAX_DEPTH || self.around.contains(&element.id()) {
            return Ok(None);
        }
        self.around.push(element.id());
        let mut item = Map::new();
        let types: Vec<Value> = words(element, "itemtype").map(|name| short(name).into()).collect();
        if let Some(types) = one_or_list(types) {
            item.insert("@type".to_owned(), types);
        }
        if let Some(id) = element.attr("itemid").map(str::trim).filter(|id| !id.is_empty()) {
            item.insert("@id".to_owned(), property::address(id, self.base).into());
        }
        let mut properties: Map<String, Value> = Map::new();
        self.properties(element, &mut properties)?;
        for (name, values) in properties {
            if let Value::Array(values) = values {
                item.extend(one_or_list(values).map(|values| (name, values)));
            }
        }
        self.around.pop();
        Ok(Some(Value::Object(item)))
    }

    /// Adds the properties that the element's descendants, and those of what it refers to, give.
    fn properties(&mut self, item: ElementRef<'p>, properties: &mut Map<String, Value>) -> Result<(), ExtractError> {
        let mut pending: Vec<NodeRef<'p, Node>> = Vec::new();
        let mut referred: Vec<ElementRef<'p>> = words(item, "itemref").filter_map(|id| self.by_id.get(id).copied()).collect();
        // Last in, first out.
        referred.reverse();
        // Looked at once, however often it is referred to.
        let mut seen: Option<HashSet<NodeId>> = (!referred.is_empty()).then(HashSet::new);
        pending.extend(referred.into_iter().map(|element| *element));
        pending.extend(item.children().rev());
        while let Some(node) = pending.pop() {
            self.budget.hold(NODE)?;
            // Templates hold a fragment, which is no part of the page.
            let Some(element) = ElementRef::wrap(node) else { continue };
            if seen.as_mut().is_some_and(|seen| !seen.insert(node.id())) || element == item {
                continue;
            }
            let is_item = element.attr("itemscope").is_some();
            let mut named = HashSet::new();
            let names: Vec<&str> = words(element, "itemprop").filter(|name| named.insert(*name)).collect();
            if !names.is_empty() {
                let value = if is_item { self.item(element)? } else { Some(self.value(element)?.into()) };
                self.add(&names, value, properties)?;
            }
            if !is_item {
                pending.extend(node.children().rev());
            }
        }
        Ok(())
    }

    fn add(&mut self, names: &[&str], value: Option<Value>, properties: &mut Map<String, Value>) -> Result<(), ExtractError> {
        let Some(value) = value else { return Ok(()) };
        for name in names {
            self.budget.hold(name.len() + value.as_str().map_or(size_of::<Value>(), str::len))?;
            let values = properties.entry(short(name)).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(values) = values {
                values.push(value.clone());
            }
        }
        Ok(())
    }

    fn value(&mut self, element: ElementRef<'p>) -> Result<String, ExtractError> {
        if let Some(value) = property::attribute(element, self.base) {
            return Ok(value);
        }
        // Properties lie within each other, and what they hold is read for each of them.
        let mut cost = 0;
        for node in element.descendants() {
            cost += NODE + if let Node::Text(text) = node.value() { text.len() } else { 0 };
        }
        self.budget.hold(cost)?;
        Ok(html::lines(element))
    }
}

fn words<'p>(element: ElementRef<'p>, attribute: &str) -> impl Iterator<Item = &'p str> {
    element.value().attr(attribute).unwrap_or("").split_whitespace()
}

fn one_or_list(mut values: Vec<Value>) -> Option<Value> {
    match values.len() {
        0 => None,
        1 => values.pop(),
        _ => Some(Value::Array(values)),
    }
}
