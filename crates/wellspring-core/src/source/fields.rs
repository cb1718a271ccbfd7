//! Fields: where each is looked for, what it is put together from, and that its keys fit each other.

use std::ops::Range;

use super::document::suggestion;
use super::names::Names;
use super::parse::Reader;
use super::raw::{RawField, RawFieldTable, RawPlaces};
use super::words::Table;
use super::{Anchor, At, Field, Format, Many, Nested, Origin, Piece, Places};

/// Keys that stand beside `compose`; a `default` stands beside everything.
const WITH_COMPOSE: [&str; 8] = ["compose", "regex", "parse", "format", "zone", "as", "currency", "decimal"];
/// Keys that stand beside `items`.
const WITH_ITEMS: [&str; 2] = ["items", "fields"];
/// Keys that stand beside `fields` where there are no `items`.
const WITH_FIELDS: [&str; 1] = ["fields"];

/// A name that a text may be put together from, and what it stands for.
#[derive(Clone)]
struct Part {
    name: String,
    sort: PartSort,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PartSort {
    Text,
    /// Put together itself: known from the next field on.
    Composed,
    List,
    Rows,
    Object,
}

impl RawFieldTable {
    /// True of all that is found, kept apart.
    pub(super) fn is_list(&self) -> bool {
        self.join.is_none() && self.all.as_ref().is_some_and(|all| all.value)
    }
}

impl Part {
    fn of_field(name: &At<String>, field: &At<RawField>) -> Self {
        let sort = match &field.value {
            RawField::Table(table) if table.items.is_some() => PartSort::Rows,
            RawField::Table(table) if table.fields.is_some() => PartSort::Object,
            RawField::Table(table) if table.is_list() => PartSort::List,
            RawField::Table(table) if table.compose.is_some() => PartSort::Composed,
            _ => PartSort::Text,
        };
        Self { name: name.value.clone(), sort }
    }

    fn known(names: &Names) -> Vec<Self> {
        let texts = names.texts().into_iter().map(|name| Self { name: name.to_owned(), sort: PartSort::Text });
        texts.chain(names.lists().iter().map(|name| Self { name: name.clone(), sort: PartSort::List })).collect()
    }
}

impl Reader<'_> {
    /// Fields. `names` may be composed beside the fields themselves. Without a `format`, which has been complained about, they are
    /// not judged by it.
    pub(super) fn fields(&mut self, raw: &Table<At<RawField>>, format: Option<Format>, names: &Names) -> Option<Vec<Field>> {
        self.fields_among(raw, format, &Part::known(names))
    }

    fn fields_among(&mut self, raw: &Table<At<RawField>>, format: Option<Format>, outer: &[Part]) -> Option<Vec<Field>> {
        let own: Vec<Part> = raw.0.iter().map(|(name, field)| Part::of_field(name, field)).collect();
        let mut fields = Some(Vec::new());
        for (index, (name, field)) in raw.0.iter().enumerate() {
            let field = self.field(name, field, format, &Parts { outer, own: &own, index });
            fields = fields.zip(field).map(|(mut fields, field)| {
                fields.push(field);
                fields
            });
        }
        if let Some((name, _)) = raw.0.first().filter(|_| raw.0.iter().all(|(name, _)| name.value.starts_with('_'))) {
            let help = "names that begin with `_` are for other fields to use and are left out of the item";
            self.error(&name.span, "all these fields are hidden", Some(help));
        }
        fields
    }

