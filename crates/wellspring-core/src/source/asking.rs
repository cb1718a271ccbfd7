//! Requests: addresses, headers and bodies with their places, steps, values, details.

use std::ops::Range;

use jiff::tz::TimeZone;
use url::Url;

use super::parse::Reader;
use super::policy::zone_named;
use super::raw::{RawAlternative, RawDetails, RawEach, RawMethod, RawStep, RawTime};
use super::words::{Literal, Period, Size, Table};
use super::{Ask, At, Details, Each, EachValues, Format, Json, Many, Method, Param, Payload, Rules, Step, Takes, Time};
use crate::key::{Params, is_word};
use crate::template::{BadTemplate, Template};

/// How many values are asked for, and details, where nothing else is said.
const FAN_OUT: usize = 50;

/// The names that may stand in places, as they become known.
pub(super) struct Names {
    /// Each with a value to try addresses with.
    known: Vec<(String, String)>,
    /// Captures that are lists: they fill no place until they are asked for one by one.
    lists: Vec<String>,
    usable: bool,
}

impl Names {
    pub(super) fn new(params: &[Param], usable: bool) -> Self {
        Self { known: params.iter().map(|p| (p.name.clone(), sample(p))).collect(), lists: Vec::new(), usable }
    }

    /// Every name.
    pub(super) fn all(&self) -> Vec<String> {
        self.known.iter().map(|(name, _)| name.clone()).collect()
    }

    fn add(&mut self, name: &str) {
        // Stands in a port, a host and a path alike.
        self.known.push((name.to_owned(), "1".to_owned()));
    }

    fn with<'n>(&self, more: impl IntoIterator<Item = &'n str>) -> Self {
        let mut names = Self { known: self.known.clone(), lists: self.lists.clone(), usable: self.usable };
        more.into_iter().for_each(|name| names.add(name));
        names
    }
}

/// What a request is made of, wherever it is written.
#[derive(Clone, Copy, Default)]
pub(super) struct Asking<'r> {
    url: Option<&'r At<String>>,
    method: Option<&'r At<RawMethod>>,
    headers: Option<&'r Table<At<String>>>,
    cookies: Option<&'r Table<At<String>>>,
    json: Option<&'r At<Literal>>,
    form: Option<&'r Table<At<String>>>,
    body: Option<&'r At<String>>,
    user_agent: Option<&'r At<String>>,
    proxy: Option<&'r At<String>>,
    timeout: Option<&'r At<Period>>,
    max_body: Option<&'r At<Size>>,
}

impl<'r> Asking<'r> {
    pub(super) fn of_alternative(raw: &'r RawAlternative) -> Self {
        Self {
            url: raw.url.as_ref(),
            method: raw.method.as_ref(),
            headers: raw.headers.as_ref(),
            cookies: raw.cookies.as_ref(),
            json: raw.json.as_ref(),
            form: raw.form.as_ref(),
            body: raw.body.as_ref(),
            ..Self::alike(raw)
        }
    }

    fn of_step(step: &'r RawStep, raw: &'r RawAlternative) -> Self {
        Self {
            url: Some(&step.url),
            method: step.method.as_ref(),
            headers: step.headers.as_ref(),
            cookies: step.cookies.as_ref(),
            json: step.json.as_ref(),
            form: step.form.as_ref(),
            body: step.body.as_ref(),
            ..Self::alike(raw)
        }
    }

    fn of_details(details: &'r RawDetails, raw: &'r RawAlternative) -> Self {
        Self {
            url: Some(&details.url),
            method: details.method.as_ref(),
            headers: details.headers.as_ref(),
            json: details.json.as_ref(),
            form: details.form.as_ref(),
            body: details.body.as_ref(),
            ..Self::alike(raw)
        }
    }

    /// What all requests of a source have in common.
    fn alike(raw: &'r RawAlternative) -> Self {
        Self {
            user_agent: raw.user_agent.as_ref(),
            proxy: raw.proxy.as_ref(),
            timeout: raw.timeout.as_ref(),
            max_body: raw.max_body.as_ref(),
            ..Self::default()
        }
    }
}

