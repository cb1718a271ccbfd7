//! JSON within a page: in an element, or assigned to a name by a script.

use scraper::{ElementRef, Html as Page, Selector};
use serde_json::Value;
use url::Url;
use wellspring_core::source::Within;

use super::{EXPECTED, lenient, unguarded};
use crate::error::{ExtractError, RuleError, beginning};
use crate::{Body, charset, html};
use assigned::{Name, Search};

mod assigned;

/// How many names a message tells.
const NAMES_SHOWN: usize = 8;

/// Where in a page the JSON is, compiled.
#[derive(Debug)]
pub(super) enum Place {
    Element { written: String, selector: Selector },
    Variable(Name),
}

impl Place {
    pub(super) fn compile(within: &Within) -> Result<Self, RuleError> {
        match within {
            Within::Element(at) => {
                let selector = html::selector(at, at.value.trim())?;
                Ok(Self::Element { written: at.value.trim().to_owned(), selector })
            }
            Within::Variable(at) => Name::compile(at).map(Self::Variable),
        }
    }

    /// The JSON, and what the page's addresses are relative to.
    pub(super) fn find(&self, body: &Body<'_>) -> Result<(Value, Url), ExtractError> {
        let source = charset::html(body);
        if source.trim().is_empty() {
            return Err(ExtractError::unlike(&source, html::EXPECTED));
        }
        let page = html::parse(&source)?;
        let found = match self {
            Self::Element { written, selector } => element(&page, selector, written, source.len())?,
            Self::Variable(name) => variable(&page, name, &source)?,
        };
        Ok((found, html::base(&page, body.url)))
    }
}

fn element(page: &Page, selector: &Selector, written: &str, length: usize) -> Result<Value, ExtractError> {
    // Elements lie within each other, and what they hold would be read again and again.
    let mut left = 4 * length;
    let mut begins = None;
    for element in page.select(selector) {
        let content: String = element.text().collect();
        let mut values = lenient::values(unguarded(&content));
        match values.len() {
            0 => begins = begins.or_else(|| Some(beginning(content.trim()))),
            1 => return Ok(values.remove(0)),
            _ => return Ok(Value::Array(values)),
        }
        left = left.saturating_sub(content.len());
        if left == 0 {
            break;
        }
    }
    let Some(begins) = begins else {
        let ids = scripts(page).filter_map(|script| script.attr("id")).filter(|id| !id.is_empty());
        let known = known(ids.map(|id| format!("script#{id}")));
        let instead = if known.is_empty() { "none of its scripts has an id".to_owned() } else { format!("its scripts are {known}") };
        return Err(ExtractError::NotWithin { missing: format!("nothing on the page matches `{written}`"), instead });
    };
    let instead = if begins.is_empty() { "it is empty".to_owned() } else { format!("it begins `{begins}`") };
    Err(ExtractError::NotWithin { missing: format!("what matches `{written}` holds no {EXPECTED}"), instead })
}

fn variable(page: &Page, name: &Name, source: &str) -> Result<Value, ExtractError> {
    let mut texts: Vec<String> = scripts(page).map(|script| script.text().collect()).filter(|text: &String| !text.is_empty()).collect();
    if texts.is_empty() && !source.trim_start().starts_with('<') {
        // A script by itself.
        texts.push(source.to_owned());
    }
    let mut search = Search::default();
    for text in &texts {
        if search.look(text, name) {
            break;
        }
    }
    search.found().ok_or_else(|| {
        let known = known(texts.iter().flat_map(|text| assigned::names(text)));
        let instead = if known.is_empty() { "its scripts assign nothing".to_owned() } else { format!("its scripts assign: {known}") };
        ExtractError::NotWithin { missing: format!("the page has no `{}`", name.written()), instead }
    })
}

fn scripts(page: &Page) -> impl Iterator<Item = ElementRef<'_>> {
    page.tree.nodes().filter_map(ElementRef::wrap).filter(|element| element.value().name() == "script")
}

/// The first few names, each once and no longer than a line.
fn known(names: impl Iterator<Item = String>) -> String {
    let mut known: Vec<String> = Vec::new();
    for name in names {
        let name: String = name.chars().filter(|c| !c.is_control()).take(30).collect();
        if !known.contains(&name) {
            if known.len() == NAMES_SHOWN {
                known.push("…".to_owned());
                break;
            }
            known.push(name);
        }
    }
    known.join(", ")
}
