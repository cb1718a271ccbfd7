//! Calendars: what becomes of events, zones and recurrence.

use wellspring_core::source::{Field, Format, Many, Rules, Window};

use crate::support::{at, field, items, refusal, rules};

const DAY: u64 = 24 * 60 * 60;

/// A calendar of these lines, `|` between them.
fn calendar(lines: &str) -> String {
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}\r\nEND:VCALENDAR\r\n", lines.replace('|', "\r\n"))
}

fn event(lines: &str) -> String {
    calendar(&format!("BEGIN:VEVENT|{lines}|END:VEVENT"))
}

fn with(names: &[&str], back: u64, ahead: u64) -> Rules {
    let fields = names.iter().map(|name| field(name, &[name])).collect();
    Rules { fields, window: Some(Window { back: back * DAY, ahead: ahead * DAY }), ..rules(Format::Ical) }
}

/// The starts of the events of a year and what comes before, in one line. It is 23 January 2025, noon, in UTC.
fn starts(lines: &str) -> String {
    starts_within(lines, 400, 365)
}

fn starts_within(lines: &str, back: u64, ahead: u64) -> String {
    let found = items(&with(&["start"], back, ahead), event(lines));
    found.replace("{\"start\":\"", "").replace("\"}", "").replace('\n', " ")
}

