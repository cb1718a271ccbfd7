//! Which zone a `TZID` means: IANA's by its name, Windows' by a table, else what the file's own `VTIMEZONE` says.

use std::collections::HashMap;

use jiff::tz::{Offset, TimeZone};

use super::lines::Property;
use super::rule::{Every, Rule};
use super::when::Written;
use super::windows;

/// The zones of a calendar.
#[derive(Debug, Default)]
pub(super) struct Zones<'b> {
    definitions: Vec<Definition<'b>>,
    /// By their identifiers, as used in times.
    known: HashMap<&'b str, usize>,
}

/// A `VTIMEZONE`.
#[derive(Debug, Default)]
struct Definition<'b> {
    location: Option<&'b str>,
    standard: Option<Observance<'b>>,
    daylight: Option<Observance<'b>>,
}

/// A `STANDARD` or `DAYLIGHT`: since when which offset holds.
#[derive(Clone, Copy, Debug, Default)]
struct Observance<'b> {
    start: Option<Written>,
    rule: Option<&'b str>,
    /// In seconds.
    offset: Option<i32>,
}

impl<'b> Zones<'b> {
    pub(super) fn begin(&mut self) {
        self.definitions.push(Definition::default());
    }

    /// Takes a property of the `VTIMEZONE` that is open.
    pub(super) fn add(&mut self, property: &Property<'b>) {
        let Some(definition) = self.definitions.last_mut() else { return };
        if property.is("TZID") {
            self.known.insert(property.value.trim(), self.definitions.len() - 1);
        } else if property.is("X-LIC-LOCATION") {
            definition.location = Some(property.value.trim());
        }
    }

    /// A `STANDARD` or `DAYLIGHT` begins. Zones list them in order, so the last of each is the one that holds today.
    pub(super) fn begin_observance(&mut self, is_daylight: bool) {
        let Some(definition) = self.definitions.last_mut() else { return };
        let place = if is_daylight { &mut definition.daylight } else { &mut definition.standard };
        *place = Some(Observance::default());
    }

    /// Takes a property of the `STANDARD` or `DAYLIGHT` that is open.
    pub(super) fn add_observance(&mut self, is_daylight: bool, property: &Property<'b>) {
        let Some(definition) = self.definitions.last_mut() else { return };
        let place = if is_daylight { &mut definition.daylight } else { &mut definition.standard };
        let Some(observance) = place else { return };
        if property.is("DTSTART") {
            observance.start = Written::read(property.value);
        } else if property.is("RRULE") {
            observance.rule = Some(property.value);
        } else if property.is("TZOFFSETTO") {
            observance.offset = offset(property.value);
        }
    }

    /// The zone of this identifier; `None` where nothing says what it is.
    pub(super) fn find(&self, id: &str) -> Option<TimeZone> {
        let id = id.trim();
        let defined = || self.known.get(id).and_then(|index| self.definitions[*index].zone());
        named(id).or_else(defined).or_else(|| spelled(id))
    }
}

/// A zone by a name that is known everywhere.
pub(super) fn named(id: &str) -> Option<TimeZone> {
    let id = id.trim().trim_matches('"');
    if let Ok(zone) = TimeZone::get(id) {
        return Some(zone);
    }
    if let Some(name) = windows::zone(id) {
        return TimeZone::get(name).ok();
    }
    // Programs put names of their own before IANA's: `/freeassociation.sourceforge.net/Europe/London`.
    let path = id.strip_prefix('/')?;
    let mut starts = path.match_indices('/').map(|(at, _)| at + 1).take(8);
    starts.find_map(|start| TimeZone::get(&path[start..]).ok())
}

/// A zone whose name says its offset: `(UTC+01:00) Amsterdam`, `GMT-0500`.
fn spelled(id: &str) -> Option<TimeZone> {
    let id = id.trim_start_matches('(');
    let rest = id.strip_prefix("UTC").or_else(|| id.strip_prefix("GMT"))?;
    let digits: String = rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | ':')).filter(|c| *c != ':').collect();
    fixed(offset(&digits)?)
}

/// An offset in seconds: `+0100`, `-023000`.
fn offset(text: &str) -> Option<i32> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), |part| part.parse::<i32>().ok());
    let hours = if digits.len() == 1 { digits.parse().ok()? } else { digits.get(..2)?.parse::<i32>().ok()? };
    Some(sign * (hours * 3600 + part(2)? * 60 + part(4)?))
}

