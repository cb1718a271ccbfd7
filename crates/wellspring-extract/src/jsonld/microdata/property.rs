//! The value of a property that is no item: which attribute holds it depends on the element.

use scraper::ElementRef;
use url::Url;

use crate::value;

/// The value, where an attribute holds it; else the element's text is meant.
pub(super) fn attribute(element: ElementRef<'_>, base: &Url) -> Option<String> {
    let plain = |name: &str| element.attr(name).map(|value| value.trim().to_owned());
    let link = |name: &str| element.attr(name).map(str::trim).filter(|value| !value.is_empty()).map(|value| address(value, base));
    let held = match element.value().name() {
        "meta" => plain("content").or(Some(String::new())),
        "img" => link("src").filter(|address| !address.starts_with("data:")).or_else(|| link("data-src")).or_else(|| link("src")),
        "audio" | "embed" | "iframe" | "source" | "track" | "video" => link("src"),
        "a" | "area" | "link" => link("href"),
        "object" => link("data"),
        "data" | "meter" => plain("value"),
        "input" => plain("content").or_else(|| plain("value")),
        "time" => plain("datetime"),
        _ => None,
    };
    // Beyond the standard, and in the examples of schema.org: any element may have one.
    held.or_else(|| plain("content"))
}

/// An address made absolute. One that leads nowhere stays as it is.
pub(super) fn address(written: &str, base: &Url) -> String {
    value::absolute(written, base).unwrap_or_else(|| written.to_owned())
}
