//! What items are to feed readers and calendars: which field is a title, which a date.

use url::Url;

use super::document::suggestion;
use super::parse::Reader;
use super::raw::{RawCalendarMapping, RawFeedMapping};
use super::{Alternative, At, Piece};

/// What items are as entries of a feed. What is `None` is guessed from the items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedMapping {
    /// What the feed itself is called.
    pub name: Option<String>,
    /// The page that it is about: `http:` or `https:`.
    pub home: Option<String>,
    /// Its language, a BCP 47 tag.
    pub language: Option<String>,
    /// An entry's title.
    pub title: Option<Mapped>,
    /// The page that it leads to.
    pub link: Option<Mapped>,
    /// What tells it from all others.
    pub id: Option<Mapped>,
    /// When it came out.
    pub date: Option<Mapped>,
    /// What it says.
    pub summary: Option<Mapped>,
    /// The address of its picture.
    pub image: Option<Mapped>,
    /// Who wrote it.
    pub author: Option<Mapped>,
    /// What it belongs to.
    pub category: Option<Mapped>,
}

/// What items are as events of a calendar. What is `None` is as in the feed, or guessed from the items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CalendarMapping {
    /// What the calendar itself is called.
    pub name: Option<String>,
    /// What takes place.
    pub title: Option<Mapped>,
    /// When it begins.
    pub start: Option<Mapped>,
    /// When it ends.
    pub end: Option<Mapped>,
    /// True of what takes all day.
    pub all_day: Option<Mapped>,
    /// Where it takes place.
    pub location: Option<Mapped>,
    /// More about it.
    pub summary: Option<Mapped>,
    /// Its page.
    pub link: Option<Mapped>,
    /// What tells it from all others.
    pub id: Option<Mapped>,
}

/// A value of an item: a field as it is, or a text put together from fields and parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapped {
    /// The field of this name.
    Field(String),
    /// These pieces in order. Nothing where one of them is missing.
    Text(Vec<Piece>),
}

/// What a mapping may name.
struct Known<'k> {
    fields: Vec<&'k str>,
    params: Vec<&'k str>,
    /// Whether items may have any other field: they are taken whole, or come out of a program.
    any: bool,
}

impl Known<'_> {
    fn has(&self, name: &str) -> bool {
        self.fields.contains(&name) || self.params.contains(&name)
    }
}

/// The names of a source's fields and parameters, as far as its alternatives tell.
fn known<'k>(alternatives: &'k [Alternative], params: impl Iterator<Item = &'k str>) -> Known<'k> {
    let mut known = Known { fields: Vec::new(), params: params.collect(), any: false };
    for alternative in alternatives {
        let rules = &alternative.rules;
        known.any |= rules.transform.is_some() || rules.fields.is_empty();
        let details = alternative.details.iter().flat_map(|details| &details.rules.fields);
        for field in rules.fields.iter().chain(details) {
            if !known.fields.contains(&field.name.as_str()) {
                known.fields.push(&field.name);
            }
        }
    }
    known
}

