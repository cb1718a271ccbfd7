//! What values are as text, and which texts are addresses.

use std::borrow::Cow;

use serde_json::Value;
use url::Url;

/// A value in a line: white space collapsed, nothing that XML forbids. `None` where nothing is left.
pub(super) fn line(value: &Value) -> Option<String> {
    let text = shown(value)?;
    let mut line = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || !is_shown(c)).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    Some(line).filter(|line| !line.is_empty())
}

/// A value in lines: markup read as the text that it shows. `None` where nothing is left.
pub(super) fn lines(value: &Value) -> Option<String> {
    let text = shown(value)?;
    let text = if has_markup(&text) { Cow::Owned(without_markup(&text)) } else { text };
    let text: String = text.replace("\r\n", "\n").chars().map(|c| if c == '\r' { '\n' } else { c }).filter(|c| is_shown(*c)).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// An absolute address of the web, written with nothing but what addresses may hold. Of a list, the first; of an object, its `url`.
pub(super) fn address(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let text = text.trim();
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())?;
            let is_plain = |b: u8| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b);
            Some(if text.bytes().all(is_plain) { text.to_owned() } else { url.into() })
        }
        Value::Array(list) => list.iter().find_map(address),
        Value::Object(members) => ["url", "@id", "href", "src", "contentUrl"].iter().find_map(|name| members.get(*name).and_then(address)),
        _ => None,
    }
}

/// True for characters that XML 1.0 can hold and people see. A line break counts, other control characters do not.
fn is_shown(c: char) -> bool {
    matches!(c, '\n' | '\t') || (!c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'))
}

/// A value as people write it. Objects are shown by what names them.
fn shown(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::Bool(true) => Some("yes".into()),
        Value::Bool(false) => Some("no".into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::String(text) => Some(text.as_str().into()),
        Value::Array(list) => {
            let texts: Vec<_> = list.iter().filter_map(shown).collect();
            (!texts.is_empty()).then(|| texts.join(", ").into())
        }
        Value::Object(members) => match (members.get("amount"), members.get("currency")) {
            (Some(amount), Some(currency)) => Some(format!("{} {}", shown(amount)?, shown(currency)?).into()),
            _ => ["name", "title", "text", "label", "@value", "value"].iter().find_map(|name| members.get(*name)).and_then(shown),
        },
    }
}

/// Tags by which text is known for markup.
const TAGS: [&str; 26] = [
    "a",
    "b",
    "br",
    "blockquote",
    "code",
    "div",
    "em",
    "figure",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "hr",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "small",
    "span",
    "strong",
    "table",
    "td",
    "ul",
];

fn has_markup(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| {
        let rest = text[at + 1..].trim_start_matches('/');
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
        // Names are short: nothing is gained by looking at more.
        name.len() <= 10
            && TAGS.contains(&name.to_ascii_lowercase().as_str())
            && rest[name.len()..].starts_with(['>', ' ', '/', '\n', '\t'])
    })
}

/// The commonest entities, the one that makes others last.
const ENTITIES: [(&str, &str); 6] = [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];

/// What markup shows, about: tags gone, those of blocks a line break, the commonest entities read. What is left is text, whatever it was.
fn without_markup(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let tag = &rest[1..];
        let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
        let is_tag = tag.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        if !is_tag {
            plain.push('<');
            rest = tag;
            continue;
        }
        // Without an end, none of what follows is a tag.
        let Some(end) = tag.find('>') else { break };
        let is_block = matches!(name, "p" | "br" | "div" | "li" | "tr" | "h1" | "h2" | "h3" | "h4" | "P" | "BR");
        if is_block && !plain.ends_with('\n') {
            plain.push('\n');
        }
        rest = &tag[end + 1..];
    }
    plain.push_str(rest);
    if plain.contains('&') {
        for (entity, character) in ENTITIES {
            plain = plain.replace(entity, character);
        }
    }
    plain
}
