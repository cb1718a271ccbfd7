//! Each format, as a whole.

use insta::assert_snapshot;
use serde_json::json;

use super::*;

fn films() -> Value {
    json!([
        {"img": "https://a.example/1.webp?a=1&b=2", "title": " Rangga &  Cinta <2> ", "url": "https://a.example/1", "published": "2026-09-30",
         "price": {"amount": 50_000, "currency": "IDR"}, "tags": ["Drama", "Music"]},
        {"img": null, "title": "=cmd|' /C calc'!A0", "url": "javascript:alert(1)", "published": "2026-09-30 19:00", "seats": -5,
         "summary": "<p>Two\n lines &amp; one <b onclick=x>tag</b></p>]]><script>alert(1)</script>"},
    ])
}

#[test]
fn rss_says_what_readers_show() {
    let spec = plain("description = 'Films & more'\nfeed.language = 'id'");
    assert_snapshot!(written(Format::Rss, &spec, &films()).unwrap(), @r#"
    <?xml version="1.0" encoding="utf-8"?>
    <rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/">
    <channel>
    <title>Films &amp; more</title>
    <link>https://a.example/list</link>
    <description>Films &amp; more</description>
    <language>id</language>
    <lastBuildDate>Thu, 01 Oct 2026 03:30:00 +0000</lastBuildDate>
    <generator>Wellspring</generator>
    <ttl>360</ttl>
    <atom:link href="https://wells.example/api/a.x?b=1&amp;c=2" rel="self" type="application/rss+xml"/>
    <item>
    <title>Rangga &amp; Cinta &lt;2&gt;</title>
    <link>https://a.example/1</link>
    <description>&lt;p&gt;&lt;img src=&quot;https://a.example/1.webp?a=1&amp;amp;b=2&quot; alt=&quot;&quot;&gt;&lt;/p&gt;&lt;p&gt;price: 50000 IDR&lt;/p&gt;</description>
    <category>Drama</category>
    <category>Music</category>
    <guid isPermaLink="true">https://a.example/1</guid>
    <pubDate>Tue, 29 Sep 2026 17:00:00 +0000</pubDate>
    <media:content url="https://a.example/1.webp?a=1&amp;b=2" medium="image"/>
    </item>
    <item>
    <title>=cmd|&#39; /C calc&#39;!A0</title>
    <description>&lt;p&gt;Two&lt;br&gt; lines &amp;amp; one tag&lt;br&gt;]]&amp;gt;alert(1)&lt;/p&gt;</description>
    <guid isPermaLink="false">urn:uuid:b227cfa8-1203-8a53-810f-c2bdef03b8b3</guid>
    <pubDate>Wed, 30 Sep 2026 12:00:00 +0000</pubDate>
    </item>
    </channel>
    </rss>
    "#);
}

#[test]
fn atom_says_the_same() {
    let spec = plain("feed = { name = 'Films & more', home = 'https://a.example/now', language = 'id' }");
    assert_snapshot!(written(Format::Atom, &spec, &films()).unwrap(), @r#"
    <?xml version="1.0" encoding="utf-8"?>
    <feed xmlns="http://www.w3.org/2005/Atom" xml:lang="id">
    <id>urn:uuid:252e387d-be65-868b-a546-01b712737750</id>
    <title>Films &amp; more</title>
    <subtitle>a</subtitle>
    <updated>2026-10-01T03:30:00Z</updated>
    <author>
    <name>Films &amp; more</name>
    </author>
    <generator>Wellspring</generator>
    <link rel="alternate" href="https://a.example/now"/>
    <link rel="self" type="application/atom+xml" href="https://wells.example/api/a.x?b=1&amp;c=2"/>
    <entry>
    <id>https://a.example/1</id>
    <title>Rangga &amp; Cinta &lt;2&gt;</title>
    <updated>2026-09-29T17:00:00Z</updated>
    <published>2026-09-29T17:00:00Z</published>
    <link rel="alternate" href="https://a.example/1"/>
    <category term="Drama"/>
    <category term="Music"/>
    <summary>price: 50000 IDR</summary>
    <content type="html">&lt;p&gt;&lt;img src=&quot;https://a.example/1.webp?a=1&amp;amp;b=2&quot; alt=&quot;&quot;&gt;&lt;/p&gt;&lt;p&gt;price: 50000 IDR&lt;/p&gt;</content>
    </entry>
    <entry>
    <id>urn:uuid:b227cfa8-1203-8a53-810f-c2bdef03b8b3</id>
    <title>=cmd|&#39; /C calc&#39;!A0</title>
    <updated>2026-09-30T12:00:00Z</updated>
    <published>2026-09-30T12:00:00Z</published>
    <content type="html">&lt;p&gt;Two&lt;br&gt; lines &amp;amp; one tag&lt;br&gt;]]&amp;gt;alert(1)&lt;/p&gt;</content>
    </entry>
    </feed>
    "#);
}

