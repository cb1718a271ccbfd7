//! Atom (RFC 4287).

use bytes::Bytes;
use jiff::Timestamp;

use super::channel::Channel;
use super::entry::entries;
use super::rows::Row;
use super::xml::Xml;
use super::{About, Room, Unwritable};

pub(super) fn write(about: &About<'_>, rows: &[Row], room: &Room<'_>) -> Result<Bytes, Unwritable> {
    let channel = Channel::of(about);
    let root = match &channel.language {
        // A tag: letters, digits and hyphens.
        Some(language) => format!("<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"{language}\">"),
        None => "<feed xmlns=\"http://www.w3.org/2005/Atom\">".to_owned(),
    };
    let mut xml = Xml::new(&root, 1024 + rows.len() * 512);
    xml.element("id", &channel.id);
    xml.element("title", &channel.name);
    if channel.description != channel.name {
        xml.element("subtitle", &channel.description);
    }
    xml.element("updated", &moment(about.made_at));
    // Every entry needs an author, and has the feed's where it names none.
    xml.tag("<author>");
    xml.element("name", &channel.name);
    xml.tag("</author>");
    xml.element("generator", "Wellspring");
    if let Some(home) = &channel.home {
        xml.empty("link", &[("rel", "alternate"), ("href", home)]);
    }
    if let Some(address) = about.address {
        xml.empty("link", &[("rel", "self"), ("type", "application/atom+xml"), ("href", address)]);
    }
    for (number, entry) in entries(about, rows).into_iter().enumerate() {
        room.bears(number, xml.len())?;
        xml.tag("<entry>");
        xml.element("id", &entry.id);
        xml.element("title", &entry.title);
        // What has no date of its own changed when these items were first seen, at the latest.
        xml.element("updated", &moment(entry.date.unwrap_or(about.made_at)));
        if let Some(date) = entry.date {
            xml.element("published", &moment(date));
        }
        if let Some(link) = &entry.link {
            xml.empty("link", &[("rel", "alternate"), ("href", link)]);
        }
        if let Some(author) = &entry.author {
            xml.tag("<author>");
            xml.element("name", author);
            xml.tag("</author>");
        }
        for category in &entry.categories {
            xml.empty("category", &[("term", category)]);
        }
        if let Some(summary) = entry.summary.as_deref().filter(|_| entry.image.is_some()) {
            xml.element("summary", summary);
        }
        // An entry without a link needs a content.
        let html = entry.html();
        if !html.is_empty() || entry.link.is_none() {
            xml.element_with("content", &[("type", "html")], &html);
        }
        xml.tag("</entry>");
    }
    xml.tag("</feed>");
    Ok(xml.finish())
}

/// RFC 3339, in whole seconds.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
