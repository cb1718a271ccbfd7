//! How the texts of fields are read: numbers, money, dates.

use super::fields::{each_place, keys};
use super::parse::Reader;
use super::raw::{RawFieldTable, RawParse};
use super::{DateRule, Format, Parse};

impl Reader<'_> {
    /// How a field's text is read, with the keys that say more about it.
    pub(super) fn parse_rule(&mut self, raw: &RawFieldTable, format: Option<Format>) -> Option<Parse> {
        let kind = raw.parse.as_ref().map(|at| at.value);
        self.values_fit(raw, kind)?;
        let decimal = raw.decimal.as_ref().map(|at| at.value);
        Some(match kind {
            None => Parse::Text,
            Some(RawParse::Number) => Parse::Number { decimal },
            Some(RawParse::Money) => Parse::Money { decimal, currency: raw.currency.as_ref().map(|at| at.value.clone()) },
            Some(RawParse::Date) => Parse::Date(self.date_rule(raw)?),
            Some(RawParse::Text) => Parse::Plain,
            Some(RawParse::Html) => {
                if let Some(at) = raw.parse.as_ref().filter(|_| format.is_some_and(|format| format != Format::Html)) {
                    let help = "it needs format = \"html\"; what holds markup as a text is given as it is";
                    self.error(&at.span, "only elements of a page have markup of their own", Some(help));
                    return None;
                }
                Parse::Markup
            }
            Some(RawParse::Json) => Parse::Json,
            Some(RawParse::Url) => Parse::Url,
            Some(RawParse::Boolean) => Parse::Boolean,
        })
    }

    fn values_fit(&mut self, raw: &RawFieldTable, kind: Option<RawParse>) -> Option<()> {
        use RawParse::{Date, Money, Number};
        for (key, span) in keys(raw) {
            let (kinds, what, parse) = match key {
                "decimal" => (&[Number, Money][..], "numbers are", "number"),
                "currency" => (&[Money][..], "money is", "money"),
                "format" | "zone" | "as" => (&[Date][..], "dates are", "date"),
                _ => continue,
            };
            if kind.is_some_and(|kind| kinds.contains(&kind)) {
                continue;
            }
            let verb = if key == "as" { "given" } else { "read" };
            let message = format!("`{key}` says how {what} {verb}, and this is read as {}", words(kind));
            let help =
                if kind.is_none() { format!("add parse = \"{parse}\"") } else { format!("leave it out, or write parse = \"{parse}\"") };
            self.error(&span, message, Some(&help));
            return None;
        }
        if let Some(mark) = raw.decimal.as_ref().filter(|mark| !matches!(mark.value, '.' | ',')) {
            self.error(&mark.span, "a decimal mark is `.` or `,`", None);
        }
        if let Some(code) = &raw.currency
            && !(code.value.len() == 3 && code.value.bytes().all(|b| b.is_ascii_uppercase()))
        {
            let message = format!("`{}` is no code of a currency", code.value.escape_debug());
            self.error(&code.span, message, Some("write the three letters of ISO 4217, as in \"IDR\" or \"EUR\""));
        }
        Some(())
    }

    fn date_rule(&mut self, raw: &RawFieldTable) -> Option<DateRule> {
        if let Some(zone) = &raw.zone {
            self.known_zone(zone)?;
        }
        let formats = raw.format.as_ref().map(each_place).unwrap_or_default();
        for format in formats.iter().filter(|format| !format.value.contains('%')) {
            let help = "write what stands where: \"%d/%m/%Y %H:%M\" reads 23/01/2025 18:30; leave `format` out for the usual notations";
            self.error(&format.span, format!("`{}` is no format of a date", format.value.escape_debug()), Some(help));
        }
        Some(DateRule {
            formats,
            zone: raw.zone.as_ref().map(|at| at.value.clone()),
            output: raw.output.as_ref().map(|at| at.value).unwrap_or_default(),
        })
    }
}

/// What a text is read as, in words.
fn words(kind: Option<RawParse>) -> &'static str {
    match kind {
        None | Some(RawParse::Text) => "text",
        Some(RawParse::Number) => "a number",
        Some(RawParse::Money) => "money",
        Some(RawParse::Date) => "a date",
        Some(RawParse::Html) => "markup",
        Some(RawParse::Json) => "JSON",
        Some(RawParse::Url) => "an address",
        Some(RawParse::Boolean) => "true or false",
    }
}
