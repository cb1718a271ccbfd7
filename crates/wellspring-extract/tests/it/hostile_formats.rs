//! Bodies made to cost more than they weigh, for calendars, tables, XML, text and programs. Each takes a moment.

use wellspring_core::source::{Field, Format, Many, Rules, Window};

use crate::support::{at, extract, field, rules};

const MIB: usize = 1024 * 1024;

/// What became of a body: how many items, or why there are none.
fn outcome(rules: &Rules, body: impl AsRef<[u8]>) -> String {
    match extract(rules, body) {
        Ok(extraction) => format!("{} items", extraction.rows.len()),
        Err(error) => error.to_string(),
    }
}

fn fields(format: Format, names: &[&str]) -> Rules {
    Rules { fields: names.iter().map(|name| field(name, &[name])).collect(), ..rules(format) }
}

/// The events of the year, as a source has it that says nothing else.
fn calendar(events: &str) -> String {
    let window = Some(Window { back: 86_400, ahead: 365 * 86_400 });
    let body = format!("BEGIN:VCALENDAR\n{events}END:VCALENDAR\n");
    outcome(&Rules { window, ..fields(Format::Ical, &["title", "start", "end"]) }, body)
}

fn recurring(rule: &str, count: usize) -> String {
    calendar(&format!("BEGIN:VEVENT\nDTSTART:00010101T000000Z\n{rule}\nEND:VEVENT\n").repeat(count))
}

#[test]
fn calendars_of_brackets_and_lines() {
    insta::assert_snapshot!(calendar(&"BEGIN:X\n".repeat(200_000)), @"the body is a calendar nested deeper than 32 levels, which is not read");
    insta::assert_snapshot!(calendar(&"BEGIN:VEVENT\n".repeat(200_000)), @"0 items");
    insta::assert_snapshot!(calendar(&"BEGIN:VEVENT\nEND:VEVENT\nEND:X\n".repeat(50_000)), @"0 items");
    insta::assert_snapshot!(calendar(&format!("BEGIN:VEVENT\n{}END:VEVENT\n", "A:\n".repeat(MIB))), @"0 items");
    insta::assert_snapshot!(calendar(&"BEGIN:VEVENT\nA:\nB:\nC:\nEND:VEVENT\n".repeat(170_000)), @"the body is a calendar of more than 500000 nodes, which is not read");
    insta::assert_snapshot!(calendar(&format!("BEGIN:VTIMEZONE\n{}", "TZID:a\nBEGIN:STANDARD\nEND:STANDARD\n".repeat(90_000))), @"0 items");
    insta::assert_snapshot!(outcome(&rules(Format::Ical), format!("BEGIN:VCALENDAR\n{}", " \n".repeat(2 * MIB))), @"the body ends too early to be a calendar: `BEGIN:VCALENDAR` is not closed");
    insta::assert_snapshot!(outcome(&rules(Format::Ical), format!("BEGIN:VCALENDAR\nA{}", ";B=\"".repeat(MIB))), @"the body ends too early to be a calendar: `BEGIN:VCALENDAR` is not closed");
    insta::assert_snapshot!(outcome(&rules(Format::Ical), "x\n".repeat(2 * MIB)), @r"the body is plain text, not a calendar: it begins `x\nx\nx\nx\n…`");
}

