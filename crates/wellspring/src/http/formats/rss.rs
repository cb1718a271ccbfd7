//! RSS 2.0, with what its readers take from other namespaces: pictures, authors, its own address.
//!
//! Pictures are `media:content`, and stand in the description too: an `enclosure` needs a length in bytes, which nobody here knows.

use bytes::Bytes;
use jiff::Timestamp;

use super::channel::Channel;
use super::entry::entries;
use super::rows::Row;
use super::xml::Xml;
use super::{About, Room, Unwritable};

const ROOT: &str = "<rss version=\"2.0\" xmlns:atom=\"http://www.w3.org/2005/Atom\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
                    xmlns:media=\"http://search.yahoo.com/mrss/\">";

pub(super) fn write(about: &About<'_>, rows: &[Row], room: &Room<'_>) -> Result<Bytes, Unwritable> {
    let channel = Channel::of(about);
    let mut xml = Xml::new(ROOT, 1024 + rows.len() * 512);
    xml.tag("<channel>");
    xml.element("title", &channel.name);
    // It must have one: what it is known by is an address too.
    xml.element("link", channel.home.as_deref().or(about.address).unwrap_or(&channel.id));
    xml.element("description", &channel.description);
    if let Some(language) = &channel.language {
        xml.element("language", language);
    }
    xml.element("lastBuildDate", &mail_date(about.made_at));
    xml.element("generator", "Wellspring");
    xml.element("ttl", &channel.period.as_secs().div_ceil(60).max(1).to_string());
    if let Some(address) = about.address {
        xml.empty("atom:link", &[("href", address), ("rel", "self"), ("type", "application/rss+xml")]);
    }
    for (number, entry) in entries(about, rows).into_iter().enumerate() {
        room.bears(number, xml.len())?;
        xml.tag("<item>");
        xml.element("title", &entry.title);
        if let Some(link) = &entry.link {
            xml.element("link", link);
        }
        let html = entry.html();
        if !html.is_empty() {
            xml.element("description", &html);
        }
        if let Some(author) = &entry.author {
            xml.element("dc:creator", author);
        }
        for category in &entry.categories {
            xml.element("category", category);
        }
        let is_link = entry.link.as_ref() == Some(&entry.id);
        xml.element_with("guid", &[("isPermaLink", if is_link { "true" } else { "false" })], &entry.id);
        if let Some(date) = entry.date {
            xml.element("pubDate", &mail_date(date));
        }
        if let Some(image) = &entry.image {
            xml.empty("media:content", &[("url", image), ("medium", "image")]);
        }
        xml.tag("</item>");
    }
    xml.tag("</channel>\n</rss>");
    Ok(xml.finish())
}

/// RFC 822 with the four digits of later years.
fn mail_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
