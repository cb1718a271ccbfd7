//! Freshness and patience.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::At;
use super::parse::Reader;
use super::raw::RawSource;
use super::words::Period;
use crate::diagnostic::nearest;
use crate::period::format_period;
use crate::policy::{Fresh, Policy};

const COLD_WAIT: Duration = Duration::from_secs(8);
const MIN_INTERVAL: Duration = Duration::from_secs(10);

impl Reader<'_> {
    /// The policy; `None` where what it lacks has been complained about.
    pub(super) fn policy(&mut self, raw: &RawSource) -> Option<Policy> {
        let fresh = self.fresh(raw);
        let deadline = self.positive("deadline", raw.deadline.as_ref()).unwrap_or(self.defaults.deadline);
        let cold_wait = self.positive("cold_wait", raw.cold_wait.as_ref()).unwrap_or(COLD_WAIT);
        self.positive("timeout", raw.timeout.as_ref());
        let policy = Policy {
            fresh: fresh?,
            max_stale: raw.max_stale.as_ref().map(|at| at.value.0),
            mode: raw.refresh.unwrap_or_default(),
            deadline,
            min_interval: raw.min_interval.as_ref().map_or(MIN_INTERVAL, |at| at.value.0),
            cold_wait,
        };
        if let Some(max_stale) = &raw.max_stale
            && max_stale.value.0 < policy.period()
        {
            let message = format!("data would expire before it is stale, which it is after {}", format_period(policy.period()));
            self.error(&max_stale.span, message, Some("`max_stale` counts from the same moment as the period: make it longer"));
        }
        Some(policy)
    }

    /// A period that must not be zero.
    pub(super) fn positive(&mut self, key: &str, period: Option<&At<Period>>) -> Option<Duration> {
        let period = period?;
        if period.value.0.is_zero() {
            self.error(&period.span, format!("`{key}` must be longer than nothing"), None);
        }
        Some(period.value.0)
    }

    fn fresh(&mut self, raw: &RawSource) -> Option<Fresh> {
        match (&raw.fresh_for, &raw.fresh_until) {
            (Some(period), None) => self.positive("fresh_for", Some(period)).map(Fresh::For),
            (None, Some(until)) => self.until(until),
            (Some(_), Some(until)) => {
                self.error(&until.span, "a source has either `fresh_for` or `fresh_until`", Some("keep one of them"));
                None
            }
            (None, None) => {
                let message = format!("source `{}` does not say how long its data stays fresh", self.name.value);
                self.error(&self.name.span.clone(), message, Some("add fresh_for = \"1h\", or fresh_until = \"00:00 Asia/Jakarta\""));
                None
            }
        }
    }

    fn until(&mut self, until: &At<String>) -> Option<Fresh> {
        let mut words = until.value.split_whitespace();
        let time = words.next().filter(|text| text.len() == 5).and_then(|text| Time::strptime("%H:%M", text).ok());
        let (Some(time), Some(zone), None) = (time, words.next(), words.next()) else {
            let help = "write a time of day and a zone, as in \"00:00 Asia/Jakarta\"";
            self.error(&until.span, format!("`{}` is no time of day with a zone", until.value.escape_debug()), Some(help));
            return None;
        };
        match zone_named(zone) {
            Ok(zone) => Some(Fresh::Until { time, zone }),
            Err(help) => {
                self.error(&until.span, format!("there is no time zone `{}`", zone.escape_debug()), Some(&help));
                None
            }
        }
    }
}

/// The zone of an IANA name.
///
/// # Errors
/// What to write instead.
pub fn zone_named(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        let known: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
        // People remember the city.
        let by_city =
            || known.iter().map(String::as_str).find(|zone| zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name)));
        match nearest(name, known.iter().map(String::as_str)).or_else(by_city) {
            Some(zone) => format!("did you mean `{zone}`?"),
            None => "write its IANA name, as in `Asia/Jakarta` or `UTC`".to_owned(),
        }
    })
}