#[test]
fn calendars_that_recur_for_ever() {
    insta::assert_snapshot!(recurring("RRULE:FREQ=DAILY", 1), @"366 items");
    insta::assert_snapshot!(recurring("RRULE:FREQ=DAILY", 1000), @"the events of the calendar recur too often: at most 50000 occurrences are read; a shorter `ahead` finds fewer");
    insta::assert_snapshot!(recurring("RRULE:FREQ=DAILY;COUNT=4294967295", 100), @"the events of the calendar recur too often: at most 50000 occurrences are read; a shorter `ahead` finds fewer");
    insta::assert_snapshot!(recurring("RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", 1000), @"0 items");
    insta::assert_snapshot!(recurring("RRULE:FREQ=DAILY;COUNT=2;BYMONTH=2;BYMONTHDAY=30", 20), @"0 items");
    insta::assert_snapshot!(recurring("RRULE:FREQ=MONTHLY;INTERVAL=10000;UNTIL=99991231", 1000), @"0 items");
    insta::assert_snapshot!(recurring("RRULE:FREQ=DAILY;INTERVAL=0", 1), @"0 items");
    insta::assert_snapshot!(recurring("RRULE:FREQ=DAILY;INTERVAL=99999999999", 1), @"0 items");
    insta::assert_snapshot!(recurring(&format!("RRULE:FREQ=YEARLY;BYDAY={}MO", "MO,".repeat(1000)), 10), @"0 items");
    insta::assert_snapshot!(recurring(&"RRULE:FREQ=DAILY\n".repeat(1000), 1), @"366 items");
    insta::assert_snapshot!(recurring(&format!("RDATE:{}", "20250124T000000Z,".repeat(100_000)), 1), @"1 items");
    insta::assert_snapshot!(recurring(&format!("RRULE:FREQ=DAILY\nEXDATE:{}", "20250124,".repeat(100_000)), 1), @"365 items");
    insta::assert_snapshot!(recurring("DURATION:P999999999D", 1), @"0 items");
    insta::assert_snapshot!(calendar("BEGIN:VEVENT\nDTSTART:99991231T235959Z\nDTEND:99991231T235959Z\nRRULE:FREQ=DAILY\nEND:VEVENT\n"), @"0 items");
    let all = Rules { window: None, ..fields(Format::Ical, &["start"]) };
    let forever = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:00010101\nRRULE:FREQ=DAILY\nEND:VEVENT\nBEGIN:VEVENT\nDTSTART;TZID=Asia/Tokyo:99991231T235959\nRRULE:FREQ=YEARLY\nEND:VEVENT\nEND:VCALENDAR";
    insta::assert_snapshot!(outcome(&all, forever), @"1000 items");
}

#[test]
fn a_long_text_is_not_multiplied_by_its_occurrences() {
    let event = format!("BEGIN:VEVENT\nSUMMARY:{}\nDTSTART:20200101\nRRULE:FREQ=DAILY\nEND:VEVENT\n", "x".repeat(MIB));
    insta::assert_snapshot!(calendar(&event), @"the items come to more than 64 MiB, which is not kept; `items` may select rows within rows");
}

#[test]
fn tables_of_quotes_and_commas() {
    let csv = rules(Format::Csv);
    insta::assert_snapshot!(outcome(&csv, "\"".repeat(8 * MIB)), @"0 items");
    insta::assert_snapshot!(outcome(&csv, ",".repeat(8 * MIB)), @"0 items");
    insta::assert_snapshot!(outcome(&csv, format!("a{}", ",".repeat(8 * MIB))), @"the body is a table of comma-separated values of more than 16384 nodes, which is not read");
    insta::assert_snapshot!(outcome(&csv, format!("a\n{}", "\"\",".repeat(2 * MIB))), @"0 items");
    insta::assert_snapshot!(outcome(&csv, "a\n".repeat(4 * MIB)), @"the body is a table of comma-separated values of more than 200000 nodes, which is not read");
    insta::assert_snapshot!(outcome(&csv, format!("{}\n{}", "a,".repeat(10_000), "b\n".repeat(150_000))), @"the items come to more than 64 MiB, which is not kept; `items` may select rows within rows");
    insta::assert_snapshot!(outcome(&fields(Format::Csv, &["a", "1", "x"]), format!("{}\n{}", "a,".repeat(10_000), "b\n".repeat(150_000))), @"the items come to more than 64 MiB, which is not kept; `items` may select rows within rows");
    insta::assert_snapshot!(outcome(&csv, b"sep=\xff\xfe"), @"0 items");
}

