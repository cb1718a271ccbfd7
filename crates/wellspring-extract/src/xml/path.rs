//! Paths of names: `a/b`, `//name`, `a/b@attribute`, `@attribute`, `.`.

use wellspring_core::source::At;

use super::tree::Element;
use crate::error::RuleError;

/// Names of elements from the outside in, then an attribute.
#[derive(Debug)]
pub(crate) struct Path {
    pub(super) steps: Vec<Step>,
    pub(super) attribute: Option<String>,
}

/// One name of a path.
#[derive(Debug)]
pub(crate) struct Step {
    /// `None` for `*`, any element.
    name: Option<String>,
    reach: Reach,
}

/// How far below an element a name is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Directly in it.
    Children,
    /// At any depth.
    Descendants,
}

impl Path {
    /// What selects rows. A name alone is found at any depth.
    pub(super) fn items(at: &At<String>) -> Result<Self, RuleError> {
        let is_alone = !at.value.contains('/');
        let path = Self::compile(at, None, if is_alone { Reach::Descendants } else { Reach::Children })?;
        if path.attribute.is_some() || path.steps.is_empty() {
            return Err(RuleError::at(at, "items are elements").help("name the elements: `item`, `catalog/book`, `//book`"));
        }
        Ok(path)
    }

    /// A path of which the first name reaches so far, unless it says otherwise.
    pub(super) fn compile(at: &At<String>, attr: Option<&str>, first: Reach) -> Result<Self, RuleError> {
        let text = at.value.trim();
        let (names, attribute) = match text.split_once('@') {
            // XPath writes a slash there.
            Some((names, attribute)) => (names.trim_end().trim_end_matches('/'), Some(attribute.trim())),
            None => (text, attr),
        };
        let unreadable = || {
            RuleError::at(at, format!("`{}` is no path of element names", at.value))
                .help("write names from the outside in: `title`, `offers/offer@price`, `//name`, `@id`; `.` is the item's own text")
        };
        let mut steps = Vec::new();
        let mut reach = if names.starts_with("//") { Reach::Descendants } else { first };
        let names = if names == "." { "" } else { names.trim_start_matches('/') };
        for name in names.split('/').filter(|_| !names.is_empty()) {
            let name = name.trim();
            if name.is_empty() {
                reach = Reach::Descendants;
                continue;
            }
            if name != "*" && !is_name(name) {
                return Err(unreadable());
            }
            steps.push(Step { name: (name != "*").then(|| name.to_owned()), reach });
            reach = Reach::Children;
        }
        let ends_in_slash = reach == Reach::Descendants && !steps.is_empty();
        if text.is_empty() || ends_in_slash || attribute.is_some_and(|name| !is_name(name)) {
            return Err(unreadable());
        }
        Ok(Self { steps, attribute: attribute.map(str::to_owned) })
    }

    /// The elements at the path, in the order of the document.
    pub(super) fn find<'b>(&self, element: &'b Element) -> Vec<&'b Element> {
        let mut found = vec![element];
        for step in &self.steps {
            found = step.find(&found);
        }
        found
    }
}

impl Step {
    fn find<'b>(&self, within: &[&'b Element]) -> Vec<&'b Element> {
        let Some(name) = &self.name else { return self.matching(within, |_| true) };
        let found = self.matching(within, |known| known == name);
        if !found.is_empty() || name.contains(':') {
            return found;
        }
        // Whoever writes no prefix means the name in whatever namespace it turns up.
        self.matching(within, |known| known.split_once(':').is_some_and(|(_, local)| local == name))
    }

    fn matching<'b>(&self, within: &[&'b Element], is_meant: impl Fn(&str) -> bool) -> Vec<&'b Element> {
        let mut found = Vec::new();
        // Of elements within each other, the inner ones are reached from the outer ones.
        let mut reached: Option<std::ops::Range<usize>> = None;
        for element in within {
            match self.reach {
                Reach::Children => found.extend(element.children.iter().filter(|child| is_meant(&child.name))),
                Reach::Descendants => {
                    if reached.as_ref().is_some_and(|outer| outer.contains(&element.inner.start)) {
                        continue;
                    }
                    reached = Some(element.inner.clone());
                    descend(element, &is_meant, &mut found);
                }
            }
        }
        found
    }
}

/// Elements nest no deeper than the tree lets them.
fn descend<'b>(element: &'b Element, is_meant: &impl Fn(&str) -> bool, found: &mut Vec<&'b Element>) {
    for child in &element.children {
        if is_meant(&child.name) {
            found.push(child);
        }
        descend(child, is_meant, found);
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, ':' | '_' | '-' | '.'))
}
