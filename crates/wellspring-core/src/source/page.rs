//! What a browser does with a page before it is read.

use std::fmt;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a page is obtained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Render {
    /// Plain HTTP.
    #[default]
    Never,
    /// The cheapest that works.
    Auto,
    /// A real browser.
    Always,
}

/// What a browser does with a page before it is read, in this order.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// CSS selectors of what is clicked, one after the other; each is waited for.
    pub click: Vec<String>,
    /// How often it is scrolled to its end, at most, for lists that grow; no further once it grows no more.
    pub scroll: u32,
    /// A CSS selector that must match in the end.
    pub wait_for: Option<String>,
    /// A CSS selector (what the items are) that the page is given time for where nothing else says when it is ready; it need not match.
    pub expects: Option<String>,
    /// Whose JSON answers are read in place of the page; at least one must come.
    pub capture: Option<AddressPattern>,
}

/// A pattern of addresses: `**` stands for anything, `*` for anything but a slash, all else for itself.
#[derive(Clone)]
pub struct AddressPattern {
    text: String,
    regex: Regex,
}

impl AddressPattern {
    /// Reads it; `None` for one that is empty or far too long.
    pub fn parse(text: &str) -> Option<Self> {
        let anything = |part: &str| part.split('*').map(regex::escape).collect::<Vec<_>>().join("[^/]*");
        let regex = text.split("**").map(anything).collect::<Vec<_>>().join(".*");
        let regex = Regex::new(&format!("^(?s:{regex})$")).ok().filter(|_| !text.is_empty())?;
        Some(Self { text: text.to_owned(), regex })
    }

    /// True for an address that it fits, with its query or without.
    pub fn matches(&self, address: &str) -> bool {
        let address = address.split('#').next().unwrap_or_default();
        self.regex.is_match(address) || self.regex.is_match(address.split('?').next().unwrap_or_default())
    }
}

impl fmt::Debug for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_what_may_differ() {
        let check = |pattern: &str, address: &str| AddressPattern::parse(pattern).unwrap().matches(address);
        for address in ["https://a.example/api/list", "https://a.example/v2/api/list?page=1&q=a/b#x", "https://a.example/api/lists"] {
            assert!(check("**/api/list*", address), "{address}");
        }
        for address in ["https://a.example/api/list/1", "https://a.example/list", "https://a.example/api/"] {
            assert!(!check("**/api/list*", address), "{address}");
        }
        assert!(check("https://a.example/q?x=1", "https://a.example/q?x=1"));
        assert!(!check("https://a.example/q?x=1", "https://a.example/qq?x=1"));
        assert!(!check("https://a.example/(a|b)", "https://a.example/a"));
        assert!(AddressPattern::parse("").is_none());
    }
}