impl Reader<'_> {
    pub(super) fn ask(&mut self, raw: &Asking<'_>, names: &Names) -> Option<Ask> {
        let timeout = self.positive("timeout", raw.timeout);
        if let Some(max_body) = raw.max_body.filter(|at| at.value.0 == 0) {
            self.error(&max_body.span, "`max_body` must be more than nothing", None);
        }
        let url = if names.usable { self.address(raw.url?, names, "url") } else { Template::parse("", &[], &|_| None).ok() };
        let proxy = raw.proxy.filter(|_| names.usable).map(|proxy| self.address(proxy, &Names::new(&[], true), "proxy"));
        let mut headers = raw.headers.map_or(Some(Vec::new()), |headers| self.headers(headers, names))?;
        if let Some(agent) = raw.user_agent {
            headers.push(("user-agent".to_owned(), self.template(agent, names)?));
        }
        let cookies = raw.cookies.map_or(Some(Vec::new()), |cookies| self.texts(cookies, names))?;
        let payload = self.payload(raw, names)?;
        let method = match raw.method.map(|at| at.value) {
            Some(RawMethod::Post) => Method::Post,
            None if payload.is_some() => Method::Post,
            None => Method::Get,
            Some(RawMethod::Get) => {
                if let (Some(method), Some(_)) = (raw.method, &payload) {
                    self.error(&method.span, "a GET sends nothing", Some("leave `method` out: what sends something is a POST"));
                }
                Method::Get
            }
        };
        Some(Ask {
            url: url?,
            method,
            headers,
            cookies,
            payload,
            proxy: proxy.map_or(Some(None), |proxy| proxy.map(Some))?,
            timeout,
            max_body: raw.max_body.map(|at| at.value.0),
        })
    }

    fn headers(&mut self, raw: &Table<At<String>>, names: &Names) -> Option<Vec<(String, Template)>> {
        const OURS: [&str; 6] = ["host", "content-length", "transfer-encoding", "connection", "accept-encoding", "cookie"];
        for (name, _) in &raw.0 {
            let lower = name.value.to_ascii_lowercase();
            if lower.is_empty() || !lower.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)) {
                self.error(&name.span, format!("`{}` is no header's name", name.value.escape_debug()), None);
            } else if OURS.contains(&lower.as_str()) {
                let help = (lower == "cookie").then_some("cookies go into `cookies = { name = \"value\" }`");
                self.error(&name.span, format!("`{}` is not for a source to set", name.value), help);
            }
        }
        let texts = self.texts(raw, names)?;
        Some(texts.into_iter().map(|(name, text)| (name.to_ascii_lowercase(), text)).collect())
    }

    fn texts(&mut self, raw: &Table<At<String>>, names: &Names) -> Option<Vec<(String, Template)>> {
        raw.0.iter().map(|(name, text)| Some((name.value.clone(), self.template(text, names)?))).collect()
    }

    fn payload(&mut self, raw: &Asking<'_>, names: &Names) -> Option<Option<Payload>> {
        let sends = [raw.json.map(|at| at.span.clone()), raw.body.map(|at| at.span.clone())];
        if sends.iter().flatten().count() + usize::from(raw.form.is_some()) > 1 {
            let span = sends.into_iter().flatten().next().unwrap_or_default();
            self.error(&span, "a request sends one thing", Some("keep one of `json`, `form` and `body`"));
            return None;
        }
        Some(match (raw.json, raw.form, raw.body) {
            (Some(json), ..) => Some(Payload::Json(self.json(&json.value.0, &json.span, names)?)),
            (_, Some(form), _) => Some(Payload::Form(self.texts(form, names)?)),
            (.., Some(body)) => Some(Payload::Text(self.template(body, names)?)),
            _ => None,
        })
    }

    fn json(&mut self, value: &serde_json::Value, span: &Range<usize>, names: &Names) -> Option<Json> {
        Some(match value {
            serde_json::Value::String(text) => Json::Text(self.template(&At { value: text.clone(), span: span.clone() }, names)?),
            serde_json::Value::Array(list) => Json::List(list.iter().map(|value| self.json(value, span, names)).collect::<Option<_>>()?),
            serde_json::Value::Object(members) => Json::Object(
                members.iter().map(|(name, value)| Some((name.clone(), self.json(value, span, names)?))).collect::<Option<_>>()?,
            ),
            plain => Json::Plain(plain.clone()),
        })
    }

    pub(super) fn steps(&mut self, raw: &[At<RawStep>], alternative: &RawAlternative, names: &mut Names) -> Option<Vec<Step>> {
        raw.iter().map(|step| self.step(step, alternative, names)).collect()
    }

    fn step(&mut self, raw: &At<RawStep>, alternative: &RawAlternative, names: &mut Names) -> Option<Step> {
        let ask = self.ask(&Asking::of_step(&raw.value, alternative), names);
        let format = raw.value.format.as_ref().map(|at| at.value);
        let captures = self.fields(&raw.value.capture, format.or(Some(Format::Text)), &names.all());
        for field in captures.iter().flatten() {
            let at = raw.value.capture.0.iter().find(|(name, _)| name.value == field.name);
            if let Some((name, _)) = at
                && !is_word(&field.name)
            {
                let help = "it takes a lower-case letter, then letters, digits and `_`: it is written as {name}";
                self.error(&name.span, format!("`{}` is no name of a capture", field.name.escape_debug()), Some(help));
            }
            if field.many == Some(Many::List) {
                names.lists.push(field.name.clone());
            } else {
                names.add(&field.name);
            }
        }
        Some(Step {
            name: raw.value.name.as_ref().map(|at| at.value.clone()),
            ask: ask?,
            rules: Rules {
                within: self.within(raw.value.script.as_ref(), raw.value.variable.as_ref(), format.unwrap_or(Format::Text)),
                ..Rules::whole(format.unwrap_or(Format::Text), captures?)
            },
        })
    }

    pub(super) fn each(&mut self, raw: &At<RawEach>, names: &mut Names) -> Option<Each> {
        let each = match &raw.value {
            RawEach::Name(name) => Each { name: name.clone(), values: EachValues::Captured, limit: FAN_OUT },
            RawEach::Table(table) => {
                let zone = self.zone(table.zone.as_ref())?;
                let values = match (&table.values, &table.days) {
                    (Some(values), None) => EachValues::Listed(values.value.clone()),
                    (None, Some(days)) => EachValues::Days {
                        count: days.value,
                        format: table.format.as_ref().map_or_else(|| "%Y-%m-%d".to_owned(), |at| at.value.clone()),
                        zone,
                    },
                    (None, None) => EachValues::Captured,
                    (Some(values), Some(_)) => {
                        self.error(&values.span, "`values` and `days` both say what is asked for", Some("keep one of them"));
                        return None;
                    }
                };
                Each { name: table.name.value.clone(), values, limit: table.limit.as_ref().map_or(FAN_OUT, |at| at.value) }
            }
        };
        if matches!(each.values, EachValues::Captured) && !names.lists.contains(&each.name) {
            let message = format!("no step captures a list called `{}`", each.name.escape_debug());
            let help = format!("write capture.{} = {{ path = \"…\", all = true }} in a step, or give `values` or `days`", each.name);
            self.error(&raw.span, message, Some(&help));
            return None;
        }
        names.lists.retain(|list| *list != each.name);
        names.add(&each.name);
        Some(each)
    }

    pub(super) fn details(&mut self, raw: &At<RawDetails>, alternative: &RawAlternative, rows: &Rules, names: &Names) -> Option<Details> {
        let span = &raw.span;
        let raw = &raw.value;
        let inner = names.with(rows.fields.iter().map(|field| field.name.as_str()));
        let ask = self.ask(&Asking::of_details(raw, alternative), &inner);
        let format = raw.format.value;
        let fields = self.fields(&raw.fields, Some(format), &inner.all())?;
        if fields.is_empty() {
            self.error(span, "these details have no `fields`", Some("say what joins the item: fields = { summary = \"p.intro\" }"));
        }
        let whole = Rules::whole(format, fields);
        Some(Details {
            ask: ask?,
            rules: Rules {
                within: self.within(raw.script.as_ref(), raw.variable.as_ref(), format),
                items: raw.items.clone().or(whole.items),
                ..whole
            },
            limit: raw.limit.as_ref().map_or(FAN_OUT, |at| at.value),
        })
    }

    pub(super) fn times(&mut self, raw: &Table<At<RawTime>>, names: &mut Names) -> Option<Vec<Time>> {
        raw.0.iter().map(|(name, time)| self.time(name, &time.value, names)).collect()
    }

    fn time(&mut self, name: &At<String>, raw: &RawTime, names: &mut Names) -> Option<Time> {
        if !is_word(&name.value) {
            let help = "it takes a lower-case letter, then letters, digits and `_`: it is written as {name}";
            self.error(&name.span, format!("`{}` is no name of a time", name.value.escape_debug()), Some(help));
        }
        let zone = self.zone(raw.zone.as_ref())?;
        names.add(&name.value);
        let seconds = |period: &Option<At<Period>>| period.as_ref().map_or(0, |at| i64::try_from(at.value.0.as_secs()).unwrap_or(i64::MAX));
        Some(Time {
            name: name.value.clone(),
            format: raw.format.as_ref().map_or_else(|| "%Y-%m-%d".to_owned(), |at| at.value.clone()),
            zone,
            offset: seconds(&raw.ahead).saturating_sub(seconds(&raw.back)),
        })
    }

    /// A time zone; UTC where none is named.
    fn zone(&mut self, zone: Option<&At<String>>) -> Option<TimeZone> {
        let Some(zone) = zone else { return Some(TimeZone::UTC) };
        match zone_named(&zone.value) {
            Ok(zone) => Some(zone),
            Err(help) => {
                self.error(&zone.span, format!("there is no time zone `{}`", zone.value.escape_debug()), Some(&help));
                None
            }
        }
    }

    /// A text with its places open.
    fn template(&mut self, at: &At<String>, names: &Names) -> Option<Template> {
        self.template_of(at, names, "text")
    }

    fn template_of(&mut self, at: &At<String>, names: &Names, key: &str) -> Option<Template> {
        let known: Vec<&str> = names.known.iter().map(|(name, _)| name.as_str()).collect();
        // What an unusable alternative asks of the environment is not asked.
        let unread = |_: &str| Some(String::new());
        let template = Template::parse(&at.value, &known, if names.usable { self.environment } else { &unread });
        let bad = match template {
            Ok(template) => return Some(template),
            Err(bad) => bad,
        };
        let help = match &bad {
            BadTemplate::MissingVariable(name) if key == "url" => {
                format!("set it, or put this address into a [[source.{}.from]] with when_env = \"{name}\"", self.name.value)
            }
            BadTemplate::MissingVariable(_) => "set it before the server starts".to_owned(),
            BadTemplate::UnknownParameter(name) if names.lists.contains(name) => {
                format!("it is a list: ask once for each of it by each = \"{name}\"")
            }
            BadTemplate::UnknownParameter(name) => format!("declare it: [source.{}.params.{name}]", self.name.value),
            BadTemplate::Unclosed => "write ${NAME}".to_owned(),
        };
        self.error(&at.span, bad.to_string(), Some(&help));
        None
    }

    /// An http address with its places open, tried with sample values. What came from a variable is never repeated.
    fn address(&mut self, at: &At<String>, names: &Names, key: &str) -> Option<Template> {
        let template = self.template_of(at, names, key)?;
        // An address that is a place altogether, or begins with one, is judged when it is known.
        if at.value.starts_with('{') {
            return Some(template);
        }
        let samples: Params = names.known.iter().cloned().collect();
        let reason = match Url::parse(template.fill(&samples).expose()) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => "it must begin with http:// or https://".to_owned(),
            Ok(_) => return Some(template),
            Err(url::ParseError::RelativeUrlWithoutBase) => "it must begin with http:// or https://".to_owned(),
            Err(error) => error.to_string(),
        };
        self.error(&at.span, format!("`{key}` is no http address: {reason}"), Some("write it in full, as in https://www.example.com/list"));
        None
    }
}

/// A value that the parameter takes, as far as one can be told without a request.
fn sample(param: &Param) -> String {
    match (&param.default, &param.takes) {
        (Some(default), _) => default.clone(),
        (None, Takes::Values(values)) => values.first().cloned().unwrap_or_default(),
        // Stands in a port, a host and a path alike.
        (None, Takes::Pattern(_) | Takes::Boolean | Takes::Date) => "1".to_owned(),
        (None, Takes::Integer { min, max }) => 1.clamp(*min, *max).to_string(),
    }
}
