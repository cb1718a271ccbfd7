//! Alternatives and their rules.

use url::Url;

use super::parse::Reader;
use super::raw::{RawAlternative, RawExpect, RawField, RawFieldTable, RawParse, RawPlaces, RawSource};
use super::words::Table;
use super::{Alternative, At, Field, Format, Param, Parse, Rules, Takes};
use crate::gate::Expect;
use crate::key::Params;
use crate::template::{BadTemplate, Template};

impl Reader<'_> {
    /// The alternatives, each with the shape it was read from, the source's own keys filled in.
    pub(super) fn alternatives(&mut self, raw: &RawSource, params: &[Param]) -> Vec<(Alternative, RawAlternative)> {
        let own = match (&raw.url, &raw.from) {
            (Some(url), None) => vec![At { value: RawAlternative::of_url(url.clone()), span: self.name.span.clone() }],
            (None, Some(from)) => {
                if from.value.is_empty() {
                    self.error(&from.span, "`from` lists no alternative", Some("add a [[source.NAME.from]] with a `url`"));
                }
                from.value.clone()
            }
            (Some(url), Some(_)) => {
                let help = "move this address into an alternative of its own";
                self.error(&url.span, "a source has either a `url` or alternatives in `from`", Some(help));
                return Vec::new();
            }
            (None, None) => {
                let message = format!("source `{}` has no `url`", self.name.value.escape_debug());
                self.error(&self.name.span.clone(), message, Some("add url = \"https://…\", or alternatives as [[source.NAME.from]]"));
                return Vec::new();
            }
        };
        let mut alternatives = Vec::new();
        for At { value, span } in own {
            let shape = raw.completing(value);
            if let Some(alternative) = self.alternative(&shape, &At { value: (), span }, params) {
                alternatives.push((alternative, shape));
            }
        }
        alternatives
    }

    fn alternative(&mut self, raw: &RawAlternative, at: &At<()>, params: &[Param]) -> Option<Alternative> {
        let usable = self.is_usable(raw);
        let rules = self.rules(raw, at);
        let timeout = self.positive("timeout", raw.timeout.as_ref());
        if let Some(max_body) = raw.max_body.as_ref().filter(|at| at.value.0 == 0) {
            self.error(&max_body.span, "`max_body` must be more than nothing", None);
        }
        if raw.render == Some(super::Render::Always) {
            let help = "\"auto\" reads it by plain HTTP; for a list filled by JavaScript, look for the JSON that the page itself loads";
            self.error(&at.span, "`render = \"always\"` needs a browser, which this version does not drive yet", Some(help));
        }
        let Some(url) = &raw.url else {
            self.error(&at.span, "this alternative has no `url`", Some("add url = \"https://…\""));
            return None;
        };
        let url = self.url(url, usable, params);
        let proxy = raw.proxy.as_ref().filter(|_| usable).map(|proxy| self.address(proxy, &[], "proxy"));
        let expect = expect(raw.expect.as_ref());
        Some(Alternative {
            when_env: raw.when_env.as_ref().map(|at| at.value.clone()),
            usable,
            url: url?,
            render: raw.render.unwrap_or_default(),
            wait_for: raw.wait_for.as_ref().map(|at| at.value.clone()),
            proxy: proxy.map_or(Some(None), |proxy| proxy.map(Some))?,
            timeout,
            max_body: raw.max_body.as_ref().map(|at| at.value.0),
            rules: rules?,
            expect,
        })
    }

    fn is_usable(&mut self, raw: &RawAlternative) -> bool {
        let Some(name) = &raw.when_env else { return true };
        if !is_variable(&name.value) {
            let message = format!("`{}` is no name of a variable", name.value.escape_debug());
            self.error(&name.span, message, Some("write the bare name, as in when_env = \"API_KEY\""));
            return false;
        }
        (self.environment)(&name.value).is_some_and(|value| !value.is_empty())
    }

    fn url(&mut self, url: &At<String>, usable: bool, params: &[Param]) -> Option<Template> {
        if !usable {
            return Template::parse("", &[], &|_| None).ok();
        }
        self.address(url, params, "url")
    }

    /// An http address with its places open, tried with sample values. What came from a variable is never repeated.
    fn address(&mut self, at: &At<String>, params: &[Param], key: &str) -> Option<Template> {
        let names: Vec<&str> = params.iter().map(|p| p.name.as_str()).collect();
        let template = match Template::parse(&at.value, &names, self.environment) {
            Ok(template) => template,
            Err(bad) => {
                let help = match &bad {
                    BadTemplate::MissingVariable(name) if key == "url" => {
                        format!("set it, or put this address into a [[source.{}.from]] with when_env = \"{name}\"", self.name.value)
                    }
                    BadTemplate::MissingVariable(_) => "set it before the server starts".to_owned(),
                    BadTemplate::UnknownParameter(name) => format!("declare it: [source.{}.params.{name}]", self.name.value),
                    BadTemplate::Unclosed => "write ${NAME}".to_owned(),
                };
                self.error(&at.span, bad.to_string(), Some(&help));
                return None;
            }
        };
        let samples: Params = params.iter().map(|p| (p.name.clone(), sample(p))).collect();
        let reason = match Url::parse(template.fill(&samples).expose()) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => "it must begin with http:// or https://".to_owned(),
            Ok(_) => return Some(template),
            Err(url::ParseError::RelativeUrlWithoutBase) => "it must begin with http:// or https://".to_owned(),
            Err(error) => error.to_string(),
        };
        self.error(&at.span, format!("`{key}` is no http address: {reason}"), Some("write it in full, as in https://www.example.com/list"));
        None
    }

    fn rules(&mut self, raw: &RawAlternative, at: &At<()>) -> Option<Rules> {
        let expect = expect(raw.expect.as_ref());
        self.expectations(raw);
        let fields: Option<Vec<Field>> = raw.fields.as_ref().map_or(Some(Vec::new()), |fields| self.fields(fields, raw.format.as_ref()));
        if let Some(limit) = raw.limit.as_ref() {
            if limit.value == 0 {
                self.error(&limit.span, "`limit` must be at least 1", None);
            } else if limit.value < expect.min_items as usize {
                let message = format!("at most {} items can never be the {} that are expected", limit.value, expect.min_items);
                self.error(&limit.span, message, Some("`min_items` is judged after `limit`"));
            }
        }
        let Some(format) = raw.format.as_ref().map(|at| at.value) else {
            self.error(&at.span, "this does not say what it is read as", Some("add format = \"html\", \"json\" or \"feed\""));
            return None;
        };
        self.require_items(raw, at, format);
        let fields = fields?;
        if !fields.is_empty() {
            for name in raw.unique_by.iter().chain(raw.expect.iter().flat_map(|e| &e.required)) {
                self.known_field(name, &fields);
            }
        }
        Some(Rules {
            format,
            items: raw.items.clone(),
            fields,
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

    fn fields(&mut self, raw: &Table<At<RawField>>, format: Option<&At<Format>>) -> Option<Vec<Field>> {
        raw.0.iter().map(|(name, field)| self.field(name, field, format.map(|at| at.value))).collect()
    }

    fn field(&mut self, name: &At<String>, raw: &At<RawField>, format: Option<Format>) -> Option<Field> {
        if name.value.is_empty() || name.value.contains(',') {
            self.error(&name.span, "a field needs a name, and one without commas", Some("clients pick fields by ?fields=a,b"));
        }
        let field = match &raw.value {
            RawField::One(place) => {
                Field { candidates: vec![At { value: place.clone(), span: raw.span.clone() }], ..Field::named(&name.value) }
            }
            RawField::Many(places) => Field { candidates: places.clone(), ..Field::named(&name.value) },
            RawField::Table(table) => self.field_table(name, table, format)?,
        };
        if field.candidates.is_empty() && field.default.is_none() {
            let message = format!("`{}` says nowhere to look", name.value.escape_debug());
            self.error(&raw.span, message, Some("add a place, as in select = \"h2\", or a default"));
        }
        for place in field.candidates.iter().filter(|place| place.value.trim().is_empty()) {
            self.error(&place.span, "a place must not be empty", Some("\".\" is the item's own text"));
        }
        Some(field)
    }

    fn field_table(&mut self, name: &At<String>, raw: &RawFieldTable, format: Option<Format>) -> Option<Field> {
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
        let decimal = raw.decimal.as_ref();
        if let Some(mark) = decimal {
            if raw.parse.is_none() {
                self.error(&mark.span, "`decimal` says how numbers are read, and this is read as text", Some("add parse = \"number\""));
            } else if !matches!(mark.value, '.' | ',') {
                self.error(&mark.span, "a decimal mark is `.` or `,`", None);
            }
        }
        Some(Field {
            candidates: match places {
                None => Vec::new(),
                Some(At { value: RawPlaces::One(place), span }) => vec![At { value: place.clone(), span: span.clone() }],
                Some(At { value: RawPlaces::Many(places), .. }) => places.clone(),
            },
            attr: raw.attr.as_ref().map(|at| at.value.clone()),
            parse: match &raw.parse {
                None => Parse::Text,
                Some(At { value: RawParse::Number, .. }) => Parse::Number { decimal: decimal.map(|at| at.value) },
            },
            default: raw.default.as_ref().map(|literal| literal.0.clone()),
            ..Field::named(&name.value)
        })
    }
}

impl Field {
    /// A field that is found nowhere.
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), candidates: Vec::new(), attr: None, parse: Parse::Text, default: None }
    }
}

fn expect(raw: Option<&RawExpect>) -> Expect {
    let Some(raw) = raw else { return Expect::default() };
    Expect {
        min_items: raw.min_items.as_ref().map_or(Expect::default().min_items, |at| at.value),
        required: raw.required.iter().map(|at| at.value.clone()).collect(),
        allow_empty: raw.allow_empty.unwrap_or(false),
        max_drop: raw.max_drop.as_ref().map(|at| at.value),
    }
}

/// A value that the parameter takes, as far as one can be told without a request.
fn sample(param: &Param) -> String {
    match (&param.default, &param.takes) {
        (Some(default), _) => default.clone(),
        (None, Takes::Values(values)) => values.first().cloned().unwrap_or_default(),
        // Stands in a port, a host and a path alike.
        (None, Takes::Pattern(_)) => "1".to_owned(),
    }
}

/// True for what a shell takes as a variable's name.
fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
