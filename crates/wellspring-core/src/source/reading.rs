//! Rules: how the body that gives the rows is read, and that its keys fit its format.

use super::alternative::expect;
use super::document::suggestion;
use super::names::Names;
use super::parse::Reader;
use super::raw::RawAlternative;
use super::{At, Field, Format, Rules, Window, Within};

/// How far back a calendar's events are items, in seconds.
const BACK: u64 = 24 * 60 * 60;
/// How far ahead.
const AHEAD: u64 = 365 * 24 * 60 * 60;

impl Reader<'_> {
    pub(super) fn rules(&mut self, raw: &RawAlternative, at: &At<()>, names: &Names) -> Option<Rules> {
        let expect = expect(raw.expect.as_ref());
        let format = raw.format.as_ref().map(|at| at.value);
        self.expectations(raw);
        let fields = raw.fields.as_ref().map_or(Some(Vec::new()), |fields| self.fields(fields, format, names));
        if let Some(limit) = raw.limit.as_ref() {
            if limit.value == 0 {
                self.error(&limit.span, "`limit` must be at least 1", None);
            } else if limit.value < expect.min_items as usize {
                let message = format!("at most {} items can never be the {} that are expected", limit.value, expect.min_items);
                self.error(&limit.span, message, Some("`min_items` is judged after `limit`"));
            }
        }
        if let Some(transform) = raw.transform.as_ref().filter(|at| at.value.trim().is_empty()) {
            self.error(&transform.span, "`transform` must not be empty", Some("write a jq program, as in \"map(select(.price != null))\""));
        }
        let Some(format) = format else {
            let help = "add format = \"html\", \"json\" or \"feed\"; ical, jsonld, csv, xml and text are read too";
            self.error(&at.span, "this does not say what it is read as", Some(help));
            return None;
        };
        self.require_items(raw, at, format);
        self.items_fit(raw.items.as_ref(), format);
        self.format_keys(raw, format);
        let within = self.within(raw.script.as_ref(), raw.variable.as_ref(), Some(format));
        let fields = fields?;
        self.known_fields(raw, &fields);
        Some(Rules {
            format,
            items: raw.items.clone(),
            fields,
            within,
            transform: raw.transform.clone(),
            delimiter: raw.delimiter.as_ref().map(|at| at.value),
            window: (format == Format::Ical).then(|| Window {
                back: raw.back.as_ref().map_or(BACK, |at| at.value.0.as_secs()),
                ahead: raw.ahead.as_ref().map_or(AHEAD, |at| at.value.0.as_secs()),
            }),
            unique_by: raw.unique_by.clone(),
            limit: raw.limit.as_ref().map(|at| at.value),
            required: expect.required,
        })
    }

    fn require_items(&mut self, raw: &RawAlternative, at: &At<()>, format: Format) {
        let no_items = raw.items.is_none();
        let no_fields = raw.fields.as_ref().is_none_or(|fields| fields.0.is_empty());
        let (message, help) = match format {
            Format::Html if no_items => ("this page has no `items`", "add a CSS selector that matches each item: items = \"ul.list > li\""),
            Format::Html if no_fields => {
                ("this page has no `fields`", "say where each is found: fields = { title = \"h2\", link = \"a@href\" }")
            }
            Format::Xml if no_items => ("this XML has no `items`", "name the elements from the outside in: items = \"stations/station\""),
            Format::Text if no_fields && no_items => {
                ("this text has no `fields`", "take them by patterns: fields = { rate = { regex = \"…\" } }")
            }
            _ => return,
        };
        self.error(&at.span, message, Some(help));
    }

    /// Complains about `items` that are empty, or of a format whose items are what they are.
    pub(super) fn items_fit(&mut self, items: Option<&At<String>>, format: Format) {
        let Some(items) = items else { return };
        let message = match format {
            Format::Feed => "a feed's items are its entries",
            Format::Ical => "a calendar's items are its events",
            Format::Csv => "the items of CSV are its lines",
            Format::Html | Format::Json | Format::Jsonld | Format::Xml | Format::Text => {
                if items.value.trim().is_empty() {
                    self.error(&items.span, "`items` must not be empty", None);
                }
                return;
            }
        };
        self.error(&items.span, message, Some("leave `items` out"));
    }

    /// Complains about keys that mean nothing in the format.
    fn format_keys(&mut self, raw: &RawAlternative, format: Format) {
        for (key, period) in [("back", &raw.back), ("ahead", &raw.ahead)] {
            if let Some(at) = period.as_ref().filter(|_| format != Format::Ical) {
                let message = format!("`{key}` says which events of a calendar are items, and this is none");
                self.error(&at.span, message, Some("it needs format = \"ical\""));
            }
        }
        let Some(delimiter) = &raw.delimiter else { return };
        if format != Format::Csv {
            self.error(&delimiter.span, "`delimiter` separates the columns of CSV, and this is none", Some("it needs format = \"csv\""));
        } else if !delimiter.value.is_ascii() || matches!(delimiter.value, '"' | '\r' | '\n') {
            self.error(&delimiter.span, "this cannot separate columns", Some("write a single ASCII character, as in \";\" or \"\\t\""));
        }
    }

    /// Complains about `unique_by` and `required` of what no item has. A program makes fields of its own.
    fn known_fields(&mut self, raw: &RawAlternative, fields: &[Field]) {
        if fields.is_empty() || raw.transform.is_some() {
            return;
        }
        let joined = raw.details.iter().flat_map(|details| &details.value.fields.0).map(|(name, _)| name.value.as_str());
        let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).chain(joined).collect();
        for name in raw.unique_by.iter().chain(raw.expect.iter().flat_map(|expect| &expect.required)) {
            let shown = name.value.escape_debug();
            if !known.contains(&name.value.as_str()) {
                let help = suggestion(&name.value, &known);
                self.error(&name.span, format!("there is no field `{shown}`"), Some(&help));
            } else if name.value.starts_with('_') {
                let help = "name one that items have, or take the `_` away";
                self.error(&name.span, format!("`{shown}` is hidden: items are without it"), Some(help));
            }
        }
    }

    fn expectations(&mut self, raw: &RawAlternative) {
        if let Some(share) = raw.expect.as_ref().and_then(|expect| expect.max_drop.as_ref())
            && !(0.0..=1.0).contains(&share.value)
        {
            self.error(&share.span, "`max_drop` is a share between 0 and 1", Some("0.5 lets half of the items go missing"));
        }
    }

    /// Where in a page the JSON is. Without a `format`, which has been complained about, it is not judged by it.
    pub(super) fn within(&mut self, script: Option<&At<String>>, variable: Option<&At<String>>, format: Option<Format>) -> Option<Within> {
        let (at, within) = match (script, variable) {
            (None, None) => return None,
            (Some(_), Some(variable)) => {
                self.error(&variable.span, "`script` and `variable` both say where the JSON is", Some("keep one of them"));
                return None;
            }
            (Some(script), None) => (script, Within::Element(script.clone())),
            (None, Some(variable)) => (variable, Within::Variable(variable.clone())),
        };
        if format.is_some_and(|format| format != Format::Json) {
            let message = "this says where in a page the JSON is, and the body is not read as JSON";
            self.error(&at.span, message, Some("write format = \"json\""));
        } else if at.value.trim().is_empty() {
            self.error(&at.span, "this must not be empty", Some("script = \"script#__NEXT_DATA__\", or variable = \"window.__STATE__\""));
        }
        Some(within)
    }
}
