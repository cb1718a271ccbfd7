//! A field's candidate on an HTML page: a selector, `@attribute`, both, `.`, or any of them but attributes with `::lines` behind.

use scraper::error::SelectorErrorKind;
use scraper::{ElementRef, Selector};
use serde_json::Value;
use url::Url;
use wellspring_core::source::At;

use super::text::{self, Templates};
use crate::error::RuleError;
use crate::value;

/// Where to look within an item, and what to take there.
#[derive(Debug)]
pub(super) struct Pick {
    /// `None`: the item itself.
    selector: Option<Selector>,
    take: Take,
}

/// What to take of an element.
#[derive(Debug)]
enum Take {
    Text,
    /// Its text line by line, as it is shown.
    Lines,
    Attribute(String),
    /// What is within it, as it stands.
    Markup,
}

impl Pick {
    pub(super) fn compile(attr: Option<&str>, at: &At<String>) -> Result<Self, RuleError> {
        let (selector, attribute) = split(&at.value);
        let attribute = attribute.or(attr).map(str::trim);
        if let Some(name) = attribute
            && (name.is_empty()
                || name.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '>' | '/' | '=' | '@')))
        {
            return Err(RuleError::at(at, format!("`{name}` is no attribute's name"))
                .help("write one attribute behind the selector, as in `a img@src`; an `@` in a selector stands in quotes or brackets"));
        }
        let (selector, take) = match (selector.trim_end().strip_suffix(LINES), attribute) {
            (None, None) => (selector, Take::Text),
            (None, Some(name)) => (selector, Take::Attribute(name.to_owned())),
            (Some(selector), None) => (selector, Take::Lines),
            (Some(_), Some(name)) => {
                return Err(RuleError::at(at, format!("the attribute `{name}` has no lines")).help(format!("leave `{LINES}` out")));
            }
        };
        Ok(Self { selector: selection(at, selector, !matches!(take, Take::Text))?, take })
    }

    /// Takes the markup within the element.
    pub(super) fn markup(at: &At<String>) -> Result<Self, RuleError> {
        let (selector, attribute) = split(&at.value);
        if let Some(name) = attribute {
            return Err(RuleError::at(at, format!("the attribute `{name}` holds no markup")).help("leave `parse = \"html\"` out"));
        }
        Ok(Self { selector: selection(at, selector, false)?, take: Take::Markup })
    }

    /// What the elements give, those left out that have nothing to give.
    pub(super) fn look(&self, item: ElementRef<'_>, base: &Url, templates: Templates) -> impl Iterator<Item = Value> {
        let own = self.selector.is_none().then_some(item);
        let selected = self.selector.iter().flat_map(move |selector| item.select(selector));
        let elements = own.into_iter().chain(selected.filter(move |element| !templates.hide(*element)));
        elements.flat_map(|element| self.take(element, base)).map(Value::String)
    }

    fn take(&self, element: ElementRef<'_>, base: &Url) -> Taken {
        match &self.take {
            Take::Text => Taken::One(Some(text::of(element)).filter(|text| !text.is_empty())),
            Take::Lines => Taken::Lines(text::lines(element).lines().map(str::to_owned).collect::<Vec<_>>().into_iter()),
            Take::Markup => Taken::One(Some(element.inner_html().trim().to_owned()).filter(|markup| !markup.is_empty())),
            Take::Attribute(name) => {
                let found = element.value().attrs().find(|(known, _)| known.eq_ignore_ascii_case(name));
                Taken::One(found.and_then(|(name, value)| value::attribute(name, value, base)))
            }
        }
    }
}

/// What one element gives.
enum Taken {
    One(Option<String>),
    Lines(std::vec::IntoIter<String>),
}

impl Iterator for Taken {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        match self {
            Self::One(text) => text.take(),
            Self::Lines(lines) => lines.next(),
        }
    }
}

/// What stands behind a selector that means lines.
const LINES: &str = "::lines";

/// The selector of a candidate; `None` for the item itself.
fn selection(at: &At<String>, selector: &str, may_be_empty: bool) -> Result<Option<Selector>, RuleError> {
    match selector.trim() {
        "." => Ok(None),
        "" if may_be_empty => Ok(None),
        "" => Err(RuleError::at(at, "the selector is empty").help("write `.` for the item's own text")),
        selector => compile(at, selector).map(Some),
    }
}

/// Compiles a selector, which may begin with a combinator that then starts at the item (`> a`).
pub(crate) fn compile(at: &At<String>, selector: &str) -> Result<Selector, RuleError> {
    let scoped = if selector.starts_with(['>', '+', '~']) { format!(":scope {selector}") } else { selector.to_owned() };
    Selector::parse(&scoped).map_err(|error| {
        let error = RuleError::at(at, format!("`{selector}` is no CSS selector: {}", reason(&error)));
        if selector.starts_with('$') { error.help("JSONPath is for `format = \"json\"`") } else { error }
    })
}

/// The parser's reason in words of CSS.
pub(super) fn reason(error: &SelectorErrorKind) -> &'static str {
    match error {
        SelectorErrorKind::EndOfLine => "something is opened and not closed",
        // By its name: the type itself belongs to a crate whose version scraper chooses.
        SelectorErrorKind::UnexpectedSelectorParseError(kind) => match format!("{kind:?}").as_str() {
            "UnsupportedPseudoClassOrElement" => "it has a pseudo-class or pseudo-element that is not known here",
            "EmptySelector" | "DanglingCombinator" => "a part of it is empty",
            _ => "something stands where CSS has no place for it",
        },
        _ => "something stands where CSS has no place for it",
    }
}

/// Splits `selector@attribute` at the first `@` outside brackets, parentheses and quotes.
fn split(candidate: &str) -> (&str, Option<&str>) {
    let (mut depth, mut quote, mut escaped) = (0_u32, None, false);
    for (index, c) in candidate.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if quote == Some(c) => quote = None,
            _ if quote.is_some() => {}
            '"' | '\'' => quote = Some(c),
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.saturating_sub(1),
            '@' if depth == 0 => return (&candidate[..index], Some(&candidate[index + 1..])),
            _ => {}
        }
    }
    (candidate, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(candidate: &str, selector: &str, attribute: Option<&str>) {
        assert_eq!(split(candidate), (selector, attribute), "{candidate}");
    }

    #[test]
    fn an_attribute_is_behind_an_at_outside_brackets_and_quotes() {
        check("a img@src", "a img", Some("src"));
        check("@title", "", Some("title"));
        check(".", ".", None);
        check("a[href*='x@y']", "a[href*='x@y']", None);
        check("a[href*='x@y']@href", "a[href*='x@y']", Some("href"));
        check("a[href*=x@y] b@title", "a[href*=x@y] b", Some("title"));
        check("a:not([x=\"]@\"])@href", "a:not([x=\"]@\"])", Some("href"));
        check(r".sm\@wide a@href", r".sm\@wide a", Some("href"));
    }
}
