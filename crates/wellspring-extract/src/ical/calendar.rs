//! A file's calendars: their zones and events. Whatever else is in them (alarms, tasks, journals) is passed over.

use jiff::tz::TimeZone;

use super::EXPECTED;
use super::lines::Property;
use super::when::{Clock, Length, When, Written};
use super::zone::{Zones, named};
use crate::error::{ExtractError, shown};

/// How deep components may nest. Calendars need three levels.
const MAX_DEPTH: usize = 32;

/// How many properties of events and zones a file may have.
const MAX_PROPERTIES: usize = 500_000;

/// How many properties of an event are read: one each, and many guests.
const MAX_PER_EVENT: usize = 2_000;

/// A `VCALENDAR`.
#[derive(Debug, Default)]
pub(crate) struct Calendar<'b> {
    /// Where floating times are meant, `X-WR-TIMEZONE`.
    zone: Option<TimeZone>,
    zones: Zones<'b>,
    pub(super) events: Vec<Event<'b>>,
}

/// A `VEVENT`: its own properties.
#[derive(Debug, Default)]
pub(crate) struct Event<'b>(Vec<Property<'b>>);

/// Reads the calendars of a file whose lines are unfolded.
///
/// # Errors
/// [`ExtractError`] where this is no calendar, ends early or is too large.
pub(super) fn read(text: &str) -> Result<Vec<Calendar<'_>>, ExtractError> {
    let mut calendars: Vec<Calendar<'_>> = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut properties = 0;
    for property in text.lines().filter_map(Property::read) {
        let component = property.value.trim();
        if property.is("BEGIN") {
            begin(component, &mut calendars, &mut open)?;
        } else if property.is("END") {
            if let Some(index) = open.iter().rposition(|name| name.eq_ignore_ascii_case(component)) {
                open.truncate(index);
            }
        } else if let Some(calendar) = calendars.last_mut() {
            properties += usize::from(calendar.add(property, &open));
            if properties > MAX_PROPERTIES {
                return Err(ExtractError::TooMany { expected: EXPECTED, limit: MAX_PROPERTIES });
            }
        }
    }
    match (calendars.is_empty(), open.first()) {
        (true, _) => Err(ExtractError::unlike(text, EXPECTED)),
        // Half a calendar must not pass for all of it.
        (false, Some(name)) => {
            Err(ExtractError::CutShort { expected: EXPECTED, reason: format!("`BEGIN:{}` is not closed", shown(name, 40)) })
        }
        (false, None) => Ok(calendars),
    }
}

fn begin<'b>(component: &'b str, calendars: &mut Vec<Calendar<'b>>, open: &mut Vec<&'b str>) -> Result<(), ExtractError> {
    if component.eq_ignore_ascii_case("VCALENDAR") {
        calendars.push(Calendar::default());
        open.clear();
    } else if let Some(calendar) = calendars.last_mut().filter(|_| !open.is_empty()) {
        let within = |name: &str| open.last().is_some_and(|last| last.eq_ignore_ascii_case(name));
        if component.eq_ignore_ascii_case("VEVENT") {
            calendar.events.push(Event::default());
            // No event is part of another: the one before was not closed.
            open.truncate(1);
        } else if component.eq_ignore_ascii_case("VTIMEZONE") {
            calendar.zones.begin();
        } else if within("VTIMEZONE") {
            calendar.zones.begin_observance(component.eq_ignore_ascii_case("DAYLIGHT"));
        }
    }
    if open.len() >= MAX_DEPTH {
        return Err(ExtractError::TooDeep { expected: EXPECTED, limit: MAX_DEPTH });
    }
    open.push(component);
    Ok(())
}

impl<'b> Calendar<'b> {
    /// Takes a property in the components that are open; false where it says nothing here.
    fn add(&mut self, property: Property<'b>, open: &[&str]) -> bool {
        let is = |component: &str, name: &str| component.eq_ignore_ascii_case(name);
        match open {
            [_] if property.is("X-WR-TIMEZONE") => self.zone = named(property.value),
            [_, event] if is(event, "VEVENT") => match self.events.last_mut() {
                Some(event) if event.0.len() < MAX_PER_EVENT => event.0.push(property),
                _ => return false,
            },
            [_, zone] if is(zone, "VTIMEZONE") => self.zones.add(&property),
            [_, zone, observance] if is(zone, "VTIMEZONE") => {
                self.zones.add_observance(is(observance, "DAYLIGHT"), &property);
            }
            _ => return false,
        }
        true
    }

    /// The time that a property says.
    pub(super) fn when(&self, property: &Property<'_>) -> Option<When> {
        self.whens(property).next().map(|(start, _)| start)
    }

    /// The times that a property lists, each with how long it lasts where it says so (`VALUE=PERIOD`).
    pub(super) fn whens<'a>(&'a self, property: &Property<'a>) -> impl Iterator<Item = (When, Option<Length>)> + 'a {
        let zone = property.parameter("TZID").and_then(|id| self.zones.find(&id)).or_else(|| self.zone.clone());
        let is_day = property.parameter("VALUE").is_some_and(|kind| kind.eq_ignore_ascii_case("DATE"));
        let clock = zone.map_or(Clock::Floating, Clock::In);
        property.value.split(',').filter_map(move |text| {
            let (start, end) = text.split_once('/').map_or((text, None), |(start, end)| (start, Some(end)));
            let when = |text: &str| Some(placed(Written::read(text)?, is_day, &clock));
            let start = when(start)?;
            let length = end.and_then(|end| Length::read(end).or_else(|| Length::between(&start, &when(end)?)));
            Some((start, length))
        })
    }
}

fn placed(written: Written, is_day: bool, clock: &Clock) -> When {
    if is_day || written.is_day {
        return When { at: written.at.date().to_datetime(jiff::civil::Time::midnight()), clock: Clock::Day };
    }
    let clock = if written.is_utc { Clock::In(TimeZone::UTC) } else { clock.clone() };
    When { at: written.at, clock }
}

impl<'b> Event<'b> {
    /// The first property of a name.
    pub(super) fn property(&self, name: &str) -> Option<&Property<'b>> {
        self.0.iter().find(|property| property.is(name))
    }

    /// The properties of a name, in order.
    pub(super) fn properties<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Property<'b>> {
        self.0.iter().filter(move |property| property.is(name))
    }

    /// What its occurrences have in common.
    pub(super) fn uid(&self) -> &'b str {
        self.property("UID").map_or("", |uid| uid.value.trim())
    }
}
