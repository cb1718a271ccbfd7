use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(text: &str, decimal: Option<char>, number: &Value) {
    assert_eq!(read(&Value::String(text.to_owned()), decimal), *number, "{text}");
}

#[test]
fn counts_as_trend_pages_write_them() {
    check("2000+", None, &json!(2000));
    check("2,000+", None, &json!(2000));
    check("200K+", None, &json!(200_000));
    check("1.5M", None, &json!(1_500_000));
    check("2 rb", None, &json!(2000));
    check("2,5 jt", None, &json!(2_500_000));
    check("10 ribu+ penelusuran", None, &json!(10_000));
    check("1,2 miliar", None, &json!(1_200_000_000));
    check("500+ searches", None, &json!(500));
}

#[test]
fn prices() {
    check("Rp 14.500", None, &json!(14500));
    check("Rp14.500,00", None, &json!(14500));
    check("-Rp 14.500", None, &json!(-14500));
    check("€ 1.234,56", None, &json!(1234.56));
    check("$1,234.56", None, &json!(1234.56));
    check("1 234,56 zł", None, &json!(1234.56));
    check("1\u{202f}234\u{202f}567", None, &json!(1_234_567));
    check("CHF 1'234.50", None, &json!(1234.5));
    check("1,00,000", None, &json!(100_000));
    check("1.234.567", None, &json!(1_234_567));
    check("€ 5,00", None, &json!(5));
    check("12 500", None, &json!(12500));
    check("₹1,00,000", None, &json!(100_000));
    check("Rp 14.500,-", None, &json!(14500));
    check("1'234.50", None, &json!(1234.5));
    check("1 234,56", None, &json!(1234.56));
    check("Rs.500", None, &json!(500));
    check("12 500 kr", None, &json!(12500));
    check("5,–", None, &json!(5));
}

#[test]
fn signs_fractions_and_percentages() {
    check("-3.5", None, &json!(-3.5));
    check("−3", None, &json!(-3));
    check("change: -2,5%", None, &json!(-2.5));
    check("12%", None, &json!(12));
    check(".5", None, &json!(0.5));
    check("0.500", None, &json!(0.5));
    check("1234.567", None, &json!(1234.567));
    check("Covid-19", None, &json!(19));
    check("10-20", None, &json!(10));
    check("1.5e3", None, &json!(1500));
    check("0", None, &json!(0));
    check("-0", None, &json!(0));
}

#[test]
fn a_given_decimal_mark_is_obeyed() {
    check("1.234", Some('.'), &json!(1.234));
    check("1.234", Some(','), &json!(1234));
    check("1,234", Some(','), &json!(1.234));
    check("1,234.5", Some('.'), &json!(1234.5));
    check("1,234.5", Some(','), &json!(null));
}

#[test]
fn what_is_no_number_is_null() {
    for text in ["", "none", "12.11.2024", "1,2,3", "+", "—"] {
        check(text, None, &json!(null));
    }
    // A number followed by another one is read up to it.
    check("3 films, 12 shows", None, &json!(3));
    check("12 2024", None, &json!(12));
    check(&"9".repeat(400), None, &json!(null));
}

#[test]
fn json_keeps_its_numbers() {
    assert_eq!(read(&json!(2.0), None), json!(2.0));
    assert_eq!(read(&json!(true), None), json!(null));
    assert_eq!(read(&json!("1000"), None), json!(1000));
}

fn grouped(number: u64, mark: char) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(mark);
        }
        text.push(digit);
    }
    text
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>(), decimal in prop_oneof![Just(None), Just(Some('.')), Just(Some(','))]) {
        let _ = parse(&text, decimal);
    }

    #[test]
    fn no_text_of_digits_and_marks_panics(text in "[-0-9., ’eKjt%\u{a0}]{0,24}", decimal in prop_oneof![Just(None), Just(Some('.')), Just(Some(','))]) {
        if let Some(number) = parse(&text, decimal) {
            prop_assert!(number.as_f64().is_some_and(f64::is_finite));
        }
    }

    #[test]
    fn grouped_integers_come_back(number in 0..=9_000_000_000_000_000_u64, mark in prop_oneof![Just('.'), Just(','), Just(' '), Just('\'')]) {
        let text = grouped(number, mark);
        prop_assert_eq!(parse(&text, None), Some(number.into()), "{}", text);
        prop_assert_eq!(parse(&format!("-{text}+"), None).and_then(|n| n.as_i64()), Some(-i64::try_from(number).unwrap()));
    }

    #[test]
    fn grouped_decimals_come_back(whole in 1000..1_000_000_000_u64, cents in 1..100_u64, marks in prop_oneof![Just(('.', ',')), Just((',', '.')), Just((' ', ','))]) {
        let text = format!("Rp {}{}{cents:02}", grouped(whole, marks.0), marks.1);
        let number: f64 = format!("{whole}.{cents:02}").parse().unwrap();
        prop_assert_eq!(parse(&text, None).and_then(|n| n.as_f64()), Some(number));
        prop_assert_eq!(parse(&text, Some(marks.1)).and_then(|n| n.as_f64()), Some(number));
    }
}
