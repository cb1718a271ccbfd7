//! iCalendar (RFC 5545): items with dates, as events. Moments are in UTC, so that no zone has to be described; days are days.

use std::time::Duration;

use bytes::Bytes;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;
use wellspring_core::source::{self, CalendarMapping, Mapped};

use super::channel::Channel;
use super::columns::{ALL_DAY, CATEGORY, Columns, END, LOCATION, START, SUMMARY};
use super::identity::{self, Known};
use super::moment::Moment;
use super::rows::Row;
use super::{About, Room, Unwritable, entry};

/// The longest line in bytes, its end not counted.
const LONGEST_LINE: usize = 75;

/// Years of four digits whose last day has a day after it, which readers reckon with.
const YEARS: std::ops::RangeInclusive<i16> = 1..=9998;

pub(super) fn write(about: &About<'_>, rows: &[Row], room: &Room<'_>) -> Result<Bytes, Unwritable> {
    let columns = Columns::new(about, rows);
    let none = CalendarMapping::default();
    let mapping = about.spec.calendar.as_ref().unwrap_or(&none);
    let start = mapping.start.clone().or_else(|| columns.moments(&START));
    // Without items nothing can be guessed, and nothing need be.
    if start.is_none() && !rows.is_empty() {
        return Err(Unwritable::NoDates { source_name: about.spec.name.as_str().to_owned() });
    }
    let channel = Channel::of(about);
    let name = mapping.name.as_ref().unwrap_or(&channel.name);
    let mut file = File(String::with_capacity(512 + rows.len() * 512));
    file.line("BEGIN:VCALENDAR");
    file.line("VERSION:2.0");
    file.line("PRODID:-//Wellspring//Wellspring//EN");
    file.line("CALSCALE:GREGORIAN");
    file.line("METHOD:PUBLISH");
    file.text("NAME", name);
    file.text("X-WR-CALNAME", name);
    file.text("X-WR-CALDESC", &channel.description);
    file.line(&format!("REFRESH-INTERVAL;VALUE=DURATION:{}", duration(channel.period)));
    file.line(&format!("X-PUBLISHED-TTL:{}", duration(channel.period)));
    events(room, mapping, &columns, start.as_ref(), rows, &mut file)?;
    file.line("END:VCALENDAR");
    Ok(file.0.into())
}

fn events(
    room: &Room<'_>,
    mapping: &CalendarMapping,
    columns: &Columns<'_>,
    start: Option<&Mapped>,
    rows: &[Row],
    file: &mut File,
) -> Result<(), Unwritable> {
    let about = room.about;
    let feed = &about.spec.feed;
    let title = mapping.title.clone().or_else(|| feed.title.clone()).or_else(|| columns.title());
    let link = mapping.link.clone().or_else(|| feed.link.clone()).or_else(|| columns.link());
    let id = mapping.id.clone().or_else(|| feed.id.clone()).or_else(|| columns.id()).or_else(|| entry::unique_by(about));
    let end = mapping.end.clone().or_else(|| columns.moments(&END)).filter(|end| Some(end) != start);
    let location = mapping.location.clone().or_else(|| columns.words(&LOCATION)).filter(|place| Some(place) != title.as_ref());
    let all_day = mapping.all_day.clone().or_else(|| columns.truths(&ALL_DAY));
    let category = feed.category.clone().or_else(|| columns.words(&CATEGORY));
    let image = feed.image.clone().or_else(|| columns.image());
    let summary = mapping.summary.clone().or_else(|| feed.summary.clone()).or_else(|| columns.words(&SUMMARY));
    let summary = summary.filter(|summary| Some(summary) != title.as_ref());
    let parts = [&title, &link, &id, &end, &location, &all_day, &category, &image, &summary].map(Option::as_ref);
    let others = columns.others(&[&parts[..], &[start]].concat());

    let dated: Vec<(&Row, When)> = rows
        .iter()
        .filter_map(|row| {
            let is_day = columns.value(all_day.as_ref(), row).is_some_and(|value| *value == Value::Bool(true));
            let begins = columns.moment(start, row)?;
            Some((row, When::of(begins, columns.moment(end.as_ref(), row), is_day, about)?))
        })
        .collect();
    let known: Vec<Known> = dated
        .iter()
        .map(|(row, when)| {
            let base = columns.line(id.as_ref(), row).or_else(|| columns.address(link.as_ref(), row));
            Known { base: base.or_else(|| columns.line(title.as_ref(), row)).unwrap_or_default(), when: when.start() }
        })
        .collect();
    let names = identity::tell_apart(&known, |index| Value::Object(dated[index].0.clone()).to_string());
    let stamp = utc(about.made_at);
    for (number, ((row, when), name)) in dated.iter().zip(names).enumerate() {
        room.bears(number, file.0.len())?;
        let parts: Vec<&str> = ["event", about.key].into_iter().chain(name.iter().map(String::as_str)).collect();
        file.line("BEGIN:VEVENT");
        file.line(&format!("UID:{}", identity::uuid(&parts)));
        file.line(&format!("DTSTAMP:{stamp}"));
        when.write(file);
        let title = columns.line(title.as_ref(), row);
        file.text("SUMMARY", title.as_deref().unwrap_or("(no title)"));
        if let Some(location) = columns.line(location.as_ref(), row) {
            file.text("LOCATION", &location);
        }
        if let Some(summary) = columns.lines(summary.as_ref(), row).or_else(|| entry::told(&others, row)) {
            file.text("DESCRIPTION", &summary);
        }
        if let Some(link) = columns.address(link.as_ref(), row) {
            file.line(&format!("URL:{link}"));
        }
        file.texts("CATEGORIES", &entry::words(columns.value(category.as_ref(), row).as_deref()));
        // What a public page lists takes nobody's time.
        file.line("TRANSP:TRANSPARENT");
        file.line("END:VEVENT");
    }
    Ok(())
}

