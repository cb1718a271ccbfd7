//! What parameters take.

use insta::assert_snapshot;

use super::*;

fn takes(lines: &str) -> Takes {
    one_with(&format!("params.p = {{ {lines} }}\n")).params.remove(0).takes
}

#[test]
fn each_type_has_one_spelling_of_a_value() {
    let table: [(&str, &[(&str, Option<&str>)]); 6] = [
        ("values = ['a', 'B']", &[("a", Some("a")), ("b", None), ("", None)]),
        ("pattern = '[a-z]+'", &[("a", Some("a")), ("a1", None), ("a\n", None)]),
        (
            "type = 'integer', min = -3, max = 10",
            &[
                ("7", Some("7")),
                ("007", Some("7")),
                ("+7", Some("7")),
                ("-0", Some("0")),
                ("-3", Some("-3")),
                ("-4", None),
                ("11", None),
                ("1.0", None),
                (" 1", None),
                ("", None),
                ("99999999999999999999", None),
            ],
        ),
        ("type = 'integer'", &[("-9223372036854775808", Some("-9223372036854775808")), ("9223372036854775808", None)]),
        ("type = 'boolean'", &[("true", Some("true")), ("1", Some("true")), ("off", Some("false")), ("True", None), ("2", None)]),
        (
            "type = 'date'",
            &[
                ("2024-02-29", Some("2024-02-29")),
                ("2023-02-29", None),
                ("2024-2-9", Some("2024-02-09")),
                ("20240229", None),
                ("2024-02-29T00:00", None),
                ("-2024-01-01", None),
                ("today", None),
            ],
        ),
    ];
    for (lines, cases) in table {
        let takes = takes(lines);
        for (value, canonical) in cases {
            assert_eq!(takes.canonical(value).as_deref(), *canonical, "{lines}: {value:?}");
        }
    }
}

#[test]
fn what_a_parameter_takes_is_said_once_and_fits() {
    assert_snapshot!(told_with([
        "params.p = { type = 'integer', values = ['1'] }",
        "params.p = { type = 'date', pattern = '.*' }",
        "params.p = { type = 'number' }",
        "params.p = { type = 'date', min = 1 }",
        "params.p = { values = ['1'], max = 1 }",
        "params.p = { type = 'integer', min = 5, max = 1 }",
        "params.p = { type = 'integer', max = 5, default = 6 }",
        "params.p = { type = 'date', default = 2025-13-01 }",
        "params.p = { type = 'boolean', default = 'maybe' }",
        "params.p = { pattern = '.*', default = ['a'] }",
        "params.p = { min = 1 }",
    ]), @r#"
    'integer'  `p` has both `values` and `type`
        keep one of them
    'date'  `p` has both `pattern` and `type`
        keep one of them
    'number'  `number` is not known here
        it is one of: integer, boolean, date
    1  only whole numbers have bounds
        it needs type = "integer"
    1  only whole numbers have bounds
        it needs type = "integer"
    1  no number is from 5 to 1
    6  the default of `p` is not one that it takes
        it takes a whole number up to 5
    2025-13-01  invalid date, expected month between 01 and 12
    'maybe'  the default of `p` is not one that it takes
        it takes true or false
    ['a']  the default of `p` is not one that it takes
        it takes what matches .*
    1  only whole numbers have bounds
        it needs type = "integer"
    p  `p` does not say what it takes
        add values = ["…"], a pattern = "…" that the whole value must match, or type = "integer"
    "#);
    let default = |lines: &str| one_with(&format!("params.p = {{ {lines} }}\n")).params.remove(0).default.unwrap();
    assert_eq!(
        [
            default("type = 'integer', default = 7"),
            default("type = 'boolean', default = true"),
            default("type = 'date', default = 2025-01-23"),
            default("pattern = '.*', default = '07'")
        ],
        ["7", "true", "2025-01-23", "07"]
    );
}

proptest! {
    #[test]
    fn a_canonical_value_is_its_own(value in "[-+0-9]{0,6}|[a-z]{1,5}|[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}|.{0,8}") {
        for lines in ["type = 'integer'", "type = 'integer', min = -9, max = 99", "type = 'boolean'", "type = 'date'", "pattern = '[a-z]*'"] {
            let takes = takes(lines);
            if let Some(canonical) = takes.canonical(&value) {
                prop_assert_eq!(takes.canonical(&canonical), Some(canonical.clone()));
                prop_assert!(canonical.len() <= value.len().max(10), "{} of {}", canonical, value);
            }
        }
    }
}
