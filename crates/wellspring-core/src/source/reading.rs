//! Rules and fields.

use super::alternative::expect;
use super::asking::Names;
use super::parse::Reader;
use super::policy::zone_named;
use super::raw::{RawAlternative, RawField, RawFieldTable, RawParse, RawPlaces};
use super::words::Table;
use super::{Anchor, At, DateRule, Field, Format, Many, Nested, Origin, Parse, Piece, Places, Rules, Window, Within};

/// How far back a calendar's events are items, in seconds.
const BACK: u64 = 24 * 60 * 60;
/// How far ahead.
const AHEAD: u64 = 365 * 24 * 60 * 60;

impl Reader<'_> {
    pub(super) fn rules(&mut self, raw: &RawAlternative, at: &At<()>, names: &Names) -> Option<Rules> {
        let expect = expect(raw.expect.as_ref());
        self.expectations(raw);
        let fields: Option<Vec<Field>> =
            raw.fields.as_ref().map_or(Some(Vec::new()), |fields| self.fields(fields, format_of(raw), &names.all()));
        if let Some(limit) = raw.limit.as_ref() {
            if limit.value == 0 {
                self.error(&limit.span, "`limit` must be at least 1", None);
            } else if limit.value < expect.min_items as usize {
                let message = format!("at most {} items can never be the {} that are expected", limit.value, expect.min_items);
                self.error(&limit.span, message, Some("`min_items` is judged after `limit`"));
            }
        }
        let Some(format) = raw.format.as_ref().map(|at| at.value) else {
            self.error(
                &at.span,
                "this does not say what it is read as",
                Some("add format = \"html\", \"json\" or \"feed\"; ical, jsonld, csv, xml and text are read too"),
            );
            return None;
        };
        self.require_items(raw, at, format);
        let fields = fields?;
        // A program makes fields of its own.
        if !fields.is_empty() && raw.transform.is_none() {
            for name in raw.unique_by.iter().chain(raw.expect.iter().flat_map(|e| &e.required)) {
                self.known_field(name, &fields);
            }
        }
        Some(Rules {
            format,
            items: raw.items.clone(),
            fields,
            within: self.within(raw.script.as_ref(), raw.variable.as_ref(), format),
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
        let missing = raw.items.is_none();
        match format {
            Format::Html if missing => {
                self.error(
                    &at.span,
                    "this page has no `items`",
                    Some("add a CSS selector that matches each item: items = \"ul.list > li\""),
                );
            }
            Format::Html if raw.fields.as_ref().is_none_or(|fields| fields.0.is_empty()) => {
                self.error(
                    &at.span,
                    "this page has no `fields`",
                    Some("say where each is found: fields = { title = \"h2\", link = \"a@href\" }"),
                );
            }
            _ => {}
        }
    }

    fn known_field(&mut self, name: &At<String>, fields: &[Field]) {
        if !fields.iter().any(|field| field.name == name.value) {
            let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            let help = super::document::suggestion(&name.value, &known);
            self.error(&name.span, format!("there is no field `{}`", name.value.escape_debug()), Some(&help));
        }
    }

    fn expectations(&mut self, raw: &RawAlternative) {
        if let Some(share) = raw.expect.as_ref().and_then(|expect| expect.max_drop.as_ref())
            && !(0.0..=1.0).contains(&share.value)
        {
            self.error(&share.span, "`max_drop` is a share between 0 and 1", Some("0.5 lets half of the items go missing"));
        }
    }

    /// Where in a page the JSON is.
    pub(super) fn within(&mut self, script: Option<&At<String>>, variable: Option<&At<String>>, format: Format) -> Option<Within> {
        let (span, within) = match (script, variable) {
            (None, None) => return None,
            (Some(_), Some(variable)) => {
                self.error(&variable.span, "`script` and `variable` both say where the JSON is", Some("keep one of them"));
                return None;
            }
            (Some(script), None) => (&script.span, Within::Element(script.clone())),
            (None, Some(variable)) => (&variable.span, Within::Variable(variable.clone())),
        };
        if format != Format::Json {
            self.error(span, "this says where in a page the JSON is, and the body is not read as JSON", Some("add format = \"json\""));
        }
        Some(within)
    }

    /// Fields. `outer` are the names that their `compose` may use beside those of the fields themselves.
    pub(super) fn fields(&mut self, raw: &Table<At<RawField>>, format: Option<Format>, outer: &[String]) -> Option<Vec<Field>> {
        let mut names = outer.to_vec();
        names.extend(raw.0.iter().map(|(name, _)| name.value.clone()));
        raw.0.iter().map(|(name, field)| self.field(name, field, format, &names)).collect()
    }

    fn field(&mut self, name: &At<String>, raw: &At<RawField>, format: Option<Format>, names: &[String]) -> Option<Field> {
        if name.value.is_empty() || name.value.contains(',') {
            self.error(&name.span, "a field needs a name, and one without commas", Some("clients pick fields by ?fields=a,b"));
        }
        let field = match &raw.value {
            RawField::One(place) => Field::at(&name.value, vec![At { value: place.clone(), span: raw.span.clone() }]),
            RawField::Many(places) => Field::at(&name.value, places.clone()),
            RawField::Table(table) => self.field_table(name, table, format, names)?,
        };
        if let Origin::Places(places) = &field.origin {
            if places.candidates.is_empty() && places.anchor.is_none() && field.default.is_none() && field.regex.is_none() {
                let message = format!("`{}` says nowhere to look", name.value.escape_debug());
                self.error(&raw.span, message, Some("add a place, as in select = \"h2\", or a default"));
            }
            for place in places.candidates.iter().filter(|place| place.value.trim().is_empty()) {
                self.error(&place.span, "a place must not be empty", Some("\".\" is the item's own text"));
            }
        }
        Some(field)
    }

    fn field_table(&mut self, name: &At<String>, raw: &RawFieldTable, format: Option<Format>, names: &[String]) -> Option<Field> {
        let origin = self.origin(raw, format, names)?;
        let many = match (&raw.all, &raw.join) {
            (_, Some(join)) => Some(Many::Joined(join.value.clone())),
            (Some(At { value: true, .. }), None) => Some(Many::List),
            _ => None,
        };
        Some(Field {
            name: name.value.clone(),
            origin,
            regex: raw.regex.clone(),
            parse: self.parse_rule(raw, format)?,
            many,
            default: raw.default.as_ref().map(|literal| literal.0.clone()),
        })
    }

    fn origin(&mut self, raw: &RawFieldTable, format: Option<Format>, names: &[String]) -> Option<Origin> {
        let places = match (&raw.select, &raw.path) {
            (Some(_), Some(path)) => {
                self.error(&path.span, "`select` and `path` mean the same", Some("keep one of them"));
                return None;
            }
            (select, path) => select.as_ref().or(path.as_ref()),
        };
        if let Some(attr) = &raw.attr
            && format == Some(Format::Json)
        {
            self.error(&attr.span, "JSON has no attributes", Some("name the member in the path, as in \"$.link.href\""));
        }
        if let Some(compose) = &raw.compose {
            return self.compose(compose, names).map(Origin::Compose);
        }
        if let Some(items) = &raw.items {
            let fields = self.fields(raw.fields.as_ref().unwrap_or(&Table::default()), format, names)?;
            return Some(Origin::Rows(Nested { items: items.clone(), fields }));
        }
        Some(Origin::Places(Places {
            candidates: match places {
                None => Vec::new(),
                Some(At { value: RawPlaces::One(place), span }) => vec![At { value: place.clone(), span: span.clone() }],
                Some(At { value: RawPlaces::Many(places), .. }) => places.clone(),
            },
            attr: raw.attr.as_ref().map(|at| at.value.clone()),
            anchor: self.anchor(raw)?,
        }))
    }

    fn anchor(&mut self, raw: &RawFieldTable) -> Option<Option<Anchor>> {
        Some(match (&raw.preceding, &raw.ancestor, &raw.lookup) {
            (None, None, None) => None,
            (Some(preceding), None, None) => Some(Anchor::Preceding(preceding.clone())),
            (None, Some(ancestor), None) => Some(Anchor::Ancestor(ancestor.clone())),
            (None, None, Some(lookup)) => {
                let (Some(key), Some(equals)) = (&raw.key, &raw.equals) else {
                    let help = "add key = \"$.id\", the part of such a row, and equals = \"$.filmId\", the part of the item";
                    self.error(&lookup.span, "`lookup` does not say which row is meant", Some(help));
                    return None;
                };
                Some(Anchor::Lookup { rows: lookup.clone(), key: key.clone(), equals: equals.clone() })
            }
            (_, Some(at), _) | (_, _, Some(at)) => {
                self.error(&at.span, "a field is looked for from one place", Some("keep one of `preceding`, `ancestor` and `lookup`"));
                return None;
            }
        })
    }

    fn compose(&mut self, at: &At<String>, names: &[String]) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut rest = at.value.as_str();
        while let Some(start) = rest.find('{') {
            let Some(length) = rest[start..].find('}') else { break };
            let name = &rest[start + 1..start + length];
            if !names.iter().any(|known| known == name) {
                let known: Vec<&str> = names.iter().map(String::as_str).collect();
                let help = super::document::suggestion(name, &known);
                self.error(&at.span, format!("`{{{}}}` names no field, parameter or capture", name.escape_debug()), Some(&help));
                return None;
            }
            if start > 0 {
                pieces.push(Piece::Text(rest[..start].to_owned()));
            }
            pieces.push(Piece::Name(name.to_owned()));
            rest = &rest[start + length + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Some(pieces)
    }

    fn parse_rule(&mut self, raw: &RawFieldTable, _format: Option<Format>) -> Option<Parse> {
        let decimal = raw.decimal.as_ref();
        let kind = raw.parse.as_ref().map(|at| at.value);
        if let Some(mark) = decimal {
            if !matches!(kind, Some(RawParse::Number | RawParse::Money)) {
                self.error(&mark.span, "`decimal` says how numbers are read, and this is read as text", Some("add parse = \"number\""));
            } else if !matches!(mark.value, '.' | ',') {
                self.error(&mark.span, "a decimal mark is `.` or `,`", None);
            }
        }
        let decimal = decimal.map(|at| at.value);
        Some(match kind {
            None => Parse::Text,
            Some(RawParse::Number) => Parse::Number { decimal },
            Some(RawParse::Money) => Parse::Money { decimal, currency: raw.currency.as_ref().map(|at| at.value.clone()) },
            Some(RawParse::Date) => Parse::Date(self.date_rule(raw)?),
            Some(RawParse::Text) => Parse::Plain,
            Some(RawParse::Html) => Parse::Markup,
            Some(RawParse::Json) => Parse::Json,
            Some(RawParse::Url) => Parse::Url,
            Some(RawParse::Boolean) => Parse::Boolean,
        })
    }

    fn date_rule(&mut self, raw: &RawFieldTable) -> Option<DateRule> {
        if let Some(zone) = &raw.zone
            && let Err(help) = zone_named(&zone.value)
        {
            self.error(&zone.span, format!("there is no time zone `{}`", zone.value.escape_debug()), Some(&help));
            return None;
        }
        Some(DateRule {
            formats: match &raw.format {
                None => Vec::new(),
                Some(At { value: RawPlaces::One(format), span }) => vec![At { value: format.clone(), span: span.clone() }],
                Some(At { value: RawPlaces::Many(formats), .. }) => formats.clone(),
            },
            zone: raw.zone.as_ref().map(|at| at.value.clone()),
            output: raw.output.as_ref().map(|at| at.value).unwrap_or_default(),
        })
    }
}

/// What an alternative's fields are read in.
fn format_of(raw: &RawAlternative) -> Option<Format> {
    raw.format.as_ref().map(|at| at.value)
}
