//! One entry, and the names by which RSS, RDF and Atom say the same things.

use serde_json::{Map, Value};
use url::Url;

use super::date;
use crate::xml::tree::{Element, add, base};
use crate::{base64, value};

/// An entry with what its addresses are relative to.
#[derive(Clone)]
pub(crate) struct Entry<'a> {
    element: &'a Element,
    base: Url,
    source: &'a str,
}

impl<'a> Entry<'a> {
    pub(super) fn new(element: &'a Element, outer: &Url, source: &'a str) -> Self {
        Self { element, base: base(element, outer), source }
    }

    /// What stands at a path of element names, or in an attribute there.
    pub(super) fn look(&self, steps: &[String], attribute: Option<&str>) -> Vec<Value> {
        if let ([name], None) = (steps, attribute)
            && let Some(found) = self.unified(name)
        {
            return vec![found];
        }
        let mut elements = vec![self.element];
        for step in steps {
            elements = elements.iter().flat_map(|element| element.named(step)).collect();
        }
        match attribute {
            None => elements.iter().map(|element| self.value(element)).filter(|value| !value.is_null()).collect(),
            Some(name) => {
                if let [step] = steps {
                    elements.extend(self.atom_links(step));
                }
                elements.iter().filter_map(|element| self.attribute(element, name)).map(Value::String).collect()
            }
        }
    }

    /// The entry as an item: what every feed says, then whatever its namespaces add.
    pub(super) fn whole(&self) -> Value {
        let mut item = Map::new();
        for name in ["title", "link", "published", "summary", "id"] {
            item.insert(name.to_owned(), self.unified(name).unwrap_or_default());
        }
        for child in self.element.children.iter().filter(|child| child.name.contains(':')) {
            add(&mut item, &child.name, self.value(child));
        }
        Value::Object(item)
    }

    /// What RSS, RDF and Atom each have a name for, by any of these names.
    fn unified(&self, name: &str) -> Option<Value> {
        const PUBLISHED: [&str; 8] = ["pubDate", "published", "issued", "dc:date", "dcterms:issued", "atom:published", "created", "date"];
        const UPDATED: [&str; 5] = ["updated", "modified", "dcterms:modified", "atom:updated", "lastBuildDate"];
        let text = match name {
            "title" => self.first(&["title", "atom:title", "dc:title", "media:title"]).map(|title| value::collapse(&title)),
            "link" => self.link(),
            "published" | "pubDate" => self.first(&PUBLISHED).or_else(|| self.first(&UPDATED)).map(|text| date::normalized(&text)),
            "updated" => self.first(&UPDATED).map(|text| date::normalized(&text)),
            "summary" | "description" => {
                self.first(&["description", "summary", "atom:summary", "dc:description", "itunes:summary", "media:description"])
            }
            "content" => self.first(&["content:encoded", "content", "encoded", "atom:content"]),
            "id" | "guid" => {
                self.first(&["guid", "id", "atom:id", "dc:identifier"]).or_else(|| self.element.attribute("rdf:about").map(str::to_owned))
            }
            "author" => self.author(),
            "enclosure" => self.enclosure(),
            "categories" => return self.categories().map(Value::Array),
            "category" => return self.categories().and_then(|words| words.into_iter().next()),
            _ => None,
        };
        text.map(Value::String)
    }

