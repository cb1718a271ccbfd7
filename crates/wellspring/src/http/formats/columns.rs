//! Which field is what: as the source's mapping says, else as names and values suggest, for all items alike.

use std::borrow::Cow;

use serde_json::Value;
use wellspring_core::key::{Key, Params, percent_encode};
use wellspring_core::source::{Mapped, Piece};

use super::moment::Moment;
use super::rows::{Row, names};
use super::{About, text};

/// How many fields are looked at: items with more have no sense to be guessed.
const MOST_NAMES: usize = 200;

/// What a field is known by, the likeliest first: whole names, then what names end in. In lower case, without what is no letter or digit.
pub(super) struct Hint {
    names: &'static [&'static str],
    endings: &'static [&'static str],
}

pub(super) const TITLE: Hint = Hint {
    names: &["title", "name", "eventtitle", "headline", "query", "label", "heading", "subject", "summary", "dctitle"],
    endings: &["title", "headline", "name"],
};
pub(super) const LINK: Hint = Hint {
    names: &["link", "url", "href", "permalink", "weburl", "htmlurl", "pageurl", "website", "bookingurl", "ticketurl", "uri", "page"],
    endings: &["url", "link", "href"],
};
pub(super) const ID: Hint = Hint { names: &["id", "guid", "uid", "uuid"], endings: &[] };
pub(super) const DATE: Hint = Hint {
    names: &[
        "published",
        "publishedat",
        "pubdate",
        "publicationdate",
        "datepublished",
        "posted",
        "postedat",
        "updated",
        "updatedat",
        "modified",
        "date",
        "created",
        "createdat",
        "datetime",
        "time",
        "timestamp",
        "start",
        "startdate",
        "starttime",
        "dcdate",
    ],
    endings: &["date"],
};
pub(super) const SUMMARY: Hint = Hint {
    names: &["summary", "description", "excerpt", "text", "abstract", "synopsis", "content", "body", "blurb", "details", "snippet"],
    endings: &["description", "summary"],
};
pub(super) const IMAGE: Hint = Hint {
    names: &["img", "image", "poster", "thumbnail", "picture", "thumb", "photo", "cover", "imageurl", "posterurl", "artwork", "banner"],
    endings: &["image", "img", "poster", "thumbnail", "picture", "photo", "imageurl", "imgurl", "posterurl", "thumbnailurl"],
};
pub(super) const AUTHOR: Hint = Hint { names: &["author", "byline", "creator", "dccreator", "writer", "by"], endings: &[] };
pub(super) const CATEGORY: Hint =
    Hint { names: &["category", "categories", "tags", "genre", "genres", "topic", "topics", "section"], endings: &["category"] };
pub(super) const START: Hint = Hint {
    names: &[
        "start",
        "starts",
        "startsat",
        "startat",
        "startdate",
        "startdatetime",
        "starttime",
        "dtstart",
        "begin",
        "begins",
        "beginsat",
        "eventdate",
        "eventstart",
        "showtime",
        "date",
        "datetime",
        "day",
        "when",
        "time",
    ],
    endings: &["start", "startdate", "date"],
};
pub(super) const END: Hint = Hint {
    names: &["end", "ends", "endsat", "endat", "enddate", "enddatetime", "endtime", "dtend", "finish", "finishes", "until"],
    endings: &["enddate"],
};
pub(super) const LOCATION: Hint = Hint {
    names: &["location", "venue", "place", "where", "address", "cinema", "theatre", "theater", "hall", "room", "city"],
    endings: &["venue", "location"],
};
pub(super) const ALL_DAY: Hint = Hint { names: &["allday", "isallday", "wholeday"], endings: &[] };

/// Parts of names that lead to no page for people.
const NO_PAGE: [&str; 11] = ["img", "image", "poster", "thumb", "picture", "photo", "logo", "icon", "avatar", "cover", "api"];

/// The fields of some items.
pub(super) struct Columns<'a> {
    rows: &'a [Row],
    /// Each name, and the name as hints have it.
    names: Vec<(&'a str, String)>,
    about: &'a About<'a>,
    params: Params,
}

impl<'a> Columns<'a> {
    pub(super) fn new(about: &'a About<'a>, rows: &'a [Row]) -> Self {
        let bare = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let names = names(rows).into_iter().take(MOST_NAMES).map(|name| (name, bare(name))).collect();
        let params = Key::parse(about.key).map(|key| key.params()).unwrap_or_default();
        Self { rows, names, about, params }
    }

    /// The first field of these names that holds what fits, in half of the items that have it at least.
    fn guess(&self, hint: &Hint, fits: impl Fn(&str, &Value) -> bool) -> Option<Mapped> {
        let exact = hint.names.iter().flat_map(|&wanted| self.names.iter().filter(move |(_, bare)| bare == wanted));
        let ending = hint.endings.iter().flat_map(|&wanted| self.names.iter().filter(move |(_, bare)| bare.ends_with(wanted)));
        let mut likely = exact.chain(ending);
        likely.find(|(name, bare)| self.holds(name, |value| fits(bare, value))).map(|(name, _)| Mapped::Field((*name).to_owned()))
    }