    fn field(&mut self, name: &At<String>, raw: &At<RawField>, format: Option<Format>, parts: &Parts<'_>) -> Option<Field> {
        if name.value.is_empty() || name.value.contains(',') {
            self.error(&name.span, "a field needs a name, and one without commas", Some("clients pick fields by ?fields=a,b"));
        }
        let field = match &raw.value {
            RawField::One(place) => Field::at(&name.value, vec![At { value: place.clone(), span: raw.span.clone() }]),
            RawField::Many(places) => Field::at(&name.value, places.clone()),
            RawField::Table(table) => self.field_table(name, table, format, parts)?,
        };
        if matches!(&field.origin, Origin::Object(fields) if fields.is_empty()) {
            let message = format!("`{}` holds nothing", name.value.escape_debug());
            self.error(&raw.span, message, Some("say what it holds: fields = { name = \"h2\" }"));
        }
        if let Origin::Places(places) = &field.origin {
            if places.candidates.is_empty() && places.anchor.is_none() && field.default.is_none() && field.regex.is_none() {
                let message = format!("`{}` says nowhere to look", name.value.escape_debug());
                self.error(&raw.span, message, Some("add a place, as in select = \"h2\", or a default"));
            }
            for place in places.candidates.iter().filter(|place| place.value.trim().is_empty()) {
                self.error(&place.span, "a place must not be empty", Some("\".\" is the item's own text"));
            }
            if let Some(place) = places.candidates.first().filter(|_| format == Some(Format::Text)) {
                let help = format!("take it by a pattern: {} = {{ regex = \"…\" }}", name.value.escape_debug());
                self.error(&place.span, "plain text has no places to look at", Some(&help));
            }
        }
        Some(field)
    }

    fn field_table(&mut self, name: &At<String>, raw: &RawFieldTable, format: Option<Format>, parts: &Parts<'_>) -> Option<Field> {
        self.keys_fit(raw, format).then_some(())?;
        let origin = self.origin(raw, format, parts);
        let parse = self.parse_rule(raw, format);
        let many = match (&raw.all, &raw.join) {
            (Some(At { value: false, .. }), Some(join)) => {
                self.error(&join.span, "`join` takes all that is found, and `all` is false", Some("keep one of them"));
                None
            }
            (_, Some(join)) => Some(Many::Joined(join.value.clone())),
            (Some(At { value: true, .. }), None) => Some(Many::List),
            _ => None,
        };
        Some(Field {
            name: name.value.clone(),
            origin: origin?,
            regex: raw.regex.clone(),
            parse: parse?,
            many,
            default: raw.default.as_ref().map(|literal| literal.0.clone()),
        })
    }

    /// Complains about keys that mean nothing beside each other or in the format.
    fn keys_fit(&mut self, raw: &RawFieldTable, format: Option<Format>) -> bool {
        let keys = keys(raw);
        let stray = |known: &[&str]| keys.iter().find(|(key, _)| !known.contains(key)).cloned();
        let (base, stray, help) = if raw.compose.is_some() {
            let help = "look for it in a field of its own, as in _part = \"…\", and write {_part} in the text";
            ("compose", stray(&WITH_COMPOSE), help)
        } else if raw.items.is_some() {
            ("items", stray(&WITH_ITEMS), "`items` make a list of rows: say in their `fields` what each holds")
        } else if raw.fields.is_some() {
            let help = "`fields` alone make one object of the item itself: write in each of them where it is found; with `items` they \
                        make a list of rows within";
            ("fields", stray(&WITH_FIELDS), help)
        } else {
            ("", None, "")
        };
        if let Some((key, span)) = stray {
            self.error(&span, format!("`{key}` means nothing beside `{base}`"), Some(help));
            return false;
        }
        let companions = [("key", raw.key.as_ref().map(|at| &at.span)), ("equals", raw.equals.as_ref().map(|at| &at.span))];
        for (key, span) in companions {
            if let Some(span) = span.filter(|_| raw.lookup.is_none()) {
                let message = format!("`{key}` means nothing without `lookup`");
                self.error(span, message, Some("add lookup = \"$.films[*]\""));
                return false;
            }
        }
        format.is_none_or(|format| self.fits_format(&keys, format))
    }

