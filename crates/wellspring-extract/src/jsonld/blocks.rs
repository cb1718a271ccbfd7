//! JSON-LD: the scripts of a page that hold it.

use scraper::{ElementRef, Html as Page};
use serde_json::Value;

use crate::json::lenient;

/// The entities of all blocks, in the order of the page. Blocks that cannot be read are passed over.
pub(super) fn read(page: &Page) -> Vec<Value> {
    let scripts = page.root_element().descendants().filter_map(ElementRef::wrap).filter(|element| is_block(*element));
    flat(scripts.flat_map(|script| lenient::values(&script.text().collect::<String>())))
}

/// Entities out of lists and graphs.
pub(super) fn flat(values: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut entities = Vec::new();
    for value in values {
        add(value, &mut entities);
    }
    entities
}

fn is_block(element: ElementRef<'_>) -> bool {
    let is_script = element.value().name() == "script";
    let media_type = element.attr("type").and_then(|value| value.split(';').next());
    is_script && media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/ld+json"))
}

fn add(value: Value, entities: &mut Vec<Value>) {
    match value {
        Value::Array(list) => list.into_iter().for_each(|value| add(value, entities)),
        Value::Object(mut entity) => {
            let graph = entity.shift_remove("@graph");
            // What is left of the envelope says nothing by itself, unless it names a thing.
            if !entity.is_empty() && (graph.is_none() || entity.contains_key("@type")) {
                entities.push(Value::Object(entity));
            }
            if let Some(graph) = graph {
                add(graph, entities);
            }
        }
        _ => {}
    }
}
