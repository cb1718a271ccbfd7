//! Tables.

use wellspring_core::source::{Format, Rules};

use crate::support::{attribute, field, items, number, refusal, rules};

fn with(fields: &[(&str, &str)]) -> Rules {
    Rules { fields: fields.iter().map(|(name, column)| field(name, &[column])).collect(), ..rules(Format::Csv) }
}

#[test]
fn lines_are_items_and_the_first_names_their_fields() {
    insta::assert_snapshot!(items(&rules(Format::Csv), "Rate, Country ,Day\r\n1.08,\"Spain, north\",2025-01-23\r\n\r\n\"0.9\"\"1\",Chad\r\n3,x,y,z\r\n"), @r#"
    {"Rate":"1.08","Country":"Spain, north","Day":"2025-01-23"}
    {"Rate":"0.9\"1","Country":"Chad","Day":""}
    {"Rate":"3","Country":"x","Day":"y"}
    "#);
    insta::assert_snapshot!(items(&with(&[("rate", "RATE"), ("day", "3"), ("gone", "nosuch"), ("far", "9")]), "Rate,Country,Day\n1.08, ,2025-01-23\n"), @r#"{"rate":"1.08","day":"2025-01-23","gone":null,"far":null}"#);
    let fields = vec![number("price", &["nosuch", "price"])];
    insta::assert_snapshot!(items(&Rules { fields, ..rules(Format::Csv) }, "name;price\nrice;14.500\negg;\n"), @r#"
    {"price":14500}
    {"price":null}
    "#);
}

#[test]
fn the_delimiter_is_guessed_unless_it_is_said() {
    insta::assert_snapshot!(items(&rules(Format::Csv), "a;b,c\nx;1,5"), @r#"{"a;b":"x;1","c":"5"}"#);
    insta::assert_snapshot!(items(&rules(Format::Csv), "a\tb,c;d\te\nx\t1,5\t2"), @r#"{"a":"x","b,c;d":"1,5","e":"2"}"#);
    insta::assert_snapshot!(items(&rules(Format::Csv), "a|b\nx|1,5"), @r#"{"a":"x","b":"1,5"}"#);
    insta::assert_snapshot!(items(&rules(Format::Csv), "\u{feff}sep=;\r\na;b,c,d\nx;1,5"), @r#"{"a":"x","b,c,d":"1,5"}"#);
    insta::assert_snapshot!(items(&rules(Format::Csv), "\"a;;;\",\"b\nc\"\nx,\"1\n5\""), @r#"{"a;;;":"x","b\nc":"1\n5"}"#);
    insta::assert_snapshot!(items(&Rules { delimiter: Some(';'), ..rules(Format::Csv) }, "a;b,c,d\nx;1"), @r#"{"a":"x","b,c,d":"1"}"#);
    insta::assert_snapshot!(items(&rules(Format::Csv), "only\none\ntwo"), @r#"
    {"only":"one"}
    {"only":"two"}
    "#);
}

#[test]
fn names_that_repeat_or_lack_get_numbers() {
    insta::assert_snapshot!(items(&rules(Format::Csv), "a,,A,a,a_2,\n1,2,3,4,5,6"), @r#"{"a":"1","2":"2","A_2":"3","a_3":"4","a_2_2":"5","6":"6"}"#);
}

#[test]
fn charsets_are_guessed_where_nothing_says_them() {
    insta::assert_snapshot!(items(&rules(Format::Csv), b"ville;caf\xe9s\nOrl\xe9ans;12\nB\xe9ziers;7\n"), @r#"
    {"ville":"Orléans","cafés":"12"}
    {"ville":"Béziers","cafés":"7"}
    "#);
    let wide: Vec<u8> = "\u{feff}a,b\né,1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    insta::assert_snapshot!(items(&rules(Format::Csv), wide), @r#"{"a":"é","b":"1"}"#);
}

#[test]
fn what_is_no_table_is_named() {
    insta::assert_snapshot!(items(&rules(Format::Csv), "<!doctype html><title>Gone"), @"Permanent: the body is HTML, not a table of comma-separated values: it begins `<!doctype ht…`");
    insta::assert_snapshot!(items(&rules(Format::Csv), " \n"), @"Retryable: the body is empty, a table of comma-separated values was expected");
    insta::assert_snapshot!(items(&rules(Format::Csv), "a,b\n"), @"");
    insta::assert_snapshot!(refusal(&Rules { items: Some(crate::support::at("tr")), ..rules(Format::Csv) }), @"
    10..14: the items of a table are its lines
    help: leave `items` out
    ");
    insta::assert_snapshot!(refusal(&with(&[("a", " ")])), @"
    10..13: this names no column
    help: write a name of the first line, or a column's number from 1
    ");
    insta::assert_snapshot!(refusal(&Rules { fields: vec![attribute("a", &["b"], "href")], ..rules(Format::Csv) }), @"
    10..13: a table has no attributes
    help: leave `attr` out
    ");
    insta::assert_snapshot!(refusal(&Rules { delimiter: Some('→'), ..rules(Format::Csv) }), @r#"
    0..0: '→' cannot separate columns
    help: `delimiter` is one ASCII character: ",", ";", "\t" or "|"
    "#);
}
