use jiff::civil::{Date, Weekday};
use jiff::{Timestamp, ToSpan, Zoned};
use proptest::prelude::*;
use serde_json::json;
use wellspring_core::source::At;

use super::parts::nearest;
use super::*;

fn at(format: &str) -> At<String> {
    At { value: format.to_owned(), span: 3..5 + format.len() }
}

fn dates(formats: &[&str], zone: &str, output: DateOutput) -> Dates {
    let zone = Some(zone.to_owned()).filter(|zone| !zone.is_empty());
    Dates::compile(&DateRule { formats: formats.iter().map(|format| at(format)).collect(), zone, output }).unwrap()
}

/// Noon of a Thursday.
fn now() -> Timestamp {
    "2025-01-23T12:00:00Z".parse().unwrap()
}

/// Read in London, at noon of Thursday, 23 January 2025.
fn check(formats: &[&str], text: &str, date: Option<&str>) {
    let found = dates(formats, "Europe/London", DateOutput::Rfc3339).read(&json!(text), now());
    assert_eq!(found, json!(date), "{text} by {formats:?}");
}

/// The same in the usual notations.
fn usual(text: &str, date: Option<&str>) {
    check(&[], text, date);
}

#[test]
fn patterns_are_read_as_people_write() {
    let evening = Some("2025-01-23T18:30:00+00:00");
    check(&["%a, %d %b %H:%M"], "Thu, 23 Jan 18:30", evening);
    check(&["%a, %d %b %H:%M"], "thursday,  23RD january\u{a0}18:30", evening);
    check(&["%A %d %B %I:%M%p"], "Thurs 23rd Jan. 6.30 p.m.", evening);
    check(&["%d %b %Y, %I.%M %p"], "23 Jan 2025, 6:30PM", evening);
    check(&["%a %e %b at %H:%M"], "on Thu 23 Jan At 18:30", evening);
    check(&["%A, %d %B %Y %H.%M %Z"], "Kamis, 23 Januari 2025 01.30 WIB", Some("2025-01-22T18:30:00+00:00"));
    check(&["%d. %B %Y"], "1. März 2025", Some("2025-03-01"));
    check(&["%b. %d, %Y"], "Jan. 5, 2025", Some("2025-01-05"));
    check(&["%Y%m%dT%H%M%S"], "20250123T183000", evening);
    check(&["%d/%m/%y"], "23/1/25", Some("2025-01-23"));
    check(&["%F %T%.f %z"], "2025-01-23 18:30:00.25 +00:00", Some("2025-01-23T18:30:00.25+00:00"));
    check(&["%s"], "1737657000", evening);
    check(&["%Y-%j"], "2025-032", Some("2025-02-01"));
    check(&["%F %R"], "2025-01-23 24:00", Some("2025-01-24T00:00:00+00:00"));
    check(&["%d %b %I%p"], "23 jan 12am", Some("2025-01-23T00:00:00+00:00"));
    // In order, and the whole of it.
    check(&["%d/%m/%Y", "%Y-%m-%d"], "2025-01-23", Some("2025-01-23"));
    check(&["%Y-%m-%d"], "2025-01-23 18:30", None);
    check(&["%Y-%m-%d"], "23 Jan 2025", None);
    check(&["%d/%m/%Y"], "31/02/2025", None);
    check(&["%d/%m/%Y"], "", None);
}

#[test]
fn a_day_without_a_year_is_the_nearest_that_falls_on_its_weekday() {
    check(&["%a %d %b"], "Thu 23 Jan", Some("2025-01-23"));
    check(&["%a %d %b"], "Thu 30 Dec", Some("2027-12-30"));
    check(&["%a %d %b"], "Fri 23 Jan", Some("2026-01-23"));
    check(&["%a %d %b"], "Tue 23 Jan", Some("2024-01-23"));
    check(&["%a %d %b"], "Sun 29 Feb", None);
    check(&["%a %d %b"], "Thu 29 Feb", Some("2024-02-29"));
    check(&["%d %b"], "29 Feb", Some("2024-02-29"));
    check(&["%d %b"], "31 Dec", Some("2024-12-31"));
    check(&["%d %b"], "1 July", Some("2025-07-01"));
    check(&["%d %b"], "30 July", Some("2024-07-30"));
    // A year that is named needs no weekday to agree.
    check(&["%a %d %b %Y"], "Mon 23 Jan 2025", Some("2025-01-23"));
}