impl Reader<'_> {
    pub(super) fn mappings(
        &mut self,
        feed: Option<&At<RawFeedMapping>>,
        calendar: Option<&At<RawCalendarMapping>>,
        alternatives: &[Alternative],
        params: &[super::Param],
    ) -> (FeedMapping, Option<CalendarMapping>) {
        let mut known = known(alternatives, params.iter().map(|param| param.name.as_str()));
        // Fields that could not be read, and have been complained about, may be the ones that are meant.
        known.any |= alternatives.is_empty() || self.has_complained();
        let feed = feed.map(|at| self.feed_mapping(&at.value, &known)).unwrap_or_default();
        (feed, calendar.map(|at| self.calendar_mapping(&at.value, &known)))
    }

    fn feed_mapping(&mut self, raw: &RawFeedMapping, known: &Known<'_>) -> FeedMapping {
        if let Some(at) = raw.home.as_ref().filter(|at| !is_page(&at.value)) {
            let help = "write the whole address, as in home = \"https://www.example.org/\"";
            self.error(&at.span, "this is no address of a page", Some(help));
        }
        if let Some(at) = raw.language.as_ref().filter(|at| !is_language(&at.value)) {
            self.error(&at.span, format!("`{}` is no language", at.value.escape_debug()), Some("write a tag such as \"id\" or \"en-GB\""));
        }
        FeedMapping {
            name: self.own_name(raw.name.as_ref()),
            home: raw.home.as_ref().map(|at| at.value.clone()),
            language: raw.language.as_ref().map(|at| at.value.clone()),
            title: self.mapped(raw.title.as_ref(), known),
            link: self.mapped(raw.link.as_ref(), known),
            id: self.mapped(raw.id.as_ref(), known),
            date: self.mapped(raw.date.as_ref(), known),
            summary: self.mapped(raw.summary.as_ref(), known),
            image: self.mapped(raw.image.as_ref(), known),
            author: self.mapped(raw.author.as_ref(), known),
            category: self.mapped(raw.category.as_ref(), known),
        }
    }

    fn calendar_mapping(&mut self, raw: &RawCalendarMapping, known: &Known<'_>) -> CalendarMapping {
        CalendarMapping {
            name: self.own_name(raw.name.as_ref()),
            title: self.mapped(raw.title.as_ref(), known),
            start: self.mapped(raw.start.as_ref(), known),
            end: self.mapped(raw.end.as_ref(), known),
            all_day: self.mapped(raw.all_day.as_ref(), known),
            location: self.mapped(raw.location.as_ref(), known),
            summary: self.mapped(raw.summary.as_ref(), known),
            link: self.mapped(raw.link.as_ref(), known),
            id: self.mapped(raw.id.as_ref(), known),
        }
    }

    fn own_name(&mut self, name: Option<&At<String>>) -> Option<String> {
        let name = name?;
        if name.value.trim().is_empty() {
            self.error(&name.span, "`name` must not be empty", Some("an entry's title is `title`"));
        } else if name.value.contains('{') {
            let help = "the name is the whole feed's; an entry's is `title`";
            self.error(&name.span, "nothing is filled into `name`", Some(help));
        }
        Some(name.value.clone())
    }

    /// A field's name, or a text with names in braces.
    fn mapped(&mut self, at: Option<&At<String>>, known: &Known<'_>) -> Option<Mapped> {
        let at = at?;
        let pieces = Piece::split(&at.value, |name| known.has(name));
        let mut names = pieces.iter().filter_map(|piece| if let Piece::Name(name) = piece { Some(name) } else { None }).peekable();
        if names.peek().is_none() {
            self.is_field(at, &at.value, known);
            return Some(Mapped::Field(at.value.clone()));
        }
        names.for_each(|name| self.is_field(at, name, known));
        Some(Mapped::Text(pieces))
    }

    /// Complains about a name that no item has.
    fn is_field(&mut self, at: &At<String>, name: &str, known: &Known<'_>) {
        let shown = name.escape_debug();
        if name.trim().is_empty() {
            self.error(&at.span, "this must not be empty", Some("name a field, or write a text with {field} in it"));
        } else if name.starts_with('_') && known.fields.contains(&name) {
            let help = "name one that items have, or take the `_` away";
            self.error(&at.span, format!("`{shown}` is hidden: items are without it"), Some(help));
        } else if !known.any && !known.has(name) {
            let words: Vec<&str> = known.fields.iter().chain(&known.params).copied().filter(|name| !name.starts_with('_')).collect();
            self.error(&at.span, format!("there is no field `{shown}`"), Some(&suggestion(name, &words)));
        }
    }
}

fn is_page(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
}

/// True of what looks like a BCP 47 tag: a language, then whatever says more of it.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    parts.next().is_some_and(|first| (2..=8).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic()))
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}
