//! OpenGraph: what a page tells those who share it.
//!
//! One entity of type `OpenGraph`. `og:` is left off and other colons become `_`, so that JSONPath needs no brackets:
//! `og:site_name` is `$.site_name`, `article:published_time` is `$.article_published_time`, `og:image:width` is `$.image_width`.
//! `image`, `video` and `audio` are always lists of addresses; any other property is a list where the page repeats it.

use scraper::{ElementRef, Html as Page};
use serde_json::{Map, Value, json};
use url::Url;

use crate::value;

/// Namespaces whose properties are read.
const NAMESPACES: [&str; 10] = ["og", "article", "product", "book", "profile", "music", "video", "place", "business", "restaurant"];

/// The page's OpenGraph, if it has any.
pub(super) fn read(page: &Page, base: &Url) -> Option<Value> {
    let mut properties: Map<String, Value> = Map::new();
    for meta in page.root_element().descendants().filter_map(ElementRef::wrap).filter(|element| element.value().name() == "meta") {
        // Some write it where other metas have their name.
        let Some(name) = ["property", "name"].iter().find_map(|attribute| name(meta.attr(attribute)?)) else { continue };
        let Some(content) = meta.attr("content").map(str::trim).filter(|content| !content.is_empty()) else { continue };
        if matches!(name.as_str(), "image" | "video" | "audio") {
            let list = properties.entry(name).or_insert_with(|| json!([]));
            if let (Value::Array(list), Some(address)) = (list, value::absolute(content, base)) {
                list.push(address.into());
            }
            continue;
        }
        let content = if name == "url" { value::absolute(content, base) } else { Some(content.to_owned()) };
        let Some(content) = content.map(Value::String) else { continue };
        match properties.get_mut(&name) {
            None => drop(properties.insert(name, content)),
            Some(Value::Array(list)) => list.push(content),
            Some(one) => *one = Value::Array(vec![one.take(), content]),
        }
    }
    if properties.is_empty() {
        return None;
    }
    properties.shift_insert(0, "@type".to_owned(), "OpenGraph".into());
    Some(Value::Object(properties))
}

/// The property's name in the entity.
fn name(written: &str) -> Option<String> {
    let written = written.trim().to_ascii_lowercase();
    let (namespace, property) =
        written.split_once(':').filter(|(namespace, property)| NAMESPACES.contains(namespace) && !property.is_empty())?;
    let full = if namespace == "og" { property } else { &written };
    // `og:image:url` is `og:image` by another name.
    let full = ["image", "video", "audio"].into_iter().find(|media| full.strip_suffix(":url") == Some(media)).unwrap_or(full);
    Some(full.replace(':', "_"))
}
