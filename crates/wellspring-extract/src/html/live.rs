//! Selectors that a browser evaluates: CSS as it is known here, and what says how an element of a living page is.

use scraper::Selector;
use wellspring_core::source::At;

use super::pick::reason;
use crate::error::RuleError;

/// Pseudo-classes that mean something only while a page lives.
const LIVE: [&str; 33] = [
    "active",
    "any-link",
    "autofill",
    "checked",
    "default",
    "defined",
    "disabled",
    "enabled",
    "focus",
    "focus-visible",
    "focus-within",
    "fullscreen",
    "hover",
    "in-range",
    "indeterminate",
    "invalid",
    "link",
    "modal",
    "open",
    "optional",
    "out-of-range",
    "paused",
    "placeholder-shown",
    "playing",
    "popover-open",
    "read-only",
    "read-write",
    "required",
    "target",
    "user-invalid",
    "user-valid",
    "valid",
    "visited",
];

/// Complains about what `document.querySelector` would not take.
pub(crate) fn check(at: &At<String>) -> Result<(), RuleError> {
    let selector = at.value.trim();
    let Err(error) = Selector::parse(&stilled(selector)) else { return Ok(()) };
    let wrong = RuleError::at(at, format!("`{selector}` is no CSS selector: {}", reason(&error)));
    Err(wrong.help(if selector.starts_with(['/', '(']) {
        "a browser is told by CSS what to look for, not by XPath: write it as in \"ul.list > li\""
    } else if selector.contains('@') {
        "an element is meant, with no attribute behind: \"ul.list > li\", or \"a[href*='film']\" for one that has it"
    } else {
        "write CSS as browsers read it, as in \"ul.list > li\""
    }))
}

/// The same selector with every living pseudo-class exchanged for one that any parser knows.
fn stilled(selector: &str) -> String {
    let mut still = String::with_capacity(selector.len());
    for (index, part) in selector.split(':').enumerate() {
        if index > 0 {
            still.push(':');
        }
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '\\')).unwrap_or(part.len());
        // After the first colon, and no function.
        let is_live = index > 0 && !part[end..].starts_with('(') && LIVE.iter().any(|name| part[..end].eq_ignore_ascii_case(name));
        still.push_str(if is_live { "empty" } else { &part[..end] });
        still.push_str(&part[end..]);
    }
    still
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(selector: &str) -> Option<String> {
        let at = At { value: selector.to_owned(), span: 3..5 };
        let error = check(&at).err()?;
        assert_eq!(error.span, 3..5, "{selector}");
        Some(format!("{error}\n    {}", error.help.as_deref().unwrap_or_default()))
    }

    #[test]
    fn what_a_browser_reads_is_taken() {
        for selector in [
            "ul.list > li",
            " #cookies button , .more",
            "button:enabled",
            "BUTTON:Not(:Disabled):HOVER",
            "li:has(> a:any-link) ~ li:nth-child(2n+1)",
            "dialog:not(:modal)[open]",
            "x-list:defined",
            "[title=':enabled:x(']",
            r".md\:enabled",
            "ul:is(.a, .b):checked li:first-of-type",
        ] {
            assert_eq!(told(selector), None);
        }
    }

    #[test]
    fn what_none_reads_is_pointed_at() {
        let all = [
            "ul.list > > li",
            "button:contains('More')",
            "li@href",
            "//li/a",
            "li::lines",
            "> li",
            "a:enabled(",
            "a:enabledx",
            "a[href=]",
            "{city}",
        ];
        insta::assert_snapshot!(all.map(|selector| told(selector).unwrap_or_else(|| panic!("{selector}"))).join("\n"), @r#"
        `ul.list > > li` is no CSS selector: a part of it is empty
            write CSS as browsers read it, as in "ul.list > li"
        `button:contains('More')` is no CSS selector: it has a pseudo-class or pseudo-element that is not known here
            write CSS as browsers read it, as in "ul.list > li"
        `li@href` is no CSS selector: something stands where CSS has no place for it
            an element is meant, with no attribute behind: "ul.list > li", or "a[href*='film']" for one that has it
        `//li/a` is no CSS selector: a part of it is empty
            a browser is told by CSS what to look for, not by XPath: write it as in "ul.list > li"
        `li::lines` is no CSS selector: it has a pseudo-class or pseudo-element that is not known here
            write CSS as browsers read it, as in "ul.list > li"
        `> li` is no CSS selector: a part of it is empty
            write CSS as browsers read it, as in "ul.list > li"
        `a:enabled(` is no CSS selector: it has a pseudo-class or pseudo-element that is not known here
            write CSS as browsers read it, as in "ul.list > li"
        `a:enabledx` is no CSS selector: it has a pseudo-class or pseudo-element that is not known here
            write CSS as browsers read it, as in "ul.list > li"
        `a[href=]` is no CSS selector: something is opened and not closed
            write CSS as browsers read it, as in "ul.list > li"
        `{city}` is no CSS selector: a part of it is empty
            write CSS as browsers read it, as in "ul.list > li"
        "#);
    }
}