/// When an event takes place.
enum When {
    /// From a day to the one before another.
    Days(Date, Option<Date>),
    Moments(Timestamp, Option<Timestamp>),
}

impl When {
    /// `None` for what no calendar can hold.
    fn of(start: Moment, end: Option<Moment>, is_day: bool, about: &About<'_>) -> Option<Self> {
        // A calendar's own last day is the day after; people name the last day itself.
        let is_calendar = about.spec.alternatives.iter().any(|alternative| alternative.rules.format == source::Format::Ical);
        let after = |day: Date| if is_calendar { Some(day) } else { day.checked_add(1.day()).ok() };
        match start {
            Moment::At(at) if !is_day => {
                let end = end.and_then(|end| match end {
                    Moment::At(end) => Some(end),
                    Moment::Day(day) => Moment::Day(after(day)?).timestamp(about.zone),
                });
                let fits = |at: &Timestamp| YEARS.contains(&at.to_zoned(jiff::tz::TimeZone::UTC).year());
                fits(&at).then(|| Self::Moments(at, end.filter(|end| *end > at && fits(end))))
            }
            start => {
                let first = start.day(about.zone);
                let end = end.and_then(|end| match end {
                    Moment::Day(day) => after(day),
                    Moment::At(_) => end.day(about.zone).checked_add(1.day()).ok(),
                });
                YEARS.contains(&first.year()).then(|| Self::Days(first, end.filter(|end| *end > first)))
            }
        }
    }

    fn start(&self) -> String {
        match self {
            Self::Days(day, _) => plain_day(*day),
            Self::Moments(at, _) => utc(*at),
        }
    }

    fn write(&self, file: &mut File) {
        match self {
            Self::Days(first, end) => {
                file.line(&format!("DTSTART;VALUE=DATE:{}", plain_day(*first)));
                if let Some(end) = end {
                    file.line(&format!("DTEND;VALUE=DATE:{}", plain_day(*end)));
                }
            }
            Self::Moments(start, end) => {
                file.line(&format!("DTSTART:{}", utc(*start)));
                if let Some(end) = end {
                    file.line(&format!("DTEND:{}", utc(*end)));
                }
            }
        }
    }
}

fn plain_day(day: Date) -> String {
    day.strftime("%Y%m%d").to_string()
}

fn utc(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// `P6D`, `PT5M`.
fn duration(period: Duration) -> String {
    match period.as_secs().max(60) {
        seconds if seconds % 86_400 == 0 => format!("P{}D", seconds / 86_400),
        seconds if seconds % 3_600 == 0 => format!("PT{}H", seconds / 3_600),
        seconds if seconds % 60 == 0 => format!("PT{}M", seconds / 60),
        seconds => format!("PT{seconds}S"),
    }
}

/// A file under way.
struct File(String);

impl File {
    /// A property that holds a text.
    fn text(&mut self, name: &str, text: &str) {
        self.texts(name, &[text]);
    }

    /// A property that holds a list of texts. None is no property.
    fn texts(&mut self, name: &str, texts: &[impl AsRef<str>]) {
        let mut line = name.to_owned();
        for (index, text) in texts.iter().enumerate() {
            line.push(if index == 0 { ':' } else { ',' });
            for c in text.as_ref().chars() {
                match c {
                    '\\' | ';' | ',' => line.extend(['\\', c]),
                    '\n' => line.push_str("\\n"),
                    c => line.push(c),
                }
            }
        }
        if !texts.is_empty() {
            self.line(&line);
        }
    }

    /// A line, folded between characters where it is too long.
    fn line(&mut self, line: &str) {
        let mut room = LONGEST_LINE;
        for c in line.chars() {
            if c.len_utf8() > room {
                self.0.push_str("\r\n ");
                // The blank counts.
                room = LONGEST_LINE - 1;
            }
            room -= c.len_utf8();
            self.0.push(c);
        }
        self.0.push_str("\r\n");
    }
}
