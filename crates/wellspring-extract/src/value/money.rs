//! Amounts with their currency: `Rp 14.500`, `€ 1.234,56`, `12 500 kr`, `$5.00`, `1,234.50 CHF`.

use serde_json::{Value, json};

use super::number;

/// Active codes of ISO 4217.
const CODES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY \
    COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK \
    JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD \
    NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL \
    THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW";

/// Marks and the currencies that they stand for, the usual one first. One that begins with `?` has no usual one.
const MARKS: [(&str, &str); 42] = [
    ("US$", "USD"),
    ("A$", "AUD"),
    ("AU$", "AUD"),
    ("C$", "CAD"),
    ("CA$", "CAD"),
    ("NZ$", "NZD"),
    ("HK$", "HKD"),
    ("S$", "SGD"),
    ("NT$", "TWD"),
    ("MX$", "MXN"),
    ("R$", "BRL"),
    ("$", "USD AUD CAD NZD HKD SGD TWD MXN ARS CLP COP UYU BBD BMD BND BSD BZD FJD GYD JMD KYD LRD NAD SBD SRD TTD XCD"),
    ("€", "EUR"),
    ("Euro", "EUR"),
    ("euros", "EUR"),
    ("£", "GBP EGP FKP GIP SHP SYP"),
    ("¥", "JPY CNY"),
    ("￥", "JPY CNY"),
    ("CN¥", "CNY"),
    ("元", "CNY TWD HKD"),
    ("円", "JPY"),
    ("₹", "INR"),
    ("Rs", "INR PKR LKR NPR MUR SCR"),
    ("Rp", "IDR"),
    ("RM", "MYR"),
    ("₩", "KRW"),
    ("원", "KRW"),
    ("₫", "VND"),
    ("đ", "VND"),
    ("฿", "THB"),
    ("₱", "PHP"),
    ("₺", "TRY"),
    ("TL", "TRY"),
    ("₽", "RUB"),
    ("₴", "UAH"),
    ("₪", "ILS"),
    ("₦", "NGN"),
    ("zł", "PLN"),
    ("Kč", "CZK"),
    ("Ft", "HUF"),
    ("kr", "? SEK NOK DKK ISK"),
    ("Fr", "CHF"),
];

/// How many numbers of a text may stand before the amount.
const NUMBERS: usize = 8;

/// How much of a text is read: no price begins later.
const MAX_LENGTH: usize = 4096;

/// The first amount in a text that has a currency, else the first number. `currency` is meant where the text names none, and where
/// its mark may stand for it. Null where there is no number.
pub(crate) fn read(found: &Value, decimal: Option<char>, currency: Option<&str>) -> Value {
    match found {
        Value::Number(_) => json!({"amount": found, "currency": currency}),
        Value::String(text) => parse(text, decimal, currency),
        _ => Value::Null,
    }
}

fn parse(text: &str, decimal: Option<char>, currency: Option<&str>) -> Value {
    let chars: Vec<char> = text.chars().take(MAX_LENGTH).collect();
    let mut first = None;
    let mut from = 0;
    for _ in 0..NUMBERS {
        let Some(found) = number::find(&chars, from, decimal) else { break };
        let (before, after) = (&chars[from..found.start], &chars[found.end..]);
        let mark = behind(before, currency).or_else(|| ahead(after, currency));
        if let (Some(mark), Some(number)) = (mark, &found.number) {
            return json!({"amount": number, "currency": mark.currency.or(currency)});
        }
        first = first.or(found.number);
        from = found.end;
    }
    first.map_or(Value::Null, |number| json!({"amount": number, "currency": currency}))
}

/// A mark of a currency. `None`: of one of several.
struct Mark<'a> {
    currency: Option<&'a str>,
}

/// The currency at the end of what is before a number: `Rp. -`.
fn behind<'a>(before: &[char], wanted: Option<&'a str>) -> Option<Mark<'a>> {
    let is_between = |c: &char| c.is_whitespace() || matches!(c, '.' | ':' | '-' | '−' | '–');
    let end = before.iter().rposition(|c| !is_between(c))? + 1;
    let start =
        before[..end].iter().rposition(|c| c.is_whitespace() || c.is_ascii_digit() || matches!(c, '(' | '/' | '-')).map_or(0, |at| at + 1);
    named(&before[start..end].iter().collect::<String>(), wanted)
}