    fn holds(&self, name: &str, fits: impl Fn(&Value) -> bool) -> bool {
        let values = || self.rows.iter().filter_map(|row| row.get(name)).filter(|value| is_something(value));
        let fitting = values().filter(|value| fits(value)).count();
        fitting > 0 && fitting * 2 >= values().count()
    }

    /// What is short and no address, no date and no number: as good a title as any.
    pub(super) fn title(&self) -> Option<Mapped> {
        let is_word = |_: &str, value: &Value| {
            let is_text = value.is_string() || value.is_object();
            is_text && text::address(value).is_none() && text::line(value).is_some_and(|line| line.len() <= 500)
        };
        self.guess(&TITLE, is_word).or_else(|| {
            let is_title = |value: &Value| {
                is_word("", value)
                    && text::line(value).is_some_and(|line| line.len() <= 200)
                    && Moment::read(value, self.about.zone).is_none()
            };
            self.names.iter().find(|(name, _)| self.holds(name, is_title)).map(|(name, _)| Mapped::Field((*name).to_owned()))
        })
    }

    pub(super) fn link(&self) -> Option<Mapped> {
        self.guess(&LINK, |name, value| !NO_PAGE.iter().any(|part| name.contains(part)) && text::address(value).is_some())
    }

    pub(super) fn image(&self) -> Option<Mapped> {
        self.guess(&IMAGE, |_, value| text::address(value).is_some())
    }

    /// A text, or a number.
    pub(super) fn id(&self) -> Option<Mapped> {
        self.guess(&ID, |_, value| value.is_string() || value.is_number())
    }

    /// Words: no addresses.
    pub(super) fn words(&self, hint: &Hint) -> Option<Mapped> {
        self.guess(hint, |_, value| text::line(value).is_some() && text::address(value).is_none())
    }

    /// When something came out.
    pub(super) fn date(&self) -> Option<Mapped> {
        self.moments(&DATE)
    }

    pub(super) fn moments(&self, hint: &Hint) -> Option<Mapped> {
        self.guess(hint, |_, value| self.moment_of(value).is_some())
    }

    pub(super) fn truths(&self, hint: &Hint) -> Option<Mapped> {
        self.guess(hint, |_, value| value.is_boolean())
    }

    /// A guessed moment: a number is one only where it is from 1973 on.
    fn moment_of(&self, value: &Value) -> Option<Moment> {
        let is_late = |number: &serde_json::Number| number.as_f64().is_some_and(|number| number >= 1e8);
        value.as_number().is_none_or(is_late).then(|| Moment::read(value, self.about.zone)).flatten()
    }

    /// The names of fields that are no part of any of these.
    pub(super) fn others(&self, used: &[Option<&Mapped>]) -> Vec<&'a str> {
        let is_used = |name: &str| {
            used.iter().flatten().any(|mapped| match mapped {
                Mapped::Field(field) => field == name,
                Mapped::Text(pieces) => pieces.iter().any(|piece| matches!(piece, Piece::Name(piece) if piece == name)),
            })
        };
        self.names.iter().map(|(name, _)| *name).filter(|name| !is_used(name)).collect()
    }

    /// What a row has there. Texts that are put together are nothing where a part is missing.
    pub(super) fn value<'r>(&'r self, column: Option<&Mapped>, row: &'r Row) -> Option<Cow<'r, Value>> {
        match column? {
            Mapped::Field(name) => row.get(name).filter(|value| is_something(value)).map(Cow::Borrowed),
            Mapped::Text(pieces) => self.put_together(pieces, row, false).map(|text| Cow::Owned(Value::String(text))),
        }
    }

    /// The address that a row has there. In one that is put together, values are escaped.
    pub(super) fn address(&self, column: Option<&Mapped>, row: &Row) -> Option<String> {
        match column? {
            Mapped::Field(_) => text::address(&*self.value(column, row)?),
            Mapped::Text(pieces) => text::address(&Value::String(self.put_together(pieces, row, true)?)),
        }
    }

    pub(super) fn line(&self, column: Option<&Mapped>, row: &Row) -> Option<String> {
        text::line(&*self.value(column, row)?)
    }

    pub(super) fn lines(&self, column: Option<&Mapped>, row: &Row) -> Option<String> {
        text::lines(&*self.value(column, row)?)
    }

    pub(super) fn moment(&self, column: Option<&Mapped>, row: &Row) -> Option<Moment> {
        Moment::read(&*self.value(column, row)?, self.about.zone)
    }

    fn put_together(&self, pieces: &[Piece], row: &Row, escaped: bool) -> Option<String> {
        let mut whole = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => whole.push_str(text),
                Piece::Name(name) => {
                    let value = match row.get(name) {
                        Some(value) => text::line(value)?,
                        None => self.params.get(name)?.clone(),
                    };
                    // An address that begins with a value has it as it is.
                    if escaped && !whole.is_empty() { percent_encode(&value, &mut whole) } else { whole.push_str(&value) }
                }
            }
        }
        Some(whole)
    }
}

fn is_something(value: &Value) -> bool {
    !value.is_null() && value.as_str().is_none_or(|text| !text.trim().is_empty())
}
