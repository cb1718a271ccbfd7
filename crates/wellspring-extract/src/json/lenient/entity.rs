//! Entities of HTML in a text that is no HTML.

use quick_xml::escape::resolve_html5_entity;

/// How long an entity's name may be.
const MAX_NAME: usize = 32;

/// The text with its entities resolved. What is none stays.
pub(super) fn resolve(text: &str) -> String {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        resolved.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(MAX_NAME).position(|b| b == b';');
        if let Some((meant, end)) = end.and_then(|end| Some((one(rest.get(1..end)?)?, end))) {
            resolved.push_str(&meant);
            rest = &rest[end + 1..];
        } else {
            resolved.push('&');
            rest = &rest[1..];
        }
    }
    resolved.push_str(rest);
    resolved
}

fn one(name: &str) -> Option<String> {
    let Some(number) = name.strip_prefix('#') else { return resolve_html5_entity(name).map(str::to_owned) };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code).map(String::from)
}