#[test]
fn the_usual_notations_need_no_pattern() {
    let evening = Some("2025-01-23T18:30:00+00:00");
    for text in [
        "2025-01-23T18:30:00Z",
        "2025-01-23 18:30",
        "2025-01-24T01:30+07:00",
        "2025-01-23T18:30:00[Europe/London]",
        "20250123T183000Z",
        "Thu, 23 Jan 2025 18:30:00 GMT",
        "Thu, 23 Jan 2025 13:30:00 -0500",
        "Thursday, 23-Jan-25 18:30:00 GMT",
        "Thu Jan 23 18:30:00 2025",
        "1737657000",
        "1737657000000",
        "Thursday 23 January 18:30",
        "Jan 23rd, 2025 at 6.30 p.m.",
        "6:30pm, Thu 23 Jan",
        "Jumat, 24 Januari 2025 pukul 01.30 WIB",
        "24 Jan 2025 01:30 GMT+7",
        "jeudi 23 janvier 2025 à 18h30",
        "Do. 23.01., 18.30 Uhr",
        "23.1.2025 18:30 Uhr",
        "jueves 23 de enero de 2025, 18:30",
        "today 18:30",
        "hari ini, 18.30",
    ] {
        usual(text, evening);
    }
    for text in [
        "2025-01-23",
        "20250123",
        "23 January 2025",
        "Jan 23, 2025",
        "23/01/2025",
        "1/23/2025",
        "2025/1/23",
        "23.1.25",
        "Thu 23rd",
        "Thu, 23 Jan",
        "le 23 janvier",
    ] {
        usual(text, Some("2025-01-23").filter(|_| text != "Thu 23rd"));
    }
    usual("tomorrow", Some("2025-01-24"));
    usual("mar 4 mar", Some("2025-03-04"));
    usual("5 mar 2025", Some("2025-03-05"));
    usual("mar 4 févr. 2025", Some("2025-02-04"));
    usual("am 23. Januar 2025 um 20 Uhr", Some("2025-01-23T20:00:00+00:00"));
}

#[test]
fn what_is_no_date_is_null() {
    for text in [
        "",
        "soon",
        "10:45",
        "03/04/2025",
        "23 Jan 10:00 - 12:00",
        "23 Jan 10:00-12:00",
        "23–25 January 2025",
        "January 2025",
        "2025",
        "31 February 2025",
        "23 Jan 2025 25:00",
        "Thursday",
        "23 Jan 2025 sold out",
        "99999999999999999999",
        "Sun 23 Foo",
    ] {
        usual(text, None);
    }
    for value in [json!(null), json!(true), json!(["2025-01-23"]), json!(1e300)] {
        assert_eq!(dates(&[], "", DateOutput::Rfc3339).read(&value, now()), json!(null));
    }
}