    fn fits_format(&mut self, keys: &[(&'static str, Range<usize>)], format: Format) -> bool {
        use Format::{Html, Json, Jsonld, Xml};
        for (key, span) in keys {
            let (formats, message, help): (&[Format], _, _) = match *key {
                "attr" if format == Json => (&[Html, Xml], "JSON has no attributes", "name the member in the path, as in \"$.link.href\""),
                "attr" => (&[Html, Xml], "only elements of a page or of XML have attributes", "leave `attr` out"),
                "preceding" => (&[Html], "only in a page is there a nearest element before the item", "it needs format = \"html\""),
                "ancestor" => (&[Html], "only in a page are there elements around the item", "it needs format = \"html\""),
                "lookup" => (&[Json, Jsonld], "only in JSON are rows looked up", "it needs format = \"json\""),
                "items" => {
                    (&[Html, Json, Jsonld, Xml], "these items have no lists of rows within", "all = true takes all that is found as a list")
                }
                _ => continue,
            };
            if !formats.contains(&format) {
                self.error(span, message, Some(help));
                return false;
            }
        }
        true
    }

    fn origin(&mut self, raw: &RawFieldTable, format: Option<Format>, parts: &Parts<'_>) -> Option<Origin> {
        if let (Some(_), Some(path)) = (&raw.select, &raw.path) {
            self.error(&path.span, "`select` and `path` mean the same", Some("keep one of them"));
            return None;
        }
        if let Some(compose) = &raw.compose {
            let ways = each_place(compose).iter().map(|way| self.compose(way, parts)).collect::<Option<_>>();
            return ways.map(Origin::Compose);
        }
        if let Some(items) = &raw.items {
            return self.nested(items, raw.fields.as_ref(), format, parts).map(Origin::Rows);
        }
        if let Some(fields) = &raw.fields {
            return self.fields_among(fields, format, &parts.of_rows()).map(Origin::Object);
        }
        Some(Origin::Places(Places {
            candidates: raw.select.as_ref().or(raw.path.as_ref()).map(each_place).unwrap_or_default(),
            attr: raw.attr.as_ref().map(|at| at.value.clone()),
            anchor: self.anchor(raw)?,
        }))
    }

    fn nested(
        &mut self,
        items: &At<String>,
        fields: Option<&Table<At<RawField>>>,
        format: Option<Format>,
        parts: &Parts<'_>,
    ) -> Option<Nested> {
        let Some(fields) = fields.filter(|fields| !fields.0.is_empty()) else {
            let help = "say what each row holds: fields = { … }; for a list of texts write path = \"…\", all = true";
            self.error(&items.span, "these rows have no `fields`", Some(help));
            return None;
        };
        if items.value.trim().is_empty() {
            self.error(&items.span, "`items` must not be empty", None);
        }
        let fields = self.fields_among(fields, format, &parts.of_rows())?;
        Some(Nested { items: items.clone(), fields })
    }

    #[expect(clippy::option_option, reason = "outside: whether it could be read; inside: whether there is any")]
    fn anchor(&mut self, raw: &RawFieldTable) -> Option<Option<Anchor>> {
        Some(match (&raw.preceding, &raw.ancestor, &raw.lookup) {
            (None, None, None) => None,
            (Some(preceding), None, None) => Some(Anchor::Preceding(preceding.clone())),
            (None, Some(ancestor), None) => Some(Anchor::Ancestor(ancestor.clone())),
            (None, None, Some(lookup)) => {
                let Some(equals) = &raw.equals else {
                    let help = "add equals = \"$.filmId\", the part of the item, and key = \"$.id\", the part of such a row";
                    self.error(&lookup.span, "`lookup` does not say which row is meant", Some(help));
                    return None;
                };
                Some(Anchor::Lookup { rows: lookup.clone(), key: raw.key.clone(), equals: equals.clone() })
            }
            (_, Some(at), _) | (_, _, Some(at)) => {
                self.error(&at.span, "a field is looked for from one place", Some("keep one of `preceding`, `ancestor` and `lookup`"));
                return None;
            }
        })
    }

    fn compose(&mut self, at: &At<String>, parts: &Parts<'_>) -> Option<Vec<Piece>> {
        let pieces = Piece::split(&at.value, |name| parts.find(name).is_some());
        for piece in &pieces {
            if let Piece::Name(name) = piece
                && let Err((message, help)) = parts.usable(name)
            {
                self.error(&at.span, message, Some(&help));
                return None;
            }
        }
        if !pieces.iter().any(|piece| matches!(piece, Piece::Name(_))) {
            let help = "write {name} where a field, a parameter or a capture goes; a value that never changes is a default";
            self.error(&at.span, "`compose` puts nothing together", Some(help));
            return None;
        }
        Some(pieces)
    }
}

/// What a field may be put together from.
struct Parts<'p> {
    outer: &'p [Part],
    own: &'p [Part],
    /// Which of its own fields this one is.
    index: usize,
}

impl Parts<'_> {
    /// Where among its own fields, if there, and what it is.
    fn find(&self, name: &str) -> Option<(Option<usize>, PartSort)> {
        let own = self.own.iter().enumerate().find(|(_, part)| part.name == name).map(|(at, part)| (Some(at), part.sort));
        own.or_else(|| self.outer.iter().rev().find(|part| part.name == name).map(|part| (None, part.sort)))
    }