    /// The text of the first element of these names that has any, names in order.
    fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().flat_map(|name| self.element.named(name)).map(|element| self.markup(element)).find(|text| !text.is_empty())
    }

    fn link(&self) -> Option<String> {
        let links = || self.element.named("link").chain(self.element.named("atom:link"));
        let related = |rel: &str| {
            links().find_map(|link| {
                let href = link.attribute("href").filter(|_| link.attribute("rel").unwrap_or("alternate") == rel)?;
                value::absolute(href, &base(link, &self.base))
            })
        };
        let text = links().find_map(|link| Some(link.text.trim()).filter(|text| !text.is_empty()));
        let permanent = || {
            let guid = self.element.named("guid").find(|guid| guid.attribute("isPermaLink") != Some("false"))?;
            Some(guid.text.trim()).or_else(|| self.element.attribute("rdf:about")).filter(|id| id.starts_with("http"))
        };
        text.and_then(|text| value::absolute(text, &self.base))
            .or_else(|| related("alternate"))
            .or_else(|| permanent().map(str::to_owned))
            .or_else(|| related("self"))
    }

    fn author(&self) -> Option<String> {
        let person = |author: &Element| {
            let part = |name| author.named(name).map(|part| value::collapse(&part.text)).find(|text| !text.is_empty());
            part("name").or_else(|| part("atom:name")).or_else(|| part("email")).or_else(|| Some(value::collapse(&author.text)))
        };
        ["author", "atom:author", "dc:creator", "dc:author", "itunes:author"]
            .iter()
            .flat_map(|name| self.element.named(name))
            .filter_map(person)
            .find(|text| !text.is_empty())
    }

    fn enclosure(&self) -> Option<String> {
        let enclosures = self.element.named("enclosure").chain(self.atom_links("enclosure"));
        enclosures.into_iter().find_map(|element| self.attribute(element, "url"))
    }

    fn categories(&self) -> Option<Vec<Value>> {
        let elements = ["category", "atom:category", "dc:subject"].into_iter().flat_map(|name| self.element.named(name));
        let word = |element: &Element| {
            let text = value::collapse(&element.text);
            if text.is_empty() { element.attribute("label").or_else(|| element.attribute("term")).map(str::to_owned) } else { Some(text) }
        };
        let words: Vec<Value> = elements.filter_map(word).map(Value::String).collect();
        (!words.is_empty()).then_some(words)
    }

    /// Atom's links of a relation, which RSS has as elements of their own.
    fn atom_links(&self, relation: &str) -> impl Iterator<Item = &'a Element> {
        self.element
            .children
            .iter()
            .filter(move |child| matches!(child.name.as_str(), "link" | "atom:link") && child.attribute("rel") == Some(relation))
    }

    fn attribute(&self, element: &Element, name: &str) -> Option<String> {
        // RSS says `url` where Atom says `href`.
        let found = element.attribute(name).or_else(|| element.attribute("href").filter(|_| name == "url"))?;
        value::attribute(name, found, &base(element, &self.base))
    }

    /// An element as JSON: its text, or an object of its attributes and children.
    fn value(&self, element: &Element) -> Value {
        let text = element.text.trim();
        let is_markup = !text.is_empty() || element.attribute("type").is_some_and(|kind| kind.contains("xhtml"));
        if is_markup {
            return Value::String(self.markup(element));
        }
        let mut object = Map::new();
        for (name, _) in element.attributes.iter().filter(|(name, _)| !name.starts_with("xmlns") && !name.starts_with("xml:")) {
            if let Some(value) = self.attribute(element, name) {
                object.insert(name.clone(), Value::String(value));
            }
        }
        for child in &element.children {
            add(&mut object, &child.name, self.value(child));
        }
        if object.is_empty() { Value::Null } else { Value::Object(object) }
    }

    /// An element's text, or its content as it stands in the feed where that has elements of its own.
    fn markup(&self, element: &Element) -> String {
        if element.children.is_empty() {
            let text = element.text.trim();
            return if is_base64(element) { base64::decode(text).unwrap_or_default() } else { text.to_owned() };
        }
        // Atom wraps XHTML in a `<div>` that is no part of the content.
        let inner = match element.children.as_slice() {
            [div] if element.text.trim().is_empty() && div.name.rsplit(':').next() == Some("div") => &div.inner,
            _ => &element.inner,
        };
        self.source.get(inner.clone()).unwrap_or_default().trim().to_owned()
    }
}

/// True of Atom's way to say what is no text; 0.3 says so outright.
fn is_base64(element: &Element) -> bool {
    element.attribute("mode") == Some("base64") || element.attribute("type") == Some("application/octet-stream")
}