#[test]
fn a_date_is_written_as_the_rule_asks() {
    let all = |text: &Value, zone: &str| {
        let written = [DateOutput::Rfc3339, DateOutput::Epoch, DateOutput::EpochMs, DateOutput::Date, DateOutput::Local]
            .map(|output| dates(&[], zone, output).read(text, now()).to_string());
        written.join(" ")
    };
    insta::assert_snapshot!(all(&json!("2025-01-23T18:30:00.5Z"), ""), @r#""2025-01-23T18:30:00.5+00:00" 1737657000 1737657000500 "2025-01-23" "2025-01-23T18:30:00.5""#);
    insta::assert_snapshot!(all(&json!("2025-01-23T23:30:00+07:00"), ""), @r#""2025-01-23T23:30:00+07:00" 1737649800 1737649800000 "2025-01-23" "2025-01-23T23:30:00""#);
    insta::assert_snapshot!(all(&json!("2025-01-23T23:30:00+07:00"), "Asia/Tokyo"), @r#""2025-01-24T01:30:00+09:00" 1737649800 1737649800000 "2025-01-24" "2025-01-24T01:30:00""#);
    insta::assert_snapshot!(all(&json!("2025-01-23 18:30"), "Asia/Jakarta"), @r#""2025-01-23T18:30:00+07:00" 1737631800 1737631800000 "2025-01-23" "2025-01-23T18:30:00""#);
    insta::assert_snapshot!(all(&json!("2025-07-01"), "Europe/London"), @r#""2025-07-01" 1751324400 1751324400000 "2025-07-01" "2025-07-01""#);
    insta::assert_snapshot!(all(&json!(1_737_657_000), "Asia/Jakarta"), @r#""2025-01-24T01:30:00+07:00" 1737657000 1737657000000 "2025-01-24" "2025-01-24T01:30:00""#);
    insta::assert_snapshot!(all(&json!(1_737_657_000.25), ""), @r#""2025-01-23T18:30:00.25+00:00" 1737657000 1737657000250 "2025-01-23" "2025-01-23T18:30:00.25""#);
    // The clocks go forward over it, then back.
    insta::assert_snapshot!(all(&json!("2025-03-30 01:30"), "Europe/London"), @r#""2025-03-30T02:30:00+01:00" 1743298200 1743298200000 "2025-03-30" "2025-03-30T02:30:00""#);
    insta::assert_snapshot!(all(&json!("2025-10-26 01:30"), "Europe/London"), @r#""2025-10-26T01:30:00+01:00" 1761438600 1761438600000 "2025-10-26" "2025-10-26T01:30:00""#);
}

#[test]
fn patterns_that_cannot_be_read_are_refused_with_their_place() {
    let refused = |format: &str, zone: Option<&str>| {
        let rule = DateRule { formats: vec![at(format)], zone: zone.map(str::to_owned), output: DateOutput::Rfc3339 };
        let error = Dates::compile(&rule).unwrap_err();
        format!("{:?}: {}\nhelp: {}", error.span, error.message, error.help.as_deref().unwrap_or("-"))
    };
    insta::assert_snapshot!(refused("%d %Q", None), @"
    3..10: `%Q` in `%d %Q` is not read
    help: known are %Y %y %m %b %B %d %e %j %a %A %H %I %M %S %f %p %z %Z %s, and %F %T %R %D for several at once
    ");
    insta::assert_snapshot!(refused("%d %b %", None), @"
    3..12: `%` in `%d %b %` is not read
    help: known are %Y %y %m %b %B %d %e %j %a %A %H %I %M %S %f %p %z %Z %s, and %F %T %R %D for several at once
    ");
    insta::assert_snapshot!(refused("%H:%M", None), @"
    3..10: `%H:%M` names no day
    help: a date needs a day and a month, as in `%d %b %H:%M`; `compose` puts a day before a time
    ");
    insta::assert_snapshot!(refused("%B %Y", None), @"
    3..10: `%B %Y` names no day
    help: a date needs a day and a month, as in `%d %b %H:%M`; `compose` puts a day before a time
    ");
    insta::assert_snapshot!(refused("%F", Some("Europe/Londn")), @"
    0..0: there is no time zone `Europe/Londn`
    help: -
    ");
}

fn days() -> impl Strategy<Value = Date> {
    (-40_000..40_000_i32).prop_map(|days| Date::constant(2025, 1, 23).checked_add(days.days()).unwrap())
}

fn moments() -> impl Strategy<Value = Zoned> {
    let zones = prop_oneof![Just("UTC"), Just("Europe/London"), Just("Asia/Jakarta"), Just("America/New_York"), Just("Asia/Kathmandu")];
    // Two digits of a year reach to 2068.
    (0..3_090_000_000_i64, zones).prop_map(|(second, zone)| Timestamp::from_second(second).unwrap().in_tz(zone).unwrap())
}

proptest! {
    #[test]
    fn moments_come_back_by_the_pattern_that_wrote_them(
        moment in moments(),
        pattern in prop_oneof![
            Just("%Y-%m-%dT%H:%M:%S%z"), Just("%a, %d %b %Y %H:%M:%S %z"), Just("%A %-d %B %Y %I:%M:%S %p %:z"), Just("%s"),
            Just("%y%m%d %H%M%S %z"), Just("%j/%Y %l.%M.%S%P %z"), Just("%F %T %z"), Just("%D %R:%S %z"),
        ],
    ) {
        let written = moment.strftime(pattern).to_string();
        let read = dates(&[pattern], "", DateOutput::Epoch).read(&json!(written), now());
        prop_assert_eq!(read, json!(moment.timestamp().as_second()), "{}", written);
    }

    #[test]
    fn moments_come_back_in_the_usual_notations(
        moment in moments(),
        pattern in prop_oneof![
            Just("%Y-%m-%dT%H:%M:%S%:z"), Just("%a, %d %b %Y %H:%M:%S %z"), Just("%A %-d %B %Y %I:%M:%S %p %z"), Just("%b %d, %Y at %H:%M:%S %z"),
            Just("%d.%m.%Y %H:%M:%S %z"), Just("%Y/%m/%d %H:%M:%S %z"), Just("%H:%M:%S %z %d-%b-%Y"),
        ],
    ) {
        let written = moment.strftime(pattern).to_string();
        let read = dates(&[], "", DateOutput::Epoch).read(&json!(written), now());
        prop_assert_eq!(read, json!(moment.timestamp().as_second()), "{}", written);
    }

    #[test]
    fn the_nearest_year_is_the_nearest(today in days(), month in 1..=12_i8, day in 1..=31_i8, weekday in proptest::option::of(0..7_i8)) {
        let weekday = weekday.map(|offset| Weekday::from_monday_zero_offset(offset).unwrap());
        let fits = |date: &Date| weekday.is_none_or(|weekday| date.weekday() == weekday);
        let away = |date: Date| today.until(date).unwrap().get_days().abs();
        let others: Vec<Date> =
            (-6..=6).filter_map(|by| Date::new(today.year() + by, month, day).ok()).filter(|date| fits(date)).collect();
        match nearest(month, day, weekday, today) {
            None => prop_assert!(others.is_empty()),
            Some(date) => {
                prop_assert!(fits(&date) && (date.month(), date.day()) == (month, day));
                prop_assert!(others.iter().all(|other| away(date) <= away(*other)));
            }
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        dates(&[], "Asia/Jakarta", DateOutput::Rfc3339).read(&json!(text), now());
        dates(&["%a %d %b %Y %I:%M:%S%.f %p %z"], "", DateOutput::Epoch).read(&json!(text), now());
    }

    #[test]
    fn no_text_of_dates_panics(pieces in proptest::collection::vec(prop_oneof![
        "[0-9]{1,5}", "[-+:./, '’hTZ−]", Just("jan".to_owned()), Just("mar".to_owned()), Just("PM".to_owned()), Just("a.m.".to_owned()),
        Just("1st".to_owned()), Just("GMT".to_owned()), Just("tomorrow".to_owned()), Just("Thu".to_owned()), Just("Uhr".to_owned()), Just("é".to_owned()),
    ], 0..12)) {
        let text = pieces.concat();
        for output in [DateOutput::Rfc3339, DateOutput::EpochMs] {
            dates(&[], "Europe/London", output).read(&json!(text), now());
            dates(&["%d.%b.%y %H.%M%z", "%s", "%F%T"], "", output).read(&json!(text), now());
        }
    }
}