#[test]
fn csv_has_a_line_of_names_and_no_formulas() {
    assert_snapshot!(written(Format::Csv, &plain(""), &films()).unwrap().replace("\r\n", "\u{240d}\n"), @r#"
    img,title,url,published,price,tags,seats,summary␍
    https://a.example/1.webp?a=1&b=2, Rangga &  Cinta <2> ,https://a.example/1,2026-09-30,"{""amount"":50000,""currency"":""IDR""}","[""Drama"",""Music""]",,␍
    ,'=cmd|' /C calc'!A0,javascript:alert(1),2026-09-30 19:00,,,-5,"<p>Two
     lines &amp; one <b onclick=x>tag</b></p>]]><script>alert(1)</script>"␍
    "#);
    let declared = plain("items = '$[*]'\nfields = { b = '$.b', a = '$.a', _c = '$.c' }");
    assert_eq!(
        written(Format::Csv, &declared, &json!([{"x": 1, "a": 2, "b": 3}, {"y": "é, \"é\""}])).unwrap(),
        "b,a,x,y\r\n3,2,1,\r\n,,,\"é, \"\"é\"\"\"\r\n"
    );
    assert_eq!(written(Format::Csv, &declared, &json!([])).unwrap(), "b,a\r\n");
    assert_eq!(written(Format::Csv, &plain(""), &json!([])).unwrap(), "");
    assert_eq!(written(Format::Csv, &plain(""), &json!(["a", null, 2, {"value": [1]}])).unwrap(), "value\r\na\r\n\"\"\r\n2\r\n[1]\r\n");
}