#[test]
fn xml_that_is_deep_or_long() {
    let xml = Rules {
        items: Some(at("a")),
        fields: vec![field("x", &["//a"]), field("y", &["."]), field("z", &["//b/c"])],
        ..rules(Format::Xml)
    };
    insta::assert_snapshot!(outcome(&xml, "<a>".repeat(200_000)), @"the body is XML nested deeper than 128 levels, which is not read");
    insta::assert_snapshot!(outcome(&xml, format!("<r>{}", "<a/>".repeat(MIB))), @"the body is XML of more than 500000 nodes, which is not read");
    insta::assert_snapshot!(outcome(&xml, format!("{}{}{}", "<a>".repeat(120), "text <b/>".repeat(100_000), "</a>".repeat(120))), @"the items come to more than 64 MiB, which is not kept; `items` may select rows within rows");
    let whole = Rules { fields: Vec::new(), ..xml };
    insta::assert_snapshot!(outcome(&whole, format!("{}{}{}", "<a>".repeat(120), "text ".repeat(400_000), "</a>".repeat(120))), @"the items come to more than 64 MiB, which is not kept; `items` may select rows within rows");
    insta::assert_snapshot!(outcome(&whole, format!("<r {}/>", "a='1' ".repeat(MIB))), @"0 items");
    insta::assert_snapshot!(outcome(&whole, format!("<{}\u{85}>", "x".repeat(MIB))), @"the body ends too early to be XML: `<xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…>` is not closed");
    insta::assert_snapshot!(outcome(&whole, "<".repeat(8 * MIB)), @"the body ends too early to be XML: syntax error: tag not closed: `>` not found before end of input (byte 0)");
    insta::assert_snapshot!(outcome(&whole, format!("<r>{}</r>", "&amp;".repeat(MIB))), @"0 items");
}

#[test]
fn texts_of_many_matches() {
    let each = Rules { items: Some(at(".")), ..rules(Format::Text) };
    insta::assert_snapshot!(outcome(&each, "x".repeat(MIB)), @"the body is plain text of more than 200000 nodes, which is not read");
    insta::assert_snapshot!(outcome(&Rules { items: Some(at("")), ..each }, "x".repeat(MIB)), @"the body is plain text of more than 200000 nodes, which is not read");
    let all = Field { regex: Some(at("x")), many: Some(Many::List), ..field("a", &[]) };
    insta::assert_snapshot!(outcome(&Rules { fields: vec![all], ..rules(Format::Text) }, "x".repeat(MIB)), @"the items come to more than 64 MiB, which is not kept; `items` may select rows within rows");
}

#[test]
fn programs_that_make_much_of_little() {
    let program = |text: &str| outcome(&Rules { transform: Some(at(text)), ..rules(Format::Json) }, "[1, 2, 3]");
    insta::assert_snapshot!(program("[limit(5; repeat(1))]"), @"5 items");
    insta::assert_snapshot!(program("[range(1000) as $i | range(1000)] | length as $n | [$n]"), @"1 items");
    insta::assert_snapshot!(program("[.[] | tostring * 30000000]"), @"the transform gave items of more than 64 MiB");
    insta::assert_snapshot!(program("def f: if . > 100000 then . else . + 1 | f end; [0 | f]"), @"1 items");
    insta::assert_snapshot!(program("[range(1000) | tostring | test(. + \"x*\")] | unique"), @"1 items");
    insta::assert_snapshot!(program("[\"a\" * 100000 | test(\"(a*)*(a*)*b\")]"), @"1 items");
    insta::assert_snapshot!(program("[\"\\\\w{1000}{1000}\" as $p | \"a\" | test($p)]"), @r"the transform failed: the pattern `\w{1000}{1000}` cannot be read: Compiled regex exceeds size limit of 1048576 bytes.");
}
