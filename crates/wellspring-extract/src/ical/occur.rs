//! When events take place: once, or again and again within the window.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use wellspring_core::source::Window;

use super::calendar::{Calendar, Event};
use super::rule::{Rule, later};
use super::when::{Clock, Length, When, Written};
use crate::error::ExtractError;

/// How many occurrences of one event are read: one a day for two years and more.
const MAX_EACH: usize = 1_000;

/// How many occurrences of all events are read.
const MAX_ALL: usize = 50_000;

/// How many days are looked at for one event. A rule that finds none in so many finds none.
const MAX_DAYS_EACH: usize = 100_000;

/// How many days are looked at for all events.
const MAX_DAYS: usize = 5_000_000;

/// An event as it takes place once.
#[derive(Clone, Debug)]
pub(crate) struct Occurrence<'b> {
    pub(super) calendar: &'b Calendar<'b>,
    pub(super) event: &'b Event<'b>,
    pub(super) start: When,
    pub(super) end: Option<When>,
}

/// The occurrences of all events within a window around `now`, by their starts.
///
/// # Errors
/// [`ExtractError::TooOften`] past the bounds.
pub(super) fn all<'b>(calendars: &'b [Calendar<'b>], window: Option<Window>, now: Timestamp) -> Result<Vec<Occurrence<'b>>, ExtractError> {
    let mut search = Search { span: Span::around(now, window), days: 0, found: Vec::new() };
    for calendar in calendars {
        let changed = changed(calendar);
        for event in &calendar.events {
            search.event(calendar, event, changed.get(event.uid()))?;
        }
    }
    let mut found = search.found;
    found.sort_by_cached_key(|occurrence| occurrence.start.moment(&TimeZone::UTC));
    Ok(found)
}

/// The occurrences of series that have an event of their own, which takes their place.
fn changed<'b>(calendar: &'b Calendar<'b>) -> HashMap<&'b str, Marks> {
    let mut changed: HashMap<&str, Marks> = HashMap::new();
    for event in &calendar.events {
        if let Some(when) = event.property("RECURRENCE-ID").and_then(|id| calendar.when(id)) {
            changed.entry(event.uid()).or_default().add(&when);
        }
    }
    changed
}

/// Occurrences that do not take place as the rule has it.
#[derive(Default)]
struct Marks {
    /// Written as days.
    days: HashSet<Date>,
    moments: HashSet<Timestamp>,
    /// The days of those written as moments, for a series of whole days.
    days_of_moments: HashSet<Date>,
}

impl Marks {
    fn add(&mut self, when: &When) {
        if when.is_day() {
            self.days.insert(when.at.date());
        } else {
            self.moments.extend(when.moment(&TimeZone::UTC));
            self.days_of_moments.insert(when.at.date());
        }
    }

    fn has(&self, when: &When) -> bool {
        let day = when.at.date();
        self.days.contains(&day)
            || if when.is_day() {
                self.days_of_moments.contains(&day)
            } else {
                when.moment(&TimeZone::UTC).is_some_and(|moment| self.moments.contains(&moment))
            }
    }
}

struct Search<'b> {
    span: Span,
    /// Looked at so far.
    days: usize,
    found: Vec<Occurrence<'b>>,
}

impl<'b> Search<'b> {
    fn event(&mut self, calendar: &'b Calendar<'b>, event: &'b Event<'b>, changed: Option<&Marks>) -> Result<(), ExtractError> {
        let Some(start) = event.property("DTSTART").and_then(|start| calendar.when(start)) else { return Ok(()) };
        let length = length(calendar, event, &start);
        let mut add = |start: When, length: Option<Length>| {
            let end = length.and_then(|length| start.after(length));
            if self.span.has(&start, end.as_ref()) {
                self.found.push(Occurrence { calendar, event, start, end });
            }
            if self.found.len() > MAX_ALL { Err(ExtractError::TooOften { limit: MAX_ALL }) } else { Ok(()) }
        };
        let is_change = event.property("RECURRENCE-ID").is_some();
        let rules: Vec<Rule> = event.properties("RRULE").filter_map(|rule| Rule::read(rule.value, start.at)).collect();
        let has_dates = event.property("RDATE").is_some();
        if is_change || (rules.is_empty() && !has_dates) {
            return add(start, length);
        }
        let mut gone = Marks::default();
        for exception in event.properties("EXDATE") {
            calendar.whens(exception).for_each(|(when, _)| gone.add(&when));
        }
        let mut seen = HashSet::new();
        let mut kept = 0;
        let mut offer = |start: When, length: Option<Length>| {
            let is_new = start.moment(&TimeZone::UTC).is_some_and(|moment| seen.insert(moment));
            if !is_new || gone.has(&start) || changed.is_some_and(|changed| changed.has(&start)) || kept == MAX_EACH {
                return Ok(());
            }
            kept += 1;
            add(start, length)
        };
        // A period says how long it lasts, even where it begins with the event itself.
        for dates in event.properties("RDATE") {
            for (when, own) in calendar.whens(dates).filter(|(when, own)| self.span.has(when, own.and_then(|l| when.after(l)).as_ref())) {
                offer(when, own.or(length))?;
            }
        }
        offer(start.clone(), length)?;
        for rule in &rules {
            self.days += repeat(rule, &start, length, self.span, |when| offer(when, length))?;
        }
        if self.days > MAX_DAYS { Err(ExtractError::TooOften { limit: MAX_ALL }) } else { Ok(()) }
    }
}