fn fixed(seconds: i32) -> Option<TimeZone> {
    Offset::from_seconds(seconds).ok().map(Offset::to_time_zone)
}

impl Definition<'_> {
    fn zone(&self) -> Option<TimeZone> {
        if let Some(zone) = self.location.and_then(named) {
            return Some(zone);
        }
        let standard = self.standard.or(self.daylight)?.offset?;
        self.posix().or_else(|| fixed(standard))
    }

    /// Summer time by a rule for every year. Other changes are history that no zone in use writes for itself.
    fn posix(&self) -> Option<TimeZone> {
        let (standard, daylight) = (self.standard?, self.daylight?);
        let (winter, summer) = (standard.offset?, daylight.offset?);
        if winter == summer {
            return None;
        }
        let (from, to) = (daylight.change()?, standard.change()?);
        TimeZone::posix(&format!("STD{}DST{},{from},{to}", reversed(winter), reversed(summer))).ok()
    }
}

impl Observance<'_> {
    /// The day and time of the yearly change, as POSIX writes it: `M3.5.0/2:00:00`.
    fn change(&self) -> Option<String> {
        let start = self.start?.at;
        let rule = Rule::read(self.rule?, start)?;
        let ([month], [(ordinal, weekday)], Every::Year, None) = (&rule.months[..], &rule.weekdays[..], rule.every, rule.until) else {
            return None;
        };
        let week = match ordinal {
            1..=5 => *ordinal,
            -1 => 5,
            _ => return None,
        };
        let time = clock(i32::from(start.hour()) * 3600 + i32::from(start.minute()) * 60 + i32::from(start.second()));
        Some(format!("M{month}.{week}.{}/{time}", weekday.to_sunday_zero_offset()))
    }
}

/// An offset as POSIX writes it: what is added to local time.
fn reversed(offset: i32) -> String {
    let sign = if offset > 0 { "-" } else { "" };
    format!("{sign}{}", clock(offset.abs()))
}

fn clock(seconds: i32) -> String {
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, Time};

    use super::*;

    fn check(zone: Option<TimeZone>, winter: &str, summer: &str) {
        let zone = zone.expect("a zone");
        for (month, offset) in [(1, winter), (7, summer)] {
            let at = Date::constant(2025, month, 15).to_datetime(Time::midnight());
            assert_eq!(at.to_zoned(zone.clone()).unwrap().offset().to_string(), offset);
        }
    }

    #[test]
    fn names_of_iana_windows_and_programs_are_known() {
        check(named("Europe/London"), "+00", "+01");
        check(named("W. Europe Standard Time"), "+01", "+02");
        check(named("/freeassociation.sourceforge.net/Europe/London"), "+00", "+01");
        check(named("/citadel.org/20250123_1/America/Argentina/Buenos_Aires"), "-03", "-03");
        check(named("UTC"), "+00", "+00");
        assert!(named("Nowhere/Else").is_none() && named("").is_none() && named("//////////").is_none());
    }

    #[test]
    fn a_file_may_define_its_own() {
        let mut zones = Zones::default();
        for line in ["TZID:House", "S:", "DTSTART:16010101T030000", "TZOFFSETTO:+0100", "RRULE:FREQ=YEARLY;BYDAY=4SU;BYMONTH=10"] {
            take(&mut zones, line, false);
        }
        for line in ["S:", "DTSTART:16010101T020000", "TZOFFSETTO:+0230", "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3"] {
            take(&mut zones, line, true);
        }
        check(zones.find("House"), "+01", "+02:30");
        for line in ["TZID:Fixed", "S:", "TZOFFSETTO:-0330"] {
            take(&mut zones, line, false);
        }
        check(zones.find("Fixed"), "-03:30", "-03:30");
        check(zones.find("(UTC+05:30) Chennai, Kolkata"), "+05:30", "+05:30");
        assert!(zones.find("Customized Time Zone").is_none());
    }

    fn take(zones: &mut Zones<'static>, line: &'static str, is_daylight: bool) {
        let property = Property::read(line).unwrap();
        if property.is("TZID") {
            zones.begin();
            zones.add(&property);
        } else if property.is("S") {
            zones.begin_observance(is_daylight);
        } else {
            zones.add_observance(is_daylight, &property);
        }
    }
}