/// The currency at the beginning of what is behind a number: `,- kr`.
fn ahead<'a>(after: &[char], wanted: Option<&'a str>) -> Option<Mark<'a>> {
    let is_between = |c: &char| c.is_whitespace() || matches!(c, ',' | '.' | '-' | '–' | '—');
    let start = after.iter().take(4).position(|c| !is_between(c))?;
    let word = after[start..].iter().take(8).take_while(|c| !(c.is_whitespace() || c.is_ascii_digit() || ",./;:()-+*".contains(**c)));
    named(&word.collect::<String>(), wanted)
}

/// The currency that a word stands for.
fn named<'a>(word: &str, wanted: Option<&'a str>) -> Option<Mark<'a>> {
    if let Some(code) = CODES.split_whitespace().find(|code| *code == word) {
        return Some(Mark { currency: Some(code) });
    }
    let (_, currencies) =
        MARKS.iter().find(|(mark, _)| *mark == word || mark.chars().count() > 1 && mark.to_lowercase() == word.to_lowercase())?;
    let usual = currencies.split(' ').next().filter(|usual| *usual != "?");
    Some(Mark { currency: wanted.filter(|wanted| currencies.split(' ').any(|known| known == *wanted)).or(usual) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, currency: Option<&str>, money: &Value) {
        let found = read(&Value::String(text.to_owned()), None, currency);
        let pair = found.as_object().map_or(Value::Null, |money| json!([money["amount"], money["currency"]]));
        assert_eq!(pair, *money, "{text}");
    }

    #[test]
    fn amounts_are_read_in_local_notation() {
        check("Rp 14.500", None, &json!([14500, "IDR"]));
        check("Rp. 14.500,-", None, &json!([14500, "IDR"]));
        check("Rp14.500,00", None, &json!([14500, "IDR"]));
        check("-Rp 14.500", None, &json!([-14500, "IDR"]));
        check("€ 1.234,56", None, &json!([1234.56, "EUR"]));
        check("1 234,56 €", None, &json!([1234.56, "EUR"]));
        check("CHF 1'234.50", None, &json!([1234.5, "CHF"]));
        check("12 500 kr", Some("NOK"), &json!([12500, "NOK"]));
        check("12\u{a0}500 kr.", None, &json!([12500, null]));
        check("5,- kr", Some("SEK"), &json!([5, "SEK"]));
        check("₹1,00,000", None, &json!([100_000, "INR"]));
        check("1 234,56 zł", None, &json!([1234.56, "PLN"]));
        check("£.99", None, &json!([0.99, "GBP"]));
        check("$2.5M", None, &json!([2_500_000, "USD"]));
        check("2,5 jt IDR", None, &json!([2_500_000, "IDR"]));
        check("¥1,980(税込)", None, &json!([1980, "JPY"]));
        check("19,99€/Monat", None, &json!([19.99, "EUR"]));
    }

    #[test]
    fn a_mark_of_several_currencies_gives_way_to_the_rule() {
        check("$5.00", None, &json!([5, "USD"]));
        check("$5.00", Some("CAD"), &json!([5, "CAD"]));
        check("US$5.00", Some("CAD"), &json!([5, "USD"]));
        check("£5", Some("IDR"), &json!([5, "GBP"]));
        check("5.00", Some("IDR"), &json!([5, "IDR"]));
        check("5.00", None, &json!([5, null]));
        check("USD 5", Some("IDR"), &json!([5, "USD"]));
    }

    #[test]
    fn the_number_with_a_currency_is_the_amount() {
        check("2 tickets: £10.50 each", None, &json!([10.5, "GBP"]));
        check("from 5 to 9", Some("EUR"), &json!([5, "EUR"]));
        check("All 5 seats", None, &json!([5, null]));
        check("free", Some("EUR"), &json!(null));
        check("", None, &json!(null));
        assert_eq!(read(&json!(14500), None, Some("IDR")), json!({"amount": 14500, "currency": "IDR"}));
        assert_eq!(read(&json!(["£5"]), None, None), json!(null));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), currency in proptest::option::of("[A-Z]{3}")) {
            read(&Value::String(text), None, currency.as_deref());
        }

        #[test]
        fn no_text_of_prices_panics(text in "[-0-9., ’$€£kr(RpUSD]{0,32}", decimal in proptest::option::of(prop_oneof![Just('.'), Just(',')])) {
            read(&Value::String(text), decimal, None);
        }
    }
}