#[test]
fn csv_guards_text_and_leaves_numbers() {
    let items = json!([["=1+1", "+62 812", "-5", "+1.5", "-", "@x", "\tx", "－1+1", "1-1", "=", "-1e5"]]);
    let rows: Vec<Value> = items[0].as_array().unwrap().iter().map(|cell| json!({"a": cell})).collect();
    assert_snapshot!(written(Format::Csv, &plain(""), &Value::Array(rows)).unwrap().replace("\r\n", "\n"), @"
    a
    '=1+1
    '+62 812
    -5
    +1.5
    '-
    '@x
    '	x
    '－1+1
    1-1
    '=
    '-1e5
    ");
    assert_eq!(written(Format::Csv, &plain(""), &json!([{"=a": -5}])).unwrap(), "'=a\r\n-5\r\n");
}

#[test]
fn items_of_a_thousand_shapes_are_no_table() {
    let rows: Vec<Value> = (0..4_000).map(|n| json!({format!("f{n}"): n})).collect();
    assert_snapshot!(written(Format::Csv, &plain(""), &Value::Array(rows)).unwrap_err(), @"the items of `a` have 4000 fields between them, too many for one table; choose some by `fields`");
}

#[test]
fn a_calendar_has_moments_in_utc_and_days() {
    let spec = plain("description = 'What is on'");
    let items = json!([
        {"title": "Premiere, with; guests\\", "start": "2026-10-02T19:00:00+07:00", "end": "2026-10-02T21:30:00+07:00", "venue": "XXI, Jakarta",
         "description": "A line\nand another one that is much longer than any line of a calendar may be, é".repeat(2), "url": "https://a.example/1"},
        {"title": "Festival", "start": "2026-10-03", "end": "2026-10-05", "venue": null},
        {"title": "Local", "start": "2026-10-03 19:00"},
        {"title": "Before its start", "start": "2026-10-03T19:00Z", "end": "2026-10-03T18:00Z"},
        {"title": "No date", "start": null},
        {"title": "Some day", "start": "soon"},
    ]);
    let text = written(Format::Ical, &spec, &items).unwrap();
    assert!(text.split("\r\n").all(|line| line.len() <= 75 && !line.contains('\n')), "{text}");
    assert_snapshot!(text.replace("\r\n", "\n"), @r#"
    BEGIN:VCALENDAR
    VERSION:2.0
    PRODID:-//Wellspring//Wellspring//EN
    CALSCALE:GREGORIAN
    METHOD:PUBLISH
    NAME:What is on
    X-WR-CALNAME:What is on
    X-WR-CALDESC:What is on
    REFRESH-INTERVAL;VALUE=DURATION:PT6H
    X-PUBLISHED-TTL:PT6H
    BEGIN:VEVENT
    UID:d881477f-f08f-8cf4-9bee-34bed4837b05
    DTSTAMP:20261001T033000Z
    DTSTART:20261002T120000Z
    DTEND:20261002T143000Z
    SUMMARY:Premiere\, with\; guests\\
    LOCATION:XXI\, Jakarta
    DESCRIPTION:A line\nand another one that is much longer than any line of a 
     calendar may be\, éA line\nand another one that is much longer than any l
     ine of a calendar may be\, é
    URL:https://a.example/1
    TRANSP:TRANSPARENT
    END:VEVENT
    BEGIN:VEVENT
    UID:53ba01ee-469b-8d66-9a0a-f73221834334
    DTSTAMP:20261001T033000Z
    DTSTART;VALUE=DATE:20261003
    DTEND;VALUE=DATE:20261006
    SUMMARY:Festival
    TRANSP:TRANSPARENT
    END:VEVENT
    BEGIN:VEVENT
    UID:fdb02d2c-50c7-8698-88bf-dee2566be76d
    DTSTAMP:20261001T033000Z
    DTSTART:20261003T120000Z
    SUMMARY:Local
    TRANSP:TRANSPARENT
    END:VEVENT
    BEGIN:VEVENT
    UID:5de8d408-e9af-8b76-ab83-3ed72073056a
    DTSTAMP:20261001T033000Z
    DTSTART:20261003T190000Z
    SUMMARY:Before its start
    TRANSP:TRANSPARENT
    END:VEVENT
    END:VCALENDAR
    "#);
}

#[test]
fn a_calendar_s_own_days_end_where_it_says() {
    let spec = source("[source.a]\nurl = 'https://a.example/a.ics'\nfresh_for = '1d'\nformat = 'ical'\n");
    let items = json!([{"uid": "1", "title": "Two days", "start": "2026-10-03", "end": "2026-10-05", "all_day": true}]);
    let text = written(Format::Ical, &spec, &items).unwrap();
    assert!(text.contains("DTSTART;VALUE=DATE:20261003\r\nDTEND;VALUE=DATE:20261005\r\n"), "{text}");
}

#[test]
fn all_day_makes_days_of_moments() {
    let spec = plain("calendar = { title = 'what', start = 'at', end = 'till', all_day = 'whole', name = 'Mine' }");
    let items = json!([{"what": "x", "at": 1_790_953_200, "till": "2026-10-04T10:00:00+07:00", "whole": true}, {"what": "y", "at": 1_790_953_200_000_i64}]);
    let text = written(Format::Ical, &spec, &items).unwrap();
    let lines: Vec<&str> = text.split("\r\n").filter(|line| line.starts_with("DT") && !line.starts_with("DTSTAMP")).collect();
    assert_eq!(lines, ["DTSTART;VALUE=DATE:20261002", "DTEND;VALUE=DATE:20261005", "DTSTART:20261002T150000Z"]);
    assert!(text.contains("X-WR-CALNAME:Mine\r\n"));
}

#[test]
fn what_has_no_date_says_what_to_declare() {
    assert_snapshot!(written(Format::Ical, &plain(""), &json!([{"title": "x", "price": 12}])).unwrap_err(), @r#"no item of `a` has a date that a calendar could show; say which field is one: [source.a.calendar] start = "…""#);
    // Nothing to show is no mistake.
    assert!(written(Format::Ical, &plain(""), &json!([])).unwrap().contains("END:VCALENDAR"));
}

#[test]
fn the_extension_decides() {
    assert_eq!(Format::split("cinema"), Some(("cinema", Format::Json)));
    assert_eq!(Format::split("cinema.ics"), Some(("cinema", Format::Ical)));
    assert_eq!(Format::split("cinema.exe"), None);
    let types = Format::ALL.map(|(extension, format)| format!("{extension} {}", format.media_type().to_str().unwrap()));
    assert_snapshot!(types.join("\n"), @"
    json application/json
    ndjson application/x-ndjson
    csv text/csv; charset=utf-8; header=present
    rss application/rss+xml
    atom application/atom+xml
    ics text/calendar; charset=utf-8
    ");
}