/// How long an event lasts, where it says so. A day lasts a day.
fn length(calendar: &Calendar<'_>, event: &Event<'_>, start: &When) -> Option<Length> {
    let until = event.property("DTEND").and_then(|end| calendar.when(end)).and_then(|end| Length::between(start, &end));
    let lasting = || event.property("DURATION").and_then(|duration| Length::read(duration.value));
    until.or_else(lasting).or_else(|| start.is_day().then_some(Length::DAY))
}

/// Offers what a rule adds to its start, within the span or just outside it. Says how many days were looked at.
fn repeat(
    rule: &Rule,
    start: &When,
    length: Option<Length>,
    span: Span,
    mut offer: impl FnMut(When) -> Result<(), ExtractError>,
) -> Result<usize, ExtractError> {
    let (first, last) = span.days(length);
    let (day, time) = (start.at.date(), start.at.time());
    // Counting begins with the start; else what lies before the span is passed over.
    let mut period = if rule.count.is_some() { 0 } else { rule.periods_before(day, first) };
    let (mut looked_at, mut count) = (0, 1);
    while looked_at < MAX_DAYS_EACH {
        let Some(days) = rule.days(day, period) else { break };
        looked_at += rule.cost();
        period += 1;
        for found in days.into_iter().filter(|found| *found > day) {
            let when = When { at: found.to_datetime(time), clock: start.clock.clone() };
            count += 1;
            if found > last || rule.count.is_some_and(|limit| count > limit) || rule.until.is_some_and(|until| is_past(&when, until)) {
                return Ok(looked_at);
            }
            if found >= first {
                offer(when)?;
            }
        }
        // Periods without a day end with the span too.
        if rule.days_begin(day, period).is_none_or(|begin| begin > last) {
            break;
        }
    }
    Ok(looked_at)
}

/// True after a rule's end. A day is the whole of it, and a series of days ends by the day.
fn is_past(when: &When, until: Written) -> bool {
    match &when.clock {
        Clock::In(zone) if until.is_utc => {
            let end = TimeZone::UTC.to_ambiguous_timestamp(until.at).compatible();
            when.moment(zone).is_none_or(|moment| end.is_ok_and(|end| moment > end))
        }
        _ if until.is_day || when.is_day() => when.at.date() > until.at.date(),
        _ => when.at > until.at,
    }
}

/// The window in moments.
#[derive(Clone, Copy)]
struct Span {
    from: Timestamp,
    to: Timestamp,
}

impl Span {
    fn around(now: Timestamp, window: Option<Window>) -> Self {
        let Some(window) = window else { return Self { from: Timestamp::MIN, to: Timestamp::MAX } };
        let seconds = |seconds| SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        Self {
            from: now.checked_sub(seconds(window.back)).unwrap_or(Timestamp::MIN),
            to: now.checked_add(seconds(window.ahead)).unwrap_or(Timestamp::MAX),
        }
    }

    /// True of what takes place within it, at least in part. Days and floating times are taken for those of UTC.
    fn has(&self, start: &When, end: Option<&When>) -> bool {
        let moment = |when: &When| when.moment(&TimeZone::UTC);
        let Some(start) = moment(start) else { return false };
        start <= self.to && end.and_then(moment).unwrap_or(start) >= self.from
    }

    /// The first and the last day on which something may begin that takes place within it, wherever on earth.
    fn days(&self, length: Option<Length>) -> (Date, Date) {
        let back = length.map_or(0, Length::whole_days).saturating_add(2);
        let day = |moment: Timestamp| moment.to_zoned(TimeZone::UTC).date();
        let first = i32::try_from(back).ok().and_then(|back| later(day(self.from), -back));
        (first.unwrap_or(Date::MIN), later(day(self.to), 2).unwrap_or(Date::MAX))
    }
}
