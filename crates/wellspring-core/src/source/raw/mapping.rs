//! The shapes of what items are to feed readers and calendars.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::At;

/// What items are as entries of a feed (RSS, Atom). Each key but the first three names a field, or is a text with `{field}` in it.
/// What is not said is guessed from the items.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FeedMapping")]
pub struct RawFeedMapping {
    /// What the feed itself is called (default: the source's description).
    pub name: Option<At<String>>,
    /// The page that the feed is about, for people (default: the source's first address).
    pub home: Option<At<String>>,
    /// The language that its texts are in, as `id` or `en-GB`.
    pub language: Option<At<String>>,
    /// An entry's title.
    pub title: Option<At<String>>,
    /// The page that an entry leads to. In `https://x.example/?q={query}`, values are escaped.
    pub link: Option<At<String>>,
    /// What tells one entry from all others, for good.
    pub id: Option<At<String>>,
    /// When it came out.
    pub date: Option<At<String>>,
    /// What it says, as text.
    pub summary: Option<At<String>>,
    /// The address of its picture.
    pub image: Option<At<String>>,
    /// Who wrote it.
    pub author: Option<At<String>>,
    /// What it belongs to: a text or a list of them.
    pub category: Option<At<String>>,
}

/// What items are as events of a calendar (iCalendar). Each key but the first names a field, or is a text with `{field}` in it. What
/// is not said is taken from `feed`, or guessed from the items.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CalendarMapping")]
pub struct RawCalendarMapping {
    /// What the calendar itself is called (default: the feed's name).
    pub name: Option<At<String>>,
    /// What takes place.
    pub title: Option<At<String>>,
    /// When it begins: a moment, or a day for what takes all day. Items without it are left out.
    pub start: Option<At<String>>,
    /// When it ends.
    pub end: Option<At<String>>,
    /// A field that is true of what takes all day.
    pub all_day: Option<At<String>>,
    /// Where it takes place.
    pub location: Option<At<String>>,
    /// More about it, as text.
    pub summary: Option<At<String>>,
    /// The address of its page.
    pub link: Option<At<String>>,
    /// What tells one event from all others, for good.
    pub id: Option<At<String>>,
}