#[test]
fn an_event_taken_whole_has_what_people_ask_for() {
    let text = calendar(
        "X-WR-CALNAME:Hall|BEGIN:VEVENT|UID:1@hall|SUMMARY;LANGUAGE=en:Film\\, and talk|DTSTART;TZID=Europe/London:20250124T183000|DTEND;TZID=Europe/London:20250124T20\r\n 0000|\
         LOCATION:Big\\nhall|DESCRIPTION:|URL:https://example.org/1|BEGIN:VALARM|SUMMARY:Wake|TRIGGER:-PT5M|END:VALARM|END:VEVENT|\
         BEGIN:VEVENT|uid:2@hall|summary:Fair|dtstart;value=date:20250125|END:VEVENT|BEGIN:VTODO|SUMMARY:Sweep|DTSTART:20250125T000000Z|END:VTODO",
    );
    insta::assert_snapshot!(items(&with(&[], 1, 365), &text), @r#"
    {"uid":"1@hall","title":"Film, and talk","start":"2025-01-24T18:30:00+00:00","end":"2025-01-24T20:00:00+00:00","all_day":false,"location":"Big\nhall","description":null,"url":"https://example.org/1"}
    {"uid":"2@hall","title":"Fair","start":"2025-01-25","end":"2025-01-26","all_day":true,"location":null,"description":null,"url":null}
    "#);
    // Broken in the ways that are met: bare line feeds, a mark at the beginning, text broken without folding.
    let broken =
        format!("\u{feff}\n{}", text.replace("\r\n", "\n").replace("DESCRIPTION:", "DESCRIPTION:Bring\nhttps://example.org\n\nand shoes"));
    insta::assert_snapshot!(items(&with(&["description", "url"], 1, 365), broken), @r#"
    {"description":"Bring\nhttps://example.org\nand shoes","url":"https://example.org/1"}
    {"description":null,"url":null}
    "#);
    let wide: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    insta::assert_snapshot!(items(&with(&["title"], 1, 365), wide), @r#"
    {"title":"Film, and talk"}
    {"title":"Fair"}
    "#);
    insta::assert_snapshot!(items(&with(&["title"], 1, 365), text.replace("Film", "Caf\u{e9}").chars().map(|c| c as u8).collect::<Vec<_>>()), @r#"
    {"title":"Café, and talk"}
    {"title":"Fair"}
    "#);
}

#[test]
fn fields_are_properties_in_either_case_and_by_the_names_people_use() {
    let lines = "DTSTART:20250123T120000Z|DURATION:PT90M|SUMMARY:S|CATEGORIES:A\\,B,C|CATEGORIES:D|ORGANIZER;CN=\"Box, office\":mailto:box@example.org|\
                 X-COST;CURRENCY=EUR:12|STATUS:CONFIRMED|GEO:51.5;-0.1|LAST-MODIFIED:20250101T000000Z|ATTACH;FMTTYPE=image/png:https://example.org/a.png";
    let names = [
        "title",
        "SUMMARY",
        "start",
        "dtstart",
        "end",
        "dtend",
        "all_day",
        "organizer",
        "organizer@cn",
        "x-cost",
        "x_cost@currency",
        "category",
        "status",
        "last_modified",
        "geo",
        "attach",
        "duration",
        "nosuch",
    ];
    insta::assert_snapshot!(items(&with(&names, 1, 1), event(lines)), @r#"{"title":"S","SUMMARY":"S","start":"2025-01-23T12:00:00+00:00","dtstart":"2025-01-23T12:00:00+00:00","end":"2025-01-23T13:30:00+00:00","dtend":"2025-01-23T13:30:00+00:00","all_day":false,"organizer":"mailto:box@example.org","organizer@cn":"Box, office","x-cost":"12","x_cost@currency":"EUR","category":"A,B","status":"CONFIRMED","last_modified":"2025-01-01T00:00:00+00:00","geo":"51.5;-0.1","attach":"https://example.org/a.png","duration":"PT90M","nosuch":null}"#);
    let fields = vec![
        Field { many: Some(Many::List), ..field("categories", &["categories"]) },
        Field { regex: Some(at("S(.*)")), ..field("whole", &[]) },
    ];
    insta::assert_snapshot!(items(&Rules { fields, ..rules(Format::Ical) }, event(lines)), @r#"{"categories":["A,B","C","D"],"whole":""}"#);
}

#[test]
fn ends_are_worked_out() {
    let check = |lines: &str| items(&with(&["start", "end"], 400, 400), event(lines));
    insta::assert_snapshot!(check("DTSTART;VALUE=DATE:20250123"), @r#"{"start":"2025-01-23","end":"2025-01-24"}"#);
    insta::assert_snapshot!(check("DTSTART;VALUE=DATE:20250123|DTEND;VALUE=DATE:20250123"), @r#"{"start":"2025-01-23","end":"2025-01-24"}"#);
    insta::assert_snapshot!(check("DTSTART;VALUE=DATE:20250123|DURATION:P3D"), @r#"{"start":"2025-01-23","end":"2025-01-26"}"#);
    insta::assert_snapshot!(check("DTSTART:20250123T180000"), @r#"{"start":"2025-01-23T18:00:00","end":null}"#);
    insta::assert_snapshot!(check("DTSTART:20250123T180000|DTEND:20250123T170000"), @r#"{"start":"2025-01-23T18:00:00","end":null}"#);
    insta::assert_snapshot!(check("DTSTART;TZID=Europe/London:20250330T003000|DURATION:PT1H"), @r#"{"start":"2025-03-30T00:30:00+00:00","end":"2025-03-30T02:30:00+01:00"}"#);
    insta::assert_snapshot!(check("DTSTART;TZID=Europe/London:20250329T120000|DURATION:P1D"), @r#"{"start":"2025-03-29T12:00:00+00:00","end":"2025-03-30T12:00:00+01:00"}"#);
    insta::assert_snapshot!(check("DTSTART;TZID=Europe/London:20250123T230000|DTEND;TZID=Asia/Tokyo:20250124T100000"), @r#"{"start":"2025-01-23T23:00:00+00:00","end":"2025-01-24T01:00:00+00:00"}"#);
}

#[test]
fn zones_are_found_by_whatever_names_them() {
    insta::assert_snapshot!(starts("DTSTART;TZID=America/New_York:20250701T090000"), @"2025-07-01T09:00:00-04:00");
    insta::assert_snapshot!(starts("DTSTART;TZID=\"W. Europe Standard Time\":20250701T090000"), @"2025-07-01T09:00:00+02:00");
    insta::assert_snapshot!(starts("DTSTART;TZID=/freeassociation.sourceforge.net/Europe/London:20250701T090000"), @"2025-07-01T09:00:00+01:00");
    insta::assert_snapshot!(starts("DTSTART;TZID=Nowhere:20250701T090000"), @"2025-07-01T09:00:00");
    insta::assert_snapshot!(starts("DTSTART:20250701T090000Z"), @"2025-07-01T09:00:00+00:00");
    let own = "BEGIN:VTIMEZONE|TZID:Mine|BEGIN:STANDARD|DTSTART:16010101T030000|TZOFFSETFROM:+0200|TZOFFSETTO:+0100|RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10|END:STANDARD|\
               BEGIN:DAYLIGHT|DTSTART:16010101T020000|TZOFFSETFROM:+0100|TZOFFSETTO:+0200|RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3|END:DAYLIGHT|END:VTIMEZONE|\
               BEGIN:VEVENT|DTSTART;TZID=Mine:20250201T090000|RRULE:FREQ=MONTHLY;INTERVAL=5;COUNT=2|END:VEVENT";
    insta::assert_snapshot!(items(&with(&["start"], 1, 365), calendar(own)), @r#"
    {"start":"2025-02-01T09:00:00+01:00"}
    {"start":"2025-07-01T09:00:00+02:00"}
    "#);
    let floating = "BEGIN:VEVENT|DTSTART:20250201T090000|END:VEVENT|X-WR-TIMEZONE:Asia/Jakarta";
    insta::assert_snapshot!(items(&with(&["start"], 1, 365), calendar(floating)), @r#"{"start":"2025-02-01T09:00:00+07:00"}"#);
}

#[test]
fn what_recurs_is_an_item_each_time_within_the_window() {
    let check = |rule: &str| starts_within(&format!("DTSTART:20250110T180000|RRULE:{rule}"), 30, 60);
    insta::assert_snapshot!(check("FREQ=WEEKLY"), @"2025-01-10T18:00:00 2025-01-17T18:00:00 2025-01-24T18:00:00 2025-01-31T18:00:00 2025-02-07T18:00:00 2025-02-14T18:00:00 2025-02-21T18:00:00 2025-02-28T18:00:00 2025-03-07T18:00:00 2025-03-14T18:00:00 2025-03-21T18:00:00");
    insta::assert_snapshot!(check("FREQ=DAILY;INTERVAL=10;COUNT=4"), @"2025-01-10T18:00:00 2025-01-20T18:00:00 2025-01-30T18:00:00 2025-02-09T18:00:00");
    insta::assert_snapshot!(check("FREQ=DAILY;UNTIL=20250112"), @"2025-01-10T18:00:00 2025-01-11T18:00:00 2025-01-12T18:00:00");
    insta::assert_snapshot!(check("FREQ=DAILY;UNTIL=20250112T170000"), @"2025-01-10T18:00:00 2025-01-11T18:00:00");
    insta::assert_snapshot!(check("FREQ=DAILY;BYDAY=MO,WE;BYMONTH=2;COUNT=4"), @"2025-01-10T18:00:00 2025-02-03T18:00:00 2025-02-05T18:00:00 2025-02-10T18:00:00");
    insta::assert_snapshot!(check("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=MO;COUNT=6"), @"2025-01-10T18:00:00 2025-01-12T18:00:00 2025-01-20T18:00:00 2025-01-26T18:00:00 2025-02-03T18:00:00 2025-02-09T18:00:00");
    insta::assert_snapshot!(check("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU;COUNT=6"), @"2025-01-10T18:00:00 2025-01-19T18:00:00 2025-01-20T18:00:00 2025-02-02T18:00:00 2025-02-03T18:00:00 2025-02-16T18:00:00");
    insta::assert_snapshot!(check("FREQ=HOURLY"), @"2025-01-10T18:00:00");
    insta::assert_snapshot!(check("FREQ=DAILY;BYHOUR=18;BYMINUTE=0;COUNT=2"), @"2025-01-10T18:00:00 2025-01-11T18:00:00");
    insta::assert_snapshot!(check("nonsense"), @"2025-01-10T18:00:00");
}

#[test]
fn months_and_years_have_days_of_their_own() {
    let check = |rule: &str| starts_within(&format!("DTSTART;VALUE=DATE:20240131|RRULE:{rule}"), 400, 365);
    insta::assert_snapshot!(check("FREQ=MONTHLY;COUNT=5"), @"2024-01-31 2024-03-31 2024-05-31 2024-07-31 2024-08-31");
    insta::assert_snapshot!(check("FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=4"), @"2024-01-31 2024-02-29 2024-03-31 2024-04-30");
    insta::assert_snapshot!(check("FREQ=MONTHLY;BYDAY=2TU,-1FR;COUNT=5"), @"2024-01-31 2024-02-13 2024-02-23 2024-03-12 2024-03-29");
    insta::assert_snapshot!(check("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=4"), @"2024-01-31 2024-02-29 2024-03-29 2024-04-30");
    insta::assert_snapshot!(check("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13"), @"2024-01-31 2024-09-13 2024-12-13 2025-06-13");
    insta::assert_snapshot!(check("FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=1,15;COUNT=5"), @"2024-01-31 2024-03-01 2024-03-15 2024-05-01 2024-05-15");
    insta::assert_snapshot!(check("FREQ=YEARLY;COUNT=3"), @"2024-01-31 2025-01-31");
    insta::assert_snapshot!(check("FREQ=YEARLY;BYMONTH=3,11;BYDAY=1SU;COUNT=5"), @"2024-01-31 2024-03-03 2024-11-03 2025-03-02 2025-11-02");
    insta::assert_snapshot!(check("FREQ=YEARLY;BYDAY=1MO,-1MO;COUNT=4"), @"2024-01-31 2024-12-30 2025-01-06 2025-12-29");
    insta::assert_snapshot!(check("FREQ=YEARLY;BYMONTHDAY=29;BYMONTH=2;COUNT=3"), @"2024-01-31 2024-02-29");
    insta::assert_snapshot!(starts_within("DTSTART;VALUE=DATE:20160229|RRULE:FREQ=YEARLY", 400, 1200), @"2024-02-29 2028-02-29");
}

#[test]
fn old_series_are_not_counted_from_their_beginning() {
    insta::assert_snapshot!(starts_within("DTSTART:19000101T000000Z|RRULE:FREQ=DAILY;INTERVAL=7", 8, 8), @"2025-01-20T00:00:00+00:00 2025-01-27T00:00:00+00:00");
    insta::assert_snapshot!(starts_within("DTSTART:19800103T090000Z|RRULE:FREQ=WEEKLY;INTERVAL=3;BYDAY=TH,FR", 20, 20), @"2025-01-09T09:00:00+00:00 2025-01-10T09:00:00+00:00 2025-01-30T09:00:00+00:00 2025-01-31T09:00:00+00:00");
    insta::assert_snapshot!(starts_within("DTSTART:19000115T090000Z|RRULE:FREQ=MONTHLY;INTERVAL=7", 400, 400), @"2024-04-15T09:00:00+00:00 2024-11-15T09:00:00+00:00 2025-06-15T09:00:00+00:00 2026-01-15T09:00:00+00:00");
    insta::assert_snapshot!(starts_within("DTSTART:19000115T090000Z|RRULE:FREQ=YEARLY;INTERVAL=5", 2000, 2000), @"2020-01-15T09:00:00+00:00 2025-01-15T09:00:00+00:00 2030-01-15T09:00:00+00:00");
    insta::assert_snapshot!(starts_within("DTSTART:20230101T000000Z|RRULE:FREQ=DAILY;COUNT=756", 5, 5), @"2025-01-19T00:00:00+00:00 2025-01-20T00:00:00+00:00 2025-01-21T00:00:00+00:00 2025-01-22T00:00:00+00:00 2025-01-23T00:00:00+00:00 2025-01-24T00:00:00+00:00 2025-01-25T00:00:00+00:00");
}

#[test]
fn dates_are_added_excepted_and_moved() {
    insta::assert_snapshot!(starts("DTSTART:20250120T180000Z|RRULE:FREQ=DAILY;COUNT=5|EXDATE:20250121T180000Z,20250122T180000Z|RDATE:20250301T100000Z"), @"2025-01-20T18:00:00+00:00 2025-01-23T18:00:00+00:00 2025-01-24T18:00:00+00:00 2025-03-01T10:00:00+00:00");
    insta::assert_snapshot!(starts("DTSTART;TZID=Europe/London:20250120T180000|RRULE:FREQ=DAILY;COUNT=4|EXDATE;VALUE=DATE:20250121|EXDATE:20250122T180000Z"), @"2025-01-20T18:00:00+00:00 2025-01-23T18:00:00+00:00");
    insta::assert_snapshot!(starts("DTSTART;VALUE=DATE:20250120|RRULE:FREQ=DAILY;COUNT=3|EXDATE:20250121T080000"), @"2025-01-20 2025-01-22");
    let periods =
        event("DTSTART:20250120T020000Z|DTEND:20250120T030000Z|RDATE;VALUE=PERIOD:20250120T020000Z/20250120T040000Z,20250121T010000Z/PT3H");
    insta::assert_snapshot!(items(&with(&["start", "end"], 30, 30), periods), @r#"
    {"start":"2025-01-20T02:00:00+00:00","end":"2025-01-20T04:00:00+00:00"}
    {"start":"2025-01-21T01:00:00+00:00","end":"2025-01-21T04:00:00+00:00"}
    "#);
    let series = "BEGIN:VEVENT|UID:a|SUMMARY:Moved|RECURRENCE-ID;TZID=Europe/London:20250121T180000|DTSTART;TZID=Europe/London:20250205T200000|END:VEVENT|\
                  BEGIN:VEVENT|UID:a|SUMMARY:Class|DTSTART;TZID=Europe/London:20250120T180000|RRULE:FREQ=DAILY;COUNT=4|END:VEVENT|\
                  BEGIN:VEVENT|UID:a|SUMMARY:Class|STATUS:CANCELLED|RECURRENCE-ID:20250122T180000Z|DTSTART:20250122T180000Z|END:VEVENT|\
                  BEGIN:VEVENT|UID:b|SUMMARY:Other|DTSTART:20250121T180000Z|END:VEVENT";
    insta::assert_snapshot!(items(&with(&["start", "title", "status", "recurrence-id"], 30, 30), calendar(series)), @r#"
    {"start":"2025-01-20T18:00:00+00:00","title":"Class","status":null,"recurrence-id":null}
    {"start":"2025-01-21T18:00:00+00:00","title":"Other","status":null,"recurrence-id":null}
    {"start":"2025-01-22T18:00:00+00:00","title":"Class","status":"CANCELLED","recurrence-id":"2025-01-22T18:00:00+00:00"}
    {"start":"2025-01-23T18:00:00+00:00","title":"Class","status":null,"recurrence-id":null}
    {"start":"2025-02-05T20:00:00+00:00","title":"Moved","status":null,"recurrence-id":"2025-01-21T18:00:00+00:00"}
    "#);
}

#[test]
fn events_outside_the_window_are_left_out() {
    let lines = "BEGIN:VEVENT|DTSTART:20250122T110000Z|DTEND:20250122T115959Z|END:VEVENT|BEGIN:VEVENT|DTSTART:20250101T110000Z|DTEND:20250123T110000Z|END:VEVENT|\
                 BEGIN:VEVENT|DTSTART:20250124T120001Z|END:VEVENT|BEGIN:VEVENT|DTSTART;VALUE=DATE:20250124|END:VEVENT|BEGIN:VEVENT|SUMMARY:No start|END:VEVENT";
    insta::assert_snapshot!(items(&with(&["start"], 1, 1), calendar(lines)), @r#"
    {"start":"2025-01-01T11:00:00+00:00"}
    {"start":"2025-01-24"}
    "#);
    insta::assert_snapshot!(items(&Rules { window: None, ..with(&["start"], 1, 1) }, calendar(lines)), @r#"
    {"start":"2025-01-01T11:00:00+00:00"}
    {"start":"2025-01-22T11:00:00+00:00"}
    {"start":"2025-01-24"}
    {"start":"2025-01-24T12:00:01+00:00"}
    "#);
}

#[test]
fn several_calendars_and_unclosed_events_are_read() {
    let two = format!("{}{}", event("DTSTART:20250125T000000Z"), event("DTSTART:20250124T000000Z"));
    insta::assert_snapshot!(items(&with(&["start"], 1, 9), two), @r#"
    {"start":"2025-01-24T00:00:00+00:00"}
    {"start":"2025-01-25T00:00:00+00:00"}
    "#);
    let unclosed = calendar("BEGIN:VEVENT|DTSTART:20250124T000000Z|BEGIN:VEVENT|DTSTART:20250125T000000Z|END:VEVENT|END:NOTHING");
    insta::assert_snapshot!(items(&with(&["start"], 1, 9), unclosed), @r#"
    {"start":"2025-01-24T00:00:00+00:00"}
    {"start":"2025-01-25T00:00:00+00:00"}
    "#);
}

#[test]
fn what_is_no_calendar_is_named() {
    let all = rules(Format::Ical);
    insta::assert_snapshot!(items(&all, ""), @"Retryable: the body is empty, a calendar was expected");
    insta::assert_snapshot!(items(&all, "<!doctype html><p>Sign in"), @"Permanent: the body is HTML, not a calendar: it begins `<!doctype ht…`");
    insta::assert_snapshot!(items(&all, "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20250124"), @"Retryable: the body ends too early to be a calendar: `BEGIN:VCALENDAR` is not closed");
    insta::assert_snapshot!(items(&all, calendar("X-WR-CALNAME:Empty")), @"");
    insta::assert_snapshot!(refusal(&Rules { items: Some(at("VEVENT")), ..rules(Format::Ical) }), @"
    10..18: the items of a calendar are its events
    help: leave `items` out
    ");
    insta::assert_snapshot!(refusal(&with(&["$.title"], 1, 1)), @"
    10..19: `$.title` is no name of an event's property
    help: write `title`, `start`, `end`, `all_day`, `location`, any property as `x-cost`, a parameter as `organizer@cn`
    ");
}
