//! Requests: addresses, headers and bodies with their places.

use std::ops::Range;

use serde_json::Value;
use url::Url;

use super::names::{Names, Sort};
use super::parse::Reader;
use super::raw::{RawAlternative, RawDetails, RawMethod, RawStep};
use super::words::{Literal, Period, Size, Table};
use super::{Ask, At, Json, Method, Payload};
use crate::key::is_word;
use crate::template::{BadTemplate, Place, Template, places};

/// Headers that follow from the request itself.
const OURS: [&str; 6] = ["host", "content-length", "transfer-encoding", "connection", "accept-encoding", "cookie"];

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

    pub(super) fn of_step(step: &'r RawStep, raw: &'r RawAlternative) -> Self {
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

    pub(super) fn of_details(details: &'r RawDetails, raw: &'r RawAlternative) -> Self {
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
        let headers = self.headers(raw, names);
        let cookies = raw.cookies.map_or(Some(Vec::new()), |cookies| self.cookies(cookies, names));
        let payload = self.payload(raw, names);
        let sends = matches!(payload, Some(Some(_)));
        let method = match raw.method {
            Some(At { value: RawMethod::Get, span }) if sends => {
                self.error(span, "a GET sends nothing", Some("leave `method` out: what sends something is a POST"));
                Method::Get
            }
            Some(At { value: RawMethod::Get, .. }) => Method::Get,
            None if !sends => Method::Get,
            _ => Method::Post,
        };
        Some(Ask {
            url: url?,
            method,
            headers: headers?,
            cookies: cookies?,
            payload: payload?,
            proxy: proxy.map_or(Some(None), |proxy| proxy.map(Some))?,
            timeout,
            max_body: raw.max_body.map(|at| at.value.0),
        })
    }

    /// Headers, names in lower case, with who asks among them.
    fn headers(&mut self, raw: &Asking<'_>, names: &Names) -> Option<Vec<(String, Template)>> {
        let mut headers: Vec<(String, Template)> = Vec::new();
        for (name, text) in raw.headers.iter().flat_map(|table| &table.0) {
            let lower = name.value.to_ascii_lowercase();
            let shown = name.value.escape_debug();
            if !is_token(&lower) {
                self.error(&name.span, format!("`{shown}` is no name of a header"), None);
            } else if OURS.contains(&lower.as_str()) {
                let help = (lower == "cookie").then_some("cookies go into cookies = { name = \"value\" }");
                self.error(&name.span, format!("`{shown}` is not for a source to set"), help);
            } else if headers.iter().any(|(known, _)| *known == lower) {
                self.error(
                    &name.span,
                    format!("the header `{shown}` is given twice"),
                    Some("keep one of them: capitals make no difference"),
                );
            }
            headers.push((lower, self.line(text, names, "a header")?));
        }
        if let Some(agent) = raw.user_agent {
            if headers.iter().any(|(name, _)| name == "user-agent") {
                self.error(&agent.span, "`user_agent` and the header `User-Agent` mean the same", Some("keep one of them"));
            }
            if agent.value.trim().is_empty() {
                self.error(&agent.span, "`user_agent` must not be empty", Some("leave it out to ask as the server does"));
            }
            headers.push(("user-agent".to_owned(), self.line(agent, names, "a header")?));
        }
        Some(headers)
    }

    fn cookies(&mut self, raw: &Table<At<String>>, names: &Names) -> Option<Vec<(String, Template)>> {
        let mut cookies = Vec::new();
        for (name, text) in &raw.0 {
            if !is_token(&name.value) {
                self.error(&name.span, format!("`{}` is no name of a cookie", name.value.escape_debug()), None);
            }
            cookies.push((name.value.clone(), self.line(text, names, "a cookie")?));
        }
        Some(cookies)
    }

    /// A text that goes into a header: tried with sample values, for what no header can carry.
    fn line(&mut self, at: &At<String>, names: &Names, what: &str) -> Option<Template> {
        let template = self.template(at, names)?;
        let filled = template.fill_as(Place::Verbatim, &names.samples());
        let unfit = |b: u8| (b < b' ' && b != b'\t') || b == 0x7f || (what == "a cookie" && b == b';');
        if filled.expose().bytes().any(unfit) {
            let help = if filled.is_secret() { "look at the variable's value: it may end in a line break" } else { "write it in one line" };
            self.error(&at.span, format!("this holds a character that {what} cannot carry"), Some(help));
        }
        Some(template)
    }

    /// What is sent, if anything.
    #[expect(clippy::option_option, reason = "outside: whether it could be read; inside: whether there is any")]
    fn payload(&mut self, raw: &Asking<'_>, names: &Names) -> Option<Option<Payload>> {
        let form = raw.form.map(|form| form.0.first().map(|(name, _)| name.span.clone()).unwrap_or_default());
        let sent = [raw.json.map(|at| at.span.clone()), form, raw.body.map(|at| at.span.clone())];
        if let [_, second, ..] = &sent.into_iter().flatten().collect::<Vec<_>>()[..] {
            self.error(second, "a request sends one thing", Some("keep one of `json`, `form` and `body`"));
            return None;
        }
        Some(match (raw.json, raw.form, raw.body) {
            (Some(json), ..) => Some(Payload::Json(self.json(&json.value.0, &json.span, names)?)),
            (_, Some(form), _) => {
                let texts = form.0.iter().map(|(name, text)| Some((name.value.clone(), self.template(text, names)?)));
                Some(Payload::Form(texts.collect::<Option<_>>()?))
            }
            (.., Some(body)) => Some(Payload::Text(self.template(body, names)?)),
            _ => None,
        })
    }

    fn json(&mut self, value: &Value, span: &Range<usize>, names: &Names) -> Option<Json> {
        Some(match value {
            Value::String(text) => {
                let text = self.template(&At { value: text.clone(), span: span.clone() }, names)?;
                match text.only_name() {
                    Some(name) if names.find(name) == Some(Sort::Parameter { bare: true }) => Json::Bare(name.to_owned()),
                    _ => Json::Text(text),
                }
            }
            Value::Array(list) => Json::List(list.iter().map(|value| self.json(value, span, names)).collect::<Option<_>>()?),
            Value::Object(members) => {
                let members = members.iter().map(|(name, value)| Some((name.clone(), self.json(value, span, names)?)));
                Json::Object(members.collect::<Option<_>>()?)
            }
            plain => Json::Plain(plain.clone()),
        })
    }

    /// A text with its places open.
    pub(super) fn template(&mut self, at: &At<String>, names: &Names) -> Option<Template> {
        self.template_of(at, names, "text")
    }

    fn template_of(&mut self, at: &At<String>, names: &Names, key: &str) -> Option<Template> {
        let mut known = names.texts();
        if names.takes_any() {
            known.extend(places(&at.value));
        }
        // What an unusable alternative asks of the environment is not asked.
        let unread = |_: &str| Some(String::new());
        let bad = match Template::parse(&at.value, &known, if names.usable { self.environment } else { &unread }) {
            Ok(template) => return Some(template),
            Err(bad) => bad,
        };
        let (sought, help) = match &bad {
            BadTemplate::MissingVariable(name) => {
                let help = match key {
                    "url" => format!("set it, or put this address into a [[source.{}.from]] with when_env = \"{name}\"", self.name.value),
                    _ => "set it before the server starts".to_owned(),
                };
                (format!("${{{name}}}"), help)
            }
            BadTemplate::UnknownParameter(name) => (format!("{{{name}}}"), self.way_to_know(name, names, key)),
            BadTemplate::Unclosed => ("${".to_owned(), "write ${NAME}".to_owned()),
        };
        // A text of a large JSON is not pointed at by itself.
        let span = if key == "url" || key == "proxy" { at.span.clone() } else { self.document.within(&at.span, &sought) };
        self.error(&span, bad.to_string(), Some(&help));
        None
    }

    fn way_to_know(&self, name: &str, names: &Names, key: &str) -> String {
        if names.is_list(name) {
            return format!("it is a list: ask once for each of it by each = \"{name}\"");
        }
        let (known, joint) = match names.nearest(name) {
            Some(meant) => (format!("did you mean `{{{meant}}}`?"), " Where"),
            None if is_word(name) && !names.has_fields() => (format!("declare it: [source.{}.params.{name}]", self.name.value), "; where"),
            None => (format!("known here: {}", names.texts().join(", ")), "; where"),
        };
        if key == "text" { format!("{known}{joint} braces are meant, write {{ {name} }} with blanks") } else { known }
    }

    /// An http address with its places open, tried with sample values. What came from a variable is never repeated.
    fn address(&mut self, at: &At<String>, names: &Names, key: &str) -> Option<Template> {
        let template = self.template_of(at, names, key)?;
        match template.first_name().and_then(|name| Some((name, names.find(name)?))) {
            Some((name, Sort::Parameter { .. } | Sort::Time)) => {
                let help = format!("write the host out, as in https://www.example.com/{{{name}}}");
                self.error(&at.span, format!("`{{{name}}}` cannot begin an address: readers would choose what is fetched"), Some(&help));
                return None;
            }
            // What was found is an address altogether, and judged when it is known.
            Some(_) => return Some(template),
            None => {}
        }
        let reason = match Url::parse(template.fill(&names.samples()).expose()) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => "it must begin with http:// or https://".to_owned(),
            Ok(_) => return self.names_its_host(template, at, names),
            Err(url::ParseError::RelativeUrlWithoutBase) => "it must begin with http:// or https://".to_owned(),
            Err(error) => error.to_string(),
        };
        self.error(&at.span, format!("`{key}` is no http address: {reason}"), Some("write it in full, as in https://www.example.com/list"));
        None
    }

    /// Complains about an address of which a parameter may make any.
    fn names_its_host(&mut self, template: Template, at: &At<String>, names: &Names) -> Option<Template> {
        let Some(name) = template.host_names().into_iter().find(|name| names.names_hosts(name)) else { return Some(template) };
        let help = format!("list what `{name}` takes by values = [\"…\"], or end the host in a domain: {{{name}}}.shops.example");
        self.error(&at.span, format!("`{{{name}}}` takes any host: readers would choose what is fetched"), Some(&help));
        None
    }
}

/// True for what names a header or a cookie.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