    /// Whether a name has a value when this field is put together: those that are found come first, then those that are put
    /// together in their order, lists of rows and objects last.
    fn usable(&self, name: &str) -> Result<(), (String, String)> {
        let shown = name.escape_debug();
        match self.find(name) {
            None => {
                let others = self.own.iter().enumerate().filter(|(at, _)| *at != self.index).map(|(_, part)| part);
                let known: Vec<&str> = others.chain(self.outer).map(|part| part.name.as_str()).collect();
                let help = suggestion(name, &known);
                Err((format!("`{{{shown}}}` names no field, parameter or capture"), help))
            }
            Some((Some(at), _)) if at == self.index => {
                let help = if self.outer.iter().any(|part| part.name == name) {
                    format!("call this field something else: here {{{shown}}} means the field and nothing outside")
                } else {
                    "name another field, parameter or capture".to_owned()
                };
                Err((format!("`{shown}` cannot be put together from itself"), help))
            }
            Some((Some(at), PartSort::Composed)) if at > self.index => {
                let help = format!("fields are put together from top to bottom: move `{shown}` above this one");
                Err((format!("`{{{shown}}}` is put together itself, further down"), help))
            }
            Some((_, PartSort::List)) => Err((format!("`{{{shown}}}` is a list"), "join = \", \" makes one text of it".to_owned())),
            Some((_, PartSort::Rows)) => {
                Err((format!("`{{{shown}}}` is a list of rows"), "their `fields` may be put together, with the item's own".to_owned()))
            }
            Some((_, PartSort::Object)) => {
                Err((format!("`{{{shown}}}` is an object"), "its `fields` may be put together, with the item's own".to_owned()))
            }
            Some((_, PartSort::Text | PartSort::Composed)) => Ok(()),
        }
    }

    /// What the fields of rows and objects within this item may be put together from: all of it.
    fn of_rows(&self) -> Vec<Part> {
        self.outer.iter().chain(self.own).cloned().collect()
    }
}

/// One place or several, each by itself.
pub(super) fn each_place(places: &At<RawPlaces>) -> Vec<At<String>> {
    match &places.value {
        RawPlaces::One(place) => vec![At { value: place.clone(), span: places.span.clone() }],
        RawPlaces::Many(places) => places.clone(),
    }
}

/// The keys that are there, but `default`, which stands beside everything.
pub(super) fn keys(raw: &RawFieldTable) -> Vec<(&'static str, Range<usize>)> {
    let span = |at: &Option<At<String>>| at.as_ref().map(|at| at.span.clone());
    let fields = raw.fields.as_ref().map(|fields| fields.0.first().map(|(name, _)| name.span.clone()).unwrap_or_default());
    [
        ("select", raw.select.as_ref().map(|at| at.span.clone())),
        ("path", raw.path.as_ref().map(|at| at.span.clone())),
        ("attr", span(&raw.attr)),
        ("preceding", span(&raw.preceding)),
        ("ancestor", span(&raw.ancestor)),
        ("lookup", span(&raw.lookup)),
        ("key", span(&raw.key)),
        ("equals", span(&raw.equals)),
        ("compose", raw.compose.as_ref().map(|at| at.span.clone())),
        ("regex", span(&raw.regex)),
        ("parse", raw.parse.as_ref().map(|at| at.span.clone())),
        ("format", raw.format.as_ref().map(|at| at.span.clone())),
        ("zone", span(&raw.zone)),
        ("as", raw.output.as_ref().map(|at| at.span.clone())),
        ("currency", span(&raw.currency)),
        ("all", raw.all.as_ref().map(|at| at.span.clone())),
        ("join", span(&raw.join)),
        ("items", span(&raw.items)),
        ("fields", fields),
        ("decimal", raw.decimal.as_ref().map(|at| at.span.clone())),
    ]
    .into_iter()
    .filter_map(|(key, span)| Some((key, span?)))
    .collect()
}
